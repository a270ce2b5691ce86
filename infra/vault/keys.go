package vault

import (
	"context"
	"crypto/subtle"
	"errors"
	"fmt"
	"io"

	"roster/events"
	"roster/infra/seal"
)

// Owner is whose data a key seals or whose secret it is. It is kept sealed, beside the value.
type Owner struct {
	Type string // one of the Owner… names
	ID   string // the id's written form; for a month "2026-11"
}

// The types of owners.
const (
	OwnerUser    = "user"
	OwnerAccount = "account"
	OwnerAddress = "address"
	OwnerContact = "contact"
	OwnerMonth   = "month"
)

// PendingKey is a new data key that nothing may name yet: only once Put has returned may a fact be written that
// was sealed with it. It prints as its id.
type PendingKey struct {
	id      events.KeyID
	key     [32]byte
	owner   Owner
	pointer []byte
}

// ID names the key.
func (p PendingKey) ID() events.KeyID { return p.id }

// Key is the key itself.
func (p PendingKey) Key() [32]byte { return p.key }

// Owner is whose key it is.
func (p PendingKey) Owner() Owner { return p.owner }

func (p PendingKey) String() string { return "key " + p.id.String() }

// GoString is String.
func (p PendingKey) GoString() string { return p.String() }

// NewKey makes a data key of 32 random bytes, in memory only.
func (v *Vault) NewKey(owner Owner) (PendingKey, error) { return v.newKey(owner, nil) }

func (v *Vault) newKey(owner Owner, pointer []byte) (PendingKey, error) {
	if owner.Type == "" || owner.ID == "" {
		return PendingKey{}, errors.New("vault: a key needs an owner")
	}
	p := PendingKey{owner: owner, pointer: pointer}
	if _, err := io.ReadFull(v.rand, p.key[:]); err != nil {
		return PendingKey{}, fmt.Errorf("vault: no randomness: %w", err)
	}
	p.id = seal.KeyIDOf(p.key)
	return p, nil
}

// Put stores a key; it is durable on return. Putting the same key again is no error. ErrErased: it was destroyed
// meanwhile. After any other error it is unknown whether the key is there: put it again.
func (v *Vault) Put(ctx context.Context, p PendingKey) error {
	if p.id.IsZero() || p.id != seal.KeyIDOf(p.key) {
		return errors.New("vault: not a key of NewKey")
	}
	epoch := v.cache.now()
	conflict, err := v.put(ctx, v.keySubject(p.id), 0, record{
		Kind: kindKey, OwnerType: p.owner.Type, OwnerID: p.owner.ID, Value: p.key[:], Pointer: p.pointer,
	})
	if err != nil {
		return err
	}
	if conflict {
		got, err := v.read(ctx, p.id)
		if err == nil && subtle.ConstantTimeCompare(got[:], p.key[:]) != 1 {
			err = fmt.Errorf("%w: two keys with one id", ErrBroken)
		}
		return err
	}
	v.cache.put(p.id, p.key, nil, epoch)
	return nil
}

// Key gives a data key, from memory where it was read less than the cache's TTL ago. Errors: ErrErased,
// ErrMissing, ErrBroken, ErrKeyring, or that the server could not be asked.
func (v *Vault) Key(ctx context.Context, k events.KeyID) ([32]byte, error) {
	if key, ok, err := v.cache.get(k); ok {
		return key, err
	}
	epoch := v.cache.now()
	key, err := v.read(ctx, k)
	switch {
	case err == nil:
		v.cache.put(k, key, nil, epoch)
	case errors.Is(err, ErrErased):
		v.cache.put(k, [32]byte{}, err, epoch)
	}
	return key, err
}

func (v *Vault) read(ctx context.Context, k events.KeyID) (key [32]byte, err error) {
	if k.IsZero() {
		return key, fmt.Errorf("%w: the zero key", ErrMissing)
	}
	e, ok, err := v.last(ctx, v.keySubject(k))
	switch {
	case err != nil:
		return key, err
	case !ok:
		return key, fmt.Errorf("%w: key %s", ErrMissing, k)
	case e.Kind == kindTombstone:
		return key, fmt.Errorf("key %s: %w", k, ErrErased)
	case e.Kind != kindKey || len(e.Value) != len(key) || seal.KeyIDOf([32]byte(e.Value)) != k:
		return key, fmt.Errorf("%w: key %s", ErrBroken, k)
	}
	return [32]byte(e.Value), nil
}

// DestroyKey destroys a data key for good: a tombstone, then the address or origin entry that points at it where
// there is one, then the key's own bytes. From the tombstone on it reads ErrErased: here at once, in other
// processes within MaxCacheTTL. To be called again after an error or a crash until it answers nil; destroying what
// is destroyed is no error. ErrMissing: there was no such key.
func (v *Vault) DestroyKey(ctx context.Context, k events.KeyID) error {
	if k.IsZero() {
		return fmt.Errorf("%w: the zero key", ErrMissing)
	}
	// Before, so that nobody here reads it from memory while we work; after, in case it was read meanwhile.
	v.cache.drop(k)
	defer v.cache.drop(k)
	return v.destroy(ctx, v.keySubject(k), func(old record) error {
		if len(old.Pointer) != 32 {
			return nil
		}
		return v.unpoint(ctx, [32]byte(old.Pointer), k)
	})
}

func (v *Vault) keySubject(k events.KeyID) string { return v.prefix + "key." + k.String() }
