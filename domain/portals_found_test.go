package domain

import (
	"fmt"
	"testing"
	"time"

	"roster/events"
)

// What was wrong in the rules when TestPortals was written, each the shortest way to it.

func below(id, parent events.AccountID) []past {
	return history(openedIn(id, parent), on(events.Tree(), events.TreeOpened{Account: id, Parent: parent}))
}

func inherits(role string) events.Grant { return events.Grant{Roles: []string{role}, Inherit: true} }

// Who moved an account that they own alone, without what is below it, to where they have everything gained all below.
func TestMovingGivesNothingBelow(t *testing.T) {
	deep := events.AccountID(hashed("account", "deep"))
	given := func(mine events.Grant) []past {
		return history(opened(root), below(sub, root), below(other, root), below(deep, sub), member("boss", is(Owner)),
			memberOf(root, "mover", is(Admin)), memberOf(sub, "mover", mine), memberOf(other, "mover", inherits(Owner)))
	}
	move := ChangeAccount{Account: sub, Parent: &other}
	moved := then(events.AccountMoved{From: root, To: other}, events.TreeMoved{Account: sub, From: root, To: other})
	rulings(t, []ruling{
		{"3.4 an owner of the account, not of those below", given(is(Owner)), as(by("mover")), move, refused(NotPermitted)},
		{"1.1 an owner of all that is moved", given(inherits(Owner)), as(by("mover")), move, moved},
		{"1.1 an owner of the account, with nothing below", history(opened(root), below(sub, root), below(other, root), memberOf(root, "mover", is(Admin)),
			memberOf(sub, "mover", is(Owner)), memberOf(other, "mover", inherits(Owner))), as(by("mover")), move, moved},
	})
}

// Who defined a role anew gave its members below the account what the one who defined it did not hold there.
func TestRolesReachSubAccounts(t *testing.T) {
	helper := in(root, events.RoleDefined{Role: "helper", To: events.RoleDefinition{Label: "helper", Permissions: []string{UsersRead}}})
	given := func(mine events.Grant) []past {
		return history(opened(root), below(sub, root), helper, member("definer", mine), memberOf(sub, "definer", is("helper")))
	}
	define := func(p ...Permission) Command { return DefineRole{Account: root, Role: "helper", Permissions: p} }
	defined := func(p ...Permission) want {
		return then(events.RoleDefined{Role: "helper", From: &events.RoleDefinition{Label: "helper", Permissions: []string{UsersRead}},
			To: events.RoleDefinition{Label: "helper", Permissions: p}})
	}
	rulings(t, []ruling{
		{"3.4 more than one holds below", given(is(Admin)), as(by("definer")), define(UsersRead, UsersRevoke), refused(ExceedsOwnAccess)},
		{"3.4 what one holds below as well", given(inherits(Admin)), as(by("definer")), define(UsersRead, UsersRevoke), defined(UsersRead, UsersRevoke)},
		{"3.2 where nothing is below", history(opened(root), helper, member("definer", is(Admin))), as(by("definer")), define(UsersRevoke), defined(UsersRevoke)},
		{"3.4 a name that was withdrawn is had below still", history(given(is(Admin)), in(root, events.RoleWithdrawn{Role: "helper"})), as(by("definer")),
			define(UsersRevoke), refused(ExceedsOwnAccess)},
		{"3.2 less is given by whoever gave it", given(is(Admin)), as(by("definer")), DefineRole{Account: root, Role: "helper", Label: "Aide", Permissions: []Permission{UsersRead}},
			then(events.RoleDefined{Role: "helper", From: &events.RoleDefinition{Label: "helper", Permissions: []string{UsersRead}},
				To: events.RoleDefinition{Label: "Aide", Permissions: []string{UsersRead}}})},
	})
}

// Who withdrew a role uncovered the one of the same name above, which gave more.
func TestWithdrawnRoleUncoversTheOneAbove(t *testing.T) {
	weak := in(sub, events.RoleDefined{Role: "helper", To: events.RoleDefinition{Label: "helper", Permissions: []string{UsersRead}}})
	strong := in(root, events.RoleDefined{Role: "helper", To: events.RoleDefinition{Label: "helper", Permissions: []string{UsersRevoke}}})
	withdraw := WithdrawRole{Account: sub, Role: "helper"}
	clerk := events.Grant{Roles: []string{"helper"}, Permissions: []string{RolesDefine}}
	withdrawn := then(events.RoleWithdrawn{Role: "helper", From: events.RoleDefinition{Label: "helper", Permissions: []string{UsersRead}}})
	rulings(t, []ruling{
		{"3.4 it gives more than one holds", history(opened(root), below(sub, root), weak, strong, memberOf(sub, "clerk", clerk)), as(by("clerk")), withdraw, refused(ExceedsOwnAccess)},
		{"3.2 it gives what one holds", history(opened(root), below(sub, root), weak, strong, memberOf(sub, "admin", is(Admin))), as(by("admin")), withdraw, withdrawn},
		{"3.2 there is none", history(opened(root), below(sub, root), weak, memberOf(sub, "clerk", clerk)), as(by("clerk")), withdraw, withdrawn},
	})
}

// An older invitation that was sent again left the newest one, dead for the moment, to come back to life beside it.
func TestResentInvitationIsTheOnlyOne(t *testing.T) {
	old := events.InvitationID(hashed("invitation", "old"))
	newest := invitation1("a", is(Viewer)).from(by("up"))
	newest.b = events.OfAccount(sub)
	first := newest.from(operator)
	first.e = events.InvitationCreated{Invitation: old, Address: address("a"), Grants: roles(Viewer), Generation: 1, ExpiresAt: start.Add(time.Hour)}
	history := history(opened(root), below(sub, root), member("up", inherits(Admin)), first, newest, suspended("up"))
	rulings(t, []ruling{{"2.8 the one that was dead stays so", history, as(operator), ResendInvitation{Account: sub, Invitation: old},
		then(events.InvitationRevoked{Invitation: invited("a"), Because: events.BecauseInviterLostAccess},
			events.InvitationResent{Invitation: old, Generation: 2, From: start.Add(time.Hour), To: now.Add(DefaultValidity)})}})
}

// Somebody whom the operator has locked was no locked member where they were added later, and counted as an owner.
func TestLockedIsLockedEverywhere(t *testing.T) {
	locked := history(registered("new"), of(user("new"), events.UserJoined{Account: other}), of(user("new"), events.UserLocked{}))
	there := history(opened(root), opened(other), locked, memberOf(other, "new", is(Viewer)), member("boss", is(Owner)))
	granted := func(role string) []events.Event {
		return facts(events.MembershipGranted{User: user("new"), Key: key("new"), Address: address("new"), Grants: roles(role)},
			events.MembershipUserLocked{User: user("new")}, events.UserJoined{Account: root})
	}
	gone := events.MembershipRevoked{User: user("new")}
	rulings(t, []ruling{
		{"4.10 added", there, as(operator), AddUser{Account: root, User: user("new"), Grants: roles(Owner)}, then(granted(Owner)...)},
		{"4.10 by several changes at once", there, as(operator), ChangeAccess{From: other, User: user("new"), Changes: []AccessChange{{root, roles(Owner)}}}, then(granted(Owner)...)},
		{"4.10 given back", history(there, member("new", is(Viewer)), in(root, gone)), as(by("boss")),
			Undo{Account: root, Deeds: []Deed{{root, 11, gone}}}, then(granted(Viewer)...)},
		{"4.10 appointed", there, as(operator), AppointOwner{Account: root, User: user("new")}, then(granted(Owner)...)},
		{"4.10 no invitation is accepted", history(there, invitation1("new", is(Viewer))), as(by("new")),
			AcceptInvitation{Account: root, Invitation: invited("new"), Generation: 1}, refused(SignInRequired)},
	})
}

// Whom the operator appointed had an invitation beside the membership: a second row of the list, that led nowhere.
func TestAppointedOwnerIsInvitedNoMore(t *testing.T) {
	waiting := history(opened(root), member("boss", is(Owner)), registered("new"), invitation1("new", is(Viewer)))
	rulings(t, []ruling{{"2.8 appointed", waiting, as(operator), AppointOwner{Account: root, User: user("new")}, then(
		events.InvitationRevoked{Invitation: invited("new"), Because: events.BecauseMember},
		events.MembershipGranted{User: user("new"), Key: key("new"), Address: address("new"), Grants: roles(Owner)}, events.UserJoined{Account: root})}})
}

// The owner whom somebody invited into the account that they opened could never accept where the one who opened it has
// a little of everything by an account above.
func TestWhoOpensAnAccountMayDoThereWhatTheyMayAbove(t *testing.T) {
	open := OpenAccount{AccountName: "New", Parent: sub, Owner: addressee("x")}
	for _, above := range []events.Grant{is(Viewer), inherits(Viewer), inherits(Admin), inherits(Owner)} {
		s := given(history(opened(root), below(sub, root), member("up", above), memberOf(sub, "up", is(Owner)))...)
		got := s.when(open, as(by("up")))
		if got.err != nil {
			t.Fatal(got.err)
		}
		for _, b := range got.world.Written() {
			s.append(b, by("up"), now, got.world.Facts(b)...)
		}
		id := events.AccountID(fresh(0))
		a := s.account(id)
		i, _ := a.InvitationOf(address("x"))
		w := NewWorld(as(operator), func(b events.Boundary) (State, bool) { return s.state(b), true })
		if status := w.StatusOf(id, i); status != Pending {
			t.Errorf("SPEC 1.2: with %+v above the owner's invitation is %s", above, status)
		}
		if _, joined := a.Member(user("up")); joined != (above.Roles[0] != Owner) {
			t.Errorf("SPEC 1.3: with %+v above they are a member of their own: %t", above, joined)
		}
	}
}

// Who has accepted and never signed in is pending until they do: to reactivate them does nothing (SPEC 9).
func TestReactivatingWaitsForTheFirstSignIn(t *testing.T) {
	waiting := in(root, events.MembershipGranted{User: user("new"), Key: key("new"), Address: address("new"), Grants: roles(Viewer), Pending: true})
	suspended := append(acme(), waiting, suspended("new"))
	back := events.MembershipReactivated{User: user("new")}
	rulings(t, []ruling{
		{"9 a pending member is no suspended one", append(acme(), waiting), as(by("owner")), Reactivate{root, user("new")}, nothing()},
		{"9 who was suspended while waiting waits on", suspended, as(by("owner")), Reactivate{root, user("new")},
			then(events.MembershipReactivated{User: user("new"), Pending: true})},
		{"9 but not who has signed in since", append(suspended, in(root, events.MembershipActivated{User: user("new"), Suspended: true})),
			as(by("owner")), Reactivate{root, user("new")}, then(back)},
	})
	for _, c := range []struct {
		after []events.Event
		want  Status
	}{
		{facts(events.MembershipReactivated{User: user("new"), Pending: true}), Pending},
		{facts(events.MembershipActivated{User: user("new"), Suspended: true}), Suspended},
		{facts(events.MembershipActivated{User: user("new"), Suspended: true}, back), Active},
		{facts(events.MembershipReactivated{User: user("new"), Pending: true}, events.MembershipActivated{User: user("new")}), Active},
	} {
		s := given(suspended...)
		s.append(events.OfAccount(root), operator, now, c.after...)
		if m, _ := s.account(root).Member(user("new")); m.Status != c.want {
			t.Errorf("SPEC 9: after %+v they are %s", c.after, m.Status)
		}
	}
}

// Profiles of a portal's own may name a role's permissions by action, and take some out: what was taken out, or named so,
// was granted by those who did not hold it.
func TestCeilingOfPatterns(t *testing.T) {
	ref := events.ProfileRef{Name: "guarded", Version: 1, Protected: "boss"}
	given := func(mine ...string) []past {
		return history(on(events.Portal(), events.ProfileDefined{Profile: ref, Definition: definitionOf(t, guarded())}),
			in(root, events.AccountOpened{Name: "Acme", Profile: ref}), member("boss", is("boss")), member("other", events.Grant{Permissions: []string{AccountRead}}),
			member("me", events.Grant{Roles: mine}))
	}
	var list []ruling
	for _, c := range []struct {
		mine []string
		role string
		code Code
	}{
		{[]string{"lead"}, "hand", ExceedsOwnAccess},
		{[]string{"lead"}, "payer", ExceedsOwnAccess},
		{[]string{"seller"}, "payer", ExceedsOwnAccess},
		{[]string{"lead", "seller"}, "hand", ExceedsOwnAccess}, // neither gives payment:refund
		{[]string{"lead", "seller"}, "payer", ExceedsOwnAccess},
		{[]string{"lead"}, "pricer", ExceedsOwnAccess}, // payment:change is one of them
		{[]string{"seller"}, "pricer", ""},
		{[]string{"lead", "hand"}, "payer", ""},
		{[]string{"boss"}, "hand", ""},
	} {
		want := refused(c.code)
		if c.code == "" {
			want = then(events.MembershipRoleChanged{User: user("other"), From: []events.Grant{{Permissions: []string{AccountRead}}}, To: roles(c.role)})
		}
		list = append(list, ruling{fmt.Sprint("3.4 ", c.mine, " grants ", c.role), given(c.mine...), as(by("me")), ChangeRole{root, user("other"), roles(c.role)}, want})
	}
	rulings(t, list)
}
