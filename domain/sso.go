package domain

import (
	"crypto/sha256"
	"net/url"
	"slices"
	"strings"

	"roster/events"
)

// The limits of a connection and its domains.
const (
	maxIssuer     = 500
	maxClientID   = 500
	maxJoinRoles  = 20
	maxSSODomains = 50
)

// domainHolder is whose an e-mail domain is.
type domainHolder struct {
	Domain  string
	Account events.AccountID
}

func (d *domainHolder) code(c *coder) {
	text(c, &d.Domain)
	c.fixed(d.Account[:])
}

// Provider is the account's connection as far as it counts: nil below another account, where that one's holds, and once
// the account is closed.
func (a Account) Provider() *events.SSO {
	if a.Closed || !a.Parent.IsZero() {
		return nil
	}
	return a.SSO
}

// domainKey is where a domain is found in the portal's state.
func domainKey(domain string) events.AnyID {
	sum := sha256.Sum256([]byte(domain))
	return events.AnyID(sum[:16])
}

// DomainOf is the account that an e-mail domain has been verified to be of; zero for none.
func (p Portal) DomainOf(domain string) events.AccountID {
	d, _ := p.domains.Get(domainKey(domain))
	return d.Account
}

// ownsSSO is an account whose provider whoever asks may change. Whoever rules the provider can sign in as anybody of its
// domains, so that nobody but its owners may, and only on a root account: what holds there holds below.
func (w *World) ownsSSO(account events.AccountID) (Account, error) {
	a, access, err := w.manages(account, PolicyChange)
	switch {
	case err != nil:
		return a, err
	case !a.Parent.IsZero() && a.SSO == nil && len(a.Domains) == 0: // what an account was moved with can be ended
		return a, errRootSSO()
	case !access.covers(w.resolve(w.chain(account), []events.Grant{{Roles: []string{a.protected()}}})):
		return a, refuse(ExceedsOwnAccess, "only owners connect a provider: it can sign in as any of them")
	}
	return a, nil
}

func errRootSSO() error {
	return refuse(Inherited, "single sign-on is set on the root account, and holds here too")
}

// ConnectSSO connects a root account to its OpenID provider, or replaces the connection (SPEC 7.4).
type ConnectSSO struct {
	Account   events.AccountID
	Issuer    string
	ClientID  string
	Secret    events.SecretID // zero: the one there is
	Required  bool
	JoinRoles []string
}

func (c ConnectSSO) Name() string { return "ConnectSSO" }

func (c ConnectSSO) Home(_ Issued) events.Boundary { return events.OfAccount(c.Account) }

func (c ConnectSSO) Target() (events.AccountID, *events.Subject) { return c.Account, nil }

func (c ConnectSSO) Decide(w *World, is Issued) error {
	a, err := w.ownsSSO(c.Account)
	if err != nil {
		return err
	}
	if !a.Parent.IsZero() {
		return errRootSSO()
	}
	if err := c.roles(w, a); err != nil {
		return err
	}
	var fields []Field
	if wrong := checkIssuer(c.Issuer); wrong != "" {
		fields = append(fields, Field{"body.issuer", wrong})
	}
	if c.ClientID == "" || len(c.ClientID) > maxClientID || strings.ContainsFunc(c.ClientID, func(r rune) bool { return r <= ' ' || r > '~' }) {
		fields = append(fields, Field{"body.client_id", "1 to 500 visible ASCII characters, without spaces"})
	}
	to := events.SSO{Connection: events.AnyID(is.ID(1)), Issuer: c.Issuer, ClientID: c.ClientID, Secret: c.Secret, Required: c.Required, JoinRoles: c.JoinRoles}
	if a.SSO != nil && a.SSO.Issuer == c.Issuer {
		to.Connection = a.SSO.Connection
		if to.Secret.IsZero() {
			to.Secret = a.SSO.Secret
		}
	}
	if to.Secret.IsZero() {
		fields = append(fields, Field{"body.client_secret", "give the client's secret"})
	}
	if fields != nil {
		return &Error{Code: Invalid, Detail: "the connection is incomplete or not allowed", Fields: fields}
	}
	if err := is.stale(a.SSOVersion); err != nil {
		return err
	}
	switch {
	case a.SSO == nil:
		w.record(events.OfAccount(c.Account), events.SSOConnected{To: to})
	case !sameSSO(*a.SSO, to):
		w.record(events.OfAccount(c.Account), events.SSOChanged{From: *a.SSO, To: to})
	}
	return nil
}

// roles checks what people who come uninvited are given. Being an owner is never given away so.
func (c ConnectSSO) roles(w *World, a Account) error {
	if len(c.JoinRoles) > maxJoinRoles {
		return invalid("body.join_roles", "at most %d roles", maxJoinRoles)
	}
	chain := w.chain(c.Account)
	for i, role := range c.JoinRoles {
		switch {
		case w.profileOf(chain).role(chain, role) == nil:
			return invalid(location("body.join_roles", i), "no such role")
		case a.isProtected(role):
			return invalid(location("body.join_roles", i), "the protected role is given by invitation only")
		}
	}
	return nil
}

func sameSSO(a, b events.SSO) bool {
	return a.Connection == b.Connection && a.Issuer == b.Issuer && a.ClientID == b.ClientID && a.Secret == b.Secret &&
		a.Required == b.Required && slices.Equal(a.JoinRoles, b.JoinRoles)
}

// checkIssuer says what is wrong with an issuer's address, or nothing. http is for a provider on the machine itself.
func checkIssuer(issuer string) string {
	u, err := url.Parse(issuer)
	if err != nil || len(issuer) > maxIssuer || u.Host == "" || u.User != nil || u.RawQuery != "" || u.ForceQuery || u.Fragment != "" ||
		u.Scheme != "https" && (u.Scheme != "http" || u.Hostname() != "localhost" && u.Hostname() != "127.0.0.1") {
		return "want the provider's issuer as https://… without a query"
	}
	return ""
}

// DisconnectSSO ends the connection: people sign in by password again.
type DisconnectSSO struct{ Account events.AccountID }

func (c DisconnectSSO) Name() string { return "DisconnectSSO" }

func (c DisconnectSSO) Home(_ Issued) events.Boundary { return events.OfAccount(c.Account) }

func (c DisconnectSSO) Target() (events.AccountID, *events.Subject) { return c.Account, nil }

func (c DisconnectSSO) Decide(w *World, is Issued) error {
	a, err := w.ownsSSO(c.Account)
	if err != nil {
		return err
	}
	if err := is.stale(a.SSOVersion); err != nil || a.SSO == nil {
		return err
	}
	w.record(events.OfAccount(c.Account), events.SSODisconnected{From: *a.SSO})
	return nil
}

// CheckDomain says what is wrong with an e-mail domain that is to be verified, or nothing.
func CheckDomain(domain string) string {
	if !validDomain(domain) || strings.HasPrefix(domain, "*") {
		return "want a domain such as example.com, in lower case"
	}
	return ""
}

// VerifyDomain writes down that an e-mail domain is a root account's. Proven says that its DNS has been seen to say so;
// the operator's word needs no proof. A domain is one account's only.
type VerifyDomain struct {
	Account events.AccountID
	Domain  string
	Proven  bool
}

func (c VerifyDomain) Name() string { return "VerifyDomain" }

func (c VerifyDomain) Home(_ Issued) events.Boundary { return events.OfAccount(c.Account) }

func (c VerifyDomain) Target() (events.AccountID, *events.Subject) { return c.Account, nil }

func (c VerifyDomain) Decide(w *World, is Issued) error {
	a, err := w.ownsSSO(c.Account)
	if err != nil {
		return err
	}
	holder := w.Portal().DomainOf(c.Domain)
	switch wrong := CheckDomain(c.Domain); {
	case wrong != "":
		return invalid("path.domain", "%s", wrong)
	case !a.Parent.IsZero():
		return errRootSSO()
	case holder == c.Account:
		return nil
	case !c.Proven && !is.operator():
		return invalid("path.domain", "the domain's DNS does not hold the record yet: set it, and try again in a while")
	case !holder.IsZero() && !w.Account(holder).Closed:
		return refuse(DomainNotAllowed, "another account has this domain: ask the operator")
	case len(a.Domains) >= maxSSODomains:
		return invalid("path.domain", "an account has at most %d domains", maxSSODomains)
	}
	if !holder.IsZero() { // an account that has been closed holds nothing back
		released := events.DomainReleased{Account: holder, Domain: c.Domain}
		w.record(events.OfAccount(holder), released)
		w.record(events.Portal(), released)
	}
	verified := events.DomainVerified{Account: c.Account, Domain: c.Domain, How: events.VerifiedByDNS}
	if is.operator() {
		verified.How = events.VerifiedByOperator
	}
	w.record(events.OfAccount(c.Account), verified)
	w.record(events.Portal(), verified)
	return nil
}

// ReleaseDomain takes a domain from an account.
type ReleaseDomain struct {
	Account events.AccountID
	Domain  string
}

func (c ReleaseDomain) Name() string { return "ReleaseDomain" }

func (c ReleaseDomain) Home(_ Issued) events.Boundary { return events.OfAccount(c.Account) }

func (c ReleaseDomain) Target() (events.AccountID, *events.Subject) { return c.Account, nil }

func (c ReleaseDomain) Decide(w *World, _ Issued) error {
	a, err := w.ownsSSO(c.Account)
	if err != nil {
		return err
	}
	if !slices.Contains(a.Domains, c.Domain) {
		return refuse(NotFound, "no such domain")
	}
	released := events.DomainReleased{Account: c.Account, Domain: c.Domain}
	w.record(events.OfAccount(c.Account), released)
	w.record(events.Portal(), released)
	return nil
}
