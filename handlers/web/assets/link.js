// A link from a mail is a key, so it does not stay in the address bar, nor among the pages that were visited. The tab keeps
// it, for when the page is loaded anew.
"use strict";
(() => {
  const link = /^\/(invitations|reset|confirm|sign-up|setup)\/[\w-]{20,}/;
  const next = location.pathname === "/sign-in" && new URLSearchParams(location.search).get("next");
  const found = link.exec(location.pathname) ?? link.exec(next || "");
  if (found) {
    sessionStorage.setItem("link", found[0]);
    history.replaceState(null, "", next ? "/sign-in?next=/link" : "/link");
  } else if (location.pathname === "/link" && sessionStorage.getItem("link")) {
    location.replace(sessionStorage.getItem("link"));
  }
})();
