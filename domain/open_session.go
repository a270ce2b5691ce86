package domain

import (
	"time"

	"roster/events"
)

// How long a session is good that the operator opens (SPEC 7.6).
const (
	openedFor = time.Hour // where nothing else is said
	minOpened = time.Minute
	maxOpened = 12 * time.Hour
)

// OpenSession opens a session for a user, by the operator, such as for support. What is done in it is noted as the
// operator's on the person's behalf; the person sees it among their devices and can end it.
type OpenSession struct {
	User      events.UserID
	Account   events.AccountID // the only one, with what is below it; zero: all
	Session   events.SessionID
	TokenHash events.Hash
	Valid     time.Duration // 0: an hour
}

func (c OpenSession) Name() string { return "OpenSession" }

func (c OpenSession) Home(_ Issued) events.Boundary { return events.OfUser(c.User) }

func (c OpenSession) Target() (events.AccountID, *events.Subject) { return onUser(c.Account, c.User) }

func (c OpenSession) Decide(w *World, is Issued) error {
	if c.Valid == 0 {
		c.Valid = openedFor
	}
	u := w.User(c.User)
	switch {
	case !is.operator():
		return refuse(NotPermitted, "only the operator opens sessions for others")
	case !u.Registered || u.Erased:
		return refuse(NotFound, "no such user")
	case u.Locked:
		return refuse(NotPermitted, "the user is locked")
	case c.Valid < minOpened || c.Valid > maxOpened:
		return invalid("body.ttl", "has to be from a minute, PT1M, to twelve hours, PT12H")
	case !c.Account.IsZero() && w.AccessOf(c.User, c.Account).None():
		return invalid("body.account", "the user has no access to this account")
	}
	w.makeRoom(u)
	w.record(events.OfUser(c.User), events.SessionStarted{Session: c.Session, TokenHash: c.TokenHash, Method: events.MethodOperator,
		ExpiresAt: is.At.Add(c.Valid), Account: c.Account})
	return nil
}

// lent refuses in a session that the operator has opened: what is only the person's is not done there.
func (u User) lent(session events.SessionID) error {
	if s, ok := u.Session(session); ok && s.OpenedBy != "" {
		return refuse(NotPermitted, "not in a session that the operator has opened: only the person themselves")
	}
	return nil
}
