// Package oidc signs people in at the OpenID providers of customers: discovery, the way there, and what their ID tokens
// prove. A provider's address is a customer's input, so that nothing but public addresses is spoken to, by https, without
// following redirects, for a short time and a limited size.
package oidc

import (
	"context"
	"crypto/subtle"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"

	"roster/handlers/access"
)

const (
	patience  = 10 * time.Second // with each request to a provider
	maxAnswer = 1 << 20
	knownFor  = time.Hour        // what a provider says of itself; its keys are asked for anew when one is unknown
	failedFor = 10 * time.Second // a provider that did not answer is not asked again
	maxKnown  = 10_000
	atOnce    = 32 // requests to providers
)

// Options say with whom a Client speaks, and how.
type Options struct {
	// AllowPrivate lets it speak to private and loopback addresses too, and to loopback without TLS: for a provider in
	// one's own network. Whoever connects a provider can then reach what this machine reaches.
	AllowPrivate bool
	Now          func() time.Time // nil: the system's
}

// Client speaks to providers. It may be used from everywhere at once.
type Client struct {
	http    *http.Client
	private bool
	now     func() time.Time
	turns   chan struct{}

	mu    sync.Mutex
	known map[string]*provider // by issuer
}

// provider is what is known of one, once it has said so.
type provider struct {
	said     chan struct{} // closed then
	until    time.Time
	err      error
	p        *oidc.Provider
	saysIss  bool // it names itself in its answers (RFC 9207)
	asParams bool // its token endpoint takes the client's secret in the body only
}

// New makes a Client.
func New(o Options) *Client {
	if o.Now == nil {
		o.Now = time.Now
	}
	c := &Client{private: o.AllowPrivate, now: o.Now, turns: make(chan struct{}, atOnce), known: map[string]*provider{}}
	dialer := &net.Dialer{Timeout: patience, Control: c.control}
	transport := &http.Transport{DialContext: dialer.DialContext, TLSHandshakeTimeout: patience, ResponseHeaderTimeout: patience,
		MaxResponseHeaderBytes: 64 << 10, MaxIdleConnsPerHost: 2, IdleConnTimeout: 30 * time.Second, ForceAttemptHTTP2: true}
	c.http = &http.Client{Transport: limited{c, transport}, Timeout: patience,
		CheckRedirect: func(*http.Request, []*http.Request) error { return errors.New("a provider does not redirect") }}
	return c
}

// control refuses an address once it has been resolved, so that no name leads to one that is not public.
func (c *Client) control(_, to string, _ syscall.RawConn) error {
	at, err := netip.ParseAddrPort(to)
	if err != nil {
		return err
	}
	if !c.private && !Public(at.Addr()) {
		return errors.New("not a public address")
	}
	return nil
}

// Public says whether an address is one of the public internet.
func Public(a netip.Addr) bool {
	a = a.Unmap()
	if !a.IsGlobalUnicast() || a.IsPrivate() {
		return false
	}
	for _, special := range []string{"0.0.0.0/8", "100.64.0.0/10", "192.0.0.0/24", "192.0.2.0/24", "192.88.99.0/24", "198.18.0.0/15", "198.51.100.0/24",
		"203.0.113.0/24", "240.0.0.0/4", "::/96", "64:ff9b::/96", "64:ff9b:1::/48", "100::/64", "2001::/23", "2001:db8::/32", "2002::/16", "3fff::/20", "5f00::/16", "fec0::/10"} {
		if netip.MustParsePrefix(special).Contains(a) {
			return false
		}
	}
	return true
}

// limited sends a request by https only, and reads a limited answer.
type limited struct {
	c    *Client
	next http.RoundTripper
}

func (l limited) RoundTrip(r *http.Request) (*http.Response, error) {
	loopback := r.URL.Hostname() == "localhost" || r.URL.Hostname() == "127.0.0.1"
	if r.URL.Scheme != "https" && (!l.c.private || !loopback) {
		return nil, errors.New("a provider is spoken to by https only")
	}
	select {
	case l.c.turns <- struct{}{}:
		defer func() { <-l.c.turns }()
	case <-r.Context().Done():
		return nil, r.Context().Err()
	}
	resp, err := l.next.RoundTrip(r)
	if err != nil {
		return nil, err
	}
	resp.Body = body{io.LimitReader(resp.Body, maxAnswer), resp.Body}
	return resp, nil
}

type body struct {
	io.Reader
	io.Closer
}

// provider is what a provider says of itself, asked for once an hour, however many
// wait for it.
func (c *Client) provider(ctx context.Context, issuer string) (*provider, error) {
	c.mu.Lock()
	p := c.known[issuer]
	if p == nil || p.over(c.now()) {
		if len(c.known) >= maxKnown {
			clear(c.known)
		}
		p = &provider{said: make(chan struct{})}
		c.known[issuer] = p
		go c.ask(context.WithoutCancel(ctx), p, issuer) // for all who wait, not for whoever came first
	}
	c.mu.Unlock()
	select {
	case <-p.said:
		return p, p.err
	case <-ctx.Done():
		return nil, fmt.Errorf("%w: %w", access.ErrProviderAway, ctx.Err())
	}
}

// ask finds out what a provider says of itself, and ends what everybody waits for.
func (c *Client) ask(ctx context.Context, p *provider, issuer string) {
	defer close(p.said)
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	p.err = p.discover(c.with(ctx), issuer, c.usable)
	p.until = c.now().Add(knownFor)
	if p.err != nil {
		p.until = c.now().Add(failedFor)
	}
}

// over says that the provider has said something, and that it counts no more.
func (p *provider) over(now time.Time) bool {
	select {
	case <-p.said:
		return !now.Before(p.until)
	default:
		return false
	}
}

// with has what is asked for go through our client. A provider that was found by it goes on using it for its keys.
func (c *Client) with(ctx context.Context) context.Context {
	return oidc.ClientContext(ctx, c.http)
}

func (p *provider) discover(ctx context.Context, issuer string, usable func(string) error) error {
	found, err := oidc.NewProvider(ctx, issuer)
	if err != nil {
		return fmt.Errorf("%w: %w", access.ErrProviderAway, err)
	}
	var says struct {
		Keys    string   `json:"jwks_uri"`
		SaysIss bool     `json:"authorization_response_iss_parameter_supported"`
		Auth    []string `json:"token_endpoint_auth_methods_supported"`
	}
	if err := found.Claims(&says); err != nil {
		return fmt.Errorf("%w: %w", access.ErrProviderAway, err)
	}
	for _, endpoint := range []string{found.Endpoint().AuthURL, found.Endpoint().TokenURL, says.Keys} {
		if err := usable(endpoint); err != nil {
			return fmt.Errorf("%w: %w", access.ErrProviderAway, err)
		}
	}
	p.p, p.saysIss = found, says.SaysIss
	p.asParams = len(says.Auth) > 0 && !slices.Contains(says.Auth, "client_secret_basic")
	return nil
}

// usable refuses an endpoint to which no browser and no secret is sent.
func (c *Client) usable(endpoint string) error {
	u, err := url.Parse(endpoint)
	loopback := err == nil && (u.Hostname() == "localhost" || u.Hostname() == "127.0.0.1")
	if err != nil || u.Host == "" || u.User != nil || u.Scheme != "https" && (u.Scheme != "http" || !c.private || !loopback) {
		return errors.New("an endpoint is not https")
	}
	return nil
}

func (p *provider) config(at access.ProviderClient) *oauth2.Config {
	endpoint := p.p.Endpoint()
	endpoint.AuthStyle = oauth2.AuthStyleInHeader
	if p.asParams {
		endpoint.AuthStyle = oauth2.AuthStyleInParams
	}
	return &oauth2.Config{ClientID: at.ClientID, ClientSecret: at.Secret, RedirectURL: at.Redirect, Endpoint: endpoint,
		Scopes: []string{oidc.ScopeOpenID, "email", "profile"}}
}

// Authorize answers where the browser goes, with PKCE (S256), state and nonce.
func (c *Client) Authorize(ctx context.Context, at access.ProviderClient, b access.Begun) (string, error) {
	p, err := c.provider(ctx, at.Issuer)
	if err != nil {
		return "", err
	}
	return p.config(at).AuthCodeURL(b.State, oidc.Nonce(b.Nonce), oauth2.S256ChallengeOption(b.Verifier)), nil
}

// Redeem exchanges the code and checks the ID token: signature by the provider's keys, issuer, audience, authorized
// party, expiry and nonce.
func (c *Client) Redeem(ctx context.Context, at access.ProviderClient, b access.Begun, answer access.ProviderAnswer) (access.Vouched, error) {
	p, err := c.provider(ctx, at.Issuer)
	if err != nil {
		return access.Vouched{}, err
	}
	no := func(why error) (access.Vouched, error) {
		return access.Vouched{}, fmt.Errorf("%w: %w", access.ErrVouch, why)
	}
	if p.saysIss && answer.Issuer == "" {
		return no(errors.New("the answer does not say whose it is"))
	}
	token, err := p.config(at).Exchange(c.with(ctx), answer.Code, oauth2.VerifierOption(b.Verifier))
	if refused := new(oauth2.RetrieveError); errors.As(err, &refused) && refused.Response != nil && refused.Response.StatusCode < 500 {
		return no(errors.New("the code was refused")) // what it says beside may hold anything
	} else if err != nil {
		return access.Vouched{}, fmt.Errorf("%w: %w", access.ErrProviderAway, err)
	}
	raw, _ := token.Extra("id_token").(string)
	if raw == "" {
		return no(errors.New("there is no ID token"))
	}
	verifier := p.p.Verifier(&oidc.Config{ClientID: at.ClientID, Now: c.now,
		SupportedSigningAlgs: []string{oidc.RS256, oidc.RS384, oidc.RS512, oidc.ES256, oidc.ES384, oidc.ES512, oidc.PS256, oidc.PS384, oidc.PS512, oidc.EdDSA}})
	id, err := verifier.Verify(c.with(ctx), raw)
	if err != nil {
		return no(err)
	}
	return vouched(id, at.ClientID, b.Nonce, no)
}

// vouched reads what an ID token that has been verified says, and checks what the library leaves to us.
func vouched(id *oidc.IDToken, client, nonce string, no func(error) (access.Vouched, error)) (access.Vouched, error) {
	var says struct {
		Party    *string `json:"azp"`
		Email    string  `json:"email"`
		Verified any     `json:"email_verified"` // some write it as text: that is not true
		Given    string  `json:"given_name"`
		Family   string  `json:"family_name"`
		Name     string  `json:"name"`
	}
	if err := id.Claims(&says); err != nil {
		return no(err)
	}
	verified, _ := says.Verified.(bool)
	switch {
	case nonce == "" || subtle.ConstantTimeCompare([]byte(id.Nonce), []byte(nonce)) != 1:
		return no(errors.New("the nonce is another"))
	case id.Subject == "" || len(id.Subject) > 255:
		return no(errors.New("the subject is none"))
	case says.Party != nil && *says.Party != client, len(id.Audience) > 1 && says.Party == nil:
		return no(errors.New("it was made for another client"))
	}
	v := access.Vouched{Subject: id.Subject, Email: says.Email, EmailVerified: verified, First: says.Given, Last: says.Family}
	if v.First == "" && v.Last == "" {
		v.First, v.Last, _ = strings.Cut(strings.TrimSpace(says.Name), " ")
	}
	return v, nil
}
