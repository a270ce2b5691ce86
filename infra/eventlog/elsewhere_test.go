package eventlog_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	natsgo "github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"roster/events"
	"roster/handlers"
	"roster/infra/eventlog"
	"roster/infra/eventlog/logtest"
	"roster/infra/nats"
	"roster/infra/nats/natstest"
)

// elsewhere starts nats-servers in processes of their own; more than one are a cluster.
func elsewhere(t *testing.T, n int, syncAlways bool) []*natstest.Server {
	t.Helper()
	servers := must(natstest.Cluster(t.Context(), n, natstest.Config{Dir: t.TempDir(), SyncAlways: syncAlways}))(t)
	t.Cleanup(func() {
		if err := natstest.Stop(servers...); err != nil {
			t.Error(err)
		}
	})
	return servers
}

// openers makes an empty log for each test, on the same servers.
func openers(t *testing.T, servers []*natstest.Server) func(*testing.T) (*eventlog.Log, *natsgo.Conn, string) {
	made := 0
	return func(t *testing.T) (*eventlog.Log, *natsgo.Conn, string) {
		made++
		name := fmt.Sprintf("log%d", made)
		nc := must(nats.Connect(t.Context(), nats.Remote{URLs: natstest.URLs(servers)}))(t)
		t.Cleanup(nc.Close)
		open := func() (*eventlog.Log, error) {
			return eventlog.Open(t.Context(), nc, name, eventlog.Replicas(len(servers)), eventlog.Keep(256), eventlog.Within(500*time.Millisecond))
		}
		log := must(open())(t)
		t.Cleanup(log.Close)
		return log, nc, fmt.Sprintf("LOG%d_LOG", made)
	}
}

// The suite over TCP, on a nats-server in a process of its own.
func TestConformanceElsewhere(t *testing.T) {
	open := openers(t, elsewhere(t, 1, true))
	logtest.Conformance(t, func(t *testing.T) handlers.Log {
		log, _, _ := open(t)
		return log
	})
}

// The suite on three nats-servers, while the stream is handed from one leader to the next.
func TestConformanceOnThree(t *testing.T) {
	open := openers(t, elsewhere(t, 3, false))
	handed := 0
	logtest.Conformance(t, func(t *testing.T) handlers.Log {
		log, nc, stream := open(t)
		ctx, stop := context.WithCancel(t.Context())
		var handing sync.WaitGroup
		handing.Go(func() {
			tick := time.NewTicker(1500 * time.Millisecond)
			defer tick.Stop()
			for {
				if m, err := nc.RequestWithContext(ctx, "$JS.API.STREAM.LEADER.STEPDOWN."+stream, nil); err == nil && bytes.Contains(m.Data, []byte(`"success":true`)) {
					handed++
				}
				select {
				case <-tick.C:
				case <-ctx.Done():
					return
				}
			}
		})
		t.Cleanup(func() { stop(); handing.Wait() })
		return patient{log}
	})
	if t.Logf("%d leaders stepped down", handed); handed < 18 {
		t.Errorf("only %d leaders stepped down", handed)
	}
}

// patient does what the write path does while nobody leads: it waits, and looks for what it has no answer to.
type patient struct{ *eventlog.Log }

// Append implements handlers.Log.
func (p patient) Append(ctx context.Context, ws ...handlers.Write) ([]uint64, error) {
	const arrived = 5 * time.Second // longer than anything is on its way
	var since time.Time
	for adrift := false; ; {
		positions, err := p.Log.Append(ctx, ws...)
		if errors.Is(err, handlers.ErrUnknownOutcome) {
			adrift, since = true, time.Now()
		}
		switch {
		case err == nil, ctx.Err() != nil:
			return positions, err
		case errors.Is(err, handlers.ErrUnavailable), errors.Is(err, handlers.ErrUnknownOutcome), inAir(err):
		case !adrift || !errors.Is(err, handlers.ErrConflict):
			return nil, err
		}
		if !adrift {
			continue
		}
		// It may be on its way still, and then what is sent again is in conflict with it.
		positions, taken, lookErr := p.look(ctx, ws)
		switch {
		case lookErr != nil:
			return nil, lookErr
		case positions != nil:
			return positions, nil
		case taken, errors.Is(err, handlers.ErrConflict) && time.Since(since) > arrived:
			return nil, handlers.ErrConflict
		}
	}
}

// inAir says that the conflict is with what nobody can read yet, and that may come to nothing.
func inAir(err error) bool {
	e, ok := errors.AsType[*jetstream.APIError](err)
	return ok && e.ErrorCode == 10164
}

// look finds what was appended, all of it or nothing; taken says that somebody else was faster.
func (p patient) look(ctx context.Context, ws []handlers.Write) (positions []uint64, taken bool, err error) {
	for _, w := range ws {
		recs, err := p.Boundary(ctx, w.Boundary, w.After)
		if err != nil {
			return nil, false, err
		}
		switch {
		case len(recs) == 0:
		case !bytes.Equal(recs[0].Payload, w.Payload):
			return nil, true, nil
		default:
			positions = append(positions, recs[0].Pos)
		}
	}
	if len(positions) < len(ws) {
		return nil, false, nil
	}
	return positions, false, nil
}

// Last implements handlers.Log.
func (p patient) Last(ctx context.Context) (last uint64, err error) {
	err = tried(ctx, func() (err error) { last, err = p.Log.Last(ctx); return err })
	return last, err
}

// Boundary implements handlers.Log.
func (p patient) Boundary(ctx context.Context, b events.Boundary, after uint64) (recs []events.Record, err error) {
	err = tried(ctx, func() (err error) { recs, err = p.Log.Boundary(ctx, b, after); return err })
	return recs, err
}

// Beginning implements handlers.Log.
func (p patient) Beginning(ctx context.Context, b events.Boundary, limit int) (recs []events.Record, all bool, err error) {
	err = tried(ctx, func() (err error) { recs, all, err = p.Log.Beginning(ctx, b, limit); return err })
	return recs, all, err
}

// Read implements handlers.Log.
func (p patient) Read(ctx context.Context, after uint64, limit int) (recs []events.Record, err error) {
	err = tried(ctx, func() (err error) { recs, err = p.Log.Read(ctx, after, limit); return err })
	return recs, err
}

func tried(ctx context.Context, do func() error) error {
	for {
		if err := do(); !errors.Is(err, handlers.ErrUnavailable) || ctx.Err() != nil {
			return err
		}
	}
}
