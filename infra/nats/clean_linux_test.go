package nats

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
)

// The short cuts of the streams are kept after a clean end, and after a kill on a machine that has run on; not after
// anything else.
func TestWhenTheIndexIsTrusted(t *testing.T) {
	dir := t.TempDir()
	index := filepath.Join(dir, filepath.FromSlash(streamsBelow), "S", blocksBelow, "index.db")
	check := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	check(os.MkdirAll(filepath.Dir(index), 0o700))
	runs, clean := filepath.Join(dir, runsName), filepath.Join(dir, cleanName)
	here, err := runOf(dir)
	check(err)
	another, err := runOf(t.TempDir())
	check(err)
	if here == "" || here == another {
		t.Fatalf("two directories in the same run of the machine: %q and %q", here, another)
	}
	for _, c := range []struct {
		name    string
		prepare func() error
		kept    bool
	}{
		{"a first start", func() error { return nil }, false},
		{"killed, the machine runs on", func() error { return nil }, true},
		{"ended cleanly", func() error { return os.WriteFile(clean, nil, 0o600) }, true},
		{"a later boot", func() error { return os.WriteFile(runs, []byte("boot x"+here[6:]), 0o600) }, false},
		{"a copy of the directory, or another mount", func() error { return os.WriteFile(runs, []byte(another), 0o600) }, false},
		{"the note of the run did not reach the disk", func() error { return os.Truncate(runs, 0) }, false},
		{"a sync has failed", func() error { return doubt(dir) }, false},
		{"a clean end of another boot", func() error {
			return errors.Join(os.WriteFile(runs, nil, 0o600), os.WriteFile(clean, nil, 0o600))
		}, true},
	} {
		check(os.WriteFile(index, nil, 0o600))
		check(c.prepare())
		check(begin(dir))
		_, err := os.Stat(index)
		if kept := err == nil; kept != c.kept || err != nil && !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s: index.db is kept: %v (%v)", c.name, kept, err)
		}
		if _, err := os.Stat(clean); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s: the mark of a clean end is still there while it runs", c.name)
		}
		if text, err := os.ReadFile(runs); err != nil || string(text) != here {
			t.Errorf("%s: the run noted is %q, %v", c.name, text, err)
		}
	}
}
