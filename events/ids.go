package events

import (
	"encoding/base64"
	"encoding/hex"
	"fmt"
)

// ID is a UUID (RFC 9562) that belongs to one kind of thing, so that a user's id cannot be passed where an
// account's is meant. The zero ID means "none". It is written in lower case with hyphens, everywhere alike.
type ID[Of any] [16]byte

// The kinds of things that have ids.
type (
	AccountID    = ID[struct{ account byte }]
	UserID       = ID[struct{ user byte }]
	AddressID    = ID[struct{ address byte }]
	InvitationID = ID[struct{ invitation byte }]
	ContactID    = ID[struct{ contact byte }]
	FactorID     = ID[struct{ factor byte }]
	KeyRefID     = ID[struct{ key byte }] // of an API key; a KeyID is of a data key
	SessionID    = ID[struct{ session byte }]
	SecretID     = ID[struct{ secret byte }]
	LogID        = ID[struct{ log byte }]
	// AnyID is an id whose kind only its context tells: the id of an actor, or of a boundary.
	AnyID = ID[struct{ any byte }]
)

// ParseID reads the one written form: 36 characters, lower case, hyphens in place. Anything else is an error,
// so that a parsed id can stand in a subject as it is; so is the zero id, which names nothing.
func ParseID[Of any](s string) (ID[Of], error) {
	var id ID[Of]
	if len(s) != 36 || s[8] != '-' || s[13] != '-' || s[18] != '-' || s[23] != '-' {
		return id, fmt.Errorf("not an id: want a UUID in lower case, such as 0198c5d4-7e1a-7c3f-9b1d-2f6a8e4c0b57")
	}
	var digits [32]byte
	src := digits[:0]
	for i := range len(s) {
		switch c := s[i]; {
		case i == 8 || i == 13 || i == 18 || i == 23:
		case '0' <= c && c <= '9' || 'a' <= c && c <= 'f':
			src = append(src, c)
		default:
			return ID[Of]{}, fmt.Errorf("not an id: want a UUID in lower case, such as 0198c5d4-7e1a-7c3f-9b1d-2f6a8e4c0b57")
		}
	}
	if _, err := hex.Decode(id[:], src); err != nil {
		return ID[Of]{}, err
	}
	if id.IsZero() {
		return id, fmt.Errorf("not an id: the zero UUID names nothing")
	}
	return id, nil
}

// IsZero says that there is no id.
func (id ID[Of]) IsZero() bool { return id == ID[Of]{} }

// Any forgets of what kind the id is.
func (id ID[Of]) Any() AnyID { return AnyID(id) }

func (id ID[Of]) String() string { return string(id.append(make([]byte, 0, 36))) }

// MarshalText writes the id; the zero id is the empty text.
func (id ID[Of]) MarshalText() ([]byte, error) {
	if id.IsZero() {
		return []byte{}, nil
	}
	return id.append(make([]byte, 0, 36)), nil
}

// UnmarshalText reads what MarshalText writes.
func (id *ID[Of]) UnmarshalText(b []byte) error {
	if len(b) == 0 {
		*id = ID[Of]{}
		return nil
	}
	parsed, err := ParseID[Of](string(b))
	*id = parsed
	return err
}

func (id ID[Of]) append(b []byte) []byte {
	var digits [32]byte
	hex.Encode(digits[:], id[:])
	b = append(append(b, digits[:8]...), '-')
	b = append(append(b, digits[8:12]...), '-')
	b = append(append(b, digits[12:16]...), '-')
	b = append(append(b, digits[16:20]...), '-')
	return append(b, digits[20:]...)
}

// CommitID names a commit: 16 bytes, written as unpadded base64url.
type CommitID [16]byte

// IsZero says that there is no commit.
func (id CommitID) IsZero() bool { return id == CommitID{} }

func (id CommitID) String() string { return base64.RawURLEncoding.EncodeToString(id[:]) }

// MarshalText writes the id; the zero id is the empty text.
func (id CommitID) MarshalText() ([]byte, error) {
	if id.IsZero() {
		return []byte{}, nil
	}
	return base64.RawURLEncoding.AppendEncode(nil, id[:]), nil
}

// UnmarshalText reads what MarshalText writes.
func (id *CommitID) UnmarshalText(b []byte) error { return unbase64(id[:], b, "commit id") }

// Hash is a SHA-256, written as unpadded base64url. The zero Hash means "none" and is written as the empty text.
type Hash [32]byte

// IsZero says that there is no hash.
func (h Hash) IsZero() bool { return h == Hash{} }

func (h Hash) String() string { b, _ := h.MarshalText(); return string(b) }

// MarshalText writes the hash.
func (h Hash) MarshalText() ([]byte, error) {
	if h.IsZero() {
		return []byte{}, nil
	}
	return base64.RawURLEncoding.AppendEncode(nil, h[:]), nil
}

// UnmarshalText reads what MarshalText writes.
func (h *Hash) UnmarshalText(b []byte) error { return unbase64(h[:], b, "hash") }

// KeyID names a data key and commits to it: SHA-256("roster.kid.v1" ‖ key), its first 24 bytes.
type KeyID [24]byte

// IsZero says that there is no key.
func (k KeyID) IsZero() bool { return k == KeyID{} }

func (k KeyID) String() string { b, _ := k.MarshalText(); return string(b) }

// MarshalText writes the key's id as unpadded base64url; the zero id is the empty text.
func (k KeyID) MarshalText() ([]byte, error) {
	if k.IsZero() {
		return []byte{}, nil
	}
	return base64.RawURLEncoding.AppendEncode(nil, k[:]), nil
}

// UnmarshalText reads what MarshalText writes.
func (k *KeyID) UnmarshalText(b []byte) error { return unbase64(k[:], b, "key id") }

func unbase64(into, text []byte, what string) error {
	if len(text) == 0 {
		clear(into)
		return nil
	}
	got, err := base64.RawURLEncoding.Strict().AppendDecode(nil, text)
	if err != nil || len(got) != len(into) || len(text) != base64.RawURLEncoding.EncodedLen(len(into)) {
		return fmt.Errorf("not a %s: want %d bytes as unpadded base64url", what, len(into))
	}
	copy(into, got)
	return nil
}

// ParseAccountID reads the id of an account.
func ParseAccountID(s string) (AccountID, error) { return ParseID[struct{ account byte }](s) }

// ParseUserID reads a user's id.
func ParseUserID(s string) (UserID, error) { return ParseID[struct{ user byte }](s) }

// ParseInvitationID reads an invitation's id.
func ParseInvitationID(s string) (InvitationID, error) { return ParseID[struct{ invitation byte }](s) }

// ParseAnyID reads an id whose kind only its context tells.
func ParseAnyID(s string) (AnyID, error) { return ParseID[struct{ any byte }](s) }
