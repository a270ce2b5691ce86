package api_test

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"roster/events"
	"roster/infra/passkey"
)

// written lists the facts behind a position, without the attempts that passwords and codes are counted by.
func (w *world) written(after uint64) []string {
	w.t.Helper()
	list := []string{}
	if w.last() == after { // reading waits for what comes next
		return list
	}
	records, err := w.log.Read(w.t.Context(), after, 100)
	if err != nil {
		w.t.Fatal(err)
	}
	for _, r := range records {
		c, err := events.Decode(r)
		if err != nil {
			w.t.Fatal(err)
		}
		for _, f := range c.Facts {
			if name := events.KindOf(f).Name; name != "signin.attempted" && name != "password.confirmed" { // a dry run looks at no password
				list = append(list, c.Boundary.String()+" "+name)
			}
		}
	}
	return list
}

// plans asks for a dry run: nothing is written, sent or shown by it. It answers the facts that it names.
func (w *world) plans(phone *handset, method, path, token string, body any) []string {
	w.t.Helper()
	last, sent := w.last(), len(phone.got)
	plan := w.do(method, path, token, body, "Roster-Dry-Run", "true").is(200)
	if w.last() != last || len(phone.got) != sent {
		w.t.Errorf("SPEC 3.11: %s %s: a dry run has done something", method, path)
	}
	if plan.at("dry_run") != true || plan.at("secret") != nil || plan.at("codes") != nil || strings.Contains(string(plan.body), "otpauth") {
		w.t.Errorf("SPEC 3.11: %s %s: %s", method, path, plan.body)
	}
	list := []string{}
	for i := range plan.count("facts") {
		list = append(list, plan.text(fmt.Sprintf("facts.%d.boundary", i))+" "+plan.text(fmt.Sprintf("facts.%d.type", i)))
	}
	return list
}

// SPEC 3.11, 7.1: whatever one does to one's second factors can be asked for as a dry run, which says what the command
// then does, and is done once under an idempotency key.
func TestFactorsDryAndOnce(t *testing.T) {
	w := newBareWorld(t)
	account, owner := w.open("Acme")
	ann := w.member(account, owner, "viewer")
	w.signIn(ann.email) // another device, which the first factor signs out
	phone := &handset{}
	w.config.Access.UseTexts(phone, "{code} is your code")
	v, err := passkey.New("http://portal.example", "Acme")
	if err != nil {
		t.Fatal(err)
	}
	w.config.Access.UsePasskeys(v)
	const factors, mobile = "/v1/me/factors", "/v1/me/mobile"
	with := func(o object) object { o["password"] = goodPassword; return o }
	n := 0
	// once carries a command out, twice under one key, and compares with its dry run.
	once := func(method, path string, body object, again int, code string) (first, second *response) {
		t.Helper()
		n++
		key := "key-" + string(rune('a'+n))
		want := w.plans(phone, method, path, ann.token, body)
		before := w.last()
		first = w.do(method, path, ann.token, body, "Idempotency-Key", key)
		if first.status >= 300 {
			t.Fatalf("%s %s: %d %s", method, path, first.status, first.body)
		}
		if got := w.written(before); !slices.Equal(got, want) || len(got) == 0 {
			t.Errorf("SPEC 3.11: %s %s: a dry run says %q, and done is %q", method, path, want, got)
		}
		after, sent := w.last(), len(phone.got)
		second = w.do(method, path, ann.token, body, "Idempotency-Key", key)
		if second.status != again || second.status >= 300 && second.text("code") != code {
			t.Errorf("SPEC 7.1: %s %s again: %d %s", method, path, second.status, second.body)
		}
		if w.last() != after || len(phone.got) != sent {
			t.Errorf("SPEC 7.1: %s %s: again it has done something: %q", method, path, w.written(after))
		}
		return first, second
	}

	made, shown := once("POST", factors, with(object{"method": "totp", "label": "phone"}), 409, "secret_already_shown")
	if strings.Contains(string(shown.body), made.text("secret")) {
		t.Errorf("SPEC 7.1: %s", shown.body)
	}
	id, code := made.text("id"), w.code(made.text("secret"), 0)
	_, again := once("POST", factors+"/"+id+"/verify", object{"code": code}, 200, "")
	if again.at("verified") != true || again.text("id") != id {
		t.Errorf("SPEC 7.1: %s", again.body)
	}
	w.do("POST", factors+"/"+id+"/verify", ann.token, object{"code": "000000"}, "Idempotency-Key", "key-c").refused(422, "idempotency_conflict")
	codes, shown := once("POST", "/v1/me/recovery-codes", with(object{}), 409, "secret_already_shown")
	if strings.Contains(string(shown.body), codes.text("codes.0")) {
		t.Errorf("SPEC 7.1: %s", shown.body)
	}
	enrolled, again := once("POST", mobile, with(object{"mobile": "+31612345678"}), 201, "")
	if again.text("id") != enrolled.text("id") || again.text("label") != "+31612345678" {
		t.Errorf("SPEC 7.1: %s", again.body)
	}
	_, again = once("POST", mobile+"/verify", object{"code": phone.code(t)}, 200, "")
	if again.text("id") != enrolled.text("id") || again.at("verified") != true {
		t.Errorf("SPEC 7.1: %s", again.body)
	}
	begun := w.do("POST", factors+"/passkey", ann.token, with(object{"label": "key"})).is(200)
	added, again := once("POST", factors+"/passkey/verify", newKey(t).create(begun), 201, "")
	if added.text("method") != "passkey" || again.text("id") != added.text("id") {
		t.Errorf("SPEC 7.1: %s", again.body)
	}
	once("DELETE", factors+"/"+id, with(object{}), 200, "")
	w.do("POST", factors+"/"+id+"/verify", ann.token, object{"code": code}, "Idempotency-Key", "key-c").refused(404, "not_found")
}

// SPEC 3.11: a dry run is refused as the command is.
func TestFactorsDryRefusals(t *testing.T) {
	w := newBareWorld(t)
	account, owner := w.open("Acme")
	ann := w.member(account, owner, "viewer")
	phone := &handset{}
	w.config.Access.UseTexts(phone, "{code} is your code")
	v, err := passkey.New("http://portal.example", "Acme")
	if err != nil {
		t.Fatal(err)
	}
	w.config.Access.UsePasskeys(v)
	nowhere := "/v1/me/factors/" + w.operatorID()
	for _, c := range []struct {
		method, path, token string
		body                object
	}{
		{"POST", "/v1/me/factors", ann.token, object{"method": "totp"}},
		{"POST", "/v1/me/factors", ann.token, object{"method": "smoke", "password": goodPassword}},
		{"POST", "/v1/me/factors", w.operator, object{"method": "totp", "password": goodPassword}},
		{"POST", "/v1/me/factors", ann.token, object{"method": "totp", "password": strings.Repeat("x", 5000)}},
		{"POST", nowhere + "/verify", ann.token, object{"code": "123456"}},
		{"POST", "/v1/me/factors/x/verify", ann.token, object{"code": "123456"}},
		{"DELETE", nowhere, ann.token, object{"password": goodPassword}},
		{"POST", "/v1/me/recovery-codes", ann.token, object{"password": goodPassword}},
		{"POST", "/v1/me/recovery-codes", ann.token, object{}},
		{"POST", "/v1/me/mobile", ann.token, object{"mobile": "0612", "password": goodPassword}},
		{"POST", "/v1/me/mobile", ann.token, object{"mobile": "+31612345678"}},
		{"POST", "/v1/me/mobile/verify", ann.token, object{"code": "123456"}},
		{"POST", "/v1/me/factors/passkey/verify", ann.token, object{"state": "x", "credential": object{}}},
	} {
		last := w.last()
		dry := w.do(c.method, c.path, c.token, c.body, "Roster-Dry-Run", "true")
		if w.last() != last {
			t.Errorf("SPEC 3.11: %s %s: written: %q", c.method, c.path, w.written(last))
		}
		done := w.do(c.method, c.path, c.token, c.body)
		if dry.status != done.status || done.status < 400 || string(dry.body) != string(done.body) {
			t.Errorf("SPEC 3.11: %s %s: a dry run is refused with %s, the command with %s", c.method, c.path, dry.body, done.body)
		}
	}
	if len(phone.got) != 0 {
		t.Errorf("SPEC 3.11: sent: %v", phone.got)
	}
}

// SPEC 7.1: asked again under its key, a code that no gateway has taken is sent after all.
func TestAnUnsentCodeIsSentUnderItsKey(t *testing.T) {
	w := newBareWorld(t)
	account, owner := w.open("Acme")
	ann := w.member(account, owner, "viewer")
	phone := &handset{away: errors.New("the gateway is away")}
	w.config.Access.UseTexts(phone, "{code} is your code")
	ask := func() *response {
		return w.do("POST", "/v1/me/mobile", ann.token, object{"mobile": "+31612345678", "password": goodPassword}, "Idempotency-Key", "sms")
	}
	ask().refused(503, "unavailable")
	phone.away = nil
	ask().is(201)
	ask().is(201)
	if len(phone.got) != 2 {
		t.Errorf("SPEC 7.1: tried %d times, not one that failed and one that was taken", len(phone.got))
	}
	w.do("POST", "/v1/me/mobile/verify", ann.token, object{"code": phone.code(t)}).is(200)
}

// SPEC 3.11, 7.1: a read model is built anew once for a key; a dry run builds none.
func TestRebuildDryAndOnce(t *testing.T) {
	w := newWorld(t)
	const path = "/v1/operator/projections/"
	generations := func() map[string]float64 {
		all := map[string]float64{}
		r := w.do("GET", "/v1/operator/projections", w.operator, nil).is(200)
		for i := range r.count("items") {
			name := r.text(fmt.Sprintf("items.%d.name", i))
			all[name] = max(all[name], r.number(fmt.Sprintf("items.%d.generation", i)))
		}
		return all
	}
	before := generations()
	if plan := w.do("POST", path+"audit/rebuild", w.operator, nil, "Roster-Dry-Run", "true").is(200); plan.at("dry_run") != true || plan.count("facts") != 0 {
		t.Errorf("SPEC 3.11: %s", plan.body)
	}
	w.do("POST", path+"nothing/rebuild", w.operator, nil, "Roster-Dry-Run", "true").refused(404, "not_found")
	if !maps.Equal(generations(), before) {
		t.Errorf("SPEC 3.11: a dry run has done something: %v", generations())
	}
	for range 3 {
		if r := w.do("POST", path+"audit/rebuild", w.operator, nil, "Idempotency-Key", "anew").is(200); r.text("state") != "serving" {
			t.Errorf("SPEC 8.2: %s", r.body)
		}
	}
	if got := generations()["audit"]; got != before["audit"]+1 {
		t.Errorf("SPEC 7.1: generation %v, after %v", got, before["audit"])
	}
	w.do("POST", path+"accounts/rebuild", w.operator, nil, "Idempotency-Key", "anew").refused(422, "idempotency_conflict")
	w.do("POST", path+"audit/rebuild", w.operator, nil).is(200)
	if got := generations()["audit"]; got != before["audit"]+2 {
		t.Errorf("SPEC 8.2: generation %v, after %v", got, before["audit"])
	}
	w.do("POST", path+"audit/rebuild", w.operator, nil, "Idempotency-Key", "anew").is(200) // what it had built has given way
	if got := generations()["audit"]; got != before["audit"]+2 {
		t.Errorf("SPEC 7.1: generation %v, after %v", got, before["audit"])
	}
}

// neitherDryNorOnce are the operations that change something and take neither a dry run nor an idempotency key, each with why.
func neitherDryNorOnce() map[string]string {
	return map[string]string{
		"SignIn":               "every sign-in is a session of its own, and its token is shown once",
		"SecondFactor":         "it ends a sign-in",
		"ExchangeCode":         "a code works once",
		"OpenFrame":            "nothing is written until its code is used",
		"RequestSignUp":        "whoever asks is nobody, whose key could be anybody's, and learns nothing of the address",
		"RequestPasswordReset": "whoever asks is nobody, whose key could be anybody's, and learns nothing of the address",
		"AskPasskey":           "nothing is written",
		"BeginPasskey":         "nothing is written",
		"Check":                "a question",
		"IntrospectSession":    "a question",
	}
}

// SPEC 3.11, 7.1: every command takes a dry run and an idempotency key.
func TestEveryCommandIsDryAndOnce(t *testing.T) {
	exempt := neitherDryNorOnce()
	for path, item := range document(t, newBareWorld(t))["paths"].(object) {
		for verb, o := range item.(object) {
			op := o.(object)
			id := op["operationId"].(string)
			headers := map[string]bool{}
			parameters, _ := op["parameters"].([]any)
			for _, p := range parameters {
				headers[p.(object)["name"].(string)] = p.(object)["in"] == "header"
			}
			takes := headers["Roster-Dry-Run"] && headers["Idempotency-Key"]
			why := exempt[id]
			delete(exempt, id)
			if want := verb != "get" && why == ""; takes != want || headers["Roster-Dry-Run"] != headers["Idempotency-Key"] {
				t.Errorf("SPEC 3.11, 7.1: %s %s %s: takes %v", verb, path, id, slices.Sorted(maps.Keys(headers)))
			}
		}
	}
	if len(exempt) > 0 {
		t.Errorf("no such operations: %v", exempt)
	}
}
