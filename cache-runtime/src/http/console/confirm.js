// Nothing is done at once that cannot be undone.

import { find } from "./elements.js";

/** Asks whether to go on; where there is a `word`, it has to be typed. The dialog gives the focus back to where it was. */
export function confirmed({ title, text, action, word }) {
  const dialog = find("confirm");
  find("confirm-title").textContent = title;
  find("confirm-text").textContent = text;
  find("confirm-word").hidden = !word;
  find("word-wanted").textContent = word ?? "";
  find("word").value = "";
  const yes = find("confirm-yes");
  yes.textContent = action;
  yes.disabled = Boolean(word);
  find("word").oninput = () => (yes.disabled = find("word").value !== word);
  dialog.showModal();
  find(word ? "word" : "confirm-no").focus();
  // Not by `close`, which comes late: it would answer the next question.
  return new Promise((answer) => {
    dialog.oncancel = () => answer(false);
    find("confirm-no").onclick = () => {
      dialog.close();
      answer(false);
    };
    find("confirm-form").onsubmit = () => answer(true);
  });
}
