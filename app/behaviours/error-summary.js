// Brings what went wrong to the reader: focus goes to the summary, or to the alert, of a page that came back.
const wrong = document.querySelector("[data-error-summary]") ?? document.querySelector("main [role=alert]");
if (wrong && !location.hash) {
  wrong.tabIndex = -1;
  wrong.focus();
}
