// Ticks every row of a table's form, counts the ticked ones, and ticks a range with Shift.
let anchor = null;

const rows = (form) => [...form.querySelectorAll("[data-row-check]:not(:disabled)")];

const recount = (form) => {
  const boxes = rows(form);
  const ticked = boxes.filter((box) => box.checked).length;
  const count = form.querySelector("[data-selected-count]");
  const all = form.querySelector("[data-select-all]");
  if (count) count.textContent = `${ticked} selected`;
  if (all) {
    all.checked = ticked > 0 && ticked === boxes.length;
    all.indeterminate = ticked > 0 && ticked < boxes.length;
  }
};

const formsWithRows = () => new Set([...document.querySelectorAll("[data-bulk]")].map((bar) => bar.closest("form")));

document.addEventListener("click", (event) => {
  const box = event.target;
  const form = box.form;
  if (!form || !box.matches("[data-row-check], [data-select-all]")) return;
  const boxes = rows(form);
  if (box.matches("[data-select-all]")) {
    boxes.forEach((other) => (other.checked = box.checked));
  } else {
    const [from, to] = [boxes.indexOf(anchor), boxes.indexOf(box)].sort((a, b) => a - b);
    if (event.shiftKey && from >= 0) boxes.slice(from, to).forEach((other) => (other.checked = box.checked));
    anchor = box;
  }
  recount(form);
});

// The browser may bring ticks back with the page.
addEventListener("pageshow", () => formsWithRows().forEach((form) => form && recount(form)));
