package eventlog_test

import (
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	natsgo "github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"roster/events"
	"roster/handlers"
	"roster/infra/eventlog"
	"roster/infra/eventlog/logtest"
	"roster/infra/nats"
)

// remote is a server that listens, as one elsewhere would.
func remote(t *testing.T, dir string, port, batches int) *server.Server {
	t.Helper()
	s := must(server.NewServer(&server.Options{Host: "127.0.0.1", Port: port, NoSigs: true, NoLog: true, JetStream: true,
		StoreDir: dir, SyncAlways: true, JetStreamLimits: server.JSLimitOpts{MaxBatchInflightPerStream: batches}}))(t)
	s.Start()
	if !s.ReadyForConnections(10 * time.Second) {
		t.Fatal("the server is not ready")
	}
	return s
}

func stop(s *server.Server) {
	s.Shutdown()
	s.WaitForShutdown()
}

func openRemote(t *testing.T, s *server.Server) (*eventlog.Log, *natsgo.Conn) {
	t.Helper()
	nc := must(nats.Connect(t.Context(), nats.Remote{URLs: s.ClientURL()}))(t)
	t.Cleanup(nc.Close)
	log := must(eventlog.Open(t.Context(), nc, "roster"))(t)
	t.Cleanup(log.Close)
	return log, nc
}

// While the server goes away and comes back, each append ends in one of the ways that it names; what was
// acknowledged is there, and a follower misses nothing.
func TestServerRestart(t *testing.T) {
	dir := t.TempDir()
	s := remote(t, dir, server.RANDOM_PORT, 50)
	log, _ := openRemote(t, s)

	var mu sync.Mutex
	acked := map[uint64]events.Hash{}
	var writers sync.WaitGroup
	running, restarted := make(chan struct{}, 1000), make(chan struct{})
	for range 4 {
		writers.Go(func() {
			b, after := logtest.NewBoundary(), uint64(0)
			for n := 0; n < 20; {
				w := logtest.NewWrite(b, after, 100)
				positions, err := log.Append(t.Context(), w)
				switch {
				case err == nil:
					after = positions[0]
					mu.Lock()
					acked[after] = events.Record{Pos: after, Boundary: b, Payload: w.Payload}.Hash()
					mu.Unlock()
					select {
					case running <- struct{}{}:
					default:
					}
					select {
					case <-restarted:
						n++ // enough after the restart
					default:
					}
				case errors.Is(err, handlers.ErrUnavailable):
					<-restarted
				case errors.Is(err, handlers.ErrUnknownOutcome), errors.Is(err, handlers.ErrConflict):
					<-restarted
					recs, err := log.Boundary(t.Context(), b, after)
					if err == nil && len(recs) > 0 {
						after = recs[len(recs)-1].Pos
					}
				default:
					t.Error(err)
					return
				}
			}
		})
	}
	for range 20 {
		<-running
	}
	port := s.Addr().String()
	stop(s)
	s = remote(t, dir, portOf(t, port), 50)
	defer stop(s)
	close(restarted)
	writers.Wait()

	last := must(log.Last(t.Context()))(t)
	for after := uint64(0); after < last; {
		for _, rec := range must(log.Read(t.Context(), after, 100))(t) {
			if want, ok := acked[rec.Pos]; ok && rec.Hash() != want {
				t.Fatalf("position %d is not what was acknowledged", rec.Pos)
			}
			delete(acked, rec.Pos)
			after = rec.Pos
		}
	}
	if len(acked) > 0 {
		t.Fatalf("%d acknowledged commits are missing", len(acked))
	}
}

func portOf(t *testing.T, addr string) int {
	t.Helper()
	var port int
	for _, c := range addr[strings.LastIndexByte(addr, ':')+1:] {
		port = port*10 + int(c-'0')
	}
	return port
}

// A consumer that is taken away is made anew, and the follower goes on where it was.
func TestConsumerLost(t *testing.T) {
	s := remote(t, t.TempDir(), server.RANDOM_PORT, 50)
	defer stop(s)
	log, nc := openRemote(t, s)
	stream := must(must(jetstream.New(nc))(t).Stream(t.Context(), "ROSTER_LOG"))(t)
	b, after := logtest.NewBoundary(), uint64(0)
	for range 3 {
		for range 5 {
			pos := must(log.Append(t.Context(), logtest.NewWrite(b, after, 10)))(t)[0]
			if recs := must(log.Read(t.Context(), after, 10))(t); len(recs) != 1 || recs[0].Pos != pos {
				t.Fatalf("read %v after %d", recs, after)
			}
			after = pos
		}
		names := stream.ConsumerNames(t.Context())
		for name := range names.Name() {
			if err := stream.DeleteConsumer(t.Context(), name); err != nil {
				t.Fatal(err)
			}
		}
		if err := names.Err(); err != nil {
			t.Fatal(err)
		}
	}
}

func TestTooManyBatches(t *testing.T) {
	s := remote(t, t.TempDir(), server.RANDOM_PORT, 1)
	defer stop(s)
	log, nc := openRemote(t, s)
	abandoned := natsgo.NewMsg("roster.log.portal")
	abandoned.Header.Set("Nats-Batch-Id", "abandoned")
	abandoned.Header.Set("Nats-Batch-Sequence", "1")
	must(nc.RequestMsgWithContext(t.Context(), abandoned))(t)

	_, err := log.Append(t.Context(), logtest.NewWrite(events.Tree(), 0, 10), logtest.NewWrite(events.System(), 0, 10))
	if !errors.Is(err, handlers.ErrUnavailable) || !strings.Contains(err.Error(), "too many") {
		t.Errorf("got %v", err)
	}
	if last := must(log.Last(t.Context()))(t); last != 0 {
		t.Errorf("the log ends at %d", last)
	}
}

func TestStreamGone(t *testing.T) {
	s := remote(t, t.TempDir(), server.RANDOM_PORT, 50)
	defer stop(s)
	log, nc := openRemote(t, s)
	if err := must(jetstream.New(nc))(t).DeleteStream(t.Context(), "ROSTER_LOG"); err != nil {
		t.Fatal(err)
	}
	for _, ws := range [][]handlers.Write{
		{logtest.NewWrite(events.Tree(), 0, 10)},
		{logtest.NewWrite(events.Tree(), 0, 10), logtest.NewWrite(events.System(), 0, 10)},
	} {
		if _, err := log.Append(t.Context(), ws...); !errors.Is(err, handlers.ErrUnavailable) {
			t.Errorf("append: %v", err)
		}
	}
	if _, err := log.Last(t.Context()); !errors.Is(err, handlers.ErrUnavailable) {
		t.Errorf("last: %v", err)
	}
	if _, err := log.Boundary(t.Context(), events.Tree(), 0); !errors.Is(err, handlers.ErrUnavailable) {
		t.Errorf("boundary: %v", err)
	}
}

// A position that cannot be read stops whoever comes to it, in the stream and at the log's end alike.
func TestHole(t *testing.T) {
	s := remote(t, t.TempDir(), server.RANDOM_PORT, 50)
	defer stop(s)
	log, nc := openRemote(t, s)
	b, after := logtest.NewBoundary(), uint64(0)
	for range 5 {
		after = must(log.Append(t.Context(), logtest.NewWrite(b, after, 10)))(t)[0]
	}
	log.Close()
	log = must(eventlog.Open(t.Context(), nc, "roster"))(t)
	t.Cleanup(log.Close)

	// The same stream, as a server would have it that had lost two messages.
	js := must(jetstream.New(nc))(t)
	if err := js.DeleteStream(t.Context(), "ROSTER_LOG"); err != nil {
		t.Fatal(err)
	}
	stream := must(js.CreateStream(t.Context(), jetstream.StreamConfig{Name: "ROSTER_LOG",
		Subjects: []string{"roster.log.>"}, AllowDirect: true, FirstSeq: 1}))(t)
	for range 5 {
		must(js.Publish(t.Context(), "roster.log.tree", []byte("x")))(t)
	}
	if err := stream.DeleteMsg(t.Context(), 3); err != nil {
		t.Fatal(err)
	}
	if recs, err := log.Read(t.Context(), 0, 2); err != nil || len(recs) != 2 {
		t.Errorf("before the hole: %d records, %v", len(recs), err)
	}
	if _, err := log.Read(t.Context(), 0, 3); !errors.Is(err, eventlog.ErrIntegrity) {
		t.Errorf("over the hole: %v", err)
	}
	if err := log.VerifyAt(t.Context(), 3, events.Hash{1}); !errors.Is(err, eventlog.ErrIntegrity) {
		t.Errorf("a checkpoint in the hole: %v", err)
	}

	if err := js.DeleteStream(t.Context(), "ROSTER_LOG"); err != nil {
		t.Fatal(err)
	}
	must(js.CreateStream(t.Context(), jetstream.StreamConfig{Name: "ROSTER_LOG",
		Subjects: []string{"roster.log.>"}, AllowDirect: true, FirstSeq: 7}))(t)
	must(js.Publish(t.Context(), "roster.log.tree", []byte("x")))(t)
	if _, err := log.Read(t.Context(), 5, 1); !errors.Is(err, eventlog.ErrIntegrity) {
		t.Errorf("a hole at the end: %v", err)
	}
}
