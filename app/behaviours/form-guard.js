// Stops a second post, asks before unsaved changes are left, and holds a button until its confirmation is typed.
const posting = new Set();
let changed = false;

document.addEventListener("submit", (event) => {
  const form = event.target;
  if (form.method !== "post" || form.dataset.guard === "repeatable") return;
  if (posting.has(form)) return event.preventDefault();
  posting.add(form);
  changed = false;
  event.submitter?.setAttribute("aria-busy", "true");
});

// Back from the next page: the form can be posted again.
addEventListener("pageshow", (event) => {
  if (!event.persisted) return;
  posting.clear();
  document.querySelectorAll("[aria-busy]").forEach((button) => button.removeAttribute("aria-busy"));
});

const hold = (field) => {
  const button = field.form?.querySelector("button:not([type=button])");
  if (button) button.disabled = field.value.trim() !== field.dataset.confirms;
};

document.querySelectorAll("[data-confirms]").forEach(hold);
document.addEventListener("input", (event) => {
  if (event.target.matches("[data-confirms]")) hold(event.target);
  if (event.target.closest("[data-guard=unsaved]")) changed = true;
});

addEventListener("beforeunload", (event) => {
  if (changed) event.preventDefault();
});
