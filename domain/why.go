package domain

import "roster/events"

// Why is a check's answer with its reasons (SPEC 3.12).
type Why struct {
	Allowed bool
	Access  Access
	By      []Reason // what gives the permission; where nothing does, none
	Missing string   // why it is not allowed: one of the Missing names
}

// Reason is a grant that gives the permission.
type Reason struct {
	Account   events.AccountID // in which the membership is
	Inherited bool             // from an account above
	Role      string           // that gives it; "" where it was granted directly
	Until     events.Time
	Position  uint64 // of the last commit that changed the membership
}

// Why something is not allowed.
const (
	MissingPermission = "permission" // none of the roles gives it
	MissingMembership = "membership" // there is none that applies
	MissingActive     = "suspended"
	MissingPending    = "pending"
	MissingUnlocked   = "locked"
	MissingTime       = "not_now" // the grants have ended, or have yet to begin
	MissingAccount    = "account_closed"
	MissingFactor     = "second_factor" // the session has shown none, and the account wants one
	MissingSession    = "session"       // it has ended, or is not good for this account
)

// AskWhy is a check. It is asked for the user, and for the session where there is one; whoever asks has to be allowed
// to ask.
func AskWhy(account events.AccountID, user events.UserID, session events.SessionID, p Permission, into *Why) Command {
	return askWhy{MayIn{Account: account, Permission: p}, false, user, session, into}
}

// AskEntry is a check of whether a user may enter an account at all, in the session, whatever they may do there.
func AskEntry(account events.AccountID, user events.UserID, session events.SessionID, into *Why) Command {
	return askWhy{MayIn{Account: account}, true, user, session, into}
}

type askWhy struct {
	MayIn
	entry   bool // no permission is asked for
	user    events.UserID
	session events.SessionID
	into    *Why
}

func (c askWhy) Decide(w *World, _ Issued) error {
	why := w.Why(c.Account, c.user, c.Permission)
	if c.entry && !why.Access.closed && !why.Access.None() {
		why.Allowed, why.Missing = true, ""
	}
	chain := w.chain(c.Account)
	if s, ok := w.User(c.user).Session(c.session); ok && !s.goodFor(chain) {
		*c.into = Why{Missing: MissingSession}
		return nil
	}
	if why.Allowed && w.enters(chain, c.user, c.session) != nil {
		why.Allowed, why.By, why.Missing = false, nil, MissingFactor
	}
	*c.into = why
	return nil
}

// Why says whether a user may do something in an account at this moment, and why.
func (w *World) Why(account events.AccountID, user events.UserID, p Permission) Why {
	chain := w.chain(account)
	why := Why{Access: w.accessIn(chain, user)}
	for i := range why.Access.held {
		h := &why.Access.held[i]
		reason := Reason{Account: h.in, Inherited: h.in != account, Until: h.Until, Position: h.since}
		for _, r := range h.roles {
			if r.Holds(p) {
				reason.Role = r.Name
				why.By = append(why.By, reason)
			}
		}
		for _, extra := range h.Permissions {
			if extra == p {
				reason.Role = ""
				why.By = append(why.By, reason)
			}
		}
	}
	switch {
	case why.Access.closed:
		why.By, why.Missing = nil, MissingAccount
	case len(why.By) > 0:
		why.Allowed = true
	case !why.Access.None():
		why.Missing = MissingPermission
	default:
		why.Missing = missingMembership(chain, user)
	}
	return why
}

// missingMembership says why no membership of the user's applies.
func missingMembership(chain []Account, user events.UserID) string {
	for i := range chain {
		m, ok := chain[i].Member(user)
		if !ok || !m.is() || i > 0 && m.Status != Active {
			continue
		}
		switch {
		case m.Locked:
			return MissingUnlocked
		case m.Status == Suspended:
			return MissingActive
		case m.Status == Pending:
			return MissingPending
		case i == 0:
			return MissingTime
		}
	}
	return MissingMembership
}
