// For portals that show Roster's page in a frame: each frame is as high as what it shows, and takes the theme that its
// data-theme names (light, dark, system).
//
//   <iframe src="…/embed?code=…" title="Users" data-theme="dark"></iframe>
//   <script src="…/embed.js"></script>
"use strict";
(() => {
  const origin = new URL(document.currentScript.src).origin;
  const frames = () => [...document.querySelectorAll("iframe")].filter((f) => f.src.startsWith(origin + "/"));
  const hello = (f) => f.contentWindow?.postMessage({ type: "roster:hello", theme: f.dataset.theme ?? "" }, origin);
  addEventListener("message", (e) => {
    if (e.origin !== origin) return;
    const f = frames().find((f) => f.contentWindow === e.source);
    if (!f) return;
    if (e.data?.type === "roster:ready") hello(f);
    if (e.data?.type === "roster:height" && e.data.height > 0 && e.data.height < 100000) f.style.height = e.data.height + "px";
  });
  new MutationObserver((list) => list.forEach(({ target }) => frames().includes(target) && hello(target)))
    .observe(document.documentElement, { attributes: true, attributeFilter: ["data-theme"], subtree: true });
  if (document.readyState === "complete") frames().forEach(hello);
})();
