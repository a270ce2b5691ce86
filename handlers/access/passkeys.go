package access

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/google/uuid"

	"roster/domain"
	"roster/events"
	"roster/handlers"
)

// ErrPasskey says that an answer of an authenticator proves nothing. It says nothing of why.
var ErrPasskey = errors.New("the passkey proves nothing")

// PasskeyUser is somebody with passkeys, as an authenticator is told of them.
type PasskeyUser struct {
	ID            events.UserID
	Name, Display string
	Credentials   [][]byte // as Registered answered them
}

// Passkeys speaks WebAuthn. Options and responses are the JSON that browsers make and take; a session is what has to be
// remembered between them.
type Passkeys interface {
	Register(u PasskeyUser) (options, session []byte, err error)
	Registered(u PasskeyUser, session, response []byte) (credential []byte, err error)
	// Ask is for one of a user's passkeys; nil for anybody's, which then has to verify the person, too.
	Ask(u *PasskeyUser) (options, session []byte, err error)
	Whose(response []byte) (events.UserID, error)
	// Answered says which of the user's it was, and its signature counter. One that is not above what it was when it was
	// registered proves nothing, except 0 after 0.
	Answered(u PasskeyUser, session, response []byte) (which int, count uint32, err error)
}

// UsePasskeys lets people register and show passkeys. It is called before anything else.
func (a *Access) UsePasskeys(p Passkeys) { a.passkeys = p }

// CanPasskeys says that there are passkeys.
func (a *Access) CanPasskeys() bool { return a.passkeys != nil }

const (
	purposeRegister = "passkey.register"
	purposeShow     = "passkey.show"
)

// Ceremony is what a browser needs to talk to an authenticator. State comes back with its answer.
type Ceremony struct {
	Options   json.RawMessage
	State     string
	ExpiresAt events.Time
}

// ceremony is what the state says. Nothing in it is secret, and nothing of it can be changed.
type ceremony struct {
	User      events.UserID    `json:"user,omitzero"`
	Factor    events.FactorID  `json:"factor,omitzero"`    // that a registration makes: once
	SignedIn  events.SessionID `json:"signed_in,omitzero"` // whose registration it is
	Password  events.SecretID  `json:"password,omitzero"`  // that was verified for it
	Label     string           `json:"label,omitempty"`
	Challenge string           `json:"challenge,omitempty"` // that it is to meet; none for a passkey alone
	At        events.Time      `json:"at"`
	Data      json.RawMessage  `json:"data"`
}

func (a *Access) ceremony(purpose string, c ceremony, options []byte) (Ceremony, error) {
	raw, err := json.Marshal(c)
	if err != nil {
		return Ceremony{}, err
	}
	mac := a.tokens.MAC(purpose, raw)
	state := base64.RawURLEncoding.EncodeToString(raw) + "." + base64.RawURLEncoding.EncodeToString(mac[:])
	return Ceremony{Options: options, State: state, ExpiresAt: c.At.Add(challengeWithin)}, nil
}

func (a *Access) readCeremony(purpose, state string) (c ceremony, ok bool) {
	text, sum, _ := strings.Cut(state, ".")
	raw, err1 := base64.RawURLEncoding.Strict().DecodeString(text)
	got, err2 := base64.RawURLEncoding.Strict().DecodeString(sum)
	mac := a.tokens.MAC(purpose, raw)
	if err1 != nil || err2 != nil || len(got) != len(mac) || !same(events.Hash(got), events.Hash(mac)) || json.Unmarshal(raw, &c) != nil {
		return ceremony{}, false
	}
	age := a.app.Now().Sub(c.At)
	return c, age >= 0 && age < challengeWithin
}

// passkeysOf are the passkeys of a user with their credentials, in the same order.
func (a *Access) passkeysOf(ctx context.Context, u domain.User) (list []domain.Factor, credentials [][]byte, err error) {
	for _, f := range u.Factors() {
		if f.Method != events.FactorPasskey || !f.Verified {
			continue
		}
		credential, err := a.vault.Secret(ctx, f.Secret)
		if errors.Is(err, handlers.ErrErased) { // while we were asking
			continue
		}
		if err != nil {
			return nil, nil, fmt.Errorf("a passkey: %w", err)
		}
		list, credentials = append(list, f), append(credentials, credential)
	}
	return list, credentials, nil
}

// BeginPasskey begins a passkey of whoever is signed in, who says their password once more or is fresh.
func (a *Access) BeginPasskey(ctx context.Context, call handlers.Call, password, label, name, display string) (Ceremony, error) {
	verified, err := a.reauthenticate(ctx, call, password)
	if err != nil {
		return Ceremony{}, err
	}
	cmd := domain.EnrollPasskey{User: call.Actor.User(), Factor: events.FactorID(uuid.Must(uuid.NewV7())), Label: label, Password: verified, Step: 1}
	if err := a.app.Ask(ctx, call, cmd); err != nil {
		return Ceremony{}, err
	}
	u, _, err := a.app.User(ctx, cmd.User)
	if err != nil {
		return Ceremony{}, err
	}
	_, credentials, err := a.passkeysOf(ctx, u)
	if err != nil {
		return Ceremony{}, err
	}
	options, session, err := a.passkeys.Register(PasskeyUser{u.ID, name, display, credentials})
	if err != nil {
		return Ceremony{}, err
	}
	c := ceremony{User: u.ID, Factor: cmd.Factor, SignedIn: call.Actor.Session, Password: verified, Label: label, At: a.app.Now(), Data: session}
	return a.ceremony(purposeRegister, c, options)
}

// AddPasskey ends the registration that a state has begun.
func (a *Access) AddPasskey(ctx context.Context, call handlers.Call, state string, response []byte) (events.FactorID, handlers.Result, error) {
	if r, done, err := a.app.Done(ctx, call, domain.EnrollPasskey{User: call.Actor.User()}); done || err != nil {
		return factorOf(r, events.FactorID{}), r, err
	}
	cmd, c, credential, err := a.newPasskey(call, state, response)
	if err != nil {
		return events.FactorID{}, handlers.Result{}, err
	}
	if err := a.app.Ask(ctx, call, cmd); err != nil {
		return events.FactorID{}, handlers.Result{}, err
	}
	r, err := a.keeping(ctx, call, c.User, events.FactorPasskey, credential, func(id events.SecretID) domain.Command {
		cmd.Secret = id
		return cmd
	})
	return factorOf(r, cmd.Factor), r, err
}

// newPasskey reads what a browser has answered to the registration that a state has begun.
func (a *Access) newPasskey(call handlers.Call, state string, response []byte) (domain.EnrollPasskey, ceremony, []byte, error) {
	c, ok := a.readCeremony(purposeRegister, state)
	if !ok || c.User != call.Actor.User() || c.SignedIn != call.Actor.Session {
		return domain.EnrollPasskey{}, c, nil, errChallenge()
	}
	credential, err := a.passkeys.Registered(PasskeyUser{ID: c.User}, c.Data, response)
	if errors.Is(err, ErrPasskey) {
		err = wrongPasskey()
	}
	return domain.EnrollPasskey{User: c.User, Factor: c.Factor, Label: c.Label, Password: c.Password, Step: int64(c.At)}, c, credential, err
}

// PlanPasskey is the command that AddPasskey would come to. The state stays good.
func (a *Access) PlanPasskey(call handlers.Call, state string, response []byte) (domain.Command, error) {
	cmd, _, _, err := a.newPasskey(call, state, response)
	return cmd, err
}

func wrongPasskey() error {
	return &domain.Error{Code: domain.BadCredentials, Detail: "the passkey was not accepted"}
}

// AskPasskey makes what a browser needs to show a passkey: one of the user's whose challenge it is, or, without a
// challenge, of whoever signs in by it alone.
func (a *Access) AskPasskey(ctx context.Context, text string) (Ceremony, error) {
	c := ceremony{Challenge: text, At: a.app.Now()}
	var whose *PasskeyUser
	if text != "" {
		met, ok := a.readChallenge(text)
		if !ok {
			return Ceremony{}, errChallenge()
		}
		u, _, err := a.app.User(ctx, met.user)
		if err != nil {
			return Ceremony{}, err
		}
		_, credentials, err := a.passkeysOf(ctx, u)
		if err != nil {
			return Ceremony{}, err
		}
		if len(credentials) == 0 {
			return Ceremony{}, &domain.Error{Code: domain.NotFound, Detail: "there is no passkey to be shown"}
		}
		c.User, whose = u.ID, &PasskeyUser{ID: u.ID, Credentials: credentials}
	}
	options, session, err := a.passkeys.Ask(whose)
	if err != nil {
		return Ceremony{}, err
	}
	c.Data = session
	return a.ceremony(purposeShow, c, options)
}

// passkeyBarred refuses a passkey alone where a password would be refused, whether or not its holder has ever come by
// the provider that is asked for.
func (a *Access) passkeyBarred(ctx context.Context, u domain.User) error {
	if a.providers == nil {
		return nil
	}
	_, email, err := a.app.Person(ctx, u)
	if err != nil {
		return err
	}
	return a.passwordBarred(ctx, email)
}

// ShowPasskey signs in with a passkey: as the second step of the challenge that the state was made for, or alone. An
// attempt is reserved before anything is looked at, and each state works once.
func (a *Access) ShowPasskey(ctx context.Context, call handlers.Call, state string, response []byte) (SignedIn, error) {
	c, ok := a.readCeremony(purposeShow, state)
	if !ok {
		return SignedIn{}, errChallenge()
	}
	cmd := domain.StartSession{User: c.User, Method: events.FactorPasskey, Step: int64(c.At)}
	if c.Challenge != "" {
		met, ok := a.readChallenge(c.Challenge)
		if !ok {
			return SignedIn{}, errChallenge()
		}
		cmd.Password, cmd.Challenge, cmd.SSO, cmd.Once = met.password, met.attempt, met.sso, met.once
		call.Cause = causedBy(met.attempt)
	} else {
		whose, err := a.passkeys.Whose(response)
		if err != nil {
			return SignedIn{}, wrongPasskey()
		}
		cmd.User = whose
	}
	u, _, err := a.app.User(ctx, cmd.User)
	if err != nil {
		return SignedIn{}, err
	}
	if !u.Registered || u.Erased { // nobody's: nothing to count it against, and nothing that could be guessed
		return SignedIn{}, wrongPasskey()
	}
	call.Actor, call.Key = a.caller(u.ID, call.Device), ""
	reserving := call
	reserving.Cause = ""
	if cmd.Attempt, err = a.reserve(ctx, reserving, domain.ReserveAttempt{Subject: u.ID.Any(), User: u.ID, Factor: events.FactorPasskey}); err != nil {
		return SignedIn{}, err
	}
	list, credentials, err := a.passkeysOf(ctx, u)
	if err != nil {
		return SignedIn{}, err
	}
	which, count, err := a.passkeys.Answered(PasskeyUser{ID: u.ID, Credentials: credentials}, c.Data, response)
	if errors.Is(err, ErrPasskey) {
		return SignedIn{}, wrongPasskey()
	}
	if err != nil {
		return SignedIn{}, err
	}
	if c.Challenge == "" {
		if err := a.passkeyBarred(ctx, u); err != nil {
			return SignedIn{}, err
		}
	}
	cmd.Factor, cmd.Count = list[which].ID, count
	return a.start(ctx, call, cmd)
}
