package nats

import (
	"context"
	"fmt"
	"log/slog"
	"net/url"
	"strings"
	"time"

	natsgo "github.com/nats-io/nats.go"
)

const connectWithin = 10 * time.Second

// always are the options of every connection. It reconnects for ever, and what is sent while there is no
// connection fails at once: a message that waits in a buffer would be sent after its sender was told otherwise.
func always(log *slog.Logger) []natsgo.Option {
	return []natsgo.Option{
		natsgo.Name("roster"),
		natsgo.MaxReconnects(-1),
		natsgo.ReconnectBufSize(-1),
		natsgo.ErrorHandler(func(_ *natsgo.Conn, _ *natsgo.Subscription, err error) {
			log.Error("nats connection", "error", err)
		}),
		natsgo.DisconnectErrHandler(func(_ *natsgo.Conn, err error) {
			if err != nil {
				log.Warn("nats connection lost", "error", err)
			}
		}),
	}
}

// Connect connects to a server elsewhere; urls is one URL or several with commas between, with credentials in
// them if need be. The first connection is tried once, until ctx ends or for 10 seconds; a connection that is lost
// later is renewed for ever. The error does not show passwords.
func Connect(ctx context.Context, urls string) (*natsgo.Conn, error) {
	wait := connectWithin
	if deadline, ok := ctx.Deadline(); ok {
		wait = min(wait, time.Until(deadline))
	}
	if err := ctx.Err(); err != nil {
		return nil, fmt.Errorf("connect to NATS at %s: %w", redacted(urls), err)
	}
	conn, err := natsgo.Connect(urls, append(always(slog.Default()),
		natsgo.Timeout(wait),
		natsgo.ReconnectWait(250*time.Millisecond),
	)...)
	if err != nil {
		return nil, fmt.Errorf("connect to NATS at %s: %w", redacted(urls), err)
	}
	return conn, nil
}

func redacted(urls string) string {
	list := strings.Split(urls, ",")
	for i, s := range list {
		u, err := url.Parse(strings.TrimSpace(s))
		switch {
		case err != nil:
			list[i] = "(not a URL)"
		case u.User != nil:
			u.User = url.User("…")
			list[i] = strings.ReplaceAll(u.String(), "%E2%80%A6", "…")
		}
	}
	return strings.Join(list, ",")
}
