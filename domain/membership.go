package domain

import (
	"strings"
	"unicode/utf8"

	"roster/events"
)

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
	chain := w.chain(account)
	held := w.resolve(chain, unended(m.Grants, w.is.At))
	if !m.is() {
		m = Member{User: user}
		held = w.accessIn(chain, user).held
	}
	lowering := w.is.self(user) && w.is.Through.IsZero() && p == UsersChangeRole
	switch known := m.Status != "" || len(held) > 0; {
	case !known && access.Holds(UsersRead):
		return a, m, access, refuse(NotFound, "no such user in this account")
	case !lowering && !access.Holds(p):
		return a, m, access, needs(p)
	case !known:
		return a, m, access, refuse(NotFound, "no such user in this account")
	case !lowering && !access.covers(held):
		return a, m, access, refuse(ExceedsOwnAccess, "this user may do more than you")
	case access.closed:
		return a, m, access, errClosed()
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
	if a.Parent.IsZero() && a.counts(before, at) && !a.counts(after, at) && a.Owners(at) == 1 {
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
