package domain

import (
	"fmt"
	"slices"
	"testing"

	"roster/events"
)

// SPEC 4.9: my accounts are all that I have access to now: those of my own, and those below wherever a grant extends.
func TestMyAccounts(t *testing.T) {
	below := func(name string, parent events.AccountID) (events.AccountID, []past) {
		id := events.AccountID(hashed("account", name))
		return id, history(in(id, events.AccountOpened{Name: name, Parent: parent, Profile: standardProfile}), on(events.Tree(), events.TreeOpened{Account: id, Parent: parent}))
	}
	north, northFacts := below("north", root)
	deep, deepFacts := below("deep", north)
	tree := history(opened(root), northFacts, deepFacts, opened(other))
	joins := func(name string, accounts ...events.AccountID) (all []past) {
		for _, a := range accounts {
			all = append(all, of(user(name), events.UserJoined{Account: a}))
		}
		return all
	}
	extending := is(Viewer)
	extending.Inherit = true
	for _, c := range []struct {
		name  string
		given []past
		want  map[events.AccountID]events.AccountID // from where
	}{
		{"nobody", tree, nil},
		{"an owner of the root has all below", history(tree, member("ann", is(Owner)), joins("ann", root)), map[events.AccountID]events.AccountID{root: {}, north: root, deep: root}},
		{"a viewer of the root has it alone", history(tree, member("ann", is(Viewer)), joins("ann", root)), map[events.AccountID]events.AccountID{root: {}}},
		{"unless it extends", history(tree, member("ann", extending), joins("ann", root)), map[events.AccountID]events.AccountID{root: {}, north: root, deep: root}},
		{"from the middle down", history(tree, memberOf(north, "ann", extending), joins("ann", north)), map[events.AccountID]events.AccountID{north: {}, deep: north}},
		{"of one's own and from above", history(tree, member("ann", extending), memberOf(deep, "ann", is(Admin)), joins("ann", root, deep)), map[events.AccountID]events.AccountID{root: {}, north: root, deep: {}}},
		{"several trees", history(tree, memberOf(other, "ann", is(Viewer)), member("ann", is(Viewer)), joins("ann", root, other)), map[events.AccountID]events.AccountID{root: {}, other: {}}},
		{"not where one is suspended", history(tree, member("ann", extending), suspended("ann"), joins("ann", root)), nil},
		{"nor pending", history(tree, in(root, events.MembershipGranted{User: user("ann"), Grants: []events.Grant{extending}, Pending: true}), joins("ann", root)), nil},
		{"nor revoked", history(tree, member("ann", extending), revoked("ann"), joins("ann", root)), nil},
		{"what has ended extends no more", history(tree, member("ann", is(Viewer), events.Grant{Roles: []string{Admin}, Inherit: true, Until: now}), joins("ann", root)), map[events.AccountID]events.AccountID{root: {}}},
	} {
		for most := range 4 {
			var mine []MyAccount
			var more bool
			if got := given(c.given...).when(AskMyAccounts(user("ann"), most, &mine, &more), as(by("ann"))); got.err != nil || got.facts() != nil {
				t.Fatal(got.err)
			}
			found := map[events.AccountID]events.AccountID{}
			for _, m := range mine {
				found[m.Account.ID] = m.From
				if len(m.Access.Roles()) == 0 {
					t.Errorf("%s: no roles", c.name)
				}
			}
			if more != (most < len(c.want)) || len(mine) != min(most, len(c.want)) {
				t.Errorf("%s: at most %d: %d, more: %v", c.name, most, len(mine), more)
			}
			if most == 3 && fmt.Sprint(found) != fmt.Sprint(c.want) && len(found)+len(c.want) > 0 {
				t.Errorf("%s: %v, want %v", c.name, found, c.want)
			}
		}
	}
	// However wide the tree is, the walk ends.
	wide := history(opened(root), member("ann", is(Owner)), joins("ann", root))
	for i := range 1200 {
		_, f := below(fmt.Sprint("sub", i), root)
		wide = append(wide, f...)
	}
	var mine []MyAccount
	var more bool
	given(wide...).when(AskMyAccounts(user("ann"), 1000, &mine, &more), as(by("ann")))
	if len(mine) != 1000 || !more || slices.ContainsFunc(mine, func(m MyAccount) bool { return !m.Account.Opened }) {
		t.Errorf("%d accounts, more: %v", len(mine), more)
	}
}
