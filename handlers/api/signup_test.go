package api_test

import (
	"context"
	"testing"
	"time"

	"roster/domain"
)

// lets has the portal let people open accounts by themselves.
func (w *world) lets() {
	w.t.Helper()
	w.do("PUT", "/v1/operator/portal", w.operator, map[string]any{"name": "open", "protected": "owner", "sign_up": true,
		"roles": []map[string]any{{"name": "owner", "permissions": []string{"*"}}, {"name": "viewer", "permissions": []string{"*:read"}}}}).is(200)
}

// addressOf is the id of an address that has been typed.
func (w *world) addressOf(email string) string {
	w.t.Helper()
	id, _, found, err := w.vault.FindAddress(context.Background(), email)
	if err != nil || !found {
		w.t.Fatal(email, found, err)
	}
	return id.String()
}

// SPEC 1.3 over HTTP: where the portal allows it, and there alone, somebody opens an account of their own by a link that
// was sent to them. The answer says nothing about anybody, and nothing is made before the link is used.
func TestSignUp(t *testing.T) {
	w := newBareWorld(t)
	_, owner := w.open("Acme")
	ask := func(email string) map[string]any {
		return map[string]any{"email": email, "account": map[string]any{"name": "New Ltd"}}
	}
	const at = "/v1/signup/"
	w.do("POST", "/v1/signup", "", ask("new@example.org")).refused(404, "not_available")
	w.lets()
	var first *response
	for _, email := range []string{"New@Example.org", owner.email, "no address", "new@example.org"} {
		r := w.do("POST", "/v1/signup", "", ask(email)).is(202)
		if first == nil {
			first = r
		}
		if string(r.body) != string(first.body) || len(r.header) != len(first.header) || r.header.Get("Roster-Position") != "" {
			t.Errorf("%q: %s %v", email, r.body, r.header)
		}
	}
	w.do("POST", "/v1/signup", "", map[string]any{"email": "new@example.org", "account": map[string]any{"name": ""}}).refused(422, "invalid")
	id := w.addressOf("new@example.org")
	live := at + w.mailed(5, id, 2)
	for range 3 {
		if r := w.do("GET", live, "", nil).is(200); r.text("email") != "new@example.org" || r.number("rules.length") != 10 {
			t.Errorf("%s", r.body)
		}
	}
	w.do("GET", at+w.mailed(5, id, 1), "", nil).refused(410, "invitation_replaced")
	w.do("GET", at+w.mailed(5, id, 3), "", nil).refused(404, "not_found")
	w.do("GET", at+w.mailed(4, id, 2), "", nil).refused(404, "not_found")
	w.do("GET", at+w.mailed(5, w.addressOf(owner.email), 1), "", nil).refused(410, "invitation_used")
	give := func(account, first, last, password string) map[string]any {
		return map[string]any{"account": map[string]any{"name": account}, "first_name": first, "last_name": last, "password": password}
	}
	wrong := w.do("POST", live, "", give("", "", "New", "zqxjkv")).refused(422, "invalid")
	if got := wrong.locations(); got != "body.account.name body.first_name body.password body.password body.password body.password" {
		t.Errorf("%s: %s", got, wrong.body)
	}
	w.do("POST", live, "", give("New Ltd", "Nell", "New", "Password123!")).refused(422, "password_rules")
	if plan := w.do("POST", live, "", give("New Ltd", "Nell", "New", goodPassword), "Roster-Dry-Run", "true").is(200); plan.text("facts.0.type") != "account.opened" {
		t.Errorf("%s", plan.body)
	}
	done := w.do("POST", live, "", give("New Ltd", "Nell", "New", goodPassword), "Idempotency-Key", "k").is(201)
	again := w.do("POST", live, "", give("New Ltd", "Nell", "New", goodPassword), "Idempotency-Key", "k").is(201)
	if string(done.body) != string(again.body) || done.header.Get("Set-Cookie") != "" {
		t.Errorf("%s, %s", done.body, again.body)
	}
	w.do("POST", live, "", give("New Ltd", "Nell", "New", goodPassword)).refused(410, "invitation_used")
	nell := w.signIn("new@example.org")
	if r := w.do("GET", "/v1/me/accounts", nell, nil).is(200); r.count("items") != 1 || r.text("items.0.name") != "New Ltd" || r.text("items.0.roles.0") != "owner" || r.at("items.0.parent") != nil {
		t.Errorf("%s", r.body)
	}
	w.do("POST", "/v1/me/accounts/"+done.text("account")+"/leave", nell, nil).refused(409, "last_active_owner")

	w.do("POST", "/v1/signup", "", ask("late@example.org")).is(202)
	w.clock.pass(24 * time.Hour)
	w.do("GET", at+w.mailed(5, w.addressOf("late@example.org"), 1), "", nil).refused(410, "invitation_expired")
	w.do("POST", at+w.mailed(5, w.addressOf("late@example.org"), 1), "", map[string]any{}).refused(410, "invitation_expired")
	w.do("PUT", "/v1/operator/portal", w.operator, domain.Profiles()[0]).is(200)
	w.do("POST", "/v1/signup", "", ask("later@example.org")).refused(404, "not_available")
}
