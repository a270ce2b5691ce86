package domain

import (
	"strings"

	"roster/events"
)

// SetUp uses the one link of the first start: it makes the first account and its owner (SPEC 1.3).
type SetUp struct {
	AccountName string
	Owner       Addressee
	User        NewUser
}

func (c SetUp) Name() string { return "SetUp" }

func (c SetUp) Home(_ Issued) events.Boundary { return events.Portal() }

func (c SetUp) Decide(w *World, is Issued) error {
	name := strings.TrimSpace(c.AccountName)
	switch {
	case w.Portal().SetUp:
		return refuse(InvitationUsed, "the first account has been made already")
	case checkName(name) != "":
		return invalid("body.account.name", "%s", checkName(name))
	}
	if err := checkPerson("body.owner.", c.User.Name); err != nil {
		return err
	}
	if holder := w.Address(c.Owner.ID).User; !holder.IsZero() {
		return invalid("body.owner.email", "this address already belongs to a user")
	}
	account, profile := events.AccountID(is.ID(0)), w.Portal().Profile()
	w.record(events.Portal(), events.PortalSetUp{Account: account, User: c.User.ID})
	w.record(events.OfAccount(account),
		events.AccountOpened{Name: name, Profile: profile.Ref},
		events.MembershipGranted{User: c.User.ID, Key: c.User.Key, Address: c.Owner.ID, Grants: []events.Grant{{Roles: []string{profile.Protected}}}})
	w.register(c.User, c.Owner, account)
	return nil
}
