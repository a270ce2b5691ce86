package nats

import (
	"errors"
	"fmt"
	"os"
	"syscall"
)

// ext4Magic is what statfs says of ext4.
const ext4Magic = 0xEF53

// canGroup says whether group commit keeps its promise on a directory: on ext4, where it was tried, and where a file
// that is renamed over another has its contents written first (the server compacts blocks that way).
func canGroup(dir string) (bool, error) {
	var st syscall.Statfs_t
	if err := syscall.Statfs(dir, &st); err != nil {
		return false, fmt.Errorf("file system of %s: %w", dir, err)
	}
	return st.Type == ext4Magic, nil
}

// syncData syncs a file's contents and length.
func syncData(file *os.File) error {
	for {
		err := syscall.Fdatasync(int(file.Fd()))
		if !errors.Is(err, syscall.EINTR) {
			return os.NewSyscallError("fdatasync "+file.Name(), err)
		}
	}
}
