package api_test

import (
	"encoding/csv"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"roster/infra/eventlog/memlog"
)

func TestMainJob(t *testing.T) {
	w := newWorld(t)
	token := links{w.keys}.Mint(2, [16]byte{}, [16]byte{1}, 1)
	w.do("GET", "/v1/setup/"+token, "", nil).is(200)
	owner := map[string]any{"email": "Ann@Example.com", "first_name": "Ann", "last_name": "Lee", "password": goodPassword}
	before := w.last()
	if dry := w.do("POST", "/v1/setup/"+token, "", map[string]any{"account": map[string]any{"name": "Acme"}, "owner": owner}, "Roster-Dry-Run", "true").is(200); dry.text("facts.0.type") == "" || w.last() != before {
		t.Errorf("SPEC 3.11: %s", dry.body)
	}
	set := w.do("POST", "/v1/setup/"+token, "", map[string]any{"account": map[string]any{"name": "Acme"}, "owner": owner}).is(201)
	w.do("POST", "/v1/setup/"+token, "", map[string]any{"account": map[string]any{"name": "Acme"}, "owner": owner}).refused(410, "invitation_used")
	w.do("GET", "/v1/setup/"+token, "", nil).refused(410, "invitation_used")
	account := set.text("account")
	at := "/v1/accounts/" + account
	ann := w.signIn("ann@example.com")

	me := w.do("GET", "/v1/me", ann, nil).is(200)
	if me.text("email") != "ann@example.com" || me.text("first_name") != "Ann" || me.text("id") != set.text("user") {
		t.Errorf("me: %s", me.body)
	}
	if got := w.do("GET", at, ann, nil).is(200); got.text("name") != "Acme" || got.text("roles.0") != "owner" || got.header.Get("ETag") == "" {
		t.Errorf("account: %s", got.body)
	}
	if got := w.do("GET", "/v1/me/accounts", ann, nil).is(200); got.count("items") != 1 {
		t.Errorf("accounts: %s", got.body)
	}

	// Invite three, one of them twice and one that is no address.
	r := w.do("POST", at+"/invitations", ann, map[string]any{"emails": "Bob Roe <bob@example.com>, cid@example.com; BOB@example.com nonsense", "roles": []string{"admin"}, "valid_for": "P3D"}).is(200)
	if r.count("results") != 3 || r.text("results.0.outcome") != "invited" || r.text("results.2.outcome") != "invalid_address" {
		t.Fatalf("results: %s", r.body)
	}
	again := w.do("POST", at+"/invitations", ann, map[string]any{"emails": []string{"bob@example.com"}, "roles": []string{"admin"}}).is(200)
	if again.text("results.0.outcome") != "already_invited" || again.text("results.0.accounts.0") != account {
		t.Errorf("again: %s", again.body)
	}
	if got := w.do("GET", at+"/invitations?status=pending", ann, nil).is(200); got.count("items") != 2 {
		t.Errorf("invitations: %s", got.body)
	}
	bobs, cids := r.text("results.0.invitation"), r.text("results.1.invitation")
	look := w.do("GET", "/v1/invitations/"+w.link(account, bobs, 1), "", nil).is(200)
	if look.text("account.name") != "Acme" || look.text("inviter.name") != "Ann Lee" || look.text("email") != "bob@example.com" || look.text("roles.0") != "admin" {
		t.Errorf("look: %s", look.body)
	}
	bob := w.accept(account, bobs, "bob@example.com", "Bob", "Roe")
	users := w.do("GET", at+"/users?sort=-name", ann, nil).is(200)
	if users.count("items") != 3 || users.number("counts.active") != 2 || users.number("counts.pending") != 1 || users.header.Get("Roster-Lag") != "0" {
		t.Errorf("users: %s", users.body)
	}
	last, _ := w.log.Last(t.Context())
	if got := w.do("GET", at+"/users?permission=users:invite&status=active,suspended&q=ROE", ann, nil, "Roster-Min-Position", strconv.FormatUint(last, 10)).is(200); got.count("items") != 1 || got.text("items.0.id") != bob.id || got.at("items.0.last_sign_in") == nil {
		t.Errorf("filtered: %s", got.body)
	}

	// Resend, then the older link is replaced; revoke, then the newer is dead too.
	w.do("POST", at+"/invitations/"+cids+"/resend", ann, nil).is(200)
	dead := w.do("GET", "/v1/invitations/"+w.link(account, cids, 1), "", nil).refused(410, "invitation_replaced")
	if dead.text("inviter.name") != "Ann Lee" || dead.text("inviter.email") != "ann@example.com" || strings.Contains(string(dead.body), "cid") {
		t.Errorf("dead: %s", dead.body)
	}
	w.do("POST", at+"/invitations/"+cids+"/revoke", ann, nil).is(200)
	w.do("POST", "/v1/invitations/"+w.link(account, cids, 2)+"/accept", "", map[string]any{"password": "x"}).refused(410, "invitation_revoked")
	w.do("POST", "/v1/invitations/"+w.link(account, bobs, 1)+"/accept", "", map[string]any{"password": "x"}).refused(410, "invitation_used")

	// The last owner stays, whoever asks and whatever for.
	me1 := at + "/users/" + set.text("user")
	w.do("PUT", me1+"/role", ann, map[string]any{"roles": []string{"viewer"}}).refused(409, "last_active_owner")
	w.do("POST", "/v1/me/accounts/"+account+"/leave", ann, nil).refused(409, "last_active_owner")
	w.do("POST", me1+"/suspend", ann, nil).refused(403, "not_permitted")
	w.do("POST", me1+"/revoke", w.operator, nil).refused(409, "last_active_owner")
	w.do("PUT", me1+"/role", bob.token, map[string]any{"roles": []string{"viewer"}}).refused(403, "exceeds_own_access")
	w.do("PUT", at+"/users/"+bob.id+"/role", bob.token, map[string]any{"roles": []string{"owner"}}).refused(403, "exceeds_own_access")

	// Suspended is refused with the very next request; reactivating restores.
	check := map[string]any{"user": bob.id, "permission": "users:invite", "account": account}
	if got := w.do("POST", "/v1/check", ann, check).is(200); got.at("allowed") != true {
		t.Errorf("check: %s", got.body)
	}
	w.do("POST", at+"/users/"+bob.id+"/suspend", ann, map[string]any{"reason": "on leave"}).is(200)
	w.do("GET", at+"/users", bob.token, nil).refused(403, "not_permitted")
	if got := w.do("POST", "/v1/check", w.operator, []any{check, check}).is(200); got.at("1.allowed") != false {
		t.Errorf("check: %s", got.body)
	}
	w.do("POST", at+"/users/"+bob.id+"/reactivate", ann, nil).is(200)
	w.do("GET", at+"/users/"+bob.id, bob.token, nil).is(200)
	if got := w.do("PUT", at+"/users/"+bob.id+"/role", ann, map[string]any{"roles": []string{"viewer"}}).is(200); got.text("roles.0") != "viewer" {
		t.Errorf("role: %s", got.body)
	}
	w.do("POST", at+"/invitations", bob.token, map[string]any{"emails": "dan@example.com", "roles": []string{"viewer"}}).refused(403, "not_permitted")
	w.do("GET", at+"/audit", bob.token, nil).refused(403, "not_permitted")
	w.do("POST", at+"/users/"+bob.id+"/revoke", ann, nil).is(200)
	w.do("GET", at+"/users", bob.token, nil).refused(404, "not_found")

	// All of it stands in the trail, refusals too.
	refused := w.do("GET", at+"/audit?outcome=refused&actor="+bob.id, ann, nil).is(200)
	if refused.count("items") == 0 || refused.text("items.0.actor.name") != "Bob Roe" || refused.text("items.0.code") != "not_permitted" {
		t.Errorf("refused: %s", refused.body)
	}
	if got := w.do("GET", at+"/audit?action=membership.suspended", ann, nil).is(200); got.text("items.0.reason") != "on leave" || got.text("items.0.ip") != "127.0.0.1" {
		t.Errorf("audit: %s", got.body)
	}
	if got := w.do("GET", "/v1/operator/audit", w.operator, nil).is(200); got.count("items") < 10 {
		t.Errorf("operator's audit: %s", got.body)
	}
	w.do("GET", "/v1/operator/audit", ann, nil).refused(403, "not_permitted")
	w.do("DELETE", "/v1/sessions/current", ann, nil).is(200)
	w.do("GET", "/v1/me", ann, nil).refused(401, "sign_in_required")
}

func TestExport(t *testing.T) {
	w := newWorld(t)
	account, owner := w.open("Acme")
	r := w.do("POST", "/v1/accounts/"+account+"/invitations", owner.token, map[string]any{"emails": "eve@example.com", "roles": []string{"viewer"}}).is(200)
	w.accept(account, r.text("results.0.invitation"), "eve@example.com", "=HYPERLINK(A1)", "@SUM")
	at := "/v1/accounts/" + account + "/audit"
	table := w.do("GET", at, owner.token, nil, "Accept", "text/csv").is(200)
	rows, err := csv.NewReader(strings.NewReader(string(table.body))).ReadAll()
	if err != nil || len(rows) < 5 {
		t.Fatalf("%d rows, %v", len(rows), err)
	}
	hostile := 0
	for _, row := range rows {
		for _, cell := range row {
			if cell != "" && strings.ContainsRune("=+-@\t\r", rune(cell[0])) {
				t.Errorf("a formula: %q", cell)
			}
			if strings.HasPrefix(cell, "'=HYPERLINK") {
				hostile++
			}
		}
	}
	if hostile == 0 {
		t.Errorf("the hostile name is not there:\n%s", table.body)
	}
	lines := w.do("GET", at, owner.token, nil, "Accept", "application/x-ndjson").is(200)
	all := strings.Split(strings.TrimSpace(string(lines.body)), "\n")
	if len(all) != len(rows)-1 {
		t.Errorf("%d lines, %d rows", len(all), len(rows)-1)
	}
	// It goes on behind the entry that arrived last.
	rest := w.do("GET", at+"?cursor="+rows[2][0]+"."+rows[2][1], owner.token, nil, "Accept", "application/x-ndjson").is(200)
	if got := strings.Count(string(rest.body), "\n"); got != len(all)-2 {
		t.Errorf("%d lines after a break, want %d", got, len(all)-2)
	}
	w.do("GET", at+"?cursor=x", owner.token, nil, "Accept", "application/x-ndjson").refused(422, "invalid")
	w.do("GET", at, owner.token, nil, "Accept", "text/html").refused(406, "not_acceptable")
	viewer := w.member(account, owner, "manager")
	w.do("GET", at, viewer.token, nil).is(200)
	w.do("GET", at, viewer.token, nil, "Accept", "text/csv").refused(403, "not_permitted")
}

func TestManyAddresses(t *testing.T) {
	w := newWorld(t)
	account, owner := w.open("Acme")
	var list []string
	for i := range 600 {
		list = append(list, fmt.Sprintf("p%d@example.com", i))
	}
	list[300] = "no address"
	at := "/v1/accounts/" + account + "/invitations"
	body := map[string]any{"emails": list, "roles": []string{"viewer"}}
	first := w.do("POST", at, owner.token, body, "Idempotency-Key", "many").is(200)
	// "no address" is two words, neither of which is one.
	if first.count("results") != 601 || first.text("results.300.outcome") != "invalid_address" || first.text("results.600.outcome") != "invited" {
		t.Fatalf("%d results", first.count("results"))
	}
	again := w.do("POST", at, owner.token, body, "Idempotency-Key", "many").is(200)
	if string(again.body) != string(first.body) {
		t.Error("the repeat answers something else")
	}
	third := w.do("POST", at, owner.token, body).is(200)
	if third.text("results.0.outcome") != "already_invited" || third.text("results.600.outcome") != "already_invited" {
		t.Errorf("third: %.300s", third.body)
	}
	if got := w.do("GET", at+"?limit=500", owner.token, nil).is(200); got.count("items") != 500 || got.text("next_cursor") == "" {
		t.Errorf("%d items", got.count("items"))
	}
	for i := range 4500 {
		list = append(list, fmt.Sprintf("q%d@example.com", i))
	}
	last, _ := w.log.Last(t.Context())
	w.do("POST", at, owner.token, map[string]any{"emails": list, "roles": []string{"viewer"}}).refused(422, "invalid")
	if now, _ := w.log.Last(t.Context()); now != last {
		t.Error("something was written")
	}
}

func TestFiftyAccepts(t *testing.T) {
	w := newWorld(t)
	account, owner := w.open("Acme")
	r := w.do("POST", "/v1/accounts/"+account+"/invitations", owner.token, map[string]any{"emails": "eve@example.com", "roles": []string{"viewer"}}).is(200)
	path := "/v1/invitations/" + w.link(account, r.text("results.0.invitation"), 1) + "/accept"
	var mu sync.Mutex
	statuses := map[int]int{}
	var all sync.WaitGroup
	for range 50 {
		all.Go(func() {
			got, err := w.try("POST", path, "", map[string]any{"first_name": "Eve", "last_name": "Ray", "password": goodPassword})
			if err != nil {
				t.Error(err)
				return
			}
			mu.Lock()
			defer mu.Unlock()
			statuses[got.status]++
		})
	}
	all.Wait()
	if statuses[200] != 1 || statuses[410] != 49 {
		t.Errorf("statuses: %v", statuses)
	}
	if got := w.do("GET", "/v1/accounts/"+account+"/audit?action=membership.granted", owner.token, nil).is(200); got.count("items") != 2 {
		t.Errorf("memberships: %s", got.body)
	}
}

func TestIdempotency(t *testing.T) {
	w := newWorld(t)
	body := map[string]any{"name": "Acme", "owner": map[string]any{"email": "ann@example.com"}}
	first := w.do("POST", "/v1/accounts", w.operator, body, "Idempotency-Key", "k1").is(201)
	again := w.do("POST", "/v1/accounts", w.operator, body, "Idempotency-Key", "k1").is(201)
	if first.text("id") == "" || string(first.body) != string(again.body) || first.header.Get("Roster-Position") != again.header.Get("Roster-Position") {
		t.Errorf("%s\n%s", first.body, again.body)
	}
	w.do("POST", "/v1/accounts", w.operator, map[string]any{"name": "Other"}, "Idempotency-Key", "k1").refused(422, "idempotency_conflict")
	for _, key := range []string{"with space", strings.Repeat("k", 256), "ünicode"} {
		w.do("POST", "/v1/accounts", w.operator, body, "Idempotency-Key", key).refused(400, "malformed")
	}
	// The caller of a link is the invitation: accepting again under its key answers the same, with any password.
	account := first.text("id")
	path := "/v1/invitations/" + w.link(account, first.text("invitation"), 1) + "/accept"
	person := map[string]any{"first_name": "Ann", "last_name": "Lee", "password": goodPassword}
	one := w.do("POST", path, "", person, "Idempotency-Key", "a").is(200)
	person["password"] = goodPassword + "!"
	two := w.do("POST", path, "", person, "Idempotency-Key", "a").is(200)
	if string(one.body) != string(two.body) {
		t.Errorf("%s\n%s", one.body, two.body)
	}
	// An answer that got lost: the same key finds out.
	w.log.Fail(memlog.LostAck)
	w.do("POST", "/v1/accounts", w.operator, map[string]any{"name": "Third"}, "Idempotency-Key", "k3").is(201)
	w.log.Fail(memlog.Unavailable)
	away := w.do("POST", "/v1/accounts", w.operator, map[string]any{"name": "Fourth"}, "Idempotency-Key", "k4").refused(503, "unavailable")
	if away.header.Get("Retry-After") == "" {
		t.Error("no Retry-After")
	}
}

func TestVersions(t *testing.T) {
	w := newWorld(t)
	account, owner := w.open("Acme")
	eve := w.member(account, owner, "viewer")
	at := "/v1/accounts/" + account + "/users/" + eve.id
	tag := w.do("GET", at, owner.token, nil).is(200).header.Get("ETag")
	changed := w.do("PUT", at+"/role", owner.token, map[string]any{"roles": []string{"manager"}}, "If-Match", tag).is(200)
	w.do("PUT", at+"/role", owner.token, map[string]any{"roles": []string{"admin"}}, "If-Match", tag).refused(412, "stale_version")
	if got := w.do("GET", at, owner.token, nil, "If-None-Match", tag).is(200); got.header.Get("ETag") != changed.header.Get("ETag") || got.text("roles.0") != "manager" {
		t.Errorf("%s %s", got.header.Get("ETag"), got.body)
	}
	for _, bad := range []string{"7", `W/"7"`, `"x"`, `"1", "2"`} {
		w.do("POST", at+"/suspend", owner.token, nil, "If-Match", bad).refused(400, "malformed")
	}
	w.do("POST", at+"/suspend", owner.token, nil, "If-Match", "*").is(200)

	r := w.do("POST", "/v1/accounts/"+account+"/invitations", owner.token, map[string]any{"emails": "eve2@example.com", "roles": []string{"viewer"}, "valid_for": "PT1H"}).is(200)
	invitation := "/v1/accounts/" + account + "/invitations/" + r.text("results.0.invitation")
	tag = w.do("GET", invitation, owner.token, nil).is(200).header.Get("ETag")
	w.do("GET", invitation, owner.token, nil, "If-None-Match", `"1", `+tag).is(304)
	w.clock.pass(time.Hour + time.Second)
	if got := w.do("GET", invitation, owner.token, nil, "If-None-Match", tag).is(200); got.text("status") != "expired" {
		t.Errorf("expired: %s", got.body)
	}
	w.do("GET", "/v1/invitations/"+w.link(account, r.text("results.0.invitation"), 1), "", nil).refused(410, "invitation_expired")
}

// Nothing that an answer shows may have changed when 304 says that nothing has.
func TestNotModifiedHidesNothing(t *testing.T) {
	w := newWorld(t)
	account, owner := w.open("Acme")
	at := "/v1/accounts/" + account
	r := w.do("POST", at+"/invitations", owner.token, map[string]any{"emails": "eve@example.com", "roles": []string{"admin"}}).is(200)
	eve := w.do("POST", "/v1/invitations/"+w.link(account, r.text("results.0.invitation"), 1)+"/accept", "",
		map[string]any{"first_name": "Eve", "last_name": "Moss", "password": goodPassword}).is(200).text("user")
	tag := w.do("GET", at+"/users/"+eve, owner.token, nil).is(200).header.Get("ETag")
	token := w.signIn("eve@example.com")
	if got := w.do("GET", at+"/users/"+eve, owner.token, nil, "If-None-Match", tag).is(200); got.text("last_sign_in") == "" || got.header.Get("ETag") != tag {
		t.Errorf("%s %s", got.header.Get("ETag"), got.body)
	}

	tag = w.do("GET", at, token, nil).is(200).header.Get("ETag")
	w.do("PUT", at+"/users/"+eve+"/role", owner.token, map[string]any{"roles": []string{"viewer"}}).is(200)
	if got := w.do("GET", at, token, nil, "If-None-Match", tag).is(200); got.text("roles.0") != "viewer" {
		t.Errorf("%s", got.body)
	}
}

func TestCursors(t *testing.T) {
	w := newWorld(t)
	account, owner := w.open("Acme")
	other, stranger := w.open("Other")
	for range 3 {
		w.member(account, owner, "viewer")
		w.member(other, stranger, "viewer")
	}
	at := "/v1/accounts/" + account + "/users?limit=1"
	page := w.do("GET", at+"&sort=-email", owner.token, nil).is(200)
	cursor := page.text("next_cursor")
	seen := map[string]bool{page.text("items.0.id"): true}
	for cursor != "" {
		page = w.do("GET", at+"&sort=-email&cursor="+cursor, owner.token, nil).is(200)
		seen[page.text("items.0.id")] = true
		cursor = page.text("next_cursor")
	}
	if len(seen) != 4 {
		t.Errorf("%d entries", len(seen))
	}
	cursor = w.do("GET", at+"&sort=-email", owner.token, nil).is(200).text("next_cursor")
	forged := []byte(cursor)
	forged[len(forged)/2] ^= 1
	for _, bad := range []string{
		at + "&sort=-email&cursor=" + string(forged), at + "&sort=-email&cursor=AAAA", at + "&sort=email&cursor=" + cursor,
		at + "&sort=-email&role=viewer&cursor=" + cursor, "/v1/accounts/" + account + "/audit?limit=1&cursor=" + cursor,
	} {
		if got := w.do("GET", bad, owner.token, nil).refused(422, "invalid"); got.locations() != "query.cursor" {
			t.Errorf("%s", got.body)
		}
	}
	w.do("GET", "/v1/accounts/"+other+"/users?limit=1&sort=-email&cursor="+cursor, stranger.token, nil).refused(422, "invalid")
	// The page size may change in between, and no personal data stands in a cursor.
	w.do("GET", "/v1/accounts/"+account+"/users?limit=2&sort=-email&cursor="+cursor, owner.token, nil).is(200)
	trail := w.do("GET", "/v1/accounts/"+account+"/audit?limit=2", owner.token, nil).is(200)
	w.do("GET", "/v1/accounts/"+account+"/audit?limit=2&cursor="+trail.text("next_cursor"), owner.token, nil).is(200)
}

func TestPositions(t *testing.T) {
	w := newWorld(t)
	account, owner := w.open("Acme")
	at := "/v1/accounts/" + account + "/users"
	got := w.do("GET", at, owner.token, nil).is(200)
	if got.header.Get("Roster-Position") == "" || got.header.Get("Roster-Lag") != "0" {
		t.Errorf("headers: %v", got.header)
	}
	w.do("GET", at, owner.token, nil, "Roster-Min-Position", got.header.Get("Roster-Position")).is(200)
	w.do("GET", at, owner.token, nil, "Roster-Min-Position", "99999999").refused(504, "position_timeout")
	w.do("GET", "/v1/me", owner.token, nil, "Roster-Min-Position", "99999999").refused(504, "position_timeout")
	w.do("GET", at, owner.token, nil, "Roster-Min-Position", "-1").refused(400, "malformed")
}

func TestWithoutProjections(t *testing.T) {
	w := newBareWorld(t)
	account, owner := w.open("Acme")
	eve := w.member(account, owner, "admin")
	at := "/v1/accounts/" + account
	for _, path := range []string{at + "/users", at + "/users/" + eve.id, at + "/invitations", at + "/audit"} {
		if got := w.do("GET", path, owner.token, nil).refused(503, "unavailable"); got.header.Get("Retry-After") == "" {
			t.Error("no Retry-After")
		}
	}
	w.do("GET", "/v1/me", eve.token, nil).is(200)
	w.do("GET", at, eve.token, nil).is(200)
	w.do("POST", at+"/users/"+eve.id+"/suspend", owner.token, nil).is(200)
	w.do("GET", at, eve.token, nil).refused(403, "not_permitted")
	w.do("POST", at+"/invitations", eve.token, map[string]any{"emails": "x@example.com", "roles": []string{"viewer"}}).refused(403, "not_permitted")
	w.do("POST", at+"/users/"+eve.id+"/revoke", owner.token, nil).is(200)
	w.do("GET", at, eve.token, nil).refused(404, "not_found")
}

// With the database away commands go on; questions are unavailable, and say when to ask again.
func TestDatabaseAway(t *testing.T) {
	w := newWorld(t)
	account, owner := w.open("Acme")
	w.pool.Close()
	at := "/v1/accounts/" + account
	if got := w.do("GET", at+"/users", owner.token, nil).refused(503, "unavailable"); got.header.Get("Retry-After") == "" {
		t.Error("no Retry-After")
	}
	w.do("GET", at+"/audit", owner.token, nil, "Accept", "text/csv").refused(503, "unavailable")
	w.do("POST", at+"/invitations", owner.token, map[string]any{"emails": "x@example.com", "roles": []string{"viewer"}}).is(200)
	w.do("GET", at, owner.token, nil).is(200)
}

// A repeat is answered as the first time, even when the right to do it has gone since.
func TestRepeatOfWhatIsNoLongerAllowed(t *testing.T) {
	w := newBareWorld(t)
	account, owner := w.open("Acme")
	eve := w.member(account, owner, "admin")
	at := "/v1/accounts/" + account
	body := map[string]any{"emails": "x@example.com, y@example.com, nobody", "roles": []string{"viewer"}}
	first := w.do("POST", at+"/invitations", eve.token, body, "Idempotency-Key", "k").is(200)
	w.do("PUT", at+"/users/"+eve.id+"/role", owner.token, map[string]any{"roles": []string{"viewer"}}).is(200)
	again := w.do("POST", at+"/invitations", eve.token, body, "Idempotency-Key", "k").is(200)
	if string(first.body) != string(again.body) {
		t.Errorf("%s\n%s", first.body, again.body)
	}
	w.do("POST", at+"/invitations", eve.token, body, "Idempotency-Key", "k2").refused(403, "not_permitted")
	body["roles"] = []string{"admin"}
	w.do("POST", at+"/invitations", eve.token, body, "Idempotency-Key", "k").refused(422, "idempotency_conflict")
}

func TestOperator(t *testing.T) {
	w := newWorld(t)
	account, owner := w.open("Acme")
	eve := w.member(account, owner, "viewer")
	w.do("POST", "/v1/operator/erase", owner.token, map[string]any{"user": eve.id}).refused(403, "not_permitted")
	w.do("POST", "/v1/operator/erase", w.operator, map[string]any{"user": eve.id, "email": "x@example.com"}).refused(422, "invalid")
	last := w.do("POST", "/v1/operator/erase", w.operator, map[string]any{"user": owner.id}).refused(409, "last_active_owner")
	if last.text("accounts.0") != account {
		t.Errorf("%s", last.body)
	}
	dry := w.do("POST", "/v1/operator/erase", w.operator, map[string]any{"email": eve.email}, "Roster-Dry-Run", "true").is(200) // SPEC 3.11
	if !strings.Contains(string(dry.body), `"dry_run":true`) || !strings.Contains(string(dry.body), "user.erased") {
		t.Errorf("a dry run: %s", dry.body)
	}
	w.do("GET", "/v1/accounts/"+account+"/users/"+eve.id, w.operator, nil).is(200)
	w.do("POST", "/v1/operator/erase", w.operator, map[string]any{"email": eve.email}).is(200)
	w.do("GET", "/v1/me", eve.token, nil).refused(401, "sign_in_required")
	w.do("POST", "/v1/operator/erase", w.operator, map[string]any{"email": "nobody@example.com"}).refused(404, "not_found")

	w.do("GET", "/v1/operator/projections", owner.token, nil).refused(403, "not_permitted")
	if got := w.do("GET", "/v1/operator/projections", w.operator, nil).is(200); got.count("items") != 5 {
		t.Errorf("%s", got.body)
	}
	if got := w.do("POST", "/v1/operator/projections/user_list/rebuild", w.operator, nil).is(200); got.text("state") != "serving" {
		t.Errorf("%s", got.body)
	}
	w.do("POST", "/v1/operator/projections/nothing/rebuild", w.operator, nil).refused(404, "not_found")
	w.do("POST", "/v1/accounts", owner.token, map[string]any{"name": "Mine"}).refused(403, "not_permitted")
	w.do("POST", "/v1/accounts", w.operator, map[string]any{"name": "Sub", "parent": account}).is(201)
	w.do("GET", "/v1/me", w.operator, nil).refused(403, "not_permitted")
}

func TestSecondAccount(t *testing.T) {
	w := newWorld(t)
	_, ann := w.open("Acme")
	account, owner := w.open("Beta")
	r := w.do("POST", "/v1/accounts/"+account+"/invitations", owner.token, map[string]any{"emails": ann.email, "roles": []string{"viewer"}}).is(200)
	path := "/v1/invitations/" + w.link(account, r.text("results.0.invitation"), 1)
	if got := w.do("GET", path, "", nil).is(200); got.at("has_user") != true {
		t.Errorf("%s", got.body)
	}
	w.do("POST", path+"/accept", "", map[string]any{"first_name": "A", "last_name": "B", "password": goodPassword}).refused(401, "sign_in_required")
	w.do("POST", path+"/accept", owner.token, nil).refused(403, "wrong_recipient")
	w.do("POST", path+"/ask", "", nil).refused(422, "invalid") // it still works
	w.do("POST", path+"/accept", ann.token, nil).is(200)
	if got := w.do("GET", "/v1/me/accounts", ann.token, nil).is(200); got.count("items") != 2 || got.text("items.1.name") != "Beta" {
		t.Errorf("%s", got.body)
	}
	w.do("POST", "/v1/me/accounts/"+account+"/leave", ann.token, nil).is(200)
	r = w.do("POST", "/v1/accounts/"+account+"/invitations", owner.token, map[string]any{"emails": ann.email, "roles": []string{"viewer"}}).is(200)
	path = "/v1/invitations/" + w.link(account, r.text("results.0.invitation"), 1)
	w.do("POST", path+"/decline", "", nil).is(200)
	w.do("POST", path+"/accept", ann.token, nil).refused(410, "invitation_revoked")
	r = w.do("POST", "/v1/accounts/"+account+"/invitations", owner.token, map[string]any{"emails": ann.email, "roles": []string{"viewer"}}).is(200)
	path = "/v1/invitations/" + w.link(account, r.text("results.0.invitation"), 1)
	w.do("POST", "/v1/accounts/"+account+"/invitations/"+r.text("results.0.invitation")+"/revoke", owner.token, nil).is(200)
	for _, verb := range []string{"/accept", "/decline"} { // a dead link says whom to ask
		if got := w.do("POST", path+verb, "", nil).refused(410, "invitation_revoked"); got.text("account.name") != "Beta" || got.text("inviter.name") == "" {
			t.Errorf("%s: %s", verb, got.body)
		}
	}
}

func TestCookie(t *testing.T) {
	w := newWorld(t)
	account, owner := w.open("Acme")
	r := w.do("POST", "/v1/sessions", "", map[string]any{"email": owner.email, "password": goodPassword}).is(201)
	cookies, err := http.ParseSetCookie(r.header.Get("Set-Cookie"))
	if err != nil || cookies.Name != "roster_session" || !cookies.HttpOnly || cookies.SameSite != http.SameSiteLaxMode || cookies.Value != r.text("token") {
		t.Fatalf("%v %v", cookies, err)
	}
	cookie := "roster_session=" + cookies.Value
	at := "/v1/accounts/" + account + "/invitations"
	body := map[string]any{"emails": "x@example.com", "roles": []string{"viewer"}}
	w.do("POST", at, "", body, "Cookie", cookie, "Sec-Fetch-Site", "cross-site").refused(403, "not_permitted")
	w.do("POST", at, "", body, "Cookie", cookie, "Origin", "https://evil.example").refused(403, "not_permitted")
	w.do("POST", "/v1/sessions", "", map[string]any{"email": "a", "password": "b"}, "Origin", "https://evil.example").refused(403, "not_permitted")
	w.do("POST", at, "", body, "Cookie", cookie, "Origin", "http://portal.example").is(200)
	w.do("GET", "/v1/me", "", nil, "Cookie", cookie).is(200)
	w.do("GET", "/v1/me", "", nil, "Cookie", "roster_session=x").refused(401, "sign_in_required")
	for _, header := range []string{"Basic eDp5", "Bearer", "Bearer rs_x"} {
		if got := w.do("GET", "/v1/me", "", nil, "Authorization", header, "Cookie", cookie).refused(401, "sign_in_required"); got.header.Get("WWW-Authenticate") == "" {
			t.Error("no WWW-Authenticate")
		}
	}
}
