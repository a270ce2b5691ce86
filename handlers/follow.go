package handlers

import (
	"context"
	"fmt"
	"sync"
	"time"

	"roster/events"
)

// settleWithin is how long a deciding read waits for the follower before it is an honest 503.
const settleWithin = 2 * time.Second

// follower knows up to where the log has been folded into the cached boundaries.
type follower struct {
	mu      sync.Mutex
	running bool
	at      uint64
	moved   chan struct{} // closed when at moves
}

func (f *follower) reach(at uint64, running bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.at, f.running = at, running
	if f.moved != nil {
		close(f.moved)
	}
	f.moved = make(chan struct{})
}

func (f *follower) now() (at uint64, running bool, moved <-chan struct{}) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.at, f.running, f.moved
}

// Follow keeps the cached boundaries current with what other processes append, until ctx ends or the log fails. A
// Shared App without it reads the log anew for whatever it decides or answers.
func (a *App) Follow(ctx context.Context) error {
	at, err := a.log.Last(ctx)
	if err != nil {
		return fmt.Errorf("follow: %w", err)
	}
	a.cache.doubt() // what others wrote up to here is read when it is asked for; what follows is applied
	a.follower.reach(at, true)
	defer func() { a.follower.reach(at, false) }()
	const page = 512
	for {
		records, err := a.log.Read(ctx, at, page)
		if err != nil {
			return fmt.Errorf("follow: %w", err)
		}
		for _, r := range records {
			a.applyRecord(r)
			at = r.Pos
		}
		a.follower.reach(at, true)
	}
}

// applyRecord moves a cached boundary on. One that cannot be read is read again by whoever asks for it, and told.
func (a *App) applyRecord(r events.Record) {
	e := a.cache.ifKnown(r.Boundary)
	if e == nil {
		return
	}
	if c, err := events.Decode(r); err == nil {
		a.applied(c)
		return
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	e.loaded = false
}

// settle waits until the cache is at least where the log was when it was asked: what is then read is no older than
// anything that anybody had been told before. ok is false while nobody follows; then the log has to be read.
func (a *App) settle(ctx context.Context) (ok bool, err error) {
	if _, running, _ := a.follower.now(); !running {
		return false, nil
	}
	last, err := a.log.Last(ctx)
	if err != nil {
		return false, err
	}
	timer := time.NewTimer(settleWithin)
	defer timer.Stop()
	for {
		at, running, moved := a.follower.now()
		switch {
		case !running:
			return false, nil
		case at >= last:
			return true, nil
		}
		select {
		case <-moved:
		case <-timer.C:
			return false, fmt.Errorf("the follower is at %d, the log at %d: %w", at, last, ErrUnavailable)
		case <-ctx.Done():
			return false, ctx.Err()
		}
	}
}

// doubt makes every cached boundary be brought up to date before it is used again.
func (c *cache) doubt() {
	c.mu.Lock()
	known := make([]*boundary, 0, len(c.known))
	for _, e := range c.known {
		known = append(known, e)
	}
	c.mu.Unlock()
	for _, e := range known {
		e.mu.Lock()
		e.loaded = false
		e.mu.Unlock()
	}
}
