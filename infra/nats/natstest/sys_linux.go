package natstest

import "syscall"

// attributes have the server die with who started it, and keep an interrupt at the terminal from it.
func attributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}
