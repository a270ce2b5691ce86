package domain

import (
	"encoding/binary"
	"iter"
	"math/bits"
	"slices"
)

// pmap is an immutable map from ids: With and Without answer a new map that shares all but the changed path, so
// that a state can be kept, handed out and changed at the cost of one entry, however many there are. It is a hash
// array mapped trie (Bagwell, Ideal Hash Trees, 2001).
type pmap[K ~[16]byte, V any] struct {
	root *pnode[K, V]
	n    int
}

type pnode[K ~[16]byte, V any] struct {
	bitmap uint32 // which of the 32 places are taken; unused in a bucket
	slots  []pslot[K, V]
}

// pslot is an entry, or a node one level down.
type pslot[K ~[16]byte, V any] struct {
	key  K
	val  *V // apart, so that changing an entry copies little of its neighbours
	down *pnode[K, V]
}

const (
	pbits     = 5
	pmaxshift = 60 // below that a node is a bucket of entries with the same hash
)

func phash[K ~[16]byte](k K) uint64 {
	b := [16]byte(k)
	h := binary.LittleEndian.Uint64(b[:8]) ^ binary.LittleEndian.Uint64(b[8:])
	h ^= h >> 32
	h *= 0x9e3779b97f4a7c15
	return h ^ h>>29
}

// Len is the number of entries.
func (m pmap[K, V]) Len() int { return m.n }

// Get answers the value of a key.
func (m pmap[K, V]) Get(k K) (V, bool) {
	if v := m.root.find(k, phash(k), 0); v != nil {
		return *v, true
	}
	var none V
	return none, false
}

// find answers the value of a key, or nil; shift is the node's own.
func (n *pnode[K, V]) find(k K, h uint64, shift uint) *V {
	for ; n != nil; shift += pbits {
		if shift > pmaxshift {
			for i := range n.slots {
				if n.slots[i].key == k {
					return n.slots[i].val
				}
			}
			break
		}
		bit := uint32(1) << (h >> shift & 31)
		if n.bitmap&bit == 0 {
			break
		}
		s := &n.slots[bits.OnesCount32(n.bitmap&(bit-1))]
		if s.down == nil {
			if s.key == k {
				return s.val
			}
			break
		}
		n = s.down
	}
	return nil
}

// With is the map with one value set.
func (m pmap[K, V]) With(k K, v V) pmap[K, V] {
	root, grown := m.root.with(k, &v, phash(k), 0)
	if grown {
		m.n++
	}
	m.root = root
	return m
}

func (n *pnode[K, V]) with(k K, v *V, h uint64, shift uint) (*pnode[K, V], bool) {
	if n == nil {
		n = &pnode[K, V]{}
	}
	if shift > pmaxshift {
		for i := range n.slots {
			if n.slots[i].key == k {
				return n.replace(i, pslot[K, V]{key: k, val: v}), false
			}
		}
		return n.insert(len(n.slots), 0, pslot[K, V]{key: k, val: v}), true
	}
	bit := uint32(1) << (h >> shift & 31)
	i := bits.OnesCount32(n.bitmap & (bit - 1))
	switch {
	case n.bitmap&bit == 0:
		return n.insert(i, bit, pslot[K, V]{key: k, val: v}), true
	case n.slots[i].down != nil:
		down, grown := n.slots[i].down.with(k, v, h, shift+pbits)
		return n.replace(i, pslot[K, V]{down: down}), grown
	case n.slots[i].key == k:
		return n.replace(i, pslot[K, V]{key: k, val: v}), false
	}
	old := n.slots[i]
	down, _ := (*pnode[K, V])(nil).with(old.key, old.val, phash(old.key), shift+pbits)
	down, _ = down.with(k, v, h, shift+pbits)
	return n.replace(i, pslot[K, V]{down: down}), true
}

// Without is the map without a key.
func (m pmap[K, V]) Without(k K) pmap[K, V] {
	root, shrunk := m.root.without(k, phash(k), 0)
	if !shrunk {
		return m
	}
	return pmap[K, V]{root, m.n - 1}
}

func (n *pnode[K, V]) without(k K, h uint64, shift uint) (*pnode[K, V], bool) {
	if n == nil {
		return nil, false
	}
	if shift > pmaxshift {
		for i := range n.slots {
			if n.slots[i].key == k {
				return n.remove(i, 0), true
			}
		}
		return n, false
	}
	bit := uint32(1) << (h >> shift & 31)
	if n.bitmap&bit == 0 {
		return n, false
	}
	i := bits.OnesCount32(n.bitmap & (bit - 1))
	if down := n.slots[i].down; down != nil {
		left, shrunk := down.without(k, h, shift+pbits)
		switch {
		case !shrunk:
			return n, false
		case left == nil:
			return n.remove(i, bit), true
		case len(left.slots) == 1 && left.slots[0].down == nil:
			return n.replace(i, left.slots[0]), true
		}
		return n.replace(i, pslot[K, V]{down: left}), true
	}
	if n.slots[i].key != k {
		return n, false
	}
	return n.remove(i, bit), true
}

func (n *pnode[K, V]) replace(i int, s pslot[K, V]) *pnode[K, V] {
	slots := make([]pslot[K, V], len(n.slots))
	copy(slots, n.slots)
	slots[i] = s
	return &pnode[K, V]{n.bitmap, slots}
}

func (n *pnode[K, V]) insert(i int, bit uint32, s pslot[K, V]) *pnode[K, V] {
	slots := make([]pslot[K, V], len(n.slots)+1)
	copy(slots, n.slots[:i])
	slots[i] = s
	copy(slots[i+1:], n.slots[i:])
	return &pnode[K, V]{n.bitmap | bit, slots}
}

func (n *pnode[K, V]) remove(i int, bit uint32) *pnode[K, V] {
	if len(n.slots) == 1 {
		return nil
	}
	slots := make([]pslot[K, V], 0, len(n.slots)-1)
	slots = append(append(slots, n.slots[:i]...), n.slots[i+1:]...)
	return &pnode[K, V]{n.bitmap &^ bit, slots}
}

// put sets a value in place: for a map that nobody else has yet.
func (m *pmap[K, V]) put(k K, v *V) {
	if m.root == nil {
		m.root = &pnode[K, V]{}
	}
	if m.root.put(k, v, phash(k), 0) {
		m.n++
	}
}

func (n *pnode[K, V]) put(k K, v *V, h uint64, shift uint) (grown bool) {
	if shift > pmaxshift {
		for i := range n.slots {
			if n.slots[i].key == k {
				n.slots[i].val = v
				return false
			}
		}
		n.slots = append(n.slots, pslot[K, V]{key: k, val: v})
		return true
	}
	bit := uint32(1) << (h >> shift & 31)
	i := bits.OnesCount32(n.bitmap & (bit - 1))
	switch {
	case n.bitmap&bit == 0:
		n.bitmap |= bit
		n.slots = slices.Insert(n.slots, i, pslot[K, V]{key: k, val: v})
		return true
	case n.slots[i].down != nil:
		return n.slots[i].down.put(k, v, h, shift+pbits)
	case n.slots[i].key == k:
		n.slots[i].val = v
		return false
	}
	old, down := n.slots[i], &pnode[K, V]{}
	down.put(old.key, old.val, phash(old.key), shift+pbits)
	n.slots[i] = pslot[K, V]{down: down}
	return down.put(k, v, h, shift+pbits)
}

// near answers some entry of a map that is not empty: the one of the key if there is one, else one whose hash begins
// alike.
func (m pmap[K, V]) near(k K) (K, V, bool) {
	n, h := m.root, phash(k)
	for shift := uint(0); n != nil; shift += pbits {
		i := 0
		if shift <= pmaxshift {
			i = bits.OnesCount32(n.bitmap&(uint32(1)<<(h>>shift&31)-1)) % len(n.slots)
		}
		if s := n.slots[i]; s.down == nil {
			return s.key, *s.val, true
		}
		n = n.slots[i].down
	}
	var key K
	var none V
	return key, none, false
}

// diff walks the entries in which a map may differ from another, at the cost of those, when the one was made from the
// other: what both share is passed over. A value that is not there is nil.
func (m pmap[K, V]) diff(since pmap[K, V], yield func(k K, was, is *V)) {
	walkDiff(since.root, m.root, 0, yield)
}

func walkDiff[K ~[16]byte, V any](was, is *pnode[K, V], shift uint, yield func(k K, was, is *V)) {
	switch {
	case was == is:
	case was == nil || is == nil || shift > pmaxshift:
		diffLeaves(pslot[K, V]{down: was}, pslot[K, V]{down: is}, shift, yield)
	default:
		for both := was.bitmap | is.bitmap; both != 0; both &= both - 1 {
			bit := both & -both
			a, b := was.slot(bit), is.slot(bit)
			if a.down != nil && b.down != nil {
				walkDiff(a.down, b.down, shift+pbits, yield)
			} else {
				diffLeaves(a, b, shift+pbits, yield)
			}
		}
	}
}

// slot is what stands at a place; a zero one when nothing does.
func (n *pnode[K, V]) slot(bit uint32) pslot[K, V] {
	if n.bitmap&bit == 0 {
		return pslot[K, V]{}
	}
	return n.slots[bits.OnesCount32(n.bitmap&(bit-1))]
}

// diffLeaves compares what stands at one place key by key; shift is that of the nodes below.
func diffLeaves[K ~[16]byte, V any](was, is pslot[K, V], shift uint, yield func(k K, was, is *V)) {
	was.leaves(func(k K, v *V) {
		if now := is.find(k, shift); now != v {
			yield(k, v, now)
		}
	})
	is.leaves(func(k K, v *V) {
		if was.find(k, shift) == nil {
			yield(k, nil, v)
		}
	})
}

func (s pslot[K, V]) leaves(yield func(K, *V)) {
	if s.val != nil {
		yield(s.key, s.val)
	}
	if s.down != nil {
		for i := range s.down.slots {
			s.down.slots[i].leaves(yield)
		}
	}
}

// find answers the value of a key below, or nil.
func (s pslot[K, V]) find(k K, shift uint) *V {
	if s.down == nil {
		if s.val != nil && s.key == k {
			return s.val
		}
		return nil
	}
	return s.down.find(k, phash(k), shift)
}

// All walks the entries in no particular order.
func (m pmap[K, V]) All() iter.Seq2[K, V] {
	return func(yield func(K, V) bool) { m.root.all(yield) }
}

func (n *pnode[K, V]) all(yield func(K, V) bool) bool {
	if n == nil {
		return true
	}
	for i := range n.slots {
		if s := &n.slots[i]; s.down != nil {
			if !s.down.all(yield) {
				return false
			}
		} else if !yield(s.key, *s.val) {
			return false
		}
	}
	return true
}
