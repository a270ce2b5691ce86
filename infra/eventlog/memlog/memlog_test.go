package memlog_test

import (
	"errors"
	"testing"

	"go.uber.org/goleak"

	"roster/events"
	"roster/handlers"
	"roster/infra/eventlog/logtest"
	"roster/infra/eventlog/memlog"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestConformance(t *testing.T) {
	logtest.Conformance(t, func(*testing.T) handlers.Log { return memlog.New() })
}

func TestFaults(t *testing.T) {
	for _, c := range []struct {
		name    string
		fault   memlog.Fault
		want    error
		written bool // at once
		later   bool // by the next append
	}{
		{"wrong last sequence", memlog.WrongLast, handlers.ErrConflict, false, false},
		{"wrong last sequence in the air", memlog.WrongLastInAir, handlers.ErrConflict, false, false},
		{"duplicate in a batch", memlog.BatchDuplicate, handlers.ErrConflict, false, false},
		{"lost acknowledgement", memlog.LostAck, handlers.ErrUnknownOutcome, true, true},
		{"never arrived", memlog.NeverArrived, handlers.ErrUnknownOutcome, false, false},
		{"late", memlog.Late, handlers.ErrUnknownOutcome, false, true},
		{"unavailable", memlog.Unavailable, handlers.ErrUnavailable, false, false},
		{"too many batches", memlog.TooManyBatches, handlers.ErrUnavailable, false, false},
		{"broken", memlog.Broken, memlog.ErrBroken, false, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			log := memlog.New()
			log.Fail(memlog.OK, c.fault)
			other := append1(t, log, logtest.NewWrite(logtest.NewBoundary(), 0, 10))
			w := logtest.NewWrite(logtest.NewBoundary(), 0, 10)
			if _, err := log.Append(t.Context(), w); !errors.Is(err, c.want) {
				t.Fatalf("got %v, want %v", err, c.want)
			}
			if got := has(t, log, w.Boundary); got != c.written {
				t.Errorf("written at once: %v, want %v", got, c.written)
			}
			if pos := append1(t, log, logtest.NewWrite(logtest.NewBoundary(), 0, 10)); pos <= other {
				t.Errorf("position %d after %d", pos, other)
			}
			if got := has(t, log, w.Boundary); got != c.later {
				t.Errorf("written later: %v, want %v", got, c.later)
			}
		})
	}
}

// A late commit is compared when it arrives, like any other.
func TestLateMeetsAnother(t *testing.T) {
	log := memlog.New()
	w := logtest.NewWrite(logtest.NewBoundary(), 0, 10)
	log.Fail(memlog.Late)
	if _, err := log.Append(t.Context(), w); !errors.Is(err, handlers.ErrUnknownOutcome) {
		t.Fatal(err)
	}
	// The retry meets the first try, which arrived in the meantime.
	if _, err := log.Append(t.Context(), w); !errors.Is(err, handlers.ErrConflict) {
		t.Fatalf("want a conflict, got %v", err)
	}
	recs, err := log.Boundary(t.Context(), w.Boundary, 0)
	if err != nil || len(recs) != 1 {
		t.Fatalf("%d records, %v", len(recs), err)
	}
}

func append1(t *testing.T, log handlers.Log, w handlers.Write) uint64 {
	t.Helper()
	positions, err := log.Append(t.Context(), w)
	if err != nil {
		t.Fatal(err)
	}
	return positions[0]
}

func has(t *testing.T, log handlers.Log, b events.Boundary) bool {
	t.Helper()
	recs, err := log.Boundary(t.Context(), b, 0)
	if err != nil {
		t.Fatal(err)
	}
	return len(recs) > 0
}
