package eventlog

import (
	"testing"

	"roster/events"
)

func slotsOf(first uint64, more ...bool) (slots []slot) {
	for i, m := range more {
		slots = append(slots, slot{events.Record{Pos: first + uint64(i), Boundary: events.Tree(), Payload: []byte{byte(first) + byte(i)}}, m})
	}
	return slots
}

// Whatever the order in which callers hand over what they appended, the ring shows it in the order of the log, without
// a hole, each record once and a batch in one piece.
func TestOfferedInAnyOrder(t *testing.T) {
	r := newRing(0, 64, 1<<20)
	shown := func(want uint64) {
		t.Helper()
		if r.end() != want {
			t.Fatalf("the ring ends at %d, want %d", r.end(), want)
		}
		if want == 0 {
			return
		}
		recs, behind, _, err := r.read(0, 100)
		if err != nil || behind || uint64(len(recs)) != want {
			t.Fatalf("%d records, behind %v, %v", len(recs), behind, err)
		}
		for i, rec := range recs {
			if rec.Pos != uint64(i+1) || rec.Payload[0] != byte(i+1) {
				t.Fatalf("record %d is at %d with %v", i+1, rec.Pos, rec.Payload)
			}
		}
	}
	offer := func(hole bool, slots ...slot) {
		t.Helper()
		if got := r.offer(slots...); got != hole {
			t.Fatalf("position %d leaves a hole: %v, want %v", slots[0].rec.Pos, got, hole)
		}
	}
	offer(true, slotsOf(3, true, true, false)...)
	offer(true, slotsOf(6, false)...)
	shown(0)
	offer(true, slotsOf(2, false)...)
	offer(false, slotsOf(1, false)...)
	shown(6)
	offer(false, slotsOf(3, true, true, false)...) // read from the log meanwhile
	shown(6)
	offer(true, slotsOf(8, false)...)
	offer(true, slotsOf(10, false)...)
	offer(false, slotsOf(5, false, false, false, false, false, false)...) // the log's own page, over what there is and what came early
	shown(10)
	offer(false, slotsOf(11, false)...)
	shown(11)
	if len(r.early) > 0 {
		t.Errorf("%d are kept for nothing", len(r.early))
	}
}

// What comes early is kept up to a bound; the rest is read from the log.
func TestEarlyIsBounded(t *testing.T) {
	r := newRing(0, 64, 1<<20)
	for pos := uint64(2); pos < 2+2*maxEarly; pos++ {
		if !r.offer(slotsOf(pos, false)...) {
			t.Fatal("no hole")
		}
	}
	if len(r.early) != maxEarly {
		t.Errorf("%d are kept", len(r.early))
	}
}
