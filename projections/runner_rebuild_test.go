package projections

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/jackc/pgx/v5"
)

// TestRebuildWhileReading: while a model is built anew under writes, every question is answered, and answered with
// what a question before has already seen.
func TestRebuildWhileReading(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.fill(300)
	run, reader := r.runner(plainModel(1, nil)), r.runner(plainModel(1, nil)) // reader: a process that does not run them
	run.limit, run.grace, reader.beat = 16, 0, 1<<40
	r.start(run)
	r.wait(run, "plain", 301)

	ctx, cancel := context.WithCancel(t.Context())
	var readers sync.WaitGroup
	var reads atomic.Int64
	for _, from := range []*Runner{run, run, reader} {
		readers.Go(func() {
			seen := 0
			for ctx.Err() == nil {
				n := 0
				err := from.Query(t.Context(), "plain", func(ctx context.Context, schema string, q Querier) error {
					return q.QueryRow(ctx, `SELECT count(*) FROM `+pgx.Identifier{schema, "applied"}.Sanitize()).Scan(&n)
				})
				reads.Add(1)
				if err != nil || n < seen {
					t.Errorf("read %d after %d: %v", n, seen, err)
					return
				}
				seen = n
			}
		})
	}
	readers.Go(func() {
		for ctx.Err() == nil {
			last := r.fill(3)
			if err := run.WaitFor(t.Context(), "plain", last); err != nil {
				t.Error(err)
			}
		}
	})
	for i := range 3 {
		if err := run.Rebuild(t.Context(), "plain", nil); err != nil {
			t.Fatal(err)
		}
		if want := fmt.Sprintf("roster_plain_%d", i+2); run.Serving("plain") != want {
			t.Errorf("%s serves, want %s", run.Serving("plain"), want)
		}
	}
	cancel()
	readers.Wait()
	last, _ := r.log.Last(t.Context())
	r.wait(run, "plain", last)
	r.wantApplied(run)
	r.until(run, "old generations dropped", func(s []Status) bool { return len(s) == 1 })
	var schemas int
	if err := r.pool.QueryRow(t.Context(), `SELECT count(*) FROM pg_namespace WHERE nspname LIKE 'roster\_plain%'`).Scan(&schemas); err != nil || schemas != 1 {
		t.Errorf("%d schemas left: %v", schemas, err)
	}
	if reads.Load() == 0 {
		t.Error("nothing was read")
	}
}

// TestRebuildResumes: a new version is built beside the old one; a runner killed in the middle goes on where it was.
func TestRebuildResumes(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	last := r.fill(100)
	first := r.runner(plainModel(1, nil))
	stop := r.start(first)
	r.wait(first, "plain", last)
	stop()

	half := make(chan struct{})
	calls := 0
	killed := r.runner(plainModel(2, func(ctx context.Context, _ pgx.Tx, _ []Opened) error {
		if calls++; calls <= 5 {
			return nil
		}
		if calls == 6 {
			close(half)
		}
		<-ctx.Done()
		return ctx.Err()
	}))
	killed.limit = 10
	stop = r.start(killed)
	<-half
	if got := killed.Serving("plain"); got != "roster_plain_1" {
		t.Errorf("%s serves while the next is built", got)
	}
	r.wantApplied(killed)
	stop()

	var handed atomic.Uint64
	again := r.runner(plainModel(2, func(_ context.Context, _ pgx.Tx, commits []Opened) error {
		handed.CompareAndSwap(0, commits[0].Pos)
		return nil
	}))
	r.start(again)
	r.until(again, "the new version serving", func(s []Status) bool { return s[0].Version == 2 && s[0].State == "serving" })
	if handed.Load() != 51 {
		t.Errorf("went on at %d, want 51", handed.Load())
	}
	last = r.fill(1)
	r.wait(again, "plain", last)
	r.wantApplied(again)
	if got := again.Serving("plain"); got != "roster_plain_2" {
		t.Errorf("%s serves", got)
	}
}

// TestRebuildHoldsBack: a generation that could not apply what the serving one has does not take its place, and does
// not keep that one from going on; once mended, it does.
func TestRebuildHoldsBack(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	last := r.fill(20)
	var broken atomic.Bool
	run := r.runner(plainModel(1, func(_ context.Context, _ pgx.Tx, commits []Opened) error {
		if broken.Load() && slices.ContainsFunc(commits, func(c Opened) bool { return c.Pos == 9 }) {
			return errors.New("poison")
		}
		return nil
	}))
	r.start(run)
	r.wait(run, "plain", last)
	broken.Store(true)
	if err := run.Rebuild(t.Context(), "plain", nil); err == nil || !strings.Contains(err.Error(), "holds back") {
		t.Fatalf("rebuilt: %v", err)
	}
	r.wait(run, "plain", r.fill(5))
	r.wantApplied(run)
	broken.Store(false)
	if err := run.Retry(t.Context(), "plain"); err != nil {
		t.Fatal(err)
	}
	r.until(run, "the new generation serving", func([]Status) bool { return run.Serving("plain") == "roster_plain_2" })
	r.wait(run, "plain", r.fill(5))
}

// TestRebuildMends: a generation that holds commits back is replaced by one that does not, and then nothing is told
// to be held back.
func TestRebuildMends(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	var mended atomic.Bool
	run := r.runner(plainModel(1, func(_ context.Context, _ pgx.Tx, commits []Opened) error {
		if !mended.Load() && slices.ContainsFunc(commits, func(c Opened) bool { return c.Pos == 9 }) {
			return errors.New("poison")
		}
		return nil
	}))
	r.start(run)
	r.wait(run, "plain", r.fill(20))
	r.until(run, "a parked boundary", func(s []Status) bool { return len(s[0].Parked) == 1 })
	mended.Store(true)
	if err := run.Rebuild(t.Context(), "plain", nil); err != nil {
		t.Fatal(err)
	}
	r.wantApplied(run)
	list, err := run.Status(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range list {
		if len(s.Parked) > 0 {
			t.Errorf("%s, %s, is told to hold back %v", s.Schema, s.State, s.Parked)
		}
	}
}

// TestWaitForElsewhere: a process that does not run the projections learns how far they are.
func TestWaitForElsewhere(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	run, other := r.runner(plainModel(1, nil)), r.runner(plainModel(1, nil))
	r.start(run)
	last := r.fill(10)
	r.wait(other, "plain", last)
	if got := other.Position("plain"); got != last {
		t.Errorf("at %d", got)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := other.WaitFor(ctx, "plain", last+1); err == nil {
		t.Error("waited for nothing")
	}
}
