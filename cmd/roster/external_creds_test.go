package main_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/jwt/v2"
	"github.com/nats-io/nkeys"

	"roster/infra/nats/natstest"
	"roster/infra/postgres/launch/pgtest"
)

// signer is an operator of NATS or one of its accounts: a key, and the claims that it stands for.
type signer struct {
	t    testing.TB
	pair nkeys.KeyPair
	ID   string // its public key
}

func newSigner(t testing.TB, create func() (nkeys.KeyPair, error)) signer {
	t.Helper()
	pair, err := create()
	if err != nil {
		t.Fatal(err)
	}
	id, err := pair.PublicKey()
	if err != nil {
		t.Fatal(err)
	}
	return signer{t, pair, id}
}

func (s signer) sign(claims jwt.Claims) string {
	s.t.Helper()
	token, err := claims.Encode(s.pair)
	if err != nil {
		s.t.Fatal(err)
	}
	return token
}

// account is one of the operator's, with as much JetStream as it wants or with none.
func (s signer) account(name string, jetStream bool) (signer, string) {
	s.t.Helper()
	a := newSigner(s.t, nkeys.CreateAccount)
	claims := jwt.NewAccountClaims(a.ID)
	claims.Name = name
	if jetStream {
		claims.Limits.JetStreamLimits = jwt.JetStreamLimits{MemoryStorage: jwt.NoLimit, DiskStorage: jwt.NoLimit, Streams: jwt.NoLimit, Consumer: jwt.NoLimit}
	}
	return a, s.sign(claims)
}

// creds writes the file that a user of the account is given: its JWT and its key.
func (s signer) creds(change func(*jwt.UserClaims)) (path string) {
	s.t.Helper()
	user := newSigner(s.t, nkeys.CreateUser)
	claims := jwt.NewUserClaims(user.ID)
	change(claims)
	seed, err := user.pair.Seed()
	if err != nil {
		s.t.Fatal(err)
	}
	text, err := jwt.FormatUserConfig(s.sign(claims), seed)
	if err != nil {
		s.t.Fatal(err)
	}
	path = filepath.Join(s.t.TempDir(), "roster.creds")
	if err := os.WriteFile(path, text, 0o600); err != nil {
		s.t.Fatal(err)
	}
	return path
}

// TestLogWithCredentials: the log is on a server whose operator gives out credentials, a JWT and an nkey for each
// user. With those of an account that has JetStream a command is acknowledged, also after the server was restarted;
// with those of a stranger, of another account, or with fewer rights, a line says why not.
func TestLogWithCredentials(t *testing.T) {
	t.Parallel()
	operator := newSigner(t, nkeys.CreateOperator)
	claims := jwt.NewOperatorClaims(operator.ID)
	system, systemToken := operator.account("SYS", false)
	claims.SystemAccount = system.ID
	ours, oursToken := operator.account("ROSTER", true)
	bare, bareToken := operator.account("BARE", false)
	stranger, _ := newSigner(t, nkeys.CreateOperator).account("ROSTER", true)
	s := natsServer(t, natstest.Config{SyncAlways: true, Extra: fmt.Sprintf(
		"operator: %s\nsystem_account: %s\nresolver: MEMORY\nresolver_preload: { %s: %s, %s: %s, %s: %s }",
		operator.sign(claims), system.ID, system.ID, systemToken, ours.ID, oursToken, bare.ID, bareToken)})
	data, database := dataDir(t), pgtest.Database(t)
	anybody := func(*jwt.UserClaims) {}
	with := func(creds string) []string {
		return append(elsewhere(s, database), "--nats-creds", creds)
	}
	narrow := func(c *jwt.UserClaims) {
		c.Pub.Allow.Add("roster.>")
		c.Sub.Allow.Add(">")
	}
	for words, creds := range map[string]string{
		"--nats: connect to NATS at nats://127.0.0.1:| Authorization Violation": stranger.creds(anybody),
		"--nats: connect to NATS at nats://127.0.0.1:|Authorization Violation":  ours.creds(func(c *jwt.UserClaims) { c.Expires = time.Now().Add(-time.Hour).Unix() }),
		"--nats: JetStream is not enabled there, or not for our account":        bare.creds(anybody),
		`--nats: nats: permissions violation:|$JS.API.STREAM.INFO.ROSTER_LOG`:   ours.creds(narrow),
		"--nats: connect to NATS at nats://127.0.0.1:|no such file":             filepath.Join(data, "roster.creds"),
	} {
		e := runs(t, nil, serving(data, with(creds)...)...)
		lines := strings.Split(strings.TrimSpace(e.stderr), "\n")
		for word := range strings.SplitSeq(words, "|") {
			if last := lines[len(lines)-1]; e.code != 1 || !strings.Contains(last, word) {
				t.Errorf("ended with %d and %q, want 1 and %q", e.code, last, word)
			}
		}
	}
	if e := runs(t, nil, serving(data, elsewhere(s, database)...)...); e.code == 0 {
		t.Error("served without credentials")
	}

	r := serve(t, data, with(ours.creds(anybody))...)
	account, ann := r.setUp()
	bob, _ := r.join(ann, account, "bob@northwind.example", "viewer")
	suspend := "/v1/accounts/" + account + "/users/" + bob + "/suspend"
	if err := s.Kill(); err != nil {
		t.Fatal(err)
	}
	if err := s.Restart(t.Context()); err != nil {
		t.Fatal(err)
	}
	ann = ann.with("Idempotency-Key", "suspend-bob")
	r.until("a command after the server came back", func() bool { return ann.post(suspend, m{}).Status == 200 })
	r.stop()
}
