package domain

import (
	"errors"
	"slices"
	"time"

	"roster/events"
)

// maxDepth bounds a walk up the tree of accounts, so that not even a cycle could make it endless.
const maxDepth = 16

// chain is an account and those above it, the root last. It ends below one that is not known.
func (w *World) chain(account events.AccountID) []*Account {
	list := make([]*Account, 0, maxDepth)
	for len(list) < maxDepth && !account.IsZero() {
		a := w.account(account)
		if !a.Opened {
			break
		}
		list, account = append(list, a), a.Parent
	}
	return list
}

// AccessOf is what a user may do in an account at this moment: the direct membership, and those memberships of the
// accounts above that extend to it. The protected role of a root account always does (SPEC 3.7).
func (w *World) AccessOf(user events.UserID, account events.AccountID) Access {
	return w.accessIn(w.chain(account), user)
}

func (w *World) accessIn(chain []*Account, user events.UserID) Access {
	var access Access
	for i := range chain {
		a := chain[i]
		access.closed = access.closed || a.Closed
		m, ok := a.members.Get(user)
		if !ok || m.Status != Active || m.Locked {
			continue
		}
		from := len(access.held)
		access.held = w.resolveInto(access.held, chain[i:], current(m.Grants, w.is.At))
		kept := access.held[:from]
		for _, h := range access.held[from:] {
			h.since = m.Version
			h.Inherit = extends(h.Grant, a)
			if i == 0 || h.Inherit {
				kept = append(kept, h)
			}
		}
		access.held = kept
	}
	return access
}

// extends says whether a grant of an account reaches its sub-accounts.
func extends(g events.Grant, a *Account) bool {
	return g.Inherit || a.Parent.IsZero() && slices.ContainsFunc(g.Roles, a.isProtected)
}

// mayIn is the access of whoever asks, refused when they lack the permission.
func (w *World) mayIn(account events.AccountID, p Permission) (Account, Access, error) {
	a, access, err := w.sees(account)
	if err == nil && !access.Holds(p) {
		err = needs(p)
	}
	return a, access, err
}

// manages is mayIn for a command that changes something: refused in an account that is closed.
func (w *World) manages(account events.AccountID, p Permission) (Account, Access, error) {
	a, access, err := w.mayIn(account, p)
	if err == nil && access.closed {
		err = errClosed()
	}
	return a, access, err
}

func errClosed() error { return refuse(AccountClosed, "the account has been closed") }

func errSuspended() error { return refuse(NotPermitted, "your access to this account is suspended") }

func needs(p Permission) error { return refuse(NotPermitted, "this needs the permission %s", p) }

// sees is the access of whoever asks. An account that they have no access to reads as one that does not exist.
func (w *World) sees(account events.AccountID) (Account, Access, error) {
	chain := w.chain(account)
	if len(chain) == 0 {
		return Account{ID: account}, Access{}, refuse(NotFound, "no such account")
	}
	user := w.is.Actor.User()
	access := w.mine(chain)
	if w.is.operator() {
		return *chain[0], Access{all: true, closed: access.closed}, nil
	}
	if access.None() {
		if m, ok := chain[0].Member(user); ok && m.Status == Suspended {
			return *chain[0], access, errSuspended()
		}
		return *chain[0], access, refuse(NotFound, "no such account")
	}
	err := w.enters(chain, user, w.is.Actor.Session, w.is.Through)
	if refused := new(Error); errors.As(err, &refused) && refused.Code == NotFound { // in this session there is none
		access = Access{}
	}
	return *chain[0], access, err
}

// enters refuses a session that has shown no second factor where an account, or one above it, wants one, once the grace
// period is over that began when the person joined (SPEC 1.4, 4.5). A personal key shows none: it enters where its owner
// has one.
func (w *World) enters(chain []*Account, user events.UserID, session events.SessionID, through events.KeyRefID) error {
	required, grace := false, int64(0)
	for i := range chain {
		if t := chain[i].Policy.TwoFactor; t != nil && t.Required {
			if !required || t.Grace < grace {
				grace = t.Grace
			}
			required = true
		}
	}
	key, _, byKey := w.keyIn(chain, through)
	byKey = byKey && !user.IsZero() && key.Owner == user
	if session.IsZero() && !byKey {
		return nil
	}
	s, ok := w.User(user).Session(session)
	if ok && !s.goodFor(chain) {
		return refuse(NotFound, "no such account")
	}
	if !required || ok && (s.Strong || s.OpenedBy != "") || byKey && w.User(user).TwoFactor() {
		return nil
	}
	joined := w.is.At
	for i := range chain {
		if m, ok := chain[i].Member(user); ok && m.Status == Active {
			joined = min(joined, m.Since)
		}
	}
	if w.is.At < joined.Add(time.Duration(grace)*time.Second) {
		return nil
	}
	return refuse(SecondFactorRequired, "this account wants a second factor: add one under /v1/me/factors if you have none, then sign in with it")
}

// MayIn decides whether whoever asks holds a permission in an account, without recording anything: what queries
// ask before they answer.
type MayIn struct {
	Account    events.AccountID
	Permission Permission

	access *Access
}

// AskMayIn is a MayIn that leaves the access found in the place given.
func AskMayIn(account events.AccountID, p Permission, into *Access) MayIn {
	return MayIn{account, p, into}
}

// Name is never written: the command records nothing.
func (c MayIn) Name() string { return "MayIn" }

func (c MayIn) Home(_ Issued) events.Boundary { return events.OfAccount(c.Account) }

// Decide refuses as every command of the account would.
func (c MayIn) Decide(w *World, _ Issued) error {
	_, access, err := w.mayIn(c.Account, c.Permission)
	if c.access != nil {
		*c.access = access
	}
	return err
}

// Target is the account.
func (c MayIn) Target() (events.AccountID, *events.Subject) { return c.Account, nil }

// inviterMay says whether whoever invited could still grant it: when not, the invitation is dead (SPEC 2.10). What
// the operator invited never dies so.
func (w *World) inviterMay(account events.AccountID, i Invitation) bool {
	if inviterOf(i.By).IsZero() {
		return true
	}
	for _, p := range w.parts(account, i) {
		chain := w.chain(p.account)
		access := w.accessOf(chain, i.By)
		if !access.Holds(UsersInvite) || !access.covers(w.resolve(chain, p.Grants)) {
			return false
		}
	}
	return true
}

// mostRevoked bounds the facts about invitations that one commit takes along, so that it fits into a message.
const mostRevoked = 1000

// endInvitationsOf records that the invitations of a user or a key that has just lost the right to grant them are dead. They
// would read so without it; the facts see to it that they stay so should it be regained (SPEC 2.10).
func (w *World) endInvitationsOf(by events.AnyID, account events.AccountID) {
	open, _ := w.Account(account).open.Get(by)
	n := 0
	for id := range open.All() {
		i, _ := w.Account(account).Invitation(id)
		if i.ExpiresAt > w.is.At && n < mostRevoked && !w.inviterMay(account, i) {
			w.record(events.OfAccount(account), events.InvitationRevoked{Invitation: id, Because: events.BecauseInviterLostAccess})
			n++
		}
	}
}

// StatusOf is where an invitation stands at this moment, whatever the log has been told so far (SPEC 2.5, 2.10).
func (w *World) StatusOf(account events.AccountID, i Invitation) Status {
	parts := w.parts(account, i)
	for _, p := range parts { // what has ended in one of its accounts has ended
		if p.Status != Pending {
			return p.Status
		}
	}
	switch {
	case i.ExpiresAt <= w.is.At:
		return Expired
	case !w.inviterMay(account, i), slices.ContainsFunc(parts, func(p invitedInto) bool { return w.closed(p.account) }):
		return Revoked
	}
	return Pending
}

// closed says that the account, or one above it, has been closed.
func (w *World) closed(account events.AccountID) bool {
	return slices.ContainsFunc(w.chain(account), func(a *Account) bool { return a.Closed })
}

// alive refuses with the reason for which a link no longer works (SPEC 2.12).
func (w *World) alive(account events.AccountID, i Invitation, generation uint32) error {
	status := w.StatusOf(account, i)
	switch {
	case status == Accepted:
		return refuse(InvitationUsed, "this invitation has been accepted already")
	case status == Revoked:
		return refuse(InvitationRevoked, "this invitation has been revoked")
	case status == Declined:
		return refuse(InvitationRevoked, "this invitation has been declined")
	case generation != i.Generation:
		return refuse(InvitationReplaced, "a newer link has been sent: use that one")
	case status == Expired:
		return refuse(InvitationExpired, "this invitation has expired")
	}
	return nil
}
