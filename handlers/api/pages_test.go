package api_test

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"
)

// SPEC 7.1, 7.2: a browser that asks for a path which there is not gets a page, a program gets a problem document. What the
// API has stays the API's, whoever asks.
func TestElsewhere(t *testing.T) {
	w := newWorld(t)
	_, owner := w.open("Acme")
	b := w.pages()(owner)
	for _, c := range []struct {
		method, path, accept string
		status               int
		kind                 string
	}{
		{"GET", "/nowhere", "text/html,application/xhtml+xml,*/*;q=0.8", 404, "text/html; charset=utf-8"},
		{"HEAD", "/nowhere", "text/html", 404, "text/html; charset=utf-8"},
		{"GET", "/accounts-of-mine/7", "text/html", 404, "text/html; charset=utf-8"},
		{"GET", "/nowhere", "*/*", 404, "application/problem+json"},
		{"GET", "/nowhere", "", 404, "application/problem+json"},
		{"POST", "/nowhere", "text/html", 404, "application/problem+json"},
		{"GET", "/v1/nowhere", "text/html", 404, "application/problem+json"},
		{"GET", "/docs", "text/html", 200, "text/html; charset=utf-8"},
		{"GET", "/problems/not_found", "text/html", 200, "text/html; charset=utf-8"},
		{"GET", "/openapi.json", "text/html", 200, "application/json"},
	} {
		r, err := http.NewRequestWithContext(t.Context(), c.method, b.at+c.path, nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Accept", c.accept)
		r.Header.Set("Sec-Fetch-Site", "same-origin")
		answer, err := b.client.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		var problem struct{ Code string }
		if strings.Contains(c.kind, "problem") {
			err = json.NewDecoder(answer.Body).Decode(&problem)
		}
		if got := answer.Header.Get("Content-Type"); answer.StatusCode != c.status || got != c.kind || err != nil || c.kind == "application/problem+json" && problem.Code != "not_found" {
			t.Errorf("%s %s for %q: %d %s %+v %v, want %d %s", c.method, c.path, c.accept, answer.StatusCode, got, problem, err, c.status, c.kind)
		}
		_ = answer.Body.Close()
	}
}

// SPEC 3.1, 3.2: a role that an account has defined, or one above it, is called on the pages as it is labelled.
func TestOwnRoleIsCalled(t *testing.T) {
	w := newWorld(t)
	account, owner := w.open("Acme")
	w.do("PUT", "/v1/accounts/"+account+"/roles/night-shift", owner.token, object{"label": "Night & day shift", "permissions": []string{"users:read"}}).is(200)
	below := w.do("POST", "/v1/accounts", owner.token, object{"name": "Branch", "parent": account}).is(201).text("id")
	ann, bea := w.member(account, owner, "night-shift"), w.member(below, owner, "night-shift")
	b := w.pages()(owner)
	for _, path := range []string{account + "/users", account + "/users/" + ann.id, below + "/users", below + "/users/" + bea.id} {
		page := b.open("/accounts/"+path, "Night &amp; day shift")
		if shown := strings.ReplaceAll(page, `value="night-shift"`, ""); strings.Contains(strings.ToLower(shown), ">night-shift<") {
			t.Errorf("%s shows the role by its id: %s", path, page)
		}
	}
}
