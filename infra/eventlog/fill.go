package eventlog

import (
	"context"
	"errors"
	"fmt"
	"time"

	"roster/events"
	"roster/handlers"
)

// How a sole writer's ring is kept whole, see fill.
const (
	fillEvery = time.Second
	fillAfter = 5 * time.Millisecond // what is on its way from another caller is not a hole yet
	fillPage  = 500
)

// hand puts what this process has appended into the ring, once it is on disk. Nobody else writes to a sole writer's
// log, so no consumer has to bring back what is known here.
func (l *Log) hand(ws []handlers.Write, positions []uint64) {
	slots := make([]slot, len(ws))
	for i, w := range ws {
		slots[i] = slot{events.Record{Pos: positions[i], Boundary: w.Boundary, Payload: w.Payload}, i < len(ws)-1}
	}
	if l.ring.offer(slots...) {
		tell(l.holes)
	}
}

// tell sends, unless somebody has done so already.
func tell(told chan<- struct{}) {
	select {
	case told <- struct{}{}:
	default:
	}
}

// fill keeps the ring of a sole writer whole: what no caller has handed over, since its acknowledgement was lost or
// its caller has left, is read from the log. It looks when there is a hole or a doubt, and every second whether there is
// one or not, so that no record depends on a caller's word. Only a damaged log or a failed disk ends it early.
func (l *Log) fill(ctx context.Context) {
	for {
		select {
		case <-l.holes:
			if l.ring.settles(ctx, fillAfter) {
				continue
			}
		case <-l.doubts:
			_ = rest(ctx, fillAfter) // what is under way may arrive; ctx is looked at below
		case <-time.After(fillEvery):
		case <-ctx.Done():
		}
		err := l.catchUp(ctx)
		switch {
		case ctx.Err() != nil:
			l.ring.fail(ErrClosed)
			return
		case errors.Is(err, ErrIntegrity), errors.Is(err, errNotDurable):
			l.ring.fail(unavailable(err))
			return
		}
	}
}

// catchUp reads what the ring does not have yet.
func (l *Log) catchUp(ctx context.Context) error {
	last, err := l.askLeader(ctx)
	if err != nil {
		return err
	}
	for end := l.ring.end(); end < last; end = l.ring.end() {
		slots, err := l.slotsAfter(ctx, end, fillPage)
		if err != nil {
			return fmt.Errorf("what follows position %d: %w", end, err)
		}
		l.ring.offer(slots...)
	}
	return nil
}
