package eventlog_test

import (
	"context"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"roster/infra/eventlog/logtest"
)

// Callers who leave while their batch is on its way leave none open at the server, which takes only so many at once
// and waits seconds for the rest of each: those who stay are served (SPEC 10, RELIABILITY F02).
func TestAbandonedBatches(t *testing.T) {
	i, _ := openOn(t, t.TempDir(), false)
	defer i.close(t)
	var leaving sync.WaitGroup
	for range 8 {
		leaving.Go(func() {
			for range 100 {
				ctx, leave := context.WithTimeout(t.Context(), time.Duration(rand.IntN(400))*time.Microsecond)
				_, _ = i.Append(ctx, logtest.NewWrite(logtest.NewBoundary(), 0, 10), logtest.NewWrite(logtest.NewBoundary(), 0, 10))
				leave()
			}
		})
	}
	leaving.Wait()
	for range 20 {
		must(i.Append(t.Context(), logtest.NewWrite(logtest.NewBoundary(), 0, 10), logtest.NewWrite(logtest.NewBoundary(), 0, 10)))(t)
	}
}
