package mailer

import (
	"context"
	"slices"
	"time"

	"roster/domain"
	"roster/events"
	"roster/handlers"
	"roster/handlers/mailer/compose"
)

func (m *Mailer) portal() compose.Portal { return compose.Portal{Name: m.PortalName, URL: m.PublicURL} }

// users is the page of an account's users, where invitations are sent again.
func (m *Mailer) users(account events.AccountID) string {
	return m.PublicURL + "/accounts/" + account.String() + "/users"
}

// invitee opens who was invited; ok is false for who has been erased.
func (m *Mailer) invitee(ctx context.Context, account events.AccountID, i domain.Invitation) (p compose.Person, ok bool, err error) {
	who, ok, err := open[events.Invitee](ctx, m.App, events.OfAccount(account), events.InvitationCreated{}, "invitee", i.Invitee)
	return compose.Person{Name: who.Full(), Email: who.Email}, ok && who.Email != "", err
}

// linkRequested tells somebody who may send a new link that the invitee asks for one.
func (m *Mailer) linkRequested(ctx context.Context, r Row) (mail Mail, settled string, err error) {
	to, err := m.user(ctx, events.UserID(r.Recipient))
	if err != nil || to.Email == "" {
		return mail, erasedIf(err == nil), err
	}
	a, _, err := m.App.Account(ctx, r.Account)
	if err != nil {
		return mail, "", err
	}
	i, _ := a.Invitation(r.Invitation)
	invitee, ok, err := m.invitee(ctx, r.Account, i)
	switch {
	case err != nil || !ok:
		return mail, erasedIf(err == nil), err
	case i.Status == domain.Accepted:
		return mail, string(domain.InvitationUsed), nil
	}
	return m.written(r, to, func() (string, string, string, error) {
		return compose.ComposeLinkRequested(compose.LinkRequested{PortalName: m.PortalName, PublicURL: m.PublicURL, Inviter: to, Invitee: invitee, Account: a.Name,
			Link: m.users(r.Account) + "?invitation=" + r.Invitation.String()})
	})
}

// maxListed is how many invitations a digest names.
const maxListed = 100

// digest lists what of an inviter has failed on the day before the row is due, as far as it is still open.
func (m *Mailer) digest(ctx context.Context, r Row) (mail Mail, settled string, err error) {
	inviter := events.UserID(r.Recipient)
	var rules domain.Rules
	if err := m.App.Ask(ctx, handlers.Call{Actor: handlers.System("mailer")}, domain.AskRules(r.Account, &rules)); err != nil {
		return mail, "", err
	}
	may, err := m.may(ctx, inviter, r.Account, domain.UsersInvite)
	switch {
	case err != nil:
		return mail, "", err
	case !rules.Digests:
		return mail, "switched_off", nil
	case !may:
		return mail, string(domain.NotPermitted), nil
	case m.Failed == nil:
		return mail, "unknown", nil
	}
	to, err := m.user(ctx, inviter)
	if err != nil || to.Email == "" {
		return mail, erasedIf(err == nil), err
	}
	until := r.Since.UTC().Truncate(24 * time.Hour)
	list, all, err := m.Failed(ctx, r.Account, inviter, until.Add(-24*time.Hour), until, maxListed)
	if err != nil {
		return mail, "", err
	}
	a, _, err := m.App.Account(ctx, r.Account)
	if err != nil {
		return mail, "", err
	}
	in := compose.Digest{Portal: m.portal(), To: to, Account: a.Name, More: all - len(list), Link: m.users(r.Account)}
	for _, id := range list {
		i, ok := a.Invitation(id)
		if !ok || i.Status != domain.Pending || len(i.Accounts) > 0 && i.Accounts[0] != r.Account {
			continue
		}
		who, ok, err := m.invitee(ctx, r.Account, i)
		switch {
		case err != nil:
			return mail, "", err
		case ok:
			in.Failed = append(in.Failed, compose.Failed{Invitee: who, Bounced: i.Delivery == "bounced"})
		}
	}
	if len(in.Failed) == 0 {
		return mail, "nothing_to_tell", nil
	}
	return m.written(r, to, func() (string, string, string, error) { return compose.ComposeDigest(in) })
}

// accessEnds warns a member, or whoever granted it, of the end that the log says the member is warned of.
func (m *Mailer) accessEnds(ctx context.Context, r Row) (mail Mail, settled string, err error) {
	a, _, err := m.App.Account(ctx, r.Account)
	if err != nil {
		return mail, "", err
	}
	member, _ := a.Member(events.UserID(r.Subject))
	ending := slices.DeleteFunc(slices.Clone(member.Grants), func(g events.Grant) bool { return g.Until != member.Warned })
	if member.Status != domain.Active || len(ending) == 0 || member.Warned <= m.App.Now() {
		return mail, "changed", nil
	}
	to, err := m.user(ctx, events.UserID(r.Recipient))
	if err != nil || to.Email == "" {
		return mail, erasedIf(err == nil), err
	}
	who, err := m.user(ctx, member.User)
	if err != nil {
		return mail, "", err
	}
	roles, err := m.labels(ctx, r.Account, ending)
	if err != nil {
		return mail, "", err
	}
	return m.written(r, to, func() (string, string, string, error) {
		return compose.ComposeAccessEnds(compose.AccessEnds{Portal: m.portal(), To: to, Member: who, Account: a.Name, Roles: roles, Until: member.Warned.Std()})
	})
}

// rolesChanged tells a member which roles they have since a change. Where there was another change meanwhile, both mails
// tell of what came of it.
func (m *Mailer) rolesChanged(ctx context.Context, r Row) (mail Mail, settled string, err error) {
	a, _, err := m.App.Account(ctx, r.Account)
	if err != nil {
		return mail, "", err
	}
	member, _ := a.Member(events.UserID(r.Recipient))
	if member.Status != domain.Active && member.Status != domain.Suspended {
		return mail, "changed", nil
	}
	to, err := m.user(ctx, member.User)
	if err != nil || to.Email == "" {
		return mail, erasedIf(err == nil), err
	}
	in := compose.RolesChanged{Portal: m.portal(), To: to, Account: a.Name, At: r.Since}
	if by := member.By.User(); by != member.User {
		if in.By, err = m.user(ctx, by); err != nil {
			return mail, "", err
		}
	}
	for _, g := range member.Grants {
		roles, err := m.labels(ctx, r.Account, []events.Grant{g})
		if err != nil {
			return mail, "", err
		}
		for _, role := range roles {
			in.Roles = append(in.Roles, compose.Held{Role: role, Until: g.Until.Std()})
		}
	}
	return m.written(r, to, func() (string, string, string, error) { return compose.ComposeRolesChanged(in) })
}

// ownerChanged tells a security contact that the account has an owner more, or fewer.
func (m *Mailer) ownerChanged(ctx context.Context, r Row) (mail Mail, settled string, err error) {
	a, _, err := m.App.Account(ctx, r.Account)
	if err != nil {
		return mail, "", err
	}
	contact, ok := a.Contact(events.ContactID(r.Recipient))
	if !ok {
		return mail, "contact_removed", nil
	}
	var to events.ContactPerson
	ok, err = m.App.OpenContact(ctx, r.Account, contact, &to)
	if err != nil || !ok || to.Email == "" {
		return mail, erasedIf(err == nil), err
	}
	who, err := m.user(ctx, events.UserID(r.Subject))
	if err != nil {
		return mail, "", err
	}
	person := compose.Person{Name: to.Name, Email: to.Email}
	return m.written(r, person, func() (string, string, string, error) {
		return compose.ComposeOwnerChanged(compose.OwnerChanged{Portal: m.portal(), To: person, Member: who, Account: a.Name, Won: r.Mail == MailOwnerWon})
	})
}
