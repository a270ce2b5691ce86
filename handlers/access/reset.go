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

// ResetLink is what a link to choose a new password by stands for. Whoever made one has checked the token's signature.
type ResetLink struct {
	User       events.UserID
	Generation uint32
}

// actor is whoever holds the link.
func (l ResetLink) actor() events.Actor {
	return events.Actor{Type: events.ByLink, ID: fmt.Sprintf("%s.%d", l.User, l.Generation)}
}

// RequestReset has a link sent to whoever holds an address and has forgotten their password (SPEC 4.4). It answers nothing
// that tells whether anybody does, does as much work when nobody does, and takes as long.
func (a *Access) RequestReset(ctx context.Context, call handlers.Call, email string) error {
	defer a.resets.Hold(ctx, time.Now())
	normal, err := address.Normalize(email)
	if err != nil {
		normal = email
	}
	user, err := a.holder(ctx, normal)
	if err != nil {
		return err
	}
	var cmd domain.RequestReset
	cmd.Subject, call.Actor = a.nobody(normal)
	cmd.Subject[0] ^= 0xff // beside those of sign-in, which a user's resets do not count among either
	if user.SignsIn() {
		cmd.User, call.Actor = user.ID, events.Actor{Type: events.ByAnonymous}
	}
	call.Key, call.IfMatch = "", nil
	_, err = a.app.Do(ctx, call, cmd)
	return err
}

// Reset is what whoever holds a link may know.
type Reset struct {
	Email     string
	ExpiresAt events.Time
	Rules     events.PasswordRule // for the new password
}

// LookAtReset answers what a link is about and consumes nothing. A dead link is refused with the reason.
func (a *Access) LookAtReset(ctx context.Context, call handlers.Call, l ResetLink) (Reset, error) {
	_, look, err := a.lookAtReset(ctx, call, l)
	return look, err
}

func (a *Access) lookAtReset(ctx context.Context, call handlers.Call, l ResetLink) (u domain.User, look Reset, err error) {
	call.Actor = l.actor()
	var rules domain.Rules
	if err := a.app.Ask(ctx, call, domain.LookAtReset{User: l.User, Generation: l.Generation, Into: &rules}); err != nil {
		return u, look, err
	}
	if u, _, err = a.app.User(ctx, l.User); err != nil {
		return u, look, err
	}
	_, email, err := a.app.Person(ctx, u)
	return u, Reset{email, u.Reset.ExpiresAt, rules.Password}, err
}

// ResetPassword sets a new password for whoever holds the link, and ends all their sessions. It signs nobody in. Nothing is
// hashed or kept for a link that is dead.
func (a *Access) ResetPassword(ctx context.Context, call handlers.Call, l ResetLink, password string, confirm *string) (handlers.Result, error) {
	call.Actor = l.actor()
	cmd := domain.ResetPassword{User: l.User, Generation: l.Generation}
	if r, ok, err := a.app.Done(ctx, call, cmd); ok || err != nil {
		return r, err
	}
	u, err := a.mayReset(ctx, call, l, password, confirm)
	if err != nil {
		return handlers.Result{}, err
	}
	if cmd.Password, err = a.keep(ctx, u.ID, password); err != nil {
		return handlers.Result{}, err
	}
	r, err := a.app.Do(ctx, call, cmd)
	if errors.Is(err, handlers.ErrErased) { // while we were asking
		return r, &domain.Error{Code: domain.NotFound}
	}
	if err != nil {
		return r, err
	}
	return r, a.forgetPasswords(ctx, u)
}

func (a *Access) mayReset(ctx context.Context, call handlers.Call, l ResetLink, password string, confirm *string) (domain.User, error) {
	u, look, err := a.lookAtReset(ctx, call, l)
	if err != nil {
		return u, err
	}
	return u, a.checkChosen(ctx, u, "password", password, confirm, domain.Rules{Password: look.Rules})
}

// PlanReset is the command that ResetPassword would come to.
func (a *Access) PlanReset(ctx context.Context, call handlers.Call, l ResetLink, password string, confirm *string) (domain.Command, error) {
	_, err := a.mayReset(ctx, call, l, password, confirm)
	return domain.ResetPassword{User: l.User, Generation: l.Generation, Password: events.SecretID{15: 1}}, err
}
