// What the report recommends.

import { element, find, show } from "./elements.js";
import { short } from "./figures.js";

const URGENCY = { high: "Urgent", medium: "Worth doing", low: "Could be better" };

export function draw(report) {
  const { recommendations } = report;
  show(find("recommendations"), recommendations, () =>
    recommendations.length === 0
      ? [element("li", { className: "quiet" }, "Nothing to recommend: what was seen is well, or too little was seen.")]
      : recommendations.map(row));
}

function row({ severity, function: name, text }) {
  return element("li", {},
    element("span", { className: `badge ${severity}` }, URGENCY[severity] ?? severity),
    element("span", {}, name ? element("strong", { title: name }, `${short(name)} `) : "", ...coded(text)));
}

/** What stands between backticks is code. */
const coded = (text) => text.split("`").map((part, at) => (at % 2 ? element("code", {}, part) : part));
