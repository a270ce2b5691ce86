package domain

import "roster/events"

// EraseUser says that a person's keys are to be destroyed (SPEC 5.5). Every membership has to have been revoked
// before, under the last-owner rule, account by account.
type EraseUser struct {
	User        events.UserID
	Invitations []events.InvitationID // those that the user's address had: what is published of them goes too
}

func (c EraseUser) Name() string { return "EraseUser" }

func (c EraseUser) Home(_ Issued) events.Boundary { return events.OfUser(c.User) }

func (c EraseUser) Decide(w *World, is Issued) error {
	u := w.User(c.User)
	switch {
	case !is.operator():
		return refuse(NotPermitted, "only the operator erases")
	case !u.Registered:
		return refuse(NotFound, "no such user")
	case u.Erased:
		return nil
	}
	for _, id := range u.Accounts() {
		if m, ok := w.Account(id).Member(c.User); ok && m.Status != Revoked {
			return &Error{Code: Invalid, Detail: "the user still is a member", Accounts: []events.AccountID{id}}
		}
	}
	w.record(events.OfUser(c.User), events.UserErased{Addresses: []events.AddressID{u.Address}, Keys: []events.KeyID{u.Key, u.AddressKey},
		Invitations: c.Invitations})
	return nil
}

// EraseAddress says that the keys of an address nobody holds are to be destroyed: all that is known of an invitee.
type EraseAddress struct {
	Address     events.AddressID
	Key         events.KeyID
	Invitations []events.InvitationID
}

func (c EraseAddress) Name() string { return "EraseAddress" }

func (c EraseAddress) Home(_ Issued) events.Boundary { return events.OfAddress(c.Address) }

func (c EraseAddress) Decide(w *World, is Issued) error {
	a := w.Address(c.Address)
	switch {
	case !is.operator():
		return refuse(NotPermitted, "only the operator erases")
	case !a.User.IsZero():
		return invalid("body.email", "the address belongs to a user: erase the user")
	case a.Erased:
		return nil
	}
	w.record(events.OfAddress(c.Address), events.AddressErased{Keys: []events.KeyID{c.Key}, Invitations: c.Invitations})
	return nil
}
