package domain

import (
	"encoding/binary"
	"maps"
	"testing"

	"pgregory.net/rapid"
)

type pkey [16]byte

// collidingKey draws keys of which many have the same hash: what is hashed is the one half XOR the other.
func collidingKey() *rapid.Generator[pkey] {
	return rapid.Custom(func(t *rapid.T) pkey {
		var k pkey
		half := rapid.Uint64Range(0, 20).Draw(t, "half")
		binary.LittleEndian.PutUint64(k[:8], half)
		binary.LittleEndian.PutUint64(k[8:], half^rapid.SampledFrom([]uint64{0, 1, 1 << 63}).Draw(t, "hash"))
		if rapid.Bool().Draw(t, "spread") {
			binary.LittleEndian.PutUint64(k[8:], rapid.Uint64().Draw(t, "other half"))
		}
		return k
	})
}

// The immutable map does what the built-in one does, and what was handed out before stays as it was.
func TestPmap(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var m pmap[pkey, int]
		model := map[pkey]int{}
		type version struct {
			m     pmap[pkey, int]
			model map[pkey]int
		}
		var kept []version
		check := func(m pmap[pkey, int], model map[pkey]int) {
			if m.Len() != len(model) {
				t.Fatalf("%d entries, want %d", m.Len(), len(model))
			}
			if got := maps.Collect(m.All()); !maps.Equal(got, model) {
				t.Fatalf("%v, want %v", got, model)
			}
			for k, v := range model {
				if got, ok := m.Get(k); !ok || got != v {
					t.Fatalf("%x: %d %v, want %d", k, got, ok, v)
				}
			}
		}
		for n := range rapid.IntRange(0, 120).Draw(t, "steps") {
			k := collidingKey().Draw(t, "key")
			if rapid.IntRange(0, 3).Draw(t, "what") == 0 {
				m = m.Without(k)
				delete(model, k)
			} else {
				m = m.With(k, n)
				model[k] = n
			}
			if _, ok := model[k]; !ok {
				if v, ok := m.Get(k); ok {
					t.Fatalf("%x is gone and answers %d", k, v)
				}
			}
			if n%20 == 0 {
				kept = append(kept, version{m, maps.Clone(model)})
			}
		}
		check(m, model)
		var made pmap[pkey, int]
		for k, v := range model {
			made.put(k, &v)
		}
		check(made, model)
		for _, v := range kept {
			check(v.m, v.model)
			checkDiff(t, v.m, m, v.model, model)
			checkDiff(t, v.m, made, v.model, model)
			if k, _, ok := v.m.near(collidingKey().Draw(t, "near")); ok != (len(v.model) > 0) {
				t.Fatalf("near %x: %v of %d", k, ok, len(v.model))
			}
		}
	})
}

// checkDiff: the differences turn the one into the other, and none is told of that is none.
func checkDiff(t *rapid.T, from, to pmap[pkey, int], was, is map[pkey]int) {
	turned := maps.Clone(was)
	to.diff(from, func(k pkey, was, is *int) {
		if v, ok := turned[k]; ok != (was != nil) || ok && v != *was {
			t.Fatalf("%x was %d %v, the difference says otherwise", k, v, ok)
		}
		if is == nil {
			delete(turned, k)
		} else {
			turned[k] = *is
		}
	})
	if !maps.Equal(turned, is) {
		t.Fatalf("%v, want %v", turned, is)
	}
}

// Two maps of which the one was made from the other differ by what was changed: the rest is not looked at.
func TestPmapDiffIsShort(t *testing.T) {
	var m pmap[pkey, int]
	for i := range 1000 {
		m = m.With(pkey{byte(i), byte(i >> 8), 3}, i)
	}
	n := 0
	m.With(pkey{7, 0, 3}, 1).Without(pkey{9, 1, 3}).diff(m, func(pkey, *int, *int) { n++ })
	if n != 2 {
		t.Errorf("%d differences of 2", n)
	}
}

func TestPmapStopsWalking(t *testing.T) {
	var m pmap[pkey, int]
	for i := range 100 {
		m = m.With(pkey{byte(i), 1}, i)
	}
	n := 0
	for range m.All() {
		if n++; n == 3 {
			break
		}
	}
	if n != 3 {
		t.Errorf("walked on for %d entries", n)
	}
	if _, ok := (pmap[pkey, int]{}).Get(pkey{}); ok || (pmap[pkey, int]{}).Without(pkey{}).Len() != 0 {
		t.Error("the empty map holds something")
	}
}
