// Making answers old, on all instances.

import { ask, path } from "./api.js";
import { confirmed } from "./confirm.js";
import { find } from "./elements.js";

export function start() {
  find("clear-form").addEventListener("submit", (event) => {
    event.preventDefault();
    pattern(find("clear-pattern").value.trim());
  });
  find("clear-everything").addEventListener("click", everything);
}

async function pattern(text) {
  const sure = await confirmed({
    title: "Clear this pattern?",
    text: `All that matches ${text} becomes old, on all instances, and is loaded anew when it is asked for.`,
    action: "Clear pattern",
  });
  const sweep = find("sweep").checked ? "&sweep=true" : "";
  if (sure) await clear(path`clear?pattern=${text}` + sweep, text, find("clear-status"));
}

async function everything() {
  const sure = await confirmed({
    title: "Clear everything?",
    text: "Every answer becomes old, on all instances: what is asked for is loaded anew, and the sources have all of the load until then.",
    action: "Clear everything",
    word: "everything",
  });
  if (sure) await clear("clear?confirm=everything", "Everything", find("clear-status"));
}

/** Whether this key was cleared. */
export async function key(name, status) {
  const sure = await confirmed({
    title: "Clear this key?",
    text: `${name} becomes old, on all instances, and is loaded anew when it is asked for.`,
    action: "Clear key",
  });
  return sure && clear(path`key/${name}`, name, status);
}

async function clear(what, name, status) {
  try {
    const { queued } = await ask("DELETE", what);
    status.textContent = queued
      ? `${name}: queued, since Redis cannot be told now. This instance respects it, the others when it is delivered.`
      : `${name}: cleared.`;
    return true;
  } catch (refusal) {
    status.textContent = `${name}: not cleared, ${refusal.message}.`;
    return false;
  }
}
