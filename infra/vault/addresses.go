package vault

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/google/uuid"

	"roster/events"
)

// Address is what the vault knows of an e-mail address: the random id of its boundary and the key that seals the
// address and all that is known of an invitee.
type Address struct {
	ID  events.AddressID
	Key events.KeyID
}

// MaxAddress is the longest normalised address in bytes (RFC 5321: 64 + 1 + 255).
const MaxAddress = 320

// ErrBadAddress says that a text is not a normalised address: printable ASCII with an "@" in it.
var ErrBadAddress = errors.New("not a normalised address")

// ClaimAddress gives the id and key of a normalised address, and makes them where there are none (created). Both
// entries are durable on return. However many claim at once, all get the same; the address itself is stored
// nowhere, only its HMAC.
func (v *Vault) ClaimAddress(ctx context.Context, normalised string) (a Address, created bool, err error) {
	if err := checkAddress(normalised); err != nil {
		return Address{}, false, err
	}
	t, created, err := v.claim(ctx, v.kr.AddressHMAC(normalised), kindAddress, func() (Owner, error) {
		id, err := uuid.NewV7FromReader(v.rand)
		return Owner{OwnerAddress, events.AddressID(id).String()}, err
	})
	if err != nil {
		return Address{}, false, err
	}
	a, err = t.address()
	return a, created, err
}

// FindAddress gives the id and key of a normalised address that has been claimed; false where it has not, or where
// it has been erased.
func (v *Vault) FindAddress(ctx context.Context, normalised string) (a Address, ok bool, err error) {
	if err := checkAddress(normalised); err != nil {
		return Address{}, false, err
	}
	mac := v.kr.AddressHMAC(normalised)
	t, ok, err := v.target(ctx, mac, kindAddress)
	if err != nil || !ok {
		return Address{}, false, err
	}
	if _, err := v.Key(ctx, t.key); err != nil {
		if errors.Is(err, ErrErased) { // being erased, or left half done
			return Address{}, false, nil
		}
		return Address{}, false, fmt.Errorf("key of an address: %w", err)
	}
	a, err = t.address()
	return a, err == nil, err
}

// ForgetAddress erases an address of which only the text is known: its key is destroyed (see DestroyKey), and with
// it goes its entry, without a tombstone, so that the address can be claimed anew under another id. ok is false
// where there was none. Where the key is known DestroyKey does the same.
func (v *Vault) ForgetAddress(ctx context.Context, normalised string) (a Address, ok bool, err error) {
	if err := checkAddress(normalised); err != nil {
		return Address{}, false, err
	}
	mac := v.kr.AddressHMAC(normalised)
	t, ok, err := v.target(ctx, mac, kindAddress)
	if err != nil || !ok {
		return Address{}, false, err
	}
	if a, err = t.address(); err != nil {
		return Address{}, false, err
	}
	if err := v.DestroyKey(ctx, t.key); err != nil {
		return Address{}, false, err
	}
	return a, true, v.unpoint(ctx, mac, t.key)
}

// OriginKey gives the key of a month, "2026-11", which seals the origin of commits by actors other than users. It
// is made on first use; however many ask at once, all get the same.
func (v *Vault) OriginKey(ctx context.Context, month string) (events.KeyID, error) {
	if t, err := time.Parse("2006-01", month); err != nil || t.Format("2006-01") != month {
		return events.KeyID{}, fmt.Errorf("vault: %q is not a month such as 2026-11", month)
	}
	// No address begins with a zero byte, so the two cannot meet.
	mac := v.kr.AddressHMAC("\x00origin\x00" + month)
	if k, ok := v.cache.origin(mac); ok {
		return k, nil
	}
	began := v.cache.now()
	t, _, err := v.claim(ctx, mac, kindOrigin, func() (Owner, error) { return Owner{OwnerMonth, month}, nil })
	if err != nil {
		return events.KeyID{}, err
	}
	v.cache.putOrigin(mac, t.key, began)
	return t.key, nil
}

// target is what an address or origin entry points at.
type target struct {
	owner string
	key   events.KeyID
}

func (t target) address() (Address, error) {
	var id events.AddressID
	if err := id.UnmarshalText([]byte(t.owner)); err != nil || id.IsZero() {
		return Address{}, fmt.Errorf("%w: an address without an id", ErrBroken)
	}
	return Address{id, t.key}, nil
}

func (v *Vault) target(ctx context.Context, mac [32]byte, kind string) (t target, ok bool, err error) {
	e, ok, err := v.last(ctx, v.addressSubject(mac))
	if err != nil || !ok {
		return target{}, false, err
	}
	if e.Kind != kind || len(e.Value) != len(t.key) {
		return target{}, false, fmt.Errorf("%w: %s", ErrBroken, v.addressSubject(mac))
	}
	return target{e.OwnerID, events.KeyID(e.Value)}, true, nil
}

// claim finds the living key that stands under mac, or makes one: first the key's entry, then the one that points
// at it. Who loses the race takes the winner's and destroys its own.
func (v *Vault) claim(ctx context.Context, mac [32]byte, kind string, owner func() (Owner, error)) (t target, created bool, err error) {
	for {
		t, ok, err := v.target(ctx, mac, kind)
		if err != nil {
			return target{}, false, err
		}
		if ok {
			_, err := v.Key(ctx, t.key)
			if errors.Is(err, ErrErased) { // an erasure is under way or was left half done: finish it
				if err := v.unpoint(ctx, mac, t.key); err != nil {
					return target{}, false, err
				}
				continue
			}
			if err != nil {
				return target{}, false, fmt.Errorf("key of an address: %w", err)
			}
			return t, false, nil
		}
		o, err := owner()
		if err != nil {
			return target{}, false, err
		}
		key, err := v.newKey(o, mac[:])
		if err != nil {
			return target{}, false, err
		}
		if err := v.Put(ctx, key); err != nil {
			return target{}, false, err
		}
		// After an error the entry may still arrive; our key stays for it.
		lost, err := v.put(ctx, v.addressSubject(mac), 0, record{Kind: kind, OwnerType: o.Type, OwnerID: o.ID, Value: key.id[:]})
		if err != nil {
			return target{}, false, err
		}
		if lost {
			// A publish that was sent twice loses against itself.
			now, ok, err := v.target(ctx, mac, kind)
			if err != nil {
				return target{}, false, err
			}
			lost = !ok || now.key != key.id
		}
		if !lost {
			return target{o.ID, key.id}, true, nil
		}
		if err := v.DestroyKey(ctx, key.id); err != nil {
			return target{}, false, err
		}
	}
}

// unpoint erases the entry under mac if it points at k, leaving no tombstone. What has been claimed anew since
// points at another key and stays.
func (v *Vault) unpoint(ctx context.Context, mac [32]byte, k events.KeyID) error {
	v.cache.dropOrigin(mac)
	for {
		e, ok, err := v.first(ctx, v.addressSubject(mac))
		if err != nil {
			return err
		}
		if !ok || len(e.Value) != len(k) || events.KeyID(e.Value) != k {
			return v.erased(ctx)
		}
		if err := v.erase(ctx, e.seq); err != nil {
			return err
		}
	}
}

func checkAddress(normalised string) error {
	if len(normalised) > MaxAddress || strings.IndexByte(normalised, '@') < 1 {
		return ErrBadAddress
	}
	for i := range len(normalised) {
		if c := normalised[i]; c <= ' ' || c > '~' {
			return ErrBadAddress
		}
	}
	return nil
}

func (v *Vault) addressSubject(mac [32]byte) string {
	return v.prefix + "address." + base64.RawURLEncoding.EncodeToString(mac[:])
}
