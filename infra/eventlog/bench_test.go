package eventlog_test

import (
	"strconv"
	"sync/atomic"
	"testing"
	"time"

	"roster/infra/eventlog/logtest"
)

// BenchmarkAppend appends commits of 400 bytes from 1, 64 or 256 callers, each to a boundary of its own.
func BenchmarkAppend(b *testing.B) {
	benchmark(b, func(b *testing.B) *instance { return open(b, b.TempDir()) })
}

// BenchmarkAppendSyncAlways is BenchmarkAppend on a server that syncs every message.
func BenchmarkAppendSyncAlways(b *testing.B) {
	benchmark(b, func(b *testing.B) *instance { return always(b, b.TempDir()) })
}

func benchmark(b *testing.B, open func(*testing.B) *instance) {
	for _, callers := range []int{1, 64, 256} {
		b.Run(strconv.Itoa(callers), func(b *testing.B) {
			i := open(b)
			defer i.close(b)
			var left atomic.Int64
			left.Store(int64(b.N))
			done := make(chan error)
			b.ResetTimer()
			begin := time.Now()
			for range callers {
				go func() {
					boundary, after := logtest.NewBoundary(), uint64(0)
					for left.Add(-1) >= 0 {
						positions, err := i.Append(b.Context(), logtest.NewWrite(boundary, after, 400))
						if err != nil {
							done <- err
							return
						}
						after = positions[0]
					}
					done <- nil
				}()
			}
			for range callers {
				if err := <-done; err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(b.N)/time.Since(begin).Seconds(), "commits/s")
		})
	}
}
