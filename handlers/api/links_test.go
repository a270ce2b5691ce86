package api_test

import "testing"

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
