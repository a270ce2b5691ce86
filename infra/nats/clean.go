package nats

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// cleanName is a file that says that the last process ended cleanly, with everything on disk.
const cleanName = "clean"

// begin takes the mark of a clean end away. Where there is none, the short cuts of all streams (index.db) go with
// it: after a power cut one may know messages that their blocks have lost, none of them acknowledged, and the server
// would leave a hole for them for ever. The blocks are the truth, and are read anew.
func begin(dir string) error {
	err := os.Remove(filepath.Join(dir, cleanName))
	if err == nil {
		return syncAll(dir)
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return err
	}
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
