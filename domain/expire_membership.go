package domain

import (
	"time"

	"roster/events"
)

// ExpireMembership writes as an event that grants of a membership have ended, which every check has known by itself
// (SPEC 3.10). No last owner ends so: a grant with an end never counts for one.
type ExpireMembership struct {
	Account events.AccountID
	User    events.UserID
}

func (c ExpireMembership) Name() string { return "ExpireMembership" }

func (c ExpireMembership) Home(_ Issued) events.Boundary { return events.OfAccount(c.Account) }

func (c ExpireMembership) Decide(w *World, is Issued) error {
	if !is.system() {
		return errByRoster()
	}
	m, _ := w.Account(c.Account).Member(c.User)
	var ended, left []events.Grant
	for _, g := range m.Grants {
		if g.Until != 0 && g.Until <= is.At {
			ended = append(ended, g)
		} else {
			left = append(left, g)
		}
	}
	if !m.is() || ended == nil {
		return nil
	}
	w.record(events.OfAccount(c.Account), events.MembershipExpired{User: c.User, Ended: ended, Left: left})
	if left == nil {
		w.endKeysOf(c.User, c.Account, events.BecauseMembershipEnded)
	}
	w.endInvitationsOf(c.User.Any(), c.Account)
	return nil
}

func errByRoster() error {
	return refuse(NotPermitted, "Roster itself does this when its time has come")
}

// How long before the end of a grant its member is warned; and of how short a grant nobody is.
const (
	warnBefore   = 24 * time.Hour
	warnNotBelow = 48 * time.Hour
)

// WarnMembership says once that a grant is about to end: the person, and whoever granted it, are told (SPEC 3.10). What
// was short from its beginning needs no warning.
type WarnMembership struct {
	Account events.AccountID
	User    events.UserID
}

func (c WarnMembership) Name() string { return "WarnMembership" }

func (c WarnMembership) Home(_ Issued) events.Boundary { return events.OfAccount(c.Account) }

func (c WarnMembership) Decide(w *World, is Issued) error {
	if !is.system() {
		return errByRoster()
	}
	m, _ := w.Account(c.Account).Member(c.User)
	until := m.nextEnd(is.At)
	if m.Status != Active || until == 0 || until.Sub(is.At) > warnBefore || m.Warned == until || w.closed(c.Account) {
		return nil
	}
	w.record(events.OfAccount(c.Account), events.MembershipReminded{User: c.User, Until: until})
	return nil
}

// nextEnd is the earliest end, still to come, of a grant that is not short; zero where there is none.
func (m Member) nextEnd(at events.Time) (until events.Time) {
	for _, g := range m.Grants {
		if g.Until > at && g.Until.Sub(max(g.From, m.Since)) >= warnNotBelow && (until == 0 || g.Until < until) {
			until = g.Until
		}
	}
	return until
}
