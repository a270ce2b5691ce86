package natstest_test

import (
	"testing"

	natsgo "github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"roster/infra/nats/natstest"
)

// A server of a cluster that is killed and started again has what it had.
func TestCluster(t *testing.T) {
	servers, err := natstest.Cluster(t.Context(), 3, natstest.Config{Dir: t.TempDir(), SyncAlways: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := natstest.Stop(servers...); err != nil {
			t.Error(err)
		}
	})
	nc, err := natsgo.Connect(natstest.URLs(servers))
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	js, err := jetstream.New(nc)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := js.CreateStream(t.Context(), jetstream.StreamConfig{Name: "S", Subjects: []string{"s"}, Replicas: 3}); err != nil {
		t.Fatal(err)
	}
	for _, s := range servers {
		if err := s.Kill(); err != nil {
			t.Fatal(err)
		}
		if s.Runs() {
			t.Error("it runs after it was killed")
		}
		if err := s.Restart(t.Context()); err != nil {
			t.Fatal(err)
		}
		if err := s.Suspend(); err != nil {
			t.Fatal(err)
		}
		if err := s.Resume(); err != nil {
			t.Fatal(err)
		}
	}
	if err := servers[0].Restart(t.Context()); err == nil {
		t.Error("a server was started twice")
	}
	if _, err := js.Publish(t.Context(), "s", nil, jetstream.WithRetryAttempts(20)); err != nil {
		t.Error(err)
	}
}
