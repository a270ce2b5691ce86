package projections

import (
	"fmt"
	"strings"
	"testing"

	"roster/events"
)

// Every user once, by name, whoever has none last; found by parts of name, address and id. Operators are none.
func TestUsersRead(t *testing.T) {
	d := makeList(t, connectLists(t), UserList(), "user_list_1")
	by := events.Actor{Type: events.BySystem, ID: "test"}
	of := func(name string) events.Boundary { return events.OfUser(events.UserID(named(name))) }
	var commits []Opened
	add := func(b events.Boundary, facts ...events.Event) {
		commits = append(commits, commitOf(uint64(len(commits)+1), b, listEpoch, by, facts...))
	}
	for _, name := range []string{"Zoë", "anna", "Łukasz", "gone", "", "back"} {
		add(of(name), events.UserRegistered{Email: events.For(events.KeyID{1}, events.Email{Email: "U" + name + "@x.example"}),
			Profile: events.For(events.KeyID{1}, events.PersonName{First: name})})
	}
	for _, account := range []string{"A", "B"} {
		add(events.OfAccount(events.AccountID(named(account))), events.MembershipGranted{User: events.UserID(named("anna"))})
	}
	add(of("anna"), events.SessionStarted{})
	add(of("Łukasz"), events.UserLocked{})
	add(of("back"), events.UserLocked{}, events.UserUnlocked{})
	add(of("gone"), events.UserLocked{}, events.UserErased{})
	add(events.Portal(), events.OperatorKeyAdded{Key: named("op"), Name: "anna's key"})
	for _, c := range commits {
		d.apply(c)
	}
	whole := makeList(t, d.Conn, UserList(), "user_list_2")
	whole.apply(commits...)
	list := func(d listDB, q string, limit int) string {
		query := UsersQuery{Q: q, Limit: limit}
		var all []string
		for {
			page, err := UsersRead(t.Context(), d.Conn, d.schema, query)
			if err != nil || page.Position != uint64(len(commits)) {
				t.Fatal(page.Position, err)
			}
			for _, u := range page.Items {
				all = append(all, fmt.Sprintf("%s %s %s %s", u.Name, dash(u.Email), u.Status, since(u.LastSignIn)))
			}
			if page.Next == nil {
				return strings.Join(all, "\n")
			}
			query.After = page.Next
		}
	}
	want := "anna Uanna@x.example active 0s\nback Uback@x.example active -\nŁukasz UŁukasz@x.example locked -\nZoë UZoë@x.example active -\n"
	nameless := []string{" U@x.example active -", "erased - erased -"}
	if id := named("gone").String(); id < named("").String() {
		nameless[0], nameless[1] = nameless[1], nameless[0]
	}
	for _, d := range []listDB{d, whole} {
		for _, limit := range []int{1, 4, 5, 50} {
			if got := list(d, "", limit); got != want+strings.Join(nameless, "\n") {
				t.Errorf("%s, pages of %d:\n%s", d.schema, limit, got)
			}
		}
		for q, want := range map[string]string{"ZOE": "Zoë UZoë@x.example active -", "uluk": "Łukasz UŁukasz@x.example locked -", "gone": "",
			named("gone").String(): "erased - erased -", named("anna").String()[4:20]: "anna Uanna@x.example active 0s", "key": ""} {
			if got := list(d, q, 1); got != want {
				t.Errorf("%s, %q finds:\n%s", d.schema, q, got)
			}
		}
	}
}
