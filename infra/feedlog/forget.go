package feedlog

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"roster/events"
)

// Forget destroys all messages about a person, a user or an invitation, but the one that says that they were
// erased: the server overwrites each with random bytes, on disk when the call returns. n is how many there were. It may be called again.
func (f *Feed) Forget(ctx context.Context, person events.AnyID) (n int, err error) {
	if person.IsZero() {
		return 0, errors.New("forget: nobody is named")
	}
	// The fact that says so holds nothing personal, and subscribers have to hear it.
	erased := "." + events.KindOf(events.UserErased{}).Name
	err = f.each(ctx, "*."+person.String()+".>", func(m jetstream.Msg, sequence uint64) error {
		if strings.HasSuffix(m.Subject(), erased) {
			return nil
		}
		n++
		return f.destroy(ctx, sequence)
	})
	if err != nil {
		return n, fmt.Errorf("forget %s in the feed: %w", person, err)
	}
	if f.disk == nil {
		return n, nil
	}
	// Also where nothing was left: an earlier call may have ended before the disk had it.
	if err := f.disk.Rewritten(ctx, f.stream.CachedInfo().Config.Name); err != nil {
		return n, fmt.Errorf("forget %s in the feed: %w", person, err)
	}
	return n, nil
}

// each walks over the messages that the feed has now under a filter.
func (f *Feed) each(ctx context.Context, filter string, do func(m jetstream.Msg, sequence uint64) error) error {
	c, err := f.stream.CreateConsumer(ctx, jetstream.ConsumerConfig{
		FilterSubject: f.prefix + filter, AckPolicy: jetstream.AckNonePolicy, DeliverPolicy: jetstream.DeliverAllPolicy,
		HeadersOnly: true, MemoryStorage: true, Replicas: 1, InactiveThreshold: time.Minute,
	})
	if err != nil {
		return err
	}
	defer func() {
		// Should this fail, the server forgets it after a minute.
		_ = f.stream.DeleteConsumer(context.WithoutCancel(ctx), c.CachedInfo().Name)
	}()
	const page = 200
	for left := int(c.CachedInfo().NumPending); left > 0; {
		batch, err := c.Fetch(min(page, left), jetstream.FetchMaxWait(answerWithin))
		if err != nil {
			return err
		}
		got := 0
		for m := range batch.Messages() {
			got++
			meta, err := m.Metadata()
			if err != nil {
				return err
			}
			if err := do(m, meta.Sequence.Stream); err != nil {
				return err
			}
		}
		if err := batch.Error(); err != nil {
			return err
		}
		if left -= got; got == 0 {
			info, err := c.Info(ctx)
			if err != nil {
				return err
			}
			if left = int(info.NumPending); left > 0 {
				return fmt.Errorf("%d messages were not delivered", left)
			}
		}
	}
	return nil
}

// destroy has the server overwrite one message. One that is gone already is no error.
func (f *Feed) destroy(ctx context.Context, sequence uint64) error {
	failed := f.stream.SecureDeleteMsg(ctx, sequence)
	if failed == nil {
		return nil
	}
	if _, err := f.stream.GetMsg(ctx, sequence); errors.Is(err, jetstream.ErrMsgNotFound) {
		return nil
	}
	return failed
}
