package api_test

import (
	"encoding/csv"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// SPEC 4.1: one's own profile is one's own: it is shown, changed in part, with a version, and in the form that it is
// meant to have. Nobody changes another's.
func TestProfile(t *testing.T) {
	w := newBareWorld(t)
	account, owner := w.open("Acme")
	pia := w.member(account, owner, "viewer")
	r := w.do("GET", "/v1/me", pia.token, nil).is(200)
	first := r.header.Get("ETag")
	if r.text("first_name") != "Pia" || r.text("time_zone") != "" || r.at("mobile") != "" || first == "" {
		t.Errorf("%s", r.body)
	}
	r = w.do("PATCH", "/v1/me", pia.token, map[string]any{"first_name": " Pía ", "mobile": "+43 660 123-4567", "time_zone": "Europe/Vienna", "locale": "de-at", "country": "at"}, "If-Match", first).is(200)
	for field, want := range map[string]string{"first_name": "Pía", "last_name": "Person", "mobile": "+436601234567", "time_zone": "Europe/Vienna", "locale": "de-AT", "country": "AT", "email": pia.email, "id": pia.id} {
		if r.text(field) != want {
			t.Errorf("%s is %q, want %q", field, r.text(field), want)
		}
	}
	if got := w.do("GET", "/v1/me", pia.token, nil).is(200); string(got.body) != string(r.body) || got.header.Get("ETag") != r.header.Get("ETag") {
		t.Errorf("%s, %s", got.body, r.body)
	}
	w.do("GET", "/v1/me", pia.token, nil, "If-None-Match", r.header.Get("ETag")).is(304)
	w.do("PATCH", "/v1/me", pia.token, map[string]any{"country": "DE"}, "If-Match", first).refused(412, "stale_version")
	wrong := w.do("PATCH", "/v1/me", pia.token, map[string]any{"mobile": "0660 1", "time_zone": "Local", "locale": "klingon", "country": "EU"}).refused(422, "invalid")
	if wrong.locations() != "body.mobile body.time_zone body.locale body.country" {
		t.Errorf("%s", wrong.body)
	}
	w.do("PATCH", "/v1/me", pia.token, map[string]any{"last_name": ""}).refused(422, "invalid")
	for _, field := range []string{"email", "id", "status", "roles"} { // nothing else is one's own to set
		w.do("PATCH", "/v1/me", pia.token, map[string]any{field: "x"}).refused(422, "invalid")
	}
	if r = w.do("PATCH", "/v1/me", pia.token, map[string]any{"mobile": ""}).is(200); r.text("mobile") != "" || r.text("country") != "AT" {
		t.Errorf("%s", r.body)
	}
	if plan := w.do("PATCH", "/v1/me", pia.token, map[string]any{"country": "DE"}, "Roster-Dry-Run", "true").is(200); plan.text("facts.0.type") != "user.profile_changed" {
		t.Errorf("%s", plan.body)
	}
	w.do("PATCH", "/v1/me", w.operator, map[string]any{"country": "DE"}).refused(403, "not_permitted")
	w.do("PATCH", "/v1/me", w.operator, map[string]any{"country": "DE"}, "Roster-On-Behalf-Of", pia.id).refused(403, "not_permitted")
	w.do("GET", "/v1/me", w.operator, nil, "Roster-On-Behalf-Of", pia.id).is(200)
}

// Changes of different parts at the same moment lose nothing.
func TestProfileAtOnce(t *testing.T) {
	w := newBareWorld(t)
	_, owner := w.open("Acme")
	var all sync.WaitGroup
	parts := map[string]string{"first_name": "Ada", "last_name": "Okafor", "mobile": "+436601234567", "time_zone": "Europe/Vienna", "locale": "de-AT", "country": "AT"}
	for field, value := range parts {
		all.Go(func() {
			if r, err := w.try("PATCH", "/v1/me", owner.token, map[string]any{field: value}); err != nil || r.status != 200 {
				t.Errorf("%s: %v %+v", field, err, r)
			}
		})
	}
	all.Wait()
	r := w.do("GET", "/v1/me", owner.token, nil).is(200)
	for field, want := range parts {
		if r.text(field) != want {
			t.Errorf("%s is %q, want %q", field, r.text(field), want)
		}
	}
}

// SPEC 4.1, 3.1, 5.1: whoever has another name is named so wherever people are named, without a change of those places.
func TestAChangedNameShowsEverywhere(t *testing.T) {
	w := newWorld(t)
	account, owner := w.open("Acme")
	pia := w.member(account, owner, "admin")
	w.do("POST", "/v1/accounts/"+account+"/invitations", pia.token, map[string]any{"emails": "new@example.com", "roles": []string{"viewer"}}).is(200)
	changed := w.do("PATCH", "/v1/me", pia.token, map[string]any{"first_name": "Penelope", "last_name": "Zürn"}).is(200)
	at := []string{"Roster-Min-Position", changed.header.Get("Roster-Position")}
	if r := w.do("GET", "/v1/accounts/"+account+"/users?q=zurn", owner.token, nil, at...).is(200); r.count("items") != 1 || r.text("items.0.name") != "Penelope Zürn" {
		t.Errorf("users: %s", r.body)
	}
	if r := w.do("GET", "/v1/accounts/"+account+"/users?q=person", owner.token, nil, at...).is(200); r.count("items") != 1 { // by the address only
		t.Errorf("users by the old name: %s", r.body)
	}
	if r := w.do("GET", "/v1/accounts/"+account+"/invitations?status=pending", owner.token, nil, at...).is(200); r.text("items.0.invited_by.name") != "Penelope Zürn" {
		t.Errorf("invitations: %s", r.body)
	}
	r := w.do("GET", "/v1/accounts/"+account+"/audit?actor="+pia.id, owner.token, nil, at...).is(200)
	if r.text("items.0.action") != "user.profile_changed" || r.count("items") < 2 {
		t.Errorf("trail: %s", r.body)
	}
	for i := range r.count("items") {
		if name := r.text(fmt.Sprintf("items.%d.actor.name", i)); name != "Penelope Zürn" {
			t.Errorf("trail: %q", name)
		}
	}
}

// SPEC 4.7: preferences are one's own, replaced whole, and have a version of their own.
func TestPreferences(t *testing.T) {
	w := newBareWorld(t)
	_, owner := w.open("Acme")
	r := w.do("GET", "/v1/me/preferences", owner.token, nil).is(200)
	if r.at("desktop") != false || r.count("no_mail") != 0 {
		t.Errorf("%s", r.body)
	}
	first := r.header.Get("ETag")
	r = w.do("PUT", "/v1/me/preferences", owner.token, map[string]any{"desktop": true, "sounds": true, "no_mail": []string{"digest", "portal.news"}}, "If-Match", first).is(200)
	if r.at("desktop") != true || r.at("badges") != false || r.text("no_mail.1") != "portal.news" {
		t.Errorf("%s", r.body)
	}
	w.do("PUT", "/v1/me/preferences", owner.token, map[string]any{}, "If-Match", first).refused(412, "stale_version")
	if got := w.do("GET", "/v1/me/preferences", owner.token, nil).is(200); string(got.body) != string(r.body) {
		t.Errorf("%s", got.body)
	}
	if wrong := w.do("PUT", "/v1/me/preferences", owner.token, map[string]any{"no_mail": []string{"ok", "NOT OK"}}).refused(422, "invalid"); wrong.locations() != "body.no_mail[1]" {
		t.Errorf("%s", wrong.body)
	}
	w.do("PUT", "/v1/me/preferences", w.operator, map[string]any{}, "Roster-On-Behalf-Of", owner.id).refused(403, "not_permitted")
	if r = w.do("PUT", "/v1/me/preferences", owner.token, map[string]any{}).is(200); r.at("desktop") != false || r.count("no_mail") != 0 {
		t.Errorf("%s", r.body)
	}
}

// SPEC 4.9 over HTTP: all accounts with access, with roles, and from where those below come.
func TestMyAccounts(t *testing.T) {
	w := newBareWorld(t)
	account, owner := w.open("Acme")
	north := w.do("POST", "/v1/accounts", owner.token, map[string]any{"name": "North", "parent": account}).is(201).text("id")
	deep := w.do("POST", "/v1/accounts", owner.token, map[string]any{"name": "Deep", "parent": north}).is(201).text("id")
	pia := w.member(account, owner, "viewer")
	r := w.do("GET", "/v1/me/accounts", owner.token, nil).is(200)
	if r.count("items") != 3 || r.text("items.0.id") != account || r.at("items.0.inherited_from") != nil || r.text("items.1.id") != deep || r.text("items.1.inherited_from") != account ||
		r.text("items.2.id") != north || r.text("items.2.roles.0") != "owner" || r.at("more") != false {
		t.Errorf("%s", r.body)
	}
	if r = w.do("GET", "/v1/me/accounts", pia.token, nil).is(200); r.count("items") != 1 || r.text("items.0.roles.0") != "viewer" {
		t.Errorf("%s", r.body)
	}
	w.do("PUT", "/v1/accounts/"+account+"/users/"+pia.id+"/role", owner.token, map[string]any{"roles": []string{"manager"}, "inherit": true}).is(200)
	if r = w.do("GET", "/v1/me/accounts", pia.token, nil).is(200); r.count("items") != 3 || r.text("items.1.roles.0") != "manager" {
		t.Errorf("%s", r.body)
	}
	w.do("POST", "/v1/accounts/"+account+"/users/"+pia.id+"/suspend", owner.token, nil).is(200)
	if r = w.do("GET", "/v1/me/accounts", pia.token, nil).is(200); r.count("items") != 0 {
		t.Errorf("%s", r.body)
	}
}

// SPEC 4.8: times in a table that is exported are in the zone of whoever exports it, with the offset; in UTC where they have
// none.
func TestExportsAreInOnesOwnZone(t *testing.T) {
	w := newWorld(t)
	account, owner := w.open("Acme")
	export := func(headers ...string) (times []time.Time, text string) {
		r := w.do("GET", "/v1/accounts/"+account+"/audit", owner.token, nil, append([]string{"Accept", "text/csv"}, headers...)...).is(200)
		rows, err := csv.NewReader(strings.NewReader(string(r.body))).ReadAll()
		if err != nil || len(rows) < 4 {
			t.Fatalf("%v: %s", err, r.body)
		}
		for _, row := range rows[1:4] {
			at, err := time.Parse(time.RFC3339Nano, row[slices.Index(rows[0], "time")])
			if err != nil {
				t.Fatal(err)
			}
			times = append(times, at)
			text += row[slices.Index(rows[0], "time")] + " "
		}
		return times, text
	}
	utc, text := export()
	if strings.Count(text, "Z ") != 3 {
		t.Errorf("without a zone: %s", text)
	}
	w.do("PATCH", "/v1/me", owner.token, map[string]any{"time_zone": "Asia/Kathmandu"}).is(200)
	own, text := export()
	if strings.Count(text, "+05:45 ") != 3 {
		t.Errorf("in one's own: %s", text)
	}
	for i := range own {
		if !own[i].Equal(utc[i]) {
			t.Errorf("%s and %s are not the same moment", own[i], utc[i])
		}
	}
	r := w.do("GET", "/v1/operator/audit", w.operator, nil, "Accept", "text/csv").is(200)
	if strings.Contains(string(r.body), "+05:45") {
		t.Error("the operator has no zone")
	}
}
