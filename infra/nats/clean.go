package nats

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

const (
	// cleanName is a file that says that the last process ended cleanly, with everything on disk.
	cleanName = "clean"
	// runsName is a file that says in which run of which machine the last process used the directory.
	runsName = "runs"
)

// begin takes the mark of a clean end away. Where there is none and the power may have failed since, the short cuts of
// all streams (index.db) go with it: one may know messages that their blocks have lost, none of them acknowledged, and
// the server would leave a hole for them for ever. The blocks are the truth, and are read anew; of what was kept, first
// of all, the blocks that had been on disk.
//
// A process that was killed on a machine that has run on since has lost nothing: whatever it had written is still what
// the kernel shows, and its short cuts are as good as after a clean end.
func begin(dir string) error {
	here, err := runOf(dir)
	if err != nil {
		return err
	}
	before, err := os.ReadFile(filepath.Join(dir, runsName))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	switch err := os.Remove(filepath.Join(dir, cleanName)); {
	case err == nil:
		err = syncAll(dir)
		if err != nil {
			return err
		}
	case !errors.Is(err, fs.ErrNotExist):
		return err
	case here == "" || here != string(before):
		if err := errors.Join(putBack(dir), mendConsumers(dir), withoutIndex(dir)); err != nil {
			return err
		}
	}
	if here == "" {
		return doubt(dir)
	}
	// Not synced: if the power fails, what it says is no longer so.
	return os.WriteFile(filepath.Join(dir, runsName), []byte(here), 0o600)
}

// doubt has the next start read all blocks: what the kernel shows may not be what was written.
func doubt(dir string) error {
	err := os.Remove(filepath.Join(dir, runsName))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

func withoutIndex(dir string) error {
	return eachStream(dir, func(stream string) error {
		err := os.Remove(filepath.Join(dir, filepath.FromSlash(streamsBelow), stream, blocksBelow, "index.db"))
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		return err
	})
}

// finish syncs all streams of a server that has stopped, and then marks the end as clean.
func finish(dir string) error {
	err := eachStream(dir, func(stream string) error { return newFiles(dir, stream).sync(true) })
	if err != nil {
		return err
	}
	mark := filepath.Join(dir, cleanName)
	if err := os.WriteFile(mark, nil, 0o600); err != nil {
		return err
	}
	return errors.Join(syncAll(mark), syncAll(dir))
}

func eachStream(dir string, do func(stream string) error) error {
	streams, err := os.ReadDir(filepath.Join(dir, filepath.FromSlash(streamsBelow)))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	for _, s := range streams {
		if err == nil && s.IsDir() && !strings.HasPrefix(s.Name(), ".") { // such are being deleted
			err = do(s.Name())
		}
	}
	return err
}
