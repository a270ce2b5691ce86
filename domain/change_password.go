package domain

import (
	"time"

	"roster/events"
)

// resetValid is how long a link to choose a new password works.
const resetValid = time.Hour

// AskPersonRules leaves the rules about a person in the place given: the strictest of the accounts in which they are
// active (SPEC 1.4).
func AskPersonRules(user events.UserID, into *Rules) Command { return askPersonRules{user, into} }

type askPersonRules struct {
	user events.UserID
	into *Rules
}

func (c askPersonRules) Name() string { return "AskPersonRules" }

func (c askPersonRules) Home(_ Issued) events.Boundary { return events.OfUser(c.user) }

func (c askPersonRules) Decide(w *World, _ Issued) error {
	*c.into = w.PersonRules(c.user)
	return nil
}

// ChangePassword replaces one's own password and signs out everywhere else (SPEC 4.3). Verified names the very
// credential that was verified, Password the new one's hash.
type ChangePassword struct {
	User     events.UserID
	Verified events.SecretID
	Password events.SecretID
}

func (c ChangePassword) Name() string { return "ChangePassword" }

func (c ChangePassword) Home(_ Issued) events.Boundary { return events.OfUser(c.User) }

func (c ChangePassword) Decide(w *World, is Issued) error {
	u, err := w.oneself(c.User)
	switch {
	case err != nil:
		return err
	case c.Verified.IsZero() || u.Password != c.Verified: // or it has been replaced meanwhile
		return errPassword()
	}
	w.record(events.OfUser(c.User), events.PasswordChanged{Secret: c.Password})
	w.endSessions(u, is.Actor.Session, "password_changed")
	return nil
}

func errPassword() error { return refuse(BadCredentials, "the current password is wrong") }

// oneself is the user who asks for something that nobody else may: no administrator, and not the operator.
func (w *World) oneself(user events.UserID) (User, error) {
	u := w.User(user)
	if err := w.is.byPerson(); err != nil {
		return u, err
	}
	switch {
	case !w.is.self(user):
		return u, refuse(NotPermitted, "only the person themselves")
	case !u.Registered || u.Erased || u.Locked:
		return u, refuse(SignInRequired, "sign in first")
	}
	return u, u.lent(w.is.Actor.Session)
}

// endSessions ends all sessions of a user but one.
func (w *World) endSessions(u User, but events.SessionID, because string) {
	for id := range u.sessions.All() {
		if id != but {
			w.record(events.OfUser(u.ID), events.SessionEnded{Session: id, Because: because})
		}
	}
}

// RequestReset sends a link to choose a new password by to whoever has forgotten theirs (SPEC 4.4). For an address that
// nobody signs in with, User is zero, and as much is written about Subject, one of a fixed number: neither the answer nor
// the work tells the two apart. Beyond the limit of mails nothing is written in either case.
type RequestReset struct {
	User    events.UserID
	Subject events.AnyID
}

func (c RequestReset) Name() string { return "RequestReset" }

func (c RequestReset) Home(_ Issued) events.Boundary {
	if c.User.IsZero() {
		return events.OfAttempts(c.Subject)
	}
	return events.OfUser(c.User)
}

func (c RequestReset) Decide(w *World, is Issued) error {
	if c.User.IsZero() {
		var asked []events.Time
		for _, a := range w.Attempts(c.Subject).signins {
			if a.source == sourceOf(is.Actor) {
				asked = append(asked, a.at)
			}
		}
		if !flooded(asked, is.At) {
			w.record(events.OfAttempts(c.Subject), events.SigninAttempted{Factor: "reset"})
		}
		return nil
	}
	u := w.User(c.User)
	if !u.SignsIn() || flooded(u.resets, is.At) {
		return nil
	}
	w.record(events.OfUser(c.User), events.PasswordResetRequested{Generation: u.Reset.Generation + 1, ExpiresAt: is.At.Add(resetValid)})
	return nil
}

// SignsIn says that the user is one who may sign in.
func (u User) SignsIn() bool { return u.Registered && !u.Erased && !u.Locked }

// LookAtReset refuses as ResetPassword would, and records nothing. It leaves the rules for the new password in the place
// given.
type LookAtReset struct {
	User       events.UserID
	Generation uint32
	Into       *Rules
}

func (c LookAtReset) Name() string { return "LookAtReset" }

func (c LookAtReset) Home(_ Issued) events.Boundary { return events.OfUser(c.User) }

func (c LookAtReset) Decide(w *World, is Issued) error {
	if _, err := w.mayReset(c.User, c.Generation); err != nil {
		return err
	}
	*c.Into = w.PersonRules(c.User)
	return nil
}

func (w *World) mayReset(user events.UserID, generation uint32) (User, error) {
	u := w.User(user)
	if !u.SignsIn() {
		return u, refuse(NotFound, "no such user")
	}
	return u, u.Reset.alive(generation, w.is.At)
}

// ResetPassword sets another password by whoever holds the link, and signs out everywhere. It signs nobody in, and has
// nothing to do with second factors: they are asked for as before (SPEC 4.4).
type ResetPassword struct {
	User       events.UserID
	Generation uint32
	Password   events.SecretID
}

func (c ResetPassword) Name() string { return "ResetPassword" }

func (c ResetPassword) Home(_ Issued) events.Boundary { return events.OfUser(c.User) }

func (c ResetPassword) Decide(w *World, _ Issued) error {
	u, err := w.mayReset(c.User, c.Generation)
	if err != nil {
		return err
	}
	if c.Password.IsZero() {
		return invalid("body.password", "give a new password")
	}
	w.record(events.OfUser(c.User), events.PasswordReset{Secret: c.Password, Generation: c.Generation})
	w.endSessions(u, events.SessionID{}, "password_reset")
	return nil
}
