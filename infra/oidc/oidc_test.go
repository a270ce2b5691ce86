package oidc_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"roster/handlers/access"
	"roster/infra/oidc"
)

// What no provider has an address in. Every one would be a way into our own network (S61; CVE-2026-5469, CVE-2026-55671,
// CVE-2025-67494).
func TestPublic(t *testing.T) {
	for _, a := range []string{"127.0.0.1", "127.1.2.3", "0.0.0.0", "0.1.2.3", "10.0.0.1", "172.16.0.1", "172.31.255.255", "192.168.1.1", "169.254.169.254",
		"100.64.0.1", "100.127.255.255", "192.0.0.170", "192.0.2.1", "198.18.0.1", "198.19.255.255", "198.51.100.1", "203.0.113.1", "224.0.0.1", "239.1.1.1", "240.0.0.1",
		"255.255.255.255", "::", "::1", "::ffff:127.0.0.1", "::ffff:10.0.0.1", "::ffff:169.254.169.254", "::127.0.0.1", "fe80::1", "fc00::1", "fd00:ec2::254",
		"ff02::1", "64:ff9b::7f00:1", "64:ff9b::a9fe:a9fe", "64:ff9b:1::1", "2002:7f00:1::1", "2002:a00:1::", "2001::1", "2001:db8::1", "100::1", "fec0::1", "5f00::1"} {
		if oidc.Public(netip.MustParseAddr(a)) {
			t.Errorf("%s passes as public", a)
		}
	}
	for _, a := range []string{"1.1.1.1", "8.8.8.8", "172.32.0.1", "172.15.0.1", "100.63.0.1", "100.128.0.1", "192.0.1.1", "198.17.0.1", "11.0.0.1", "223.255.255.255",
		"2606:4700::1111", "2a00:1450::1", "::ffff:8.8.8.8"} {
		if !oidc.Public(netip.MustParseAddr(a)) {
			t.Errorf("%s does not pass", a)
		}
	}
}

// However an address of our own is written, nothing is connected to, and the same is said.
func TestNothingPrivateIsReached(t *testing.T) {
	var reached atomic.Int64
	canary, err := net.Listen("tcp", ":0") //nolint:gosec // every address of this machine: none is to be reached
	if err != nil {
		t.Fatal(err)
	}
	closed := make(chan struct{})
	go func() {
		defer close(closed)
		for {
			conn, err := canary.Accept()
			if err != nil {
				return
			}
			reached.Add(1)
			_ = conn.Close()
		}
	}()
	_, port, err := net.SplitHostPort(canary.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	c := oidc.New(oidc.Options{})
	for _, host := range []string{"127.0.0.1", "localhost", "LOCALHOST", "localhost.", "127.1", "127.0.1", "2130706433", "0x7f000001", "0x7f.1", "0177.0.0.1", "017700000001",
		"0.0.0.0", "0", "[::]", "[::1]", "[::ffff:127.0.0.1]", "[::ffff:7f00:1]", "[0:0:0:0:0:0:0:1]", "[64:ff9b::7f00:1]", "127.0.0.1.", "①②⑦.⓪.⓪.①"} {
		for _, form := range []string{"https://%s:%s", "http://%s:%s", "https://%s:%s/realms/x", "https://user@%s:%s"} {
			issuer := fmt.Sprintf(form, host, port)
			_, err := c.Authorize(t.Context(), access.ProviderClient{Issuer: issuer, ClientID: "roster"}, access.Begun{State: "s", Nonce: "n", Verifier: strings.Repeat("v", 43)})
			if !errors.Is(err, access.ErrProviderAway) {
				t.Errorf("%s: %v", issuer, err)
			}
		}
	}
	if n := reached.Load(); n != 0 {
		t.Errorf("%d connections", n)
	}
	// The canary sings: a client that may speak to private addresses gets there.
	if _, err := oidc.New(oidc.Options{AllowPrivate: true}).Authorize(t.Context(), access.ProviderClient{Issuer: "https://127.0.0.1:" + port}, access.Begun{}); err == nil {
		t.Error("a canary is no provider")
	}
	if err := canary.Close(); err != nil {
		t.Error(err)
	}
	if <-closed; reached.Load() == 0 {
		t.Error("the canary saw nobody")
	}
}

// What says it is a provider and is none, or leads elsewhere, or never ends.
func TestDiscovery(t *testing.T) {
	var elsewhere atomic.Int64
	other := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { elsewhere.Add(1) }))
	defer other.Close()
	document := func(issuer, auth, token, keys string) string {
		return fmt.Sprintf(`{"issuer":%q,"authorization_endpoint":%q,"token_endpoint":%q,"jwks_uri":%q}`, issuer, auth, token, keys)
	}
	const good = "https://id.example.com/x"
	for name, answer := range map[string]func(w http.ResponseWriter, issuer string){
		"junk":     func(w http.ResponseWriter, _ string) { _, _ = w.Write([]byte("<html>")) },
		"an error": func(w http.ResponseWriter, _ string) { w.WriteHeader(http.StatusNotFound) },
		"another issuer": func(w http.ResponseWriter, _ string) {
			_, _ = w.Write([]byte(document("https://other.example", good, good, good)))
		},
		"a redirect": func(w http.ResponseWriter, _ string) {
			w.Header().Set("Location", other.URL)
			w.WriteHeader(http.StatusFound)
		},
		"a script": func(w http.ResponseWriter, i string) {
			_, _ = w.Write([]byte(document(i, "javascript:alert(1)", good, good)))
		},
		"tokens in clear": func(w http.ResponseWriter, i string) {
			_, _ = w.Write([]byte(document(i, good, "http://id.example.com/t", good)))
		},
		"keys in a file": func(w http.ResponseWriter, i string) {
			_, _ = w.Write([]byte(document(i, good, good, "file:///etc/passwd")))
		},
		"a user in an URL": func(w http.ResponseWriter, i string) {
			_, _ = w.Write([]byte(document(i, "https://u:p@id.example.com/", good, good)))
		},
		"no endpoints": func(w http.ResponseWriter, i string) { _, _ = w.Write([]byte(document(i, "", "", ""))) },
		"without end": func(w http.ResponseWriter, i string) {
			_, _ = w.Write([]byte(`{"x":"` + strings.Repeat("x", 2<<20) + `",` + document(i, good, good, good)[1:]))
		},
	} {
		t.Run(name, func(t *testing.T) {
			var server *httptest.Server
			server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { answer(w, server.URL) }))
			defer server.Close()
			c := oidc.New(oidc.Options{AllowPrivate: true})
			to, err := c.Authorize(t.Context(), access.ProviderClient{Issuer: server.URL, ClientID: "roster"}, access.Begun{})
			if !errors.Is(err, access.ErrProviderAway) {
				t.Errorf("to %q: %v", to, err)
			}
		})
	}
	if n := elsewhere.Load(); n != 0 {
		t.Errorf("followed elsewhere %d times", n)
	}
}

// A provider that fails is left alone for a while; one that is slow is waited for as long as whoever asks.
func TestFailing(t *testing.T) {
	var asked atomic.Int64
	release := make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked.Add(1)
		if r.URL.Path == "/slow/.well-known/openid-configuration" {
			<-release
		}
		w.WriteHeader(http.StatusInternalServerError)
	}))
	defer server.Close()
	defer close(release)
	now := time.Now()
	c := oidc.New(oidc.Options{AllowPrivate: true, Now: func() time.Time { return now }})
	ask := func(ctx context.Context, issuer string) error {
		_, err := c.Authorize(ctx, access.ProviderClient{Issuer: issuer}, access.Begun{})
		return err
	}
	for range 5 {
		if err := ask(t.Context(), server.URL); !errors.Is(err, access.ErrProviderAway) {
			t.Fatal(err)
		}
	}
	if asked.Load() != 1 {
		t.Errorf("asked %d times", asked.Load())
	}
	now = now.Add(time.Minute)
	if err := ask(t.Context(), server.URL); !errors.Is(err, access.ErrProviderAway) || asked.Load() != 2 {
		t.Errorf("a minute later: %v, asked %d times", err, asked.Load())
	}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	if err := ask(ctx, server.URL+"/slow"); !errors.Is(err, access.ErrProviderAway) {
		t.Error(err)
	}
}

// However many sign in at once, a provider is asked once what it says of itself (SPEC 7.4), and nobody who gives up takes
// the answer from the others.
func TestManyAtOnce(t *testing.T) {
	var asked atomic.Int64
	release, begun := make(chan struct{}), make(chan struct{})
	var server *httptest.Server
	server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if asked.Add(1) == 1 {
			close(begun)
		}
		<-release
		_, _ = fmt.Fprintf(w, `{"issuer":%q,"authorization_endpoint":"%[1]s/a","token_endpoint":"%[1]s/t","jwks_uri":"%[1]s/k"}`, server.URL)
	}))
	defer server.Close()
	c := oidc.New(oidc.Options{AllowPrivate: true})
	at := access.ProviderClient{Issuer: server.URL, ClientID: "roster"}
	first, giveUp := context.WithCancel(t.Context())
	gone := make(chan error, 1)
	go func() {
		_, err := c.Authorize(first, at, access.Begun{})
		gone <- err
	}()
	<-begun
	results := make(chan error, 50)
	for range cap(results) {
		go func() {
			to, err := c.Authorize(t.Context(), at, access.Begun{State: "s"})
			if err == nil && !strings.HasPrefix(to, server.URL+"/a?") {
				err = errors.New(to)
			}
			results <- err
		}()
	}
	giveUp()
	if err := <-gone; !errors.Is(err, context.Canceled) {
		t.Errorf("whoever gives up: %v", err)
	}
	close(release)
	for range cap(results) {
		if err := <-results; err != nil {
			t.Error(err)
		}
	}
	if n := asked.Load(); n != 1 {
		t.Errorf("asked %d times", n)
	}
}
