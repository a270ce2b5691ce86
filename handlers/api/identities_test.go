package api_test

import (
	"strings"
	"testing"

	"roster/domain"
	"roster/events"
	"roster/handlers"
	"roster/handlers/address"
)

// vouch has somebody's account's provider vouch for them, as access does once a provider has answered.
func (w *world) vouch(account string, p person, subject byte) {
	w.t.Helper()
	id, err := events.ParseAccountID(account)
	if err != nil {
		w.t.Fatal(err)
	}
	to, err := w.config.Access.FindAddressee(w.t.Context(), address.Entry{Email: p.email})
	if err != nil || to == nil {
		w.t.Fatal(to, err)
	}
	a, _, err := w.app.Account(w.t.Context(), id)
	if err != nil {
		w.t.Fatal(err)
	}
	_, err = w.app.Do(w.t.Context(), handlers.Call{Actor: events.Actor{Type: events.ByIDP, ID: account}},
		domain.EnterBySSO{Account: id, Connection: a.SSO.Connection, Identity: events.AddressID{15: subject}, To: *to, Into: new(events.UserID)})
	if err != nil {
		w.t.Fatal(err)
	}
}

// SPEC 7.4: who one is at a provider is seen and ended by oneself, with one's password, and by an owner.
func TestIdentities(t *testing.T) {
	w := newBareWorld(t)
	account, owner := w.open("Acme")
	ann, admin := w.member(account, owner, "viewer"), w.member(account, owner, "admin")
	_, domainOf, _ := strings.Cut(ann.email, "@")
	at, theirs := "/v1/me/identities", "/v1/accounts/"+account+"/users/"+ann.id+"/identity"
	w.do("PUT", ssoOf(account), owner.token, object{"issuer": "https://id.example.com", "client_id": "roster", "client_secret": "s"}).is(200)
	w.do("POST", ssoOf(account)+"/domains/"+domainOf+"/verify", w.operator, nil).is(200)
	if r := w.do("GET", at, ann.token, nil).is(200); r.count("items") != 0 {
		t.Errorf("SPEC 7.4: %s", r.body)
	}
	w.do("DELETE", theirs, owner.token, nil).refused(404, "not_found")
	w.vouch(account, ann, 1)
	list := w.do("GET", at, ann.token, nil).is(200)
	if list.count("items") != 1 || list.text("items.0.account") != account || list.text("items.0.account_name") != "Acme" || list.at("items.0.counts") != true {
		t.Fatalf("SPEC 7.4: %s", list.body)
	}
	mine, password := at+"/"+list.text("items.0.id"), object{"password": goodPassword}
	other := w.signIn(ann.email)
	key := w.do("POST", "/v1/me/keys", ann.token, object{"account": account, "name": "mine", "password": goodPassword}).is(201).text("token")

	last := w.last()
	w.do("DELETE", mine, ann.token, nil).refused(403, "reauthentication_required")
	w.do("DELETE", mine, admin.token, password).refused(404, "not_found")
	w.do("DELETE", at+"/x", ann.token, password).refused(404, "not_found")
	w.do("DELETE", at+"/"+ann.id, ann.token, password).refused(404, "not_found")
	for _, path := range []string{at, mine} {
		method := map[bool]string{true: "GET", false: "DELETE"}[path == at]
		w.do(method, path, key, nil).refused(403, "not_permitted")
		w.do(method, path, w.operator, nil).refused(403, "not_permitted")
	}
	for _, f := range w.written(last) {
		if strings.HasSuffix(f, " identity.unlinked") {
			t.Errorf("SPEC 7.4: a refused command wrote %s", f)
		}
	}
	last = w.last()
	plan := w.do("DELETE", mine, ann.token, password, "Roster-Dry-Run", "true").is(200)
	if plan.text("facts.0.type") != "identity.unlinked" || w.last() != last {
		t.Errorf("SPEC 3.11: %s", plan.body)
	}
	w.do("DELETE", mine, ann.token, object{"password": "wrong"}).refused(401, "bad_credentials")
	for n := range 2 {
		last = w.last()
		if r := w.do("DELETE", mine, ann.token, password, "Idempotency-Key", "away").is(200); !strings.HasSuffix(mine, r.text("id")) {
			t.Errorf("SPEC 7.1: %s", r.body)
		}
		if n == 1 && w.last() != last { // no attempt at the password either
			t.Errorf("SPEC 7.1: written: %q", w.written(last))
		}
	}
	w.do("DELETE", mine, ann.token, password).refused(404, "not_found")
	w.do("GET", "/v1/me", other, nil).refused(401, "sign_in_required")
	if r := w.do("GET", at, ann.token, nil).is(200); r.count("items") != 0 {
		t.Errorf("SPEC 7.4: %s", r.body)
	}

	// An owner, and nobody else, ends it for somebody: signed out everywhere, and linked anew to whoever has the address.
	w.vouch(account, ann, 1)
	w.do("DELETE", theirs, admin.token, nil).refused(403, "exceeds_own_access")
	w.do("DELETE", theirs, ann.token, nil).refused(403, "not_permitted")
	_, stranger := w.open("Other")
	w.do("DELETE", theirs, stranger.token, nil).refused(404, "not_found")
	last = w.last()
	if plan := w.do("DELETE", theirs, owner.token, nil, "Roster-Dry-Run", "true").is(200); plan.text("facts.0.type") != "identity.unlinked" || w.last() != last {
		t.Errorf("SPEC 3.11: %s", plan.body)
	}
	for range 2 {
		w.do("DELETE", theirs, owner.token, nil, "Idempotency-Key", "theirs").is(200)
	}
	w.do("GET", "/v1/me", ann.token, nil).refused(401, "sign_in_required")
	w.vouch(account, ann, 2)
	w.do("DELETE", theirs, w.operator, nil).is(200)
	w.vouch(account, ann, 1)
	w.do("DELETE", ssoOf(account), owner.token, nil).is(200)
	if r := w.do("GET", at, w.signIn(ann.email), nil).is(200); r.at("items.0.counts") != false {
		t.Errorf("SPEC 7.4: %s", r.body)
	}
}
