package domain

import (
	"time"
	"unicode"
	"unicode/utf8"

	"roster/events"
)

// SessionLifetime is how long a session lasts at most (SPEC 1.4).
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
		ExpiresAt: is.At.Add(SessionLifetime), Attempt: c.Attempt})
	return nil
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

// RecordRefusal writes down that somebody was refused for lack of rights (SPEC 5.1); beyond a number an hour
// nothing is written, and the next fact says how many were left out.
type RecordRefusal struct {
	Subject events.AnyID
	Account events.AccountID
	Command string
	Code    Code
	Of      *events.Subject
	Refused int
}

func (c RecordRefusal) Name() string { return c.Command }

func (c RecordRefusal) Home(_ Issued) events.Boundary { return events.OfAttempts(c.Subject) }

func (c RecordRefusal) Decide(w *World, is Issued) error {
	a := w.Attempts(c.Subject)
	if len(a.refusals) == maxRefusals && is.At.Sub(a.refusals[0]) < refusalWindow {
		return refuse(RateLimited, "too many refusals to write each down")
	}
	account := c.Account
	if !w.Account(account).Opened {
		account = events.AccountID{}
	}
	w.record(events.OfAttempts(c.Subject), events.CommandRefused{Account: account, Command: c.Command, Code: string(c.Code),
		Target: c.Of, Refused: c.Refused})
	return nil
}

// The default rules for passwords (SPEC 4.3), by name.
const (
	RuleLength  = "length"
	RuleLower   = "lower_case"
	RuleUpper   = "upper_case"
	RuleDigit   = "digit"
	RuleSpecial = "special"
	RuleTooLong = "too_long"
)

const (
	minPassword = 10
	maxPassword = 1024 // characters: far beyond what anybody types, and cheap to hash
)

// CheckPassword lists every rule that a password fails, all at once; location says where it stands in the request.
func CheckPassword(location, password string) error {
	var lower, upper, digit, special bool
	for _, r := range password {
		switch {
		case unicode.IsLower(r):
			lower = true
		case unicode.IsUpper(r):
			upper = true
		case unicode.IsDigit(r):
			digit = true
		default:
			special = true
		}
	}
	n := utf8.RuneCountInString(password)
	var fields []Field
	for _, rule := range []struct {
		ok            bool
		name, message string
	}{
		{n >= minPassword, RuleLength, "at least 10 characters"},
		{n <= maxPassword, RuleTooLong, "at most 1024 characters"},
		{lower, RuleLower, "a lower-case letter"},
		{upper, RuleUpper, "an upper-case letter"},
		{digit, RuleDigit, "a digit"},
		{special, RuleSpecial, "a special character"},
	} {
		if !rule.ok {
			fields = append(fields, Field{location, rule.name + ": " + rule.message})
		}
	}
	switch {
	case !utf8.ValidString(password):
		return invalid(location, "the password is not valid UTF-8")
	case fields != nil:
		return &Error{Code: PasswordRules, Detail: "the password fails the rules named", Fields: fields}
	}
	return nil
}
