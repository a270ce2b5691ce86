package access

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"net"
	"net/url"
	"strings"

	"github.com/google/uuid"

	"roster/domain"
	"roster/events"
	"roster/handlers"
)

// PortalOrigin reads the origin of a portal that sign-ins may be handed over to: https://HOST or https://HOST:PORT, and
// http:// on this machine alone.
func PortalOrigin(text string) (string, error) {
	u, err := url.Parse(text)
	if err != nil || u.Host == "" || u.User != nil || strings.Trim(u.Path, "/") != "" || u.RawQuery != "" || u.Fragment != "" ||
		strings.Trim(strings.ToLower(u.Host), "abcdefghijklmnopqrstuvwxyz0123456789-.:[]") != "" {
		return "", errors.New("want an origin, as https://HOST or https://HOST:PORT")
	}
	ip := net.ParseIP(u.Hostname())
	local := u.Hostname() == "localhost" || ip != nil && ip.IsLoopback()
	if u.Scheme != "https" && (u.Scheme != "http" || !local) {
		return "", errors.New("want https://, since what is handed over signs in")
	}
	host := strings.ToLower(u.Host)
	if u.Scheme == "https" {
		host = strings.TrimSuffix(host, ":443")
	} else {
		host = strings.TrimSuffix(host, ":80")
	}
	return u.Scheme + "://" + host, nil
}

// maxReturn bounds the address and the state of a hand-over, in bytes.
const maxReturn = 2048

// Return is where somebody is to be sent back to, signed in: an address of a portal.
type Return struct {
	To        string // the address
	State     string // what the portal said, to know its own request again
	Challenge string // the SHA-256 of what the portal will show, base64url (RFC 7636, S256); "" for none
}

// UsePortals says to which origins sign-ins may be handed over. It is called before anything else.
func (a *Access) UsePortals(origins []string) { a.portals = origins }

// ReturnOf reads the query of a request to be handed over; ok is false for what is not to be followed. An address is
// followed only if it begins as one of the origins is written, whole: what browsers would make of anything else is never
// asked.
func (a *Access) ReturnOf(query url.Values) (r Return, ok bool) {
	for _, values := range query {
		if len(values) != 1 || len(values[0]) > maxReturn {
			return r, false
		}
	}
	r = Return{query.Get("return_to"), query.Get("state"), query.Get("code_challenge")}
	method := query.Get("code_challenge_method")
	if _, known := a.portalOf(r.To); !known || method != "" && method != "S256" || method != "" && r.Challenge == "" {
		return r, false
	}
	_, err := challengeBytes(r.Challenge)
	return r, err == nil
}

// portalOf is the origin of an address, where it is one that may be handed over to.
func (a *Access) portalOf(to string) (origin string, ok bool) {
	if strings.IndexFunc(to, func(c rune) bool { return c <= ' ' || c > '~' || strings.ContainsRune("\\#\"<>^`{|}", c) }) >= 0 {
		return "", false
	}
	for _, origin := range a.portals {
		rest, begins := strings.CutPrefix(to, origin)
		if !begins || rest != "" && rest[0] != '/' && rest[0] != '?' {
			continue
		}
		u, err := url.Parse(to)
		if err != nil || u.Scheme+"://"+u.Host != origin || u.User != nil {
			return "", false
		}
		q, err := url.ParseQuery(u.RawQuery)
		return origin, err == nil && !q.Has("code") && !q.Has("state")
	}
	return "", false
}

func challengeBytes(text string) (sum [32]byte, err error) {
	if text == "" {
		return sum, nil
	}
	b, err := base64.RawURLEncoding.Strict().DecodeString(text)
	if err != nil || len(b) != len(sum) || len(text) != base64.RawURLEncoding.EncodedLen(len(sum)) {
		return sum, errors.New("no SHA-256")
	}
	return [32]byte(b), nil
}

// Query is the request that was read, anew.
func (r Return) Query() string {
	q := url.Values{"return_to": {r.To}}
	if r.State != "" {
		q.Set("state", r.State)
	}
	if r.Challenge != "" {
		q.Set("code_challenge", r.Challenge)
		q.Set("code_challenge_method", "S256")
	}
	return q.Encode()
}

// HandOver answers the address to send somebody to who is signed in: the portal's own, with a code that its back end
// exchanges for a session within a minute, once. Nothing is kept: the code says all, authenticated.
func (a *Access) HandOver(p Principal, r Return) (string, error) {
	origin, ok := a.portalOf(r.To)
	challenge, err := challengeBytes(r.Challenge)
	from, _ := p.User.Session(p.Actor.Session)
	if !ok || err != nil || p.Actor.User().IsZero() || p.Opener != nil || !from.From.IsZero() {
		return "", domain.ErrHandOver()
	}
	u, err := url.Parse(r.To)
	if err != nil {
		return "", fmt.Errorf("hand over: %w", err)
	}
	user, id := p.Actor.User(), uuid.Must(uuid.NewV7())
	to, at := sha256.Sum256([]byte(r.To)), sha256.Sum256([]byte(origin))
	q := "code=" + a.sealed("rh_", purposeHandOver, user[:], p.Actor.Session[:], id[:], timeBytes(a.app.Now()), to[:], at[:], challenge[:])
	if r.State != "" {
		q += "&state=" + url.QueryEscape(r.State)
	}
	if u.RawQuery != "" {
		q = u.RawQuery + "&" + q
	}
	u.RawQuery = q
	return u.String(), nil
}

// Exchange starts the portal's session by the code that a person was sent with, asked by the portal's back end with the
// operator's key. To is the address that the code was made for, Verifier what the portal's challenge was the SHA-256 of.
// To may be left out where there is but one portal.
func (a *Access) Exchange(ctx context.Context, call handlers.Call, code, to, verifier string) (SignedIn, error) {
	if call.Actor.Type != events.ByOperator || call.Behalf != nil {
		return SignedIn{}, &domain.Error{Code: domain.NotPermitted, Detail: "this is for the portal's back end, with the operator's key"}
	}
	if to == "" && len(a.portals) > 1 {
		return SignedIn{}, &domain.Error{Code: domain.Invalid, Detail: "say which address it was made for: there are several portals",
			Fields: []domain.Field{{Location: "body.return_to", Message: "is needed where there are several portals"}}}
	}
	b, ok := a.unsealed("rh_", purposeHandOver, code, 56+3*32)
	if !ok {
		return SignedIn{}, domain.ErrHandOver()
	}
	cmd := domain.HandOver{User: events.UserID(b[:16]), From: events.SessionID(b[16:32]), Session: events.SessionID(b[32:48]), IssuedAt: bytesTime(b[48:56])}
	sums := b[56:]
	for _, origin := range a.portals {
		if hashed(sums[32:64], origin) {
			cmd.Portal = origin
		}
	}
	none := [32]byte{} == [32]byte(sums[64:])
	if cmd.Portal == "" || to != "" && !hashed(sums[:32], to) || none != (verifier == "") || !none && !hashed(sums[64:], verifier) {
		return SignedIn{}, domain.ErrHandOver()
	}
	call.Behalf = &events.Actor{Type: events.ByUser, ID: cmd.User.String(), Session: cmd.From}
	return a.handOver(ctx, call, cmd)
}

// handOver starts the session that a code leads to. The one that it comes from has to be alive by every rule, that of
// idle sessions included.
func (a *Access) handOver(ctx context.Context, call handlers.Call, cmd domain.HandOver) (SignedIn, error) {
	u, _, err := a.app.User(ctx, cmd.User)
	if err != nil {
		return SignedIn{}, err
	}
	if from, ok := u.Session(cmd.From); !ok {
		return SignedIn{}, domain.ErrHandOver()
	} else if alive, err := a.alive(ctx, cmd.User, from); err != nil {
		return SignedIn{}, err
	} else if !alive {
		return SignedIn{}, domain.ErrHandOver()
	}
	token, hash, err := a.tokens.MintSession(cmd.User, cmd.Session)
	if err != nil {
		return SignedIn{}, err
	}
	cmd.TokenHash = hash
	call.Key = ""
	r, err := a.app.Do(ctx, call, cmd)
	if err != nil {
		return SignedIn{}, err
	}
	return SignedIn{Token: token, User: cmd.User, Session: cmd.Session, Result: r}, nil
}

func hashed(sum []byte, text string) bool {
	h := sha256.Sum256([]byte(text))
	return same(h, events.Hash(sum))
}

// OpenSession opens a session for a user, by the operator (SPEC 7.6).
func (a *Access) OpenSession(ctx context.Context, call handlers.Call, cmd domain.OpenSession) (SignedIn, error) {
	cmd.Session = events.SessionID(uuid.Must(uuid.NewV7()))
	token, hash, err := a.tokens.MintSession(cmd.User, cmd.Session)
	if err != nil {
		return SignedIn{}, err
	}
	cmd.TokenHash = hash
	r, err := a.app.Do(ctx, call, cmd)
	if err != nil {
		return SignedIn{}, err
	}
	if r.Repeat {
		return SignedIn{}, &domain.Error{Code: domain.SecretAlreadyShown, Detail: "the session was opened, and its token was shown then"}
	}
	return SignedIn{Token: token, User: cmd.User, Session: cmd.Session, Result: r}, nil
}

// Introspected is a session that is alive.
type Introspected struct {
	User    domain.User
	Session domain.Session
}

// Introspect reads the token of a session (RFC 7662); ok is false for whatever is not alive. It counts as use.
func (a *Access) Introspect(ctx context.Context, token string) (in Introspected, ok bool, err error) {
	p, err := a.Authenticate(ctx, token)
	if isCode(err, domain.SignInRequired) {
		return in, false, nil
	}
	if err != nil || p.Actor.Session.IsZero() {
		return in, false, err
	}
	s, ok := p.User.Session(p.Actor.Session)
	return Introspected{p.User, s}, ok, nil
}
