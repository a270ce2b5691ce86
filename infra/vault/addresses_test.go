package vault

import (
	"errors"
	"sync"
	"testing"
	"time"

	"roster/events"
)

const ann = "ann@example.com"

func TestClaimAddress(t *testing.T) {
	f := start(t)
	v := f.open(t)
	if _, ok, err := v.FindAddress(t.Context(), ann); ok || err != nil {
		t.Fatal(ok, err)
	}
	a := claim(t, v, ann)
	again, created, err := v.ClaimAddress(t.Context(), ann)
	if err != nil || created || again != a {
		t.Error(again, created, err)
	}
	found, ok, err := f.open(t).FindAddress(t.Context(), ann)
	if err != nil || !ok || found != a {
		t.Error(found, ok, err)
	}
	if _, err := v.Key(t.Context(), a.Key); err != nil {
		t.Error(err)
	}
	if b := claim(t, v, "bob@example.com"); b.ID == a.ID || b.Key == a.Key {
		t.Error("two addresses are one")
	}
	mac := f.kr.AddressHMAC(ann)
	if f.onDisk(t, []byte(ann)) != 0 || f.onDisk(t, mac[:]) != 0 {
		t.Error("the address stands in clear on disk")
	}
	for _, bad := range []string{"", "ann", "@example.com", "ann@exämple.com", "a b@example.com", "a\n@example.com", "\x00origin\x002026-11@", string(make([]byte, 321))} {
		if _, _, err := v.ClaimAddress(t.Context(), bad); !errors.Is(err, ErrBadAddress) {
			t.Errorf("%q: %v", bad, err)
		}
		if _, _, err := v.FindAddress(t.Context(), bad); !errors.Is(err, ErrBadAddress) {
			t.Errorf("%q: %v", bad, err)
		}
	}
}

func TestClaimAddressByMany(t *testing.T) {
	f := start(t)
	var (
		wg      sync.WaitGroup
		mu      sync.Mutex
		got     = map[Address]int{}
		creates int
	)
	for range 8 {
		v := f.open(t) // as many processes
		wg.Go(func() {
			a, created, err := v.ClaimAddress(t.Context(), ann)
			mu.Lock()
			defer mu.Unlock()
			if err != nil {
				t.Error(err)
			}
			got[a]++
			if created {
				creates++
			}
		})
	}
	wg.Wait()
	if len(got) != 1 || creates != 1 {
		t.Fatalf("%v, made %d times", got, creates)
	}
	v := f.open(t)
	for a := range got {
		if _, err := v.Key(t.Context(), a.Key); err != nil {
			t.Error("the winner's key:", err)
		}
	}
	// Each loser's key has been destroyed: besides the winner's there are tombstones only.
	info, err := v.stream.Info(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	alive := 0
	for seq := info.State.FirstSeq; seq <= info.State.LastSeq; seq++ {
		m, err := v.stream.GetMsg(t.Context(), seq)
		if err != nil {
			continue
		}
		r, err := unwrap(f.kr, m.Subject, m.Data)
		if err != nil {
			t.Fatal(err)
		}
		if r.Kind == kindKey {
			alive++
		}
	}
	if alive != 1 {
		t.Errorf("%d living keys", alive)
	}
}

func TestErasingAnAddress(t *testing.T) {
	for name, erase := range map[string]func(*testing.T, *Vault, Address){
		"by its key": func(t *testing.T, v *Vault, a Address) {
			if err := v.DestroyKey(t.Context(), a.Key); err != nil {
				t.Fatal(err)
			}
		},
		"by its text": func(t *testing.T, v *Vault, a Address) {
			if got, ok, err := v.ForgetAddress(t.Context(), ann); err != nil || !ok || got != a {
				t.Fatal(got, ok, err)
			}
			if _, ok, err := v.ForgetAddress(t.Context(), ann); err != nil || ok {
				t.Fatal("forgotten twice", ok, err)
			}
		},
		"after a crash behind the tombstone": func(t *testing.T, v *Vault, a Address) {
			tombstone(t.Context(), t, v, a.Key)
			v.cache.drop(a.Key)
			if _, ok, err := v.FindAddress(t.Context(), ann); ok || err != nil {
				t.Fatal("half erased is found", ok, err)
			}
			if err := v.DestroyKey(t.Context(), a.Key); err != nil {
				t.Fatal(err)
			}
		},
		"after a crash behind the address entry": func(t *testing.T, v *Vault, a Address) {
			tombstone(t.Context(), t, v, a.Key)
			if err := v.unpoint(t.Context(), v.kr.AddressHMAC(ann), a.Key); err != nil {
				t.Fatal(err)
			}
			if err := v.DestroyKey(t.Context(), a.Key); err != nil {
				t.Fatal(err)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			f := start(t)
			v := f.open(t)
			a := claim(t, v, ann)
			subject := v.addressSubject(f.kr.AddressHMAC(ann))
			entry, key := f.stored(t, v, subject), f.stored(t, v, v.keySubject(a.Key))
			if f.onDisk(t, entry) != 1 || f.onDisk(t, key) != 1 {
				t.Fatal("the scan sees nothing")
			}
			erase(t, v, a)
			if n := f.onDisk(t, entry) + f.onDisk(t, key); n != 0 {
				t.Errorf("still on disk %d times", n)
			}
			if n := f.count(t, v, subject); n != 0 {
				t.Errorf("%d messages for the address: it must leave no trace", n)
			}
			if _, err := v.Key(t.Context(), a.Key); !errors.Is(err, ErrErased) {
				t.Error(err)
			}
			if _, ok, err := v.FindAddress(t.Context(), ann); ok || err != nil {
				t.Error("found again:", ok, err)
			}
			b := claim(t, v, ann) // somebody comes by that address anew
			if b.ID == a.ID || b.Key == a.Key {
				t.Error("the erased address lives on")
			}
			if err := v.DestroyKey(t.Context(), a.Key); err != nil { // the reactor, late
				t.Fatal(err)
			}
			if got, ok, err := v.FindAddress(t.Context(), ann); err != nil || !ok || got != b {
				t.Error("destroying the old key again took the new address:", got, ok, err)
			}
		})
	}
}

// Who claims an address whose erasure stopped half way finishes it and gets a new one.
func TestClaimFinishesAnErasure(t *testing.T) {
	f := start(t)
	v := f.open(t)
	a := claim(t, v, ann)
	key := f.stored(t, v, v.keySubject(a.Key))
	tombstone(t.Context(), t, v, a.Key)
	v = f.open(t)
	b := claim(t, v, ann)
	if b.ID == a.ID || b.Key == a.Key {
		t.Error("the erased address was handed out")
	}
	if err := v.DestroyKey(t.Context(), a.Key); err != nil {
		t.Fatal(err)
	}
	if f.onDisk(t, key) != 0 {
		t.Error("the old key is still there")
	}
	if got, ok, err := v.FindAddress(t.Context(), ann); err != nil || !ok || got != b {
		t.Error(got, ok, err)
	}
}

// An address whose key is gone without a tombstone is a fault on every path, never free and never erased.
func TestAddressWithoutKeyIsAFault(t *testing.T) {
	f := start(t)
	v := f.open(t)
	mac := f.kr.AddressHMAC(ann)
	k := events.KeyID{1, 2, 3}
	if _, err := v.put(t.Context(), v.addressSubject(mac), 0, record{Kind: kindAddress, OwnerType: OwnerAddress, OwnerID: "0198c5d4-7e1a-7c3f-9b1d-2f6a8e4c0b57", Value: k[:]}); err != nil {
		t.Fatal(err)
	}
	if _, _, err := v.ClaimAddress(t.Context(), ann); !errors.Is(err, ErrMissing) {
		t.Error(err)
	}
	if _, _, err := v.FindAddress(t.Context(), ann); !errors.Is(err, ErrMissing) {
		t.Error(err)
	}
	if _, _, err := v.ForgetAddress(t.Context(), ann); !errors.Is(err, ErrMissing) {
		t.Error(err)
	}
}

func TestOriginKey(t *testing.T) {
	f := start(t)
	v := f.open(t)
	var (
		wg  sync.WaitGroup
		mu  sync.Mutex
		got = map[events.KeyID]int{}
	)
	for range 6 {
		v := f.open(t)
		wg.Go(func() {
			for range 2 { // the second from memory
				k, err := v.OriginKey(t.Context(), "2026-11")
				if err != nil {
					t.Error(err)
				}
				mu.Lock()
				got[k]++
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	if len(got) != 1 {
		t.Fatalf("%d keys for one month", len(got))
	}
	november, err := v.OriginKey(t.Context(), "2026-11")
	if err != nil || got[november] != 12 {
		t.Fatal(november, err)
	}
	if _, err := v.Key(t.Context(), november); err != nil {
		t.Error(err)
	}
	december, err := v.OriginKey(t.Context(), "2026-12")
	if err != nil || december == november {
		t.Error(december, err)
	}
	for _, bad := range []string{"", "2026-13", "2026-1", "2026-11-01", "11-2026"} {
		if _, err := v.OriginKey(t.Context(), bad); err == nil {
			t.Errorf("%q accepted", bad)
		}
	}
	if err := v.DestroyKey(t.Context(), november); err != nil {
		t.Fatal(err)
	}
	if _, err := v.Key(t.Context(), november); !errors.Is(err, ErrErased) {
		t.Error(err)
	}
	next, err := v.OriginKey(t.Context(), "2026-11")
	if err != nil || next == november {
		t.Error("a destroyed month's key was handed out", err)
	}
}

func TestOriginCacheAges(t *testing.T) {
	now := day0
	c := newCache(1, time.Minute, func() time.Time { return now })
	mac := [32]byte{1}
	c.putOrigin(mac, events.KeyID{1}, c.now())
	if k, ok := c.origin(mac); !ok || k != (events.KeyID{1}) {
		t.Error(k, ok)
	}
	now = now.Add(time.Minute)
	if _, ok := c.origin(mac); ok {
		t.Error("older than its time")
	}
	began := c.now()
	c.dropOrigin(mac)
	c.putOrigin(mac, events.KeyID{1}, began)
	if _, ok := c.origin(mac); ok {
		t.Error("what was read before a drop was kept after it")
	}
}
