package domain

import (
	"slices"
	"time"

	"roster/events"
)

// Live lists the sessions of a user that have not been ended and have not expired, the newest first.
func (u User) Live(at events.Time) []Session {
	var list []Session
	for _, s := range u.sessions.All() {
		if s.ExpiresAt > at {
			list = append(list, s)
		}
	}
	slices.SortFunc(list, func(a, b Session) int {
		if a.StartedAt != b.StartedAt {
			return int(min(1, max(-1, b.StartedAt-a.StartedAt)))
		}
		return slices.Compare(b.ID[:], a.ID[:])
	})
	return list
}

// EndSession signs out in one browser, or on one device: the session ends, and with it the one that it was handed over
// from and those that were handed over from that. Else whoever signs out of the portal would be signed in again by its
// next link.
type EndSession struct {
	User    events.UserID
	Session events.SessionID
}

func (c EndSession) Name() string { return "SignOut" }

func (c EndSession) Home(_ Issued) events.Boundary { return events.OfUser(c.User) }

func (c EndSession) Decide(w *World, is Issued) error {
	if is.Actor.User() != c.User || !is.Through.IsZero() {
		return refuse(NotPermitted, "only one's own sessions")
	}
	u := w.User(c.User)
	if c.Session != is.Actor.Session {
		if err := u.lent(is.Actor.Session); err != nil {
			return err
		}
	}
	s, ok := u.Session(c.Session)
	if !ok {
		return nil
	}
	first := u.firstOf(s)
	for _, one := range slices.Backward(u.allSessions()) {
		if u.firstOf(one) == first {
			w.record(events.OfUser(c.User), events.SessionEnded{Session: one.ID, Because: "signed_out"})
		}
	}
	return nil
}

// EndMySessions signs whoever asks out everywhere, or everywhere else (SPEC 4.6).
type EndMySessions struct {
	User    events.UserID
	Current bool // this one, too
}

func (c EndMySessions) Name() string { return "SignOutEverywhere" }

func (c EndMySessions) Home(_ Issued) events.Boundary { return events.OfUser(c.User) }

func (c EndMySessions) Decide(w *World, is Issued) error {
	u, err := w.myself(c.User)
	if err != nil {
		return err
	}
	for _, s := range slices.Backward(u.allSessions()) {
		if c.Current || s.ID != is.Actor.Session {
			w.record(events.OfUser(c.User), events.SessionEnded{Session: s.ID, Because: "signed_out"})
		}
	}
	return nil
}

// allSessions are those that have not been ended, expired or not.
func (u User) allSessions() []Session { return u.Live(0) }

// AskIdle leaves in the place given how long the sessions of a user live without being used; 0: as long as they last.
func AskIdle(user events.UserID, into *time.Duration) Command { return askIdle{user, into} }

type askIdle struct {
	user events.UserID
	into *time.Duration
}

func (c askIdle) Name() string                  { return "AskIdle" }
func (c askIdle) Home(_ Issued) events.Boundary { return events.OfUser(c.user) }
func (c askIdle) Decide(w *World, _ Issued) error {
	*c.into = time.Duration(w.PersonRules(c.user).Session.Idle) * time.Second
	return nil
}
