// What the pages do beyond links and forms. Everything works without it.
"use strict";
(() => {
  const all = (sel, at = document) => [...at.querySelectorAll(sel)];

  const framed = "frame" in document.body.dataset ? { "Roster-Frame": "1" } : {}; // whose cookies are meant

  // One menu is open at a time, and Escape or a click elsewhere closes it.
  const close = (but) => all("details[data-menu][open], .switcher[open]").forEach((d) => d !== but && d.removeAttribute("open"));
  document.addEventListener("click", (e) => close(e.target.closest("details[data-menu], .switcher")));
  document.addEventListener("keydown", (e) => {
    if (e.key !== "Escape") return;
    const open = document.querySelector("details[data-menu][open], .switcher[open]");
    if (open) { open.removeAttribute("open"); open.querySelector("summary").focus(); }
  });

  // The bar of actions for those who are chosen in a list.
  const bulk = (form) => {
    const boxes = all('input[name="user"]', form), chosen = boxes.filter((b) => b.checked).length;
    const bar = form.querySelector("[data-bar]"), said = form.querySelector("[data-chosen]"), every = form.querySelector("[data-all]");
    bar.classList.toggle("shown", chosen > 0);
    said.textContent = chosen ? chosen + " " + said.dataset.chosen : "";
    if (every) { every.checked = chosen > 0 && chosen === boxes.length; every.indeterminate = chosen > 0 && chosen < boxes.length; }
  };
  document.addEventListener("change", (e) => {
    const form = e.target.closest("form[data-bulk]");
    if (!form) return;
    if (e.target.matches("[data-all]")) all('input[name="user"]', form).forEach((b) => { b.checked = e.target.checked; });
    bulk(form);
  });

  // Addresses are shown as they are understood while somebody types or pastes.
  let asking, later;
  document.addEventListener("input", (e) => {
    if (!e.target.form?.querySelector("[data-addresses]")) return;
    clearTimeout(later);
    later = setTimeout(async () => {
      const form = e.target.form, check = form.querySelector("[data-check]"), body = new URLSearchParams(new FormData(form));
      body.set("csrf", check.value);
      body.delete("check");
      asking?.abort();
      asking = new AbortController();
      try {
        const r = await fetch(check.dataset.check, { method: "POST", body, headers: { "HX-Request": "true", ...framed }, signal: asking.signal });
        if (r.ok) document.getElementById("chips").outerHTML = await r.text();
      } catch (err) { if (err.name !== "AbortError") throw err; }
    }, 350);
  });

  // On a narrow screen the navigation is folded to begin with.
  const narrow = matchMedia("(max-width: 55rem)");
  const fold = () => all("[data-nav]").forEach((d) => d.toggleAttribute("open", !narrow.matches));
  narrow.addEventListener("change", fold);
  const ready = () => { document.documentElement.classList.add("scripted"); fold(); all("form[data-bulk]").forEach(bulk); };
  if (document.readyState === "loading") document.addEventListener("DOMContentLoaded", ready); else ready();
})();
