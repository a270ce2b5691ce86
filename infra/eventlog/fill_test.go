package eventlog_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"roster/events"
	"roster/handlers"
	"roster/infra/eventlog"
	"roster/infra/eventlog/logtest"
)

// What was appended by a caller who has left, and what nobody has handed over at all, is shown like all else, soon and
// without a hole (RELIABILITY F01, F08).
func TestNobodyHandsOver(t *testing.T) {
	i, disk := openOn(t, t.TempDir(), false)
	defer i.close(t)
	b := logtest.NewBoundary()
	must(i.Append(t.Context(), logtest.NewWrite(b, 0, 10)))(t)

	gate := make(chan struct{})
	disk.set(gate, nil)
	ctx, leave := context.WithCancel(t.Context())
	left := make(chan error)
	go func() {
		_, err := i.Append(ctx, logtest.NewWrite(b, 1, 10), logtest.NewWrite(events.Tree(), 0, 10))
		left <- err
	}()
	<-disk.asked
	leave()
	disk.set(nil, nil)
	close(gate)
	if err := <-left; err != nil && !errors.Is(err, handlers.ErrUnknownOutcome) {
		t.Fatal(err)
	}
	within, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	if recs := must(i.Read(within, 1, 10))(t); len(recs) != 2 || recs[0].Pos != 2 || recs[1].Pos != 3 {
		t.Fatalf("read %d records", len(recs))
	}

	// As if its acknowledgement had been lost on the way.
	conn := must(i.server.Connect())(t)
	js := must(jetstream.New(conn))(t)
	must(js.Publish(t.Context(), "roster.log.portal", []byte("lost")))(t)
	recs := must(i.Read(within, 3, 10))(t)
	if len(recs) != 1 || recs[0].Pos != 4 || string(recs[0].Payload) != "lost" {
		t.Fatalf("read %v", recs)
	}
	if last := must(i.Last(t.Context()))(t); last != 4 {
		t.Errorf("last is %d", last)
	}

	// In the middle: what comes behind it is not shown without it.
	must(js.Publish(t.Context(), "roster.log.portal", []byte("lost")))(t)
	must(i.Append(t.Context(), logtest.NewWrite(b, 2, 10)))(t)
	if recs := must(i.Read(within, 4, 10))(t); recs[0].Pos != 5 || string(recs[0].Payload) != "lost" {
		t.Fatalf("read %v", recs)
	}
	if recs := must(i.Read(within, 5, 10))(t); len(recs) != 1 || recs[0].Pos != 6 || recs[0].Boundary != b {
		t.Fatalf("read %v", recs)
	}
}

// A position that cannot be read stops whoever comes to it.
func TestHoleOfASoleWriter(t *testing.T) {
	i := open(t, t.TempDir())
	defer i.close(t)
	must(i.Append(t.Context(), logtest.NewWrite(logtest.NewBoundary(), 0, 10)))(t)

	// The same stream, as a server would have it that had lost a message.
	js := must(jetstream.New(must(i.server.Connect())(t)))(t)
	if err := js.DeleteStream(t.Context(), "ROSTER_LOG"); err != nil {
		t.Fatal(err)
	}
	stream := must(js.CreateStream(t.Context(), jetstream.StreamConfig{Name: "ROSTER_LOG",
		Subjects: []string{"roster.log.>"}, AllowDirect: true, FirstSeq: 1}))(t)
	for range 3 {
		must(js.Publish(t.Context(), "roster.log.tree", []byte("x")))(t)
	}
	if err := stream.DeleteMsg(t.Context(), 2); err != nil {
		t.Fatal(err)
	}
	if recs, err := i.Read(t.Context(), 1, 10); !errors.Is(err, eventlog.ErrIntegrity) {
		t.Errorf("over the hole: %d records, %v", len(recs), err)
	}
}
