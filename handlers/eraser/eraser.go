// Package eraser makes a person unreadable for good (SPEC 5.5): it ends what the person still has, writes the fact,
// then destroys the keys that seal the person's data. Every step can be repeated, so that a crash between two of
// them is finished later.
package eraser

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"

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

// New makes an Eraser. Where invitations is nil, nobody can be erased, but what was begun elsewhere is finished.
func New(app *handlers.App, vault handlers.Vault, invitations Invitations) *Eraser {
	return &Eraser{app, vault, invitations}
}

var errNoModels = fmt.Errorf("%w: erasing needs the read models", handlers.ErrUnavailable)

// errOvertaken: something happened meanwhile, such as that an invitation was accepted, so that more has to be ended.
var errOvertaken = fmt.Errorf("%w: the person was given something new meanwhile, again and again", handlers.ErrUnavailable)

// maxRounds bounds how often an erasure begins anew because of what happens meanwhile.
const maxRounds = 10

// again erases until nothing comes in between.
func again(erase func() (handlers.Result, error)) (r handlers.Result, err error) {
	for range maxRounds {
		if r, err = erase(); !errors.Is(err, errOvertaken) {
			break
		}
	}
	return r, err
}

// EraseUser revokes every membership of a user, each under the last-owner rule; the first check that fails stops
// everything, naming the accounts, before anything is written. Then it erases. Erasing again finishes what is left.
func (e *Eraser) EraseUser(ctx context.Context, call handlers.Call, user events.UserID) (handlers.Result, error) {
	call.Key, call.IfMatch = "", nil
	return again(func() (handlers.Result, error) { return e.eraseUser(ctx, call, user) })
}

func (e *Eraser) eraseUser(ctx context.Context, call handlers.Call, user events.UserID) (handlers.Result, error) {
	u, _, err := e.app.User(ctx, user)
	if err != nil {
		return handlers.Result{}, err
	}
	if !u.Registered {
		return handlers.Result{}, &domain.Error{Code: domain.NotFound, Detail: "no such user"}
	}
	if e.invitations == nil {
		return handlers.Result{}, errNoModels
	}
	if err := e.endMemberships(ctx, call, u); err != nil {
		return handlers.Result{}, err
	}
	addresses, asked, err := e.addresses(ctx, u)
	if err != nil {
		return handlers.Result{}, err
	}
	var ids []events.InvitationID
	for _, address := range addresses {
		ended, err := e.endInvitations(ctx, call, address)
		if err != nil {
			return handlers.Result{}, err
		}
		ids = append(ids, ended...)
	}
	r, err := e.app.Do(ctx, call, domain.EraseUser{User: user, Invitations: ids, Asked: asked})
	switch {
	case refused(err, domain.Invalid): // a member again
		return handlers.Result{}, errOvertaken
	case err != nil:
		return handlers.Result{}, err
	}
	if u, _, err = e.app.User(ctx, user); err != nil { // which keys go is said by the fact
		return handlers.Result{}, err
	}
	if err := e.forgetSecrets(ctx, u.Secrets()); err != nil {
		return handlers.Result{}, err
	}
	return r, e.Finish(ctx, u.Destroyed...)
}

// addresses are those that go with a user: the one that they have, those that they had and nobody has now, and of those
// that they only wanted to have the ones that nobody has and nobody was ever invited under.
func (e *Eraser) addresses(ctx context.Context, u domain.User) (all, asked []events.AddressID, err error) {
	all = []events.AddressID{u.Address}
	former, wanted := u.OtherAddresses()
	for i, id := range slices.Concat(former, wanted) {
		held, _, err := e.app.Address(ctx, id)
		if err != nil {
			return nil, nil, err
		}
		if !held.User.IsZero() || held.Erased {
			continue
		}
		if i < len(former) {
			all = append(all, id)
			continue
		}
		found, err := e.invitations.OfAddress(ctx, id)
		if err != nil {
			return nil, nil, fmt.Errorf("find the invitations to erase: %w", err)
		}
		if len(found) == 0 {
			asked = append(asked, id)
		}
	}
	return all, asked, nil
}

// refused says that err is a refusal with one of the codes.
func refused(err error, codes ...domain.Code) bool {
	var refusal *domain.Error
	return errors.As(err, &refusal) && slices.Contains(codes, refusal.Code)
}

// endMemberships asks first whether every membership may be revoked, and only then revokes the first. One that has
// been revoked before, or that comes from an account above, needs nothing.
func (e *Eraser) endMemberships(ctx context.Context, call handlers.Call, u domain.User) error {
	var last []events.AccountID
	for _, account := range u.Accounts() {
		err := e.app.Ask(ctx, call, domain.Revoke{Account: account, User: u.ID})
		switch {
		case err == nil, refused(err, domain.NotFound, domain.Inherited):
		case refused(err, domain.LastActiveOwner):
			last = append(last, account)
		default:
			return err
		}
	}
	if last != nil {
		return lastOwner(last)
	}
	for _, account := range u.Accounts() {
		_, err := e.app.Do(ctx, call, domain.Revoke{Account: account, User: u.ID})
		switch {
		case err == nil, refused(err, domain.NotFound, domain.Inherited):
		case refused(err, domain.LastActiveOwner): // since the question another one has left
			return lastOwner([]events.AccountID{account})
		default:
			return err
		}
	}
	return nil
}

func lastOwner(accounts []events.AccountID) error {
	slices.SortFunc(accounts, func(a, b events.AccountID) int { return bytes.Compare(a[:], b[:]) })
	return &domain.Error{Code: domain.LastActiveOwner, Accounts: accounts,
		Detail: "the user is the last active owner of the accounts named: make somebody else an owner first"}
}

// endInvitations revokes what is open of an address's invitations and answers all that it ever had. One that has just
// been accepted is left: who accepted is a member now, or a user.
func (e *Eraser) endInvitations(ctx context.Context, call handlers.Call, address events.AddressID) ([]events.InvitationID, error) {
	if e.invitations == nil {
		return nil, errNoModels
	}
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
		_, err := e.app.Do(ctx, call, domain.RevokeInvitation{Account: i.Account, Invitation: i.Invitation, Because: events.BecauseErased})
		if err != nil && !refused(err, domain.InvitationUsed) {
			return nil, err
		}
	}
	return ids, nil
}

// EraseEmail erases whoever holds an address, or an invitee who never became a user. An address that is unknown, or
// erased already, is not_found.
func (e *Eraser) EraseEmail(ctx context.Context, call handlers.Call, email string) (handlers.Result, error) {
	call.Key, call.IfMatch = "", nil
	return again(func() (handlers.Result, error) { return e.eraseEmail(ctx, call, email) })
}

func (e *Eraser) eraseEmail(ctx context.Context, call handlers.Call, email string) (handlers.Result, error) {
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
		return e.eraseUser(ctx, call, held.User)
	}
	ids, err := e.endInvitations(ctx, call, id)
	if err != nil {
		return handlers.Result{}, err
	}
	r, err := e.app.Do(ctx, call, domain.EraseAddress{Address: id, Key: key, Invitations: ids})
	switch {
	case refused(err, domain.Invalid): // a user's now
		return handlers.Result{}, errOvertaken
	case err != nil:
		return handlers.Result{}, err
	}
	return r, e.Finish(ctx, key)
}

// Finish destroys the keys that a user.erased or an address.erased names.
func (e *Eraser) Finish(ctx context.Context, keys ...events.KeyID) error {
	return e.vault.Destroy(ctx, keys...)
}

// forgetSecrets destroys what a user signed in with.
func (e *Eraser) forgetSecrets(ctx context.Context, secrets []events.SecretID) error {
	for _, id := range secrets {
		if err := e.vault.DestroySecret(ctx, id); err != nil {
			return fmt.Errorf("erase what a user signed in with: %w", err)
		}
	}
	return nil
}
