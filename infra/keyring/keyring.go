// Package keyring holds the secrets that are not in the log or the vault: the master keys, and from them every key
// that wraps, signs or blinds. It also makes and reads link tokens.
//
// Subkeys are HKDF-SHA-256 (RFC 5869) of a 32-byte master key with info "roster.<purpose>.v1". What is derived here
// is frozen: addresses are found by it, links in mails are checked by it.
package keyring

import (
	"bytes"
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"roster/events"
)

const (
	formatVersion = 1
	keySize       = 32 // bytes, of masters and of every subkey

	infoVault     = "roster.vault.v1"
	infoLinks     = "roster.links.v1"
	infoAddresses = "roster.addresses.v1"
	infoMACs      = "roster.macs.v1"

	contextMasterID    = "roster.master.id.v1"
	contextLinkID      = "roster.link.id.v1"
	contextFingerprint = "roster.master.fingerprint.v1"
)

// KeyID names a master key or a link key. It is a name, not a proof: four bytes of a hash of the key.
type KeyID [4]byte

func (id KeyID) String() string { return base64.RawURLEncoding.EncodeToString(id[:]) }

// MarshalText writes the id as unpadded base64url.
func (id KeyID) MarshalText() ([]byte, error) { return []byte(id.String()), nil }

// UnmarshalText reads what MarshalText writes.
func (id *KeyID) UnmarshalText(text []byte) error {
	b, err := decode(string(text), len(id))
	if err != nil {
		return fmt.Errorf("not a key id: %w", err)
	}
	*id = KeyID(b)
	return nil
}

// Keyring is a set of master keys, oldest first, and of link generations made from them. It never changes once
// made and may be used from everywhere at once. Its secrets are never printed.
type Keyring struct {
	masters []master
	links   []link
	address [keySize]byte // of the first master, whatever is rotated
}

type master struct {
	id    KeyID
	key   [keySize]byte
	made  events.Time
	vault [keySize]byte
	macs  [keySize]byte
}

type link struct {
	id         KeyID
	master     KeyID
	generation uint32
	key        [keySize]byte
	made       events.Time
	retired    events.Time // zero while it signs
}

// file is the written form, as JSON.
type file struct {
	V     int          `json:"v"`
	Keys  []fileMaster `json:"keys"`
	Links []fileLink   `json:"links"`
}

type fileMaster struct {
	ID   KeyID        `json:"id"`
	Key  events.Bytes `json:"key"`
	Made events.Time  `json:"made"`
}

type fileLink struct {
	ID         KeyID       `json:"id"`
	Master     KeyID       `json:"master"`
	Generation uint32      `json:"generation"`
	Made       events.Time `json:"made"`
	Retired    events.Time `json:"retired,omitzero"`
}

// New makes a keyring with one master key, 32 bytes from rand, which must be a cryptographic source.
func New(rand io.Reader, now time.Time) (*Keyring, error) { return new(Keyring).Rotate(rand, now) }

// Parse reads what Encode writes. It refuses an unknown version, an unknown field, a key that does not match its
// id, and a keyring that could sign nothing.
func Parse(text []byte) (*Keyring, error) {
	var f file
	d := json.NewDecoder(bytes.NewReader(text))
	d.DisallowUnknownFields()
	if err := d.Decode(&f); err != nil {
		// The error text of the decoder can quote what it read, which is secret.
		return nil, errors.New("keyring: not a keyring in JSON")
	}
	if d.More() {
		return nil, errors.New("keyring: more than one JSON value")
	}
	if f.V != formatVersion {
		return nil, fmt.Errorf("keyring: version %d, this program knows version %d", f.V, formatVersion)
	}
	kr := &Keyring{}
	for _, m := range f.Keys {
		if len(m.Key) != keySize {
			return nil, fmt.Errorf("keyring: key %s is not %d bytes", m.ID, keySize)
		}
		if err := kr.addMaster([keySize]byte(m.Key), m.Made); err != nil {
			return nil, err
		}
		if got := kr.masters[len(kr.masters)-1].id; got != m.ID {
			return nil, fmt.Errorf("keyring: key %s does not match its id", m.ID)
		}
	}
	for _, l := range f.Links {
		if err := kr.addLink(l.Master, l.Generation, l.Made); err != nil {
			return nil, err
		}
		last := &kr.links[len(kr.links)-1]
		if last.id != l.ID {
			return nil, fmt.Errorf("keyring: link key %s does not match its id", l.ID)
		}
		last.retired = l.Retired
	}
	if len(kr.masters) == 0 || len(kr.links) == 0 {
		return nil, errors.New("keyring: no key")
	}
	for i, l := range kr.links {
		if last := i == len(kr.links)-1; last != l.retired.IsZero() {
			return nil, errors.New("keyring: exactly the last link key must be without an end")
		}
	}
	return kr, nil
}

// Encode writes the keyring, secrets and all, as JSON with a newline at the end: what the file holds and what
// ROSTER_KEYRING takes.
func (kr *Keyring) Encode() ([]byte, error) {
	f := file{V: formatVersion}
	for _, m := range kr.masters {
		f.Keys = append(f.Keys, fileMaster{m.id, m.key[:], m.made})
	}
	for _, l := range kr.links {
		f.Links = append(f.Links, fileLink{l.id, l.master, l.generation, l.made, l.retired})
	}
	text, err := json.MarshalIndent(f, "", "  ")
	return append(text, '\n'), err
}

// Rotate gives a keyring with one more master key, which wraps and signs from now on, and a link key of it. All
// older keys go on reading; older link keys do so for LinkGrace. Addresses stay with the first master key.
func (kr *Keyring) Rotate(rand io.Reader, now time.Time) (*Keyring, error) {
	var key [keySize]byte
	if _, err := io.ReadFull(rand, key[:]); err != nil {
		return nil, fmt.Errorf("keyring: no randomness: %w", err)
	}
	next := kr.clone()
	if err := next.addMaster(key, events.TimeOf(now)); err != nil {
		return nil, err
	}
	return next, next.nextLink(now)
}

// RotateLinks gives a keyring with a new link key of the newest master key; the one before verifies for LinkGrace.
func (kr *Keyring) RotateLinks(now time.Time) (*Keyring, error) {
	next := kr.clone()
	return next, next.nextLink(now)
}

// Fingerprint names the first master key without showing it: base64url of SHA-256. It stands in log.started, and
// no rotation changes it.
func (kr *Keyring) Fingerprint() string {
	sum := sha256.Sum256(append([]byte(contextFingerprint), kr.masters[0].key[:]...))
	return base64.RawURLEncoding.EncodeToString(sum[:])
}

// WrapKey is the key that vault entries are wrapped with under a master key's id; false where there is no such key.
func (kr *Keyring) WrapKey(id KeyID) (key [32]byte, ok bool) {
	for i := range kr.masters {
		if kr.masters[i].id == id {
			return kr.masters[i].vault, true
		}
	}
	return key, false
}

// CurrentWrapKey is the key that new vault entries are wrapped with.
func (kr *Keyring) CurrentWrapKey() (id KeyID, key [32]byte) {
	m := &kr.masters[len(kr.masters)-1]
	return m.id, m.vault
}

// AddressHMAC blinds a normalised address: HMAC-SHA-256 with a subkey of the first master key. The same address
// gives the same bytes for ever.
func (kr *Keyring) AddressHMAC(normalised string) [32]byte {
	return sign(kr.address, []byte(normalised))
}

// MAC authenticates a canonical request (RFC 8785 JSON): "<key id>.<base64url of HMAC-SHA-256>".
func (kr *Keyring) MAC(canonical []byte) string {
	return kr.masters[len(kr.masters)-1].mac(canonical)
}

// VerifyMAC says whether mac is what MAC gave for these bytes, now or under an older master key.
func (kr *Keyring) VerifyMAC(canonical []byte, mac string) bool {
	id, _, _ := strings.Cut(mac, ".")
	for i := range kr.masters {
		if kr.masters[i].id.String() == id {
			return hmac.Equal([]byte(kr.masters[i].mac(canonical)), []byte(mac))
		}
	}
	return false
}

// String names the keyring by its fingerprint: no format verb prints a key.
func (kr *Keyring) String() string { return "keyring " + kr.Fingerprint() }

// GoString is String.
func (kr *Keyring) GoString() string { return kr.String() }

func (m *master) mac(canonical []byte) string {
	sum := sign(m.macs, canonical)
	return m.id.String() + "." + base64.RawURLEncoding.EncodeToString(sum[:])
}

func (kr *Keyring) clone() *Keyring {
	return &Keyring{masters: append([]master(nil), kr.masters...), links: append([]link(nil), kr.links...), address: kr.address}
}

func (kr *Keyring) addMaster(key [keySize]byte, made events.Time) error {
	m := master{id: idOf(contextMasterID, key), key: key, made: made}
	if _, exists := kr.WrapKey(m.id); exists {
		return fmt.Errorf("keyring: two keys with id %s", m.id)
	}
	var err error
	if m.vault, err = subkey(key, nil, infoVault); err != nil {
		return err
	}
	if m.macs, err = subkey(key, nil, infoMACs); err != nil {
		return err
	}
	if len(kr.masters) == 0 {
		if kr.address, err = subkey(key, nil, infoAddresses); err != nil {
			return err
		}
	}
	kr.masters = append(kr.masters, m)
	return nil
}

// nextLink retires the link key that signs and adds the next generation, made from the newest master key.
func (kr *Keyring) nextLink(now time.Time) error {
	made := events.TimeOf(now)
	generation := uint32(1)
	if n := len(kr.links); n > 0 {
		kr.links[n-1].retired = made
		generation = kr.links[n-1].generation + 1
	}
	return kr.addLink(kr.masters[len(kr.masters)-1].id, generation, made)
}

func (kr *Keyring) addLink(from KeyID, generation uint32, made events.Time) error {
	for i := range kr.masters {
		if kr.masters[i].id != from {
			continue
		}
		key, err := subkey(kr.masters[i].key, binary.BigEndian.AppendUint32(nil, generation), infoLinks)
		if err != nil {
			return err
		}
		l := link{id: idOf(contextLinkID, key), master: from, generation: generation, key: key, made: made}
		for _, other := range kr.links {
			if other.id == l.id {
				return fmt.Errorf("keyring: two link keys with id %s", l.id)
			}
		}
		kr.links = append(kr.links, l)
		return nil
	}
	return fmt.Errorf("keyring: a link key of an unknown key %s", from)
}

func idOf(context string, key [keySize]byte) KeyID {
	sum := sha256.Sum256(append([]byte(context), key[:]...))
	return KeyID(sum[:4])
}

func subkey(key [keySize]byte, salt []byte, info string) (out [keySize]byte, err error) {
	b, err := hkdf.Key(sha256.New, key[:], salt, info, keySize)
	if err != nil {
		return out, err
	}
	return [keySize]byte(b), nil
}

func sign(key [keySize]byte, text []byte) (sum [32]byte) {
	h := hmac.New(sha256.New, key[:])
	h.Write(text)
	h.Sum(sum[:0])
	return sum
}

// decode reads base64url of exactly n bytes in its one written form: no padding, no line breaks, no loose bits.
func decode(text string, n int) ([]byte, error) {
	if len(text) != base64.RawURLEncoding.EncodedLen(n) {
		return nil, fmt.Errorf("want %d bytes as unpadded base64url", n)
	}
	b, err := base64.RawURLEncoding.Strict().DecodeString(text)
	if err != nil || len(b) != n {
		return nil, fmt.Errorf("want %d bytes as unpadded base64url", n)
	}
	return b, nil
}
