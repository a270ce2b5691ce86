//go:build powercut

package eventlog_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/nats-io/nats.go/jetstream"

	"roster/events"
	"roster/handlers"
	"roster/infra/eventlog"
	"roster/infra/eventlog/logtest"
	"roster/infra/keyring"
	"roster/infra/nats"
	"roster/infra/vault"
)

// What a writer is told.
const (
	cutDir     = "ROSTER_TEST_CUT_DIR"
	cutKind    = "ROSTER_TEST_CUT_KIND"
	cutBarrier = "ROSTER_TEST_CUT_BARRIER"
)

// TestPowerCutWriter is not a test but the process that writes while the power goes. On SIGTERM it ends cleanly.
func TestPowerCutWriter(t *testing.T) {
	dir := os.Getenv(cutDir)
	if dir == "" {
		return // this process is the test's own, which starts another one of these
	}
	barrier := os.Getenv(cutBarrier) == "true"
	server := must(nats.Embedded(t.Context(), nats.Config{Dir: dir, GroupCommit: true}))(t)
	var opts []eventlog.Option
	if barrier {
		opts = append(opts, eventlog.OnDisk(server))
	}
	i := must(on(t.Context(), server, opts...))(t)
	defer i.close(t)
	v, js, err := openVault(t.Context(), i, barrier)
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := signal.NotifyContext(t.Context(), syscall.SIGTERM)
	defer stop()
	size := 300
	if os.Getenv(cutKind) == cutRoll {
		size = 60_000
	}
	errs := make(chan error)
	logs, secrets, every := 16, 4, 4
	if os.Getenv(cutKind) == cutErase {
		logs, secrets, every = 2, 16, 2
	}
	for n := range logs {
		go func() { errs <- commits(ctx, i.Log, size, n < 2) }()
	}
	for range secrets {
		go func() { errs <- entries(ctx, v, js, size, every) }()
	}
	for range logs + secrets {
		if err := <-errs; err != nil && ctx.Err() == nil {
			t.Error(err)
			stop()
		}
	}
}

// say prints a line in one write, so that none is cut.
func say(format string, args ...any) error {
	_, err := os.Stdout.WriteString(fmt.Sprintf(format, args...) + "\n")
	return err
}

// commits appends to a boundary of its own, or batches over it and a new one.
func commits(ctx context.Context, log *eventlog.Log, size int, batches bool) error {
	b, pos := logtest.NewBoundary(), uint64(0)
	for {
		ws := []handlers.Write{logtest.NewWrite(b, pos, size)}
		if batches {
			ws = append(ws, logtest.NewWrite(logtest.NewBoundary(), 0, size))
		}
		positions, err := log.Append(ctx, ws...)
		if err != nil {
			return err
		}
		pos = positions[0]
		for k, w := range ws {
			hash := events.Record{Pos: positions[k], Boundary: w.Boundary, Payload: w.Payload}.Hash()
			if err := say("log %d %s %s", positions[k], w.Boundary, hash); err != nil {
				return err
			}
		}
	}
}

// entries puts secrets, claims addresses and destroys one of every so many secrets.
func entries(ctx context.Context, v *vault.Vault, js jetstream.Stream, size, every int) error {
	owner := vault.Owner{Type: vault.OwnerUser, ID: uuid.NewString()}
	for n := 0; ; n++ {
		value := make([]byte, size/2)
		if _, err := rand.Read(value); err != nil {
			return err
		}
		id, err := v.PutSecret(ctx, owner, "test", value)
		if err != nil {
			return err
		}
		if err := say("secret %s %s", id, digest(value)); err != nil {
			return err
		}
		address := uuid.NewString() + "@example.com"
		a, _, err := v.ClaimAddress(ctx, address)
		if err != nil {
			return err
		}
		if err := say("address %s %s", address, a.ID); err != nil {
			return err
		}
		if n%every != 0 {
			continue
		}
		m, err := js.GetLastMsgForSubject(ctx, "roster.vault.secret."+id.String())
		if err != nil {
			return err
		}
		if err := say("destroying %s", id); err != nil {
			return err
		}
		if err := v.DestroySecret(ctx, id); err != nil {
			return err
		}
		if err := say("destroyed %s %x", id, m.Data[40:72]); err != nil {
			return err
		}
	}
}

func digest(b []byte) string { return fmt.Sprintf("%x", sha256.Sum256(b)) }

func openVault(ctx context.Context, i *instance, barrier bool) (*vault.Vault, jetstream.Stream, error) {
	kr, err := keyring.New(bytes.NewReader(make([]byte, 32)), time.Unix(1_700_000_000, 0))
	if err != nil {
		return nil, nil, err
	}
	conn, err := i.server.Connect()
	if err != nil {
		return nil, nil, err
	}
	js, err := jetstream.New(conn)
	if err != nil {
		return nil, nil, err
	}
	o := vault.Options{Rand: rand.Reader}
	if barrier {
		o.Disk = i.server
	}
	v, err := vault.Open(ctx, js, kr, o)
	if err != nil {
		return nil, nil, err
	}
	stream, err := js.Stream(ctx, "ROSTER_VAULT")
	return v, stream, err
}
