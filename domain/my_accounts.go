package domain

import (
	"bytes"
	"slices"

	"roster/events"
)

// MyAccount is an account that somebody has access to.
type MyAccount struct {
	Account Account
	Access  Access
	From    events.AccountID // the account above in which the membership is; zero for one of its own
}

// AskMyAccounts leaves the accounts that a user has access to now in the place given, those by inheritance among them, and
// whether there are more than so many (SPEC 4.9). Memberships that are pending give none.
func AskMyAccounts(user events.UserID, most int, into *[]MyAccount, more *bool) Command {
	return askMyAccounts{user, most, into, more}
}

type askMyAccounts struct {
	user events.UserID
	most int
	into *[]MyAccount
	more *bool
}

func (c askMyAccounts) Name() string { return "AskMyAccounts" }

func (c askMyAccounts) Home(_ Issued) events.Boundary { return events.OfUser(c.user) }

// Decide walks from the person's own accounts down the tree, wherever a grant extends to what is below.
func (c askMyAccounts) Decide(w *World, _ Issued) error {
	*c.into, *c.more = nil, false
	order := func(ids []events.AccountID) []events.AccountID { // the same at every try
		slices.SortFunc(ids, func(a, b events.AccountID) int { return bytes.Compare(a[:], b[:]) })
		return ids
	}
	next := order(w.User(c.user).Accounts())
	seen := map[events.AccountID]bool{}
	for len(next) > 0 {
		id := next[0]
		next = next[1:]
		if seen[id] {
			continue
		}
		seen[id] = true
		mine := MyAccount{Account: w.Account(id), Access: w.mine(w.chain(id))}
		if mine.Access.None() {
			continue
		}
		s, ok := w.User(c.user).Session(w.is.Actor.Session)
		good := !ok || !w.is.self(c.user) || s.goodFor(w.chain(id))
		if good && len(*c.into) == c.most {
			*c.more = true
			return nil
		}
		if mine.From = mine.Access.from(id); good {
			*c.into = append(*c.into, mine)
		}
		if mine.Access.reaches() {
			next = append(next, order(w.Tree().Children(id))...)
		}
	}
	return nil
}

// from is the nearest account above in which a membership gives the access; zero where one in the account itself does.
func (a Access) from(account events.AccountID) events.AccountID {
	for i := range a.held {
		if a.held[i].in == account {
			return events.AccountID{}
		}
	}
	if len(a.held) == 0 {
		return events.AccountID{}
	}
	return a.held[0].in
}

// reaches says that some of the access is to what is below as well.
func (a Access) reaches() bool {
	return slices.ContainsFunc(a.held, func(h held) bool { return h.Inherit })
}
