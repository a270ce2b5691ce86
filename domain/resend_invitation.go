package domain

import (
	"time"

	"roster/events"
)

// ResendInvitation sends a new link with a new validity; older links stop working. It works on expired invitations
// as well (SPEC 2.6).
type ResendInvitation struct {
	Account    events.AccountID
	Invitation events.InvitationID
}

func (c ResendInvitation) Name() string { return "ResendInvitation" }

func (c ResendInvitation) Home(_ Issued) events.Boundary { return events.OfAccount(c.Account) }

func (c ResendInvitation) Target() (events.AccountID, *events.Subject) {
	return c.Account, &events.Subject{Type: "invitation", ID: c.Invitation.Any()}
}

func (c ResendInvitation) Decide(w *World, is Issued) error {
	_, i, err := w.mayHandle(c.Account, c.Invitation)
	if err != nil {
		return err
	}
	switch status := w.StatusOf(c.Account, i); {
	case status != Expired:
		if err := w.alive(c.Account, i, i.Generation); err != nil {
			return err
		}
	case !w.inviterMay(c.Account, i):
		return refuse(InvitationRevoked, "whoever invited may not grant this any more: invite again")
	}
	if err := is.stale(i.Version); err != nil {
		return err
	}
	parts, validity := w.parts(c.Account, i), w.Policy(c.Account).InvitationValidFor
	members := 0
	for _, p := range parts {
		a := w.Account(p.account)
		if m, ok := w.memberWith(a, i.Address); ok && m.is() {
			members++
		}
		if newest, _ := a.InvitationOf(i.Address); newest.ID != i.ID && w.StatusOf(p.account, newest) == Pending {
			return refuse(AlreadyInvited, "the address has a newer invitation")
		}
		if wait := a.flooded(i.Address, is.At); wait > 0 {
			e := refuse(RateLimited, "this address has been sent %d invitations within a day", maxMails)
			e.Retry = int((wait + time.Second - 1) / time.Second)
			return e
		}
	}
	if members == len(parts) {
		return refuse(AlreadyMember, "the address already is a member")
	}
	for _, p := range parts {
		w.endDead(p.account, i.Address, i.ID)
		w.record(events.OfAccount(p.account), events.InvitationResent{Invitation: i.ID, Generation: i.Generation + 1,
			From: i.ExpiresAt, To: is.At.Add(validity)})
	}
	return nil
}
