package password_test

import (
	"context"
	"crypto/rand"
	"errors"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"roster/infra/password"
)

func cheap() password.Params { return password.Params{MemoryKiB: 64, Time: 1, Threads: 1} }

func hasher(t *testing.T, p password.Params, parallel int) *password.Hasher {
	t.Helper()
	h, err := password.New(p, parallel, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return h
}

// Computed apart from this program: salt "0123456789abcdef", password "correct horse".
const fixedHash = "$argon2id$v=19$m=64,t=1,p=1$MDEyMzQ1Njc4OWFiY2RlZg$MjZP1+1U9JUbDWvDvtLyEsZiNXOKEUxfi6O2oe46uxA"

func TestVector(t *testing.T) {
	h, err := password.New(cheap(), 1, strings.NewReader("0123456789abcdef"))
	if err != nil {
		t.Fatal(err)
	}
	got, err := h.Hash(t.Context(), "correct horse")
	if err != nil || got != fixedHash {
		t.Errorf("%s, %v; want %s", got, err, fixedHash)
	}
	if ok, rehash, err := h.Verify(t.Context(), "correct horse", fixedHash); !ok || rehash || err != nil {
		t.Error(ok, rehash, err)
	}
	if _, err := h.Hash(t.Context(), "no salt is left"); err == nil {
		t.Error("hashed without a salt")
	}
}

func TestHashAndVerify(t *testing.T) {
	h := hasher(t, cheap(), 2)
	one, err1 := h.Hash(t.Context(), "pässword")
	two, err2 := h.Hash(t.Context(), "pässword")
	if err := errors.Join(err1, err2); err != nil {
		t.Fatal(err)
	}
	if one == two {
		t.Error("two hashes have the same salt")
	}
	for typed, want := range map[string]bool{
		"pässword":           true,
		"pa\u0308ssword":     true, // decomposed
		"\uff50\u00e4ssword": true, // full-width p
		"passwörd":           false,
		"pässword ":          false,
		"Pässword":           false,
		"":                   false,
	} {
		if ok, rehash, err := h.Verify(t.Context(), typed, one); ok != want || rehash || err != nil {
			t.Errorf("%q: %v %v %v", typed, ok, rehash, err)
		}
	}
}

func TestRehash(t *testing.T) {
	old := hasher(t, cheap(), 1)
	phc, err := old.Hash(t.Context(), "correct horse")
	if err != nil {
		t.Fatal(err)
	}
	stronger := hasher(t, password.Params{MemoryKiB: 128, Time: 1, Threads: 1}, 1)
	if ok, rehash, err := stronger.Verify(t.Context(), "correct horse", phc); !ok || !rehash || err != nil {
		t.Error(ok, rehash, err)
	}
	if ok, rehash, err := stronger.Verify(t.Context(), "wrong", phc); ok || rehash || err != nil {
		t.Error("a wrong password must not be hashed again:", ok, rehash, err)
	}
}

func TestRecommended(t *testing.T) {
	h := hasher(t, password.Recommended(), 1)
	phc, err := h.Hash(t.Context(), "correct horse")
	if err != nil || !strings.HasPrefix(phc, "$argon2id$v=19$m=19456,t=2,p=1$") {
		t.Error(phc, err)
	}
}

func TestTooLong(t *testing.T) {
	h := hasher(t, cheap(), 1)
	long := strings.Repeat("x", password.MaxLength+1)
	if _, err := h.Hash(t.Context(), long); !errors.Is(err, password.ErrTooLong) {
		t.Error(err)
	}
	if ok, _, err := h.Verify(t.Context(), long, fixedHash); ok || !errors.Is(err, password.ErrTooLong) {
		t.Error(ok, err)
	}
	if err := h.Dummy(t.Context(), long); !errors.Is(err, password.ErrTooLong) {
		t.Error(err)
	}
	phc, err := h.Hash(t.Context(), long[1:])
	if err != nil {
		t.Fatal(err)
	}
	if ok, _, err := h.Verify(t.Context(), long[1:], phc); !ok || err != nil {
		t.Error("the longest password:", ok, err)
	}
}

func TestBadHash(t *testing.T) {
	h := hasher(t, cheap(), 1)
	for _, phc := range []string{
		"", "$", "secret", fixedHash[1:], fixedHash + "$", fixedHash + "=", fixedHash[:len(fixedHash)-1],
		strings.Replace(fixedHash, "argon2id", "argon2i", 1),
		strings.Replace(fixedHash, "v=19", "v=16", 1),
		strings.Replace(fixedHash, "m=64", "m=064", 1),
		strings.Replace(fixedHash, "m=64", "m=4294967295", 1),
		strings.Replace(fixedHash, "m=64", "m=1", 1),
		strings.Replace(fixedHash, "t=1", "t=0", 1),
		strings.Replace(fixedHash, "t=1", "t=1000", 1),
		strings.Replace(fixedHash, "p=1", "p=0", 1),
		strings.Replace(fixedHash, "p=1", "p=256", 1),
		strings.Replace(fixedHash, "m=64,t=1", "t=1,m=64", 1),
		strings.Replace(fixedHash, ",p=1", "", 1),
		strings.Replace(fixedHash, "$MDEy", "$", 1),
		fixedHash[:40] + "\n" + fixedHash[40:],
	} {
		if phc == fixedHash {
			t.Fatal("the test does not edit")
		}
		if ok, _, err := h.Verify(t.Context(), "correct horse", phc); ok || !errors.Is(err, password.ErrBadHash) {
			t.Errorf("%q: %v, %v", phc, ok, err)
		}
	}
}

func TestNewRefuses(t *testing.T) {
	for _, p := range []password.Params{{}, {MemoryKiB: 64, Time: 1}, {MemoryKiB: 7, Time: 1, Threads: 1}, {MemoryKiB: 1 << 30, Time: 1, Threads: 1}, {MemoryKiB: 64, Time: 17, Threads: 1}} {
		if _, err := password.New(p, 1, rand.Reader); err == nil {
			t.Errorf("%+v accepted", p)
		}
	}
	if _, err := password.New(cheap(), 0, rand.Reader); err == nil {
		t.Error("no slots accepted")
	}
}

func TestContext(t *testing.T) {
	h := hasher(t, cheap(), 1)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := h.Hash(ctx, "x"); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	if ok, _, err := h.Verify(ctx, "correct horse", fixedHash); ok || !errors.Is(err, context.Canceled) {
		t.Error(ok, err)
	}
	if err := h.Dummy(ctx, "x"); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	if err := h.Dummy(t.Context(), "x"); err != nil {
		t.Error("the slot was not given back:", err)
	}
}

func TestManyAtOnce(t *testing.T) {
	h := hasher(t, cheap(), 2)
	var (
		wg sync.WaitGroup
		ok atomic.Int32
	)
	for range 16 {
		wg.Go(func() {
			if good, _, err := h.Verify(t.Context(), "correct horse", fixedHash); good && err == nil {
				ok.Add(1)
			}
		})
	}
	wg.Wait()
	if ok.Load() != 16 {
		t.Errorf("%d of 16", ok.Load())
	}
}
