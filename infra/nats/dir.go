package nats

import (
	"errors"
	"fmt"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"strings"
	"syscall"
)

const lockName = "roster.lock"

// dirLock is held by one process at a time; the kernel frees it when that process ends, however it ends.
type dirLock struct{ file *os.File }

func lockDir(dir string) (*dirLock, error) {
	if dir == "" {
		return nil, errors.New("embedded NATS: no directory given")
	}
	if err := makeDir(dir); err != nil {
		return nil, fmt.Errorf("the data directory %s cannot be made: %w", dir, reason(err))
	}
	file, err := os.OpenFile(filepath.Join(dir, lockName), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("the data directory %s cannot be written: %w", dir, reason(err))
	}
	err = syscall.Flock(int(file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	if err != nil {
		defer file.Close()
		if !errors.Is(err, syscall.EWOULDBLOCK) {
			return nil, fmt.Errorf("the data directory %s cannot be locked: %w", dir, err)
		}
		holder, _ := os.ReadFile(file.Name())
		return nil, fmt.Errorf("the data directory %s is in use by another process (%s)", dir,
			strings.TrimSpace("pid "+string(holder)))
	}
	if err := note(file); err != nil {
		return nil, errors.Join(fmt.Errorf("the data directory %s cannot be written: %w", dir, reason(err)), file.Close())
	}
	return &dirLock{file}, nil
}

// makeDir makes a directory that outlives a power cut, with those above it that are missing.
func makeDir(dir string) error {
	_, err := os.Stat(dir)
	if !errors.Is(err, fs.ErrNotExist) {
		return os.MkdirAll(dir, 0o700) // it is there, or not a directory
	}
	above := filepath.Dir(dir)
	if err := makeDir(above); err != nil {
		return err
	}
	if err := os.Mkdir(dir, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	return syncAll(above)
}

// note writes who holds the lock, for whoever is refused.
func note(file *os.File) error {
	if err := file.Truncate(0); err != nil {
		return err
	}
	_, err := file.WriteAt(fmt.Appendf(nil, "%d\n", os.Getpid()), 0)
	return err
}

func (l *dirLock) release() error { return l.file.Close() }

// reason is an error without the path, which the message names already.
func reason(err error) error {
	if e, ok := errors.AsType[*fs.PathError](err); ok {
		return e.Err
	}
	return err
}

func usedBytes(dir string) (int64, error) {
	var sum int64
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if path == filepath.Join(dir, keptBelow) {
			return fs.SkipDir // what stands there stands in a stream too
		}
		if d.Type().IsRegular() {
			info, err := d.Info()
			if err != nil {
				return err
			}
			sum += info.Size()
		}
		return nil
	})
	return sum, err
}

func freeBytes(dir string) (int64, error) {
	var st syscall.Statfs_t
	if err := syscall.Statfs(dir, &st); err != nil {
		return 0, fmt.Errorf("free space of %s: %w", dir, err)
	}
	size := uint64(st.Bsize)
	return int64(min(uint64(st.Bavail), math.MaxInt64/size) * size), nil
}
