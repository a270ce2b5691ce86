package launch

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
)

// attributes gives a child its user, a process group of its own (an interrupt
// at the terminal is for the parent, which then stops it in order) and the
// signal it gets when the thread that starts it dies.
func attributes(a account, last syscall.Signal) *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Credential: a.credential(), Setpgid: true, Pdeathsig: last}
}

// inhabitants finds the processes of a cluster: every one of them has it as
// its working directory. recorded is the process in the server's lock file.
func inhabitants(cluster string, recorded int) inhabited {
	var found inhabited
	home, err := os.Stat(cluster)
	if err != nil {
		return found
	}
	uid, _ := ownerOf(home)
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return found
	}
	for _, entry := range entries {
		pid, err := strconv.Atoi(entry.Name())
		if err != nil || !livingServer(entry.Name()) {
			continue
		}
		cwd, err := os.Stat(filepath.Join("/proc", entry.Name(), "cwd"))
		mine := err == nil && os.SameFile(cwd, home)
		if errors.Is(err, fs.ErrPermission) {
			info, err := entry.Info()
			if err != nil {
				continue
			}
			owner, _ := ownerOf(info)
			found.unknown = found.unknown || owner == uid
			mine = owner == uid && pid == recorded
		}
		switch {
		case !mine:
		case pid == recorded:
			found.postmaster = pid
		default:
			found.orphans = append(found.orphans, pid)
		}
	}
	return found
}

// livingServer reports whether a process is PostgreSQL and not a corpse that
// nobody has collected.
func livingServer(pid string) bool {
	stat, err := os.ReadFile(filepath.Join("/proc", pid, "stat"))
	if err != nil {
		return false
	}
	open, end := bytes.IndexByte(stat, '('), bytes.LastIndexByte(stat, ')')
	if open < 0 || end < open || string(stat[open+1:end]) != "postgres" {
		return false
	}
	state := strings.TrimSpace(string(stat[end+1:]))
	return state != "" && !strings.ContainsAny(state[:1], "ZX")
}
