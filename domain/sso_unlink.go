package domain

import (
	"slices"

	"roster/events"
)

// Identities lists who the user is at the providers of accounts, one of each account, in the order in which they were
// linked.
func (u User) Identities() []Identity { return slices.Clone(u.linked) }

// LinkedIn says that somebody at an account's provider is the user.
func (u User) LinkedIn(account events.AccountID) bool {
	return !u.Erased && slices.ContainsFunc(u.linked, func(i Identity) bool { return i.Account == account })
}

// UnlinkMyIdentity ends that somebody at an account's provider is oneself. It asks for a fresh sign-in, as whatever
// changes what one signs in with, and something has to be left to sign in with: a password that one knows, or a passkey,
// and an account that lets one. All other sessions end. Whoever comes by the provider afterwards is nobody's user until
// linked anew, by the rules that hold for anybody who comes the first time: by a verified address in a domain of the
// account, where that is still the user's. An address that has changed at the provider meanwhile leads here no more.
type UnlinkMyIdentity struct {
	User     events.UserID
	Identity events.AddressID
	Password events.SecretID // that has just been verified, if any was
}

func (c UnlinkMyIdentity) Name() string { return "UnlinkIdentity" }

func (c UnlinkMyIdentity) Home(_ Issued) events.Boundary { return events.OfUser(c.User) }

func (c UnlinkMyIdentity) Target() (events.AccountID, *events.Subject) {
	return onUser(events.AccountID{}, c.User)
}

func (c UnlinkMyIdentity) Decide(w *World, _ Issued) error {
	u, err := w.myself(c.User)
	if err != nil {
		return err
	}
	i := slices.IndexFunc(u.linked, func(i Identity) bool { return i.ID == c.Identity })
	if i < 0 {
		return refuse(NotFound, "no such identity")
	}
	if err := w.fresh(u, c.Password); err != nil {
		return err
	}
	passkey := slices.ContainsFunc(u.factors, func(f Factor) bool { return f.Verified && f.Method == events.FactorPasskey })
	switch {
	case w.requiredOf(u, u.linked[i]):
		return refuse(NotPermitted, "the account has its people sign in by its provider only")
	case u.unknown && !passkey:
		return refuse(NotPermitted, "nothing would be left to sign in with: choose a password by \"forgotten password\", or add a passkey")
	}
	w.unlink(u, u.linked[i])
	return nil
}

// UnlinkIdentity ends that somebody at an account's provider is a user: for an owner of the account, or the operator,
// where the address has been given to somebody else, or the wrong person was linked. All sessions of the user end. It is
// linked anew as UnlinkMyIdentity says; who has no other way in chooses a password by mail.
type UnlinkIdentity struct {
	Account events.AccountID
	User    events.UserID
}

func (c UnlinkIdentity) Name() string { return "UnlinkIdentity" }

func (c UnlinkIdentity) Home(_ Issued) events.Boundary { return events.OfUser(c.User) }

func (c UnlinkIdentity) Target() (events.AccountID, *events.Subject) {
	return onUser(c.Account, c.User)
}

func (c UnlinkIdentity) Decide(w *World, is Issued) error {
	if is.self(c.User) {
		return w.notOneself(c.Account, "one's own is unlinked under /v1/me/identities")
	}
	if _, err := w.ownsSSO(c.Account); err != nil {
		return err
	}
	u := w.User(c.User)
	i := slices.IndexFunc(u.linked, func(i Identity) bool { return i.Account == c.Account })
	if i < 0 || u.Erased {
		return refuse(NotFound, "no such identity")
	}
	w.unlink(u, u.linked[i])
	return nil
}

func (w *World) unlink(u User, i Identity) {
	gone := events.IdentityUnlinked{Identity: i.ID, Account: i.Account, Connection: i.Connection, User: u.ID}
	w.record(events.OfUser(u.ID), gone)
	w.record(events.OfAddress(i.ID), gone)
	w.endOthers(u, "identity_unlinked")
}

// requiredOf says that an identity is the only way in which its user may sign in.
func (w *World) requiredOf(u User, i Identity) bool {
	c := w.Account(i.Account).Provider()
	return c != nil && c.Required && c.Connection == i.Connection && w.reaches(u, i.Account)
}
