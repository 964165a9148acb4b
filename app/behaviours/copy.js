// Copies the value or the text of the element that `data-copy` names, and says so.
const copy = async (source) => {
  const text = "value" in source ? source.value : source.textContent;
  if (navigator.clipboard) return navigator.clipboard.writeText(text);
  // Plain HTTP on another machine has no clipboard: select, then copy as a reader would.
  if ("select" in source) source.select();
  else getSelection().selectAllChildren(source);
  if (!document.execCommand("copy")) throw new Error("copy refused");
};

const say = (button, words) => {
  const word = button.querySelector("[data-copy-word]");
  button.announcement ??= button.parentElement.appendChild(
    Object.assign(document.createElement("span"), { className: "hidden-words", ariaLive: "polite" }),
  );
  word.textContent = words;
  button.announcement.textContent = words;
  clearTimeout(button.timer);
  button.timer = setTimeout(() => {
    word.textContent = "Copy";
    button.announcement.textContent = "";
  }, 3000);
};

document.addEventListener("click", (event) => {
  const button = event.target.closest("[data-copy]");
  const source = button && document.getElementById(button.dataset.copy);
  if (source)
    copy(source).then(
      () => say(button, "Copied"),
      () => say(button, "Not copied"),
    );
});
