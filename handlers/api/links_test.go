package api_test

import (
	"strings"
	"testing"
	"time"
)

// SPEC 2.3: a link's page names all accounts that it is for, with their roles.
func TestALinkNamesAllAccounts(t *testing.T) {
	w := newWorld(t)
	account, owner := w.open("Acme")
	north := w.do("POST", "/v1/accounts", w.operator, object{"name": "Acme North", "parent": account}).is(201).text("id")
	id := w.do("POST", "/v1/accounts/"+account+"/invitations", owner.token, object{"emails": "ann@example.com",
		"grants": []object{{"roles": []string{"viewer"}}, {"account": north, "roles": []string{"manager"}}}}).is(200).text("results.0.invitation")
	got := w.do("GET", "/v1/invitations/"+w.link(account, id, 1), "", nil).is(200)
	if got.count("accounts") != 2 || got.text("accounts.0.name") != "Acme" || got.text("accounts.0.roles.0") != "viewer" ||
		got.text("accounts.1.id") != north || got.text("accounts.1.name") != "Acme North" || got.text("accounts.1.roles.0") != "manager" {
		t.Errorf("%s", got.body)
	}
}

// SPEC 2.12: whoever holds a dead link, of any generation, asks for a new one, and is told no more than a dead link says.
func TestAskingForANewLink(t *testing.T) {
	w := newWorld(t)
	account, owner := w.open("Acme")
	at := "/v1/accounts/" + account + "/invitations"
	id := w.do("POST", at, owner.token, object{"emails": "ann@example.com", "roles": []string{"viewer"}}).is(200).text("results.0.invitation")
	ask := func(generation uint32) *response {
		return w.do("POST", "/v1/invitations/"+w.link(account, id, generation)+"/ask", "", nil)
	}
	asked := func() int {
		return w.do("GET", "/v1/accounts/"+account+"/audit?action=invitation.link_requested", owner.token, nil).is(200).count("items")
	}
	ask(1).refused(422, "invalid")
	w.do("POST", at+"/"+id+"/resend", owner.token, nil).is(200)
	plan := w.do("POST", "/v1/invitations/"+w.link(account, id, 1)+"/ask", "", nil, "Roster-Dry-Run", "true").is(200)
	if sorted(plan, "mails", "kind") != "link_requested" || plan.text("mails.0.invitation") != id || plan.at("mails.0.user") != nil {
		t.Errorf("SPEC 3.11: %s", plan.body)
	}
	first := ask(1).is(200)
	if second := ask(1).is(200); string(second.body) != string(first.body) || strings.Contains(string(first.body), "@") || asked() != 1 {
		t.Errorf("%s, then %s: %d", first.body, second.body, asked())
	}
	w.clock.pass(25 * time.Hour)
	ask(1).is(200)
	w.clock.pass(8 * 24 * time.Hour)
	ask(2).is(200)
	if asked() != 3 {
		t.Errorf("%d requests", asked())
	}
	w.do("POST", at+"/"+id+"/resend", owner.token, nil).is(200)
	w.do("POST", "/v1/invitations/"+w.link(account, id, 3)+"/accept", "", object{"first_name": "A", "last_name": "B", "password": goodPassword}).is(200)
	if got := ask(1).refused(410, "invitation_used"); got.text("account.name") != "Acme" {
		t.Errorf("%s", got.body)
	}
	w.do("POST", "/v1/invitations/x/ask", "", nil).refused(404, "not_found")
}
