package vault

import (
	"container/list"
	"sync"
	"time"

	"roster/events"
)

// cache remembers keys, and that keys are erased, for a bounded time and in a bounded number: the one used least
// recently goes first. Reading does not lengthen the time.
type cache struct {
	mu    sync.Mutex
	size  int
	ttl   time.Duration
	clock func() time.Time
	items map[events.KeyID]*list.Element
	order *list.List // of *cached, most recently used first
	epoch uint64     // grows with every drop

	origins map[[32]byte]cachedOrigin // months that are written in: a handful
}

type cachedOrigin struct {
	k     events.KeyID
	until time.Time
}

type cached struct {
	k     events.KeyID
	key   [32]byte
	err   error
	until time.Time
}

// moment is when a read began; what was read is kept only if nothing has been dropped since.
type moment struct {
	epoch uint64
	at    time.Time
}

func newCache(size int, ttl time.Duration, clock func() time.Time) *cache {
	return &cache{size: size, ttl: ttl, clock: clock, items: map[events.KeyID]*list.Element{}, order: list.New(), origins: map[[32]byte]cachedOrigin{}}
}

func (c *cache) now() moment {
	c.mu.Lock()
	defer c.mu.Unlock()
	return moment{c.epoch, c.clock()}
}

func (c *cache) get(k events.KeyID) (key [32]byte, ok bool, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	el, ok := c.items[k]
	if !ok {
		return key, false, nil
	}
	it := el.Value.(*cached)
	if !c.clock().Before(it.until) {
		c.remove(el)
		return key, false, nil
	}
	c.order.MoveToFront(el)
	return it.key, true, it.err
}

func (c *cache) put(k events.KeyID, key [32]byte, err error, began moment) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if began.epoch != c.epoch {
		return
	}
	if el, ok := c.items[k]; ok {
		c.remove(el)
	}
	c.items[k] = c.order.PushFront(&cached{k, key, err, began.at.Add(c.ttl)})
	if c.order.Len() > c.size {
		c.remove(c.order.Back())
	}
}

func (c *cache) drop(k events.KeyID) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.epoch++
	if el, ok := c.items[k]; ok {
		c.remove(el)
	}
}

func (c *cache) origin(mac [32]byte) (events.KeyID, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	o, ok := c.origins[mac]
	return o.k, ok && c.clock().Before(o.until)
}

func (c *cache) putOrigin(mac [32]byte, k events.KeyID, began moment) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if began.epoch != c.epoch {
		return
	}
	if len(c.origins) >= 64 {
		clear(c.origins)
	}
	c.origins[mac] = cachedOrigin{k, began.at.Add(c.ttl)}
}

func (c *cache) dropOrigin(mac [32]byte) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.epoch++
	delete(c.origins, mac)
}

func (c *cache) remove(el *list.Element) {
	it := el.Value.(*cached)
	clear(it.key[:])
	c.order.Remove(el)
	delete(c.items, it.k)
}
