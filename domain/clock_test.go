package domain

import (
	"testing"
	"time"

	"roster/events"
)

// between is a role for a time seen from now; 0 is no end.
func between(role string, from, until time.Duration) events.Grant {
	g := events.Grant{Roles: []string{role}, From: now.Add(from)}
	if until != 0 {
		g.Until = now.Add(until)
	}
	return g
}

func TestExpireMembership(t *testing.T) {
	expire := ExpireMembership{Account: root, User: user("eve")}
	over, runs, lasts := between(Viewer, -3*day, -time.Second), between(Manager, -3*day, time.Second), is(Viewer)
	rulings(t, []ruling{
		{"3.10 the end is an event, and the membership ends with its last grant", history(acme(), member("eve", over)), as(system), expire,
			then(events.MembershipExpired{User: user("eve"), Ended: []events.Grant{over}})},
		{"3.10 at that second", history(acme(), member("eve", between(Viewer, -3*day, 0), between(Manager, -day, -time.Second), runs)), as(system), expire,
			then(events.MembershipExpired{User: user("eve"), Ended: []events.Grant{between(Manager, -day, -time.Second)}, Left: []events.Grant{between(Viewer, -3*day, 0), runs}})},
		{"3.10 not before", history(acme(), member("eve", runs, lasts)), as(system), expire, nothing()},
		{"3.10 of one who is suspended too", history(acme(), member("eve", over), suspended("eve")), as(system), expire,
			then(events.MembershipExpired{User: user("eve"), Ended: []events.Grant{over}})},
		{"3.10 once", history(acme(), member("eve", over), in(root, events.MembershipExpired{User: user("eve"), Ended: []events.Grant{over}})), as(system), expire, nothing()},
		{"3.10 not of one who has gone", history(acme(), member("eve", over), revoked("eve")), as(system), expire, nothing()},
		{"3.10 of nobody", acme(), as(system), expire, nothing()},
		{"3.10 by Roster alone", history(acme(), member("eve", over)), as(by("owner")), expire, refused(NotPermitted)},
		{"2.10 what they have invited ends with it", history(acme(), member("eve", between(Admin, -3*day, -time.Second)),
			invitation1("guest", is(Viewer)).from(by("eve"))), as(system), expire,
			then(events.MembershipExpired{User: user("eve"), Ended: []events.Grant{between(Admin, -3*day, -time.Second)}},
				events.InvitationRevoked{Invitation: invited("guest"), Because: events.BecauseInviterLostAccess})},
	})
}

func TestWarnMembership(t *testing.T) {
	warn := WarnMembership{Account: root, User: user("eve")}
	since := func(ago time.Duration, grants ...events.Grant) []past {
		return history(acme(), member("eve", grants...).ago(ago))
	}
	told := func(until time.Duration) want {
		return then(events.MembershipReminded{User: user("eve"), Until: now.Add(until)})
	}
	day2 := between(Viewer, -30*day, 2*day)
	rulings(t, []ruling{
		{"3.10 warned a day before", since(10*day, between(Viewer, -20*day, day)), as(system), warn, told(day)},
		{"3.10 not earlier", since(10*day, between(Viewer, -20*day, day+time.Second)), as(system), warn, nothing()},
		{"3.10 of the earliest end", since(10*day, day2, between(Manager, -30*day, 20*time.Hour), between(Admin, -30*day, 22*time.Hour)), as(system), warn, told(20 * time.Hour)},
		{"3.10 once", history(since(10*day, between(Viewer, -20*day, day)), in(root, events.MembershipReminded{User: user("eve"), Until: now.Add(day)})), as(system), warn, nothing()},
		{"3.10 again of the next end", history(since(10*day, between(Viewer, -20*day, day)), in(root, events.MembershipReminded{User: user("eve"), Until: now.Add(-day)})), as(system), warn, told(day)},
		{"3.10 not of a grant of less than two days", since(10*day, between(Viewer, -day, day-time.Second)), as(system), warn, nothing()},
		{"3.10 not of a membership of less than two days", since(day-time.Second, between(Viewer, -20*day, day)), as(system), warn, nothing()},
		{"3.10 a short grant hides no other", since(10*day, between(Viewer, -time.Second, time.Hour), between(Manager, -20*day, 2*time.Hour)), as(system), warn, told(2 * time.Hour)},
		{"3.10 not of what has ended", since(10*day, between(Viewer, -20*day, 0), between(Manager, -20*day, -time.Second)), as(system), warn, nothing()},
		{"3.10 not of one who has no access", history(since(10*day, between(Viewer, -20*day, day)), suspended("eve")), as(system), warn, nothing()},
		{"3.10 not in a closed account", history(since(10*day, between(Viewer, -20*day, day)), in(root, events.AccountClosed{})), as(system), warn, nothing()},
		{"3.10 by Roster alone", since(10*day, between(Viewer, -20*day, day)), as(by("eve")), warn, refused(NotPermitted)},
	})
}

// guest is an invitation made ago, valid for a while.
func guest(ago, validity time.Duration) past {
	p := invitation1("guest", is(Viewer))
	f := p.e.(events.InvitationCreated)
	f.ExpiresAt = now.Add(validity - ago)
	p.e = f
	return p.ago(ago)
}

func TestRemindInvitee(t *testing.T) {
	remind := RemindInvitee{Account: root, Invitation: invited("guest"), Generation: 1}
	reminded := events.InvitationReminded{Invitation: invited("guest"), Generation: 1}
	no := false
	rulings(t, []ruling{
		{"2.13 a day before it expires", history(acme(), guest(6*day, 7*day)), as(system), remind, then(reminded)},
		{"2.13 not earlier", history(acme(), guest(6*day-time.Second, 7*day)), as(system), remind, nothing()},
		{"2.13 of a short one in its last quarter", history(acme(), guest(3*time.Hour, 4*time.Hour)), as(system), remind, then(reminded)},
		{"2.13 not before that", history(acme(), guest(3*time.Hour-time.Second, 4*time.Hour)), as(system), remind, nothing()},
		{"2.13 once", history(acme(), guest(6*day, 7*day), in(root, reminded)), as(system), remind, nothing()},
		{"2.13 once for each link", history(acme(), guest(6*day, 7*day), in(root, reminded),
			in(root, events.InvitationResent{Invitation: invited("guest"), Generation: 2, To: now.Add(time.Hour)}).ago(3*day)), as(system),
			RemindInvitee{Account: root, Invitation: invited("guest"), Generation: 2}, then(events.InvitationReminded{Invitation: invited("guest"), Generation: 2})},
		{"2.13 not of a link that has been replaced", history(acme(), guest(6*day, 7*day),
			in(root, events.InvitationResent{Invitation: invited("guest"), Generation: 2, To: now.Add(time.Hour)}).ago(3*day)), as(system), remind, nothing()},
		{"2.13 not when it is too late", history(acme(), guest(7*day, 7*day)), as(system), remind, nothing()},
		{"2.13 not of a dead one", history(acme(), guest(6*day, 7*day), in(root, events.InvitationRevoked{Invitation: invited("guest")})), as(system), remind, nothing()},
		{"2.13 not when its inviter has lost the right", history(acme(), guest(6*day, 7*day).from(by("viewer"))), as(system), remind, nothing()},
		{"2.13 switched off", history(acme(), guest(6*day, 7*day), in(root, events.AccountPolicyChanged{To: events.Policy{Reminders: &no}})), as(system), remind, nothing()},
		{"2.13 by Roster alone", history(acme(), guest(6*day, 7*day)), as(by("owner")), remind, refused(NotPermitted)},
	})
}

// An invitation into several accounts has one mail, so that all of them hear of its reminder.
func TestAReminderStandsInAllAccounts(t *testing.T) {
	into := func(a events.AccountID) past {
		p := guest(6*day, 7*day)
		f := p.e.(events.InvitationCreated)
		f.Accounts = []events.AccountID{sub, root}
		p.b, p.e = events.OfAccount(a), f
		return p
	}
	no := false
	both := history(acme(), openedIn(sub, root), into(root), into(sub))
	remind := RemindInvitee{Account: root, Invitation: invited("guest"), Generation: 1}
	reminded := events.InvitationReminded{Invitation: invited("guest"), Generation: 1}
	rulings(t, []ruling{
		{"2.13 told once", both, as(system), remind, then(reminded, reminded)},
		{"2.13 by the policy of the first", history(both, in(sub, events.AccountPolicyChanged{To: events.Policy{Reminders: &no}})), as(system), remind, nothing()},
	})
}

func TestAskForLink(t *testing.T) {
	ask := AskForLink{Account: root, Invitation: invited("guest"), Generation: 1}
	requested := events.InvitationLinkRequested{Invitation: invited("guest"), Generation: 1}
	dead := history(acme(), guest(8*day, 7*day))
	rulings(t, []ruling{
		{"2.12 of an expired one", dead, as(link), ask, then(requested)},
		{"2.12 of a revoked one", history(acme(), guest(day, 7*day), in(root, events.InvitationRevoked{Invitation: invited("guest")})), as(link), ask, then(requested)},
		{"2.12 of a declined one", history(acme(), guest(day, 7*day), in(root, events.InvitationDeclined{Invitation: invited("guest")})), as(link), ask, then(requested)},
		{"2.12 of a link that has been replaced", history(acme(), guest(day, 7*day),
			in(root, events.InvitationResent{Invitation: invited("guest"), Generation: 2, To: now.Add(day)})), as(link), ask, then(requested)},
		{"2.12 by somebody who is signed in", dead, as(by("viewer")), ask, then(requested)},
		{"2.12 not of one that has been accepted", history(acme(), guest(day, 7*day), in(root, events.InvitationAccepted{Invitation: invited("guest")})), as(link), ask, refused(InvitationUsed)},
		{"2.12 not of one that works", history(acme(), guest(day, 7*day)), as(link), ask, refused(Invalid)},
		{"2.12 told once a day", history(dead, in(root, requested).ago(day-time.Second)), as(link), ask, nothing()},
		{"2.12 and again the next", history(dead, in(root, requested).ago(day)), as(link), ask, then(requested)},
		{"2.12 not into a closed account", history(dead, in(root, events.AccountClosed{})), as(link), ask, nothing()},
		{"2.12 not of an erased address", history(dead, on(events.OfAddress(address("guest")), events.AddressErased{})), as(link), ask, nothing()},
		{"2.12 of nothing", acme(), as(link), ask, refused(NotFound)},
	})
}

// SPEC 3.10: whoever invited is who granted what the invitation gave, and is told of its end.
func TestTheInviterHasGrantedIt(t *testing.T) {
	s := given(history(acme(), invitation1("eve", is(Viewer)).from(by("admin")),
		in(root, events.MembershipGranted{User: user("eve"), Grants: roles(Viewer), Invitation: invited("eve")}).from(link))...)
	if m, _ := s.account(root).Member(user("eve")); m.By != by("admin") {
		t.Errorf("granted by %v", m.By)
	}
}
