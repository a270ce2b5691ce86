package domain

import (
	"errors"
	"slices"
	"strings"
	"time"

	"roster/events"
)

// MaxInvitees is how many addresses one request may name (SPEC 2.1).
const MaxInvitees = 5000

// The outcomes of one address of an invitation.
const (
	OutcomeInvited        = "invited"
	OutcomeAlreadyMember  = "already_member"
	OutcomeAlreadyInvited = "already_invited"
	OutcomeInvalidAddress = "invalid_address"
	OutcomeDomain         = "domain_not_allowed"
	OutcomeRefused        = "refused" // the address has been sent too many mails: rate_limited
)

// InviteUsers invites people into an account, or into several at once. Each address has its own outcome; a bad one
// loses none of the good ones (SPEC 2.1, 2.2).
type InviteUsers struct {
	Account  events.AccountID
	Invitees []*Addressee   // nil for what is not an e-mail address
	Grants   []events.Grant // none: the policy's default roles
	Others   []AccountGrants
	ValidFor time.Duration // 0: the policy's
}

// AccountGrants are grants in one account.
type AccountGrants struct {
	Account events.AccountID
	Grants  []events.Grant
}

func (c InviteUsers) Name() string { return "InviteUsers" }

func (c InviteUsers) Home(_ Issued) events.Boundary { return events.OfAccount(c.Account) }

func (c InviteUsers) Target() (events.AccountID, *events.Subject) { return c.Account, nil }

// maxAccounts is how many accounts one invitation may be for: its acceptance is one atomic batch.
const maxAccounts = 50

func (c InviteUsers) Decide(w *World, is Issued) error {
	lists := append([]AccountGrants{{c.Account, c.Grants}}, c.Others...)
	defaulted := len(c.Grants) == 0 && len(c.Others) == 0
	if defaulted && w.Account(c.Account).Opened {
		if roles := w.Policy(c.Account).DefaultRoles; roles != nil {
			lists[0].Grants = []events.Grant{{Roles: roles}}
		}
	}
	if err := w.mayInvite(lists); err != nil {
		return err
	}
	rules := make([]Rules, len(lists))
	for i := range lists {
		chain := w.chain(lists[i].Account)
		grants, err := w.checkGrants(chain, lists[i].Grants)
		if err != nil {
			return err
		}
		if chain[0].Parent.IsZero() && !chain[0].protects(lasting(grants)) && !w.hasOwner(*chain[0]) {
			return invalid("body.roles", "an account without an owner invites an owner first")
		}
		lists[i].Grants, rules[i] = grants, w.rulesOf(chain)
	}
	validity := c.ValidFor
	switch {
	case validity == 0:
		validity = rules[0].InvitationValidFor
	case validity < minValidity || validity > maxValidity:
		return invalid("body.valid_for", "an invitation is valid for 1 hour to 90 days")
	}
	for n, to := range c.Invitees {
		w.outcome(w.invite(is, n+1, to, lists, rules, validity, defaulted))
	}
	return nil
}

// mayInvite says in which of the accounts whoever asks may not invite so (SPEC 2.2).
func (w *World) mayInvite(lists []AccountGrants) error {
	var worst *Error
	var where []events.AccountID
	for i, l := range lists {
		if slices.ContainsFunc(lists[:i], func(o AccountGrants) bool { return o.Account == l.Account }) {
			return invalid("body.grants", "an account stands there twice")
		}
		_, access, err := w.manages(l.Account, UsersInvite)
		if err == nil && !access.covers(w.resolve(w.chain(l.Account), l.Grants)) {
			err = refuse(ExceedsOwnAccess, "nobody can grant more than they hold")
		}
		refusal := (*Error)(nil)
		if err == nil || !errors.As(err, &refusal) {
			continue
		}
		where = append(where, l.Account)
		if worst == nil || refusal.Code == NotFound {
			worst = refusal
		}
	}
	switch {
	case worst == nil && len(lists) > maxAccounts:
		return invalid("body.grants", "an invitation is for at most %d accounts", maxAccounts)
	case worst == nil:
		return nil
	case len(lists) > 1:
		worst.Accounts = where
	}
	return worst
}

// invite decides on one address. What it answers names, behind the outcome, the accounts that it is about where there
// are several.
func (w *World) invite(is Issued, n int, to *Addressee, lists []AccountGrants, rules []Rules, validity time.Duration, defaulted bool) string {
	if to == nil {
		return OutcomeInvalidAddress
	}
	var member, open, flooded, barred []events.AccountID
	for i, l := range lists {
		a := w.Account(l.Account)
		if m, ok := w.memberWith(a, to.ID); ok && m.is() {
			member = append(member, l.Account)
		}
		if old, ok := a.InvitationOf(to.ID); ok && w.StatusOf(l.Account, old) == Pending {
			open = append(open, l.Account)
		}
		if a.flooded(to.ID, is.At) > 0 {
			flooded = append(flooded, l.Account)
		}
		if !rules[i].Allows(to.Email) {
			barred = append(barred, l.Account)
		}
	}
	for _, no := range []struct {
		outcome string
		in      []events.AccountID
	}{{OutcomeAlreadyMember, member}, {OutcomeAlreadyInvited, open}, {OutcomeDomain, barred}, {OutcomeRefused, flooded}} {
		switch {
		case no.in == nil:
		case len(lists) == 1:
			return no.outcome
		default:
			return outcomeIn(no.outcome, no.in)
		}
	}
	var all []events.AccountID
	if len(lists) > 1 {
		for _, l := range lists {
			all = append(all, l.Account)
		}
	}
	for _, l := range lists {
		w.endDead(l.Account, to.ID, events.InvitationID{})
		fact := invitation(is, n, *to, l.Grants, validity)
		fact.Accounts, fact.Defaulted = all, defaulted
		w.record(events.OfAccount(l.Account), fact)
	}
	return OutcomeInvited
}

// endDead records that an address's latest invitation is dead, unless it is the one that is to live: whoever invited
// might regain the right to grant it, and then the address would have two (SPEC 2.8, 2.10).
func (w *World) endDead(account events.AccountID, address events.AddressID, living events.InvitationID) {
	old, ok := w.Account(account).InvitationOf(address)
	if ok && old.ID != living && old.Status == Pending && old.ExpiresAt > w.is.At {
		w.record(events.OfAccount(account), events.InvitationRevoked{Invitation: old.ID, Because: events.BecauseInviterLostAccess})
	}
}

// outcomeIn writes an outcome and the accounts that it is about.
func outcomeIn(outcome string, in []events.AccountID) string {
	for _, id := range in {
		outcome += " " + id.String()
	}
	return outcome
}

// ParseOutcome reads what outcomeIn writes.
func ParseOutcome(s string) (outcome string, in []events.AccountID) {
	parts := strings.Split(s, " ")
	for _, p := range parts[1:] {
		if id, err := events.ParseID[struct{ account byte }](p); err == nil {
			in = append(in, events.AccountID(id))
		}
	}
	return parts[0], in
}

// hasOwner says whether the account has an active or an invited owner (SPEC 1.2). Without an active one it can
// only have invitations for owners, so the walk is short.
func (w *World) hasOwner(a Account) bool {
	if a.Owners(w.is.At) > 0 {
		return true
	}
	for _, i := range a.invitations.All() {
		if a.protects(lasting(i.Grants)) && w.StatusOf(a.ID, i) == Pending {
			return true
		}
	}
	return false
}

// mayHandle is an invitation that whoever asks may resend or revoke: in all its accounts (SPEC 2.6, 2.7).
func (w *World) mayHandle(account events.AccountID, id events.InvitationID) (Account, Invitation, error) {
	a, access, err := w.sees(account)
	if err != nil {
		return a, Invitation{}, err
	}
	i, ok := a.Invitation(id)
	switch {
	case !ok && access.Holds(UsersRead):
		return a, i, refuse(NotFound, "no such invitation")
	case !access.Holds(UsersInvite):
		return a, i, needs(UsersInvite)
	case !ok:
		return a, i, refuse(NotFound, "no such invitation")
	case access.closed:
		return a, i, errClosed()
	}
	var not []events.AccountID
	for _, p := range w.parts(account, i) {
		if _, _, err := w.manages(p.account, UsersInvite); err != nil {
			not = append(not, p.account)
		}
	}
	if not != nil {
		e := refuse(NotPermitted, "the invitation is for other accounts as well, in which you may not invite")
		e.Accounts = not
		return a, i, e
	}
	return a, i, nil
}

// invited is an invitation as it stands in one of its accounts.
type invitedInto struct {
	account events.AccountID
	Invitation
}

// parts are an invitation in each of its accounts, that in which it was found among them.
func (w *World) parts(account events.AccountID, i Invitation) []invitedInto {
	if len(i.Accounts) == 0 {
		return []invitedInto{{account, i}}
	}
	list := make([]invitedInto, 0, len(i.Accounts))
	for _, id := range i.Accounts {
		if p, ok := w.Account(id).Invitation(i.ID); ok {
			list = append(list, invitedInto{id, p})
		}
	}
	return list
}
