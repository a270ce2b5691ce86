package api_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"html"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"roster/handlers/api"
)

// routes is what has to be there; a new one is added here and documented by being registered.
func routes() []string {
	const a = "/v1/accounts/{account}"
	return []string{
		"POST /v1/accounts", "GET /v1/accounts", "GET " + a,
		"POST " + a + "/invitations", "GET " + a + "/invitations", "GET " + a + "/invitations/{invitation}",
		"POST " + a + "/invitations/{invitation}/resend", "POST " + a + "/invitations/{invitation}/revoke",
		"GET /v1/invitations/{token}", "POST /v1/invitations/{token}/accept", "POST /v1/invitations/{token}/decline", "POST /v1/invitations/{token}/ask",
		"GET " + a + "/users", "GET " + a + "/users/{user}", "PUT " + a + "/users/{user}/role",
		"POST " + a + "/users/{user}/suspend", "POST " + a + "/users/{user}/reactivate", "POST " + a + "/users/{user}/revoke",
		"GET " + a + "/audit", "GET /v1/operator/audit", "POST /v1/check",
		"POST /v1/sessions", "DELETE /v1/sessions/current", "GET /v1/me", "PUT /v1/me/password", "PATCH /v1/me", "GET /v1/me/preferences", "PUT /v1/me/preferences",
		"POST /v1/signup", "GET /v1/signup/{token}", "POST /v1/signup/{token}",
		"POST /v1/me/email", "GET /v1/confirmations/{token}", "POST /v1/confirmations/{token}", "POST /v1/password-resets", "GET /v1/password-resets/{token}", "POST /v1/password-resets/{token}", "GET /v1/me/accounts", "POST /v1/me/accounts/{account}/leave",
		"PATCH " + a, "POST " + a + "/close", "GET " + a + "/tree", "POST " + a + "/undo", "GET " + a + "/policy", "PUT " + a + "/policy",
		"GET " + a + "/sso", "PUT " + a + "/sso", "DELETE " + a + "/sso", "GET " + a + "/sso/domains/{domain}", "POST " + a + "/sso/domains/{domain}/verify", "DELETE " + a + "/sso/domains/{domain}",
		"GET " + a + "/roles", "GET " + a + "/roles/{role}", "PUT " + a + "/roles/{role}", "DELETE " + a + "/roles/{role}",
		"GET " + a + "/contacts", "POST " + a + "/contacts", "GET " + a + "/contacts/{contact}", "PATCH " + a + "/contacts/{contact}", "DELETE " + a + "/contacts/{contact}",
		"GET " + a + "/keys", "POST " + a + "/keys", "GET " + a + "/keys/{key}", "DELETE " + a + "/keys/{key}", "POST " + a + "/keys/{key}/rotate",
		"GET /v1/me/keys", "POST /v1/me/keys", "POST /v1/me/keys/{key}/rotate", "DELETE /v1/me/keys/{key}",
		"POST " + a + "/users", "GET " + a + "/users/{user}/access", "PUT " + a + "/users/{user}/access", "POST " + a + "/users/bulk",
		"GET /v1/portal", "GET /v1/operator/portal", "PUT /v1/operator/portal", "POST /v1/operator/accounts/{account}/adopt", "GET /v1/users", "GET " + a + "/users/{user}/timeline", "GET " + a + "/invitations/{invitation}/timeline", "GET /v1/operator/accounts", "GET /v1/operator/users", "GET /v1/operator/users/{user}", "GET /v1/operator/mails", "GET /v1/operator/modules", "PUT /v1/operator/modules", "POST /v1/operator/users/{user}/lock", "POST /v1/operator/users/{user}/unlock",
		"POST /v1/operator/users/{user}/end-sessions", "POST /v1/operator/accounts/{account}/owner", "POST /v1/sessions/introspect", "POST /v1/sessions/exchange", "POST /v1/sessions/frame", "POST /v1/operator/sessions", "GET /v1/operator/users/{user}/sessions",
		"POST /v1/sessions/factor", "POST /v1/sessions/passkey", "POST /v1/me/factors/passkey", "POST /v1/me/factors/passkey/verify", "POST /v1/me/mobile", "POST /v1/me/mobile/verify", "GET /v1/me/sessions", "DELETE /v1/me/sessions", "DELETE /v1/me/sessions/{session}", "GET /v1/me/factors", "POST /v1/me/factors", "POST /v1/me/factors/{factor}/verify", "DELETE /v1/me/factors/{factor}", "GET /v1/me/identities", "DELETE /v1/me/identities/{identity}", "DELETE /v1/accounts/{account}/users/{user}/identity",
		"POST /v1/me/recovery-codes",
		"POST " + a + "/users/{user}/reset-factors", "POST /v1/operator/users/{user}/reset-factors",
		"GET /v1/setup/{token}", "POST /v1/setup/{token}",
		"POST /v1/operator/deliveries", "POST /v1/operator/erase", "GET /v1/operator/projections", "POST /v1/operator/projections/{name}/rebuild",
	}
}

type object = map[string]any

func document(t *testing.T, w *world) object {
	t.Helper()
	var doc object
	if err := json.Unmarshal(w.do("GET", "/openapi.json", "", nil).is(200).body, &doc); err != nil {
		t.Fatal(err)
	}
	return doc
}

func TestOpenAPI(t *testing.T) {
	w := newBareWorld(t)
	doc := document(t, w)
	if doc["openapi"] != "3.1.0" || doc["info"].(object)["version"] != "1.2.3" || doc["info"].(object)["license"] == nil || doc["servers"].([]any)[0].(object)["url"] != "http://portal.example" {
		t.Errorf("head: %v %v", doc["openapi"], doc["info"])
	}
	var found []string
	ids := map[string]bool{}
	tags := map[string]bool{}
	for _, tag := range doc["tags"].([]any) {
		tags[tag.(object)["name"].(string)] = true
	}
	for path, item := range doc["paths"].(object) {
		for verb, o := range item.(object) {
			op := o.(object)
			route := strings.ToUpper(verb) + " " + path
			found = append(found, route)
			id := op["operationId"].(string)
			if ids[id] || op["summary"] == nil || !tags[op["tags"].([]any)[0].(string)] || op["security"] == nil {
				t.Errorf("%s: operation id, summary, tag and security are needed", route)
			}
			ids[id] = true
			checkOperation(t, route, path, op)
			// What is documented is served: whoever is not signed in is told so, not that there is no such path.
			got := w.do(strings.ToUpper(verb), regexp.MustCompile(`\{\w+\}`).ReplaceAllString(path, "x"), "", nil)
			if got.status == 405 || strings.Contains(string(got.body), "no such path") {
				t.Errorf("%s is documented and not served: %d", route, got.status)
			}
		}
	}
	slices.Sort(found)
	want := slices.Sorted(slices.Values(routes()))
	if !slices.Equal(found, want) {
		t.Errorf("documented:\n%s\nwanted:\n%s", strings.Join(found, "\n"), strings.Join(want, "\n"))
	}
	checkRefs(t, doc, doc)
}

func checkOperation(t *testing.T, route, path string, op object) {
	declared := map[string]bool{}
	parameters, _ := op["parameters"].([]any)
	for _, p := range parameters {
		key := p.(object)["in"].(string) + " " + p.(object)["name"].(string)
		if declared[key] || p.(object)["schema"] == nil {
			t.Errorf("%s: parameter %s is declared twice or without a schema", route, key)
		}
		declared[key] = true
	}
	for _, name := range regexp.MustCompile(`\{(\w+)\}`).FindAllStringSubmatch(path, -1) {
		if !declared["path "+name[1]] {
			t.Errorf("%s: %s is not declared", route, name[1])
		}
	}
	responses := op["responses"].(object)
	problems := 0
	for status, r := range responses {
		if r.(object)["description"] == "" {
			t.Errorf("%s: %s has no description", route, status)
		}
		if content, ok := r.(object)["content"].(object); ok && content["application/problem+json"] != nil {
			problems++
			if !strings.Contains(r.(object)["description"].(string), "`") {
				t.Errorf("%s: %s names no code", route, status)
			}
		}
	}
	if problems < 4 || responses["default"] != nil {
		t.Errorf("%s: refusals are not documented one by one", route)
	}
}

// checkRefs wants every reference to lead somewhere.
func checkRefs(t *testing.T, doc object, at any) {
	switch v := at.(type) {
	case object:
		if ref, ok := v["$ref"].(string); ok {
			name, found := strings.CutPrefix(ref, "#/components/schemas/")
			if _, ok := doc["components"].(object)["schemas"].(object)[name]; !found || !ok {
				t.Errorf("%s leads nowhere", ref)
			}
		}
		for key := range maps.Values(v) {
			checkRefs(t, doc, key)
		}
	case []any:
		for _, one := range v {
			checkRefs(t, doc, one)
		}
	}
}

// What is answered is what the document says: no undocumented status, no undocumented member.
func TestAnswersAreDocumented(t *testing.T) {
	w := newWorld(t)
	doc := document(t, w)
	account, owner := w.open("Acme")
	eve := w.member(account, owner, "viewer")
	at := "/v1/accounts/" + account
	pending := w.do("POST", at+"/invitations", owner.token, object{"emails": "new@example.com", "roles": []string{"viewer"}}).text("results.0.invitation")
	flooded := w.do("POST", at+"/invitations", owner.token, object{"emails": "flooded@example.com", "roles": []string{"viewer"}}).text("results.0.invitation")
	for range 10 {
		w.do("POST", at+"/invitations/"+flooded+"/resend", owner.token, nil)
	}
	for _, c := range []struct {
		method, path, route string
		token               string
		body                any
	}{
		{"GET", at, "/v1/accounts/{account}", owner.token, nil},
		{"GET", "/v1/accounts", "/v1/accounts", owner.token, nil},
		{"GET", at + "/users", "/v1/accounts/{account}/users", owner.token, nil},
		{"GET", at + "/users/" + eve.id, "/v1/accounts/{account}/users/{user}", owner.token, nil},
		{"GET", at + "/invitations", "/v1/accounts/{account}/invitations", owner.token, nil},
		{"GET", at + "/invitations/" + pending, "/v1/accounts/{account}/invitations/{invitation}", owner.token, nil},
		{"GET", at + "/audit", "/v1/accounts/{account}/audit", owner.token, nil},
		{"GET", at + "/tree", "/v1/accounts/{account}/tree", owner.token, nil},
		{"GET", "/v1/users", "/v1/users", owner.token, nil},
		{"GET", at + "/users/" + eve.id + "/timeline", "/v1/accounts/{account}/users/{user}/timeline", owner.token, nil},
		{"GET", at + "/invitations/" + pending + "/timeline", "/v1/accounts/{account}/invitations/{invitation}/timeline", owner.token, nil},
		{"GET", "/v1/operator/accounts", "/v1/operator/accounts", w.operator, nil},
		{"GET", "/v1/operator/users", "/v1/operator/users", w.operator, nil},
		{"GET", "/v1/invitations/" + w.link(account, pending, 1), "/v1/invitations/{token}", "", nil},
		{"GET", "/v1/me", "/v1/me", owner.token, nil},
		{"POST", "/v1/check", "/v1/check", owner.token, object{"user": eve.id, "account": account, "permission": "users:read"}},
		{"POST", "/v1/check", "/v1/check", owner.token, []object{{"user": eve.id, "account": account, "permission": "users:read"}}},
		{"PUT", at + "/users/" + eve.id + "/role", "/v1/accounts/{account}/users/{user}/role", owner.token, object{"roles": []string{"manager"}}},
		{"POST", at + "/invitations", "/v1/accounts/{account}/invitations", owner.token, object{"emails": "new@example.com, x", "roles": []string{"viewer"}}},
		{"POST", at + "/invitations/" + pending + "/resend", "/v1/accounts/{account}/invitations/{invitation}/resend", owner.token, nil},
		{"GET", "/v1/operator/projections", "/v1/operator/projections", w.operator, nil},
		{"GET", at + "/users?x=1", "/v1/accounts/{account}/users", owner.token, nil},
		{"GET", "/v1/operator/audit", "/v1/operator/audit", owner.token, nil},
		{"POST", at + "/invitations/" + flooded + "/resend", "/v1/accounts/{account}/invitations/{invitation}/resend", owner.token, nil},
		{"GET", "/v1/me?x=1", "/v1/me", owner.token, nil},
		{"GET", at + "?x=1", "/v1/accounts/{account}", owner.token, nil},
		{"GET", "/v1/invitations/" + w.link(account, pending, 2), "/v1/invitations/{token}", "rs_none", nil},
		{"POST", "/v1/invitations/" + w.link(account, pending, 2) + "/ask", "/v1/invitations/{token}/ask", "rs_none", nil},
		{"DELETE", "/v1/sessions/current", "/v1/sessions/current", owner.token, strings.Repeat("x", 2<<20)},
	} {
		got := w.do(c.method, c.path, c.token, c.body)
		op := doc["paths"].(object)[c.route].(object)[strings.ToLower(c.method)].(object)
		r, ok := op["responses"].(object)[fmt.Sprint(got.status)].(object)
		if !ok {
			t.Errorf("%s %s: %d is not documented", c.method, c.path, got.status)
			continue
		}
		content, ok := r["content"].(object)[got.header.Get("Content-Type")].(object)
		if !ok {
			t.Errorf("%s %s: %s is not documented", c.method, c.path, got.header.Get("Content-Type"))
			continue
		}
		var v any
		if err := json.Unmarshal(got.body, &v); err != nil {
			t.Fatal(err)
		}
		for _, wrong := range matches(doc, content["schema"].(object), v, "body") {
			t.Errorf("%s %s: %s", c.method, c.path, wrong)
		}
	}
}

// What is refused before an operation sees it is documented as well.
func TestEarlyRefusalsAreDocumented(t *testing.T) {
	w := newBareWorld(t)
	doc := document(t, w)
	for _, route := range routes() {
		method, path, _ := strings.Cut(route, " ")
		at := regexp.MustCompile(`\{[a-z]+\}`).ReplaceAllString(path, "x")
		responses := doc["paths"].(object)[path].(object)[strings.ToLower(method)].(object)["responses"].(object)
		for _, got := range []*response{
			w.do(method, at, "", nil), w.do(method, at+"?x=1", w.operator, nil), w.do(method, at, "rs_none", nil), w.do(method, at+"?%zz", "", nil),
			w.do(method, at, w.operator, nil, "Accept", "image/png"), w.do(method, at, w.operator, nil, "Roster-Dry-Run", "true"),
			w.do(method, at, "", nil, "Origin", "https://other.example"), w.do(method, at, w.operator, strings.Repeat("x", 2<<20)),
		} {
			if _, ok := responses[fmt.Sprint(got.status)]; !ok {
				t.Errorf("%s: %d %s is not documented", route, got.status, got.text("code"))
			}
		}
	}
}

// matches says in what a value is not what a schema describes, as far as the schemas of this document go.
func matches(doc, schema object, v any, at string) (wrong []string) {
	if ref, ok := schema["$ref"].(string); ok {
		return matches(doc, doc["components"].(object)["schemas"].(object)[strings.TrimPrefix(ref, "#/components/schemas/")].(object), v, at)
	}
	if one, ok := schema["oneOf"].([]any); ok {
		n := 0
		for _, s := range one {
			if matches(doc, s.(object), v, at) == nil {
				n++
			}
		}
		if n != 1 {
			return []string{fmt.Sprintf("%s fits %d of the forms", at, n)}
		}
		return nil
	}
	types, ok := schema["type"].([]any)
	if !ok && schema["type"] != nil {
		types = []any{schema["type"]}
	}
	fits := types == nil
	for _, kind := range types {
		switch x := v.(type) {
		case nil:
			fits = fits || kind == "null"
		case bool:
			fits = fits || kind == "boolean"
		case string:
			fits = fits || kind == "string"
		case float64:
			fits = fits || kind == "number" || kind == "integer" && x == float64(int64(x))
		case []any:
			fits = fits || kind == "array"
		case object:
			fits = fits || kind == "object"
		}
	}
	if !fits {
		return []string{fmt.Sprintf("%s is %T, not %v", at, v, types)}
	}
	switch x := v.(type) {
	case []any:
		for i, one := range x {
			if items, ok := schema["items"].(object); ok {
				wrong = append(wrong, matches(doc, items, one, fmt.Sprintf("%s[%d]", at, i))...)
			}
		}
	case object:
		properties, _ := schema["properties"].(object)
		for name, one := range x {
			switch p, ok := properties[name].(object); {
			case ok:
				wrong = append(wrong, matches(doc, p, one, at+"."+name)...)
			case schema["additionalProperties"] == false:
				wrong = append(wrong, at+"."+name+" is not documented")
			}
		}
		required, _ := schema["required"].([]any)
		for _, name := range required {
			if _, ok := x[name.(string)]; !ok {
				wrong = append(wrong, at+"."+name.(string)+" is missing")
			}
		}
	}
	return wrong
}

func TestPages(t *testing.T) {
	w := newBareWorld(t)
	docs := w.do("GET", "/docs", "", nil).is(200)
	text := string(docs.body)
	if strings.Contains(text, "<script") || strings.Contains(text, "src=") || regexp.MustCompile(`(href|url)[=(]"?(https?:)?//`).MatchString(text) {
		t.Error("the docs load something, or run a script")
	}
	if strings.Contains(html.UnescapeString(text), "`") {
		t.Error("the docs show marks of Markdown")
	}
	for _, route := range routes() {
		_, path, _ := strings.Cut(route, " ")
		if !strings.Contains(text, path) {
			t.Errorf("%s is not in the docs", route)
		}
	}
	if !strings.Contains(docs.header.Get("Content-Security-Policy"), "style-src 'sha256-") || docs.header.Get("Content-Type") != "text/html; charset=utf-8" {
		t.Errorf("%v", docs.header)
	}
	for _, code := range regexp.MustCompile("`([a-z_]+)`").FindAllStringSubmatch(string(w.do("GET", "/openapi.json", "", nil).body), -1) {
		w.do("GET", "/problems/"+code[1], "", nil).is(200)
	}
}

func TestOps(t *testing.T) {
	w := newBareWorld(t)
	ready := errors.New("postgres://secret@host is away")
	w.config.Ready = func(context.Context) error { return ready }
	ops := httptest.NewServer(api.Ops(w.config))
	defer ops.Close()
	get := func(path string) (int, string, string) {
		t.Helper()
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, ops.URL+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		r, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer r.Body.Close()
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Fatal(err)
		}
		return r.StatusCode, r.Header.Get("Content-Type"), string(body)
	}
	account, owner := w.open("Acme")
	w.do("GET", "/v1/accounts/"+account, owner.token, nil).is(200)
	w.do("GET", "/somewhere/"+owner.email, owner.token, nil).is(404)
	if status, _, _ := get("/healthz"); status != 200 {
		t.Errorf("health: %d", status)
	}
	if status, kind, body := get("/readyz"); status != 503 || kind != "application/problem+json" || strings.Contains(body, "secret") {
		t.Errorf("not ready: %d %s %s", status, kind, body)
	}
	ready = nil
	if status, _, _ := get("/readyz"); status != 200 {
		t.Errorf("ready: %d", status)
	}
	if status, kind, _ := get("/nothing"); status != 404 || kind != "application/problem+json" {
		t.Errorf("nothing: %d %s", status, kind)
	}
	_, _, metrics := get("/metrics")
	if !strings.Contains(metrics, `roster_http_requests_total{route="GET /v1/accounts/{account}",status="200"} 1`) || strings.Contains(metrics, owner.email) || strings.Contains(metrics, account) {
		t.Errorf("metrics: %s", metrics)
	}
}

func TestFallback(t *testing.T) {
	mux := http.NewServeMux()
	mux.HandleFunc("POST /here", func(http.ResponseWriter, *http.Request) {})
	handler := api.Fallback(api.Config{PublicURL: "http://portal.example"}, mux)
	for _, c := range []struct {
		path   string
		status int
		allow  string
	}{{"/here", 405, "OPTIONS, POST"}, {"/there", 404, ""}} {
		w := httptest.NewRecorder()
		handler.ServeHTTP(w, httptest.NewRequest(http.MethodGet, c.path, nil))
		if w.Code != c.status || w.Header().Get("Allow") != c.allow || w.Header().Get("Content-Type") != "application/problem+json" {
			t.Errorf("%s: %d %v", c.path, w.Code, w.Header())
		}
	}
}

// The contract as it is written down: a change of it shows in review. To write it anew, once it is meant:
// go test ./handlers/api -run TestContract -args -update.
func TestContract(t *testing.T) {
	w := newBareWorld(t)
	var text bytes.Buffer
	if err := json.Indent(&text, w.do("GET", "/openapi.json", "", nil).is(200).body, "", " "); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join("testdata", "openapi.json")
	if *update {
		if err := os.WriteFile(path, text.Bytes(), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	got, lines := strings.Split(text.String(), "\n"), strings.Split(string(want), "\n")
	for i := range got {
		if i >= len(lines) || got[i] != lines[i] {
			t.Fatalf("testdata/openapi.json differs from line %d on: %s", i+1, got[i])
		}
	}
	if len(lines) != len(got) {
		t.Fatalf("testdata/openapi.json has %d lines, the contract %d", len(lines), len(got))
	}
}

var update = flag.Bool("update", false, "write testdata/openapi.json anew")
