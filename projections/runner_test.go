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
	"time"

	"github.com/jackc/pgx/v5"

	"roster/events"
)

// plainTables keeps each position that was applied, as often as it was.
const plainTables = `CREATE TABLE applied (n bigint GENERATED ALWAYS AS IDENTITY, position bigint NOT NULL, boundary text NOT NULL)`

// plainModel is a model that notes what it was handed; hook may fail before it does.
func plainModel(version int, hook func(ctx context.Context, tx pgx.Tx, commits []Opened) error) Model {
	return Model{Name: "plain", Version: version, Tables: plainTables, Apply: func(ctx context.Context, tx pgx.Tx, commits []Opened) error {
		for _, c := range commits {
			if _, err := tx.Exec(ctx, `INSERT INTO applied (position, boundary) VALUES ($1, $2)`, int64(c.Pos), c.Boundary.String()); err != nil {
				return err
			}
		}
		if hook != nil {
			return hook(ctx, tx, commits)
		}
		return nil
	}}
}

// applied reads, through the runner, the positions that a plain model was handed, in the order it was.
func (r *rig) applied(run *Runner) []int64 {
	r.Helper()
	var list []int64
	err := run.Query(r.Context(), "plain", func(ctx context.Context, schema string, q Querier) error {
		rows, err := q.Query(ctx, `SELECT position FROM `+pgx.Identifier{schema, "applied"}.Sanitize()+` ORDER BY n`)
		if err != nil {
			return err
		}
		list, err = pgx.CollectRows(rows, pgx.RowTo[int64])
		return err
	})
	if err != nil {
		r.Error(err)
	}
	return list
}

func (r *rig) wantApplied(run *Runner, without ...int64) {
	r.Helper()
	last, _ := r.log.Last(r.Context())
	var want []int64
	for pos := int64(1); pos <= int64(last); pos++ {
		if !slices.Contains(without, pos) {
			want = append(want, pos)
		}
	}
	got := r.applied(run)
	for i := range max(len(got), len(want)) {
		if i >= len(got) || i >= len(want) || got[i] != want[i] {
			r.Errorf("applied %d commits, want %d; from the %d. on %v, want %v", len(got), len(want), i+1,
				got[min(i, len(got)):min(i+5, len(got))], want[min(i, len(want)):min(i+5, len(want))])
			return
		}
	}
}

// fill writes n commits over a few accounts and answers the last position.
func (r *rig) fill(n int) (last uint64) {
	r.Helper()
	for i := range n {
		last = r.log.write(r, testAccount(fmt.Sprint(i%5)), events.MembershipLeft{User: events.UserID(testID("u"))})
	}
	return last
}

// TestRunnerKilledMidPage: whatever ends a runner between Apply and commit, the next one applies that page once.
func TestRunnerKilledMidPage(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	last := r.fill(100)
	for i := range 5 {
		reached, hang := make(chan struct{}), make(chan struct{})
		calls := 0
		run := r.runner(plainModel(1, func(ctx context.Context, _ pgx.Tx, _ []Opened) error {
			if calls++; calls <= i {
				return nil
			}
			close(reached)
			select {
			case <-ctx.Done():
			case <-hang:
			}
			return ctx.Err()
		}))
		run.limit = 4
		stop := r.start(run)
		<-reached
		stop()
	}
	run := r.runner(plainModel(1, nil))
	run.limit = 7
	r.start(run)
	r.wait(run, "plain", last)
	r.wantApplied(run)
	r.wait(run, "plain", r.fill(3))
	r.wantApplied(run)
}

// TestRunnerLosesDatabase: a backend that is killed in the middle of a page is waited for; the page is applied once.
func TestRunnerLosesDatabase(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	last := r.fill(40)
	calls := 0
	run := r.runner(plainModel(1, func(ctx context.Context, tx pgx.Tx, _ []Opened) error {
		if calls++; calls == 3 {
			_, err := tx.Exec(ctx, `SELECT pg_terminate_backend(pg_backend_pid())`)
			return err
		}
		return nil
	}))
	run.limit = 5
	r.start(run)
	r.wait(run, "plain", last)
	r.wantApplied(run)
}

// TestTwoRunners: of two processes one applies; the other takes over when the first ends, and when the first is only
// believed to have ended, the checkpoint keeps it from applying.
func TestTwoRunners(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.fill(20)
	reached, resume := make(chan struct{}), make(chan struct{})
	first := r.runner(plainModel(1, nil))
	first.limit = 6
	first.opener = opening{away: sync.OnceValue(func() error { close(reached); <-resume; return nil })}
	stopFirst := r.start(first)
	<-reached

	var applied atomic.Int64
	second := r.runner(plainModel(1, func(_ context.Context, _ pgx.Tx, commits []Opened) error {
		applied.Add(int64(len(commits)))
		return nil
	}))
	second.pool = testPool(t, r.url)
	r.start(second)
	tick := time.NewTimer(10 * second.beat)
	<-tick.C
	if n := applied.Load(); n != 0 {
		t.Fatalf("the second runner applied %d commits while the first has the lock", n)
	}
	if _, err := r.pool.Exec(t.Context(), `SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory' AND granted AND database = (SELECT oid FROM pg_database WHERE datname = current_database())`); err != nil {
		t.Fatal(err)
	}
	// The first, whose lock is gone, goes on with the page that it had read.
	r.until(second, "a second runner", func([]Status) bool { return applied.Load() == 21 })
	close(resume)
	last := r.fill(20)
	r.wait(second, "plain", last)
	r.wait(first, "plain", last)
	stopFirst()
	last = r.fill(5)
	r.wait(second, "plain", last)
	r.wantApplied(second)
}

// TestFenced: a runner that finds its checkpoint moved has applied nothing.
func TestFenced(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	last := r.fill(3)
	run := r.runner(plainModel(1, nil))
	rows, err := readGenerations(t.Context(), r.pool)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	pages := newPages(ctx, r.log, opening{}, 10)
	stale, owner := newFollower(run, pages, rows[0]), newFollower(run, pages, rows[0])
	p := pages.from(0)
	<-p.done
	for _, f := range []*follower{stale, owner} {
		f.state, f.parked, f.at = stateServing, map[events.Boundary]bool{}, checkpoint{incarnation: testID("incarnation")}
	}
	if err := owner.take(ctx, p); err != nil {
		t.Fatal(err)
	}
	if err := stale.take(ctx, p); !errors.Is(err, errFenced) {
		t.Fatalf("got %v", err)
	}
	if err := retire(ctx, r.pool, rows[0].schema); err != nil {
		t.Fatal(err)
	}
	if err := stale.take(ctx, p); !errors.Is(err, errRetired) {
		t.Fatalf("got %v", err)
	}
	var n int
	if err := r.pool.QueryRow(ctx, `SELECT count(*) FROM roster_plain_1.applied`).Scan(&n); err != nil || uint64(n) != last {
		t.Fatalf("applied %d of %d: %v", n, last, err)
	}
}

// TestRunnerRefusesAnotherLog: what is not the log that the checkpoint came from stops the projection, and Status
// says why.
func TestRunnerRefusesAnotherLog(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		want   string
		change func(t *testing.T, l *memoryLog)
	}{
		"gap": {"gap in the log", func(t *testing.T, l *memoryLog) {
			l.tamper = func(list []events.Record) []events.Record {
				return slices.DeleteFunc(list, func(r events.Record) bool { return r.Pos == 8 })
			}
			l.write(t, testAccount("a"), events.MembershipLeft{})
			l.write(t, testAccount("a"), events.MembershipLeft{})
			l.write(t, testAccount("a"), events.MembershipLeft{})
		}},
		"order": {"gap in the log", func(t *testing.T, l *memoryLog) {
			l.tamper = func(list []events.Record) []events.Record { slices.Reverse(list); return list }
			l.write(t, testAccount("a"), events.MembershipLeft{})
			l.write(t, testAccount("a"), events.MembershipLeft{})
		}},
		"hash": {"has hash", func(t *testing.T, l *memoryLog) {
			l.records[5] = events.Record{Pos: 6, Boundary: l.records[5].Boundary, Payload: append(slices.Clone(l.records[5].Payload), ' ')}
		}},
		"end": {"the log ends at 4", func(t *testing.T, l *memoryLog) { l.records = l.records[:4] }},
		"incarnation": {"incarnation", func(t *testing.T, l *memoryLog) {
			l.records = nil
			l.write(t, events.System(), events.LogStarted{Incarnation: testID("another"), Keyring: "k", Format: 1})
		}},
		"newer": {"newer version", func(t *testing.T, l *memoryLog) {
			l.add(t, 1, func(pos uint64) events.Record {
				return events.Record{Pos: pos, Boundary: testAccount("a"), Payload: []byte(`{"v":2,"new":true}`)}
			})
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t)
			last := r.fill(5)
			run := r.runner(plainModel(1, nil))
			stop := r.start(run)
			r.wait(run, "plain", last)
			stop()
			c.change(t, r.log)
			run = r.runner(plainModel(1, nil))
			r.start(run)
			status := r.until(run, "a problem", func(s []Status) bool { return s[0].Problem != "" })
			if !strings.Contains(status[0].Problem, c.want) {
				t.Errorf("problem %q", status[0].Problem)
			}
			if status[0].Position != last {
				t.Errorf("position %d, was %d", status[0].Position, last)
			}
		})
	}
}

// TestPoison: a commit that cannot be applied parks its boundary and no other; Retry applies what was held back, in
// order, once that is mended.
func TestPoison(t *testing.T) {
	t.Parallel()
	for name, fail := range map[string]func(ctx context.Context, tx pgx.Tx) error{
		"error":      func(context.Context, pgx.Tx) error { return errors.New("poison") },
		"panic":      func(context.Context, pgx.Tx) error { panic("poison") },
		"constraint": func(ctx context.Context, tx pgx.Tx) error { _, err := tx.Exec(ctx, `SELECT 1/0`); return err },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t)
			var mended atomic.Bool
			model := plainModel(1, func(ctx context.Context, tx pgx.Tx, commits []Opened) error {
				for _, c := range commits {
					if c.Pos == 23 && !mended.Load() {
						return fail(ctx, tx)
					}
				}
				return nil
			})
			last := r.fill(60) // position p is of account (p-2)%5
			corrupt := r.log.add(t, 1, func(pos uint64) events.Record {
				return events.Record{Pos: pos, Boundary: testAccount("broken"), Payload: []byte(`{"v":1`)}
			})
			run := r.runner(model)
			run.limit = 50
			r.start(run)
			r.wait(run, "plain", corrupt)
			held := []int64{int64(corrupt)}
			for pos := int64(23); pos <= int64(last); pos += 5 {
				held = append(held, pos)
			}
			r.wantApplied(run, held...)
			last = r.fill(5)
			r.wait(run, "plain", last)
			held = append(held, int64(corrupt)+2)
			r.wantApplied(run, held...)

			status, err := run.Status(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			parked := status[0].Parked
			slices.SortFunc(parked, func(a, b Parked) int { return int(a.Position) - int(b.Position) })
			if len(parked) != 2 || parked[0].Position != 23 || parked[0].Commits != len(held)-1 || parked[0].Error == "" ||
				parked[1].Boundary != testAccount("broken").String() {
				t.Fatalf("parked %+v", parked)
			}
			if err := run.Retry(t.Context(), "plain"); err == nil || !strings.Contains(err.Error(), "held back") {
				t.Fatalf("nothing is mended, and a retry says %v", err)
			}
			r.wantApplied(run, held...)
			mended.Store(true)
			if err := run.Retry(t.Context(), "plain"); err == nil || !strings.Contains(err.Error(), testAccount("broken").String()) {
				t.Fatalf("one boundary is still broken, and a retry says %v", err)
			}
			last = r.fill(5)
			r.wait(run, "plain", last)
			got := r.applied(run)
			slices.Sort(got)
			for i, pos := range slices.DeleteFunc(got, func(p int64) bool { return p > int64(corrupt) }) {
				if pos != int64(i)+1 {
					t.Fatalf("applied %v", got)
				}
			}
		})
	}
}

// TestPoisonedBatch: a batch is applied as a whole or held back as a whole, with every boundary in it.
func TestPoisonedBatch(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	mended := make(chan struct{})
	run := r.runner(plainModel(1, func(_ context.Context, _ pgx.Tx, commits []Opened) error {
		for _, c := range commits {
			select {
			case <-mended:
			default:
				if c.Pos == 3 {
					return errors.New("poison")
				}
			}
		}
		return nil
	}))
	batch := testCommit(2)
	for n, account := range []string{"a", "b"} {
		r.log.commit(t, events.Commit{Boundary: testAccount(account), Batch: &events.Batch{ID: batch, N: n + 1, Of: 2}, Facts: []events.Event{events.MembershipLeft{}}})
	}
	r.log.write(t, testAccount("a"), events.MembershipLeft{})
	r.log.write(t, testAccount("c"), events.MembershipLeft{})
	last := r.log.write(t, testAccount("b"), events.MembershipLeft{})
	stop := r.start(run)
	r.wait(run, "plain", last)
	r.wantApplied(run, 2, 3, 4, 6)
	close(mended)
	stop()
	r.start(run) // a restart tries again
	r.until(run, "nothing held back", func(s []Status) bool { return len(s[0].Parked) == 0 })
	if got := r.applied(run); !slices.Equal(got, []int64{1, 5, 2, 3, 4, 6}) {
		t.Errorf("applied %v", got)
	}
}
