// A filter applies as soon as a choice changes, and leaves empty values out of the URL.
document.addEventListener("change", (event) => {
  if (event.target.matches("[data-filter] :is(select, [type=checkbox], [type=radio])"))
    event.target.form.requestSubmit();
});

document.addEventListener("formdata", (event) => {
  if (!event.target.matches("[data-filter]")) return;
  for (const [name, value] of [...event.formData]) if (value === "") event.formData.delete(name);
});
