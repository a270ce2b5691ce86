package domain

import "roster/events"

// LockUser keeps a user from signing in and ends all sessions, by the operator (SPEC 4.10). Each account notes it, so
// that its owners are counted by itself; at a last owner it is refused, unless forced.
type LockUser struct {
	User   events.UserID
	Reason string
	Force  bool
}

func (c LockUser) Name() string { return "LockUser" }

func (c LockUser) Home(_ Issued) events.Boundary { return events.OfUser(c.User) }

func (c LockUser) Target() (events.AccountID, *events.Subject) {
	return onUser(events.AccountID{}, c.User)
}

func (c LockUser) Decide(w *World, is Issued) error {
	u, reason, err := w.mayLock(c.User, c.Reason)
	if err != nil || u.Locked {
		return err
	}
	var last []events.AccountID
	for _, id := range u.Accounts() {
		a := w.Account(id)
		m, ok := a.Member(c.User)
		if !ok || !m.is() || m.Locked {
			continue
		}
		after := m
		after.Locked = true
		if a.keepsOwner(m, after, is.At) != nil {
			last = append(last, id)
		}
		w.record(events.OfAccount(id), events.MembershipUserLocked{User: c.User})
		w.endKeysOf(c.User, id, events.BecauseUserLocked)
	}
	if last != nil && !c.Force {
		e := refuse(LastActiveOwner, "these accounts would have no active owner left: force it all the same")
		e.Accounts = last
		return e
	}
	w.record(events.OfUser(c.User), events.UserLocked{Reason: reason})
	return nil
}

// UnlockUser lets a locked user sign in again.
type UnlockUser struct {
	User   events.UserID
	Reason string
}

func (c UnlockUser) Name() string { return "UnlockUser" }

func (c UnlockUser) Home(_ Issued) events.Boundary { return events.OfUser(c.User) }

func (c UnlockUser) Target() (events.AccountID, *events.Subject) {
	return onUser(events.AccountID{}, c.User)
}

func (c UnlockUser) Decide(w *World, is Issued) error {
	u, reason, err := w.mayLock(c.User, c.Reason)
	if err != nil || !u.Locked {
		return err
	}
	for _, id := range u.Accounts() {
		if m, ok := w.Account(id).Member(c.User); ok && m.Locked {
			w.record(events.OfAccount(id), events.MembershipUserUnlocked{User: c.User})
		}
	}
	w.record(events.OfUser(c.User), events.UserUnlocked{Reason: reason})
	return nil
}

func (w *World) mayLock(user events.UserID, text string) (User, events.Sealed[events.Note], error) {
	u := w.User(user)
	switch {
	case !w.is.operator():
		return u, events.Sealed[events.Note]{}, refuse(NotPermitted, "only the operator locks and unlocks users")
	case !u.Registered || u.Erased:
		return u, events.Sealed[events.Note]{}, refuse(NotFound, "no such user")
	}
	reason, err := note(u.Key, text)
	return u, reason, err
}

// EndSessions signs a user out everywhere, by the operator.
type EndSessions struct {
	User events.UserID
}

func (c EndSessions) Name() string { return "EndSessions" }

func (c EndSessions) Home(_ Issued) events.Boundary { return events.OfUser(c.User) }

func (c EndSessions) Target() (events.AccountID, *events.Subject) {
	return onUser(events.AccountID{}, c.User)
}

func (c EndSessions) Decide(w *World, is Issued) error {
	u, _, err := w.mayLock(c.User, "")
	if err != nil {
		return err
	}
	for id := range u.sessions.All() {
		w.record(events.OfUser(c.User), events.SessionEnded{Session: id, Because: "operator"})
	}
	return nil
}

// AppointOwner makes somebody an owner of an account that has lost its own, by the operator: the way in when nobody
// else has one. Who has a user becomes a member at once.
type AppointOwner struct {
	Account events.AccountID
	User    events.UserID
	Reason  string
}

func (c AppointOwner) Name() string { return "AppointOwner" }

func (c AppointOwner) Home(_ Issued) events.Boundary { return events.OfAccount(c.Account) }

func (c AppointOwner) Target() (events.AccountID, *events.Subject) { return onUser(c.Account, c.User) }

func (c AppointOwner) Decide(w *World, is Issued) error {
	a, u := w.Account(c.Account), w.User(c.User)
	switch {
	case !is.operator():
		return refuse(NotPermitted, "only the operator appoints owners")
	case !a.Opened:
		return refuse(NotFound, "no such account")
	case !u.Registered || u.Erased:
		return refuse(NotFound, "no such user")
	case w.closed(c.Account):
		return errClosed()
	}
	owner := []events.Grant{{Roles: []string{a.protected()}}}
	m, ok := a.Member(c.User)
	b := events.OfAccount(c.Account)
	switch {
	case ok && a.counts(m, is.At):
		return nil
	case ok && m.is():
		if !sameGrants(m.Grants, owner) {
			w.record(b, events.MembershipRoleChanged{User: c.User, From: m.Grants, To: owner})
		}
		if m.Status == Suspended {
			w.reactivate(c.Account, m)
		}
		return nil
	}
	w.enroll(c.Account, Member{User: c.User, Key: u.Key, Address: u.Address}, owner)
	return nil
}
