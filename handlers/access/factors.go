package access

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/google/uuid"

	"roster/domain"
	"roster/events"
	"roster/handlers"
)

// reauthenticate verifies the password of whoever is signed in, with an attempt reserved before, and answers the
// credential that it was. What it was asked for may be written elsewhere, have been done before or be refused: that it
// was right is a fact of its own. Without a password it verifies nothing: the decision then goes by how the session was
// started.
func (a *Access) reauthenticate(ctx context.Context, call handlers.Call, password string) (events.SecretID, error) {
	user := call.Actor.User()
	if password == "" || user.IsZero() {
		return events.SecretID{}, nil
	}
	attempt, err := a.attempt(ctx, call, user, domain.MethodPassword)
	if err != nil {
		return events.SecretID{}, err
	}
	u, _, err := a.app.User(ctx, user)
	if err != nil {
		return events.SecretID{}, err
	}
	if err := a.verifyPassword(ctx, u, password); err != nil {
		return events.SecretID{}, err
	}
	call = bare(call)
	call.Cause = causedBy(attempt)
	_, err = a.app.Do(ctx, call, domain.ConfirmPassword{User: user, Password: u.Password})
	return u.Password, err
}

// attempt reserves one for whoever is signed in: their session has a counter of its own.
func (a *Access) attempt(ctx context.Context, call handlers.Call, user events.UserID, factor string) (events.CommitID, error) {
	return a.reserve(ctx, bare(call), domain.ReserveAttempt{Subject: user.Any(), User: user, Factor: factor})
}

// bare is a call for what goes before the thing that was asked for: the key and the version are that one's.
func bare(call handlers.Call) handlers.Call {
	call.Key, call.Request, call.IfMatch = "", nil, nil
	return call
}

// verifyPassword refuses what is not the user's password.
func (a *Access) verifyPassword(ctx context.Context, u domain.User, password string) error {
	hash, err := a.vault.Password(ctx, u.Password)
	if errors.Is(err, handlers.ErrErased) { // while we were asking
		return badCredentials()
	}
	if err != nil {
		return fmt.Errorf("verify a password: %w", err)
	}
	ok, _, err := a.passwords.Verify(ctx, password, hash)
	if err != nil {
		return fmt.Errorf("verify a password: %w", err)
	}
	if !ok {
		return badCredentials()
	}
	return nil
}

// NewTOTP is an authenticator app about to be verified. The secret is shown this once: of what had been done before,
// under the same idempotency key, there is none.
type NewTOTP struct {
	Factor  domain.Factor
	Secret  string // base32, to be typed
	URL     string // otpauth:
	Picture string // of the URL: a PNG in a data: address
	Result  handlers.Result
}

// EnrollTOTP begins an authenticator app for whoever is signed in. Name is what the app shows beside the issuer.
func (a *Access) EnrollTOTP(ctx context.Context, call handlers.Call, password, label, issuer, name string) (NewTOTP, error) {
	seed := make([]byte, seedSize)
	if _, err := rand.Read(seed); err != nil {
		return NewTOTP{}, err
	}
	f, r, err := a.enroll(ctx, call, password, events.FactorTOTP, label, seed)
	if err != nil || r.Repeat {
		return NewTOTP{Factor: f, Result: r}, err
	}
	made := NewTOTP{Factor: f, Secret: seedText(seed), Result: r}
	made.URL = otpauth(issuer, name, made.Secret)
	made.Picture, err = picture(made.URL)
	return made, err
}

// enroll begins a factor. The secret is kept only once it is known that nothing else stands in the way.
func (a *Access) enroll(ctx context.Context, call handlers.Call, password, method, label string, secret []byte) (domain.Factor, handlers.Result, error) {
	cmd := domain.EnrollFactor{User: call.Actor.User(), Factor: events.FactorID(uuid.Must(uuid.NewV7())), Method: method, Label: label}
	r, done, err := a.app.Done(ctx, call, cmd)
	if err == nil && !done {
		r, err = a.enrollNew(ctx, call, password, cmd, secret)
	}
	if err != nil {
		return domain.Factor{}, handlers.Result{}, err
	}
	u, _, err := a.app.User(ctx, cmd.User)
	f, _ := u.Factor(factorOf(r, cmd.Factor))
	return f, r, err
}

func (a *Access) enrollNew(ctx context.Context, call handlers.Call, password string, cmd domain.EnrollFactor, secret []byte) (handlers.Result, error) {
	verified, err := a.reauthenticate(ctx, call, password)
	if err != nil {
		return handlers.Result{}, err
	}
	cmd.Password = verified
	if err := a.app.Ask(ctx, call, cmd); err != nil {
		return handlers.Result{}, err
	}
	if secret == nil {
		return a.changing(ctx, call, cmd.User, cmd)
	}
	return a.keeping(ctx, call, cmd.User, cmd.Method, secret, func(id events.SecretID) domain.Command {
		cmd.Secret = id
		return cmd
	})
}

// factorOf is the factor that a command has begun or verified: another than was meant, where it had been done before.
func factorOf(r handlers.Result, meant events.FactorID) events.FactorID {
	for _, c := range r.Commits {
		for _, f := range c.Facts {
			//roster:partial no other fact is about a factor that is there
			switch f := f.(type) {
			case events.FactorEnrolled:
				return f.Factor
			case events.FactorVerified:
				return f.Factor
			}
		}
	}
	return meant
}

// keeping keeps a secret and carries out the command that names it. Where the command is refused, or had been done
// before, nobody will ever name it, and it is destroyed.
func (a *Access) keeping(ctx context.Context, call handlers.Call, user events.UserID, kind string, value []byte, cmd func(events.SecretID) domain.Command) (handlers.Result, error) {
	id, err := a.vault.PutSecret(ctx, user, kind, value)
	if err != nil {
		return handlers.Result{}, fmt.Errorf("keep a %s secret: %w", kind, err)
	}
	r, err := a.changing(ctx, call, user, cmd(id))
	if refusal := (*domain.Error)(nil); r.Repeat || errors.As(err, &refusal) {
		if fault := a.vault.DestroySecret(ctx, id); fault != nil {
			return r, fmt.Errorf("forget a %s secret: %w", kind, fault)
		}
	}
	return r, err
}

// VerifyFactor ends an enrolment with a code.
func (a *Access) VerifyFactor(ctx context.Context, call handlers.Call, id events.FactorID, code string) (handlers.Result, error) {
	user := call.Actor.User()
	if r, done, err := a.app.Done(ctx, call, domain.VerifyFactor{User: user}); done || err != nil {
		return r, err
	}
	attempt, err := a.attempt(ctx, call, user, "code")
	if err != nil {
		return handlers.Result{}, err
	}
	u, _, err := a.app.User(ctx, user)
	if err != nil {
		return handlers.Result{}, err
	}
	call.Cause = causedBy(attempt)
	f, ok := u.Factor(id)
	if !ok { // refused by the decision, as what is there no more is
		return a.app.Do(ctx, call, domain.VerifyFactor{User: user, Factor: id})
	}
	step, ok, err := a.codeOf(ctx, user, f, f.EnrolledAt, plainCode(code))
	if err != nil {
		return handlers.Result{}, err
	}
	if !ok {
		return handlers.Result{}, wrongCode()
	}
	return a.app.Do(ctx, call, domain.VerifyFactor{User: user, Factor: id, Step: step})
}

// RemoveFactor takes a factor of whoever is signed in away, and what the vault holds of it.
func (a *Access) RemoveFactor(ctx context.Context, call handlers.Call, id events.FactorID, password string) (handlers.Result, error) {
	cmd := domain.RemoveFactor{User: call.Actor.User(), Factor: id}
	if r, done, err := a.app.Done(ctx, call, cmd); done || err != nil {
		return r, err
	}
	verified, err := a.reauthenticate(ctx, call, password)
	if err != nil {
		return handlers.Result{}, err
	}
	cmd.Password = verified
	return a.changing(ctx, call, cmd.User, cmd)
}

// ResetFactors takes everything away that a user shows beside the password (SPEC 4.5).
func (a *Access) ResetFactors(ctx context.Context, call handlers.Call, cmd domain.ResetFactors) (handlers.Result, error) {
	return a.changing(ctx, call, cmd.User, cmd)
}

// changing carries a command out and destroys the secrets that are used no more. Where that is cut short, the eraser
// finishes it.
func (a *Access) changing(ctx context.Context, call handlers.Call, user events.UserID, cmd domain.Command) (handlers.Result, error) {
	before, _, err := a.app.User(ctx, user)
	if err != nil {
		return handlers.Result{}, err
	}
	r, err := a.app.Do(ctx, call, cmd)
	if err != nil {
		return handlers.Result{}, err
	}
	return r, a.forget(ctx, before)
}

// forget destroys what has been replaced since a state.
func (a *Access) forget(ctx context.Context, before domain.User) error {
	u, _, err := a.app.User(ctx, before.ID)
	if err != nil {
		return err
	}
	for _, id := range u.Replaced {
		if slices.Contains(before.Replaced, id) {
			continue
		}
		if err := a.vault.DestroySecret(ctx, id); err != nil {
			return fmt.Errorf("forget a factor: %w", err)
		}
	}
	return nil
}

// NewRecoveryCodes replaces the recovery codes of whoever is signed in. They are shown this once: of what had been done
// before, under the same idempotency key, there are none.
func (a *Access) NewRecoveryCodes(ctx context.Context, call handlers.Call, password string) ([]string, handlers.Result, error) {
	cmd := domain.IssueRecoveryCodes{User: call.Actor.User()}
	if r, done, err := a.app.Done(ctx, call, cmd); done || err != nil {
		return nil, r, err
	}
	verified, err := a.reauthenticate(ctx, call, password)
	if err != nil {
		return nil, handlers.Result{}, err
	}
	cmd.Password = verified
	if err := a.app.Ask(ctx, call, cmd); err != nil {
		return nil, handlers.Result{}, err
	}
	codes := make([]string, domain.RecoveryCodes)
	var hashes []byte
	for i := range codes {
		raw := make([]byte, 10)
		if _, err := rand.Read(raw); err != nil {
			return nil, handlers.Result{}, err
		}
		text := seedText(raw)
		sum := sha256.Sum256([]byte(text))
		hashes = append(hashes, sum[:]...)
		codes[i] = strings.Join([]string{text[:4], text[4:8], text[8:12], text[12:]}, "-")
	}
	r, err := a.keeping(ctx, call, cmd.User, domain.MethodRecovery, hashes, func(id events.SecretID) domain.Command {
		cmd.Secret = id
		return cmd
	})
	if err != nil || r.Repeat {
		return nil, r, err
	}
	return codes, r, nil
}
