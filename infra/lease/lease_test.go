package lease_test

import (
	"context"
	"errors"
	"log/slog"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"go.uber.org/goleak"

	"roster/infra/lease"
	"roster/infra/postgres/launch/pgtest"
)

// The database of pgtest lives as long as the process.
func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m, goleak.IgnoreAnyFunction("roster/infra/postgres/launch.(*Server).supervise"))
}

func locks(t *testing.T, url string) (*lease.Locks, *pgxpool.Pool) {
	t.Helper()
	pool, err := pgxpool.New(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(pool.Close)
	return lease.New(pool, slog.New(slog.DiscardHandler)), pool
}

func TestOneAtATime(t *testing.T) {
	url := pgtest.Database(t)
	var holding, most atomic.Int32
	done := make(chan error)
	errDone := errors.New("done")
	for range 3 {
		l, _ := locks(t, url)
		go func() {
			done <- l.Hold(t.Context(), "mailer", func(context.Context) error {
				if n := holding.Add(1); n > most.Load() {
					most.Store(n)
				}
				<-time.After(20 * time.Millisecond)
				holding.Add(-1)
				return errDone
			})
		}()
	}
	for range 3 {
		if err := <-done; !errors.Is(err, errDone) {
			t.Error(err)
		}
	}
	if most.Load() != 1 {
		t.Errorf("%d at once", most.Load())
	}
}

func TestRolesAreApart(t *testing.T) {
	url := pgtest.Database(t)
	a, _ := locks(t, url)
	b, _ := locks(t, url)
	ran := false
	err := a.Hold(t.Context(), "feed", func(ctx context.Context) error {
		return b.Hold(ctx, "mailer", func(context.Context) error { ran = true; return nil })
	})
	if err != nil || !ran {
		t.Error(err, ran)
	}
}

func TestALostConnectionEndsTheWorkAndFreesTheRole(t *testing.T) {
	url := pgtest.Database(t)
	a, _ := locks(t, url)
	b, pool := locks(t, url)
	err := a.Hold(t.Context(), "feed", func(ctx context.Context) error {
		if _, err := pool.Exec(ctx, `SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory'`); err != nil {
			return err
		}
		<-ctx.Done()
		return ctx.Err()
	})
	if !errors.Is(err, lease.ErrLost) {
		t.Error(err)
	}
	if err := b.Hold(t.Context(), "feed", func(context.Context) error { return nil }); err != nil {
		t.Error(err)
	}
}

func TestWaitingEndsWithItsContext(t *testing.T) {
	away, _ := locks(t, "postgres://nobody@127.0.0.1:1/nothing")
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan error)
	go func() { done <- away.Hold(ctx, "feed", func(context.Context) error { return errors.New("held") }) }()
	stop()
	if err := <-done; !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}
