package nats

import (
	"bytes"
	"crypto/rand"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

// cutWorld is a stream of an embedded server with group commit, of which several blocks are full.
type cutWorld struct {
	*Server
	dir    string
	stream jetstream.Stream
	js     jetstream.JetStream
	sent   [][]byte // by sequence, less one
}

func startCutWorld(t *testing.T, dir string) *cutWorld {
	t.Helper()
	w := &cutWorld{dir: dir}
	var err error
	if w.Server, err = Embedded(t.Context(), Config{Dir: dir, GroupCommit: true}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := w.Close(); err != nil {
			t.Error(err)
		}
	})
	conn, err := w.Connect()
	if err == nil {
		w.js, err = jetstream.New(conn)
	}
	if err == nil {
		w.stream, err = w.js.CreateOrUpdateStream(t.Context(), jetstream.StreamConfig{Name: "S", Subjects: []string{"s.>"}, Storage: jetstream.FileStorage})
	}
	if err == nil {
		err = w.Synced(t.Context(), "S", 0)
	}
	if err != nil {
		t.Fatal(err)
	}
	return w
}

func (w *cutWorld) fill(t *testing.T, n int) {
	t.Helper()
	for range n {
		data := make([]byte, 1<<20)
		if _, err := rand.Read(data); err != nil {
			t.Fatal(err)
		}
		ack, err := w.js.Publish(t.Context(), fmt.Sprint("s.", len(w.sent)), data)
		if err != nil {
			t.Fatal(err)
		}
		if err := w.Synced(t.Context(), "S", ack.Sequence); err != nil {
			t.Fatal(err)
		}
		w.sent = append(w.sent, data)
	}
}

func (w *cutWorld) block(n int) string {
	return filepath.Join(w.dir, filepath.FromSlash(streamsBelow), "S", blocksBelow, fmt.Sprint(n, blockSuffix))
}

// unsynced copies the directory as it stands while the server runs, with its links; the files named have zeroes in place
// of what they hold, as after a power cut when their names were written down and their contents were not.
func (w *cutWorld) unsynced(t *testing.T, zero ...string) (dir string) {
	t.Helper()
	dir = t.TempDir()
	copies := map[string]string{} // the first copy of a file, by what it holds
	err := filepath.WalkDir(w.dir, func(path string, d os.DirEntry, err error) error {
		rel, err2 := filepath.Rel(w.dir, path)
		if err != nil || err2 != nil {
			return fmt.Errorf("%w %w", err, err2)
		}
		to := filepath.Join(dir, rel)
		if d.IsDir() {
			return os.MkdirAll(to, 0o700)
		}
		for before, copied := range copies {
			if same, err := sameFile(before, path); err != nil || same {
				if err == nil {
					err = os.Link(copied, to)
				}
				return err
			}
		}
		copies[path] = to
		data, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		for _, z := range zero {
			if z == path {
				clear(data)
			}
		}
		return os.WriteFile(to, data, 0o600)
	})
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

func (w *cutWorld) check(t *testing.T, dir string, gone func(seq int) bool) {
	t.Helper()
	after := startCutWorld(t, dir)
	for i, data := range w.sent {
		m, err := after.stream.GetMsg(t.Context(), uint64(i+1))
		switch {
		case gone(i+1) && err == nil && !bytes.Equal(m.Data, data):
			t.Errorf("message %d is another one", i+1)
		case !gone(i+1) && (err != nil || !bytes.Equal(m.Data, data)):
			t.Errorf("message %d, of %d, is lost: %v", i+1, len(w.sent), err)
		}
	}
	if last := after.stream.CachedInfo().State.LastSeq; last < uint64(len(w.sent)) {
		t.Errorf("the stream ends at %d, %d were on disk", last, len(w.sent))
	}
}

// A block that the server compacts while it erases is replaced by a file that it does not sync. A power cut that leaves
// zeroes in its place loses nothing that was on disk before.
func TestNothingIsLostByACompactedBlock(t *testing.T) {
	w := startCutWorld(t, t.TempDir())
	w.fill(t, 18) // two blocks are full
	before, err := os.Stat(w.block(1))
	if err != nil {
		t.Fatal(err)
	}
	erased := 0
	for seq := 2; ; seq++ {
		now, err := os.Stat(w.block(1))
		if err != nil {
			t.Fatal(err)
		}
		if now.Size() < before.Size()*3/4 {
			break // compacted
		}
		if erased == 2 {
			if err := w.Rewritten(t.Context(), "S"); err != nil {
				t.Fatal(err)
			}
		}
		if err := w.stream.SecureDeleteMsg(t.Context(), uint64(seq)); err != nil {
			t.Fatal(err)
		}
		erased = seq
	}
	dir := w.unsynced(t, w.block(1))
	w.check(t, dir, func(seq int) bool { return seq >= 2 && seq <= erased })

	// Once it is on disk, nothing that was erased stands anywhere any more.
	if err := w.Rewritten(t.Context(), "S"); err != nil {
		t.Fatal(err)
	}
	for path, data := range contentsOf(t, w.dir) {
		for seq := 2; seq <= erased; seq++ {
			if bytes.Contains(data, w.sent[seq-1][:64]) {
				t.Errorf("%s still has message %d", path, seq)
			}
		}
	}
	w.check(t, w.unsynced(t), func(seq int) bool { return seq >= 2 && seq <= erased })
}

func TestSettingsThatAreReplacedAreNotLost(t *testing.T) {
	w := startCutWorld(t, t.TempDir())
	w.fill(t, 3)
	config := w.stream.CachedInfo().Config
	config.Description = "another"
	if _, err := w.js.UpdateStream(t.Context(), config); err != nil {
		t.Fatal(err)
	}
	meta := filepath.Join(w.dir, filepath.FromSlash(streamsBelow), "S", "meta.inf")
	w.check(t, w.unsynced(t, meta), func(int) bool { return false })
}

func contentsOf(t *testing.T, dir string) map[string][]byte {
	t.Helper()
	all := map[string][]byte{}
	err := filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		all[path], err = os.ReadFile(path)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// The server replaces what it knows of a consumer without a sync as well. Where a power cut leaves zeroes of that, the
// consumer begins anew: it would stand still for ever otherwise.
func TestAConsumerOutlivesThePlaceThatItHad(t *testing.T) {
	w := startCutWorld(t, t.TempDir())
	w.fill(t, 4)
	consume := func(s jetstream.Stream, n int) {
		t.Helper()
		c, err := s.CreateOrUpdateConsumer(t.Context(), jetstream.ConsumerConfig{
			Durable: "d", DeliverPolicy: jetstream.DeliverAllPolicy, AckPolicy: jetstream.AckExplicitPolicy, MaxAckPending: 1})
		if err != nil {
			t.Fatal(err)
		}
		for range n {
			m, err := c.Next(jetstream.FetchMaxWait(5 * time.Second))
			if err == nil {
				err = m.DoubleAck(t.Context())
			}
			if err != nil {
				t.Fatalf("after the cut the consumer stands still: %v", err)
			}
		}
	}
	consume(w.stream, 2)
	place := filepath.Join(w.dir, filepath.FromSlash(streamsBelow), "S", "obs", "d", "o.dat")
	for deadline := time.Now().Add(10 * time.Second); ; {
		info, err := os.Stat(place)
		if err == nil && info.Size() > 0 {
			break
		}
		if time.Now().After(deadline) {
			t.Fatal("the server writes no place down", err)
		}
		<-time.After(20 * time.Millisecond)
	}
	consume(startCutWorld(t, w.unsynced(t, place)).stream, 4)
}
