// Package eraser makes a person unreadable for good (SPEC 5.5): it ends what the person still has, writes the fact,
// then destroys the keys that seal the person's data. Every step can be repeated, so that a crash between two of
// them is finished later.
package eraser

import (
	"context"
	"errors"
	"fmt"

	"roster/domain"
	"roster/events"
	"roster/handlers"
	"roster/handlers/address"
)

// Invited is one invitation of an address.
type Invited struct {
	Account    events.AccountID
	Invitation events.InvitationID
	Open       bool // neither accepted, declined nor revoked
}

// Invitations finds every invitation that an address ever had, as of all that has been acknowledged.
type Invitations interface {
	OfAddress(ctx context.Context, address events.AddressID) ([]Invited, error)
}

// Eraser erases users and invitees.
type Eraser struct {
	app         *handlers.App
	vault       handlers.Vault
	invitations Invitations
}

// New makes an Eraser.
func New(app *handlers.App, vault handlers.Vault, invitations Invitations) *Eraser {
	return &Eraser{app, vault, invitations}
}

// EraseUser revokes every membership of a user, each under the last-owner rule; the first check that fails stops
// everything, naming the accounts, before anything is written. Then it erases. Erasing again finishes what is left.
func (e *Eraser) EraseUser(ctx context.Context, call handlers.Call, user events.UserID) (handlers.Result, error) {
	call.Key, call.IfMatch = "", nil
	u, _, err := e.app.User(ctx, user)
	if err != nil {
		return handlers.Result{}, err
	}
	if !u.Registered {
		return handlers.Result{}, &domain.Error{Code: domain.NotFound, Detail: "no such user"}
	}
	if err := e.endMemberships(ctx, call, u); err != nil {
		return handlers.Result{}, err
	}
	ids, err := e.endInvitations(ctx, call, u.Address)
	if err != nil {
		return handlers.Result{}, err
	}
	r, err := e.app.Do(ctx, call, domain.EraseUser{User: user, Invitations: ids})
	if err != nil {
		return handlers.Result{}, err
	}
	if !u.Password.IsZero() {
		if err := e.vault.DestroySecret(ctx, u.Password); err != nil {
			return handlers.Result{}, fmt.Errorf("erase a user's password: %w", err)
		}
	}
	return r, e.Finish(ctx, u.Key, u.AddressKey)
}

func (e *Eraser) endMemberships(ctx context.Context, call handlers.Call, u domain.User) error {
	var last *domain.Error
	for _, account := range u.Accounts() {
		err := e.app.Ask(ctx, call, domain.Revoke{Account: account, User: u.ID})
		var refusal *domain.Error
		switch {
		case err == nil:
		case errors.As(err, &refusal) && refusal.Code == domain.NotFound:
		case errors.As(err, &refusal) && refusal.Code == domain.LastActiveOwner:
			if last == nil {
				last = &domain.Error{Code: refusal.Code, Detail: "the user is the last active owner of the accounts named: make somebody else an owner first"}
			}
			last.Accounts = append(last.Accounts, account)
		default:
			return err
		}
	}
	if last != nil {
		return last
	}
	for _, account := range u.Accounts() {
		var refusal *domain.Error
		if _, err := e.app.Do(ctx, call, domain.Revoke{Account: account, User: u.ID}); err != nil && !(errors.As(err, &refusal) && refusal.Code == domain.NotFound) {
			return err
		}
	}
	return nil
}

func (e *Eraser) endInvitations(ctx context.Context, call handlers.Call, address events.AddressID) ([]events.InvitationID, error) {
	found, err := e.invitations.OfAddress(ctx, address)
	if err != nil {
		return nil, fmt.Errorf("find the invitations to erase: %w", err)
	}
	var ids []events.InvitationID
	for _, i := range found {
		ids = append(ids, i.Invitation)
		if !i.Open {
			continue
		}
		if _, err := e.app.Do(ctx, call, domain.RevokeInvitation{Account: i.Account, Invitation: i.Invitation, Because: events.BecauseErased}); err != nil {
			return nil, err
		}
	}
	return ids, nil
}

// EraseEmail erases whoever holds an address, or an invitee who never became a user. An address that is unknown, or
// erased already, is not_found.
func (e *Eraser) EraseEmail(ctx context.Context, call handlers.Call, email string) (handlers.Result, error) {
	call.Key, call.IfMatch = "", nil
	unknown := &domain.Error{Code: domain.NotFound, Detail: "nothing is held about this address"}
	normal, err := address.Normalize(email)
	if err != nil {
		return handlers.Result{}, unknown
	}
	id, key, found, err := e.vault.FindAddress(ctx, normal)
	if err != nil {
		return handlers.Result{}, err
	}
	if !found {
		return handlers.Result{}, unknown
	}
	held, _, err := e.app.Address(ctx, id)
	if err != nil {
		return handlers.Result{}, err
	}
	if !held.User.IsZero() {
		return e.EraseUser(ctx, call, held.User)
	}
	ids, err := e.endInvitations(ctx, call, id)
	if err != nil {
		return handlers.Result{}, err
	}
	r, err := e.app.Do(ctx, call, domain.EraseAddress{Address: id, Key: key, Invitations: ids})
	if err != nil {
		return handlers.Result{}, err
	}
	return r, e.Finish(ctx, key)
}

// Finish destroys the keys that a user.erased or an address.erased names. Whoever follows the feed calls it for each
// such fact, so that what a crash interrupted is done all the same.
func (e *Eraser) Finish(ctx context.Context, keys ...events.KeyID) error {
	return e.vault.Destroy(ctx, keys...)
}
