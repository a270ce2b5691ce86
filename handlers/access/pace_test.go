package access_test

import (
	"context"
	"testing"
	"time"

	"roster/handlers/access"
)

// S13: a quick answer takes as long as the slow ones before it, and nobody who has gone is waited for.
func TestPace(t *testing.T) {
	t.Parallel()
	var p access.Pace
	begin := time.Now()
	p.Hold(t.Context(), begin.Add(-80*time.Millisecond)) // an answer that took 80 ms
	if took := time.Since(begin); took > 60*time.Millisecond {
		t.Errorf("the longest one was kept for %s", took)
	}
	begin = time.Now()
	p.Hold(t.Context(), begin)
	if took := time.Since(begin); took < 100*time.Millisecond {
		t.Errorf("a quick one was answered after %s", took)
	}
	var quick access.Pace
	for range 5 { // of which each is the longest so far, or not
		begin = time.Now()
		quick.Hold(t.Context(), begin)
		if took := time.Since(begin); took < 25*time.Millisecond {
			t.Errorf("S13: one that wrote little was answered after %s", took)
		}
	}
	p.Hold(t.Context(), time.Now().Add(-time.Hour))
	gone, leave := context.WithCancel(t.Context())
	leave()
	begin = time.Now()
	if p.Hold(gone, begin); time.Since(begin) > 500*time.Millisecond {
		t.Error("somebody who has gone is kept")
	}
	begin = time.Now()
	p.Hold(t.Context(), begin)
	if took := time.Since(begin); took < time.Second || took > 5*time.Second {
		t.Errorf("after an answer that took an hour: %s", took)
	}
}
