package snapshots_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"go.uber.org/goleak"

	"roster/domain"
	"roster/events"
	"roster/handlers"
	"roster/infra/postgres/launch/pgtest"
	"roster/infra/postgres/snapshots"
)

// The database of pgtest lives as long as the process.
func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m, goleak.IgnoreAnyFunction("roster/infra/postgres/launch.(*Server).supervise"))
}

func open(t testing.TB) (*snapshots.Snapshots, *pgxpool.Pool) {
	t.Helper()
	pool, err := pgxpool.New(t.Context(), pgtest.Database(t))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(pool.Close)
	return snapshots.New(pool, time.Minute), pool
}

func tag(n int) (t [32]byte) { copy(t[:], fmt.Sprintf("tag %d", n)); return t }

func key(n int) (k [16]byte) { k[0], k[1] = byte(n), byte(n>>8); return k }

func set(n int, value string) domain.Change {
	return domain.Change{Part: byte(n % 3), Key: key(n), Is: []byte(value)}
}

func gone(n int) domain.Change { return domain.Change{Part: byte(n % 3), Key: key(n)} }

// loaded is what is kept.
func loaded(t testing.TB, s *snapshots.Snapshots, b events.Boundary) (*handlers.KeptHead, map[[17]byte]string) {
	t.Helper()
	entries := map[[17]byte]string{}
	head, err := s.Load(t.Context(), b, func(part byte, key [16]byte, value []byte) {
		entries[[17]byte(append([]byte{part}, key[:]...))] = string(value)
	})
	if err != nil {
		t.Fatal(err)
	}
	return head, entries
}

func save(t testing.TB, s *snapshots.Snapshots, list ...handlers.KeptChange) []bool {
	t.Helper()
	done, err := s.Save(t.Context(), list)
	if err != nil {
		t.Fatal(err)
	}
	return done
}

func of(list ...domain.Change) map[[17]byte]string {
	m := map[[17]byte]string{}
	for _, c := range list {
		m[[17]byte(append([]byte{c.Part}, c.Key[:]...))] = string(c.Is)
	}
	return m
}

func TestSaveAndLoad(t *testing.T) {
	s, _ := open(t)
	a, b := events.OfAccount(events.AccountID(key(1))), events.OfUser(events.UserID(key(1))) // the same id
	if head, entries := loaded(t, s, a); head != nil || len(entries) > 0 {
		t.Fatalf("%v %v before there are tables", head, entries)
	}
	change := func(b events.Boundary, was, n int, whole bool, list ...domain.Change) handlers.KeptChange {
		c := handlers.KeptChange{Boundary: b, Whole: whole, Entries: list, Head: handlers.KeptHead{Tag: tag(n), Pos: uint64(n), Bytes: fmt.Append(nil, "head ", n)}}
		if was > 0 {
			c.Was = tag(was)
		}
		return c
	}
	for n, step := range []struct {
		change handlers.KeptChange
		done   bool
		tag    int
		want   map[[17]byte]string
	}{
		{change(a, 0, 1, true, set(1, "one"), set(2, "two"), set(3, "")), true, 1, of(set(1, "one"), set(2, "two"), set(3, ""))},
		{change(a, 0, 2, true, set(1, "other")), false, 1, of(set(1, "one"), set(2, "two"), set(3, ""))},
		{change(a, 1, 3, false, set(1, "uno"), gone(2), set(4, "four")), true, 3, of(set(1, "uno"), set(3, ""), set(4, "four"))},
		{change(a, 1, 4, false, set(1, "late")), false, 3, of(set(1, "uno"), set(3, ""), set(4, "four"))},
		{change(a, 3, 5, true, set(9, "nine")), true, 5, of(set(9, "nine"))},
		{change(a, 5, 6, false), true, 6, of(set(9, "nine"))},
	} {
		if done := save(t, s, step.change, change(b, n, n+1, n == 0, set(n, "beside"))); done[0] != step.done || !done[1] {
			t.Errorf("step %d: %v", n, done)
		}
		head, got := loaded(t, s, a)
		if head.Tag != tag(step.tag) || head.Pos != uint64(step.tag) || string(head.Bytes) != fmt.Sprint("head ", step.tag) || !maps.Equal(got, step.want) {
			t.Errorf("step %d: %+v %v, want tag %d %v", n, head, got, step.tag, step.want)
		}
	}
	if _, got := loaded(t, s, b); len(got) != 6 {
		t.Errorf("%d entries beside, of 6", len(got))
	}
}

// However many write at once, what is kept is what one of them wrote, whole: entries go with the head of whoever wrote
// them, and whoever reads meanwhile sees one moment.
func TestManyWriters(t *testing.T) {
	s, _ := open(t)
	b := events.OfAccount(events.AccountID(key(7)))
	const entries = 20
	written := func(n int) (list []domain.Change) {
		for i := range entries {
			list = append(list, set(i, fmt.Sprint(n)))
		}
		return list
	}
	save(t, s, handlers.KeptChange{Boundary: b, Whole: true, Head: handlers.KeptHead{Tag: tag(0), Pos: 1, Bytes: []byte("head")}, Entries: written(0)})
	var writers sync.WaitGroup
	for w := range 4 {
		writers.Go(func() {
			for n := range 30 {
				n = 1 + n*4 + w
				head, _ := loaded(t, s, b)
				c := handlers.KeptChange{Boundary: b, Was: head.Tag, Whole: n%3 == 0, Head: handlers.KeptHead{Tag: tag(n), Pos: head.Pos + 1, Bytes: []byte("head")}, Entries: written(n)}
				if _, err := s.Save(t.Context(), []handlers.KeptChange{c}); err != nil {
					t.Error(err)
				}
				head, got := loaded(t, s, b)
				for k, v := range got {
					if len(got) != entries || tag(atoi(v)) != head.Tag {
						t.Errorf("entry %x is of %s, the head of %s: %d entries", k, v, head.Tag[:8], len(got))
						return
					}
				}
			}
		})
	}
	writers.Wait()
}

func atoi(s string) (n int) {
	_, _ = fmt.Sscan(s, &n)
	return n
}

// A database that does not answer is not waited for, and not asked again at once.
func TestAway(t *testing.T) {
	patient, pool := open(t)
	s := snapshots.New(pool, snapshots.AnswerWithin)
	b := events.OfUser(events.UserID(key(3)))
	save(t, patient, handlers.KeptChange{Boundary: b, Whole: true, Head: handlers.KeptHead{Tag: tag(1), Pos: 1, Bytes: []byte("head")}})
	lock, err := pool.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := lock.Exec(t.Context(), `LOCK TABLE roster.snapshots`); err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	if _, err := s.Load(t.Context(), b, nil); err == nil || time.Since(began) > 5*time.Second {
		t.Errorf("%v after %s", err, time.Since(began))
	}
	if _, err := s.Load(t.Context(), b, nil); !errors.Is(err, snapshots.ErrAway) {
		t.Errorf("%v, want ErrAway", err)
	}
	if err := lock.Rollback(context.WithoutCancel(t.Context())); err != nil {
		t.Fatal(err)
	}
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(20 * time.Second); ; <-tick.C {
		head, err := s.Load(t.Context(), b, nil)
		if err == nil && head.Tag == tag(1) {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("%v, and it is back", err)
		}
	}
}

// BenchmarkLoad loads what an account with 100,000 members has: the member and the seat of its address.
func BenchmarkLoad(b *testing.B) {
	s, _ := open(b)
	for _, n := range []int{5, 200_000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			of := events.OfAccount(events.AccountID(key(n)))
			list := make([]domain.Change, n)
			for i := range list {
				list[i] = domain.Change{Part: byte(i % 2), Key: [16]byte{byte(i), byte(i >> 8), byte(i >> 16)}, Is: make([]byte, 100)}
			}
			began := time.Now()
			save(b, s, handlers.KeptChange{Boundary: of, Whole: true, Head: handlers.KeptHead{Tag: tag(1), Pos: 1, Bytes: []byte("head")}, Entries: list})
			b.ReportMetric(time.Since(began).Seconds()*1000, "ms/save")
			for b.Loop() {
				if head, err := s.Load(b.Context(), of, func(byte, [16]byte, []byte) {}); err != nil || head == nil {
					b.Fatal(err)
				}
			}
		})
	}
}
