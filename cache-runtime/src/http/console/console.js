// The console: who looks, and what is asked again and again.

import { ask, token } from "./api.js";
import * as clear from "./clear.js";
import { element, find } from "./elements.js";
import * as functions from "./functions.js";
import * as history from "./history.js";
import * as jobs from "./jobs.js";
import * as keys from "./keys.js";
import * as recommendations from "./recommendations.js";
import * as state from "./state.js";
import * as switches from "./switches.js";
import * as theme from "./theme.js";
import * as trends from "./trends.js";

/** Milliseconds from an answer to the next question; and for what changes slowly. */
const EVERY = 2_000;
const SELDOM = 15_000;

const UNKNOWN = "The service does not know this token.";

/** Why somebody was sent away, for the page that comes after. */
const LEFT = "cache-console-left";

/** Who looks, as `/whoami` has it. */
let visitor = null;
/** The latest of those who tried to enter: answers to earlier ones are late. */
let latest = 0;
let asking = false;
let timer;
let askedSeldom = -Infinity;

const may = (scope) => visitor?.scopes.includes(scope) ?? false;

/** Asks who looks: whoever shows no token may be somebody too. */
async function enter(secret, why = "") {
  clearTimeout(timer);
  latest += 1;
  const attempt = latest;
  try {
    const known = await ask("GET", "whoami", { secret });
    if (attempt !== latest) return;
    if (secret) token.keep(secret);
    signedIn(known);
  } catch (refusal) {
    if (attempt !== latest) return;
    if (refusal.status === 401) askForToken(secret ? UNKNOWN : why);
    else if (refusal.status === 403) askForToken("This token may do nothing here: it has no scope.");
    else {
      state.unreached(refusal.message);
      timer = setTimeout(enter, EVERY, secret, why);
    }
  }
}

function signedIn(known) {
  visitor = known;
  find("login").hidden = true;
  find("console").hidden = find("sign-out").hidden = find("who").hidden = false;
  find("sign-out").textContent = token.get() === null ? "Sign in" : "Sign out";
  find("who").textContent = known.name;
  find("token").value = "";
  hideWhatIsNotFor();
  find("main").focus();
  state.reached();
  askedSeldom = -Infinity;
  poll();
}

/** Hides what takes a scope that the visitor has not, and says so. */
function hideWhatIsNotFor() {
  for (const note of document.querySelectorAll(".lacking")) note.remove();
  for (const part of document.querySelectorAll("[data-scope]")) {
    const { scope, what } = part.dataset;
    part.hidden = !may(scope);
    if (part.hidden && what) {
      part.before(element("p", { className: "lacking" }, `${what} takes the scope `, element("strong", {}, scope), ", which this token has not."));
    }
  }
}

function askForToken(why) {
  token.forget();
  visitor = null;
  find("console").hidden = find("sign-out").hidden = find("who").hidden = true;
  find("login").hidden = false;
  find("login-error").textContent = why;
  find("token").select();
}

/** Begins anew, so that nothing of what was shown is left. */
function leave(why) {
  token.forget();
  sessionStorage.setItem(LEFT, why);
  location.reload();
}

/** Asks for figures, never twice at once, and only while somebody looks. */
async function poll() {
  clearTimeout(timer);
  if (asking || document.hidden || !may("statistics")) return;
  asking = true;
  const asked = visitor;
  try {
    const stats = await ask("GET", "stats");
    if (visitor !== asked) return;
    history.add(stats);
    state.reached();
    draw();
    await pollSeldom();
  } catch (refusal) {
    if (visitor !== asked) return;
    if (refusal.status === 401) leave(UNKNOWN);
    else state.unreached(refusal.message);
  } finally {
    asking = false;
    timer = setTimeout(poll, EVERY);
  }
}

async function pollSeldom() {
  if (performance.now() - askedSeldom < SELDOM) return;
  askedSeldom = performance.now();
  recommendations.draw(await ask("GET", "report"));
  await jobs.draw(may);
}

function draw() {
  if (!history.latest()) return;
  trends.draw();
  functions.draw();
  if (may("operate")) switches.draw(history.latest());
}

theme.start(draw);
state.start(() => {
  state.draw();
  draw();
});
trends.start();
functions.start();
keys.start(may);
clear.start();
switches.start(poll);
find("login-form").addEventListener("submit", (event) => {
  event.preventDefault();
  const secret = find("token").value.trim();
  // Other characters cannot be sent.
  if (/^[\x21-\x7e]+$/.test(secret)) enter(secret);
  else askForToken(UNKNOWN);
});
find("sign-out").addEventListener("click", () => (token.get() === null ? askForToken("") : leave("")));
document.addEventListener("visibilitychange", poll);
const why = sessionStorage.getItem(LEFT) ?? "";
sessionStorage.removeItem(LEFT);
enter(token.get(), why);
