package web_test

import (
	"net/http"
	"testing"

	"roster/domain"
	"roster/infra/keyring"
)

// SPEC 1.3, 7.2: where the portal lets people, an account is opened in the browser, without a script; elsewhere there is no
// such page.
func TestSignUpPages(t *testing.T) {
	w := newWorld(t)
	w.open()
	b := w.browser()
	b.get("/sign-up").want(http.StatusNotFound)
	b.get("/sign-in").lacks("/sign-up")
	d := domain.Profiles()[0]
	d.Name, d.SignUp = "open", true
	w.do(operator(), domain.DefineProfile{Definition: d})
	b.get("/sign-in").want(http.StatusOK, `href="/sign-up"`)
	known := b.submit("/sign-up", "/sign-up", "email", "olga@acme.example").want(http.StatusOK, "A mail has been sent")
	unknown := b.submit("/sign-up", "/sign-up", "email", "new@example.org").want(http.StatusOK)
	if known.body != unknown.body {
		t.Errorf("the two can be told apart:\n%s\n%s", known.body, unknown.body)
	}
	link := func(email string, generation uint32) string {
		return "/sign-up/" + w.keys.MintLink(keyring.Link{Purpose: keyring.Signup, Subject: w.addressee(email).ID, Generation: generation})
	}
	path := link("new@example.org", 1)
	before := w.last()
	for range 3 {
		b.get(path).want(http.StatusOK, "new@example.org", "Open the account")
	}
	if w.last() != before {
		t.Error("looking at the page has written something")
	}
	b.submit(path, path, "name", "New <Ltd>", "first_name", "Nell", "last_name", "", "password", "x", "confirm", "y").
		want(http.StatusUnprocessableEntity, "New &lt;Ltd&gt;", "Say a name", "The two passwords are not the same")
	b.submit(path, path, "name", "New <Ltd>", "first_name", "Nell", "last_name", "New", "password", goodPassword, "confirm", goodPassword).
		want(http.StatusOK, "Your account is ready", "New &lt;Ltd&gt;").lacks("setup")
	b.get(path).want(http.StatusGone, "There is a user with this address")
	b.get(link("olga@acme.example", 1)).want(http.StatusGone, "There is a user with this address")
	b.get(link("new@example.org", 9)).want(http.StatusNotFound)
	b.get("/sign-up/nonsense").want(http.StatusNotFound)
	b.signIn("new@example.org")
	b.get("/").want(http.StatusOK, "New &lt;Ltd&gt;")
}
