package domain

import (
	"time"

	"roster/events"
)

// RemindInvitee reminds once, before the link stops working, unless the policy says otherwise (SPEC 2.13).
type RemindInvitee struct {
	Account    events.AccountID
	Invitation events.InvitationID
	Generation uint32
}

func (c RemindInvitee) Name() string { return "RemindInvitee" }

func (c RemindInvitee) Home(_ Issued) events.Boundary { return events.OfAccount(c.Account) }

func (c RemindInvitee) Decide(w *World, is Issued) error {
	if !is.system() {
		return errByRoster()
	}
	i, ok := w.Account(c.Account).Invitation(c.Invitation)
	if !ok || i.Generation != c.Generation || i.Reminded || is.At < i.remindAt() || w.StatusOf(c.Account, i) != Pending {
		return nil
	}
	parts := w.parts(c.Account, i)
	if !w.Policy(parts[0].account).Reminders { // as in all that its mail goes by, the first account's
		return nil
	}
	for _, p := range parts {
		w.record(events.OfAccount(p.account), events.InvitationReminded{Invitation: i.ID, Generation: i.Generation})
	}
	return nil
}

// remindAt is a day before the link stops working, or, where that would be early, once three quarters of its time have
// passed.
func (i Invitation) remindAt() events.Time {
	const before, short = 24 * time.Hour, 48 * time.Hour
	if validity := i.ExpiresAt.Sub(i.Begun); validity < short {
		return i.ExpiresAt.Add(-validity / 4)
	}
	return i.ExpiresAt.Add(-before)
}

// askAgain is how long it takes until asking for a new link is told anew.
const askAgain = 24 * time.Hour

// AskForLink is the wish of whoever holds a dead link for a new one: the inviter is told (SPEC 2.12). It is written
// at most once a day; the link may be of any generation.
type AskForLink struct {
	Account    events.AccountID
	Invitation events.InvitationID
	Generation uint32
}

func (c AskForLink) Name() string { return "AskForLink" }

func (c AskForLink) Home(_ Issued) events.Boundary { return events.OfAccount(c.Account) }

func (c AskForLink) Decide(w *World, is Issued) error {
	i, ok := w.Account(c.Account).Invitation(c.Invitation)
	if !ok {
		return refuse(NotFound, "no such invitation")
	}
	dead := w.alive(c.Account, i, c.Generation)
	switch status := w.StatusOf(c.Account, i); {
	case status == Accepted:
		return dead
	case dead == nil:
		return invalid("path.token", "this link still works: there is no need for a new one")
	case i.Asked != 0 && is.At.Sub(i.Asked) < askAgain, w.closed(c.Account), w.Address(i.Address).Erased:
		return nil
	}
	w.record(events.OfAccount(c.Account), events.InvitationLinkRequested{Invitation: i.ID, Generation: c.Generation})
	return nil
}
