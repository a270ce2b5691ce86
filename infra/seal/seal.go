// Package seal makes and opens sealed boxes: personal data within a fact, encrypted with one person's data key and
// bound to the one place where it stands. The bytes are frozen; the tests hold vectors.
//
// Cipher: XChaCha20-Poly1305, draft-irtf-cfrg-xchacha-03 on top of RFC 8439. The cipher does not commit to its key;
// the key id does, and Open refuses any other key.
package seal

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"

	"golang.org/x/crypto/chacha20poly1305"

	"roster/events"
)

const (
	algXChaCha20 = 0x01
	block        = 64 // bytes; plaintext is padded to a multiple of it
	overhead     = 1 + chacha20poly1305.NonceSizeX + chacha20poly1305.Overhead
	context      = "roster.seal.v1"
	kidContext   = "roster.kid.v1"
)

var (
	// ErrBroken says that a box does not open where it stands: it was edited, cut, or moved from elsewhere.
	// It is a fault, never "erased".
	ErrBroken = errors.New("sealed box is broken or stands in the wrong place")
	// ErrOtherKey says that the box names another key than the one given.
	ErrOtherKey = errors.New("sealed box was sealed with another key")
)

// Where is the one place in the log where a box opens. All of it is authenticated, none of it is stored in the box.
type Where struct {
	Log      events.LogID
	Boundary string // as in the envelope: "account.<uuid>"
	Commit   events.CommitID
	Index    int    // of the fact within its commit, from 0; OriginIndex for the envelope's origin
	Type     string // wire name of the fact
	V        int    // version of the fact as it was written
	Part     string // name of the part in the fact's "sealed"
}

// OriginIndex stands in place of a fact's index for the envelope's origin.
const OriginIndex = -1

// Origin is where the envelope's origin is sealed. It belongs to no fact: its type is empty and its version 0.
func Origin(log events.LogID, boundary string, commit events.CommitID) Where {
	return Where{Log: log, Boundary: boundary, Commit: commit, Index: OriginIndex, Part: "origin"}
}

// KeyIDOf names a data key: the first 24 bytes of SHA-256("roster.kid.v1" ‖ key). Nobody can find two keys with
// one id, which is what makes the box commit to its key.
func KeyIDOf(key [32]byte) events.KeyID {
	sum := sha256.Sum256(append([]byte(kidContext), key[:]...))
	return events.KeyID(sum[:24])
}

// Seal encrypts plain, a JSON object, for the place w. The nonce is 24 bytes from rand, which must be a
// cryptographic source. The box shows the length of plain only in steps of 64 bytes.
func Seal(rand io.Reader, key [32]byte, w Where, plain []byte) (events.Box, error) {
	if err := w.check(); err != nil {
		return events.Box{}, err
	}
	if len(plain) < 2 || plain[0] != '{' || plain[len(plain)-1] != '}' || !json.Valid(plain) {
		return events.Box{}, errors.New("seal: want one JSON object without space around it")
	}
	aead, err := chacha20poly1305.NewX(key[:])
	if err != nil {
		return events.Box{}, err
	}
	k := KeyIDOf(key)
	padded := pad(plain)
	b := make([]byte, 1+chacha20poly1305.NonceSizeX, overhead+len(padded))
	b[0] = algXChaCha20
	nonce := b[1:]
	if _, err := io.ReadFull(rand, nonce); err != nil {
		return events.Box{}, fmt.Errorf("seal: no randomness: %w", err)
	}
	return events.Box{K: k, B: aead.Seal(b, nonce, padded, w.associated(k))}, nil
}

// Open decrypts a box that stands at w and gives the JSON object without its padding. Errors: ErrOtherKey,
// ErrBroken.
func Open(key [32]byte, w Where, b events.Box) ([]byte, error) {
	if KeyIDOf(key) != b.K {
		return nil, ErrOtherKey
	}
	if len(b.B) < overhead+block || (len(b.B)-overhead)%block != 0 || b.B[0] != algXChaCha20 || w.check() != nil {
		return nil, ErrBroken
	}
	aead, err := chacha20poly1305.NewX(key[:])
	if err != nil {
		return nil, err
	}
	nonce, sealed := b.B[1:1+chacha20poly1305.NonceSizeX], b.B[1+chacha20poly1305.NonceSizeX:]
	plain, err := aead.Open(nil, nonce, sealed, w.associated(b.K))
	if err != nil {
		return nil, ErrBroken
	}
	return bytes.TrimRight(plain, " "), nil
}

func (w Where) check() error {
	switch {
	case w.Log.IsZero(), w.Commit.IsZero(), w.Boundary == "", w.Part == "":
		return errors.New("seal: a box needs log, boundary, commit and part")
	case w.Index < OriginIndex, w.Index > OriginIndex && (w.Type == "" || w.V < 1), w.Index == OriginIndex && (w.Type != "" || w.V != 0):
		return errors.New("seal: a fact's box needs index, type and version; that of origin has neither type nor version")
	}
	return nil
}

// associated is the associated data: each field in its written form with its length in four bytes before it.
func (w Where) associated(k events.KeyID) []byte {
	fields := [...]string{
		context, w.Log.String(), w.Boundary, w.Commit.String(), strconv.Itoa(w.Index), w.Type, strconv.Itoa(w.V), w.Part, k.String(),
	}
	b := make([]byte, 0, 256)
	for _, f := range fields {
		b = binary.BigEndian.AppendUint32(b, uint32(len(f)))
		b = append(b, f...)
	}
	return b
}

func pad(plain []byte) []byte {
	padded := make([]byte, (len(plain)+block-1)/block*block)
	for i := copy(padded, plain); i < len(padded); i++ {
		padded[i] = ' '
	}
	return padded
}
