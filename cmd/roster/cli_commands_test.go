package main_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// file writes a file for a command to read.
func file(t *testing.T, name, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// SPEC 7.3: everything that an operator does is done from the command line.
func TestCommandLine(t *testing.T) {
	r := serve(t, dataDir(t))
	account, owner := r.setUp()
	s := r.shell()
	person := newShell(t, "ROSTER_ENDPOINT="+r.URL, "ROSTER_KEY="+owner.token)

	t.Run("accounts", func(t *testing.T) {
		opened := s.run("account", "open", "Fjord", "--owner", "Nils van Berg <nils@fjord.example>", "--json").ends(0).json()
		id := opened["id"].(string)
		if opened["invitation"] == nil || opened["command"] == nil {
			t.Errorf("opened: %v", opened)
		}
		s.run("invitation", "list", id).ends(0, "nils@fjord.example", "owner")
		s.run("account", "open", "Nowhere", "--parent", account, "--dry-run").ends(0, "account.opened", "nothing has been done")
		sub := s.run("account", "open", "Below", "--parent", account, "--json").ends(0).json()["id"].(string)
		s.run("account", "rename", sub, "Deeper").ends(0, "Deeper", "command ")
		s.run("account", "show", sub).ends(0, "Deeper", account)
		s.run("account", "move", sub, "--to", id).ends(0, id)
		s.run("account", "move", sub, "--to", "root").ends(1, "last_active_owner")
		s.run("account", "close", sub, "--dry-run").ends(0, "account.closed")
		if s.run("account", "close", sub, "--confirm", "--json").ends(0).json()["closed"] != true {
			t.Error("not closed")
		}
		person.run("account", "list").ends(0, account, "owner")
		person.run("account", "list", "--q", "x").ends(2, "operator")
		s.run("account", "show", "nobody").ends(1, "not_found")
		s.run("account", "move", sub).ends(2, "--to")
	})

	t.Run("portal", func(t *testing.T) {
		s.run("portal", "list").ends(0, "master-user", "sub-accounts")
		standard := s.run("portal", "show").ends(0)
		if again := s.run("portal", "show", "standard").ends(0); again.json()["protected"] != standard.json()["protected"] {
			t.Errorf("%s is not %s", again.out, standard.out)
		}
		s.run("portal", "define", "nonsense").ends(2, "sub-accounts")
		changed := strings.Replace(standard.out, `"Viewer"`, `"Reader"`, 1)
		s.typing(changed).run("portal", "define", "-", "--dry-run").ends(0, "portal.profile_defined")
		s.typing(changed).run("portal", "define", "-").ends(0, "standard", "2")
		s.run("portal", "adopt", account).ends(0, "standard")
		s.run("portal", "define", file(t, "p.json", "{\n\"name\": 1}")).ends(2, "p.json:2")
		person.run("portal", "define", "modules").ends(1, "not_permitted")
	})

	t.Run("policy", func(t *testing.T) {
		set := file(t, "policy.json", `{"threshold":{"percent":30,"people":2}}`)
		s.run("account", "policy", account, "--set", set, "--dry-run").ends(0, "account.policy_changed")
		s.run("account", "policy", account, "--set", set).ends(0, "threshold.people")
		printed := s.run("account", "policy", account, "--json").ends(0)
		s.typing(printed.out).run("account", "policy", account, "--set", "-").ends(0)
		if again := s.run("account", "policy", account, "--json").ends(0); again.out != printed.out {
			t.Errorf("what was printed is set as %s, not %s", again.out, printed.out)
		}
		s.run("account", "policy", account, "--set", file(t, "p.json", `{"domains":["nowhere"],"session":{"idle":"soon"}}`)).ends(1, "invalid", "body.session.idle")
		s.run("account", "policy", account, "--set", file(t, "p.json", `[]`)).ends(2)
		s.run("account", "policy", account, "--dry-run").ends(2, "--set")
	})

	t.Run("roles and modules", func(t *testing.T) {
		modules := file(t, "modules.json", `{"modules":[{"name":"pricing","label":"Prices","actions":["read","change"]}]}`)
		s.run("module", "declare", modules, "--dry-run").ends(0, "portal.")
		s.run("module", "declare", modules).ends(0, "pricing", "read,change")
		s.run("module", "list").ends(0, "Prices")
		s.run("role", "define", account, "support", "--label", "Support", "--permission", "users:read,pricing:read").ends(0, "pricing:read")
		s.run("role", "list", account).ends(0, "Support")
		s.run("role", "define", account, "worse", "--permission", "users:fly").ends(1, "invalid", "body.permissions[0]")
		s.run("role", "define", account, "brief", "--permission", "users:read").ends(0)
		s.run("role", "withdraw", account, "brief").ends(0, "brief")
	})

	t.Run("contacts", func(t *testing.T) {
		added := s.run("contact", "add", account, "--name", "Pat Bill", "--email", "bills@northwind.example", "--role", "billing", "--json").ends(0).json()
		id := added["id"].(string)
		s.run("contact", "change", account, id, "--phone", "+44 20 7946 0018", "--role", "billing,security").ends(0, "+44 20 7946 0018", "Pat Bill")
		s.run("contact", "list", account, "--role", "security").ends(0, "bills@northwind.example")
		s.run("contact", "change", account, id).ends(2)
		s.run("contact", "remove", account, id, "--dry-run").ends(0, "contact.removed")
		s.run("contact", "remove", account, id).ends(0, id)
		if list := s.run("contact", "list", account, "--json").ends(0).json(); len(list["items"].([]any)) != 0 {
			t.Errorf("%v", list)
		}
	})

	t.Run("keys", func(t *testing.T) {
		made := s.run("key", "create", account, "HR sync", "--role", "admin", "--scope", "*:read,users:suspend", "--expires-at", "2099-01-01", "--json").ends(0).json()
		id, token := made["id"].(string), made["token"].(string)
		s.run("key", "create", account, "Owner", "--role", "owner").ends(1, "invalid", "body.roles")
		s.run("key", "create", account, "Late", "--role", "viewer", "--expires-at", "soon").ends(2, "soon")
		s.run("key", "create", account, "Tried", "--role", "viewer", "--dry-run").ends(0, "key.created")
		bot := newShell(t, "ROSTER_ENDPOINT="+r.URL, "ROSTER_KEY="+token)
		bot.run("account", "list").ends(0, account, "admin")
		bot.run("user", "list", account).ends(0)
		bot.run("role", "define", account, "more", "--permission", "users:read").ends(1, "not_permitted")
		s.run("key", "list", account).ends(0, "HR sync", "users:suspend", "2099-01-01", "active")
		rotated := s.run("key", "rotate", account, id, "--overlap", "PT0S", "--json").ends(0).json()["token"].(string)
		bot.run("user", "list", account).ends(1, "sign_in_required")
		s.run("user", "list", account, "--key", rotated).ends(0)
		s.run("key", "rotate", account, id, "--overlap", "P30D").ends(1, "body.overlap")
		s.run("key", "revoke", account, id, "--dry-run").ends(0, "key.revoked")
		s.run("key", "revoke", account, id).ends(0, id)
		s.run("user", "list", account, "--key", rotated).ends(1, "sign_in_required")
		s.run("key", "revoke", account, id).ends(1, "not_found")
	})

	t.Run("invitations", func(t *testing.T) {
		other := s.run("account", "open", "Harbour", "--json").ends(0).json()["id"].(string)
		s.run("invite", other, "hal@harbour.example", "--role", "owner").ends(0)
		s.run("invite", account, "ivy@northwind.example", "--role", "viewer", "--dry-run").ends(0, "invitation.created", "outcomes: 1 invited", "mail: invitation")
		s.run("invite", account, "ivy@northwind.example", "dora@northwind", "--role", "viewer").ends(4, "invited", "invalid_address", "1 of 2 were refused")
		s.run("invite", account, "ivy@northwind.example", "--role", "viewer").ends(0, "already_invited")
		both := s.run("invite", account, "jo@northwind.example", "--role", "viewer", "--grant", other+":admin,viewer", "--valid-for", "P1D", "--json").ends(0).json()
		id := both["results"].([]any)[0].(map[string]any)["invitation"].(string)
		s.run("invitation", "list", other, "--status", "pending").ends(0, "jo@northwind.example", "admin,viewer")
		s.run("invitation", "show", account, id).ends(0, "jo@northwind.example", "pending")
		s.run("invitation", "resend", account, id, "--dry-run").ends(0, "invitation.resent", "mail: invitation")
		s.run("invitation", "resend", account, id).ends(0, "pending")
		s.run("invitation", "revoke", account, id).ends(0, "revoked")
		s.typing("email,first_name,last_name\nkim@northwind.example,Kim,Park\nnobody,,\n").run("invite", account, "--role", "viewer", "--file", "-").ends(4, "kim@northwind.example", "nobody")
		s.run("user", "list", account, "--q", "kim").ends(0, "Kim Park")
		s.run("invite", account, "--role", "viewer").ends(2, "--file")
		s.run("invite", account, "x@northwind.example", "--grant", "admin").ends(2, "ACCOUNT:ROLE")
		s.run("invite", account, "x@northwind.example", "--role", "viewer", "--valid-for", "1 week").ends(1, "body.valid_for")
		person.run("invite", other, "x@northwind.example", "--role", "viewer").ends(1, "not_found")
	})
	walkUsers(t, r, account, owner)
}

// walkUsers is what is done with people.
func walkUsers(t *testing.T, r *running, account string, owner caller) {
	s := r.shell()
	bob, session := r.join(owner, account, "bob@northwind.example", "viewer")
	carol, _ := r.join(owner, account, "carol@northwind.example", "viewer")
	ann := owner.get("/v1/me").Want(200).JSON()["id"].(string)

	t.Run("one user", func(t *testing.T) {
		s.run("user", "show", account, "BOB@northwind.example").ends(0, bob, "viewer")
		s.run("user", "show", account, "nobody@northwind.example").ends(1, "not_found")
		done := s.run("user", "role", account, bob, "manager", "support", "--json").ends(0).json()
		command := done["command"].(string)
		s.run("undo", account, command, "--dry-run").ends(0, "membership.role_changed")
		s.run("undo", account, command).ends(0, command)
		s.run("user", "show", account, bob).ends(0, "viewer")
		s.run("user", "role", account, bob, "admin", "--valid-until", "2099-01-01").ends(0, "admin")
		s.run("user", "role", account, bob, "admin", "--valid-until", "soon").ends(2, "soon")
		s.run("user", "role", account, ann, "viewer").ends(1, "last_active_owner")
		s.run("user", "role", account, carol, "owner", "--on-behalf", bob).ends(1, "roster: ")
		s.run("user", "role", account, bob, "viewer").ends(0)
		s.run("user", "suspend", account, bob, "--reason", "On leave", "--dry-run").ends(0, "membership.suspended", "owners left")
		s.run("check", "bob@northwind.example", "users:read", account).ends(0, "allowed", "by the role viewer in "+account)
		s.run("user", "suspend", account, "bob@northwind.example", "--reason", "On leave").ends(0, "suspended")
		s.run("check", bob, "users:read", account).ends(1, "not allowed: the membership is suspended")
		s.run("user", "list", account, "--status", "suspended", "--role", "viewer", "--q", "bob").ends(0, bob)
		s.run("user", "reactivate", account, bob).ends(0, "active")
		if why := s.run("check", bob, "users:invite", account, "--json").ends(1).json(); why["missing"] != "permission" {
			t.Errorf("%v", why)
		}
	})

	t.Run("access", func(t *testing.T) {
		other := s.run("account", "open", "Depot", "--parent", account, "--json").ends(0).json()["id"].(string)
		s.run("user", "add", other, bob, "viewer").ends(0, "active")
		s.run("user", "access", account, bob).ends(0, "Northwind", "Depot")
		set := file(t, "access.json", `[{"account":"`+other+`","grants":null},{"account":"`+account+`","grants":[{"roles":["manager"]}]}]`)
		s.run("user", "access", account, bob, "--set", set, "--dry-run").ends(0, "membership.revoked")
		if out := s.run("user", "access", account, bob, "--set", set).ends(0, "manager").out; strings.Contains(out, "Depot") {
			t.Error(out)
		}
		s.run("user", "access", account, bob, "--set", file(t, "x.json", `{}`)).ends(2)
		s.run("user", "owner", other, carol).ends(0, "owner")
	})

	t.Run("bulk", func(t *testing.T) {
		both := file(t, "users.txt", "# who leaves\n"+bob+"\n"+carol+"\n\nnobody\n")
		s.run("user", "bulk", account, "suspend", "--users", both).ends(1, "threshold_exceeded", "--dry-run shows", "--confirm")
		s.run("user", "bulk", account, "suspend", "--users", both, "--dry-run").ends(0, "membership.suspended", "outcomes: 2 done")
		s.run("user", "list", account, "--status", "suspended", "--json").ends(0)
		s.run("user", "bulk", account, "suspend", "--users", both, "--confirm").ends(4, "2 done, 1 refused", "not_found", "1 of 3 were refused")
		back := s.typing(bob+"\n"+carol).run("user", "bulk", account, "reactivate", "--users", "-", "--json").ends(0).json()
		s.run("undo", account, back["commands"].([]any)[0].(string)).ends(0)
		s.typing(bob+"\n"+carol).run("user", "bulk", account, "reactivate", "--users", "-").ends(0, "2 done")
		s.typing(bob).run("user", "bulk", account, "change_role", "--users", "-", "--role", "viewer").ends(0, "done")
		s.typing(bob).run("user", "bulk", account, "suspend", "--users", "-", "--role", "viewer").ends(2, "change_role")
		s.typing("").run("user", "bulk", account, "suspend", "--users", "-").ends(2, "nobody")
		s.typing(bob).run("user", "bulk", account, "dance", "--users", "-").ends(2)
	})

	t.Run("operator", func(t *testing.T) {
		s.run("user", "lock", bob, "--reason", "Lost laptop", "--dry-run").ends(0, "user.locked")
		session.get("/v1/me").Want(200)
		s.run("user", "lock", bob, "--reason", "Lost laptop").ends(0, "locked")
		session.get("/v1/me").Want(401)
		s.run("check", bob, "users:read", account).ends(1, "locked")
		s.run("user", "unlock", bob).ends(0, "active")
		again := r.signIn("bob@northwind.example")
		s.run("user", "end-sessions", bob).ends(0, "active")
		again.get("/v1/me").Want(401)
		if sessions := s.run("user", "sessions", bob, "--json").ends(0).json(); len(sessions["items"].([]any)) != 0 {
			t.Errorf("SPEC 4.10: %v", sessions)
		}
		s.run("user", "open-session", bob, "--dry-run").ends(0, "session.started", "nothing has been done")
		opened := s.run("user", "open-session", bob, "--account", account, "--ttl", "PT5M", "--json").ends(0).json()
		r.as(opened["token"].(string)).get("/v1/me").Want(200)
		s.run("user", "open-session", bob, "--ttl", "PT13H").ends(1, "PT12H")
		s.run("user", "sessions", bob).ends(0, "opened by the operator", "OPENED BY")
		s.run("user", "end-sessions", bob).ends(0, "active")
		r.as(opened["token"].(string)).get("/v1/me").Want(401)
		s.run("user", "reset-factors", bob).ends(0, bob)
		s.run("user", "show", account, bob).ends(0, "linked")
		s.run("user", "unlink", account, bob).ends(1, "not_found")
		newShell(t, "ROSTER_ENDPOINT="+r.URL, "ROSTER_KEY="+owner.token).run("user", "unlink", account, ann).ends(1, "not_permitted", "/v1/me/identities")
		s.run("user", "lock", ann).ends(1, "last_active_owner")
		s.run("user", "revoke", account, bob, "--reason", "Contract ended").ends(0, "revoked")
	})

	t.Run("erasure", func(t *testing.T) {
		s.run("user", "erase", "carol@northwind.example", "--dry-run").ends(0, "membership.revoked", "user.erased", "nothing has been done")
		s.run("user", "show", account, carol).ends(0, "carol@northwind.example")
		s.run("user", "erase", ann, "--dry-run").ends(1, "last_active_owner", "account "+account)
		s.run("user", "erase", "carol@northwind.example").ends(0, "erased")
		s.run("user", "erase", "carol@northwind.example").ends(1, "not_found")
		s.run("user", "erase", bob).ends(0, "yes")
	})

	t.Run("audit", func(t *testing.T) {
		s.run("audit", account, "--action", "membership.suspended", "--target", bob).ends(0, "membership.suspended", "done")
		s.run("audit", "--limit", "1").ends(0, "--cursor=")
		if page := s.run("audit", account, "--limit", "2", "--json").ends(0).json(); len(page["items"].([]any)) != 2 {
			t.Errorf("%v", page)
		}
		whole := s.run("audit", account, "--format", "csv").ends(0).out
		rows := strings.SplitAfter(strings.TrimSpace(whole)+"\r\n", "\r\n")
		if len(rows) < 20 || !strings.HasPrefix(rows[0], "position,index,time,") {
			t.Fatalf("an export of %d rows: %.200s", len(rows), whole)
		}
		cells := strings.SplitN(rows[3], ",", 3)
		if rest := s.run("audit", account, "--format", "csv", "--cursor", cells[0]+"."+cells[1]).ends(0).out; rest != strings.Join(rows[4:], "") {
			t.Errorf("an export goes on with %.300s", rest)
		}
		lines := s.run("audit", account, "--format", "ndjson").ends(0).out
		if strings.Count(lines, "\n") != len(rows)-2 {
			t.Errorf("%d lines, %d rows", strings.Count(lines, "\n"), len(rows))
		}
		s.run("audit", account, "--format", "csv", "--json").ends(2)
		s.run("audit", account, "--from", "yesterday").ends(2)
		s.run("audit", account, "--cursor", "x", "--format", "csv").ends(1, "query.cursor")
	})
}
