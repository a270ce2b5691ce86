package domain

import (
	"slices"
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
	failed, first := w.failed(c.Subject, c.User)
	if failed >= maxAttempts {
		e := refuse(RateLimited, "too many failed sign-ins: try again later")
		e.Retry = int((attemptWindow - is.At.Sub(first) + time.Second - 1) / time.Second)
		return e
	}
	w.record(events.OfAttempts(c.Subject), events.SigninAttempted{Factor: c.Factor, Refused: c.Refused})
	return nil
}

// failed counts the attempts that count against whoever asks, and says when the first of them was. Known devices and
// sessions have a count of their own, so that a stranger's guesses lock nobody out.
func (w *World) failed(subject events.AnyID, user events.UserID) (n int, first events.Time) {
	used := map[events.CommitID]bool{}
	if !user.IsZero() {
		for _, a := range w.User(user).succeeded {
			used[a.commit] = true
		}
	}
	source, first := sourceOf(w.is.Actor), w.is.At
	for _, a := range w.Attempts(subject).signins {
		if a.source == source && w.is.At.Sub(a.at) < attemptWindow && !used[a.commit] {
			n++
			first = min(first, a.at)
		}
	}
	return n, first
}

// NoteThrottled writes down, once for each such while, that attempts are refused.
type NoteThrottled struct {
	Subject events.AnyID
	User    events.UserID
	Factor  string
}

func (c NoteThrottled) Name() string { return "SignIn" }

func (c NoteThrottled) Home(_ Issued) events.Boundary { return events.OfAttempts(c.Subject) }

func (c NoteThrottled) Decide(w *World, is Issued) error {
	failed, first := w.failed(c.Subject, c.User)
	source := sourceOf(is.Actor)
	noted := slices.ContainsFunc(w.Attempts(c.Subject).throttled, func(t attempt) bool { return t.source == source && t.at > is.At })
	if failed >= maxAttempts && !noted {
		w.record(events.OfAttempts(c.Subject), events.SigninThrottled{Factor: c.Factor, Until: first.Add(attemptWindow)})
	}
	return nil
}

// StartSession signs a user in whose password has been verified, and a factor where one is asked for. Password names
// the very credential that was. It is refused with second_factor_required where a factor is missing.
type StartSession struct {
	User      events.UserID
	Session   events.SessionID
	TokenHash events.Hash
	Password  events.SecretID // zero where a passkey stands for it
	Attempt   events.CommitID
	// What was verified beside the password; Method is empty for nothing. Recovery is where the hashes of the recovery
	// codes were that Step is one of.
	Method    string
	Factor    events.FactorID
	Step      int64
	Count     uint32 // of a passkey: its signature counter
	Recovery  events.SecretID
	Challenge events.CommitID  // the attempt in which the password was verified: it leads to one session
	SSO       events.AccountID // whose provider vouched for the user, in place of a password
	Once      events.CommitID  // what was begun with it
	Elsewhere bool             // on a device and from where the person is signed in nowhere
}

func (c StartSession) Name() string { return "SignIn" }

func (c StartSession) Home(_ Issued) events.Boundary { return events.OfUser(c.User) }

// errSignIn says nothing of why.
func errSignIn() error { return refuse(BadCredentials, "the address or the password is wrong") }

func (c StartSession) Decide(w *World, is Issued) error {
	u := w.User(c.User)
	instead := c.Password.IsZero() && (c.Method == events.FactorPasskey || !c.SSO.IsZero()) // of the password
	if !u.Registered || u.Erased || u.Locked || u.Password != c.Password && !instead {
		return errSignIn()
	}
	if err := w.entersBySSO(u, c.SSO, c.Once); err != nil {
		return err
	}
	if err := c.factor(w, u); err != nil {
		return err
	}
	for _, id := range u.Accounts() { // where the profile waits for it, the first sign-in makes a membership count
		if m, ok := w.Account(id).Member(c.User); ok && m.is() && m.Waiting {
			w.record(events.OfAccount(id), events.MembershipActivated{User: c.User, Suspended: m.Status == Suspended})
		}
	}
	w.makeRoom(u)
	w.record(events.OfUser(c.User), events.SessionStarted{Session: c.Session, TokenHash: c.TokenHash, Method: c.method(),
		ExpiresAt: is.At.Add(w.sessionLifetime(c.User)), Attempt: c.Attempt, Factor: c.Factor, Step: c.Step, Count: c.Count, Elsewhere: c.Elsewhere})
	if !c.SSO.IsZero() {
		w.record(events.OfUser(c.User), events.IdentityUsed{Account: c.SSO, Connection: w.Account(c.SSO).SSO.Connection, Session: c.Session, Once: c.Once})
	}
	return nil
}

// makeRoom ends the oldest session of a user who has as many as there may be.
func (w *World) makeRoom(u User) {
	if u.sessions.Len() < maxSessions {
		return
	}
	oldest := Session{StartedAt: w.is.At}
	for _, s := range u.sessions.All() {
		if s.StartedAt <= oldest.StartedAt {
			oldest = s
		}
	}
	w.record(events.OfUser(u.ID), events.SessionEnded{Session: oldest.ID, Because: "replaced"})
}

// method is what the sign-in ended with.
func (c StartSession) method() string {
	switch {
	case c.Method != "":
		return c.Method
	case !c.SSO.IsZero():
		return MethodSSO
	}
	return MethodPassword
}

// factor checks what was verified beside the password. A code works once, and so does the step before.
func (c StartSession) factor(w *World, u User) error {
	if slices.ContainsFunc(u.succeeded, func(a attempt) bool { return !c.Challenge.IsZero() && a.commit == c.Challenge }) {
		return errCode()
	}
	switch c.Method {
	case "":
		if len(w.Asked(c.User)) > 0 {
			return refuse(SecondFactorRequired, "a second factor has to be shown")
		}
	case MethodRecovery:
		if c.Step < 1 || c.Step > int64(u.recovery.codes) || c.Recovery != u.recovery.secret || u.recovery.used&(1<<(c.Step-1)) != 0 {
			return errCode()
		}
	default:
		f, ok := u.Factor(c.Factor)
		if !ok || !f.Verified || f.Method != c.Method || c.Step <= f.Step {
			return errCode()
		}
		// A counter that has not risen is a copy's (WebAuthn 6.1.1); those that count nothing always say 0.
		if c.Count <= f.Count && (c.Count != 0 || f.Count != 0) {
			return errCode()
		}
	}
	return nil
}

// sessionLifetime is how long a session of a user lasts at most: as the strictest of their accounts says.
func (w *World) sessionLifetime(user events.UserID) time.Duration {
	if s := w.PersonRules(user).Session.Absolute; s != 0 {
		return time.Duration(s) * time.Second
	}
	return maxSession
}
