"use strict";
// Keys press the buttons that name them. A key that is held down counts once, and a form is sent once.
let sent = false;
addEventListener("keydown", (event) => {
  if (event.repeat || event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.target instanceof Element && event.target.closest("input, textarea, select")) return;
  for (const button of document.querySelectorAll("button[data-keys]")) {
    if (button.dataset.keys.split(" ").includes(event.code) && !button.disabled) {
      event.preventDefault();
      button.click();
      return;
    }
  }
});
addEventListener("submit", (event) => {
  if (sent) event.preventDefault();
  sent = true;
  if (event.submitter) event.submitter.classList.add("chosen");
});
addEventListener("pageshow", () => { sent = false; });
