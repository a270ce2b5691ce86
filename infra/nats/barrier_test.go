package nats

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"sync"
	"testing"
)

// fake is a stream's directory whose syncs are counted, held up and failed by a test.
type fake struct {
	*files
	mu     sync.Mutex
	synced []string
	gate   chan chan struct{} // each sync of contents hands over what lets it go on
	fail   error
	// meanwhile is what happens during a sync.
	meanwhile func()
}

func newFake(t *testing.T, blocks ...int) *fake {
	t.Helper()
	f := &fake{files: newFiles(t.TempDir(), "S")}
	t.Cleanup(func() {
		if err := f.close(); err != nil {
			t.Error(err)
		}
	})
	f.data, f.all = f.sync, func(name string) error { return f.note(name) }
	if err := os.MkdirAll(filepath.Join(f.stream, "msgs"), 0o700); err != nil {
		t.Fatal(err)
	}
	for _, n := range blocks {
		f.add(t, n)
	}
	return f
}

func (f *fake) add(t *testing.T, n int) {
	t.Helper()
	if err := os.WriteFile(f.block(n), nil, 0o600); err != nil {
		t.Fatal(err)
	}
}

func (f *fake) sync(file *os.File) error {
	if f.gate != nil {
		goOn := make(chan struct{})
		f.gate <- goOn
		<-goOn
	}
	return f.note(file.Name())
}

func (f *fake) note(name string) error {
	if _, err := os.Stat(name); err != nil && filepath.Ext(name) == ".blk" {
		return err
	}
	if f.meanwhile != nil {
		f.meanwhile()
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.synced = append(f.synced, filepath.Base(name))
	return f.fail
}

// taken is what has been synced since the last call.
func (f *fake) taken() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	defer func() { f.synced = nil }()
	return f.synced
}

func TestFiles(t *testing.T) {
	f := newFake(t)
	step := func(want ...string) {
		t.Helper()
		if got := f.taken(); !slices.Equal(got, want) {
			t.Errorf("synced %q, want %q", got, want)
		}
	}
	above := []string{"S", "kept", "msgs", "S", "streams", "$G", "jetstream", filepath.Base(f.root)}
	check := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	check(f.files.sync(true))
	step(append([]string{"meta.inf", "meta.sum"}, above...)...)
	f.add(t, 1)
	check(f.files.sync(false)) // the first
	step(append([]string{"meta.inf", "meta.sum", "1.blk"}, above...)...)
	check(f.files.sync(false)) // the directory once more after a whole sync
	step("1.blk", "msgs")
	check(f.files.sync(false))
	step("1.blk")
	for range 3 { // an erasure replaces the block; twice, so that inodes may be used again
		for range 2 {
			check(os.WriteFile(f.block(1)+".tmp", nil, 0o600))
			check(os.Rename(f.block(1)+".tmp", f.block(1)))
		}
		check(f.files.sync(false))
		step("1.blk", "msgs")
	}
	check(f.files.sync(false))
	step("1.blk")
	f.add(t, 2)
	f.add(t, 3)
	check(f.files.sync(false))                                        // a roll-over, or two: the old block too, and the directory
	step("1.blk", "2.blk", "3.blk", "1.blk.tmp", "2.blk.tmp", "msgs") // the old ones by their second links too
	check(f.files.sync(false))
	step("3.blk")
	for _, n := range []int{1, 3} {
		check(os.Remove(f.block(n)))
	}
	f.add(t, 4)
	check(f.files.sync(false)) // the newest has gone
	step(append([]string{"meta.inf", "meta.sum", "2.blk", "4.blk"}, above...)...)
	check(f.files.sync(false))
	step("4.blk", "msgs")
	f.meanwhile = func() { f.add(t, 5) }
	check(f.files.sync(false)) // what came into 4 during its sync, before 5 was made, must not be forgotten
	step("4.blk")
	f.meanwhile = nil
	check(f.files.sync(false))
	step("4.blk", "5.blk", "4.blk.tmp", "msgs")
}

// Who comes while a sync runs waits for the next, which serves all of them; who has seen nothing newer than the
// running one covers waits for that.
func TestBarrierShares(t *testing.T) {
	f := newFake(t, 1)
	b := newBarrier(f.files, func() error { return nil })
	var rounds, callers sync.WaitGroup
	defer rounds.Wait()
	wait := func(pos uint64) {
		callers.Go(func() {
			if err := b.wait(t.Context(), &rounds, pos, false); err != nil {
				t.Error(err)
			}
		})
	}
	for pos := range uint64(2) { // the second with the directory once more
		wait(pos)
		callers.Wait()
	}
	f.taken()
	f.gate = make(chan chan struct{})
	wait(10)
	first := <-f.gate // under way, up to 10
	for pos := range uint64(50) {
		wait(pos) // 0 to 10 wait for this one, the others for the next
	}
	for b.seen() < 49 {
		if err := b.wait(t.Context(), &rounds, 0, false); err != nil { // lets others run
			t.Fatal(err)
		}
	}
	close(first)
	second := <-f.gate
	f.mu.Lock()
	if b.upTo() != 10 {
		t.Errorf("after the first sync %d is durable", b.upTo())
	}
	f.mu.Unlock()
	close(second)
	callers.Wait()
	rounds.Wait()
	if n := len(f.taken()); n != 2 {
		t.Errorf("%d syncs for 51 callers", n)
	}
	if b.upTo() != 49 {
		t.Errorf("%d is durable", b.upTo())
	}
}

func (b *barrier) seen() uint64 {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.written
}

func (b *barrier) upTo() uint64 {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.durable
}

// After a sync that failed nothing is durable any more, even where the next would say so.
func TestBarrierFailsForGood(t *testing.T) {
	f := newFake(t, 1)
	told := 0
	b := newBarrier(f.files, func() error { told++; return nil })
	var rounds sync.WaitGroup
	defer rounds.Wait()
	if err := b.wait(t.Context(), &rounds, 3, false); err != nil {
		t.Fatal(err)
	}
	f.fail = errors.New("input/output error")
	for pos := range uint64(5) {
		err := b.wait(t.Context(), &rounds, 4, pos%2 == 0)
		if !errors.Is(err, ErrSync) || !errors.Is(err, f.fail) {
			t.Errorf("position 4: %v", err)
		}
		rounds.Wait()
	}
	if told != 1 {
		t.Errorf("the failure was told %d times", told)
	}
	f.fail = nil
	for pos := range uint64(6) {
		if err := b.wait(t.Context(), &rounds, pos, false); !errors.Is(err, ErrSync) {
			t.Errorf("position %d: %v", pos, err)
		}
	}
}

func TestBarrierContext(t *testing.T) {
	f := newFake(t, 1)
	b := newBarrier(f.files, func() error { return nil })
	var rounds sync.WaitGroup
	defer rounds.Wait()
	if err := b.wait(t.Context(), &rounds, 0, false); err != nil {
		t.Fatal(err)
	}
	f.gate = make(chan chan struct{})
	ctx, cancel := context.WithCancel(t.Context())
	first, ended := make(chan error), make(chan error)
	go func() { first <- b.wait(t.Context(), &rounds, 1, false) }() // who syncs himself waits for the disk
	held := <-f.gate
	go func() { ended <- b.wait(ctx, &rounds, 1, false) }()
	cancel()
	if err := <-ended; !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	close(held)
	if err := <-first; err != nil {
		t.Error(err)
	}
	if err := b.wait(t.Context(), &rounds, 1, false); err != nil {
		t.Error(err)
	}
}

// A whole sync is one that began after it was asked for.
func TestBarrierRewritten(t *testing.T) {
	f := newFake(t, 1, 2)
	b := newBarrier(f.files, func() error { return nil })
	var rounds sync.WaitGroup
	defer rounds.Wait()
	for n := range 3 {
		if err := b.wait(t.Context(), &rounds, uint64(n), true); err != nil {
			t.Fatal(err)
		}
		got := f.taken()
		for _, n := range []int{1, 2} {
			if !slices.Contains(got, strconv.Itoa(n)+".blk") {
				t.Errorf("block %d was not synced: %q", n, got)
			}
		}
	}
}
