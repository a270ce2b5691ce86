package nats

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
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
	newest int    // number of the newest block that has been synced; 0: none
	data   func(name string) error
	all    func(name string) error
}

func newFiles(root, stream string) *files {
	return &files{root: root, stream: filepath.Join(root, filepath.FromSlash(streamsBelow), stream), data: syncData, all: syncAll}
}

// sync puts on disk what has been appended since the last sync; with whole, everything that there is.
func (f *files) sync(whole bool) error {
	if whole {
		return f.whole()
	}
	return f.tail()
}

// tail syncs the newest block of the last time and those that came after it, and the directory if any did. Blocks
// before it do not grow, and when one is replaced or removed a whole sync follows.
func (f *files) tail() error {
	before := f.newest
	for n := before; ; n++ {
		err := f.data(f.block(n))
		if errors.Is(err, fs.ErrNotExist) && n > before {
			break
		}
		if errors.Is(err, fs.ErrNotExist) {
			return f.whole() // the first block, or all messages of this one were erased
		}
		if err != nil {
			return err
		}
		f.newest = n
	}
	if f.newest == before {
		return nil
	}
	return f.all(filepath.Join(f.stream, blocksBelow))
}

func (f *files) whole() error {
	for _, name := range []string{"meta.inf", "meta.sum"} {
		if err := f.all(filepath.Join(f.stream, name)); err != nil {
			return err
		}
	}
	msgs := filepath.Join(f.stream, blocksBelow)
	entries, err := os.ReadDir(msgs)
	if err != nil {
		return err
	}
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
	return synced(name, (*os.File).Sync)
}

func synced(name string, sync func(*os.File) error) error {
	file, err := os.Open(name)
	if err != nil {
		return err
	}
	return errors.Join(sync(file), file.Close())
}
