package domain

import (
	"slices"
	"time"

	"roster/events"
)

// The limits of second factors (SPEC 4.5).
const (
	maxFactors     = 10
	EnrolWithin    = 10 * time.Minute // a factor has to be verified
	FreshWithin    = 10 * time.Minute // a session that used a factor counts as fresh
	RecoveryCodes  = 10
	maxRecovery    = 64
	MethodPassword = "password"      // of a session: by password alone
	MethodRecovery = "recovery_code" // by password and a recovery code

	MethodOperatorKey = "operator_key" // of an attempt: at the operator's pages
)

// Factor is a second factor of a user. It is asked for once it has been verified.
type Factor struct {
	ID         events.FactorID
	Method     string
	Secret     events.SecretID // in the vault; zero for a mobile number
	Label      Sealed          // what the person calls it, or the number
	Verified   bool
	EnrolledAt events.Time
	ExpiresAt  events.Time // until then it has to be verified
	Step       int64       // of the last code that was used: none at or before it works any more
	UsedAt     events.Time
	Count      uint32 // of a passkey: the highest signature counter that was shown
}

// recovery is the recovery codes of a user: their hashes are in the vault.
type recovery struct {
	secret events.SecretID
	codes  int
	used   uint64 // a bit for each that has been used
}

// Factors lists the factors of a user, verified or not, in the order of enrolment.
func (u User) Factors() []Factor { return slices.Clone(u.factors) }

// Factor answers one of them.
func (u User) Factor(id events.FactorID) (Factor, bool) {
	i := slices.IndexFunc(u.factors, func(f Factor) bool { return f.ID == id })
	if i < 0 {
		return Factor{}, false
	}
	return u.factors[i], true
}

// TwoFactor says that the user has a verified factor.
func (u User) TwoFactor() bool {
	return slices.ContainsFunc(u.factors, func(f Factor) bool { return f.Verified })
}

// Recovery answers where the hashes of the recovery codes are, and how many codes are left.
func (u User) Recovery() (secret events.SecretID, left int) {
	for i := range u.recovery.codes {
		if u.recovery.used&(1<<i) == 0 {
			left++
		}
	}
	return u.recovery.secret, left
}

// Secrets lists every entry of the vault that the user's credentials are in.
func (u User) Secrets() []events.SecretID {
	list := append([]events.SecretID{u.Password, u.recovery.secret}, u.Replaced...)
	for _, f := range u.factors {
		list = append(list, f.Secret)
	}
	return slices.DeleteFunc(list, events.SecretID.IsZero)
}

// withFactor changes one factor; the others, and the state before, stay as they are.
func (u User) withFactor(id events.FactorID, change func(*Factor)) User {
	u.factors = slices.Clone(u.factors)
	for i := range u.factors {
		if u.factors[i].ID == id {
			change(&u.factors[i])
		}
	}
	return u
}

func (u User) withoutFactor(id events.FactorID) User {
	u = u.without(func(f Factor) bool { return f.ID == id })
	if !u.TwoFactor() { // the codes were to stand in for what is gone
		u = u.withRecovery(recovery{})
	}
	return u
}

// without is the user without some factors, whose secrets are used no more.
func (u User) without(gone func(Factor) bool) User {
	for _, f := range u.factors {
		if gone(f) {
			u = u.replacing(f.Secret)
		}
	}
	u.factors = slices.DeleteFunc(slices.Clone(u.factors), gone)
	return u
}

func (u User) withRecovery(to recovery) User {
	u = u.replacing(u.recovery.secret)
	u.recovery = to
	return u
}

// used notes that a sign-in has used a factor's code, or a recovery code.
func (u User) usedFactor(f events.SessionStarted, at events.Time) User {
	if f.Method == MethodRecovery {
		if f.Step > 0 && f.Step <= maxRecovery {
			u.recovery.used |= 1 << (f.Step - 1)
		}
		return u
	}
	if f.Factor.IsZero() {
		return u
	}
	return u.withFactor(f.Factor, func(one *Factor) {
		one.Step, one.UsedAt, one.Count = max(one.Step, f.Step), at, max(one.Count, f.Count)
	})
}

// Asked lists the factors of which a sign-in has to use one: none where a password is enough. A mobile number is asked
// for a code where the profile of one of the person's accounts says so (SPEC 4.5, 9).
func (w *World) Asked(user events.UserID) []Factor {
	u := w.User(user)
	return slices.DeleteFunc(u.Factors(), func(f Factor) bool {
		return !f.Verified || f.Method == events.FactorSMS && !w.codeAtSignIn(u)
	})
}

func (w *World) codeAtSignIn(u User) bool {
	return slices.ContainsFunc(u.Accounts(), func(id events.AccountID) bool {
		m, ok := w.Account(id).Member(u.ID)
		return ok && m.is() && w.ProfileOf(id).CodeAtSignIn
	})
}

// AskFactors leaves the factors in the place given of which a sign-in has to use one. Roster itself goes by it.
func AskFactors(user events.UserID, into *[]Factor) Command { return askFactors{user, into} }

type askFactors struct {
	user events.UserID
	into *[]Factor
}

func (c askFactors) Name() string                    { return "AskFactors" }
func (c askFactors) Home(_ Issued) events.Boundary   { return events.OfUser(c.user) }
func (c askFactors) Decide(w *World, _ Issued) error { *c.into = w.Asked(c.user); return nil }

// myself is the user who asks, about themselves.
func (w *World) myself(user events.UserID) (User, error) {
	u := w.User(user)
	if err := w.is.byPerson(); err != nil {
		return u, err
	}
	switch {
	case !w.is.self(user):
		return u, refuse(NotPermitted, "only one's own")
	case !u.Registered || u.Erased || u.Locked:
		return u, refuse(NotFound, "no such user")
	}
	return u, u.lent(w.is.Actor.Session)
}

// fresh refuses what asks for a fresh sign-in: the password has just been verified, or the session has used a factor
// and is young. One that was handed over is as old as the one it came from.
func (w *World) fresh(u User, password events.SecretID) error {
	s, ok := u.Session(w.is.Actor.Session)
	if !password.IsZero() && password == u.Password || ok && s.Strong && s.From.IsZero() && w.is.At.Sub(s.StartedAt) < FreshWithin {
		return nil
	}
	return refuse(ReauthenticationRequired, "say your password once more, or sign in anew with your second factor")
}

// ConfirmPassword says that whoever is signed in gave their password once more: Password names the very credential that
// was verified.
type ConfirmPassword struct {
	User     events.UserID
	Password events.SecretID
}

func (c ConfirmPassword) Name() string { return "ConfirmPassword" }

func (c ConfirmPassword) Home(_ Issued) events.Boundary { return events.OfUser(c.User) }

func (c ConfirmPassword) Decide(w *World, _ Issued) error {
	u, err := w.myself(c.User)
	if err != nil {
		return err
	}
	if u.Password != c.Password {
		return refuse(BadCredentials, "the password is wrong")
	}
	w.record(events.OfUser(c.User), events.PasswordConfirmed{})
	return nil
}

// EnrollFactor begins a second factor. Password names the credential that has just been verified, if any was.
type EnrollFactor struct {
	User     events.UserID
	Factor   events.FactorID
	Method   string
	Secret   events.SecretID
	Label    string
	Password events.SecretID
}

func (c EnrollFactor) Name() string { return "EnrollFactor" }

func (c EnrollFactor) Home(_ Issued) events.Boundary { return events.OfUser(c.User) }

func (c EnrollFactor) Target() (events.AccountID, *events.Subject) {
	return onUser(events.AccountID{}, c.User)
}

func (c EnrollFactor) Decide(w *World, is Issued) error {
	u, err := w.myself(c.User)
	if err != nil {
		return err
	}
	if err := w.fresh(u, c.Password); err != nil {
		return err
	}
	if !slices.Contains([]string{events.FactorTOTP, events.FactorSMS, events.FactorPasskey}, c.Method) {
		return invalid("body.method", "no such method")
	}
	label, err := note(u.Key, c.Label)
	if err != nil {
		return err
	}
	if len(u.unfinished(c.Method, is.At).factors) >= maxFactors {
		return invalid("body.method", "at most %d factors: remove one first", maxFactors)
	}
	w.record(events.OfUser(c.User), events.FactorEnrolled{Factor: c.Factor, Method: c.Method, Secret: c.Secret, Label: label, ExpiresAt: is.At.Add(EnrolWithin)})
	return nil
}

// unfinished is the user without what was begun and never verified: an enrolment makes room for itself.
func (u User) unfinished(method string, at events.Time) User {
	return u.without(func(f Factor) bool { return !f.Verified && (f.Method == method || f.ExpiresAt <= at) })
}

// VerifyFactor ends an enrolment: a code of the factor has been shown. Step is which: it works once.
type VerifyFactor struct {
	User   events.UserID
	Factor events.FactorID
	Step   int64
}

func (c VerifyFactor) Name() string { return "VerifyFactor" }

func (c VerifyFactor) Home(_ Issued) events.Boundary { return events.OfUser(c.User) }

func (c VerifyFactor) Target() (events.AccountID, *events.Subject) {
	return onUser(events.AccountID{}, c.User)
}

func (c VerifyFactor) Decide(w *World, is Issued) error {
	u, err := w.myself(c.User)
	if err != nil {
		return err
	}
	f, ok := u.Factor(c.Factor)
	switch {
	case !ok || f.Verified || f.ExpiresAt <= is.At:
		return refuse(NotFound, "there is no such factor to be verified: begin anew")
	case c.Step <= f.Step:
		return errCode()
	}
	b, first := events.OfUser(c.User), !u.TwoFactor()
	if f.Method == events.FactorSMS { // one number at a time
		for _, other := range u.factors {
			if other.Method == events.FactorSMS && other.ID != f.ID {
				w.record(b, events.FactorRemoved{Factor: other.ID})
			}
		}
	}
	w.record(b, events.FactorVerified{Factor: f.ID, Step: c.Step})
	if first { // whoever else is signed in has never shown it
		w.endOthers(u, "factor_added")
	}
	return nil
}

// EnrollPasskey adds a passkey that an authenticator has just made and proved. Step is the moment at which it was asked.
type EnrollPasskey struct {
	User     events.UserID
	Factor   events.FactorID
	Secret   events.SecretID
	Label    string
	Password events.SecretID
	Step     int64
}

func (c EnrollPasskey) Name() string { return "EnrollFactor" }

func (c EnrollPasskey) Home(_ Issued) events.Boundary { return events.OfUser(c.User) }

func (c EnrollPasskey) Target() (events.AccountID, *events.Subject) {
	return onUser(events.AccountID{}, c.User)
}

func (c EnrollPasskey) Decide(w *World, is Issued) error {
	if _, ok := w.User(c.User).Factor(c.Factor); ok && is.self(c.User) {
		return errCode() // what the authenticator has answered counts once
	}
	enrol := EnrollFactor{c.User, c.Factor, events.FactorPasskey, c.Secret, c.Label, c.Password}
	if err := enrol.Decide(w, is); err != nil {
		return err
	}
	return VerifyFactor{c.User, c.Factor, c.Step}.Decide(w, is)
}

// errCode says nothing of why: a code that is wrong, too old, or has been used reads alike.
func errCode() error { return refuse(BadCredentials, "the code is wrong or has been used") }

// RemoveFactor takes one of one's own factors away.
type RemoveFactor struct {
	User     events.UserID
	Factor   events.FactorID
	Password events.SecretID
}

func (c RemoveFactor) Name() string { return "RemoveFactor" }

func (c RemoveFactor) Home(_ Issued) events.Boundary { return events.OfUser(c.User) }

func (c RemoveFactor) Target() (events.AccountID, *events.Subject) {
	return onUser(events.AccountID{}, c.User)
}

func (c RemoveFactor) Decide(w *World, is Issued) error {
	u, err := w.myself(c.User)
	if err != nil {
		return err
	}
	if _, ok := u.Factor(c.Factor); !ok {
		return refuse(NotFound, "no such factor")
	}
	if err := w.fresh(u, c.Password); err != nil {
		return err
	}
	w.record(events.OfUser(c.User), events.FactorRemoved{Factor: c.Factor})
	return nil
}

// IssueRecoveryCodes replaces one's recovery codes. Secret is where their hashes are.
type IssueRecoveryCodes struct {
	User     events.UserID
	Secret   events.SecretID
	Password events.SecretID
}

func (c IssueRecoveryCodes) Name() string { return "IssueRecoveryCodes" }

func (c IssueRecoveryCodes) Home(_ Issued) events.Boundary { return events.OfUser(c.User) }

func (c IssueRecoveryCodes) Target() (events.AccountID, *events.Subject) {
	return onUser(events.AccountID{}, c.User)
}

func (c IssueRecoveryCodes) Decide(w *World, is Issued) error {
	u, err := w.myself(c.User)
	if err != nil {
		return err
	}
	if err := w.fresh(u, c.Password); err != nil {
		return err
	}
	if !u.TwoFactor() {
		return invalid("body", "recovery codes stand in for a second factor: add one first")
	}
	w.record(events.OfUser(c.User), events.RecoveryCodesIssued{Secret: c.Secret, Codes: RecoveryCodes})
	return nil
}

// ResetFactors takes all of a user's factors and recovery codes away: by the operator, or by an administrator of an
// account whose permissions cover the member's, in every account that the person has (SPEC 4.5): what is taken away
// guards all of them.
type ResetFactors struct {
	Account events.AccountID // zero for the operator's
	User    events.UserID
}

func (c ResetFactors) Name() string { return "ResetFactors" }

func (c ResetFactors) Home(_ Issued) events.Boundary { return events.OfUser(c.User) }

func (c ResetFactors) Target() (events.AccountID, *events.Subject) { return onUser(c.Account, c.User) }

func (c ResetFactors) Decide(w *World, is Issued) error {
	if err := w.mayResetFactors(c.Account, c.User); err != nil {
		return err
	}
	u := w.User(c.User)
	if len(u.factors) == 0 && u.recovery == (recovery{}) {
		return nil
	}
	w.record(events.OfUser(c.User), events.FactorReset{Account: c.Account})
	w.endOthers(u, "factor_reset")
	return nil
}

func (w *World) mayResetFactors(account events.AccountID, user events.UserID) error {
	if account.IsZero() {
		u := w.User(user)
		switch {
		case !w.is.operator():
			return refuse(NotPermitted, "only the operator resets factors beyond an account")
		case !u.Registered || u.Erased:
			return refuse(NotFound, "no such user")
		}
		return nil
	}
	if w.is.self(user) {
		return w.notOneself(account, "one's own factors are removed under /v1/me/factors")
	}
	_, m, _, err := w.mayChange(account, user, UsersResetFactors)
	if err != nil {
		return err
	}
	if err := m.direct(); err != nil || w.is.operator() {
		return err
	}
	for _, id := range w.User(user).Accounts() {
		chain := w.chain(id)
		held := w.accessIn(chain, user).held
		if own := w.mine(chain); len(held) > 0 && !own.covers(held) {
			return refuse(ExceedsOwnAccess, "this user may do more than you, here or in another account: the operator can reset it")
		}
	}
	return nil
}

// endOthers ends every session of a user but the one that asks.
func (w *World) endOthers(u User, because string) {
	for id := range u.sessions.All() {
		if !w.is.self(u.ID) || id != w.is.Actor.Session {
			w.record(events.OfUser(u.ID), events.SessionEnded{Session: id, Because: because})
		}
	}
}
