package main_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"roster/infra/nats/natstest"
	"roster/infra/postgres/launch/pgtest"
)

// authority signs certificates of a test.
type authority struct {
	t    testing.TB
	dir  string
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
	CA   string // the file with its own certificate
}

func newAuthority(t testing.TB, name string) *authority {
	t.Helper()
	a := &authority{t: t, dir: t.TempDir()}
	var file string
	a.CA, file = a.sign(name, &x509.Certificate{IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign})
	if err := os.Remove(file); err != nil {
		t.Fatal(err)
	}
	return a
}

// sign makes a certificate and its key, as files. The first is the authority's own.
func (a *authority) sign(name string, template *x509.Certificate) (cert, key string) {
	a.t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		a.t.Fatal(err)
	}
	template.SerialNumber, template.Subject = big.NewInt(time.Now().UnixNano()), pkix.Name{CommonName: name}
	template.NotBefore, template.NotAfter = time.Now().Add(-time.Hour), time.Now().Add(time.Hour)
	parent, signer := a.cert, a.key
	if parent == nil {
		parent, signer = template, private
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, &private.PublicKey, signer)
	if err != nil {
		a.t.Fatal(err)
	}
	if a.cert == nil {
		a.key = private
		if a.cert, err = x509.ParseCertificate(der); err != nil {
			a.t.Fatal(err)
		}
	}
	raw, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		a.t.Fatal(err)
	}
	cert, key = filepath.Join(a.dir, name+".pem"), filepath.Join(a.dir, name+".key")
	for path, block := range map[string]*pem.Block{cert: {Type: "CERTIFICATE", Bytes: der}, key: {Type: "PRIVATE KEY", Bytes: raw}} {
		if err := os.WriteFile(path, pem.EncodeToMemory(block), 0o600); err != nil {
			a.t.Fatal(err)
		}
	}
	return cert, key
}

// TestLogOverTLS: the log is on a server that speaks TLS alone and wants our certificate and a password. With them a
// command is acknowledged; with another authority, another password or no certificate, a line says why not.
func TestLogOverTLS(t *testing.T) {
	t.Parallel()
	ours, other := newAuthority(t, "ours"), newAuthority(t, "other")
	serverCert, serverKey := ours.sign("server", &x509.Certificate{IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}})
	client := &x509.Certificate{ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}}
	cert, key := ours.sign("roster", client)
	wrongCert, wrongKey := other.sign("roster", client)
	s := natsServer(t, natstest.Config{SyncAlways: true,
		Extra: fmt.Sprintf("authorization { user: roster, password: open-sesame }\ntls { cert_file: %q, key_file: %q, ca_file: %q, verify: true }", serverCert, serverKey, ours.CA),
		URL:   func(hostPort string) string { return "tls://roster:open-sesame@" + hostPort }})
	data, database := dataDir(t), pgtest.Database(t)
	with := func(url, ca, cert, key string) []string {
		flags := []string{"--nats", url, "--nats-monitor", s.Monitor, "--database", database, "--nats-ca", ca}
		if cert != "" {
			flags = append(flags, "--nats-cert", cert, "--nats-key", key)
		}
		return flags
	}
	// How a server's refusal of a certificate is heard depends on whether the client was still writing.
	const refused = "tls: certificate required|remote error: tls: |tls error: connection closed by remote"
	for _, c := range []struct {
		words string // one of them is said
		flags []string
	}{
		{"signed by unknown authority", with(s.URL, other.CA, cert, key)},
		{"Authorization Violation", with(strings.Replace(s.URL, "open-sesame", "canary", 1), ours.CA, cert, key)},
		{refused, with(s.URL, ours.CA, "", "")},
		{refused, with(s.URL, ours.CA, wrongCert, wrongKey)},
	} {
		e := runs(t, nil, serving(data, c.flags...)...)
		e.wantLine(t, 1, "--nats: connect to NATS at tls://…@")
		found := false
		for word := range strings.SplitSeq(c.words, "|") {
			found = found || strings.Contains(e.stderr, word)
		}
		if !found || strings.Contains(e.stderr, "open-sesame") || strings.Contains(e.stderr, "canary") {
			t.Errorf("%q does not say %q, or tells a password", e.stderr, c.words)
		}
	}
	r := serve(t, data, with(s.URL, ours.CA, cert, key)...)
	account, ann := r.setUp()
	bob, _ := r.join(ann, account, "bob@northwind.example", "viewer")
	ann.post("/v1/accounts/"+account+"/users/"+bob+"/suspend", m{}).Want(200)
	r.stop()
}
