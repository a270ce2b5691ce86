package web_test

import (
	"crypto/rand"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"roster/domain"
	"roster/events"
	"roster/handlers"
	"roster/handlers/access"
	"roster/handlers/api"
	"roster/handlers/web"
	"roster/infra/token"
)

// operated is a portal with its API, and the key of its operator. There are no projections.
func operated(t *testing.T, options ...func(*web.Config)) (w *world, key string) {
	t.Helper()
	w = newWorld(t, append([]func(*web.Config){func(c *web.Config) {
		a := api.Config{App: c.App, Access: c.Access, Links: c.Links, PublicURL: c.PublicURL, Logger: c.Logger}
		v1, err := api.New(a)
		if err != nil {
			t.Fatal(err)
		}
		c.API, c.Health = v1, api.Ops(a)
	}}, options...)...)
	return w, w.operatorKey(true)
}

// operatorKey makes a key; known says that the log has it.
func (w *world) operatorKey(known bool) string {
	w.t.Helper()
	id := events.AnyID(uuid.Must(uuid.NewV7()))
	key, hash, err := token.MintOperator(rand.Reader, id)
	if err != nil {
		w.t.Fatal(err)
	}
	if known {
		w.do(handlers.Call{Actor: handlers.System("roster")}, domain.AddOperatorKey{Key: id, KeyName: "operator", Hash: hash})
	}
	return key
}

func (b *browser) operate(key string) {
	b.w.t.Helper()
	if a := b.submit("/operator/sign-in", "/operator/sign-in", "key", key); a.status != http.StatusSeeOther || a.header.Get("Location") != "/operator" {
		b.w.t.Fatalf("the operator's sign-in: %d\n%s", a.status, a.body)
	}
}

func (a answer) leadsTo(path string) {
	a.t.Helper()
	if a.status != http.StatusSeeOther || a.header.Get("Location") != path {
		a.t.Errorf("%d to %q, want %q\n%s", a.status, a.header.Get("Location"), path, a.body)
	}
}

// SPEC 7.2, 7.3: whoever holds the operator's key looks after the installation in a browser, and nobody else does.
func TestOperatorSignIn(t *testing.T) {
	w, key := operated(t)
	b := w.browser()
	b.get("/operator").leadsTo("/operator/sign-in")
	b.get("/operator/nowhere/at/all").leadsTo("/operator/sign-in?next=%2Foperator%2Fnowhere%2Fat%2Fall")
	b.get("/operator/sign-in?next=https://evil.example/").want(200, `name="next" value="/operator"`, "Operator sign-in")
	b.submit("/operator/sign-in", "/operator/sign-in", "key", "ro_nonsense").want(401, "This is no operator key that is valid here.").lacks("ro_nonsense")

	a := b.submit("/operator/sign-in", "/operator/sign-in", "key", " "+key+"\n")
	a.leadsTo("/operator")
	cookies := a.header.Values("Set-Cookie")
	at := slices.IndexFunc(cookies, func(c string) bool { return strings.HasPrefix(c, "roster_operator=") })
	if at < 0 || !strings.Contains(cookies[at], "HttpOnly") || !strings.Contains(cookies[at], "SameSite=Strict") || !strings.Contains(cookies[at], "Max-Age=28800") {
		t.Fatalf("the cookie: %q", cookies)
	}
	if _, secret, _ := strings.Cut(key, "_"); strings.Contains(cookies[at], secret[:20]) {
		t.Errorf("the key lies open in the cookie: %q", cookies[at])
	}
	b.get("/operator").want(200, "How the installation of Roster is.", "Ready").lacks(key)
	b.get("/operator/sign-in").leadsTo("/operator")
	b.get("/operator/nowhere").want(404)
	b.submit("/operator", "/operator/sign-out").leadsTo("/operator/sign-in")
	b.get("/operator").leadsTo("/operator/sign-in")
}

// Over https the cookie is one that no other host can set.
func TestOperatorCookieOverHTTPS(t *testing.T) {
	w, key := operated(t, func(c *web.Config) { c.PublicURL = "https://portal.example" })
	b := w.browser()
	shown := b.get("/operator/sign-in").want(200)
	values := b.hidden(shown.body)
	values.Set("key", key)
	sent := b.form("/operator/sign-in", values)
	for _, c := range shown.header.Values("Set-Cookie") { // which the jar keeps for https alone
		pair, _, _ := strings.Cut(c, ";")
		sent.Header.Add("Cookie", pair)
	}
	a := b.send(sent)
	a.leadsTo("/operator")
	if c := strings.Join(a.header.Values("Set-Cookie"), "\n"); !strings.Contains(c, "__Host-roster_operator=") || !strings.Contains(c, "Secure") || !strings.Contains(c, "Path=/;") {
		t.Errorf("%q", c)
	}
}

// The key is read anew at every click: one that the log does not know, or no more, opens nothing, however it was sealed.
func TestOperatorKeyThatIsNoneAnyMore(t *testing.T) {
	w, key := operated(t)
	other, otherKey := operated(t)
	b := other.browser()
	b.operate(otherKey)
	b.get("/operator").want(200)
	sealed, err := w.access.KeepOperator(t.Context(), handlers.Call{}, key)
	if err != nil {
		t.Fatal(err)
	}
	carry := func(value string) answer {
		fresh := w.browser()
		r := fresh.request(t.Context(), http.MethodGet, "/operator/nowhere", nil) // which asks the API nothing
		r.AddCookie(&http.Cookie{Name: "roster_operator", Value: value})
		return fresh.send(r)
	}
	out := "/operator/sign-in?next=%2Foperator%2Fnowhere"
	carry(sealed).want(404)
	carry(key).leadsTo(out)                                     // in clear
	carry(sealed[:len(sealed)-2] + "AA").leadsTo(out)           // altered
	carry(sealed[:10] + strings.Repeat("A", 2000)).leadsTo(out) // endless
	unknown := access.New(w.knowing(otherKey), nil, nil, token.Tokens{AddressHMAC: w.keys.AddressHMAC})
	kept, err := unknown.KeepOperator(t.Context(), handlers.Call{}, otherKey) // as before the key ended here
	if err != nil {
		t.Fatal(err)
	}
	w.clock.pass(time.Minute) // it was sealed by another clock
	carry(kept).leadsTo(out)
	w.clock.pass(access.OperatorWithin - 2*time.Minute)
	carry(sealed).want(404)
	w.clock.pass(2 * time.Minute)
	carry(sealed).leadsTo(out)
}

// knowing is a log of its own, in which the key is the operator's.
func (w *world) knowing(key string) *handlers.App {
	w.t.Helper()
	b, err := token.Parse(key)
	if err != nil {
		w.t.Fatal(err)
	}
	other := newWorld(w.t)
	other.do(handlers.Call{Actor: handlers.System("roster")}, domain.AddOperatorKey{Key: b.B, KeyName: "operator", Hash: b.Hash})
	return other.app
}

// A session of a user's is no operator's key, not the owner's either, and neither is an API key with every right; being
// signed in as somebody plays no part at the operator's pages, nor the other way round.
func TestOperatorIsNobodyElse(t *testing.T) {
	w, key := operated(t)
	account, owner := w.open()
	b := w.browser()
	b.signIn("olga@acme.example")
	u, err := url.Parse(w.server.URL)
	if err != nil {
		t.Fatal(err)
	}
	session := ""
	for _, c := range b.client.Jar.Cookies(u) {
		if c.Name == "roster_session" {
			session = c.Value
		}
	}
	if session == "" {
		t.Fatal("there is no session")
	}
	b.get("/operator").leadsTo("/operator/sign-in")
	b.submit("/operator/sign-in", "/operator/sign-in", "key", session).want(401)
	id := events.KeyRefID(uuid.Must(uuid.NewV7()))
	service, hash, err := token.Tokens{AddressHMAC: w.keys.AddressHMAC}.MintKey(account, id)
	if err != nil {
		t.Fatal(err)
	}
	w.do(owner, domain.CreateKey{Account: account, Key: id, KeyName: "Sync", Hash: hash, Grants: []events.Grant{{Roles: []string{"admin"}}}})
	if _, err := w.access.Authenticate(t.Context(), service); err != nil {
		t.Fatal(err)
	}
	b.submit("/operator/sign-in", "/operator/sign-in", "key", service).want(401)

	b.operate(key)
	b.get("/operator").want(200)
	b.get("/me").want(200, "Olga") // still herself there
	only := w.browser()
	only.operate(key)
	only.get("/me").leadsTo("/sign-in?next=%2Fme")
	only.get("/accounts").leadsTo("/sign-in?next=%2Faccounts")
}

// A form of the operator's is taken from the operator's own pages alone.
func TestOperatorForms(t *testing.T) {
	w, key := operated(t)
	b := w.browser()
	values := b.filled("/operator/sign-in", "/operator/sign-in", "key", key)
	foreign := b.form("/operator/sign-in", values)
	foreign.Header.Set("Sec-Fetch-Site", "cross-site")
	foreign.Header.Set("Origin", "https://evil.example")
	b.send(foreign).want(403, "sent from another site")
	bare := url.Values{"key": {key}}
	b.send(b.form("/operator/sign-in", bare)).want(403, "out of date")
	b.operate(key)
	before := b.filled("/operator", "/operator/sign-out")
	other := w.browser()
	other.operate(key)
	other.send(other.form("/operator/sign-out", before)).want(403) // another browser's token
	signed := b.filled("/operator", "/operator/sign-out")
	b.send(b.form("/operator/sign-out", signed)).leadsTo("/operator/sign-in")
	b.send(b.form("/operator/sign-out", signed)).want(403) // the token ends with what it was made for
}

// SPEC 5.1: wrong keys are noted, and after ten of them from one address no more are looked at; the right key still is.
func TestOperatorKeysAreThrottled(t *testing.T) {
	w, key := operated(t)
	b := w.browser()
	begun := w.last()
	for range 10 {
		b.submit("/operator/sign-in", "/operator/sign-in", "key", w.operatorKey(false)).want(401)
	}
	if n := w.last() - begun; n != 10 {
		t.Errorf("%d commits of 10 tries", n)
	}
	a := b.submit("/operator/sign-in", "/operator/sign-in", "key", w.operatorKey(false)).want(429, "too many wrong keys", "in 15 minutes")
	if a.header.Get("Retry-After") == "" {
		t.Error("no Retry-After")
	}
	b.operate(key)
}

// Every text is there in German, and what cannot be answered without a database does not take the rest along.
func TestOperatorInGerman(t *testing.T) {
	w, key := operated(t)
	b := w.browser()
	german := func(path string) answer {
		r := b.request(t.Context(), http.MethodGet, path, nil)
		r.Header.Set("Accept-Language", "de-AT,de;q=0.9")
		return b.send(r)
	}
	german("/operator/sign-in").want(200, `<html lang="de">`, "Betreiberschlüssel")
	b.operate(key)
	german("/operator").want(200, "Überblick", "Lesemodelle", "Das lässt sich gerade nicht beantworten")
}
