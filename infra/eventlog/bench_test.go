package eventlog_test

import (
	"strconv"
	"sync/atomic"
	"testing"
	"time"

	"roster/infra/eventlog/logtest"
)

// BenchmarkAppend appends commits of 400 bytes from one or 64 callers, each to a boundary of its own.
func BenchmarkAppend(b *testing.B) {
	for _, callers := range []int{1, 64} {
		b.Run(strconv.Itoa(callers), func(b *testing.B) {
			i := open(b, b.TempDir())
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
