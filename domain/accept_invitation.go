package domain

import (
	"slices"

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
	if err := is.byPerson(); err != nil {
		return err
	}
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
	case w.User(holder).Erased, w.User(holder).Locked:
		return refuse(SignInRequired, "sign in to accept")
	case holder.IsZero():
		if c.New == nil {
			return invalid("body", "give first_name, last_name and password")
		}
		name := c.New.Name
		if w.ProfileOf(c.Account).Ask != AskPassword || name.First+name.Last != "" {
			if err := checkPerson("body.", name); err != nil {
				return err
			}
		}
		user, key = c.New.ID, c.New.Key
	}
	return w.accept(c.Account, i, user, key, c.New, c.To)
}

// accept makes the invitee, who is the user given, a member; fresh and to are what a person without a user registers with.
func (w *World) accept(account events.AccountID, i Invitation, user events.UserID, key events.KeyID, fresh *NewUser, to Addressee) error {
	holder := w.Address(i.Address).User
	var joined []events.AccountID
	parts := w.parts(account, i)
	for _, p := range parts {
		if m, ok := w.Account(p.account).Member(user); !ok || !m.is() {
			joined = append(joined, p.account)
		}
	}
	if joined == nil {
		return refuse(AlreadyMember, "you already are a member")
	}
	for _, p := range parts {
		b := events.OfAccount(p.account)
		w.record(b, events.InvitationAccepted{Invitation: i.ID, User: user})
		if slices.Contains(joined, p.account) { // what somebody has become meanwhile, they stay
			w.record(b, events.MembershipGranted{User: user, Key: key, Address: i.Address, Grants: p.Grants, Invitation: i.ID,
				Pending: holder.IsZero() && w.ProfileOf(p.account).ActiveOn == OnFirstLogin})
		}
	}
	if holder.IsZero() {
		// What was invited is what is claimed, whatever the caller says.
		to.ID, to.Key = i.Address, i.Invitee.Box.K
		w.register(*fresh, to, joined...)
		return nil
	}
	for _, id := range joined {
		w.record(events.OfUser(user), events.UserJoined{Account: id})
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
	Accounts   []InvitedInto
	Password   events.PasswordRule // of a new person's
	Ask        string              // what a new person gives: AskNames or AskPassword
}

// InvitedInto is one of the accounts that an invitation is for.
type InvitedInto struct {
	Account events.AccountID
	Name    string
	Grants  []events.Grant
}

func (c LookAtInvitation) Name() string { return "LookAtInvitation" }

func (c LookAtInvitation) Home(_ Issued) events.Boundary { return events.OfAccount(c.Account) }

func (c LookAtInvitation) Decide(w *World, _ Issued) error {
	a := w.Account(c.Account)
	i, ok := a.Invitation(c.Invitation)
	if !ok {
		return refuse(NotFound, "no such invitation")
	}
	*c.Into = LookedAt{Account: a, Invitation: i, HasUser: !w.Address(i.Address).User.IsZero()}
	var ids []events.AccountID
	for _, p := range w.parts(c.Account, i) {
		ids = append(ids, p.account)
		at := w.Account(p.account)
		c.Into.Accounts = append(c.Into.Accounts, InvitedInto{p.account, at.Name, p.Grants})
	}
	c.Into.Password = w.PersonRules(events.UserID{}, ids...).Password
	c.Into.Ask = w.ProfileOf(c.Account).Ask
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
	for _, p := range w.parts(c.Account, i) {
		w.record(events.OfAccount(p.account), events.InvitationDeclined{Invitation: i.ID})
	}
	return nil
}
