package api_test

import (
	"encoding/json"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	virtual "github.com/descope/virtualwebauthn"

	"roster/infra/passkey"
	"roster/infra/passkey/passkeytest"
)

// key is an authenticator with one passkey.
type key struct {
	t    *testing.T
	rp   virtual.RelyingParty
	auth virtual.Authenticator
	cred virtual.Credential
}

func newKey(t *testing.T) *key {
	return &key{t, virtual.RelyingParty{ID: "portal.example", Name: "Acme", Origin: "http://portal.example"}, virtual.NewAuthenticator(), passkeytest.NewCredential()}
}

func object1(t *testing.T, text string) (o object) {
	t.Helper()
	if err := json.Unmarshal([]byte(text), &o); err != nil {
		t.Fatal(err)
	}
	return o
}

func (k *key) options(r *response) string {
	text, err := json.Marshal(r.at("options"))
	if err != nil {
		k.t.Fatal(err)
	}
	return string(text)
}

// create answers the options of a registration.
func (k *key) create(r *response) object {
	k.t.Helper()
	o, err := virtual.ParseAttestationOptions(k.options(r))
	if err != nil {
		k.t.Fatal(err)
	}
	k.auth.Options.UserHandle = []byte(o.UserID)
	k.auth.AddCredential(k.cred)
	return object{"state": r.text("state"), "credential": object1(k.t, virtual.CreateAttestationResponse(k.rp, k.auth, k.cred, *o))}
}

// get answers the options of a sign-in.
func (k *key) get(r *response) object {
	k.t.Helper()
	o, err := virtual.ParseAssertionOptions(k.options(r))
	if err != nil {
		k.t.Fatal(err)
	}
	return object{"state": r.text("state"), "credential": object1(k.t, virtual.CreateAssertionResponse(k.rp, k.auth, k.cred, *o))}
}

// SPEC 4.5: a passkey is registered, is a second factor, and signs in alone.
func TestPasskeys(t *testing.T) {
	w := newBareWorld(t)
	account, owner := w.open("Acme")
	ann := w.member(account, owner, "viewer")
	const register, verify = "/v1/me/factors/passkey", "/v1/me/factors/passkey/verify"
	w.do("POST", register, ann.token, map[string]any{"password": goodPassword}).refused(404, "not_available")
	v, err := passkey.New("http://portal.example", "Acme")
	if err != nil {
		t.Fatal(err)
	}
	w.config.Access.UsePasskeys(v)

	w.do("POST", register, ann.token, map[string]any{}).refused(403, "reauthentication_required")
	begun := w.do("POST", register, ann.token, map[string]any{"label": "key", "password": goodPassword}).is(200)
	k := newKey(t)
	made := k.create(begun)
	w.do("POST", verify, owner.token, made).refused(401, "bad_credentials")
	w.do("POST", verify, ann.token, object{"state": "x", "credential": made["credential"]}).refused(401, "bad_credentials")
	w.do("POST", verify, ann.token, object{"state": begun.text("state"), "credential": object{}}).refused(401, "bad_credentials")
	elsewhere := newKey(t)
	elsewhere.rp.Origin = "http://evil.example"
	w.do("POST", verify, ann.token, elsewhere.create(begun)).refused(401, "bad_credentials")
	if r := w.do("POST", verify, ann.token, made).is(201); r.text("method") != "passkey" || r.text("label") != "key" || r.at("verified") != true {
		t.Errorf("SPEC 4.5: %s", r.body)
	}

	w.do("POST", verify, ann.token, made).refused(401, "bad_credentials") // once

	begin := func() *response {
		return w.do("POST", "/v1/sessions", "", map[string]any{"email": ann.email, "password": goodPassword}).is(202)
	}
	ask := func(challenge string) *response {
		return w.do("POST", "/v1/sessions/passkey", "", map[string]any{"challenge": challenge})
	}
	show := func(shown object) *response {
		return w.do("POST", "/v1/sessions/factor", "", object{"passkey": shown})
	}
	asked := begin()
	if asked.text("factors.0.method") != "passkey" {
		t.Errorf("SPEC 4.5: %s", asked.body)
	}
	ask("rc_x").refused(401, "bad_credentials")
	shown := k.get(ask(asked.text("challenge")).is(200))
	show(object{"state": begun.text("state"), "credential": shown["credential"]}).refused(401, "bad_credentials") // that of a registration
	stranger := newKey(t)
	stranger.auth.Options.UserHandle = k.auth.Options.UserHandle
	show(stranger.get(ask(asked.text("challenge")).is(200))).refused(401, "bad_credentials")
	token := show(shown).is(201).text("token")
	show(shown).refused(401, "bad_credentials") // once

	// Alone.
	w.clock.pass(16 * time.Minute)
	alone := k.get(ask("").is(200))
	var won atomic.Int64
	var wg sync.WaitGroup
	for range 20 {
		wg.Go(func() {
			if r, err := w.try("POST", "/v1/sessions/factor", "", object{"passkey": alone}); err == nil && r.status == 201 {
				won.Add(1)
			}
		})
	}
	wg.Wait()
	if won.Load() != 1 {
		t.Errorf("S16: one answer signed in %d times", won.Load())
	}
	w.clock.pass(16 * time.Minute)
	k.auth.Options.UserNotVerified = true
	show(k.get(ask("").is(200))).refused(401, "bad_credentials")
	show(k.get(ask(begin().text("challenge")).is(200))).is(201) // beside the password, presence is enough
	k.auth.Options.UserNotVerified = false
	late := k.get(ask("").is(200))
	w.clock.pass(10 * time.Minute)
	show(late).refused(401, "bad_credentials")
	foreign := newKey(t)
	foreign.auth.Options.UserHandle = []byte(strings.Repeat("x", 16))
	show(foreign.get(ask("").is(200))).refused(401, "bad_credentials")
	w.do("POST", "/v1/operator/users/"+ann.id+"/lock", w.operator, nil).is(200)
	show(k.get(ask("").is(200))).refused(401, "bad_credentials")
	w.do("POST", "/v1/operator/users/"+ann.id+"/unlock", w.operator, nil).is(200)
	token = show(k.get(ask("").is(200))).is(201).text("token")

	list := w.do("GET", "/v1/me/factors", token, nil).is(200)
	w.do("DELETE", "/v1/me/factors/"+list.text("items.0.id"), token, nil).is(200) // the session is fresh
	show(k.get(ask("").is(200))).refused(401, "bad_credentials")
	w.signIn(ann.email)
	w.do("POST", "/v1/sessions/factor", "", object{}).refused(422, "invalid")
	w.do("POST", "/v1/sessions/factor", "", object{"challenge": "x", "code": "1", "passkey": object{"state": "x", "credential": object{}}}).refused(422, "invalid")
}

// SPEC 4.5: a passkey whose counter does not rise is a copy of one (WebAuthn 6.1.1), and signs nobody in; one that counts
// nothing always says 0.
func TestPasskeyCounters(t *testing.T) {
	w := newBareWorld(t)
	account, owner := w.open("Acme")
	v, err := passkey.New("http://portal.example", "Acme")
	if err != nil {
		t.Fatal(err)
	}
	w.config.Access.UsePasskeys(v)
	for _, c := range []struct {
		name       string
		registered uint32
		shown      []uint32 // 0 beyond the first: it has begun anew
		works      []bool
	}{
		{"counts nothing", 0, []uint32{0, 0, 0}, []bool{true, true, true}},
		{"counts", 5, []uint32{6, 7, 4000000000, 4000000000, 7, 0, 4294967295}, []bool{true, true, true, false, false, false, true}},
		{"an older copy", 5, []uint32{5, 4, 0, 6}, []bool{false, false, false, true}},
		{"begins to count", 0, []uint32{0, 3, 0, 3, 4}, []bool{true, true, false, false, true}},
	} {
		p := w.member(account, owner, "viewer")
		k := newKey(t)
		k.cred.Counter = c.registered
		begun := w.do("POST", "/v1/me/factors/passkey", p.token, object{"password": goodPassword}).is(200)
		w.do("POST", "/v1/me/factors/passkey/verify", p.token, k.create(begun)).is(201)
		for i, n := range c.shown {
			w.clock.pass(time.Minute)
			k.cred.Counter = n
			r := w.do("POST", "/v1/sessions/factor", "", object{"passkey": k.get(w.do("POST", "/v1/sessions/passkey", "", nil).is(200))})
			if c.works[i] {
				r.is(201)
			} else {
				r.refused(401, "bad_credentials")
			}
		}
	}
}
