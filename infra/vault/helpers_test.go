package vault

import (
	"bytes"
	"context"
	"crypto/rand"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"roster/events"
	"roster/infra/keyring"
	rosternats "roster/infra/nats"
)

var day0 = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)

// fixture is a server in the process on a directory of its own, with group commit.
type fixture struct {
	dir    string
	server *rosternats.Server
	conn   *nats.Conn
	js     jetstream.JetStream
	kr     *keyring.Keyring
}

func start(t *testing.T) *fixture {
	t.Helper()
	b := make([]byte, 32)
	for i := range b {
		b[i] = byte(i)
	}
	kr, err := keyring.New(bytes.NewReader(b), day0)
	if err != nil {
		t.Fatal(err)
	}
	f := &fixture{dir: t.TempDir(), kr: kr}
	f.run(t)
	t.Cleanup(func() { f.stop(t) })
	return f
}

func (f *fixture) run(t *testing.T) {
	t.Helper()
	s, err := rosternats.Embedded(t.Context(), rosternats.Config{Dir: f.dir, GroupCommit: true})
	if err != nil {
		t.Fatal(err)
	}
	conn, err := s.Connect()
	if err != nil {
		t.Fatal(err)
	}
	js, err := jetstream.New(conn)
	if err != nil {
		t.Fatal(err)
	}
	f.server, f.conn, f.js = s, conn, js
}

func (f *fixture) stop(t *testing.T) {
	t.Helper()
	if err := f.server.Close(); err != nil {
		t.Error(err)
	}
}

func (f *fixture) open(t *testing.T) *Vault {
	t.Helper()
	v, err := Open(t.Context(), f.js, f.kr, Options{Rand: rand.Reader, Disk: f.server})
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// onDisk says in how many files of the store the bytes stand, whatever their names are.
func (f *fixture) onDisk(t *testing.T, b []byte) (files int) {
	t.Helper()
	var found []os.FileInfo
	err := filepath.WalkDir(f.dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		text, err := os.ReadFile(path)
		if err != nil || !bytes.Contains(text, b) {
			return err
		}
		info, err := os.Stat(path)
		if !slices.ContainsFunc(found, func(other os.FileInfo) bool { return os.SameFile(other, info) }) {
			found = append(found, info)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return len(found)
}

// stored is the last message on a subject as it stands in the stream.
func (f *fixture) stored(t *testing.T, v *Vault, subject string) []byte {
	t.Helper()
	m, err := v.stream.GetLastMsgForSubject(t.Context(), subject)
	if err != nil {
		t.Fatal(err)
	}
	return m.Data
}

// count is how many messages stand on a subject.
func (f *fixture) count(t *testing.T, v *Vault, subject string) uint64 {
	t.Helper()
	info, err := v.stream.Info(t.Context(), jetstream.WithSubjectFilter(subject))
	if err != nil {
		t.Fatal(err)
	}
	return info.State.Subjects[subject]
}

func newKey(t *testing.T, v *Vault) PendingKey {
	t.Helper()
	p, err := v.NewKey(Owner{OwnerUser, "0198c5d4-7e1a-7c3f-9b1d-2f6a8e4c0b57"})
	if err != nil {
		t.Fatal(err)
	}
	if err := v.Put(t.Context(), p); err != nil {
		t.Fatal(err)
	}
	return p
}

func claim(t *testing.T, v *Vault, address string) Address {
	t.Helper()
	a, created, err := v.ClaimAddress(t.Context(), address)
	if err != nil || !created || a.ID.IsZero() || a.Key.IsZero() {
		t.Fatal(a, created, err)
	}
	return a
}

func tombstone(ctx context.Context, t *testing.T, v *Vault, k events.KeyID) {
	t.Helper()
	e, ok, err := v.last(ctx, v.keySubject(k))
	if err != nil || !ok {
		t.Fatal(ok, err)
	}
	conflict, err := v.put(ctx, v.keySubject(k), e.seq, record{Kind: kindTombstone, OwnerType: e.OwnerType, OwnerID: e.OwnerID})
	if err != nil || conflict {
		t.Fatal(conflict, err)
	}
}
