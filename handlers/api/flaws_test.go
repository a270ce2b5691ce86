package api_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"

	"roster/handlers"
	"roster/handlers/access"
	"roster/handlers/api"
)

// The flaws of others (RELIABILITY 2.3), each tried here as it was there. Those of second factors stand in
// handlers/access, those that need mails in cmd/roster; webhooks and SCIM (CVE-2026-5469, CVE-2025-4210 in part) are
// not built.
func TestFlawsOfOthers(t *testing.T) {
	w := newWorld(t)
	for name, try := range map[string]func(t *testing.T, w *world){
		"CVE-2026-1529: an edited link":                               editedLink,
		"CVE-2025-64708: an expired invitation, no worker running":    expiredLink,
		"CVE-2022-23555: a token where another kind is asked for":     crossedTokens,
		"CVE-2026-16072: a link in an answer":                         linkInAnswer,
		"CVE-2022-39306: another address at accepting":                otherAddress,
		"CVE-2024-10452: another account's invitation":                otherInvitation,
		"CVE-2026-4325: a used link once more":                        usedLink,
		"CVE-2026-27946, CVE-2026-54693: an address said to be right": ownAddress,
		"CVE-2026-40172: a role by each way there is":                 everyWay,
		"CVE-2026-94000: more by a role of one's own making":          ownRole,
		"CVE-2026-9099: more by moving an account":                    movedAccount,
		"CVE-2026-9796: a role that grows while it is granted":        growingRole,
		"CVE-2025-64431: another account":                             otherAccount,
		"CVE-2024-47060, CVE-2024-46999, CVE-2024-47000: suspended":   suspendedAll,
		"CVE-2025-29928: a session ended on another copy":             endedElsewhere,
		"CVE-2025-12390, CVE-2026-7507: a session known before":       fixedSession,
		"CVE-2024-41952, CVE-2026-23511, CVE-2022-39307: who is who":  whoIsWho,
		"CVE-2026-33503: a forged cursor":                             forgedCursor,
		"CVE-2025-4210: nobody at all":                                anonymousEverywhere,
		"CVE-2026-55670: somebody new under an old address":           recycled,
		"CVE-2026-29193: a sign-up that is switched off":              noSignUp,
		"CVE-2022-39328: many people at once":                         mixedUp,
	} {
		t.Run(name, func(t *testing.T) {
			w.t = t
			try(t, w)
		})
	}
}

func (w *world) invited(account string, by person, role string) (invitation, link string) {
	w.t.Helper()
	w.people++
	r := w.do("POST", invitations(account), by.token, body{"emails": fmt.Sprintf("invited%d@example.com", w.people), "roles": []string{role}}).is(200)
	invitation = r.text("results.0.invitation")
	return invitation, w.link(account, invitation, 1)
}

func accepting() body {
	return body{"first_name": "Eve", "last_name": "Doe", "password": goodPassword}
}

func editedLink(t *testing.T, w *world) {
	account, ann := w.open("Acme")
	_, link := w.invited(account, ann, "viewer")
	for i := range link {
		edited := []byte(link)
		edited[i] = map[bool]byte{true: 'A', false: 'B'}[edited[i] != 'A']
		w.do("POST", "/v1/invitations/"+string(edited)+"/accept", "", accepting()).refused(404, "not_found")
	}
	w.do("POST", "/v1/invitations/"+link+"/accept", "", accepting()).is(200) // SPEC 2.4: none of it has consumed it
}

func expiredLink(t *testing.T, w *world) {
	account, ann := w.open("Acme")
	_, link := w.invited(account, ann, "viewer")
	w.clock.pass(7 * 24 * time.Hour)
	w.do("POST", "/v1/invitations/"+link+"/accept", "", accepting()).refused(410, "invitation_expired") // SPEC 2.5
}

func crossedTokens(t *testing.T, w *world) {
	account, ann := w.open("Acme")
	_, invitation := w.invited(account, ann, "viewer")
	who := uuid.MustParse(ann.id)
	tokens := map[string]string{"/v1/invitations/": invitation, "session": ann.token, "operator": w.operator, "cookie": "roster_session=" + ann.token}
	for purpose, path := range map[byte]string{2: "/v1/setup/", 3: "/v1/confirmations/", 4: "/v1/password-resets/", 5: "/v1/signup/"} {
		tokens[path] = links{w.keys}.Mint(purpose, [16]byte{}, who, 1)
	}
	for kind, token := range tokens {
		for _, path := range []string{"/v1/invitations/", "/v1/setup/", "/v1/confirmations/", "/v1/password-resets/", "/v1/signup/"} {
			if path != kind {
				w.do("GET", path+token, "", nil).refused(404, "not_found")
			}
		}
		if kind != "session" && kind != "operator" {
			w.do("GET", "/v1/me", token, nil).refused(401, "sign_in_required")
		}
	}
}

func linkInAnswer(t *testing.T, w *world) {
	account, ann := w.open("Acme")
	invitation, link := w.invited(account, ann, "viewer")
	asked := 0
	for path, item := range document(t, w)["paths"].(object) {
		if item.(object)["get"] == nil || strings.Contains(path, "{token}") {
			continue
		}
		path = strings.NewReplacer("{account}", account, "{user}", ann.id, "{invitation}", invitation, "{role}", "owner", "{contact}", uuid.NewString()).Replace(path)
		for _, token := range []string{ann.token, w.operator} {
			if r := w.do("GET", path, token, nil); strings.Contains(string(r.body), link[len(link)-40:]) {
				t.Errorf("SPEC 6.4: %s tells the link", path)
			}
			asked++
		}
	}
	if asked < 40 {
		t.Errorf("%d answers only", asked)
	}
}

func otherAddress(t *testing.T, w *world) {
	account, ann := w.open("Acme")
	_, link := w.invited(account, ann, "viewer")
	for _, more := range []string{"email", "roles", "account", "user", "status", "permissions"} {
		b := accepting()
		b[more] = "eve@evil.example"
		w.do("POST", "/v1/invitations/"+link+"/accept", "", b).refused(422, "invalid")
	}
	w.do("POST", "/v1/invitations/"+link+"/accept", "", accepting()).is(200)
	w.do("POST", "/v1/sessions", "", body{"email": "eve@evil.example", "password": goodPassword}).refused(401, "bad_credentials")
}

func otherInvitation(t *testing.T, w *world) {
	theirs, ann := w.open("Theirs")
	invitation, link := w.invited(theirs, ann, "viewer")
	mine, eve := w.open("Mine")
	for _, account := range []string{theirs, mine} {
		for _, verb := range []string{"/revoke", "/resend"} {
			w.do("POST", invitations(account)+"/"+invitation+verb, eve.token, nil).refused(404, "not_found")
		}
	}
	w.do("POST", "/v1/invitations/"+link+"/accept", "", accepting()).is(200)
}

func usedLink(t *testing.T, w *world) {
	_, ann := w.open("Acme")
	w.do("POST", "/v1/password-resets", "", body{"email": ann.email}).is(202)
	link := links{w.keys}.Mint(4, [16]byte{}, uuid.MustParse(ann.id), 1)
	choose := func(password string) *response {
		return w.do("POST", "/v1/password-resets/"+link, "", body{"password": password})
	}
	choose("An0ther & better one").is(200)
	choose("A third & worse one 3").refused(410, "invitation_used") // SPEC 4.4
	w.do("POST", "/v1/password-resets", "", body{"email": ann.email}).is(202)
	choose("A third & worse one 3").refused(410, "invitation_replaced")
	w.clock.pass(48 * time.Hour)
	if r := choose("A third & worse one 3"); r.status != 410 {
		t.Errorf("SPEC 4.4: two days later: %d %s", r.status, r.body)
	}
	w.do("POST", "/v1/sessions", "", body{"email": ann.email, "password": "A third & worse one 3"}).refused(401, "bad_credentials")
}

func ownAddress(t *testing.T, w *world) {
	_, ann := w.open("Acme")
	for _, field := range []string{"email", "email_verified", "emailVerified", "verified", "roles", "status", "two_factor", "id", "locked"} {
		w.do("PATCH", "/v1/me", ann.token, body{field: "boss@evil.example"}).refused(422, "invalid") // SPEC 4.2
	}
	for _, more := range []string{"verified", "is_verified", "return_code", "token"} {
		w.do("POST", "/v1/me/email", ann.token, body{"email": "boss@evil.example", "password": goodPassword, more: true}).refused(422, "invalid")
	}
	if email := w.do("GET", "/v1/me", ann.token, nil).is(200).text("email"); email != ann.email {
		t.Errorf("SPEC 4.2: the address is %s", email)
	}
}

func everyWay(t *testing.T, w *world) {
	account, ann := w.open("Acme")
	admin, viewer := w.member(account, ann, "admin"), w.member(account, ann, "viewer")
	users := "/v1/accounts/" + account + "/users"
	owner := []string{"owner"}
	for _, target := range []person{admin, viewer} { // SPEC 3.4
		for what, r := range map[string]*response{
			"role":    w.do("PUT", users+"/"+target.id+"/role", admin.token, body{"roles": owner}),
			"grants":  w.do("PUT", users+"/"+target.id+"/role", admin.token, body{"grants": []body{{"roles": []string{"viewer"}}, {"roles": owner}}}),
			"access":  w.do("PUT", users+"/"+target.id+"/access", admin.token, body{"changes": []body{{"account": account, "grants": []body{{"roles": owner}}}}}),
			"dry run": w.do("PUT", users+"/"+target.id+"/role", admin.token, body{"roles": owner}, "Roster-Dry-Run", "true"),
		} {
			if r.status != 403 {
				t.Errorf("SPEC 3.4: %s: %d %s", what, r.status, r.body)
			}
		}
		bulk := w.do("POST", users+"/bulk", admin.token, body{"action": "change_role", "users": []string{target.id}, "roles": owner})
		if strings.Contains(string(bulk.body), `"done"`) {
			t.Errorf("SPEC 3.6: bulk: %s", bulk.body)
		}
	}
	w.do("POST", invitations(account), admin.token, body{"emails": "new@example.com", "roles": owner}).refused(403, "exceeds_own_access")
	w.do("PUT", "/v1/accounts/"+account+"/roles/owner", admin.token, body{"permissions": []string{"users:read"}}).refused(422, "invalid") // SPEC 3.2
	for _, target := range []person{admin, viewer} {
		if roles := fmt.Sprint(w.do("GET", users+"/"+target.id, ann.token, nil).is(200).at("roles")); strings.Contains(roles, "owner") {
			t.Errorf("SPEC 3.4: %s", roles)
		}
	}
}

func ownRole(t *testing.T, w *world) {
	account, ann := w.open("Acme")
	roles := "/v1/accounts/" + account + "/roles/"
	w.do("PUT", roles+"clerk", ann.token, body{"permissions": []string{"users:read", "users:invite", "users:change_role", "roles:read", "roles:define"}}).is(200)
	clerk := w.member(account, ann, "clerk")
	w.do("PUT", roles+"big", ann.token, body{"permissions": []string{"users:read", "audit:export"}}).is(200)
	w.do("PUT", roles+"mine", clerk.token, body{"permissions": []string{"audit:export"}}).refused(403, "exceeds_own_access") // SPEC 3.4
	w.do("PUT", roles+"clerk", clerk.token, body{"permissions": []string{"users:read", "users:change_role", "audit:export"}}).refused(403, "exceeds_own_access")
	w.do("POST", invitations(account), clerk.token, body{"emails": "x@example.com", "roles": []string{"big"}}).refused(403, "exceeds_own_access")
	w.do("POST", invitations(account), clerk.token, body{"emails": "x@example.com", "roles": []string{"clerk"}, "permissions": []string{"audit:export"}}).refused(403, "exceeds_own_access")
}

func movedAccount(t *testing.T, w *world) {
	theirs, ann := w.open("Theirs")
	mine, eve := w.open("Mine")
	branch := w.do("POST", "/v1/accounts", ann.token, body{"name": "Branch", "parent": theirs}).is(201).text("id")
	for _, account := range []string{theirs, branch} { // SPEC 1.1
		w.do("PATCH", "/v1/accounts/"+account, eve.token, body{"parent": mine}).refused(404, "not_found")
	}
	w.do("PATCH", "/v1/accounts/"+mine, eve.token, body{"parent": theirs}).refused(404, "not_found")
	admin := w.member(branch, ann, "admin")
	if r := w.do("PATCH", "/v1/accounts/"+branch, admin.token, body{"parent": mine}); r.status < 400 {
		t.Errorf("SPEC 1.1: %s", r.body)
	}
	w.do("GET", "/v1/accounts/"+branch, eve.token, nil).refused(404, "not_found")
}

// growingRole: whoever may not grant what a role has become is refused from that position on.
func growingRole(t *testing.T, w *world) {
	account, ann := w.open("Acme")
	role := "/v1/accounts/" + account + "/roles/clerk"
	small, big := body{"permissions": []string{"users:read"}}, body{"permissions": []string{"users:read", "audit:export"}}
	w.do("PUT", "/v1/accounts/"+account+"/roles/granter", ann.token, body{"permissions": []string{"users:read", "users:change_role"}}).is(200)
	w.do("PUT", role, ann.token, small).is(200)
	granter, target := w.member(account, ann, "granter"), w.member(account, ann, "clerk")
	position := func(r *response) uint64 {
		n, err := strconv.ParseUint(r.header.Get("Roster-Position"), 10, 64)
		if err != nil {
			t.Errorf("%s: %v", r.asked, err)
		}
		return n
	}
	for range 20 {
		w.do("PUT", "/v1/accounts/"+account+"/users/"+target.id+"/role", ann.token, body{"roles": []string{"clerk"}})
		w.do("PUT", role, ann.token, small).is(200)
		w.do("PUT", "/v1/accounts/"+account+"/users/"+target.id+"/role", ann.token, body{"grants": []body{}, "roles": []string{"granter"}})
		var grown, granted *response
		var both sync.WaitGroup
		both.Go(func() { grown = w.do("PUT", role, ann.token, big) })
		both.Go(func() {
			granted = w.do("PUT", "/v1/accounts/"+account+"/users/"+target.id+"/role", granter.token, body{"roles": []string{"clerk"}})
		})
		both.Wait()
		if granted.status == 200 && position(granted) > position(grown.is(200)) {
			t.Errorf("SPEC 3.4: granted at %d what was beyond the granter since %d", position(granted), position(grown))
		}
	}
}

func otherAccount(t *testing.T, w *world) {
	theirs, _ := w.open("Theirs")
	_, eve := w.open("Mine")
	w.do("PATCH", "/v1/accounts/"+theirs, eve.token, body{"name": "Eve's"}).refused(404, "not_found")
	w.do("POST", "/v1/accounts/"+theirs+"/close", eve.token, nil).refused(404, "not_found")
	w.do("PUT", "/v1/accounts/"+theirs+"/policy", eve.token, body{}).refused(404, "not_found")
	if name := w.do("GET", "/v1/accounts/"+theirs, w.operator, nil).is(200).text("name"); name != "Theirs" {
		t.Errorf("it is called %s", name)
	}
}

// suspendedAll: every path of the account refuses somebody suspended, and all of them once the account is closed.
func suspendedAll(t *testing.T, w *world) {
	account, ann := w.open("Acme")
	bob := w.member(account, ann, "admin")
	w.do("POST", "/v1/accounts/"+account+"/users/"+bob.id+"/suspend", ann.token, nil).is(200)
	everyPath := func(who person) {
		t.Helper()
		for path, item := range document(t, w)["paths"].(object) {
			if !strings.HasPrefix(path, "/v1/accounts/{account}") {
				continue
			}
			path = strings.NewReplacer("{account}", account, "{user}", ann.id, "{invitation}", uuid.NewString(), "{role}", "owner", "{contact}", uuid.NewString()).Replace(path)
			for verb, o := range item.(object) {
				var ask any
				if content, _ := o.(object)["requestBody"].(object); content != nil {
					ask = bodyOf(o.(object)["operationId"].(string), ann.id, account)
				}
				if r := w.do(strings.ToUpper(verb), path, who.token, ask); r.status < 400 {
					t.Errorf("SPEC 3.9: %s: %d %s", r.asked, r.status, r.body)
				}
			}
		}
	}
	everyPath(bob)
	w.do("GET", "/v1/me", bob.token, nil).is(200) // SPEC 3.5: the session lives on
}

// second is another copy of the program on the same log.
func (w *world) second() *world {
	w.t.Helper()
	app := handlers.NewApp(handlers.Config{Log: w.log, Sealer: w.sealer, MACs: w.keys, Clock: w.clock.now, Build: "test", Shared: true})
	if _, err := app.Start(w.t.Context(), w.keys.Fingerprint()); err != nil {
		w.t.Fatal(err)
	}
	c := w.config
	c.App, c.Access, c.Metrics = app, access.New(app, w.vault, w.hasher, w.tokens), api.NewMetrics()
	handler, err := api.New(c)
	if err != nil {
		w.t.Fatal(err)
	}
	server := httptest.NewServer(handler)
	w.t.Cleanup(server.Close)
	return &world{t: w.t, log: w.log, app: app, keys: w.keys, clock: w.clock, printed: w.printed, server: server, config: c, operator: w.operator}
}

func endedElsewhere(t *testing.T, w *world) {
	_, ann := w.open("Acme")
	there := w.second()
	for range 20 {
		token := w.signIn(ann.email)
		there.do("GET", "/v1/me", token, nil).is(200)
		w.do("DELETE", "/v1/sessions/current", token, nil).is(200)
		there.do("GET", "/v1/me", token, nil).refused(401, "sign_in_required") // SPEC 3.9, 4.6
	}
}

func fixedSession(t *testing.T, w *world) {
	_, ann := w.open("Acme")
	_, eve := w.open("Evil")
	before := "rs_" + strings.Repeat("A", len(eve.token)-3)
	for _, known := range []string{before, eve.token} {
		r := w.do("POST", "/v1/sessions", known, body{"email": ann.email, "password": goodPassword}, "Cookie", "roster_session="+known)
		if token := r.is(201).text("token"); token == known || token == ann.token {
			t.Error("SPEC 4.6: a session that was known before")
		}
	}
	w.do("GET", "/v1/me", before, nil).refused(401, "sign_in_required")
	if id := w.do("GET", "/v1/me", eve.token, nil).is(200).text("id"); id != eve.id {
		t.Error("SPEC 4.6: somebody else's session")
	}
}

func whoIsWho(t *testing.T, w *world) {
	account, ann := w.open("Acme")
	bob := w.member(account, ann, "viewer")
	w.do("POST", "/v1/operator/users/"+bob.id+"/lock", w.operator, body{}).is(200)
	w.do("POST", "/v1/accounts/"+account+"/contacts", ann.token, body{"name": "C", "email": "contact@example.com", "roles": []string{"legal"}}).is(201)
	w.do("POST", invitations(account), ann.token, body{"emails": "invited@example.com", "roles": []string{"viewer"}}).is(200)
	for path, rest := range map[string]body{"/v1/sessions": {"password": "Wrong-horse-8"}, "/v1/password-resets": {}} {
		var first string
		for _, email := range []string{ann.email, bob.email, "contact@example.com", "invited@example.com", "nobody@example.com", "no address"} { // SPEC 1.5, 4.4
			b := body{"email": email}
			for k, v := range rest {
				b[k] = v
			}
			r := w.do("POST", path, "", b)
			said := fmt.Sprint(r.status, string(r.body))
			for _, h := range slices.Sorted(func(yield func(string) bool) {
				for name := range r.header {
					if name != "Date" && name != "Roster-Position" && !yield(name) {
						return
					}
				}
			}) {
				said += h + strings.Join(r.header[h], ",")
			}
			if first == "" {
				first = said
			}
			if said != first {
				t.Errorf("SPEC 4.4: %s tells of %s: %s, not %s", path, email, said, first)
			}
		}
	}
}

func forgedCursor(t *testing.T, w *world) {
	account, ann := w.open("Acme")
	for range 2 {
		w.member(account, ann, "viewer")
	}
	at := "/v1/accounts/" + account + "/users?limit=1&cursor="
	cursor := w.do("GET", at[:len(at)-8], ann.token, nil).is(200).text("next_cursor")
	w.do("GET", at+cursor, ann.token, nil).is(200)
	for i := range cursor {
		forged := []byte(cursor)
		forged[i] = map[bool]byte{true: 'A', false: 'B'}[forged[i] != 'A']
		w.do("GET", at+string(forged), ann.token, nil).refused(422, "invalid")
	}
	for _, sql := range []string{"'", "1%20OR%201=1", "'%3BDROP%20TABLE%20user_list%3B--", "%00", "AAAA", strings.Repeat("A", 4000)} {
		w.do("GET", at+sql, ann.token, nil).refused(422, "invalid")
	}
	other, eve := w.open("Evil")
	w.do("GET", "/v1/accounts/"+other+"/users?limit=1&cursor="+cursor, eve.token, nil).refused(422, "invalid")
}

func anonymousEverywhere(t *testing.T, w *world) {
	account, ann := w.open("Acme")
	tried := 0
	for path, item := range document(t, w)["paths"].(object) {
		path = strings.NewReplacer("{account}", account, "{user}", ann.id).Replace(path)
		for verb, o := range item.(object) {
			security, _ := o.(object)["security"].([]any)
			if slices.ContainsFunc(security, func(s any) bool { return len(s.(object)) == 0 }) {
				continue // open to anybody: links and signing in
			}
			var ask any
			if content, _ := o.(object)["requestBody"].(object); content != nil {
				ask = bodyOf(o.(object)["operationId"].(string), ann.id, account)
			}
			for _, token := range []string{"", "rs_x", "ro_" + strings.Repeat("A", 60), "Bearer"} {
				w.do(strings.ToUpper(verb), path, token, ask).refused(401, "sign_in_required")
				tried++
			}
		}
	}
	if tried < 200 {
		t.Errorf("%d tries only", tried)
	}
}

func recycled(t *testing.T, w *world) {
	account, ann := w.open("Acme")
	old := w.member(account, ann, "admin")
	w.do("POST", "/v1/operator/erase", w.operator, body{"user": old.id}).is(200)
	r := w.do("POST", invitations(account), ann.token, body{"emails": old.email, "roles": []string{"viewer"}}).is(200)
	again := w.accept(account, r.text("results.0.invitation"), old.email, "New", "Person")
	if again.id == old.id {
		t.Error("SPEC 5.5: an id is used again")
	}
	w.do("GET", "/v1/me", old.token, nil).refused(401, "sign_in_required")
	if roles := fmt.Sprint(w.do("GET", "/v1/accounts/"+account+"/users/"+again.id, ann.token, nil).is(200).at("roles")); roles != "[viewer]" {
		t.Errorf("SPEC 3.6: %s", roles)
	}
}

func noSignUp(t *testing.T, w *world) {
	w.do("POST", "/v1/signup", "", body{"email": "new@example.com"}).refused(404, "not_available") // SPEC 1.3
	link := links{w.keys}.Mint(5, [16]byte{}, uuid.New(), 1)
	w.do("POST", "/v1/signup/"+link, "", body{"account": body{"name": "N"}, "first_name": "N", "last_name": "N", "password": goodPassword}).is(404)
}

func mixedUp(t *testing.T, w *world) {
	account, ann := w.open("Acme")
	people := []person{ann}
	for range 7 {
		people = append(people, w.member(account, ann, "viewer"))
	}
	var all sync.WaitGroup
	for i := range 64 {
		all.Go(func() {
			me := people[i%len(people)]
			for range 20 {
				r, err := w.try(http.MethodGet, "/v1/me", me.token, nil)
				if err != nil || r.status != 200 || !strings.Contains(string(r.body), me.id) || !strings.Contains(string(r.body), me.email) {
					t.Errorf("%s was answered %v, %v", me.email, r, err)
					return
				}
			}
		})
	}
	all.Wait()
}
