package eventlog_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"roster/events"
	"roster/handlers"
	"roster/infra/eventlog"
	"roster/infra/eventlog/logtest"
	"roster/infra/nats"
)

// slowDisk is a disk that a test holds up and fails. A nil gate is open.
type slowDisk struct {
	eventlog.Disk
	keep bool // batches stay held

	mu    sync.Mutex
	gate  chan struct{}
	fail  error
	asked chan uint64
}

func (d *slowDisk) Synced(ctx context.Context, stream string, pos uint64) error {
	d.mu.Lock()
	gate, fail := d.gate, d.fail
	d.mu.Unlock()
	if gate != nil && pos > 0 {
		select {
		case d.asked <- pos:
		case <-ctx.Done():
		}
		select {
		case <-gate:
		case <-ctx.Done():
			return ctx.Err()
		}
		d.mu.Lock()
		fail = d.fail
		d.mu.Unlock()
	}
	if fail != nil {
		return fail
	}
	return d.Disk.Synced(ctx, stream, pos)
}

func (d *slowDisk) HoldBatch(stream string) (func() error, error) {
	release, err := d.Disk.HoldBatch(stream)
	if d.keep {
		release = func() error { return nil }
	}
	return release, err
}

func (d *slowDisk) set(gate chan struct{}, fail error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.gate, d.fail = gate, fail
}

func openOn(t *testing.T, dir string, keep bool) (*instance, *slowDisk) {
	t.Helper()
	server := must(nats.Embedded(t.Context(), nats.Config{Dir: dir, GroupCommit: true}))(t)
	disk := &slowDisk{Disk: server, keep: keep, asked: make(chan uint64, 1000)}
	i, err := on(t.Context(), server, eventlog.OnDisk(disk))
	if err != nil {
		t.Fatal(errors.Join(err, server.Close()))
	}
	return i, disk
}

// What is written but not on disk is answered and shown to nobody.
func TestNothingBeforeTheDisk(t *testing.T) {
	i, disk := openOn(t, t.TempDir(), false)
	defer i.close(t)
	b := logtest.NewBoundary()
	must(i.Append(t.Context(), logtest.NewWrite(b, 0, 10)))(t)
	must(i.Read(t.Context(), 0, 10))(t)
	gate := make(chan struct{})
	disk.set(gate, nil)

	answers := make(chan string, 3)
	var asking sync.WaitGroup
	ask := func(who string, f func() error) {
		asking.Go(func() {
			if err := f(); err != nil {
				t.Errorf("%s: %v", who, err)
			}
			answers <- who
		})
	}
	ask("append", func() error { _, err := i.Append(t.Context(), logtest.NewWrite(b, 1, 10)); return err })
	ask("read", func() error { _, err := i.Read(t.Context(), 1, 10); return err })
	if pos := <-disk.asked; pos != 2 {
		t.Fatalf("position %d is waited for", pos)
	}
	ask("boundary", func() error {
		recs, err := i.Boundary(t.Context(), b, 1)
		if len(recs) != 1 {
			t.Errorf("boundary: %d records", len(recs))
		}
		return err
	})
	<-disk.asked
	if last := must(i.Last(t.Context()))(t); last != 1 {
		t.Errorf("last is %d", last)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if recs, err := i.Read(ctx, 1, 10); err == nil {
		t.Errorf("read shows %d records", len(recs))
	}
	if n := len(answers); n > 0 {
		t.Errorf("%d were answered: %s", n, <-answers)
	}
	disk.set(nil, nil)
	close(gate)
	asking.Wait()
	if last := must(i.Last(t.Context()))(t); last != 2 {
		t.Errorf("last is %d", last)
	}
}

// When the disk has failed, nothing is acknowledged, written or shown any more, even if it would work again.
func TestFailedDisk(t *testing.T) {
	i, disk := openOn(t, t.TempDir(), false)
	defer i.close(t)
	b := logtest.NewBoundary()
	must(i.Append(t.Context(), logtest.NewWrite(b, 0, 10)))(t)
	must(i.Read(t.Context(), 0, 10))(t)
	gate := make(chan struct{})
	disk.set(gate, nil)
	appended := make(chan error)
	go func() {
		_, err := i.Append(t.Context(), logtest.NewWrite(b, 1, 10))
		appended <- err
	}()
	<-disk.asked
	broken := errors.New("input/output error")
	disk.set(gate, broken)
	close(gate)
	if err := <-appended; !errors.Is(err, handlers.ErrUnknownOutcome) || !errors.Is(err, broken) {
		t.Errorf("append: %v", err)
	}
	disk.set(nil, broken)
	if _, err := i.Append(t.Context(), logtest.NewWrite(logtest.NewBoundary(), 0, 10)); !errors.Is(err, handlers.ErrUnavailable) {
		t.Errorf("the next append: %v", err)
	}
	if recs, err := i.Boundary(t.Context(), b, 0); !errors.Is(err, handlers.ErrUnavailable) {
		t.Errorf("boundary: %d records, %v", len(recs), err)
	}
	if recs, err := i.Read(t.Context(), 1, 10); !errors.Is(err, handlers.ErrUnavailable) {
		t.Errorf("read: %d records, %v", len(recs), err)
	}
	if last := must(i.Last(t.Context()))(t); last != 1 {
		t.Errorf("last is %d", last)
	}
}

// A power cut may keep an index.db that knows commits which no block has, as it is written on its own. The start
// must take the blocks for the truth, and not leave a hole.
func TestIndexAheadOfBlocks(t *testing.T) {
	dir := t.TempDir()
	i := open(t, dir)
	b, after := logtest.NewBoundary(), uint64(0)
	for range 10 {
		after = must(i.Append(t.Context(), logtest.NewWrite(b, after, 400)))(t)[0]
	}
	i.close(t)
	block := filepath.Join(dir, "jetstream", "$G", "streams", "ROSTER_LOG", "msgs", "1.blk")
	if _, err := os.Stat(filepath.Join(filepath.Dir(block), "index.db")); err != nil {
		t.Fatal(err) // or there is nothing to test
	}
	if err := os.Truncate(block, must(os.Stat(block))(t).Size()/2); err != nil {
		t.Fatal(err)
	}
	for _, mark := range []string{"clean", "runs"} { // of a clean end, which a cut is not, and of the machine's run, which a cut ends
		if err := os.Remove(filepath.Join(dir, mark)); err != nil {
			t.Fatal(err)
		}
	}
	i = open(t, dir)
	defer i.close(t)
	last := must(i.Last(t.Context()))(t)
	if last < 4 || last > 5 {
		t.Fatalf("the log ends at %d", last)
	}
	if pos := must(i.Append(t.Context(), logtest.NewWrite(b, last, 10)))(t)[0]; pos != last+1 {
		t.Errorf("the next position is %d", pos)
	}
}

// A power cut that leaves the first half of a batch: the start writes the rest, and without what was held of it the
// log is refused.
func TestHalfABatch(t *testing.T) {
	for _, held := range []bool{true, false} {
		dir := t.TempDir()
		i, _ := openOn(t, dir, held)
		must(i.Append(t.Context(), logtest.NewWrite(events.System(), 0, 10)))(t)
		block := filepath.Join(dir, "jetstream", "$G", "streams", "ROSTER_LOG", "msgs", "1.blk")
		before := must(os.Stat(block))(t).Size()
		ws := []handlers.Write{logtest.NewWrite(logtest.NewBoundary(), 0, 400), logtest.NewWrite(logtest.NewBoundary(), 0, 400)}
		must(i.Append(t.Context(), ws...))(t)
		after := must(os.Stat(block))(t).Size()
		i.close(t)
		if err := os.Remove(filepath.Join(filepath.Dir(block), "index.db")); err != nil {
			t.Fatal(err)
		}
		if err := os.Truncate(block, before+(after-before)*2/3); err != nil {
			t.Fatal(err)
		}

		i, err := start(t.Context(), dir)
		if !held {
			if !errors.Is(err, eventlog.ErrIntegrity) {
				t.Errorf("half a batch: %v", err)
			}
			if err == nil {
				i.close(t)
			}
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		for n, w := range ws {
			recs := must(i.Boundary(t.Context(), w.Boundary, 0))(t)
			if len(recs) != 1 || recs[0].Pos != uint64(n+2) || string(recs[0].Payload) != string(w.Payload) {
				t.Errorf("part %d: %d records", n+1, len(recs))
			}
		}
		must(i.Append(t.Context(), logtest.NewWrite(ws[1].Boundary, 3, 10), logtest.NewWrite(events.Tree(), 0, 10)))(t)
		i.close(t)
		if rest, err := os.ReadDir(filepath.Join(dir, "batches")); err != nil || len(rest) != 0 {
			t.Errorf("batches are still held: %v %v", rest, err)
		}
	}
}
