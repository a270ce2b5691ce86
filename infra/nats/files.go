package nats

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// How the server lays a stream out: its settings in two files, its messages in numbered blocks of which only the
// newest grows. A secure delete replaces a block by a file of the same name. index.db is not ours to sync: it is a
// short cut that the server checks against the newest block, and rebuilds from all blocks when it is old or gone.
const (
	streamsBelow = "jetstream/$G/streams"
	blocksBelow  = "msgs"
	blockSuffix  = ".blk"
)

// files are the files of one stream. One goroutine at a time syncs them.
type files struct {
	root   string // the server's directory
	stream string // the stream's
	kept   string // where second links stand, see keep
	newest int    // number of the newest block that has been synced; 0: none
	// held is the newest block as it was synced last. It stays open, so that no other file can pass for it.
	held *os.File
	is   os.FileInfo             // of the one that is held
	data func(*os.File) error    // syncs contents and length
	all  func(name string) error // syncs a file or directory with all there is to it
}

func newFiles(root, stream string) *files {
	return &files{root: root, stream: filepath.Join(root, filepath.FromSlash(streamsBelow), stream),
		kept: filepath.Join(root, keptBelow, stream), data: syncData, all: syncAll}
}

// sync puts on disk what has been appended since the last sync; with whole, everything that there is.
func (f *files) sync(whole bool) error {
	if whole {
		return f.whole()
	}
	return f.tail()
}

// tail syncs the newest block of the last time and those that came after it, and the directory if any did. Which
// there are is looked up first: a block is whole once the next one exists, so all but the last of them are done
// with, and that one comes again next time. Had it been synced before the look, what was appended between the two
// would never be. Older blocks do not grow, and when one is replaced or removed a whole sync follows. Until it has,
// what is appended to a newest block that was replaced counts only with the directory: a power cut would bring the
// file of before back, which has none of it.
func (f *files) tail() error {
	last := f.newest
	for {
		_, err := os.Stat(f.block(last + 1))
		if errors.Is(err, fs.ErrNotExist) {
			break
		}
		if err != nil {
			return err
		}
		last++
	}
	fresh := false
	for n := f.newest; n <= last; n++ {
		other, err := f.syncBlock(n)
		if errors.Is(err, fs.ErrNotExist) {
			return f.whole() // the first block, or all messages of this one were erased
		}
		if err != nil {
			return err
		}
		fresh = fresh || other
	}
	for ; f.newest < last; f.newest++ { // it grows no more
		if err := f.keep(f.block(f.newest)); err != nil {
			return err
		}
	}
	if !fresh {
		return nil
	}
	return f.all(filepath.Join(f.stream, blocksBelow))
}

// syncBlock syncs a block and holds it, and says whether it is another file than the one that was held.
func (f *files) syncBlock(n int) (other bool, err error) {
	now, err := os.Stat(f.block(n))
	if err != nil {
		return false, err
	}
	if f.held != nil && os.SameFile(now, f.is) {
		return false, f.data(f.held)
	}
	file, err := os.Open(f.block(n))
	if err != nil {
		return false, err
	}
	if err := f.data(file); err != nil {
		return false, errors.Join(err, file.Close())
	}
	is, err := file.Stat()
	if err != nil {
		return false, errors.Join(err, file.Close())
	}
	err = f.close()
	f.held, f.is = file, is
	return true, err
}

func (f *files) close() error {
	if f.held == nil {
		return nil
	}
	file := f.held
	f.held = nil
	return file.Close()
}

func (f *files) whole() error {
	if err := f.close(); err != nil {
		return err
	}
	for _, name := range []string{"meta.inf", "meta.sum"} {
		name = filepath.Join(f.stream, name)
		if err := errors.Join(f.all(name), f.keep(name)); err != nil {
			return err
		}
	}
	msgs := filepath.Join(f.stream, blocksBelow)
	entries, err := os.ReadDir(msgs)
	if err != nil {
		return err
	}
	var blocks []int // as they are now: after a cut, one that was older may be the newest
	for _, e := range entries {
		number, ok := strings.CutSuffix(e.Name(), blockSuffix)
		n, err := strconv.Atoi(number)
		if !ok || err != nil {
			continue
		}
		err = f.all(f.block(n))
		if err != nil && !errors.Is(err, fs.ErrNotExist) { // removed meanwhile: all its messages were erased
			return err
		}
		f.newest = max(f.newest, n)
		blocks = append(blocks, n)
	}
	last := 0
	if len(blocks) > 0 {
		last = slices.Max(blocks)
	}
	for _, n := range blocks {
		if n < last {
			if err := f.keep(f.block(n)); err != nil {
				return err
			}
		}
	}
	if err := f.forget(last); err != nil {
		return err
	}
	// From the files upwards: a directory's entry counts once what it names is there.
	for dir := msgs; ; dir = filepath.Dir(dir) {
		if err := f.all(dir); err != nil {
			return err
		}
		if dir == f.root {
			return nil
		}
	}
}

func (f *files) block(n int) string {
	return filepath.Join(f.stream, blocksBelow, strconv.Itoa(n)+blockSuffix)
}

// syncAll syncs a file or a directory with all that the file system knows of it.
func syncAll(name string) error {
	file, err := os.Open(name)
	if err != nil {
		return err
	}
	return errors.Join(file.Sync(), file.Close())
}
