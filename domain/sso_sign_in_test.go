package domain

import (
	"errors"
	"testing"
	"time"

	"roster/events"
)

// linked says that a subject at the provider is somebody's user.
func linked(subject, name string) []past { return linkedAt("acme", subject, name) }

func linkedAt(at, subject, name string) []past {
	f := linking(at, subject, name)
	return history(of(user(name), f), on(events.OfAddress(identity(subject)), f))
}

func linking(at, subject, name string) events.IdentityLinked {
	return events.IdentityLinked{Identity: identity(subject), Account: root, Connection: connection(at), User: user(name)}
}

// vouch is what comes of a provider's word that a subject has an address.
func vouch(subject, name string) EnterBySSO {
	return EnterBySSO{Account: root, Connection: connection("acme"), Identity: identity(subject), To: *addressee(name), Into: new(events.UserID)}
}

// newUser is what a person without a user is made of.
func (c EnterBySSO) newUser(name string) EnterBySSO {
	c.New = &NewUser{ID: user(name), Key: key(name), Name: events.PersonName{First: "Pat"}, Password: secret(name)}
	return c
}

var idp = events.Actor{Type: events.ByIDP, ID: root.String()}

// TestEnterBySSO: whom a provider vouches for comes in as nobody but themselves (SPEC 7.4).
func TestEnterBySSO(t *testing.T) {
	base := history(acme(), connected(provider()), verified("example.com"))
	ann := history(registered("ann"), member("ann", is(Viewer)), joinedOf("ann"))
	bob := history(registered("bob"), member("bob", is(Viewer)), joinedOf("bob"))
	here := history(base, ann)
	link := linking("acme", "s-ann", "ann")
	below := history(base, openedIn(sub, root), registered("ann"), memberOf(sub, "ann", is(Viewer)), of(user("ann"), events.UserJoined{Account: sub}))
	elsewhere := history(base, opened(other), registered("ann"), memberOf(other, "ann", is(Viewer)), of(user("ann"), events.UserJoined{Account: other}))
	letting := history(acme(), connected(provider(Viewer)), verified("example.com"))
	another := vouch("s-ann", "ann")
	another.Connection = connection("other")
	theirs := vouch("s-ann", "ann")
	theirs.Account, theirs.Connection = other, connection("evil")
	evil := history(here, opened(other), in(other, events.SSOConnected{To: providerOf("evil", Viewer)}), verifiedOf(other, "evil.example"))
	policy := in(root, events.AccountPolicyChanged{To: events.Policy{Domains: []string{"example.net"}}})
	rulings(t, []ruling{
		{"7.4 the address decides the first time", here, as(idp), vouch("s-ann", "ann"), then(link, link)},
		{"7.4 then the subject does", history(here, linked("s-ann", "ann")), as(idp), vouch("s-ann", "ann"), nothing()},
		{"7.4 with an address that has changed at the provider", history(here, linked("s-ann", "ann")), as(idp), vouch("s-ann", "new"), nothing()},
		{"7.4 and with one that is another's here", history(here, bob, linked("s-ann", "ann")), as(idp), vouch("s-ann", "bob"), nothing()},
		{"7.4 or was never linked to: a link in another account moves nothing", history(here, bob, linkedAt("old", "s-old", "ann")), as(idp), vouch("s-ann", "ann"), then(link, link)},
		{"7.4 an address given to somebody else inherits nothing", history(here, linked("s-ann", "ann")), as(idp), vouch("s-new", "ann"), refused(WrongRecipient)},
		{"7.4 members of an account below come through the root's", below, as(idp), vouch("s-ann", "ann"), then(link, link)},

		{"7.4 an address outside the verified domains", history(acme(), ann, connected(provider()), verified("example.net")), as(idp), vouch("s-ann", "ann"), refused(DomainNotAllowed)},
		{"7.4 with a link as without", history(acme(), ann, connected(provider()), verified("example.net"), linked("s-ann", "ann")), as(idp), vouch("s-ann", "ann"), refused(DomainNotAllowed)},
		{"7.4 of a domain that was given back", history(here, in(root, events.DomainReleased{Account: root, Domain: "example.com"}), on(events.Portal(), events.DomainReleased{Account: root, Domain: "example.com"})),
			as(idp), vouch("s-ann", "ann"), refused(DomainNotAllowed)},
		{"7.4 another account's provider speaks for nobody here", evil, as(idp), theirs, refused(DomainNotAllowed)},
		{"7.4 no provider", history(acme(), ann, verified("example.com")), as(idp), vouch("s-ann", "ann"), refused(NotAvailable)},
		{"7.4 another connection than it was begun with", here, as(idp), another, refused(NotAvailable)},
		{"7.4 a connection that was ended", history(here, in(root, events.SSODisconnected{From: provider()})), as(idp), vouch("s-ann", "ann"), refused(NotAvailable)},
		{"1.1 of an account that was closed", history(here, linked("s-ann", "ann"), in(root, events.AccountClosed{})), as(idp), vouch("s-ann", "ann"), refused(NotAvailable)},
		{"1.1 or moved below another", history(here, opened(other), linked("s-ann", "ann"), moved(root, other)), as(idp), vouch("s-ann", "ann"), refused(NotAvailable)},

		{"4.10 a locked user is not linked", history(here, lockedOut("ann")), as(idp), vouch("s-ann", "ann"), refused(NotPermitted)},
		{"4.10 nor let in", history(here, linked("s-ann", "ann"), lockedOut("ann")), as(idp), vouch("s-ann", "ann"), refused(NotPermitted)},
		{"4.10 unlocked, they are", history(here, linked("s-ann", "ann"), lockedOut("ann"), of(user("ann"), events.UserUnlocked{})), as(idp), vouch("s-ann", "ann"), nothing()},
		{"3.5 a suspended member is not let in", history(here, linked("s-ann", "ann"), suspended("ann")), as(idp), vouch("s-ann", "ann"), refused(NotPermitted)},
		{"3.5 not even by an invitation from before", history(here, linked("s-ann", "ann"), invitation1("ann", is(Viewer)), suspended("ann")), as(idp), vouch("s-ann", "ann"), refused(NotPermitted)},
		{"3.5 nor linked", history(here, suspended("ann")), as(idp), vouch("s-ann", "ann"), refused(NotPermitted)},
		{"3.6 nor is whose membership has ended", history(here, linked("s-ann", "ann"), revoked("ann")), as(idp), vouch("s-ann", "ann"), refused(NotPermitted)},
		{"3.6 not even where people come uninvited", history(letting, ann, linked("s-ann", "ann"), revoked("ann")), as(idp), vouch("s-ann", "ann"), refused(NotPermitted)},
		{"7.4 a user of another account is not let in", elsewhere, as(idp), vouch("s-ann", "ann"), refused(NotPermitted)},
		{"7.4 nor is somebody whom nobody knows", base, as(idp), vouch("s-new", "new"), refused(NotPermitted)},
		{"5.5 an address that was erased", history(letting, on(events.OfAddress(address("new")), events.AddressErased{})), as(idp), vouch("s-new", "new").newUser("new"), refused(NotPermitted)},
		{"5.5 an erased user comes back as nobody", history(here, linked("s-ann", "ann"), revoked("ann"), of(user("ann"), events.UserErased{})), as(idp), vouch("s-ann", "ann"), refused(NotPermitted)},
		{"1.4 uninvited, from a domain that the account does not let in", history(letting, policy), as(idp), vouch("s-new", "new").newUser("new"), refused(DomainNotAllowed)},
		{"7.4 uninvited, where the account lets them, a user of another account joins", history(letting, opened(other), registered("ann"), memberOf(other, "ann", is(Viewer)), of(user("ann"), events.UserJoined{Account: other})),
			as(idp), vouch("s-ann", "ann"), then(events.MembershipGranted{User: user("ann"), Key: key("ann"), Address: address("ann"), Grants: roles(Viewer)}, events.UserJoined{Account: root}, link, link)},
	})
	for _, c := range []struct {
		name  string
		given []past
	}{
		{"invited", history(base, invitation1("new", is(Viewer)))},
		{"uninvited", letting},
	} {
		if got := given(c.given...).when(vouch("s-new", "new"), as(idp)); !errors.Is(got.err, ErrNewUser) {
			t.Errorf("SPEC 7.4: %s: %v, want that a user is needed", c.name, got.err)
		}
		cmd := vouch("s-new", "new").newUser("new")
		got := given(c.given...).when(cmd, as(idp))
		if got.err != nil || *cmd.Into != user("new") {
			t.Errorf("SPEC 7.4: %s: %v, in as %s", c.name, got.err, *cmd.Into)
		}
		last := got.facts()
		if len(last) == 0 || last[len(last)-1] != events.Event(linking("acme", "s-new", "new")) {
			t.Errorf("SPEC 7.4: %s: not linked: %v", c.name, last)
		}
	}
	// Who is signed in is whom the subject says, not who has the address.
	cmd := vouch("s-ann", "bob")
	if got := given(history(here, bob, linked("s-ann", "ann"))...).when(cmd, as(idp)); got.err != nil || *cmd.Into != user("ann") {
		t.Errorf("SPEC 7.4: in as %s: %v", *cmd.Into, got.err)
	}
	late := given(history(base, invitation1("new", is(Viewer)))...).when(vouch("s-new", "new").newUser("new"), Issued{At: now.Add(7 * day), Actor: idp})
	if late.code() != NotPermitted {
		t.Errorf("SPEC 2.5: by an invitation that has expired: %v", late.err)
	}
}

// TestStartSessionBySSO: what was begun with a provider leads to one session, and only as long as the provider counts.
func TestStartSessionBySSO(t *testing.T) {
	there := history(acme(), connected(provider()), verified("example.com"), registered("ann"), member("ann", is(Viewer)), joinedOf("ann"), linked("s-ann", "ann"))
	enter := StartSession{User: user("ann"), Session: session("s"), TokenHash: events.Hash{1}, SSO: root, Once: commit(900)}
	started := events.SessionStarted{Session: session("s"), TokenHash: events.Hash{1}, Method: MethodSSO, ExpiresAt: now.Add(SessionLifetime)}
	used := events.IdentityUsed{Account: root, Connection: connection("acme"), Session: session("s"), Once: commit(900)}
	alone := StartSession{User: user("ann"), Session: session("s"), TokenHash: events.Hash{1}, Method: events.FactorPasskey, Factor: factor("f"), Step: 1}
	password := StartSession{User: user("ann"), Session: session("s"), TokenHash: events.Hash{1}, Password: secret("ann")}
	passkey := history(of(user("ann"), events.FactorEnrolled{Factor: factor("f"), Method: events.FactorPasskey, ExpiresAt: now.Add(time.Hour)}), of(user("ann"), events.FactorVerified{Factor: factor("f")}))
	withKey := started
	withKey.Method, withKey.Factor, withKey.Step = events.FactorPasskey, factor("f"), 1
	byPassword := started
	byPassword.Method = MethodPassword
	must := provider()
	must.Required = true
	required := in(root, events.SSOChanged{From: provider(), To: must})
	rulings(t, []ruling{
		{"7.4 signed in", there, as(by("ann")), enter, then(started, used)},
		{"7.4 once", history(there, of(user("ann"), used)), as(by("ann")), enter, refused(BadCredentials)},
		{"7.4 not who is not linked", history(there, registered("bob"), member("bob", is(Viewer)), joinedOf("bob")), as(by("bob")),
			StartSession{User: user("bob"), Session: session("s"), SSO: root, Once: commit(900)}, refused(NotAvailable)},
		{"7.4 nor by a link of the connection before", history(there, in(root, events.SSOChanged{From: provider(), To: providerOf("new")})), as(by("ann")), enter, refused(NotAvailable)},
		{"7.4 nor once it is ended", history(there, in(root, events.SSODisconnected{From: provider()})), as(by("ann")), enter, refused(NotAvailable)},
		{"1.1 nor once the account is closed", history(there, in(root, events.AccountClosed{})), as(by("ann")), enter, refused(NotAvailable)},
		{"1.1 or moved below another", history(there, opened(other), moved(root, other)), as(by("ann")), enter, refused(NotAvailable)},
		{"3.5 nor suspended meanwhile", history(there, suspended("ann")), as(by("ann")), enter, refused(NotPermitted)},
		{"4.10 nor locked meanwhile", history(there, lockedOut("ann")), as(by("ann")), enter, refused(BadCredentials)},
		{"4.5 nor without the second factor", history(there, passkey), as(by("ann")), enter, refused(SecondFactorRequired)},
		{"4.3 a password does", there, as(by("ann")), password, then(byPassword)},
		{"4.5 and a passkey", history(there, passkey), as(by("ann")), alone, then(withKey)},
		{"7.4 but no password where the provider is required", history(there, required), as(by("ann")), password, refused(NotAvailable)},
		{"7.4 nor a passkey", history(there, required, passkey), as(by("ann")), alone, refused(NotAvailable)},
		{"1.1 as long as the account is open", history(there, required, in(root, events.AccountClosed{})), as(by("ann")), password, then(byPassword)},
		{"7.4 of whoever has access by it", history(there, required, revoked("ann")), as(by("ann")), password, then(byPassword)},
	})
}
