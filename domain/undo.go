package domain

import (
	"slices"

	"roster/events"
)

// Deed is a fact of a command that is to be undone.
type Deed struct {
	Account events.AccountID
	Pos     uint64
	Event   events.Event
}

// Undo reverts a command by facts that take its facts back, last first, decided under today's rules and the rights of
// whoever undoes it (SPEC 3.11). What has changed since is named, and then nothing happens.
type Undo struct {
	Account events.AccountID
	Command events.CommitID
	Deeds   []Deed
}

func (c Undo) Name() string { return "Undo" }

func (c Undo) Home(_ Issued) events.Boundary { return events.OfAccount(c.Account) }

func (c Undo) Target() (events.AccountID, *events.Subject) { return c.Account, nil }

// Undoes is the command that is taken back.
func (c Undo) Undoes() events.CommitID { return c.Command }

func (c Undo) Decide(w *World, is Issued) error {
	if _, _, err := w.manages(c.Account, UsersRead); err != nil {
		return err
	}
	if len(c.Deeds) == 0 {
		return refuse(NotFound, "no such command in this account")
	}
	var since []Field
	for _, d := range c.Deeds {
		if what := w.changedSince(d); what != "" {
			since = append(since, Field{d.Account.String(), what})
		}
	}
	if since != nil {
		return &Error{Code: ChangedSince, Detail: "what the command did has been changed since", Fields: since}
	}
	plain := Issued{At: is.At, Actor: is.Actor, ID: is.ID}
	for _, d := range slices.Backward(c.Deeds) {
		cmd, err := w.inverse(d)
		if err == nil && cmd != nil {
			err = cmd.Decide(w, plain)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// changedSince says what a fact was about that a later commit has changed, or nothing.
func (w *World) changedSince(d Deed) string {
	a := w.Account(d.Account)
	member := func(id events.UserID) string {
		if m, _ := a.Member(id); m.Version != d.Pos {
			return "user " + id.String()
		}
		return ""
	}
	invitation := func(id events.InvitationID) string {
		if i, _ := a.Invitation(id); i.Version != d.Pos && i.Status != Pending {
			return "invitation " + id.String()
		}
		return ""
	}
	//roster:partial what cannot be taken back is refused by inverse
	switch f := d.Event.(type) {
	case events.MembershipRoleChanged:
		return member(f.User)
	case events.MembershipSuspended:
		return member(f.User)
	case events.MembershipReactivated:
		return member(f.User)
	case events.MembershipRevoked:
		return member(f.User)
	case events.MembershipGranted:
		return member(f.User)
	case events.InvitationCreated:
		return invitation(f.Invitation)
	case events.KeyCreated:
		if k, ok := a.Key(f.Key); !ok || k.Version != d.Pos {
			return "key " + f.Key.String()
		}
	case events.RoleDefined:
		if r := a.role(f.Role); r == nil || r.Label != f.To.Label || !slices.Equal(r.Permissions, f.To.Permissions) {
			return "role " + f.Role
		}
	case events.RoleWithdrawn:
		if a.role(f.Role) != nil {
			return "role " + f.Role
		}
	case events.AccountPolicyChanged:
		if !samePolicy(a.Policy, f.To) {
			return "policy"
		}
	case events.AccountRenamed:
		if a.Name != f.To {
			return "name"
		}
	case events.AccountMoved:
		if a.Parent != f.To {
			return "parent"
		}
	}
	return ""
}

// inverse is the command that takes a fact back: nil where another fact of the same command does, refused where
// nothing can.
func (w *World) inverse(d Deed) (Command, error) {
	//roster:partial what is not named here cannot be taken back
	switch f := d.Event.(type) {
	case events.KeyCreated:
		return RevokeKey{Account: d.Account, Key: f.Key}, nil
	case events.KeyRevoked: // what a membership has taken along stays ended
		if f.Because != "" {
			return nil, nil
		}
	case events.MembershipRoleChanged:
		return ChangeRole{Account: d.Account, User: f.User, Grants: unended(f.From, w.is.At)}, nil
	case events.MembershipSuspended:
		return Reactivate{Account: d.Account, User: f.User}, nil
	case events.MembershipReactivated:
		return Suspend{Account: d.Account, User: f.User}, nil
	case events.MembershipRevoked:
		return restore{d.Account, f.User}, nil
	case events.MembershipGranted:
		if f.Invitation.IsZero() {
			return Revoke{Account: d.Account, User: f.User, Confirmed: true}, nil
		}
	case events.InvitationCreated:
		return RevokeInvitation{Account: d.Account, Invitation: f.Invitation}, nil
	case events.InvitationRevoked: // those that the command took along stay dead (SPEC 2.10)
		if f.Because == events.BecauseInviterLostAccess || f.Because == events.BecauseMember {
			return nil, nil
		}
	case events.RoleDefined:
		if f.From == nil {
			return WithdrawRole{Account: d.Account, Role: f.Role}, nil
		}
		return DefineRole{Account: d.Account, Role: f.Role, Label: f.From.Label, Permissions: f.From.Permissions}, nil
	case events.RoleWithdrawn:
		return DefineRole{Account: d.Account, Role: f.Role, Label: f.From.Label, Permissions: f.From.Permissions}, nil
	case events.AccountPolicyChanged:
		return ChangePolicy{Account: d.Account, Policy: f.From}, nil
	case events.AccountRenamed:
		return ChangeAccount{Account: d.Account, To: &f.From}, nil
	case events.AccountMoved:
		return ChangeAccount{Account: d.Account, Parent: &f.From}, nil
	case events.ContactChanged:
		return ChangeContact{Account: d.Account, Contact: f.Contact, Was: f.Person.Value(), Person: f.Was.Value(), Roles: f.From}, nil
	case events.ContactAdded:
		return RemoveContact{Account: d.Account, Contact: f.Contact}, nil
	}
	return nil, refuse(Invalid, "a command that wrote %s cannot be undone", events.KindOf(d.Event).Name)
}

// restore gives a revoked member back what the membership gave when it ended. It is how a revocation is undone.
type restore struct {
	account events.AccountID
	user    events.UserID
}

func (c restore) Name() string { return "Undo" }

func (c restore) Home(_ Issued) events.Boundary { return events.OfAccount(c.account) }

func (c restore) Decide(w *World, is Issued) error {
	a, access, err := w.manages(c.account, UsersRevoke)
	if err != nil {
		return err
	}
	m, ok := a.Member(c.user)
	grants := unended(m.Grants, is.At)
	switch {
	case !ok || w.User(c.user).Erased:
		return refuse(NotFound, "no such user in this account")
	case is.self(c.user):
		return refuse(ExceedsOwnAccess, "nobody gives access back to themselves")
	case !access.covers(w.resolve(w.chain(c.account), grants)):
		return refuse(ExceedsOwnAccess, "this user had more than you have")
	case len(grants) == 0:
		return refuse(ChangedSince, "all that the membership gave has ended")
	}
	if open, ok := a.InvitationOf(m.Address); ok && w.StatusOf(c.account, open) == Pending {
		return refuse(AlreadyInvited, "the person has been invited anew")
	}
	w.enroll(c.account, m, grants)
	return nil
}
