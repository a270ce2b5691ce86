package domain

import (
	"testing"
	"time"

	"roster/events"
)

func TestUnlinkIdentity(t *testing.T) {
	gone := events.IdentityUnlinked{Identity: identity("s-ann"), Account: root, Connection: connection("acme"), User: user("ann")}
	session1 := of(user("ann"), events.SessionStarted{Session: session("ann"), Method: MethodSSO, ExpiresAt: now.Add(day)}).ago(time.Minute)
	elsewhere := of(user("ann"), events.SessionStarted{Session: session("elsewhere"), Method: MethodSSO, ExpiresAt: now.Add(day)}).ago(time.Minute)
	ended := events.SessionEnded{Session: session("elsewhere"), Because: "identity_unlinked"}
	there := history(acme(), connected(provider()), verified("example.com"), registered("ann"), member("ann", is(Viewer)), joinedOf("ann"), linked("s-ann", "ann"), session1)
	made := of(user("ann"), events.PasswordSet{Secret: secret("ann")}).from(idp)
	strongly, fresh := fresher("ann")
	passkey := history(of(user("ann"), events.FactorEnrolled{Factor: factor("p"), Method: events.FactorPasskey, ExpiresAt: now.Add(time.Hour)}), of(user("ann"), events.FactorVerified{Factor: factor("p")}))
	totp := history(of(user("ann"), events.FactorEnrolled{Factor: factor("f"), Method: events.FactorTOTP, ExpiresAt: now.Add(time.Hour)}), of(user("ann"), events.FactorVerified{Factor: factor("f")}))
	must := provider()
	must.Required = true
	required := in(root, events.SSOChanged{From: provider(), To: must})
	who := by("ann")
	who.Session = session("ann")
	lent := who
	lent.Session = session("lent")
	opened1 := of(user("ann"), events.SessionStarted{Session: session("lent"), Method: events.MethodOperator, ExpiresAt: now.Add(day)})
	mine := UnlinkMyIdentity{User: user("ann"), Identity: identity("s-ann"), Password: secret("ann")}
	without, another := mine, mine
	without.Password = events.SecretID{}
	another.Identity = identity("s-bob")
	rulings(t, []ruling{
		{"7.4 one's own, with the password", there, as(who), mine, then(gone, gone)},
		{"4.6 whoever else is signed in is no more", history(there, elsewhere), as(who), mine, then(gone, ended, gone)},
		{"4.5 not without", there, as(who), without, refused(ReauthenticationRequired)},
		{"4.5 nor with one that has been replaced", history(there, of(user("ann"), events.PasswordChanged{Secret: secret("new")})), as(who), mine, refused(ReauthenticationRequired)},
		{"4.5 a fresh sign-in with a factor does", history(there, strongly), fresh, without, then(gone, gone)},
		{"10 what is not linked", there, as(who), another, refused(NotFound)},
		{"10 nor twice", history(there, of(user("ann"), gone)), as(who), mine, refused(NotFound)},
		{"7.4 nobody else's", there, as(by("admin")), mine, refused(NotPermitted)},
		{"7.6 not in a session that the operator opened", history(there, opened1), as(lent), mine, refused(NotPermitted)},
		{"7.4 something has to be left: not a password that nobody knows", history(there, made, strongly), fresh, without, refused(NotPermitted)},
		{"7.4 nor a second factor alone", history(there, made, totp, strongly), fresh, without, refused(NotPermitted)},
		{"7.4 a passkey", history(there, made, passkey, strongly), fresh, without, then(gone, gone)},
		{"4.4 or a password that was chosen since", history(there, made, of(user("ann"), events.PasswordReset{Secret: secret("chosen")}), strongly), fresh, without, then(gone, gone)},
		{"7.4 not where people sign in by the provider only", history(there, required), as(who), mine, refused(NotPermitted)},
		{"7.4 but once they have no access there", history(there, required, revoked("ann")), as(who), mine, then(gone, gone)},
	})
	theirs := UnlinkIdentity{Account: root, User: user("ann")}
	self := events.SessionEnded{Session: session("ann"), Because: "identity_unlinked"}
	rulings(t, []ruling{
		{"7.4 an owner", there, as(by("owner")), theirs, then(gone, self, gone)},
		{"7.4 the operator", there, as(operator), theirs, then(gone, self, gone)},
		{"7.4 whatever else they have to sign in with", history(there, made, required), as(by("owner")), theirs, then(gone, self, gone)},
		{"3.4 not an admin", there, as(by("admin")), theirs, refused(ExceedsOwnAccess)},
		{"3.3 nor a viewer", there, as(by("viewer")), theirs, refused(NotPermitted)},
		{"4.5 nor oneself without one's password", there, as(who), theirs, refused(NotPermitted)},
		{"10 nor a stranger, who is told nothing", there, as(by("stranger")), theirs, refused(NotFound)},
		{"7.4 not what another account has linked", history(there, opened(other), memberOf(other, "eve", is(Owner))), as(by("eve")), UnlinkIdentity{Account: other, User: user("ann")}, refused(NotFound)},
		{"10 nor who is not linked", there, as(by("owner")), UnlinkIdentity{Account: root, User: user("viewer")}, refused(NotFound)},
	})

	// Afterwards the address decides anew: for the same subject as for another, and not for one that has another address.
	after := history(there, of(user("ann"), gone), on(events.OfAddress(identity("s-ann")), gone))
	again, other1 := linking("acme", "s-ann", "ann"), linking("acme", "s-new", "ann")
	rulings(t, []ruling{
		{"7.4 the subject comes with the address", after, as(idp), vouch("s-ann", "ann"), then(again, again)},
		{"7.4 or another subject does, to whom it was refused before", after, as(idp), vouch("s-new", "ann"), then(other1, other1)},
		{"7.4 with another address it is nobody", after, as(idp), vouch("s-ann", "new"), refused(NotPermitted)},
		{"7.4 a sign-in that was under way ends nowhere", after, as(by("ann")), StartSession{User: user("ann"), Session: session("s"), SSO: root, Once: commit(900)}, refused(NotAvailable)},
	})
}
