package api_test

import (
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"
)

// grantsIn asks for a role in each account.
func grantsIn(role string, accounts ...string) []body {
	var list []body
	for _, a := range accounts {
		list = append(list, body{"account": a, "roles": []string{role}})
	}
	return list
}

func invitations(account string) string { return "/v1/accounts/" + account + "/invitations" }

// One invitation over several accounts (SPEC 2.2, 2.6 to 2.10).
func TestInviteIntoSeveralAccounts(t *testing.T) {
	w := newBareWorld(t)
	a, ann := w.open("A")
	b := w.below(ann.token, a, "B")
	c, carl := w.open("C")
	anns := w.do("POST", invitations(c), carl.token, body{"emails": ann.email, "roles": []string{"admin"}}).is(200).text("results.0.invitation")
	invite := func(by, emails string, grants []body) *response {
		t.Helper()
		return w.do("POST", invitations(a), by, body{"emails": emails, "grants": grants})
	}
	// SPEC 2.2: refused naming those where not; what one cannot see is named as what does not exist.
	if got := invite(ann.token, "x@example.com", grantsIn("viewer", a, b, c)).refused(404, "not_found"); got.count("accounts") != 1 || got.text("accounts.0") != c {
		t.Fatalf("SPEC 2.2: %s", got.body)
	}
	w.do("POST", "/v1/invitations/"+w.link(c, anns, 1)+"/accept", ann.token, nil).is(200)
	if got := invite(ann.token, "x@example.com", grantsIn("owner", a, b, c)).refused(403, "exceeds_own_access"); got.count("accounts") != 1 || got.text("accounts.0") != c {
		t.Errorf("SPEC 2.2: %s", got.body)
	}
	invite(ann.token, "x@example.com", append(grantsIn("viewer", a), grantsIn("viewer", a)...)).is(200) // two grants in one account

	r := invite(ann.token, "new@example.com, "+carl.email, grantsIn("viewer", a, b, c)).is(200)
	if r.text("results.0.outcome") != "invited" || r.text("results.1.outcome") != "already_member" || r.count("results.1.accounts") != 1 || r.text("results.1.accounts.0") != c {
		t.Fatalf("SPEC 2.2: %s", r.body)
	}
	id := r.text("results.0.invitation")
	if got := invite(ann.token, "new@example.com", grantsIn("manager", b)).is(200); got.text("results.0.outcome") != "already_invited" || got.text("results.0.accounts.0") != b {
		t.Errorf("SPEC 2.8: %s", got.body)
	}
	// SPEC 2.6, 2.7: by whoever may invite in all its accounts.
	if got := w.do("POST", invitations(c)+"/"+id+"/resend", carl.token, nil).refused(403, "not_permitted"); got.count("accounts") != 2 {
		t.Errorf("SPEC 2.7: %s", got.body)
	}
	w.do("POST", invitations(b)+"/"+id+"/resend", ann.token, nil).is(200)
	w.do("GET", "/v1/invitations/"+w.link(a, id, 1), "", nil).refused(410, "invitation_replaced")
	link := "/v1/invitations/" + w.link(a, id, 2)

	// SPEC 2.10: dead the moment the inviter loses the right, in any of the accounts; and alive no more.
	w.do("PUT", "/v1/accounts/"+c+"/users/"+ann.id+"/role", carl.token, body{"roles": []string{"viewer"}}).is(200)
	w.do("GET", link, "", nil).refused(410, "invitation_revoked")
	w.do("PUT", "/v1/accounts/"+c+"/users/"+ann.id+"/role", carl.token, body{"roles": []string{"admin"}}).is(200)
	w.do("GET", link, "", nil).refused(410, "invitation_revoked")

	// SPEC 2.9: accepted all or nothing; a user in every account.
	r = invite(ann.token, "new@example.com", []body{{"account": a, "roles": []string{"viewer"}}, {"account": b, "roles": []string{"manager"}}, {"account": c, "roles": []string{"admin"}}}).is(200)
	if r.text("results.0.outcome") != "invited" {
		t.Fatalf("SPEC 2.8: %s", r.body)
	}
	new := w.accept(a, r.text("results.0.invitation"), "new@example.com", "New", "Person")
	for account, role := range map[string]string{a: "viewer", b: "manager", c: "admin"} {
		if got := w.do("GET", "/v1/accounts/"+account, new.token, nil).is(200); got.text("roles.0") != role {
			t.Errorf("SPEC 2.9: %s", got.body)
		}
	}
	w.do("POST", "/v1/invitations/"+w.link(a, r.text("results.0.invitation"), 1)+"/accept", "", body{"first_name": "A", "last_name": "B", "password": goodPassword}).refused(410, "invitation_used")

	// Declined in one word everywhere, and the same address can be invited again.
	r = invite(ann.token, "no@example.com", grantsIn("viewer", a, b)).is(200)
	w.do("POST", "/v1/invitations/"+w.link(a, r.text("results.0.invitation"), 1)+"/decline", "", nil).is(200)
	if got := invite(ann.token, "no@example.com", grantsIn("viewer", b)).is(200); got.text("results.0.outcome") != "invited" {
		t.Errorf("SPEC 2.8: %s", got.body)
	}
}

// Access of one user over many accounts (SPEC 3.8).
func TestAccessOverAccounts(t *testing.T) {
	w := newBareWorld(t)
	a, ann := w.open("A")
	b, c := w.below(ann.token, a, "B"), w.below(ann.token, a, "C")
	other, stranger := w.open("Other")
	eve := w.member(a, ann, "viewer")
	access := func(account string) string { return "/v1/accounts/" + account + "/users/" + eve.id + "/access" }
	save := func(by string, changes ...body) *response {
		t.Helper()
		return w.do("PUT", access(a), by, body{"changes": changes})
	}
	manager := []body{{"roles": []string{"manager"}}}
	if got := save(ann.token, body{"account": a, "grants": manager}, body{"account": b, "grants": manager}, body{"account": c, "grants": manager}).is(200); got.count("items") != 3 {
		t.Fatalf("SPEC 3.8: %s", got.body)
	}
	// All or nothing, naming the accounts.
	if got := save(ann.token, body{"account": b, "grants": nil}, body{"account": other, "grants": manager}).refused(404, "not_found"); got.text("accounts.0") != other {
		t.Errorf("SPEC 3.8: %s", got.body)
	}
	w.do("GET", "/v1/accounts/"+b, eve.token, nil).is(200)
	if got := save(ann.token, body{"account": b, "grants": nil}, body{"account": a, "grants": []body{{"roles": []string{"viewer"}}}}).is(200); got.count("items") != 2 {
		t.Errorf("SPEC 3.8: %s", got.body)
	}
	w.do("GET", "/v1/accounts/"+b, eve.token, nil).refused(404, "not_found")
	if got := w.do("GET", access(a), ann.token, nil).is(200); sorted(got, "items", "name") != "A C" {
		t.Errorf("SPEC 3.8: %s", got.body)
	}
	admin := w.member(a, ann, "admin")
	save(admin.token, body{"account": a, "grants": []body{{"roles": []string{"owner"}}}}).refused(403, "exceeds_own_access")
	save(eve.token, body{"account": a, "grants": []body{{"roles": []string{"admin"}}}}).refused(403, "exceeds_own_access")
	save(eve.token, body{"account": c, "grants": nil}).is(200) // leaving
	save(ann.token).refused(422, "invalid")
	save(ann.token, body{"account": a, "grants": []body{}}).refused(422, "invalid")

	// Adding by id works only for users the caller administers somewhere: no oracle across tenants.
	add := func(account, by, user string) *response {
		t.Helper()
		return w.do("POST", "/v1/accounts/"+account+"/users", by, body{"user": user, "roles": []string{"viewer"}})
	}
	foreign := add(other, stranger.token, eve.id).refused(404, "not_found")
	nobody := add(other, stranger.token, a).refused(404, "not_found")
	if string(foreign.body) != string(nobody.body) {
		t.Errorf("%s is not %s", foreign.body, nobody.body)
	}
	add(b, ann.token, eve.id).is(200)
	add(b, ann.token, eve.id).refused(409, "already_member")
	add(b, eve.token, admin.id).refused(403, "not_permitted")
}

// Bulk, its results, its threshold, and the last owner within it (SPEC 3.6, 3.7, 3.11).
func TestBulk(t *testing.T) {
	w := newBareWorld(t)
	a, ann := w.open("Acme")
	var people []string
	for range 11 {
		people = append(people, w.member(a, ann, "viewer").id)
	}
	at := "/v1/accounts/" + a + "/users/bulk"
	bulk := func(by, action string, users []string, more ...any) *response {
		t.Helper()
		ask := body{"action": action, "users": users}
		for i := 0; i+1 < len(more); i += 2 {
			ask[more[i].(string)] = more[i+1]
		}
		return w.do("POST", at, by, ask)
	}
	got := bulk(ann.token, "suspend", append([]string{ann.id, "nonsense", a}, people[:2]...)).is(200)
	want := "not_permitted refused, not_found refused, not_found refused,  done,  done"
	var said []string
	for i := range got.count("results") {
		said = append(said, got.text(fmt.Sprintf("results.%d.code", i))+" "+got.text(fmt.Sprintf("results.%d.outcome", i)))
	}
	if strings.Join(said, ", ") != want {
		t.Errorf("SPEC 3.6: %s", got.body)
	}
	if got := bulk(ann.token, "suspend", people[:1]).is(200); got.text("results.0.outcome") != "already" {
		t.Errorf("SPEC 3.6: %s", got.body)
	}
	bulk(ann.token, "reactivate", people[:2]).is(200)
	if got := bulk(ann.token, "change_role", people[:3], "roles", []string{"manager"}).is(200); got.text("results.2.outcome") != "done" {
		t.Errorf("SPEC 3.6: %s", got.body)
	}
	bulk(ann.token, "change_role", people[:3], "roles", []string{"emperor"}).refused(422, "invalid")
	bulk(ann.token, "vanish", people).refused(422, "invalid")
	bulk(ann.token, "revoke", nil).refused(422, "invalid")
	viewer := w.member(a, ann, "viewer")
	bulk(viewer.token, "revoke", people[:1]).refused(403, "not_permitted")

	// SPEC 3.11: more than 30 %, at least 10 people: refused unless the token of its dry run is repeated.
	refused := bulk(ann.token, "revoke", people).refused(409, "threshold_exceeded")
	if refused.text("confirm") != "" {
		t.Errorf("SPEC 3.11: the token comes with the dry run: %s", refused.body)
	}
	plan := w.do("POST", at, ann.token, body{"action": "revoke", "users": people}, "Roster-Dry-Run", "true").is(200)
	if plan.at("dry_run") != true || plan.count("facts") != 11 || plan.text("facts.0.type") != "membership.revoked" || plan.number("owners_left."+a) != 1 || plan.count("outcomes") != 11 {
		t.Fatalf("SPEC 3.11: %s", plan.body)
	}
	bulk(ann.token, "revoke", people[:10], "confirm", plan.text("confirm")).refused(409, "threshold_exceeded") // it is of another selection
	bulk(ann.token, "suspend", people, "confirm", plan.text("confirm")).refused(409, "threshold_exceeded")
	if got := bulk(ann.token, "revoke", people, "confirm", plan.text("confirm")).is(200); strings.Count(string(got.body), `"done"`) != 11 {
		t.Errorf("SPEC 3.11: %s", got.body)
	}
	// Two owners in one bulk by the operator: one stays (SPEC 3.7).
	bea := w.member(a, ann, "owner")
	if got := bulk(w.operator, "revoke", []string{ann.id, bea.id}).is(200); got.text("results.0.outcome") != "done" || got.text("results.1.code") != "last_active_owner" {
		t.Errorf("SPEC 3.7: %s", got.body)
	}
}

// A dry run of every kind says what would happen, and nothing does (SPEC 3.11).
func TestDryRun(t *testing.T) {
	w := newBareWorld(t)
	a, ann := w.open("Acme")
	eve := w.member(a, ann, "viewer")
	at := "/v1/accounts/" + a
	desk := w.do("POST", at+"/contacts", ann.token, body{"name": "Desk", "email": "desk@example.com", "roles": []string{"security"}}).is(201).text("id")
	before := w.last()
	for _, c := range []struct {
		method, path string
		ask          any
		fact, mails  string
	}{
		{"POST", at + "/invitations", body{"emails": "new@example.com, nobody", "roles": []string{"viewer"}}, "invitation.created", "invitation"},
		{"PUT", at + "/users/" + eve.id + "/role", body{"roles": []string{"admin"}}, "membership.role_changed", "roles_changed"},
		{"PUT", at + "/users/" + eve.id + "/role", body{"roles": []string{"owner"}}, "membership.role_changed", "owner_won roles_changed"},
		{"POST", at + "/users/" + eve.id + "/suspend", body{"reason": "on leave"}, "membership.suspended", ""},
		{"POST", at + "/users/" + eve.id + "/revoke", nil, "membership.revoked", ""},
		{"PUT", at + "/roles/clerk", body{"permissions": []string{"users:read"}}, "role.defined", ""},
		{"PUT", at + "/policy", body{"invitation_valid_for": "P1D"}, "account.policy_changed", ""},
		{"PATCH", at, body{"name": "Other"}, "account.renamed", ""},
		{"POST", at + "/close", nil, "account.closed", ""},
		{"POST", "/v1/accounts", body{"name": "Sub", "parent": a}, "account.opened", ""},
		{"POST", at + "/contacts", body{"name": "C", "email": "c@example.com", "roles": []string{"billing"}}, "contact.added", ""},
		{"PUT", at + "/users/" + eve.id + "/access", body{"changes": []body{{"account": a, "grants": nil}}}, "membership.revoked", ""},
	} {
		got := w.do(c.method, c.path, ann.token, c.ask, "Roster-Dry-Run", "true").is(200)
		if got.at("dry_run") != true || !strings.Contains(sorted(got, "facts", "type"), c.fact) || sorted(got, "mails", "kind") != c.mails || got.text("confirm") == "" || got.header.Get("Roster-Position") != "" {
			t.Errorf("SPEC 3.11: %s %s: %s", c.method, c.path, got.body)
		}
	}
	if got := w.do("PUT", at+"/users/"+eve.id+"/role", ann.token, body{"roles": []string{"owner"}}, "Roster-Dry-Run", "true").is(200); got.text("mails.0.user") != eve.id || got.text("mails.1.contact") != desk {
		t.Errorf("SPEC 3.11, 1.5: %s", got.body)
	}
	if got := w.do("PUT", "/v1/me/password", eve.token, body{"current": goodPassword, "new": nextPassword, "confirm": nextPassword}, "Roster-Dry-Run", "true").is(200); got.text("mails.0.kind") != "password_changed" || got.text("mails.0.user") != eve.id {
		t.Errorf("SPEC 3.11, 4.3: %s", got.body)
	}
	w.do("POST", at+"/users/"+ann.id+"/revoke", w.operator, nil, "Roster-Dry-Run", "true").refused(409, "last_active_owner")
	if after := w.last(); after != before {
		t.Errorf("SPEC 3.11: the log went from %d to %d", before, after)
	}
	if mails := w.do("POST", at+"/invitations", ann.token, body{"emails": "a@example.com b@example.com", "roles": []string{"viewer"}}, "Roster-Dry-Run", "true").is(200); mails.count("mails") != 2 {
		t.Errorf("SPEC 3.11: %s", mails.body)
	}
}

func (w *world) last() uint64 {
	w.t.Helper()
	last, err := w.app.Last(w.t.Context())
	if err != nil {
		w.t.Fatal(err)
	}
	return last
}

// Undo of commands and bulks, and what has changed since (SPEC 3.11).
func TestUndo(t *testing.T) {
	w := newWorld(t)
	a, ann := w.open("Acme")
	sub := w.below(ann.token, a, "Sub")
	eve, bob := w.member(a, ann, "manager"), w.member(a, ann, "viewer")
	at := "/v1/accounts/" + a
	undo := func(by string, of *response) *response {
		t.Helper()
		return w.do("POST", at+"/undo", by, body{"command": of.header.Get("Roster-Command")})
	}
	roles := func(user string) string {
		t.Helper()
		got := w.do("POST", "/v1/check", ann.token, body{"user": user, "permission": "users:read", "account": a}).is(200)
		return fmt.Sprint(got.at("roles"))
	}
	changed := w.do("PUT", at+"/users/"+eve.id+"/role", ann.token, body{"roles": []string{"viewer"}}).is(200)
	undo(ann.token, changed).is(200)
	if got := roles(eve.id); got != "[manager]" {
		t.Errorf("SPEC 3.11: role %s", got)
	}
	bulk := w.do("POST", at+"/users/bulk", ann.token, body{"action": "revoke", "users": []string{eve.id, bob.id}}).is(200)
	w.do("GET", at, eve.token, nil).refused(404, "not_found")
	done := undo(ann.token, bulk).is(200)
	if roles(eve.id) != "[manager]" || roles(bob.id) != "[viewer]" || done.text("undoes") != bulk.header.Get("Roster-Command") {
		t.Errorf("SPEC 3.11: bulk: %s", done.body)
	}
	w.do("GET", at, eve.token, nil).is(200)

	// What has changed since is named, and nothing happens.
	bulk = w.do("POST", at+"/users/bulk", ann.token, body{"action": "suspend", "users": []string{eve.id, bob.id}}).is(200)
	w.do("POST", at+"/users/"+bob.id+"/reactivate", ann.token, body{}).is(200)
	if got := undo(ann.token, bulk).refused(409, "changed_since"); !strings.Contains(got.text("errors.0.message"), bob.id) || got.count("errors") != 1 {
		t.Errorf("SPEC 3.11: %s", got.body)
	}
	w.do("GET", at, eve.token, nil).refused(403, "not_permitted")

	// Under today's rights: an admin cannot undo what an owner did to an owner.
	bea, admin := w.member(a, ann, "owner"), w.member(a, ann, "admin")
	demoted := w.do("PUT", at+"/users/"+bea.id+"/role", ann.token, body{"roles": []string{"viewer"}}).is(200)
	undo(admin.token, demoted).refused(403, "exceeds_own_access")
	undo(ann.token, demoted).is(200)

	// Several accounts are one command, and are undone as one.
	access := w.do("PUT", at+"/users/"+bob.id+"/access", ann.token, body{"changes": []body{{"account": a, "grants": nil}, {"account": sub, "grants": []body{{"roles": []string{"viewer"}}}}}}).is(200)
	undo(ann.token, access).is(200)
	if roles(bob.id) != "[viewer]" {
		t.Error("SPEC 3.8, 3.11: the access is not back")
	}
	w.do("GET", "/v1/accounts/"+sub, bob.token, nil).refused(404, "not_found")

	for _, c := range []*response{w.do("PATCH", at, ann.token, body{"name": "Other"}).is(200), w.do("PUT", at+"/policy", ann.token, body{"invitation_valid_for": "P1D"}).is(200),
		w.do("PUT", at+"/roles/clerk", ann.token, body{"permissions": []string{"users:read"}}).is(200),
		w.do("POST", at+"/invitations", ann.token, body{"emails": "new@example.com", "roles": []string{"viewer"}}).is(200)} {
		undo(ann.token, c).is(200)
	}
	if got := w.do("GET", at, ann.token, nil); got.text("name") != "Acme" {
		t.Errorf("SPEC 3.11: %s", got.body)
	}
	w.do("GET", at+"/roles/clerk", ann.token, nil).refused(404, "not_found")
	// What cannot be taken back, what is not there, and what is another account's.
	left := w.do("POST", "/v1/me/accounts/"+a+"/leave", bob.token, nil).is(200)
	undo(ann.token, left).refused(422, "invalid")
	other, stranger := w.open("Other")
	w.do("POST", "/v1/accounts/"+other+"/undo", stranger.token, body{"command": changed.header.Get("Roster-Command")}).refused(404, "not_found")
	w.do("POST", at+"/undo", ann.token, body{"command": "nonsense"}).refused(422, "invalid")
}

// Lock, unlock, end sessions, break-glass (SPEC 4.10), and acting on behalf (SPEC 7.1).
func TestOperatorOverUsers(t *testing.T) {
	w := newWorld(t)
	a, ann := w.open("Acme")
	eve := w.member(a, ann, "admin")
	user := func(id, verb string) string { return "/v1/operator/users/" + id + "/" + verb }
	w.do("POST", user(eve.id, "lock"), ann.token, nil).refused(403, "not_permitted")
	w.do("POST", user(a, "lock"), w.operator, nil).refused(404, "not_found")
	if got := w.do("POST", user(eve.id, "lock"), w.operator, body{"reason": "stolen"}).is(200); got.text("status") != "locked" || got.number("sessions") != 0 {
		t.Errorf("SPEC 4.10: %s", got.body)
	}
	w.do("GET", "/v1/me", eve.token, nil).refused(401, "sign_in_required")
	w.do("POST", "/v1/sessions", "", body{"email": eve.email, "password": goodPassword}).refused(401, "bad_credentials")
	w.do("POST", user(eve.id, "unlock"), w.operator, nil).is(200)
	eve.token = w.signIn(eve.email)
	if got := w.do("POST", user(eve.id, "end-sessions"), w.operator, nil).is(200); got.number("sessions") != 0 {
		t.Errorf("%s", got.body)
	}
	w.do("GET", "/v1/me", eve.token, nil).refused(401, "sign_in_required")

	// A last owner is locked only by force; then the operator appoints another.
	if got := w.do("POST", user(ann.id, "lock"), w.operator, nil).refused(409, "last_active_owner"); got.text("accounts.0") != a {
		t.Errorf("SPEC 4.10: %s", got.body)
	}
	w.do("POST", user(ann.id, "lock"), w.operator, body{"force": true}).is(200)
	w.do("POST", "/v1/operator/accounts/"+a+"/owner", w.operator, body{"user": eve.id}).is(200)
	eve.token = w.signIn(eve.email)
	if got := w.do("GET", "/v1/accounts/"+a, eve.token, nil).is(200); got.text("roles.0") != "owner" {
		t.Errorf("%s", got.body)
	}
	w.do("POST", user(ann.id, "unlock"), w.operator, nil).is(200)

	// SPEC 7.1: decided with that person's rights, and noted so.
	bob := w.member(a, eve, "viewer")
	invite := body{"emails": "new@example.com", "roles": []string{"viewer"}}
	w.do("POST", invitations(a), w.operator, invite, "Roster-On-Behalf-Of", bob.id).refused(403, "not_permitted")
	r := w.do("POST", invitations(a), w.operator, invite, "Roster-On-Behalf-Of", eve.id).is(200)
	if got := w.do("GET", "/v1/me", w.operator, nil, "Roster-On-Behalf-Of", bob.id).is(200); got.text("id") != bob.id {
		t.Errorf("SPEC 7.1: %s", got.body)
	}
	entry := w.do("GET", "/v1/accounts/"+a+"/audit?action=invitation.created&limit=1", eve.token, nil).is(200)
	if entry.text("items.0.actor.type") != "operator" || entry.text("items.0.on_behalf_of.id") != eve.id {
		t.Errorf("SPEC 5.1: %s", entry.body)
	}
	// The invitation is that person's: it dies with their right (SPEC 2.10).
	w.do("PUT", "/v1/accounts/"+a+"/users/"+eve.id+"/role", w.operator, body{"roles": []string{"viewer"}}).is(200)
	w.do("GET", "/v1/invitations/"+w.link(a, r.text("results.0.invitation"), 1), "", nil).refused(410, "invitation_revoked")
}

// Moves that cross make no cycle, however many at once (SPEC 1.1, DESIGN 3).
func TestCrossingMoves(t *testing.T) {
	w := newBareWorld(t)
	root, owner := w.open("Acme")
	for range 10 {
		a, b := w.below(owner.token, root, "A"), w.below(owner.token, root, "B")
		var both sync.WaitGroup
		for _, move := range [][2]string{{a, b}, {b, a}} {
			both.Go(func() {
				if _, err := w.try("PATCH", "/v1/accounts/"+move[0], owner.token, body{"parent": move[1]}); err != nil {
					t.Error(err)
				}
			})
		}
		both.Wait()
		if w.parent(a) == b && w.parent(b) == a {
			t.Fatal("each stands below the other")
		}
		w.clock.pass(time.Second)
	}
}
