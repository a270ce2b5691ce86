package password

import (
	"context"
	"crypto/rand"
	"errors"
	"testing"
	"time"
)

// With all slots taken, whoever waits leaves with the context and hashes nothing.
func TestWaitingLeaves(t *testing.T) {
	h, err := New(Params{MemoryKiB: 64, Time: 1, Threads: 1}, 2, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	for range cap(h.slots) {
		h.slots <- struct{}{}
	}
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Millisecond)
	defer cancel()
	if err := h.Dummy(ctx, "x"); !errors.Is(err, context.DeadlineExceeded) {
		t.Error(err)
	}
	<-h.slots
	if err := h.Dummy(t.Context(), "x"); err != nil {
		t.Error("with a free slot:", err)
	}
	if len(h.slots) != cap(h.slots)-1 {
		t.Errorf("%d slots taken", len(h.slots))
	}
}
