package projections

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"roster/events"
	"roster/infra/postgres/launch/pgtest"
)

// memoryLog is a log in memory. What is sealed in it holds the clear value, so that openAll can open it.
type memoryLog struct {
	mu      sync.Mutex
	records []events.Record
	grown   chan struct{}
	broken  error                                 // what Read answers, if set
	tamper  func([]events.Record) []events.Record // what Read does to its answer, if set
}

func newMemoryLog(t testing.TB) *memoryLog {
	t.Helper()
	l := &memoryLog{grown: make(chan struct{})}
	l.write(t, events.System(), events.LogStarted{Incarnation: testID("incarnation"), Keyring: "k", Format: 1})
	return l
}

func (l *memoryLog) Read(ctx context.Context, after uint64, limit int) ([]events.Record, error) {
	for {
		l.mu.Lock()
		if l.broken != nil {
			defer l.mu.Unlock()
			return nil, l.broken
		}
		if n := uint64(len(l.records)); after < n {
			defer l.mu.Unlock()
			to := min(after+uint64(limit), n)
			for to < n && strings.Contains(string(l.records[to].Payload), `"batch"`) && !strings.Contains(string(l.records[to].Payload), `"n":1,`) {
				to++
			}
			list := append([]events.Record(nil), l.records[after:to]...)
			if l.tamper != nil {
				list = l.tamper(list)
			}
			return list, nil
		}
		grown := l.grown
		l.mu.Unlock()
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-grown:
		}
	}
}

func (l *memoryLog) Last(context.Context) (uint64, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return uint64(len(l.records)), nil
}

// add appends n records, each made by record, which is told its position.
func (l *memoryLog) add(t testing.TB, n int, record func(pos uint64) events.Record) uint64 {
	t.Helper()
	l.mu.Lock()
	defer l.mu.Unlock()
	for range n {
		l.records = append(l.records, record(uint64(len(l.records))+1))
	}
	close(l.grown)
	l.grown = make(chan struct{})
	return uint64(len(l.records))
}

// write appends a commit of the system with the facts given, and answers its position.
func (l *memoryLog) write(t testing.TB, b events.Boundary, facts ...events.Event) uint64 {
	t.Helper()
	return l.commit(t, events.Commit{Boundary: b, Facts: facts})
}

func (l *memoryLog) commit(t testing.TB, c events.Commit) uint64 {
	t.Helper()
	return l.add(t, 1, func(pos uint64) events.Record {
		c.Log, c.ID = events.LogID(testID("log")), testCommit(pos)
		c.At = events.TimeOf(testEpoch().Add(time.Duration(pos) * time.Second))
		c.Cmd = events.Cmd{ID: c.ID, Name: "Test", Part: 1, Parts: 1}
		if c.Actor.Type == "" {
			c.Actor = events.Actor{Type: events.BySystem, ID: "test"}
		}
		for i, f := range c.Facts {
			sealed, err := events.Seal(f, func(_ string, key events.KeyID, plain []byte) (events.Box, error) {
				return events.Box{K: key, B: plain}, nil
			})
			if err != nil {
				t.Fatal(err)
			}
			c.Facts[i] = sealed
		}
		payload, err := events.Encode(c)
		if err != nil {
			t.Fatal(err)
		}
		return events.Record{Pos: pos, Boundary: c.Boundary, Payload: payload}
	})
}

// opening opens what memoryLog sealed; the keys named are destroyed.
type opening struct {
	erased map[events.KeyID]bool
	away   func() error
}

func (o opening) Open(_ context.Context, c events.Commit) (Opened, error) {
	if o.away != nil {
		if err := o.away(); err != nil {
			return Opened{}, err
		}
	}
	out := Opened{Commit: c}
	out.Facts = append([]events.Event(nil), c.Facts...)
	for i, f := range out.Facts {
		var err error
		out.Facts[i], err = events.Open(f, func(_ string, box events.Box) ([]byte, bool, error) {
			return box.B, !o.erased[box.K], nil
		})
		if err != nil {
			return Opened{}, err
		}
	}
	if c.Origin != nil && !o.erased[c.Origin.K] {
		if err := json.Unmarshal(c.Origin.B, &out.From); err != nil {
			return Opened{}, err
		}
	}
	return out, nil
}

func testEpoch() time.Time { return time.Date(2026, 1, 2, 3, 0, 0, 0, time.UTC) }

func testID(name string) events.AnyID {
	sum := sha256.Sum256([]byte("id " + name))
	return events.AnyID(sum[:16])
}

func testKey(name string) events.KeyID {
	sum := sha256.Sum256([]byte("key " + name))
	return events.KeyID(sum[:24])
}

func testCommit(pos uint64) events.CommitID {
	sum := sha256.Sum256(fmt.Appendf(nil, "commit %d", pos))
	return events.CommitID(sum[:16])
}

func testAccount(name string) events.Boundary {
	return events.OfAccount(events.AccountID(testID(name)))
}

func testPool(t testing.TB, url string) *pgxpool.Pool {
	t.Helper()
	config, err := pgxpool.ParseConfig(url)
	if err != nil {
		t.Fatal(err)
	}
	config.MaxConns = 12
	pool, err := pgxpool.NewWithConfig(context.Background(), config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(pool.Close)
	return pool
}

// rig is a database and a log, for runners.
type rig struct {
	testing.TB
	url  string
	pool *pgxpool.Pool
	log  *memoryLog
}

func newRig(t testing.TB) *rig {
	t.Helper()
	url := pgtest.Database(t)
	return &rig{t, url, testPool(t, url), newMemoryLog(t)}
}

// runner is one process's runner, quick enough for a test.
func (r *rig) runner(models ...Model) *Runner {
	r.Helper()
	run := New(r.pool, r.log, opening{}, slog.New(slog.NewTextHandler(io.Discard, nil)), models...)
	run.beat = 20 * time.Millisecond
	if err := run.Prepare(r.Context()); err != nil {
		r.Fatal(err)
	}
	return run
}

// start runs a runner; stop ends it and waits for that.
func (r *rig) start(run *Runner) (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- run.Run(ctx) }()
	var once sync.Once
	stop = func() {
		once.Do(func() {
			cancel()
			if err := <-done; err != nil {
				r.Error(err)
			}
		})
	}
	r.Cleanup(stop)
	return stop
}

func (r *rig) wait(run *Runner, name string, pos uint64) {
	r.Helper()
	ctx, cancel := context.WithTimeout(r.Context(), 30*time.Second)
	defer cancel()
	if err := run.WaitFor(ctx, name, pos); err != nil {
		status, _ := run.Status(r.Context())
		r.Fatalf("%v\n%+v", err, status)
	}
}

// until waits for what a status will be.
func (r *rig) until(run *Runner, what string, is func([]Status) bool) []Status {
	r.Helper()
	ctx, cancel := context.WithTimeout(r.Context(), 30*time.Second)
	defer cancel()
	for {
		status, err := run.Status(ctx)
		if err != nil {
			r.Fatal(err)
		}
		if is(status) {
			return status
		}
		if pause(ctx, 5*time.Millisecond) != nil {
			r.Fatalf("%s: never; %+v", what, status)
		}
	}
}
