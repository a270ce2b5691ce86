package api_test

import (
	"strings"
	"testing"
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
