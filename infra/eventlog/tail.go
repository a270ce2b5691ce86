package eventlog

import (
	"context"
	"errors"
	"fmt"
	"time"

	natsgo "github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

const (
	tailMessages = 1000
	tailBytes    = 8 << 20
	tailIdle     = 30 * time.Second // after which the server forgets a consumer that nobody reads
	tailExpiry   = 10 * time.Second
	createWithin = 4 * time.Second
	tailBeat     = time.Second // two missed ones mean that the consumer is gone
	pauseMin     = 50 * time.Millisecond
	pauseMax     = 500 * time.Millisecond
)

// follow keeps the ring at the end of a log that others write to as well, by one unfiltered consumer, which it makes
// anew from the last record whenever something is wrong with it. Only a damaged log ends it early.
//
// Durability: what a consumer has been given was synced by the server before. The messages of an atomic batch are synced
// together, and a consumer may have them before that; see settle.
func (l *Log) follow(ctx context.Context) {
	pause := pauseMin
	for {
		before := l.ring.end()
		err := l.consume(ctx)
		switch {
		case ctx.Err() != nil:
			l.ring.fail(ErrClosed)
			return
		case errors.Is(err, ErrIntegrity):
			l.ring.fail(err)
			return
		case l.ring.end() != before:
			pause = pauseMin
		}
		if rest(ctx, pause) == nil {
			pause = min(2*pause, pauseMax)
		}
	}
}

// consume feeds the ring until the consumer fails or ctx ends.
func (l *Log) consume(ctx context.Context) error {
	next := l.ring.end() + 1
	if !l.nc.IsConnected() { // what is asked while a connection is being made gets no answer
		return errLost
	}
	create, cancel := context.WithTimeout(ctx, createWithin)
	defer cancel()
	c, err := l.js.CreateConsumer(create, l.stream, jetstream.ConsumerConfig{
		AckPolicy:         jetstream.AckNonePolicy,
		DeliverPolicy:     jetstream.DeliverByStartSequencePolicy,
		OptStartSeq:       next,
		InactiveThreshold: tailIdle,
		MemoryStorage:     true,
		Replicas:          1,
	})
	if err != nil {
		return err
	}
	messages, err := c.Messages(jetstream.PullMaxMessagesWithBytesLimit(tailMessages, tailBytes),
		jetstream.PullExpiry(tailExpiry), jetstream.PullHeartbeat(tailBeat))
	if err != nil {
		return err
	}
	defer messages.Stop()
	defer context.AfterFunc(ctx, messages.Stop)()
	// A new connection finds a new consumer at once, and not when beats have been missed.
	lost := l.nc.StatusChanged(natsgo.DISCONNECTED, natsgo.RECONNECTING)
	defer l.nc.RemoveStatusListener(lost)
	go func() {
		for range lost {
			messages.Stop()
		}
	}()

	return l.receive(ctx, messages, next)
}

// receive puts the stream's messages into the ring, from position next onwards and each batch in one piece, until the
// consumer fails.
func (l *Log) receive(ctx context.Context, messages jetstream.MessagesContext, next uint64) error {
	var batch []slot // held back until its end has come
	for {
		m, err := messages.Next()
		if err != nil {
			return err
		}
		meta, err := m.Metadata()
		if err != nil {
			return err
		}
		pos := meta.Sequence.Stream
		if pos < next {
			continue
		}
		if pos > next {
			return l.gap(ctx, next)
		}
		s, err := l.slotOf(pos, m.Subject(), m.Headers(), m.Data())
		if err != nil {
			return err
		}
		next++
		batch = append(batch, s)
		if s.more {
			continue
		}
		if len(batch) > 1 {
			if err := l.settle(ctx, pos); err != nil {
				return err
			}
		}
		l.reached(pos) // first: nobody sees a position that Last does not know
		l.ring.push(batch...)
		batch = batch[:0]
	}
}

// settle waits until the batch that ends at a position has been synced: a direct get waits for the commit of a
// batch to end, sync included, while a consumer does not.
func (l *Log) settle(ctx context.Context, pos uint64) error {
	if l.replicas > 1 {
		return nil // committed by a majority before any consumer has it
	}
	slots, _, err := l.page(ctx, pos, "", 1)
	if err == nil && (len(slots) == 0 || slots[0].rec.Pos != pos) {
		err = fmt.Errorf("%w: position %d cannot be read", ErrIntegrity, pos)
	}
	return err
}

// gap tells a message that the consumer lost from one that the log has lost.
func (l *Log) gap(ctx context.Context, missing uint64) error {
	slots, _, err := l.page(ctx, missing, "", 1)
	switch {
	case err != nil:
		return err
	case len(slots) > 0 && slots[0].rec.Pos != missing:
		return fmt.Errorf("%w: position %d cannot be read", ErrIntegrity, missing)
	}
	return fmt.Errorf("the consumer left position %d out", missing)
}
