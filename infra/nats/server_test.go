package nats_test

import (
	"bytes"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	natsgo "github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"go.uber.org/goleak"

	"roster/infra/nats"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestEmbedded(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "made", "on the way")
	var out bytes.Buffer
	for round := range 2 {
		s, err := nats.Embedded(t.Context(), nats.Config{Dir: dir, Log: slog.New(slog.NewTextHandler(&out, nil))})
		if err != nil {
			t.Fatal(err)
		}
		nc, err := s.Connect()
		if err != nil {
			t.Fatal(err)
		}
		if nc.MaxPayload() < 1<<20 {
			t.Errorf("max payload is %d", nc.MaxPayload())
		}
		js, err := jetstream.New(nc)
		if err != nil {
			t.Fatal(err)
		}
		stream, err := js.CreateOrUpdateStream(t.Context(), jetstream.StreamConfig{Name: "S", Subjects: []string{"s"}})
		if err != nil {
			t.Fatal(err)
		}
		if got := stream.CachedInfo().State.Msgs; got != uint64(round) {
			t.Errorf("round %d begins with %d messages", round, got)
		}
		if _, err := js.Publish(t.Context(), "s", []byte("x")); err != nil {
			t.Fatal(err)
		}
		if _, err := nats.Embedded(t.Context(), nats.Config{Dir: dir}); err == nil || strings.Contains(err.Error(), "\n") ||
			!strings.Contains(err.Error(), "in use by another process") {
			t.Errorf("a second server on the directory: %v", err)
		}
		for range 2 {
			if err := s.Close(); err != nil {
				t.Error(err)
			}
		}
		if !nc.IsClosed() {
			t.Error("the connection is open after Close")
		}
		if _, err := s.Connect(); err == nil {
			t.Error("a connection to a closed server")
		}
	}
	if out.Len() > 0 {
		t.Errorf("a clean run logs:\n%s", &out)
	}
}

// Synced syncs the files of a real stream as the server lays them out, and knows no stream after Close.
func TestGroupCommit(t *testing.T) {
	s, err := nats.Embedded(t.Context(), nats.Config{Dir: t.TempDir(), GroupCommit: true})
	if err != nil {
		t.Fatal(err)
	}
	nc, err := s.Connect()
	if err != nil {
		t.Fatal(err)
	}
	js, err := jetstream.New(nc)
	if err != nil {
		t.Fatal(err)
	}
	stream, err := js.CreateStream(t.Context(), jetstream.StreamConfig{Name: "S", Subjects: []string{"s"}})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Synced(t.Context(), "S", 0); err != nil {
		t.Fatal(err)
	}
	for range 30 { // over two blocks
		ack, err := js.Publish(t.Context(), "s", make([]byte, 500<<10))
		if err != nil {
			t.Fatal(err)
		}
		if err := s.Synced(t.Context(), "S", ack.Sequence); err != nil {
			t.Fatal(err)
		}
	}
	if err := stream.SecureDeleteMsg(t.Context(), 3); err != nil {
		t.Fatal(err)
	}
	if err := s.Rewritten(t.Context(), "S"); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	for _, stream := range []string{"S", "T"} {
		if err := s.Synced(t.Context(), stream, 1); s.GroupCommit() && err == nil {
			t.Errorf("stream %s is synced by a closed server", stream)
		}
	}
}

func TestUnusableDirectories(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, dir := range []string{"", file, filepath.Join(file, "below"), "/proc/roster"} {
		_, err := nats.Embedded(t.Context(), nats.Config{Dir: dir})
		if err == nil || strings.Contains(err.Error(), "\n") || strings.Count(err.Error(), file) > 1 {
			t.Errorf("directory %q: %v", dir, err)
		}
	}
}

func TestConnect(t *testing.T) {
	s, err := server.NewServer(&server.Options{Host: "127.0.0.1", Port: server.RANDOM_PORT, NoSigs: true, NoLog: true,
		Username: "someone", Password: "open-sesame"})
	if err != nil {
		t.Fatal(err)
	}
	s.Start()
	defer s.WaitForShutdown()
	defer s.Shutdown()
	if !s.ReadyForConnections(10 * time.Second) {
		t.Fatal("not ready")
	}
	url := strings.Replace(s.ClientURL(), "nats://", "nats://someone:open-sesame@", 1)
	nc, err := nats.Connect(t.Context(), nats.Remote{URLs: url})
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	if nc.Opts.MaxReconnect >= 0 || nc.Opts.ReconnectBufSize >= 0 || nc.Status() != natsgo.CONNECTED {
		t.Errorf("%d reconnects, a buffer of %d, %s", nc.Opts.MaxReconnect, nc.Opts.ReconnectBufSize, nc.Status())
	}
	_, err = nats.Connect(t.Context(), nats.Remote{URLs: strings.Replace(url, "sesame", "barley", 1)})
	if err == nil || strings.Contains(err.Error(), "barley") || !strings.Contains(err.Error(), "127.0.0.1") {
		t.Errorf("a wrong password: %v", err)
	}
}
