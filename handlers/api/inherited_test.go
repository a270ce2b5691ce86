package api_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
)

// SPEC 3.1: members who come from an account above stand in the user list with inherited_from, and cannot be changed
// there.
func TestInheritedMembers(t *testing.T) {
	w := newWorld(t)
	root, owner := w.open("Root")
	mid := w.sub(root, "Mid", owner.token)
	low := w.sub(mid, "Low", owner.token)
	wide := w.grant(root, owner, "admin", true)
	w.grant(root, owner, "admin", false)
	middle := w.grant(mid, owner, "viewer", true)
	local := w.grant(low, owner, "manager", false)
	at := func(account string) string { return "/v1/accounts/" + account + "/users" }
	list := func(path, token string) string {
		t.Helper()
		r := w.do("GET", path, token, nil).is(200)
		var out []string
		for i := range r.count("items") {
			item := fmt.Sprintf("items.%d.", i)
			from := r.text(item + "inherited_from")
			out = append(out, r.text(item+"id")+" "+r.text(item+"status")+" "+fmt.Sprint(r.at(item+"roles"))+" "+from)
		}
		return strings.Join(out, "\n")
	}
	o, a, b, c := owner.id+" active [owner] "+root, wide.id+" active [admin] "+root, middle.id+" active [viewer] "+mid, local.id+" active [manager] "
	if got := list(at(low), owner.token); got != strings.Join([]string{o, a, b, c}, "\n") {
		t.Errorf("all:\n%s", got)
	}
	if got := list(at(low)+"?inherited=true&sort=-name", local.token); got != strings.Join([]string{b, a, o}, "\n") {
		t.Errorf("inherited:\n%s", got)
	}
	if got := list(at(low)+"?inherited=false", owner.token); got != c {
		t.Errorf("direct:\n%s", got)
	}
	for query, want := range map[string]string{"role=admin": a, "role=owner,manager": o + "\n" + c, "status=suspended": "", "inherited=true&status=revoked": "",
		"permission=users:invite": o + "\n" + a, "q=" + wide.email: a, "status=active&inherited=true&role=viewer": b} {
		if got := list(at(low)+"?"+query, owner.token); got != want {
			t.Errorf("%s:\n%s", query, got)
		}
	}
	whole := w.do("GET", at(low), owner.token, nil).is(200)
	if whole.number("counts.active") != 1 {
		t.Errorf("counts are not the account's own: %s", whole.body)
	}
	var paged []string
	for cursor := ""; ; {
		page := w.do("GET", at(low)+"?limit=1"+cursor, owner.token, nil).is(200)
		paged = append(paged, page.text("items.0.id"))
		if page.at("next_cursor") == nil {
			break
		}
		cursor = "&cursor=" + page.text("next_cursor")
	}
	if strings.Join(paged, " ") != whole.values("id") {
		t.Errorf("pages: %v", paged)
	}
	if got := list(at(root)+"?inherited=true", owner.token); got != "" {
		t.Errorf("a root account: %s", got)
	}

	// One of them, and that they are changed where they are members.
	one := w.do("GET", at(low)+"/"+wide.id, local.token, nil).is(200)
	if one.text("inherited_from") != root || one.text("roles.0") != "admin" || one.header.Get("ETag") == "" || one.text("email") != wide.email {
		t.Errorf("one: %s", one.body)
	}
	w.do("PUT", at(low)+"/"+wide.id+"/role", owner.token, object{"roles": []string{"viewer"}}).refused(409, "inherited")
	w.do("POST", at(low)+"/"+wide.id+"/suspend", owner.token, nil).refused(409, "inherited")
	w.do("PUT", at(low)+"/"+wide.id+"/role", owner.token, object{"unknown": 1}).refused(422, "invalid")
	stranger := w.grant(root, owner, "viewer", false)
	w.do("GET", at(low)+"/"+stranger.id, owner.token, nil).refused(404, "not_found")
	w.do("PUT", at(low)+"/"+stranger.id+"/role", owner.token, object{"unknown": 1}).refused(404, "not_found")

	// Whoever is a member here stands here as such; when that has ended, from above again.
	w.do("POST", at(low), owner.token, object{"user": wide.id, "roles": []string{"viewer"}}).is(200)
	if got := list(at(low)+"?q="+wide.email, owner.token); got != wide.id+" active [viewer] " {
		t.Errorf("of one's own:\n%s", got)
	}
	w.do("POST", at(low)+"/"+wide.id+"/revoke", owner.token, nil).is(200)
	if got := list(at(low)+"?q="+wide.email, owner.token); got != a {
		t.Errorf("after that has ended:\n%s", got)
	}
	if got := w.do("GET", at(low)+"/"+wide.id, owner.token, nil).is(200); got.text("inherited_from") != root {
		t.Errorf("after that has ended: %s", got.body)
	}
	if got := list(at(low)+"?status=revoked", owner.token); got != wide.id+" revoked [viewer] " {
		t.Errorf("what has ended:\n%s", got)
	}
	w.do("POST", at(root)+"/"+wide.id+"/suspend", owner.token, nil).is(200)
	if got := list(at(low)+"?inherited=true&q="+wide.email, owner.token); got != "" {
		t.Errorf("suspended above:\n%s", got)
	}
	if got := w.do("GET", at(low)+"/"+wide.id, owner.token, nil).is(200); got.text("status") != "revoked" || got.at("inherited_from") != nil {
		t.Errorf("suspended above: %s", got.body)
	}
}

// SPEC 3.10 and 3.1: what extends for a time is inherited for that time, to the second.
func TestInheritedForATime(t *testing.T) {
	w := newWorld(t)
	root, owner := w.open("Root")
	low := w.sub(root, "Low", owner.token)
	eve := w.grant(root, owner, "viewer", false)
	until := w.clock.now().Add(time.Hour).UTC()
	w.do("PUT", "/v1/accounts/"+root+"/users/"+eve.id+"/role", owner.token, object{"grants": []object{{"roles": []string{"viewer"}},
		{"roles": []string{"admin"}, "inherit": true, "valid_until": until.Format(time.RFC3339Nano)}}}).is(200)
	seen := func() string {
		return w.do("GET", "/v1/accounts/"+low+"/users?q="+eve.email, owner.token, nil).is(200).values("roles")
	}
	if got := seen(); got != "[admin]" {
		t.Errorf("before: %s", got)
	}
	w.clock.pass(time.Hour + time.Second)
	if got := seen(); got != "" {
		t.Errorf("after: %s", got)
	}
}

// SPEC 3.13: one list of the users of all accounts where the caller may read users, by account.
func TestUsersAcross(t *testing.T) {
	w := newWorld(t)
	one, ann := w.open("One")
	sub := w.sub(one, "Sub", ann.token)
	two, bea := w.open("Two")
	_, cid := w.open("Third")
	eve := w.grant(two, bea, "admin", false)
	w.do("POST", "/v1/accounts/"+two+"/invitations", bea.token, object{"emails": "new@example.com", "roles": []string{"viewer"}}).is(200)
	w.do("POST", "/v1/accounts/"+sub+"/users", w.operator, object{"user": eve.id, "roles": []string{"viewer"}}).is(200)
	w.do("POST", "/v1/accounts/"+two+"/users", w.operator, object{"user": ann.id, "roles": []string{"viewer"}}).is(200)
	list := func(query, token string) string {
		t.Helper()
		r := w.do("GET", "/v1/users"+query, token, nil).is(200)
		var out []string
		for i := range r.count("items") {
			item := fmt.Sprintf("items.%d.", i)
			out = append(out, r.text(item+"account_name")+" "+r.text(item+"email")+" "+fmt.Sprint(r.at(item+"roles"))+" "+r.text(item+"inherited_from"))
		}
		return strings.Join(out, "\n")
	}
	const byEmail = "?sort=email"
	want := strings.Join([]string{"Two new@example.com [viewer] ", "One " + ann.email + " [owner] ", "Sub " + ann.email + " [owner] " + one, "Two " + ann.email + " [viewer] ",
		"Two " + bea.email + " [owner] ", "Sub " + eve.email + " [viewer] ", "Two " + eve.email + " [admin] "}, "\n")
	if got := sortedLines(list(byEmail, ann.token)); got != sortedLines(want) {
		t.Errorf("ann's:\n%s\nwant\n%s", got, want)
	}
	for query, want := range map[string]string{
		"?inherited=true": "Sub " + ann.email + " [owner] " + one,
		"?account=" + one: "One " + ann.email + " [owner] ",
		"?account=" + one + "," + sub + "&role=viewer": "Sub " + eve.email + " [viewer] ",
		"?status=pending": "Two new@example.com [viewer] ",
		"?permission=users:invite&inherited=false&account=" + two + "&q=" + eve.email: "Two " + eve.email + " [admin] ",
	} {
		if got := list(query, ann.token); got != want {
			t.Errorf("%s:\n%s\nwant\n%s", query, got, want)
		}
	}
	// Pages are the list cut.
	var paged []string
	for cursor := ""; ; {
		page := w.do("GET", "/v1/users"+byEmail+"&limit=2"+cursor, ann.token, nil).is(200)
		for i := range page.count("items") {
			paged = append(paged, page.text(fmt.Sprintf("items.%d.account_name", i))+page.text(fmt.Sprintf("items.%d.id", i)))
		}
		if page.at("next_cursor") == nil {
			break
		}
		cursor = "&cursor=" + page.text("next_cursor")
	}
	whole := w.do("GET", "/v1/users"+byEmail, ann.token, nil).is(200)
	var cut []string
	for i := range whole.count("items") {
		cut = append(cut, whole.text(fmt.Sprintf("items.%d.account_name", i))+whole.text(fmt.Sprintf("items.%d.id", i)))
	}
	if strings.Join(paged, " ") != strings.Join(cut, " ") || whole.number("counts.active") != 5 || whole.number("counts.pending") != 1 || whole.header.Get("Roster-Lag") != "0" {
		t.Errorf("pages: %v\n%s", paged, whole.body)
	}
	// Nobody sees what is not theirs.
	if got := list("", cid.token); got != "Third "+cid.email+" [owner] " {
		t.Errorf("cid's:\n%s", got)
	}
	w.do("GET", "/v1/users?account="+one+","+two, bea.token, nil).refused(404, "not_found")
	w.do("POST", "/v1/accounts/"+two+"/users/"+ann.id+"/suspend", bea.token, nil).is(200)
	if got := list("?status=pending", ann.token); got != "" {
		t.Errorf("suspended there:\n%s", got)
	}
	w.do("GET", "/v1/users?account="+two, ann.token, nil).refused(403, "not_permitted")
	if got := list("?inherited=false&account="+one, w.operator); got != "One "+ann.email+" [owner] " {
		t.Errorf("the operator's:\n%s", got)
	}
	w.do("GET", "/v1/users", w.operator, nil).refused(422, "invalid")
	w.do("GET", "/v1/users?sort=account", ann.token, nil).refused(422, "invalid")
	w.do("GET", "/v1/users?account=x", ann.token, nil).refused(404, "not_found")
}

// SPEC 3.13 and 3.2: a permission is held by the roles that each account has defined for itself.
func TestUsersAcrossByPermission(t *testing.T) {
	w := newWorld(t)
	one, ann := w.open("One")
	two, bea := w.open("Two")
	w.do("POST", "/v1/accounts/"+two+"/users", w.operator, object{"user": ann.id, "roles": []string{"owner"}}).is(200)
	w.do("PUT", "/v1/accounts/"+one+"/roles/helper", ann.token, object{"permissions": []string{"users:invite"}}).is(200)
	w.do("PUT", "/v1/accounts/"+two+"/roles/helper", bea.token, object{"permissions": []string{"users:read"}}).is(200)
	eve := w.grant(one, ann, "helper", false)
	w.grant(two, bea, "helper", false)
	got := w.do("GET", "/v1/users?permission=users:invite&q=person", ann.token, nil).is(200)
	if got.values("id") != eve.id || got.values("account") != one {
		t.Errorf("%s", got.body)
	}
	w.do("GET", "/v1/users?permission=invite", ann.token, nil).refused(422, "invalid")
}

func sortedLines(s string) string {
	lines := strings.Split(s, "\n")
	slices.Sort(lines)
	return strings.Join(lines, "\n")
}
