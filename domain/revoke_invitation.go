package domain

import "roster/events"

// RevokeInvitation stops the link at once (SPEC 2.7).
type RevokeInvitation struct {
	Account    events.AccountID
	Invitation events.InvitationID
	Because    string // set by Roster itself only
}

func (c RevokeInvitation) Name() string { return "RevokeInvitation" }

func (c RevokeInvitation) Home(_ Issued) events.Boundary { return events.OfAccount(c.Account) }

func (c RevokeInvitation) Target() (events.AccountID, *events.Subject) {
	return c.Account, &events.Subject{Type: "invitation", ID: c.Invitation.Any()}
}

func (c RevokeInvitation) Decide(w *World, is Issued) error {
	if is.system() {
		return c.follow(w)
	}
	_, i, err := w.mayHandle(c.Account, c.Invitation)
	if err != nil {
		return err
	}
	if i.Status == Accepted {
		return refuse(InvitationUsed, "this invitation has been accepted already")
	}
	if err := is.stale(i.Version); err != nil {
		return err
	}
	for _, p := range w.parts(c.Account, i) {
		if p.Status == Pending {
			w.record(events.OfAccount(p.account), events.InvitationRevoked{Invitation: i.ID, Because: c.Because})
		}
	}
	return nil
}

// follow writes as an event what every check has known by itself: that the inviter may not grant it any more. What
// Roster revokes for another reason needs none.
func (c RevokeInvitation) follow(w *World) error {
	i, _ := w.Account(c.Account).Invitation(c.Invitation)
	if i.Status != Pending || c.Because == events.BecauseInviterLostAccess && w.inviterMay(c.Account, i) {
		return nil
	}
	w.record(events.OfAccount(c.Account), events.InvitationRevoked{Invitation: i.ID, Because: c.Because})
	return nil
}

// ExpireInvitation writes as an event that an invitation has expired, which every check has known by itself.
type ExpireInvitation struct {
	Account    events.AccountID
	Invitation events.InvitationID
	Generation uint32
}

func (c ExpireInvitation) Name() string { return "ExpireInvitation" }

func (c ExpireInvitation) Home(_ Issued) events.Boundary { return events.OfAccount(c.Account) }

func (c ExpireInvitation) Decide(w *World, is Issued) error {
	i, ok := w.Account(c.Account).Invitation(c.Invitation)
	if !ok || i.Status != Pending || i.Noted || i.Generation != c.Generation || i.ExpiresAt > is.At {
		return nil
	}
	w.record(events.OfAccount(c.Account), events.InvitationExpired{Invitation: i.ID, Generation: i.Generation})
	return nil
}
