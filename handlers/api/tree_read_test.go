package api_test

import (
	"fmt"
	"strings"
	"testing"
)

// sub opens a sub-account.
func (w *world) sub(parent, name, token string) string {
	w.t.Helper()
	return w.do("POST", "/v1/accounts", token, object{"name": name, "parent": parent}).is(201).text("id")
}

// grant makes a new member of an account, and reaching into its sub-accounts where it says so.
func (w *world) grant(account string, by person, role string, inherit bool) person {
	w.t.Helper()
	w.people++
	email := fmt.Sprintf("person%d@example.com", w.people)
	r := w.do("POST", "/v1/accounts/"+account+"/invitations", by.token, object{"emails": email, "roles": []string{role}, "inherit": inherit}).is(200)
	return w.accept(account, r.text("results.0.invitation"), email, "Pia", fmt.Sprint("Person", w.people))
}

// values are one member of every item.
func (r *response) values(name string) string {
	r.t.Helper()
	var all []string
	for i := range r.count("items") {
		all = append(all, fmt.Sprint(r.at(fmt.Sprintf("items.%d.%s", i, name))))
	}
	return strings.Join(all, " ")
}

// SPEC 1.1: the tree of an account, depth first and by name, is all of it for those whose access extends to
// sub-accounts, and for others as far as they have access there.
func TestTree(t *testing.T) {
	w := newWorld(t)
	root, owner := w.open("Root")
	b := w.sub(root, "b", owner.token)
	a := w.sub(root, "A", owner.token)
	b1 := w.sub(b, "b1", owner.token)
	b2 := w.sub(b1, "b2", owner.token)
	w.open("Elsewhere")
	at := func(account string) string { return "/v1/accounts/" + account + "/tree" }

	all := w.do("GET", at(root), owner.token, nil).is(200)
	if all.values("name") != "Root A b b1 b2" || all.values("depth") != "0 1 1 2 3" || all.values("id") != strings.Join([]string{root, a, b, b1, b2}, " ") ||
		all.at("items.0.parent") != nil || all.text("items.4.parent") != b1 || all.number("position") == 0 || all.header.Get("Roster-Lag") != "0" {
		t.Errorf("all: %s", all.body)
	}
	if got := w.do("GET", at(b), w.operator, nil).is(200); got.values("name") != "b b1 b2" || got.text("items.0.parent") != root {
		t.Errorf("the operator's: %s", got.body)
	}
	local := w.grant(root, owner, "admin", false)
	if got := w.do("GET", at(root), local.token, nil).is(200); got.values("name") != "Root" {
		t.Errorf("without sub-accounts: %s", got.body)
	}
	w.do("GET", at(b), local.token, nil).refused(404, "not_found")
	w.do("POST", "/v1/accounts/"+b2+"/users", owner.token, object{"user": local.id, "roles": []string{"viewer"}}).is(200)
	if got := w.do("GET", at(root), local.token, nil).is(200); got.values("name") != "Root b2" || got.values("depth") != "0 3" {
		t.Errorf("with access of one's own: %s", got.body)
	}
	w.do("POST", "/v1/accounts/"+b+"/users", owner.token, object{"user": local.id, "roles": []string{"viewer"}, "inherit": true}).is(200)
	if got := w.do("GET", at(root), local.token, nil).is(200); got.values("name") != "Root b b1 b2" {
		t.Errorf("with access that extends: %s", got.body)
	}

	// What has just been done is in it.
	w.do("PATCH", "/v1/accounts/"+b1, owner.token, object{"name": "0 first", "parent": a}).is(200)
	w.do("POST", "/v1/accounts/"+a+"/close", owner.token, object{}).is(200)
	got := w.do("GET", at(root), owner.token, nil).is(200)
	if got.values("name") != "Root A 0 first b2 b" || got.values("closed") != "false true true true false" {
		t.Errorf("changed: %s", got.body)
	}
	if got := w.do("GET", at(b2), owner.token, nil).is(200); got.values("closed") != "true" {
		t.Errorf("below a closed account: %s", got.body)
	}
	w.do("GET", at(root), owner.token, nil, "Roster-Min-Position", "99999").refused(504, "position_timeout")
}

// SPEC 1.1: a tree of many sub-accounts comes in one answer.
func TestTreeOfMany(t *testing.T) {
	w := newWorld(t)
	root, owner := w.open("Root")
	const n = 300
	for i := range n {
		w.sub(root, fmt.Sprintf("sub %03d", i), owner.token)
	}
	got := w.do("GET", "/v1/accounts/"+root+"/tree", owner.token, nil).is(200)
	if got.count("items") != n+1 || got.text("items.300.name") != "sub 299" {
		t.Errorf("%d items: %.200s", got.count("items"), got.body)
	}
}
