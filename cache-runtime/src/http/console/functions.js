// How the calls of each function went, and how long its loads take.

import { MOST, bars } from "./charts.js";
import { find } from "./elements.js";
import { count, percent, plural, short, time } from "./figures.js";
import { OUTCOMES, byFunction, calls, mean, samples, share } from "./history.js";

let outcomes, loads;

export function start() {
  outcomes = bars("outcomes", {
    series: OUTCOMES.map(([colour, label]) => ({ colour, label })),
    unit: count,
    stacked: true,
    heads: ["Function", ...OUTCOMES.map(([, label]) => label), "Hit rate"],
  });
  loads = bars("loads", {
    series: [
      { colour: "misses", label: "Mean" },
      { colour: "bypassed", label: "Slowest since the start" },
    ],
    unit: time,
    heads: ["Function", "Loads", "Mean", "Slowest since the start"],
  });
  find("span").addEventListener("change", draw);
}

export function draw() {
  const all = samples();
  if (all.length === 0) return;
  const before = find("span").value === "window" ? all[0].stats : undefined;
  const functions = byFunction(all.at(-1).stats, before);
  drawOutcomes(functions.filter((one) => calls(one.counts) > 0));
  drawLoads(functions.filter((one) => one.loads.count > 0));
}

function drawOutcomes(functions) {
  functions.sort((a, b) => calls(b.counts) - calls(a.counts));
  const top = functions.slice(0, MOST);
  const sum = functions.reduce((sum, one) => sum + calls(one.counts), 0);
  outcomes.draw({
    labels: top.map((one) => short(one.name)),
    data: OUTCOMES.map(([name]) => top.map((one) => one.counts[name])),
    summary: sum === 0 ? "No cached function was called." : `${plural(sum, "call")} of ${plural(functions.length, "function")}${rest(functions)}`,
    rows: () => functions.map(({ name, counts }) =>
      [name, ...OUTCOMES.map(([outcome]) => count(counts[outcome])), percent(share(counts))]),
  });
}

function drawLoads(functions) {
  functions.sort((a, b) => mean([b.loads]) - mean([a.loads]));
  const top = functions.slice(0, MOST);
  loads.draw({
    labels: top.map((one) => short(one.name)),
    data: [top.map((one) => mean([one.loads])), top.map((one) => one.slowest)],
    summary: top.length === 0 ? "Nothing was loaded." : `${short(top[0].name)} takes ${time(mean([top[0].loads]))}${rest(functions)}`,
    rows: () => functions.map((one) => [one.name, count(one.loads.count), time(mean([one.loads])), time(one.slowest)]),
  });
}

const rest = (functions) => (functions.length > MOST ? ` · the first ${MOST} are shown` : "");
