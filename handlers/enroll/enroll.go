// Package enroll is how people come in: it looks at invitation links, accepts and declines them, and makes the first
// account. The API and the pages call the same.
package enroll

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"roster/domain"
	"roster/events"
	"roster/handlers"
	"roster/handlers/access"
	"roster/handlers/address"
)

// Enroll looks at links and takes people in.
type Enroll struct {
	App    *handlers.App
	Access *access.Access

	signUps access.Pace // of those who ask for an account of their own
}

// Link is what an invitation's token stands for. Whoever made one has checked the token's signature.
type Link struct {
	Account    events.AccountID
	Invitation events.InvitationID
	Generation uint32
}

// Actor is whoever holds the link and is not signed in.
func (l Link) Actor() events.Actor {
	return events.Actor{Type: events.ByLink, ID: fmt.Sprintf("%s.%d", l.Invitation, l.Generation)}
}

// View is what whoever holds a link may know. What has been erased is empty.
type View struct {
	AccountID   events.AccountID
	AccountName string
	Grants      []events.Grant
	Roles       []string // of all grants, each once
	Accounts    []Into   // all accounts that the invitation is for, that of the link first
	ByOperator  bool     // the operator invites; then no inviter is named
	// InviterName may be empty where InviterEmail is not: nothing but the address may be known of somebody.
	InviterName, InviterEmail string
	Email                     string // to sign in with
	FirstName, LastName       string // as the inviter wrote them
	ExpiresAt                 events.Time
	HasUser                   bool                // the invitee has to sign in
	Holder                    events.UserID       // that user; zero where there is none
	Rules                     events.PasswordRule // for a new person's password
	PasswordOnly              bool                // a new person gives no names
}

// Into is one of the accounts that an invitation is for.
type Into struct {
	ID     events.AccountID
	Name   string
	Grants []events.Grant
	Roles  []string // of all grants, each once
}

// Look answers what a link is about and consumes nothing. A dead link is refused with the reason, and the View is
// filled all the same, so that a page can say whom to ask. A link to nothing is not_found with an empty View.
func (e *Enroll) Look(ctx context.Context, call handlers.Call, l Link) (View, error) {
	var looked domain.LookedAt
	dead := e.App.Ask(ctx, e.By(call, l), domain.LookAtInvitation{Account: l.Account, Invitation: l.Invitation, Generation: l.Generation, Into: &looked})
	var refusal *domain.Error
	if dead != nil && (!errors.As(dead, &refusal) || refusal.Code == domain.NotFound) {
		return View{}, dead
	}
	a, i := looked.Account, looked.Invitation
	v := View{AccountID: a.ID, AccountName: a.Name, Grants: i.Grants, Roles: rolesOf(i.Grants),
		ByOperator: i.By.Type == events.ByOperator, ExpiresAt: i.ExpiresAt, HasUser: looked.HasUser,
		Rules: looked.Password, PasswordOnly: looked.Ask == domain.AskPassword}
	for _, p := range looked.Accounts {
		v.Accounts = append(v.Accounts, Into{p.Account, p.Name, p.Grants, rolesOf(p.Grants)})
	}
	invitee, err := e.invitee(ctx, l.Account, i)
	if err != nil {
		return View{}, err
	}
	v.Email, v.FirstName, v.LastName = invitee.Email, invitee.First, invitee.Last
	held, _, err := e.App.Address(ctx, i.Address)
	if err != nil {
		return View{}, err
	}
	v.Holder = held.User
	if by := i.By.User(); !by.IsZero() {
		u, _, err := e.App.User(ctx, by)
		if err != nil {
			return View{}, err
		}
		p, err := e.Person(ctx, u)
		if err != nil {
			return View{}, err
		}
		v.InviterName, v.InviterEmail = p.Name.Full(), p.Email
	} else if key := i.By.Key(); !key.IsZero() {
		if v.InviterName, err = e.App.KeyName(ctx, l.Account, key); err != nil {
			return View{}, err
		}
	}
	return v, dead
}

func rolesOf(grants []events.Grant) []string {
	var roles []string
	for _, g := range grants {
		for _, role := range g.Roles {
			if !slices.Contains(roles, role) {
				roles = append(roles, role)
			}
		}
	}
	return roles
}

// By is the call by whoever is signed in, or else by whoever holds the link.
func (e *Enroll) By(call handlers.Call, l Link) handlers.Call {
	if call.Actor.User().IsZero() {
		call.Actor = l.Actor()
	}
	return call
}

// invitee opens who is invited; it is empty where the person has been erased.
func (e *Enroll) invitee(ctx context.Context, account events.AccountID, i domain.Invitation) (events.Invitee, error) {
	var p events.Invitee
	_, err := e.App.OpenSealed(ctx, events.OfAccount(account), events.KindOf(events.InvitationCreated{}), "invitee", i.Invitee, &p)
	if err != nil {
		return p, fmt.Errorf("open invitation %s: %w", i.ID, err)
	}
	return p, nil
}

// Person is a user as others see them.
type Person struct {
	Name  events.PersonName
	Email string
}

// Person opens a user's name and address; both are empty where the user has been erased.
func (e *Enroll) Person(ctx context.Context, u domain.User) (Person, error) {
	profile, email, err := e.App.Person(ctx, u)
	return Person{Name: profile.PersonName, Email: email}, err
}

// Newcomer is what a person without a user gives to become one.
type Newcomer struct {
	First, Last string
	Password    string
	Confirm     *string // the password once more, where it was asked for twice
}

// checkPassword lists all that is wrong with the password; prefix says where it stands in the request, accounts what those
// are called that are joined or opened with it.
func (e *Enroll) checkPassword(prefix string, n Newcomer, email string, rule events.PasswordRule, accounts ...string) error {
	chosen := domain.Chosen{Password: n.Password, Name: events.PersonName{First: n.First, Last: n.Last}, Email: email, Around: accounts}
	wrong := e.Access.CheckPassword(prefix+"password", chosen, rule)
	if n.Confirm == nil || *n.Confirm == n.Password {
		return wrong
	}
	return together(wrong, invalid(prefix+"confirm", "the two passwords are not the same"))
}

// Result is what enrolling did.
type Result struct {
	Account events.AccountID
	User    events.UserID
	handlers.Result
}

// Accept accepts an invitation: for the user who is signed in (call.Actor), or else for whoever holds the link as a
// new user, which n is for. It never signs in. Nothing is hashed or kept for a link that is dead, and whatever is
// wrong with names and password is said at once, the fields as in the API ("body.first_name").
func (e *Enroll) Accept(ctx context.Context, call handlers.Call, l Link, n Newcomer) (Result, error) {
	call, cmd, err := e.PlanAccept(ctx, call, l, n)
	var refusal *domain.Error
	if err != nil && (cmd.New != nil || !errors.As(err, &refusal)) {
		return Result{}, err
	}
	newcomer := call.Actor.User().IsZero()
	switch {
	case err != nil:
		cmd.New = nil // any other refusal is left to the command itself: under its idempotency key it may have been done already
	case newcomer:
		user, err := e.Access.NewUser(ctx, cmd.New.Name, n.Password)
		if err != nil {
			return Result{}, err
		}
		cmd.New = &user
	}
	r, err := e.App.Do(ctx, call, cmd)
	if cmd.New == nil && newcomer && isInvalid(err) {
		return e.Accept(ctx, call, l, n) // sent again since it was asked for: now it is alive, and a newcomer's
	}
	if err != nil {
		return Result{}, err
	}
	return Result{Account: l.Account, User: accepted(r), Result: r}, nil
}

// PlanAccept is the command that Accept would come to, with a new user who is none yet, by whom, and what is wrong with
// it. There is no new user in it where that is something that stands in the way before.
func (e *Enroll) PlanAccept(ctx context.Context, call handlers.Call, l Link, n Newcomer) (handlers.Call, domain.AcceptInvitation, error) {
	call = e.By(call, l)
	cmd := domain.AcceptInvitation{Account: l.Account, Invitation: l.Invitation, Generation: l.Generation}
	if !call.Actor.User().IsZero() {
		return call, cmd, nil
	}
	trial := cmd
	trial.New = &domain.NewUser{ID: nobody(), Password: nobody(), Name: events.PersonName{First: n.First, Last: n.Last}}
	wrong := e.App.Ask(ctx, call, trial)
	if wrong != nil && !isInvalid(wrong) {
		return call, cmd, wrong
	}
	looked, email, err := e.rules(ctx, l)
	if err != nil {
		return call, cmd, err
	}
	var names []string
	for _, a := range looked.Accounts {
		names = append(names, a.Name)
	}
	if err := together(wrong, e.checkPassword("body.", n, email, looked.Password, names...)); err != nil {
		return call, trial, err
	}
	trial.To, err = e.addressee(ctx, l)
	return call, trial, err
}

// rules are those of the accounts that the invitation is for, the strictest of each (SPEC 1.4), with the invitee's
// address, which a password must not contain.
func (e *Enroll) rules(ctx context.Context, l Link) (domain.LookedAt, string, error) {
	var looked domain.LookedAt
	err := e.App.Ask(ctx, handlers.Call{Actor: l.Actor()}, domain.LookAtInvitation{Account: l.Account, Invitation: l.Invitation, Generation: l.Generation, Into: &looked})
	if refusal := (*domain.Error)(nil); err != nil && !errors.As(err, &refusal) { // dead since: the command says so
		return looked, "", err
	}
	invitee, err := e.invitee(ctx, l.Account, looked.Invitation)
	return looked, invitee.Email, err
}

// nobody stands for the id of somebody, or of an address, not made yet, while a command is only asked what it would
// say.
func nobody() [16]byte { return [16]byte{15: 1} }

// addressee reads the address that was invited.
func (e *Enroll) addressee(ctx context.Context, l Link) (domain.Addressee, error) {
	a, _, err := e.App.Account(ctx, l.Account)
	if err != nil {
		return domain.Addressee{}, err
	}
	i, _ := a.Invitation(l.Invitation)
	invitee, err := e.invitee(ctx, l.Account, i)
	if err != nil {
		return domain.Addressee{}, err
	}
	if invitee.Email == "" {
		return domain.Addressee{}, &domain.Error{Code: domain.InvitationRevoked, Detail: "this invitation has been revoked"}
	}
	return domain.Addressee{ID: i.Address, Key: i.Invitee.Box.K, Email: invitee.Email}, nil
}

// accepted is who accepted.
func accepted(r handlers.Result) events.UserID {
	for _, c := range r.Commits {
		for _, f := range c.Facts {
			if yes, ok := f.(events.InvitationAccepted); ok {
				return yes.User
			}
		}
	}
	return events.UserID{}
}

// Decline is the invitee's no, by whoever holds the link.
func (e *Enroll) Decline(ctx context.Context, call handlers.Call, l Link) (handlers.Result, error) {
	return e.App.Do(ctx, e.By(call, l), domain.DeclineInvitation{Account: l.Account, Invitation: l.Invitation, Generation: l.Generation})
}

// Ask tells whoever invited, or who else may, that a new link is asked for, by whoever holds a dead one. Whom it was
// told is not answered.
func (e *Enroll) Ask(ctx context.Context, call handlers.Call, l Link) (handlers.Result, error) {
	return e.App.Do(ctx, e.By(call, l), domain.AskForLink{Account: l.Account, Invitation: l.Invitation, Generation: l.Generation})
}

// First is what the first account and its owner are made of.
type First struct {
	AccountName string
	Email       string
	Owner       Newcomer
}

// IsSetUp says that the setup link has been used.
func (e *Enroll) IsSetUp(ctx context.Context) (bool, error) {
	p, _, err := e.App.Portal(ctx)
	return p.SetUp, err
}

// SetUp makes the first account and its owner, for whoever holds the setup link. Whatever is wrong is said at once,
// the fields as in the API ("body.account.name", "body.owner.email"). A used link is invitation_used.
func (e *Enroll) SetUp(ctx context.Context, call handlers.Call, f First) (Result, error) {
	call, cmd, err := e.PlanSetUp(ctx, call, f)
	if err != nil && !standsBefore(err) {
		return Result{}, err
	}
	if err == nil {
		to, err := e.Access.Addressee(ctx, address.Entry{Typed: f.Email, Email: cmd.Owner.Email})
		if err != nil {
			return Result{}, err
		}
		cmd.Owner = *to
		if cmd.User, err = e.Access.NewUser(ctx, cmd.User.Name, f.Owner.Password); err != nil {
			return Result{}, err
		}
	}
	r, err := e.App.Do(ctx, call, cmd)
	if err != nil {
		return Result{}, err
	}
	out := Result{Result: r}
	for _, c := range r.Commits {
		for _, fact := range c.Facts {
			if done, ok := fact.(events.PortalSetUp); ok {
				out.Account, out.User = done.Account, done.User
			}
		}
	}
	return out, nil
}

// PlanSetUp is the command that SetUp would come to, with an owner who is nobody yet, by whom, and what is wrong with it.
func (e *Enroll) PlanSetUp(ctx context.Context, call handlers.Call, f First) (handlers.Call, domain.SetUp, error) {
	call.Actor = events.Actor{Type: events.ByLink, ID: "setup"}
	cmd := domain.SetUp{AccountName: f.AccountName, Owner: domain.Addressee{ID: nobody()},
		User: domain.NewUser{ID: nobody(), Password: nobody(), Name: events.PersonName{First: f.Owner.First, Last: f.Owner.Last}}}
	wrong := e.App.Ask(ctx, call, cmd)
	if wrong != nil && !isInvalid(wrong) {
		return call, cmd, wrong
	}
	if err := e.checkFirst(ctx, call, f, cmd, wrong); err != nil {
		return call, cmd, err
	}
	var err error
	cmd.Owner.Email, err = address.Normalize(f.Email)
	return call, cmd, err
}

// checkFirst gathers all that is wrong. The command stops at the account's name, so it is asked again with one that
// is right.
func (e *Enroll) checkFirst(ctx context.Context, call handlers.Call, f First, cmd domain.SetUp, wrong error) error {
	all := []error{wrong}
	var refusal *domain.Error
	if errors.As(wrong, &refusal) && slices.ContainsFunc(refusal.Fields, func(f domain.Field) bool { return f.Location == "body.account.name" }) {
		cmd.AccountName = "any"
		all = append(all, e.App.Ask(ctx, call, cmd))
	}
	normal, err := address.Normalize(f.Email)
	if err != nil {
		all = append(all, invalid("body.owner.email", "not an e-mail address: want name@example.com"))
	} else if _, held, err := e.Access.Holder(ctx, normal); err != nil {
		return err
	} else if held {
		all = append(all, invalid("body.owner.email", "this address already belongs to a user"))
	}
	return together(append(all, e.checkPassword("body.owner.", f.Owner, f.Email, domain.DefaultRules().Password, f.AccountName))...)
}

func invalid(location, message string) error {
	return &domain.Error{Code: domain.Invalid, Detail: message, Fields: []domain.Field{{Location: location, Message: message}}}
}

// standsBefore says that it is a refusal for another reason than what was typed: such as a link that is dead.
func standsBefore(err error) bool {
	var refusal *domain.Error
	return errors.As(err, &refusal) && refusal.Code != domain.Invalid && refusal.Code != domain.PasswordRules
}

// isInvalid says that the refusal is about what was typed, and about nothing that stands in the way before.
func isInvalid(err error) bool {
	var refusal *domain.Error
	return errors.As(err, &refusal) && refusal.Code == domain.Invalid
}

// together is one refusal that names every field of all, under the code that comes first in SPEC 10: invalid before
// password_rules. It is nil when nothing is wrong; a fault is answered as it is.
func together(all ...error) error {
	var first *domain.Error
	for _, err := range all {
		var refusal *domain.Error
		switch {
		case err == nil:
		case !errors.As(err, &refusal):
			return err
		case first == nil:
			one := *refusal
			one.Fields = slices.Clone(one.Fields)
			first = &one
		default:
			first.Fields = append(first.Fields, refusal.Fields...)
			first.Code, first.Detail = domain.Invalid, "some fields are wrong"
		}
	}
	if first == nil {
		return nil
	}
	return first
}
