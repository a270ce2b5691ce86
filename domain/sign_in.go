package domain

import (
	"time"

	"roster/events"
)

// SessionLifetime is how long a session lasts at most where no policy says otherwise (SPEC 1.4).
const SessionLifetime = 30 * 24 * time.Hour

// ReserveAttempt takes one of the attempts that somebody has, before a secret is verified, so that the limit holds
// however many try at once. User is zero for an address nobody holds; Subject is then one of a fixed number.
type ReserveAttempt struct {
	Subject events.AnyID
	User    events.UserID
	Factor  string
	Refused int // attempts refused unwritten since the one before
}

func (c ReserveAttempt) Name() string { return "SignIn" }

func (c ReserveAttempt) Home(_ Issued) events.Boundary { return events.OfAttempts(c.Subject) }

func (c ReserveAttempt) Decide(w *World, is Issued) error {
	used := map[events.CommitID]bool{}
	if !c.User.IsZero() {
		for _, id := range w.User(c.User).succeeded {
			used[id] = true
		}
	}
	failed, first := 0, is.At
	for _, a := range w.Attempts(c.Subject).signins {
		if is.At.Sub(a.at) < attemptWindow && !used[a.commit] {
			failed++
			first = min(first, a.at)
		}
	}
	if failed >= maxAttempts {
		e := refuse(RateLimited, "too many failed sign-ins: try again later")
		e.Retry = int((attemptWindow - is.At.Sub(first) + time.Second - 1) / time.Second)
		return e
	}
	w.record(events.OfAttempts(c.Subject), events.SigninAttempted{Factor: c.Factor, Refused: c.Refused})
	return nil
}

// StartSession signs a user in whose password has been verified. Password names the very credential that was.
type StartSession struct {
	User      events.UserID
	Session   events.SessionID
	TokenHash events.Hash
	Password  events.SecretID
	Attempt   events.CommitID
}

func (c StartSession) Name() string { return "SignIn" }

func (c StartSession) Home(_ Issued) events.Boundary { return events.OfUser(c.User) }

func (c StartSession) Decide(w *World, is Issued) error {
	u := w.User(c.User)
	if !u.Registered || u.Erased || u.Password != c.Password {
		return refuse(BadCredentials, "the address or the password is wrong")
	}
	if u.Locked {
		return refuse(BadCredentials, "the address or the password is wrong")
	}
	for _, id := range u.Accounts() { // where the profile waits for it, the first sign-in makes a membership count
		if m, ok := w.Account(id).Member(c.User); ok && m.Status == Pending {
			w.record(events.OfAccount(id), events.MembershipActivated{User: c.User})
		}
	}
	if u.sessions.Len() >= maxSessions {
		oldest := Session{StartedAt: is.At}
		for _, s := range u.sessions.All() {
			if s.StartedAt <= oldest.StartedAt {
				oldest = s
			}
		}
		w.record(events.OfUser(c.User), events.SessionEnded{Session: oldest.ID, Because: "replaced"})
	}
	w.record(events.OfUser(c.User), events.SessionStarted{Session: c.Session, TokenHash: c.TokenHash, Method: "password",
		ExpiresAt: is.At.Add(w.sessionLifetime(c.User)), Attempt: c.Attempt})
	return nil
}

// sessionLifetime is how long a session of a user lasts at most: as the strictest of their accounts says.
func (w *World) sessionLifetime(user events.UserID) time.Duration {
	if s := w.PersonRules(user).Session.Absolute; s != 0 {
		return time.Duration(s) * time.Second
	}
	return maxSession
}

// EndSession signs out.
type EndSession struct {
	User    events.UserID
	Session events.SessionID
}

func (c EndSession) Name() string { return "SignOut" }

func (c EndSession) Home(_ Issued) events.Boundary { return events.OfUser(c.User) }

func (c EndSession) Decide(w *World, is Issued) error {
	if is.Actor.User() != c.User {
		return refuse(NotPermitted, "only one's own sessions")
	}
	if _, ok := w.User(c.User).Session(c.Session); ok {
		w.record(events.OfUser(c.User), events.SessionEnded{Session: c.Session, Because: "signed_out"})
	}
	return nil
}
