package seen_test

import (
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgxpool"

	"roster/events"
	"roster/infra/postgres/launch/pgtest"
	"roster/infra/seen"
)

func TestSeen(t *testing.T) {
	pool, err := pgxpool.New(t.Context(), pgtest.Database(t))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(pool.Close)
	a, b := seen.New(pool), seen.New(pool) // two copies
	one, other := events.SessionID(uuid.New()), events.SessionID(uuid.New())
	at := time.Date(2026, 6, 1, 12, 0, 0, 0, time.UTC)
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	if last, err := b.Last(t.Context(), []events.SessionID{one}); err != nil || len(last) != 0 {
		t.Errorf("before anything: %v, %v", last, err)
	}
	must(a.Note(t.Context(), map[events.SessionID]time.Time{one: at, other: at}))
	must(b.Note(t.Context(), map[events.SessionID]time.Time{one: at.Add(time.Minute)}))
	must(a.Note(t.Context(), map[events.SessionID]time.Time{one: at.Add(time.Second)})) // late
	last, err := b.Last(t.Context(), []events.SessionID{one, other, events.SessionID(uuid.New())})
	if err != nil || len(last) != 2 || !last[one].Equal(at.Add(time.Minute)) || !last[other].Equal(at) {
		t.Errorf("SPEC 4.6: %v, %v", last, err)
	}
	must(b.Tidy(t.Context(), at.Add(time.Second)))
	if last, err := a.Last(t.Context(), []events.SessionID{one, other}); err != nil || len(last) != 1 {
		t.Errorf("tidied: %v, %v", last, err)
	}
}
