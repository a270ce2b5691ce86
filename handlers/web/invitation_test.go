package web_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"roster/domain"
	"roster/events"
	"roster/handlers"
)

// The whole way of a new portal: set up, invite, look, accept, sign in, sign out.
func TestTheWayIn(t *testing.T) {
	w := newWorld(t)
	b := w.browser()
	b.get("/").want(http.StatusOK, "There is no account yet", "setup link", "/dev/inbox", "/docs", "/openapi.json").lacks("/setup/")

	setup := w.setupPath()
	before := w.last()
	b.get(setup).want(http.StatusOK, "Set up the first account", "At least 10 characters")
	b.submit(setup, setup, "name", "", "email", "nobody", "first_name", "Olga", "last_name", "", "password", "Ab1! short"[:7], "confirm", "other").
		want(http.StatusUnprocessableEntity, "Say a name", "Not an e-mail address", "At least 10 characters", "The two passwords are not the same", `value="Olga"`).
		lacks("Ab1! sh", "other")
	if w.last() != before {
		t.Fatal("a refused setup has written something")
	}
	b.submit(setup, setup, "name", "Acme GmbH", "email", "Olga@Acme.example", "first_name", "Olga", "last_name", "Owner", "password", goodPassword, "confirm", goodPassword).
		want(http.StatusOK, "The first account is ready", "Acme GmbH").lacks(goodPassword)
	b.get(setup).want(http.StatusGone, "has been made already")
	b.get("/").want(http.StatusOK, "Sign in").lacks("There is no account yet")

	b.submit("/sign-in", "/sign-in", "email", "olga@acme.example", "password", "wrong").want(http.StatusUnauthorized, "The e-mail address or the password is wrong.").lacks(`"wrong"`)
	b.submit("/sign-in", "/sign-in", "email", "who@acme.example", "password", "wrong").want(http.StatusUnauthorized, "The e-mail address or the password is wrong.")
	b.signIn("olga@acme.example")
	b.get("/").want(http.StatusOK, "Olga Owner", "Acme GmbH", "Owner", "Sign out")

	owner, ok, err := w.access.Holder(t.Context(), "olga@acme.example")
	if err != nil || !ok {
		t.Fatal(ok, err)
	}
	account := owner.Accounts()[0]
	by := handlers.Call{}
	by.Actor.Type, by.Actor.ID = "user", owner.ID.String()
	_, link := w.invite(by, account, "ann@acme.example", domain.Manager)

	before = w.last()
	guest := w.browser()
	for range 20 {
		guest.get(link).want(http.StatusOK, "Olga Owner", "Acme GmbH", "Manager", "ann@acme.example", "UTC", "At least 10 characters")
		if a := guest.send(guest.request(t.Context(), http.MethodHead, link, nil)).want(http.StatusOK); a.body != "" {
			t.Error("HEAD has a body")
		}
		guest.send(guest.request(t.Context(), http.MethodOptions, link, nil)).want(http.StatusNoContent)
	}
	if w.last() != before {
		t.Fatal("looking has written something")
	}

	guest.submit(link, link+"/accept", "first_name", "<b>Ann</b>", "last_name", "", "password", "abc", "confirm", "abd").
		want(http.StatusUnprocessableEntity, "&lt;b&gt;Ann&lt;/b&gt;", "Say a name", "At least 10 characters", "An upper-case letter", "A digit", "A special character", "The two passwords are not the same").
		lacks("<b>Ann", "abd", `"abc"`)
	if w.last() != before {
		t.Fatal("a refused form has written something")
	}
	if a := guest.get(link + "/accept"); a.status != http.StatusSeeOther || a.header.Get("Location") != link {
		t.Errorf("reload: %d %s", a.status, a.header.Get("Location"))
	}
	accepted := guest.submit(link, link+"/accept", "first_name", "Ann", "last_name", "Lee", "password", goodPassword, "confirm", goodPassword).
		want(http.StatusOK, "You are a member now", "Acme GmbH", "Manager", "Sign in").lacks(goodPassword)
	if strings.Contains(strings.Join(accepted.header.Values("Set-Cookie"), " "), "roster_session") {
		t.Error("accepting has signed in")
	}
	guest.get("/").want(http.StatusOK, "Sign in").lacks("Ann Lee")
	guest.get(link).want(http.StatusGone, "has been accepted already", "Olga Owner", "Acme GmbH").lacks("<form")

	guest.signIn("ann@acme.example")
	guest.get("/").want(http.StatusOK, "Ann Lee", "Manager")
	if a := guest.get("/sign-in"); a.status != http.StatusSeeOther || a.header.Get("Location") != "/" {
		t.Errorf("signed in already: %d to %s", a.status, a.header.Get("Location"))
	}
	if a := guest.submit("/", "/sign-out"); a.status != http.StatusSeeOther {
		t.Errorf("sign-out: %d", a.status)
	}
	guest.get("/").want(http.StatusOK, "Sign in").lacks("Ann Lee")

	token := strings.TrimPrefix(link, "/invitations/")
	for _, secret := range []string{token, strings.TrimPrefix(setup, "/setup/"), goodPassword, "ann@acme.example"} {
		if strings.Contains(w.printed.String(), secret) {
			t.Errorf("logged: %q", secret)
		}
	}
}

func TestDeadLinks(t *testing.T) {
	w := newWorld(t)
	account, owner := w.open()
	for name, c := range map[string]struct {
		end   func(t *testing.T, link string, cmd domain.RevokeInvitation)
		shown []string
	}{
		"revoked": {func(_ *testing.T, _ string, cmd domain.RevokeInvitation) { w.do(owner, cmd) }, []string{"has been revoked"}},
		"replaced": {func(_ *testing.T, _ string, cmd domain.RevokeInvitation) {
			w.do(owner, domain.ResendInvitation{Account: account, Invitation: cmd.Invitation})
		}, []string{"A newer link has been sent"}},
		"declined": {func(t *testing.T, link string, _ domain.RevokeInvitation) {
			b := w.browser()
			b.submit(link, link+"/decline").want(http.StatusOK, "Invitation declined", "Acme GmbH", "Olga Owner")
		}, []string{"has been declined"}},
		"used": {func(t *testing.T, link string, _ domain.RevokeInvitation) {
			w.browser().submit(link, link+"/accept", "first_name", "A", "last_name", "B", "password", goodPassword, "confirm", goodPassword).want(http.StatusOK)
		}, []string{"has been accepted already", `href="/sign-in"`}},
		"expired": {func(*testing.T, string, domain.RevokeInvitation) { w.clock.pass(8 * 24 * time.Hour) }, []string{"has expired", "It worked until"}},
	} {
		t.Run(name, func(t *testing.T) {
			id, link := w.invite(owner, account, name+"@acme.example", domain.Viewer)
			b := w.browser()
			accept, decline := b.filled(link, link+"/accept", "first_name", "A", "last_name", "B", "password", goodPassword, "confirm", goodPassword), b.filled(link, link+"/decline")
			c.end(t, link, domain.RevokeInvitation{Account: account, Invitation: id})
			before := w.last()
			shown := append(c.shown, "This link no longer works", "Olga Owner", "Acme GmbH")
			page := b.get(link).want(http.StatusGone, shown...).lacks("password\"", "/accept", "/decline")
			if asks := strings.Contains(page.body, "Ask for a new link"); asks != (name != "used") {
				t.Errorf("offers to ask: %t", asks)
			}
			b.send(b.form(link+"/accept", accept)).want(http.StatusGone, shown...)
			if name != "declined" {
				b.send(b.form(link+"/decline", decline)).want(http.StatusGone, shown...)
			}
			if w.last() != before {
				t.Error("a dead link has written something")
			}
		})
	}
}

func TestUnknownLinksSayNothing(t *testing.T) {
	w := newWorld(t)
	account, owner := w.open()
	_, link := w.invite(owner, account, "ann@acme.example", domain.Viewer)
	b := w.browser()
	forged := link[:len(link)-2] + "AA"
	first := b.get(forged).want(http.StatusNotFound, "leads nowhere").lacks("Acme", "Olga", "ann@")
	for _, path := range []string{"/invitations/x", w.path(account, [16]byte{1}, 1), w.path([16]byte{2}, [16]byte{1}, 1),
		"/invitations/" + strings.TrimPrefix(w.setupPath(), "/setup/"), "/setup/" + strings.TrimPrefix(link, "/invitations/"), "/setup/x"} {
		if a := b.get(path).want(http.StatusNotFound); a.body != first.body {
			t.Errorf("%s reads otherwise:\n%s", path, a.body)
		}
	}
	b.get("/invitations/").want(http.StatusNotFound, "no page")
	b.get(link+"/x").want(http.StatusNotFound, "no page")
	for _, verb := range []string{http.MethodPut, http.MethodDelete, http.MethodPatch, http.MethodPost} {
		a := b.send(b.request(t.Context(), verb, link, nil)).want(http.StatusMethodNotAllowed)
		if a.header.Get("Allow") != "GET, HEAD, OPTIONS" {
			t.Errorf("Allow %q", a.header.Get("Allow"))
		}
	}
}

// Somebody who has a user signs in and is never asked for a new password; somebody else is refused.
func TestPeopleWithAUser(t *testing.T) {
	w := newWorld(t)
	account, owner := w.open()
	opened := w.do(operator(), domain.OpenAccount{AccountName: "Beta Ltd", Owner: w.addressee("olga@acme.example")})
	var link string
	for _, c := range opened.Commits {
		a, _, err := w.app.Account(t.Context(), [16]byte(c.Boundary.ID))
		if err != nil {
			t.Fatal(err)
		}
		i, _ := a.InvitationOf(w.addressee("olga@acme.example").ID)
		link = w.path(a.ID, i.ID, 1)
	}
	_, anns := w.invite(owner, account, "ann@acme.example", domain.Viewer)
	w.browser().submit(anns, anns+"/accept", "first_name", "Ann", "last_name", "Lee", "password", goodPassword, "confirm", goodPassword).want(http.StatusOK)

	b := w.browser()
	b.get(link).want(http.StatusOK, "Beta Ltd", "Sign in to accept", "Roster</bdi></strong> invites").lacks("confirm", "/accept")
	ann := w.browser()
	ann.signIn("ann@acme.example")
	ann.get(link).want(http.StatusOK, "This invitation is for somebody else", "ann@acme.example", "Sign out").lacks("/accept", "/decline")

	// What she could not reach by the page is refused all the same, and stands in the audit trail.
	values := ann.filled(link, "/sign-out")
	if a := ann.send(ann.form("/sign-out", values)); a.header.Get("Location") != link {
		t.Errorf("after signing out: %s", a.header.Get("Location"))
	}
	ann.signIn("ann@acme.example")
	before := w.last()
	ann.send(ann.form(link+"/accept", ann.token(link+"/accept"))).want(http.StatusForbidden, "for somebody else")
	if w.last() != before+1 {
		t.Errorf("the refusal is not written down: %d, then %d; %s", before, w.last(), w.printed)
	}
	ann.send(ann.form(link+"/decline", ann.token(link+"/decline"))).want(http.StatusForbidden, "for somebody else")

	// The form on the invitation's own page leads back to it.
	a := b.submit(link, "/sign-in", "email", "olga@acme.example", "password", goodPassword).want(http.StatusSeeOther)
	if a.header.Get("Location") != link {
		t.Errorf("after signing in: %s", a.header.Get("Location"))
	}
	b.get(link).want(http.StatusOK, "Accept and join").lacks(`type="password"`)
	b.submit(link, link+"/accept").want(http.StatusOK, "You are a member now", "Beta Ltd", "Go on")
	b.get("/").want(http.StatusOK, "Acme GmbH", "Beta Ltd")
	b.get(link).want(http.StatusGone, "accepted already")
}

func TestNamesAreText(t *testing.T) {
	w := newWorld(t)
	w.open()
	evil := `"><script>alert(1)</script><img src=x onerror=alert(1)>`
	r := w.do(operator(), domain.OpenAccount{AccountName: evil, Owner: &domain.Addressee{ID: w.addressee("eve@acme.example").ID, Key: w.addressee("eve@acme.example").Key,
		Email: "eve@acme.example"}})
	var link string
	for _, c := range r.Commits {
		a, _, err := w.app.Account(t.Context(), [16]byte(c.Boundary.ID))
		if err != nil {
			t.Fatal(err)
		}
		i, _ := a.InvitationOf(w.addressee("eve@acme.example").ID)
		link = w.path(a.ID, i.ID, 1)
	}
	b := w.browser()
	escaped := "&lt;script&gt;alert(1)&lt;/script&gt;"
	b.get(link).want(http.StatusOK, escaped).lacks("<img")
	b.submit(link, link+"/accept", "first_name", evil, "last_name", "x", "password", "", "confirm", "").want(http.StatusUnprocessableEntity, escaped).lacks("<img", `value=""><`)
	b.submit(link, link+"/accept", "first_name", evil, "last_name", "x", "password", goodPassword, "confirm", goodPassword).want(http.StatusOK, escaped).lacks("<img")
	b.signIn("eve@acme.example")
	b.get("/").want(http.StatusOK, escaped).lacks("<img")
}

// SPEC 2.12: whoever holds a dead link asks for a new one on its page, which tells them nothing but that.
func TestAskingForANewLink(t *testing.T) {
	w := newWorld(t)
	account, owner := w.open()
	id, link := w.invite(owner, account, "ann@acme.example", domain.Viewer)
	b := w.browser()
	values := b.filled(link, link+"/decline")
	w.clock.pass(8 * 24 * time.Hour)
	before := w.last()
	if a := b.get(link + "/ask"); a.status != http.StatusSeeOther || w.last() != before {
		t.Errorf("looking at where to ask: %d", a.status)
	}
	b.send(b.form(link+"/ask", values)).want(http.StatusForbidden) // the token of another form
	b.submit(link, link+"/ask").want(http.StatusOK, "has been told that you ask", "has expired").lacks("<form", "owner@")
	b.submit(link, link+"/ask").want(http.StatusOK, "has been told that you ask")
	if w.last() != before+1 {
		t.Errorf("%d commits", w.last()-before)
	}
	values = b.filled(link, link+"/ask")
	w.do(owner, domain.ResendInvitation{Account: account, Invitation: id})
	b.submit(link, link+"/ask").want(http.StatusOK, "has been told that you ask", "A newer link has been sent")
	newer := w.path(account, id, 2)
	if a := b.send(b.form(newer+"/ask", b.token(newer+"/ask"))); a.status != http.StatusSeeOther || a.header.Get("Location") != newer {
		t.Errorf("a link that works: %d", a.status)
	}
	b.submit(newer, newer+"/accept", "first_name", "A", "last_name", "B", "password", goodPassword, "confirm", goodPassword).want(http.StatusOK)
	b.send(b.form(link+"/ask", values)).want(http.StatusGone, "has been accepted already")
}

// SPEC 2.3: the page of a link names all accounts that it is for, with their roles.
func TestAnInvitationIntoSeveralAccounts(t *testing.T) {
	w := newWorld(t)
	account, owner := w.open()
	var north events.AccountID
	for _, c := range w.do(operator(), domain.OpenAccount{AccountName: "Acme North", Parent: account}).Commits {
		if c.Boundary.Kind == events.AccountBoundary && c.Boundary != events.OfAccount(account) {
			north = events.AccountID(c.Boundary.ID)
		}
	}
	r := w.do(owner, domain.InviteUsers{Account: account, Invitees: []*domain.Addressee{w.addressee("ann@acme.example")}, Grants: []events.Grant{{Roles: []string{domain.Viewer}}},
		Others: []domain.AccountGrants{{Account: north, Grants: []events.Grant{{Roles: []string{domain.Manager}}}}}})
	id := r.Commits[0].Facts[0].(events.InvitationCreated).Invitation
	link := w.path(account, id, 1)
	b := w.browser()
	b.get(link).want(http.StatusOK, "Acme GmbH", "Viewer", "Acme North", "Manager")
	b.submit(link, link+"/accept", "first_name", "Ann", "last_name", "Lee", "password", goodPassword, "confirm", goodPassword).
		want(http.StatusOK, "Acme GmbH", "Viewer", "Acme North", "Manager")
	b.get(link).want(http.StatusGone, "Acme GmbH", "Acme North")
}
