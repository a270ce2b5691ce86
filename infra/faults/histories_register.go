package faults

import (
	"slices"

	"roster/events"
)

// register is what the rules of the histories are about, as a naive reader of the log sees it.
type register struct {
	accounts map[events.Boundary]*registered
	holders  map[events.Boundary]events.UserID // of addresses
}

// registered is one account. Invitations that have ended by the clock alone are not told from living ones here.
type registered struct {
	owned   bool // has had an active owner
	members map[events.UserID]*enrolled
	letters map[events.InvitationID]*posted
}

type enrolled struct {
	address events.AddressID
	owner   bool
	status  string
}

type posted struct {
	address events.AddressID
	ends    events.Time
	open    bool
	several bool // it is for other accounts too: whoever has become a member here may still accept it there
}

func newRegister() *register {
	return &register{map[events.Boundary]*registered{}, map[events.Boundary]events.UserID{}}
}

// letter is an invitation of the account; one that the log has never made is dead.
func (a *registered) letter(id events.InvitationID) *posted {
	if a.letters[id] == nil {
		a.letters[id] = &posted{}
	}
	return a.letters[id]
}

// member is a membership of the account; one that the log has never made is none.
func (a *registered) member(id events.UserID) *enrolled {
	if a.members[id] == nil {
		a.members[id] = &enrolled{status: "revoked"}
	}
	return a.members[id]
}

func owns(grants []events.Grant) bool {
	return slices.ContainsFunc(grants, func(g events.Grant) bool { return slices.Contains(g.Roles, "owner") })
}

// add moves the register on by a commit and judges what must never be.
func (r *register) add(v *Verdict, c events.Commit) {
	a := r.accounts[c.Boundary]
	if a == nil && c.Boundary.Kind == events.AccountBoundary {
		a = &registered{members: map[events.UserID]*enrolled{}, letters: map[events.InvitationID]*posted{}}
		r.accounts[c.Boundary] = a
	}
	for _, e := range c.Facts {
		switch e := e.(type) {
		case events.AddressClaimed:
			if r.holders[c.Boundary] != (events.UserID{}) {
				v.Differs("position %d: %s has a second user", c.Pos, c.Boundary)
			}
			r.holders[c.Boundary] = e.User
		case events.InvitationCreated:
			a.letters[e.Invitation] = &posted{e.Address, e.ExpiresAt, true, len(e.Accounts) > 1}
		case events.InvitationResent:
			l := a.letter(e.Invitation)
			l.ends, l.open = e.To, true
		case events.InvitationRevoked:
			a.letter(e.Invitation).open = false
		case events.InvitationDeclined:
			a.letter(e.Invitation).open = false
		case events.InvitationAccepted:
			if l := a.letter(e.Invitation); !l.open || l.ends <= c.At {
				v.Differs("position %d: an invitation is accepted that was dead", c.Pos)
			}
			a.letter(e.Invitation).open = false
		case events.MembershipGranted:
			a.members[e.User] = &enrolled{e.Address, owns(e.Grants), "active"}
		case events.MembershipRoleChanged:
			a.member(e.User).owner = owns(e.To)
		case events.MembershipSuspended:
			a.member(e.User).status = "suspended"
		case events.MembershipReactivated:
			a.member(e.User).status = "active"
		case events.MembershipRevoked:
			a.member(e.User).status = "revoked"
		case events.MembershipLeft:
			a.member(e.User).status = "revoked"
		}
	}
	if a != nil {
		a.check(v, c)
	}
}

// check judges an account after a commit.
func (a *registered) check(v *Verdict, c events.Commit) {
	seats, letters := map[events.AddressID]int{}, map[events.AddressID]int{}
	owners := 0
	for _, m := range a.members {
		if m.status != "revoked" {
			seats[m.address]++
		}
		if m.owner && m.status == "active" {
			owners++
		}
	}
	for _, l := range a.letters {
		if !l.open || l.ends <= c.At {
			continue
		}
		if letters[l.address]++; !l.several {
			seats[l.address]++
		}
	}
	if a.owned && owners == 0 {
		v.Differs("position %d: %s has no active owner left", c.Pos, c.Boundary)
	}
	a.owned = owners > 0 || a.owned
	for address, n := range letters {
		if n > 1 {
			v.Differs("position %d: %d living invitations of address %s in %s", c.Pos, n, address, c.Boundary)
		}
	}
	for address, n := range seats {
		if n > 1 {
			v.Differs("position %d: %d memberships and living invitations of address %s in %s", c.Pos, n, address, c.Boundary)
		}
	}
}
