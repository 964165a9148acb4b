// Asks the device for a passkey, or to make one, and posts what it says.
for (const form of document.querySelectorAll("[data-passkey]")) {
  const { publicKey } = JSON.parse(form.dataset.passkey);
  const makes = "rp" in publicKey;
  const said = form.querySelector("[data-passkey-said]");
  const ask = async () => {
    said.textContent = "";
    try {
      const answer = makes
        ? await navigator.credentials.create({
            publicKey: PublicKeyCredential.parseCreationOptionsFromJSON(publicKey),
          })
        : await navigator.credentials.get({
            publicKey: PublicKeyCredential.parseRequestOptionsFromJSON(publicKey),
          });
      form.elements.passkey.value = JSON.stringify(answer.toJSON());
      form.requestSubmit();
    } catch {
      said.textContent = "The device gave no passkey. Try again, or go back.";
    }
  };
  form.querySelector("[data-passkey-ask]").addEventListener("click", ask);
}
