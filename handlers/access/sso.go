package access

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"

	"github.com/google/uuid"

	"roster/domain"
	"roster/events"
	"roster/handlers"
	"roster/handlers/address"
)

// What Providers answer of what went wrong.
var (
	// ErrProviderAway: the provider did not answer, or with what is no OpenID provider's.
	ErrProviderAway = errors.New("the provider did not answer as one")
	// ErrVouch: what the provider answered proves nothing.
	ErrVouch = errors.New("the provider's answer proves nothing")
)

// ProviderClient is what we are at a provider.
type ProviderClient struct{ Issuer, ClientID, Secret, Redirect string }

// Begun is what a sign-in at a provider was begun with, each to be met by the answer.
type Begun struct{ State, Nonce, Verifier string }

// ProviderAnswer is what a browser brings back from a provider.
type ProviderAnswer struct{ State, Code, Issuer, Error string }

// Vouched is whom a provider says somebody is. First and Last may be empty.
type Vouched struct {
	Subject       string
	Email         string
	EmailVerified bool
	First, Last   string
}

// Providers speaks OpenID Connect. Errors are ErrProviderAway and ErrVouch.
type Providers interface {
	Authorize(ctx context.Context, at ProviderClient, b Begun) (url string, err error)
	Redeem(ctx context.Context, at ProviderClient, b Begun, answer ProviderAnswer) (Vouched, error)
}

// SSOWithin is how long somebody may take at their provider.
const SSOWithin = challengeWithin

// What is authenticated or derived for a sign-in at a provider.
const (
	purposeSSO         = "sso"
	purposeSSOState    = "sso.state"
	purposeSSONonce    = "sso.nonce"
	purposeSSOVerifier = "sso.verifier"
	purposeSSOIdentity = "sso.identity"
)

// UseProviders lets people sign in at their own provider, which sends them back to the address given. It is called before
// anything else.
func (a *Access) UseProviders(p Providers, redirect string) { a.providers, a.redirect = p, redirect }

// CanSSO says that there is single sign-on.
func (a *Access) CanSSO() bool { return a.providers != nil }

// ssoTicket is what a browser keeps while it is at the provider. Nothing in it is secret: state, nonce and verifier are
// derived of it with a key of ours.
type ssoTicket struct {
	account    events.AccountID
	connection events.AnyID
	at         events.Time
	once       events.CommitID
}

func (a *Access) begun(t ssoTicket) Begun {
	of := func(purpose string) string {
		mac := a.tokens.MAC(purpose, append([]byte{sealVersion}, t.once[:]...))
		return base64.RawURLEncoding.EncodeToString(mac[:])
	}
	return Begun{State: of(purposeSSOState), Nonce: of(purposeSSONonce), Verifier: of(purposeSSOVerifier)}
}

// SSODomain answers the account whose provider speaks for an address; not_available where there is none. It says
// nothing of whether anybody has the address.
func (a *Access) SSODomain(ctx context.Context, email string) (events.AccountID, error) {
	found, err := a.ssoOf(ctx, email, false)
	return found.ID, err
}

func (a *Access) ssoOf(ctx context.Context, email string, only bool) (found domain.Account, err error) {
	if normal, err := address.Normalize(email); err == nil {
		email = normal
	}
	_, of, _ := strings.Cut(email, "@")
	err = a.app.Ask(ctx, handlers.Call{Actor: handlers.System("access")}, domain.FindSSO{Domain: of, Into: &found, Only: only})
	return found, err
}

// passwordBarred refuses a password for an address of a domain whose account has people sign in at its provider only.
// The domain alone decides: whether there is such a person plays no part.
func (a *Access) passwordBarred(ctx context.Context, email string) error {
	if a.providers == nil {
		return nil
	}
	_, err := a.ssoOf(ctx, email, true)
	switch {
	case err == nil:
		return &domain.Error{Code: domain.NotAvailable, Detail: "people of this domain sign in through their own provider: open /sign-in/sso"}
	case isCode(err, domain.NotAvailable):
		return nil
	}
	return err
}

func errNoSSO() error {
	return &domain.Error{Code: domain.NotAvailable, Detail: "there is no single sign-on here, or it has been changed: start again"}
}

// connection is an account's, with what we are at the provider.
func (a *Access) connection(ctx context.Context, account events.AccountID) (events.SSO, ProviderClient, error) {
	if a.providers == nil {
		return events.SSO{}, ProviderClient{}, errNoSSO()
	}
	of, _, err := a.app.Account(ctx, account)
	if err != nil {
		return events.SSO{}, ProviderClient{}, err
	}
	sso := of.Provider()
	if sso == nil {
		return events.SSO{}, ProviderClient{}, errNoSSO()
	}
	secret, err := a.vault.Secret(ctx, sso.Secret)
	if errors.Is(err, handlers.ErrErased) { // replaced while we were asking
		return events.SSO{}, ProviderClient{}, errNoSSO()
	}
	if err != nil {
		return events.SSO{}, ProviderClient{}, fmt.Errorf("a client's secret: %w", err)
	}
	return *sso, ProviderClient{sso.Issuer, sso.ClientID, string(secret), a.redirect}, nil
}

// BeginSSO sends somebody to an account's provider: where to, and what their browser has to bring back with the answer.
func (a *Access) BeginSSO(ctx context.Context, account events.AccountID) (url, ticket string, err error) {
	sso, at, err := a.connection(ctx, account)
	if err != nil {
		return "", "", err
	}
	t := ssoTicket{account, sso.Connection, a.app.Now(), events.CommitID{}}
	if _, err := rand.Read(t.once[:]); err != nil {
		return "", "", err
	}
	if url, err = a.providers.Authorize(ctx, at, a.begun(t)); err != nil {
		return "", "", err
	}
	return url, a.sealed("so_", purposeSSO, t.account[:], t.connection[:], timeBytes(t.at), t.once[:]), nil
}

func (a *Access) readTicket(text string) (ssoTicket, bool) {
	b, ok := a.unsealed("so_", purposeSSO, text, 56)
	if !ok {
		return ssoTicket{}, false
	}
	t := ssoTicket{events.AccountID(b[:16]), events.AnyID(b[16:32]), bytesTime(b[32:40]), events.CommitID(b[40:])}
	age := a.app.Now().Sub(t.at)
	return t, age >= 0 && age < SSOWithin
}

// FinishSSO signs in whoever comes back from a provider with the ticket that BeginSSO gave this browser. Each works
// once (SPEC 7.4). A failure of somebody who is known is written down as a failed sign-in.
func (a *Access) FinishSSO(ctx context.Context, call handlers.Call, ticket string, answer ProviderAnswer) (SignedIn, error) {
	t, ok := a.readTicket(ticket)
	begun := a.begun(t)
	if !ok || subtle.ConstantTimeCompare([]byte(begun.State), []byte(answer.State)) != 1 {
		return SignedIn{}, &domain.Error{Code: domain.SignInRequired, Detail: "this sign-in was begun in another browser, or too long ago: start again"}
	}
	sso, at, err := a.connection(ctx, t.account)
	switch {
	case err != nil:
		return SignedIn{}, err
	case sso.Connection != t.connection:
		return SignedIn{}, errNoSSO()
	case answer.Issuer != "" && answer.Issuer != sso.Issuer:
		return SignedIn{}, fmt.Errorf("%w: another provider has answered", ErrVouch)
	case answer.Error != "":
		return SignedIn{}, &domain.Error{Code: domain.NotPermitted, Detail: "the provider has not signed you in"}
	case answer.Code == "":
		return SignedIn{}, fmt.Errorf("%w: there is no code", ErrVouch)
	}
	v, err := a.providers.Redeem(ctx, at, begun, answer)
	if err != nil {
		return SignedIn{}, err
	}
	email, err := address.Normalize(v.Email)
	switch {
	case !v.EmailVerified:
		return SignedIn{}, &domain.Error{Code: domain.NotPermitted, Detail: "the provider has not verified your e-mail address"}
	case err != nil:
		return SignedIn{}, fmt.Errorf("%w: there is no address", ErrVouch)
	}
	call.Actor, call.Key = events.Actor{Type: events.ByIDP, ID: t.account.String()}, ""
	user, err := a.enterBySSO(ctx, call, t, sso, v, email)
	if err != nil {
		return SignedIn{}, a.failedSSO(ctx, call, user, err)
	}
	in, err := a.start(ctx, call, domain.StartSession{User: user, SSO: t.account, Once: t.once})
	return in, a.failedSSO(ctx, call, user, err)
}

// failedSSO writes a refusal down where it is known whose it is, and answers it.
func (a *Access) failedSSO(ctx context.Context, call handlers.Call, user events.UserID, err error) error {
	var refusal *domain.Error
	if !errors.As(err, &refusal) || user.IsZero() {
		return err
	}
	call.Actor = a.caller(user, call.Device)
	if _, failed := a.reserve(ctx, call, domain.ReserveAttempt{Subject: user.Any(), User: user, Factor: domain.MethodSSO}); failed != nil && !isCode(failed, domain.RateLimited) {
		return failed
	}
	return err
}

// enterBySSO finds or makes the user. What a new one needs is made only once it is known that there is to be one.
func (a *Access) enterBySSO(ctx context.Context, call handlers.Call, t ssoTicket, sso events.SSO, v Vouched, email string) (user events.UserID, err error) {
	cmd := domain.EnterBySSO{Account: t.account, Connection: t.connection, Identity: a.identity(sso, v.Subject), To: domain.Addressee{Email: email}, Into: &user}
	entry := address.Entry{Email: email, First: v.First, Last: v.Last}
	to, err := a.FindAddressee(ctx, entry)
	if err != nil {
		return user, err
	}
	if to != nil {
		cmd.To = *to
	}
	if err = a.app.Ask(ctx, call, cmd); errors.Is(err, domain.ErrNewUser) {
		err = a.newBySSO(ctx, entry, &cmd)
	}
	if err == nil {
		_, err = a.app.Do(ctx, call, cmd)
	}
	return user, err
}

// newBySSO makes what a new user needs. Their password nobody knows: they can choose one by "forgotten password".
func (a *Access) newBySSO(ctx context.Context, e address.Entry, cmd *domain.EnterBySSO) error {
	to, err := a.Addressee(ctx, e)
	if err != nil {
		return err
	}
	fresh, err := a.NewUser(ctx, domain.NameOf(e.First, e.Last, e.Email), rand.Text()+rand.Text())
	if err != nil {
		return err
	}
	cmd.To, cmd.New = *to, &fresh
	return nil
}

// identity is where it is written whom a provider's subject is. Nothing can be read from it.
func (a *Access) identity(sso events.SSO, subject string) events.AddressID {
	mac := a.tokens.MAC(purposeSSOIdentity, events.LengthPrefixed(sso.Connection.String(), sso.Issuer, subject))
	id := uuid.UUID(mac[:16])
	id[6], id[8] = id[6]&0x0f|0x80, id[8]&0x3f|0x80 // a UUIDv8
	return events.AddressID(id)
}

// UnlinkMyIdentity ends that somebody at a provider is whoever is signed in, who says their password once more or is fresh.
func (a *Access) UnlinkMyIdentity(ctx context.Context, call handlers.Call, cmd domain.UnlinkMyIdentity, password string) (handlers.Result, error) {
	if r, done, err := a.app.Done(ctx, call, cmd); done || err != nil {
		return r, err
	}
	verified, err := a.reauthenticate(ctx, call, password)
	if err != nil {
		return handlers.Result{}, err
	}
	cmd.Password = verified
	return a.app.Do(ctx, call, cmd)
}

// KeepClientSecret keeps an account's secret at its provider; where it is the one there is, it is that one.
func (a *Access) KeepClientSecret(ctx context.Context, account events.AccountID, now *events.SSO, secret string) (events.SecretID, error) {
	if now != nil {
		kept, err := a.vault.Secret(ctx, now.Secret)
		if err == nil && subtle.ConstantTimeCompare(kept, []byte(secret)) == 1 {
			return now.Secret, nil
		}
		if err != nil && !errors.Is(err, handlers.ErrErased) {
			return events.SecretID{}, fmt.Errorf("a client's secret: %w", err)
		}
	}
	id, err := a.vault.PutAccountSecret(ctx, account, "sso", []byte(secret))
	if err != nil {
		return id, fmt.Errorf("a client's secret: %w", err)
	}
	return id, nil
}

// ForgetClientSecret destroys one that has been replaced.
func (a *Access) ForgetClientSecret(ctx context.Context, id events.SecretID) error {
	if err := a.vault.DestroySecret(ctx, id); err != nil {
		return fmt.Errorf("a client's secret: %w", err)
	}
	return nil
}

// DomainChallenge is what the DNS of a domain has to say for it to be verified as an account's.
func (a *Access) DomainChallenge(account events.AccountID, name string) string {
	mac := a.tokens.MAC("sso.domain", events.LengthPrefixed(account.String(), name))
	return "roster-domain=" + base64.RawURLEncoding.EncodeToString(mac[:])
}
