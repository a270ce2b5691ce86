package web_test

import (
	"bytes"
	"encoding/base64"
	"mime/multipart"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"roster/domain"
	"roster/handlers/web"
	"roster/infra/eventlog/memlog"
)

// token opens no page: it makes a browser take its key from the start page's forms, and reads the token of any form
// whose page it is not shown, as whoever attacks with a page of their own would have to.
func (b *browser) token(action string) url.Values {
	b.w.t.Helper()
	var key, session string
	u, err := url.Parse(b.w.server.URL)
	if err != nil {
		b.w.t.Fatal(err)
	}
	for _, c := range b.client.Jar.Cookies(u) {
		switch c.Name {
		case "roster_csrf":
			key = c.Value
		case "roster_session":
			session = c.Value
		}
	}
	return url.Values{"csrf": {web.FormToken(key, action, session)}}
}

// Every form that changes something refuses what another site could send.
func TestForeignFormsAreRefused(t *testing.T) {
	w := newWorld(t)
	account, owner := w.open()
	_, link := w.invite(owner, account, "ann@acme.example", domain.Viewer)
	_, other := w.invite(owner, account, "bob@acme.example", domain.Viewer)
	setup := w.setupPath()
	b := w.browser()
	b.signIn("olga@acme.example")
	b.get(link)
	before := w.last()
	for _, path := range []string{"/sign-in", "/sign-out", link + "/accept", link + "/decline", setup} {
		right := b.token(path)
		right.Set("email", "olga@acme.example")
		right.Set("password", goodPassword)
		elsewhere := url.Values{"csrf": b.token(other + "/accept")["csrf"]}
		for name, c := range map[string]struct {
			values url.Values
			change func(*http.Request)
			status int
		}{
			"cross-site":            {right, func(r *http.Request) { r.Header.Set("Sec-Fetch-Site", "cross-site") }, http.StatusForbidden},
			"same-site":             {right, func(r *http.Request) { r.Header.Set("Sec-Fetch-Site", "same-site") }, http.StatusForbidden},
			"other origin":          {right, func(r *http.Request) { r.Header.Del("Sec-Fetch-Site"); r.Header.Set("Origin", "https://evil.example") }, http.StatusForbidden},
			"no token":              {url.Values{}, func(*http.Request) {}, http.StatusForbidden},
			"no token, null origin": {url.Values{}, func(r *http.Request) { r.Header.Del("Sec-Fetch-Site") }, http.StatusForbidden},
			"no token, no headers":  {url.Values{}, func(r *http.Request) { r.Header.Del("Sec-Fetch-Site"); r.Header.Del("Origin") }, http.StatusForbidden},
			"token of another form": {elsewhere, func(*http.Request) {}, http.StatusForbidden},
			"token in the address":  {url.Values{}, func(r *http.Request) { r.URL.RawQuery = right.Encode() }, http.StatusForbidden},
			"text/plain":            {right, func(r *http.Request) { r.Header.Set("Content-Type", "text/plain") }, http.StatusUnsupportedMediaType},
			"JSON":                  {right, func(r *http.Request) { r.Header.Set("Content-Type", "application/json") }, http.StatusUnsupportedMediaType},
			"no type":               {right, func(r *http.Request) { r.Header.Del("Content-Type") }, http.StatusUnsupportedMediaType},
			"too large":             {url.Values{"csrf": right["csrf"], "x": {strings.Repeat("x", 65<<10)}}, func(*http.Request) {}, http.StatusRequestEntityTooLarge},
		} {
			t.Run(strings.SplitN(path, "/", 3)[1]+" "+name, func(t *testing.T) {
				r := b.form(path, c.values)
				c.change(r)
				b.send(r).want(c.status)
			})
		}
	}
	body, kind := &bytes.Buffer{}, ""
	form := multipart.NewWriter(body)
	if err := form.WriteField("csrf", b.token("/sign-out").Get("csrf")); err != nil {
		t.Fatal(err)
	}
	kind = form.FormDataContentType()
	if err := form.Close(); err != nil {
		t.Fatal(err)
	}
	r := b.request(t.Context(), http.MethodPost, "/sign-out", body)
	r.Header.Set("Content-Type", kind)
	b.send(r).want(http.StatusUnsupportedMediaType)
	if w.last() != before {
		t.Error("a foreign form has written something")
	}

	// Without a key of its own, a browser has no right token; with a key that somebody else gave it, the session
	// still is missing from theirs.
	empty := w.browser()
	empty.send(empty.form("/sign-in", url.Values{"csrf": {web.FormToken("", "/sign-in", "")}})).want(http.StatusForbidden)
	key := base64.RawURLEncoding.EncodeToString(make([]byte, 32))
	u, err := url.Parse(w.server.URL)
	if err != nil {
		t.Fatal(err)
	}
	b.client.Jar.SetCookies(u, []*http.Cookie{{Name: "roster_csrf", Value: key, Path: "/"}})
	b.send(b.form("/sign-out", url.Values{"csrf": {web.FormToken(key, "/sign-out", "")}})).want(http.StatusForbidden)

	// Browsers without Sec-Fetch-Site send "Origin: null" or the site's own.
	for _, origin := range []string{"null", w.server.URL, "http://localhost:8080"} {
		good := w.browser()
		values := good.filled("/sign-in", "/sign-in", "email", "olga@acme.example", "password", goodPassword)
		r := good.form("/sign-in", values)
		r.Header.Del("Sec-Fetch-Site")
		r.Header.Set("Origin", origin)
		good.send(r).want(http.StatusSeeOther)
	}
}

func TestCookies(t *testing.T) {
	for _, c := range []struct {
		public, session, csrf string
		secure                bool
	}{
		{"http://localhost:8080", "roster_session", "roster_csrf", false},
		{"https://portal.example", "__Host-roster_session", "__Host-roster_csrf", true},
	} {
		t.Run(c.public, func(t *testing.T) {
			w := newWorld(t, func(config *web.Config) { config.PublicURL = c.public })
			w.open()
			b := w.browser()
			page := b.get("/sign-in")
			if got := page.header.Get("Strict-Transport-Security") != ""; got != c.secure {
				t.Errorf("HSTS: %v", got)
			}
			var key string
			check := func(header http.Header, name string) (value string) {
				t.Helper()
				for _, line := range header.Values("Set-Cookie") {
					k, err := http.ParseSetCookie(line)
					if err != nil {
						t.Fatal(err)
					}
					device := strings.TrimPrefix(k.Name, "__Host-") == "roster_device"
					if k.Name != name && !device || strings.HasPrefix(k.Name, "__Host-") != c.secure {
						t.Errorf("cookie %s, want %s", k.Name, name)
					}
					if !k.HttpOnly || k.SameSite != http.SameSiteLaxMode || k.Path != "/" || k.Domain != "" || k.Secure != c.secure {
						t.Errorf("cookie %s", line)
					}
					if !device {
						value = k.Value
					}
				}
				if value == "" {
					t.Errorf("no cookie %s", name)
				}
				return value
			}
			key = check(page.header, c.csrf)
			r := b.form("/sign-in", url.Values{"csrf": {web.FormToken(key, "/sign-in", "")}, "email": {"olga@acme.example"}, "password": {goodPassword}})
			r.Header.Set("Cookie", c.csrf+"="+key)
			token := check(b.send(r).want(http.StatusSeeOther).header, c.session)
			start := b.request(t.Context(), http.MethodGet, "/", nil)
			start.Header.Set("Cookie", c.session+"="+token)
			b.send(start).want(http.StatusOK, "Olga Owner")
		})
	}
}

// Only pages of ours are gone on to.
func TestNext(t *testing.T) {
	w := newWorld(t)
	w.open()
	link := w.path([16]byte{1}, [16]byte{2}, 1)
	for next, want := range map[string]string{
		link: link, "": "/", "/": "/", "//evil.example": "/", "https://evil.example": "/", `/\evil.example`: "/", "/invitations//evil.example": "/",
		"/invitations/../sign-out": "/", "/invitations/%2e%2e": "/", "/invitations/a\r\nSet-Cookie: x=y": "/", "/sign-out": "/", "javascript:alert(1)": "/", "/link": "/link", "/link/x": "/",
	} {
		w.clock.pass(time.Hour) // no throttling
		b := w.browser()
		values := b.filled("/sign-in?next="+url.QueryEscape(next), "/sign-in", "email", "olga@acme.example", "password", goodPassword)
		if got := b.send(b.form("/sign-in", values)).want(http.StatusSeeOther).header.Get("Location"); got != want {
			t.Errorf("by the page, %q leads to %q", next, got)
		}
		if got := b.get("/sign-in?next=" + url.QueryEscape(next)).header.Get("Location"); got != want {
			t.Errorf("signed in already, %q leads to %q", next, got)
		}
		b = w.browser()
		values = b.filled("/sign-in", "/sign-in", "email", "olga@acme.example", "password", goodPassword, "next", next)
		if got := b.send(b.form("/sign-in", values)).want(http.StatusSeeOther).header.Get("Location"); got != want {
			t.Errorf("by the form, %q leads to %q", next, got)
		}
	}
}

func TestThrottled(t *testing.T) {
	w := newWorld(t)
	w.open()
	b := w.browser()
	for range 10 {
		b.submit("/sign-in", "/sign-in", "email", "olga@acme.example", "password", "wrong").want(http.StatusUnauthorized)
	}
	a := b.submit("/sign-in", "/sign-in", "email", "olga@acme.example", "password", goodPassword).want(http.StatusTooManyRequests, "too many failed sign-ins", "Try again in 15 minutes")
	if a.header.Get("Retry-After") == "" {
		t.Error("no Retry-After")
	}
	b.submit("/sign-in", "/sign-in", "email", "olga@acme.example", "password", strings.Repeat("x", 5000)).want(http.StatusUnauthorized)
}

func TestFaults(t *testing.T) {
	w := newWorld(t)
	w.open()
	b := w.browser()
	values := b.filled("/sign-in", "/sign-in", "email", "olga@acme.example", "password", goodPassword)
	w.log.Fail(memlog.Unavailable)
	if a := b.send(b.form("/sign-in", values)).want(http.StatusServiceUnavailable, "Try again in a moment"); a.header.Get("Retry-After") == "" {
		t.Error("no Retry-After")
	}
	w.log.Fail(memlog.Broken)
	b.send(b.form("/sign-in", values)).want(http.StatusInternalServerError, "It has been noted").lacks("10199")
	if !strings.Contains(w.printed.String(), "10199") {
		t.Error("the fault is not logged")
	}
	b.send(b.form("/sign-in", values)).want(http.StatusSeeOther)
}

func TestStylesheet(t *testing.T) {
	w := newWorld(t)
	b := w.browser()
	_, rest, _ := strings.Cut(b.get("/").body, `rel="stylesheet" href="`)
	path, _, _ := strings.Cut(rest, `"`)
	a := b.get(path).want(http.StatusOK, "light-dark(")
	if !strings.HasPrefix(path, "/assets/roster.css?v=") || a.header.Get("Content-Type") != "text/css; charset=utf-8" || !strings.Contains(a.header.Get("Cache-Control"), "immutable") {
		t.Errorf("%s: %v", path, a.header)
	}
	if strings.Contains(a.body, "url(") || strings.Contains(a.body, "@import") {
		t.Error("the sheet loads something")
	}
	if a := b.get("/assets/roster.css"); a.header.Get("Cache-Control") != "no-store" {
		t.Error(a.header)
	}
	b.get("/assets/other.css").want(http.StatusNotFound)
}

func TestMountRefusesBadURLs(t *testing.T) {
	for _, public := range []string{"", "portal.example", "ftp://portal.example", "https://"} {
		if web.Mount(http.NewServeMux(), web.Config{PublicURL: public}) == nil {
			t.Errorf("%q is taken", public)
		}
	}
}
