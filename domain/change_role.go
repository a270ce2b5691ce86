package domain

import "roster/events"

// ChangeRole replaces all that a membership grants (SPEC 3.4).
type ChangeRole struct {
	Account events.AccountID
	User    events.UserID
	Grants  []events.Grant
}

func (c ChangeRole) Name() string { return "ChangeRole" }

func (c ChangeRole) Home(_ Issued) events.Boundary { return events.OfAccount(c.Account) }

func (c ChangeRole) Target() (events.AccountID, *events.Subject) { return onUser(c.Account, c.User) }

func (c ChangeRole) Decide(w *World, is Issued) error {
	a, m, access, err := w.mayChange(c.Account, c.User, UsersChangeRole)
	if err != nil {
		return err
	}
	chain := w.chain(c.Account)
	switch {
	case is.self(c.User) && !w.lowers(chain, m, c.Grants):
		return refuse(ExceedsOwnAccess, "nobody can raise their own access")
	case !is.self(c.User) && !access.covers(w.resolve(chain, c.Grants)):
		return refuse(ExceedsOwnAccess, "nobody can grant more than they hold")
	}
	grants, err := w.checkGrants(chain, c.Grants)
	if err != nil {
		return err
	}
	if err := is.stale(m.Version); err != nil {
		return err
	}
	if err := m.direct(); err != nil {
		return err
	}
	if sameGrants(m.Grants, grants) {
		return nil
	}
	after := m
	after.Grants = grants
	if err := a.keepsOwner(m, after, is.At); err != nil {
		return err
	}
	w.record(events.OfAccount(c.Account), events.MembershipRoleChanged{User: c.User, From: m.Grants, To: grants})
	w.endInvitationsOf(c.User.Any(), c.Account)
	return nil
}
