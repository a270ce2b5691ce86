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
