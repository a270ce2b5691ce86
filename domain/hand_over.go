package domain

import (
	"cmp"
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

// HandOver starts a session for the portal behind, from one in which somebody is signed in; or for the page in the
// portal's frame, from the portal's own, with the limits that this has. Its code is the id of the
// session that it leads to: of however many exchanges, on whichever copy, the user's boundary lets one through.
type HandOver struct {
	User      events.UserID
	From      events.SessionID
	Session   events.SessionID
	TokenHash events.Hash
	Portal    string      // an origin
	IssuedAt  events.Time // when the code was made
	Frame     bool        // for the page in the portal's frame, from the session that the portal has
}

// maxFrames is how many frames of one session of the portal's are signed in: a further one ends the oldest.
const maxFrames = 4

func (c HandOver) Name() string { return "HandOver" }

func (c HandOver) Home(_ Issued) events.Boundary { return events.OfUser(c.User) }

func (c HandOver) Decide(w *World, is Issued) error {
	u := w.User(c.User)
	from, ok := u.Session(c.From)
	age := is.At.Sub(c.IssuedAt)
	switch {
	case !is.self(c.User):
		return refuse(NotPermitted, "only on behalf of whoever is signed in")
	case !u.SignsIn(), !ok, from.ExpiresAt <= is.At, !u.mayHand(from, c.Frame),
		age < -codeEarly, age >= CodeValid, u.hasHanded(c.Session):
		return ErrHandOver()
	}
	if c.Frame {
		c.Portal = from.Portal
		w.makeRoomForFrame(u, from)
	}
	w.makeRoom(w.User(c.User))
	w.record(events.OfUser(c.User), events.SessionStarted{Session: c.Session, TokenHash: c.TokenHash, Method: events.MethodHandOver,
		ExpiresAt: min(from.ExpiresAt, is.At.Add(w.sessionLifetime(c.User))), From: c.From, Portal: c.Portal, Account: from.Account})
	return nil
}

// mayHand says that another session may be started from this one: a portal's from one in which the person has signed in
// themselves, a frame's from any but another frame's.
func (u User) mayHand(from Session, frame bool) bool {
	if frame {
		return !u.inFrame(from)
	}
	return from.From.IsZero() && from.OpenedBy == ""
}

// inFrame says that a session is that of a frame: it stays with the portal whose session it came from.
func (u User) inFrame(s Session) bool {
	from, ok := u.Session(s.From)
	return ok && from.Portal == s.Portal
}

// makeRoomForFrame ends the oldest frame of a session that has as many as it may.
func (w *World) makeRoomForFrame(u User, from Session) {
	var frames []Session
	for _, s := range u.allSessions() {
		if s.From == from.ID && s.Portal == from.Portal {
			frames = append(frames, s)
		}
	}
	if len(frames) >= maxFrames {
		oldest := slices.MinFunc(frames, func(a, b Session) int { return cmp.Compare(a.StartedAt, b.StartedAt) })
		w.record(events.OfUser(u.ID), events.SessionEnded{Session: oldest.ID, Because: "replaced"})
	}
}

// firstOf is the session that one began with, however often it was handed on.
func (u User) firstOf(s Session) events.SessionID {
	for !s.From.IsZero() {
		from, ok := u.Session(s.From)
		if !ok {
			return s.From // it has been replaced
		}
		s = from
	}
	return s.ID
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
		s.Strong, s.Method, s.OpenedBy = from.Strong, from.Method, from.OpenedBy
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
func (s Session) goodFor(chain []*Account) bool {
	return s.Account.IsZero() || slices.ContainsFunc(chain, func(a *Account) bool { return a.ID == s.Account })
}
