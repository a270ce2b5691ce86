// Package access knows who asks: it signs people in and out, and reads the tokens that come with a request. What it
// answers is decided from the log, never from a table that may lag.
package access

import (
	"cmp"
	"context"
	"crypto/subtle"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/google/uuid"

	"roster/domain"
	"roster/events"
	"roster/handlers"
	"roster/handlers/address"
)

// Passwords hashes and verifies passwords, slowly on purpose and a few at a time.
type Passwords interface {
	Hash(ctx context.Context, password string) (string, error)
	Verify(ctx context.Context, password, hash string) (ok, rehash bool, err error)
	// Dummy does the work of Verify for somebody who has no password.
	Dummy(ctx context.Context, password string) error
	// Common says that a password is one that is tried first.
	Common(password string) bool
}

// Bearer is a token that was read: what it claims to be, and the hash of its secret.
type Bearer struct {
	Type    events.ActorType // ByUser for a session, ByOperator, ByKey
	User    events.UserID
	Session events.SessionID
	Account events.AccountID // of an API key
	Key     events.AnyID
	Hash    events.Hash
}

// Tokens makes and reads bearer tokens. A token that is none is an error.
type Tokens interface {
	MintSession(user events.UserID, session events.SessionID) (token string, hash events.Hash, err error)
	MintKey(account events.AccountID, key events.KeyRefID) (token string, hash events.Hash, err error)
	Parse(token string) (Bearer, error)
	// Bucket answers one of 1,024 fixed ids for an address that nobody holds, so that unknown addresses do the
	// same work as known ones and are stored nowhere, and a source that tells those apart who share an id: however
	// many addresses are tried, each is throttled by tries at itself alone, as a known one is.
	Bucket(address string) (subject, source events.AnyID)
	// MAC authenticates bytes for one purpose.
	MAC(purpose string, b []byte) [32]byte
}

// Access is where tokens are read and people sign in.
type Access struct {
	app       *handlers.App
	vault     handlers.Vault
	passwords Passwords
	tokens    Tokens

	seen      seen      // when sessions were used last
	texting   texting   // codes by SMS
	passkeys  Passkeys  // nil: there are none
	providers Providers // nil: there is no single sign-on
	redirect  string    // where providers send people back to
	refusing  Pace      // sign-ins
	resets    Pace
	moves     Pace     // of addresses
	portal    string   // what the portal is called
	portals   []string // the origins that sign-ins may be handed over to
	frames    bool     // portals show the page in a frame

	mu      sync.Mutex
	refused map[events.AnyID]int   // attempts refused unwritten, by subject
	noted   map[string]events.Time // until when somebody is throttled, by subject and source
}

// New makes an Access.
func New(app *handlers.App, vault handlers.Vault, passwords Passwords, tokens Tokens) *Access {
	return &Access{app: app, vault: vault, passwords: passwords, tokens: tokens, refused: map[events.AnyID]int{}, noted: map[string]events.Time{},
		texting: texting{sent: map[string][]events.Time{}, away: map[string]bool{}}, seen: seen{began: app.Now(), list: map[events.SessionID]*seenSession{}}}
}

// Principal is who asks.
type Principal struct {
	Actor  events.Actor
	Behalf *events.Actor // by a personal key: its owner
	User   domain.User   // zero for the operator, and for a key of an account

	Key     *domain.Key // nil unless an API key asks
	Account events.AccountID
	// Opener is the operator's key where the session is one that the operator has opened for the user: what is done in
	// it is the operator's, on the user's behalf. nil: the person signed in.
	Opener *events.Actor
}

// In is a call by whoever asks.
func (p Principal) In(call handlers.Call) handlers.Call {
	call.Actor, call.Behalf = p.Actor, p.Behalf
	if p.Opener != nil {
		actor := p.Actor
		call.Actor, call.Behalf = *p.Opener, &actor
	}
	return call
}

// Operator says that the operator asks.
func (p Principal) Operator() bool { return p.Actor.Type == events.ByOperator }

// signInRequired says nothing of why: a token that never was, has ended or has expired reads alike.
func signInRequired() error {
	return &domain.Error{Code: domain.SignInRequired, Detail: "sign in, or send a valid token"}
}

// Authenticate reads a bearer token. The refusal is sign_in_required for anything but a live session, a live
// API key or an operator's key.
func (a *Access) Authenticate(ctx context.Context, token string) (Principal, error) {
	b, err := a.tokens.Parse(token)
	if err != nil {
		return Principal{}, signInRequired()
	}
	switch b.Type {
	case events.ByUser:
		u, _, err := a.app.User(ctx, b.User)
		if err != nil {
			return Principal{}, err
		}
		s, ok := u.Session(b.Session)
		if !ok || u.Erased || s.ExpiresAt <= a.app.Now() || !same(s.TokenHash, b.Hash) {
			return Principal{}, signInRequired()
		}
		if alive, err := a.alive(ctx, b.User, s); err != nil || !alive {
			return Principal{}, cmp.Or(err, signInRequired())
		}
		p := Principal{Actor: events.Actor{Type: events.ByUser, ID: b.User.String(), Session: b.Session}, User: u}
		if s.OpenedBy != "" {
			p.Opener = &events.Actor{Type: events.ByOperator, ID: s.OpenedBy}
		}
		return p, nil
	case events.ByOperator:
		p, _, err := a.app.Portal(ctx)
		if err != nil {
			return Principal{}, err
		}
		key, ok := p.Operator(b.Key)
		if !ok || !same(key.Hash, b.Hash) {
			return Principal{}, signInRequired()
		}
		return Principal{Actor: events.Actor{Type: events.ByOperator, ID: b.Key.String()}}, nil
	case events.ByKey:
		return a.authenticateKey(ctx, b)
	case events.ByLink, events.ByIDP, events.BySystem, events.ByAnonymous:
	}
	return Principal{}, signInRequired()
}

func same(a, b events.Hash) bool { return subtle.ConstantTimeCompare(a[:], b[:]) == 1 }

// SignedIn is a session just started: the token is shown this once. Where a second factor is asked for, there is a
// challenge instead, which opens nothing but that step.
type SignedIn struct {
	Token   string
	User    events.UserID
	Session events.SessionID
	Device  string // by which this device is known from now on
	Result  handlers.Result

	Challenge string
	Factors   []Shown
	ExpiresAt events.Time // of the challenge
}

// badCredentials is the same for an address that is unknown, a contact's, or a user's with another password.
func badCredentials() error {
	return &domain.Error{Code: domain.BadCredentials, Detail: "the address or the password is wrong"}
}

// SignIn verifies a password and starts a session (SPEC 4). An attempt is reserved before anything is verified, so
// that the limit holds however many try at once; an unknown address does the same work as a known one, and its refusal
// takes as long.
func (a *Access) SignIn(ctx context.Context, call handlers.Call, email, password string) (SignedIn, error) {
	begin := time.Now()
	s, err := a.signIn(ctx, call, email, password)
	if err != nil {
		a.refusing.Hold(ctx, begin)
	}
	return s, err
}

func (a *Access) signIn(ctx context.Context, call handlers.Call, email, password string) (SignedIn, error) {
	if err := a.passwordBarred(ctx, email); err != nil {
		return SignedIn{}, err
	}
	normal, err := address.Normalize(email)
	if err != nil {
		normal = email
	}
	user, err := a.holder(ctx, normal)
	if err != nil {
		return SignedIn{}, err
	}
	call.Actor, call.Key = a.caller(user.ID, call.Device), ""
	subject := user.ID.Any()
	if !user.Registered {
		subject, call.Actor = a.nobody(normal)
	}
	attempt, err := a.reserve(ctx, call, domain.ReserveAttempt{Subject: subject, User: user.ID, Factor: domain.MethodPassword})
	if err != nil {
		return SignedIn{}, err
	}
	if !user.Registered {
		if err := a.passwords.Dummy(ctx, password); err != nil {
			return SignedIn{}, err
		}
		return SignedIn{}, badCredentials()
	}
	if err := a.verifyPassword(ctx, user, password); err != nil {
		return SignedIn{}, err
	}
	return a.start(ctx, call, domain.StartSession{User: user.ID, Password: user.Password, Attempt: attempt})
}

// nobody is who tries an address that no user holds, and what the tries are counted on.
func (a *Access) nobody(email string) (subject events.AnyID, actor events.Actor) {
	subject, source := a.tokens.Bucket(email)
	return subject, events.Actor{Type: events.ByAnonymous, ID: source.String()}
}

// holder is the user who holds an address, or none.
func (a *Access) holder(ctx context.Context, email string) (domain.User, error) {
	id, _, found, err := a.vault.FindAddress(ctx, email)
	if err != nil || !found {
		return domain.User{}, err
	}
	held, _, err := a.app.Address(ctx, id)
	if err != nil || held.User.IsZero() {
		return domain.User{}, err
	}
	u, _, err := a.app.User(ctx, held.User)
	if err != nil || u.Erased {
		return domain.User{}, err
	}
	return u, nil
}

// Holder answers the user who holds a normalised address; ok is false when nobody does.
func (a *Access) Holder(ctx context.Context, email string) (u domain.User, ok bool, err error) {
	u, err = a.holder(ctx, email)
	return u, u.Registered, err
}

// reserve writes an attempt down; while throttled nothing is written, and the next fact counts what was refused.
func (a *Access) reserve(ctx context.Context, call handlers.Call, cmd domain.ReserveAttempt) (events.CommitID, error) {
	a.mu.Lock()
	cmd.Refused = a.refused[cmd.Subject]
	delete(a.refused, cmd.Subject)
	a.mu.Unlock()
	r, err := a.app.Do(ctx, call, cmd)
	if err == nil {
		return r.Commits[0].ID, nil
	}
	left := cmd.Refused
	var refusal *domain.Error
	if errors.As(err, &refusal) {
		left++
	}
	if left > 0 {
		a.mu.Lock()
		a.refused[cmd.Subject] += left
		a.mu.Unlock()
	}
	if refusal != nil && refusal.Code == domain.RateLimited {
		err = a.throttled(ctx, call, cmd, refusal)
	}
	return events.CommitID{}, err
}

// throttled writes down that somebody is, once for each such while, and answers the refusal.
func (a *Access) throttled(ctx context.Context, call handlers.Call, cmd domain.ReserveAttempt, refusal *domain.Error) error {
	key, now := cmd.Subject.String()+call.Actor.Caller()+call.Actor.Session.String(), a.app.Now()
	a.mu.Lock()
	known := a.noted[key] > now
	a.mu.Unlock()
	if known {
		return refusal
	}
	if _, err := a.app.Do(ctx, call, domain.NoteThrottled{Subject: cmd.Subject, User: cmd.User, Factor: cmd.Factor}); err != nil {
		return err
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	for k, until := range a.noted {
		if until <= now {
			delete(a.noted, k)
		}
	}
	a.noted[key] = now.Add(time.Duration(refusal.Retry-1) * time.Second)
	return refusal
}

// SignOut ends the session that asks.
func (a *Access) SignOut(ctx context.Context, call handlers.Call) (handlers.Result, error) {
	me := call.For()
	return a.app.Do(ctx, call, domain.EndSession{User: me.User(), Session: me.Session})
}

// NewUser makes what a user needs before the first fact about them: an id, a data key and the hash of their
// password, both in the vault. The password has been checked against the rules.
func (a *Access) NewUser(ctx context.Context, name events.PersonName, password string) (domain.NewUser, error) {
	hash, err := a.passwords.Hash(ctx, password)
	if err != nil {
		return domain.NewUser{}, fmt.Errorf("new user: %w", err)
	}
	id := events.UserID(uuid.Must(uuid.NewV7()))
	key, err := a.vault.NewUserKey(ctx, id)
	if err != nil {
		return domain.NewUser{}, fmt.Errorf("new user: %w", err)
	}
	secret, err := a.vault.PutPassword(ctx, id, hash)
	if err != nil {
		return domain.NewUser{}, fmt.Errorf("new user: %w", err)
	}
	return domain.NewUser{ID: id, Key: key, Name: name, Password: secret}, nil
}

// Addressee claims an address in the vault, so that people can be invited and registered under it.
func (a *Access) Addressee(ctx context.Context, e address.Entry) (*domain.Addressee, error) {
	if e.Email == "" {
		return nil, nil
	}
	id, key, err := a.vault.ClaimAddress(ctx, e.Email)
	if err != nil {
		return nil, fmt.Errorf("claim an address: %w", err)
	}
	return &domain.Addressee{ID: id, Key: key, Email: e.Email, Name: events.PersonName{First: e.First, Last: e.Last}}, nil
}

// FindAddressee is Addressee for somebody whose address has been claimed already; nil for anybody else. It makes nothing.
func (a *Access) FindAddressee(ctx context.Context, e address.Entry) (*domain.Addressee, error) {
	if e.Email == "" {
		return nil, nil
	}
	id, key, found, err := a.vault.FindAddress(ctx, e.Email)
	if err != nil || !found {
		return nil, err
	}
	return &domain.Addressee{ID: id, Key: key, Email: e.Email, Name: events.PersonName{First: e.First, Last: e.Last}}, nil
}

// NewContactKey makes a data key for a contact, which belongs to nobody's address.
func (a *Access) NewContactKey(ctx context.Context) (events.KeyID, error) {
	id, err := uuid.NewV7()
	if err != nil {
		return events.KeyID{}, err
	}
	return a.vault.NewContactKey(ctx, events.ContactID(id))
}
