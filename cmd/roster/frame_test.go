package main_test

import (
	"fmt"
	"html"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/chromedp/cdproto/target"
	"github.com/chromedp/chromedp"
)

// sites are the names under which a browser finds what listens here, each by https and a site of its own.
type sites struct {
	t     *testing.T
	ports map[string]string
}

// serve answers a host's requests, at the address that it returns.
func (s *sites) serve(host string, h http.Handler) string {
	s.t.Helper()
	server := httptest.NewUnstartedServer(h)
	server.StartTLS()
	s.t.Cleanup(server.Close)
	_, port, err := net.SplitHostPort(server.Listener.Addr().String())
	if err != nil {
		s.t.Fatal(err)
	}
	s.ports[host] = port
	return "https://" + host + ":" + port
}

// free is an address that nothing listens on.
func free(t *testing.T) string {
	t.Helper()
	l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	return l.Addr().String()
}

// portalPage is a portal that shows the page in a frame; its back end holds the person's session.
func portalPage(r **running, token, path *string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		answer, err := (*r).as(*token).try("POST", "/v1/sessions/frame", m{"path": *path})
		if err != nil || answer.Status != http.StatusCreated {
			http.Error(w, string(answer.Body), http.StatusBadGateway)
			return
		}
		src, _ := answer.JSON()["url"].(string)
		origin, _, _ := strings.Cut(src, "/embed?")
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		_, _ = fmt.Fprintf(w, `<!doctype html><html lang="en"><title>Portal</title><body><h1>Portal</h1>
<iframe id="f" title="Users" src="%s" data-theme="dark" style="width:100%%;border:0"></iframe>
<script src="%s/embed.js"></script></body></html>`, html.EscapeString(src), origin)
	})
}

// frame is the frame of another site in a tab's page, once it is there.
func (b *tab) frame(origin string) *tab {
	b.t.Helper()
	var id target.ID
	b.r.until("the frame of "+origin, func() bool {
		all, err := chromedp.Targets(b.ctx)
		if err != nil {
			b.t.Fatal(err)
		}
		for _, one := range all {
			if one.Type == "iframe" && strings.HasPrefix(one.URL, origin) {
				id = one.TargetID
			}
		}
		return id != ""
	})
	ctx, stop := chromedp.NewContext(b.ctx, chromedp.WithTargetID(id))
	b.t.Cleanup(stop)
	return b.r.attach(ctx)
}

// press is click in a frame, where a mouse of the test's does not reach.
func (b *tab) press(name string) {
	b.t.Helper()
	find := `[...document.querySelectorAll("a, button, summary")].find(e => e.textContent.trim() === ` + quoted(name) + `)`
	b.until(`!!` + find)
	b.do(chromedp.Evaluate(`void `+find+`.click()`, nil))
}

// TestFrameInPortal shows the page within a portal of another site, in a real browser that keeps third-party cookies
// apart: signed in by the portal's code, as high as its content, in the portal's colours, and for that portal alone
// (SPEC 7.2, 7.6).
func TestFrameInPortal(t *testing.T) {
	t.Parallel()
	var r *running
	var token, path string
	s := &sites{t, map[string]string{}}
	listen := free(t)
	portal := s.serve("portal.example", portalPage(&r, &token, &path))
	evil := s.serve("evil.example", portalPage(&r, &token, &path))
	behind := httputil.NewSingleHostReverseProxy(&url.URL{Scheme: "http", Host: listen})
	roster := s.serve("roster.test", behind)
	r = serve(t, dataDir(t), "--listen", listen, "--public-url", roster, "--embed-origin", portal, "--portal-name", "Northwind portal", "--accent", "#0b6e4f")
	r.URL = "http://" + listen
	r.Setup = regexp.MustCompile(`https://\S+/setup/\S+`).FindString(r.stderr.String())
	account, ann := r.setUp()
	me := ann.get("/v1/me").Want(200).JSON()["id"].(string)
	at := "/accounts/" + account
	path = at + "/users"
	token = r.as(r.operatorKey()).post("/v1/operator/sessions", m{"user": me}).Want(201).JSON()["token"].(string)

	rules := ""
	for host := range s.ports {
		rules += "MAP " + host + " 127.0.0.1,"
	}
	b := r.browse("en", chromedp.Flag("ignore-certificate-errors", true), chromedp.Flag("host-resolver-rules", strings.TrimSuffix(rules, ",")),
		chromedp.Flag("test-third-party-cookie-phaseout", true), chromedp.Flag("site-per-process", true))
	b.do(chromedp.EmulateViewport(1200, 900), chromedp.Navigate(portal+"/"))
	f := b.frame(roster)
	f.sees("Everybody who can act in Northwind")
	f.until(`document.documentElement.dataset.theme === "dark" && getComputedStyle(document.querySelector("a.button")).backgroundColor !== "rgb(143, 184, 245)"`)
	fits := func() {
		t.Helper()
		f.until(`Math.abs(document.body.getBoundingClientRect().height - innerHeight) <= 2`)
	}
	fits()
	f.axe("the frame, dark")
	b.do(chromedp.Evaluate(`document.querySelector("iframe").dataset.theme = "light"`, nil))
	f.until(`document.documentElement.dataset.theme === "light" && getComputedStyle(document.querySelector("a.button.main")).backgroundColor === "rgb(11, 110, 79)"`)
	f.axe("the frame, light")
	f.until(`!document.querySelector(".side, .top") && !document.body.innerText.includes("Sign out")`) // the portal has these

	// What the portal has handed in once holds for the pages that follow.
	b.do(chromedp.Evaluate(`document.querySelector("iframe").removeAttribute("data-theme")`, nil))

	// Somebody is invited within it, and the frame follows what it shows.
	f.press("Invite people")
	f.until(`location.pathname.endsWith("/invite") && document.documentElement.dataset.theme === "light"`)
	fits()
	f.do(chromedp.Evaluate(`document.getElementById("emails").value = "dora@northwind.example"; document.getElementById("emails").dispatchEvent(new InputEvent("input", {bubbles: true})); document.getElementById("role-viewer").click()`, nil))
	f.until(`!!document.querySelector("#chips .good")`) // asked for by a script, as the same person
	f.press("Send invitations")
	f.until(`location.pathname.endsWith("/users")`)
	f.sees("dora@northwind.example")
	fits()
	f.axe("the list with an invitation, in the frame")
	entries := ann.get("/v1" + at + "/audit?action=invitation.created").Want(200).Body
	if !strings.Contains(string(entries), `"on_behalf_of":{`) {
		t.Errorf("SPEC 7.6: what is done in a session of the operator's is the operator's on the person's behalf: %s", entries)
	}

	// Loaded anew it is still signed in, by another code or by none; what is the person's alone is not done in it.
	path = "/me/security"
	b.do(chromedp.Navigate(portal + "/"))
	f = b.frame(roster)
	f.sees("are changed by people themselves")
	f.axe("one's own security in the frame")
	if *screenshots != "" {
		var png []byte
		path = at + "/users"
		b.do(chromedp.Navigate(portal + "/"))
		b.frame(roster).sees("Everybody who can act")
		b.do(chromedp.CaptureScreenshot(&png))
		if err := os.WriteFile(filepath.Join(*screenshots, "frame.png"), png, 0o600); err != nil {
			t.Fatal(err)
		}
	}

	// Alone, nobody is signed in by what the frame holds; and no other site shows it.
	b.do(chromedp.Navigate(roster + at + "/users"))
	b.sees("Forgotten password")
	b.do(chromedp.Navigate(evil + "/"))
	b.r.until("the browser refuses it", func() bool {
		b.mu.Lock()
		defer b.mu.Unlock()
		return strings.Contains(strings.Join(b.said, "\n"), "frame-ancestors")
	})
	for _, text := range append(f.said, b.said...) {
		if !strings.Contains(text, "frame-ancestors") && !strings.Contains(text, "favicon") && !strings.Contains(text, "chrome-error") {
			t.Errorf("the browser says: %s", text)
		}
	}
}
