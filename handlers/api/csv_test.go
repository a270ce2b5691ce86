package api_test

import (
	"fmt"
	"strings"
	"testing"
)

// A list of invitees as CSV (SPEC 2.1).
func TestInviteByCSV(t *testing.T) {
	w := newBareWorld(t)
	a, ann := w.open("Acme")
	sub := w.below(ann.token, a, "Sub")
	send := func(text string, headers ...string) *response {
		t.Helper()
		return w.do("POST", invitations(a), ann.token, text, append([]string{"Content-Type", "text/csv; charset=utf-8"}, headers...)...)
	}
	outcomes := func(r *response) string {
		t.Helper()
		var list []string
		for i := range r.is(200).count("results") {
			list = append(list, r.text(fmt.Sprintf("results.%d.outcome", i)))
		}
		return strings.Join(list, " ")
	}
	got := send("\xef\xbb\xbfEmail;First_Name;Roles;Account\r\nzoe@example.com;Zoë;viewer|manager;\r\n\"nobody\";;viewer;\r\nyan@example.com;;admin;" + sub + "\r\nZOE@Example.com;;viewer|manager;\r\n" + ann.email + ";;viewer;\r\n")
	if outcomes(got) != "invited invalid_address invited invalid_address already_member" && outcomes(got) != "invited invalid_address invited already_invited already_member" {
		t.Errorf("SPEC 2.1: %s", got.body)
	}
	zoe := w.do("GET", "/v1/invitations/"+w.link(a, got.text("results.0.invitation"), 1), "", nil).is(200)
	if zoe.text("first_name") != "Zoë" || fmt.Sprint(zoe.at("roles")) != "[manager viewer]" {
		t.Errorf("SPEC 2.1: %s", zoe.body)
	}
	w.do("GET", "/v1/invitations/"+w.link(sub, got.text("results.2.invitation"), 1), "", nil).is(200)
	if got := send("a@example.com,A,B,viewer\nb@example.com,,,manager\n"); outcomes(got) != "invited invited" { // no header
		t.Errorf("SPEC 2.1: %s", got.body)
	}
	// The same key does it once; a dry run does nothing.
	first, again := send("c@example.com,,,viewer", "Idempotency-Key", "k").is(200), send("c@example.com,,,viewer", "Idempotency-Key", "k").is(200)
	if string(first.body) != string(again.body) {
		t.Errorf("%s is not %s", again.body, first.body)
	}
	if got := send("d@example.com,,,viewer", "Roster-Dry-Run", "true").is(200); got.count("mails") != 1 {
		t.Errorf("SPEC 3.11: %s", got.body)
	}
	for text, at := range map[string]string{"email,colour\nx@example.com,red": "body.line[1]", "email,roles\nx@example.com,viewer,more": "body.line[2]", "email,roles\n\"x@example.com,viewer": "body.line[2]", "email,first_name\nx@example.com,Zo\xeb": "body.line[2]"} {
		if got := send(text).refused(422, "invalid"); got.locations() != at {
			t.Errorf("%q: %s", text, got.body)
		}
	}
	send("").refused(422, "invalid")
	if got := send("email,roles\nd@example.com,viewer\ne@example.com,emperor").refused(422, "invalid"); got.locations() != "body.people[1].roles" {
		t.Errorf("SPEC 2.1: %s", got.body)
	}
	// What is allowed in one of the accounts and not in the other is refused whole, whichever stands first.
	other, _ := w.open("Other")
	for text, at := range map[string]string{"f@example.com,,,viewer,\ng@example.com,,,viewer," + other: "body.people[1].account",
		"g@example.com,,,viewer," + other + "\nf@example.com,,,viewer,": "body.people[0].account", "f@example.com,,,viewer,\ng@example.com,,,viewer,nowhere": "body.people[1].account"} {
		got := send("email,first_name,last_name,roles,account\n"+text).refused(404, "not_found")
		if got.locations() != at || got.text("errors.0.message") != got.text("detail") {
			t.Errorf("SPEC 2.1: %q: %s", text, got.body)
		}
	}
	viewer := w.member(a, ann, "viewer")
	w.do("POST", invitations(a), viewer.token, "x,y,z,w,v,u", "Content-Type", "text/csv").refused(403, "not_permitted")
	w.do("PUT", "/v1/accounts/"+a+"/policy", ann.token, "x", "Content-Type", "text/csv").refused(415, "unsupported_media_type")

	// SPEC 2.1: many in one go, an outcome for each, and no more than 5,000, which cmd/roster sends.
	many := []string{"email,roles,account"}
	for n := range 5001 {
		many = append(many, fmt.Sprintf("person%d@many.example,viewer,%s", n, []string{a, sub}[n%2]))
	}
	if got := send(strings.Join(many[:1+700], "\n")).is(200); strings.Count(string(got.body), `"outcome":"invited"`) != 700 || got.text("results.699.email") != "person699@many.example" {
		t.Errorf("SPEC 2.1: %.300s", got.body)
	}
	send(strings.Join(many, "\n")).refused(422, "invalid")
	send(strings.Repeat("person@many.example,,,viewer\n", 1_000_000)).refused(413, "too_large")
}
