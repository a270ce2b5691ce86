package nats

import (
	"context"
	"errors"
	"fmt"
	"sync"
)

// barrier is the group commit of one stream: a sync of its files serves everybody who waits when it begins. Who
// comes while one runs waits for the next, unless the running one began after his message had been written.
type barrier struct {
	files  *files
	failed func() error // called once when a sync fails

	mu      sync.Mutex
	written uint64 // highest position that anybody has seen: it and all before it are in the files
	durable uint64 // highest position that is on disk, with all before it
	asked   uint64 // whole syncs asked for; the first is asked for from the beginning
	wholes  uint64 // whole syncs asked for that are done
	ended   chan struct{}
	err     error // for good
}

func newBarrier(f *files, failed func() error) *barrier {
	return &barrier{files: f, failed: failed, asked: 1}
}

// wait answers when all up to pos is on disk; with whole, when all that the files hold now is, old blocks and
// directories too. A sync that failed is the end: the kernel may have dropped what it could not write, and the next
// sync would report success. Whoever syncs himself comes back when the disk has answered, whatever becomes of ctx.
func (b *barrier) wait(ctx context.Context, rounds *sync.WaitGroup, pos uint64, whole bool) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.written = max(b.written, pos)
	need := uint64(1)
	if whole {
		b.asked++
		need = b.asked
	}
	for {
		switch {
		case b.err != nil:
			return b.err
		case pos <= b.durable && need <= b.wholes:
			return nil
		case b.ended == nil:
			// Nobody syncs: whoever comes first does it himself, which spares him two changes of goroutine.
			rounds.Add(1)
			b.ended = make(chan struct{})
			b.round()
			if b.more() {
				rounds.Go(b.run)
			} else {
				b.ended = nil
			}
			rounds.Done()
			continue
		}
		ended := b.ended
		b.mu.Unlock()
		select {
		case <-ended:
		case <-ctx.Done():
			b.mu.Lock()
			return ctx.Err()
		}
		b.mu.Lock()
	}
}

// run syncs until nobody waits for more.
func (b *barrier) run() {
	b.mu.Lock()
	defer b.mu.Unlock()
	for b.more() {
		b.round()
	}
	close(b.ended)
	b.ended = nil
}

func (b *barrier) more() bool { return b.err == nil && (b.written > b.durable || b.asked > b.wholes) }

// round syncs once, for all who are there now, and wakes whoever waits. It holds the lock, but not while it syncs.
func (b *barrier) round() {
	upTo, wholes, whole := b.written, b.asked, b.asked > b.wholes
	b.mu.Unlock()
	err := b.files.sync(whole)
	if err != nil {
		err = errors.Join(err, b.failed())
	}
	b.mu.Lock()
	if err == nil {
		b.durable, b.wholes = upTo, wholes
	} else if b.err == nil {
		b.err = fmt.Errorf("%w: %w", ErrSync, err)
	}
	close(b.ended)
	b.ended = make(chan struct{})
}

func (b *barrier) failure() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.err
}

// fail ends all waits, now and later, unless a failure has done so before.
func (b *barrier) fail(err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.err == nil {
		b.err = err
	}
}
