package domain

import "roster/events"

// Suspend takes a member's access to the account until they are reactivated (SPEC 3.5).
type Suspend struct {
	Account events.AccountID
	User    events.UserID
	Reason  string
}

func (c Suspend) Name() string { return "Suspend" }

func (c Suspend) Home(_ Issued) events.Boundary { return events.OfAccount(c.Account) }

func (c Suspend) Target() (events.AccountID, *events.Subject) { return onUser(c.Account, c.User) }

func (c Suspend) Decide(w *World, is Issued) error {
	if is.self(c.User) {
		return w.notOneself(c.Account, "nobody can suspend themselves")
	}
	a, m, _, err := w.mayChange(c.Account, c.User, UsersSuspend)
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
	if m.Status == Suspended {
		return nil
	}
	after := m
	after.Status = Suspended
	if err := a.keepsOwner(m, after, is.At); err != nil {
		return err
	}
	w.record(events.OfAccount(c.Account), events.MembershipSuspended{User: c.User, Reason: reason})
	w.endInvitationsOf(c.User.Any(), c.Account)
	return nil
}

// Reactivate gives a suspended member exactly the roles held before (SPEC 3.5).
type Reactivate struct {
	Account events.AccountID
	User    events.UserID
}

func (c Reactivate) Name() string { return "Reactivate" }

func (c Reactivate) Home(_ Issued) events.Boundary { return events.OfAccount(c.Account) }

func (c Reactivate) Target() (events.AccountID, *events.Subject) { return onUser(c.Account, c.User) }

func (c Reactivate) Decide(w *World, is Issued) error {
	_, m, _, err := w.mayChange(c.Account, c.User, UsersSuspend)
	if err != nil {
		return err
	}
	if err := is.stale(m.Version); err != nil {
		return err
	}
	if err := m.direct(); err != nil {
		return err
	}
	if m.Status != Suspended { // a pending one waits for the first sign-in
		return nil
	}
	w.reactivate(c.Account, m)
	return nil
}

// reactivate ends a suspension. Who was suspended while waiting for the first sign-in, and has not signed in since,
// waits on.
func (w *World) reactivate(account events.AccountID, m Member) {
	w.record(events.OfAccount(account), events.MembershipReactivated{User: m.User, Pending: m.Waiting})
}
