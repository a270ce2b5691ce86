package events

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
)

// Box is personal data sealed for one person: K names the key, B holds algorithm, nonce and ciphertext
// (0x01 ‖ 24 ‖ …). A box is never resealed; when the key is destroyed, what it holds is gone for good.
type Box struct {
	K KeyID `json:"k"`
	B Bytes `json:"b"`
}

// IsZero says that nothing was sealed.
func (b Box) IsZero() bool { return b.K.IsZero() && len(b.B) == 0 }

// Bytes are written as unpadded base64url.
type Bytes []byte

// MarshalText writes the bytes.
func (b Bytes) MarshalText() ([]byte, error) { return base64.RawURLEncoding.AppendEncode(nil, b), nil }

// UnmarshalText reads what MarshalText writes.
func (b *Bytes) UnmarshalText(text []byte) error {
	got, err := base64.RawURLEncoding.Strict().AppendDecode(nil, text)
	if err != nil || len(text) != base64.RawURLEncoding.EncodedLen(len(got)) {
		return fmt.Errorf("not unpadded base64url: %w", errors.Join(ErrCorrupt, err))
	}
	*b = got
	return nil
}

// Sealed is one named part of a fact that is about one person.
//
// A decision makes it with For: the clear value and whose key will seal it. The log and the states hold the Box
// alone. Whoever may read it opens the fact with Open: then Clear is set, or Erased is true because the person's
// key has been destroyed. The clear value is never part of a fact's JSON.
type Sealed[T any] struct {
	Box    Box
	Clear  *T
	Erased bool
}

// For makes a part that is yet to be sealed with the key named.
func For[T any](key KeyID, clear T) Sealed[T] { return Sealed[T]{Box: Box{K: key}, Clear: &clear} }

// IsZero says that the fact has no such part.
func (s Sealed[T]) IsZero() bool { return s.Box.IsZero() && s.Clear == nil }

// Value is the clear value, or the zero value where it is sealed or erased.
func (s Sealed[T]) Value() T {
	if s.Clear == nil {
		var none T
		return none
	}
	return *s.Clear
}

// sealable is what Seal and Open need of a part, whatever it holds.
type sealable interface {
	box() *Box
	clearJSON() ([]byte, error)
	setClear(plain []byte) error
	erase()
	absent() bool
}

func (s *Sealed[T]) box() *Box    { return &s.Box }
func (s *Sealed[T]) absent() bool { return s.IsZero() }
func (s *Sealed[T]) erase()       { s.Clear, s.Erased = nil, true }

func (s *Sealed[T]) clearJSON() ([]byte, error) {
	if s.Clear == nil {
		return nil, nil
	}
	return json.Marshal(s.Clear)
}

func (s *Sealed[T]) setClear(plain []byte) error {
	if plain == nil {
		s.Clear = nil
		return nil
	}
	var v T
	if err := json.Unmarshal(plain, &v); err != nil {
		return err
	}
	s.Clear = &v
	return nil
}

// part is one sealed part of a fact under the name that stands in the log.
type part struct {
	name string
	sealable
}
