// Charts, each with a sentence and a table that say the same.

import { element, find, table } from "./elements.js";

const { Chart } = globalThis;

/** Functions that a chart has room for. */
export const MOST = 10;

/** Pixels of a bar with its margin, and of the axis below. */
const BAR = 34;
const AXIS = 44;

Chart.defaults.font.family = "system-ui, sans-serif";
// Pictures are replaced every two seconds: that is motion enough, and none for those who want none.
Chart.defaults.animation = false;
Chart.defaults.maintainAspectRatio = false;
Chart.defaults.plugins.legend.display = false;
Chart.defaults.interaction = { mode: "index", intersect: false };

/** One chart of the page: `series` are a colour, a label, and what Chart.js calls a dataset. */
class Figure {
  constructor(id, type, series, options, heads) {
    const place = find(id);
    this.title = place.querySelector("h3").textContent;
    this.summary = place.querySelector(".summary");
    this.legend = place.querySelector(".legend");
    this.frame = place.querySelector(".canvas");
    this.details = place.querySelector("details");
    this.canvas = place.querySelector("canvas");
    this.canvas.setAttribute("role", "img");
    this.series = series;
    this.heads = heads;
    this.rows = () => [];
    this.legend.append(...series.map(({ colour, label }) =>
      element("li", {}, element("span", { className: `swatch ${colour}` }), label)));
    this.chart = new Chart(this.canvas, {
      type,
      data: { datasets: series.map(({ colour, ...dataset }) => dataset) },
      options,
    });
    this.details.addEventListener("toggle", () => this.write());
  }

  /** Shows `data`, one list for each series. `rows` makes the table's, and is asked while somebody looks at it. */
  draw({ labels, data, summary, rows }) {
    const { datasets } = this.chart.data;
    for (const axis of Object.values(this.chart.options.scales)) {
      axis.ticks.color = read("muted");
      axis.grid.color = read("line");
    }
    this.chart.data.labels = labels;
    this.series.forEach(({ colour }, at) => {
      const dataset = datasets[at];
      dataset.data = data[at];
      dataset.borderColor = read(colour);
      dataset.backgroundColor = dataset.fill ? faint(dataset.borderColor) : dataset.borderColor;
    });
    const empty = data.every((list) => list.length === 0);
    this.frame.hidden = this.legend.hidden = this.details.hidden = empty;
    if (labels) this.frame.style.height = `${labels.length * BAR + AXIS}px`;
    else this.since(data[0][0]?.x ?? 0);
    this.summary.textContent = summary;
    this.canvas.setAttribute("aria-label", `${this.title}. ${summary}`);
    this.rows = rows;
    this.write();
    this.chart.update();
  }

  /** Begins at the full minute, or half of it, before `at`. */
  since(at) {
    const { x } = this.chart.options.scales;
    const step = at < -120 ? 60 : 30;
    x.min = Math.min(Math.floor(at / step) * step, -step);
    x.ticks.stepSize = at < -120 ? 60 : 15;
  }

  write() {
    if (this.details.open) table(this.details.querySelector("table"), this.title, this.heads, this.rows());
  }
}

/** Lines over the last minutes; `unit` writes a figure. With `wide` each step of the axis is ten times the one before: then what takes microseconds is seen beside what takes seconds. */
export function lines(id, { series, unit, top, wide, heads }) {
  const drawn = series.map((one) => ({
    ...one,
    borderWidth: 2,
    // Pixels: a line along the edge is seen in all its width.
    clip: 4,
    pointRadius: ({ dataset: { data }, dataIndex: at }) =>
      data[at - 1]?.y == null && data[at + 1]?.y == null ? 2.5 : 0,
    cubicInterpolationMode: "monotone",
    // Seconds: where there were no calls for longer, nothing is made up.
    spanGaps: 15,
  }));
  const ago = (at) => (at === 0 ? "now" : at % 60 === 0 ? `${-at / 60} min ago` : `${-at} s ago`);
  return new Figure(id, "line", drawn, {
    parsing: false,
    scales: {
      x: { type: "linear", max: 0, grid: { display: false }, border: { display: false }, ticks: { callback: ago, maxRotation: 0 } },
      y: wide
        ? { type: "logarithmic", grid: {}, border: { display: false }, ticks: { callback: (at) => (isRound(at) ? unit(at) : null) } }
        : { min: 0, max: top, grid: {}, border: { display: false }, ticks: { callback: unit, maxTicksLimit: 6 } },
    },
    plugins: {
      tooltip: {
        callbacks: {
          title: ([{ parsed }]) => `${Math.round(-parsed.x)} s ago`,
          label: ({ dataset, parsed }) => ` ${dataset.label}: ${unit(parsed.y)}`,
        },
      },
    },
  }, heads);
}

/** Bars, one for each function, or a stack of them. */
export function bars(id, { series, unit, stacked, heads }) {
  const drawn = series.map((one) => ({ ...one, borderRadius: stacked ? 0 : 3, maxBarThickness: 20, categoryPercentage: 0.75 }));
  return new Figure(id, "bar", drawn, {
    indexAxis: "y",
    scales: {
      x: { stacked, min: 0, grid: {}, border: { display: false }, ticks: { callback: unit, precision: stacked ? 0 : undefined, maxTicksLimit: 6, maxRotation: 0 } },
      y: { stacked, grid: { display: false }, border: { display: false }, ticks: { callback(at) { return shortened(this.getLabelForValue(at)); } } },
    },
    plugins: {
      tooltip: { callbacks: { label: ({ dataset, parsed }) => ` ${dataset.label}: ${unit(parsed.x)}` } },
    },
  }, heads);
}

const isRound = (n) => /^[125]e/.test(Number(n.toPrecision(3)).toExponential());
const faint = (colour) => colour.replace("rgb", "rgba").replace(")", ", 0.14)");
const shortened = (text) => (text.length > 26 ? `${text.slice(0, 25)}…` : text);

/** A colour of the style sheet, as it is in the theme of now. */
function read(name) {
  const probe = find("main").appendChild(element("span", { className: `probe ${name}` }));
  const { color } = getComputedStyle(probe);
  probe.remove();
  return color;
}
