// Package memlog is a log in memory for tests of whatever uses one. It passes the same suite as the real log, and
// it can be told to fail in each way in which the real one fails.
package memlog

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"

	"roster/events"
	"roster/handlers"
	"roster/infra/eventlog/internal/writes"
)

var _ handlers.Log = (*Log)(nil)

// Fault is one way in which an Append fails.
type Fault int

// The faults, with what the server says in each case.
const (
	// OK lets an Append through, to place a fault behind it.
	OK Fault = iota
	// WrongLast: 10071, the comparison failed. ErrConflict; nothing is written.
	WrongLast
	// WrongLastInAir: 10164, the same on a replicated stream. ErrConflict; nothing is written.
	WrongLastInAir
	// BatchDuplicate: 10201. ErrConflict; nothing is written.
	BatchDuplicate
	// LostAck: it is written, and the acknowledgement does not arrive. ErrUnknownOutcome.
	LostAck
	// NeverArrived: the message is lost on its way. ErrUnknownOutcome; nothing is written.
	NeverArrived
	// Late: the time-out comes first: nothing is written yet, and it is before the next Append. ErrUnknownOutcome.
	Late
	// Unavailable: nobody answers for the stream. ErrUnavailable; nothing is written.
	Unavailable
	// TooManyBatches: 10210 at every try. ErrUnavailable; nothing is written.
	TooManyBatches
	// Broken: what no look and no retry changes, as 10199. None of the errors that handlers names; nothing is
	// written.
	Broken
)

// ErrBroken is the fault that Broken answers.
var ErrBroken = errors.New("refused by the server: atomic publish batch is too large (10199)")

// Log is a log in memory. It is safe for concurrent use. It knows the ids of all commits as the server knows those
// of the last seconds: a repeated id is never written a second time.
type Log struct {
	mu      sync.Mutex
	records []record // of position i+1
	last    map[events.Boundary]uint64
	ids     map[events.CommitID]uint64
	faults  []Fault
	late    [][]handlers.Write
	changed chan struct{}
}

type record struct {
	events.Record
	more bool // its batch goes on
}

// New makes an empty log.
func New() *Log {
	return &Log{last: map[events.Boundary]uint64{}, ids: map[events.CommitID]uint64{}, changed: make(chan struct{})}
}

// Fail makes the next calls of Append fail, one fault each, in order, behind those that are still due. The fault
// comes before the comparison, as on the way to the server; LostAck after it, and only of what was written.
func (l *Log) Fail(next ...Fault) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.faults = append(l.faults, next...)
}

// Append implements handlers.Log.
func (l *Log) Append(ctx context.Context, ws ...handlers.Write) ([]uint64, error) {
	if err := writes.Check(ws); err != nil {
		return nil, err
	}
	if err := ctx.Err(); err != nil {
		return nil, fmt.Errorf("%w: %w", handlers.ErrUnavailable, err)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, late := range l.late {
		if l.compare(late) == nil {
			l.write(late)
		}
	}
	l.late = nil
	fault := OK
	if len(l.faults) > 0 {
		fault, l.faults = l.faults[0], l.faults[1:]
	}
	positions, err := l.append(ws, fault)
	if err != nil {
		return nil, fmt.Errorf("append to %s after %d: %w", ws[0].Boundary, ws[0].After, err)
	}
	return positions, nil
}

func (l *Log) append(ws []handlers.Write, fault Fault) ([]uint64, error) {
	switch fault {
	case Unavailable:
		return nil, fmt.Errorf("%w: nobody answers for the stream", handlers.ErrUnavailable)
	case TooManyBatches:
		return nil, fmt.Errorf("%w: too many batches at once", handlers.ErrUnavailable)
	case NeverArrived:
		return nil, fmt.Errorf("%w: no answer in time", handlers.ErrUnknownOutcome)
	case Late:
		l.late = append(l.late, copied(ws))
		return nil, fmt.Errorf("%w: no answer in time", handlers.ErrUnknownOutcome)
	case Broken:
		return nil, ErrBroken
	case WrongLast:
		return nil, fmt.Errorf("%w: wrong last sequence (10071)", handlers.ErrConflict)
	case WrongLastInAir:
		return nil, fmt.Errorf("%w: wrong last sequence (10164)", handlers.ErrConflict)
	case BatchDuplicate:
		return nil, fmt.Errorf("%w: batch contains duplicate message id (10201)", handlers.ErrConflict)
	case OK, LostAck:
	}
	if err := l.compare(ws); err != nil {
		return nil, err
	}
	positions := l.write(copied(ws))
	if fault == LostAck {
		return nil, fmt.Errorf("%w: connection lost", handlers.ErrUnknownOutcome)
	}
	return positions, nil
}

// compare is in the order of the server: a single write's position first, a batch's ids first.
func (l *Log) compare(ws []handlers.Write) error {
	for _, w := range ws {
		pos, known := l.ids[w.ID]
		switch {
		case known && len(ws) > 1:
			return fmt.Errorf("%w: commit %s stands at position %d", handlers.ErrConflict, w.ID, pos)
		case l.last[w.Boundary] != w.After:
			return fmt.Errorf("%w: wrong last sequence: %d", handlers.ErrConflict, l.last[w.Boundary])
		case known && l.records[pos-1].Boundary != w.Boundary:
			return fmt.Errorf("commit id %s was written to %s at position %d already", w.ID, l.records[pos-1].Boundary, pos)
		case known:
			return fmt.Errorf("%w: commit %s stands at position %d", handlers.ErrConflict, w.ID, pos)
		}
	}
	return nil
}

func (l *Log) write(ws []handlers.Write) []uint64 {
	positions := make([]uint64, len(ws))
	for i, w := range ws {
		pos := uint64(len(l.records)) + 1
		l.records = append(l.records, record{events.Record{Pos: pos, Boundary: w.Boundary, Payload: w.Payload}, i < len(ws)-1})
		l.last[w.Boundary], l.ids[w.ID] = pos, pos
		positions[i] = pos
	}
	close(l.changed)
	l.changed = make(chan struct{})
	return positions
}

func copied(ws []handlers.Write) []handlers.Write {
	ws = slices.Clone(ws)
	for i := range ws {
		ws[i].Payload = slices.Clone(ws[i].Payload)
	}
	return ws
}

// Last implements handlers.Log.
func (l *Log) Last(ctx context.Context) (uint64, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return uint64(len(l.records)), ctx.Err()
}

// Boundary implements handlers.Log.
func (l *Log) Boundary(ctx context.Context, b events.Boundary, after uint64) ([]events.Record, error) {
	if p, err := events.ParseBoundary(b.String()); err != nil || p != b {
		return nil, fmt.Errorf("read %q: not a boundary", b)
	}
	if err := ctx.Err(); err != nil {
		return nil, fmt.Errorf("read %s after %d: %w", b, after, err)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	var recs []events.Record
	for _, r := range l.records[min(after, uint64(len(l.records))):] {
		if r.Boundary == b {
			recs = append(recs, r.Record)
		}
	}
	return recs, nil
}

// Beginning implements handlers.Log.
func (l *Log) Beginning(ctx context.Context, b events.Boundary, limit int) ([]events.Record, bool, error) {
	recs, err := l.Boundary(ctx, b, 0)
	if limit = max(1, limit); len(recs) > limit {
		return recs[:limit], false, err
	}
	return recs, true, err
}

// Read implements handlers.Log. A page never ends inside a batch; it is made longer than limit for that.
func (l *Log) Read(ctx context.Context, after uint64, limit int) ([]events.Record, error) {
	for {
		if err := ctx.Err(); err != nil {
			return nil, fmt.Errorf("read after %d: %w", after, err)
		}
		recs, changed := l.page(after, uint64(max(1, limit)))
		if len(recs) > 0 {
			return recs, nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
		}
	}
}

func (l *Log) page(after, limit uint64) ([]events.Record, <-chan struct{}) {
	l.mu.Lock()
	defer l.mu.Unlock()
	last := uint64(len(l.records))
	if after >= last {
		return nil, l.changed
	}
	to := after + min(limit, last-after)
	for l.records[to-1].more {
		to++
	}
	recs := make([]events.Record, 0, to-after)
	for _, r := range l.records[after:to] {
		recs = append(recs, r.Record)
	}
	return recs, nil
}
