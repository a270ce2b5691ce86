package domain

import (
	"encoding/binary"
	"iter"
	"math/bits"
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
	n, h := m.root, phash(k)
	for shift := uint(0); n != nil; shift += pbits {
		if shift > pmaxshift {
			for i := range n.slots {
				if n.slots[i].key == k {
					return *n.slots[i].val, true
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
				return *s.val, true
			}
			break
		}
		n = s.down
	}
	var none V
	return none, false
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
