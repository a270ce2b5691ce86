package eventlog_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"go.uber.org/goleak"

	"roster/events"
	"roster/handlers"
	"roster/infra/eventlog"
	"roster/infra/eventlog/logtest"
	"roster/infra/nats"
)

// writerDir, when set, makes this program a writer on that directory instead of a test.
const writerDir = "ROSTER_TEST_WRITER_DIR"

func TestMain(m *testing.M) {
	if dir := os.Getenv(writerDir); dir != "" {
		fmt.Fprintln(os.Stderr, write(dir))
		os.Exit(1)
	}
	goleak.VerifyTestMain(m)
}

// instance is a server with a log on it.
type instance struct {
	*eventlog.Log
	server *nats.Server
}

// start opens a log on a directory with group commit.
func start(ctx context.Context, dir string, opts ...eventlog.Option) (*instance, error) {
	server, err := nats.Embedded(ctx, nats.Config{Dir: dir, Log: slog.New(slog.DiscardHandler), GroupCommit: true})
	if err != nil {
		return nil, err
	}
	return on(ctx, server, append([]eventlog.Option{eventlog.OnDisk(server)}, opts...)...)
}

// on opens a log on a server, which the instance then has.
func on(ctx context.Context, server *nats.Server, opts ...eventlog.Option) (*instance, error) {
	nc, err := server.Connect()
	if err != nil {
		return nil, errors.Join(err, server.Close())
	}
	log, err := eventlog.Open(ctx, nc, "roster", append(opts, eventlog.SoleWriter())...)
	if err != nil {
		return nil, errors.Join(err, server.Close())
	}
	return &instance{log, server}, nil
}

func (i *instance) close(t testing.TB) {
	t.Helper()
	i.Close()
	if err := i.server.Close(); err != nil {
		t.Errorf("close: %v", err)
	}
}

func open(t testing.TB, dir string, opts ...eventlog.Option) *instance {
	t.Helper()
	i, err := start(t.Context(), dir, opts...)
	if err != nil {
		t.Fatal(err)
	}
	return i
}

func TestConformance(t *testing.T) {
	for name, opts := range map[string][]eventlog.Option{
		"default ring": nil,
		"small ring":   {eventlog.Keep(64)},
	} {
		t.Run(name, func(t *testing.T) {
			logtest.Conformance(t, func(t *testing.T) handlers.Log {
				i := open(t, t.TempDir(), opts...)
				t.Cleanup(func() { i.close(t) })
				return i
			})
		})
	}
	t.Run("sync always", func(t *testing.T) {
		logtest.Conformance(t, func(t *testing.T) handlers.Log {
			i := always(t, t.TempDir())
			t.Cleanup(func() { i.close(t) })
			return i
		})
	})
}

// always opens a log on a server that syncs every message.
func always(t testing.TB, dir string) *instance {
	t.Helper()
	server, err := nats.Embedded(t.Context(), nats.Config{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	i, err := on(t.Context(), server, eventlog.OnDisk(server))
	if err != nil {
		t.Fatal(err)
	}
	return i
}

// What a replicated log does to be exact works on one server as well.
func TestConformanceAskingTheLeader(t *testing.T) {
	logtest.Conformance(t, func(t *testing.T) handlers.Log {
		server, err := nats.Embedded(t.Context(), nats.Config{Dir: t.TempDir()})
		if err != nil {
			t.Fatal(err)
		}
		nc, err := server.Connect()
		if err != nil {
			t.Fatal(err)
		}
		log, err := eventlog.Open(t.Context(), nc, "other-log", eventlog.Keep(32))
		if err != nil {
			t.Fatal(err)
		}
		log.Replicated()
		t.Cleanup(func() { (&instance{log, server}).close(t) })
		return log
	})
}

func TestReopen(t *testing.T) {
	dir := t.TempDir()
	i := open(t, dir)
	b := logtest.NewBoundary()
	after := uint64(0)
	for range 30 {
		after = must(i.Append(t.Context(), logtest.NewWrite(b, after, 500)))(t)[0]
	}
	must(i.Append(t.Context(), logtest.NewWrite(b, after, 10), logtest.NewWrite(events.Tree(), 0, 10)))(t)
	before := must(i.Boundary(t.Context(), b, 0))(t)
	all := readAll(t, i)
	i.close(t)

	i = open(t, dir)
	defer i.close(t)
	if last := must(i.Last(t.Context()))(t); last != 32 || len(all) != 32 {
		t.Fatalf("last is %d and %d were read, want 32", last, len(all))
	}
	same(t, must(i.Boundary(t.Context(), b, 0))(t), before)
	same(t, readAll(t, i), all)
	for _, rec := range all {
		if err := i.VerifyAt(t.Context(), rec.Pos, rec.Hash()); err != nil {
			t.Fatal(err)
		}
	}
	for _, err := range []error{
		i.VerifyAt(t.Context(), 33, all[0].Hash()),
		i.VerifyAt(t.Context(), 5, all[5].Hash()),
		i.VerifyAt(t.Context(), 0, all[0].Hash()),
	} {
		if !errors.Is(err, eventlog.ErrIntegrity) {
			t.Errorf("a checkpoint of another log: %v", err)
		}
	}
	if err := i.VerifyAt(t.Context(), 0, events.Hash{}); err != nil {
		t.Errorf("the checkpoint before everything: %v", err)
	}
}

func TestClosedLog(t *testing.T) {
	i := open(t, t.TempDir())
	waiting := make(chan error)
	go func() {
		_, err := i.Read(t.Context(), 0, 1)
		waiting <- err
	}()
	i.close(t)
	if err := <-waiting; !errors.Is(err, eventlog.ErrClosed) {
		t.Errorf("a reader gets %v", err)
	}
	if _, err := i.Append(t.Context(), logtest.NewWrite(events.Tree(), 0, 1)); !errors.Is(err, handlers.ErrUnavailable) {
		t.Errorf("append gets %v", err)
	}
	if _, err := i.Boundary(t.Context(), events.Tree(), 0); !errors.Is(err, handlers.ErrUnavailable) {
		t.Errorf("boundary gets %v", err)
	}
}

func TestDriftIsRefused(t *testing.T) {
	server, err := nats.Embedded(t.Context(), nats.Config{Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	defer server.Close()
	nc, err := server.Connect()
	if err != nil {
		t.Fatal(err)
	}
	js := must(jetstream.New(nc))(t)
	cfg := jetstream.StreamConfig{
		Name: "ROSTER_LOG", Subjects: []string{"roster.log.>"}, Discard: jetstream.DiscardNew, DenyDelete: true,
		Duplicates: 20 * time.Second, AllowDirect: true, AllowAtomicPublish: true, MaxMsgs: 1000,
		Compression: jetstream.S2Compression,
	}
	must(js.CreateStream(t.Context(), cfg))(t)
	_, err = eventlog.Open(t.Context(), nc, "roster")
	for _, setting := range []string{"max_msgs is 1000", "deny_purge is false", "compression is"} {
		if err == nil || !strings.Contains(err.Error(), setting) {
			t.Errorf("%v does not say %q", err, setting)
		}
	}
	if err != nil && (strings.Contains(err.Error(), "subjects") || strings.Contains(err.Error(), "allow_direct")) {
		t.Errorf("%v names what did not change", err)
	}
	for _, name := range []string{"", "Roster", "a.b", "a b", "a*", ">"} {
		if _, err := eventlog.Open(t.Context(), nc, name); err == nil {
			t.Errorf("the name %q was taken", name)
		}
	}
}

// write starts a server on a directory, appends from many goroutines until it is killed, and prints each commit
// that was acknowledged.
func write(dir string) error {
	ctx := context.Background()
	i, err := start(ctx, dir)
	if err != nil {
		return err
	}
	var mu sync.Mutex
	out := bufio.NewWriter(os.Stdout)
	errs := make(chan error)
	for n := range 8 {
		go func() {
			b, pos := logtest.NewBoundary(), uint64(0)
			for {
				ws := []handlers.Write{logtest.NewWrite(b, pos, 300)}
				if n == 0 {
					ws = append(ws, logtest.NewWrite(logtest.NewBoundary(), 0, 300))
				}
				positions, err := i.Append(ctx, ws...)
				if err != nil {
					errs <- err
					return
				}
				pos = positions[0]
				mu.Lock()
				for k, w := range ws {
					hash := events.Record{Pos: positions[k], Boundary: w.Boundary, Payload: w.Payload}.Hash()
					fmt.Fprintln(out, positions[k], w.Boundary, hash)
				}
				err = out.Flush()
				mu.Unlock()
				if err != nil {
					errs <- err
					return
				}
			}
		}()
	}
	return <-errs
}

func readAll(t *testing.T, i *instance) []events.Record {
	t.Helper()
	var recs []events.Record
	for last := must(i.Last(t.Context()))(t); uint64(len(recs)) < last; {
		recs = append(recs, must(i.Read(t.Context(), uint64(len(recs)), 500))(t)...)
	}
	return recs
}

func must[T any](v T, err error) func(testing.TB) T {
	return func(t testing.TB) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

func same(t *testing.T, got, want []events.Record) {
	t.Helper()
	if len(got) != len(want) {
		t.Fatalf("%d records, want %d", len(got), len(want))
	}
	for i := range got {
		if got[i].Boundary != want[i].Boundary || got[i].Hash() != want[i].Hash() {
			t.Fatalf("record %d differs", i)
		}
	}
}
