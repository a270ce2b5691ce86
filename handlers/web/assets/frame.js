// The page in a portal's frame: it tells its height to the portal, and to nobody else, and takes the theme that the
// portal hands in, also for the pages that follow in it. embed.js is the other half.
"use strict";
(() => {
  const origins = document.body.dataset.frame.split(" ");
  let portal = "";
  const key = "roster:theme";
  const kept = (name) => {
    try {
      if (name) sessionStorage.setItem(key, name);
      return sessionStorage.getItem(key);
    } catch { return name; } // a browser that keeps nothing for frames: the portal hands it in anew on each page
  };
  const wear = (name) => {
    if (name === "light" || name === "dark") document.documentElement.dataset.theme = name;
    else if (name === "system") delete document.documentElement.dataset.theme;
  };
  wear(kept());
  const bottom = (e) => e.getBoundingClientRect().bottom + scrollY;
  const tell = () => {
    if (!portal) return;
    const open = [...document.querySelectorAll("details[open] > ul, details[open] > .pop")];
    parent.postMessage({ type: "roster:height", height: Math.ceil(Math.max(...[document.body, ...open].map(bottom))) }, portal);
  };
  addEventListener("message", (e) => {
    if (e.source !== parent || !origins.includes(e.origin) || e.data?.type !== "roster:hello") return;
    portal = e.origin;
    if (["light", "dark", "system"].includes(e.data.theme)) wear(kept(e.data.theme));
    tell();
  });
  new ResizeObserver(tell).observe(document.body);
  document.addEventListener("toggle", tell, true);
  parent.postMessage({ type: "roster:ready" }, "*"); // says nothing but that it is there
})();
