package feedlog_test

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"

	"github.com/google/uuid"
	"github.com/nats-io/nats.go/jetstream"

	"roster/events"
	"roster/handlers/feed"
	"roster/infra/feedlog"
	"roster/infra/nats"
)

// notedDisk keeps what was waited for, and fails when a test wants it.
type notedDisk struct {
	feedlog.Disk
	mu        sync.Mutex
	fail      error
	synced    map[string]uint64
	rewritten []string
}

func (d *notedDisk) Synced(ctx context.Context, stream string, pos uint64) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.fail != nil {
		return d.fail
	}
	d.synced[stream] = max(d.synced[stream], pos)
	return d.Disk.Synced(ctx, stream, pos)
}

func (d *notedDisk) Rewritten(ctx context.Context, stream string) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.fail != nil {
		return d.fail
	}
	d.rewritten = append(d.rewritten, stream)
	return d.Disk.Rewritten(ctx, stream)
}

// What the feed has published, noted or destroyed is on disk when it says so (DESIGN 2, 6).
func TestFeedWaitsForTheDisk(t *testing.T) {
	server, err := nats.Embedded(t.Context(), nats.Config{Dir: t.TempDir(), GroupCommit: true})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := server.Close(); err != nil {
			t.Error(err)
		}
	}()
	conn, err := server.Connect()
	if err != nil {
		t.Fatal(err)
	}
	js, err := jetstream.New(conn)
	if err != nil {
		t.Fatal(err)
	}
	disk := &notedDisk{Disk: server, synced: map[string]uint64{}}
	f, err := feedlog.Open(t.Context(), js, "roster", feedlog.Options{Disk: disk})
	if err != nil {
		t.Fatal(err)
	}
	if len(disk.synced) != 2 { // its settings, before anything is written
		t.Errorf("opening waits for %v", disk.synced)
	}
	person := events.AnyID(uuid.New())
	messages := []feed.Message{
		{Subject: "_." + person.String() + ".user.joined", Header: map[string]string{feed.HeaderID: "a"}, Data: []byte("{}")},
		{Subject: "_." + person.String() + ".user.left", Header: map[string]string{feed.HeaderID: "b"}, Data: []byte("{}")},
	}
	steps := map[string]func() error{
		"publish": func() error { return f.Publish(t.Context(), 0, messages) },
		"note":    func() error { return f.Note(t.Context(), feed.Place{Sequence: 2}) },
		"forget":  func() error { _, err := f.Forget(t.Context(), person); return err },
	}
	for _, name := range []string{"publish", "note", "forget"} {
		if err := steps[name](); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
	}
	if disk.synced["ROSTER_FEED"] != 2 || disk.synced["ROSTER_FEED_PLACE"] != 1 || !slices.Equal(disk.rewritten, []string{"ROSTER_FEED"}) {
		t.Errorf("waited for %v, %q", disk.synced, disk.rewritten)
	}
	disk.fail = errors.New("input/output error")
	messages = []feed.Message{{Subject: messages[0].Subject, Header: map[string]string{feed.HeaderID: "c"}, Data: []byte("{}")}}
	steps["publish"] = func() error { return f.Publish(t.Context(), 2, messages) }
	for name, step := range steps {
		if err := step(); !errors.Is(err, disk.fail) {
			t.Errorf("%s on a disk that fails: %v", name, err)
		}
	}
}
