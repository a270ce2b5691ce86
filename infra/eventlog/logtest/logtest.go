// Package logtest is the suite that every handlers.Log passes.
package logtest

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"slices"
	"strconv"
	"testing"
	"time"

	"roster/events"
	"roster/handlers"
)

const (
	patience = time.Minute     // for one test
	promptly = 5 * time.Second // for what must not wait
)

// Conformance runs the suite. open makes an empty log and closes it when the test ends.
func Conformance(t *testing.T, open func(t *testing.T) handlers.Log) {
	for _, c := range []struct {
		name string
		run  func(*run)
	}{
		{"an empty log", emptyLog},
		{"positions grow by one", positions},
		{"a wrong position is a conflict", conflicts},
		{"a batch is written whole", wholeBatch},
		{"a boundary has a beginning", beginnings},
		{"a batch with one stale boundary writes nothing", staleBatch},
		{"what no log takes", refused},
		{"a repeated commit is a conflict and is there", repeated},
		{"an id of another boundary is a fault", stolenID},
		{"a boundary's commits", boundaries},
		{"2,000 commits in one boundary", long},
		{"big payloads", big},
		{"readers follow", follow},
		{"a page never ends inside a batch", pages},
		{"a follower never sees a part of a batch", followBatches},
		{"16 writers on one boundary", race},
		{"concurrent batches", raceBatches},
		{"the last position is never behind an acknowledgement", lastIsFresh},
		{"a cancelled context ends every call", cancelled},
	} {
		t.Run(c.name, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), patience)
			defer cancel()
			c.run(&run{T: t, ctx: ctx, log: open(t)})
		})
	}
}

type run struct {
	*testing.T
	ctx context.Context
	log handlers.Log
}

// NewBoundary is a boundary that nobody has written to.
func NewBoundary() events.Boundary {
	var id events.UserID
	_, _ = rand.Read(id[:]) // never fails
	return events.OfUser(id)
}

// NewWrite is a commit of its own with a payload of at least size bytes.
func NewWrite(b events.Boundary, after uint64, size int) handlers.Write {
	w := handlers.Write{Boundary: b, After: after}
	_, _ = rand.Read(w.ID[:])
	w.Payload = slices.Concat([]byte(w.ID.String()), bytes.Repeat([]byte{'x'}, max(0, size-22)))
	return w
}

func (r *run) append(ws ...handlers.Write) []uint64 {
	r.Helper()
	positions, err := r.log.Append(r.ctx, ws...)
	if err != nil {
		r.Fatalf("append: %v", err)
	}
	if len(positions) != len(ws) {
		r.Fatalf("%d positions for %d commits", len(positions), len(ws))
	}
	return positions
}

// commit appends one small commit and answers its position.
func (r *run) commit(b events.Boundary, after uint64) uint64 {
	r.Helper()
	return r.append(NewWrite(b, after, 100))[0]
}

func (r *run) last() uint64 {
	r.Helper()
	last, err := r.log.Last(r.ctx)
	if err != nil {
		r.Fatalf("last: %v", err)
	}
	return last
}

func (r *run) boundary(b events.Boundary, after uint64) []events.Record {
	r.Helper()
	recs, err := r.log.Boundary(r.ctx, b, after)
	if err != nil {
		r.Fatalf("boundary: %v", err)
	}
	return recs
}

// all reads from after to the log's last position in pages and checks that there is no hole.
func (r *run) all(after uint64, limit int) []events.Record {
	r.Helper()
	var recs []events.Record
	for last := r.last(); after < last; {
		page, err := r.log.Read(r.ctx, after, limit)
		if err != nil {
			r.Fatalf("read after %d: %v", after, err)
		}
		if len(page) == 0 {
			r.Fatalf("read after %d: an empty page", after)
		}
		for _, rec := range page {
			if rec.Pos != after+1 {
				r.Fatalf("position %d after %d", rec.Pos, after)
			}
			after = rec.Pos
		}
		recs = append(recs, page...)
	}
	return recs
}

func (r *run) same(got, want []events.Record) {
	r.Helper()
	if len(got) != len(want) {
		r.Fatalf("%d records, want %d", len(got), len(want))
	}
	for i := range got {
		if got[i].Pos != want[i].Pos || got[i].Boundary != want[i].Boundary || !bytes.Equal(got[i].Payload, want[i].Payload) {
			r.Fatalf("record %d is %d of %s, want %d of %s, or its bytes differ", i, got[i].Pos, got[i].Boundary,
				want[i].Pos, want[i].Boundary)
		}
		if got[i].Hash() != want[i].Hash() {
			r.Fatalf("record %d has another hash", i)
		}
	}
}

func (r *run) conflict(ws ...handlers.Write) {
	r.Helper()
	before := r.last()
	if _, err := r.log.Append(r.ctx, ws...); !errors.Is(err, handlers.ErrConflict) {
		r.Fatalf("want a conflict, got %v", err)
	}
	if last := r.last(); last != before {
		r.Fatalf("a conflict moved the log from %d to %d", before, last)
	}
}

func (r *run) fault(what string, ws ...handlers.Write) {
	r.Helper()
	before := r.last()
	_, err := r.log.Append(r.ctx, ws...)
	if err == nil || errors.Is(err, handlers.ErrConflict) || errors.Is(err, handlers.ErrUnavailable) ||
		errors.Is(err, handlers.ErrUnknownOutcome) {
		r.Fatalf("%s: want a fault, got %v", what, err)
	}
	if last := r.last(); last != before {
		r.Fatalf("%s moved the log from %d to %d", what, before, last)
	}
}

func record(w handlers.Write, pos uint64) events.Record {
	return events.Record{Pos: pos, Boundary: w.Boundary, Payload: w.Payload}
}

func emptyLog(r *run) {
	if last := r.last(); last != 0 {
		r.Fatalf("last is %d", last)
	}
	if recs := r.boundary(events.System(), 0); len(recs) != 0 {
		r.Fatalf("%d records", len(recs))
	}
	if recs := r.boundary(events.System(), 7); len(recs) != 0 {
		r.Fatalf("%d records", len(recs))
	}
	if _, err := r.log.Boundary(r.ctx, events.Boundary{Kind: "*"}, 0); err == nil {
		r.Fatal("a wildcard was read")
	}
}

func positions(r *run) {
	want := uint64(0)
	for _, b := range []events.Boundary{events.System(), events.Tree(), events.Portal(), NewBoundary(), NewBoundary()} {
		for after := uint64(0); after < want+1; {
			want++
			if after = r.commit(b, after); after != want {
				r.Fatalf("position %d, want %d", after, want)
			}
			if want%3 == 0 {
				break
			}
		}
	}
	if last := r.last(); last != want {
		r.Fatalf("last is %d, want %d", last, want)
	}
}

func conflicts(r *run) {
	a, b := NewBoundary(), NewBoundary()
	r.conflict(NewWrite(a, 1, 10)) // of an empty log
	first := r.commit(a, 0)
	other := r.commit(b, 0)
	second := r.commit(a, first)
	for _, after := range []uint64{0, first, other, second + 1, second + 1000} {
		r.conflict(NewWrite(a, after, 10))
	}
	r.commit(a, second)
}

func wholeBatch(r *run) {
	a, b := NewBoundary(), NewBoundary()
	before := r.commit(b, 0)
	ws := []handlers.Write{NewWrite(a, 0, 50), NewWrite(b, before, 3000), NewWrite(events.Tree(), 0, 10)}
	var want []events.Record
	for i, pos := range r.append(ws...) {
		if pos != before+1+uint64(i) {
			r.Fatalf("part %d at %d, want %d", i, pos, before+1+uint64(i))
		}
		want = append(want, record(ws[i], pos))
	}
	r.same(r.all(before, 10), want)
	for i, w := range ws {
		r.same(r.boundary(w.Boundary, before), want[i:i+1])
	}
}

func beginnings(r *run) {
	b := NewBoundary()
	for n, last := 0, uint64(0); n < 5; n++ {
		whole := r.boundary(b, 0)
		for limit := 1; limit <= 6; limit++ {
			recs, all, err := r.log.Beginning(r.ctx, b, limit)
			if err != nil || all != (n <= limit) {
				r.Fatalf("at most %d of %d: all is %t, %v", limit, n, all, err)
			}
			r.same(recs, whole[:min(n, limit)])
		}
		last = r.commit(b, last)
		r.commit(NewBoundary(), 0)
	}
	if _, _, err := r.log.Beginning(r.ctx, events.Boundary{Kind: "*"}, 1); err == nil {
		r.Fatal("a wildcard was read")
	}
}

func staleBatch(r *run) {
	held, free1, free2 := NewBoundary(), NewBoundary(), NewBoundary()
	pos := r.commit(held, 0)
	for stale := range 3 {
		ws := []handlers.Write{NewWrite(free1, 0, 10), NewWrite(free2, 0, 10)}
		r.conflict(slices.Insert(ws, stale, NewWrite(held, 0, 10))...)
	}
	for _, b := range []events.Boundary{free1, free2} {
		if recs := r.boundary(b, 0); len(recs) != 0 {
			r.Fatalf("%d records of a refused batch", len(recs))
		}
	}
	r.append(NewWrite(free1, 0, 10), NewWrite(held, pos, 10), NewWrite(free2, 0, 10))
}

func refused(r *run) {
	a := NewBoundary()
	w := NewWrite(a, 0, 10)
	twin := NewWrite(NewBoundary(), 0, 10)
	twin.ID = w.ID
	anonymous := NewWrite(a, 0, 10)
	anonymous.ID = events.CommitID{}
	hollow := NewWrite(a, 0, 10)
	hollow.Payload = nil
	r.fault("nothing at all")
	r.fault("a boundary twice in a batch", w, NewWrite(a, 0, 10))
	r.fault("a commit twice in a batch", w, twin)
	r.fault("a commit without id", anonymous)
	r.fault("a commit without payload", hollow)
	r.fault("a commit that is too big", NewWrite(a, 0, events.MaxCommitBytes+1))
	r.fault("no boundary", handlers.Write{ID: w.ID, Payload: w.Payload})
	r.fault("a wildcard", handlers.Write{Boundary: events.Boundary{Kind: ">"}, ID: w.ID, Payload: w.Payload})
	r.append(w)
}

func repeated(r *run) {
	w := NewWrite(NewBoundary(), 0, 100)
	pos := r.append(w)[0]
	r.conflict(w)
	r.same(r.boundary(w.Boundary, 0), []events.Record{record(w, pos)})
	again := w
	again.After = pos // by somebody who has not looked
	r.conflict(again)

	ws := []handlers.Write{NewWrite(w.Boundary, pos, 100), NewWrite(NewBoundary(), 0, 100)}
	positions := r.append(ws...)
	r.conflict(ws...)
	ws[0].After, ws[1].After = positions[0], positions[1]
	r.conflict(ws...)
	r.conflict(ws[1], NewWrite(NewBoundary(), 0, 100))
}

func stolenID(r *run) {
	w := NewWrite(NewBoundary(), 0, 100)
	r.append(w)
	w.Boundary = NewBoundary()
	r.fault("an id of another boundary", w)
}

func boundaries(r *run) {
	list := []events.Boundary{NewBoundary(), NewBoundary(), events.Portal()}
	want := map[events.Boundary][]events.Record{}
	for i := range 60 {
		b := list[i*i%7%3]
		after := uint64(0)
		if n := len(want[b]); n > 0 {
			after = want[b][n-1].Pos
		}
		w := NewWrite(b, after, 20+i*10)
		want[b] = append(want[b], record(w, r.append(w)[0]))
	}
	for b, recs := range want {
		r.same(r.boundary(b, 0), recs)
		for i, rec := range recs {
			r.same(r.boundary(b, rec.Pos), recs[i+1:])
			r.same(r.boundary(b, rec.Pos-1), recs[i:])
		}
		r.same(r.boundary(b, r.last()+10), nil)
	}
}

func long(r *run) {
	const n = 2000
	b := NewBoundary()
	want := make([]events.Record, 0, n)
	after := uint64(0)
	for range n {
		w := NewWrite(b, after, 200)
		after = r.append(w)[0]
		want = append(want, record(w, after))
	}
	r.same(r.boundary(b, 0), want)
	r.same(r.boundary(b, want[n/2].Pos), want[n/2+1:])
	for _, limit := range []int{97, n, 5 * n} {
		r.same(r.all(0, limit), want) // from far behind
	}
	r.same(r.all(n/2, 600), want[n/2:])
	r.same(r.all(n-10, 3), want[n-10:])
}

func big(r *run) {
	b := NewBoundary()
	var want []events.Record
	after := uint64(0)
	for i := range 24 {
		size := 250 << 10
		if i == 11 {
			size = events.MaxCommitBytes
		}
		w := NewWrite(b, after, size)
		after = r.append(w)[0]
		want = append(want, record(w, after))
	}
	r.same(r.boundary(b, 0), want)
	r.same(r.all(0, 100), want)
	r.same(r.all(20, 100), want[20:])
	ws := []handlers.Write{NewWrite(b, after, 250<<10), NewWrite(NewBoundary(), 0, 250<<10)}
	r.append(ws...)
	r.same(r.all(after, 1), []events.Record{record(ws[0], after+1), record(ws[1], after+2)})
}

func cancelled(r *run) {
	for _, at := range []uint64{0, 5} {
		ctx, cancel := context.WithCancel(r.ctx)
		done := make(chan error)
		go func() {
			_, err := r.log.Read(ctx, at, 10)
			done <- err
		}()
		cancel()
		r.ends(done, context.Canceled)
	}
	ctx, cancel := context.WithTimeout(r.ctx, 20*time.Millisecond)
	defer cancel()
	done := make(chan error)
	go func() {
		_, err := r.log.Read(ctx, 0, 10)
		done <- err
	}()
	r.ends(done, context.DeadlineExceeded)

	gone, cancelGone := context.WithCancel(r.ctx)
	cancelGone()
	for n, call := range []func() error{
		func() error { _, err := r.log.Append(gone, NewWrite(NewBoundary(), 0, 10)); return err },
		func() error {
			_, err := r.log.Append(gone, NewWrite(NewBoundary(), 0, 10), NewWrite(NewBoundary(), 0, 10))
			return err
		},
		func() error { _, err := r.log.Boundary(gone, NewBoundary(), 0); return err },
		func() error { _, err := r.log.Read(gone, 0, 1); return err },
	} {
		go func() { done <- call() }()
		r.Log("call " + strconv.Itoa(n))
		r.ends(done, context.Canceled)
	}
	if last := r.last(); last != 0 {
		r.Fatalf("a cancelled append wrote up to %d", last)
	}
	_, err := r.log.Append(gone, NewWrite(NewBoundary(), 0, 10))
	if !errors.Is(err, handlers.ErrUnavailable) {
		r.Fatalf("cancelled before it was sent: %v", err)
	}
}

func (r *run) ends(done <-chan error, want error) {
	r.Helper()
	select {
	case err := <-done:
		if !errors.Is(err, want) {
			r.Fatalf("got %v, want %v", err, want)
		}
	case <-time.After(promptly):
		r.Fatal("does not end")
	}
}
