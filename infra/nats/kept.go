package nats

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// The server puts some files in place of others that are on disk without syncing them first: a block that it compacts
// while it erases, the settings of a stream that it updates. The file system may write the new name down before the
// contents, and a power cut then leaves zeroes where everything was on disk before (seen on ext4, 3 times in 100 cuts
// right after such a rename). So a file that is on disk is kept by a second link until what replaces it is on disk too,
// and is put back before a start when the power may have failed. What that undoes nobody had been told.
//
// The newest block is not kept: it grows, and is replaced by files alone that the server syncs first.
const keptBelow = "kept" // of the server's directory, ours

// keep keeps a file of the stream as it is now, which it syncs. One that has gone meanwhile is no error.
func (f *files) keep(name string) error {
	link := filepath.Join(f.kept, filepath.Base(name))
	if same, err := sameFile(name, link); err != nil || same {
		return err
	}
	// Whatever stands under the name when it is linked is what is synced and kept.
	fresh := link + ".tmp"
	if err := os.Remove(fresh); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err := os.MkdirAll(f.kept, 0o700); err != nil {
		return err
	}
	err := os.Link(name, fresh)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	if err := f.all(fresh); err != nil {
		return err
	}
	return os.Rename(fresh, link)
}

// forget lets go of what stands no more in the stream, and of the newest block, and syncs what is kept: it has no bytes
// that were erased before.
func (f *files) forget(newest int) error {
	entries, err := os.ReadDir(f.kept)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	for _, e := range entries {
		place := keptPlace(f.stream, e.Name())
		_, err := os.Lstat(place)
		if errors.Is(err, fs.ErrNotExist) || place == f.block(newest) {
			err = os.Remove(filepath.Join(f.kept, e.Name()))
		}
		if err != nil {
			return err
		}
	}
	return errors.Join(f.all(f.kept), f.all(filepath.Dir(f.kept)))
}

// keptPlace is where what is kept under a name belongs in a stream's directory.
func keptPlace(stream, name string) string {
	if strings.HasSuffix(name, blockSuffix) {
		return filepath.Join(stream, blocksBelow, name)
	}
	return filepath.Join(stream, name)
}

// putBack undoes what had replaced a file that is kept and may not be on disk itself.
func putBack(dir string) error {
	streams, err := os.ReadDir(filepath.Join(dir, keptBelow))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	for _, s := range streams {
		stream := filepath.Join(dir, filepath.FromSlash(streamsBelow), s.Name())
		if _, err := os.Stat(stream); errors.Is(err, fs.ErrNotExist) {
			continue
		}
		kept := filepath.Join(dir, keptBelow, s.Name())
		entries, err := os.ReadDir(kept)
		if err != nil {
			return err
		}
		for _, e := range entries {
			if err := putBackFile(filepath.Join(kept, e.Name()), keptPlace(stream, e.Name())); err != nil {
				return err
			}
		}
	}
	return nil
}

func putBackFile(kept, place string) error {
	if strings.HasSuffix(kept, ".tmp") {
		return os.Remove(kept)
	}
	if same, err := sameFile(kept, place); err != nil || same {
		return err
	}
	back := place + ".back"
	if err := os.Remove(back); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err := os.Link(kept, back); err != nil {
		return err
	}
	return os.Rename(back, place)
}

// sameFile says whether two names stand for one file. One that is not there is no file.
func sameFile(a, b string) (bool, error) {
	x, err := os.Lstat(a)
	if err == nil {
		var y os.FileInfo
		if y, err = os.Lstat(b); err == nil {
			return os.SameFile(x, y), nil
		}
	}
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	return false, err
}
