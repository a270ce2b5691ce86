package main_test

import (
	"regexp"
	"strings"
	"testing"
	"time"
)

// TestDemo: the demo's people can sign in, its list has people in every status, and its trail goes back for months.
func TestDemo(t *testing.T) {
	t.Parallel()
	r := serve(t, dataDir(t), "--demo")
	r.until("who can sign in", func() bool { return strings.Contains(r.stderr.String(), "suspended\n") })
	said := r.stderr.String()
	secret := regexp.MustCompile(`with the password (\S+):`).FindStringSubmatch(said)
	people := regexp.MustCompile(`(?m)^  (\S+@\S+) +(.+)$`).FindAllStringSubmatch(said, -1)
	if secret == nil || len(people) < 5 || strings.Contains(said, "/setup/") {
		t.Fatalf("it says %s", said)
	}
	var account string
	var owner caller
	for _, p := range people {
		email, is := p[1], p[2]
		session := r.as(r.as("").post("/v1/sessions", m{"email": email, "password": secret[1]}).Want(201).JSON()["token"].(string))
		if got := session.get("/v1/me").Want(200).JSON()["email"]; got != email {
			t.Errorf("%s is %v", email, got)
		}
		accounts := session.get("/v1/accounts").Want(200).JSON()["items"].([]any)
		if is == "suspended" {
			if len(accounts) != 0 {
				t.Errorf("%s is suspended and sees %v", email, accounts)
			}
			session.get("/v1/accounts/"+account).Want(403, "not_permitted")
			continue
		}
		words := strings.SplitN(is, " of ", 2)
		names := strings.Split(words[1], " and of ")
		if len(accounts) != len(names) {
			t.Errorf("%s is %s and sees %v", email, is, accounts)
		}
		for _, one := range accounts {
			a := one.(map[string]any)
			if !strings.Contains(is, a["name"].(string)) || joined(a["roles"]) != words[0] {
				t.Errorf("%s is %s and sees %v", email, is, a)
			}
			if a["name"] == "Northwind Hosting" {
				account = a["id"].(string)
			}
		}
		if words[0] == "owner" {
			owner = session
		}
	}
	at := "/v1/accounts/" + account
	if roles := owner.get(at + "/roles/support").Want(200).JSON(); roles["label"] != "Support desk" {
		t.Errorf("its role is %v", roles)
	}
	if contacts := owner.get(at + "/contacts").Want(200).JSON()["items"].([]any); len(contacts) != 2 {
		t.Errorf("its contacts are %v", contacts)
	}
	counts := owner.get(at + "/users").Want(200).JSON()["counts"].(map[string]any)
	for _, status := range []string{"active", "pending", "expired", "suspended", "revoked"} {
		if n, _ := counts[status].(float64); n == 0 {
			t.Errorf("nobody is %s: %v", status, counts)
		}
	}
	for _, status := range []string{"pending", "expired", "accepted", "declined", "revoked"} {
		if items := owner.get(at + "/invitations?status=" + status).Want(200).JSON()["items"].([]any); len(items) == 0 {
			t.Errorf("no invitation is %s", status)
		}
	}
	var oldest, newest time.Time
	lines := strings.Split(strings.TrimSpace(string(owner.with("Accept", "application/x-ndjson").get(at+"/audit").Want(200).Body)), "\n")
	for _, line := range lines {
		when, err := time.Parse(time.RFC3339Nano, answer{t: t, Body: []byte(line)}.JSON()["time"].(string))
		if err != nil {
			t.Fatal(err)
		}
		if oldest.IsZero() || when.Before(oldest) {
			oldest = when
		}
		if when.After(newest) {
			newest = when
		}
	}
	if len(lines) < 50 || newest.Sub(oldest) < 60*24*time.Hour || newest.After(time.Now()) {
		t.Errorf("the trail has %d entries from %s to %s", len(lines), oldest, newest)
	}
	r.stop()
	runs(t, nil, serving(r.Data, "--demo")...).wantLine(t, 1, "--demo fills empty data only")
	again := serve(t, r.Data)
	again.as(owner.token).get(at + "/users").Want(200)
	again.stop()
}
