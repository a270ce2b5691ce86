package domain

import (
	"strings"
	"unicode/utf8"

	"roster/events"
)

// ChangeRole replaces all that a membership grants (SPEC 3.4).
type ChangeRole struct {
	Account events.AccountID
	User    events.UserID
	Grants  []events.Grant
}

func (c ChangeRole) Name() string { return "ChangeRole" }

func (c ChangeRole) Home(_ Issued) events.Boundary { return events.OfAccount(c.Account) }

func (c ChangeRole) Target() (events.AccountID, *events.Subject) { return onUser(c.Account, c.User) }

func (c ChangeRole) Decide(w *World, is Issued) error {
	a, m, access, err := w.mayChange(c.Account, c.User, UsersChangeRole)
	if err != nil {
		return err
	}
	switch {
	case is.self(c.User) && !m.lowers(c.Grants, a, is.At):
		return refuse(ExceedsOwnAccess, "nobody can raise their own access")
	case !is.self(c.User) && !access.covers(c.Grants):
		return refuse(ExceedsOwnAccess, "nobody can grant more than they hold")
	}
	grants, err := checkGrants(c.Grants, is.At)
	if err != nil {
		return err
	}
	if err := is.stale(m.Version); err != nil {
		return err
	}
	if err := m.direct(); err != nil {
		return err
	}
	if sameGrants(m.Grants, grants) {
		return nil
	}
	after := m
	after.Grants = grants
	if err := a.keepsOwner(m, after, is.At); err != nil {
		return err
	}
	w.record(events.OfAccount(c.Account), events.MembershipRoleChanged{User: c.User, From: m.Grants, To: grants})
	w.endInvitationsOf(c.User, c.Account)
	return nil
}

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
	w.endInvitationsOf(c.User, c.Account)
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
	if m.Status == Active {
		return nil
	}
	w.record(events.OfAccount(c.Account), events.MembershipReactivated{User: c.User})
	return nil
}

// Revoke ends a membership; the person can be invited again and inherits nothing from it (SPEC 3.6).
type Revoke struct {
	Account events.AccountID
	User    events.UserID
	Reason  string
}

func (c Revoke) Name() string { return "Revoke" }

func (c Revoke) Home(_ Issued) events.Boundary { return events.OfAccount(c.Account) }

func (c Revoke) Target() (events.AccountID, *events.Subject) { return onUser(c.Account, c.User) }

func (c Revoke) Decide(w *World, is Issued) error {
	if is.self(c.User) {
		return w.notOneself(c.Account, "leave the account instead of revoking yourself")
	}
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
	w.record(events.OfAccount(c.Account), events.MembershipRevoked{User: c.User, Reason: reason})
	w.endInvitationsOf(c.User, c.Account)
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
	w.endInvitationsOf(m.User, c.Account)
	return nil
}

func onUser(account events.AccountID, user events.UserID) (events.AccountID, *events.Subject) {
	return account, &events.Subject{Type: "user", ID: user.Any()}
}

// mayChange is a member whom whoever asks may change: they hold the permission, and the member's access gives nothing
// beyond their own (SPEC 3.4). To change one's own roles needs no permission: the ceiling keeps one from rising.
// Whoever may not see the account's users is not told whether there is such a one. A member by an account above only
// has no status here (see direct).
func (w *World) mayChange(account events.AccountID, user events.UserID, p Permission) (Account, Member, Access, error) {
	a, access, err := w.sees(account)
	if err != nil {
		return a, Member{}, access, err
	}
	m, _ := a.Member(user)
	held := unended(m.Grants, w.is.At)
	if m.Status != Active && m.Status != Suspended {
		m = Member{User: user}
		held = w.AccessOf(user, account).grants
	}
	lowering := w.is.self(user) && p == UsersChangeRole
	switch known := m.Status != "" || len(held) > 0; {
	case !known && access.Holds(UsersRead):
		return a, m, access, refuse(NotFound, "no such user in this account")
	case !lowering && !access.Holds(p):
		return a, m, access, needs(p)
	case !known:
		return a, m, access, refuse(NotFound, "no such user in this account")
	case !lowering && !access.covers(held):
		return a, m, access, refuse(ExceedsOwnAccess, "this user may do more than you")
	}
	return a, m, access, nil
}

// direct refuses to change here what comes from an account above (SPEC 3.1).
func (m Member) direct() error {
	if m.Status == "" {
		return refuse(Inherited, "this user is a member of an account above: change it there")
	}
	return nil
}

// notOneself refuses what nobody may do to themselves, but tells strangers only that there is no such account.
func (w *World) notOneself(account events.AccountID, why string) error {
	if _, _, err := w.mayIn(account, UsersRead); err != nil {
		return err
	}
	return refuse(NotPermitted, "%s", why)
}

// keepsOwner refuses to take the last active owner from a root account (SPEC 3.7).
func (a Account) keepsOwner(before, after Member, at events.Time) error {
	if a.Parent.IsZero() && before.counts(at) && !after.counts(at) && a.Owners(at) == 1 {
		return refuse(LastActiveOwner, "the account would have no active owner left")
	}
	return nil
}

const maxNote = 1000

// note seals free text about a person with the person's key; empty text is no part at all.
func note(key events.KeyID, text string) (events.Sealed[events.Note], error) {
	text = strings.TrimSpace(text)
	switch {
	case text == "":
		return events.Sealed[events.Note]{}, nil
	case !utf8.ValidString(text) || utf8.RuneCountInString(text) > maxNote:
		return events.Sealed[events.Note]{}, invalid("body.reason", "a reason is valid UTF-8 of at most %d characters", maxNote)
	}
	return events.For(key, events.Note{Text: text}), nil
}
