package handlers

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"roster/domain"
	"roster/events"
)

// keyedFor is how long an idempotency key counts. A boundary remembers its keys for twice as long, so that one used
// anew is known to be, and its commits get other ids.
const keyedFor = 30 * 24 * time.Hour

// snapshot is a boundary at one moment: its state, what was done under idempotency keys, and its last commit.
type snapshot struct {
	state domain.State
	keys  domain.Keys
	pos   uint64
	hash  events.Hash
	at    events.Time
}

// boundary is a cached boundary. It is loaded and moved on under its lock; what it hands out is immutable.
type boundary struct {
	mu     sync.Mutex
	loaded bool
	snapshot
	kept  *kept // the snapshot that is kept of it; nil while that is not known
	since int   // commits since that one

	// What was sent after a position before this one may have arrived, or still do so: nobody knows. Until a commit at
	// or behind it is seen, the log is read for whatever is asked. 0 where there is no such thing.
	doubtful atomic.Uint64

	weighed int // what the cache has been told last

	used   bool // asked for lately; under the cache's lock, as is weight
	weight int  // 1 and one for each entry; 0 when dropped

	deciding chan struct{} // held from deciding to the acknowledgement, so that callers of one process do not conflict
}

// cache holds the boundaries in use, as many as there is room for. It is only speed: the comparison on append decides.
type cache struct {
	mu    sync.Mutex
	most  int // what they may weigh together
	heavy int // what they weigh
	known map[events.Boundary]*boundary
}

func newCache(most int) *cache { return &cache{most: most, known: map[events.Boundary]*boundary{}} }

const (
	looks      = 8  // boundaries in use that are passed over for each that is dropped
	atOnceGone = 64 // boundaries that are dropped for one that comes: the others are with the next
)

// of answers the boundary's place in the cache, making one where there is none: before it is loaded, so that a
// commit appended meanwhile is either read by the load or applied after it.
func (c *cache) of(b events.Boundary) *boundary {
	c.mu.Lock()
	defer c.mu.Unlock()
	e, ok := c.known[b]
	if !ok {
		c.makeRoom()
		e = &boundary{deciding: make(chan struct{}, 1), weight: 1}
		c.known[b] = e
		c.heavy++
		return e
	}
	e.used = true
	return e
}

// makeRoom drops boundaries that nobody has asked for lately: it begins somewhere, gives each that was asked for
// another chance, and takes one all the same when it finds no other soon.
func (c *cache) makeRoom() {
	passed, gone := 0, 0
	for b, e := range c.known {
		switch {
		case c.heavy < c.most || gone == atOnceGone:
			return
		case e.doubtful.Load() != 0:
			if passed++; passed > 4*looks {
				return // there is nothing but those
			}
			continue
		case e.used && passed < looks:
			e.used = false
			passed++
			continue
		}
		delete(c.known, b)
		c.heavy -= e.weight
		e.weight = 0
		passed = 0
		gone++
	}
}

// weigh notes what a boundary weighs by now, unless it has been dropped. One alone counts as an eighth of the room at
// most: it must not drive out everybody else, nor be driven out by whoever comes.
func (c *cache) weigh(e *boundary, weight int) {
	weight = min(weight, max(1, c.most/8))
	c.mu.Lock()
	defer c.mu.Unlock()
	if e.weight > 0 {
		c.heavy += weight - e.weight
		e.weight = weight
	}
}

// ifKnown answers the boundary's place, or nil.
func (c *cache) ifKnown(b events.Boundary) *boundary {
	c.mu.Lock()
	defer c.mu.Unlock()
	e := c.known[b]
	if e != nil {
		e.used = true
	}
	return e
}

// now is the boundary as the log has it, loading what is not yet there.
func (a *App) now(ctx context.Context, b events.Boundary) (snapshot, error) {
	if b.Nobody() {
		return snapshot{state: domain.Empty(b)}, nil
	}
	var s snapshot
	err := a.loaded(ctx, b, func(e *boundary) { s = e.snapshot })
	return s, err
}

// warm is the boundary as it stands in memory, where that is as the log has it; it never waits for the log. Where
// others write too, that would have to be asked first.
func (a *App) warm(b events.Boundary) (s snapshot, ok bool) {
	if a.shared {
		return snapshot{}, false
	}
	e := a.cache.ifKnown(b)
	if e == nil || !e.mu.TryLock() { // who holds it may be reading the log
		return snapshot{}, false
	}
	defer e.mu.Unlock()
	return e.snapshot, e.loaded && e.doubtful.Load() == 0
}

// loaded shows a boundary under its lock, loading what is not yet there. Where others write too, it waits for the
// follower first, or reads what they may have written. What it shows stays so for as long as look looks, even when the
// cache drops the boundary meanwhile.
func (a *App) loaded(ctx context.Context, b events.Boundary, look func(*boundary)) error {
	e, settled := a.cache.of(b), true
	if a.shared {
		var err error
		if settled, err = a.settle(ctx); err != nil {
			return err
		}
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if !e.loaded || !settled || e.doubtful.Load() != 0 {
		if err := a.catchUp(ctx, b, e); err != nil {
			return err
		}
	}
	look(e)
	return nil
}

// refresh reads what others have appended since, and answers the position of the boundary's last commit.
func (a *App) refresh(ctx context.Context, b events.Boundary) (uint64, error) {
	e := a.cache.of(b)
	e.mu.Lock()
	defer e.mu.Unlock()
	err := a.catchUp(ctx, b, e)
	return e.pos, err
}

func (a *App) catchUp(ctx context.Context, b events.Boundary, e *boundary) error {
	if err := a.readOn(ctx, b, e); err != nil {
		return fmt.Errorf("load %s: %w", b, err)
	}
	e.loaded = true
	a.moved(b, e)
	return nil
}

// readOn brings a boundary up to what the log has. Most are too short for a snapshot: of one that is read first the log
// is asked first, and the database, which has other work, where there is more.
func (a *App) readOn(ctx context.Context, b events.Boundary, e *boundary) error {
	keeper := a.keeper.Load()
	if e.state == nil {
		e.state = domain.Empty(b)
		if keeper != nil {
			records, all, err := a.log.Beginning(ctx, b, keepAfter)
			if err != nil {
				return err
			}
			if all {
				return e.applyAll(records)
			}
			if keeper.restore(ctx, a.log, b, e) {
				return nil
			}
		}
	}
	records, err := a.log.Boundary(ctx, b, e.pos)
	if err != nil {
		return err
	}
	return e.applyAll(records)
}

func (e *boundary) applyAll(records []events.Record) error {
	for _, r := range records {
		c, err := events.Decode(r)
		if err != nil {
			return err
		}
		if err := e.apply(c); err != nil {
			return err
		}
	}
	return nil
}

// apply moves the boundary on by its next commit. One that it has seen is passed over.
func (e *boundary) apply(c events.Commit) error {
	if c.Pos <= e.pos {
		return nil
	}
	if c.Prev.Pos != e.pos || c.Prev.Hash != e.hash {
		return fmt.Errorf("position %d follows %d, not %d: the chain of %s is broken: %w", c.Pos, c.Prev.Pos, e.pos, c.Boundary, events.ErrCorrupt)
	}
	for i, f := range c.Facts {
		e.state = domain.Evolve(e.state, domain.Happened{Event: f, Commit: c.ID, Cause: c.Because(), Index: i, Pos: c.Pos, At: c.At, By: c.By()})
	}
	e.pos, e.hash, e.at = c.Pos, c.Hash, c.At
	if c.Cmd.MAC != "" {
		e.keys = e.keys.With(c.ID, domain.Keyed{Pos: c.Pos, At: c.At}, c.At.Add(-2*keyedFor))
	}
	e.since++
	return nil
}

// applied moves a cached boundary on by a commit that the log has acknowledged. Where the cache has fallen behind,
// it reads what it lacks the next time.
func (a *App) applied(c events.Commit) {
	e := a.cache.ifKnown(c.Boundary)
	if e == nil {
		return
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.loaded && e.apply(c) != nil {
		e.loaded = false
	}
	a.moved(c.Boundary, e)
}

// mayArrive notes that nobody knows whether these arrive. Where others write too, the log is asked all the same.
func (a *App) mayArrive(writes []Write) {
	if a.shared {
		return
	}
	for _, w := range writes {
		e := a.cache.of(w.Boundary)
		e.mu.Lock()
		if w.After >= e.pos { // else the boundary has moved on, and they never can
			e.doubtful.Store(max(e.doubtful.Load(), w.After+1))
		}
		e.mu.Unlock()
	}
}

// moved notes what a boundary weighs now, whether what was in doubt no longer is, and whether its snapshot is due. The
// caller holds its lock.
func (a *App) moved(b events.Boundary, e *boundary) {
	if e.pos >= e.doubtful.Load() {
		e.doubtful.Store(0)
	}
	if w := 1 + (domain.Folded{State: e.state, Keys: e.keys}).Entries(); w != e.weighed {
		e.weighed = w
		a.cache.weigh(e, w)
	}
	a.keeper.Load().note(b, e)
}

// repeated finds what has been done under an idempotency key in a boundary.
func (a *App) repeated(ctx context.Context, b events.Boundary, id events.CommitID) (k domain.Keyed, ok bool, err error) {
	err = a.loaded(ctx, b, func(e *boundary) { k, ok = e.keys.Get(id) })
	return k, ok, err
}
