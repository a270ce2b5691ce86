package api_test

import (
	"bytes"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"

	"roster/events"
	"roster/handlers"
	"roster/handlers/access"
	"roster/infra/token"
)

const callback = "https://portal.example/callback?from=roster"

// handOver is the code that a person would be sent to the portal with, and all of the address.
func (w *world) handOver(token string, to access.Return) (code string, at *url.URL) {
	w.t.Helper()
	p, err := w.config.Access.Authenticate(w.t.Context(), token)
	if err != nil {
		w.t.Fatal(err)
	}
	text, err := w.config.Access.HandOver(p, to)
	if err != nil {
		w.t.Fatal(err)
	}
	if at, err = url.Parse(text); err != nil {
		w.t.Fatal(err)
	}
	return at.Query().Get("code"), at
}

// SPEC 7.6: whose session it is, and whether it is alive, from the log itself.
func TestIntrospect(t *testing.T) {
	w := newBareWorld(t)
	account, ann := w.open("Acme")
	bob := w.member(account, ann, "viewer")
	other, _ := w.open("Other")
	ask := func(token string, more ...string) *response {
		b := body{"token": token}
		if more != nil {
			b["account"] = more[0]
		}
		return w.do("POST", "/v1/sessions/introspect", w.operator, b).is(200)
	}
	one := ask(bob.token, account)
	if one.at("active") != true || one.text("user") != bob.id || one.text("email") != bob.email || one.text("first_name") == "" || one.text("method") != "password" ||
		one.text("session") == "" || one.text("expires_at") == "" || one.at("access.may_enter") != true || one.text("access.roles.0") != "viewer" {
		t.Errorf("SPEC 7.6: %s", one.body)
	}
	if r := ask(bob.token, other); r.at("access.may_enter") != false || r.text("access.missing") != "membership" {
		t.Errorf("SPEC 7.6: another's account: %s", r.body)
	}
	w.do("POST", "/v1/accounts/"+account+"/users/"+bob.id+"/suspend", ann.token, nil).is(200)
	if r := ask(bob.token, account); r.at("active") != true || r.text("access.missing") != "suspended" {
		t.Errorf("SPEC 3.5, 3.9: %s", r.body)
	}
	w.do("PUT", "/v1/accounts/"+account+"/policy", ann.token, body{"two_factor": body{"required": true, "grace": "P1D"}}).is(200)
	w.clock.pass(25 * time.Hour)
	if r := ask(ann.token, account); r.at("access.may_enter") != false || r.text("access.missing") != "second_factor" {
		t.Errorf("SPEC 1.4: %s", r.body)
	}

	wrong := strings.Replace(bob.token, bob.token[60:64], "AAAA", 1)
	forged, _, err := token.MintSession(rand.Reader, events.UserID(uuid.MustParse(bob.id)), events.SessionID{1})
	if err != nil {
		t.Fatal(err)
	}
	ended := w.signIn(bob.email)
	w.do("DELETE", "/v1/sessions/current", ended, nil).is(200)
	for name, token := range map[string]string{"none": "", "no token": "rs_x", "another secret": wrong, "unknown": forged, "ended": ended, "the operator's": w.operator} {
		if r := ask(token, account); string(bytes.TrimSpace(r.body)) != `{"active":false}` {
			t.Errorf("SPEC 7.6: %s: %s", name, r.body)
		}
	}
	w.do("POST", "/v1/operator/users/"+bob.id+"/end-sessions", w.operator, nil).is(200)
	if r := ask(bob.token); string(bytes.TrimSpace(r.body)) != `{"active":false}` {
		t.Errorf("SPEC 3.9: on the next call: %s", r.body)
	}
	w.clock.pass(40 * 24 * time.Hour)
	if r := ask(ann.token); string(bytes.TrimSpace(r.body)) != `{"active":false}` {
		t.Errorf("SPEC 7.6: expired: %s", r.body)
	}
	w.do("POST", "/v1/sessions/introspect", w.signIn(ann.email), body{"token": bob.token}).refused(403, "not_permitted")
	w.do("POST", "/v1/sessions/introspect", "", body{"token": bob.token}).refused(401, "sign_in_required")
	w.do("POST", "/v1/sessions/introspect", w.operator, body{}).refused(422, "invalid")
	w.do("POST", "/v1/sessions/introspect", w.operator, body{"token": "x", "account": "x"}).refused(422, "invalid")
}

// SPEC 7.6: a sign-in is handed over by a code that works once, for a minute, for one address.
func TestExchange(t *testing.T) {
	w := newBareWorld(t)
	w.config.Access.UsePortals([]string{"https://portal.example", "https://second.example"})
	account, ann := w.open("Acme")
	bob := w.member(account, ann, "viewer")
	to := access.Return{To: callback, State: "a b&c"}
	exchange := func(code string, more ...string) *response {
		b := body{"code": code, "return_to": callback}
		for i := 0; i+1 < len(more); i += 2 {
			b[more[i]] = more[i+1]
		}
		return w.do("POST", "/v1/sessions/exchange", w.operator, b)
	}
	code, at := w.handOver(bob.token, to)
	if at.Query().Get("state") != "a b&c" || at.Query().Get("from") != "roster" || !strings.HasPrefix(at.String(), "https://portal.example/callback?") {
		t.Errorf("SPEC 7.6: sent to %s", at)
	}

	var done, refused atomic.Int32
	var all sync.WaitGroup
	tokens := make(chan string, 50)
	for range 50 {
		all.Go(func() {
			r, err := w.try("POST", "/v1/sessions/exchange", w.operator, body{"code": code, "return_to": callback})
			switch {
			case err == nil && r.status == 201:
				done.Add(1)
				tokens <- r.text("token")
			case err == nil && r.status == 401 && r.text("code") == "bad_credentials":
				refused.Add(1)
			}
		})
	}
	all.Wait()
	if done.Load() != 1 || refused.Load() != 49 {
		t.Fatalf("SPEC 7.6: of 50 exchanges %d were done and %d refused", done.Load(), refused.Load())
	}
	token := <-tokens
	if me := w.do("GET", "/v1/me", token, nil).is(200); me.text("id") != bob.id {
		t.Errorf("SPEC 7.6: %s", me.body)
	}
	devices := w.do("GET", "/v1/me/sessions", bob.token, nil).is(200)
	if devices.text("items.0.portal") != "https://portal.example" || devices.text("items.0.device") != devices.text("items.1.device") || devices.at("items.1.portal") != nil {
		t.Errorf("SPEC 4.6: %s", devices.body)
	}
	if r := w.do("POST", "/v1/sessions/introspect", w.operator, body{"token": token}).is(200); r.text("portal") != "https://portal.example" || r.text("method") != "password" {
		t.Errorf("SPEC 7.6: %s", r.body)
	}
	w.do("DELETE", "/v1/sessions/current", token, nil).is(200) // signs out of the browser, too
	w.do("GET", "/v1/me", bob.token, nil).refused(401, "sign_in_required")
	exchange(code).refused(401, "bad_credentials") // once is once

	bob.token = w.signIn(bob.email)
	fresh := func() string { code, _ := w.handOver(bob.token, to); return code }
	for name, r := range map[string]*response{
		"another address":        exchange(fresh(), "return_to", "https://portal.example/callback"),
		"another portal":         exchange(fresh(), "return_to", "https://second.example/callback"),
		"a verifier without":     exchange(fresh(), "code_verifier", "x"),
		"none":                   exchange(""),
		"another token":          exchange(bob.token),
		"a code that was cut":    exchange(fresh()[:100]),
		"a code that was forged": exchange(strings.Replace(fresh(), "rh_AQ", "rh_AR", 1)),
	} {
		if r.status != 401 || r.text("code") != "bad_credentials" {
			t.Errorf("SPEC 7.6: %s: %d %s", name, r.status, r.body)
		}
	}
	w.do("POST", "/v1/sessions/exchange", w.operator, body{"code": fresh()}).refused(422, "invalid") // there are two portals
	w.do("POST", "/v1/sessions/exchange", "", body{"code": fresh(), "return_to": callback}).refused(401, "sign_in_required")
	w.do("POST", "/v1/sessions/exchange", ann.token, body{"code": fresh(), "return_to": callback}).refused(403, "not_permitted")
	w.do("POST", "/v1/sessions/exchange", w.operator, body{"code": fresh(), "return_to": callback}, "Roster-On-Behalf-Of", ann.id).refused(403, "not_permitted")

	verifier := strings.Repeat("verifier-", 6)
	sum := sha256.Sum256([]byte(verifier))
	proved := to
	proved.Challenge = base64.RawURLEncoding.EncodeToString(sum[:])
	code, _ = w.handOver(bob.token, proved)
	exchange(code).refused(401, "bad_credentials")
	exchange(code, "code_verifier", "another").refused(401, "bad_credentials")
	exchange(code, "code_verifier", verifier).is(201)

	late, kept := fresh(), fresh()
	w.clock.pass(59 * time.Second)
	exchange(kept).is(201)
	w.clock.pass(2 * time.Second)
	exchange(late).refused(401, "bad_credentials")

	code = fresh() // nowhere may it be kept in clear
	exchange(code).is(201)
	w.config.Access.UsePortals(nil)
	exchange(fresh2(w, bob, to)).refused(401, "bad_credentials") // no portal any more
	w.config.Access.UsePortals([]string{"https://portal.example"})
	w.do("POST", "/v1/sessions/exchange", w.operator, body{"code": fresh()}).is(201)
	if strings.Contains(w.printed.String(), "rh_") {
		t.Error("SPEC 7.6: a code was logged")
	}

	suspended := fresh() // the session stands, the account is closed to it
	w.do("POST", "/v1/accounts/"+account+"/users/"+bob.id+"/suspend", ann.token, nil).is(200)
	token = exchange(suspended).is(201).text("token")
	if r := w.do("POST", "/v1/check", token, body{"user": bob.id, "permission": "account:read", "account": account}).is(200); r.at("allowed") != false {
		t.Errorf("SPEC 3.9: %s", r.body)
	}
	locked := fresh()
	w.do("POST", "/v1/operator/users/"+bob.id+"/lock", w.operator, nil).is(200)
	exchange(locked).refused(401, "bad_credentials")
	w.do("POST", "/v1/operator/users/"+bob.id+"/unlock", w.operator, nil).is(200)
	exchange(locked).refused(401, "bad_credentials")
}

// fresh2 is a code that was made while the portal was one.
func fresh2(w *world, p person, to access.Return) string {
	w.t.Helper()
	w.config.Access.UsePortals([]string{"https://portal.example"})
	code, _ := w.handOver(p.token, to)
	w.config.Access.UsePortals(nil)
	return code
}

// SPEC 7.6: the operator opens a session for a user, and what is done in it says so.
func TestOperatorOpensSession(t *testing.T) {
	w := newWorld(t)
	account, ann := w.open("Acme")
	other := w.sub(account, "Below", ann.token)
	elsewhere, _ := w.open("Elsewhere")
	open := func(b body, more ...string) *response {
		return w.do("POST", "/v1/operator/sessions", w.operator, b, more...)
	}
	opened := open(body{"user": ann.id}).is(201)
	token := opened.text("token")
	if until, err := time.Parse(time.RFC3339, opened.text("expires_at")); err != nil || until.Sub(w.clock.now()) > time.Hour || until.Sub(w.clock.now()) < 50*time.Minute {
		t.Errorf("SPEC 7.6: an hour: %s", opened.body)
	}
	if me := w.do("GET", "/v1/me", token, nil).is(200); me.text("id") != ann.id {
		t.Errorf("SPEC 7.6: %s", me.body)
	}
	w.do("PATCH", "/v1/accounts/"+account, token, body{"name": "Acme Support"}).is(200)
	trail := w.do("GET", "/v1/accounts/"+account+"/audit?action=account.renamed", ann.token, nil).is(200)
	if trail.text("items.0.actor.type") != "operator" || trail.text("items.0.on_behalf_of.id") != ann.id {
		t.Errorf("SPEC 5.1, 7.6: whose it was: %s", trail.body)
	}
	trail = w.do("GET", "/v1/accounts/"+account+"/audit?action=session.started&limit=1", ann.token, nil).is(200)
	if trail.text("items.0.actor.type") != "operator" || trail.text("items.0.target.id") != ann.id || trail.text("items.0.after.method") != "operator" {
		t.Errorf("SPEC 5.1, 7.6: that it was opened: %s", trail.body)
	}
	for _, c := range []struct {
		method, path string
		body         any
	}{
		{"PUT", "/v1/me/password", body{"current": goodPassword, "new": "Another-horse-88", "confirm": "Another-horse-88"}},
		{"POST", "/v1/me/email", body{"email": "mallory@example.com", "password": goodPassword}},
		{"POST", "/v1/me/factors", body{"method": "totp", "label": "x", "password": goodPassword}},
		{"POST", "/v1/me/recovery-codes", body{"password": goodPassword}},
		{"PATCH", "/v1/me", body{"first_name": "Mallory"}},
		{"POST", "/v1/me/keys", body{"account": account, "name": "Mallory's", "password": goodPassword}},
		{"DELETE", "/v1/me/sessions", nil},
	} {
		w.do(c.method, c.path, token, c.body).refused(403, "not_permitted")
	}
	w.do("POST", "/v1/operator/sessions", token, body{"user": ann.id}).refused(403, "not_permitted")
	w.do("GET", "/v1/operator/modules", token, nil).refused(403, "not_permitted")
	w.do("GET", "/v1/accounts/"+account, token, nil, "Roster-On-Behalf-Of", ann.id).refused(403, "not_permitted")
	if p, err := w.config.Access.Authenticate(t.Context(), token); err != nil || p.Opener == nil {
		t.Errorf("SPEC 7.6: %v", err)
	} else if _, err := w.config.Access.HandOver(p, access.Return{To: callback}); err == nil {
		t.Error("SPEC 7.6: handed over")
	}
	devices := w.do("GET", "/v1/me/sessions", ann.token, nil).is(200)
	if devices.text("items.0.opened_by") != "operator" || devices.text("items.0.ip") != "" || devices.at("items.1.opened_by") != nil {
		t.Errorf("SPEC 4.6, 7.6: %s", devices.body)
	}
	seen := w.do("GET", "/v1/operator/users/"+ann.id+"/sessions", w.operator, nil).is(200)
	if seen.count("items") != 2 || seen.at("items.0.current") != false || seen.text("items.0.opened_by") != "operator" || seen.text("items.1.ip") != "127.0.0.1" {
		t.Errorf("SPEC 4.6: as the operator sees it: %s", seen.body)
	}
	w.do("GET", "/v1/operator/users/"+ann.id+"/sessions", ann.token, nil).refused(403, "not_permitted")
	w.do("GET", "/v1/operator/users/"+account+"/sessions", w.operator, nil).refused(404, "not_found")
	w.do("DELETE", "/v1/me/sessions/"+devices.text("items.1.id"), token, nil).refused(403, "not_permitted")
	w.do("DELETE", "/v1/me/sessions/"+devices.text("items.0.id"), ann.token, nil).is(200)
	w.do("GET", "/v1/me", token, nil).refused(401, "sign_in_required")

	// One account and what is below it; the person is an owner elsewhere too.
	w.do("POST", "/v1/operator/accounts/"+elsewhere+"/owner", w.operator, body{"user": ann.id}).is(200)
	token = open(body{"user": ann.id, "account": account, "ttl": "PT12H"}).is(201).text("token")
	w.do("GET", "/v1/accounts/"+account, token, nil).is(200)
	w.do("GET", "/v1/accounts/"+other, token, nil).is(200)
	w.do("GET", "/v1/accounts/"+elsewhere, token, nil).refused(404, "not_found")
	w.do("GET", "/v1/accounts/"+elsewhere+"/users", token, nil).refused(404, "not_found")
	w.do("PATCH", "/v1/accounts/"+elsewhere, token, body{"name": "x"}).refused(404, "not_found")
	if mine := w.do("GET", "/v1/me/accounts", token, nil).is(200); mine.count("items") != 2 || strings.Contains(string(mine.body), elsewhere) {
		t.Errorf("SPEC 7.6: %s", mine.body)
	}
	for _, path := range []string{"/v1/accounts", "/v1/users"} {
		if r := w.do("GET", path, token, nil).is(200); strings.Contains(string(r.body), elsewhere) {
			t.Errorf("SPEC 7.6: %s: %s", path, r.body)
		}
	}
	if r := w.do("POST", "/v1/check", w.operator, body{"token": token, "permission": "account:read", "account": elsewhere}).is(200); r.at("allowed") != false || r.text("missing") != "session" {
		t.Errorf("SPEC 7.6: %s", r.body)
	}
	if r := w.do("POST", "/v1/sessions/introspect", w.operator, body{"token": token, "account": account}).is(200); r.text("only") != account || r.text("opened_by") == "" || r.at("access.may_enter") != true {
		t.Errorf("SPEC 7.6: %s", r.body)
	}

	if plan := open(body{"user": ann.id}, "Roster-Dry-Run", "true").is(200); plan.text("facts.0.type") != "session.started" {
		t.Errorf("SPEC 3.11: %s", plan.body)
	}
	open(body{"user": ann.id}, "Idempotency-Key", "once").is(201)
	open(body{"user": ann.id}, "Idempotency-Key", "once").refused(409, "secret_already_shown")
	open(body{"user": ann.id, "ttl": "PT12H1S"}).refused(422, "invalid")
	open(body{"user": ann.id, "ttl": "soon"}).refused(422, "invalid")
	open(body{"user": ann.id, "account": "x"}).refused(422, "invalid")
	open(body{"user": account}).refused(404, "not_found")
	w.do("POST", "/v1/operator/sessions", ann.token, body{"user": ann.id}).refused(403, "not_permitted")
	w.do("POST", "/v1/operator/users/"+ann.id+"/lock", w.operator, body{"force": true}).is(200)
	open(body{"user": ann.id}).refused(403, "not_permitted")
	w.do("GET", "/v1/me", token, nil).refused(401, "sign_in_required")
}

// SPEC 7.2, 7.6: an address that opens the page in the portal's frame, as whoever the portal's session is of.
func TestOpenFrame(t *testing.T) {
	w := newBareWorld(t)
	account, ann := w.open("Acme")
	bob := w.member(account, ann, "viewer")
	ask := func(token string, b body) *response { return w.do("POST", "/v1/sessions/frame", token, b) }
	ask(bob.token, body{}).refused(404, "not_available") // no portal shows it
	w.config.Access.UseFrames()
	code := func(r *response) string {
		u, err := url.Parse(r.is(201).text("url"))
		if err != nil || u.Scheme+"://"+u.Host+u.Path != "http://portal.example/embed" {
			t.Fatalf("SPEC 7.2: %s, %v", r.body, err)
		}
		return u.Query().Get("code")
	}
	opens := func(code string) (access.Principal, error) {
		in, err := w.config.Access.OpenFrame(t.Context(), handlers.Call{}, code, access.Principal{})
		if err != nil {
			return access.Principal{}, err
		}
		p, err := w.config.Access.Authenticate(t.Context(), in.Token)
		if err != nil {
			t.Fatal(err)
		}
		return p, nil
	}
	one := code(ask(bob.token, body{"path": "/me?x=1"}))
	p, err := opens(one)
	if err != nil || p.Actor.ID != bob.id || p.Opener != nil {
		t.Errorf("SPEC 7.6: %+v, %v", p, err)
	}
	if _, err := opens(one); err == nil {
		t.Error("SPEC 7.6: twice")
	}
	// A frame that is signed in from the same session stays as it is, and the code is not spent.
	again := code(ask(bob.token, body{}))
	if in, err := w.config.Access.OpenFrame(t.Context(), handlers.Call{}, again, p); err != nil || in.Token != "" {
		t.Errorf("SPEC 7.6: %+v, %v", in, err)
	}
	if _, err := opens(again); err != nil {
		t.Error(err)
	}
	late := code(ask(bob.token, body{}))
	w.clock.pass(2 * time.Minute)
	if _, err := opens(late); err == nil {
		t.Error("SPEC 7.6: after two minutes")
	}

	opened := w.do("POST", "/v1/operator/sessions", w.operator, body{"user": bob.id, "account": account}).is(201).text("token")
	p, err = opens(code(ask(opened, body{})))
	if err != nil || p.Opener == nil {
		t.Errorf("SPEC 7.6: what the operator has opened stays the operator's: %+v, %v", p, err)
	}
	last := code(ask(opened, body{}))
	w.do("DELETE", "/v1/sessions/current", opened, nil).is(200)
	if _, err := opens(last); err == nil {
		t.Error("SPEC 7.6: from a session that has ended")
	}
	for _, path := range []string{"//evil.example", "https://evil.example", "me"} {
		ask(bob.token, body{"path": path}).refused(422, "invalid")
	}
	ask(w.operator, body{}).refused(403, "not_permitted")
	ask("", body{}).refused(401, "sign_in_required")
}
