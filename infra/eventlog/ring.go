package eventlog

import (
	"context"
	"sync"
	"time"

	"roster/events"
)

const (
	ringRecords = 16384
	ringBytes   = 64 << 20
	maxEarly    = 1024
)

// ring holds the newest records, without a hole, and wakes who waits for more. Its last record always ends a
// batch. Payloads are shared by all readers, who do not change them.
type ring struct {
	maxRecords, maxBytes int

	mu      sync.Mutex
	slots   []slot // circular; slot of position p is slots[p % len]
	first   uint64 // position of the oldest record; last+1 when empty
	last    uint64
	bytes   int
	early   map[uint64][]slot // by their first position: appended, and what stands before them has not come yet
	waiting bool
	changed chan struct{} // closed at every change that somebody waits for
	err     error         // why nothing more will come
}

func newRing(last uint64, maxRecords, maxBytes int) *ring {
	return &ring{maxRecords: maxRecords, maxBytes: maxBytes, slots: make([]slot, maxRecords),
		first: last + 1, last: last, early: map[uint64][]slot{}, changed: make(chan struct{})}
}

// push adds records that follow the last one. A batch comes in one piece.
func (r *ring) push(slots ...slot) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.add(slots)
	r.wake()
}

// offer adds records that follow each other, batches in one piece, as soon as what stands before them is there. Those
// that are there already are left out. hole says that something before them is missing.
func (r *ring) offer(slots ...slot) (hole bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for len(slots) > 0 && slots[0].rec.Pos <= r.last {
		slots = slots[1:]
	}
	switch {
	case r.err != nil || len(slots) == 0:
		return false
	case slots[0].rec.Pos > r.last+1:
		if len(r.early) < maxEarly { // what is not kept is read from the log with the rest
			r.early[slots[0].rec.Pos] = slots
		}
		return true
	}
	for len(slots) > 0 {
		r.add(slots)
		slots = r.early[r.last+1]
	}
	r.wake()
	return len(r.early) > 0
}

// settles waits while something is missing and more comes: then whoever is late is on the way. It says whether nothing
// is missing any more.
func (r *ring) settles(ctx context.Context, patience time.Duration) bool {
	for last := r.end(); ; {
		if rest(ctx, patience) != nil {
			return false
		}
		r.mu.Lock()
		now, missing := r.last, len(r.early) > 0
		r.mu.Unlock()
		if !missing || now == last {
			return !missing
		}
		last = now
	}
}

func (r *ring) add(slots []slot) {
	for _, s := range slots {
		delete(r.early, s.rec.Pos)
		size := len(s.rec.Payload)
		for r.first <= r.last && (r.last-r.first+1 >= uint64(r.maxRecords) || r.bytes+size > r.maxBytes) {
			oldest := r.at(r.first)
			r.bytes -= len(oldest.rec.Payload)
			*oldest = slot{}
			r.first++
		}
		r.last = s.rec.Pos
		*r.at(r.last) = s
		r.bytes += size
	}
}

func (r *ring) at(pos uint64) *slot { return &r.slots[pos%uint64(len(r.slots))] }

// fail ends the ring: readers get what it holds, then the error. The first error stays.
func (r *ring) fail(err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.err == nil {
		r.err = err
	}
	r.wake()
}

func (r *ring) wake() {
	if r.waiting {
		close(r.changed)
		r.changed = make(chan struct{})
		r.waiting = false
	}
}

// end is the position of the last record.
func (r *ring) end() uint64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.last
}

// read answers records after a position: limit of them, and as many more as their batch has. Without records,
// behind says that they have left the ring, or else changed is closed when it is worth asking again.
func (r *ring) read(after uint64, limit int) (recs []events.Record, behind bool, changed <-chan struct{}, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	switch {
	case after >= r.last:
		if r.err == nil {
			r.waiting = true
		}
		return nil, false, r.changed, r.err
	case after+1 < r.first:
		return nil, true, nil, nil
	}
	to := after + min(uint64(limit), r.last-after)
	for r.at(to).more {
		to++
	}
	recs = make([]events.Record, 0, to-after)
	for pos := after + 1; pos <= to; pos++ {
		recs = append(recs, r.at(pos).rec)
	}
	return recs, false, nil, nil
}
