package web_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"roster/domain"
	"roster/handlers/web"
)

const framing = "https://portal.example"

// inFrame is a request as a browser sends it for a page in a frame.
func (b *browser) inFrame(path string) *http.Request {
	b.w.t.Helper()
	r := b.request(b.w.t.Context(), http.MethodGet, path, nil)
	r.Header.Set("Sec-Fetch-Dest", "iframe")
	r.Header.Set("Sec-Fetch-Site", "cross-site")
	return r
}

// code is one by which the portal opens the frame, with a session of its own or one that it has opened.
func (w *world) code(token string) string {
	w.t.Helper()
	p, err := w.access.Authenticate(w.t.Context(), token)
	if err != nil {
		w.t.Fatal(err)
	}
	code, _, err := w.access.FrameCode(p)
	if err != nil {
		w.t.Fatal(err)
	}
	return "/embed?" + url.Values{"code": {code}, "theme": {"dark"}}.Encode()
}

// SPEC 7.2: exactly the portals named show the page in a frame, and not what stands alone.
func TestWhoMayFrame(t *testing.T) {
	framed := newWorld(t, func(c *web.Config) { c.Frames = []string{framing, "http://localhost:3000"} })
	framed.open()
	alone := newWorld(t)
	alone.open()
	for _, c := range []struct {
		w       *world
		path    string
		by, old string
	}{
		{framed, "/sign-in", framing + " http://localhost:3000", ""}, {framed, "/", framing + " http://localhost:3000", ""},
		{framed, "/invitations/x", "'none'", "DENY"}, {framed, "/reset/x", "'none'", "DENY"}, {framed, "/setup/x", "'none'", "DENY"},
		{alone, "/sign-in", "'none'", "DENY"}, {alone, "/", "'none'", "DENY"},
	} {
		a := c.w.browser().get(c.path)
		if csp := a.header.Get("Content-Security-Policy"); !strings.Contains(csp, "; frame-ancestors "+c.by+"; ") || a.header.Get("X-Frame-Options") != c.old {
			t.Errorf("%s: %s, %q", c.path, csp, a.header.Get("X-Frame-Options"))
		}
	}
	resp, err := http.Get(framed.server.URL + "/embed.js") //nolint:noctx // a test
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	if resp.StatusCode != http.StatusOK || resp.Header.Get("Cross-Origin-Resource-Policy") != "cross-origin" {
		t.Errorf("/embed.js: %d, %v", resp.StatusCode, resp.Header)
	}
}

// SPEC 7.2, 7.6: a code signs in in the frame alone, once; what the operator opened for a person is that person's page
// there, and what a link in a mail leads to is not.
func TestFrame(t *testing.T) {
	for _, public := range []string{"https://roster.example", "http://localhost:8080"} {
		secure := strings.HasPrefix(public, "https:")
		w := newWorld(t, func(c *web.Config) { c.PublicURL, c.Frames = public, []string{framing} })
		w.access.UseFrames()
		account, owner := w.open()
		opened, err := w.access.OpenSession(t.Context(), operator(), domain.OpenSession{User: owner.Actor.User()})
		if err != nil {
			t.Fatal(err)
		}
		link := w.code(opened.Token)
		b := w.browser()
		if a := b.get(link); a.status != http.StatusSeeOther || strings.Contains(strings.Join(a.header.Values("Set-Cookie"), " "), "session") {
			t.Errorf("SPEC 7.6: a link has signed somebody in: %v", a.header)
		}
		a := b.send(b.inFrame(link)).want(http.StatusSeeOther)
		cookies := map[string]*http.Cookie{}
		for _, line := range a.header.Values("Set-Cookie") {
			c, err := http.ParseSetCookie(line)
			if err != nil {
				t.Fatal(err)
			}
			cookies[strings.TrimPrefix(c.Name, "__Host-")] = c
			site := http.SameSiteLaxMode
			if secure {
				site = http.SameSiteNoneMode
			}
			if !c.HttpOnly || c.Path != "/" || c.Secure != secure || c.Partitioned != secure || c.SameSite != site || strings.HasPrefix(c.Name, "__Host-") != secure {
				t.Errorf("SPEC 7.2: %s: %s", public, line)
			}
		}
		if cookies["roster_frame_session"] == nil || cookies["roster_frame_theme"] == nil || cookies["roster_frame_theme"].Value != "dark" {
			t.Fatalf("SPEC 7.2: %v", a.header)
		}
		keep := func(r *http.Request) *http.Request {
			for _, c := range cookies {
				r.AddCookie(&http.Cookie{Name: c.Name, Value: c.Value})
			}
			return r
		}
		b.client.Jar = nil // what follows sends what the frame would, whatever the scheme
		b.send(keep(b.inFrame("/"))).want(http.StatusOK, "Olga Owner", "Acme GmbH", `data-theme="dark"`, `data-frame="`+framing+`"`).lacks(`class="top"`)
		b.send(keep(b.request(t.Context(), http.MethodGet, "/", nil))).lacks("Olga") // the page alone
		fetched := keep(b.request(t.Context(), http.MethodGet, "/", nil))
		fetched.Header.Set("Roster-Frame", "1")
		b.send(fetched).want(http.StatusOK, "Olga Owner")
		b.send(b.inFrame(link)).want(http.StatusUnauthorized, "has to open this anew")             // another's frame
		if b.send(keep(b.inFrame(link))).want(http.StatusSeeOther).header.Get("Location") != "/" { // the same, loaded anew
			t.Error("SPEC 7.2: loaded anew")
		}
		// What another site's page would send, from whichever frame.
		foreign := b.form("/sign-out", url.Values{})
		foreign.Header.Set("Sec-Fetch-Dest", "iframe")
		foreign.Header.Set("Sec-Fetch-Site", "cross-site")
		b.send(keep(foreign)).want(http.StatusForbidden)
		b.send(keep(b.inFrame("/"))).want(http.StatusOK, "Olga Owner")

		_, invited := w.invite(owner, account, "olga.two@acme.example", domain.Viewer)
		b.send(keep(b.inFrame(invited))).want(http.StatusOK, "Accept the invitation").lacks("for somebody else") // as if nobody were signed in
	}
}
