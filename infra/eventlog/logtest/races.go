package logtest

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"

	"roster/events"
	"roster/handlers"
)

// each runs n goroutines and reports their errors.
func (r *run) each(n int, do func(i int) error) {
	r.Helper()
	var wg sync.WaitGroup
	errs := make([]error, n)
	for i := range n {
		wg.Go(func() { errs[i] = do(i) })
	}
	wg.Wait()
	if err := errors.Join(errs...); err != nil {
		r.Fatal(err)
	}
}

// tail reads from 0 until a position, in pages, and hands each page over.
func (r *run) tail(until uint64, limit int, page func([]events.Record) error) error {
	for after := uint64(0); after < until; {
		recs, err := r.log.Read(r.ctx, after, limit)
		if err != nil {
			return err
		}
		for _, rec := range recs {
			if rec.Pos != after+1 {
				return fmt.Errorf("position %d after %d", rec.Pos, after)
			}
			after = rec.Pos
		}
		if err := page(recs); err != nil {
			return err
		}
	}
	return nil
}

func follow(r *run) {
	const commits, readers = 200, 6
	r.each(readers+2, func(i int) error {
		if i < readers {
			return r.tail(2*commits, 1+i*10, func([]events.Record) error { return nil })
		}
		b, after := NewBoundary(), uint64(0)
		for range commits {
			positions, err := r.log.Append(r.ctx, NewWrite(b, after, 100))
			if err != nil {
				return err
			}
			after = positions[0]
		}
		return nil
	})
}

func pages(r *run) {
	inside := map[uint64]bool{} // positions behind which the batch goes on
	var want []events.Record
	for i := range 24 {
		var ws []handlers.Write
		for range 1 + i%5 {
			ws = append(ws, NewWrite(NewBoundary(), 0, 30))
		}
		for k, pos := range r.append(ws...) {
			inside[pos] = k < len(ws)-1
			want = append(want, record(ws[k], pos))
		}
	}
	for limit := 1; limit <= 8; limit++ {
		var got []events.Record
		err := r.tail(uint64(len(want)), limit, func(page []events.Record) error {
			if last := page[len(page)-1].Pos; inside[last] {
				return fmt.Errorf("a page of at most %d ends inside a batch at %d", limit, last)
			}
			if len(page) > limit && !inside[page[limit-1].Pos] {
				return fmt.Errorf("a page of %d where %d would do", len(page), limit)
			}
			got = append(got, page...)
			return nil
		})
		if err != nil {
			r.Fatal(err)
		}
		r.same(got, want)
	}
}

// followBatches marks each record with its batch, its number in it and the batch's size.
func followBatches(r *run) {
	const writers, rounds, readers = 4, 12, 3
	total := uint64(0)
	for w := range writers {
		total += uint64(rounds * (w + 1))
	}
	r.each(writers+readers, func(i int) error {
		if i >= writers {
			return r.tail(total, 1+i, func(page []events.Record) error { return wholeBatches(page) })
		}
		for round := range rounds {
			ws := make([]handlers.Write, i+1)
			for k := range ws {
				ws[k] = NewWrite(NewBoundary(), 0, 30)
				ws[k].Payload = fmt.Appendf(nil, "%d-%d %d %d", i, round, k+1, len(ws))
			}
			if _, err := r.log.Append(r.ctx, ws...); err != nil {
				return err
			}
		}
		return nil
	})
}

func wholeBatches(page []events.Record) error {
	for len(page) > 0 {
		var name string
		var n, of int
		if _, err := fmt.Sscan(string(page[0].Payload), &name, &n, &of); err != nil {
			return err
		}
		if n != 1 || len(page) < of {
			return fmt.Errorf("a page begins or ends inside batch %s of %d", name, of)
		}
		for k, rec := range page[:of] {
			if want := fmt.Sprintf("%s %d %d", name, k+1, of); string(rec.Payload) != want {
				return fmt.Errorf("position %d is %q, want %q", rec.Pos, rec.Payload, want)
			}
		}
		page = page[of:]
	}
	return nil
}

func race(r *run) {
	const writers, each = 16, 5
	b := NewBoundary()
	var mu sync.Mutex
	acked := map[uint64]string{}
	r.each(writers, func(i int) error {
		known := uint64(0)
		for n := range each {
			payload := fmt.Sprintf("writer %d commit %d", i, n)
			for {
				w := NewWrite(b, known, 0)
				w.Payload = []byte(payload)
				positions, err := r.log.Append(r.ctx, w)
				if err == nil {
					known = positions[0]
					mu.Lock()
					old, twice := acked[known]
					acked[known] = payload
					mu.Unlock()
					if twice {
						return fmt.Errorf("position %d given to %q and %q", known, old, payload)
					}
					break
				}
				if !errors.Is(err, handlers.ErrConflict) {
					return err
				}
				recs, err := r.log.Boundary(r.ctx, b, known)
				if err != nil {
					return err
				}
				if len(recs) == 0 {
					return errors.New("a conflict with nobody")
				}
				known = recs[len(recs)-1].Pos
			}
		}
		return nil
	})
	recs := r.boundary(b, 0)
	if len(recs) != writers*each || len(acked) != writers*each {
		r.Fatalf("%d commits, %d acknowledged, want %d", len(recs), len(acked), writers*each)
	}
	for _, rec := range recs {
		if acked[rec.Pos] != string(rec.Payload) {
			r.Fatalf("position %d holds %q, acknowledged was %q", rec.Pos, rec.Payload, acked[rec.Pos])
		}
	}
}

// raceBatches has each writer write to a shared boundary and to its own, both or none.
func raceBatches(r *run) {
	const writers, each = 8, 4
	shared := NewBoundary()
	own := make([]events.Boundary, writers)
	r.each(writers, func(i int) error {
		own[i] = NewBoundary()
		mine, common := uint64(0), uint64(0)
		for n := 0; n < each; {
			ws := []handlers.Write{NewWrite(own[i], mine, 0), NewWrite(shared, common, 0)}
			for k := range ws {
				ws[k].Payload = fmt.Appendf(nil, "%d.%d", i, n)
			}
			if (i+n)%2 == 0 {
				slices.Reverse(ws)
			}
			positions, err := r.log.Append(r.ctx, ws...)
			switch {
			case err == nil:
				n++
				mine, common = positions[0], positions[1]
				if ws[0].Boundary == shared {
					mine, common = common, mine
				}
			case errors.Is(err, handlers.ErrConflict):
				recs, err := r.log.Boundary(r.ctx, shared, common)
				if err != nil {
					return err
				}
				if len(recs) == 0 {
					return errors.New("a conflict with nobody")
				}
				common = recs[len(recs)-1].Pos
			default:
				return err
			}
		}
		return nil
	})
	var inShared []string
	for _, rec := range r.boundary(shared, 0) {
		inShared = append(inShared, string(rec.Payload))
	}
	if len(inShared) != writers*each {
		r.Fatalf("%d batches in the shared boundary, want %d", len(inShared), writers*each)
	}
	for i, b := range own {
		var got, want []string
		for _, rec := range r.boundary(b, 0) {
			got = append(got, string(rec.Payload))
		}
		for _, name := range inShared {
			if strings.HasPrefix(name, fmt.Sprintf("%d.", i)) {
				want = append(want, name)
			}
		}
		if !slices.Equal(got, want) {
			r.Fatalf("writer %d has %v, the shared boundary %v", i, got, want)
		}
	}
}

func lastIsFresh(r *run) {
	r.each(8, func(int) error {
		b, after := NewBoundary(), uint64(0)
		for range 20 {
			positions, err := r.log.Append(r.ctx, NewWrite(b, after, 50))
			if err != nil {
				return err
			}
			after = positions[0]
			last, err := r.log.Last(r.ctx)
			if err != nil {
				return err
			}
			if last < after {
				return fmt.Errorf("last is %d, and %d was acknowledged", last, after)
			}
		}
		return nil
	})
}
