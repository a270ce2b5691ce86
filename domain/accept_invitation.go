package domain

import (
	"roster/events"
)

// AcceptInvitation makes the invitee a member, as a new user or as the user who is signed in: all or nothing
// (SPEC 2.9). Whoever holds the link asks, or the user who is signed in and holds the link.
type AcceptInvitation struct {
	Account    events.AccountID
	Invitation events.InvitationID
	Generation uint32
	New        *NewUser  // for a person without a user
	To         Addressee // the invited address, for a person without a user
}

func (c AcceptInvitation) Name() string { return "AcceptInvitation" }

func (c AcceptInvitation) Home(_ Issued) events.Boundary { return events.OfAccount(c.Account) }

func (c AcceptInvitation) Target() (events.AccountID, *events.Subject) {
	return c.Account, &events.Subject{Type: "invitation", ID: c.Invitation.Any()}
}

func (c AcceptInvitation) Decide(w *World, is Issued) error {
	a := w.Account(c.Account)
	i, ok := a.Invitation(c.Invitation)
	if !ok {
		return refuse(NotFound, "no such invitation")
	}
	address := w.Address(i.Address)
	holder := address.User
	signedIn := is.Actor.User()
	if !signedIn.IsZero() && signedIn != holder {
		return refuse(WrongRecipient, "this invitation is for somebody else: sign out first")
	}
	if err := w.alive(c.Account, i, c.Generation); err != nil {
		return err
	}
	if !holder.IsZero() && signedIn.IsZero() {
		return refuse(SignInRequired, "there is a user with this address: sign in to accept")
	}
	user, key := holder, w.User(holder).Key
	switch {
	case address.Erased:
		return refuse(InvitationRevoked, "this invitation has been revoked")
	case w.User(holder).Erased:
		return refuse(SignInRequired, "sign in to accept")
	case holder.IsZero():
		if c.New == nil {
			return invalid("body", "give first_name, last_name and password")
		}
		if err := checkPerson("body.", c.New.Name); err != nil {
			return err
		}
		user, key = c.New.ID, c.New.Key
	}
	if m, ok := a.Member(user); ok && m.Status != Revoked {
		return refuse(AlreadyMember, "you already are a member")
	}
	w.record(events.OfAccount(c.Account),
		events.InvitationAccepted{Invitation: i.ID, User: user},
		events.MembershipGranted{User: user, Key: key, Address: i.Address, Grants: i.Grants, Invitation: i.ID})
	if holder.IsZero() {
		to := c.To // what was invited is what is claimed, whatever the caller says
		to.ID, to.Key = i.Address, i.Invitee.Box.K
		w.register(*c.New, to, c.Account)
	} else {
		w.record(events.OfUser(user), events.UserJoined{Account: c.Account})
	}
	return nil
}

// LookAtInvitation refuses as accepting would, and records nothing: what a link's page shows before it asks for
// anything.
type LookAtInvitation struct {
	Account    events.AccountID
	Invitation events.InvitationID
	Generation uint32
	Into       *LookedAt
}

// LookedAt is what whoever holds a link may know.
type LookedAt struct {
	Account    Account
	Invitation Invitation
	HasUser    bool // the invitee has to sign in
}

func (c LookAtInvitation) Name() string { return "LookAtInvitation" }

func (c LookAtInvitation) Home(_ Issued) events.Boundary { return events.OfAccount(c.Account) }

func (c LookAtInvitation) Decide(w *World, _ Issued) error {
	a := w.Account(c.Account)
	i, ok := a.Invitation(c.Invitation)
	if !ok {
		return refuse(NotFound, "no such invitation")
	}
	*c.Into = LookedAt{a, i, !w.Address(i.Address).User.IsZero()}
	return w.alive(c.Account, i, c.Generation)
}

// DeclineInvitation is the invitee's no. It stops the link.
type DeclineInvitation struct {
	Account    events.AccountID
	Invitation events.InvitationID
	Generation uint32
}

func (c DeclineInvitation) Name() string { return "DeclineInvitation" }

func (c DeclineInvitation) Home(_ Issued) events.Boundary { return events.OfAccount(c.Account) }

func (c DeclineInvitation) Decide(w *World, _ Issued) error {
	i, ok := w.Account(c.Account).Invitation(c.Invitation)
	switch {
	case !ok:
		return refuse(NotFound, "no such invitation")
	case i.Status == Declined && i.Generation == c.Generation:
		return nil
	}
	if err := w.alive(c.Account, i, c.Generation); err != nil {
		return err
	}
	w.record(events.OfAccount(c.Account), events.InvitationDeclined{Invitation: i.ID})
	return nil
}
