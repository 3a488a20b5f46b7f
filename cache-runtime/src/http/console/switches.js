// The cache of this instance off and on, in all or by namespace.

import { ask } from "./api.js";
import { confirmed } from "./confirm.js";
import { element, find, show } from "./elements.js";
import { cached } from "./history.js";

let done = () => {};

/** `switched` is called after each switch. */
export function start(switched) {
  done = switched;
}

export function draw(stats) {
  const { status, switched_off } = stats;
  const on = status === "enabled";
  const names = new Set([...cached(stats).map(({ namespace }) => namespace), ...switched_off]);
  const rows = [
    { name: "The whole cache", on },
    ...[...names].sort().map((namespace) => ({ name: namespace, namespace, on: !switched_off.includes(namespace) })),
  ];
  const at = [...find("switches").querySelectorAll("button")].indexOf(document.activeElement);
  show(find("switches"), rows, () => rows.map(row));
  // The button that was pressed is another one now.
  if (at >= 0) find("switches").querySelectorAll("button")[at]?.focus();
}

function row({ name, namespace, on }) {
  const label = on ? "Switch off" : "Switch on";
  const button = element("button", { type: "button", ariaLabel: `${label}: ${name}` }, on ? "Switch off…" : "Switch on");
  button.addEventListener("click", () => turn(name, namespace, !on));
  return element("li", {},
    element("span", { className: "grow" }, namespace ? element("code", {}, name) : name),
    element("span", { className: on ? "badge good" : "badge medium" }, on ? "on" : "off"),
    button);
}

async function turn(name, namespace, enabled) {
  const sure = enabled || await confirmed({
    title: `Switch off ${namespace ?? "the whole cache"}?`,
    text: "On the instance that answers, every call runs its function, and nothing is stored. Invalidations go on.",
    action: "Switch off",
  });
  if (!sure) return;
  const status = find("switches-status");
  try {
    await ask("PUT", "enabled", { body: { enabled, namespace } });
    status.textContent = `${name}: switched ${enabled ? "on" : "off"}.`;
  } catch (refusal) {
    status.textContent = `${name}: not switched, ${refusal.message}.`;
  }
  done();
}
