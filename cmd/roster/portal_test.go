package main_test

import (
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestPortalFile: a profile that says what it cannot is refused before anything is made, each complaint with its line
// (SPEC 9).
func TestPortalFile(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	file := filepath.Join(dir, "portal.json")
	for name, c := range map[string]struct{ text, want string }{
		"not JSON":       {"{\n  \"name\": \"shop\",\n  oops\n}", "portal.json:3: "},
		"no roles":       {"{\n  \"name\": \"shop\",\n  \"protected\": \"boss\"\n}", "portal.json:1: "},
		"unknown field":  {"{\"name\":\"shop\",\"protected\":\"boss\",\n\"colour\":\"red\",\n\"roles\":[{\"name\":\"boss\",\"permissions\":[\"*\"]}]}", "portal.json:2: colour"},
		"unknown role":   {"{\"name\":\"shop\",\n\"protected\":\"chief\",\n\"roles\":[{\"name\":\"boss\",\"permissions\":[\"*\"]}]}", "portal.json:2: protected: no such role"},
		"no permission":  {"{\"name\":\"shop\",\n\"protected\":\"boss\",\n\"roles\":[\n{\"name\":\"boss\",\"permissions\":[\"*\"]},\n{\"name\":\"clerk\",\"permissions\":[\"read\"]}]}", "portal.json:5: roles[1].permissions[0]"},
		"a role twice":   {"{\"name\":\"shop\",\"protected\":\"boss\",\"roles\":[\n{\"name\":\"boss\",\"permissions\":[\"*\"]},\n{\"name\":\"boss\",\"permissions\":[\"*\"]}]}", "portal.json:3: roles[1].name: boss stands there twice"},
		"unknown action": {"{\"name\":\"shop\",\"protected\":\"boss\",\"roles\":[\n{\"name\":\"boss\",\"permissions\":[\"*\"]},\n{\"name\":\"clerk\",\"permissions\":[\"*:read\",\"!users:fly\"]}]}", "portal.json:3: roles[1].permissions[1]: no such permission"},
		"a weak defence": {"{\"name\":\"shop\",\"protected\":\"boss\",\"roles\":[{\"name\":\"boss\",\"permissions\":[\"*:read\"]}]}", "the protected role gives everything"},
	} {
		if err := os.WriteFile(file, []byte(c.text), 0o600); err != nil {
			t.Fatal(err)
		}
		if e := runs(t, nil, serving(filepath.Join(dir, "data"), "--portal", file)...); e.code == 0 || !strings.Contains(e.stderr, c.want) {
			t.Errorf("%s: ended with %d: %s", name, e.code, e.stderr)
		}
	}
	if e := runs(t, nil, serving(filepath.Join(dir, "data"), "--portal", "nonsense")...); e.code == 0 || !strings.Contains(e.stderr, "sub-accounts") {
		t.Errorf("an unknown name: %d: %s", e.code, e.stderr)
	}
	if _, err := os.Stat(filepath.Join(dir, "data")); err == nil {
		t.Error("data was made")
	}
}

// TestPortalOfOnesOwn: a profile from a file, another version of it, and accounts that adopt it (SPEC 9).
func TestPortalOfOnesOwn(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "portal.json")
	shop := `{"name":"shop","section":"Staff","protected":"boss","roles":[{"name":"boss","permissions":["*"]},{"name":"clerk","permissions":["*:read"]}],"labels":{"suspended":"On hold"}}`
	if err := os.WriteFile(file, []byte(shop), 0o600); err != nil {
		t.Fatal(err)
	}
	r := serve(t, dataDir(t), "--portal", file)
	account, boss := r.setUp()
	at := "/v1/accounts/" + account
	if got := boss.get("/v1/portal").Want(200).JSON(); got["section"] != "Staff" || got["version"] != 1.0 {
		t.Errorf("the portal is %v", got)
	}
	clerk, _ := r.join(boss, account, "clerk@northwind.example", "clerk")
	boss.post(at+"/invitations", m{"emails": []string{"x@northwind.example"}, "roles": []string{"owner"}}).Want(422, "invalid")
	boss.put(at+"/users/"+boss.get("/v1/me").JSON()["id"].(string)+"/role", m{"roles": []string{"clerk"}}).Want(409, "last_active_owner")
	boss.post(at+"/users/"+clerk+"/suspend", m{}).Want(200)
	if got := boss.get(at + "/users/" + clerk).Want(200).JSON()["label"]; got != "On hold" {
		t.Errorf("the label is %v", got)
	}

	// Another version: what has been opened keeps the one that it has until it adopts it.
	operator := r.as(r.operatorKey())
	operator.put("/v1/operator/portal", strings.Replace(shop, "On hold", "Away", 1)).Want(200)
	if got := boss.get(at + "/users/" + clerk).JSON()["label"]; got != "On hold" {
		t.Errorf("before it is adopted the label is %v", got)
	}
	operator.post("/v1/operator/accounts/"+account+"/adopt", nil).Want(200)
	if got := boss.get(at + "/users/" + clerk).JSON()["label"]; got != "Away" {
		t.Errorf("the label is %v", got)
	}
	// One in which nobody of the account would be protected is refused.
	operator.put("/v1/operator/portal", strings.ReplaceAll(shop, "boss", "chief")).Want(200)
	operator.post("/v1/operator/accounts/"+account+"/adopt", nil).Want(409, "last_active_owner")
	boss.do(http.MethodPut, "/v1/operator/portal", shop).Want(403, "not_permitted")
	actions := string(boss.get(at + "/audit?action=account.profile_adopted").Want(200).Body)
	if !strings.Contains(actions, `"version":2`) {
		t.Errorf("the trail says %s", actions)
	}
}
