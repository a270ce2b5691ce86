package domain

import (
	"fmt"
	"math/bits"
	"slices"
	"strings"
	"testing"
	"time"

	"roster/events"
)

// powers are permissions as a set, one bit each: the catalog's, and one more for the protected role.
type powers uint64

// naive is a portal the long way: what its facts say, and of the rules nothing but the sentences of SPEC 3.
type naive struct {
	Definition
	catalog  []string
	built    map[string]powers
	reserved powers
	accounts map[events.AccountID]*naiveAccount
	order    []events.AccountID // in which they were opened
	locked   map[events.UserID]bool
}

type naiveAccount struct {
	parent  events.AccountID
	closed  bool
	owned   bool // it has had an active owner, and no lock was forced since
	below   bool // it stood below another one
	roles   map[string]powers
	members map[events.UserID]*naiveMember
	letters map[events.InvitationID]*naiveLetter
}

type naiveMember struct {
	grants []events.Grant
	status string
}

type naiveLetter struct {
	address    events.AddressID
	by         events.Actor
	generation uint32
	ends       events.Time
	open       bool
	accounts   []events.AccountID
}

func newNaive(d Definition, modules []events.Module) *naive {
	n := &naive{Definition: d, built: map[string]powers{}, accounts: map[events.AccountID]*naiveAccount{}, locked: map[events.UserID]bool{}}
	for _, row := range table(holds)[1:] {
		if module, _, _ := strings.Cut(row[0], ":"); module != "pricing" {
			n.catalog = append(n.catalog, row[0])
		}
	}
	for _, m := range modules {
		for _, action := range m.Actions {
			n.catalog = append(n.catalog, m.Name+":"+action)
		}
	}
	for _, r := range d.Roles {
		meant := r
		for _, other := range d.Roles {
			if r.SameAs == other.Name {
				meant = other
			}
		}
		p := n.named(meant.Permissions)
		if meant.Name == d.Protected {
			p |= n.owner()
		}
		n.built[r.Name] = p
	}
	n.reserved = n.named(d.Reserved)
	return n
}

// owner is the bit that stands for the protected role.
func (n *naive) owner() powers { return 1 << len(n.catalog) }

// named are the permissions that patterns name.
func (n *naive) named(patterns []string) (p powers) {
	within := func(pattern, permission string) bool {
		at := strings.Index(permission, ":")
		module, action := permission[:at], permission[at+1:]
		switch {
		case pattern == "*", pattern == permission, pattern == "*:"+action, pattern == module+":*":
			return true
		case pattern == "portal:*", pattern == "portal:"+action:
			return !strings.Contains(" users roles audit policy keys contacts account ", " "+module+" ")
		}
		return false
	}
	for i, permission := range n.catalog {
		for _, pattern := range patterns {
			if within(pattern, permission) {
				p |= 1 << i
			}
		}
	}
	for i, permission := range n.catalog {
		for _, pattern := range patterns {
			if strings.HasPrefix(pattern, "!") && within(pattern[1:], permission) {
				p &^= 1 << i
			}
		}
	}
	return p
}

func (n *naive) words(p powers) string {
	var list []string
	for ; p != 0; p &= p - 1 {
		list = append(list, append(slices.Clone(n.catalog), "(protected role)")[bits.TrailingZeros64(uint64(p))])
	}
	return strings.Join(list, " ")
}

// add moves the portal on by a fact.
func (n *naive) add(b events.Boundary, by events.Actor, e events.Event) {
	a := n.accounts[events.AccountID(b.ID)]
	switch f := e.(type) {
	case events.AccountOpened:
		id := events.AccountID(b.ID)
		n.order = append(n.order, id)
		n.accounts[id] = &naiveAccount{parent: f.Parent, roles: map[string]powers{}, members: map[events.UserID]*naiveMember{}, letters: map[events.InvitationID]*naiveLetter{}}
	case events.AccountMoved:
		a.parent = f.To
	case events.AccountClosed:
		a.closed = true
	case events.RoleDefined:
		a.roles[f.Role] = n.named(f.To.Permissions)
	case events.RoleWithdrawn:
		delete(a.roles, f.Role)
	case events.InvitationCreated:
		a.letters[f.Invitation] = &naiveLetter{f.Address, by, 1, f.ExpiresAt, true, f.Accounts}
	case events.InvitationResent:
		l := a.letters[f.Invitation]
		l.generation, l.ends, l.open = f.Generation, f.To, true
	case events.InvitationRevoked:
		a.letters[f.Invitation].open = false
	case events.InvitationDeclined:
		a.letters[f.Invitation].open = false
	case events.InvitationAccepted:
		a.letters[f.Invitation].open = false
	case events.MembershipGranted:
		m := &naiveMember{f.Grants, "active"}
		if f.Pending {
			m.status = "pending"
		}
		a.members[f.User] = m
	case events.MembershipRoleChanged:
		a.members[f.User].grants = f.To
	case events.MembershipActivated:
		if !f.Suspended { // who signs in while suspended is still that
			a.members[f.User].status = "active"
		}
	case events.MembershipSuspended:
		a.members[f.User].status = "suspended"
	case events.MembershipReactivated:
		a.members[f.User].status = "active"
		if f.Pending { // and waits on for the first sign-in
			a.members[f.User].status = "pending"
		}
	case events.MembershipRevoked:
		a.members[f.User].status = "revoked"
	case events.MembershipLeft:
		a.members[f.User].status = "revoked"
	case events.UserLocked:
		n.locked[events.UserID(b.ID)] = true
	case events.UserUnlocked:
		n.locked[events.UserID(b.ID)] = false
	}
}

// role is what a name means for a grant that stands in an account.
func (n *naive) role(at events.AccountID, name string) powers {
	if p, ok := n.built[name]; ok {
		return p
	}
	for a := n.accounts[at]; a != nil; a = n.accounts[a.parent] {
		if p, ok := a.roles[name]; ok {
			return p
		}
	}
	return 0
}

// What counts of a membership: only what gives access now; or also what will by itself, by the first sign-in or by the
// operator's unlocking; or also what somebody's reactivating gives back.
const (
	countNow = iota
	countSoon
	countHeld
)

// has is what somebody may do in an account at a moment, and the roles by which they may.
func (n *naive) has(u events.UserID, in events.AccountID, at events.Time, count int) (p powers, roles []string) {
	if count == countNow && n.locked[u] {
		return 0, nil
	}
	for id := in; !id.IsZero(); id = n.accounts[id].parent {
		a := n.accounts[id]
		if a.closed {
			return 0, nil
		}
		m := a.members[u]
		if m == nil || m.status == "revoked" || m.status == "pending" && count == countNow || m.status == "suspended" && count != countHeld {
			continue
		}
		for _, g := range m.grants {
			reaches := id == in || g.Inherit || a.parent.IsZero() && n.owns(g)
			if !reaches || g.From > at || g.Until != 0 && g.Until <= at {
				continue
			}
			p |= n.gives(id, g)
			roles = append(roles, g.Roles...)
		}
	}
	return p, roles
}

// standing is what the membership of an account itself gives, or will.
func (n *naive) standing(u events.UserID, in events.AccountID, at events.Time) (p powers) {
	a := n.accounts[in]
	if a == nil || a.members[u] == nil || a.members[u].status == "revoked" {
		return 0
	}
	for _, g := range a.members[u].grants {
		if g.Until == 0 || g.Until > at {
			p |= n.gives(in, g)
		}
	}
	return p
}

// gives is what a grant in an account gives while it lasts.
func (n *naive) gives(in events.AccountID, g events.Grant) (p powers) {
	for _, name := range g.Roles {
		p |= n.role(in, name)
	}
	for _, extra := range g.Permissions {
		p |= 1 << slices.Index(n.catalog, extra)
	}
	return p
}

// owns says whether a grant has the protected role.
func (n *naive) owns(g events.Grant) bool {
	return slices.ContainsFunc(g.Roles, func(name string) bool { return n.built[name]&n.owner() != 0 })
}

// owners are the active owners of an account without an end (SPEC 3.7).
func (n *naive) owners(id events.AccountID, at events.Time) (count int) {
	for u, m := range n.accounts[id].members {
		if m.status == "active" && !n.locked[u] && slices.ContainsFunc(m.grants, func(g events.Grant) bool {
			return n.owns(g) && g.Until == 0 && g.From <= at
		}) {
			count++
		}
	}
	return count
}

// depth is how many accounts there are from the root down to one; too many where they go round in a circle.
func (n *naive) depth(id events.AccountID) (depth int) {
	for ; !id.IsZero() && depth <= 2*deepest; id = n.accounts[id].parent {
		depth++
	}
	return depth
}

// survey is what everybody may do in every account, now and later: account by account, so that those opened meanwhile
// stand behind the others.
type survey struct {
	moments []events.Time
	has     [][]powers // by account; by person, moment, and what counts
}

func (n *naive) survey(people []string, moments ...events.Time) survey {
	s := survey{moments: moments}
	for _, id := range n.order {
		var cells []powers
		for _, name := range people {
			for _, at := range moments {
				for _, count := range []int{countSoon, countHeld} {
					p, _ := n.has(user(name), id, at, count)
					cells = append(cells, p)
				}
			}
		}
		s.has = append(s.has, cells)
	}
	return s
}

// gains are those of a survey beyond another one before it: who, where, and what.
func (s survey) gains(before survey, n *naive, people []string, yield func(name string, account int, gain powers)) {
	per := 2 * len(s.moments)
	for account, cells := range s.has {
		var was []powers
		if account < len(before.has) {
			was = before.has[account]
		} else { // it is new: nobody has more there than above
			was = before.has[slices.Index(n.order, n.accounts[n.order[account]].parent)]
		}
		for i, p := range cells {
			if gain := p &^ was[i]; gain != 0 {
				yield(people[i/per], account, gain)
			}
		}
	}
}

// The evaluator reads the tables of SPEC 3.3 as they stand there.
func TestNaiveIsTheTable(t *testing.T) {
	n := newNaive(standardDefinition(), []events.Module{{Name: "pricing", Actions: []string{"read", "change"}}})
	n.add(events.OfAccount(root), operator, events.AccountOpened{})
	for _, row := range table(holds)[1:] {
		for i, role := range []string{Owner, Admin, Manager, Viewer} {
			n.add(events.OfAccount(root), operator, events.MembershipGranted{User: user(role), Grants: roles(role)})
			p, _ := n.has(user(role), root, now, countNow)
			if got := p>>slices.Index(n.catalog, row[0])&1 == 1; got != (row[1+i] == "+") {
				t.Errorf("%s has %s: %t", role, row[0], got)
			}
		}
	}
	if p, _ := n.has(user(Owner), root, now.Add(time.Hour), countNow); n.words(p&n.owner()) != "(protected role)" || len(n.catalog) != 22 {
		t.Error(fmt.Sprint(n.words(p), " of ", n.catalog))
	}
}
