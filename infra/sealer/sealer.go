// Package sealer joins the vault's keys with the sealed box: what commands seal with, and what readers open with.
package sealer

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"roster/events"
	"roster/handlers"
	"roster/infra/seal"
	"roster/infra/vault"
	"roster/projections"
)

// Sealer implements handlers.Sealer, handlers.Vault and projections.Opener over one vault.
type Sealer struct {
	vault *vault.Vault
	rand  io.Reader
}

// New makes a Sealer. rand is where nonces come from: crypto/rand.Reader but for tests.
func New(v *vault.Vault, rand io.Reader) *Sealer { return &Sealer{v, rand} }

func where(p events.Place) seal.Where {
	return seal.Where{Log: p.Log, Boundary: p.Boundary.String(), Commit: p.Commit, Index: p.Index, Type: p.Kind.Name, V: p.Kind.Version, Part: p.Part}
}

// Seal seals plain JSON for its place in the log.
func (s *Sealer) Seal(ctx context.Context, at events.Place, key events.KeyID, plain []byte) (events.Box, error) {
	k, err := s.vault.Key(ctx, key)
	if err != nil {
		return events.Box{}, told(err)
	}
	return seal.Seal(s.rand, k, where(at), plain)
}

// Open answers ok=false when the person's key has been destroyed.
func (s *Sealer) Open(ctx context.Context, at events.Place, b events.Box) (plain []byte, ok bool, err error) {
	k, err := s.vault.Key(ctx, b.K)
	switch {
	case errors.Is(err, vault.ErrErased):
		return nil, false, nil
	case err != nil:
		return nil, false, told(err)
	}
	plain, err = seal.Open(k, where(at), b)
	return plain, err == nil, err
}

// OriginKey is the key of a month that seals from where callers without a key of their own came.
func (s *Sealer) OriginKey(ctx context.Context, month string) (events.KeyID, error) {
	k, err := s.vault.OriginKey(ctx, month)
	return k, told(err)
}

// ClaimAddress answers the id and key of a normalised address, making them where there are none.
func (s *Sealer) ClaimAddress(ctx context.Context, address string) (events.AddressID, events.KeyID, error) {
	a, _, err := s.vault.ClaimAddress(ctx, address)
	return a.ID, a.Key, told(err)
}

// FindAddress answers found=false for an address never claimed, or erased.
func (s *Sealer) FindAddress(ctx context.Context, address string) (events.AddressID, events.KeyID, bool, error) {
	a, found, err := s.vault.FindAddress(ctx, address)
	if errors.Is(err, vault.ErrErased) || errors.Is(err, vault.ErrBadAddress) {
		return events.AddressID{}, events.KeyID{}, false, nil
	}
	return a.ID, a.Key, found, told(err)
}

// NewUserKey makes the data key of a user about to be registered.
func (s *Sealer) NewUserKey(ctx context.Context, user events.UserID) (events.KeyID, error) {
	k, err := s.vault.NewKey(vault.Owner{Type: vault.OwnerUser, ID: user.String()})
	if err != nil {
		return events.KeyID{}, err
	}
	return k.ID(), told(s.vault.Put(ctx, k))
}

// NewContactKey makes the data key of a contact about to be added.
func (s *Sealer) NewContactKey(ctx context.Context, contact events.ContactID) (events.KeyID, error) {
	k, err := s.vault.NewKey(vault.Owner{Type: vault.OwnerContact, ID: contact.String()})
	if err != nil {
		return events.KeyID{}, err
	}
	return k.ID(), told(s.vault.Put(ctx, k))
}

// PutPassword keeps a password's hash.
func (s *Sealer) PutPassword(ctx context.Context, user events.UserID, hash string) (events.SecretID, error) {
	id, err := s.vault.PutSecret(ctx, vault.Owner{Type: vault.OwnerUser, ID: user.String()}, "password", []byte(hash))
	return id, told(err)
}

// Password answers a password's hash.
func (s *Sealer) Password(ctx context.Context, id events.SecretID) (string, error) {
	hash, err := s.vault.Secret(ctx, id)
	return string(hash), told(err)
}

// PutSecret keeps what a factor is verified with.
func (s *Sealer) PutSecret(ctx context.Context, user events.UserID, kind string, value []byte) (events.SecretID, error) {
	id, err := s.vault.PutSecret(ctx, vault.Owner{Type: vault.OwnerUser, ID: user.String()}, kind, value)
	return id, told(err)
}

// PutAccountSecret keeps a secret of an account's.
func (s *Sealer) PutAccountSecret(ctx context.Context, account events.AccountID, kind string, value []byte) (events.SecretID, error) {
	id, err := s.vault.PutSecret(ctx, vault.Owner{Type: vault.OwnerAccount, ID: account.String()}, kind, value)
	return id, told(err)
}

// Secret answers it.
func (s *Sealer) Secret(ctx context.Context, id events.SecretID) ([]byte, error) {
	value, err := s.vault.Secret(ctx, id)
	return value, told(err)
}

// Destroy makes keys, and the address entries that lead to them, unreadable for good.
func (s *Sealer) Destroy(ctx context.Context, keys ...events.KeyID) error {
	for _, k := range keys {
		if err := s.vault.DestroyKey(ctx, k); err != nil {
			return fmt.Errorf("destroy key %s: %w", k, told(err))
		}
	}
	return nil
}

// DestroySecret makes a secret unreadable for good.
func (s *Sealer) DestroySecret(ctx context.Context, id events.SecretID) error {
	return told(s.vault.DestroySecret(ctx, id))
}

// OpenCommit opens a commit's facts and its origin. What has been erased reads so.
func (s *Sealer) OpenCommit(ctx context.Context, c events.Commit) (projections.Opened, error) {
	o := projections.Opened{Commit: c}
	o.Facts = make([]events.Event, len(c.Facts))
	for i, f := range c.Facts {
		place := events.Place{Log: c.Log, Boundary: c.Boundary, Commit: c.ID, Index: i, Kind: events.KindOf(f)}
		opened, err := events.Open(f, func(part string, b events.Box) ([]byte, bool, error) {
			place.Part = part
			return s.Open(ctx, place, b)
		})
		if err != nil {
			return o, fmt.Errorf("open position %d: %w", c.Pos, err)
		}
		o.Facts[i] = opened
	}
	if c.Origin == nil {
		return o, nil
	}
	plain, ok, err := s.Open(ctx, events.OriginPlace(c.Log, c.Boundary, c.ID), *c.Origin)
	if err != nil {
		return o, fmt.Errorf("open the origin of position %d: %w", c.Pos, err)
	}
	if !ok {
		return o, nil
	}
	return o, json.Unmarshal(plain, &o.From)
}

// Opener is the Sealer as projections see it.
type Opener struct{ *Sealer }

// Open opens a commit.
func (o Opener) Open(ctx context.Context, c events.Commit) (projections.Opened, error) {
	return o.OpenCommit(ctx, c)
}

// told is an error of the vault as those who ask for commands know it.
func told(err error) error {
	switch {
	case errors.Is(err, vault.ErrErased):
		return fmt.Errorf("%w: %w", handlers.ErrErased, err)
	case errors.Is(err, vault.ErrAway):
		return fmt.Errorf("%w: %w", handlers.ErrUnavailable, err)
	}
	return err
}

var (
	_ handlers.Sealer    = (*Sealer)(nil)
	_ handlers.Vault     = (*Sealer)(nil)
	_ projections.Opener = Opener{}
)
