package domain

import (
	"errors"
	"slices"
	"strings"

	"roster/events"
)

// ErrNewUser: the person may come in, and has to be made a user.
var ErrNewUser = errors.New("a new user is needed")

// MethodSSO is how somebody signed in for whom an account's provider vouched.
const MethodSSO = "sso"

// EnterBySSO finds the user whom an account's provider has vouched for, and makes one where the account lets it. Who it
// is, the provider's subject says; only the first time the address does, which the provider has verified and which is in
// a domain of the account. A user who has no access to the account yet needs an open invitation, or roles for whoever
// comes uninvited (SPEC 7.4).
type EnterBySSO struct {
	Account    events.AccountID
	Connection events.AnyID // with which it was begun
	Identity   events.AddressID
	To         Addressee
	New        *NewUser // for a person without a user
	Into       *events.UserID
}

func (c EnterBySSO) Name() string { return "EnterBySSO" }

func (c EnterBySSO) Home(_ Issued) events.Boundary { return events.OfAddress(c.Identity) }

func (c EnterBySSO) Decide(w *World, _ Issued) error {
	a := w.Account(c.Account)
	_, domain, _ := strings.Cut(c.To.Email, "@")
	switch sso := a.Provider(); {
	case sso == nil || sso.Connection != c.Connection:
		return errNoSSO()
	case w.Portal().DomainOf(domain) != c.Account:
		return refuse(DomainNotAllowed, "the provider speaks for an address that is in no domain of this account")
	}
	if u := w.User(w.Address(c.Identity).User); u.Registered && !u.Erased {
		*c.Into = u.ID
		switch {
		case u.Locked:
			return errLocked()
		case w.reaches(u, c.Account):
			return nil
		}
		return c.join(w, a, u)
	}
	u := w.User(w.Address(c.To.ID).User)
	if u.Registered && !u.Erased {
		*c.Into = u.ID
		switch {
		case u.Locked:
			return errLocked()
		case slices.ContainsFunc(u.linked, func(i Identity) bool { return i.Connection == c.Connection }):
			return refuse(WrongRecipient, "the user with this address is somebody else at the provider: ask an owner of the account")
		}
		if !w.reaches(u, c.Account) {
			if err := c.join(w, a, u); err != nil {
				return err
			}
		}
		return c.link(w, u.ID)
	}
	if err := c.join(w, a, User{}); err != nil {
		return err
	}
	*c.Into = c.New.ID
	return c.link(w, c.New.ID)
}

// NameOf is the name of somebody who comes from a provider: as it says, made into what is allowed; who has none is called
// by their address.
func NameOf(first, last, email string) events.PersonName {
	local, _, _ := strings.Cut(email, "@")
	name := events.PersonName{First: tidy(first), Last: tidy(last)}
	if name.First+name.Last == "" {
		name.First = tidy(local)
	}
	return name
}

func errNoSSO() error {
	return refuse(NotAvailable, "there is no single sign-on here, or it has been changed: start again")
}

func errLocked() error { return refuse(NotPermitted, "this user has been locked: ask the operator") }

func (c EnterBySSO) link(w *World, user events.UserID) error {
	linked := events.IdentityLinked{Identity: c.Identity, Account: c.Account, Connection: c.Connection, User: user}
	w.record(events.OfAddress(c.Identity), linked)
	w.record(events.OfUser(user), linked)
	return nil
}

// reaches says that a user is an active member, or one who counts from the first sign-in on, of the account or of one
// below it.
func (w *World) reaches(u User, account events.AccountID) bool {
	return slices.ContainsFunc(u.Accounts(), func(id events.AccountID) bool {
		m, ok := w.Account(id).Member(u.ID)
		if !ok || m.Locked || m.Status != Active && m.Status != Pending {
			return false
		}
		return slices.ContainsFunc(w.chain(id), func(above *Account) bool { return above.ID == account })
	})
}

// join makes the person a member of the account: by the invitation of the address, else uninvited. Whoever was a member
// before has to be invited.
func (c EnterBySSO) join(w *World, a Account, u User) error {
	m, was := a.Member(u.ID)
	if was && m.Status == Suspended {
		return errSuspended()
	}
	i, invited := a.InvitationOf(c.To.ID)
	invited = invited && w.StatusOf(c.Account, i) == Pending
	switch {
	case w.Address(c.To.ID).Erased, !invited && (len(a.SSO.JoinRoles) == 0 || was):
		return refuse(NotPermitted, "nobody has invited this address to the account: ask an administrator")
	case !invited && !w.Policy(c.Account).Allows(c.To.Email):
		return refuse(DomainNotAllowed, "the account does not let in addresses of this domain")
	}
	id, key, fresh := u.ID, u.Key, (*NewUser)(nil)
	if !u.Registered {
		if fresh = c.New; fresh == nil {
			return ErrNewUser
		}
		id, key = fresh.ID, fresh.Key
	}
	if invited {
		return w.accept(c.Account, i, id, key, fresh, c.To)
	}
	w.record(events.OfAccount(c.Account), events.MembershipGranted{User: id, Key: key, Address: c.To.ID, Grants: []events.Grant{{Roles: a.SSO.JoinRoles}},
		Pending: fresh != nil && w.ProfileOf(c.Account).ActiveOn == OnFirstLogin})
	if fresh != nil {
		w.register(*fresh, c.To, c.Account)
		return nil
	}
	w.record(events.OfUser(id), events.UserJoined{Account: c.Account})
	return nil
}

// entersBySSO checks how a session begins: by a provider that is still connected and through which the user has access,
// or else not where one is required of the user. What was begun with a provider leads to one session.
func (w *World) entersBySSO(u User, account events.AccountID, once events.CommitID) error {
	if account.IsZero() {
		if slices.ContainsFunc(u.linked, func(i Identity) bool { return w.requiredOf(u, i) }) {
			return errRequired()
		}
		return nil
	}
	c := w.Account(account).Provider()
	linked := c != nil && slices.ContainsFunc(u.linked, func(i Identity) bool { return i.Connection == c.Connection })
	switch {
	case !linked:
		return errNoSSO()
	case !w.reaches(u, account):
		return errSuspended()
	case slices.ContainsFunc(u.succeeded, func(a attempt) bool { return a.commit == once }):
		return refuse(BadCredentials, "this sign-in has been used already: start again")
	}
	return nil
}

func errRequired() error {
	return refuse(NotAvailable, "people of this domain sign in through their own provider: open /sign-in/sso")
}

// FindSSO leaves in the place given the account whose provider speaks for a domain. It is refused with not_available
// where there is none, whoever the address is of: nothing is said about any person.
type FindSSO struct {
	Domain string
	Into   *Account
	Only   bool // refused, too, where people may sign in otherwise
}

func (c FindSSO) Name() string { return "FindSSO" }

func (c FindSSO) Home(_ Issued) events.Boundary { return events.Portal() }

func (c FindSSO) Decide(w *World, _ Issued) error {
	a := w.Account(w.Portal().DomainOf(c.Domain))
	if sso := a.Provider(); sso == nil || c.Only && !sso.Required {
		return refuse(NotAvailable, "there is no single sign-on for this address")
	}
	*c.Into = a
	return nil
}
