package nats

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// ext4Magic is what statfs says of ext4.
const ext4Magic = 0xEF53

// canGroup says whether group commit keeps its promise on a directory: on ext4, where it was tried.
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

// runOf names the run of the machine in which a directory is used: this boot of the kernel, this mount of its file
// system, this directory in it. While it stays the same, what has been written is what is read, on disk or not. It is
// empty where the kernel cannot tell one mount from a later one (before Linux 6.8).
func runOf(dir string) (string, error) {
	boot, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return "", nil // no /proc: nothing is known, which is no fault
	}
	var at unix.Statx_t
	if err := unix.Statx(unix.AT_FDCWD, dir, 0, unix.STATX_INO|unix.STATX_MNT_ID_UNIQUE, &at); err != nil {
		return "", fmt.Errorf("where %s is mounted: %w", dir, err)
	}
	if at.Mask&unix.STATX_MNT_ID_UNIQUE == 0 {
		return "", nil
	}
	return fmt.Sprintf("boot %s mount %d inode %d\n", strings.TrimSpace(string(boot)), at.Mnt_id, at.Ino), nil
}
