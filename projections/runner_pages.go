package projections

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"

	"roster/events"
)

const (
	// pageLimit is how many commits are read, and applied in one transaction, at most.
	pageLimit = 512
	// pageBytes is about how much of the log is kept opened for the models that are behind the first.
	pageBytes = 32 << 20
	// openAtOnce is how many commits of a page are opened at a time.
	openAtOnce = 8
)

// opened is a place in the log with its commit, or why there is none.
type opened struct {
	pos      uint64
	boundary events.Boundary
	commit   Opened
	hash     events.Hash
	err      error // of events.Decode
}

// page is a stretch of the log, read, decoded and opened once for all models.
type page struct {
	after   uint64
	done    chan struct{} // closed when what is below is set
	commits []opened
	bytes   int
	err     error
}

func (p *page) last() uint64 { return p.after + uint64(len(p.commits)) }

// pages reads the log for all models of a runner and keeps what it opened last. Its goroutines end with ctx.
type pages struct {
	ctx    context.Context
	source Source
	opener Opener
	limit  int

	wait   sync.WaitGroup
	mu     sync.Mutex
	byFrom map[uint64]*page
	order  []*page // finished pages, oldest first
	bytes  int
}

func newPages(ctx context.Context, source Source, opener Opener, limit int) *pages {
	return &pages{ctx: ctx, source: source, opener: opener, limit: limit, byFrom: map[uint64]*page{}}
}

// from is the page that follows a position. It may still be on its way: see page.done.
func (ps *pages) from(after uint64) *page {
	ps.mu.Lock()
	defer ps.mu.Unlock()
	return ps.fromLocked(after)
}

func (ps *pages) fromLocked(after uint64) *page {
	if p, ok := ps.byFrom[after]; ok {
		return p
	}
	p := &page{after: after, done: make(chan struct{})}
	ps.byFrom[after] = p
	ps.wait.Go(func() {
		p.commits, p.bytes, p.err = readPage(ps.ctx, ps.source, ps.opener, after, ps.limit)
		ps.finish(p)
		close(p.done)
	})
	return p
}

// finish keeps a page that was read, forgets the oldest ones, and begins to read the next when there is one already.
func (ps *pages) finish(p *page) {
	ps.mu.Lock()
	defer ps.mu.Unlock()
	if p.err != nil {
		delete(ps.byFrom, p.after)
		return
	}
	ps.order = append(ps.order, p)
	ps.bytes += p.bytes
	for ps.bytes > pageBytes && len(ps.order) > 1 {
		ps.bytes -= ps.order[0].bytes
		delete(ps.byFrom, ps.order[0].after)
		ps.order[0] = nil
		ps.order = ps.order[1:]
	}
}

// commits are those of a finished page and of the finished ones behind it, up to the limit, so that a model that is
// behind does not go on in steps as small as the first one's. Once a full page is taken, the next is read ahead.
func (ps *pages) commits(p *page) []opened {
	ps.mu.Lock()
	defer ps.mu.Unlock()
	if len(p.commits) >= ps.limit {
		if p.bytes < pageBytes/4 {
			ps.fromLocked(p.last())
		}
		return p.commits
	}
	list := p.commits[:len(p.commits):len(p.commits)]
	for at := p.last(); ; {
		next, ok := ps.byFrom[at]
		if !ok || !next.isDone() || next.err != nil || len(list)+len(next.commits) > ps.limit {
			return list
		}
		list = append(list, next.commits...)
		at = next.last()
	}
}

func (p *page) isDone() bool {
	select {
	case <-p.done:
		return true
	default:
		return false
	}
}

// readPage reads what follows a position and checks that nothing is missing or out of order. A commit that cannot be
// decoded is in the list with its error; one that cannot be opened fails the page, because what opens it is away.
func readPage(ctx context.Context, source Source, opener Opener, after uint64, limit int) ([]opened, int, error) {
	records, err := source.Read(ctx, after, limit)
	if err != nil {
		return nil, 0, fmt.Errorf("read the log after %d: %w", after, err)
	}
	if len(records) == 0 {
		return nil, 0, fmt.Errorf("read the log after %d: no commits", after)
	}
	bytes := 0
	for i, rec := range records {
		if want := after + uint64(i) + 1; rec.Pos != want {
			return nil, 0, stopError{fmt.Errorf("gap in the log: position %d follows %d", rec.Pos, want-1)}
		}
		bytes += 3*len(rec.Payload) + 512
	}
	list, err := openPage(ctx, opener, records)
	return list, bytes, err
}

// openPage decodes and opens records, several at once: a key that is not in memory is fetched, and the others need
// not wait for it.
func openPage(ctx context.Context, opener Opener, records []events.Record) ([]opened, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	list := make([]opened, len(records))
	var next atomic.Int64
	var opening sync.WaitGroup
	for range min(openAtOnce, len(records)) {
		opening.Go(func() {
			for i := next.Add(1) - 1; i < int64(len(records)) && ctx.Err() == nil; i = next.Add(1) - 1 {
				var err error
				if list[i], err = openRecord(ctx, opener, records[i]); err != nil {
					cancel(err)
				}
			}
		})
	}
	opening.Wait()
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	return list, nil
}

func openRecord(ctx context.Context, opener Opener, rec events.Record) (opened, error) {
	o := opened{pos: rec.Pos, boundary: rec.Boundary}
	c, err := events.Decode(rec)
	if err != nil {
		o.err, o.hash = err, rec.Hash()
		return o, nil
	}
	o.hash = c.Hash
	if o.commit, err = opener.Open(ctx, c); err != nil {
		return o, fmt.Errorf("open position %d: %w", rec.Pos, err)
	}
	o.commit.Payload = rec.Payload
	return o, nil
}

// stopError is a reason for which a projection must not go on, whatever is tried again.
type stopError struct{ error }

func (e stopError) Unwrap() error { return e.error }

// unit is what is applied together or not at all: one commit, or all commits of an atomic batch.
type unit []opened

// unitsOf groups a page. A commit that cannot be decoded belongs to the batch that its neighbours say it is in.
func unitsOf(list []opened) ([]unit, error) {
	ends := make([]int, len(list)) // the end of the unit that a commit is known to be in
	for i, o := range list {
		if o.err != nil || o.commit.Batch == nil {
			continue
		}
		from, to := i-o.commit.Batch.N+1, i+o.commit.Batch.Of-o.commit.Batch.N+1
		if from < 0 || to > len(list) || from > i || to <= i {
			return nil, stopError{fmt.Errorf("position %d is part %d of %d of a batch that is not whole", o.pos, o.commit.Batch.N, o.commit.Batch.Of)}
		}
		for j := from; j < to; j++ {
			ends[j] = to
		}
	}
	var units []unit
	for i := 0; i < len(list); {
		end := max(ends[i], i+1)
		units = append(units, list[i:end:end])
		i = end
	}
	return units, nil
}

// fault is the first error of a unit's commits.
func (u unit) fault() error {
	for _, o := range u {
		if o.err != nil {
			return o.err
		}
	}
	return nil
}

func isUnknown(err error) bool { return errors.Is(err, events.ErrUnknown) }
