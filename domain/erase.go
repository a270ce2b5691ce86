package domain

import (
	"slices"

	"roster/events"
)

// EraseUser says that a person's keys are to be destroyed (SPEC 5.5). Every membership has to have been revoked
// before, under the last-owner rule, account by account. Addresses that the person had before go with them, unless they
// are somebody else's by now.
type EraseUser struct {
	User        events.UserID
	Invitations []events.InvitationID // those that the user's addresses had: what is published of them goes too
	Asked       []events.AddressID    // of those that the user wanted to have, the ones that concern nobody else
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
	erased := events.UserErased{Addresses: []events.AddressID{u.Address}, Keys: []events.KeyID{u.Key, u.AddressKey}, Invitations: c.Invitations}
	for _, other := range u.otherAddresses() {
		a := w.Address(other.Address)
		former := slices.ContainsFunc(u.Former, func(f FormerAddress) bool { return f.Address == other.Address })
		if !a.User.IsZero() || a.Erased || !former && !slices.Contains(c.Asked, other.Address) {
			continue
		}
		erased.Addresses, erased.Keys = append(erased.Addresses, other.Address), append(erased.Keys, other.Key)
		// Compared with whoever claims it at the same moment: their data would go too.
		w.record(events.OfAddress(other.Address), events.AddressErased{Keys: []events.KeyID{other.Key}})
	}
	w.record(events.OfUser(c.User), erased)
	return nil
}

// OtherAddresses are those that a user had before, and those that they wanted to have and never had.
func (u User) OtherAddresses() (former, asked []events.AddressID) {
	for _, a := range u.otherAddresses() {
		if slices.ContainsFunc(u.Former, func(f FormerAddress) bool { return f.Address == a.Address }) {
			former = append(former, a.Address)
		} else {
			asked = append(asked, a.Address)
		}
	}
	return former, asked
}

// otherAddresses are those that a user had or wanted to have, beside the one that they have, each once.
func (u User) otherAddresses() []AskedAddress {
	var list []AskedAddress
	add := func(a AskedAddress) {
		if a.Address != u.Address && !slices.Contains(list, a) {
			list = append(list, a)
		}
	}
	for _, f := range u.Former {
		add(AskedAddress{f.Address, f.Key})
	}
	for _, a := range u.Asked {
		add(a)
	}
	return list
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
