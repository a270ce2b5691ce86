//go:build !(linux || darwin || dragonfly || freebsd || netbsd || openbsd)

package launch

import (
	"errors"
	"io/fs"
	"os"
	"syscall"
)

// Start refuses on these systems; the rest only has to compile.
const supported = false

func attributes(account, syscall.Signal) *syscall.SysProcAttr { return nil }
func inhabitants(string, int) inhabited                       { return inhabited{} }
func ownerOf(fs.FileInfo) (uid, gid uint32)                   { return 0, 0 }
func tryLock(*os.File) (bool, error)                          { return false, errors.ErrUnsupported }
func alive(int) bool                                          { return false }
func send(int, syscall.Signal) error                          { return errors.ErrUnsupported }
