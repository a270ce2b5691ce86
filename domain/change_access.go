package domain

import (
	"errors"
	"slices"

	"roster/events"
)

// AccessChange is what a user is to have in an account: grants that replace all others, or none at all.
type AccessChange struct {
	Account events.AccountID
	Grants  []events.Grant // nil: the membership ends
}

// ChangeAccess saves several changes of one user's access, in one account or in many: all of them or none (SPEC 3.8).
// A user whom the caller knows from one account may so be added to others.
type ChangeAccess struct {
	From    events.AccountID // in which the caller knows the user
	User    events.UserID
	Changes []AccessChange

	Confirmed bool // the caller has repeated it with the token given
}

func (c ChangeAccess) Name() string { return "ChangeAccess" }

func (c ChangeAccess) Home(_ Issued) events.Boundary { return events.OfAccount(c.From) }

func (c ChangeAccess) Target() (events.AccountID, *events.Subject) { return onUser(c.From, c.User) }

func (c ChangeAccess) Decide(w *World, is Issued) error {
	a, _, err := w.mayIn(c.From, UsersRead)
	if err != nil {
		return err
	}
	known, ok := a.Member(c.User)
	if !ok || !known.is() {
		return refuse(NotFound, "no such user in this account")
	}
	if len(c.Changes) == 0 || len(c.Changes) > maxAccounts {
		return invalid("body.changes", "1 to %d changes", maxAccounts)
	}
	var worst *Error
	var where []events.AccountID
	for i, change := range c.Changes {
		if slices.ContainsFunc(c.Changes[:i], func(o AccessChange) bool { return o.Account == change.Account }) {
			return invalid(location("body.changes", i)+".account", "an account stands there twice")
		}
		err := w.changeAccess(change, c.User, known, c.Confirmed)
		refusal := (*Error)(nil)
		switch {
		case err == nil:
			continue
		case !errors.As(err, &refusal):
			return err
		}
		where = append(where, change.Account)
		if worst == nil || before(refusal.Code, worst.Code) {
			worst = refusal
		}
	}
	if worst != nil {
		worst.Accounts = where
		return worst
	}
	return nil
}

// before says whether a refusal comes first where several apply (SPEC 10).
func before(a, b Code) bool {
	order := []Code{NotFound, NotPermitted, ExceedsOwnAccess, ModuleNotAllowed, Invalid, DomainNotAllowed, StaleVersion, LastActiveOwner, Inherited, AccountClosed}
	return slices.Index(order, a) < slices.Index(order, b)
}

func (w *World) changeAccess(c AccessChange, user events.UserID, known Member, confirmed bool) error {
	m, ok := w.Account(c.Account).Member(user)
	switch {
	case ok && m.is() && c.Grants == nil && w.is.self(user):
		return Leave{c.Account}.Decide(w, w.is)
	case ok && m.is() && c.Grants == nil:
		return Revoke{Account: c.Account, User: user, Confirmed: confirmed}.decide(w, w.is)
	case ok && m.is():
		return ChangeRole{Account: c.Account, User: user, Grants: c.Grants}.Decide(w, w.is)
	case c.Grants == nil:
		if _, _, err := w.mayIn(c.Account, UsersRead); err != nil {
			return err
		}
		return nil // it is so already
	}
	return w.add(c, user, known)
}

// add makes somebody who has a user a member of one more account.
func (w *World) add(c AccessChange, user events.UserID, known Member) error {
	a, access, err := w.manages(c.Account, UsersInvite)
	if err != nil {
		return err
	}
	chain := w.chain(c.Account)
	if w.is.self(user) || !access.covers(w.resolve(chain, c.Grants)) {
		return refuse(ExceedsOwnAccess, "nobody can grant more than they hold, nor anything to themselves")
	}
	grants, err := w.checkGrants(chain, c.Grants)
	if err != nil {
		return err
	}
	if a.Parent.IsZero() && !a.protects(lasting(grants)) && !w.hasOwner(a) {
		return invalid("body.roles", "an account without an owner gets an owner first")
	}
	if w.User(user).Erased {
		return refuse(NotFound, "no such user")
	}
	w.enroll(c.Account, known, grants)
	return nil
}

// enroll makes somebody who has a user a member, which an invitation to this account alone has then nothing left to do
// for. Of one whom the operator has locked the account notes it, as it does when they are locked; that they have joined
// is written in any case, so that a lock at the same time knows of it.
func (w *World) enroll(account events.AccountID, m Member, grants []events.Grant) {
	b := events.OfAccount(account)
	if open, ok := w.Account(account).InvitationOf(m.Address); ok && open.Status == Pending && len(open.Accounts) == 0 {
		w.record(b, events.InvitationRevoked{Invitation: open.ID, Because: events.BecauseMember})
	}
	w.record(b, events.MembershipGranted{User: m.User, Key: m.Key, Address: m.Address, Grants: grants})
	if w.User(m.User).Locked {
		w.record(b, events.MembershipUserLocked{User: m.User})
	}
	w.record(events.OfUser(m.User), events.UserJoined{Account: account})
}

// AddUser makes somebody who has a user a member of one more account. Whoever asks has to administer the person
// somewhere already: a user's id tells nobody else that there is such a user (SPEC 3.8).
type AddUser struct {
	Account events.AccountID
	User    events.UserID
	Grants  []events.Grant
}

func (c AddUser) Name() string { return "AddUser" }

func (c AddUser) Home(_ Issued) events.Boundary { return events.OfAccount(c.Account) }

func (c AddUser) Target() (events.AccountID, *events.Subject) { return onUser(c.Account, c.User) }

func (c AddUser) Decide(w *World, is Issued) error {
	a, _, err := w.manages(c.Account, UsersInvite)
	if err != nil {
		return err
	}
	if m, ok := a.Member(c.User); ok && m.is() {
		return refuse(AlreadyMember, "the user already is a member")
	}
	for _, id := range w.User(c.User).Accounts() {
		m, ok := w.Account(id).Member(c.User)
		if !ok || !m.is() {
			continue
		}
		if _, _, err := w.mayIn(id, UsersInvite); err == nil {
			return w.add(AccessChange{c.Account, c.Grants}, c.User, m)
		}
	}
	return refuse(NotFound, "no such user in an account that you administer")
}
