// Package oidctest is an OpenID provider for tests, over HTTP.
package oidctest

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/hmac"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"io"
	"math/big"
	"net/http"
	"net/http/httptest"
	"net/url"
	"sync"
	"testing"
	"time"
)

// Provider is a small OpenID provider: discovery, authorization with PKCE, tokens, keys (OpenID Connect Core 1.0, RFC 7636).
// Whoever comes is who Claims says. The switches make it misbehave; they are changed by Set.
type Provider struct {
	t      *testing.T
	server *httptest.Server
	rsa    *rsa.PrivateKey
	ec     *ecdsa.PrivateKey
	now    func() time.Time

	mu        sync.Mutex
	KeyID     string
	codes     map[string]url.Values // what each was asked with
	Claims    map[string]any        // beside those of the protocol; nil takes one of these away
	Alg       string
	Discovery map[string]any // instead of what it says of itself
	Callback  url.Values     // added to the answer
	Reusable  bool           // codes
	Loose     bool           // whoever redeems a code shows no verifier
	Token     func(http.ResponseWriter) bool
	Asked     int // for tokens
	KeysAsked int // how often its keys were asked for
}

// ClientSecret is what the client "roster" shows.
const ClientSecret = "a secret + with / odd % signs"

// New starts a provider that ends with the test.
func New(t *testing.T, now func() time.Time) *Provider {
	t.Helper()
	rsaKey, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	ecKey, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	p := &Provider{t: t, rsa: rsaKey, ec: ecKey, now: now, KeyID: "one", Alg: "RS256", codes: map[string]url.Values{}, Claims: map[string]any{}}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /.well-known/openid-configuration", p.describe)
	mux.HandleFunc("GET /authorize", p.authorize)
	mux.HandleFunc("POST /token", p.redeem)
	mux.HandleFunc("GET /keys", p.jwks)
	p.server = httptest.NewServer(mux)
	t.Cleanup(p.server.Close)
	return p
}

// URL is its address, its issuer.
func (p *Provider) URL() string { return p.server.URL }

// Set changes how it behaves.
func (p *Provider) Set(change func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	change()
}

func (p *Provider) answer(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json")
	if err := json.NewEncoder(w).Encode(v); err != nil {
		p.t.Error(err)
	}
}

func (p *Provider) describe(w http.ResponseWriter, _ *http.Request) {
	p.mu.Lock()
	defer p.mu.Unlock()
	at := p.server.URL
	says := map[string]any{"issuer": at, "authorization_endpoint": at + "/authorize", "token_endpoint": at + "/token", "jwks_uri": at + "/keys",
		"response_types_supported": []string{"code"}, "subject_types_supported": []string{"public"}, "id_token_signing_alg_values_supported": []string{"RS256", "HS256", "none"}}
	for k, v := range p.Discovery {
		says[k] = v
	}
	p.answer(w, says)
}

func (p *Provider) authorize(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	if q.Get("response_type") != "code" || q.Get("code_challenge_method") != "S256" || q.Get("code_challenge") == "" || q.Get("state") == "" || q.Get("nonce") == "" || q.Get("client_id") != "roster" {
		p.t.Errorf("an authorization without what it needs: %v", q)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	code := rand.Text()
	p.codes[code] = q
	back := url.Values{"code": {code}, "state": {q.Get("state")}}
	for k, v := range p.Callback {
		back[k] = v
		if v == nil {
			back.Del(k)
		}
	}
	http.Redirect(w, r, q.Get("redirect_uri")+"?"+back.Encode(), http.StatusFound)
}

func (p *Provider) redeem(w http.ResponseWriter, r *http.Request) {
	id, secret, _ := r.BasicAuth()
	id, _ = url.QueryUnescape(id)
	secret, _ = url.QueryUnescape(secret)
	p.mu.Lock()
	defer p.mu.Unlock()
	p.Asked++
	if p.Token != nil && p.Token(w) {
		return
	}
	asked, ok := p.codes[r.PostFormValue("code")]
	sum := sha256.Sum256([]byte(r.PostFormValue("code_verifier")))
	if !ok || id != "roster" || secret != ClientSecret || r.PostFormValue("redirect_uri") != asked.Get("redirect_uri") ||
		!p.Loose && base64.RawURLEncoding.EncodeToString(sum[:]) != asked.Get("code_challenge") {
		w.WriteHeader(http.StatusBadRequest)
		p.answer(w, map[string]string{"error": "invalid_grant"})
		return
	}
	if !p.Reusable {
		delete(p.codes, r.PostFormValue("code"))
	}
	claims := map[string]any{"iss": p.server.URL, "aud": "roster", "nonce": asked.Get("nonce"), "iat": p.now().Unix(), "exp": p.now().Add(time.Minute).Unix()}
	for k, v := range p.Claims {
		if claims[k] = v; v == nil {
			delete(claims, k)
		}
	}
	p.answer(w, map[string]any{"access_token": "x", "token_type": "Bearer", "expires_in": 60, "id_token": p.sign(claims)})
}

func (p *Provider) sign(claims map[string]any) string {
	part := func(v any) string {
		b, err := json.Marshal(v)
		if err != nil {
			p.t.Error(err)
		}
		return base64.RawURLEncoding.EncodeToString(b)
	}
	alg := p.Alg
	if alg == "forged" {
		alg = "RS256"
	}
	text := part(map[string]string{"alg": alg, "kid": p.KeyID, "typ": "JWT"}) + "." + part(claims)
	sum := sha256.Sum256([]byte(text))
	var sig []byte
	var err error
	switch p.Alg {
	case "RS256":
		sig, err = rsa.SignPKCS1v15(rand.Reader, p.rsa, crypto.SHA256, sum[:])
	case "ES256":
		r, s, failed := ecdsa.Sign(rand.Reader, p.ec, sum[:])
		if err = failed; err == nil {
			sig = append(r.FillBytes(make([]byte, 32)), s.FillBytes(make([]byte, 32))...)
		}
	case "HS256": // by the client's secret, or by the public key, as who confuses them would take it
		mac := hmac.New(sha256.New, []byte(ClientSecret))
		_, err = io.WriteString(mac, text)
		sig = mac.Sum(nil)
	case "forged": // by a key that is not the provider's
		other, failed := rsa.GenerateKey(rand.Reader, 2048)
		if err = failed; err == nil {
			sig, err = rsa.SignPKCS1v15(rand.Reader, other, crypto.SHA256, sum[:])
		}
	case "none":
	}
	if err != nil {
		p.t.Error(err)
	}
	return text + "." + base64.RawURLEncoding.EncodeToString(sig)
}

func (p *Provider) jwks(w http.ResponseWriter, _ *http.Request) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.KeysAsked++
	b64 := base64.RawURLEncoding.EncodeToString
	point, err := p.ec.PublicKey.Bytes()
	if err != nil {
		p.t.Error(err)
	}
	p.answer(w, map[string]any{"keys": []map[string]string{
		{"kty": "RSA", "use": "sig", "kid": p.KeyID, "alg": "RS256", "n": b64(p.rsa.N.Bytes()), "e": b64(big.NewInt(int64(p.rsa.E)).Bytes())},
		{"kty": "EC", "use": "sig", "kid": p.KeyID, "alg": "ES256", "crv": "P-256", "x": b64(point[1:33]), "y": b64(point[33:])},
	}})
}
