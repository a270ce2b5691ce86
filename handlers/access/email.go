package access

import (
	"context"
	"errors"
	"fmt"
	"time"

	"roster/domain"
	"roster/events"
	"roster/handlers"
	"roster/handlers/address"
)

// EmailLink is what a link to confirm an address stands for. Whoever made one has checked the token's signature.
type EmailLink struct {
	User       events.UserID
	Generation uint32
}

// actor is whoever holds the link.
func (l EmailLink) actor() events.Actor {
	return events.Actor{Type: events.ByLink, ID: fmt.Sprintf("%s.%d", l.User, l.Generation)}
}

// RequestEmailChange has a link sent to an address that whoever asks wants to sign in with from now on (SPEC 4.2). What
// stands in the way of any change is said first, and costs no attempt; whether the address is somebody's is not said, nor
// does the time tell.
func (a *Access) RequestEmailChange(ctx context.Context, call handlers.Call, email, password string) (handlers.Result, error) {
	defer a.moves.Hold(ctx, time.Now())
	cmd, err := a.emailChange(ctx, call, email)
	if err != nil {
		return handlers.Result{}, err
	}
	r, err := a.app.Do(ctx, call, cmd) // without a password: done already under its key, or refused
	if refusal := (*domain.Error)(nil); err == nil || !errors.As(err, &refusal) || refusal.Code != domain.BadCredentials {
		return r, err
	}
	u, _, err := a.app.User(ctx, cmd.User)
	if err != nil {
		return r, err
	}
	var attempt events.CommitID
	if cmd.Verified, attempt, err = a.verify(ctx, call, u, password); err != nil {
		return r, err
	}
	to, err := a.Addressee(ctx, address.Entry{Email: cmd.To.Email})
	if err != nil {
		return r, err
	}
	cmd.To, call.Cause = *to, causedBy(attempt)
	return a.app.Do(ctx, call, cmd)
}

// emailChange is the command without a password. It makes nothing in the vault.
func (a *Access) emailChange(ctx context.Context, call handlers.Call, email string) (cmd domain.RequestEmailChange, err error) {
	cmd.User = call.Actor.User()
	if cmd.To.Email, err = address.Normalize(email); err != nil {
		return cmd, nil // which the command refuses, once whoever asks may ask at all
	}
	found, err := a.FindAddressee(ctx, address.Entry{Email: cmd.To.Email})
	if found != nil {
		cmd.To = *found
	}
	return cmd, err
}

// PlanEmailChange is the command that RequestEmailChange would come to, were the password the right one.
func (a *Access) PlanEmailChange(ctx context.Context, call handlers.Call, email string) (domain.Command, error) {
	cmd, err := a.emailChange(ctx, call, email)
	if err != nil {
		return cmd, err
	}
	u, _, err := a.app.User(ctx, cmd.User)
	cmd.Verified = u.Password
	if cmd.To.ID.IsZero() {
		cmd.To.ID = events.AddressID{15: 1}
	}
	return cmd, err
}

// EmailChange is what whoever holds a link may know.
type EmailChange struct {
	Email     string // that is to be confirmed
	ExpiresAt events.Time
}

// LookAtEmailChange answers what a link is about and consumes nothing. A dead link is refused with the reason.
func (a *Access) LookAtEmailChange(ctx context.Context, call handlers.Call, l EmailLink) (EmailChange, error) {
	call.Actor = l.actor()
	if err := a.app.Ask(ctx, call, domain.LookAtEmailChange(l)); err != nil {
		return EmailChange{}, err
	}
	u, _, err := a.app.User(ctx, l.User)
	if err != nil {
		return EmailChange{}, err
	}
	var email events.Email
	ok, err := a.app.OpenSealed(ctx, events.OfUser(u.ID), events.KindOf(events.UserEmailChangeRequested{}), "email", u.Change.Email, &email)
	if err == nil && !ok {
		err = &domain.Error{Code: domain.NotFound}
	}
	return EmailChange{email.Email, u.Change.ExpiresAt}, err
}

// PlanConfirmation is the command that ConfirmEmail comes to. That of a dead link has no address, and is refused.
func (a *Access) PlanConfirmation(ctx context.Context, call handlers.Call, l EmailLink) (domain.Command, error) {
	cmd := domain.ConfirmEmail{User: l.User, Generation: l.Generation}
	look, err := a.LookAtEmailChange(ctx, call, l)
	if refusal := (*domain.Error)(nil); errors.As(err, &refusal) {
		err = nil
	}
	cmd.Email = look.Email
	return cmd, err
}

// ConfirmEmail makes the address the one to sign in with, for whoever holds the link that was sent there.
func (a *Access) ConfirmEmail(ctx context.Context, call handlers.Call, l EmailLink) (handlers.Result, error) {
	cmd, err := a.PlanConfirmation(ctx, call, l)
	if err != nil {
		return handlers.Result{}, err
	}
	call.Actor = l.actor()
	r, err := a.app.Do(ctx, call, cmd)
	if errors.Is(err, handlers.ErrErased) { // while we were asking
		err = &domain.Error{Code: domain.NotFound}
	}
	return r, err
}
