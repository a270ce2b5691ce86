//go:build darwin || dragonfly || freebsd || netbsd || openbsd

package launch

import (
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
)

// attributes gives a child its user and a process group of its own. These
// systems cannot tie a child to its parent's death: a server left behind is
// stopped by the next Start.
func attributes(a account, _ syscall.Signal) *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Credential: a.credential(), Setpgid: true}
}

// inhabitants knows the recorded process only; the server itself refuses to
// start while orphans of an earlier one are attached to its memory.
func inhabitants(_ string, recorded int) inhabited {
	if recorded == 0 || !alive(recorded) {
		return inhabited{}
	}
	out, err := exec.Command("ps", "-o", "comm=", "-p", strconv.Itoa(recorded)).Output()
	if err != nil || filepath.Base(strings.TrimSpace(string(out))) != "postgres" {
		return inhabited{}
	}
	return inhabited{postmaster: recorded}
}
