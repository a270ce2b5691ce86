package domain

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math/bits"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"roster/events"
)

// crowd are the people of a random portal. The last two have no user at first.
func crowd() []string { return []string{"a", "b", "c", "d", "e", "f", "g"} }

// entry is one commit of a random portal, to fold it again.
type entry struct {
	past
	facts []events.Event
}

// portal is a portal under random commands: what the rules have made of it, and what the naive reader has.
type portal struct {
	*store
	*naive
	log    []entry
	at     events.Time
	n      int      // steps
	done   [][]Deed // what the commands did, to be undone
	forced map[events.AccountID]bool
}

func (p *portal) write(b events.Boundary, by events.Actor, facts ...events.Event) {
	p.store.append(b, by, p.at, facts...)
	p.log = append(p.log, entry{past{b: b, by: by, at: p.at}, facts})
	for _, f := range facts {
		p.naive.add(b, by, f)
	}
}

// newPortal has two root accounts with others below them, some of them deep, and people with all kinds of grants.
func newPortal(t *rapid.T, d Definition) *portal {
	list := []events.Module{{Name: "pricing", Actions: []string{"read", "change"}}, {Name: "payment", Actions: []string{"read", "refund"}}}
	p := &portal{store: given(), naive: newNaive(d, list), at: start, forced: map[events.AccountID]bool{}}
	ref := standardProfile
	if d.Name != "standard" {
		ref = events.ProfileRef{Name: d.Name, Version: 1, Protected: d.protectedRoles()}
		raw, err := json.Marshal(d)
		if err != nil {
			t.Fatal(err)
		}
		p.write(events.Portal(), operator, events.ProfileDefined{Profile: ref, Definition: raw})
	}
	p.write(events.Portal(), operator, events.ModulesDeclared{To: list})
	for _, name := range crowd()[:5] {
		for _, past := range registered(name) {
			p.write(past.b, past.by, past.e)
		}
	}
	open := func(parent events.AccountID) events.AccountID {
		id := events.AccountID(hashed("account", fmt.Sprint(len(p.order))))
		p.write(events.OfAccount(id), operator, events.AccountOpened{Name: "Acme", Parent: parent, Profile: ref})
		if !parent.IsZero() {
			p.write(events.Tree(), operator, events.TreeOpened{Account: id, Parent: parent})
		}
		return id
	}
	for _, deep := range []int{oneOf(t, []int{3, 3, 3, 8}, "depth"), 2} {
		var id events.AccountID
		for range deep {
			id = open(id)
		}
	}
	open(p.order[0])
	join := func(id events.AccountID, name string, grants []events.Grant) {
		p.write(events.OfAccount(id), operator, events.MembershipGranted{User: user(name), Key: key(name), Address: address(name), Grants: grants})
		p.write(events.OfUser(user(name)), operator, events.UserJoined{Account: id})
	}
	for n, role := range []string{"helper", "clerk", "clerk"} {
		id := oneOf(t, p.order, role)
		p.write(events.OfAccount(id), operator, events.RoleDefined{Role: role, To: events.RoleDefinition{Label: role,
			Permissions: [][]string{{AccountRead}, {AccountRead}, {AccountChange}}[n]}})
	}
	for i, id := range p.order {
		first := crowd()[i%2]
		if p.accounts[id].parent.IsZero() {
			join(id, first, roles(d.Protected))
		}
		for _, name := range crowd()[:5] {
			if m := p.accounts[id].members[user(name)]; m == nil && drawBetween(t, 0, 2, "joins") == 0 {
				grants := p.grants(t)
				for i, g := range grants {
					if p.named(g.Permissions)&p.reserved != 0 { // nobody could have granted it so
						grants[i].Roles = []string{p.Protected}
					}
				}
				join(id, name, grants)
			}
		}
	}
	return p
}

// grants draws what one membership is to give.
func (p *portal) grants(t *rapid.T) []events.Grant {
	names := []string{p.Protected, p.Protected, "helper", "clerk"}
	for _, r := range p.Roles {
		names = append(names, r.Name)
	}
	return rapid.SliceOfN(rapid.Custom(func(t *rapid.T) events.Grant {
		g := events.Grant{Roles: []string{oneOf(t, names, "role")}}
		if drawBetween(t, 0, 3, "extra") == 0 {
			g.Permissions = []string{oneOf(t, p.catalog, "permission")}
			if rapid.Bool().Draw(t, "alone") {
				g.Roles = nil
			}
		}
		g.Inherit = drawBetween(t, 0, 2, "inherit") == 0
		if drawBetween(t, 0, 5, "from") == 0 {
			g.From = p.at.Add(time.Duration(drawBetween(t, -2, 10, "begin")) * time.Hour)
		}
		if drawBetween(t, 0, 5, "until") == 0 {
			g.Until = max(p.at, g.From).Add(time.Duration(drawBetween(t, 1, 8, "end")) * time.Hour)
		}
		return g
	}), 1, 2).Draw(t, "grants")
}

// who draws somebody to ask for something in an account: mostly somebody who may do something there.
func (p *portal) who(t *rapid.T, in events.AccountID) events.Actor {
	if drawBetween(t, 0, 7, "operator") == 0 {
		return operator
	}
	var able []string
	for _, name := range crowd()[:5] {
		if has, _ := p.has(user(name), in, p.at, countNow); bits.OnesCount64(uint64(has)) > 8 {
			able = append(able, name)
		}
	}
	if able == nil || drawBetween(t, 0, 5, "any") == 0 {
		able = crowd()
	}
	return by(oneOf(t, able, "who"))
}

// step has somebody do something, and judges what has become of it.
func (p *portal) step(t *rapid.T) {
	p.n++
	p.at = p.at.Add(time.Duration(drawBetween(t, 0, 50, "minutes")) * time.Minute)
	in := oneOf(t, p.order, "account")
	if drawBetween(t, 0, 1, "again") == 0 { // so that what happens in an account meets
		in = oneOf(t, p.order[:3], "one of the first")
	}
	cmd, actor := p.command(t, in, p.who(t, in))
	later := p.at.Add(time.Duration(drawBetween(t, 1, 12*60, "later")) * time.Minute)
	step := p.n
	got := p.when(cmd, Issued{At: p.at, Actor: actor, ID: func(k int) [16]byte { return hashed("step", fmt.Sprint(step, k)) }})
	var refusal *Error
	if got.err != nil && !errors.As(got.err, &refusal) {
		t.Fatalf("%T: a fault: %v", cmd, got.err)
	}
	if got.err == nil && len(got.world.Written()) > 0 {
		before, granter := p.survey(crowd(), p.at, later, p.at.Add(day)), p.granter(cmd, actor)
		p.checkSubjects(t, got.world, actor, granter)
		deeds := p.keep(got.world, actor)
		if lock, ok := cmd.(LockUser); ok && lock.Force {
			for id := range p.accounts {
				p.forced[id] = true
			}
		}
		if granter != nil {
			p.checkGains(t, cmd, actor, granter, before)
		}
		p.checkAlive(t, cmd, deeds)
		p.checkLetters(t, cmd)
		p.checkTree(t, cmd)
		p.checkReserved(t, cmd)
		p.checkAccess(t, cmd, oneOf(t, crowd(), "looked at"))
	}
	p.checkOwners(t, cmd)
}

// keep writes what a command has decided.
func (p *portal) keep(w *World, actor events.Actor) (deeds []Deed) {
	for _, b := range w.Written() {
		p.write(b, actor, w.Facts(b)...)
		for _, f := range w.Facts(b) {
			if b.Kind == events.AccountBoundary {
				deeds = append(deeds, Deed{events.AccountID(b.ID), p.pos, f})
			}
		}
	}
	if deeds != nil {
		p.done = append(p.done, deeds)
	}
	return deeds
}

// granter is what whoever gives something holds in each account at this moment: who asks, or who has made the invitation
// that is accepted. It is nil for the operator and for Roster itself, who may give everything.
func (p *portal) granter(cmd Command, actor events.Actor) map[events.AccountID]powers {
	if c, ok := cmd.(AcceptInvitation); ok {
		actor = p.accounts[c.Account].letters[c.Invitation].by
	}
	if actor == operator || actor == system {
		return nil
	}
	held := map[events.AccountID]powers{}
	for _, id := range p.order {
		held[id], _ = p.has(actor.User(), id, p.at, countNow)
	}
	return held
}

// checkSubjects: nobody changes somebody else whose permissions are not a subset of theirs (SPEC 3.4). It is asked before
// anything is changed.
func (p *portal) checkSubjects(t *rapid.T, w *World, who events.Actor, granter map[events.AccountID]powers) {
	if granter == nil {
		return
	}
	for _, b := range w.Written() {
		for _, e := range w.Facts(b) {
			var u events.UserID
			switch f := e.(type) {
			case events.MembershipSuspended:
				u = f.User
			case events.MembershipReactivated:
				u = f.User
			case events.MembershipRevoked:
				u = f.User
			case events.MembershipRoleChanged:
				u = f.User
			}
			id := events.AccountID(b.ID)
			if more := p.standing(u, id, p.at) &^ granter[id]; more != 0 && u != who.User() {
				t.Fatalf("SPEC 3.4: %T by %+v of somebody who has %s beyond them", e, who, p.words(more))
			}
		}
	}
}

// checkGains: nobody gains, now or later, what whoever gave it does not hold there (SPEC 2.10, 3.4); nor does anybody
// give themselves what they did not have.
func (p *portal) checkGains(t *rapid.T, cmd Command, who events.Actor, granter map[events.AccountID]powers, before survey) {
	_, role := cmd.(ChangeRole)
	p.survey(crowd(), before.moments...).gains(before, p.naive, crowd(), func(name string, account int, gain powers) {
		id := p.order[account]
		opened := account >= len(before.has)
		switch {
		case opened:
			t.Fatalf("SPEC 3.4: %T by %+v gives %s more in the account that is new than above: %s", cmd, who, name, p.words(gain))
		case role && by(name) == who:
			t.Fatalf("SPEC 3.4: %s raised themselves by %s in %s: %+v", name, p.words(gain), id, cmd)
		case gain&^granter[id] != 0:
			t.Fatalf("SPEC 3.4: %T by %+v gives %s in %s %s, which whoever gave it does not hold there: %+v", cmd, who, name, id, p.words(gain&^granter[id]), cmd)
		}
	})
}

// checkAlive: an invitation that has just been made, or made anew, is one that can be accepted (SPEC 2.5).
func (p *portal) checkAlive(t *rapid.T, cmd Command, deeds []Deed) {
	for _, d := range deeds {
		var id events.InvitationID
		switch f := d.Event.(type) {
		case events.InvitationCreated:
			id = f.Invitation
		case events.InvitationResent:
			id = f.Invitation
		default:
			continue
		}
		i, _ := p.account(d.Account).Invitation(id)
		if status := p.world().StatusOf(d.Account, i); status != Pending {
			t.Fatalf("SPEC 2.5: %T made an invitation that is %s: %+v", cmd, status, cmd)
		}
	}
}

func (p *portal) world() *World {
	return NewWorld(Issued{At: p.at, Actor: operator}, func(b events.Boundary) (State, bool) { return p.state(b), true })
}

// checkOwners: a root account that has had an active owner has one, unless the operator forced it (SPEC 3.7).
func (p *portal) checkOwners(t *rapid.T, cmd Command) {
	for id, a := range p.accounts {
		owners := p.owners(id, p.at)
		if !a.parent.IsZero() {
			a.owned, a.below = false, true
			continue
		}
		if a.below && owners == 0 {
			t.Fatalf("SPEC 3.7: %T made a root account without an owner: %+v", cmd, cmd)
		}
		a.below = false
		if counted := p.account(id).Owners(p.at); counted != owners {
			t.Fatalf("SPEC 3.7: %T: %d owners are counted, there are %d", cmd, counted, owners)
		}
		if a.owned && owners == 0 && !p.forced[id] {
			t.Fatalf("SPEC 3.7: %T %+v left no active owner", cmd, cmd)
		}
		if owners > 0 {
			delete(p.forced, id)
		}
		a.owned = owners > 0 || a.owned && !p.forced[id]
	}
}

// checkLetters: never two invitations of an address in an account that are alive, or would be if whoever invited got
// back what they have lost (SPEC 2.8).
func (p *portal) checkLetters(t *rapid.T, cmd Command) {
	for _, a := range p.accounts {
		seen := map[events.AddressID]bool{}
		for _, l := range a.letters {
			if !l.open || l.ends <= p.at {
				continue
			}
			if seen[l.address] {
				t.Fatalf("SPEC 2.8: %T %+v leaves two living invitations of an address", cmd, cmd)
			}
			seen[l.address] = true
		}
	}
}

// checkTree: no account is deeper than 8, none is below itself, and the tree is what the accounts say (SPEC 1.1).
func (p *portal) checkTree(t *rapid.T, cmd Command) {
	tree := p.state(events.Tree()).(Tree)
	for id, a := range p.accounts {
		depth := p.depth(id)
		if depth > deepest || tree.depth(id) != depth || tree.Parent(id) != a.parent || p.account(id).Parent != a.parent {
			t.Fatalf("SPEC 1.1: %T: an account stands %d deep, by the tree %d", cmd, depth, tree.depth(id))
		}
		if !a.parent.IsZero() && !slices.Contains(tree.Children(a.parent), id) {
			t.Fatalf("SPEC 1.1: %T: the account above does not know of it", cmd)
		}
	}
}

// checkReserved: what the profile reserves nobody has without a role that it is reserved for (SPEC 3.3).
func (p *portal) checkReserved(t *rapid.T, cmd Command) {
	if p.reserved == 0 {
		return
	}
	for _, id := range p.order {
		for _, name := range crowd() {
			has, roles := p.has(user(name), id, p.at, countHeld)
			if has&p.reserved != 0 && !slices.ContainsFunc(roles, func(r string) bool { return slices.Contains(p.ReservedFor, r) }) {
				t.Fatalf("SPEC 3.3: %T %+v: %s has %s with %v", cmd, cmd, name, p.words(has&p.reserved), roles)
			}
		}
	}
}

// checkAccess: what somebody may do is what the naive reader says, in every account (SPEC 3.12).
func (p *portal) checkAccess(t *rapid.T, cmd Command, name string) {
	w := p.world()
	for _, id := range p.order {
		has, _ := p.has(user(name), id, p.at, countNow)
		access := w.AccessOf(user(name), id)
		if access.Closed() {
			access = Access{}
		}
		for i, permission := range p.catalog {
			if access.Holds(permission) != (has>>i&1 == 1) {
				t.Fatalf("SPEC 3.12: after %T %+v: %s holds %s: %t", cmd, cmd, name, permission, access.Holds(permission))
			}
		}
		if access.Owner() != (has&p.owner() != 0) {
			t.Fatalf("SPEC 3.4: after %T: %s is an owner: %t", cmd, name, access.Owner())
		}
	}
}

// checkFold: all facts folded anew are what was kept, and so is a snapshot of it (F20).
func (p *portal) checkFold(t *rapid.T) {
	anew := given()
	for _, e := range p.log {
		anew.append(e.b, e.by, e.at, e.facts...)
	}
	for b, s := range p.states {
		var k kept
		k.save(t, Folded{}, Folded{State: s})
		if !bytes.Equal(k.dump(), dumpOf(t, Folded{State: anew.states[b]})) {
			t.Fatalf("%s folds to something else", b)
		}
		if !bytes.Equal(k.dump(), dumpOf(t, k.restore(t, b))) {
			t.Fatalf("%s is something else when it was restored", b)
		}
	}
	b := events.OfAccount(oneOf(t, p.order, "restored"))
	var k kept
	k.save(t, Folded{}, Folded{State: p.state(b)})
	if diff := everyField(Folded{State: anew.state(b)}, k.restore(t, b)); diff != "" {
		t.Fatalf("(-folded +restored)\n%s", diff)
	}
}

// guarded is a profile of a portal's own, which says more with its patterns than those that are shipped.
func guarded() Definition {
	return Definition{
		Name: "guarded", Protected: "boss",
		Roles: []RoleDefinition{
			{Name: "boss", Permissions: []string{"*"}},
			{Name: "lead", Permissions: []string{"portal:*", "users:*", "roles:*", "account:*", "*:read", "!payment:*"}},
			{Name: "seller", Permissions: []string{"portal:*", "users:*", "*:read", "!*:refund"}},
			{Name: "payer", Permissions: []string{"*:refund", "account:read"}},
			{Name: "pricer", Permissions: []string{"portal:change"}},
			{Name: "hand", Permissions: []string{"portal:*"}},
			{Name: "helpdesk", SameAs: "lead"},
		},
	}
}

// Whatever people do in a portal of several trees, under each of the shipped profiles and one more: nobody rises beyond whoever
// gave it, owners stay, no address has two living invitations, trees are trees, what is reserved stays so, and what is
// kept is what the facts say (SPEC 1.1, 2.8, 2.10, 3.3, 3.4, 3.7, 9).
func TestPortals(t *testing.T) {
	for _, d := range append(Profiles(), guarded()) {
		t.Run(d.Name, func(t *testing.T) {
			t.Parallel()
			rapid.Check(t, func(t *rapid.T) {
				p := newPortal(t, d)
				for range drawBetween(t, 1, 90, "steps") {
					p.step(t)
				}
				p.checkFold(t)
			})
		})
	}
}
