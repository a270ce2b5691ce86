package domain

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"roster/events"
)

// The limits of what a policy may say (SPEC 1.4), and what applies where none says anything.
const (
	DefaultValidity = 7 * 24 * time.Hour
	minValidity     = time.Hour
	maxValidity     = 90 * 24 * time.Hour

	minLength, maxLength = 8, 128
	minSession           = time.Minute
	maxSession           = 400 * 24 * time.Hour
	maxGrace             = 365 * 24 * time.Hour
	maxDomains           = 100
)

// Rules are what applies in an account: its own policy, and those of the accounts above.
type Rules struct {
	InvitationValidFor time.Duration
	DefaultRoles       []string
	Domains            [][]string // an address has to be in each of these lists
	TwoFactor          events.TwoFactorRule
	Password           events.PasswordRule
	Session            events.SessionRule
	ChangeEmail        bool
	Threshold          events.ThresholdRule
	Reminders, Digests bool
}

// DefaultRules apply where nobody has said anything.
func DefaultRules() Rules {
	return Rules{InvitationValidFor: DefaultValidity, ChangeEmail: true, Reminders: true, Digests: true,
		Password:  events.PasswordRule{Length: minPassword, Lower: true, Upper: true, Digit: true, Special: true},
		Session:   events.SessionRule{Absolute: int64(SessionLifetime / time.Second)},
		Threshold: events.ThresholdRule{Percent: 30, People: 10}}
}

// Policy is what applies in an account. Sub-accounts inherit; what they say of domains, two-factor, passwords and
// sessions counts only as far as it is tighter.
func (w *World) Policy(account events.AccountID) Rules { return w.rulesOf(w.chain(account)) }

func (w *World) rulesOf(chain []*Account) Rules {
	r, profile := DefaultRules(), w.profileOf(chain)
	r.InvitationValidFor, r.ChangeEmail = profile.validity(), !profile.ViewOnlyEmail
	if profile.DefaultRole != "" {
		r.DefaultRoles = []string{profile.DefaultRole}
	}
	for i, a := range slices.Backward(chain) {
		if i == len(chain)-1 {
			r = r.replaced(a.Policy)
		} else {
			r = r.tightened(a.Policy)
		}
	}
	return r
}

// loosely takes over what any account may set as it likes.
func (r Rules) loosely(p events.Policy) Rules {
	if p.InvitationValidFor != nil {
		r.InvitationValidFor = time.Duration(*p.InvitationValidFor) * time.Second
	}
	if p.DefaultRoles != nil {
		r.DefaultRoles = p.DefaultRoles
	}
	for _, b := range []struct{ to, from *bool }{{&r.ChangeEmail, p.ChangeEmail}, {&r.Reminders, p.Reminders}, {&r.Digests, p.Digests}} {
		if b.from != nil {
			*b.to = *b.from
		}
	}
	if p.Threshold != nil {
		r.Threshold = *p.Threshold
	}
	if len(p.Domains) > 0 {
		r.Domains = append(slices.Clone(r.Domains), p.Domains)
	}
	return r
}

// replaced is what a root account makes of the defaults.
func (r Rules) replaced(p events.Policy) Rules {
	r = r.loosely(p)
	if p.TwoFactor != nil {
		r.TwoFactor = *p.TwoFactor
	}
	if p.Password != nil {
		r.Password = *p.Password
	}
	if p.Session != nil {
		r.Session = *p.Session
	}
	return r
}

// tightened is what a sub-account makes of what it inherits.
func (r Rules) tightened(p events.Policy) Rules {
	r = r.loosely(p)
	return r.strictest(p.TwoFactor, p.Password, p.Session)
}

func (r Rules) strictest(t *events.TwoFactorRule, p *events.PasswordRule, s *events.SessionRule) Rules {
	if t != nil && t.Required {
		grace := t.Grace
		if r.TwoFactor.Required {
			grace = min(grace, r.TwoFactor.Grace)
		}
		r.TwoFactor = events.TwoFactorRule{Required: true, Grace: grace}
	}
	if p != nil {
		is := r.Password
		r.Password = events.PasswordRule{Length: max(is.Length, p.Length), Lower: is.Lower || p.Lower, Upper: is.Upper || p.Upper,
			Digit: is.Digit || p.Digit, Special: is.Special || p.Special}
	}
	if s != nil {
		r.Session = events.SessionRule{Idle: shorter(r.Session.Idle, s.Idle), Absolute: shorter(r.Session.Absolute, s.Absolute)}
	}
	return r
}

// shorter is the shorter of two times of which 0 is endless.
func shorter(a, b int64) int64 {
	if a == 0 || b != 0 && b < a {
		return b
	}
	return a
}

// PersonRules are the strictest of the accounts in which a person is active, and of those named (SPEC 1.4).
func (w *World) PersonRules(user events.UserID, more ...events.AccountID) Rules {
	accounts := more
	for _, id := range w.User(user).Accounts() {
		if m, ok := w.Account(id).Member(user); ok && m.Status == Active && !slices.Contains(accounts, id) {
			accounts = append(accounts, id)
		}
	}
	if len(accounts) == 0 {
		return DefaultRules()
	}
	r := w.Policy(accounts[0])
	for _, id := range accounts[1:] {
		other := w.Policy(id)
		r = r.strictest(&other.TwoFactor, &other.Password, &other.Session)
		r.ChangeEmail = r.ChangeEmail && other.ChangeEmail
	}
	return r
}

// Allows says whether an address may be invited, by its domain.
func (r Rules) Allows(email string) bool {
	_, domain, _ := strings.Cut(email, "@")
	domain = strings.ToLower(domain)
	for _, list := range r.Domains {
		if !slices.ContainsFunc(list, func(d string) bool { return inDomain(domain, d) }) {
			return false
		}
	}
	return true
}

// inDomain says whether a domain is the one allowed, or, where that is *.example.com, below it.
func inDomain(domain, allowed string) bool {
	if below, ok := strings.CutPrefix(allowed, "*"); ok {
		return strings.HasSuffix(domain, below) && len(domain) > len(below)
	}
	return domain == allowed
}

// AskRules leaves what applies in an account in the place given. It asks nobody's permission: Roster itself goes by it.
func AskRules(account events.AccountID, into *Rules) Command { return askRules{account, into} }

type askRules struct {
	account events.AccountID
	into    *Rules
}

func (c askRules) Name() string { return "AskRules" }

func (c askRules) Home(_ Issued) events.Boundary { return events.OfAccount(c.account) }

func (c askRules) Decide(w *World, _ Issued) error {
	*c.into = w.Policy(c.account)
	return nil
}

// AskPolicy leaves an account's own policy, and what applies there, in the places given.
func AskPolicy(account events.AccountID, own *events.Policy, rules *Rules, version *uint64) Command {
	return askPolicy{MayIn{Account: account, Permission: PolicyRead}, own, rules, version}
}

type askPolicy struct {
	MayIn
	own     *events.Policy
	rules   *Rules
	version *uint64
}

func (c askPolicy) Decide(w *World, is Issued) error {
	if err := c.MayIn.Decide(w, is); err != nil {
		return err
	}
	a := w.Account(c.Account)
	*c.own, *c.rules, *c.version = a.Policy, w.Policy(c.Account), a.PolicyVersion
	return nil
}

// ChangePolicy replaces the account's own policy (SPEC 1.4).
type ChangePolicy struct {
	Account events.AccountID
	Policy  events.Policy
}

func (c ChangePolicy) Name() string { return "ChangePolicy" }

func (c ChangePolicy) Home(_ Issued) events.Boundary { return events.OfAccount(c.Account) }

func (c ChangePolicy) Target() (events.AccountID, *events.Subject) { return c.Account, nil }

func (c ChangePolicy) Decide(w *World, is Issued) error {
	a, _, err := w.manages(c.Account, PolicyChange)
	if err != nil {
		return err
	}
	chain := w.chain(c.Account)
	var fields []Field
	wrong := func(location, format string, args ...any) {
		fields = append(fields, Field{"body." + location, fmt.Sprintf(format, args...)})
	}
	to := c.Policy
	to.Domains = slices.Clone(to.Domains)
	for i, d := range to.Domains {
		to.Domains[i] = strings.ToLower(strings.TrimSpace(d))
	}
	w.checkPolicy(chain, to, wrong)
	if !a.Parent.IsZero() {
		checkTighter(w.rulesOf(chain[1:]), to, wrong)
	}
	if fields != nil {
		return &Error{Code: Invalid, Detail: "the policy says what it cannot", Fields: fields}
	}
	if err := is.stale(a.PolicyVersion); err != nil || samePolicy(a.Policy, to) {
		return err
	}
	w.record(events.OfAccount(c.Account), events.AccountPolicyChanged{From: a.Policy, To: to})
	return nil
}

// spelled is a duration in the largest unit that it is a whole number of.
func spelled(d time.Duration) string {
	n, unit := d/time.Second, "second"
	for _, u := range []struct {
		of   time.Duration
		name string
	}{{24 * time.Hour, "day"}, {time.Hour, "hour"}, {time.Minute, "minute"}} {
		if d%u.of == 0 {
			n, unit = d/u.of, u.name
			break
		}
	}
	if n != 1 {
		unit += "s"
	}
	return fmt.Sprintf("%d %s", n, unit)
}

// checkPolicy finds what no account may say.
func (w *World) checkPolicy(chain []*Account, p events.Policy, wrong func(location, format string, args ...any)) {
	within := func(location string, is *int64, least, most time.Duration) {
		if is != nil && (*is < int64(least/time.Second) || *is > int64(most/time.Second)) {
			wrong(location, "from %s to %s", spelled(least), spelled(most))
		}
	}
	within("invitation_valid_for", p.InvitationValidFor, minValidity, maxValidity)
	profile := w.profileOf(chain)
	for i, role := range p.DefaultRoles {
		if profile.role(chain, role) == nil {
			wrong(location("default_roles", i), "no such role")
		}
		if chain[0].isProtected(role) {
			wrong(location("default_roles", i), "the protected role is never given by default")
		}
	}
	if len(p.Domains) > maxDomains {
		wrong("domains", "at most %d domains", maxDomains)
	}
	for i, d := range p.Domains {
		if !validDomain(d) {
			wrong(location("domains", i), "want example.com, or *.example.com for what is below it")
		}
	}
	if t := p.TwoFactor; t != nil {
		within("two_factor.grace", &t.Grace, 0, maxGrace)
	}
	if r := p.Password; r != nil && (r.Length < minLength || r.Length > maxLength) {
		wrong("password.length", "from %d to %d", minLength, maxLength)
	}
	if s := p.Session; s != nil {
		if s.Idle != 0 {
			within("session.idle", &s.Idle, minSession, maxSession)
		}
		within("session.absolute", &s.Absolute, minSession, maxSession)
	}
	if t := p.Threshold; t != nil && (t.Percent < 0 || t.Percent > 100 || t.People < 1) {
		wrong("threshold", "percent is 0 to 100, people at least 1")
	}
}

// checkTighter finds where a sub-account would loosen what it inherits.
func checkTighter(above Rules, p events.Policy, wrong func(location, format string, args ...any)) {
	for i, d := range p.Domains {
		for _, list := range above.Domains {
			if !slices.ContainsFunc(list, func(allowed string) bool { return d == allowed || inDomain(strings.TrimPrefix(d, "*."), allowed) }) {
				wrong(location("domains", i), "an account above does not allow this domain")
				break
			}
		}
	}
	const loosens = "an account above is stricter"
	if t, is := p.TwoFactor, above.TwoFactor; t != nil && is.Required && (!t.Required || t.Grace > is.Grace) {
		wrong("two_factor", loosens)
	}
	if r, is := p.Password, above.Password; r != nil && (r.Length < is.Length || is.Lower && !r.Lower || is.Upper && !r.Upper || is.Digit && !r.Digit || is.Special && !r.Special) {
		wrong("password", loosens)
	}
	if s, is := p.Session, above.Session; s != nil && (shorter(is.Idle, s.Idle) != s.Idle || shorter(is.Absolute, s.Absolute) != s.Absolute) {
		wrong("session", loosens)
	}
}

// validDomain wants a name of at least two labels in ASCII, in lower case; *. before it stands for all below.
func validDomain(d string) bool {
	d = strings.TrimPrefix(d, "*.")
	labels := strings.Split(d, ".")
	if len(d) > 253 || len(labels) < 2 {
		return false
	}
	return !slices.ContainsFunc(labels, func(l string) bool {
		return l == "" || len(l) > 63 || l[0] == '-' || l[len(l)-1] == '-' || strings.Trim(l, "abcdefghijklmnopqrstuvwxyz0123456789-") != ""
	})
}

func samePolicy(a, b events.Policy) bool {
	return samePointed(a.InvitationValidFor, b.InvitationValidFor) && slices.Equal(a.DefaultRoles, b.DefaultRoles) && slices.Equal(a.Domains, b.Domains) &&
		samePointed(a.TwoFactor, b.TwoFactor) && samePointed(a.Password, b.Password) && samePointed(a.Session, b.Session) &&
		samePointed(a.ChangeEmail, b.ChangeEmail) && samePointed(a.Threshold, b.Threshold) &&
		samePointed(a.Reminders, b.Reminders) && samePointed(a.Digests, b.Digests)
}

func samePointed[T comparable](a, b *T) bool {
	return a == nil && b == nil || a != nil && b != nil && *a == *b
}

// Policy writes rules as a policy that says everything. Of several lists of domains it shows those that all of them
// allow.
func (r Rules) Policy() events.Policy {
	valid := int64(r.InvitationValidFor / time.Second)
	p := events.Policy{InvitationValidFor: &valid, DefaultRoles: r.DefaultRoles, TwoFactor: &r.TwoFactor, Password: &r.Password, Session: &r.Session,
		ChangeEmail: &r.ChangeEmail, Threshold: &r.Threshold, Reminders: &r.Reminders, Digests: &r.Digests}
	for i, list := range r.Domains {
		for _, d := range list {
			everywhere := !slices.ContainsFunc(r.Domains, func(other []string) bool {
				return !slices.ContainsFunc(other, func(allowed string) bool { return d == allowed || inDomain(strings.TrimPrefix(d, "*."), allowed) })
			})
			if everywhere && (i == 0 || !slices.Contains(p.Domains, d)) {
				p.Domains = append(p.Domains, d)
			}
		}
	}
	return p
}
