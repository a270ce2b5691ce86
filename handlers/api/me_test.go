package api_test

import (
	"strings"
	"testing"
	"time"

	"roster/events"
)

const nextPassword = "Another 0ne, please"

// SPEC 4.3 over HTTP: what is wrong is said all at once and never repeated; other devices are signed out; nobody does it
// for another.
func TestChangePassword(t *testing.T) {
	w := newBareWorld(t)
	account, owner := w.open("Acme")
	viewer := w.member(account, owner, "viewer")
	other := w.signIn(viewer.email)
	change := func(current, new, confirm string) map[string]any {
		return map[string]any{"current": current, "new": new, "confirm": confirm}
	}
	r := w.do("PUT", "/v1/me/password", viewer.token, change(goodPassword, "pia", "other")).refused(422, "invalid")
	for _, rule := range []string{"length: ", "upper_case: ", "digit: ", "special: "} {
		if !strings.Contains(string(r.body), rule) {
			t.Errorf("%s is not named: %s", rule, r.body)
		}
	}
	if !strings.Contains(r.locations(), "body.new") || !strings.Contains(r.locations(), "body.confirm") || strings.Contains(string(r.body), goodPassword) {
		t.Errorf("%s", r.body)
	}
	w.do("PUT", "/v1/me/password", viewer.token, change(goodPassword, "Qwertyuiop1!", "Qwertyuiop1!")).refused(422, "password_rules")
	w.do("PUT", "/v1/me/password", viewer.token, change("wrong", nextPassword, nextPassword)).refused(401, "bad_credentials")
	w.do("PUT", "/v1/me/password", "", change(goodPassword, nextPassword, nextPassword)).refused(401, "sign_in_required")
	w.do("PUT", "/v1/me/password", w.operator, change(goodPassword, nextPassword, nextPassword)).refused(403, "not_permitted")
	w.do("PUT", "/v1/me/password", w.operator, change(goodPassword, nextPassword, nextPassword), "Roster-On-Behalf-Of", viewer.id).refused(403, "not_permitted")
	plan := w.do("PUT", "/v1/me/password", viewer.token, change("anything", nextPassword, nextPassword), "Roster-Dry-Run", "true").is(200)
	if plan.text("facts.0.type") != "password.changed" || plan.text("facts.1.type") != "session.ended" {
		t.Errorf("the dry run says %s", plan.body)
	}
	w.do("GET", "/v1/me", other, nil).is(200)

	done := w.do("PUT", "/v1/me/password", viewer.token, change(goodPassword, nextPassword, nextPassword), "Idempotency-Key", "k").is(200)
	if done.text("id") != viewer.id || done.number("sessions_ended") != 1 || done.header.Get("Roster-Position") == "" {
		t.Errorf("%s", done.body)
	}
	again := w.do("PUT", "/v1/me/password", viewer.token, change(goodPassword, nextPassword, nextPassword), "Idempotency-Key", "k").is(200)
	if string(again.body) != string(done.body) {
		t.Errorf("again under its key: %s", again.body)
	}
	w.do("GET", "/v1/me", other, nil).refused(401, "sign_in_required")
	w.do("GET", "/v1/me", viewer.token, nil).is(200)
	w.do("POST", "/v1/sessions", "", map[string]any{"email": viewer.email, "password": goodPassword}).refused(401, "bad_credentials")
	w.do("POST", "/v1/sessions", "", map[string]any{"email": viewer.email, "password": nextPassword}).is(201)
	if strings.Contains(w.printed.String(), nextPassword) {
		t.Error("the log of the service names the password")
	}
}

// SPEC 4.3, 1.4: the rules are the strictest of the accounts in which the person is active.
func TestPasswordRulesOfTheAccounts(t *testing.T) {
	w := newBareWorld(t)
	account, owner := w.open("Acme")
	w.do("PUT", "/v1/accounts/"+account+"/policy", owner.token, map[string]any{"password": map[string]any{"length": 30, "lower_case": false, "upper_case": false, "digit": false, "special": false}}).is(200)
	body := map[string]any{"current": goodPassword, "new": nextPassword, "confirm": nextPassword}
	r := w.do("PUT", "/v1/me/password", owner.token, body).refused(422, "password_rules")
	if !strings.HasPrefix(r.text("errors.0.message"), "length: at least 30") || r.count("errors") != 1 {
		t.Errorf("%s", r.body)
	}
	body["new"], body["confirm"] = "seven green whales sing at dawn", "seven green whales sing at dawn"
	w.do("PUT", "/v1/me/password", owner.token, body).is(200)
}

// mailed is the token of a link about somebody or an address.
func (w *world) mailed(purpose byte, subject string, generation uint32) string {
	w.t.Helper()
	id, err := events.ParseID[struct{ any byte }](subject)
	if err != nil {
		w.t.Fatal(err)
	}
	return links{w.keys}.Mint(purpose, [16]byte{}, id, generation)
}

// SPEC 4.4 over HTTP: the answer is the same, byte for byte, whether or not the address exists; a link that is dead says
// how; one that is for something else is none; looking consumes nothing.
func TestForgottenPassword(t *testing.T) {
	w := newBareWorld(t)
	account, owner := w.open("Acme")
	viewer := w.member(account, owner, "viewer")
	w.do("POST", "/v1/accounts/"+account+"/contacts", owner.token, map[string]any{"name": "Carl", "email": "contact@example.com", "roles": []string{"billing"}}).is(201)
	var first *response
	for _, email := range []string{viewer.email, "nobody@example.com", "contact@example.com", "no address", "", strings.ToUpper(viewer.email), viewer.email, viewer.email, viewer.email, viewer.email} {
		r := w.do("POST", "/v1/password-resets", "", map[string]any{"email": email}).is(202)
		if first == nil {
			first = r
		}
		r.header.Del("Date")
		first.header.Del("Date")
		if string(r.body) != string(first.body) || len(r.header) != len(first.header) || r.header.Get("Roster-Position") != "" {
			t.Errorf("%q: %s %v", email, r.body, r.header)
		}
	}
	const at = "/v1/password-resets/"
	live := at + w.mailed(4, viewer.id, 5) // of the sixth, nothing was written
	for _, method := range []string{"GET", "HEAD", "GET"} {
		w.do(method, live, "", nil).is(200)
	}
	r := w.do("GET", live, "", nil).is(200)
	if r.text("email") != viewer.email || r.number("rules.length") != 10 || r.text("expires_at") == "" {
		t.Errorf("%s", r.body)
	}
	for _, purpose := range []byte{1, 2, 3, 5} {
		w.do("GET", at+w.mailed(purpose, viewer.id, 5), "", nil).refused(404, "not_found")
	}
	w.do("GET", at+"nonsense", "", nil).refused(404, "not_found")
	w.do("GET", at+w.mailed(4, viewer.id, 6), "", nil).refused(404, "not_found")
	w.do("GET", at+w.mailed(4, account, 1), "", nil).refused(404, "not_found")
	w.do("GET", at+w.mailed(4, viewer.id, 1), "", nil).refused(410, "invitation_replaced")
	w.do("POST", at+w.mailed(4, viewer.id, 1), "", map[string]any{"x": 1}).refused(410, "invitation_replaced")
	w.do("POST", live, "", map[string]any{"password": "short", "confirm": "x"}).refused(422, "invalid")
	w.do("POST", live, "", map[string]any{"password": "Password123!"}).refused(422, "password_rules")
	if plan := w.do("POST", live, "", map[string]any{"password": nextPassword}, "Roster-Dry-Run", "true").is(200); plan.text("facts.0.type") != "password.reset" {
		t.Errorf("%s", plan.body)
	}
	done := w.do("POST", live, "", map[string]any{"password": nextPassword, "confirm": nextPassword}).is(200)
	if done.text("id") != viewer.id || done.header.Get("Set-Cookie") != "" {
		t.Errorf("%s %v", done.body, done.header)
	}
	w.do("POST", live, "", map[string]any{"password": nextPassword}).refused(410, "invitation_used")
	w.do("GET", "/v1/me", viewer.token, nil).refused(401, "sign_in_required")
	w.do("POST", "/v1/sessions", "", map[string]any{"email": viewer.email, "password": nextPassword}).is(201)
	w.clock.pass(2 * time.Hour)
	w.do("POST", "/v1/password-resets", "", map[string]any{"email": viewer.email}).is(202)
	w.clock.pass(time.Hour)
	w.do("GET", at+w.mailed(4, viewer.id, 6), "", nil).refused(410, "invitation_expired")
}

// SPEC 4.2 over HTTP: another address counts once it has been confirmed there; nobody learns whether it is somebody's;
// sessions stay; only the person does it, with their password, where the accounts let them.
func TestChangeEmail(t *testing.T) {
	w := newWorld(t)
	account, owner := w.open("Acme")
	pia := w.member(account, owner, "viewer")
	ask := func(email, password string) map[string]any {
		return map[string]any{"email": email, "password": password}
	}
	w.do("POST", "/v1/me/email", pia.token, ask("pia@new.example", "wrong")).refused(401, "bad_credentials")
	w.do("POST", "/v1/me/email", pia.token, ask("no address", goodPassword)).refused(422, "invalid")
	w.do("POST", "/v1/me/email", pia.token, ask(strings.ToUpper(pia.email), goodPassword)).refused(422, "invalid")
	w.do("POST", "/v1/me/email", w.operator, ask("pia@new.example", goodPassword), "Roster-On-Behalf-Of", pia.id).refused(403, "not_permitted")
	if plan := w.do("POST", "/v1/me/email", pia.token, ask("pia@new.example", "?"), "Roster-Dry-Run", "true").is(200); plan.text("facts.0.type") != "user.email_change_requested" || strings.Contains(string(plan.body), "pia@new") {
		t.Errorf("%s", plan.body)
	}
	taken := w.do("POST", "/v1/me/email", pia.token, ask(owner.email, goodPassword)).is(202)
	free := w.do("POST", "/v1/me/email", pia.token, ask("Pia@NEW.example", goodPassword), "Idempotency-Key", "k").is(202)
	w.do("POST", "/v1/me/email", pia.token, ask("Pia@NEW.example", goodPassword), "Idempotency-Key", "k").is(202)
	if string(taken.body) != string(free.body) {
		t.Errorf("%s, %s", taken.body, free.body)
	}
	const at = "/v1/confirmations/"
	w.do("GET", at+w.mailed(3, pia.id, 1), "", nil).refused(410, "invitation_replaced")
	w.do("GET", at+w.mailed(4, pia.id, 2), "", nil).refused(404, "not_found")
	w.do("GET", at+w.mailed(3, pia.id, 3), "", nil).refused(404, "not_found")
	live := at + w.mailed(3, pia.id, 2)
	for range 3 {
		if r := w.do("GET", live, "", nil).is(200); r.text("email") != "pia@new.example" || r.text("expires_at") == "" {
			t.Errorf("%s", r.body)
		}
	}
	if w.do("GET", "/v1/me", pia.token, nil).is(200).text("email") != pia.email {
		t.Error("it has been changed before it was confirmed")
	}
	if plan := w.do("POST", live, "", nil, "Roster-Dry-Run", "true").is(200); plan.text("facts.0.type") != "user.email_changed" {
		t.Errorf("%s", plan.body)
	}
	done := w.do("POST", live, "", nil).is(200)
	if done.text("id") != pia.id {
		t.Errorf("%s", done.body)
	}
	w.do("POST", live, "", nil).refused(410, "invitation_used")
	if r := w.do("GET", "/v1/me", pia.token, nil).is(200); r.text("email") != "pia@new.example" {
		t.Errorf("%s", r.body)
	}
	w.do("POST", "/v1/sessions", "", ask(pia.email, goodPassword)).refused(401, "bad_credentials")
	w.do("POST", "/v1/sessions", "", ask("pia@new.example", goodPassword)).is(201)
	seen := []string{"Roster-Min-Position", done.header.Get("Roster-Position")}
	if r := w.do("GET", "/v1/accounts/"+account+"/users?q=pia@new", owner.token, nil, seen...).is(200); r.count("items") != 1 || r.text("items.0.email") != "pia@new.example" {
		t.Errorf("users: %s", r.body)
	}
	// The one is a member's now, the other nobody's: whoever comes by it is somebody else.
	r := w.do("POST", "/v1/accounts/"+account+"/invitations", owner.token, map[string]any{"emails": "pia@new.example " + pia.email, "roles": []string{"viewer"}}).is(200)
	if r.text("results.0.outcome") != "already_member" || r.text("results.1.outcome") != "invited" {
		t.Fatalf("%s", r.body)
	}
	other := w.accept(account, r.text("results.1.invitation"), pia.email, "Paul", "Later")
	if other.id == pia.id || w.do("GET", "/v1/me", other.token, nil).is(200).text("first_name") != "Paul" {
		t.Error("whoever has the address now is who had it before")
	}

	// Two want the same address: the first who confirms has it.
	w.do("POST", "/v1/me/email", pia.token, ask("both@new.example", goodPassword)).is(202)
	w.do("POST", "/v1/me/email", other.token, ask("both@new.example", goodPassword)).is(202)
	w.do("POST", at+w.mailed(3, other.id, 1), "", nil).is(200)
	w.do("POST", at+w.mailed(3, pia.id, 3), "", nil).refused(410, "invitation_revoked")

	w.do("PUT", "/v1/accounts/"+account+"/policy", owner.token, map[string]any{"change_email": false}).is(200)
	w.do("POST", "/v1/me/email", pia.token, ask("pia@newer.example", "wrong")).refused(403, "not_permitted")
}
