package access

import (
	"syscall"
	"time"
)

// rest sleeps for about so long, to some 0.1 ms, or less where a signal wakes the thread.
func rest(d time.Duration) {
	t := syscall.NsecToTimespec(d.Nanoseconds())
	_ = syscall.Nanosleep(&t, nil) // who rests looks at the clock
}
