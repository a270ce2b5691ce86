package bench

import (
	"context"
	"fmt"
	"math/bits"
	"runtime"
	"slices"
	"sync"
	"time"
)

// contestant is one of those that are measured in turns.
type contestant struct {
	name    string
	callers int
	op      func(ctx context.Context, caller int) error
	share   float64                         // of the time of a turn; 0 is 1
	ready   func(ctx context.Context) error // before a turn: waits for what whoever was before has left to do; nil: nothing
}

// outcome is what a contestant did.
type outcome struct {
	name  string
	rate  float64 // operations in a second, over all turns
	count int64
	took  *spread
	turns []turn
}

// turn is one of a contestant's turns.
type turn struct {
	rate          float64
	p50, p95, p99 float64 // ms
}

// turnsOf answers how many turns each contestant has and how long each lasts.
func turnsOf(seconds float64) (int, time.Duration) {
	n := min(max(int(seconds/0.5), 4), 16)
	return n, time.Duration(seconds / float64(n) * float64(time.Second))
}

// race measures contestants in turns, in the opposite order every second time, after a short turn of each that does
// not count. Who stands aside has an outcome without turns.
func (l *lab) race(ctx context.Context, list ...contestant) ([]outcome, error) {
	rounds, length := turnsOf(l.o.Seconds)
	outcomes := make([]outcome, len(list))
	for i, c := range list {
		outcomes[i] = outcome{name: c.name, took: new(spread)}
	}
	elapsed := make([]time.Duration, len(list))
	for round := -1; round < rounds; round++ {
		order := make([]int, len(list))
		for i := range order {
			order[i] = i
		}
		if round%2 != 0 {
			slices.Reverse(order)
		}
		for _, i := range order {
			c := list[i]
			if l.aside(c.name) {
				continue
			}
			lasts := length
			if c.share > 0 {
				lasts = time.Duration(float64(length) * c.share)
			}
			if round < 0 {
				lasts /= 4
			}
			took, n, while, err := c.turn(ctx, lasts)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", c.name, err)
			}
			if round < 0 {
				continue
			}
			o := &outcomes[i]
			o.took.add(took)
			o.count += n
			elapsed[i] += while
			o.turns = append(o.turns, turn{float64(n) / while.Seconds(), took.at(0.5), took.at(0.95), took.at(0.99)})
		}
	}
	for i := range outcomes {
		if elapsed[i] > 0 {
			outcomes[i].rate = float64(outcomes[i].count) / elapsed[i].Seconds()
		}
	}
	return outcomes, nil
}

// turn runs the contestant's callers for a while. What whoever was before has left to do is done first, and the garbage
// collected: nobody pays for another's.
func (c contestant) turn(ctx context.Context, lasts time.Duration) (*spread, int64, time.Duration, error) {
	if c.ready != nil {
		if err := c.ready(ctx); err != nil {
			return nil, 0, 0, err
		}
	}
	runtime.GC()
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	took := make([]spread, c.callers)
	var callers sync.WaitGroup
	begin := time.Now()
	for caller := range c.callers {
		callers.Go(func() {
			for { // once at least, however short the turn
				since := time.Now()
				if err := c.op(ctx, caller); err != nil {
					cancel(err)
					return
				}
				now := time.Now()
				took[caller].note(now.Sub(since))
				if now.Sub(begin) >= lasts || ctx.Err() != nil {
					return
				}
			}
		})
	}
	callers.Wait()
	elapsed := time.Since(begin)
	if err := context.Cause(ctx); err != nil {
		return nil, 0, 0, err
	}
	all := new(spread)
	for i := range took {
		all.add(&took[i])
	}
	return all, all.count, elapsed, nil
}

// spread counts durations by how long they are, to within one part in 128.
type spread struct {
	buckets [buckets]uint32
	count   int64
}

const (
	fine    = 7 // bits of a duration that count
	buckets = (64 - fine) << fine
)

func bucketOf(d time.Duration) int {
	n := uint64(max(d, 0))
	if n < 1<<fine {
		return int(n)
	}
	shift := bits.Len64(n) - fine - 1
	return min(shift<<fine+int(n>>shift), buckets-1)
}

// from is the shortest duration, in nanoseconds, that a bucket counts.
func from(bucket int) float64 {
	if bucket < 2<<fine {
		return float64(bucket)
	}
	shift := bucket>>fine - 1
	return float64(uint64(bucket-shift<<fine) << shift)
}

func (s *spread) note(d time.Duration) {
	s.buckets[bucketOf(d)]++
	s.count++
}

func (s *spread) add(t *spread) {
	for i, n := range t.buckets {
		s.buckets[i] += n
	}
	s.count += t.count
}

// at is the duration, in milliseconds, that a part of all are within.
func (s *spread) at(part float64) float64 {
	left := int64(part*float64(s.count)) + 1
	for i, n := range s.buckets {
		if left -= int64(n); left <= 0 {
			return (from(i) + from(i+1)) / 2 / 1e6
		}
	}
	return 0
}

// piece notes a turn that was one long piece of work on n things.
func (o *outcome) piece(n int, took time.Duration) {
	if o.took == nil {
		o.took = new(spread)
	}
	before := float64(o.count)
	if o.rate > 0 {
		before /= o.rate // seconds so far
	}
	o.count += int64(n)
	o.rate = float64(o.count) / (before + took.Seconds())
	o.turns = append(o.turns, turn{rate: float64(n) / took.Seconds()})
}

// measure is what of a contestant is a row's value: of all its turns, or of one.
type measure struct {
	unit string
	of   func(o outcome) float64
	turn func(t turn) float64
}

func perSecond(unit string) measure {
	return measure{unit, func(o outcome) float64 { return o.rate }, func(t turn) float64 { return t.rate }}
}

func p50(unit string, of float64) measure {
	return measure{unit, func(o outcome) float64 { return o.took.at(0.5) * of }, func(t turn) float64 { return t.p50 * of }}
}

func p95(unit string, of float64) measure {
	return measure{unit, func(o outcome) float64 { return o.took.at(0.95) * of }, func(t turn) float64 { return t.p95 * of }}
}

func p99(unit string, of float64) measure {
	return measure{unit, func(o outcome) float64 { return o.took.at(0.99) * of }, func(t turn) float64 { return t.p99 * of }}
}

// ends are the values of the lowest and the highest turn.
func (m measure) ends(o outcome) (low, high float64) {
	for i, t := range o.turns {
		v := m.turn(t)
		if i == 0 {
			low, high = v, v
		}
		low, high = min(low, v), max(high, v)
	}
	return low, high
}

// row makes a row of an outcome beside a baseline, which may be nil.
func (m measure) row(name string, o outcome, base *outcome, g goal) Row {
	r := Row{Name: name, Value: m.of(o), Unit: m.unit, P50: o.took.at(0.5), P99: o.took.at(0.99), Count: o.count, Rate: o.rate}
	r.Low, r.High = m.ends(o)
	if base != nil && base.count > 0 {
		b := &Baseline{Name: base.name, Value: m.of(*base), P50: base.took.at(0.5), P99: base.took.at(0.99), Rate: base.rate}
		b.Low, b.High = m.ends(*base)
		r.Baseline = b
		if b.Value > 0 {
			r.Ratio = r.Value / b.Value
		}
	}
	g.judge(&r)
	return r
}
