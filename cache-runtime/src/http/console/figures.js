// Figures as people read them: few digits, and a unit.

const whole = new Intl.NumberFormat("en");
const tenths = new Intl.NumberFormat("en", { maximumFractionDigits: 1 });

export const count = (n) => whole.format(n);
export const percent = (share) => (share == null ? "–" : `${tenths.format(share * 100)} %`);
export const plural = (n, one, many = `${one}s`) => `${count(n)} ${n === 1 ? one : many}`;
export const rate = (n) => (n == null ? "–" : n < 10 ? tenths.format(n) : count(Math.round(n)));

/** `0.31 ms`, `41 s`, `6 h`, of seconds. */
export function time(seconds) {
  if (seconds == null) return "–";
  const [value, unit] =
    seconds === 0 ? [0, "s"]
    : seconds < 1e-4 ? [seconds * 1e6, "µs"]
    : seconds < 1 ? [seconds * 1e3, "ms"]
    : seconds < 120 ? [seconds, "s"]
    : seconds < 7200 ? [seconds / 60, "min"]
    : seconds < 172_800 ? [seconds / 3600, "h"]
    : [seconds / 86_400, "d"];
  return `${Number(value.toPrecision(value < 100 ? 2 : 3))} ${unit}`;
}

/** `41 MB`, of 1,024 each. */
export function bytes(n) {
  if (n == null) return "–";
  const units = ["B", "KB", "MB", "GB", "TB"];
  let unit = 0;
  for (; n >= 1024 && unit < units.length - 1; unit++) n /= 1024;
  return `${tenths.format(n)} ${units[unit]}`;
}

export const clock = (date) => new Date(date).toLocaleTimeString("en-GB");
export const moment = (text) => (text ? new Date(text).toLocaleString("en-GB") : "–");

/** The last names of a path: `tasks::task` of `shop::tasks::task`. */
export const short = (path) => path.split("::").slice(-2).join("::");
