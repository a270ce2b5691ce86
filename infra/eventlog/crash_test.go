package eventlog_test

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"roster/events"
	"roster/infra/eventlog"
	"roster/infra/eventlog/logtest"
	"roster/infra/nats"
)

// Every acknowledged commit, single or of a batch, survives kill -9 at its position.
func TestKill(t *testing.T) {
	dir := t.TempDir()
	acked := map[uint64]string{} // position → boundary and hash
	for range 3 {
		for line := range killedWriter(t, dir, 150) {
			var pos uint64
			var rest string
			if _, err := fmt.Sscan(line, &pos, &rest); err != nil {
				t.Fatal(err)
			}
			text := strings.SplitN(line, " ", 2)[1]
			if old, taken := acked[pos]; taken {
				t.Fatalf("position %d was given to %s and to %s", pos, old, text)
			}
			acked[pos] = text
		}
		i := open(t, dir)
		last := must(i.Last(t.Context()))(t)
		found := map[uint64]string{}
		for _, rec := range readAll(t, i) {
			found[rec.Pos] = fmt.Sprint(rec.Boundary, " ", rec.Hash())
		}
		i.close(t)
		for pos, want := range acked {
			if found[pos] != want {
				t.Fatalf("position %d: acknowledged %s, found %q (the log ends at %d)", pos, want, found[pos], last)
			}
		}
	}
	t.Logf("%d acknowledged commits", len(acked))
}

// killedWriter runs a writer until it has had n commits acknowledged, and kills it. While it runs, nobody else can
// open its directory.
func killedWriter(t *testing.T, dir string, n int) map[string]bool {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), os.Args[0])
	cmd.Env = append(os.Environ(), writerDir+"="+dir)
	cmd.Stderr = os.Stderr
	out := must(cmd.StdoutPipe())(t)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	lines := map[string]bool{}
	scan := bufio.NewScanner(out)
	for scan.Scan() {
		lines[scan.Text()] = true
		if len(lines) != n {
			continue
		}
		_, err := nats.Embedded(t.Context(), nats.Config{Dir: dir})
		if err == nil || !strings.Contains(err.Error(), fmt.Sprintf("in use by another process (pid %d)", cmd.Process.Pid)) {
			t.Errorf("a second process on the directory: %v", err)
		}
		if err := cmd.Process.Kill(); err != nil {
			t.Fatal(err)
		}
	}
	if err := cmd.Wait(); err == nil || len(lines) < n {
		t.Fatalf("the writer ended by itself after %d commits: %v", len(lines), err)
	}
	return lines
}

// damaged writes 40 commits of 250 KiB, which fill more than one block file, flips a bit in the middle of one and
// opens the log again.
func damaged(t *testing.T, block string, withIndex bool) (*instance, events.Record, error) {
	t.Helper()
	dir := t.TempDir()
	i := open(t, dir)
	b, after := logtest.NewBoundary(), uint64(0)
	for range 40 {
		after = must(i.Append(t.Context(), logtest.NewWrite(b, after, 250<<10)))(t)[0]
	}
	recs := must(i.Boundary(t.Context(), b, 39))(t)
	i.close(t)

	msgs := filepath.Join(dir, "jetstream", "$G", "streams", "ROSTER_LOG", "msgs")
	if !withIndex {
		if err := os.Remove(filepath.Join(msgs, "index.db")); err != nil {
			t.Fatal(err)
		}
	}
	name := filepath.Join(msgs, block)
	data := must(os.ReadFile(name))(t)
	data[len(data)/2] ^= 1
	if err := os.WriteFile(name, data, 0o600); err != nil {
		t.Fatal(err)
	}
	i, err := start(t.Context(), dir, eventlog.Keep(64))
	return i, recs[0], err
}

// The server itself starts in each of these cases as if nothing were wrong.
func TestDamage(t *testing.T) {
	for _, withIndex := range []bool{false, true} {
		t.Run(fmt.Sprintf("commits missing in the middle, index kept: %v", withIndex), func(t *testing.T) {
			i, _, err := damaged(t, "1.blk", withIndex)
			if !errors.Is(err, eventlog.ErrIntegrity) {
				t.Errorf("open: %v", err)
			}
			if err == nil {
				i.close(t)
			}
		})
	}
	for _, withIndex := range []bool{false, true} {
		t.Run(fmt.Sprintf("the end is missing, index kept: %v", withIndex), func(t *testing.T) {
			i, checkpoint, err := damaged(t, "2.blk", withIndex)
			if err != nil {
				t.Fatal(err) // nothing but a checkpoint can tell
			}
			defer i.close(t)
			if err := i.VerifyAt(t.Context(), checkpoint.Pos, checkpoint.Hash()); !errors.Is(err, eventlog.ErrIntegrity) {
				t.Errorf("verify: %v", err)
			}
		})
	}
}
