package domain

import (
	"errors"

	"roster/events"
)

// MaxBulk is how many users one request may change at once, BulkPart how many of them stand in one commit.
const (
	MaxBulk  = 5000
	BulkPart = 200
)

// The actions of a bulk (SPEC 3.6).
const (
	BulkSuspend    = "suspend"
	BulkReactivate = "reactivate"
	BulkRevoke     = "revoke"
	BulkChangeRole = "change_role"
)

// The outcomes of one user of a bulk that was not refused; a refusal is its code.
const (
	OutcomeDone    = "done"
	OutcomeAlready = "already"
)

// Bulk does the same to each user of a selection, and says of each what became of it: one that is refused keeps none of
// the others from it. A large one is cut into parts; All is the whole selection in each.
type Bulk struct {
	Account   events.AccountID
	Action    string
	All       []events.UserID
	From, To  int            // the part of All
	Grants    []events.Grant // of change_role
	Reason    string
	Confirmed bool // the caller has seen what the dry run says
}

func (c Bulk) Name() string { return "Bulk" }

func (c Bulk) Home(_ Issued) events.Boundary { return events.OfAccount(c.Account) }

func (c Bulk) Target() (events.AccountID, *events.Subject) { return c.Account, nil }

func (c Bulk) one(user events.UserID) Command {
	switch c.Action {
	case BulkSuspend:
		return Suspend{Account: c.Account, User: user, Reason: c.Reason}
	case BulkReactivate:
		return Reactivate{Account: c.Account, User: user}
	case BulkRevoke:
		return Revoke{Account: c.Account, User: user, Reason: c.Reason, Confirmed: c.Confirmed}
	case BulkChangeRole:
		return ChangeRole{Account: c.Account, User: user, Grants: c.Grants}
	}
	return nil
}

func (c Bulk) permission() Permission {
	switch c.Action {
	case BulkRevoke:
		return UsersRevoke
	case BulkChangeRole:
		return UsersChangeRole
	}
	return UsersSuspend
}

func (c Bulk) Decide(w *World, is Issued) error {
	a, _, err := w.manages(c.Account, c.permission())
	switch {
	case err != nil:
		return err
	case c.one(events.UserID{}) == nil:
		return invalid("body.action", "an action is suspend, reactivate, revoke or change_role")
	case len(c.All) == 0 || len(c.All) > MaxBulk:
		return invalid("body.users", "1 to %d users", MaxBulk)
	}
	if c.Action == BulkChangeRole {
		if _, err := w.checkGrants(w.chain(c.Account), c.Grants); err != nil {
			return err
		}
	}
	if c.From == 0 && !c.Confirmed && (c.Action == BulkSuspend || c.Action == BulkRevoke) {
		ends := 0
		for _, user := range c.All {
			if m, ok := a.Member(user); ok && m.Status == Active {
				ends++
			}
		}
		if err := w.threshold(a, ends); err != nil {
			return err
		}
		if w.profileOf(w.chain(c.Account)).ConfirmRemoval && c.Action == BulkRevoke {
			return errConfirm()
		}
	}
	for _, user := range c.All[c.From:c.To] {
		before := len(w.facts[events.OfAccount(c.Account)])
		err := c.one(user).Decide(w, Issued{At: is.At, Actor: is.Actor, ID: is.ID})
		refusal := (*Error)(nil)
		switch {
		case errors.As(err, &refusal):
			w.outcome(string(refusal.Code))
		case err != nil:
			return err
		case len(w.facts[events.OfAccount(c.Account)]) == before:
			w.outcome(OutcomeAlready)
		default:
			w.outcome(OutcomeDone)
		}
	}
	return nil
}

// threshold refuses what ends the access of so many people of an account at once that it may be a mistake (SPEC 3.11).
func (w *World) threshold(a Account, ends int) error {
	if t := w.Policy(a.ID).Threshold; ends >= t.People && ends*100 > a.active*t.Percent {
		return refuse(ThresholdExceeded, "this ends the access of %d of %d active users: ask for it once more with the token of its dry run", ends, a.active)
	}
	return nil
}

func errConfirm() error {
	return refuse(ConfirmationRequired, "this has to be confirmed: ask for it once more with the token given")
}
