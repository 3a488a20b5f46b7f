// What the polls have brought. Counters only grow, so that two polls tell what happened in between.

/** Seconds. */
const SPAN = 300;
/** After so many seconds without a word an instance is taken for gone. */
const GONE = 15;

/** How a call can go, and its name in the counters; the colour has that name too. */
export const OUTCOMES = [
  ["hits", "Hit"],
  ["near_hits", "Near hit"],
  ["stale", "Stale"],
  ["misses", "Miss"],
  ["bypassed", "Bypassed"],
  ["degraded", "Store away"],
];

/** Of each instance its samples, the oldest first: behind one address several may answer. */
const instances = new Map();
let chosen = null;

const now = () => performance.now() / 1000;

/** Takes in what `/stats` answered. */
export function add(stats) {
  const samples = instances.get(stats.instance) ?? [];
  instances.set(stats.instance, samples);
  samples.push({ at: now(), stats });
  while (samples[0].at < now() - SPAN) samples.shift();
  for (const [name, kept] of instances) {
    if (kept.at(-1).at < now() - GONE) instances.delete(name);
  }
  if (!instances.has(chosen)) chosen = stats.instance;
}

export const names = () => [...instances.keys()].sort();
export const shown = () => chosen;
export const choose = (name) => (chosen = name);
export const latest = () => instances.get(chosen)?.at(-1).stats ?? null;
export const samples = () => instances.get(chosen) ?? [];

/** What happened from each poll to the next one, with `at` in seconds before the last one. */
export function intervals() {
  const all = samples();
  return all.slice(1).map((sample, before) => ({
    at: sample.at - all.at(-1).at,
    ...between(all[before].stats, sample.stats),
  }));
}

function between(before, after) {
  const functions = byFunction(after, before);
  const sum = (name) => functions.reduce((sum, { counts }) => sum + counts[name], 0);
  const counts = Object.fromEntries(OUTCOMES.map(([name]) => [name, sum(name)]));
  return {
    hitRate: share(counts),
    callsPerSecond: calls(counts) / (after.age_seconds - before.age_seconds),
    lookup: mean(functions.map(({ lookups }) => lookups)),
    load: mean(functions.map(({ loads }) => loads)),
  };
}

/** The cached functions of `stats`: what only invalidates has no namespace, and the library's own begin with a `%`. */
export const cached = (stats) => stats.functions.filter(({ namespace }) => /^[^%]/.test(namespace));

/** The figures of each cached function since `before`, or since the start. */
export function byFunction(after, before) {
  const name = (one) => `${one.namespace} ${one.function}`;
  const earlier = new Map(before?.functions.map((one) => [name(one), one]));
  return cached(after).map((one) => {
    const then = earlier.get(name(one));
    return {
      name: one.function,
      namespace: one.namespace,
      counts: minus(one.counts, then?.counts),
      lookups: timed(one.lookup_times, then?.lookup_times),
      loads: timed(one.load_times, then?.load_times),
      slowest: one.load_times?.slowest_seconds ?? null,
    };
  });
}

export const calls = (counts) => OUTCOMES.reduce((sum, [name]) => sum + counts[name], 0);

/** The part of the look-ups that were hits; `null` where there were none. */
export function share({ hits, near_hits, stale, misses }) {
  const answered = hits + near_hits + stale;
  return answered + misses > 0 ? answered / (answered + misses) : null;
}

/** Seconds; `null` where nothing was measured. */
export function mean(times) {
  const sum = times.reduce(
    (sum, one) => ({ count: sum.count + one.count, seconds: sum.seconds + one.seconds }),
    { count: 0, seconds: 0 },
  );
  return sum.count > 0 ? sum.seconds / sum.count : null;
}

function timed(after, before) {
  return {
    count: (after?.count ?? 0) - (before?.count ?? 0),
    seconds: (after?.total_seconds ?? 0) - (before?.total_seconds ?? 0),
  };
}

function minus(after, before) {
  return Object.fromEntries(
    Object.entries(after).map(([name, n]) => [name, n - (before?.[name] ?? 0)]),
  );
}
