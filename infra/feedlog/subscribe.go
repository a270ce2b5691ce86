package feedlog

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

const (
	ackWait   = 3 * time.Second // after which an event comes again that nobody confirms or says to be working on
	working   = time.Second     // between two such words
	minPause  = 50 * time.Millisecond
	maxPause  = 5 * time.Second
	heartbeat = time.Second
)

// Subscribe hands every event under the filters to fn, one after the other in the feed's order, until ctx ends, and
// keeps the place under the name durable. A new name begins with the oldest event there is. A filter is a subject
// without what all begin with: "*.*.invitation.created".
//
// fn is told an event's CloudEvents attributes by name ("id", "type", "source"…), "sequence" (in the feed) and
// "position" and "index" (in the log), and its data. Where it fails, it is called again with the same event, later
// each time, and no other event comes before. An event may come again after a crash, three seconds later. One process at a time should subscribe under one name.
func (f *Feed) Subscribe(ctx context.Context, durable string, filter []string, fn func(ctx context.Context, attributes map[string]string, data []byte) error) error {
	wait := minPause
	for {
		err := f.consume(ctx, durable, filter, fn, func() { wait = minPause })
		if ctx.Err() != nil {
			return nil
		}
		var api *jetstream.APIError
		if errors.As(err, &api) && api.Code == 400 {
			return fmt.Errorf("subscribe as %s: %w", durable, err) // the settings are refused: another try does not help
		}
		if pause(ctx, wait) != nil {
			return nil
		}
		wait = min(2*wait, maxPause)
	}
}

// Reached answers the sequence up to which a durable subscriber has confirmed everything, and whether it exists.
func (f *Feed) Reached(ctx context.Context, durable string) (sequence uint64, exists bool, err error) {
	c, err := f.stream.Consumer(ctx, durable)
	switch {
	case errors.Is(err, jetstream.ErrConsumerNotFound):
		return 0, false, nil
	case err != nil:
		return 0, false, fmt.Errorf("the place of %s in the feed: %w", durable, err)
	}
	return c.CachedInfo().AckFloor.Stream, true, nil
}

func (f *Feed) consume(ctx context.Context, durable string, filter []string, fn func(context.Context, map[string]string, []byte) error, works func()) error {
	subjects := make([]string, len(filter))
	for i, end := range filter {
		subjects[i] = f.prefix + end
	}
	c, err := f.stream.CreateOrUpdateConsumer(ctx, jetstream.ConsumerConfig{
		Durable: durable, FilterSubjects: subjects, DeliverPolicy: jetstream.DeliverAllPolicy,
		AckPolicy: jetstream.AckExplicitPolicy, AckWait: ackWait, MaxDeliver: -1,
		MaxAckPending: 1, // so that the order holds, also after a failure
	})
	if err != nil {
		return err
	}
	messages, err := c.Messages(jetstream.PullMaxMessages(16), jetstream.PullExpiry(4*heartbeat), jetstream.PullHeartbeat(heartbeat))
	if err != nil {
		return err
	}
	defer messages.Stop()
	defer context.AfterFunc(ctx, messages.Drain)() // what is here already is given back by handle
	for {
		m, err := messages.Next()
		if err != nil {
			return err
		}
		if err := f.handle(ctx, m, fn); err != nil {
			return err
		}
		works()
	}
}

// handle calls fn until it succeeds, and confirms the event. When ctx ends before, the event is given back.
func (f *Feed) handle(ctx context.Context, m jetstream.Msg, fn func(context.Context, map[string]string, []byte) error) error {
	attributes, err := attributesOf(m)
	if err != nil {
		return err
	}
	defer keep(m)()
	for wait := minPause; ; wait = min(2*wait, maxPause) {
		if ctx.Err() == nil {
			if err = fn(ctx, attributes, m.Data()); err == nil {
				return m.Ack()
			}
		}
		if ctx.Err() != nil {
			return errors.Join(ctx.Err(), m.Nak())
		}
		_ = pause(ctx, wait) // an end is noticed above
	}
}

// keep says that an event is being worked on, until end is called.
func keep(m jetstream.Msg) (end func()) {
	done, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		tick := time.NewTicker(working)
		defer tick.Stop()
		for {
			select {
			case <-tick.C:
				_ = m.InProgress() // without a connection the event comes again
			case <-done:
				return
			}
		}
	}()
	return func() { close(done); <-ended }
}

// attributesOf reads the headers of an event.
func attributesOf(m jetstream.Msg) (map[string]string, error) {
	meta, err := m.Metadata()
	if err != nil {
		return nil, err
	}
	attributes := map[string]string{"sequence": strconv.FormatUint(meta.Sequence.Stream, 10)}
	for name, values := range m.Headers() {
		name = strings.ToLower(name)
		short, ours := strings.CutPrefix(name, "ce-")
		if !ours {
			short, ours = strings.CutPrefix(name, "roster-")
		}
		if !ours || len(values) != 1 {
			continue
		}
		if attributes[short], err = url.PathUnescape(values[0]); err != nil {
			return nil, fmt.Errorf("header %s of event %d: %w", name, meta.Sequence.Stream, err)
		}
	}
	return attributes, nil
}

func pause(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
