package web_test

import (
	"html"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"roster/domain"
	"roster/events"
	"roster/handlers"
	"roster/handlers/access"
	"roster/handlers/web"
)

const portalOrigin, portalCallback = "https://portal.example", "https://portal.example/callback?x=1"

func signInTo(to, state string) string {
	return "/sign-in?" + url.Values{"return_to": {to}, "state": {state}}.Encode()
}

// newPortalWorld is a world with a portal behind.
func newPortalWorld(t *testing.T) *world {
	t.Helper()
	w := newWorld(t, func(c *web.Config) { c.Portals = []string{portalOrigin} })
	w.access.UsePortals([]string{portalOrigin})
	return w
}

// landed is where a browser was sent that has signed in.
func (b *browser) landed(a answer) url.Values {
	b.w.t.Helper()
	a.want(http.StatusSeeOther)
	if next := a.header.Get("Location"); strings.HasPrefix(next, "/sign-in?") { // by way of our own page
		a = b.get(next).want(http.StatusSeeOther)
	}
	u, err := url.Parse(a.header.Get("Location"))
	if err != nil || u.Scheme+"://"+u.Host != portalOrigin || u.Path != "/callback" || u.Query().Get("x") != "1" || u.Query().Get("code") == "" {
		b.w.t.Fatalf("SPEC 7.6: sent to %q", a.header.Get("Location"))
	}
	if strings.Contains(a.body, "rh_") {
		b.w.t.Errorf("SPEC 7.6: the code stands in a body: %s", a.body)
	}
	return u.Query()
}

// SPEC 7.6: a browser signs in on our page and is sent back to the portal with a code that works once.
func TestHandOver(t *testing.T) {
	w := newPortalWorld(t)
	w.open()
	operator := handlers.Call{Actor: events.Actor{Type: events.ByOperator, ID: "0198c5d4-7e1a-7c3f-9b1d-000000000091"}}
	b := w.browser()
	page := signInTo(portalCallback, "s<&t")
	shown := b.get(page).want(http.StatusOK, "Sign in")
	if csp := shown.header.Get("Content-Security-Policy"); !strings.Contains(csp, "form-action 'self' "+portalOrigin+";") {
		t.Errorf("SPEC 7.6: the form may not lead on: %s", csp)
	}
	b.submit(page, "/sign-in", "email", "olga@acme.example", "password", "wrong").want(http.StatusUnauthorized, "wrong", "portal.example%2Fcallback")
	got := b.landed(b.submit(page, "/sign-in", "email", "olga@acme.example", "password", goodPassword))
	if got.Get("state") != "s<&t" {
		t.Errorf("SPEC 7.6: the state came back as %q", got.Get("state"))
	}
	in, err := w.access.Exchange(t.Context(), operator, got.Get("code"), portalCallback, "")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.access.Exchange(t.Context(), operator, got.Get("code"), portalCallback, ""); err == nil {
		t.Error("SPEC 7.6: twice")
	}
	at := w.last()
	again := b.landed(b.get(page)) // signed in already: at once, and nothing is written for it
	if again.Get("code") == got.Get("code") || w.last() != at {
		t.Error("SPEC 7.6: a code of its own each time, kept nowhere")
	}
	// The portal's session is no way to another one.
	p, err := w.access.Authenticate(t.Context(), in.Token)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.access.HandOver(p, access.Return{To: portalCallback}); err == nil {
		t.Error("SPEC 7.6: handed over from what was handed over")
	}
	w.clock.pass(2 * time.Minute)
	if _, err := w.access.Exchange(t.Context(), operator, again.Get("code"), portalCallback, ""); err == nil {
		t.Error("SPEC 7.6: after two minutes")
	}
	if strings.Contains(w.printed.String(), "rh_") {
		t.Error("SPEC 7.6: a code was logged")
	}
}

// SPEC 7.6, 4.5: no code before the second step, and the way back outlives it.
func TestHandOverSecondStep(t *testing.T) {
	w := newPortalWorld(t)
	w.open()
	in, err := w.access.SignIn(t.Context(), handlers.Call{}, "olga@acme.example", goodPassword)
	if err != nil {
		t.Fatal(err)
	}
	call := handlers.Call{Actor: events.Actor{Type: events.ByUser, ID: in.User.String(), Session: in.Session}}
	made, err := w.access.EnrollTOTP(t.Context(), call, goodPassword, "phone", "Acme", "olga")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.access.VerifyFactor(t.Context(), call, made.Factor.ID, code(t, made.Secret, time.Now())); err != nil {
		t.Fatal(err)
	}
	b := w.browser()
	page := signInTo(portalCallback, "s")
	asked := b.submit(page, "/sign-in", "email", "olga@acme.example", "password", goodPassword).want(http.StatusOK, "Second step")
	b.get(page).want(http.StatusOK, "Password") // not signed in
	_, anew, _ := strings.Cut(asked.body, `<p><a href="`)
	anew, _, found := strings.Cut(anew, `">Begin anew`)
	begun := b.get(html.UnescapeString(anew)).want(http.StatusOK, "Password")
	if got := b.hidden(begun.body).Get("next"); !found || got != b.hidden(asked.body).Get("next") || !strings.Contains(got, "return_to=") {
		t.Errorf("SPEC 7.6: %s leads on to %q", anew, got)
	}
	values := b.hidden(asked.body)
	values.Set("code", code(t, made.Secret, time.Now().Add(30*time.Second)))
	b.landed(b.send(b.form("/sign-in/factor", values)))
}

// SPEC 7.6: nobody is sent anywhere but to a portal that is allowed, whatever browsers make of what they are given.
func TestOpenRedirects(t *testing.T) {
	w := newPortalWorld(t)
	w.open()
	in, out := w.browser(), w.browser()
	in.signIn("olga@acme.example")
	for _, to := range []string{
		"", "/", "//evil.example", "///evil.example", `/\evil.example`, `\\evil.example`, "evil.example", "https://evil.example/callback",
		"http://portal.example/callback", "https://portal.example.evil.example/", "https://portal.exampleevil", "https://portal.example:8443/callback",
		"https://portal.example:443/callback", "https://portal.example@evil.example/", "https://portal.example:x@evil.example/", "https://user@portal.example/",
		`https://portal.example\@evil.example/`, `https://portal.example\.evil.example`, "https://portal.example#@evil.example", "https://portal.example/#fragment",
		"https://evil.example#https://portal.example", "https://evil.example?https://portal.example", "https:portal.example", "https:/portal.example/", "https:///portal.example/",
		"HTTPS://portal.example/", "https://PORTAL.example/", " https://portal.example/", "https://portal.example/ ", "https://portal.example/\r\nX: y", "https://portal.example/\t",
		"https://portal.example%2eevil.example/", "https://portal.example%00.evil.example", "https://portal.example．evil.example", "https://portal.example。evil.example/",
		"javascript:alert(1)", "javascript://portal.example/%0aalert(1)", "data:text/html,x", "https://sub.portal.example/", "https://portal.example./",
		"https://portal.example;evil.example", "https://portal.example,evil.example", "https://portal.example/?code=theirs", "https://portal.example/?state=theirs", "https://portal.example/?a;b",
		"https://portal.example/" + strings.Repeat("x", 3000), "https://[portal.example]/", "https://portal.example/%zz",
	} {
		for name, b := range map[string]*browser{"signed in": in, "signed out": out} {
			a := b.get(signInTo(to, "s"))
			if a.status != http.StatusBadRequest || a.header.Get("Location") != "" || strings.Contains(a.body, "evil") {
				t.Errorf("SPEC 7.6: %q, %s: %d, sent to %q", to, name, a.status, a.header.Get("Location"))
			}
		}
		// Nor by what a form says it stood in.
		values := out.filled("/sign-in", "/sign-in", "email", "olga@acme.example", "password", goodPassword)
		values.Set("next", signInTo(to, "s"))
		b := w.browser()
		b.client.Jar = out.client.Jar
		if a := b.send(b.form("/sign-in", values)); a.header.Get("Location") != "/" {
			t.Fatalf("SPEC 7.6: next %q leads to %q (%d)", to, a.header.Get("Location"), a.status)
		}
		out = w.browser()
	}
	for _, query := range []string{
		"return_to=" + url.QueryEscape(portalCallback) + "&return_to=https://evil.example", "return_to=https://evil.example&return_to=" + url.QueryEscape(portalCallback),
		"return_to=" + url.QueryEscape(portalCallback) + "&code_challenge=short", "return_to=" + url.QueryEscape(portalCallback) + "&code_challenge_method=plain",
		"return_to=" + url.QueryEscape(portalCallback) + "&state=" + strings.Repeat("s", 3000),
	} {
		if a := in.get("/sign-in?" + query); a.status != http.StatusBadRequest {
			t.Errorf("SPEC 7.6: %s: %d, sent to %q", query, a.status, a.header.Get("Location"))
		}
	}
	in.landed(in.get(signInTo(portalCallback, "s")))
	plain := newWorld(t) // no portal behind: nobody is sent anywhere
	plain.open()
	b := plain.browser()
	b.signIn("olga@acme.example")
	b.get(signInTo(portalCallback, "s")).want(http.StatusBadRequest)
}

// SPEC 7.6: what may be a portal's origin.
func TestPortalOrigins(t *testing.T) {
	for text, want := range map[string]string{
		"https://portal.example": "https://portal.example", "https://Portal.Example:443/": "https://portal.example", "https://portal.example:8443": "https://portal.example:8443",
		"http://localhost:3000": "http://localhost:3000", "http://127.0.0.1": "http://127.0.0.1", "http://[::1]:80": "http://[::1]",
		"http://portal.example": "", "portal.example": "", "https://portal.example/path": "", "https://u@portal.example": "", "https://*.portal.example/?": "", "https://": "", "*": "", "null": "",
	} {
		if got, err := access.PortalOrigin(text); got != want || (err == nil) != (want != "") {
			t.Errorf("%q is %q, %v, want %q", text, got, err, want)
		}
	}
}

// SPEC 5.1, 7.6: by the pages, too, what is done in a session that the operator has opened is never the person's own: an
// invitation is accepted by whoever has signed in themselves.
func TestOperatorOnThePages(t *testing.T) {
	w := newWorld(t)
	account, owner := w.open()
	_, anns := w.invite(owner, account, "ann@acme.example", domain.Viewer)
	w.browser().submit(anns, anns+"/accept", "first_name", "Ann", "last_name", "Lee", "password", goodPassword, "confirm", goodPassword).want(http.StatusOK)
	ann, ok, err := w.access.Holder(t.Context(), "ann@acme.example")
	if err != nil || !ok {
		t.Fatal(ok, err)
	}
	beta := w.do(operator(), domain.OpenAccount{AccountName: "Beta Ltd", Owner: w.addressee("ann@acme.example")})
	var link string
	var second events.AccountID
	for _, c := range beta.Commits {
		a, _, err := w.app.Account(t.Context(), [16]byte(c.Boundary.ID))
		if err != nil {
			t.Fatal(err)
		}
		i, _ := a.InvitationOf(w.addressee("ann@acme.example").ID)
		second, link = a.ID, w.path(a.ID, i.ID, 1)
	}
	opened, err := w.access.OpenSession(t.Context(), operator(), domain.OpenSession{User: ann.ID})
	if err != nil {
		t.Fatal(err)
	}
	b := w.browser()
	home, err := url.Parse(w.server.URL)
	if err != nil {
		t.Fatal(err)
	}
	b.client.Jar.SetCookies(home, []*http.Cookie{{Name: "roster_session", Value: opened.Token, Path: "/"}})
	b.get(link).want(http.StatusOK, "Sign in to accept").lacks(link + "/accept")
	b.send(b.form(link+"/accept", b.token(link+"/accept"))).want(http.StatusUnauthorized, "Sign in to accept")
	a, _, err := w.app.Account(t.Context(), second)
	if err != nil {
		t.Fatal(err)
	}
	if m, ok := a.Member(ann.ID); ok {
		t.Errorf("SPEC 2.4: the operator has accepted for her: %+v", m)
	}
}
