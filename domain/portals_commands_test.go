package domain

import (
	"fmt"
	"math/bits"
	"slices"
	"time"

	"pgregory.net/rapid"

	"roster/events"
)

// between draws a number, each as likely as the others: rapid prefers the small ones, of what is done to a portal too.
func drawBetween(t *rapid.T, least, most int, label string) int {
	if least == most {
		return least
	}
	return least + rapid.Custom(func(t *rapid.T) int {
		for {
			n := 0
			for range bits.Len(uint(most - least)) {
				n *= 2
				if rapid.Bool().Draw(t, "bit") {
					n++
				}
			}
			if n <= most-least {
				return n
			}
		}
	}).Draw(t, label)
}

func oneOf[T any](t *rapid.T, list []T, label string) T {
	return list[drawBetween(t, 0, len(list)-1, label)]
}

// command draws something to ask for in an account, and who asks, where it is not for the actor to say.
func (p *portal) command(t *rapid.T, in events.AccountID, actor events.Actor) (Command, events.Actor) {
	whom := oneOf(t, crowd(), "whom")
	kind := drawBetween(t, 0, 47, "kind")
	if drawBetween(t, 0, 3, "apt") > 0 { // a member, but for an invitation
		var apt []string
		for _, name := range crowd() {
			m := p.accounts[in].members[user(name)]
			if (m != nil && m.status != "revoked") != (9 <= kind && kind < 14) {
				apt = append(apt, name)
			}
		}
		if apt != nil {
			whom = oneOf(t, apt, "of those")
		}
	}
	u := user(whom)
	other := oneOf(t, p.order, "other")
	switch {
	case kind < 3:
		c := OpenAccount{AccountName: "New", Parent: in}
		if len(p.order) > 14 {
			c.Parent = events.AccountID{}
		}
		if rapid.Bool().Draw(t, "with an owner") {
			c.Owner = addressee(whom)
		}
		return c, actor
	case kind < 4:
		name := fmt.Sprint("Name ", p.n)
		return ChangeAccount{Account: in, To: &name}, actor
	case kind < 8: // mostly by an owner, to where they may do much
		for _, name := range crowd() {
			if has, _ := p.has(user(name), in, p.at, countNow); has&p.owner() != 0 && rapid.Bool().Draw(t, "an owner") {
				actor = by(name)
			}
		}
		var able []events.AccountID
		for _, id := range p.order {
			if has, _ := p.has(actor.User(), id, p.at, countNow); bits.OnesCount64(uint64(has)) > 8 {
				able = append(able, id)
			}
		}
		if able != nil {
			other = oneOf(t, able, "to where one may")
		}
		if drawBetween(t, 0, 4, "to the root") == 0 {
			other = events.AccountID{}
		}
		return ChangeAccount{Account: in, Parent: &other}, actor
	case kind < 9:
		if drawBetween(t, 0, 3, "really") > 0 {
			return ExpireInvitation{}, system
		}
		return CloseAccount{Account: in, Confirmed: true}, actor
	case kind < 14:
		c := InviteUsers{Account: in, Invitees: []*Addressee{addressee(whom)}, Grants: p.grants(t), ValidFor: time.Duration(drawBetween(t, 0, 2, "hours")) * time.Hour}
		if drawBetween(t, 0, 2, "several") == 0 {
			c.Invitees = append(c.Invitees, addressee(oneOf(t, crowd(), "and")))
		}
		for range drawBetween(t, 0, 2, "others") {
			c.Others = append(c.Others, AccountGrants{oneOf(t, p.order, "also in"), p.grants(t)})
		}
		return c, actor
	case kind < 22:
		return p.handle(t, actor, kind)
	case kind < 25:
		if m := p.accounts[in].members[actor.User()]; m != nil && drawBetween(t, 0, 2, "oneself") > 0 {
			return ChangeRole{in, actor.User(), p.altered(t, m.grants)}, actor
		}
		return ChangeRole{in, u, p.grants(t)}, actor
	case kind < 28:
		c := ChangeAccess{From: in, User: u, Confirmed: true}
		for range drawBetween(t, 1, 3, "changes") {
			change := AccessChange{Account: oneOf(t, p.order, "in")}
			if drawBetween(t, 0, 3, "ends") > 0 {
				change.Grants = p.grants(t)
			}
			c.Changes = append(c.Changes, change)
		}
		return c, actor
	case kind < 29:
		return AddUser{in, u, p.grants(t)}, actor
	case kind < 32:
		c := Bulk{Account: in, Confirmed: true, Grants: p.grants(t),
			Action: oneOf(t, []string{BulkSuspend, BulkReactivate, BulkRevoke, BulkChangeRole}, "action")}
		for _, name := range crowd() {
			if rapid.Bool().Draw(t, name) {
				c.All = append(c.All, user(name))
			}
		}
		c.To = len(c.All)
		return c, actor
	case kind < 33:
		return Suspend{Account: in, User: u}, actor
	case kind < 35:
		return Reactivate{in, u}, actor
	case kind < 36:
		return Revoke{Account: in, User: u, Confirmed: true}, actor
	case kind < 37:
		return Leave{in}, actor
	case kind < 40:
		return DefineRole{Account: in, Role: oneOf(t, []string{"helper", "clerk"}, "role"),
			Permissions: rapid.SliceOfN(rapid.SampledFrom(p.catalog), 1, 3).Draw(t, "permissions")}, actor
	case kind < 41:
		return WithdrawRole{in, oneOf(t, []string{"helper", "clerk"}, "role")}, actor
	case kind < 42:
		n := int64(drawBetween(t, 1, 3, "hours") * 3600)
		return ChangePolicy{in, events.Policy{InvitationValidFor: &n, DefaultRoles: []string{"helper"}}}, actor
	case kind < 43:
		return LockUser{User: u, Force: drawBetween(t, 0, 3, "force") == 0}, operator
	case kind < 44:
		return UnlockUser{User: u}, operator
	case kind < 46 && len(p.done) > 0:
		deeds := oneOf(t, p.done[max(0, len(p.done)-6):], "undone")
		at := oneOf(t, deeds, "seen in").Account
		return Undo{Account: at, Deeds: deeds}, p.who(t, at)
	}
	return StartSession{User: u, Session: session(fmt.Sprint(p.n)), Password: secret(whom)}, by(whom)
}

// altered draws grants that are much like others.
func (p *portal) altered(t *rapid.T, grants []events.Grant) []events.Grant {
	grants = slices.Clone(grants)
	for i := range grants {
		switch hours := time.Duration(drawBetween(t, -1, 3, "hours")) * time.Hour; drawBetween(t, 0, 7, "altered") {
		case 0:
			grants[i].From = p.at.Add(hours)
		case 1:
			grants[i].Until = p.at.Add(hours + 2*time.Hour)
		case 2, 6:
			grants[i].From = 0
		case 3:
			grants[i].Until = 0
		case 4:
			grants[i].Inherit = !grants[i].Inherit
		case 5:
			grants[i] = p.grants(t)[0]
		}
	}
	return grants
}

// handle draws what is done with an invitation.
func (p *portal) handle(t *rapid.T, actor events.Actor, kind int) (Command, events.Actor) {
	type found struct {
		in events.AccountID
		id events.InvitationID
	}
	var all []found
	for _, id := range p.order { // in an order that is the same whenever it is drawn again
		for letter := range p.accounts[id].letters {
			all = append(all, found{id, letter})
		}
	}
	if all == nil {
		return Leave{p.order[0]}, actor
	}
	slices.SortFunc(all, func(a, b found) int { return slices.Compare(append(a.in[:], a.id[:]...), append(b.in[:], b.id[:]...)) })
	open := slices.DeleteFunc(slices.Clone(all), func(f found) bool { return !p.accounts[f.in].letters[f.id].open })
	if len(open) > 0 && drawBetween(t, 0, 4, "open") > 0 {
		all = open
	}
	one := oneOf(t, all, "invitation")
	if kind == 19 || kind == 20 { // one that an address has beside a newer one is more telling
		older := slices.DeleteFunc(all, func(f found) bool {
			l := p.accounts[f.in].letters[f.id]
			newest, _ := p.account(f.in).InvitationOf(l.address)
			return l.ends > p.at || newest.ID == f.id
		})
		if len(older) > 0 {
			one = oneOf(t, older, "older")
		}
	}
	l := p.accounts[one.in].letters[one.id]
	generation := l.generation
	if drawBetween(t, 0, 9, "old") == 0 {
		generation--
	}
	name := ""
	for _, n := range crowd() {
		if address(n) == l.address {
			name = n
		}
	}
	holder := link
	if taken := p.state(events.OfAddress(l.address)).(Address).User; !taken.IsZero() {
		holder = by(name)
	}
	switch {
	case kind < 18:
		c := AcceptInvitation{Account: one.in, Invitation: one.id, Generation: generation}
		if holder == link {
			c.New = &NewUser{ID: user(name), Key: key(name), Name: events.PersonName{First: "New", Last: "Comer"}, Password: secret(name)}
			c.To = *addressee(name)
		}
		return c, holder
	case kind < 19:
		return DeclineInvitation{one.in, one.id, generation}, link
	}
	actor = p.who(t, one.in)
	if kind < 21 {
		return ResendInvitation{one.in, one.id}, actor
	}
	return RevokeInvitation{Account: one.in, Invitation: one.id}, actor
}
