package handlers

import (
	"roster/domain"
	"roster/events"
)

// PersonMails are the kinds of mails to a person that facts about their user, or about an address that wants to be one,
// call for, by the facts' names (SPEC 4.2 to 4.5, 1.3, 7.4; RELIABILITY S22).
func PersonMails() map[string][]string {
	return map[string][]string{
		"password.changed":            {"password_changed"},
		"password.reset":              {"password_reset"},
		"password.reset_requested":    {"reset_link"},
		"user.email_change_requested": {"address_link", "address_asked"},
		"user.email_changed":          {"address_changed"},
		"address.signup_requested":    {"sign_up"},
		"identity.unlinked":           {"identity_unlinked"},
		"factor.verified":             {"factor_added"},
		"factor.removed":              {"factor_removed"},
		"factor.reset":                {"factor_reset"},
		"recovery_codes.issued":       {"recovery_codes"},
		"session.started":             {"signed_in_elsewhere"},
	}
}

// PlannedMail is a mail that a command would have sent, as the mailer calls it: about an invitation, or to a user, or to a
// contact. To an address without a user it names nobody.
type PlannedMail struct {
	Kind       string
	Invitation events.InvitationID
	User       events.UserID
	Contact    events.ContactID
}

// mailsOf are the mails that a fact calls for. a is the account that it is about, after it.
func mailsOf(b events.Boundary, f events.Event, a domain.Account) (list []PlannedMail) {
	if b.Kind == events.UserBoundary || b.Kind == events.AddressBoundary {
		name := events.KindOf(f).Name
		if name == "identity.unlinked" && b.Kind != events.UserBoundary { // told by the user's own
			return nil
		}
		if s, ok := f.(events.SessionStarted); ok && !s.Elsewhere {
			return nil
		}
		var user events.UserID
		if b.Kind == events.UserBoundary {
			user = events.UserID(b.ID)
		}
		for _, kind := range PersonMails()[name] {
			list = append(list, PlannedMail{Kind: kind, User: user})
		}
		return list
	}
	//roster:partial the others call for none, but where the owners change
	switch e := f.(type) {
	case events.InvitationCreated:
		list = aboutInvitation(list, a, e.Invitation, "invitation")
	case events.InvitationResent:
		list = aboutInvitation(list, a, e.Invitation, "invitation")
	case events.InvitationLinkRequested: // whoever holds the link does not learn who may send another
		list = aboutInvitation(list, a, e.Invitation, "link_requested")
	case events.MembershipRoleChanged:
		list = append(list, PlannedMail{Kind: "roles_changed", User: e.User})
	}
	kind := "owner_lost"
	had, has := a.Owned(f)
	if has {
		kind = "owner_won"
	}
	if had != has {
		for _, c := range a.ContactsFor(domain.SecurityContact) {
			list = append(list, PlannedMail{Kind: kind, Contact: c.ID})
		}
	}
	return list
}

// aboutInvitation adds a mail about an invitation, which its first account tells of.
func aboutInvitation(list []PlannedMail, a domain.Account, id events.InvitationID, kind string) []PlannedMail {
	if i, _ := a.Invitation(id); len(i.Accounts) > 0 && i.Accounts[0] != a.ID {
		return list
	}
	return append(list, PlannedMail{Kind: kind, Invitation: id})
}
