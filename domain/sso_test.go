package domain

import (
	"fmt"
	"testing"

	"roster/events"
)

const issuer = "https://id.example.com"

func connection(name string) events.AnyID   { return events.AnyID(hashed("connection", name)) }
func identity(name string) events.AddressID { return events.AddressID(hashed("identity", name)) }
func verified(domain string) []past         { return verifiedOf(root, domain) }
func connected(to events.SSO) past          { return in(root, events.SSOConnected{To: to}) }
func moved(id, to events.AccountID) past    { return in(id, events.AccountMoved{To: to}) }
func joinedOf(name string) past             { return of(user(name), events.UserJoined{Account: root}) }
func provider(join ...string) events.SSO    { return providerOf("acme", join...) }
func lockedOut(name string) past            { return of(user(name), events.UserLocked{}) }
func verifiedOf(a events.AccountID, domain string) []past {
	f := events.DomainVerified{Account: a, Domain: domain, How: events.VerifiedByDNS}
	return history(in(a, f), on(events.Portal(), f))
}

func providerOf(name string, join ...string) events.SSO {
	return events.SSO{Connection: connection(name), Issuer: issuer, ClientID: "roster", Secret: secret("client"), JoinRoles: join}
}

func TestConnectSSO(t *testing.T) {
	connect := func(change func(*ConnectSSO)) ConnectSSO {
		c := ConnectSSO{Account: root, Issuer: issuer, ClientID: "roster", Secret: secret("client")}
		if change != nil {
			change(&c)
		}
		return c
	}
	made := provider()
	made.Connection = events.AnyID(fresh(1))
	joining := made
	joining.JoinRoles = []string{Viewer}
	required, elsewhere := provider(), made
	required.Required = true
	elsewhere.Issuer, elsewhere.Secret = "https://other.example", secret("other")
	there := history(acme(), connected(provider()))
	join := func(roles ...string) ConnectSSO { return connect(func(c *ConnectSSO) { c.JoinRoles = roles }) }
	all := []ruling{
		{"7.4 an owner connects a provider", acme(), as(by("owner")), connect(nil), then(events.SSOConnected{To: made})},
		{"7.4 and so does the operator", acme(), as(operator), connect(nil), then(events.SSOConnected{To: made})},
		{"3.4 an admin does not: it can sign in as an owner", acme(), as(by("admin")), connect(nil), refused(ExceedsOwnAccess)},
		{"3.3 nor a manager", acme(), as(by("manager")), connect(nil), refused(NotPermitted)},
		{"10 nor a stranger, who is told nothing", acme(), as(by("stranger")), connect(nil), refused(NotFound)},
		{"3.4 nor a key with an admin's roles", history(acme(), keyed(keyOf("bot", is(Admin)))), as(byKey("bot")), connect(nil), refused(ExceedsOwnAccess)},
		{"1.1 not in a closed account", history(acme(), in(root, events.AccountClosed{})), as(by("owner")), connect(nil), refused(AccountClosed)},
		{"7.4 not on an account below", history(acme(), openedIn(sub, root), memberOf(sub, "owner", is(Owner))), as(by("owner")), connect(func(c *ConnectSSO) { c.Account = sub }), refused(Inherited)},
		{"7.4 nor on one that was a root account once, with its provider", history(there, opened(other), moved(root, other)), as(operator), connect(nil), refused(Inherited)},
		{"7.4 as it is already", there, as(by("owner")), connect(nil), nothing()},
		{"7.4 the secret there is serves on, and so does who is who", there, as(by("owner")), connect(func(c *ConnectSSO) { c.Secret, c.Required = events.SecretID{}, true }),
			then(events.SSOChanged{From: provider(), To: required})},
		{"7.4 another issuer is another connection", there, as(by("owner")), connect(func(c *ConnectSSO) { c.Issuer, c.Secret = elsewhere.Issuer, elsewhere.Secret }),
			then(events.SSOChanged{From: provider(), To: elsewhere})},
		{"7.4 which is not given the secret of the one before", there, as(by("owner")), connect(func(c *ConnectSSO) { c.Issuer, c.Secret = elsewhere.Issuer, events.SecretID{} }), refused(Invalid)},
		{"7.4 once it is ended, links begin anew", history(there, in(root, events.SSODisconnected{From: provider()})), as(by("owner")), connect(nil), then(events.SSOConnected{To: made})},
		{"7.1 seen before a change", there, asOf(by("owner"), 1), connect(func(c *ConnectSSO) { c.Required = true }), refused(StaleVersion)},
		{"7.4 people who come uninvited are viewers", acme(), as(by("owner")), join(Viewer), then(events.SSOConnected{To: joining})},
		{"7.4 but never owners", acme(), as(by("owner")), join(Viewer, Owner), refused(Invalid)},
		{"7.4 nor what there is not", acme(), as(by("owner")), join("captain"), refused(Invalid)},
		{"7.4 no secret", acme(), as(by("owner")), connect(func(c *ConnectSSO) { c.Secret = events.SecretID{} }), refused(Invalid)},
		{"7.4 no client", acme(), as(by("owner")), connect(func(c *ConnectSSO) { c.ClientID = "" }), refused(Invalid)},
		{"7.4 a client with a line break", acme(), as(by("owner")), connect(func(c *ConnectSSO) { c.ClientID = "a\nb" }), refused(Invalid)},
	}
	for _, bad := range []string{"", "id.example.com", "http://id.example.com", "https://id.example.com?", "https://id.example.com#x", "https://u@id.example.com", "file:///etc/passwd"} {
		all = append(all, ruling{fmt.Sprintf("7.4 no issuer: %q", bad), acme(), as(by("owner")), connect(func(c *ConnectSSO) { c.Issuer = bad }), refused(Invalid)})
	}
	rulings(t, all)
	end := DisconnectSSO{Account: root}
	rulings(t, []ruling{
		{"7.4 an owner ends it", there, as(by("owner")), end, then(events.SSODisconnected{From: provider()})},
		{"7.4 the operator does, where a provider fails", there, as(operator), end, then(events.SSODisconnected{From: provider()})},
		{"7.4 and where the account has been moved below another", history(there, opened(other), moved(root, other)), as(operator), end, then(events.SSODisconnected{From: provider()})},
		{"3.4 an admin does not", there, as(by("admin")), end, refused(ExceedsOwnAccess)},
		{"7.4 twice is once", acme(), as(by("owner")), end, nothing()},
		{"7.1 seen before a change", there, asOf(by("owner"), 1), end, refused(StaleVersion)},
	})
}

func TestSSODomains(t *testing.T) {
	verify := func(domain string, proven bool) VerifyDomain {
		return VerifyDomain{Account: root, Domain: domain, Proven: proven}
	}
	fact := events.DomainVerified{Account: root, Domain: "example.com", How: events.VerifiedByDNS}
	said := fact
	said.How = events.VerifiedByOperator
	freed := func(a events.AccountID) events.DomainReleased {
		return events.DomainReleased{Account: a, Domain: "example.com"}
	}
	theirs := history(acme(), opened(other), verifiedOf(other, "example.com"))
	var many []past
	for i := range maxSSODomains {
		many = append(many, verified(fmt.Sprintf("d%d.example", i))...)
	}
	rulings(t, []ruling{
		{"7.4 its DNS says so: written where it is one account's alone", acme(), as(by("owner")), verify("example.com", true), then(fact, fact)},
		{"7.4 its DNS does not", acme(), as(by("owner")), verify("example.com", false), refused(Invalid)},
		{"7.4 the operator's word needs no proof", acme(), as(operator), verify("example.com", false), then(said, said)},
		{"7.4 already so", history(acme(), verified("example.com")), as(by("owner")), verify("example.com", false), nothing()},
		{"7.4 another account's, whatever the DNS says", theirs, as(by("owner")), verify("example.com", true), refused(DomainNotAllowed)},
		{"7.4 whatever the operator says", theirs, as(operator), verify("example.com", true), refused(DomainNotAllowed)},
		{"7.4 a closed account keeps nothing from others", history(theirs, in(other, events.AccountClosed{})), as(by("owner")), verify("example.com", true),
			then(freed(other), freed(other), fact, fact)},
		{"3.4 an admin proves none", acme(), as(by("admin")), verify("example.com", true), refused(ExceedsOwnAccess)},
		{"7.4 no pattern", acme(), as(operator), verify("*.example.com", true), refused(Invalid)},
		{"7.4 not written in capitals", acme(), as(operator), verify("Example.com", true), refused(Invalid)},
		{"7.4 no more than there may be", history(acme(), many), as(operator), verify("example.com", true), refused(Invalid)},
		{"7.4 not below another account", history(acme(), verified("example.net"), opened(other), moved(root, other)), as(operator), verify("example.com", true), refused(Inherited)},
	})
	release := ReleaseDomain{Account: root, Domain: "example.com"}
	rulings(t, []ruling{
		{"7.4 given back", history(acme(), verified("example.com")), as(by("owner")), release, then(freed(root), freed(root))},
		{"7.4 by the operator, where the account stands below another", history(acme(), verified("example.com"), opened(other), moved(root, other)), as(operator), release, then(freed(root), freed(root))},
		{"7.4 not by an admin", history(acme(), verified("example.com")), as(by("admin")), release, refused(ExceedsOwnAccess)},
		{"7.4 not another's", theirs, as(by("owner")), release, refused(NotFound)},
		{"7.4 nor twice", history(acme(), verified("example.com"), in(root, freed(root)), on(events.Portal(), freed(root))), as(by("owner")), release, refused(NotFound)},
	})
}
