// What is shown is made of elements and text, never of markup: keys and values are whatever somebody has stored.

export const find = (id) => document.getElementById(id);

/** An element with these properties. What follows becomes its children; text stays text. */
export function element(name, properties = {}, ...children) {
  const made = Object.assign(document.createElement(name), properties);
  made.append(...children);
  return made;
}

/** Shows this and nothing else, where it differs from what was shown before: whoever stands in it with the keyboard is not thrown out. */
export function show(place, seen, make) {
  const now = JSON.stringify(seen);
  if (place.dataset.shown === now) return;
  place.dataset.shown = now;
  place.replaceChildren(...make());
}

export function table(place, caption, heads, rows) {
  const head = element("tr", {}, ...heads.map((text) => element("th", { scope: "col" }, text)));
  const body = rows.map(([first, ...rest]) =>
    element("tr", {}, element("th", { scope: "row" }, first), ...rest.map((text) => element("td", {}, text))),
  );
  place.replaceChildren(
    element("caption", { className: "unseen" }, caption),
    element("thead", {}, head),
    element("tbody", {}, ...body),
  );
}

/** Says it to those who listen to the page. */
export function announce(text) {
  find("announcement").textContent = text;
}
