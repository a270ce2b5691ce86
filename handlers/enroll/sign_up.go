package enroll

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

// SignupLink is what a link to open an account by stands for. Whoever made one has checked the token's signature.
type SignupLink struct {
	Address    events.AddressID
	Generation uint32
}

func (l SignupLink) actor() events.Actor {
	return events.Actor{Type: events.ByLink, ID: fmt.Sprintf("%s.%d", l.Address, l.Generation)}
}

// HasSignUp says that people open accounts by themselves here (SPEC 1.3).
func (e *Enroll) HasSignUp(ctx context.Context) (bool, error) {
	p, _, err := e.App.Portal(ctx)
	return p.Profile().SignUp, err
}

// RequestSignUp has a link sent to whoever wants to open an account. It answers nothing that tells whether anybody has the
// address, nor does its time; what is no address gets no mail.
func (e *Enroll) RequestSignUp(ctx context.Context, call handlers.Call, email string) error {
	defer e.signUps.Hold(ctx, time.Now())
	there, err := e.HasSignUp(ctx)
	if err != nil {
		return err
	}
	if !there {
		return &domain.Error{Code: domain.NotAvailable, Detail: "nobody opens an account by themselves here"}
	}
	normal, err := address.Normalize(email)
	if err != nil {
		return nil
	}
	to, err := e.Access.Addressee(ctx, address.Entry{Email: normal})
	if err != nil {
		return err
	}
	call.Actor, call.Key, call.IfMatch = events.Actor{Type: events.ByAnonymous}, "", nil
	_, err = e.App.Do(ctx, call, domain.RequestSignUp{To: *to})
	if errors.Is(err, handlers.ErrErased) { // while we were asking
		return nil
	}
	return err
}

// Signup is what whoever holds a link may know.
type Signup struct {
	Email     string
	ExpiresAt events.Time
	Rules     events.PasswordRule // for the password
}

// LookAtSignUp answers what a link is about and consumes nothing. A dead link is refused with the reason.
func (e *Enroll) LookAtSignUp(ctx context.Context, call handlers.Call, l SignupLink) (Signup, error) {
	call.Actor = l.actor()
	if err := e.App.Ask(ctx, call, domain.LookAtSignUp(l)); err != nil {
		return Signup{}, err
	}
	a, _, err := e.App.Address(ctx, l.Address)
	if err != nil {
		return Signup{}, err
	}
	var email events.Email
	ok, err := e.App.OpenSealed(ctx, events.OfAddress(a.ID), events.KindOf(events.AddressSignupRequested{}), "email", a.Email, &email)
	if err == nil && !ok {
		err = &domain.Error{Code: domain.NotFound}
	}
	return Signup{email.Email, a.Signup.ExpiresAt, domain.DefaultRules().Password}, err
}

// SignUp makes a user, a root account and its owner, for whoever holds the link. It never signs in. Nothing is hashed or
// kept for a link that is dead, and whatever is wrong is said at once, the fields as in the API ("body.account.name").
func (e *Enroll) SignUp(ctx context.Context, call handlers.Call, l SignupLink, accountName string, n Newcomer) (Result, error) {
	call.Actor = l.actor()
	cmd, err := e.PlanSignUp(ctx, call, l, accountName, n)
	if err != nil && !standsBefore(err) {
		return Result{}, err
	}
	if err == nil {
		if cmd.User, err = e.Access.NewUser(ctx, cmd.User.Name, n.Password); err != nil {
			return Result{}, err
		}
	}
	// Any other refusal is left to the command itself: under its idempotency key it may have been done already.
	r, err := e.App.Do(ctx, call, cmd)
	if errors.Is(err, handlers.ErrErased) { // while we were asking
		err = &domain.Error{Code: domain.NotFound}
	}
	if err != nil {
		return Result{}, err
	}
	out := Result{Result: r}
	for _, c := range r.Commits {
		for _, f := range c.Facts {
			if g, ok := f.(events.MembershipGranted); ok {
				out.Account, out.User = events.AccountID(c.Boundary.ID), g.User
			}
		}
	}
	return out, nil
}

// PlanSignUp is the command that SignUp would come to, for a user who is none yet, and all that is wrong with it.
func (e *Enroll) PlanSignUp(ctx context.Context, call handlers.Call, l SignupLink, accountName string, n Newcomer) (domain.SignUp, error) {
	name := events.PersonName{First: n.First, Last: n.Last}
	cmd := domain.SignUp{Address: l.Address, Generation: l.Generation, AccountName: accountName, User: domain.NewUser{ID: nobody(), Name: name}}
	look, err := e.LookAtSignUp(ctx, call, l)
	if err != nil {
		return cmd, err
	}
	cmd.Email = look.Email
	call.Actor = l.actor()
	wrong := e.App.Ask(ctx, call, cmd)
	if wrong != nil && !isInvalid(wrong) {
		return cmd, wrong
	}
	return cmd, together(wrong, e.checkPassword("body.", n, look.Email, look.Rules, accountName))
}
