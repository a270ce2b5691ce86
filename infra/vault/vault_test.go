package vault

import (
	"bytes"
	"crypto/rand"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"roster/events"
)

func TestOpenMakesTheStreamOnce(t *testing.T) {
	f := start(t)
	v := f.open(t)
	if v.Used() {
		t.Error("a new vault holds something")
	}
	c := v.stream.CachedInfo().Config
	if c.Name != "ROSTER_VAULT" || c.Storage != jetstream.FileStorage || c.Discard != jetstream.DiscardNew || c.DenyDelete || c.AllowDirect || c.MaxMsgsPerSubject != -1 {
		t.Errorf("%+v", c)
	}
	p := newKey(t, v)
	f.stop(t)
	f.run(t)
	v = f.open(t)
	if !v.Used() {
		t.Error("the second open found nothing")
	}
	if got, err := v.Key(t.Context(), p.ID()); err != nil || got != p.Key() {
		t.Error("lost by a restart:", err)
	}
}

func TestOpenRefusesSettings(t *testing.T) {
	f := start(t)
	for name, edit := range map[string]func(*jetstream.StreamConfig){
		"limit":    func(c *jetstream.StreamConfig) { c.MaxMsgsPerSubject = 1 },
		"age":      func(c *jetstream.StreamConfig) { c.MaxAge = time.Hour },
		"memory":   func(c *jetstream.StreamConfig) { c.Storage = jetstream.MemoryStorage },
		"old":      func(c *jetstream.StreamConfig) { c.Discard = jetstream.DiscardOld },
		"delete":   func(c *jetstream.StreamConfig) { c.DenyDelete = true },
		"direct":   func(c *jetstream.StreamConfig) { c.AllowDirect = true },
		"s2":       func(c *jetstream.StreamConfig) { c.Compression = jetstream.S2Compression },
		"subjects": func(c *jetstream.StreamConfig) { c.Subjects = append(c.Subjects, "other.>") },
		"rollup":   func(c *jetstream.StreamConfig) { c.AllowRollup, c.DenyPurge = true, false },
	} {
		// A name each: a stream's files are still being removed when its deletion has been answered.
		config := (&Vault{name: strings.ToUpper(name) + "_VAULT", prefix: name + ".vault."}).config(1)
		edit(&config)
		if _, err := f.js.CreateStream(t.Context(), config); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if _, err := Open(t.Context(), f.js, f.kr, Options{Rand: rand.Reader, Name: name}); err == nil || !strings.Contains(err.Error(), config.Name) {
			t.Errorf("%s: accepted, %v", name, err)
		}
	}
	for _, o := range []Options{{Rand: rand.Reader, Name: "Roster"}, {Rand: rand.Reader, Name: "a.b"}, {Rand: rand.Reader, Name: "*"}, {}} {
		if _, err := Open(t.Context(), f.js, f.kr, o); err == nil {
			t.Errorf("%+v: accepted", o)
		}
	}
}

func TestNamesAreApart(t *testing.T) {
	f := start(t)
	v := f.open(t)
	other, err := Open(t.Context(), f.js, f.kr, Options{Rand: rand.Reader, Name: "roster-2"})
	if err != nil {
		t.Fatal(err)
	}
	if other.name != "ROSTER-2_VAULT" || other.prefix != "roster-2.vault." {
		t.Error(other.name, other.prefix)
	}
	a, b := claim(t, v, "ann@example.com"), claim(t, other, "ann@example.com")
	if a == b {
		t.Error("two instances share an address")
	}
	if _, err := other.Key(t.Context(), a.Key); !errors.Is(err, ErrMissing) {
		t.Error(err)
	}
}

func TestKeys(t *testing.T) {
	f := start(t)
	v := f.open(t)
	pending, err := v.NewKey(Owner{OwnerUser, "u"})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := v.Key(t.Context(), pending.ID()); !errors.Is(err, ErrMissing) || errors.Is(err, ErrErased) {
		t.Error("a key that was never put:", err)
	}
	for range 2 { // putting again is no error
		if err := v.Put(t.Context(), pending); err != nil {
			t.Fatal(err)
		}
	}
	if n := f.count(t, v, v.keySubject(pending.ID())); n != 1 {
		t.Errorf("%d entries", n)
	}
	for _, reader := range []*Vault{v, f.open(t)} {
		if got, err := reader.Key(t.Context(), pending.ID()); err != nil || got != pending.Key() {
			t.Error(got, err)
		}
	}
	if text := fmt.Sprintf("%v %+v %#v %s", pending, pending, pending, pending); strings.Contains(text, fmt.Sprint(pending.key[0], pending.key[1], pending.key[2])) {
		t.Error("the key is printed:", text)
	}
	if err := v.Put(t.Context(), PendingKey{}); err == nil {
		t.Error("put no key")
	}
	if _, err := v.Key(t.Context(), events.KeyID{}); !errors.Is(err, ErrMissing) {
		t.Error("the zero key:", err)
	}
	if _, err := v.NewKey(Owner{}); err == nil {
		t.Error("a key without an owner")
	}
}

func TestWrongKeyUnderAnID(t *testing.T) {
	f := start(t)
	v := f.open(t)
	p, err := v.NewKey(Owner{OwnerUser, "u"})
	if err != nil {
		t.Fatal(err)
	}
	wrong := p.Key()
	wrong[0] ^= 1
	if _, err := v.put(t.Context(), v.keySubject(p.ID()), 0, record{Kind: kindKey, Value: wrong[:]}); err != nil {
		t.Fatal(err)
	}
	if _, err := v.Key(t.Context(), p.ID()); !errors.Is(err, ErrBroken) {
		t.Error(err)
	}
	if err := v.Put(t.Context(), p); !errors.Is(err, ErrBroken) {
		t.Error(err)
	}
}

func TestDestroyKey(t *testing.T) {
	f := start(t)
	v, elsewhere := f.open(t), f.open(t)
	before, p, after := newKey(t, v), newKey(t, v), newKey(t, v)
	if _, err := elsewhere.Key(t.Context(), p.ID()); err != nil {
		t.Fatal(err)
	}
	entry := f.stored(t, v, v.keySubject(p.ID()))
	if n := f.onDisk(t, entry); n != 1 {
		t.Fatalf("the entry stands in %d files before: the scan sees nothing", n)
	}
	for range 2 { // destroying again is no error
		if err := v.DestroyKey(t.Context(), p.ID()); err != nil {
			t.Fatal(err)
		}
		if n := f.onDisk(t, entry) + f.onDisk(t, entry[30:]) + f.onDisk(t, entry[30:46]); n != 0 {
			t.Errorf("the entry still stands in %d files", n)
		}
		if n := f.count(t, v, v.keySubject(p.ID())); n != 1 {
			t.Errorf("%d messages, want the tombstone alone", n)
		}
	}
	if _, err := v.Key(t.Context(), p.ID()); !errors.Is(err, ErrErased) || errors.Is(err, ErrMissing) {
		t.Error(err)
	}
	if err := v.Put(t.Context(), p); !errors.Is(err, ErrErased) {
		t.Error("put after destroying:", err)
	}
	if err := v.DestroyKey(t.Context(), events.KeyID{1}); !errors.Is(err, ErrMissing) {
		t.Error("destroying what never was:", err)
	}
	f.stop(t)
	f.run(t)
	v = f.open(t)
	if n := f.onDisk(t, entry); n != 0 {
		t.Errorf("back after a restart, in %d files", n)
	}
	if _, err := v.Key(t.Context(), p.ID()); !errors.Is(err, ErrErased) {
		t.Error("after a restart:", err)
	}
	for _, other := range []PendingKey{before, after} {
		if got, err := v.Key(t.Context(), other.ID()); err != nil || got != other.Key() {
			t.Error("a neighbour is gone:", err)
		}
	}
}

func TestDestroyKeyResumes(t *testing.T) {
	f := start(t)
	v := f.open(t)
	p := newKey(t, v)
	entry := f.stored(t, v, v.keySubject(p.ID()))
	tombstone(t.Context(), t, v, p.ID()) // and the process died
	v = f.open(t)
	if _, err := v.Key(t.Context(), p.ID()); !errors.Is(err, ErrErased) {
		t.Error(err)
	}
	if f.onDisk(t, entry) == 0 {
		t.Fatal("the test interrupts nothing")
	}
	if err := v.DestroyKey(t.Context(), p.ID()); err != nil {
		t.Fatal(err)
	}
	if f.onDisk(t, entry) != 0 {
		t.Error("the entry is still there")
	}
}

func TestDestroyKeyByMany(t *testing.T) {
	f := start(t)
	v := f.open(t)
	p := newKey(t, v)
	var wg sync.WaitGroup
	for range 6 {
		wg.Go(func() {
			if err := v.DestroyKey(t.Context(), p.ID()); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if n := f.count(t, v, v.keySubject(p.ID())); n != 1 {
		t.Errorf("%d messages, want one tombstone", n)
	}
	if _, err := v.Key(t.Context(), p.ID()); !errors.Is(err, ErrErased) {
		t.Error(err)
	}
}

// Another process may use a key that was destroyed, but not for longer than a minute, however often it reads it.
func TestCacheAges(t *testing.T) {
	f := start(t)
	v := f.open(t)
	p := newKey(t, v)
	var now atomic.Int64
	other, err := Open(t.Context(), f.js, f.kr, Options{Rand: rand.Reader, CacheTTL: time.Hour, Now: func() time.Time { return day0.Add(time.Duration(now.Load())) }})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := other.Key(t.Context(), p.ID()); err != nil {
		t.Fatal(err)
	}
	if err := v.DestroyKey(t.Context(), p.ID()); err != nil {
		t.Fatal(err)
	}
	now.Store(int64(MaxCacheTTL - 1))
	if _, err := other.Key(t.Context(), p.ID()); err != nil {
		t.Error("the cache does not work:", err)
	}
	now.Store(int64(MaxCacheTTL))
	if _, err := other.Key(t.Context(), p.ID()); !errors.Is(err, ErrErased) {
		t.Error("used for too long:", err)
	}
}

func TestCacheIsBounded(t *testing.T) {
	c := newCache(2, time.Minute, func() time.Time { return day0 })
	at := c.now()
	one, two, three := events.KeyID{1}, events.KeyID{2}, events.KeyID{3}
	c.put(one, [32]byte{1}, nil, at)
	c.put(two, [32]byte{2}, nil, at)
	if _, ok, _ := c.get(one); !ok {
		t.Fatal("lost")
	}
	c.put(three, [32]byte{3}, nil, at)
	_, first, _ := c.get(one)
	_, second, _ := c.get(two)
	if !first || second || len(c.items) != 2 || c.order.Len() != 2 {
		t.Error("the one used least recently stays")
	}
	began := c.now()
	c.drop(one)
	c.put(one, [32]byte{1}, nil, began)
	if _, ok, _ := c.get(one); ok {
		t.Error("what was read before a drop was kept after it")
	}
}

func TestSecrets(t *testing.T) {
	f := start(t)
	v := f.open(t)
	owner := Owner{OwnerUser, "u"}
	value := []byte("$argon2id$…")
	id, err := v.PutSecret(t.Context(), owner, "password", value)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := v.Secret(t.Context(), id); err != nil || !bytes.Equal(got, value) {
		t.Error(got, err)
	}
	if f.onDisk(t, value) != 0 {
		t.Error("the secret stands in clear on disk")
	}
	entry := f.stored(t, v, v.secretSubject(id))
	if f.onDisk(t, entry) != 1 {
		t.Fatal("the scan sees nothing")
	}
	for range 2 {
		if err := v.DestroySecret(t.Context(), id); err != nil {
			t.Fatal(err)
		}
	}
	if f.onDisk(t, entry) != 0 {
		t.Error("the entry is still there")
	}
	if _, err := v.Secret(t.Context(), id); !errors.Is(err, ErrErased) {
		t.Error(err)
	}
	if _, err := v.Secret(t.Context(), events.SecretID{1}); !errors.Is(err, ErrMissing) || errors.Is(err, ErrErased) {
		t.Error(err)
	}
	if err := v.DestroySecret(t.Context(), events.SecretID{1}); !errors.Is(err, ErrMissing) {
		t.Error(err)
	}
	for name, put := range map[string]func() error{
		"no owner":  func() error { _, err := v.PutSecret(t.Context(), Owner{}, "password", value); return err },
		"no kind":   func() error { _, err := v.PutSecret(t.Context(), owner, "", value); return err },
		"tombstone": func() error { _, err := v.PutSecret(t.Context(), owner, kindTombstone, value); return err },
		"too large": func() error {
			_, err := v.PutSecret(t.Context(), owner, "x", make([]byte, MaxSecret+1))
			return err
		},
	} {
		if put() == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}

// An entry in a block of the store that is full and no longer held in memory is overwritten as well.
func TestDestroyInAnOldBlock(t *testing.T) {
	f := start(t)
	v := f.open(t)
	p := newKey(t, v)
	entry := f.stored(t, v, v.keySubject(p.ID()))
	for range 110 { // a block is 8 MiB
		if _, err := v.PutSecret(t.Context(), Owner{OwnerUser, "u"}, "filler", make([]byte, MaxSecret)); err != nil {
			t.Fatal(err)
		}
	}
	blocks, err := filepath.Glob(filepath.Join(f.dir, "jetstream", "*", "streams", "*", "msgs", "*.blk"))
	if err != nil || len(blocks) < 2 {
		t.Fatalf("the test fills no block: %v, %v", blocks, err)
	}
	f.stop(t)
	f.run(t)
	v = f.open(t)
	if f.onDisk(t, entry) != 1 {
		t.Fatal("the scan sees nothing")
	}
	if err := v.DestroyKey(t.Context(), p.ID()); err != nil {
		t.Fatal(err)
	}
	if n := f.onDisk(t, entry) + f.onDisk(t, entry[30:46]); n != 0 {
		t.Errorf("still in %d files", n)
	}
	if _, err := v.Key(t.Context(), p.ID()); !errors.Is(err, ErrErased) {
		t.Error(err)
	}
}
