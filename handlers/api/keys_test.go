package api_test

import (
	"strings"
	"testing"
	"time"
)

func keys(account string) string { return "/v1/accounts/" + account + "/keys" }

// A key of an account is made, used, narrowed, rotated and ended (SPEC 7.5, 3.4, 3.9, 2.10).
func TestKeyOfAnAccount(t *testing.T) {
	w := newWorld(t)
	a, ann := w.open("Acme")
	bob, vic := w.member(a, ann, "admin"), w.member(a, ann, "viewer")
	at := "/v1/accounts/" + a

	// Made: shown once, never again, neither in lists nor under the same idempotency key.
	ask := body{"name": "Sync", "roles": []string{"admin"}, "expires_at": w.clock.now().Add(48 * time.Hour)}
	plan := w.do("POST", keys(a), ann.token, ask, "Roster-Dry-Run", "true").is(200)
	if plan.text("facts.0.type") != "key.created" || strings.Contains(string(plan.body), "hash") || strings.Contains(string(plan.body), "rk_") {
		t.Errorf("SPEC 3.11: %s", plan.body)
	}
	made := w.do("POST", keys(a), ann.token, ask, "Idempotency-Key", "once").is(201)
	id, token := made.text("id"), made.text("token")
	again := w.do("POST", keys(a), ann.token, ask, "Idempotency-Key", "once").refused(409, "secret_already_shown")
	if !strings.Contains(again.text("detail"), id) {
		t.Errorf("which key it was is not said: %s", again.body)
	}
	list := w.do("GET", keys(a), vic.token, nil).is(200)
	if list.count("items") != 1 || list.text("items.0.name") != "Sync" || list.at("items.0.last_used") != nil || list.text("items.0.created_by.name") != "Olga Owner" || list.at("items.0.token") != nil {
		t.Errorf("SPEC 7.5: %s", list.body)
	}

	// Used: as a person would be, and no further (SPEC 3.4).
	w.do("GET", at+"/users", token, nil).is(200)
	if got := w.do("GET", "/v1/accounts", token, nil).is(200); got.count("items") != 1 || got.text("items.0.id") != a {
		t.Errorf("its accounts: %s", got.body)
	}
	w.do("GET", "/v1/users", token, nil).is(200)
	w.do("GET", at+"/tree", token, nil).is(200)
	w.do("POST", at+"/users/"+vic.id+"/suspend", token, nil).is(200)
	w.do("POST", at+"/users/"+vic.id+"/reactivate", token, nil).is(200)
	w.do("POST", at+"/users/"+ann.id+"/suspend", token, nil).refused(403, "exceeds_own_access")
	w.do("POST", keys(a), token, body{"name": "More", "roles": []string{"owner"}}).refused(403, "exceeds_own_access")
	w.do("POST", keys(a), ann.token, body{"name": "More", "roles": []string{"owner"}}).refused(422, "invalid")
	w.do("POST", keys(a), vic.token, body{"name": "More", "roles": []string{"viewer"}}).refused(403, "not_permitted")
	for _, own := range []string{"/v1/me", "/v1/me/sessions", "/v1/me/factors", "/v1/me/keys", "/v1/me/preferences"} {
		w.do("GET", own, token, nil).refused(403, "not_permitted")
	}
	w.do("DELETE", "/v1/sessions/current", token, nil).refused(403, "not_permitted")
	w.do("GET", "/v1/operator/accounts", token, nil).refused(403, "not_permitted")
	w.do("GET", at+"/users", token, nil, "Roster-On-Behalf-Of", ann.id).refused(403, "not_permitted")
	if got := w.do("POST", "/v1/check", ann.token, body{"token": token, "permission": "users:invite", "account": a}).is(200); got.at("allowed") != true || got.text("user") != id {
		t.Errorf("SPEC 3.12: %s", got.body)
	}
	if got := w.do("GET", keys(a)+"/"+id, ann.token, nil).is(200); got.text("last_used") == "" {
		t.Errorf("SPEC 7.5: last use: %s", got.body)
	}
	other, _ := w.open("Other")
	w.do("GET", "/v1/accounts/"+other+"/users", token, nil).refused(404, "not_found")

	// Narrowed by scopes.
	narrow := w.do("POST", keys(a), ann.token, body{"name": "Reader", "roles": []string{"admin"}, "scopes": []string{"*:read"}}).is(201).text("token")
	w.do("GET", at+"/users", narrow, nil).is(200)
	w.do("POST", at+"/users/"+vic.id+"/suspend", narrow, nil).refused(403, "not_permitted")
	w.do("POST", keys(a), ann.token, body{"name": "None", "roles": []string{"viewer"}, "scopes": []string{"users:invite"}}).refused(422, "invalid")

	// Rotated: both work until the overlap is over, to the second.
	rotated := w.do("POST", keys(a)+"/"+id+"/rotate", bob.token, body{"overlap": "PT1H"}, "Idempotency-Key", "turn").is(200)
	w.do("POST", keys(a)+"/"+id+"/rotate", bob.token, body{"overlap": "PT1H"}, "Idempotency-Key", "turn").refused(409, "secret_already_shown")
	w.do("POST", keys(a)+"/"+id+"/rotate", bob.token, body{"overlap": "P8D"}).refused(422, "invalid")
	w.do("POST", keys(a)+"/"+id+"/rotate", bob.token, body{"overlap": "soon"}).refused(422, "invalid")
	second := rotated.text("token")
	until, err := time.Parse(time.RFC3339, rotated.text("former_until"))
	if err != nil {
		t.Fatal(err)
	}
	w.do("GET", at, token, nil).is(200)
	w.do("GET", at, second, nil).is(200)
	w.clock.pass(until.Sub(w.clock.now()))
	w.do("GET", at, token, nil).refused(401, "sign_in_required")
	w.do("GET", at, second, nil).is(200)
	third := w.do("POST", keys(a)+"/"+id+"/rotate", second, body{"overlap": "PT0S"}).is(200).text("token")
	w.do("GET", at, second, nil).refused(401, "sign_in_required")

	// Ended: at the next request; what it has invited is dead (SPEC 2.10, 3.9).
	invited := w.do("POST", at+"/invitations", third, body{"emails": "new@example.com", "roles": []string{"viewer"}}).is(200).text("results.0.invitation")
	if got := w.do("GET", "/v1/invitations/"+w.link(a, invited, 1), "", nil).is(200); got.text("inviter.name") != "Sync" {
		t.Errorf("SPEC 2.3: who invites: %s", got.body)
	}
	if got := w.do("GET", at+"/users?status=pending", ann.token, nil).is(200); got.text("items.0.inviter.name") != "Sync" {
		t.Errorf("SPEC 3.1: who has invited: %s", got.body)
	}
	w.do("POST", "/v1/invitations/"+w.link(a, invited, 1)+"/accept", third, body{"first_name": "N", "last_name": "N", "password": goodPassword}).refused(403, "not_permitted")
	w.do("DELETE", keys(a)+"/"+id, bob.token, nil, "Idempotency-Key", "end").is(200)
	w.do("DELETE", keys(a)+"/"+id, bob.token, nil, "Idempotency-Key", "end").is(200)
	w.do("GET", at, third, nil).refused(401, "sign_in_required")
	w.do("GET", "/v1/invitations/"+w.link(a, invited, 1), "", nil).refused(410, "invitation_revoked")
	w.do("GET", keys(a)+"/"+id, ann.token, nil).refused(404, "not_found")

	// Seen in the trail by its name (SPEC 5.1); its secrets stand nowhere (SPEC 6.4).
	trail := w.do("GET", at+"/audit?limit=200", ann.token, nil).is(200)
	if !strings.Contains(string(trail.body), `"actor":{"type":"key","id":"`+id+`","name":"Sync"}`) {
		t.Errorf("SPEC 5.1: %s", trail.body)
	}
	if got := w.do("GET", at+"/audit?outcome=refused&actor="+id, ann.token, nil).is(200); got.count("items") == 0 || got.text("items.0.actor.name") != "Sync" {
		t.Errorf("SPEC 5.1: what it was refused: %s", got.body)
	}
	records, err := w.log.Read(t.Context(), 0, 10000)
	if err != nil {
		t.Fatal(err)
	}
	var all strings.Builder
	for _, r := range records {
		all.Write(r.Payload)
	}
	for _, secret := range []string{token, second, third, narrow} {
		for where, text := range map[string]string{"the log": all.String(), "the trail": string(trail.body), "what is printed": w.printed.String()} {
			if strings.Contains(text, secret[10:]) || strings.Contains(text, secret[46:88]) {
				t.Errorf("SPEC 6.4: a secret stands in %s", where)
			}
		}
	}
}

// A key that has expired is refused from that second on, and so is what it has invited (SPEC 7.5, 2.10).
func TestKeyExpires(t *testing.T) {
	w := newWorld(t)
	a, ann := w.open("Acme")
	end := w.clock.now().Add(time.Hour).Truncate(time.Second)
	made := w.do("POST", keys(a), ann.token, body{"name": "Brief", "roles": []string{"admin"}, "expires_at": end}).is(201)
	token := made.text("token")
	invited := w.do("POST", "/v1/accounts/"+a+"/invitations", token, body{"emails": "new@example.com", "roles": []string{"viewer"}}).is(200).text("results.0.invitation")
	w.clock.pass(end.Sub(w.clock.now()) - 20*time.Millisecond)
	w.do("GET", "/v1/accounts/"+a, token, nil).is(200)
	w.clock.pass(20 * time.Millisecond)
	w.do("GET", "/v1/accounts/"+a, token, nil).refused(401, "sign_in_required")
	w.do("GET", "/v1/invitations/"+w.link(a, invited, 1), "", nil).refused(410, "invitation_revoked")
	if got := w.do("GET", keys(a), ann.token, nil).is(200); got.text("items.0.status") != "expired" {
		t.Errorf("%s", got.body)
	}
	w.do("POST", keys(a)+"/"+made.text("id")+"/rotate", ann.token, nil).refused(422, "invalid")
	for _, bad := range []string{token[:len(token)-1] + "A", "rk_", strings.Replace(token, "rk_", "rs_", 1), "rk_" + strings.Repeat("A", 91)} {
		w.do("GET", "/v1/accounts/"+a, bad, nil).refused(401, "sign_in_required")
	}
}

// A personal key acts as its owner, within its account and scopes, and ends with the membership (SPEC 7.5, 3.5, 3.6, 4.10).
func TestPersonalKey(t *testing.T) {
	w := newWorld(t)
	a, ann := w.open("Acme")
	bob, vic := w.member(a, ann, "admin"), w.member(a, ann, "viewer")
	b, ben := w.open("Beta")
	mail := w.do("POST", "/v1/accounts/"+b+"/invitations", ben.token, body{"emails": bob.email, "roles": []string{"admin"}}).is(200).text("results.0.invitation")
	w.do("POST", "/v1/invitations/"+w.link(b, mail, 1)+"/accept", bob.token, nil).is(200)
	at := "/v1/accounts/" + a
	mine := func(account, name string, scopes ...string) body {
		return body{"account": account, "name": name, "scopes": scopes, "password": goodPassword}
	}

	// It asks for the password, as everything does that makes a credential.
	w.do("POST", "/v1/me/keys", bob.token, body{"account": a, "name": "CI"}).refused(403, "reauthentication_required")
	w.do("POST", "/v1/me/keys", bob.token, body{"account": a, "name": "CI", "password": "wrong"}).refused(401, "bad_credentials")
	w.do("POST", "/v1/me/keys", vic.token, mine(a, "CI", "users:invite")).refused(422, "invalid")
	w.do("POST", "/v1/me/keys", vic.token, mine(b, "CI")).refused(404, "not_found")
	w.do("POST", "/v1/me/keys", w.operator, mine(a, "CI")).refused(403, "not_permitted")
	w.do("POST", "/v1/me/keys", w.operator, mine(a, "CI"), "Roster-On-Behalf-Of", bob.id).refused(403, "not_permitted")
	if plan := w.do("POST", "/v1/me/keys", bob.token, mine(a, "CI"), "Roster-Dry-Run", "true").is(200); plan.text("facts.0.type") != "key.created" {
		t.Errorf("SPEC 3.11: %s", plan.body)
	}
	w.do("POST", "/v1/me/keys", bob.token, body{"account": a, "name": "CI"}, "Roster-Dry-Run", "true").refused(403, "reauthentication_required")
	made := w.do("POST", "/v1/me/keys", bob.token, mine(a, "CI", "*:read", "users:suspend", "users:invite"), "Idempotency-Key", "once").is(201)
	w.do("POST", "/v1/me/keys", bob.token, mine(a, "CI", "*:read", "users:suspend", "users:invite"), "Idempotency-Key", "once").refused(409, "secret_already_shown")
	id, token := made.text("id"), made.text("token")
	if got := w.do("GET", "/v1/me/keys", bob.token, nil).is(200); got.count("items") != 1 || got.text("items.0.account") != a || got.text("items.0.owner.id") != bob.id {
		t.Errorf("%s", got.body)
	}
	if got := w.do("GET", "/v1/me/keys", vic.token, nil).is(200); got.count("items") != 0 {
		t.Errorf("somebody else's: %s", got.body)
	}
	if got := w.do("GET", keys(a)+"/"+id, vic.token, nil).is(200); got.text("owner.name") != "Pia Person" {
		t.Errorf("whoever may see keys: %s", got.body)
	}

	// It acts as its owner, is noted so, and is held to its scopes and account.
	invited := w.do("POST", at+"/invitations", token, body{"emails": "new@example.com", "roles": []string{"viewer"}}).is(200).text("results.0.invitation")
	w.do("POST", at+"/users/"+vic.id+"/suspend", token, nil).is(200)
	w.do("POST", at+"/users/"+vic.id+"/revoke", token, nil).refused(403, "not_permitted")
	w.do("POST", at+"/users/"+ann.id+"/suspend", token, nil).refused(403, "exceeds_own_access")
	w.do("GET", "/v1/accounts/"+b, token, nil).refused(404, "not_found")
	if got := w.do("GET", "/v1/me/accounts", token, nil).is(200); got.count("items") != 1 || got.text("items.0.id") != a {
		t.Errorf("its accounts: %s", got.body)
	}
	trail := w.do("GET", at+"/audit?action=membership.suspended", ann.token, nil).is(200)
	if trail.text("items.0.actor.id") != id || trail.text("items.0.actor.name") != "CI" || trail.text("items.0.on_behalf_of.id") != bob.id {
		t.Errorf("SPEC 5.1: %s", trail.body)
	}
	for route, ask := range map[string]body{
		"PUT /v1/me/password":                  {"current": goodPassword, "new": "An0ther & three", "confirm": "An0ther & three"},
		"POST /v1/me/keys":                     mine(a, "Next"),
		"POST /v1/me/keys/" + id + "/rotate":   {"password": goodPassword},
		"DELETE /v1/me/keys/" + id:             nil,
		"POST /v1/me/factors":                  {"method": "totp", "label": "x", "password": goodPassword},
		"DELETE /v1/me/sessions":               nil,
		"PATCH /v1/me":                         {"first_name": "X"},
		"POST /v1/me/accounts/" + a + "/leave": nil,
		"POST /v1/me/email":                    {"email": "x@example.com", "password": goodPassword},
		"GET /v1/me":                           nil,
		"POST /v1/invitations/" + w.link(a, invited, 1) + "/accept": {},
	} {
		verb, path, _ := strings.Cut(route, " ")
		w.do(verb, path, token, orNil(ask)).refused(403, "not_permitted")
	}
	if got := w.do("POST", "/v1/check", ann.token, []body{{"token": token, "permission": "users:invite", "account": a}, {"token": token, "permission": "users:revoke", "account": a}}).is(200); got.at("0.allowed") != true || got.at("1.allowed") != false || got.text("0.user") != bob.id {
		t.Errorf("SPEC 3.12: %s", got.body)
	}

	// Rotated by its owner alone; while suspended it is none, and is again afterwards.
	w.do("POST", keys(a)+"/"+id+"/rotate", ann.token, nil).refused(403, "not_permitted")
	second := w.do("POST", "/v1/me/keys/"+id+"/rotate", bob.token, body{"password": goodPassword, "overlap": "PT0S"}).is(200).text("token")
	w.do("GET", at, token, nil).refused(401, "sign_in_required")
	w.do("POST", at+"/users/"+bob.id+"/suspend", ann.token, nil).is(200)
	w.do("GET", at, second, nil).refused(401, "sign_in_required")
	w.do("POST", at+"/users/"+bob.id+"/reactivate", ann.token, nil).is(200)
	w.do("GET", at, second, nil).is(200)

	// It ends for good with the membership, with a lock, and when it is revoked.
	w.do("POST", at+"/users/"+bob.id+"/revoke", ann.token, nil).is(200)
	w.do("GET", at, second, nil).refused(401, "sign_in_required")
	back := w.do("POST", at+"/invitations", ann.token, body{"emails": bob.email, "roles": []string{"admin"}}).is(200).text("results.0.invitation")
	w.do("POST", "/v1/invitations/"+w.link(a, back, 1)+"/accept", bob.token, nil).is(200)
	w.do("GET", at, second, nil).refused(401, "sign_in_required")
	fourth := w.do("POST", "/v1/me/keys", bob.token, mine(b, "Four")).is(201).text("token")
	w.do("POST", "/v1/operator/users/"+bob.id+"/lock", w.operator, nil).is(200)
	w.do("GET", "/v1/accounts/"+b, fourth, nil).refused(401, "sign_in_required")
	w.do("POST", "/v1/operator/users/"+bob.id+"/unlock", w.operator, nil).is(200)
	w.do("GET", "/v1/accounts/"+b, fourth, nil).refused(401, "sign_in_required")
	fifth := w.do("POST", "/v1/me/keys", ann.token, mine(a, "Five")).is(201)
	w.do("GET", at, fifth.text("token"), nil).is(200)
	w.do("DELETE", "/v1/me/keys/"+fifth.text("id"), ann.token, nil, "Idempotency-Key", "end").is(200)
	w.do("DELETE", "/v1/me/keys/"+fifth.text("id"), ann.token, nil, "Idempotency-Key", "end").is(200)
	w.do("DELETE", "/v1/me/keys/"+fifth.text("id"), ann.token, nil).refused(404, "not_found")
	w.do("GET", at, fifth.text("token"), nil).refused(401, "sign_in_required")
}

// A key that the operator has permitted decides with a person's rights, in its account (SPEC 7.1).
func TestKeyOnBehalf(t *testing.T) {
	w := newWorld(t)
	a, ann := w.open("Acme")
	vic := w.member(a, ann, "viewer")
	b, ben := w.open("Beta")
	at := "/v1/accounts/" + a
	ask := body{"name": "Portal", "roles": []string{"viewer"}, "on_behalf": true}
	w.do("POST", keys(a), ann.token, ask).refused(403, "not_permitted")
	made := w.do("POST", keys(a), w.operator, ask).is(201)
	token := made.text("token")
	w.do("POST", at+"/invitations", token, body{"emails": "new@example.com", "roles": []string{"owner"}}).refused(403, "not_permitted")
	w.do("POST", at+"/invitations", token, body{"emails": "new@example.com", "roles": []string{"owner"}}, "Roster-On-Behalf-Of", ann.id).is(200)
	w.do("POST", at+"/invitations", token, body{"emails": "other@example.com", "roles": []string{"viewer"}}, "Roster-On-Behalf-Of", vic.id).refused(403, "not_permitted")
	w.do("GET", "/v1/accounts/"+b, token, nil, "Roster-On-Behalf-Of", ben.id).refused(404, "not_found")
	w.do("GET", "/v1/me", token, nil, "Roster-On-Behalf-Of", ann.id).refused(403, "not_permitted")
	w.do("PATCH", "/v1/me", token, body{"first_name": "X"}, "Roster-On-Behalf-Of", ann.id).refused(403, "not_permitted")
	w.do("POST", at+"/users/"+vic.id+"/suspend", token, nil, "Roster-On-Behalf-Of", ann.id).is(200)
	trail := w.do("GET", at+"/audit?action=membership.suspended", ann.token, nil).is(200)
	if trail.text("items.0.actor.name") != "Portal" || trail.text("items.0.on_behalf_of.id") != ann.id {
		t.Errorf("SPEC 5.1: %s", trail.body)
	}
	w.do("POST", keys(a)+"/"+made.text("id")+"/rotate", ann.token, nil).refused(403, "exceeds_own_access")
	w.do("DELETE", keys(a)+"/"+made.text("id"), w.operator, nil).is(200)
	w.do("GET", at, token, nil, "Roster-On-Behalf-Of", ann.id).refused(401, "sign_in_required")
}

// In a subtree a key reaches as far as its grant does, and loses what moves away (SPEC 3.2, 1.1).
func TestKeyBelow(t *testing.T) {
	w := newWorld(t)
	a, ann := w.open("Acme")
	sub := w.do("POST", "/v1/accounts", ann.token, body{"name": "North", "parent": a}).is(201).text("id")
	wide := w.do("POST", keys(a), ann.token, body{"name": "Wide", "roles": []string{"admin"}, "inherit": true}).is(201).text("token")
	slim := w.do("POST", keys(a), ann.token, body{"name": "Slim", "roles": []string{"admin"}}).is(201).text("token")
	w.do("GET", "/v1/accounts/"+sub+"/users", wide, nil).is(200)
	w.do("GET", "/v1/accounts/"+sub+"/users", slim, nil).refused(404, "not_found")
	if got := w.do("GET", "/v1/accounts/"+a+"/tree", wide, nil).is(200); got.count("items") != 2 {
		t.Errorf("%s", got.body)
	}
	if got := w.do("GET", "/v1/accounts/"+a+"/tree", slim, nil).is(200); got.count("items") != 1 {
		t.Errorf("%s", got.body)
	}
	w.do("POST", "/v1/accounts/"+a+"/close", ann.token, nil).is(200)
	w.do("POST", "/v1/accounts/"+sub+"/invitations", wide, body{"emails": "new@example.com", "roles": []string{"viewer"}}).refused(409, "account_closed")
}

func orNil(b body) any {
	if b == nil {
		return nil
	}
	return b
}
