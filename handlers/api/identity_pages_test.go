package api_test

import (
	"html"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"roster/handlers/web"
)

// browser is somebody's, on the pages that ask this API.
type browser struct {
	w      *world
	at     string
	client *http.Client
}

// pages serves the pages, and answers a way to open browsers in which somebody is signed in.
func (w *world) pages() func(p person) *browser {
	w.t.Helper()
	mux := http.NewServeMux()
	if err := web.Mount(mux, web.Config{App: w.app, Access: w.config.Access, Links: links{w.keys}, PublicURL: w.config.PublicURL, API: w.server.Config.Handler}); err != nil {
		w.t.Fatal(err)
	}
	server := httptest.NewServer(mux)
	w.t.Cleanup(server.Close)
	return func(p person) *browser {
		w.t.Helper()
		jar, err := cookiejar.New(nil)
		if err != nil {
			w.t.Fatal(err)
		}
		b := &browser{w, server.URL, &http.Client{Jar: jar}}
		b.post("/sign-in", "/sign-in", "email", p.email, "password", goodPassword)
		return b
	}
}

// open opens a page and wants it to say something.
func (b *browser) open(path string, want ...string) string {
	b.w.t.Helper()
	r, err := http.NewRequestWithContext(b.w.t.Context(), http.MethodGet, b.at+path, nil)
	if err != nil {
		b.w.t.Fatal(err)
	}
	return b.read(r, want)
}

// post sends the form on a page that goes to action, and answers the page that comes of it.
func (b *browser) post(page, action string, typed ...string) string {
	b.w.t.Helper()
	_, form, ok := strings.Cut(b.open(page), `action="`+action+`"`)
	if !ok {
		b.w.t.Fatalf("%s has no form for %s", page, action)
	}
	form, _, _ = strings.Cut(form, "</form>")
	values := url.Values{}
	for _, m := range regexp.MustCompile(`<input type="hidden" name="([^"]+)" value="([^"]*)"`).FindAllStringSubmatch(form, -1) {
		values.Set(m[1], html.UnescapeString(m[2]))
	}
	for i := 0; i+1 < len(typed); i += 2 {
		values.Set(typed[i], typed[i+1])
	}
	r, err := http.NewRequestWithContext(b.w.t.Context(), http.MethodPost, b.at+action, strings.NewReader(values.Encode()))
	if err != nil {
		b.w.t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set("Sec-Fetch-Site", "same-origin")
	return b.read(r, nil)
}

func (b *browser) read(r *http.Request, want []string) string {
	b.w.t.Helper()
	answer, err := b.client.Do(r)
	if err != nil {
		b.w.t.Fatal(err)
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	if err != nil {
		b.w.t.Fatal(err)
	}
	b.w.says(string(body), want...)
	return string(body)
}

func (w *world) says(page string, want ...string) {
	w.t.Helper()
	for _, s := range want {
		if !strings.Contains(page, s) {
			w.t.Errorf("the page does not say %q:\n%s", s, page)
		}
	}
}

// SPEC 7.2, 7.4: on the pages one sees at whose provider one is known, and ends it with one's password; an owner does it
// for a member, who is signed out, and nobody else is offered it.
func TestIdentityPages(t *testing.T) {
	w := newWorld(t)
	account, owner := w.open("Acme <Ltd>")
	ann, admin := w.member(account, owner, "viewer"), w.member(account, owner, "admin")
	_, domainOf, _ := strings.Cut(ann.email, "@")
	w.do("PUT", ssoOf(account), owner.token, object{"issuer": "https://id.example.com", "client_id": "roster", "client_secret": "s"}).is(200)
	w.do("POST", ssoOf(account)+"/domains/"+domainOf+"/verify", w.operator, nil).is(200)
	theirs := "/v1/accounts/" + account + "/users/" + ann.id
	signedIn := w.pages()
	anns, owners, admins := signedIn(ann), signedIn(owner), signedIn(admin)
	const security = "/me/security"
	page := "/accounts/" + account + "/users/" + ann.id
	unlink := page + "/unlink"
	if shown := anns.open(security, "Second factors"); strings.Contains(shown, "provider") {
		t.Errorf("SPEC 7.4: linked to nobody: %s", shown)
	}
	if w.do("GET", theirs, owner.token, nil).is(200).at("linked") != false || strings.Contains(owners.open(page, "What can be done"), unlink) {
		t.Error("SPEC 7.4: it is said that she is linked")
	}

	w.vouch(account, ann, 1)
	id := w.do("GET", "/v1/me/identities", ann.token, nil).is(200).text("items.0.id")
	anns.open(security, "You can sign in through the provider of Acme &lt;Ltd&gt;.")
	mine := "/me/identities/" + id + "/unlink"
	w.says(anns.post(security, mine, "password", "wrong"), "wrong", "provider of Acme")
	if w.do("GET", theirs, admin.token, nil).is(200).at("linked") != true {
		t.Error("SPEC 7.4: it is not said that she is linked")
	}
	w.says(anns.post(security, mine, "password", goodPassword), "You are no longer linked to the provider.")
	if w.do("GET", theirs, owner.token, nil).is(200).at("linked") != false {
		t.Error("SPEC 7.4: she is linked still")
	}

	w.vouch(account, ann, 1)
	w.says(admins.open(page, "signs in through the provider"), "Unlink from the provider</button>") // and why not
	owners.open(page, "signs in through the provider", `href="`+unlink+`"`)
	owners.open(unlink, "1 link to a provider is ended", "1 device is signed out")
	w.says(owners.post(unlink, unlink), "is linked to nobody at the provider any more", "Unlinked from the provider")
	anns.open(security, `action="/sign-in"`)
	w.vouch(account, ann, 1)
	w.do("DELETE", ssoOf(account), owner.token, nil).is(200)
	signedIn(ann).open(security, "not any more: the provider has changed")
}
