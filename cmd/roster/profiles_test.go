package main_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"
)

// A portal's manual, played on the real binary: each test is one profile of SPEC 9, each step says what the manual
// promises. Whoever is named has the address name@northwind.example.
type manual struct {
	*running
	account string
	at      string
	first   caller
}

// given starts a portal with a profile; its first account is open and its first user signed in.
func given(t *testing.T, profile string) *manual {
	t.Parallel()
	r := serve(t, dataDir(t), "--portal", profile)
	account, first := r.setUp()
	return &manual{r, account, "/v1/accounts/" + account, first}
}

func address(name string) string { return name + "@northwind.example" }

// invite sends one invitation and answers its id.
func (p *manual) invite(by caller, name string, body m) string {
	p.t.Helper()
	body["emails"] = []string{address(name)}
	one := by.post(p.at+"/invitations", body).Want(200).JSON()["results"].([]any)[0].(m)
	if one["outcome"] != "invited" {
		p.t.Fatalf("%s: %v", name, one)
	}
	return one["invitation"].(string)
}

// accept takes up the newest invitation as a new person, and answers the user's id.
func (p *manual) accept(name string) string {
	p.t.Helper()
	return p.as("").post("/v1/invitations/"+p.link(address(name), 1)+"/accept", m{"first_name": strings.ToUpper(name[:1]) + name[1:], "last_name": "Lee", "password": password}).
		Want(200).JSON()["user"].(string)
}

// member is somebody who has been invited with a role, has accepted and is signed in.
func (p *manual) member(name, role string) (string, caller) {
	p.t.Helper()
	p.invite(p.first, name, m{"roles": []string{role}})
	user := p.accept(name)
	return user, p.signIn(address(name))
}

// row is somebody's entry of the user list, nil where there is none.
func (p *manual) row(name string) m {
	p.t.Helper()
	for _, one := range p.first.get(p.at + "/users?limit=500").Want(200).JSON()["items"].([]any) {
		if item := one.(m); item["email"] == address(name) {
			return item
		}
	}
	return nil
}

// shows wants a status and a label in the list; "" for both: no entry.
func (p *manual) shows(step, name, status, label string) {
	p.t.Helper()
	row := p.row(name)
	switch {
	case status == "" && row != nil:
		p.t.Errorf("%s: %s is in the list: %v", step, name, row)
	case status != "" && row == nil:
		p.t.Errorf("%s: %s is not in the list", step, name)
	case row != nil && (row["status"] != status || row["label"] != label):
		p.t.Errorf("%s: %s is %v %q, want %s %q", step, name, row["status"], row["label"], status, label)
	}
}

// roles wants the whole catalogue.
func (p *manual) roles(want string) {
	p.t.Helper()
	var names []string
	for _, one := range p.first.get(p.at + "/roles").Want(200).JSON()["items"].([]any) {
		names = append(names, one.(m)["id"].(string))
	}
	if got := strings.Join(names, " "); got != want {
		p.t.Errorf("SPEC 9, roles: %s, want %s", got, want)
	}
}

// actions wants the words of buttons.
func (p *manual) actions(want m) {
	p.t.Helper()
	got, _ := p.first.get("/v1/portal").Want(200).JSON()["actions"].(m)
	for action, word := range want {
		if got[action] != word {
			p.t.Errorf("SPEC 9, %s is called %v, want %v", action, got[action], word)
		}
	}
}

// valid wants an invitation to last so many days.
func (p *manual) valid(invitation string, days int) {
	p.t.Helper()
	one := p.first.get(p.at + "/invitations/" + invitation).Want(200).JSON()
	expires, err := time.Parse(time.RFC3339, one["expires_at"].(string))
	if err != nil {
		p.t.Fatal(err)
	}
	if left := time.Until(expires); left < time.Duration(days)*24*time.Hour-time.Minute || left > time.Duration(days)*24*time.Hour {
		p.t.Errorf("SPEC 9, the invitation is valid for %s, want %d days", left, days)
	}
}

// administer has somebody try every command on users, and wants the same refusal each time.
func (p *manual) administer(step string, by caller, on string, code string) {
	p.t.Helper()
	for name, a := range map[string]answer{
		"invite":      by.post(p.at+"/invitations", m{"emails": []string{"x@northwind.example"}, "roles": []string{"viewer"}}),
		"change role": by.put(p.at+"/users/"+on+"/role", m{"permissions": []string{"users:read"}}),
		"suspend":     by.post(p.at+"/users/"+on+"/suspend", m{}),
		"reactivate":  by.post(p.at+"/users/"+on+"/reactivate", m{}),
		"revoke":      by.post(p.at+"/users/"+on+"/revoke", m{}),
		"bulk":        by.post(p.at+"/users/bulk", m{"action": "suspend", "users": []string{on}}),
		"add":         by.post(p.at+"/users", m{"user": on, "roles": []string{"viewer"}}),
	} {
		if a.Status != 403 || a.JSON()["code"] != code {
			p.t.Errorf("%s: %s answers %d %s", step, name, a.Status, a.Body)
		}
	}
}

func TestPortalStandard(t *testing.T) {
	p := given(t, "standard")
	p.roles("owner admin manager viewer")
	p.first.post(p.at+"/invitations", m{"emails": []string{address("bob")}}).Want(422, "invalid") // SPEC 9: a role must be chosen
	p.valid(p.invite(p.first, "bob", m{"roles": []string{"viewer"}}), 7)
	p.shows("SPEC 9: every status is shown", "bob", "pending", "Pending")
	p.as("").post("/v1/invitations/"+p.link(address("bob"), 1)+"/accept", m{"password": password}).Want(422, "invalid") // names are asked for
	bob := p.accept("bob")
	p.shows("SPEC 9: active on accepting", "bob", "active", "Active")
	p.first.post(p.at+"/users/"+bob+"/suspend", m{}).Want(200)
	p.shows("SPEC 9", "bob", "suspended", "Suspended")
	p.first.post(p.at+"/users/"+bob+"/revoke", m{}).Want(200)
	p.shows("SPEC 9: still listed", "bob", "revoked", "Revoked")
}

func TestPortalOwnerManager(t *testing.T) {
	p := given(t, "owner-manager")
	p.roles("owner manager")
	p.first.post(p.at+"/invitations", m{"emails": []string{address("mia")}}).Want(422, "invalid") // SPEC 9: a role must be chosen
	p.invite(p.first, "mia", m{"roles": []string{"manager"}})
	p.shows("SPEC 9: an invitee is in no user list before confirming", "mia", "", "")
	if got := p.first.get(p.at + "/users").JSON()["counts"].(m)["pending"]; got != 0.0 {
		t.Errorf("SPEC 9: %v are counted as pending", got)
	}
	p.first.get(p.at + "/users?status=pending").Want(200)
	mia := p.accept("mia")
	p.shows("SPEC 9: active when confirmed", "mia", "active", "Active")
	manager := p.signIn(address("mia"))
	ann := p.first.get("/v1/me").JSON()["id"].(string)
	p.administer("SPEC 9: a manager's every user-administration command is refused", manager, ann, "not_permitted")
	manager.get(p.at + "/contacts").Want(200) // SPEC 9: contacts
	manager.post(p.at+"/contacts", m{"name": "Bill", "email": "bill@northwind.example", "roles": []string{"billing"}}).Want(201)
	manager.post(p.at+"/contacts", m{"name": "Con", "email": "con@northwind.example", "roles": []string{"contractual"}}).Want(422, "invalid")

	p.actions(m{"suspend": "Disable", "reactivate": "Enable", "revoke": "Revoke"})
	p.first.post(p.at+"/users/"+mia+"/suspend", m{}).Want(200)
	p.shows("SPEC 9: Disable", "mia", "suspended", "Suspended")
	p.first.post(p.at+"/users/"+mia+"/reactivate", m{}).Want(200)
	p.shows("SPEC 9: Enable", "mia", "active", "Active")
	p.first.post(p.at+"/users/"+mia+"/revoke", m{}).Want(200) // SPEC 9: removal asks for no confirmation
	p.shows("SPEC 9: Revoked, still listed", "mia", "revoked", "Revoked")
}

func TestPortalAdminViewer(t *testing.T) {
	p := given(t, "admin-viewer")
	p.roles("admin viewer developer finance")
	i := p.invite(p.first, "dev", m{}) // SPEC 9: the default role is admin, a warning is logged, the fact says defaulted
	p.valid(i, 7)
	if !strings.Contains(p.stderr.String(), "names no role") {
		t.Errorf("SPEC 9: no warning: %s", p.stderr)
	}
	p.shows("SPEC 9", "dev", "pending", "Invited")
	dev := p.accept("dev")
	p.shows("SPEC 9: active when accepted", "dev", "active", "Active")
	if got := joined(p.row("dev")["roles"]); got != "admin" {
		t.Errorf("SPEC 9: the default role is %s", got)
	}

	// SPEC 9: an invitation to three accounts by somebody who administers two is refused naming the third.
	operator := p.as(p.operatorKey())
	var accounts []string
	for n := range 2 {
		accounts = append(accounts, id(t, operator.post("/v1/accounts", m{"name": fmt.Sprint("Branch ", n), "owner": m{"email": address("ann")}}).Want(201).JSON()))
		p.first.post("/v1/invitations/"+p.link(address("ann"), n+1)+"/accept", nil).Want(200)
	}
	devs := p.signIn(address("dev"))
	grant := func(account string) m { return m{"account": account, "roles": []string{"viewer"}} }
	p.invite(p.first, "eve", m{"grants": []m{grant(p.account), grant(accounts[0]), grant(accounts[1])}})
	refused := devs.post(p.at+"/invitations", m{"emails": []string{address("fay")}, "grants": []m{grant(p.account), grant(accounts[0])}}).Want(404, "not_found")
	if got := fmt.Sprint(refused.JSON()["accounts"]); got != "["+accounts[0]+"]" {
		t.Errorf("SPEC 9: it names %s", got)
	}
	p.accept("eve")
	eve := p.signIn(address("eve"))
	if got := eve.get("/v1/me/accounts").Want(200).JSON()["items"].([]any); len(got) != 3 {
		t.Errorf("SPEC 2.9: eve is in %d accounts", len(got))
	}

	// SPEC 9: display roles are a label over exactly what admin or viewer gives.
	for name, like := range map[string]string{"developer": "admin", "finance": "viewer"} {
		one, other := p.first.get(p.at+"/roles/"+name).Want(200).JSON(), p.first.get(p.at+"/roles/"+like).Want(200).JSON()
		if fmt.Sprint(one["permissions"]) != fmt.Sprint(other["permissions"]) {
			t.Errorf("SPEC 9: %s is not what %s is", name, like)
		}
	}
	me := p.first.get("/v1/me").JSON()["id"].(string)
	p.first.put(p.at+"/users/"+dev+"/role", m{"roles": []string{"viewer"}}).Want(200)
	p.first.put(p.at+"/users/"+me+"/role", m{"roles": []string{"developer"}}).Want(200) // SPEC 3.7: another name for the protected role
	p.first.put(p.at+"/users/"+me+"/role", m{"roles": []string{"finance"}}).Want(409, "last_active_owner")

	p.actions(m{"suspend": "Suspend", "revoke": "Delete"})
	p.first.post(p.at+"/users/"+dev+"/suspend", m{}).Want(200)
	p.shows("SPEC 9", "dev", "suspended", "Suspended")
	bulk := p.first.post(p.at+"/users/bulk", m{"action": "revoke", "users": []string{dev}}).Want(200) // SPEC 9: Delete, also in bulk
	if !strings.Contains(string(bulk.Body), `"done"`) {
		t.Errorf("SPEC 9: %s", bulk.Body)
	}
	p.shows("SPEC 9: gone from the list", "dev", "", "")
}

func TestPortalMasterUser(t *testing.T) {
	p := given(t, "master-user")
	p.roles("master technical billing viewer")
	p.invite(p.first, "tim", m{"roles": []string{"technical", "billing"}}) // SPEC 9: any number per user
	p.shows("SPEC 9: listed, without the badge", "tim", "pending", "")
	tim := p.accept("tim")
	p.shows("SPEC 9: active when confirmed", "tim", "active", "Active")
	if got := joined(p.row("tim")["roles"]); got != "technical,billing" {
		t.Errorf("SPEC 9: the roles are %s", got)
	}
	p.administer("SPEC 9: master administers users", p.signIn(address("tim")), p.first.get("/v1/me").JSON()["id"].(string), "not_permitted")
	p.first.post(p.at+"/contacts", m{"name": "Con", "email": "con@northwind.example", "roles": []string{"contractual"}}).Want(201) // SPEC 9

	// SPEC 9: removal asks for a confirmation, and is repeated with its token.
	p.actions(m{"revoke": "Remove User"})
	asked := p.first.post(p.at+"/users/"+tim+"/revoke", m{}).Want(409, "confirmation_required").JSON()
	p.shows("SPEC 9: nothing has happened", "tim", "active", "Active")
	p.first.post(p.at+"/users/"+tim+"/revoke", m{"confirm": "nonsense"}).Want(409, "confirmation_required")
	p.first.post(p.at+"/users/"+tim+"/revoke", m{"confirm": asked["confirm"]}).Want(200)
	p.shows("SPEC 9: gone", "tim", "", "")
	uma, _ := p.member("uma", "viewer")
	p.first.post(p.at+"/users/"+uma+"/revoke", m{"confirm": asked["confirm"]}).Want(409, "confirmation_required") // it is for one
	bulk := m{"action": "revoke", "users": []string{uma}}
	bulk["confirm"] = p.first.post(p.at+"/users/bulk", bulk).Want(409, "confirmation_required").JSON()["confirm"]
	p.first.post(p.at+"/users/bulk", bulk).Want(200)
	p.shows("SPEC 9: gone", "uma", "", "")
}

func TestPortalModules(t *testing.T) {
	p := given(t, "modules")
	p.roles("admin user")
	operator := p.as(p.operatorKey())
	operator.put("/v1/operator/modules", m{"modules": []m{{"name": "pricing", "actions": []string{"read", "change"}}, {"name": "payment", "actions": []string{"read", "pay"}},
		{"name": "messaging", "actions": []string{"read", "send"}}}}).Want(200)
	i := p.invite(p.first, "ute", m{"roles": []string{"user"}, "permissions": []string{"messaging:send"}})
	p.valid(i, 7)
	p.shows("SPEC 9", "ute", "pending", "Invited")
	// SPEC 9: only a password is asked for at accepting.
	ute := p.as("").post("/v1/invitations/"+p.link(address("ute"), 1)+"/accept", m{"password": password}).Want(200).JSON()["user"].(string)
	p.shows("SPEC 9: active when the password is set", "ute", "active", "Active")
	user := p.signIn(address("ute"))
	check := func(permission string, want bool) {
		t.Helper()
		if got := p.first.post("/v1/check", m{"user": ute, "permission": permission, "account": p.account}).Want(200).JSON()["allowed"]; got != want {
			t.Errorf("SPEC 9: %s is %v", permission, got)
		}
	}
	check("messaging:send", true)
	check("messaging:read", false)
	check("payment:pay", false)

	// SPEC 9: granting payment to a plain user is refused, not ignored; so is user management, and a role that has it.
	for _, permission := range []string{"payment:pay", "pricing:read", "users:read", "roles:define", "policy:read", "keys:read", "audit:read", "contacts:manage"} {
		p.first.put(p.at+"/users/"+ute+"/role", m{"roles": []string{"user"}, "permissions": []string{permission}}).Want(403, "module_not_allowed")
		p.first.post(p.at+"/invitations", m{"emails": []string{address("val")}, "roles": []string{"user"}, "permissions": []string{permission}}).Want(403, "module_not_allowed")
		p.first.put(p.at+"/roles/clerk", m{"permissions": []string{permission}}).Want(403, "module_not_allowed")
	}
	p.first.put(p.at+"/roles/clerk", m{"permissions": []string{"messaging:read"}}).Want(200)
	user.get(p.at+"/users").Want(403, "not_permitted")

	p.actions(m{"suspend": "Deactivate", "revoke": "Remove user"})
	if got := joined(p.first.get("/v1/portal").JSON()["lists"]); got != "pending,active,suspended" { // Invited, Active Users, Deactivated users
		t.Errorf("SPEC 9: the lists are %s", got)
	}
	p.first.post(p.at+"/users/"+ute+"/suspend", m{}).Want(200)
	p.shows("SPEC 9", "ute", "suspended", "Deactivated")
	p.first.post(p.at+"/users/"+ute+"/revoke", m{}).Want(200)
	p.shows("SPEC 9: gone", "ute", "", "")
	p.invite(p.first, "ute", m{"roles": []string{"user"}}) // SPEC 9: can be invited again
	p.shows("SPEC 9", "ute", "pending", "Invited")

	// SPEC 9: Invited after seven days too, marked expired, with resend.
	p.stop()
	later := &manual{serve(t, p.Data, "--clock-ahead", "169h"), p.account, p.at, caller{}}
	later.first = later.as(p.first.token)
	later.shows("SPEC 9: after seven days", "ute", "expired", "Invited")
	invitation := later.row("ute")["invitation"].(string)
	later.first.do(http.MethodPost, p.at+"/invitations/"+invitation+"/resend", nil).Want(200)
	later.shows("SPEC 9: sent again", "ute", "pending", "Invited")
}

func TestPortalSubAccounts(t *testing.T) {
	p := given(t, "sub-accounts")
	p.roles("admin user viewer")
	p.valid(p.invite(p.first, "sam", m{"roles": []string{"user"}}), 14)
	p.shows("SPEC 9", "sam", "pending", "Pending")
	sam := p.accept("sam")
	p.shows("SPEC 9: accepted and never signed in is pending", "sam", "pending", "Pending")
	if p.row("sam")["expires_at"] != nil {
		t.Errorf("SPEC 9: pending without end, never expired: %v", p.row("sam"))
	}
	if got := p.first.post("/v1/check", m{"user": sam, "permission": "account:read", "account": p.account}).Want(200).JSON(); got["allowed"] != false || got["missing"] != "pending" {
		t.Errorf("SPEC 9: before the first sign-in: %v", got)
	}
	session := p.signIn(address("sam"))
	session.get(p.at).Want(200)
	p.shows("SPEC 9: active with the first sign-in", "sam", "active", "Active")

	// SPEC 9: an existing user who accepts signed in is active at once; an access level per account and sub-account.
	sub := id(t, p.first.post("/v1/accounts", m{"name": "North", "parent": p.account}).Want(201).JSON())
	p.first.post("/v1/accounts/"+sub+"/invitations", m{"emails": []string{address("sam")}, "roles": []string{"admin"}}).Want(200)
	session.post("/v1/invitations/"+p.link(address("sam"), 2)+"/accept", nil).Want(200)
	if got := session.get("/v1/accounts/" + sub).Want(200).JSON()["roles"]; joined(got) != "admin" {
		t.Errorf("SPEC 9: in the sub-account: %v", got)
	}
	if got := session.get(p.at).Want(200).JSON()["roles"]; joined(got) != "user" {
		t.Errorf("SPEC 9: in the account: %v", got)
	}

	// SPEC 9, 3.8: removing is access to that account removed, staged, saved once: all or nothing.
	change := m{"changes": []m{{"account": sub, "grants": nil}, {"account": p.account, "grants": []m{{"roles": []string{"emperor"}}}}}}
	p.first.put(p.at+"/users/"+sam+"/access", change).Want(422, "invalid")
	session.get("/v1/accounts/" + sub).Want(200)
	change["changes"].([]m)[1]["grants"] = []m{{"roles": []string{"viewer"}}}
	p.first.put(p.at+"/users/"+sam+"/access", change).Want(200)
	session.get("/v1/accounts/"+sub).Want(404, "not_found")
	if got := session.get(p.at).Want(200).JSON()["roles"]; joined(got) != "viewer" {
		t.Errorf("SPEC 3.8: in the account: %v", got)
	}

	// SPEC 9: an invitation that nobody takes up expires; who has accepted never does.
	p.invite(p.first, "tess", m{"roles": []string{"user"}})
	p.invite(p.first, "una", m{"roles": []string{"user"}})
	p.accept("una")
	p.stop()
	later := &manual{serve(t, p.Data, "--clock-ahead", "337h"), p.account, p.at, caller{}}
	later.first = later.as(p.first.token)
	later.shows("SPEC 9", "tess", "expired", "Expired")
	later.shows("SPEC 9", "una", "pending", "Pending")
}
