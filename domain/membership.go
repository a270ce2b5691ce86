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
	if !access.covers(c.Grants) {
		return refuse(ExceedsOwnAccess, "nobody can grant more than they hold")
	}
	grants, err := checkGrants("body.roles", c.Grants)
	if err != nil {
		return err
	}
	if err := is.stale(m.Version); err != nil {
		return err
	}
	if sameGrants(m.Grants, grants) {
		return nil
	}
	after := m
	after.Grants = grants
	if err := a.keepsOwner(m, after); err != nil {
		return err
	}
	w.record(events.OfAccount(c.Account), events.MembershipRoleChanged{User: c.User, From: m.Grants, To: grants})
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
	if c.User == is.Actor.User() {
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
	if m.Status == Suspended {
		return nil
	}
	after := m
	after.Status = Suspended
	if err := a.keepsOwner(m, after); err != nil {
		return err
	}
	w.record(events.OfAccount(c.Account), events.MembershipSuspended{User: c.User, Reason: reason})
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
	if c.User == is.Actor.User() {
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
	if err := a.keepsOwner(m, Member{}); err != nil {
		return err
	}
	w.record(events.OfAccount(c.Account), events.MembershipRevoked{User: c.User, Reason: reason})
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
	if err := is.stale(m.Version); err != nil {
		return err
	}
	if err := a.keepsOwner(m, Member{}); err != nil {
		return err
	}
	w.record(events.OfAccount(c.Account), events.MembershipLeft{User: m.User})
	return nil
}

func onUser(account events.AccountID, user events.UserID) (events.AccountID, *events.Subject) {
	return account, &events.Subject{Type: "user", ID: user.Any()}
}

// mayChange is a present member whom whoever asks may change: they hold the permission, and the member's access
// gives nothing beyond their own (SPEC 3.4). Oneself needs no permission: the ceiling keeps one from rising.
func (w *World) mayChange(account events.AccountID, user events.UserID, p Permission) (Account, Member, Access, error) {
	self := user == w.is.Actor.User()
	need := p
	if self {
		need = UsersRead // whoever may see the account may lower themselves in it
	}
	a, access, err := w.mayIn(account, need)
	if err != nil {
		return a, Member{}, access, err
	}
	m, ok := a.Member(user)
	switch {
	case !ok || m.Status == Revoked:
		return a, m, access, refuse(NotFound, "no such user in this account")
	case !self && !access.covers(m.Grants):
		return a, m, access, refuse(ExceedsOwnAccess, "this user may do more than you")
	}
	return a, m, access, nil
}

// notOneself refuses what nobody may do to themselves, but tells strangers only that there is no such account.
func (w *World) notOneself(account events.AccountID, why string) error {
	if _, _, err := w.mayIn(account, UsersRead); err != nil {
		return err
	}
	return refuse(NotPermitted, "%s", why)
}

// keepsOwner refuses to take the last active owner from a root account (SPEC 3.7).
func (a Account) keepsOwner(before, after Member) error {
	if a.Parent.IsZero() && before.counts() && !after.counts() && a.owners == 1 {
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
