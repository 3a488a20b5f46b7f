// Light, dark, or as the system has it.

import { find } from "./elements.js";

const KEPT = "cache-console-theme";
const THEMES = ["system", "light", "dark"];

let theme = THEMES.includes(localStorage.getItem(KEPT)) ? localStorage.getItem(KEPT) : THEMES[0];
const dark = matchMedia("(prefers-color-scheme: dark)");

/** Sets the page's theme, and tells `changed` whenever that or the system's is another one. */
export function start(changed) {
  apply();
  find("theme").addEventListener("click", () => {
    theme = THEMES[(THEMES.indexOf(theme) + 1) % THEMES.length];
    localStorage.setItem(KEPT, theme);
    apply();
    changed();
  });
  dark.addEventListener("change", changed);
}

function apply() {
  document.documentElement.dataset.theme = theme;
  find("theme").textContent = `Theme: ${theme}`;
}
