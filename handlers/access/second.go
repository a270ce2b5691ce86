package access

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"

	"roster/domain"
	"roster/events"
	"roster/handlers"
	"roster/handlers/origin"
)

// Shown is a factor as it is shown to whoever has to use one.
type Shown struct {
	ID     events.FactorID
	Method string
	Label  string // of a number, its end alone
}

// start begins a session, or answers what has to be shown first. Everything but the session and its token is in cmd.
func (a *Access) start(ctx context.Context, call handlers.Call, cmd domain.StartSession) (SignedIn, error) {
	known := a.knownDevice(cmd.User, call.Device)
	cmd.Session = events.SessionID(uuid.Must(uuid.NewV7()))
	token, hash, err := a.tokens.MintSession(cmd.User, cmd.Session)
	if err != nil {
		return SignedIn{}, err
	}
	cmd.TokenHash = hash
	if known.IsZero() {
		if cmd.Elsewhere, err = a.elsewhere(ctx, cmd.User, call.Origin); err != nil {
			return SignedIn{}, err
		}
	}
	call.Actor = events.Actor{Type: events.ByUser, ID: cmd.User.String(), Session: cmd.Session}
	r, err := a.app.Do(ctx, call, cmd)
	switch {
	case errors.Is(err, handlers.ErrErased):
		return SignedIn{}, badCredentials()
	case isCode(err, domain.SecondFactorRequired):
		return a.challenged(ctx, challenge{cmd.User, cmd.Password, cmd.Attempt, a.app.Now(), cmd.SSO, cmd.Once})
	case err != nil:
		return SignedIn{}, err
	}
	in := SignedIn{Token: token, User: cmd.User, Session: cmd.Session, Result: r, Device: call.Device}
	if known.IsZero() {
		in.Device = a.writeDevice(cmd.User, events.AnyID(uuid.Must(uuid.NewV7())))
	}
	return in, nil
}

// looksBack is how many of somebody's sessions a sign-in is held against.
const looksBack = 10

// elsewhere says that somebody who is signed in already signs in by another kind of device, or from another network
// address, than with any of their last sessions: they are told (RELIABILITY S22, ASVS 6.3.5).
func (a *Access) elsewhere(ctx context.Context, user events.UserID, now events.OriginInfo) (bool, error) {
	u, _, err := a.app.User(ctx, user)
	if err != nil {
		return false, err
	}
	live := u.Live(a.app.Now())
	live = slices.DeleteFunc(live, func(s domain.Session) bool { return s.OpenedBy != "" || s.Portal != "" })
	for _, s := range live[:min(len(live), looksBack)] {
		from, err := a.app.Origin(ctx, events.OfUser(user), s.Pos)
		if errors.Is(err, handlers.ErrErased) {
			return false, nil
		}
		if err != nil || sameKind(from, now) {
			return false, err
		}
	}
	return len(live) > 0, nil
}

// sameKind leaves out versions: nobody is told that a browser has been brought up to date.
func sameKind(a, b events.OriginInfo) bool {
	name, system := origin.Browser(a.Device)
	other, otherSystem := origin.Browser(b.Device)
	return a.IP == b.IP && name == other && system == otherSystem
}

func isCode(err error, code domain.Code) bool {
	var refusal *domain.Error
	return errors.As(err, &refusal) && refusal.Code == code
}

// challenged answers a challenge with the factors that may meet it.
func (a *Access) challenged(ctx context.Context, c challenge) (SignedIn, error) {
	asked, err := a.asked(ctx, c.user)
	if err != nil {
		return SignedIn{}, err
	}
	in := SignedIn{User: c.user, Challenge: a.writeChallenge(c), ExpiresAt: c.at.Add(challengeWithin)}
	for _, f := range asked {
		if f.Method == events.FactorSMS {
			if err := a.textCode(ctx, c.user, f, c.at); err != nil {
				return SignedIn{}, err
			}
		}
	}
	in.Factors, err = a.shown(ctx, c.user, asked)
	return in, err
}

// shown are factors as they are shown to whoever has to use one.
func (a *Access) shown(ctx context.Context, user events.UserID, factors []domain.Factor) (list []Shown, err error) {
	for _, f := range factors {
		label, err := a.Label(ctx, user, f)
		if err != nil {
			return nil, err
		}
		if f.Method == events.FactorSMS { // nobody has to learn the number who has only the password
			label = "…" + label[max(0, len(label)-2):]
		}
		list = append(list, Shown{f.ID, f.Method, label})
	}
	return list, nil
}

func (a *Access) asked(ctx context.Context, user events.UserID) (list []domain.Factor, err error) {
	return list, a.app.Ask(ctx, handlers.Call{Actor: handlers.System("access")}, domain.AskFactors(user, &list))
}

// Label opens what a factor is called.
func (a *Access) Label(ctx context.Context, user events.UserID, f domain.Factor) (string, error) {
	var n events.Note
	if _, err := a.app.OpenSealed(ctx, events.OfUser(user), events.KindOf(events.FactorEnrolled{}), "label", f.Label, &n); err != nil {
		return "", fmt.Errorf("a factor's name: %w", err)
	}
	return n.Text, nil
}

// SecondFactor ends a sign-in that a password has begun: with a code of the factor named, or, where none is, of
// whichever it is of (SPEC 4.5). An attempt is reserved before anything is looked at.
func (a *Access) SecondFactor(ctx context.Context, call handlers.Call, text string, factor events.FactorID, code string) (SignedIn, error) {
	c, ok := a.readChallenge(text)
	if !ok {
		return SignedIn{}, errChallenge()
	}
	code = plainCode(code)
	kind := "code"
	if isRecovery(code) {
		kind = domain.MethodRecovery
	}
	call.Actor, call.Key = a.caller(c.user, call.Device), ""
	attempt, err := a.reserve(ctx, call, domain.ReserveAttempt{Subject: c.user.Any(), User: c.user, Factor: kind})
	if err != nil {
		return SignedIn{}, err
	}
	u, _, err := a.app.User(ctx, c.user)
	if err != nil {
		return SignedIn{}, err
	}
	if u.Erased || u.Locked || c.sso.IsZero() && u.Password != c.password {
		return SignedIn{}, errChallenge()
	}
	cmd := domain.StartSession{User: c.user, Password: c.password, Attempt: attempt, Challenge: c.attempt, SSO: c.sso, Once: c.once}
	if err := a.verifyCode(ctx, u, c, factor, code, &cmd); err != nil {
		return SignedIn{}, err
	}
	call.Cause = causedBy(c.attempt)
	return a.start(ctx, call, cmd)
}

// causedBy is the fact of an attempt's commit as a cause.
func causedBy(attempt events.CommitID) string {
	if attempt.IsZero() {
		return ""
	}
	return attempt.String() + ".0"
}

// plainCode is a code without what people type between its parts.
func plainCode(code string) string {
	if len(code) > 64 {
		return ""
	}
	return strings.ToUpper(strings.NewReplacer(" ", "", "-", "").Replace(code))
}

func isDigits(code string) bool { return len(code) == 6 && strings.Trim(code, "0123456789") == "" }

func wrongCode() error {
	return &domain.Error{Code: domain.BadCredentials, Detail: "the code is wrong or has been used"}
}

// verifyCode finds what a code is of. Whether it has been used the decision tells, by what it compares.
func (a *Access) verifyCode(ctx context.Context, u domain.User, c challenge, factor events.FactorID, code string, into *domain.StartSession) error {
	if isRecovery(code) && factor.IsZero() {
		secret, _ := u.Recovery()
		n, err := a.recoveryCode(ctx, secret, code)
		if err == nil && n > 0 {
			into.Method, into.Step, into.Recovery = domain.MethodRecovery, int64(n), secret
			return nil
		}
		return orWrong(err)
	}
	asked, err := a.asked(ctx, u.ID)
	if err != nil || !isDigits(code) {
		return orWrong(err)
	}
	for _, f := range asked {
		if !factor.IsZero() && f.ID != factor {
			continue
		}
		step, ok, err := a.codeOf(ctx, u.ID, f, c.at, code)
		if err != nil {
			return err
		}
		if ok {
			into.Method, into.Factor, into.Step = f.Method, f.ID, step
			return nil
		}
	}
	return wrongCode()
}

// orWrong is a fault, or else that the code is wrong. A secret destroyed meanwhile verifies nothing.
func orWrong(err error) error {
	if err == nil || errors.Is(err, handlers.ErrErased) {
		return wrongCode()
	}
	return err
}

// smsWithin is how long a code by SMS is good for.
const smsWithin = 5 * time.Minute

// codeOf says whether six digits are a code of a factor now, and which. sent is when a code by SMS was.
func (a *Access) codeOf(ctx context.Context, user events.UserID, f domain.Factor, sent events.Time, code string) (step int64, ok bool, err error) {
	switch f.Method {
	case events.FactorTOTP:
		seed, err := a.vault.Secret(ctx, f.Secret)
		if errors.Is(err, handlers.ErrErased) {
			return 0, false, nil
		}
		if err != nil {
			return 0, false, fmt.Errorf("a factor: %w", err)
		}
		step, ok = checkTOTP(seed, code, a.app.Now())
		return step, ok, nil
	case events.FactorSMS:
		age := a.app.Now().Sub(sent)
		same := subtle.ConstantTimeCompare([]byte(a.smsCode(user, f.ID, sent)), []byte(code)) == 1
		return int64(sent), same && age >= 0 && age < smsWithin, nil
	}
	return 0, false, nil
}

// smsCode is the code that is sent to a number at a moment. Nothing has to be kept of it: it works once, since the
// moment is the step that the user's state remembers.
func (a *Access) smsCode(user events.UserID, factor events.FactorID, sent events.Time) string {
	mac := a.tokens.MAC(purposeSMS, append(append(append([]byte{sealVersion}, user[:]...), factor[:]...), timeBytes(sent)...))
	return fmt.Sprintf("%06d", binary.BigEndian.Uint64(mac[:8])%1_000_000)
}

// recoverySize is how many characters a recovery code has: 80 bits in base32.
const recoverySize = 16

func isRecovery(code string) bool {
	return len(code) == recoverySize && strings.Trim(code, "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567") == ""
}

// recoveryCode finds which of the recovery codes a code is; 0: none. It compares with each.
func (a *Access) recoveryCode(ctx context.Context, secret events.SecretID, code string) (n int, err error) {
	if secret.IsZero() {
		return 0, nil
	}
	hashes, err := a.vault.Secret(ctx, secret)
	if err != nil {
		return 0, err
	}
	sum := sha256.Sum256([]byte(code))
	for i := 0; (i+1)*len(sum) <= len(hashes); i++ {
		if subtle.ConstantTimeCompare(sum[:], hashes[i*len(sum):(i+1)*len(sum)]) == 1 {
			n = i + 1
		}
	}
	return n, nil
}
