package domain

import (
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
	OutcomeRefused        = "refused" // the address has been sent too many mails: rate_limited
)

// InviteUsers invites people into an account. Each address has its own outcome; a bad one loses none of the good
// ones (SPEC 2.1, 2.2).
type InviteUsers struct {
	Account  events.AccountID
	Invitees []*Addressee // nil for what is not an e-mail address
	Grants   []events.Grant
	ValidFor time.Duration // 0: the policy's
}

func (c InviteUsers) Name() string { return "InviteUsers" }

func (c InviteUsers) Home(_ Issued) events.Boundary { return events.OfAccount(c.Account) }

func (c InviteUsers) Target() (events.AccountID, *events.Subject) { return c.Account, nil }

func (c InviteUsers) Decide(w *World, is Issued) error {
	a, access, err := w.mayIn(c.Account, UsersInvite)
	if err != nil {
		return err
	}
	if !access.covers(c.Grants) {
		return refuse(ExceedsOwnAccess, "nobody can grant more than they hold")
	}
	grants, err := checkGrants(c.Grants, is.At)
	if err != nil {
		return err
	}
	if a.Parent.IsZero() && !grantsOwn(lasting(grants)) && !w.hasOwner(a) {
		return invalid("body.roles", "an account without an owner invites an owner first")
	}
	validity := c.ValidFor
	switch {
	case validity == 0:
		validity = DefaultValidity
	case validity < minValidity || validity > maxValidity:
		return invalid("body.valid_for", "an invitation is valid for 1 hour to 90 days")
	}
	for n, to := range c.Invitees {
		w.outcome(w.invite(c.Account, is, n+1, to, grants, validity))
	}
	return nil
}

func (w *World) invite(account events.AccountID, is Issued, n int, to *Addressee, grants []events.Grant, validity time.Duration) string {
	if to == nil {
		return OutcomeInvalidAddress
	}
	a := w.Account(account)
	if m, ok := a.MemberWith(to.ID); ok && m.Status != Revoked {
		return OutcomeAlreadyMember
	}
	if old, ok := a.InvitationOf(to.ID); ok {
		switch {
		case w.StatusOf(account, old) == Pending:
			return OutcomeAlreadyInvited
		case old.Status == Pending && old.ExpiresAt > is.At:
			w.record(events.OfAccount(account), events.InvitationRevoked{Invitation: old.ID, Because: events.BecauseInviterLostAccess})
		}
	}
	if a.flooded(to.ID, is.At) > 0 {
		return OutcomeRefused
	}
	w.record(events.OfAccount(account), invitation(is, n, *to, grants, validity))
	return OutcomeInvited
}

// hasOwner says whether the account has an active or an invited owner (SPEC 1.2). Without an active one it can
// only have invitations for owners, so the walk is short.
func (w *World) hasOwner(a Account) bool {
	if a.Owners(w.is.At) > 0 {
		return true
	}
	for _, i := range a.invitations.All() {
		if grantsOwn(lasting(i.Grants)) && w.StatusOf(a.ID, i) == Pending {
			return true
		}
	}
	return false
}

// mayHandle is an invitation that whoever asks may resend or revoke.
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
	}
	return a, i, nil
}
