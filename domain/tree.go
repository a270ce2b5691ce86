package domain

import (
	"slices"
	"strings"

	"roster/events"
)

// deepest is how many accounts may stand one below the other, the root counted (SPEC 1.1).
const deepest = 8

// Tree is which account stands below which, in one order for all of them: whatever changes it is compared here, so that
// two moves cannot make a cycle, nor a move and an opening a tree that is too deep. Accounts that never had a place
// below another one are not in it.
type Tree struct {
	parents  pmap[events.AccountID, events.AccountID]
	children pmap[events.AccountID, pmap[events.AccountID, struct{}]]
}

// Parent is the account above, zero for a root account.
func (t Tree) Parent(id events.AccountID) events.AccountID {
	parent, _ := t.parents.Get(id)
	return parent
}

// depth is how many accounts there are from the root down to one.
func (t Tree) depth(id events.AccountID) int {
	n := 0
	for ; !id.IsZero() && n < maxDepth; id = t.Parent(id) {
		n++
	}
	return n
}

// height is how many accounts stand one below the other from one on down, itself counted. It stops counting at most.
func (t Tree) height(id events.AccountID, most int) int {
	if most <= 1 {
		return 1
	}
	below := 0
	children, _ := t.children.Get(id)
	for child := range children.All() {
		if below = max(below, t.height(child, most-1)); below == most-1 {
			break
		}
	}
	return 1 + below
}

// below says whether an account is another one or stands below it.
func (t Tree) below(id, above events.AccountID) bool {
	for n := 0; !id.IsZero() && n < maxDepth; id, n = t.Parent(id), n+1 {
		if id == above {
			return true
		}
	}
	return false
}

// Children are the accounts directly below one, in no particular order.
func (t Tree) Children(id events.AccountID) []events.AccountID {
	children, _ := t.children.Get(id)
	list := make([]events.AccountID, 0, children.Len())
	for child := range children.All() {
		list = append(list, child)
	}
	return list
}

// leaf says that nothing stands below an account.
func (t Tree) leaf(id events.AccountID) bool {
	_, parent := t.children.Get(id)
	return !parent
}

func (t Tree) placed(id, to events.AccountID) Tree {
	if from := t.Parent(id); !from.IsZero() {
		children, _ := t.children.Get(from)
		if children = children.Without(id); children.Len() == 0 {
			t.children = t.children.Without(from)
		} else {
			t.children = t.children.With(from, children)
		}
		t.parents = t.parents.Without(id)
	}
	if !to.IsZero() {
		children, _ := t.children.Get(to)
		t.children = t.children.With(to, children.With(id, struct{}{}))
		t.parents = t.parents.With(id, to)
	}
	return t
}

func (t Tree) evolve(h Happened) State {
	//roster:partial no other fact is about the tree
	switch f := h.Event.(type) {
	case events.TreeOpened:
		return t.placed(f.Account, f.Parent)
	case events.TreeMoved:
		return t.placed(f.Account, f.To)
	case events.TreeClosed: // it stays where it is
	}
	return t
}

// Tree is which account stands below which.
func (w *World) Tree() Tree { return w.state(events.Tree()).(Tree) }

// place checks that an account with so many below each other fits below another one.
func (w *World) place(parent events.AccountID, height int) error {
	if !parent.IsZero() && w.Tree().depth(parent)+height > deepest {
		return invalid("body.parent", "accounts stand at most %d deep", deepest)
	}
	return nil
}

// ChangeAccount gives an account another name, another place, or both (SPEC 1.1).
type ChangeAccount struct {
	Account events.AccountID
	To      *string
	Parent  *events.AccountID // zero: among the root accounts
}

func (c ChangeAccount) Name() string {
	switch {
	case c.Parent == nil:
		return "RenameAccount"
	case c.To == nil:
		return "MoveAccount"
	}
	return "ChangeAccount"
}

func (c ChangeAccount) Home(_ Issued) events.Boundary { return events.OfAccount(c.Account) }

func (c ChangeAccount) Target() (events.AccountID, *events.Subject) { return c.Account, nil }

func (c ChangeAccount) Decide(w *World, is Issued) error {
	a, access, err := w.manages(c.Account, AccountChange)
	if err != nil {
		return err
	}
	moves := c.Parent != nil && *c.Parent != a.Parent
	if moves {
		if err := w.mayMove(a, access, *c.Parent); err != nil {
			return err
		}
	}
	var facts []events.Event
	if c.To != nil {
		name := strings.TrimSpace(*c.To)
		if wrong := checkName(name); wrong != "" {
			return invalid("body.name", "%s", wrong)
		}
		if name != a.Name {
			facts = append(facts, events.AccountRenamed{From: a.Name, To: name})
		}
	}
	if moves {
		if err := w.place(*c.Parent, w.Tree().height(a.ID, deepest)); err != nil {
			return err
		}
	}
	if err := is.stale(a.Version); err != nil {
		return err
	}
	if moves && c.Parent.IsZero() && a.Owners(is.At) == 0 {
		return refuse(LastActiveOwner, "a root account needs an active owner of its own")
	}
	if moves {
		facts = append(facts, events.AccountMoved{From: a.Parent, To: *c.Parent})
	}
	if len(facts) == 0 {
		return nil
	}
	w.record(events.OfAccount(c.Account), facts...)
	if moves {
		w.record(events.Tree(), events.TreeMoved{Account: a.ID, From: a.Parent, To: *c.Parent})
	}
	return nil
}

// mayMove: a move gives the account's users to others, and takes it from whoever has it by its place. So only its
// owners move it, from where they may change accounts to where they may open them; to the root, the operator alone.
func (w *World) mayMove(a Account, access Access, to events.AccountID) error {
	if to == a.ID {
		return invalid("body.parent", "an account cannot stand below itself")
	}
	if !access.Owner() {
		return refuse(NotPermitted, "only owners move an account")
	}
	if !access.reach().Owner() && !w.Tree().leaf(a.ID) {
		return refuse(NotPermitted, "only owners of its sub-accounts too move an account that has some")
	}
	if to.IsZero() && !w.is.operator() {
		return refuse(NotPermitted, "only the operator makes root accounts")
	}
	if !a.Parent.IsZero() {
		if _, _, err := w.manages(a.Parent, AccountChange); err != nil {
			return refuse(NotPermitted, "this needs the permission %s in the account above", AccountChange)
		}
	}
	if !to.IsZero() {
		if _, _, err := w.manages(to, AccountOpenSub); err != nil {
			return err
		}
		if w.Tree().below(to, a.ID) {
			return invalid("body.parent", "an account cannot stand below one of its own sub-accounts")
		}
	}
	return nil
}

// CloseAccount ends an account, and with it all access to it and to what is below it.
type CloseAccount struct {
	Account   events.AccountID
	Confirmed bool // the caller has seen what the dry run says
}

func (c CloseAccount) Name() string { return "CloseAccount" }

func (c CloseAccount) Home(_ Issued) events.Boundary { return events.OfAccount(c.Account) }

func (c CloseAccount) Target() (events.AccountID, *events.Subject) { return c.Account, nil }

func (c CloseAccount) Decide(w *World, is Issued) error {
	a, access, err := w.mayIn(c.Account, AccountClose)
	switch {
	case err != nil:
		return err
	case a.Parent.IsZero() && !access.Owner():
		return refuse(NotPermitted, "only owners close a root account")
	}
	if err := is.stale(a.Version); err != nil || a.Closed {
		return err
	}
	if !c.Confirmed {
		if err := w.threshold(a, a.active); err != nil {
			return err
		}
	}
	w.record(events.OfAccount(c.Account), events.AccountClosed{})
	w.record(events.Tree(), events.TreeClosed{Account: c.Account})
	return nil
}

// join makes whoever opens a sub-account in which they could do less than in the account above a member of it, with
// what they have there.
func (w *World) join(user events.UserID, account events.AccountID, parent Account) {
	m, _ := parent.Member(user)
	if m.Status != Active {
		return
	}
	grants := slices.Clone(current(m.Grants, w.is.At))
	for i := range grants {
		grants[i].Inherit = false
	}
	chain := w.chain(account)
	if len(grants) == 0 || w.accessIn(chain, user).covers(w.resolve(chain, grants)) {
		return
	}
	w.record(events.OfAccount(account), events.MembershipGranted{User: user, Key: m.Key, Address: m.Address, Grants: grants})
	w.record(events.OfUser(user), events.UserJoined{Account: account})
}
