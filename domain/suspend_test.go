package domain

import (
	"strings"
	"testing"

	"roster/events"
)

func TestSuspend(t *testing.T) {
	suspend := func(name, why string) Command { return Suspend{Account: root, User: user(name), Reason: why} }
	invitedBy := func(who string) []past {
		return history(acme(), invitation1("a", is(Viewer)).from(by(who)), invitation1("b", is(Viewer)).from(operator))
	}
	rulings(t, []ruling{
		{"3.5 with a reason, for the person's key alone", acme(), as(by("owner")), suspend("viewer", "  on leave\n"),
			then(events.MembershipSuspended{User: user("viewer"), Reason: events.For(key("viewer"), events.Note{Text: "on leave"})})},
		{"3.5 without", acme(), as(by("owner")), suspend("viewer", " "), then(events.MembershipSuspended{User: user("viewer")})},
		{"3.5 twice is once", append(acme(), suspended("viewer")), as(by("owner")), suspend("viewer", "again"), nothing()},
		{"3.4 oneself", acme(), as(by("owner")), suspend("owner", ""), refused(NotPermitted)},
		{"3.4 oneself, where one may not be seen", acme(), as(by("stranger")), suspend("stranger", ""), refused(NotFound)},
		{"3.7 the last owner", history(opened(root), member("owner", is(Owner))), as(operator), suspend("owner", ""), refused(LastActiveOwner)},
		{"3.7 one of two", history(opened(root), member("a", is(Owner)), member("b", is(Owner))), as(by("a")), suspend("b", ""), then(events.MembershipSuspended{User: user("b")})},
		{"3.1 who comes from above", history(opened(root), openedIn(sub, root), member("boss", is(Owner)), member("aide", events.Grant{Roles: []string{Viewer}, Inherit: true})),
			as(by("boss")), Suspend{Account: sub, User: user("aide")}, refused(Inherited)},
		{"3.9 whoever is suspended does nothing more", append(acme(), suspended("admin")), as(by("admin")), suspend("viewer", ""), refused(NotPermitted)},
		{"2.10 the invitations of whoever loses the right are dead for good", invitedBy("admin"), as(by("owner")), suspend("admin", ""),
			then(events.MembershipSuspended{User: user("admin")}, events.InvitationRevoked{Invitation: invited("a"), Because: events.BecauseInviterLostAccess})},
		{"10 a reason that is too long", acme(), as(by("owner")), suspend("viewer", strings.Repeat("ü", maxNote+1)), refused(Invalid)},
		{"10 a reason as long as can be", acme(), as(by("owner")), suspend("viewer", strings.Repeat("ü", maxNote)),
			then(events.MembershipSuspended{User: user("viewer"), Reason: events.For(key("viewer"), events.Note{Text: strings.Repeat("ü", maxNote)})})},
		{"10 a reason that is no text", acme(), as(by("owner")), suspend("viewer", "\xff"), refused(Invalid)},
		{"10 403 before 422", acme(), as(by("viewer")), suspend("admin", "\xff"), refused(NotPermitted)},
		{"10 422 before 412", acme(), asOf(by("owner"), 99), suspend("viewer", "\xff"), refused(Invalid)},
		{"10 412 before nothing", append(acme(), suspended("viewer")), asOf(by("owner"), 5), suspend("viewer", ""), refused(StaleVersion)},
		{"10 412 before 409", history(opened(root), member("owner", is(Owner))), asOf(operator, 99), suspend("owner", ""), refused(StaleVersion)},
	})
}

func TestReactivate(t *testing.T) {
	reactivate := func(name string) Command { return Reactivate{Account: root, User: user(name)} }
	rulings(t, []ruling{
		{"3.5 exactly the roles held", append(acme(), suspended("viewer")), as(by("owner")), reactivate("viewer"), then(events.MembershipReactivated{User: user("viewer")})},
		{"3.5 who is active already", acme(), as(by("owner")), reactivate("viewer"), nothing()},
		{"3.4 only owners bring an owner back", append(acme(), member("second", is(Owner)), suspended("second")), as(by("admin")), reactivate("second"), refused(ExceedsOwnAccess)},
		{"3.6 who was revoked is not brought back", append(acme(), revoked("viewer")), as(by("owner")), reactivate("viewer"), refused(NotFound)},
		{"3.5 oneself", append(acme(), suspended("admin")), as(by("admin")), reactivate("admin"), refused(NotPermitted)},
		{"3.4 oneself, by what comes from above", history(opened(root), openedIn(sub, root), member("up", events.Grant{Roles: []string{Viewer}, Inherit: true}),
			memberOf(sub, "up", is(Admin)), in(sub, events.MembershipSuspended{User: user("up")})), as(by("up")), Reactivate{Account: sub, User: user("up")}, refused(NotPermitted)},
		{"10 412", append(acme(), suspended("viewer")), asOf(by("owner"), 5), reactivate("viewer"), refused(StaleVersion)},
	})
	s := given(append(acme(), in(root, changed("viewer", roles(Viewer), extra(Manager, UsersInvite))), suspended("viewer"), in(root, events.MembershipReactivated{User: user("viewer")}))...)
	if m, _ := s.account(root).Member(user("viewer")); m.Status != Active || !sameGrants(m.Grants, extra(Manager, UsersInvite)) {
		t.Errorf("SPEC 3.5: %+v", m)
	}
}

func TestRevoke(t *testing.T) {
	revoke := func(name, why string) Command { return Revoke{Account: root, User: user(name), Reason: why} }
	rulings(t, []ruling{
		{"3.6 a member", acme(), as(by("owner")), revoke("viewer", ""), then(events.MembershipRevoked{User: user("viewer")})},
		{"3.6 with a reason", acme(), as(by("owner")), revoke("viewer", "left"), then(events.MembershipRevoked{User: user("viewer"), Reason: events.For(key("viewer"), events.Note{Text: "left"})})},
		{"3.6 a suspended one", append(acme(), suspended("viewer")), as(by("owner")), revoke("viewer", ""), then(events.MembershipRevoked{User: user("viewer")})},
		{"3.6 a second time there is nobody", append(acme(), revoked("viewer")), as(by("owner")), revoke("viewer", ""), refused(NotFound)},
		{"3.4 oneself", acme(), as(by("owner")), revoke("owner", ""), refused(NotPermitted)},
		{"3.7 the last owner", history(opened(root), member("owner", is(Owner))), as(operator), revoke("owner", ""), refused(LastActiveOwner)},
		{"3.7 a suspended owner is not the last active one", history(opened(root), member("a", is(Owner)), member("b", is(Owner)), suspended("b")), as(by("a")), revoke("b", ""), then(events.MembershipRevoked{User: user("b")})},
		{"3.1 who comes from above", history(opened(root), openedIn(sub, root), member("boss", is(Owner)), member("aide", events.Grant{Roles: []string{Viewer}, Inherit: true})),
			as(by("boss")), Revoke{Account: sub, User: user("aide")}, refused(Inherited)},
		{"2.10 with their invitations", history(acme(), invitation1("a", is(Viewer)).from(by("admin"))), as(by("owner")), revoke("admin", ""),
			then(events.MembershipRevoked{User: user("admin")}, events.InvitationRevoked{Invitation: invited("a"), Because: events.BecauseInviterLostAccess})},
		{"10 422 before 412", acme(), asOf(by("owner"), 99), revoke("viewer", "\xff"), refused(Invalid)},
		{"10 412 before 409", history(opened(root), member("owner", is(Owner))), asOf(operator, 99), revoke("owner", ""), refused(StaleVersion)},
	})
}

func TestLeave(t *testing.T) {
	rulings(t, []ruling{
		{"3.4 a member", acme(), as(by("viewer")), Leave{root}, then(events.MembershipLeft{User: user("viewer")})},
		{"3.4 an owner, where another stays", append(acme(), member("second", is(Owner))), as(by("owner")), Leave{root}, then(events.MembershipLeft{User: user("owner")})},
		{"3.7 the last owner", acme(), as(by("owner")), Leave{root}, refused(LastActiveOwner)},
		{"3.5 a suspended member has no access, not even to go", append(acme(), suspended("viewer")), as(by("viewer")), Leave{root}, refused(NotPermitted)},
		{"3.6 who is gone", append(acme(), revoked("viewer")), as(by("viewer")), Leave{root}, refused(NotFound)},
		{"3.4 a stranger", acme(), as(by("stranger")), Leave{root}, refused(NotFound)},
		{"3.4 the operator is no member", acme(), as(operator), Leave{root}, refused(NotFound)},
		{"3.1 who comes from above leaves there", history(opened(root), openedIn(sub, root), member("boss", is(Owner))), as(by("boss")), Leave{sub}, refused(NotFound)},
		{"2.10 with their invitations", history(acme(), invitation1("a", is(Viewer)).from(by("admin"))), as(by("admin")), Leave{root},
			then(events.MembershipLeft{User: user("admin")}, events.InvitationRevoked{Invitation: invited("a"), Because: events.BecauseInviterLostAccess})},
		{"10 412 before 409", acme(), asOf(by("owner"), 99), Leave{root}, refused(StaleVersion)},
	})
}

// An owner counts from the second on in which the grant begins, and all that is counted is what a recount finds.
func TestOwners(t *testing.T) {
	soon := events.Grant{Roles: []string{Owner}, From: now.Add(day)}
	s := given(opened(root), member("a", is(Owner)), member("b", soon), member("c", events.Grant{Roles: []string{Owner}, Until: now.Add(day)}))
	for at, want := range map[events.Time]int{now: 1, now.Add(day) - 1: 1, now.Add(day): 2} {
		if got := s.account(root).Owners(at); got != want {
			t.Errorf("SPEC 3.7: %d owners at %s, want %d", got, at, want)
		}
	}
	s.append(events.OfAccount(root), operator, now, events.MembershipSuspended{User: user("b")})
	if got := s.account(root).Owners(now.Add(2 * day)); got != 1 {
		t.Errorf("%d owners with the one to be suspended", got)
	}
	s.append(events.OfAccount(root), operator, now, events.MembershipReactivated{User: user("b")}, events.MembershipRevoked{User: user("a")})
	if got := s.account(root).Owners(now.Add(2 * day)); got != 1 {
		t.Errorf("%d owners with the first revoked", got)
	}
}
