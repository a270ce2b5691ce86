package vault

import (
	"context"
	"errors"
	"fmt"

	"github.com/google/uuid"

	"roster/events"
)

// MaxSecret is the largest secret in bytes.
const MaxSecret = 64 << 10

// PutSecret stores a secret under a new random id; it is durable on return and only then may a fact name it. kind
// says what it is ("password", "totp", …) and stands sealed beside it. After an error an entry may be left that
// nothing names; such are collected.
func (v *Vault) PutSecret(ctx context.Context, owner Owner, kind string, value []byte) (events.SecretID, error) {
	switch {
	case owner.Type == "" || owner.ID == "":
		return events.SecretID{}, errors.New("vault: a secret needs an owner")
	case kind == "" || kind == kindTombstone:
		return events.SecretID{}, fmt.Errorf("vault: %q is no kind of secret", kind)
	case len(value) > MaxSecret:
		return events.SecretID{}, fmt.Errorf("vault: a secret of %d bytes, at most %d", len(value), MaxSecret)
	}
	random, err := uuid.NewV7FromReader(v.rand)
	if err != nil {
		return events.SecretID{}, fmt.Errorf("vault: no randomness: %w", err)
	}
	id := events.SecretID(random)
	conflict, err := v.put(ctx, v.secretSubject(id), 0, record{Kind: kind, OwnerType: owner.Type, OwnerID: owner.ID, Value: value})
	if err == nil && conflict {
		err = fmt.Errorf("vault: secret id %s was given twice", id)
	}
	if err != nil {
		return events.SecretID{}, err
	}
	return id, nil
}

// Secret gives a secret. It is never cached. Errors: ErrErased, ErrMissing, ErrBroken, ErrKeyring, or that the
// server could not be asked.
func (v *Vault) Secret(ctx context.Context, id events.SecretID) ([]byte, error) {
	e, ok, err := v.last(ctx, v.secretSubject(id))
	switch {
	case err != nil:
		return nil, err
	case !ok:
		return nil, fmt.Errorf("%w: secret %s", ErrMissing, id)
	case e.Kind == kindTombstone:
		return nil, fmt.Errorf("secret %s: %w", id, ErrErased)
	}
	return e.Value, nil
}

// DestroySecret destroys a secret for good: a tombstone, then its bytes. It is called again after an error or a
// crash; destroying what is destroyed is no error. ErrMissing: there was no such secret.
func (v *Vault) DestroySecret(ctx context.Context, id events.SecretID) error {
	return v.destroy(ctx, v.secretSubject(id), nil)
}

func (v *Vault) secretSubject(id events.SecretID) string { return v.prefix + "secret." + id.String() }
