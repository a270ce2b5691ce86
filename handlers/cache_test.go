package handlers

import (
	"encoding/binary"
	"testing"

	"roster/events"
)

// The cache holds what there is room for, and those that are asked for again and again are among it.
func TestCacheKeepsWhatIsUsed(t *testing.T) {
	c := newCache(1000)
	boundary := func(n int) events.Boundary {
		var id events.AnyID
		binary.BigEndian.PutUint32(id[:], uint32(n+1))
		return events.OfAttempts(id)
	}
	missed := 0
	for n := range 20_000 {
		e := c.of(boundary(100 + n))
		c.weigh(e, 1+n%20)
		if n == 5000 {
			c.weigh(c.of(boundary(1)), 1_000_000)
		}
		if known := c.ifKnown(boundary(n % 10)); known == nil {
			missed++
		}
		c.weigh(c.of(boundary(n%10)), 10)
	}
	sum := 0
	for _, e := range c.known {
		sum += e.weight
	}
	if sum != c.heavy || c.heavy > 1200 || c.heavy < 700 {
		t.Errorf("the cache says %d, its boundaries weigh %d, and there is room for 1000", c.heavy, sum)
	}
	if missed > 2500 { // of arbitrary victims it was gone 4600 times
		t.Errorf("of 20,000 times that one of ten boundaries was asked for, it was gone %d times", missed)
	}
	dropped := c.of(boundary(50))
	for n := range 20_000 {
		c.weigh(c.of(boundary(100_000+n)), 20)
	}
	before := c.heavy
	if c.weigh(dropped, 500); c.heavy != before {
		t.Errorf("a boundary that was dropped weighs %d", c.heavy-before)
	}
}
