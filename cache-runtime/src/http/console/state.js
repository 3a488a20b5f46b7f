// How the cache is: its state, its circuit, its queue, and what is wrong.

import { announce, element, find, show } from "./elements.js";
import { bytes, clock, count, plural, rate, time } from "./figures.js";
import * as history from "./history.js";

const WORDS = {
  healthy: "✓ Healthy",
  degraded: "! Degraded",
  unavailable: "✗ Down",
  disabled: "– Switched off",
};

/** Since when the service has not answered. */
let silent = null;
let said = "";

export function start(changed) {
  find("instance").addEventListener("change", () => {
    history.choose(find("instance").value);
    changed();
  });
}

/** The service has answered. */
export function reached() {
  silent = null;
  draw();
}

/** It has not: what is shown is what was known last. */
export function unreached(why) {
  silent ??= { since: Date.now(), why };
  draw();
}

export function draw() {
  const stats = history.latest();
  find("console").classList.toggle("silent", silent !== null);
  const problems = [...(silent ? [silence()] : []), ...(stats ? wrong(stats) : [])];
  show(find("banners"), problems, () =>
    problems.map(([kind, text]) => element("p", { className: `banner ${kind}` }, text)));
  instances();
  if (stats) facts(stats);
  tell(silent ? "The service does not answer" : stats ? WORDS[stats.health.status] : "");
}

function silence() {
  return ["danger", `The service has not answered since ${clock(silent.since)}: ${silent.why}. Figures are the last known ones.`];
}

/** What is wrong, the worst first. */
function wrong(stats) {
  const { health, queue } = stats;
  const found = [];
  const away = stats.connected ? "" : `The store does not answer: ${health.problem}. Callers are answered by their functions. `;
  const open = stats.circuit_open ? "The circuit is open: Redis is not asked until the background has connected again." : "";
  if (away || open) found.push(["danger", away + open]);
  if (queue.pending_invalidations > 0) {
    const growing = grows() ? ", and more than before" : "";
    found.push(["warning", `${plural(queue.pending_invalidations, "invalidation")} cannot be delivered${growing}: other instances may serve old answers.`]);
  }
  if (stats.status === "disabled") {
    found.push(["warning", "The cache is switched off on this instance: every call runs its function."]);
  }
  if (stats.switched_off.length > 0) {
    found.push(["warning", `Switched off on this instance: ${stats.switched_off.join(", ")}.`]);
  }
  return found;
}

function grows() {
  const waiting = history.samples().slice(-6).map(({ stats }) => stats.queue.pending_invalidations);
  return waiting.at(-1) > waiting[0];
}

function facts({ health, queue, server, memory, near, circuit_open, store, stats, connected }) {
  find("line").textContent = health.line;
  const pending = queue.pending_invalidations;
  const redis = store === "redis";
  const tiles = [
    ["Circuit", redis && (circuit_open ? "open" : "closed"), circuit_open ? "Redis is not asked" : "Redis is asked", circuit_open],
    ["Queue", pending ? plural(pending, "invalidation") : "empty", pending ? `the oldest waits for ${time(queue.oldest_seconds)}` : "no invalidation waits", pending > 0],
    ["Response time", connected && time((health.response_time_ms ?? 0) / 1e3), "of a PING", health.response_time_ms >= 10],
    ["Memory", connected && bytes(memory.used_memory_bytes), memory.memory_limit_bytes ? `of ${bytes(memory.memory_limit_bytes)}` : redis ? "without a limit" : "in this process"],
    ["Keys", connected && count(stats.total_keys ?? 0), redis ? "in the database" : "in this process"],
    ["Evictions", server.evictions_per_minute !== null && `${rate(server.evictions_per_minute)} a minute`, server.eviction_policy ?? "", server.evictions_per_minute > 0],
    ["Operations", server.operations_per_second !== null && `${count(server.operations_per_second)} a second`, `Redis ${server.version}, ${plural(server.connected_clients ?? 0, "client")}`],
    ["Near cache", near.values > 0 && plural(near.values, "value"), bytes(near.bytes)],
  ].filter(([, figure]) => figure);
  show(find("tiles"), tiles, () => tiles.map(([name, figure, more, bad]) =>
    element("div", { className: bad ? "tile bad" : "tile" },
      element("dt", {}, name), element("dd", { className: "figure" }, figure), element("dd", { className: "quiet" }, more))));
}

function instances() {
  const names = history.names();
  find("instances").hidden = names.length < 2;
  show(find("instance"), names, () => names.map((name) => element("option", { value: name }, name)));
  find("instance").value = history.shown();
}

/** In the title and to those who listen, once. */
function tell(word) {
  const pill = find("pill");
  pill.hidden = word === "";
  pill.textContent = word;
  pill.dataset.status = silent ? "unavailable" : history.latest()?.health.status;
  document.title = word ? `${word} · Cache console` : "Cache console";
  if (word !== said) announce((said = word) && `State: ${word}`);
}
