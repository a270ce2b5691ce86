package handlers

import (
	"cmp"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"roster/domain"
	"roster/events"
)

const (
	keepAfter  = 16          // commits of a boundary since its snapshot, or read to load it, that make one due
	keepEvery  = time.Second // between two rounds: however many commits there were, one snapshot
	keepLast   = 2 * time.Second
	mostDue    = 20_000 // boundaries; one that does not fit in is due again with its next commit
	keepAtOnce = 128    // boundaries in a transaction
	keepRows   = 20_000 // after so many entries there is no further boundary in a transaction
	fewEntries = 32     // with so many all are written anew, and what was written is not remembered
	holdOff    = 64 * keepAfter
)

// kept is what is known to be kept of a boundary.
type kept struct {
	tag  [32]byte      // zero: nothing
	base domain.Folded // the very state that is kept; none: all of it is written anew
	sum  sum           // of its entries
}

// sum adds up entries, in whatever order: what a head says of its entries.
type sum struct{ a, b, n uint64 }

// keeper keeps snapshots of boundaries.
//
// A snapshot is believed when its tag is what our key makes of its head and the sum of its entries: it is one that we
// have made, of this log, in today's format, whole. Entries are added up by a keyed hash of each (the multiset hash of
// Clarke et al. 2003), so that one entry is changed at the cost of one.
type keeper struct {
	store   Snapshots
	key     []byte
	nothing *kept // what is kept of most boundaries

	mu  sync.Mutex
	due map[events.Boundary]*boundary
}

// UseSnapshots loads boundaries from snapshots from now on. It has to come after Start. KeepSnapshots makes
// them.
func (a *App) UseSnapshots(s Snapshots) {
	a.keeper.Store(newKeeper(s, a.macs, a.logID, domain.SnapshotFormat))
}

func newKeeper(s Snapshots, macs MACs, log events.LogID, format int) *keeper {
	key := sha256.Sum256([]byte(macs.MAC(fmt.Appendf(nil, "\x00snapshots\x00%s\x00%d", log, format))))
	return &keeper{store: s, key: key[:], nothing: &kept{}, due: map[events.Boundary]*boundary{}}
}

// KeepSnapshots makes snapshots of boundaries that have moved on, until ctx ends; then, briefly, of those that still
// are due. It does not fail: without the store, boundaries are loaded from the log.
func (a *App) KeepSnapshots(ctx context.Context) error {
	tick := time.NewTicker(keepEvery)
	defer tick.Stop()
	told := false
	for {
		select {
		case <-tick.C:
			err := a.SaveSnapshots(ctx)
			if err != nil && ctx.Err() == nil && !told {
				a.logger.Warn("no snapshots of boundaries for now", "err", err)
			}
			told = err != nil
		case <-ctx.Done():
			last, cancel := context.WithTimeout(context.WithoutCancel(ctx), keepLast)
			defer cancel()
			_ = a.SaveSnapshots(last) // what is not kept is read from the log
			return ctx.Err()
		}
	}
}

// note makes a boundary due when it has moved on far enough. The caller holds its lock.
func (k *keeper) note(b events.Boundary, e *boundary) {
	if k == nil || e.since < keepAfter {
		return
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if len(k.due) < mostDue {
		k.due[b] = e
	}
}

// restore loads a boundary from what is kept of it and the log's tail. It answers false, and leaves the boundary as it
// was, when there is nothing that fits the log. The caller holds its lock.
func (k *keeper) restore(ctx context.Context, log Log, b events.Boundary, e *boundary) bool {
	if k == nil {
		return false
	}
	s, is := k.load(ctx, b)
	e.kept = is
	if s == nil {
		return false
	}
	records, err := log.Boundary(ctx, b, s.pos-1) // with the commit that it ends at, so that one request tells all
	if err != nil {
		return false
	}
	tried := boundary{snapshot: *s}
	if len(records) == 0 || records[0].Pos != s.pos || records[0].Hash() != s.hash || tried.applyAll(records[1:]) != nil {
		e.kept = &kept{tag: is.tag} // of a log that has been put back, say
		return false
	}
	e.snapshot, e.since = tried.snapshot, tried.since
	return true
}

// load answers what is kept of a boundary, and its state when that can be believed. nil, nil: it is not known.
func (k *keeper) load(ctx context.Context, b events.Boundary) (*snapshot, *kept) {
	r, h := domain.Restore(b), k.hasher()
	head, err := k.store.Load(ctx, b, func(part byte, key [16]byte, value []byte) {
		h.add(part, key, value)
		r.Entry(part, key, value)
	})
	switch {
	case err != nil:
		return nil, nil
	case head == nil:
		return nil, k.nothing
	}
	is := &kept{tag: head.Tag}
	s, rest, ok := readHead(head.Bytes)
	if want := k.tag(b, head.Bytes, h.sum); !ok || !hmac.Equal(want[:], head.Tag[:]) {
		return nil, is
	}
	f, err := r.Done(rest)
	if err != nil {
		return nil, is
	}
	s.state, s.keys = f.State, f.Keys
	is.remember(f, h.sum)
	return &s, is
}

// remember keeps what has been saved, so that the next time only what has changed is: where that is worth it.
func (is *kept) remember(f domain.Folded, s sum) {
	if f.Entries() > fewEntries {
		is.base, is.sum = f, s
	}
}

// SaveSnapshots makes the snapshots that are due.
func (a *App) SaveSnapshots(ctx context.Context) error {
	if k := a.keeper.Load(); k != nil {
		return k.save(ctx)
	}
	return nil
}

// saving is a snapshot on its way.
type saving struct {
	b      events.Boundary
	of     *boundary
	since  int
	change KeptChange
	then   *kept
}

func (k *keeper) save(ctx context.Context) error {
	k.mu.Lock()
	due := k.due
	k.due = map[events.Boundary]*boundary{}
	k.mu.Unlock()
	var list []saving
	rows := 0
	flush := func() error {
		err := k.write(ctx, list)
		list, rows = list[:0], 0
		return err
	}
	var trouble error
	for b, e := range due {
		one, err := k.prepare(ctx, b, e)
		if err != nil {
			trouble = err
		}
		if one == nil {
			continue
		}
		list, rows = append(list, *one), rows+len(one.change.Entries)
		if len(list) == keepAtOnce || rows >= keepRows {
			if err := flush(); err != nil {
				return err
			}
		}
	}
	return cmp.Or(flush(), trouble)
}

var errUnknown = errors.New("what is kept cannot be read")

// prepare works out what has to be written. nil: somebody else is ahead of us.
func (k *keeper) prepare(ctx context.Context, b events.Boundary, e *boundary) (*saving, error) {
	e.mu.Lock()
	s, was, since := e.snapshot, e.kept, e.since
	e.mu.Unlock()
	if was == nil {
		var theirs *snapshot
		if theirs, was = k.load(ctx, b); was == nil {
			return nil, errUnknown
		}
		if theirs != nil && theirs.pos >= s.pos {
			e.saved(nil, since+holdOff)
			return nil, nil
		}
	}
	f := domain.Folded{State: s.state, Keys: s.keys}
	one := &saving{b: b, of: e, since: since, then: &kept{}}
	one.change = KeptChange{Boundary: b, Was: was.tag, Whole: was.base.State == nil}
	h := k.hasher()
	h.sum = was.sum
	f.Changes(was.base, func(c domain.Change) {
		if c.Was != nil {
			h.remove(c.Part, c.Key, c.Was)
		}
		if c.Is != nil {
			h.add(c.Part, c.Key, c.Is)
		}
		c.Was = nil
		one.change.Entries = append(one.change.Entries, c)
	})
	head := append(s.head(), f.Head()...)
	one.then.tag = k.tag(b, head, h.sum)
	one.then.remember(f, h.sum)
	one.change.Head = KeptHead{Tag: one.then.tag, Pos: s.pos, Bytes: head}
	return one, nil
}

// saved notes what has become of a boundary's snapshot.
func (e *boundary) saved(is *kept, since int) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.kept = is
	e.since -= since
}

// write saves snapshots in one transaction.
func (k *keeper) write(ctx context.Context, list []saving) error {
	if len(list) == 0 {
		return nil
	}
	slices.SortFunc(list, func(a, b saving) int { return cmp.Compare(a.b.String(), b.b.String()) }) // so that two who save wait for each other, not in a ring
	changes := make([]KeptChange, len(list))
	for i := range list {
		changes[i] = list[i].change
	}
	done, err := k.store.Save(ctx, changes)
	for i, one := range list {
		switch {
		case err != nil:
			one.of.saved(nil, 0) // it may have been done
		case done[i]:
			one.of.saved(one.then, one.since)
		default: // another process keeps this one: until it has stopped to
			one.of.saved(nil, one.since+holdOff)
		}
	}
	return err
}

// head is what stands before a state's own head: where in the log it is from.
func (s *snapshot) head() []byte {
	b := binary.BigEndian.AppendUint64(nil, s.pos)
	b = append(b, s.hash[:]...)
	return binary.BigEndian.AppendUint64(b, uint64(s.at))
}

func readHead(b []byte) (s snapshot, rest []byte, ok bool) {
	const length = 8 + 32 + 8
	if len(b) < length {
		return s, nil, false
	}
	s.pos, s.hash = binary.BigEndian.Uint64(b), events.Hash(b[8:40])
	s.at = events.Time(binary.BigEndian.Uint64(b[40:]))
	return s, b[length:], s.pos > 0
}

// tag is what our key makes of a head and the sum of its entries.
func (k *keeper) tag(b events.Boundary, head []byte, s sum) [32]byte {
	m := hmac.New(sha256.New, k.key)
	m.Write(events.LengthPrefixed(b.String(), string(head)))
	for _, n := range []uint64{s.a, s.b, s.n} {
		m.Write(binary.BigEndian.AppendUint64(nil, n))
	}
	return [32]byte(m.Sum(nil))
}

// hasher adds up entries.
type hasher struct {
	sum
	buf []byte
	key int // how much of buf is the key
}

func (k *keeper) hasher() *hasher {
	return &hasher{buf: append(make([]byte, 0, 512), k.key...), key: len(k.key)}
}

func (h *hasher) of(part byte, key [16]byte, value []byte) (a, b uint64) {
	h.buf = append(append(append(h.buf[:h.key], part), key[:]...), value...)
	d := sha256.Sum256(h.buf)
	return binary.BigEndian.Uint64(d[:]), binary.BigEndian.Uint64(d[8:])
}

func (h *hasher) add(part byte, key [16]byte, value []byte) {
	a, b := h.of(part, key, value)
	h.a, h.b, h.n = h.a+a, h.b+b, h.n+1
}

func (h *hasher) remove(part byte, key [16]byte, value []byte) {
	a, b := h.of(part, key, value)
	h.a, h.b, h.n = h.a-a, h.b-b, h.n-1
}
