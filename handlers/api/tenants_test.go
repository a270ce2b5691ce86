package api_test

import (
	"regexp"
	"strings"
	"testing"

	"github.com/google/uuid"
)

// Whatever belongs to somebody else is answered byte for byte as what does not exist, at every path with an account in
// it: own account with somebody else's ids, somebody else's account, ids in every form (SPEC 3.8, DESIGN 7).
func TestTenants(t *testing.T) {
	w := newWorld(t)
	theirs, ann := w.open("Theirs")
	bob := w.member(theirs, ann, "viewer")
	invitation := w.do("POST", invitations(theirs), ann.token, body{"emails": "new@example.com", "roles": []string{"viewer"}}).is(200).text("results.0.invitation")
	contact := w.do("POST", "/v1/accounts/"+theirs+"/contacts", ann.token, body{"name": "C", "email": "c@example.com", "roles": []string{"legal"}}).is(201).text("id")
	w.do("PUT", "/v1/accounts/"+theirs+"/roles/clerk", ann.token, body{"permissions": []string{"users:read"}}).is(200)
	key := w.do("POST", "/v1/accounts/"+theirs+"/keys", ann.token, body{"name": "K", "roles": []string{"viewer"}}).is(201).text("id")
	w.do("POST", "/v1/accounts/"+theirs+"/sso/domains/theirs.example/verify", w.operator, nil).is(200)
	mine, stranger := w.open("Mine")

	real := map[string]string{"account": theirs, "user": bob.id, "invitation": invitation, "contact": contact, "role": "clerk", "key": key, "domain": "theirs.example"}
	param := regexp.MustCompile(`\{(\w+)\}`)
	fill := func(path string, value func(name string) string) string {
		return param.ReplaceAllStringFunc(path, func(p string) string { return value(p[1 : len(p)-1]) })
	}
	tried := 0
	for path, item := range document(t, w)["paths"].(object) {
		if !strings.Contains(path, "{account}") || strings.HasPrefix(path, "/v1/operator") {
			continue
		}
		for verb, o := range item.(object) {
			verb = strings.ToUpper(verb)
			var ask any
			if content, _ := o.(object)["requestBody"].(object); content != nil {
				ask = bodyOf(o.(object)["operationId"].(string), bob.id, mine)
			}
			none := w.do(verb, fill(path, func(name string) string {
				if name == "role" {
					return "clerk"
				}
				return uuid.NewString()
			}), stranger.token, ask)
			if none.status != 404 || none.text("code") != "not_found" {
				t.Errorf("%s %s: what does not exist is answered %d %s", verb, path, none.status, none.body)
				continue
			}
			for how, url := range map[string]string{
				"somebody else's": fill(path, func(name string) string { return real[name] }),
				"in upper case":   fill(path, func(name string) string { return strings.ToUpper(real[name]) }),
				"without hyphens": fill(path, func(name string) string { return strings.ReplaceAll(real[name], "-", "") }),
				"no id":           fill(path, func(string) string { return "x" }),
				"a zero id":       fill(path, func(string) string { return "00000000-0000-0000-0000-000000000000" }),
				"a wildcard":      fill(path, func(string) string { return "*" }),
				"mixed": fill(path, func(name string) string {
					return map[bool]string{true: theirs, false: uuid.NewString()}[name == "account"]
				}),
				"another's, tried": fill(path, func(name string) string {
					return map[bool]string{true: uuid.NewString(), false: real[name]}[name == "account"]
				}),
			} {
				got := w.do(verb, url, stranger.token, ask)
				if got.status != none.status || string(got.body) != string(none.body) {
					t.Errorf("%s %s, %s: %d %s, not as what does not exist: %s", verb, path, how, got.status, got.body, none.body)
				}
				tried++
			}
			// In one's own account, somebody else's things.
			if strings.Count(path, "{") < 2 || strings.Contains(path, "{role}") || strings.Contains(path, "{domain}") {
				continue
			}
			own := func(value func(string) string) *response {
				return w.do(verb, fill(path, func(name string) string {
					if name == "account" {
						return mine
					}
					return value(name)
				}), stranger.token, ask)
			}
			foreign, nothing := own(func(name string) string { return real[name] }), own(func(string) string { return uuid.NewString() })
			if foreign.status != nothing.status || string(foreign.body) != string(nothing.body) || foreign.status < 400 {
				t.Errorf("%s %s in one's own account: %d %s is not %d %s", verb, path, foreign.status, foreign.body, nothing.status, nothing.body)
			}
			tried++
		}
	}
	if tried < 250 {
		t.Errorf("%d tries only", tried)
	}
	t.Logf("%d tries", tried)
}

// bodyOf is a body that the operation can read.
func bodyOf(operation, user, account string) any {
	switch operation {
	case "InviteUsers":
		return body{"emails": "x@example.com", "roles": []string{"viewer"}}
	case "ChangeRole":
		return body{"roles": []string{"viewer"}}
	case "DefineRole":
		return body{"permissions": []string{"users:read"}}
	case "AddContact":
		return body{"name": "C", "email": "c@example.com", "roles": []string{"legal"}}
	case "CreateKey":
		return body{"name": "K", "roles": []string{"viewer"}}
	case "AddUser":
		return body{"user": user, "roles": []string{"viewer"}}
	case "ChangeAccess":
		return body{"changes": []body{{"account": account, "grants": nil}}}
	case "BulkUsers":
		return body{"action": "suspend", "users": []string{user}}
	case "Undo":
		return body{"command": "AAAAAAAAAAAAAAAAAAAAAA"}
	case "ConnectSSO":
		return body{"issuer": "https://id.example.com", "client_id": "roster"}
	case "ChangeAccount":
		return body{"name": "N"}
	}
	return body{}
}
