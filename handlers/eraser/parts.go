package eraser

import (
	"context"
	"fmt"

	"roster/domain"
	"roster/events"
	"roster/handlers"
	"roster/handlers/address"
)

// Parts are the commands that erasing a user, or whoever holds an e-mail address, would come to as things are: for a
// dry run (SPEC 3.11). What would be refused is refused here too.
func (e *Eraser) Parts(ctx context.Context, call handlers.Call, user events.UserID, email string) ([]domain.Command, error) {
	call.Key, call.IfMatch = "", nil
	if email == "" {
		return e.userParts(ctx, call, user)
	}
	unknown := &domain.Error{Code: domain.NotFound, Detail: "nothing is held about this address"}
	normal, err := address.Normalize(email)
	if err != nil {
		return nil, unknown
	}
	id, key, found, err := e.vault.FindAddress(ctx, normal)
	if err != nil {
		return nil, err
	}
	if !found {
		return nil, unknown
	}
	held, _, err := e.app.Address(ctx, id)
	if err != nil {
		return nil, err
	}
	if !held.User.IsZero() {
		return e.userParts(ctx, call, held.User)
	}
	parts, ids, err := e.invitationParts(ctx, call, id)
	return append(parts, domain.EraseAddress{Address: id, Key: key, Invitations: ids}), err
}

func (e *Eraser) userParts(ctx context.Context, call handlers.Call, user events.UserID) ([]domain.Command, error) {
	u, _, err := e.app.User(ctx, user)
	if err != nil {
		return nil, err
	}
	if !u.Registered {
		return nil, &domain.Error{Code: domain.NotFound, Detail: "no such user"}
	}
	var parts []domain.Command
	var last []events.AccountID
	for _, account := range u.Accounts() {
		revoke := domain.Revoke{Account: account, User: u.ID}
		err := e.app.Ask(ctx, call, revoke)
		switch {
		case err == nil:
			parts = append(parts, revoke)
		case refused(err, domain.NotFound, domain.Inherited):
		case refused(err, domain.LastActiveOwner):
			last = append(last, account)
		default:
			return nil, err
		}
	}
	if last != nil {
		return nil, lastOwner(last)
	}
	if e.invitations == nil {
		return nil, errNoModels
	}
	addresses, asked, err := e.addresses(ctx, u)
	if err != nil {
		return nil, err
	}
	var ids []events.InvitationID
	for _, address := range addresses {
		open, some, err := e.invitationParts(ctx, call, address)
		if err != nil {
			return nil, err
		}
		parts, ids = append(parts, open...), append(ids, some...)
	}
	return append(parts, domain.EraseUser{User: user, Invitations: ids, Asked: asked}), nil
}

// invitationParts revoke what is open of an address's invitations.
func (e *Eraser) invitationParts(ctx context.Context, call handlers.Call, address events.AddressID) (parts []domain.Command, ids []events.InvitationID, err error) {
	if e.invitations == nil {
		return nil, nil, errNoModels
	}
	found, err := e.invitations.OfAddress(ctx, address)
	if err != nil {
		return nil, nil, fmt.Errorf("find the invitations to erase: %w", err)
	}
	for _, i := range found {
		ids = append(ids, i.Invitation)
		if !i.Open {
			continue
		}
		revoke := domain.RevokeInvitation{Account: i.Account, Invitation: i.Invitation, Because: events.BecauseErased}
		switch err := e.app.Ask(ctx, call, revoke); {
		case err == nil:
			parts = append(parts, revoke)
		case !refused(err, domain.InvitationUsed):
			return nil, nil, err
		}
	}
	return parts, ids, nil
}
