package domain

import (
	"time"

	"roster/events"
)

// confirmValid is how long a link to confirm an address works.
const confirmValid = 24 * time.Hour

// memberWith is the membership of whoever holds an address now. An account knows the address that somebody had when they
// joined; they may have another one since.
func (w *World) memberWith(a Account, address events.AddressID) (Member, bool) {
	if holder := w.Address(address).User; !holder.IsZero() {
		return a.Member(holder)
	}
	m, ok := a.MemberWith(address)
	if !ok {
		return m, false
	}
	for _, f := range w.User(m.User).Former {
		if f.Address == address {
			return Member{}, false
		}
	}
	return m, true
}

// RequestEmailChange asks for another address to sign in with (SPEC 4.2). Whether somebody has it already is neither looked
// at nor told: the mail that goes there depends on it. Verified names the password that was verified.
type RequestEmailChange struct {
	User     events.UserID
	Verified events.SecretID
	To       Addressee
}

func (c RequestEmailChange) Name() string { return "RequestEmailChange" }

func (c RequestEmailChange) Home(_ Issued) events.Boundary { return events.OfUser(c.User) }

func (c RequestEmailChange) Target() (events.AccountID, *events.Subject) {
	return onUser(events.AccountID{}, c.User)
}

func (c RequestEmailChange) Decide(w *World, is Issued) error {
	u, err := w.oneself(c.User)
	if err != nil {
		return err
	}
	if err := w.mayMoveTo(u, c.To.Email); err != nil {
		return err
	}
	switch {
	case c.To.Email == "":
		return invalid("body.email", "not an e-mail address: want name@example.com")
	case c.To.ID == u.Address:
		return invalid("body.email", "this is the address that you have")
	case flooded(u.changes, is.At):
		e := refuse(RateLimited, "%d changes have been asked for within an hour: try again later", maxLinks)
		e.Retry = int(linkWindow / time.Second)
		return e
	case c.Verified.IsZero() || u.Password != c.Verified: // or it has been replaced meanwhile
		return errPassword()
	}
	w.record(events.OfUser(c.User), events.UserEmailChangeRequested{Address: c.To.ID, Email: events.For(c.To.Key, events.Email{Email: c.To.Email}),
		Generation: u.Change.Generation + 1, ExpiresAt: is.At.Add(confirmValid)})
	return nil
}

// mayMoveTo says whether the accounts in which somebody is active let them have another address, and this one.
func (w *World) mayMoveTo(u User, email string) error {
	if !w.PersonRules(u.ID).ChangeEmail {
		return refuse(NotPermitted, "your accounts do not let you change your own address")
	}
	for _, id := range u.Accounts() {
		m, ok := w.Account(id).Member(u.ID)
		if ok && m.Status == Active && email != "" && !w.Policy(id).Allows(email) {
			return refuse(DomainNotAllowed, "an account of yours does not let addresses of this domain in")
		}
	}
	return nil
}

// LookAtEmailChange refuses as ConfirmEmail would, and records nothing.
type LookAtEmailChange struct {
	User       events.UserID
	Generation uint32
}

func (c LookAtEmailChange) Name() string { return "LookAtEmailChange" }

func (c LookAtEmailChange) Home(_ Issued) events.Boundary { return events.OfUser(c.User) }

func (c LookAtEmailChange) Decide(w *World, _ Issued) error {
	_, err := w.mayConfirm(c.User, c.Generation)
	return err
}

func (w *World) mayConfirm(user events.UserID, generation uint32) (User, error) {
	u := w.User(user)
	if !u.SignsIn() {
		return u, refuse(NotFound, "no such user")
	}
	if err := u.Change.alive(generation, w.is.At); err != nil {
		return u, err
	}
	switch a := w.Address(u.Change.Address); {
	case !a.User.IsZero():
		return u, refuse(InvitationRevoked, "this address belongs to a user by now")
	case a.Erased:
		return u, refuse(NotFound, "no such address")
	case !w.PersonRules(user).ChangeEmail:
		return u, refuse(InvitationRevoked, "the accounts of this user do not let them change their address any more")
	}
	return u, nil
}

// ConfirmEmail makes the address that was asked for the one to sign in with, by whoever holds the link that was sent there:
// all or nothing. Sessions stay. Email is the address as it was asked for, opened.
type ConfirmEmail struct {
	User       events.UserID
	Generation uint32
	Email      string
}

func (c ConfirmEmail) Name() string { return "ConfirmEmail" }

func (c ConfirmEmail) Home(_ Issued) events.Boundary { return events.OfUser(c.User) }

func (c ConfirmEmail) Decide(w *World, _ Issued) error {
	u, err := w.mayConfirm(c.User, c.Generation)
	if err != nil {
		return err
	}
	if c.Email == "" {
		return refuse(NotFound, "no such address")
	}
	if err := w.mayMoveTo(u, c.Email); err != nil { // the policy may have been tightened since
		return refuse(InvitationRevoked, "the accounts of this user do not let them have this address any more")
	}
	to, key := u.Change.Address, u.Change.Email.Box.K
	w.record(events.OfUser(c.User), events.UserEmailChanged{From: u.Address, To: to, Email: events.For(key, events.Email{Email: c.Email})})
	w.record(events.OfAddress(to), events.AddressClaimed{User: c.User})
	w.record(events.OfAddress(u.Address), events.AddressReleased{User: c.User})
	return nil
}
