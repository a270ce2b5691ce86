package nats

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"strings"
	"time"

	natsgo "github.com/nats-io/nats.go"
)

const (
	connectWithin = 10 * time.Second
	// A server that does not answer this often is taken for gone: whoever waits for it is told, and another is tried.
	pingEvery  = time.Second
	pingsUnmet = 3
)

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

// Remote says how servers elsewhere are reached.
type Remote struct {
	// URLs is one URL or several with commas between, of one cluster: nats:// or tls://, with user:password or a
	// token in them if need be.
	URLs  string
	Creds string // a file with an account's JWT and its key
	CA    string // a file with the certificates that sign the servers', instead of the system's
	Cert  string // our own certificate, a file, and
	Key   string // its key
	Log   *slog.Logger
}

// Connect connects to a server elsewhere. The first connection is tried once at each URL, until ctx ends or for 10
// seconds; one that is lost later, or silent for 3 seconds, is renewed for ever, at whichever URL answers. The error
// does not show passwords.
func Connect(ctx context.Context, r Remote) (*natsgo.Conn, error) {
	fail := func(err error) error { return fmt.Errorf("connect to NATS at %s: %w", redacted(r.URLs), err) }
	if err := ctx.Err(); err != nil {
		return nil, fail(err)
	}
	for _, one := range strings.Split(r.URLs, ",") {
		if u, err := url.Parse(strings.TrimSpace(one)); err != nil || u.Host == "" || u.Scheme != "nats" && u.Scheme != "tls" {
			return nil, fail(errors.New("want nats://HOST:PORT or tls://HOST:PORT, several with commas between"))
		}
	}
	wait := connectWithin
	if deadline, ok := ctx.Deadline(); ok {
		wait = min(wait, time.Until(deadline))
	}
	log := r.Log
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	options := append(always(log),
		natsgo.Timeout(wait),
		natsgo.ReconnectWait(250*time.Millisecond),
		natsgo.PingInterval(pingEvery),
		natsgo.MaxPingsOutstanding(pingsUnmet),
	)
	if r.Creds != "" {
		options = append(options, natsgo.UserCredentials(r.Creds))
	}
	if r.CA != "" {
		options = append(options, natsgo.RootCAs(r.CA))
	}
	if r.Cert != "" {
		options = append(options, natsgo.ClientCert(r.Cert, r.Key))
	}
	conn, err := natsgo.Connect(r.URLs, options...)
	if err != nil {
		return nil, fail(err)
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
