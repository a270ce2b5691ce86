package main_test

import (
	"bytes"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestWalk is the main job on the real binary, as a new user does it (SPEC 1.3, 2, 3, 5.1, 7.1).
func TestWalk(t *testing.T) {
	r := serve(t, dataDir(t))
	if r.Setup == "" {
		t.Fatalf("the first start prints no setup link: %s", r.stderr)
	}
	account, ann := r.setUp()
	at := "/v1/accounts/" + account
	r.as("").post("/v1/setup/"+r.Setup[strings.LastIndex(r.Setup, "/")+1:], m{"account": m{"name": "Again"},
		"owner": m{"email": "again@northwind.example", "first_name": "A", "last_name": "B", "password": password}}).Want(410, "invitation_used")

	// SPEC 2.1, 2.2: an outcome per address.
	sent := ann.post(at+"/invitations", m{"emails": "bob@northwind.example, Carol Diaz <CAROL@northwind.example>; not-an-address ann@northwind.example bob@northwind.example", "roles": []string{"admin"}}).Want(200)
	outcomes := map[string]string{}
	for _, one := range sent.JSON()["results"].([]any) {
		o := one.(map[string]any)
		outcomes[o["email"].(string)] = o["outcome"].(string)
	}
	for email, want := range map[string]string{"bob@northwind.example": "invited", "carol@northwind.example": "invited", "not-an-address": "invalid_address", "ann@northwind.example": "already_member"} {
		if outcomes[email] != want {
			t.Errorf("outcome of %s is %q, want %q: %v", email, outcomes[email], want, outcomes)
		}
	}

	// SPEC 2.3: what the mail says.
	bobs := r.link("bob@northwind.example", 1)
	text := r.mails("bob@northwind.example")[0].Text
	for _, want := range []string{"Ann Lee", "Northwind", "Admin", r.URL + "/sign-in", "bob@northwind.example", bobs, "202"} {
		if !strings.Contains(text, want) {
			t.Errorf("the mail lacks %q:\n%s", want, text)
		}
	}

	// SPEC 2.4: looking consumes nothing, however often.
	for range 10 {
		for _, method := range []string{http.MethodGet, http.MethodHead, http.MethodOptions} {
			r.as("").do(method, "/invitations/"+bobs, nil)
			r.as("").do(method, "/v1/invitations/"+bobs, nil)
		}
	}
	look := r.as("").get("/v1/invitations/" + bobs).Want(200).JSON()
	if look["email"] != "bob@northwind.example" {
		t.Errorf("the look says %v", look)
	}
	r.as("").post("/v1/invitations/"+bobs+"/accept", m{"first_name": "Bob", "last_name": "Stone", "password": "short"}).Want(422, "password_rules")
	bob := r.as("").post("/v1/invitations/"+bobs+"/accept", m{"first_name": "Bob", "last_name": "Stone", "password": password}).Want(200).JSON()["user"].(string)
	r.as("").post("/v1/invitations/"+bobs+"/accept", m{"first_name": "Bob", "last_name": "Stone", "password": password}).Want(410, "invitation_used")

	// SPEC 2.9: the list shows it as soon as the call has returned.
	list := ann.get(at + "/users").Want(200)
	names := map[string]string{}
	for _, one := range list.JSON()["items"].([]any) {
		item := one.(map[string]any)
		names[item["email"].(string)] = item["status"].(string)
	}
	for email, want := range map[string]string{"ann@northwind.example": "active", "bob@northwind.example": "active", "carol@northwind.example": "pending"} {
		if names[email] != want {
			t.Errorf("%s is %q in the list, want %q", email, names[email], want)
		}
	}

	// SPEC 2.6, 2.7, 2.12: resend, the old link says replaced; revoke, the link says revoked.
	carols := r.link("carol@northwind.example", 1)
	invitation := look["id"]
	for _, one := range ann.get(at + "/invitations?status=pending").Want(200).JSON()["items"].([]any) {
		if i := one.(map[string]any); i["email"] == "carol@northwind.example" {
			invitation = i["id"]
			if i["delivery"] != "sent" {
				t.Errorf("delivery is %v, want sent", i["delivery"])
			}
		}
	}
	ann.post(at+"/invitations/"+invitation.(string)+"/resend", nil).Want(200)
	r.as("").get("/v1/invitations/"+carols).Want(410, "invitation_replaced")
	carols = r.link("carol@northwind.example", 2)
	ann.post(at+"/invitations/"+invitation.(string)+"/revoke", nil).Want(200)
	r.as("").get("/v1/invitations/"+carols).Want(410, "invitation_revoked")
	ann.post(at+"/invitations", m{"emails": []string{"carol@northwind.example"}, "roles": []string{"viewer"}}).Want(200)
	carol := r.as("").post("/v1/invitations/"+r.link("carol@northwind.example", 3)+"/accept", m{"first_name": "Carol", "last_name": "Diaz", "password": password}).Want(200).JSON()["user"].(string)

	// SPEC 3.3, 3.4: who may do what, and the order of refusals.
	bobby, carla := r.signIn("bob@northwind.example"), r.signIn("carol@northwind.example")
	annID := ann.get("/v1/me").Want(200).JSON()["id"].(string)
	carla.post(at+"/users/"+bob+"/suspend", m{}).Want(403, "not_permitted")
	bobby.put(at+"/users/"+annID+"/role", m{"roles": []string{"viewer"}}).Want(403, "exceeds_own_access")
	bobby.put(at+"/users/"+carol+"/role", m{"roles": []string{"owner"}}).Want(403, "exceeds_own_access")
	ann.put(at+"/users/"+annID+"/role", m{"roles": []string{"viewer"}}).Want(409, "last_active_owner")
	ann.post(at+"/users/"+annID+"/suspend", m{}).Want(403, "not_permitted")
	ann.post("/v1/me/accounts/"+account+"/leave", nil).Want(409, "last_active_owner")
	bobby.put(at+"/users/"+carol+"/role", m{"roles": []string{"emperor"}}).Want(422, "invalid")
	bobby.put(at+"/users/"+carol+"/role", m{"roles": []string{"manager"}}).Want(200)

	// SPEC 3.5, 3.9: the very next request.
	carla.get(at).Want(200)
	bobby.post(at+"/users/"+carol+"/suspend", m{"reason": "on leave"}).Want(200)
	carla.get(at).Want(403, "not_permitted")
	bobby.post(at+"/users/"+carol+"/reactivate", m{}).Want(200)
	if got := carla.get(at).Want(200).JSON()["roles"]; len(got.([]any)) != 1 || got.([]any)[0] != "manager" {
		t.Errorf("reactivated with %v, want manager", got)
	}
	bobby.post(at+"/users/"+carol+"/revoke", m{}).Want(200)
	carla.get(at).Want(404, "not_found")

	// Somebody else's account reads as none.
	operator := r.as(r.operatorKey())
	other := id(t, operator.post("/v1/accounts", m{"name": "Fjord", "owner": m{"email": "olaf@fjord.example", "first_name": "Olaf", "last_name": "Berg"}}).Want(201).JSON())
	foreign, none := ann.get("/v1/accounts/"+other), ann.get("/v1/accounts/01234567-89ab-7cde-8f01-23456789abcd")
	if foreign.Status != 404 || !bytes.Equal(foreign.Body, none.Body) {
		t.Errorf("a foreign account answers %s, one that does not exist %s", foreign.Body, none.Body)
	}

	// SPEC 5.1: what happened, and what was refused.
	actions := map[string]int{}
	path := at + "/audit?limit=200"
	for _, one := range ann.get(path).Want(200).JSON()["items"].([]any) {
		e := one.(map[string]any)
		actions[e["action"].(string)+" "+e["outcome"].(string)]++
	}
	for _, want := range []string{"invitation.created done", "invitation.accepted done", "membership.role_changed done", "membership.suspended done", "membership.revoked done", "command.refused refused", "session.started done"} {
		if actions[want] == 0 {
			t.Errorf("the audit trail lacks %q: %v", want, actions)
		}
	}
	csv := ann.with("Accept", "text/csv").get(at + "/audit").Want(200)
	if lines := strings.Count(string(csv.Body), "\n"); lines < len(actions) {
		t.Errorf("the CSV has %d lines", lines)
	}

	// DESIGN 8: a clean stop, and everything is there again.
	r.stop()
	again := serve(t, r.Data)
	if again.Setup != "" {
		t.Error("a later start prints the setup link")
	}
	again.as(ann.token).get(at).Want(200)
	noProjections(t, again, account, ann.token)
}

// noProjections: a suspended person's next request is refused while the projections are stopped (SPEC 3.9).
func noProjections(t *testing.T, r *running, account, owner string) {
	r.stop()
	r = serve(t, r.Data, "--no-projections")
	ann, bob := r.as(owner), r.signIn("bob@northwind.example")
	id := bob.get("/v1/me").Want(200).JSON()["id"].(string)
	bob.get("/v1/accounts/" + account).Want(200)
	ann.post("/v1/accounts/"+account+"/users/"+id+"/suspend", m{}).Want(200)
	bob.get("/v1/accounts/"+account).Want(403, "not_permitted")
	if a := ann.get("/v1/accounts/"+account+"/users").Want(503, "unavailable"); a.Header.Get("Retry-After") == "" {
		t.Error("503 without Retry-After")
	}
}

// TestErase tries everything that is frozen: after an erasure nothing about the person can be read anywhere
// (SPEC 5.5, DESIGN 4).
func TestErase(t *testing.T) {
	r := serve(t, dataDir(t))
	account, ann := r.setUp()
	at := "/v1/accounts/" + account
	bob, _ := r.join(ann, account, "bob.canary@northwind.example", "viewer")
	ann.post(at+"/invitations", m{"emails": "Eve Canary <eve.canary@northwind.example>", "roles": []string{"viewer"}}).Want(200)
	r.link("eve.canary@northwind.example", 1)
	r.until("bob in the list", func() bool { return bytes.Contains(ann.get(at+"/users").Body, []byte("bob.canary")) })
	r.keepsUp()

	operator := r.as(r.operatorKey())
	annID := ann.get("/v1/me").JSON()["id"].(string)
	operator.post("/v1/operator/erase", m{"user": annID}).Want(409, "last_active_owner")
	operator.post("/v1/operator/erase", m{"user": bob}).Want(200)
	operator.post("/v1/operator/erase", m{"email": "eve.canary@northwind.example"}).Want(200)
	operator.post("/v1/operator/erase", m{"email": "eve.canary@northwind.example"}).Want(404, "not_found")
	r.as("").post("/v1/sessions", m{"email": "bob.canary@northwind.example", "password": password}).Want(401, "bad_credentials")

	gone := func(r *running) {
		for _, path := range []string{"/users?status=revoked", "/audit?limit=200", "/invitations"} {
			body := r.as(ann.token).get(at + path).Want(200).Body
			if bytes.Contains(body, []byte("canary")) {
				t.Errorf("%s still names an erased person: %.600s", path, body)
			}
		}
		if body := r.as(ann.token).get(at + "/users?status=revoked").Body; !bytes.Contains(body, []byte("erased")) {
			t.Errorf("the list does not read erased: %s", body)
		}
	}
	gone(r)
	for _, name := range []string{"archive", "user_list", "invitations", "audit", "accounts"} {
		operator.post("/v1/operator/projections/"+name+"/rebuild", nil)
		r.until(name+" rebuilt", func() bool {
			body := operator.get("/v1/operator/projections").Want(200).Body
			return !bytes.Contains(body, []byte(`"building"`))
		})
	}
	gone(r)
	r.stop()
	// In no file of the log, the vault or the feed: neither names nor addresses.
	err := filepath.WalkDir(filepath.Join(r.Data, "log"), func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		raw, err := os.ReadFile(path)
		if err == nil && (bytes.Contains(raw, []byte("canary")) || bytes.Contains(raw, []byte(password))) {
			t.Errorf("%s holds personal data or a password", strings.TrimPrefix(path, r.Data))
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	r = serve(t, r.Data)
	gone(r)
}
