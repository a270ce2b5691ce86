package eventlog

import (
	"context"
	"errors"
	"fmt"

	"roster/handlers"
)

// Disk says when what the server has acknowledged is on disk. The embedded server of infra/nats is one.
type Disk interface {
	// Synced answers when the message at a position of a stream is on disk, with all before it.
	Synced(ctx context.Context, stream string, pos uint64) error
	// HoldBatch keeps an atomic batch of which all but the last message have been sent, so that no power cut leaves
	// half of it, until release is called: when it is on disk.
	HoldBatch(stream string) (release func() error, err error)
}

// OnDisk is for a server in this process that acknowledges what is not on disk yet. The log then waits for the disk
// itself: nothing that is not durable is answered or shown, whatever asks. It is the SoleWriter. Without a Disk, the
// server's acknowledgement is the promise.
func OnDisk(d Disk) Option {
	return func(l *Log) {
		SoleWriter()(l)
		l.disk = d
	}
}

// maxHeldBatch is how large a batch may be that the disk has to hold: the server keeps it in one file up to 8 MiB.
const maxHeldBatch = 4 << 20

// errNotDurable says that the disk failed, or that the server was closed: nobody knows what is durable.
var errNotDurable = errors.New("not known to be on disk")

// onDisk waits until all up to a position is on disk; from then on it counts. Whoever has seen the position may
// call it, since then it stands in the stream's files.
func (l *Log) onDisk(ctx context.Context, pos uint64) error {
	if l.disk != nil {
		if err := l.disk.Synced(ctx, l.stream, pos); err != nil {
			if ctx.Err() != nil {
				return ctx.Err()
			}
			return fmt.Errorf("%w: %w", errNotDurable, err)
		}
	}
	l.reached(pos)
	return nil
}

// unbroken refuses a log that ends inside a batch: half a command that was to be all or nothing.
func (l *Log) unbroken(ctx context.Context, last uint64) error {
	if l.disk == nil || last == 0 {
		return nil
	}
	slots, _, err := l.page(ctx, last, "", 1)
	switch {
	case err != nil:
		return err
	case len(slots) == 0 || slots[0].rec.Pos != last:
		return fmt.Errorf("%w: position %d cannot be read", ErrIntegrity, last)
	case slots[0].more:
		return fmt.Errorf("%w: it ends at position %d inside a batch", ErrIntegrity, last)
	}
	return nil
}

// unavailable marks an end without an answer.
func unavailable(err error) error {
	for _, end := range []error{errNotSent, errNobody, errLost, errNoAnswer, errNotDurable} {
		if errors.Is(err, end) {
			return fmt.Errorf("%w: %w", handlers.ErrUnavailable, err)
		}
	}
	return err
}
