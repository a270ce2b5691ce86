// The page in a portal's frame: it tells its height to the portal, and to nobody else, and takes the theme that the
// portal hands in. embed.js is the other half.
"use strict";
(() => {
  const origins = document.body.dataset.frame.split(" ");
  let portal = "";
  const bottom = (e) => e.getBoundingClientRect().bottom + scrollY;
  const tell = () => {
    if (!portal) return;
    const open = [...document.querySelectorAll("details[open] > ul, details[open] > .pop")];
    parent.postMessage({ type: "roster:height", height: Math.ceil(Math.max(...[document.body, ...open].map(bottom))) }, portal);
  };
  addEventListener("message", (e) => {
    if (e.source !== parent || !origins.includes(e.origin) || e.data?.type !== "roster:hello") return;
    portal = e.origin;
    if (e.data.theme === "light" || e.data.theme === "dark") document.documentElement.dataset.theme = e.data.theme;
    else if (e.data.theme === "system") delete document.documentElement.dataset.theme;
    tell();
  });
  new ResizeObserver(tell).observe(document.body);
  document.addEventListener("toggle", tell, true);
  parent.postMessage({ type: "roster:ready" }, "*"); // says nothing but that it is there
})();
