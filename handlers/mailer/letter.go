package mailer

import (
	"context"
	"errors"
	"net/url"
	"strings"

	"roster/domain"
	"roster/events"
	"roster/handlers/mailer/compose"
)

// hostOf is the host of a web address, without its port.
func hostOf(address string) (string, error) {
	u, err := url.Parse(address)
	if err != nil || u.Hostname() == "" {
		return "", errors.New("the public address is no http(s) address")
	}
	return u.Hostname(), nil
}

// letter writes the mail of a row, or answers the reason for which it is not sent any more. People are named by what
// the sealed boxes in the states hold now.
func (m *Mailer) letter(ctx context.Context, r Row) (mail Mail, settled string, err error) {
	look, settled, err := m.look(ctx, r)
	if err != nil || settled != "" {
		return mail, settled, err
	}
	invitee, ok, err := open[events.Invitee](ctx, m.App, events.OfAccount(r.Account), events.InvitationCreated{}, "invitee", look.Invitation.Invitee)
	if err != nil || !ok || invitee.Email == "" {
		return mail, erasedIf(err == nil), err
	}
	in := compose.Invitation{
		PortalName: m.PortalName, PublicURL: m.PublicURL,
		Link:      m.Links.Invitation(r.Account, r.Invitation, r.Generation),
		Invitee:   compose.Person{Name: invitee.Full(), Email: invitee.Email},
		ExpiresAt: look.Invitation.ExpiresAt.Std(),
		Resent:    r.Generation > 1,
	}
	for _, a := range look.Accounts {
		in.Grants = append(in.Grants, compose.Grant{Account: a.Name, Roles: labels(a.Grants)})
	}
	if in.InviterName, in.InviterEmail, err = m.inviter(ctx, look.Invitation); err != nil {
		return mail, "", err
	}
	mail = Mail{ID: r.Event, To: invitee.Email, ToName: in.Invitee.Name, From: m.From, FromName: m.PortalName}
	if mail.Subject, mail.Text, mail.HTML, err = compose.Compose(in); err != nil {
		m.Logger.Error("a mail cannot be written", "event", r.Event, "err", err)
		return mail, "", &Deferred{"the mail cannot be written: a fault of this program"}
	}
	return mail, "", nil
}

func erasedIf(erased bool) string {
	if erased {
		return "erased"
	}
	return ""
}

// inviter answers name and address of the user who invited; nothing for an operator, and for who has been erased.
func (m *Mailer) inviter(ctx context.Context, i domain.Invitation) (name, email string, err error) {
	id := i.By.User()
	if id.IsZero() {
		return "", "", nil
	}
	u, _, err := m.App.User(ctx, id)
	if err != nil {
		return "", "", err
	}
	profile, _, err := open[events.PersonName](ctx, m.App, events.OfUser(id), events.UserRegistered{}, "profile", u.Profile)
	if err != nil {
		return "", "", err
	}
	address, _, err := open[events.Email](ctx, m.App, events.OfUser(id), events.UserRegistered{}, "email", u.Email)
	return profile.Full(), address.Email, err
}

// labels are the roles that grants give as people read them, and extra permissions as they are.
func labels(grants []events.Grant) []string {
	var list []string
	for _, g := range grants {
		for _, role := range g.Roles {
			list = append(list, strings.ToUpper(role[:1])+role[1:])
		}
		list = append(list, g.Permissions...)
	}
	return list
}
