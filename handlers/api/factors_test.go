package api_test

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha1" //nolint:gosec // RFC 6238
	"encoding/base32"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"image/png"
	"net/http"
	"strings"
	"testing"
	"time"
)

// code is what an authenticator app shows now, or a while from now.
func (w *world) code(secret string, off time.Duration) string {
	w.t.Helper()
	seed, err := base32.StdEncoding.WithPadding(base32.NoPadding).DecodeString(secret)
	if err != nil {
		w.t.Fatal(err)
	}
	mac := hmac.New(sha1.New, seed)
	_ = binary.Write(mac, binary.BigEndian, w.clock.now().Add(off).Unix()/30)
	sum := mac.Sum(nil)
	return fmt.Sprintf("%06d", binary.BigEndian.Uint32(sum[sum[19]&15:])&0x7fffffff%1_000_000)
}

// withApp sets an authenticator app up for somebody and answers its secret and id.
func (w *world) withApp(p person) (secret, id string) {
	w.t.Helper()
	made := w.do("POST", "/v1/me/factors", p.token, map[string]any{"method": "totp", "label": "phone", "password": goodPassword}).is(201)
	secret, id = made.text("secret"), made.text("id")
	w.do("POST", "/v1/me/factors/"+id+"/verify", p.token, map[string]any{"code": w.code(secret, 0)}).is(200)
	w.clock.pass(30 * time.Second)
	return secret, id
}

// signInWith signs in with a password and a code.
func (w *world) signInWith(email, secret string) *response {
	w.t.Helper()
	asked := w.do("POST", "/v1/sessions", "", map[string]any{"email": email, "password": goodPassword}).is(202)
	w.clock.pass(30 * time.Second)
	return w.do("POST", "/v1/sessions/factor", "", map[string]any{"challenge": asked.text("challenge"), "code": w.code(secret, 0)})
}

// SPEC 4.5, from the first look at one's factors to a sign-in with a recovery code.
func TestSecondFactor(t *testing.T) {
	w := newWorld(t)
	account, owner := w.open("Acme")
	ann := w.member(account, owner, "viewer")
	if r := w.do("GET", "/v1/me/factors", ann.token, nil).is(200); r.count("items") != 0 || r.number("recovery_codes") != 0 {
		t.Errorf("SPEC 4.5: %s", r.body)
	}
	w.do("POST", "/v1/me/factors", ann.token, map[string]any{"method": "totp"}).refused(403, "reauthentication_required")
	w.do("POST", "/v1/me/factors", ann.token, map[string]any{"method": "totp", "password": "wrong"}).refused(401, "bad_credentials")
	w.do("POST", "/v1/me/factors", ann.token, map[string]any{"method": "totp", "password": strings.Repeat("x", 5000)}).refused(401, "bad_credentials")
	w.do("POST", "/v1/me/factors", ann.token, map[string]any{"method": "smoke"}).refused(422, "invalid")
	w.do("POST", "/v1/me/factors", w.operator, map[string]any{"method": "totp"}).refused(403, "not_permitted")
	w.do("POST", "/v1/me/factors", ann.token, map[string]any{"method": "totp", "verified": true, "password": goodPassword}).refused(422, "invalid") // CVE-2026-27946

	made := w.do("POST", "/v1/me/factors", ann.token, map[string]any{"method": "totp", "label": "phone", "password": goodPassword}).is(201)
	secret, id := made.text("secret"), made.text("id")
	if u := made.text("url"); !strings.HasPrefix(u, "otpauth://totp/Roster:"+strings.ReplaceAll(ann.email, "@", "%40")+"?secret="+secret) {
		t.Errorf("SPEC 4.5: %s", u)
	}
	raw, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(made.text("picture"), "data:image/png;base64,"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := png.Decode(bytes.NewReader(raw)); err != nil {
		t.Errorf("SPEC 4.5: the picture: %v", err)
	}
	if signed := w.do("POST", "/v1/sessions", "", map[string]any{"email": ann.email, "password": goodPassword}); signed.status != 201 {
		t.Errorf("SPEC 4.5: a factor that is not verified is not asked for: %s", signed.body)
	}
	at := "/v1/me/factors/" + id
	w.do("POST", at+"/verify", ann.token, map[string]any{"code": "000000"}).refused(401, "bad_credentials")
	w.do("POST", at+"/verify", owner.token, map[string]any{"code": w.code(secret, 0)}).refused(404, "not_found")
	code := w.code(secret, 0)
	if r := w.do("POST", at+"/verify", ann.token, map[string]any{"code": code}).is(200); r.at("verified") != true {
		t.Errorf("SPEC 4.5: %s", r.body)
	}
	w.do("POST", at+"/verify", ann.token, map[string]any{"code": code}).refused(404, "not_found")

	asked := w.do("POST", "/v1/sessions", "", map[string]any{"email": ann.email, "password": goodPassword}).is(202)
	if asked.text("factors.0.id") != id || asked.text("factors.0.method") != "totp" || asked.text("factors.0.label") != "phone" || asked.header.Get("Set-Cookie") != "" || strings.Contains(string(asked.body), "rs_") {
		t.Errorf("SPEC 4.5: %s", asked.body)
	}
	challenge := asked.text("challenge")
	for _, path := range []string{"/v1/me", "/v1/me/factors", "/v1/me/accounts", "/v1/accounts", "/v1/accounts/" + account, "/v1/accounts/" + account + "/users"} {
		w.do("GET", path, challenge, nil).refused(401, "sign_in_required") // CVE-2025-64103
		w.do("GET", path, "", nil, "Cookie", "roster_session="+challenge).refused(401, "sign_in_required")
	}
	w.do("POST", "/v1/sessions/factor", "", map[string]any{"challenge": challenge, "code": code}).refused(401, "bad_credentials")
	w.do("POST", "/v1/sessions/factor", "", map[string]any{"challenge": challenge, "code": "1", "factor": "x"}).refused(422, "invalid")
	w.do("POST", "/v1/sessions/factor", "", map[string]any{"challenge": "rc_x", "code": "123456"}).refused(401, "bad_credentials")
	w.clock.pass(30 * time.Second)
	in := w.do("POST", "/v1/sessions/factor", "", map[string]any{"challenge": challenge, "code": w.code(secret, 0), "factor": id}).is(201)
	cookies := (&http.Response{Header: in.header}).Cookies()
	if len(cookies) != 2 || cookies[1].Name != "roster_device" || !cookies[1].HttpOnly || cookies[1].Value != in.text("device") {
		t.Errorf("SPEC 4.5: %v", cookies)
	}
	token := in.text("token")

	codes := w.do("POST", "/v1/me/recovery-codes", token, map[string]any{}).is(201)
	if codes.count("codes") != 10 {
		t.Fatalf("SPEC 4.5: %s", codes.body)
	}
	asked = w.do("POST", "/v1/sessions", "", map[string]any{"email": ann.email, "password": goodPassword}).is(202)
	w.do("POST", "/v1/sessions/factor", "", map[string]any{"challenge": asked.text("challenge"), "code": codes.text("codes.0")}).is(201)
	if r := w.do("GET", "/v1/me/factors", token, nil).is(200); r.number("recovery_codes") != 9 || r.text("items.0.last_used_at") == "" {
		t.Errorf("SPEC 4.5: %s", r.body)
	}
	// The trail holds what failed, and of what turned out well only what it came to (SPEC 5.1).
	trail := w.do("GET", "/v1/accounts/"+account+"/audit?target="+ann.id+"&limit=100", owner.token, nil).is(200)
	actions := map[string]int{}
	for i := range trail.count("items") {
		actions[trail.text(fmt.Sprintf("items.%d.action", i))]++
	}
	if actions["factor.enrolled"] != 1 || actions["factor.verified"] != 1 || actions["recovery_codes.issued"] != 1 || actions["signin.attempted"] != 4 {
		t.Errorf("SPEC 5.1: %v", actions)
	}
	w.clock.pass(11 * time.Minute)
	w.do("DELETE", at, token, nil).refused(403, "reauthentication_required")
	w.do("DELETE", at, token, map[string]any{"password": goodPassword}).is(200)
	w.do("DELETE", at, token, map[string]any{"password": goodPassword}).refused(404, "not_found")
	w.signIn(ann.email)
}

// SPEC 3.1: the user list shows who has a second factor; 4.5: whoever may can take it away.
func TestTwoFactorInTheUserList(t *testing.T) {
	w := newWorld(t)
	account, owner := w.open("Acme")
	ann, admin := w.member(account, owner, "viewer"), w.member(account, owner, "admin")
	who := func(filter string) string {
		r := w.do("GET", "/v1/accounts/"+account+"/users?two_factor="+filter+"&sort=email", owner.token, nil).is(200)
		var list []string
		for i := range r.count("items") {
			if r.at(fmt.Sprintf("items.%d.two_factor", i)) != (filter == "true") {
				t.Errorf("SPEC 3.1: %s", r.body)
			}
			list = append(list, r.text(fmt.Sprintf("items.%d.user", i)))
		}
		return strings.Join(list, " ")
	}
	if got := who("true"); got != "" {
		t.Errorf("SPEC 3.1: %s", got)
	}
	secret, _ := w.withApp(ann)
	if got := who("true"); got != ann.id {
		t.Errorf("SPEC 3.1: %s", got)
	}
	if got := who("false"); strings.Contains(got, ann.id) || !strings.Contains(got, admin.id) {
		t.Errorf("SPEC 3.1: %s", got)
	}
	reset := "/v1/accounts/" + account + "/users/"
	w.do("POST", reset+owner.id+"/reset-factors", admin.token, nil).refused(403, "exceeds_own_access")
	w.do("POST", reset+ann.id+"/reset-factors", ann.token, nil).refused(403, "not_permitted")
	w.do("POST", reset+w.operatorID()+"/reset-factors", admin.token, nil).refused(404, "not_found")
	w.do("POST", "/v1/operator/users/"+ann.id+"/reset-factors", admin.token, nil).refused(403, "not_permitted")
	if plan := w.do("POST", reset+ann.id+"/reset-factors", admin.token, nil, "Roster-Dry-Run", "true").is(200); !strings.Contains(string(plan.body), "factor.reset") {
		t.Errorf("SPEC 3.11: %s", plan.body)
	}
	if got := w.signInWith(ann.email, secret); got.status != 201 {
		t.Errorf("SPEC 3.11: a dry run has done something: %s", got.body)
	}
	w.do("POST", reset+ann.id+"/reset-factors", admin.token, nil).is(200)
	w.do("GET", "/v1/me", ann.token, nil).refused(401, "sign_in_required")
	if got := who("true"); got != "" {
		t.Errorf("SPEC 4.5: after the reset: %s", got)
	}
	ann.token = w.signIn(ann.email)
	w.withApp(ann)
	w.do("POST", "/v1/operator/users/"+ann.id+"/reset-factors", w.operator, nil).is(200)
	w.signIn(ann.email)
	trail := w.do("GET", "/v1/accounts/"+account+"/audit?action=factor.reset", owner.token, nil).is(200)
	if trail.count("items") != 2 || trail.text("items.0.target.id") != ann.id || trail.text("items.1.actor.id") != admin.id {
		t.Errorf("SPEC 4.5: audited: %s", trail.body)
	}
}

// operatorID is an id that is nobody's.
func (w *world) operatorID() string { return "0198c5d4-7e1a-7c3f-9b1d-000000000091" }

// SPEC 1.4: an account that wants a second factor lets nobody in without, whatever they ask, once the grace period is
// over; their own user stays theirs, so that they can add one.
func TestAccountsThatWantASecondFactor(t *testing.T) {
	w := newWorld(t)
	account, owner := w.open("Acme")
	ann := w.member(account, owner, "admin")
	secret, _ := w.withApp(owner)
	owner.token = w.signInWith(owner.email, secret).is(201).text("token")
	policy := map[string]any{"two_factor": map[string]any{"required": true, "grace": "P1D"}}
	w.do("PUT", "/v1/accounts/"+account+"/policy", owner.token, policy).is(200)
	w.do("GET", "/v1/accounts/"+account+"/users", ann.token, nil).is(200)
	w.clock.pass(25 * time.Hour)
	at := "/v1/accounts/" + account
	for _, path := range []string{at, at + "/users", at + "/users/" + owner.id, at + "/users/" + w.operatorID(), at + "/invitations", at + "/roles", at + "/contacts", at + "/policy", at + "/audit"} {
		w.do("GET", path, ann.token, nil).refused(403, "second_factor_required")
	}
	w.do("PUT", at+"/users/"+owner.id+"/role", ann.token, map[string]any{"roles": []string{"viewer"}}).refused(403, "second_factor_required")
	w.do("POST", at+"/invitations", ann.token, map[string]any{"emails": "x@example.com", "roles": []string{"viewer"}}).refused(403, "second_factor_required")
	w.do("PATCH", at, ann.token, map[string]any{"name": "Mine"}).refused(403, "second_factor_required")
	if r := w.do("POST", "/v1/check", w.operator, map[string]any{"token": ann.token, "permission": "users:read", "account": account}).is(200); r.at("allowed") != false || r.text("missing") != "second_factor" {
		t.Errorf("SPEC 3.12: %s", r.body)
	}
	if r := w.do("POST", "/v1/check", w.operator, map[string]any{"token": owner.token, "permission": "users:read", "account": account}).is(200); r.at("allowed") != true {
		t.Errorf("SPEC 3.12: %s", r.body)
	}
	w.do("GET", "/v1/me", ann.token, nil).is(200)
	w.do("GET", "/v1/me/accounts", ann.token, nil).is(200)
	w.do("GET", at+"/users", w.operator, nil).is(200)
	secret, _ = w.withApp(ann)
	w.do("GET", at+"/users", ann.token, nil).refused(403, "second_factor_required") // this session has still shown none
	ann.token = w.signInWith(ann.email, secret).is(201).text("token")
	w.do("GET", at+"/users", ann.token, nil).is(200)
}

// SPEC 1.4, 7.5: a rule of later stops the personal keys of whoever has no second factor as it stops their sessions, once
// the grace period is over; those of the account go on.
func TestPersonalKeysWhereASecondFactorIsWanted(t *testing.T) {
	w := newWorld(t)
	account, owner := w.open("Acme")
	ann := w.member(account, owner, "admin")
	sub := w.sub(account, "Sub", owner.token)
	mine := w.do("POST", "/v1/me/keys", ann.token, object{"account": account, "name": "mine", "password": goodPassword}).is(201).text("token")
	theirs := w.do("POST", keys(account), owner.token, object{"name": "theirs", "roles": []string{"viewer"}}).is(201).text("token")
	secret, _ := w.withApp(owner)
	owner.token = w.signInWith(owner.email, secret).is(201).text("token")
	w.do("PUT", "/v1/accounts/"+account+"/policy", owner.token, object{"two_factor": object{"required": true, "grace": "P1D"}}).is(200)
	users := "/v1/accounts/" + account + "/users"
	checked := func(token string) *response {
		return w.do("POST", "/v1/check", w.operator, object{"token": token, "permission": "users:read", "account": account}).is(200)
	}
	w.do("GET", users, mine, nil).is(200)
	if r := checked(mine); r.at("allowed") != true {
		t.Errorf("SPEC 3.12: within the grace period: %s", r.body)
	}
	w.clock.pass(25 * time.Hour)
	w.do("GET", users, mine, nil).refused(403, "second_factor_required")
	w.do("GET", "/v1/accounts/"+sub+"/users", mine, nil).refused(404, "not_found") // the access does not extend there, with or without
	w.do("POST", invitations(account), mine, object{"emails": "x@example.com", "roles": []string{"viewer"}}).refused(403, "second_factor_required")
	w.do("POST", invitations(account), mine, object{"emails": "x@example.com", "roles": []string{"viewer"}}, "Roster-Dry-Run", "true").refused(403, "second_factor_required")
	if r := checked(mine); r.at("allowed") != false || r.text("missing") != "second_factor" {
		t.Errorf("SPEC 3.12: %s", r.body)
	}
	w.do("GET", users, theirs, nil).is(200)
	if r := checked(theirs); r.at("allowed") != true {
		t.Errorf("SPEC 3.12: %s", r.body)
	}
	_, id := w.withApp(ann)
	w.do("GET", users, mine, nil).is(200)
	if r := checked(mine); r.at("allowed") != true {
		t.Errorf("SPEC 3.12: %s", r.body)
	}
	w.do("DELETE", "/v1/me/factors/"+id, ann.token, object{"password": goodPassword}).is(200)
	w.do("GET", users, mine, nil).refused(403, "second_factor_required")
}
