// What the pages do beyond links and forms. Everything works without it.
"use strict";
(() => {
  const all = (sel, at = document) => [...at.querySelectorAll(sel)];

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

  // On a narrow screen the navigation is folded to begin with.
  const narrow = matchMedia("(max-width: 55rem)");
  const fold = () => all("[data-nav]").forEach((d) => d.toggleAttribute("open", !narrow.matches));
  narrow.addEventListener("change", fold);
  const ready = () => { document.documentElement.classList.add("scripted"); fold(); all("form[data-bulk]").forEach(bulk); };
  if (document.readyState === "loading") document.addEventListener("DOMContentLoaded", ready); else ready();
})();
