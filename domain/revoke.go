package domain

import "roster/events"

// Revoke ends a membership; the person can be invited again and inherits nothing from it (SPEC 3.6).
type Revoke struct {
	Account events.AccountID
	User    events.UserID
	Reason  string

	Confirmed bool // the caller has repeated it with the token given
}

func (c Revoke) Name() string { return "Revoke" }

func (c Revoke) Home(_ Issued) events.Boundary { return events.OfAccount(c.Account) }

func (c Revoke) Target() (events.AccountID, *events.Subject) { return onUser(c.Account, c.User) }

func (c Revoke) Decide(w *World, is Issued) error {
	if is.self(c.User) {
		return w.notOneself(c.Account, "leave the account instead of revoking yourself")
	}
	return c.decide(w, is)
}

func (c Revoke) decide(w *World, is Issued) error {
	a, m, _, err := w.mayChange(c.Account, c.User, UsersRevoke)
	if err != nil {
		return err
	}
	reason, err := note(m.Key, c.Reason)
	if err != nil {
		return err
	}
	if err := is.stale(m.Version); err != nil {
		return err
	}
	if err := m.direct(); err != nil {
		return err
	}
	if err := a.keepsOwner(m, Member{}, is.At); err != nil {
		return err
	}
	if !c.Confirmed && w.profileOf(w.chain(c.Account)).ConfirmRemoval {
		return errConfirm()
	}
	w.record(events.OfAccount(c.Account), events.MembershipRevoked{User: c.User, Reason: reason})
	w.endKeysOf(c.User, c.Account, events.BecauseMembershipEnded)
	w.endInvitationsOf(c.User.Any(), c.Account)
	return nil
}

// Leave ends one's own membership (SPEC 3.4).
type Leave struct {
	Account events.AccountID
}

func (c Leave) Name() string { return "Leave" }

func (c Leave) Home(_ Issued) events.Boundary { return events.OfAccount(c.Account) }

func (c Leave) Target() (events.AccountID, *events.Subject) { return c.Account, nil }

func (c Leave) Decide(w *World, is Issued) error {
	if err := is.byPerson(); err != nil {
		return err
	}
	a := w.Account(c.Account)
	m, ok := a.Member(is.Actor.User())
	if !ok || m.Status == Revoked {
		return refuse(NotFound, "no such account")
	}
	if m.Status == Suspended {
		return errSuspended()
	}
	if err := is.stale(m.Version); err != nil {
		return err
	}
	if err := a.keepsOwner(m, Member{}, is.At); err != nil {
		return err
	}
	w.record(events.OfAccount(c.Account), events.MembershipLeft{User: m.User})
	w.endKeysOf(m.User, c.Account, events.BecauseMembershipEnded)
	w.endInvitationsOf(m.User.Any(), c.Account)
	return nil
}
