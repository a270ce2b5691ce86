package web_test

import (
	"net/http"
	"testing"

	"roster/domain"
	"roster/infra/keyring"
)

// SPEC 4.2, 7.2: the link to confirm an address opens a page that asks first; only its button does it, and once.
func TestConfirmPage(t *testing.T) {
	w := newWorld(t)
	_, owner := w.open()
	u, _, err := w.app.User(t.Context(), owner.Actor.User())
	if err != nil {
		t.Fatal(err)
	}
	w.do(owner, domain.RequestEmailChange{User: u.ID, Verified: u.Password, To: *w.addressee("olga@new.example")})
	path := "/confirm/" + w.keys.MintLink(keyring.Link{Purpose: keyring.EmailConfirmation, Subject: u.ID, Generation: 1})
	b := w.browser()
	b.signIn("olga@acme.example")
	before := w.last()
	for range 3 {
		b.get(path).want(http.StatusOK, "olga@new.example", "Confirm the address")
	}
	if w.last() != before {
		t.Error("looking at the page has written something")
	}
	b.submit(path, path).want(http.StatusOK, "From now on you sign in with it")
	b.get("/").want(http.StatusOK, "Olga Owner") // still signed in
	b.get(path).want(http.StatusGone, "has been used already")
	if a := w.browser().submit("/sign-in", "/sign-in", "email", "olga@new.example", "password", goodPassword); a.status != http.StatusSeeOther {
		t.Errorf("sign-in: %d", a.status)
	}
	b.get("/confirm/nonsense").want(http.StatusNotFound)
}
