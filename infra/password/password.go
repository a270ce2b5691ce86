// Package password hashes passwords with argon2id (RFC 9106) and writes them in the PHC string form, so that
// parameters can be raised later: Verify says when a hash should be made anew.
package password

import (
	"context"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/bits-and-blooms/bloom/v3"
	"golang.org/x/crypto/argon2"
	"golang.org/x/text/unicode/norm"
)

const (
	// MaxLength is the longest password, in bytes as typed, that is hashed at all.
	MaxLength = 4096

	saltSize = 16 // bytes, RFC 9106 section 3.1
	hashSize = 32

	// What a stored hash may ask for: whoever could write one must not be able to exhaust the machine.
	mostMemoryKiB = 256 * 1024
	mostTime      = 16
	mostThreads   = 16
)

var (
	// ErrTooLong refuses a password of more than MaxLength bytes; nothing was hashed.
	ErrTooLong = errors.New("password is longer than 4096 bytes")
	// ErrBadHash says that a stored hash is not an argon2id string that this program would have written: a fault.
	ErrBadHash = errors.New("stored password hash is broken")
)

// Params is the work of one hash.
type Params struct {
	MemoryKiB uint32
	Time      uint32 // passes
	Threads   uint8
}

// Recommended is 19 MiB, two passes, one thread: the least that OWASP's Password Storage Cheat Sheet advises.
func Recommended() Params { return Params{MemoryKiB: 19 * 1024, Time: 2, Threads: 1} }

// Hasher hashes and verifies, a few at a time. It may be used from everywhere at once.
type Hasher struct {
	params Params
	slots  chan struct{}
	rand   io.Reader
	common *bloom.BloomFilter
}

// New gives a Hasher that does at most parallel hashes at once (2 to 4 on a small machine), so that sign-ins need
// at most parallel × MemoryKiB of memory. rand, a cryptographic source safe for use from everywhere at once, gives
// the salts.
func New(params Params, parallel int, rand io.Reader) (*Hasher, error) {
	if !params.sane() {
		return nil, fmt.Errorf("password: parameters m=%d KiB t=%d p=%d are out of range", params.MemoryKiB, params.Time, params.Threads)
	}
	if parallel < 1 {
		return nil, errors.New("password: at least one hash at a time")
	}
	common, err := readCommon()
	if err != nil {
		return nil, err
	}
	return &Hasher{params: params, slots: make(chan struct{}, parallel), rand: rand, common: common}, nil
}

// Hash gives the PHC string of a password: $argon2id$v=19$m=…,t=…,p=…$salt$hash. It waits for a free slot; its
// errors are ErrTooLong and the context's. A hash that has begun runs to its end.
func (h *Hasher) Hash(ctx context.Context, password string) (string, error) {
	var salt [saltSize]byte
	if _, err := io.ReadFull(h.rand, salt[:]); err != nil {
		return "", fmt.Errorf("password: no randomness: %w", err)
	}
	sum, err := h.derive(ctx, password, salt[:], h.params)
	if err != nil {
		return "", err
	}
	return encode(h.params, salt[:], sum), nil
}

// Verify says whether the password is the one that phc was made of, and if so whether it should be hashed again
// because the parameters have changed since. Errors: ErrTooLong, ErrBadHash, the context's.
func (h *Hasher) Verify(ctx context.Context, password, phc string) (ok, rehash bool, err error) {
	params, salt, want, err := decode(phc)
	if err != nil {
		return false, false, err
	}
	got, err := h.derive(ctx, password, salt, params)
	if err != nil {
		return false, false, err
	}
	ok = subtle.ConstantTimeCompare(got, want) == 1
	return ok, ok && params != h.params, nil
}

// Dummy does the work of Verify where there is no hash to verify, so that an unknown user cannot be told from a
// wrong password by the time it takes. Errors are those of Verify.
func (h *Hasher) Dummy(ctx context.Context, password string) error {
	var salt [saltSize]byte
	_, err := h.derive(ctx, password, salt[:], h.params)
	return err
}

// derive normalises to NFKC (RFC 8265 has NFC; NFKC also joins full-width and compatibility forms that keyboards
// differ in) and hashes.
func (h *Hasher) derive(ctx context.Context, password string, salt []byte, p Params) ([]byte, error) {
	if len(password) > MaxLength {
		return nil, ErrTooLong
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	select {
	case h.slots <- struct{}{}:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	defer func() { <-h.slots }()
	return argon2.IDKey(norm.NFKC.Bytes([]byte(password)), salt, p.Time, p.MemoryKiB, p.Threads, hashSize), nil
}

func (p Params) sane() bool {
	return p.Threads >= 1 && p.Threads <= mostThreads && p.Time >= 1 && p.Time <= mostTime &&
		p.MemoryKiB >= 8*uint32(p.Threads) && p.MemoryKiB <= mostMemoryKiB
}

func encode(p Params, salt, sum []byte) string {
	return fmt.Sprintf("$argon2id$v=%d$m=%d,t=%d,p=%d$%s$%s", argon2.Version, p.MemoryKiB, p.Time, p.Threads,
		base64.RawStdEncoding.EncodeToString(salt), base64.RawStdEncoding.EncodeToString(sum))
}

// decode reads exactly what encode writes.
func decode(phc string) (p Params, salt, sum []byte, err error) {
	f := strings.Split(phc, "$")
	if len(f) != 6 {
		return p, nil, nil, ErrBadHash
	}
	n := strings.Split(f[3], ",")
	if len(n) != 3 {
		return p, nil, nil, ErrBadHash
	}
	m, err1 := number(n[0], "m=", 32)
	t, err2 := number(n[1], "t=", 32)
	threads, err3 := number(n[2], "p=", 8)
	salt, err4 := base64.RawStdEncoding.Strict().DecodeString(f[4])
	sum, err5 := base64.RawStdEncoding.Strict().DecodeString(f[5])
	p = Params{MemoryKiB: uint32(m), Time: uint32(t), Threads: uint8(threads)}
	if errors.Join(err1, err2, err3, err4, err5) != nil || !p.sane() || len(salt) != saltSize || len(sum) != hashSize ||
		encode(p, salt, sum) != phc {
		return p, nil, nil, ErrBadHash
	}
	return p, salt, sum, nil
}

func number(s, name string, bits int) (uint64, error) {
	digits, ok := strings.CutPrefix(s, name)
	if !ok {
		return 0, ErrBadHash
	}
	return strconv.ParseUint(digits, 10, bits)
}
