package token

import (
	"crypto/rand"
	"encoding/binary"

	"roster/events"
	"roster/handlers/access"
)

// Tokens implements access.Tokens. AddressHMAC is the keyring's.
type Tokens struct {
	AddressHMAC func(address string) [32]byte
}

var _ access.Tokens = Tokens{}

// MintSession makes a session's token.
func (Tokens) MintSession(user events.UserID, session events.SessionID) (string, events.Hash, error) {
	return MintSession(rand.Reader, user, session)
}

// MintKey makes the token of an API key of an account.
func (Tokens) MintKey(account events.AccountID, key events.KeyRefID) (string, events.Hash, error) {
	return MintAPIKey(rand.Reader, account.Any(), key.Any())
}

// Parse reads a bearer token.
func (Tokens) Parse(s string) (access.Bearer, error) {
	b, err := Parse(s)
	if err != nil {
		return access.Bearer{}, err
	}
	switch b.Kind {
	case Session:
		return access.Bearer{Type: events.ByUser, User: events.UserID(b.A), Session: events.SessionID(b.B), Hash: b.Hash}, nil
	case APIKey:
		return access.Bearer{Type: events.ByKey, Account: events.AccountID(b.A), Key: b.B, Hash: b.Hash}, nil
	case Operator:
	}
	return access.Bearer{Type: events.ByOperator, Key: b.B, Hash: b.Hash}, nil
}

// Bucket answers for an address that nobody holds one of 1,024 fixed ids (UUIDv8), and one of 65,536 that tell apart
// those who share it. What they are derived from is keyed and cannot be an address's own HMAC; neither names an address.
func (t Tokens) Bucket(address string) (subject, source events.AnyID) {
	sum := t.AddressHMAC("\x00attempts\x00" + address)
	subject = events.DerivedID(events.LogID{}, "anonymous:", "attempts", int(binary.BigEndian.Uint16(sum[:2])%1024))
	return subject, events.DerivedID(events.LogID{}, "anonymous:", "source", int(binary.BigEndian.Uint16(sum[2:4])))
}

// MAC authenticates bytes for one purpose. No address has a NUL in it, so that none is authenticated so.
func (t Tokens) MAC(purpose string, b []byte) [32]byte {
	return t.AddressHMAC("\x00" + purpose + "\x00" + string(b))
}
