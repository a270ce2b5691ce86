package access

import (
	"context"
	"slices"
	"sync"
	"time"
)

// Pace makes answers of one kind take as long as the longest of the last ones did, so that the time says nothing of what
// was looked at: whether anybody holds an address costs a few reads more or less, which 2,000 timings would tell
// (NIST SP 800-63B-4 and OWASP's Authentication Cheat Sheet ask for equal answers, in time as well). The zero value is
// ready. It may be used from everywhere at once.
type Pace struct {
	mu   sync.Mutex
	took [64]time.Duration
	next int
}

// maxPace bounds how long anybody is kept waiting because somebody before was.
const maxPace = time.Second

// Hold waits until as much time has gone since begin as the longest of the last answers took, a second at most. It
// returns at once when nobody waits any more.
func (p *Pace) Hold(ctx context.Context, begin time.Time) {
	took := time.Since(begin)
	p.mu.Lock()
	p.took[p.next] = min(took, maxPace)
	p.next = (p.next + 1) % len(p.took)
	longest := slices.Max(p.took[:])
	p.mu.Unlock()
	if longest <= took {
		return
	}
	select {
	case <-time.After(longest - took):
	case <-ctx.Done():
	}
}
