package api_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"roster/handlers/api"
)

// zone is what the DNS says.
type zone map[string][]string

func (z zone) txt(_ context.Context, name string) ([]string, error) {
	if list, ok := z[name]; ok {
		return list, nil
	}
	return nil, errors.New("no such host")
}

func newSSOWorld(t *testing.T) (*world, zone) {
	dns := zone{}
	return newBareWorld(t, func(c *api.Config) { c.TXT = dns.txt }), dns
}

func ssoOf(account string) string { return "/v1/accounts/" + account + "/sso" }

// SPEC 7.4: a root account's owners connect its provider; the client's secret is in no answer, no dry run and no log.
func TestSSOConnection(t *testing.T) {
	w, _ := newSSOWorld(t)
	account, owner := w.open("Acme")
	admin, viewer := w.member(account, owner, "admin"), w.member(account, owner, "viewer")
	sub := w.below(owner.token, account, "Sub")
	const canary = "canary-4d1f"
	at := ssoOf(account)
	ask := func(more object) object {
		o := object{"issuer": "https://id.example.com", "client_id": "roster", "client_secret": canary}
		for k, v := range more {
			o[k] = v
		}
		return o
	}
	var answers []*response
	do := func(method, path, token string, body any, headers ...string) *response {
		t.Helper()
		r := w.do(method, path, token, body, headers...)
		answers = append(answers, r)
		return r
	}

	if r := do("GET", at, viewer.token, nil).is(200); r.at("connection") != nil || r.count("domains") != 0 || !strings.HasSuffix(r.text("sign_in"), account) {
		t.Errorf("SPEC 7.4: %s", r.body)
	}
	w.do("PUT", "/v1/accounts/"+account+"/roles/desk", owner.token, object{"label": "Desk", "permissions": []string{"users:read"}}).is(200)
	desk := w.member(account, owner, "desk")
	_, stranger := w.open("Other")
	for _, path := range []string{at, at + "/domains/acme.example"} {
		do("GET", path, desk.token, nil).refused(403, "not_permitted")
		do("GET", path, stranger.token, nil).refused(404, "not_found")
	}
	for token, code := range map[string]string{admin.token: "exceeds_own_access", viewer.token: "not_permitted"} {
		do("PUT", at, token, ask(nil)).refused(403, code)
		do("PUT", at, token, ask(nil), "Roster-Dry-Run", "true").refused(403, code)
		do("DELETE", at, token, nil).refused(403, code)
		do("POST", at+"/domains/acme.example/verify", token, nil).refused(403, code)
		do("DELETE", at+"/domains/acme.example", token, nil).refused(403, code)
	}
	do("PUT", ssoOf(sub), owner.token, ask(nil)).refused(409, "inherited")
	for _, bad := range []object{{"issuer": "http://id.example.com"}, {"issuer": "https://id.example.com?x"}, {"issuer": "id.example.com"}, {"issuer": "https://u:p@id.example.com"},
		{"client_id": ""}, {"client_id": "a b"}, {"client_secret": ""}, {"join_roles": []string{"owner"}}, {"join_roles": []string{"none"}}, {"client_secret": strings.Repeat("x", 5000)}} {
		do("PUT", at, owner.token, ask(bad)).refused(422, "invalid")
	}

	last := w.last()
	if plan := do("PUT", at, owner.token, ask(nil), "Roster-Dry-Run", "true").is(200); plan.text("facts.0.type") != "sso.connected" || w.last() != last {
		t.Errorf("SPEC 3.11: %s %q", plan.body, w.written(last))
	}
	made := do("PUT", at, owner.token, ask(object{"join_roles": []string{"viewer"}}), "Idempotency-Key", "connect").is(200)
	if made.text("connection.issuer") != "https://id.example.com" || made.text("connection.join_roles.0") != "viewer" || made.at("connection.required") != false {
		t.Errorf("SPEC 7.4: %s", made.body)
	}
	if got := w.written(last); len(got) != 1 || !strings.HasSuffix(got[0], " sso.connected") {
		t.Errorf("SPEC 3.11: written: %q", got)
	}
	version := do("GET", at, owner.token, nil).is(200).header.Get("ETag")
	do("PUT", at, owner.token, ask(object{"client_id": "other"}), "If-Match", `"1"`).refused(412, "stale_version")
	do("DELETE", at, owner.token, nil, "If-Match", `"1"`).refused(412, "stale_version")
	last = w.last()
	do("PUT", at, owner.token, ask(object{"join_roles": []string{"viewer"}})).is(200) // it is so already
	if got := w.written(last); len(got) != 0 {
		t.Errorf("SPEC 7.4: written: %q", got)
	}
	changed := do("PUT", at, owner.token, object{"issuer": "https://id.example.com", "client_id": "other", "required": true}, "If-Match", version).is(200)
	if changed.at("connection.required") != true || changed.text("connection.client_id") != "other" {
		t.Errorf("SPEC 7.4: the secret there is serves on: %s", changed.body)
	}
	do("PUT", at, owner.token, object{"issuer": "https://other.example.com", "client_id": "other"}).refused(422, "invalid") // another provider has another secret

	// Asked again under its key, it is what was done then that is answered, and nothing is done anew.
	last = w.last()
	do("PUT", at, owner.token, ask(object{"join_roles": []string{"viewer"}}), "Idempotency-Key", "connect").is(200)
	do("PUT", at, owner.token, ask(object{"client_id": "third"}), "Idempotency-Key", "connect").refused(422, "idempotency_conflict")
	if r := do("GET", at, owner.token, nil).is(200); w.last() != last || r.text("connection.client_id") != "other" {
		t.Errorf("SPEC 7.1: %s", r.body)
	}
	if plan := do("DELETE", at, owner.token, nil, "Roster-Dry-Run", "true").is(200); plan.text("facts.0.type") != "sso.disconnected" || w.last() != last {
		t.Errorf("SPEC 3.11: %s", plan.body)
	}
	for range 2 {
		if r := do("DELETE", at, owner.token, nil, "Idempotency-Key", "end").is(200); r.at("connection") != nil {
			t.Errorf("SPEC 7.4: %s", r.body)
		}
	}
	do("PUT", at, owner.token, object{"issuer": "https://id.example.com", "client_id": "roster"}).refused(422, "invalid") // its secret has gone
	do("PUT", at, w.operator, ask(nil)).is(200)
	do("GET", ssoOf(sub), owner.token, nil).is(200)
	for _, r := range answers {
		if strings.Contains(string(r.body)+fmt.Sprint(r.header), canary) {
			t.Errorf("SPEC 6.4: the client's secret is answered: %s", r.body)
		}
	}
	if strings.Contains(w.printed.String(), canary) {
		t.Error("SPEC 6.4: the client's secret is printed")
	}
	records, err := w.log.Read(t.Context(), 0, int(w.last()))
	if err != nil || len(records) == 0 {
		t.Fatal(len(records), err)
	}
	for _, r := range records {
		if strings.Contains(string(r.Payload), canary) {
			t.Errorf("SPEC 6.4: the client's secret is in the log: %s", r.Payload)
		}
	}
}

// SPEC 7.4: a domain is an account's once its DNS says so, and one account's only.
func TestSSODomains(t *testing.T) {
	w, dns := newSSOWorld(t)
	account, owner := w.open("Acme")
	other, stranger := w.open("Other")
	at := ssoOf(account) + "/domains/"
	record := w.do("GET", at+"acme.example", owner.token, nil).is(200)
	name, value := record.text("record.name"), record.text("record.value")
	if record.at("verified") != false || record.text("record.type") != "TXT" || name != "_roster-challenge.acme.example" || len(value) < 40 {
		t.Fatalf("SPEC 7.4: %s", record.body)
	}
	theirs := w.do("GET", ssoOf(other)+"/domains/acme.example", stranger.token, nil).is(200).text("record.value")
	if theirs == value {
		t.Error("SPEC 7.4: two accounts are asked for the same record")
	}
	verify := func(account, domain, token string, headers ...string) *response {
		return w.do("POST", ssoOf(account)+"/domains/"+domain+"/verify", token, nil, headers...)
	}
	last := w.last()
	verify(account, "acme.example", owner.token).refused(422, "invalid") // nothing is there
	for _, said := range [][]string{{}, {theirs}, {value + "x"}, {value[:len(value)-1]}, {"v=spf1 -all", strings.ToUpper(value)}, {"x " + value}} {
		dns[name] = said
		verify(account, "acme.example", owner.token).refused(422, "invalid")
	}
	for _, bad := range []string{"*.acme.example", "acme", "ACME.example", "acme..example", "-.example"} {
		verify(account, bad, owner.token).refused(422, "invalid")
		w.do("GET", at+bad, owner.token, nil).refused(422, "invalid")
	}
	if got := w.written(last); len(got) != 0 {
		t.Errorf("SPEC 7.4: written: %q", got)
	}
	dns[name] = []string{"v=spf1 -all", " " + value + " "}
	if plan := verify(account, "acme.example", owner.token, "Roster-Dry-Run", "true").is(200); plan.text("facts.0.type") != "domain.verified" || w.last() != last {
		t.Errorf("SPEC 3.11: %s", plan.body)
	}
	for range 2 {
		if r := verify(account, "acme.example", owner.token, "Idempotency-Key", "prove").is(200); r.at("verified") != true {
			t.Errorf("SPEC 7.4: %s", r.body)
		}
	}
	verify(account, "beta.example", owner.token, "Idempotency-Key", "prove").refused(422, "idempotency_conflict")
	if got := w.written(last); len(got) != 2 {
		t.Errorf("SPEC 7.1: written: %q", got)
	}

	// Whoever can write that DNS later does not take it over, nor does the operator's word alone.
	dns[name] = []string{theirs}
	verify(other, "acme.example", stranger.token).refused(422, "domain_not_allowed")
	verify(other, "acme.example", w.operator).refused(422, "domain_not_allowed")
	w.do("DELETE", ssoOf(other)+"/domains/acme.example", stranger.token, nil).refused(404, "not_found")
	if r := w.do("GET", ssoOf(other)+"/domains/acme.example", stranger.token, nil).is(200); r.at("verified") != false {
		t.Errorf("SPEC 7.4: %s", r.body)
	}
	last = w.last()
	if plan := w.do("DELETE", at+"acme.example", owner.token, nil, "Roster-Dry-Run", "true").is(200); plan.text("facts.0.type") != "domain.released" || w.last() != last {
		t.Errorf("SPEC 3.11: %s", plan.body)
	}
	for range 2 {
		w.do("DELETE", at+"acme.example", owner.token, nil, "Idempotency-Key", "away").is(200)
	}
	if r := verify(other, "acme.example", stranger.token).is(200); r.at("verified") != true {
		t.Errorf("SPEC 7.4: %s", r.body)
	}
	// The operator needs no proof; what a closed account had can be proved by another.
	verify(other, "beta.example", w.operator).is(200)
	w.do("POST", "/v1/accounts/"+other+"/close", stranger.token, nil).is(200)
	verify(account, "beta.example", owner.token).refused(422, "invalid")
	beta := w.do("GET", at+"beta.example", owner.token, nil).is(200)
	dns[beta.text("record.name")] = []string{beta.text("record.value")}
	verify(account, "beta.example", owner.token).is(200)
	if list, _ := w.do("GET", ssoOf(account), owner.token, nil).is(200).at("domains").([]any); !slices.Equal(list, []any{"beta.example"}) {
		t.Errorf("SPEC 7.4: %v", list)
	}
}
