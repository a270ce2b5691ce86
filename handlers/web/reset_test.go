package web_test

import (
	"net/http"
	"testing"
	"time"

	"roster/events"
	"roster/infra/keyring"
)

func (w *world) resetPath(user events.UserID, generation uint32) string {
	return "/reset/" + w.keys.MintLink(keyring.Link{Purpose: keyring.PasswordReset, Subject: user, Generation: generation})
}

// SPEC 4.4, 7.2: a forgotten password is replaced in the browser, without a script: from the sign-in page to a mail, and
// from the link to the sign-in page. Looking consumes nothing.
func TestForgottenPasswordPages(t *testing.T) {
	w := newWorld(t)
	_, owner := w.open()
	b := w.browser()
	b.get("/sign-in").want(http.StatusOK, `href="/forgotten"`)
	known := b.submit("/forgotten", "/forgotten", "email", "olga@acme.example").want(http.StatusOK, "If there is a user with this address")
	unknown := b.submit("/forgotten", "/forgotten", "email", "nobody@acme.example").want(http.StatusOK)
	if known.body != unknown.body {
		t.Errorf("the two can be told apart:\n%s\n%s", known.body, unknown.body)
	}
	path := w.resetPath(owner.Actor.User(), 1)
	for range 3 {
		b.get(path).want(http.StatusOK, "olga@acme.example", "At least 10 characters, with a lower-case letter, an upper-case letter, a digit and a special character.")
	}
	b.submit(path, path, "password", "Olga-Owner-1", "confirm", "x").want(http.StatusUnprocessableEntity, "Nothing of your own name", "The two passwords are not the same").lacks("Olga-Owner-1")
	b.submit(path, path, "password", "Another 0ne, please", "confirm", "Another 0ne, please").want(http.StatusOK, "Your password is changed", `href="/sign-in"`)
	if a := b.get("/"); a.status != http.StatusOK {
		t.Errorf("start: %d", a.status)
	}
	b.get("/").lacks("Olga") // nobody was signed in
	b.get(path).want(http.StatusGone, "has been used already", `href="/forgotten"`)
	if a := b.submit("/sign-in", "/sign-in", "email", "olga@acme.example", "password", "Another 0ne, please"); a.status != http.StatusSeeOther {
		t.Errorf("sign-in: %d", a.status)
	}
	b.submit("/forgotten", "/forgotten", "email", "olga@acme.example").want(http.StatusOK)
	b.get(path).want(http.StatusGone, "A newer link has been sent")
	w.clock.pass(time.Hour)
	b.get(w.resetPath(owner.Actor.User(), 2)).want(http.StatusGone, "has expired")
	b.get("/reset/nonsense").want(http.StatusNotFound)
	b.get("/reset/" + w.keys.MintLink(keyring.Link{Purpose: keyring.Invitation, Subject: owner.Actor.User(), Generation: 2})).want(http.StatusNotFound)
}
