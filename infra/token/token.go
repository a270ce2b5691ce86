// Package token makes and reads bearer tokens: of sessions (rs_), API keys (rk_) and operators (ro_). The written
// form is frozen.
//
// A token is its prefix and base64url (unpadded) of id ‖ 32-byte secret ‖ CRC-32 (IEEE, big-endian) of prefix, id
// and secret. The checksum lets a mistyped token be told from a wrong one without asking anybody, and lets scanners
// recognise leaked ones; it protects nothing. The fact holds the secret's SHA-256: with 256 random bits no slow
// hash is needed.
package token

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"

	"roster/events"
)

// Kind is whose token it is.
type Kind byte

// The kinds of tokens.
const (
	Session  Kind = iota + 1 // rs_: A is the user, B the session
	APIKey                   // rk_: A is the account or the user, B the key
	Operator                 // ro_: A is zero, B the key
)

const (
	idSize     = 16
	secretSize = 32
	sumSize    = 4
	prefixSize = 3
)

// ErrBad says that a text is no token: unknown prefix, wrong length, not canonical, or a wrong checksum.
var ErrBad = errors.New("not a token")

// Bearer is what a token says about itself. It is a claim until Hash has been compared, in constant time, with the
// hash in the fact that A and B lead to. The secret itself is not kept.
type Bearer struct {
	Kind Kind
	A    events.AnyID // whose boundary the fact is in
	B    events.AnyID // the session or key
	Hash events.Hash  // SHA-256 of the secret
}

// MintSession makes a session's token; 94 characters. rand must be a cryptographic source; each mint reads 32 bytes.
func MintSession(rand io.Reader, user events.UserID, session events.SessionID) (token string, hash events.Hash, err error) {
	return mint(rand, "rs_", user[:], session[:])
}

// MintAPIKey makes the token of a key that belongs to an account or a user; 94 characters.
func MintAPIKey(rand io.Reader, owner, key events.AnyID) (token string, hash events.Hash, err error) {
	return mint(rand, "rk_", owner[:], key[:])
}

// MintOperator makes an operator's token; 73 characters.
func MintOperator(rand io.Reader, key events.AnyID) (token string, hash events.Hash, err error) {
	return mint(rand, "ro_", key[:])
}

// Parse reads a token. It proves nothing about who holds it; its only error is ErrBad.
func Parse(token string) (Bearer, error) {
	if len(token) < prefixSize {
		return Bearer{}, ErrBad
	}
	prefix, body := token[:prefixSize], token[prefixSize:]
	b := Bearer{}
	ids := 2
	switch prefix {
	case "rs_":
		b.Kind = Session
	case "rk_":
		b.Kind = APIKey
	case "ro_":
		b.Kind, ids = Operator, 1
	default:
		return Bearer{}, ErrBad
	}
	size := ids*idSize + secretSize + sumSize
	// The length of the text too: the decoder passes over line breaks.
	if len(body) != base64.RawURLEncoding.EncodedLen(size) {
		return Bearer{}, ErrBad
	}
	raw, err := base64.RawURLEncoding.Strict().DecodeString(body)
	if err != nil || len(raw) != size {
		return Bearer{}, ErrBad
	}
	signed, sum := raw[:size-sumSize], raw[size-sumSize:]
	if binary.BigEndian.Uint32(sum) != checksum(prefix, signed) {
		return Bearer{}, ErrBad
	}
	id, secret := signed[:ids*idSize], signed[ids*idSize:]
	if ids == 2 {
		b.A = events.AnyID(id[:idSize])
	}
	b.B = events.AnyID(id[len(id)-idSize:])
	b.Hash = sha256.Sum256(secret)
	return b, nil
}

func mint(rand io.Reader, prefix string, ids ...[]byte) (string, events.Hash, error) {
	raw := make([]byte, 0, 2*idSize+secretSize+sumSize)
	for _, id := range ids {
		raw = append(raw, id...)
	}
	var secret [secretSize]byte
	if _, err := io.ReadFull(rand, secret[:]); err != nil {
		return "", events.Hash{}, fmt.Errorf("token: no randomness: %w", err)
	}
	raw = append(raw, secret[:]...)
	raw = binary.BigEndian.AppendUint32(raw, checksum(prefix, raw))
	return prefix + base64.RawURLEncoding.EncodeToString(raw), sha256.Sum256(secret[:]), nil
}

func checksum(prefix string, signed []byte) uint32 {
	return crc32.Update(crc32.ChecksumIEEE([]byte(prefix)), crc32.IEEETable, signed)
}
