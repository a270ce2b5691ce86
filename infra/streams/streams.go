// Package streams finds the streams that Roster keeps at a NATS server, or makes them.
package streams

import (
	"context"
	"errors"
	"time"

	natsgo "github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

const (
	within   = 30 * time.Second // in all
	answered = 4 * time.Second  // or asked once more
	again    = 100 * time.Millisecond

	noSuitablePeers = 10005 // error codes of the JetStream API
	unavailable     = 10008
)

// Ensure answers the stream of the name wanted, which is made where there is none. One that is there may have other
// settings. Of copies that start at once on several servers not every one is answered while the stream comes into being,
// and servers that have just started may not know of each other: it asks again, for half a minute.
func Ensure(ctx context.Context, js jetstream.JetStream, want jetstream.StreamConfig) (jetstream.Stream, error) {
	return asking(ctx, js, func(ctx context.Context) (jetstream.Stream, error) {
		s, err := js.Stream(ctx, want.Name)
		if errors.Is(err, jetstream.ErrStreamNotFound) {
			if s, err = js.CreateStream(ctx, want); errors.Is(err, jetstream.ErrStreamNameAlreadyInUse) {
				s, err = js.Stream(ctx, want.Name) // another copy was faster
			}
		}
		return s, err
	})
}

// Set gives a stream other settings, asking as Ensure does.
func Set(ctx context.Context, js jetstream.JetStream, want jetstream.StreamConfig) (jetstream.Stream, error) {
	return asking(ctx, js, func(ctx context.Context) (jetstream.Stream, error) { return js.UpdateStream(ctx, want) })
}

func asking(ctx context.Context, js jetstream.JetStream, ask func(context.Context) (jetstream.Stream, error)) (jetstream.Stream, error) {
	ctx, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	for {
		once, done := context.WithTimeout(ctx, answered)
		s, err := ask(once)
		done()
		if err == nil || !passing(err) || errors.Is(js.Conn().LastError(), natsgo.ErrPermissionViolation) {
			return s, err
		}
		select {
		case <-time.After(again):
		case <-ctx.Done():
			return nil, err
		}
	}
}

// passing says that an error may be none when it is asked again.
func passing(err error) bool {
	var answer *jetstream.APIError
	if errors.As(err, &answer) {
		return answer.ErrorCode == noSuitablePeers || answer.ErrorCode == unavailable
	}
	return errors.Is(err, context.DeadlineExceeded)
}
