//go:build !linux

package access

import "time"

func rest(d time.Duration) { time.Sleep(d) }
