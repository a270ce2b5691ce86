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
	who := events.Actor{Type: events.ByUser, ID: user.String(), Session: session}
	return AskWhyBy(account, who, events.KeyRefID{}, p, into)
}

// AskWhyBy is AskWhy for a key of an account, or for whoever acts by a key.
func AskWhyBy(account events.AccountID, who events.Actor, through events.KeyRefID, p Permission, into *Why) Command {
	return askWhy{MayIn{Account: account, Permission: p}, false, who, through, into}
}

// AskEntry is a check of whether a user may enter an account at all, in the session, whatever they may do there.
func AskEntry(account events.AccountID, user events.UserID, session events.SessionID, into *Why) Command {
	who := events.Actor{Type: events.ByUser, ID: user.String(), Session: session}
	return askWhy{MayIn{Account: account}, true, who, events.KeyRefID{}, into}
}

type askWhy struct {
	MayIn
	entry   bool // no permission is asked for
	who     events.Actor
	through events.KeyRefID
	into    *Why
}

func (c askWhy) Decide(w *World, _ Issued) error {
	chain := w.chain(c.Account)
	why := w.why(chain, c.Account, c.who, c.through, c.Permission)
	if c.entry && !why.Access.closed && !why.Access.None() {
		why.Allowed, why.Missing = true, ""
	}
	if user := c.who.User(); !user.IsZero() {
		if s, ok := w.User(user).Session(c.who.Session); ok && !s.goodFor(chain) {
			*c.into = Why{Missing: MissingSession}
			return nil
		}
	}
	if why.Allowed && w.enters(chain, c.who.User(), c.who.Session, c.through) != nil {
		why.Allowed, why.By, why.Missing = false, nil, MissingFactor
	}
	*c.into = why
	return nil
}

// Why says whether a user may do something in an account at this moment, and why.
func (w *World) Why(account events.AccountID, user events.UserID, p Permission) Why {
	who := events.Actor{Type: events.ByUser, ID: user.String()}
	return w.why(w.chain(account), account, who, events.KeyRefID{}, p)
}

func (w *World) why(chain []*Account, account events.AccountID, who events.Actor, through events.KeyRefID, p Permission) Why {
	why := Why{Access: w.by(chain, who, through)}
	for i := range why.Access.held {
		h := &why.Access.held[i]
		reason := Reason{Account: h.in, Inherited: h.in != account, Until: h.Until, Position: h.since}
		for _, r := range h.roles {
			if r.Holds(p) && h.holds(p) {
				reason.Role = r.Name
				why.By = append(why.By, reason)
			}
		}
		for _, extra := range h.Permissions {
			if extra == p && h.holds(p) {
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
		why.Missing = missingMembership(chain, who.User())
	}
	return why
}

// missingMembership says why no membership of the user's applies.
func missingMembership(chain []*Account, user events.UserID) string {
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
