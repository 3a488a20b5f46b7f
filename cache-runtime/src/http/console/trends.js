// Hit rate and latency, from poll to poll.

import { lines } from "./charts.js";
import { percent, rate, time } from "./figures.js";
import { intervals } from "./history.js";

let hitRate, latency;

export function start() {
  hitRate = lines("hit-rate", {
    series: [{ colour: "hits", label: "Hit rate", fill: true }],
    unit: percent,
    top: 1,
    heads: ["Seconds ago", "Hit rate", "Calls per second"],
  });
  latency = lines("latency", {
    series: [
      { colour: "hits", label: "Look-up in the store, mean" },
      { colour: "misses", label: "Load, mean", borderDash: [6, 4] },
    ],
    unit: time,
    wide: true,
    heads: ["Seconds ago", "Look-up", "Load"],
  });
}

export function draw() {
  const all = intervals();
  const column = (name) => all.map((one) => ({ x: one.at, y: one[name] }));
  const rows = (cells) => () => all.toReversed().map((one) => [String(Math.round(-one.at)), ...cells(one)]);
  const last = all.at(-1);
  hitRate.draw({
    data: [column("hitRate")],
    summary: !last ? "Waiting for the second answer…" : `${now(all, "hitRate", percent)} · ${rate(last.callsPerSecond)} calls a second`,
    rows: rows((one) => [percent(one.hitRate), rate(one.callsPerSecond)]),
  });
  latency.draw({
    data: [column("lookup"), column("load")],
    summary: !last ? "Waiting for the second answer…" : `Look-up ${now(all, "lookup", time)} · load ${now(all, "load", time)}`,
    rows: rows((one) => [time(one.lookup), time(one.load)]),
  });
}

/** The last figure that there is. */
function now(all, name, unit) {
  const known = all.findLast((one) => one[name] != null);
  return known ? unit(known[name]) : "not seen yet";
}
