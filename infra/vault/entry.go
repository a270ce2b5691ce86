package vault

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"

	"golang.org/x/crypto/chacha20poly1305"

	"roster/events"
	"roster/infra/keyring"
)

const (
	entryVersion = 1
	algXChaCha20 = 1
	entryHeader  = 1 + 4 + 1 + chacha20poly1305.NonceSizeX // version, wrapping key id, algorithm, nonce
)

// The kinds of entries that the vault itself knows; a secret's kind is its owner's choice.
const (
	kindKey       = "key"
	kindAddress   = "address"
	kindOrigin    = "origin"
	kindTombstone = "tombstone"
)

// record is what an entry holds, as JSON under the seal.
type record struct {
	Kind      string       `json:"kind"`
	OwnerType string       `json:"owner_type"`
	OwnerID   string       `json:"owner_id"`
	Value     events.Bytes `json:"value"`
	// Pointer is the HMAC under which an address or origin entry points at this key; empty for all other keys. So
	// whoever destroys the key finds the entry without knowing the address.
	Pointer events.Bytes `json:"pointer,omitempty"`
}

// wrap writes an entry: version (1) ‖ wrapping key id (4) ‖ algorithm (1) ‖ nonce (24) ‖ the record sealed with
// XChaCha20-Poly1305 (draft-irtf-cfrg-xchacha-03), associated data = the subject that it stands on. Frozen.
func wrap(rand io.Reader, kr *keyring.Keyring, subject string, r record) ([]byte, error) {
	plain, err := json.Marshal(r)
	if err != nil {
		return nil, err
	}
	id, key := kr.CurrentWrapKey()
	aead, err := chacha20poly1305.NewX(key[:])
	if err != nil {
		return nil, err
	}
	b := make([]byte, 0, entryHeader+len(plain)+aead.Overhead())
	b = append(b, entryVersion)
	b = append(b, id[:]...)
	b = append(b, algXChaCha20)
	b = b[:entryHeader]
	nonce := b[entryHeader-chacha20poly1305.NonceSizeX:]
	if _, err := io.ReadFull(rand, nonce); err != nil {
		return nil, fmt.Errorf("vault: no randomness: %w", err)
	}
	return aead.Seal(b, nonce, plain, []byte(subject)), nil
}

// unwrap reads an entry that stands on subject. Errors: ErrKeyring where the wrapping key is not in our keyring,
// ErrBroken for everything else.
func unwrap(kr *keyring.Keyring, subject string, b []byte) (record, error) {
	if len(b) < entryHeader+chacha20poly1305.Overhead || b[0] != entryVersion || b[5] != algXChaCha20 {
		return record{}, fmt.Errorf("%w: %s", ErrBroken, subject)
	}
	id := keyring.KeyID(b[1:5])
	key, ok := kr.WrapKey(id)
	if !ok {
		return record{}, fmt.Errorf("%w: %s is wrapped with key %s", ErrKeyring, subject, id)
	}
	aead, err := chacha20poly1305.NewX(key[:])
	if err != nil {
		return record{}, err
	}
	plain, err := aead.Open(nil, b[entryHeader-chacha20poly1305.NonceSizeX:entryHeader], b[entryHeader:], []byte(subject))
	if err != nil {
		return record{}, fmt.Errorf("%w: %s", ErrBroken, subject)
	}
	var r record
	d := json.NewDecoder(bytes.NewReader(plain))
	d.DisallowUnknownFields()
	if err := d.Decode(&r); err != nil {
		return record{}, fmt.Errorf("%w: %s", ErrBroken, subject)
	}
	return r, nil
}
