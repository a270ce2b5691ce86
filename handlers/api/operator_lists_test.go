package api_test

import (
	"strings"
	"testing"
)

// The operator searches all accounts by name and id.
func TestOperatorAccounts(t *testing.T) {
	w := newWorld(t)
	root, owner := w.open("Straße")
	sub := w.sub(root, "Below", owner.token)
	w.open("Other")
	const at = "/v1/operator/accounts"
	all := w.do("GET", at, w.operator, nil).is(200)
	if all.values("name") != "Below Other Straße" || all.text("items.0.parent") != root || all.text("items.0.profile") != "standard" ||
		all.text("items.0.opened_at") == "" || all.at("items.0.closed") != false || all.at("next_cursor") != nil || all.header.Get("Roster-Lag") != "0" {
		t.Errorf("all: %s", all.body)
	}
	for q, want := range map[string]string{"STRASSE": "Straße", sub: "Below", "nobody": ""} {
		if got := w.do("GET", at+"?q="+q, w.operator, nil).is(200); got.values("name") != want {
			t.Errorf("%s: %s", q, got.body)
		}
	}
	page := w.do("GET", at+"?limit=2", w.operator, nil).is(200)
	rest := w.do("GET", at+"?limit=2&cursor="+page.text("next_cursor"), w.operator, nil).is(200)
	if page.values("name")+" "+rest.values("name") != "Below Other Straße" || rest.at("next_cursor") != nil {
		t.Errorf("pages: %s %s", page.body, rest.body)
	}
	w.do("POST", "/v1/accounts/"+root+"/close", owner.token, object{}).is(200)
	if got := w.do("GET", at+"?q=below", w.operator, nil).is(200); got.at("items.0.closed") != true {
		t.Errorf("closed above: %s", got.body)
	}
	w.do("GET", at+"?q=x&cursor="+page.text("next_cursor"), w.operator, nil).refused(422, "invalid")
	w.do("GET", at, owner.token, nil).refused(403, "not_permitted")
	w.do("GET", at, w.operator, nil, "Roster-On-Behalf-Of", owner.id).refused(403, "not_permitted")
	w.do("GET", at, "", nil).refused(401, "sign_in_required")
}

// A user as the operator sees them, with their access over all accounts (SPEC 4.10).
func TestOperatorUser(t *testing.T) {
	w := newWorld(t)
	one, owner := w.open("One")
	two, _ := w.open("Two")
	eve := w.grant(one, owner, "viewer", false)
	w.do("POST", "/v1/accounts/"+two+"/users", w.operator, object{"user": eve.id, "roles": []string{"admin"}}).is(200)
	at := "/v1/operator/users/" + eve.id
	got := w.do("GET", at, w.operator, nil).is(200)
	if got.text("id") != eve.id || got.text("email") != eve.email || got.text("status") != "active" || got.at("two_factor") != false || got.count("accounts") != 2 {
		t.Errorf("%s", got.body)
	}
	for _, n := range []string{"0", "1"} {
		want := map[string]string{one: "viewer", two: "admin"}[got.text("accounts."+n+".id")]
		if got.text("accounts."+n+".roles.0") != want || got.text("accounts."+n+".status") != "active" {
			t.Errorf("account %s: %s", n, got.body)
		}
	}
	w.do("POST", at+"/lock", w.operator, object{}).is(200)
	if status := w.do("GET", at, w.operator, nil).is(200).text("status"); status != "locked" {
		t.Errorf("locked: %s", status)
	}
	w.do("POST", "/v1/operator/erase", w.operator, object{"user": eve.id}).is(200)
	if got := w.do("GET", at, w.operator, nil).is(200); got.text("status") != "erased" || strings.Contains(string(got.body), eve.email) {
		t.Errorf("erased: %s", got.body)
	}
	w.do("GET", "/v1/operator/users/"+one, w.operator, nil).refused(404, "not_found")
	w.do("GET", at, owner.token, nil).refused(403, "not_permitted")
	w.do("GET", at, "", nil).refused(401, "sign_in_required")
}

// The operator searches all users; each person stands there once (SPEC 4.10, 5.5: locked and erased ones too).
func TestOperatorUsers(t *testing.T) {
	w := newWorld(t)
	one, owner := w.open("One")
	two, _ := w.open("Two")
	eve := w.grant(one, owner, "viewer", false)
	w.do("POST", "/v1/accounts/"+two+"/users", w.operator, object{"user": eve.id, "roles": []string{"viewer"}}).is(200)
	const at = "/v1/operator/users"
	all := w.do("GET", at, w.operator, nil).is(200)
	if all.values("name") != "Olga Owner Olga Owner Pia Person3" || all.values("status") != "active active active" || all.at("items.2.last_sign_in") == nil {
		t.Errorf("all: %s", all.body)
	}
	for _, q := range []string{"pERSON3", strings.ToUpper(eve.email), eve.id} {
		if got := w.do("GET", at+"?q="+q, w.operator, nil).is(200); got.values("id") != eve.id || got.text("items.0.email") != eve.email {
			t.Errorf("%s: %s", q, got.body)
		}
	}
	page := w.do("GET", at+"?limit=1", w.operator, nil).is(200)
	if rest := w.do("GET", at+"?limit=2&cursor="+page.text("next_cursor"), w.operator, nil).is(200); rest.count("items") != 2 || rest.text("items.1.id") != eve.id {
		t.Errorf("pages: %s %s", page.body, rest.body)
	}
	status := func() string { return w.do("GET", at+"?q="+eve.id, w.operator, nil).is(200).values("status") }
	w.do("POST", at+"/"+eve.id+"/lock", w.operator, object{}).is(200)
	if got := status(); got != "locked" {
		t.Errorf("locked: %s", got)
	}
	w.do("POST", at+"/"+eve.id+"/unlock", w.operator, object{}).is(200)
	if got := status(); got != "active" {
		t.Errorf("unlocked: %s", got)
	}
	w.do("POST", "/v1/operator/erase", w.operator, object{"user": eve.id}).is(200)
	got := w.do("GET", at+"?q="+eve.id, w.operator, nil).is(200)
	if got.values("status") != "erased" || got.text("items.0.name") != "erased" || got.at("items.0.email") != nil {
		t.Errorf("erased: %s", got.body)
	}
	w.do("GET", at, owner.token, nil).refused(403, "not_permitted")
}
