package handlers

import (
	"context"
	"errors"

	"roster/domain"
	"roster/events"
)

// Sealer seals and opens personal data with keys of the vault.
type Sealer interface {
	// Seal seals plain JSON for its place in the log. ErrErased: the person's key has been destroyed.
	Seal(ctx context.Context, at events.Place, key events.KeyID, plain []byte) (events.Box, error)
	// Open answers ok=false when the person's key has been destroyed. A key that is missing without a trace is an
	// error, never an erasure.
	Open(ctx context.Context, at events.Place, b events.Box) (plain []byte, ok bool, err error)
	// OriginKey is the key of a month ("2026-11") that seals from where callers without a key of their own came.
	OriginKey(ctx context.Context, month string) (events.KeyID, error)
}

// MACs authenticates canonical requests, so that a different request under the same idempotency key is noticed
// without keeping the request.
type MACs interface {
	MAC(canonical []byte) string
	VerifyMAC(canonical []byte, mac string) bool
}

// Vault keeps what must never be a fact, and can be destroyed: data keys, secrets, the way from an e-mail address to
// its random id. Whatever it answers is durable.
type Vault interface {
	// ClaimAddress answers the id and key of a normalised address, making them where there are none.
	ClaimAddress(ctx context.Context, address string) (events.AddressID, events.KeyID, error)
	// FindAddress answers found=false for an address never claimed, or erased.
	FindAddress(ctx context.Context, address string) (id events.AddressID, key events.KeyID, found bool, err error)
	// NewUserKey makes the data key of a user about to be registered.
	NewUserKey(ctx context.Context, user events.UserID) (events.KeyID, error)
	// NewContactKey makes the data key of a contact about to be added.
	NewContactKey(ctx context.Context, contact events.ContactID) (events.KeyID, error)
	// PutPassword keeps a password's hash; Password answers it.
	PutPassword(ctx context.Context, user events.UserID, hash string) (events.SecretID, error)
	Password(ctx context.Context, id events.SecretID) (string, error)
	// PutSecret keeps what a factor is verified with; Secret answers it. ErrErased: it has been destroyed.
	PutSecret(ctx context.Context, user events.UserID, kind string, value []byte) (events.SecretID, error)
	Secret(ctx context.Context, id events.SecretID) ([]byte, error)
	// PutAccountSecret keeps a secret of an account's, such as that of its client at a provider.
	PutAccountSecret(ctx context.Context, account events.AccountID, kind string, value []byte) (events.SecretID, error)
	// Destroy makes keys, and the address entries that lead to them, unreadable for good. It can be repeated.
	Destroy(ctx context.Context, keys ...events.KeyID) error
	// DestroySecret does the same to a secret.
	DestroySecret(ctx context.Context, id events.SecretID) error
}

// Snapshots keeps states of boundaries beside the log: rows of a head and of entries reached by key. They are only
// speed. What it answers is believed only where it fits the log, and what it fails at is done without it, so that it
// has to answer soon, or fail.
type Snapshots interface {
	// Load shows the entries that are kept of a boundary, in any order, and answers the head that they belong to, as of
	// one moment; nil where nothing is kept. A value is only lent.
	Load(ctx context.Context, b events.Boundary, entry func(part byte, key [16]byte, value []byte)) (*KeptHead, error)
	// Save moves on what is kept, all in one transaction, and answers of each whether it was still what Was says. Where
	// it was not, it stays as it is. The boundaries are different ones.
	Save(ctx context.Context, list []KeptChange) ([]bool, error)
}

// KeptHead is the row of a boundary.
type KeptHead struct {
	Tag   [32]byte // of this head and its entries, and of no others
	Pos   uint64   // the boundary's last commit in it, for whoever looks at the rows
	Bytes []byte
}

// KeptChange is what becomes of the rows of a boundary.
type KeptChange struct {
	Boundary events.Boundary
	Was      [32]byte // the tag that is replaced; zero where nothing is kept
	Whole    bool     // the entries are all that there are: whatever else is kept goes
	Head     KeptHead
	Entries  []domain.Change
}

// ErrErased: the key that would be needed has been destroyed with the person's data.
var ErrErased = errors.New("erased")
