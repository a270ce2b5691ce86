//go:build powercut

package eventlog_test

import (
	"bufio"
	"bytes"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	mathrand "math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"roster/events"
	"roster/infra/vault"
)

// These tests cut the power: the directory is on an ext4 of its own in a file, which is copied while the writer is
// stopped. What the copy holds is what a disk would hold. They need root, loop devices and mkfs.ext4, and fail
// without; so they are behind the tag powercut.
//
//	go test -tags powercut -run PowerCut ./infra/eventlog [-args -cut.for=5m]
var (
	cutFor  = flag.Duration("cut.for", 0, "go on cutting for so long")
	cutOnly = flag.String("cut.only", "", "cut only so: load, roll, new, restart, oldindex or erase")
)

// The kinds of cuts: when the power goes, and what has happened before.
const (
	cutLoad    = "load"     // under load of small commits and batches
	cutRoll    = "roll"     // while blocks of log and vault roll over
	cutNew     = "new"      // right after the streams were made
	cutRestart = "restart"  // right after a start after kill -9
	cutErase   = "erase"    // while the vault erases, which replaces the block that it appends to
	cutIndex   = "oldindex" // under load, after a clean stop: index.db is on disk and old
)

func TestPowerCut(t *testing.T) {
	kinds := []string{cutNew, cutRoll, cutErase, cutIndex, cutRestart, cutLoad}
	if *cutOnly != "" {
		kinds = []string{*cutOnly}
	}
	counts, acked, began := map[string]int{}, 0, time.Now()
	for n := 0; n < 3 || time.Since(began) < *cutFor; n++ {
		kind := kinds[n%len(kinds)]
		cut := powerCut(t, kind, true)
		lost, report := cut.lost(t)
		if lost > 0 {
			t.Fatalf("cut %d (%s): %d of %d acknowledged are lost: %s", n, kind, lost, len(cut.lines), report)
		}
		counts[kind]++
		acked += len(cut.lines)
	}
	t.Logf("cuts %v, %d acknowledged, none lost", counts, acked)
}

// The control: without the barrier the same cut loses, or the test above proves nothing.
func TestPowerCutWithoutBarrier(t *testing.T) {
	cut := powerCut(t, cutLoad, false)
	lost, _ := cut.lost(t)
	if lost == 0 {
		t.Fatalf("none of %d acknowledged is lost without a barrier", len(cut.lines))
	}
	t.Logf("%d of %d acknowledged are lost", lost, len(cut.lines))
}

// cut is what was acknowledged before the power went, and where the disk is mounted again.
type cut struct {
	lines []string
	dir   string
}

func powerCut(t *testing.T, kind string, barrier bool) cut {
	t.Helper()
	work := must(os.MkdirTemp("/dev/shm", "powercut"))(t)
	t.Cleanup(func() { os.RemoveAll(work) })
	disk, at := filepath.Join(work, "disk"), filepath.Join(work, "at")
	run(t, "truncate", "-s", "3G", disk)
	run(t, "mkfs.ext4", "-q", "-E", "lazy_itable_init=1,lazy_journal_init=1", disk)
	unmount := mount(t, disk, at)
	var lines []string
	switch kind {
	case cutRestart:
		w := startWriter(t, at, cutLoad, barrier)
		w.until(t, 200+mathrand.IntN(2000))
		lines = w.end(t, syscall.SIGKILL)
	case cutIndex:
		w := startWriter(t, at, cutRoll, barrier)
		w.until(t, 100+mathrand.IntN(300))
		lines = w.end(t, syscall.SIGTERM)
		run(t, "sync", "-f", at)
	}
	w := startWriter(t, at, kind, barrier)
	switch kind {
	case cutNew, cutRestart:
		w.until(t, mathrand.IntN(20))
	case cutRoll, cutErase:
		w.until(t, 200+mathrand.IntN(1000))
	default:
		w.until(t, 1000+mathrand.IntN(10_000))
	}
	// Not only right after an acknowledgement.
	<-time.After(time.Duration(mathrand.IntN(20_000)) * time.Microsecond)
	w.stop(t)
	run(t, "cp", "--sparse=always", disk, disk+".cut")
	lines = append(lines, w.end(t, syscall.SIGKILL)...)
	unmount()
	if err := os.Remove(disk); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(mount(t, disk+".cut", at))
	return cut{lines, at}
}

// lost opens what is left and counts what was acknowledged and is not there. It cleans up, so that many cuts fit.
func (c cut) lost(t *testing.T) (lost int, report string) {
	t.Helper()
	defer func() {
		run(t, "umount", c.dir)
		if err := os.Remove(filepath.Join(filepath.Dir(c.dir), "disk.cut")); err != nil {
			t.Error(err)
		}
	}()
	i, err := start(t.Context(), filepath.Join(c.dir, "data"))
	if err != nil {
		return len(c.lines), err.Error()
	}
	defer i.close(t)
	last := must(i.Last(t.Context()))(t)
	found := map[string]bool{}
	for _, rec := range readAll(t, i) {
		found[fmt.Sprint("log ", rec.Pos, " ", rec.Boundary, " ", rec.Hash())] = true
	}
	v, _, err := openVault(t.Context(), i, false)
	if err != nil {
		return len(c.lines), err.Error()
	}
	var files []byte
	miss := func(format string, args ...any) {
		lost++
		if lost <= 3 {
			report += fmt.Sprintf(format, args...) + "; "
		}
	}
	destroyed := map[string]bool{}
	for _, line := range c.lines {
		if f := strings.Fields(line); f[0] == "destroying" || f[0] == "destroyed" {
			destroyed[f[1]] = true
		}
	}
	for _, line := range c.lines {
		f := strings.Fields(line)
		switch f[0] {
		case "log":
			if !found[line] {
				miss("%s, the log ends at %d", line, last)
			}
		case "secret":
			var id events.SecretID
			if err := id.UnmarshalText([]byte(f[1])); err != nil {
				t.Fatal(err)
			}
			got, err := v.Secret(t.Context(), id)
			if !destroyed[f[1]] && (err != nil || digest(got) != f[2]) {
				miss("%s: %v", line, err)
			}
		case "destroyed":
			var id events.SecretID
			if err := id.UnmarshalText([]byte(f[1])); err != nil {
				t.Fatal(err)
			}
			if _, err := v.Secret(t.Context(), id); !errors.Is(err, vault.ErrErased) {
				miss("%s: %v", line, err)
			}
			if files == nil {
				files = contents(t, c.dir)
			}
			if bytes.Contains(files, unhex(t, f[2])) {
				miss("%s: its bytes stand in a file", line)
			}
		case "address":
			a, ok, err := v.FindAddress(t.Context(), f[1])
			if err != nil || !ok || a.ID.String() != f[2] {
				miss("%s: %v %v", line, ok, err)
			}
		default:
			t.Fatalf("the writer says %q", line)
		case "destroying":
		}
	}
	return lost, report
}

// contents is what all files of a directory hold.
func contents(t *testing.T, dir string) (all []byte) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		b, err := os.ReadFile(path)
		all = append(all, b...)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func unhex(t *testing.T, s string) []byte {
	t.Helper()
	var b []byte
	if _, err := fmt.Sscanf(s, "%x", &b); err != nil {
		t.Fatal(err)
	}
	return b
}

func run(t *testing.T, name string, args ...string) {
	t.Helper()
	if out, err := exec.Command(name, args...).CombinedOutput(); err != nil {
		t.Fatalf("%s %s: %v: %s", name, strings.Join(args, " "), err, out)
	}
}

// mount mounts an image; what it answers unmounts it, if nobody has.
func mount(t *testing.T, image, at string) (unmount func()) {
	t.Helper()
	if err := os.MkdirAll(at, 0o700); err != nil {
		t.Fatal(err)
	}
	run(t, "mount", "-o", "loop", image, at)
	return func() {
		if out, err := exec.Command("umount", at).CombinedOutput(); err != nil && !bytes.Contains(out, []byte("not mounted")) &&
			!bytes.Contains(out, []byte("no mount point")) {
			t.Errorf("umount: %v: %s", err, out)
		}
	}
}

// writer is a process that writes on the disk and prints what was acknowledged.
type writer struct {
	cmd   *exec.Cmd
	lines chan string
	got   []string
}

func startWriter(t *testing.T, at, kind string, barrier bool) *writer {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestPowerCutWriter$", "-test.timeout=2m")
	cmd.Env = append(os.Environ(), cutDir+"="+filepath.Join(at, "data"), cutKind+"="+kind, cutBarrier+"="+strconv.FormatBool(barrier))
	cmd.Stderr = os.Stderr
	out := must(cmd.StdoutPipe())(t)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	w := &writer{cmd: cmd, lines: make(chan string, 1<<20)}
	go func() {
		defer close(w.lines)
		scan := bufio.NewScanner(out)
		for scan.Scan() {
			w.lines <- scan.Text()
		}
	}()
	return w
}

func (w *writer) until(t *testing.T, n int) {
	t.Helper()
	for len(w.got) < n {
		line, ok := <-w.lines
		if !ok {
			t.Fatalf("the writer ended after %d lines: %v", len(w.got), w.cmd.Wait())
		}
		w.got = append(w.got, line)
	}
}

// stop stops the process and waits until all its threads stand, with their syncs done: the copy must be of one moment.
// (A journal that goes on while it is copied loses transactions in the copy that no disk would lose.)
func (w *writer) stop(t *testing.T) {
	t.Helper()
	if err := w.cmd.Process.Signal(syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	var status syscall.WaitStatus
	if _, err := syscall.Wait4(w.cmd.Process.Pid, &status, syscall.WUNTRACED, nil); err != nil || !status.Stopped() {
		t.Fatalf("not stopped: %v %v", status, err)
	}
}

// end ends the process and answers all that it has said.
func (w *writer) end(t *testing.T, signal syscall.Signal) []string {
	t.Helper()
	if err := w.cmd.Process.Signal(signal); err != nil {
		t.Fatal(err)
	}
	for line := range w.lines {
		w.got = append(w.got, line)
	}
	_ = w.cmd.Wait() // killed
	for i, line := range w.got {
		if line == "PASS" || strings.HasPrefix(line, "ok") {
			w.got = w.got[:i]
			break
		}
	}
	return w.got
}
