package domain

import (
	"testing"

	"roster/events"
)

func TestAcceptInvitation(t *testing.T) {
	ann := &NewUser{ID: user("new"), Key: key("new"), Name: events.PersonName{First: " Ann ", Last: "Lee"}, Password: secret("new")}
	to := *addressee("new")
	accept := AcceptInvitation{Account: root, Invitation: invited("new"), Generation: 1, New: ann, To: to}
	with := func(change func(*AcceptInvitation)) Command { c := accept; change(&c); return c }
	signedIn := with(func(c *AcceptInvitation) { c.New, c.To = nil, Addressee{} })
	open := invitation1("new", is(Manager))
	accepted := func() []events.Event {
		return facts(
			events.InvitationAccepted{Invitation: invited("new"), User: user("new")},
			events.MembershipGranted{User: user("new"), Key: key("new"), Address: address("new"), Grants: roles(Manager), Invitation: invited("new")})
	}
	asNew := facts(accepted(),
		events.UserRegistered{Address: address("new"), Email: events.For(key("@new"), events.Email{Email: "new@example.com"}),
			Profile: events.For(key("new"), events.PersonName{First: "Ann", Last: "Lee"})},
		events.PasswordSet{Secret: secret("new")}, events.UserJoined{Account: root}, events.AddressClaimed{User: user("new")})
	asMember := facts(accepted(), events.UserJoined{Account: root})
	gone := history(acme(), member("gone", is(Admin)), open.from(by("gone")), suspended("gone"))
	invitation := func(e events.Event) []past { return append(acme(), open, in(root, e)) }
	rulings(t, []ruling{
		{"2.9 a new person: the user, the membership, the address, all or nothing", append(acme(), open), as(link), accept, then(asNew...)},
		{"2.9 whatever the caller says of the address", append(acme(), open), as(link), with(func(c *AcceptInvitation) { c.To.ID, c.To.Key = address("evil"), key("evil") }), then(asNew...)},
		{"2.9 who has a user and is signed in", history(acme(), open, registered("new")), as(by("new")), signedIn, then(asMember...)},
		{"2.9 is never asked for a new password", history(acme(), open, registered("new")), as(by("new")), accept, then(asMember...)},
		{"2.9 who has a user and is not signed in", history(acme(), open, registered("new")), as(link), accept, refused(SignInRequired)},
		{"2.9 signed in as another", history(acme(), open, registered("new"), registered("else")), as(by("else")), accept, refused(WrongRecipient)},
		{"2.9 signed in as another, for a person without a user", append(acme(), open), as(by("viewer")), accept, refused(WrongRecipient)},
		{"2.8 a member who was revoked is one again and inherits nothing", history(acme(), registered("new"), member("new", is(Owner)), revoked("new"), open), as(by("new")), signedIn, then(asMember...)},
		{"2.2 a member", history(acme(), registered("new"), open, member("new", is(Viewer))), as(by("new")), signedIn, refused(AlreadyMember)},
		{"3.5 a suspended member does not come back so", history(acme(), registered("new"), open, member("new", is(Viewer)), suspended("new")), as(by("new")), signedIn, refused(AlreadyMember)},
		{"4.3 names are asked for", append(acme(), open), as(link), with(func(c *AcceptInvitation) { c.New = &NewUser{ID: user("new"), Name: events.PersonName{First: " "}} }), refused(Invalid)},
		{"2.9 and a password", append(acme(), open), as(link), signedIn, refused(Invalid)},

		{"2.5 up to the last moment", append(acme(), open), Issued{At: start.Add(7*day) - 1, Actor: link}, accept, then(asNew...)},
		{"2.5 expired at that very moment", append(acme(), open), Issued{At: start.Add(7 * day), Actor: link}, accept, refused(InvitationExpired)},
		{"2.4 once", invitation(events.InvitationAccepted{Invitation: invited("new"), User: user("new")}), as(link), accept, refused(InvitationUsed)},
		{"2.7 revoked", invitation(events.InvitationRevoked{Invitation: invited("new")}), as(link), accept, refused(InvitationRevoked)},
		{"2.12 declined", invitation(events.InvitationDeclined{Invitation: invited("new")}), as(link), accept, refused(InvitationRevoked)},
		{"2.6 an old link", invitation(events.InvitationResent{Invitation: invited("new"), Generation: 2, To: now.Add(day)}), as(link), accept, refused(InvitationReplaced)},
		{"2.6 the new one", invitation(events.InvitationResent{Invitation: invited("new"), Generation: 2, To: now.Add(day)}), as(link), with(func(c *AcceptInvitation) { c.Generation = 2 }), then(asNew...)},
		{"2.6 one that nobody has sent", append(acme(), open), as(link), with(func(c *AcceptInvitation) { c.Generation = 7 }), refused(InvitationReplaced)},
		{"2.10 whose inviter has lost the right", gone, as(link), accept, refused(InvitationRevoked)},
		{"5.5 to an address that has been erased", append(acme(), open, on(events.OfAddress(address("new")), events.AddressErased{})), as(link), accept, refused(InvitationRevoked)},
		{"5.5 by a user who has been erased", history(acme(), open, registered("new"), of(user("new"), events.UserErased{})), as(by("new")), signedIn, refused(SignInRequired)},
		{"2.12 an unknown link", acme(), as(link), accept, refused(NotFound)},

		{"10 403 before 410", append(invitation(events.InvitationRevoked{Invitation: invited("new")}), registered("else")...), as(by("else")), accept, refused(WrongRecipient)},
		{"2.12 410 before a password is asked for", invitation(events.InvitationRevoked{Invitation: invited("new")}), as(link), signedIn, refused(InvitationRevoked)},
		{"2.12 410 before signing in is asked for", append(invitation(events.InvitationRevoked{Invitation: invited("new")}), registered("new")...), as(link), accept, refused(InvitationRevoked)},
	})
}

func TestDeclineInvitation(t *testing.T) {
	decline := DeclineInvitation{root, invited("new"), 1}
	open := invitation1("new", is(Manager))
	declined := in(root, events.InvitationDeclined{Invitation: invited("new")})
	rulings(t, []ruling{
		{"2.5 declined", append(acme(), open), as(link), decline, then(declined.e)},
		{"2.5 twice is once", append(acme(), open, declined), as(link), decline, nothing()},
		{"2.5 revoked", append(acme(), open, in(root, events.InvitationRevoked{Invitation: invited("new")})), as(link), decline, refused(InvitationRevoked)},
		{"2.4 accepted", append(acme(), open, in(root, events.InvitationAccepted{Invitation: invited("new")})), as(link), decline, refused(InvitationUsed)},
		{"2.5 expired", append(acme(), open), Issued{At: start.Add(7 * day), Actor: link}, decline, refused(InvitationExpired)},
		{"2.6 an old link", append(acme(), open, in(root, events.InvitationResent{Invitation: invited("new"), Generation: 2, To: now.Add(day)})), as(link), decline, refused(InvitationReplaced)},
		{"2.12 an unknown link", acme(), as(link), decline, refused(NotFound)},
	})
}

func TestLookAtInvitation(t *testing.T) {
	var seen LookedAt
	look := LookAtInvitation{root, invited("new"), 1, &seen}
	open := invitation1("new", is(Manager))
	rulings(t, []ruling{
		{"2.4 consumes nothing", append(acme(), open), as(link), look, nothing()},
		{"2.12 an unknown link", acme(), as(link), look, refused(NotFound)},
		{"2.12 an account that is none", nil, as(link), look, refused(NotFound)},
		{"2.12 a used one", append(acme(), open, in(root, events.InvitationAccepted{Invitation: invited("new")})), as(link), look, refused(InvitationUsed)},
		{"2.12 a replaced one", append(acme(), open, in(root, events.InvitationResent{Invitation: invited("new"), Generation: 2, To: now.Add(day)})), as(link), look, refused(InvitationReplaced)},
		{"2.12 an expired one says so, and whom to ask", append(acme(), open), Issued{At: start.Add(7 * day), Actor: link}, look, refused(InvitationExpired)},
	})
	if seen.Account.Name != "Acme" || seen.Invitation.ID != invited("new") || seen.HasUser {
		t.Errorf("SPEC 2.12: a dead link does not say whom to ask: %+v", seen)
	}
	if got := given(history(acme(), open, registered("new"))...).when(look, as(link)); got.err != nil || !seen.HasUser {
		t.Errorf("SPEC 2.9: %v, %+v", got.err, seen)
	}
	seen = LookedAt{}
	if given(acme()...).when(look, as(link)); seen.Account.Opened {
		t.Error("SPEC 2.12: an unknown link says something")
	}
}

func TestSetUp(t *testing.T) {
	account := events.AccountID(fresh(0))
	setup := SetUp{AccountName: " Acme ", Owner: *addressee("ann"),
		User: NewUser{ID: user("ann"), Key: key("ann"), Name: events.PersonName{First: "Ann", Last: "Lee"}, Password: secret("ann")}}
	with := func(change func(*SetUp)) Command { c := setup; change(&c); return c }
	used := on(events.Portal(), events.PortalSetUp{Account: root})
	rulings(t, []ruling{
		{"1.3 the first account and its owner", nil, as(link), setup, then(
			events.PortalSetUp{Account: account, User: user("ann")},
			events.AccountOpened{Name: "Acme", Profile: standardProfile},
			events.MembershipGranted{User: user("ann"), Key: key("ann"), Address: address("ann"), Grants: roles(Owner)},
			events.UserRegistered{Address: address("ann"), Email: events.For(key("@ann"), events.Email{Email: "ann@example.com"}), Profile: events.For(key("ann"), events.PersonName{First: "Ann", Last: "Lee"})},
			events.PasswordSet{Secret: secret("ann")}, events.UserJoined{Account: account}, events.AddressClaimed{User: user("ann")})},
		{"1.3 the one link, once", []past{used}, as(link), setup, refused(InvitationUsed)},
		{"10 410 before 422", []past{used}, as(link), SetUp{}, refused(InvitationUsed)},
		{"10 no name", nil, as(link), with(func(c *SetUp) { c.AccountName = " " }), refused(Invalid)},
		{"10 no name of the owner", nil, as(link), with(func(c *SetUp) { c.User.Name.Last = "\n" }), refused(Invalid)},
		{"10 an address that is taken", registered("ann"), as(link), setup, refused(Invalid)},
	})
}
