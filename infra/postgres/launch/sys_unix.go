//go:build linux || darwin || dragonfly || freebsd || netbsd || openbsd

package launch

import (
	"errors"
	"io/fs"
	"os"
	"syscall"
)

const supported = true

// credential is nil when the server runs as the user this process runs as.
func (a account) credential() *syscall.Credential {
	if !a.other {
		return nil
	}
	return &syscall.Credential{Uid: a.uid, Gid: a.gid}
}

func ownerOf(info fs.FileInfo) (uid, gid uint32) {
	if stat, ok := info.Sys().(*syscall.Stat_t); ok {
		return stat.Uid, stat.Gid
	}
	return 0, 0
}

// tryLock takes the lock of an open file, or says that another process has it.
// It goes when the file is closed, at the latest with the process.
func tryLock(f *os.File) (taken bool, err error) {
	err = syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	if errors.Is(err, syscall.EWOULDBLOCK) || errors.Is(err, syscall.EINTR) {
		return false, nil
	}
	return err == nil, err
}

func alive(pid int) bool {
	err := syscall.Kill(pid, 0)
	return err == nil || errors.Is(err, syscall.EPERM)
}

func send(pid int, sig syscall.Signal) error { return syscall.Kill(pid, sig) }
