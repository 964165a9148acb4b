// Follows what is under way. The server sends its own HTML: each element replaces the one with its id.
// `fragment` is HTML, `status` is words for the polite live region, `done` ends it; with `reload`
// as its data, the page has more to show now.
const follow = (root) => {
  const events = new EventSource(root.dataset.liveRun);
  const region = root.querySelector("[data-live-status]");

  events.addEventListener("fragment", (event) => {
    const held = document.createElement("template");
    held.innerHTML = event.data;
    for (const part of [...held.content.children]) {
      const old = document.getElementById(part.id);
      if (!old) continue;
      const focus = old.contains(document.activeElement) && document.activeElement.id;
      old.replaceWith(part);
      if (focus) document.getElementById(focus)?.focus();
    }
  });

  events.addEventListener("status", (event) => {
    // Said again only when it is another state: a reader is not talked over.
    if (region && region.textContent !== event.data) region.textContent = event.data;
  });

  events.addEventListener("done", (event) => {
    events.close();
    if (event.data === "reload") location.reload();
  });
};

document.querySelectorAll("[data-live-run]").forEach(follow);
