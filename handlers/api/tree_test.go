package api_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
)

type body = map[string]any

// below opens a sub-account.
func (w *world) below(by, parent, name string) string {
	w.t.Helper()
	return w.do("POST", "/v1/accounts", by, body{"name": name, "parent": parent}).is(201).text("id")
}

func TestAccountTree(t *testing.T) {
	w := newBareWorld(t)
	root, owner := w.open("Acme")
	at := func(account string) string { return "/v1/accounts/" + account }

	// SPEC 1.1: to a depth of eight, the root counted.
	deep := root
	for n := range 7 {
		deep = w.below(owner.token, deep, fmt.Sprint("Level ", n+2))
	}
	if got := w.do("POST", "/v1/accounts", owner.token, body{"name": "Too deep", "parent": deep}).refused(422, "invalid"); got.locations() != "body.parent" {
		t.Errorf("SPEC 1.1: %s", got.body)
	}
	// SPEC 3.7: the protected role of a root account extends to its sub-accounts, however deep.
	if got := w.do("GET", at(deep), owner.token, nil).is(200); got.text("roles.0") != "owner" {
		t.Errorf("SPEC 3.7: %s", got.body)
	}

	// SPEC 1.3: a sub-account by whoever holds account:open_sub; whoever opens it can enter it.
	admin, viewer := w.member(root, owner, "admin"), w.member(root, owner, "viewer")
	w.do("POST", "/v1/accounts", viewer.token, body{"name": "Mine", "parent": root}).refused(403, "not_permitted")
	north := w.below(admin.token, root, "North")
	if got := w.do("GET", at(north), admin.token, nil).is(200); got.text("roles.0") != "admin" {
		t.Errorf("SPEC 1.3: %s", got.body)
	}
	w.do("GET", at(north), viewer.token, nil).refused(404, "not_found")
	w.do("POST", "/v1/accounts", admin.token, body{"name": "X", "parent": root, "owner": body{"email": "x@example.com"}}).refused(403, "exceeds_own_access")

	// Renamed, with its version.
	tag := w.do("GET", at(north), owner.token, nil).header.Get("ETag")
	w.do("PATCH", at(north), viewer.token, body{"name": "N"}).refused(404, "not_found")
	if got := w.do("PATCH", at(north), owner.token, body{"name": " North & West "}, "If-Match", tag).is(200); got.text("name") != "North & West" {
		t.Errorf("%s", got.body)
	}
	w.do("PATCH", at(north), owner.token, body{"name": "Again"}, "If-Match", tag).refused(412, "stale_version")
	w.do("PATCH", at(north), owner.token, body{"name": "a\u202eb"}).refused(422, "invalid")

	// Moved: who has access changes at once; no cycle, nothing too deep, and not by an admin.
	south := w.below(owner.token, root, "South")
	w.do("PATCH", at(north), admin.token, body{"parent": south}).refused(403, "not_permitted")
	w.do("PUT", at(south)+"/users/"+admin.id+"/role", owner.token, body{"roles": []string{"viewer"}}).refused(404, "not_found")
	w.do("POST", at(south)+"/users", owner.token, body{"user": viewer.id, "grants": []body{{"roles": []string{"viewer"}, "inherit": true}}}).is(200)
	w.do("PATCH", at(north), owner.token, body{"parent": south}).is(200)
	if got := w.do("GET", at(north), viewer.token, nil).is(200); got.text("parent") != south {
		t.Errorf("SPEC 1.1: %s", got.body)
	}
	w.do("PATCH", at(south), owner.token, body{"parent": north}).refused(422, "invalid")
	w.do("PATCH", at(root), w.operator, body{"parent": deep}).refused(422, "invalid")
	chain := w.below(owner.token, north, "Below")
	w.do("PATCH", at(south), owner.token, body{"parent": w.parent(deep)}).refused(422, "invalid")
	w.do("PATCH", at(north), owner.token, body{"parent": ""}).refused(403, "not_permitted") // to the root: the operator's
	w.do("PATCH", at(chain), w.operator, body{"parent": ""}).refused(409, "last_active_owner")
	w.do("PATCH", at(north), owner.token, body{"parent": root}).is(200)
	w.do("GET", at(north), viewer.token, nil).refused(404, "not_found")

	// Closed: nothing is done any more there and below, and nobody may anything.
	w.do("POST", at(north)+"/close", viewer.token, nil).refused(404, "not_found")
	if got := w.do("POST", at(north)+"/close", owner.token, nil).is(200); got.at("closed") != true {
		t.Errorf("%s", got.body)
	}
	w.do("POST", at(north)+"/close", owner.token, nil).is(200) // it is so already
	for _, account := range []string{north, chain} {
		w.do("POST", at(account)+"/invitations", owner.token, body{"emails": "x@example.com", "roles": []string{"viewer"}}).refused(409, "account_closed")
		w.do("PATCH", at(account), owner.token, body{"name": "N"}).refused(409, "account_closed")
		w.do("PUT", at(account)+"/policy", owner.token, body{}).refused(409, "account_closed")
		got := w.do("POST", "/v1/check", owner.token, body{"user": owner.id, "permission": "users:read", "account": account}).is(200)
		if got.at("allowed") != false || got.text("missing") != "account_closed" {
			t.Errorf("SPEC 3.12: %s", got.body)
		}
	}
	w.do("POST", "/v1/accounts", owner.token, body{"name": "X", "parent": chain}).refused(409, "account_closed")
	w.do("POST", at(root)+"/close", admin.token, nil).refused(403, "not_permitted")
}

// parent is the account above.
func (w *world) parent(account string) string {
	w.t.Helper()
	return w.do("GET", "/v1/accounts/"+account, w.operator, nil).is(200).text("parent")
}

// A link into an account that is closed meanwhile is dead, and says so before anything is typed (SPEC 2.12).
func TestClosedAccountsLink(t *testing.T) {
	w := newBareWorld(t)
	root, owner := w.open("Acme")
	sub := w.below(owner.token, root, "Sub")
	r := w.do("POST", "/v1/accounts/"+sub+"/invitations", owner.token, body{"emails": "x@example.com", "roles": []string{"viewer"}}).is(200)
	link := "/v1/invitations/" + w.link(sub, r.text("results.0.invitation"), 1)
	w.do("GET", link, "", nil).is(200)
	w.do("POST", "/v1/accounts/"+sub+"/close", owner.token, nil).is(200)
	w.do("GET", link, "", nil).refused(410, "invitation_revoked")
	w.do("POST", link+"/accept", "", body{"first_name": "A", "last_name": "B", "password": goodPassword}).refused(410, "invitation_revoked")
}

func TestPolicy(t *testing.T) {
	w := newBareWorld(t)
	root, owner := w.open("Acme")
	sub := w.below(owner.token, root, "Sub")
	viewer := w.member(root, owner, "viewer")
	at := func(account string) string { return "/v1/accounts/" + account + "/policy" }
	if got := w.do("GET", at(root), viewer.token, nil).is(200); got.text("effective.invitation_valid_for") != "P7D" || got.number("effective.password.length") != 10 ||
		got.text("own.invitation_valid_for") != "" {
		t.Errorf("SPEC 1.4: %s", got.body)
	}
	w.do("PUT", at(root), viewer.token, body{}).refused(403, "not_permitted")
	first := w.do("PUT", at(root), owner.token, body{"invitation_valid_for": "P3D", "default_roles": []string{"viewer"}, "domains": []string{"example.com", "*.Example.org"},
		"password": body{"length": 12, "lower_case": false, "upper_case": false, "digit": false, "special": false},
		"session":  body{"absolute": "P2D"}, "two_factor": body{"required": true, "grace": "P14D"}}).is(200)
	if got := first.text("effective.domains.1"); got != "*.example.org" {
		t.Errorf("SPEC 1.4: %s", first.body)
	}
	w.do("PUT", at(root), owner.token, body{}, "If-Match", `"1"`).refused(412, "stale_version")

	// SPEC 1.4: sub-accounts inherit, and may only tighten domains, two-factor, passwords and sessions.
	for field, loose := range map[string]body{
		"body.domains[0]": {"domains": []string{"elsewhere.example"}}, "body.two_factor": {"two_factor": body{"required": false}},
		"body.password": {"password": body{"length": 11, "lower_case": true, "upper_case": true, "digit": true, "special": true}},
		"body.session":  {"session": body{"absolute": "P3D"}},
	} {
		if got := w.do("PUT", at(sub), owner.token, loose).refused(422, "invalid"); got.locations() != field {
			t.Errorf("SPEC 1.4: %s: %s", field, got.body)
		}
	}
	tight := w.do("PUT", at(sub), owner.token, body{"domains": []string{"eu.example.org"}, "two_factor": body{"required": true, "grace": "P7D"},
		"password": body{"length": 14, "lower_case": true, "upper_case": false, "digit": false, "special": false}, "session": body{"idle": "PT1H", "absolute": "P1D"},
		"invitation_valid_for": "P30D"}).is(200)
	if tight.text("effective.invitation_valid_for") != "P30D" || tight.text("effective.two_factor.grace") != "P7D" || tight.number("effective.password.length") != 14 ||
		tight.text("effective.session.absolute") != "P1D" || tight.count("effective.domains") != 1 {
		t.Errorf("SPEC 1.4: %s", tight.body)
	}
	// What is tightened above afterwards holds below as well.
	w.do("PUT", at(root), owner.token, body{"session": body{"absolute": "PT12H"}, "domains": []string{"example.com"}}).is(200)
	if got := w.do("GET", at(sub), owner.token, nil).is(200); got.text("effective.session.absolute") != "PT12H" || got.count("effective.domains") != 0 {
		t.Errorf("SPEC 1.4: %s", got.body)
	}
	for field, wrong := range map[string]body{
		"body.invitation_valid_for": {"invitation_valid_for": "PT59M"}, "body.default_roles[0]": {"default_roles": []string{"owner"}}, "body.domains[1]": {"domains": []string{"a.example", "example"}},
		"body.password.length": {"password": body{"length": 7, "lower_case": false, "upper_case": false, "digit": false, "special": false}},
		"body.threshold":       {"threshold": body{"percent": 101, "people": 1}}, "body.session.idle": {"session": body{"idle": "PT1S", "absolute": "P1D"}},
	} {
		if got := w.do("PUT", at(root), owner.token, wrong).refused(422, "invalid"); got.locations() != field {
			t.Errorf("%s: %s", field, got.body)
		} else if message := got.text("errors.0.message"); field == "body.invitation_valid_for" && message != "from 1 hour to 90 days" {
			t.Errorf("SPEC 1.4: %s", message)
		}
	}
}

// Policy is enforced: domains and validity and default roles of invitations, lifetimes of sessions (SPEC 1.4).
func TestPolicyIsEnforced(t *testing.T) {
	w := newWorld(t)
	root, owner := w.open("Acme")
	w.do("PUT", "/v1/accounts/"+root+"/policy", owner.token, body{"invitation_valid_for": "P3D", "default_roles": []string{"viewer"}, "domains": []string{"example.com"},
		"session": body{"absolute": "P2D"}}).is(200)
	r := w.do("POST", "/v1/accounts/"+root+"/invitations", owner.token, body{"emails": "a@example.com, b@elsewhere.example"}).is(200)
	if r.text("results.0.outcome") != "invited" || r.text("results.1.outcome") != "domain_not_allowed" {
		t.Fatalf("SPEC 1.4: %s", r.body)
	}
	i := w.do("GET", "/v1/accounts/"+root+"/invitations/"+r.text("results.0.invitation"), owner.token, nil).is(200)
	expires, err := time.Parse(time.RFC3339, i.text("expires_at"))
	if left := expires.Sub(w.clock.now()); err != nil || left > 72*time.Hour || left < 71*time.Hour || i.text("roles.0") != "viewer" {
		t.Errorf("SPEC 1.4: %s: %s", left, i.body)
	}
	// SPEC 4.3: rules are policy; length alone is one such policy, and the strictest of the accounts applies.
	sub := w.below(owner.token, root, "Sub")
	w.do("PUT", "/v1/accounts/"+root+"/policy", owner.token, body{"session": body{"absolute": "P2D"}, "password": body{"length": 15, "lower_case": false, "upper_case": false, "digit": false, "special": false}}).is(200)
	w.do("PUT", "/v1/accounts/"+sub+"/policy", owner.token, body{"password": body{"length": 15, "lower_case": false, "upper_case": false, "digit": true, "special": false}}).is(200)
	r = w.do("POST", "/v1/accounts/"+root+"/invitations", owner.token, body{"emails": "long@example.com", "grants": []body{{"roles": []string{"viewer"}}, {"account": sub, "roles": []string{"viewer"}}}}).is(200)
	link := "/v1/invitations/" + w.link(root, r.text("results.0.invitation"), 1) + "/accept"
	if got := w.do("POST", link, "", body{"first_name": "A", "last_name": "B", "password": "Short-7"}).refused(422, "password_rules"); got.count("errors") != 1 {
		t.Errorf("SPEC 1.4: %s", got.body)
	}
	w.do("POST", link, "", body{"first_name": "A", "last_name": "B", "password": "correct horse battery"}).refused(422, "password_rules")
	w.do("POST", link, "", body{"first_name": "A", "last_name": "B", "password": "correct horse battery 7"}).is(200)
	token := w.signIn(owner.email)
	w.do("GET", "/v1/me", token, nil).is(200)
	w.clock.pass(49 * time.Hour)
	w.do("GET", "/v1/me", token, nil).refused(401, "sign_in_required")
	w.do("GET", "/v1/me", owner.token, nil).is(200) // of a session that began before
}

func TestRolesAndModules(t *testing.T) {
	w := newBareWorld(t)
	root, owner := w.open("Acme")
	sub := w.below(owner.token, root, "Sub")
	at := func(account, role string) string { return "/v1/accounts/" + account + "/roles" + role }
	w.do("PUT", "/v1/operator/modules", owner.token, body{"modules": []body{}}).refused(403, "not_permitted")
	for field, wrong := range map[string][]body{
		"body.modules[0].name":       {{"name": "users", "actions": []string{"x"}}},
		"body.modules[1].name":       {{"name": "pricing", "actions": []string{"read"}}, {"name": "pricing", "actions": []string{"read"}}},
		"body.modules[0].actions":    {{"name": "pricing", "actions": []string{}}},
		"body.modules[0].actions[1]": {{"name": "pricing", "actions": []string{"read", "Change"}}},
	} {
		if got := w.do("PUT", "/v1/operator/modules", w.operator, body{"modules": wrong}).refused(422, "invalid"); got.locations() != field {
			t.Errorf("%s: %s", field, got.body)
		}
	}
	w.do("PUT", "/v1/operator/modules", w.operator, body{"modules": []body{{"name": "pricing", "label": "Pricing", "actions": []string{"read", "change"}}}}).is(200)
	if got := w.do("GET", at(root, ""), owner.token, nil).is(200); got.count("items") != 4 || got.count("permissions") != 22 {
		t.Errorf("SPEC 3.3: %s", got.body)
	}

	// SPEC 3.2: an account defines its own roles, sub-accounts inherit them, nothing is shadowed.
	made := w.do("PUT", at(root, "/pricer"), owner.token, body{"label": "Pricer", "permissions": []string{"pricing:change", "account:read"}}).is(200)
	if made.text("id") != "pricer" || made.text("defined_in") != root || made.count("permissions") != 2 {
		t.Errorf("%s", made.body)
	}
	for _, c := range []struct{ account, role string }{{root, "owner"}, {sub, "viewer"}, {sub, "pricer"}, {root, "Bad"}} {
		w.do("PUT", at(c.account, "/"+c.role), owner.token, body{"permissions": []string{"pricing:read"}}).refused(422, "invalid")
	}
	w.do("PUT", at(root, "/x"), owner.token, body{"permissions": []string{"pricing:sell"}}).refused(422, "invalid")
	w.do("PUT", at(root, "/x"), owner.token, body{"permissions": []string{}}).refused(422, "invalid")
	manager := w.member(root, owner, "manager")
	w.do("PUT", at(root, "/x"), manager.token, body{"permissions": []string{"pricing:read"}}).refused(403, "not_permitted")
	w.do("PUT", at(root, "/clerk"), owner.token, body{"permissions": []string{"users:invite", "users:read", "roles:define", "account:read"}}).is(200)
	clerk := w.member(root, owner, "clerk")
	w.do("PUT", at(root, "/x"), clerk.token, body{"permissions": []string{"pricing:read"}}).refused(403, "exceeds_own_access")
	w.do("PUT", at(root, "/pricer"), clerk.token, body{"permissions": []string{"users:read"}}).refused(403, "exceeds_own_access") // nor take away

	// It gives what it says, in the account and, where it is granted so, below.
	pricer := w.member(root, owner, "pricer")
	w.do("POST", "/v1/accounts/"+sub+"/users", owner.token, body{"user": pricer.id, "roles": []string{"pricer"}}).is(200)
	check := func(account, permission string) *response {
		t.Helper()
		return w.do("POST", "/v1/check", owner.token, body{"user": pricer.id, "permission": permission, "account": account}).is(200)
	}
	if got := check(sub, "pricing:change"); got.at("allowed") != true || got.text("because.0.role") != "pricer" || got.text("because.0.account") != sub {
		t.Errorf("SPEC 3.12: %s", got.body)
	}
	if got := check(root, "pricing:read"); got.at("allowed") != false || got.text("missing") != "permission" {
		t.Errorf("SPEC 3.12: %s", got.body)
	}
	w.do("POST", "/v1/accounts/"+root+"/invitations", clerk.token, body{"emails": "p@example.com", "roles": []string{"pricer"}}).refused(403, "exceeds_own_access")
	w.do("PUT", at(root, "/pricer"), owner.token, body{"permissions": []string{"account:read"}}).is(200)
	if got := check(sub, "pricing:change"); got.at("allowed") != false {
		t.Errorf("SPEC 3.2: %s", got.body)
	}
	w.do("DELETE", at(sub, "/pricer"), owner.token, nil).refused(409, "inherited")
	w.do("DELETE", at(root, "/viewer"), owner.token, nil).refused(422, "invalid")
	w.do("DELETE", at(root, "/nothing"), owner.token, nil).refused(404, "not_found")
	w.do("DELETE", at(root, "/pricer"), owner.token, nil).is(200)
	if got := check(sub, "account:read"); got.at("allowed") != false {
		t.Errorf("SPEC 3.2: %s", got.body)
	}
	w.do("GET", at(root, "/pricer"), owner.token, nil).refused(404, "not_found")
}

// SPEC 3.12: why, over inheritance, extra permissions, time, and what is missing.
func TestCheckSaysWhy(t *testing.T) {
	w := newBareWorld(t)
	root, owner := w.open("Acme")
	sub := w.below(owner.token, root, "Sub")
	eve, bob := w.member(root, owner, "viewer"), w.member(root, owner, "viewer")
	until := w.clock.now().Add(time.Hour).UTC().Format(time.RFC3339)
	w.do("PUT", "/v1/accounts/"+root+"/users/"+eve.id+"/role", owner.token, body{"grants": []body{{"roles": []string{"viewer"}, "inherit": true},
		{"permissions": []string{"audit:read"}, "valid_until": until}}}).is(200)
	why := func(user, account, permission string) *response {
		t.Helper()
		return w.do("POST", "/v1/check", owner.token, body{"user": user, "permission": permission, "account": account}).is(200)
	}
	got := why(eve.id, sub, "users:read")
	if got.at("allowed") != true || got.text("because.0.account") != root || got.at("because.0.inherited") != true || got.number("because.0.position") == 0 {
		t.Errorf("inherited: %s", got.body)
	}
	got = why(eve.id, root, "audit:read")
	if got.at("allowed") != true || got.at("because.0.role") != nil || got.text("because.0.valid_until") == "" {
		t.Errorf("direct: %s", got.body)
	}
	if got := why(eve.id, sub, "audit:read"); got.at("allowed") != false || got.text("missing") != "permission" {
		t.Errorf("not below: %s", got.body)
	}
	w.clock.pass(time.Hour)
	if got := why(eve.id, root, "audit:read"); got.at("allowed") != false || got.text("missing") != "permission" { // SPEC 3.10: at that second
		t.Errorf("ended: %s", got.body)
	}
	if got := why(bob.id, sub, "users:read"); got.text("missing") != "membership" {
		t.Errorf("no membership: %s", got.body)
	}
	w.do("POST", "/v1/accounts/"+root+"/users/"+bob.id+"/suspend", owner.token, body{}).is(200)
	if got := why(bob.id, root, "users:read"); got.text("missing") != "suspended" {
		t.Errorf("suspended: %s", got.body)
	}
	w.do("POST", "/v1/operator/users/"+eve.id+"/lock", w.operator, nil).is(200)
	if got := why(eve.id, root, "users:read"); got.text("missing") != "locked" {
		t.Errorf("locked: %s", got.body)
	}
	// Arrays, tokens, and who may ask.
	many := w.do("POST", "/v1/check", owner.token, []body{{"token": owner.token, "permission": "account:close", "account": root}, {"token": "rs_nonsense", "permission": "users:read", "account": root}}).is(200)
	if many.at("0.allowed") != true || many.text("0.user") != owner.id || many.at("1.allowed") != false || many.text("1.missing") != "session" {
		t.Errorf("tokens: %s", many.body)
	}
	stranger, _ := w.open("Other")
	w.do("POST", "/v1/check", owner.token, body{"user": bob.id, "permission": "users:read", "account": stranger}).refused(404, "not_found")
	w.do("POST", "/v1/check", owner.token, body{"permission": "users:read", "account": root}).refused(422, "invalid")
}

func TestContacts(t *testing.T) {
	w := newBareWorld(t)
	root, owner := w.open("Acme")
	viewer := w.member(root, owner, "viewer")
	at := "/v1/accounts/" + root + "/contacts"
	person := body{"name": "Carla Contact", "email": "Carla@Example.com", "phone": "+41 44 123 45 67", "roles": []string{"security", "billing"}}
	w.do("POST", at, viewer.token, person).refused(403, "not_permitted")
	made := w.do("POST", at, owner.token, person, "Idempotency-Key", "k").is(201)
	again := w.do("POST", at, owner.token, person, "Idempotency-Key", "k").is(201)
	if made.text("id") == "" || made.text("id") != again.text("id") || made.text("email") != "carla@example.com" || made.text("roles.0") != "billing" {
		t.Errorf("SPEC 1.5: %s %s", made.body, again.body)
	}
	one := at + "/" + made.text("id")
	for field, wrong := range map[string]body{"body.email": {"name": "X", "email": "x", "roles": []string{"billing"}}, "body.roles[0]": {"name": "X", "email": "x@example.com", "roles": []string{"chief"}},
		"body.roles": {"name": "X", "email": "x@example.com", "roles": []string{}}, "body.phone": {"name": "X", "email": "x@example.com", "phone": "call me", "roles": []string{"billing"}}} {
		if got := w.do("POST", at, owner.token, wrong).refused(422, "invalid"); got.locations() != field {
			t.Errorf("%s: %s", field, got.body)
		}
	}
	if got := w.do("GET", at+"?role=security", viewer.token, nil).is(200); got.count("items") != 1 || got.text("items.0.name") != "Carla Contact" {
		t.Errorf("SPEC 1.5: %s", got.body)
	}
	if got := w.do("GET", at+"?role=legal", viewer.token, nil).is(200); got.count("items") != 0 {
		t.Errorf("SPEC 1.5: %s", got.body)
	}
	tag := w.do("GET", one, owner.token, nil).header.Get("ETag")
	if got := w.do("PATCH", one, owner.token, body{"phone": "", "roles": []string{"legal"}}, "If-Match", tag).is(200); got.text("phone") != "" || got.text("roles.0") != "legal" || got.text("name") != "Carla Contact" {
		t.Errorf("%s", got.body)
	}
	w.do("PATCH", one, owner.token, body{"name": "X"}, "If-Match", tag).refused(412, "stale_version")

	// SPEC 1.5: a contact never signs in by it, and the address may be a user's as well: neither affects the other.
	w.do("POST", "/v1/sessions", "", body{"email": "carla@example.com", "password": goodPassword}).refused(401, "bad_credentials")
	r := w.do("POST", "/v1/accounts/"+root+"/invitations", owner.token, body{"emails": "carla@example.com", "roles": []string{"viewer"}}).is(200)
	if r.text("results.0.outcome") != "invited" {
		t.Errorf("SPEC 1.5: %s", r.body)
	}
	w.accept(root, r.text("results.0.invitation"), "carla@example.com", "Carla", "User")
	w.do("DELETE", one, viewer.token, nil).refused(403, "not_permitted")
	w.do("DELETE", one, owner.token, nil).is(200)
	w.do("GET", one, owner.token, nil).refused(404, "not_found")
	w.signIn("carla@example.com")
	other, stranger := w.open("Other")
	_ = other
	w.do("GET", at, stranger.token, nil).refused(404, "not_found")
}

// sorted lists texts of a member of each item.
func sorted(r *response, list, member string) string {
	var texts []string
	for i := range r.count(list) {
		texts = append(texts, r.text(fmt.Sprintf("%s.%d.%s", list, i, member)))
	}
	slices.Sort(texts)
	return strings.Join(texts, " ")
}
