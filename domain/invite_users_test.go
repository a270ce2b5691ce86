package domain

import (
	"strings"
	"testing"
	"time"

	"roster/events"
)

func TestOpenAccount(t *testing.T) {
	account := events.AccountID(fresh(0))
	openedFact := func(name string) events.AccountOpened {
		return events.AccountOpened{Name: name, Profile: standardProfile}
	}
	owner := *addressee("ann")
	owner.Name = events.PersonName{First: " Ann\u202e ", Last: "Lee\n"}
	invitedOwner := created(1, "ann", 7*day, is(Owner))
	invitedOwner.Invitee = events.For(key("@ann"), events.Invitee{Email: "ann@example.com", PersonName: events.PersonName{First: "Ann", Last: "Lee"}})
	rulings(t, []ruling{
		{"1.3 by the operator", nil, as(operator), OpenAccount{AccountName: "  Acme  "}, then(openedFact("Acme"))},
		{"1.2 its first user is invited as owner", nil, as(operator), OpenAccount{AccountName: "Acme", Owner: &owner}, then(openedFact("Acme"), invitedOwner)},
		{"1.3 by nobody else", nil, as(by("ann")), OpenAccount{AccountName: "Acme"}, refused(NotPermitted)},
		{"10 403 before 422", nil, as(by("ann")), OpenAccount{}, refused(NotPermitted)},
		{"10 no name", nil, as(operator), OpenAccount{AccountName: " \t"}, refused(Invalid)},
		{"10 a name of two lines", nil, as(operator), OpenAccount{AccountName: "Acme\nEvil"}, refused(Invalid)},
		{"10 a name that reads backwards", nil, as(operator), OpenAccount{AccountName: "Acme\u202eemcA"}, refused(Invalid)},
		{"10 a name that is no text", nil, as(operator), OpenAccount{AccountName: "Acme\xff"}, refused(Invalid)},
		{"10 a name that is too long", nil, as(operator), OpenAccount{AccountName: strings.Repeat("ü", 201)}, refused(Invalid)},
		{"10 a name as long as can be", nil, as(operator), OpenAccount{AccountName: strings.Repeat("ü", 200)}, then(openedFact(strings.Repeat("ü", 200)))},
		{"7.1 the same account twice is one", []past{opened(account)}, as(operator), OpenAccount{AccountName: "Acme"}, nothing()},
	})
}

func TestInviteUsers(t *testing.T) {
	invite := func(names []string, g ...events.Grant) InviteUsers {
		c := InviteUsers{Account: root, Grants: g}
		for _, n := range names {
			if n == "" {
				c.Invitees = append(c.Invitees, nil)
				continue
			}
			c.Invitees = append(c.Invitees, addressee(n))
		}
		return c
	}
	one := []string{"new"}
	valid := func(c InviteUsers, d time.Duration) InviteUsers { c.ValidFor = d; return c }
	temp := events.Grant{Roles: []string{Admin}, Until: now}
	seven := created(1, "new", 7*day, is(Viewer))
	messy := invite(one, is(Viewer))
	messy.Invitees[0].Name = events.PersonName{First: "  Ann\u2066 ", Last: strings.Repeat("x", 300)}
	tidied := seven
	tidied.Invitee = events.For(key("@new"), events.Invitee{Email: "new@example.com", PersonName: events.PersonName{First: "Ann", Last: strings.Repeat("x", 200)}})
	rulings(t, []ruling{
		{"2.1 one", acme(), as(by("owner")), invite(one, is(Viewer)), then(seven).saying("invited")},
		{"2.1 several, each with its own outcome", acme(), as(by("owner")), invite([]string{"a", "", "viewer", "a", "b"}, is(Viewer)),
			then(created(1, "a", 7*day, is(Viewer)), created(5, "b", 7*day, is(Viewer))).
				saying(OutcomeInvited, OutcomeInvalidAddress, OutcomeAlreadyMember, OutcomeAlreadyInvited, OutcomeInvited)},
		{"2.1 nobody", acme(), as(by("owner")), invite(nil, is(Viewer)), nothing()},
		{"2.2 the validity asked for", acme(), as(by("owner")), valid(invite(one, is(Viewer)), time.Hour), then(created(1, "new", time.Hour, is(Viewer)))},
		{"2.2 a validity too short", acme(), as(by("owner")), valid(invite(one, is(Viewer)), time.Hour-1), refused(Invalid)},
		{"2.2 a validity as long as can be", acme(), as(by("owner")), valid(invite(one, is(Viewer)), 90*day), then(created(1, "new", 90*day, is(Viewer)))},
		{"2.2 a validity too long", acme(), as(by("owner")), valid(invite(one, is(Viewer)), 90*day+1), refused(Invalid)},
		{"2.2 a validity below zero", acme(), as(by("owner")), valid(invite(one, is(Viewer)), -day), refused(Invalid)},
		{"10 names are trimmed, cut and freed of what hides", acme(), as(by("owner")), messy, then(tidied)},

		{"2.2 a member", acme(), as(by("owner")), invite([]string{"viewer"}, is(Viewer)), nothing().saying(OutcomeAlreadyMember)},
		{"2.2 a suspended member", append(acme(), suspended("viewer")), as(by("owner")), invite([]string{"viewer"}, is(Viewer)), nothing().saying(OutcomeAlreadyMember)},
		{"2.2 a live invitation", append(acme(), invitation1("new", is(Viewer))), as(by("owner")), invite(one, is(Viewer)), nothing().saying(OutcomeAlreadyInvited)},
		{"2.8 an expired one, by the clock", append(acme(), invitation1("new", is(Viewer)).ago(8*day)), Issued{At: start.Add(7 * day), Actor: by("owner")}, valid(invite(one, is(Viewer)), day),
			then(created(1, "new", 7*day, is(Viewer)))},
		{"2.8 an expired one, as an event", append(acme(), invitation1("new", is(Viewer)), in(root, events.InvitationExpired{Invitation: invited("new"), Generation: 1})),
			Issued{At: start.Add(7 * day), Actor: by("owner")}, valid(invite(one, is(Viewer)), day), then(created(1, "new", 7*day, is(Viewer)))},
		{"2.8 a declined one", append(acme(), invitation1("new", is(Viewer)), in(root, events.InvitationDeclined{Invitation: invited("new")})), as(by("owner")), invite(one, is(Viewer)), then(seven)},
		{"2.8 a revoked one", append(acme(), invitation1("new", is(Viewer)), in(root, events.InvitationRevoked{Invitation: invited("new")})), as(by("owner")), invite(one, is(Viewer)), then(seven)},
		{"2.8 a revoked member", append(acme(), revoked("viewer")), as(by("owner")), invite([]string{"viewer"}, is(Viewer)), then(created(1, "viewer", 7*day, is(Viewer)))},
		{"2.8 who left", append(acme(), in(root, events.MembershipLeft{User: user("viewer")})), as(by("owner")), invite([]string{"viewer"}, is(Viewer)), then(created(1, "viewer", 7*day, is(Viewer)))},
		{"2.10 one whose inviter has gone", append(acme(), member("gone", is(Admin)), invitation1("new", is(Viewer)).from(by("gone")), revoked("gone")), as(by("owner")), invite(one, is(Viewer)),
			then(events.InvitationRevoked{Invitation: invited("new"), Because: events.BecauseInviterLostAccess}, seven).saying(OutcomeInvited)},

		{"1.2 an account without an owner invites one first", []past{opened(root)}, as(operator), invite(one, is(Viewer)), refused(Invalid)},
		{"1.2 and then does so", []past{opened(root)}, as(operator), invite(one, is(Owner)), then(created(1, "new", 7*day, is(Owner)))},
		{"1.2 an invited owner is enough", []past{opened(root), invitation1("boss", is(Owner))}, as(operator), invite(one, is(Viewer)), then(seven)},
		{"1.2 an expired one is not", []past{opened(root), invitation1("boss", is(Owner))}, Issued{At: start.Add(7 * day), Actor: operator}, invite(one, is(Viewer)), refused(Invalid)},
		{"1.2 a suspended owner is not", []past{opened(root), member("boss", is(Owner)), suspended("boss")}, as(operator), invite(one, is(Viewer)), refused(Invalid)},
		{"1.2 nor one with an end", []past{opened(root), member("boss", events.Grant{Roles: []string{Owner}, Until: now.Add(day)})}, as(operator), invite(one, is(Viewer)), refused(Invalid)},
		{"1.2 nor an invitation of one", []past{opened(root)}, as(operator), invite(one, events.Grant{Roles: []string{Owner}, Until: now.Add(day)}), refused(Invalid)},
		{"3.7 a sub-account needs none", history(opened(root), openedIn(sub, root)), as(operator), InviteUsers{Account: sub, Invitees: []*Addressee{addressee("new")}, Grants: roles(Viewer)}, then(seven)},

		{"2.2 not more than one holds", acme(), as(by("admin")), invite(one, is(Owner)), refused(ExceedsOwnAccess)},
		{"2.2 nor for longer reach", acme(), as(by("admin")), invite(one, events.Grant{Roles: []string{Viewer}, Inherit: true}), refused(ExceedsOwnAccess)},
		{"2.2 without the permission", acme(), as(by("manager")), invite(one, is(Viewer)), refused(NotPermitted)},
		{"3.5 suspended", append(acme(), suspended("admin")), as(by("admin")), invite(one, is(Viewer)), refused(NotPermitted)},
		{"3.10 whose time is over", append(acme(), member("temp", temp)), as(by("temp")), invite(one, is(Viewer)), refused(NotFound)},
		{"10 404", acme(), as(by("stranger")), invite(one, is(Viewer)), refused(NotFound)},
		{"10 403 before 422", acme(), as(by("manager")), invite(one, is("king")), refused(NotPermitted)},
		{"9 a role has to be chosen", acme(), as(by("owner")), invite(one), refused(Invalid)},
		{"3.2 a role that nobody has defined", acme(), as(by("owner")), invite(one, is("king")), refused(Invalid)},
	})
}

// resent is what resending writes.
func resent(name string, generation uint32, from events.Time) events.InvitationResent {
	return events.InvitationResent{Invitation: invited(name), Generation: generation, From: from, To: now.Add(7 * day)}
}

func TestResendInvitation(t *testing.T) {
	resend := ResendInvitation{root, invited("new")}
	open := invitation1("new", is(Viewer))
	expired := open
	expired.e = func() events.Event { f := open.e.(events.InvitationCreated); f.ExpiresAt = now; return f }()
	second := in(root, events.InvitationCreated{Invitation: invited("second"), Address: address("new"), Grants: roles(Viewer), Generation: 1, ExpiresAt: now.Add(day)})
	rulings(t, []ruling{
		{"2.6 a new link and a new validity", append(acme(), open), as(by("admin")), resend, then(resent("new", 2, start.Add(7*day)))},
		{"2.6 and once more", append(acme(), open, in(root, resent("new", 2, start.Add(7*day)))), as(by("admin")), resend, then(resent("new", 3, now.Add(7*day)))},
		{"2.6 an expired one as well", append(acme(), expired), as(by("admin")), resend, then(resent("new", 2, now))},
		{"2.6 noted as expired", append(acme(), expired, in(root, events.InvitationExpired{Invitation: invited("new"), Generation: 1})), as(by("admin")), resend, then(resent("new", 2, now))},
		{"2.7 not a revoked one", append(acme(), open, in(root, events.InvitationRevoked{Invitation: invited("new")})), as(by("admin")), resend, refused(InvitationRevoked)},
		{"2.8 not a declined one", append(acme(), open, in(root, events.InvitationDeclined{Invitation: invited("new")})), as(by("admin")), resend, refused(InvitationRevoked)},
		{"2.5 not an accepted one", append(acme(), open, in(root, events.InvitationAccepted{Invitation: invited("new")})), as(by("admin")), resend, refused(InvitationUsed)},
		{"2.10 not one whose inviter has lost the right", append(acme(), member("gone", is(Admin)), open.from(by("gone")), suspended("gone")), as(by("admin")), resend, refused(InvitationRevoked)},
		{"2.10 not even when it has expired since", append(acme(), member("gone", is(Admin)), expired.from(by("gone")), suspended("gone")), as(by("admin")), resend, refused(InvitationRevoked)},
		{"2.2 not to a member", append(acme(), expired, memberOf(root, "new", is(Viewer))), as(by("admin")), resend, refused(AlreadyMember)},
		{"2.8 not beside a newer one", append(acme(), expired, second), as(by("admin")), resend, refused(AlreadyInvited)},
		{"2.6 only by whoever may invite", append(acme(), open), as(by("manager")), resend, refused(NotPermitted)},
		{"10 403 before 410", append(acme(), open, in(root, events.InvitationRevoked{Invitation: invited("new")})), as(by("manager")), resend, refused(NotPermitted)},
		{"10 410 before 412", append(acme(), open, in(root, events.InvitationRevoked{Invitation: invited("new")})), asOf(by("admin"), 99), resend, refused(InvitationRevoked)},
		{"10 412 before 409", append(acme(), expired, second), asOf(by("admin"), 99), resend, refused(StaleVersion)},
		{"10 404", acme(), as(by("admin")), resend, refused(NotFound)},
	})

	// SPEC 2.8: never more than one live invitation, whichever of an address's invitations is resent.
	s := given(append(acme(), expired, in(root, events.InvitationCreated{Invitation: invited("second"), Address: address("new"), Grants: roles(Viewer), Generation: 1, ExpiresAt: now}))...)
	s.append(events.OfAccount(root), operator, now, s.when(resend, as(by("admin"))).facts()...)
	if got := s.when(InviteUsers{Account: root, Invitees: []*Addressee{addressee("new")}, Grants: roles(Viewer)}, as(by("admin"))); got.world.Outcomes()[0] != OutcomeAlreadyInvited {
		t.Errorf("SPEC 2.8: invited beside the one resent: %v", got.world.Outcomes())
	}
	if got := s.when(ResendInvitation{root, invited("second")}, as(by("admin"))); got.code() != AlreadyInvited {
		t.Errorf("SPEC 2.8: resent beside the one resent: %v", got.err)
	}
}

func TestRevokeInvitation(t *testing.T) {
	revoke := RevokeInvitation{Account: root, Invitation: invited("new")}
	because := func(why string) Command { c := revoke; c.Because = why; return c }
	open := invitation1("new", is(Viewer))
	done := func(why string) want { return then(events.InvitationRevoked{Invitation: invited("new"), Because: why}) }
	gone := append(acme(), member("gone", is(Admin)), open.from(by("gone")), suspended("gone"))
	rulings(t, []ruling{
		{"2.7 an open one", append(acme(), open), as(by("admin")), revoke, done("")},
		{"2.7 an expired one", append(acme(), open), Issued{At: start.Add(8 * day), Actor: by("admin")}, revoke, done("")},
		{"2.7 one whose inviter has lost the right", gone, as(by("admin")), revoke, done("")},
		{"2.7 twice is once", append(acme(), open, in(root, events.InvitationRevoked{Invitation: invited("new")})), as(by("admin")), revoke, nothing()},
		{"2.7 a declined one", append(acme(), open, in(root, events.InvitationDeclined{Invitation: invited("new")})), as(by("admin")), revoke, nothing()},
		{"2.7 an accepted one", append(acme(), open, in(root, events.InvitationAccepted{Invitation: invited("new")})), as(by("admin")), revoke, refused(InvitationUsed)},
		{"2.7 only by whoever may invite", append(acme(), open), as(by("viewer")), revoke, refused(NotPermitted)},
		{"10 410 before 412", append(acme(), open, in(root, events.InvitationAccepted{Invitation: invited("new")})), asOf(by("admin"), 99), revoke, refused(InvitationUsed)},
		{"10 412", append(acme(), open), asOf(by("admin"), 99), revoke, refused(StaleVersion)},
		{"10 404", acme(), as(by("admin")), revoke, refused(NotFound)},
		{"2.10 the event follows", gone, as(system), because(events.BecauseInviterLostAccess), done(events.BecauseInviterLostAccess)},
		{"2.10 but not of one whose inviter still may", append(acme(), open.from(by("admin"))), as(system), because(events.BecauseInviterLostAccess), nothing()},
		{"2.10 the operator's are never revoked so", append(acme(), open), as(system), because(events.BecauseInviterLostAccess), nothing()},
		{"5.5 an erased invitee's", append(acme(), open), as(system), because(events.BecauseErased), done(events.BecauseErased)},
		{"2.10 nor of one that has ended", history(gone, in(root, events.InvitationRevoked{Invitation: invited("new")})), as(system), because(events.BecauseInviterLostAccess), nothing()},
		{"2.10 nor of none", acme(), as(system), because(events.BecauseInviterLostAccess), nothing()},
	})
}

func TestExpireInvitation(t *testing.T) {
	expire := ExpireInvitation{root, invited("new"), 1}
	at := func(d time.Duration) Issued { return Issued{At: start.Add(d), Actor: system} }
	open := invitation1("new", is(Viewer))
	expired := events.InvitationExpired{Invitation: invited("new"), Generation: 1}
	rulings(t, []ruling{
		{"2.5 at that very moment", append(acme(), open), at(7 * day), expire, then(expired)},
		{"2.5 not before", append(acme(), open), at(7*day - time.Microsecond), expire, nothing()},
		{"2.5 once", append(acme(), open, in(root, expired)), at(8 * day), expire, nothing()},
		{"2.6 not what has been resent", append(acme(), open, in(root, events.InvitationResent{Invitation: invited("new"), Generation: 2, To: start.Add(7 * day)})), at(8 * day), expire, nothing()},
		{"2.7 not what has been revoked", append(acme(), open, in(root, events.InvitationRevoked{Invitation: invited("new")})), at(8 * day), expire, nothing()},
		{"2.5 nor what never was", acme(), at(8 * day), expire, nothing()},
	})
}

// SPEC 2.10: dead from that moment, also where no fact in this account says so, and for each way to lose the right.
func TestInviterLosesTheRight(t *testing.T) {
	open := invitation1("new", is(Admin)).from(by("inviter"))
	wide := events.Grant{Roles: []string{Admin}, Inherit: true}
	subInvitation := open
	subInvitation.b = events.OfAccount(sub)
	inSub := func(more ...past) []past {
		return history(opened(root), openedIn(sub, root), member("inviter", wide), subInvitation, more)
	}
	for _, c := range []struct {
		name    string
		account events.AccountID
		past    []past
		at      events.Time
		want    Status
	}{
		{"still holds it", root, history(acme(), member("inviter", is(Admin)), open), now, Pending},
		{"suspended", root, history(acme(), member("inviter", is(Admin)), open, suspended("inviter")), now, Revoked},
		{"revoked", root, history(acme(), member("inviter", is(Admin)), open, revoked("inviter")), now, Revoked},
		{"left", root, history(acme(), member("inviter", is(Admin)), open, in(root, events.MembershipLeft{User: user("inviter")})), now, Revoked},
		{"may invite no more", root, history(acme(), member("inviter", is(Admin)), open, in(root, changed("inviter", nil, roles(Manager)))), now, Revoked},
		{"may invite, but grants less", root, history(acme(), member("inviter", is(Admin)), open, in(root, changed("inviter", nil, extra(Viewer, UsersInvite)))), now, Revoked},
		{"may do more", root, history(acme(), member("inviter", is(Admin)), open, in(root, changed("inviter", nil, roles(Owner)))), now, Pending},
		{"was one for a time", root, history(acme(), member("inviter", events.Grant{Roles: []string{Admin}, Until: now}), open), now, Revoked},
		{"the operator invited", root, history(acme(), invitation1("new", is(Owner))), now, Pending},
		{"holds it from above", sub, inSub(), now, Pending},
		{"lost it above", sub, inSub(suspended("inviter")), now, Revoked},
		{"reaches down no more", sub, inSub(in(root, changed("inviter", nil, roles(Admin)))), now, Revoked},
		{"expired before all that", root, history(acme(), member("inviter", is(Admin)), open, suspended("inviter")), start.Add(7 * day), Expired},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := given(c.past...)
			var got Status
			s.when(probe(func(w *World) {
				i, _ := w.Account(c.account).Invitation(invited("new"))
				got = w.StatusOf(c.account, i)
			}), Issued{At: c.at, Actor: system})
			if got != c.want {
				t.Errorf("%s, want %s", got, c.want)
			}
		})
	}

	// And it stays dead: the right regained does not bring it back.
	s := given(history(acme(), member("inviter", is(Admin)), open)...)
	for _, cmd := range []Command{Suspend{Account: root, User: user("inviter")}, Reactivate{root, user("inviter")}} {
		s.append(events.OfAccount(root), by("owner"), now, s.when(cmd, as(by("owner"))).facts()...)
	}
	if got := s.when(LookAtInvitation{root, invited("new"), 1, &LookedAt{}}, as(link)); got.code() != InvitationRevoked {
		t.Errorf("SPEC 2.10: alive again: %v", got.err)
	}
}

// probe looks at the world as a command would.
type probe func(w *World)

func (p probe) Name() string                    { return "Probe" }
func (p probe) Home(_ Issued) events.Boundary   { return events.System() }
func (p probe) Decide(w *World, _ Issued) error { p(w); return nil }
