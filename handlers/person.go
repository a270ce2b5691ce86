package handlers

import (
	"context"
	"fmt"

	"roster/domain"
	"roster/events"
)

// Person opens what a user says of themselves and the address that they sign in with. Both are empty where the user has
// been erased, or is none.
func (a *App) Person(ctx context.Context, u domain.User) (p events.PersonProfile, email string, err error) {
	if !u.Registered || u.Erased {
		return p, "", nil
	}
	kind := events.KindOf(events.UserRegistered{})
	if u.ProfileChanged {
		kind = events.KindOf(events.UserProfileChanged{})
	}
	if _, err := a.OpenSealed(ctx, events.OfUser(u.ID), kind, "profile", u.Profile, &p); err != nil {
		return p, "", fmt.Errorf("open user %s: %w", u.ID, err)
	}
	email, err = a.userEmail(ctx, u, u.Email, u.EmailChanged)
	return p, email, err
}

// userEmail opens an address of a user, the first one or a later one.
func (a *App) userEmail(ctx context.Context, u domain.User, s domain.Sealed, changed bool) (string, error) {
	kind := events.KindOf(events.UserRegistered{})
	if changed {
		kind = events.KindOf(events.UserEmailChanged{})
	}
	var email events.Email
	if _, err := a.OpenSealed(ctx, events.OfUser(u.ID), kind, "email", s, &email); err != nil {
		return "", fmt.Errorf("open user %s: %w", u.ID, err)
	}
	return email.Email, nil
}

// FormerEmail opens an address that a user had before; it is empty where they never had it, or where it has been erased.
func (a *App) FormerEmail(ctx context.Context, u domain.User, address events.AddressID) (string, error) {
	for _, f := range u.Former {
		if f.Address == address && !u.Erased {
			return a.userEmail(ctx, u, f.Email, f.Changed)
		}
	}
	return "", nil
}

// KeyName is the name of an API key of an account or of one above it, as of now: nothing once it has been revoked.
func (a *App) KeyName(ctx context.Context, account events.AccountID, key events.KeyRefID) (string, error) {
	for range 16 { // no tree is deeper
		state, _, err := a.Account(ctx, account)
		if err != nil {
			return "", err
		}
		if k, ok := state.Key(key); ok {
			return k.Name, nil
		}
		if account = state.Parent; account.IsZero() {
			break
		}
	}
	return "", nil
}
