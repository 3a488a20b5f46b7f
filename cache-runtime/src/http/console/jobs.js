// Jobs, and what became of their last runs.

import { ask, path } from "./api.js";
import { element, find, show } from "./elements.js";
import { moment, time } from "./figures.js";

/** Runs that are shown of each job. */
const LAST = 5;
/** Milliseconds: a job runs while it is waited for. */
const PATIENCE = 600_000;

export async function draw(may) {
  const jobs = await ask("GET", "jobs").catch(() => []);
  find("jobs-section").hidden = jobs.length === 0;
  show(find("jobs"), jobs, () => jobs.map((job) => row(job, may("operate"))));
}

function row({ name, next_run }, mayRun) {
  const runs = element("ul", { className: "runs" });
  const details = element("details", {}, element("summary", {}, `Last runs of ${name}`), runs);
  details.addEventListener("toggle", () => details.open && history(name, runs));
  const button = element("button", { type: "button", ariaLabel: `Run now: ${name}`, hidden: !mayRun }, "Run now");
  button.addEventListener("click", async () => {
    button.disabled = true;
    await run(name);
    button.disabled = false;
    if (details.open) history(name, runs);
  });
  return element("li", {},
    element("div", { className: "grow" }, element("strong", {}, name), element("span", { className: "quiet" }, ` next: ${moment(next_run)}`), details),
    button);
}

async function history(name, runs) {
  try {
    const all = await ask("GET", path`jobs/${name}`);
    runs.replaceChildren(...(all.length ? all.slice(0, LAST).map(told) : [element("li", {}, "It has not run yet.")]));
  } catch (refusal) {
    runs.replaceChildren(element("li", {}, `Not known: ${refusal.message}.`));
  }
}

async function run(name) {
  const status = find("jobs-status");
  status.textContent = `${name} runs…`;
  try {
    status.textContent = `${name}: ${told(await ask("POST", path`jobs/${name}/run`, { patience: PATIENCE })).textContent}`;
  } catch (refusal) {
    status.textContent = `${name}: ${refusal.message}.`;
  }
}

const told = ({ outcome, began, took, by, error, figures }) =>
  element("li", {}, [moment(began), outcome, took != null && time(took), by, error, figures].filter(Boolean).join(" · "));
