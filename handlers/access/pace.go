package access

import (
	"context"
	"slices"
	"sync"
	"time"
)

// Pace makes answers of one kind take as long as the longest of the last ones did, counted in steps of 25 ms, so that the
// time says nothing of what was looked at: whether anybody holds an address costs a few reads or a commit more or less,
// which 2,000 timings would tell (NIST SP 800-63B-4 and OWASP's Authentication Cheat Sheet ask for equal answers, in time
// as well). The steps hide an answer that is the longest itself, and what goes on behind one that wrote something. The
// zero value is ready. It may be used from everywhere at once.
type Pace struct {
	mu   sync.Mutex
	took [64]time.Duration
	next int
}

const (
	step    = 25 * time.Millisecond
	grain   = 2 * time.Millisecond
	maxPace = time.Second // bounds how long anybody is kept waiting because somebody before was
)

// Hold waits until as many whole steps have gone since begin as the longest of the last answers took, a second at most,
// or this one. It returns at once when nobody waits any more.
func (p *Pace) Hold(ctx context.Context, begin time.Time) {
	took := time.Since(begin)
	p.mu.Lock()
	p.took[p.next] = min(took, maxPace)
	p.next = (p.next + 1) % len(p.took)
	until := (max(took, slices.Max(p.took[:])) + step - 1).Truncate(step)
	p.mu.Unlock()
	select {
	case <-time.After(until - grain - took):
	case <-ctx.Done():
	}
	// A timer of the runtime fires whole milliseconds after the thread that waits for it has gone to sleep, which tells
	// what was taken to get there: the kernel's clock has the rest.
	for left := until - time.Since(begin); left > 0 && ctx.Err() == nil; left = until - time.Since(begin) {
		rest(left)
	}
}
