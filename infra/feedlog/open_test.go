package feedlog_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"roster/infra/feedlog"
	"roster/infra/nats"
	"roster/infra/nats/natstest"
)

// R6: copies that start for the first time, and at once, on three nats-servers all open the feed that one of them makes.
// What is there already is set to another age.
func TestFirstStartsAtOnce(t *testing.T) {
	ctx := t.Context()
	servers, err := natstest.Cluster(ctx, 3, natstest.Config{Dir: t.TempDir(), SyncAlways: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := natstest.Stop(servers...); err != nil {
			t.Error(err)
		}
	})
	var js [2]jetstream.JetStream
	for i := range js {
		nc, err := nats.Connect(ctx, nats.Remote{URLs: natstest.URLs(servers)})
		if err != nil {
			t.Fatal(err)
		}
		defer nc.Close()
		if js[i], err = jetstream.New(nc); err != nil {
			t.Fatal(err)
		}
	}
	for round := range 3 {
		opened := make(chan error, len(js))
		for i := range js {
			go func() {
				_, err := feedlog.Open(ctx, js[i], fmt.Sprint("portal", round), feedlog.Options{Replicas: 3})
				opened <- err
			}()
		}
		for range js {
			if err := <-opened; err != nil {
				t.Error(err)
			}
		}
	}
	if _, err := feedlog.Open(ctx, js[0], "portal0", feedlog.Options{Replicas: 3, MaxAge: time.Hour}); err != nil {
		t.Fatal(err)
	}
	s, err := js[1].Stream(ctx, "PORTAL0_FEED")
	if err != nil {
		t.Fatal(err)
	}
	if c := s.CachedInfo().Config; c.MaxAge != time.Hour || c.Replicas != 3 {
		t.Errorf("an age of %s on %d servers", c.MaxAge, c.Replicas)
	}
}
