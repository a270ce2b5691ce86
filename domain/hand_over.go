package domain

import (
	"slices"
	"time"

	"roster/events"
)

// How long a code is good by which a sign-in is handed over (SPEC 7.6).
const (
	CodeValid = time.Minute
	codeEarly = 5 * time.Second             // by so much the clocks of two copies may differ
	keepCodes = 2 * (CodeValid + codeEarly) // so long it is known that a code has been used
)

// ErrHandOver says nothing of why a code is not good.
func ErrHandOver() error {
	return refuse(BadCredentials, "the code is none, has been used, is too old, or is another page's")
}

// HandOver starts a session for the portal behind, from one in which somebody is signed in. Its code is the id of the
// session that it leads to: of however many exchanges, on whichever copy, the user's boundary lets one through.
type HandOver struct {
	User      events.UserID
	From      events.SessionID
	Session   events.SessionID
	TokenHash events.Hash
	Portal    string      // an origin
	IssuedAt  events.Time // when the code was made
}

func (c HandOver) Name() string { return "HandOver" }

func (c HandOver) Home(_ Issued) events.Boundary { return events.OfUser(c.User) }

func (c HandOver) Decide(w *World, is Issued) error {
	u := w.User(c.User)
	from, ok := u.Session(c.From)
	age := is.At.Sub(c.IssuedAt)
	switch {
	case !is.self(c.User):
		return refuse(NotPermitted, "only on behalf of whoever is signed in")
	case !u.SignsIn(), !ok, from.ExpiresAt <= is.At, !from.From.IsZero(), from.OpenedBy != "",
		age < -codeEarly, age >= CodeValid, u.hasHanded(c.Session):
		return ErrHandOver()
	}
	w.makeRoom(u)
	w.record(events.OfUser(c.User), events.SessionStarted{Session: c.Session, TokenHash: c.TokenHash, Method: events.MethodHandOver,
		ExpiresAt: min(from.ExpiresAt, is.At.Add(w.sessionLifetime(c.User))), From: c.From, Portal: c.Portal})
	return nil
}

// hasHanded says that a session has been handed over under this id, whether or not it has ended since.
func (u User) hasHanded(id events.SessionID) bool {
	return slices.ContainsFunc(u.handed, func(a attempt) bool { return a.source == id.Any() })
}

// withSession notes a session that has been started.
func (u User) withSession(h Happened, f events.SessionStarted) User {
	s := Session{ID: f.Session, TokenHash: f.TokenHash, StartedAt: h.At, ExpiresAt: f.ExpiresAt, Pos: h.Pos, Method: f.Method,
		Strong: !f.Factor.IsZero() || f.Method == MethodRecovery, From: f.From, Portal: f.Portal, Account: f.Account}
	switch f.Method {
	case events.MethodOperator:
		s.OpenedBy = h.By.ID
	case events.MethodHandOver:
		from, _ := u.sessions.Get(f.From)
		s.Strong, s.Method = from.Strong, from.Method
		kept := make([]attempt, 0, len(u.handed)+1)
		for _, a := range u.handed {
			if h.At.Sub(a.at) < keepCodes {
				kept = append(kept, a)
			}
		}
		u.handed = append(kept, attempt{source: f.Session.Any(), at: h.At})
	}
	u.sessions = u.sessions.With(f.Session, s)
	return u.succeededAt(f.Attempt, h.At).succeededAt(h.Cause, h.At).usedFactor(f, h.At)
}

// goodFor says that a session may be used in the account whose chain this is.
func (s Session) goodFor(chain []Account) bool {
	return s.Account.IsZero() || slices.ContainsFunc(chain, func(a Account) bool { return a.ID == s.Account })
}
