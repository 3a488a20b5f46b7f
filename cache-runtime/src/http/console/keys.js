// Keys of a pattern, and what stands under one of them.

import { ask, path } from "./api.js";
import * as clear from "./clear.js";
import { element, find } from "./elements.js";
import { bytes, count, plural, time } from "./figures.js";

/** Of a value that is shown, characters. */
const LONGEST = 100_000;

let may = () => false;
let pattern = "";
let cursor = null;

export function start(permitted) {
  may = permitted;
  find("keys-form").addEventListener("submit", (event) => {
    event.preventDefault();
    pattern = find("pattern").value.trim();
    forget();
    page();
  });
  find("more").addEventListener("click", page);
}

function forget() {
  cursor = null;
  find("keys").replaceChildren();
  find("entry").replaceChildren();
  find("browser").hidden = true;
  find("more").hidden = true;
  find("keys-status").textContent = "";
}

async function page() {
  const status = find("keys-status");
  const asked = pattern;
  const wanted = pattern && path`&pattern=${pattern}`;
  const next = cursor && path`&cursor=${cursor}`;
  status.textContent = "Looking…";
  try {
    const answer = await ask("GET", `keys?limit=100${wanted}${next ?? ""}`);
    // Another pattern was asked for meanwhile: its own answer comes.
    if (asked !== pattern) return;
    cursor = answer.cursor;
    find("keys").append(...answer.keys.map(listed));
  } catch (refusal) {
    if (asked !== pattern) return;
    status.textContent = `No keys: ${refusal.message}.`;
    return;
  }
  const listing = find("keys").childElementCount;
  find("browser").hidden = listing === 0;
  find("more").hidden = cursor === null;
  status.textContent = said(listing);
}

function said(listing) {
  const found = listing === 0 ? "No keys" : plural(listing, "key");
  if (cursor === null) return `${found}.`;
  find("browser").hidden = false;
  return `${found} so far; there are more names to look at.`;
}

function listed(name) {
  const button = element("button", { type: "button", className: "key" }, name);
  button.addEventListener("click", () => {
    find("keys").querySelector("[aria-current]")?.removeAttribute("aria-current");
    button.setAttribute("aria-current", "true");
    open(name, button);
  });
  return element("li", {}, button);
}

async function open(name, button) {
  const entry = find("entry");
  const status = element("p", { className: "quiet", role: "status" });
  const actions = element("div", { className: "actions" });
  const head = [element("h3", { className: "name" }, name), actions, status];
  if (may("clear")) {
    const clearing = element("button", { type: "button", className: "danger" }, "Clear key…");
    clearing.addEventListener("click", async () => {
      if (await clear.key(name, status)) {
        clearing.disabled = true;
        button.disabled = true;
        entry.querySelector(".value")?.remove();
        entry.focus();
      }
    });
    actions.append(clearing);
  }
  entry.replaceChildren(...head);
  if (!may("values")) {
    status.textContent = "Showing its value takes the scope values, which this token has not.";
    return;
  }
  try {
    const found = await ask("GET", path`key/${name}`);
    if (entry.contains(status)) entry.append(value(found), facts(found));
  } catch (refusal) {
    status.textContent = `Not shown: ${refusal.message}.`;
  }
}

function value(found) {
  const hidden = {
    nothing: "The answer was nothing (None).",
    encrypted: "It is encrypted, and not shown.",
    opaque: "It is written by a codec without names, and cannot be shown.",
    unreadable: "It cannot be read.",
  }[found.state];
  if (hidden) return element("p", { className: "value" }, hidden);
  const text = JSON.stringify(found.value, null, 2);
  const cut = text.length > LONGEST ? `${text.slice(0, LONGEST)}\n… of ${count(text.length)} characters` : text;
  return element("pre", { className: "value", tabIndex: 0, ariaLabel: "Value", role: "region" }, cut);
}

function facts(found) {
  const { form } = found;
  const all = [
    ["State", found.current === false ? "old: it is not answered any more" : found.current ? "current" : "–"],
    ["Fresh for", time(found.ttl)],
    ["Dropped in", time(found.expires_in)],
    ["Age", time(found.age)],
    ["Size", bytes(found.size)],
    ["Codec", form?.codec ?? "–"],
    ["Compression", form?.compression ?? "–"],
    ["Protection", form?.protection ?? "–"],
    ["Loaded in", form ? time(form.load_time_ms / 1e3) : "–"],
    ["Stored by", form?.stored_by.join(", ") || "–"],
  ];
  return element("dl", { className: "facts" }, ...all.flatMap(([name, text]) => [element("dt", {}, name), element("dd", {}, String(text))]));
}
