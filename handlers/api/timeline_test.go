package api_test

import (
	"fmt"
	"strings"
	"testing"
)

// What has happened to a member and to an invitation, oldest first; who may not read the trail sees neither refusals
// nor from where (SPEC 3.3: viewer is every :read except audit).
func TestTimelines(t *testing.T) {
	w := newWorld(t)
	account, owner := w.open("Acme")
	at := "/v1/accounts/" + account
	viewer := w.grant(account, owner, "viewer", false)
	invited := w.do("POST", at+"/invitations", owner.token, object{"emails": "eve@example.com", "roles": []string{"admin"}}).is(200).text("results.0.invitation")
	w.do("POST", at+"/invitations/"+invited+"/resend", owner.token, nil).is(200)
	eve := w.do("POST", "/v1/invitations/"+w.link(account, invited, 2)+"/accept", "", object{"first_name": "Eve", "last_name": "Moss", "password": goodPassword}).is(200).text("user")
	users := at + "/users/" + eve
	w.do("POST", users+"/suspend", viewer.token, nil).refused(403, "not_permitted")
	w.do("POST", users+"/suspend", owner.token, object{"reason": "on leave"}).is(200)
	w.do("POST", users+"/reactivate", owner.token, nil).is(200)

	of := w.do("GET", at+"/invitations/"+invited+"/timeline", owner.token, nil).is(200)
	if of.values("action") != "invitation.created invitation.resent invitation.accepted" || of.text("items.0.actor.name") != "Olga Owner" || of.header.Get("Roster-Lag") != "0" {
		t.Errorf("the invitation's: %s", of.body)
	}
	all := w.do("GET", users+"/timeline", owner.token, nil).is(200)
	if got := all.values("action"); !strings.HasSuffix(got, "command.refused membership.suspended membership.reactivated") || !strings.Contains(got, "membership.granted") {
		t.Errorf("the member's: %s", got)
	}
	for i := range all.count("items") {
		if i > 0 && all.number(fmt.Sprintf("items.%d.position", i)) < all.number(fmt.Sprintf("items.%d.position", i-1)) {
			t.Errorf("not the oldest first: %s", all.body)
		}
		if all.text(fmt.Sprintf("items.%d.target.id", i)) != eve {
			t.Errorf("not about the member: %s", all.body)
		}
	}
	if all.text("items.0.ip") == "" {
		t.Errorf("without addresses: %s", all.body)
	}
	var paged []string
	for cursor := ""; ; {
		page := w.do("GET", users+"/timeline?limit=2"+cursor, owner.token, nil).is(200)
		paged = append(paged, page.values("id"))
		if page.at("next_cursor") == nil {
			break
		}
		cursor = "&cursor=" + page.text("next_cursor")
	}
	if strings.Join(paged, " ") != all.values("id") {
		t.Errorf("pages: %v, not %s", paged, all.values("id"))
	}
	some := w.do("GET", users+"/timeline", viewer.token, nil).is(200)
	if got := some.values("action"); strings.Contains(got, "refused") || !strings.HasSuffix(got, "membership.suspended membership.reactivated") {
		t.Errorf("without audit:read: %s", got)
	}
	if ips := some.values("ip") + some.values("device"); strings.TrimSpace(ips) != "" {
		t.Errorf("without audit:read: %s", some.body)
	}

	other, stranger := w.open("Other")
	w.do("GET", users+"/timeline", stranger.token, nil).refused(404, "not_found")
	w.do("GET", at+"/invitations/"+invited+"/timeline", stranger.token, nil).refused(404, "not_found")
	w.do("GET", at+"/users/"+stranger.id+"/timeline", owner.token, nil).refused(404, "not_found")
	w.do("GET", "/v1/accounts/"+other+"/invitations/"+invited+"/timeline", stranger.token, nil).refused(404, "not_found")
	cursor := w.do("GET", users+"/timeline?limit=1", owner.token, nil).is(200).text("next_cursor")
	w.do("GET", at+"/users/"+viewer.id+"/timeline?limit=1&cursor="+cursor, owner.token, nil).refused(422, "invalid")
}

// SPEC 5.2: the trail of an account with that of its sub-accounts, as far as one may read theirs.
func TestAuditOfTheTree(t *testing.T) {
	w := newWorld(t)
	root, owner := w.open("Root")
	mid := w.sub(root, "Mid", owner.token)
	low := w.sub(mid, "Low", owner.token)
	other := w.sub(root, "Other", owner.token)
	local := w.grant(root, owner, "admin", false)
	w.do("POST", "/v1/accounts/"+low+"/users", owner.token, object{"user": local.id, "roles": []string{"viewer"}}).is(200)
	names := map[string]string{root: "Root", mid: "Mid", low: "Low", other: "Other"}
	opened := func(account, token, more string) string {
		t.Helper()
		r := w.do("GET", "/v1/accounts/"+account+"/audit?action=account.opened"+more, token, nil).is(200)
		var out []string
		for _, id := range strings.Fields(r.values("account")) {
			out = append(out, names[id])
		}
		return strings.Join(out, " ")
	}
	if got := opened(root, owner.token, "&tree=true"); got != "Other Low Mid Root" {
		t.Errorf("with sub-accounts: %s", got)
	}
	if got := opened(mid, owner.token, "&tree=true&limit=1"); got != "Low" {
		t.Errorf("a page: %s", got)
	}
	if got := opened(root, owner.token, ""); got != "Root" {
		t.Errorf("without: %s", got)
	}
	if got := opened(root, local.token, "&tree=true"); got != "Root" {
		t.Errorf("by somebody without the trails below: %s", got)
	}
	w.do("PUT", "/v1/accounts/"+low+"/users/"+local.id+"/role", owner.token, object{"roles": []string{"admin"}}).is(200)
	if got := opened(root, local.token, "&tree=true"); got != "Low Root" {
		t.Errorf("with one of the trails below: %s", got)
	}
	lines := w.do("GET", "/v1/accounts/"+mid+"/audit?tree=true&action=account.opened", owner.token, nil, "Accept", "application/x-ndjson").is(200)
	if got := strings.Count(string(lines.body), "\n"); got != 2 {
		t.Errorf("an export of %d lines: %s", got, lines.body)
	}
}
