package api_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"strings"
	"testing"

	"github.com/google/uuid"

	"roster/handlers/api"
	"roster/infra/eventlog/memlog"
)

// What is somebody else's, what does not exist and what is no id at all are answered byte for byte alike.
func TestNotFoundIsOneAnswer(t *testing.T) {
	w := newWorld(t)
	account, owner := w.open("Acme")
	foreign, stranger := w.open("Other")
	theirs := w.do("POST", "/v1/accounts/"+foreign+"/invitations", stranger.token, map[string]any{"emails": "x@example.com", "roles": []string{"viewer"}}).is(200).text("results.0.invitation")
	unknown := uuid.Must(uuid.NewV7()).String()
	var want *response
	same := func(method, path string, body any) {
		t.Helper()
		got := w.do(method, path, owner.token, body).refused(404, "not_found")
		got.header.Del("Date")
		if want == nil {
			want = got
			return
		}
		if !bytes.Equal(got.body, want.body) || !maps.EqualFunc(got.header, want.header, func(a, b []string) bool { return fmt.Sprint(a) == fmt.Sprint(b) }) {
			t.Errorf("%s %s differs:\n%s %v\n%s %v", method, path, got.body, got.header, want.body, want.header)
		}
	}
	invite := map[string]any{"emails": "y@example.com", "roles": []string{"viewer"}}
	role := map[string]any{"roles": []string{"viewer"}}
	wrong := map[string]any{"surprise": 1}
	last, _ := w.log.Last(t.Context())
	for _, id := range []string{unknown, foreign, "*", "%2A", ".", "%2E", "..", "%3E", ">", "x", strings.ToUpper(unknown), strings.ReplaceAll(unknown, "-", ""),
		"{" + unknown + "}", "%00", "00000000-0000-0000-0000-000000000000", unknown + "%0a", "%2e%2e%2f", "a%2Fb"} {
		at := "/v1/accounts/" + id
		for _, path := range []string{"", "/users", "/invitations", "/audit", "/users/" + owner.id, "/users?status=none", "/users?cursor=x", "/invitations/" + theirs} {
			same("GET", at+path, nil)
		}
		same("POST", at+"/invitations", invite)
		same("POST", at+"/invitations", wrong)
		same("PUT", at+"/users/"+stranger.id+"/role", role)
		same("PUT", at+"/users/"+stranger.id+"/role", wrong)
		same("POST", at+"/users/"+stranger.id+"/suspend", nil)
		same("POST", "/v1/me/accounts/"+id+"/leave", nil)
	}
	for _, id := range []string{unknown, stranger.id, "*", "."} {
		at := "/v1/accounts/" + account + "/users/" + id
		same("GET", at, nil)
		same("PUT", at+"/role", role)
		same("PUT", at+"/role", wrong)
		same("POST", at+"/revoke", nil)
	}
	for _, id := range []string{unknown, theirs, ">", "%2e"} {
		at := "/v1/accounts/" + account + "/invitations/" + id
		same("GET", at, nil)
		same("POST", at+"/resend", nil)
		same("POST", at+"/revoke", nil)
	}
	setup := links{w.keys}.Mint(2, [16]byte{}, [16]byte{1}, 1)
	for _, token := range []string{"x", unknown, setup, links{w.keys}.Mint(1, [16]byte{1}, [16]byte{2}, 1)} {
		same("GET", "/v1/invitations/"+token, nil)
		same("POST", "/v1/invitations/"+token+"/accept", map[string]any{"password": "x"})
		same("POST", "/v1/invitations/"+token+"/decline", nil)
		if token != setup {
			same("GET", "/v1/setup/"+token, nil)
		}
	}
	same("POST", "/v1/check", map[string]any{"user": owner.id, "permission": "users:read", "account": "*"})
	same("POST", "/v1/check", map[string]any{"user": stranger.id, "permission": "users:read", "account": foreign})
	if now, _ := w.log.Last(t.Context()); now != last {
		t.Errorf("%d commits were written", now-last)
	}
}

func TestBadBodies(t *testing.T) {
	w := newBareWorld(t)
	account, owner := w.open("Acme")
	at := "/v1/accounts/" + account + "/invitations"
	last, _ := w.log.Last(t.Context())
	for _, c := range []struct {
		name, path, body, code string
		status                 int
		location               string
	}{
		{"empty", at, ``, "malformed", 400, "body"},
		{"no JSON", at, `{"emails": nope}`, "malformed", 400, "body.emails"},
		{"cut", at, `{"emails": "a@example.com"`, "malformed", 400, "body"},
		{"a key twice", at, `{"emails":"a@example.com","emails":"b@example.com","roles":["viewer"]}`, "malformed", 400, "body.emails"},
		{"a key in two cases", at, `{"emails":"a@example.com","Emails":"b@example.com","roles":["viewer"]}`, "malformed", 400, "body.Emails"},
		{"twice further in", at, `{"emails":"a@example.com","grants":[{"roles":["viewer"],"roles":["owner"]}]}`, "malformed", 400, "body.grants[0].roles"},
		{"something behind", at, `{"emails":"a@example.com","roles":["viewer"]} {}`, "malformed", 400, "body"},
		{"deep", at, strings.Repeat("[", 33) + strings.Repeat("]", 33), "malformed", 400, "body"},
		{"not UTF-8", at, "{\"emails\":\"a\xff@example.com\",\"roles\":[\"viewer\"]}", "malformed", 400, "body"},
		{"a number too large", at, `{"emails":1e400}`, "malformed", 400, "body.emails"},
		{"another case", at, `{"Emails":"a@example.com","roles":["viewer"]}`, "invalid", 422, "body.Emails"},
		{"unknown field", at, `{"emails":"a@example.com","roles":["viewer"],"status":"active"}`, "invalid", 422, "body.status"},
		{"wrong type", at, `{"emails":true,"roles":"viewer"}`, "invalid", 422, "body.emails body.roles"},
		{"unknown role", at, `{"emails":"a@example.com","roles":["chief"]}`, "invalid", 422, "body.roles"},
		{"no role", at, `{"emails":"a@example.com"}`, "invalid", 422, "body.roles"},
		{"nobody", at, `{"emails":" ,; ","roles":["viewer"]}`, "invalid", 422, "body.emails"},
		{"no duration", at, `{"emails":"a@example.com","roles":["viewer"],"valid_for":"P1Y"}`, "invalid", 422, "body.valid_for"},
		{"too long", at, `{"emails":"a@example.com","roles":["viewer"],"valid_for":"P91D"}`, "invalid", 422, "body.valid_for"},
		{"both", at, `{"emails":"a@example.com","roles":["viewer"],"grants":[{"roles":["viewer"]}]}`, "invalid", 422, "body.grants"},
		{"another account", at, `{"emails":"a@example.com","grants":[{"account":"` + uuid.NewString() + `","roles":["viewer"]}]}`, "not_found", 404, ""},
		{"too much", at, `{"emails":"` + strings.Repeat("a", 1<<20) + `"}`, "too_large", 413, ""},
		{"a body where none belongs", at + "/" + uuid.NewString() + "/resend", `{"x":1}`, "not_found", 404, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := w.do("POST", c.path, owner.token, c.body).refused(c.status, c.code)
			if got.locations() != c.location {
				t.Errorf("at %q, want %q\n%s", got.locations(), c.location, got.body)
			}
		})
	}
	for _, name := range []string{"", "a\u0000b", "a\nb", "x\r\nBcc: y@example.com", "\u202eevil", strings.Repeat("x", 201)} {
		w.do("POST", "/v1/accounts", w.operator, map[string]any{"name": name}).refused(422, "invalid")
		if name != "" {
			w.do("POST", "/v1/accounts", w.operator, map[string]any{"name": "Acme", "owner": map[string]any{"email": "a@example.com", "first_name": name}}).refused(422, "invalid")
		}
	}
	w.do("POST", "/v1/accounts", w.operator, map[string]any{"name": "Acme", "owner": map[string]any{"email": "a@example.com\r\nBcc: x"}}).refused(422, "invalid")
	if now, _ := w.log.Last(t.Context()); now != last {
		t.Errorf("%d commits were written", now-last)
	}
	roles := w.do("POST", at, owner.token, map[string]any{"emails": "a@example.com", "roles": []string{"chief"}}).text("detail")
	if !strings.Contains(roles, "owner, admin, manager, viewer") {
		t.Errorf("known roles are not listed: %s", roles)
	}
}

func TestBadQueries(t *testing.T) {
	w := newWorld(t)
	account, owner := w.open("Acme")
	at := "/v1/accounts/" + account
	for path, location := range map[string]string{
		"/users?stauts=active":                 "query.stauts",
		"/users?status=active&status=pending":  "query.status",
		"/users?status=asleep":                 "query.status[0]",
		"/users?role=chief":                    "query.role",
		"/users?permission=everything":         "query.permission",
		"/users?sort=password":                 "query.sort",
		"/users?sort=name%3Bdrop":              "query.sort",
		"/users?limit=0":                       "query.limit",
		"/users?limit=501":                     "query.limit",
		"/users?limit=many":                    "query.limit",
		"/users?q=%00":                         "query.q",
		"/users?q=%ff":                         "query.q",
		"/users?last_sign_in_before=yesterday": "query.last_sign_in_before",
		"/users?two_factor=maybe":              "query.two_factor",
		"/audit?outcome=maybe":                 "query.outcome",
		"/audit?from=1":                        "query.from",
		"/invitations?status=active":           "query.status[0]",
		"?x=1":                                 "query.x",
	} {
		if got := w.do("GET", at+path, owner.token, nil).refused(422, "invalid"); got.locations() != location {
			t.Errorf("%s: at %q, want %q\n%s", path, got.locations(), location, got.body)
		}
	}
	w.do("GET", at+"/users?q=%zz", owner.token, nil).refused(400, "malformed")
	w.do("GET", at+"/users?q=100%25_%5C'%22;--", owner.token, nil).refused(400, "malformed")
	if got := w.do("GET", at+"/users?q=100%25_%5C'%22--", owner.token, nil).is(200); got.count("items") != 0 {
		t.Errorf("%s", got.body)
	}
	if got := w.do("GET", at+"/users?last_sign_in_after=2026-01-02", owner.token, nil); !strings.HasPrefix(got.text("detail"), "want a time of RFC 3339") {
		t.Errorf("how a time is written is not said: %s", got.body)
	}
	if got := w.do("GET", at+"/users?role=chief", owner.token, nil); !strings.Contains(got.text("detail"), "owner, admin, manager, viewer") {
		t.Errorf("known roles are not listed: %s", got.body)
	}
	if got := w.do("GET", at+"/users?inherited=true", owner.token, nil).is(200); got.count("items") != 0 || got.number("counts.active") != 1 {
		t.Errorf("%s", got.body)
	}
}

// Passwords and tokens that come in never go out again, neither in answers nor to the log of the service.
func TestNothingIsEchoed(t *testing.T) {
	w := newBareWorld(t)
	account, owner := w.open("Acme")
	r := w.do("POST", "/v1/accounts/"+account+"/invitations", owner.token, map[string]any{"emails": "eve@example.com", "roles": []string{"viewer"}}).is(200)
	accept := "/v1/invitations/" + w.link(account, r.text("results.0.invitation"), 1) + "/accept"
	const canary = "Can4ry!-hunter2"
	for _, body := range []string{
		`{"first_name":"A","last_name":"B","password":["` + canary + `"]}`,
		`{"first_name":1,"last_name":{},"password":"` + canary + `","x":"` + canary + `"}`,
		`{"first_name":"","password":"` + canary + `"}`, `{"password":"` + canary, `"` + canary + `"`, canary, `["` + canary + `"]`,
		`{"first_name":"A","last_name":"B","password":"canaryhunter"}`,
	} {
		for _, path := range []string{accept, "/v1/sessions", "/v1/setup/" + links{w.keys}.Mint(2, [16]byte{}, [16]byte{1}, 1)} {
			for _, kind := range []string{"application/json", "text/plain"} {
				got := w.do("POST", path, "", body, "Content-Type", kind)
				if got.status < 400 || bytes.Contains(got.body, []byte("anary")) || bytes.Contains(got.body, []byte("hunter")) {
					t.Errorf("%s %s: %d %s", path, body, got.status, got.body)
				}
			}
		}
	}
	rules := w.do("POST", accept, "", map[string]any{"first_name": "A", "last_name": "B", "password": "short"}).refused(422, "password_rules")
	if rules.count("errors") != 4 || rules.text("errors.0.location") != "body.password" {
		t.Errorf("%s", rules.body)
	}
	w.do("POST", "/v1/sessions", "", map[string]any{"email": "eve@example.com", "password": canary}).refused(401, "bad_credentials")
	w.do("GET", "/v1/me", "rs_"+canary, nil).refused(401, "sign_in_required")
	w.log.Fail(memlog.Broken)
	w.do("POST", "/v1/accounts", w.operator, map[string]any{"name": canary}).refused(500, "internal")
	if strings.Contains(w.printed.String(), "anary") || !strings.Contains(w.printed.String(), "10199") {
		t.Errorf("logged: %s", w.printed)
	}
}

func TestNobodyHasAVeryLongPassword(t *testing.T) {
	w := newBareWorld(t)
	_, owner := w.open("Acme")
	wrong := w.do("POST", "/v1/sessions", "", map[string]any{"email": owner.email, "password": "wrong"}).refused(401, "bad_credentials")
	for _, email := range []string{owner.email, "nobody@example.com"} {
		long := w.do("POST", "/v1/sessions", "", map[string]any{"email": email, "password": strings.Repeat("x", 4097)}).refused(401, "bad_credentials")
		if !bytes.Equal(long.body, wrong.body) {
			t.Errorf("%s\n%s", long.body, wrong.body)
		}
	}
}

func TestUnknownPathsVerbsAndTypes(t *testing.T) {
	w := newBareWorld(t)
	account, owner := w.open("Acme")
	at := "/v1/accounts/" + account
	for _, path := range []string{"/", "/v1", "/v1/nothing", at + "/nothing", at + "/", "/v1//accounts", "/docs/x", "/problems/nothing", "/v1/accounts/../accounts"} {
		w.do("GET", path, owner.token, nil).refused(404, "not_found")
	}
	for _, c := range [][3]string{{"DELETE", "/v1/accounts", "GET, HEAD, OPTIONS, POST"}, {"DELETE", at, "GET, HEAD, OPTIONS, PATCH"}, {"GET", at + "/users/" + owner.id + "/role", "OPTIONS, PUT"},
		{"POST", "/openapi.json", "GET, HEAD, OPTIONS"}, {"BREW", "/v1/me", "GET, HEAD, OPTIONS, PATCH"}} {
		if got := w.do(c[0], c[1], owner.token, nil).refused(405, "method_not_allowed"); got.header.Get("Allow") != c[2] || !strings.Contains(got.text("detail"), c[2]) {
			t.Errorf("%s %s: %q", c[0], c[1], got.header.Get("Allow"))
		}
	}
	w.do("OPTIONS", "/v1/me", "", nil).is(204)
	body := `{"emails":"a@example.com","roles":["viewer"]}`
	for _, kind := range []string{"text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "application/json; charset=utf-16", "", "application/cbor"} {
		w.do("POST", at+"/invitations", owner.token, body, "Content-Type", kind).refused(415, "unsupported_media_type")
	}
	for _, kind := range []string{"text/html", "application/cbor", "application/json;q=0", "image/*"} {
		w.do("GET", at, owner.token, nil, "Accept", kind).refused(406, "not_acceptable")
	}
	for _, kind := range []string{"*/*", "application/*", "text/html, */*;q=0.1", "application/json; charset=utf-8"} {
		w.do("GET", at, owner.token, nil, "Accept", kind).is(200)
	}
	w.do("POST", at+"/invitations", owner.token, body, "Roster-Dry-Run", "yes").refused(400, "malformed")
	w.do("GET", at, owner.token, nil, "Roster-Dry-Run", "true").refused(404, "not_available")
	// A dry run of what a link does, and of signing out, does nothing either (SPEC 3.11).
	sent := w.do("POST", at+"/invitations", owner.token, map[string]any{"emails": "dry@example.com", "roles": []string{"viewer"}}).is(200)
	link := "/v1/invitations/" + w.link(account, sent.text("results.0.invitation"), 1)
	before := w.last()
	for _, c := range []struct {
		method, path, token string
		ask                 any
		fact                string
	}{
		{"POST", link + "/accept", "", map[string]any{"first_name": "Dry", "last_name": "Run", "password": goodPassword}, "invitation.accepted"},
		{"POST", link + "/decline", "", nil, "invitation.declined"},
		{"DELETE", "/v1/sessions/current", owner.token, nil, "session.ended"},
	} {
		if got := w.do(c.method, c.path, c.token, c.ask, "Roster-Dry-Run", "true").is(200); got.at("dry_run") != true || !strings.Contains(string(got.body), c.fact) {
			t.Errorf("%s: %s", c.path, got.body)
		}
	}
	w.do("POST", link+"/accept", "", map[string]any{"first_name": "Dry", "last_name": "Run", "password": "short"}, "Roster-Dry-Run", "true").refused(422, "password_rules")
	w.do("POST", link+"/accept", owner.token, nil, "Roster-Dry-Run", "true").refused(403, "wrong_recipient")
	w.do("POST", link+"/ask", "", nil, "Roster-Dry-Run", "true").refused(422, "invalid") // it still works
	if after := w.last(); after != before {
		t.Errorf("SPEC 3.11: dry runs wrote from position %v to %v", before, after)
	}
	w.do("GET", link, "", nil).is(200)
	w.do("GET", "/v1/me", owner.token, nil).is(200)
	w.do("POST", at+"/invitations", owner.token, body, "Roster-On-Behalf-Of", owner.id).refused(403, "not_permitted")
	w.do("POST", at+"/invitations", w.operator, body, "Roster-On-Behalf-Of", "nobody").refused(400, "malformed")
	w.do("POST", at+"/invitations", w.operator, body, "Roster-On-Behalf-Of", account).refused(404, "not_found")
	got := w.do("GET", at, "", nil).refused(401, "sign_in_required")
	if got.header.Get("WWW-Authenticate") == "" {
		t.Error("no WWW-Authenticate")
	}
	for name, value := range map[string]string{"X-Content-Type-Options": "nosniff", "Cache-Control": "no-store", "Referrer-Policy": "no-referrer"} {
		if got.header.Get(name) != value {
			t.Errorf("%s: %q", name, got.header.Get(name))
		}
	}
	if !strings.Contains(got.header.Get("Content-Security-Policy"), "default-src 'none'") {
		t.Error("no policy")
	}
}

// The limit of sign-ins is the rules'; the transport says when to try again.
func TestThrottled(t *testing.T) {
	w := newBareWorld(t)
	_, owner := w.open("Acme")
	for range 10 {
		w.do("POST", "/v1/sessions", "", map[string]any{"email": owner.email, "password": "wrong"}).refused(401, "bad_credentials")
	}
	got := w.do("POST", "/v1/sessions", "", map[string]any{"email": owner.email, "password": goodPassword}).refused(429, "rate_limited")
	if got.header.Get("Retry-After") == "" {
		t.Error("no Retry-After")
	}
}

func TestMount(t *testing.T) {
	for _, url := range []string{"", "portal.example", "ftp://portal.example", "http://"} {
		w := api.Config{PublicURL: url}
		if _, err := api.New(w); err == nil {
			t.Errorf("%q is taken for a public URL", url)
		}
	}
}

func TestHTTPS(t *testing.T) {
	w := newBareWorld(t, func(c *api.Config) { c.PublicURL = "https://portal.example" })
	got := w.do("POST", "/v1/sessions", "", map[string]any{"email": "a@example.com", "password": "x"}).is(401)
	if got.header.Get("Strict-Transport-Security") == "" {
		t.Error("no HSTS")
	}
	account := w.do("POST", "/v1/accounts", w.operator, map[string]any{"name": "Acme", "owner": map[string]any{"email": "a@example.com"}}).is(201)
	w.do("POST", "/v1/invitations/"+w.link(account.text("id"), account.text("invitation"), 1)+"/accept", "",
		map[string]any{"first_name": "A", "last_name": "B", "password": goodPassword}).is(200)
	signed := w.do("POST", "/v1/sessions", "", map[string]any{"email": "a@example.com", "password": goodPassword}).is(201)
	cookie, err := http.ParseSetCookie(signed.header.Get("Set-Cookie"))
	if err != nil || cookie.Name != "__Host-roster_session" || !cookie.Secure {
		t.Errorf("%v %v", cookie, err)
	}
	w.do("GET", "/v1/me", "", nil, "Cookie", "__Host-roster_session="+cookie.Value).is(200)
}

// A request that is not HTTP-conformant in what only raw bytes can say.
func TestRawRequests(t *testing.T) {
	w := newBareWorld(t)
	for _, raw := range []string{
		"GET /v1/accounts/./users HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
		"GET /v1/accounts/../../etc/passwd HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
	} {
		conn, err := net.Dial("tcp", w.server.Listener.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		_, err1 := io.WriteString(conn, raw)
		text, err2 := io.ReadAll(conn)
		if err := errors.Join(err1, err2, conn.Close()); err != nil {
			t.Fatal(err)
		}
		if !bytes.Contains(text, []byte("application/problem+json")) || bytes.Contains(text, []byte(" 301 ")) {
			t.Errorf("%s", text)
		}
	}
}
