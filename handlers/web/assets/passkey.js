// Opens the browser's prompt for a passkey, and sends what it answers by the form of the page.
"use strict";
(() => {
  const form = document.querySelector("form[data-passkey]");
  if (!form) return;
  const { publicKey } = JSON.parse(form.dataset.passkey), failed = form.querySelector("[data-failed]");
  let asking = false;
  const ask = async () => {
    if (asking) return;
    asking = true;
    failed.hidden = true;
    try {
      const made = "make" in form.dataset
        ? await navigator.credentials.create({ publicKey: PublicKeyCredential.parseCreationOptionsFromJSON(publicKey) })
        : await navigator.credentials.get({ publicKey: PublicKeyCredential.parseRequestOptionsFromJSON(publicKey) });
      form.elements.credential.value = JSON.stringify(made.toJSON());
      form.submit();
    } catch (err) {
      failed.hidden = false; // closed, too late, or no such passkey on this device
      console.warn(err);
    }
    asking = false;
  };
  form.addEventListener("submit", (e) => { e.preventDefault(); ask(); });
  ask();
})();
