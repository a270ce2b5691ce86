package mailer

import (
	"cmp"
	"context"
	"errors"
	"net/url"

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
	switch r.Mail {
	case MailInvitation, MailReminder:
		return m.invitation(ctx, r)
	case MailLinkRequested, MailDigest, MailAccessEnds: // what the person may switch off (SPEC 4.7)
		u, _, err := m.App.User(ctx, events.UserID(r.Recipient))
		if err != nil || !u.Wants(string(r.Mail)) {
			return mail, unwantedIf(err == nil), err
		}
	}
	switch r.Mail {
	case MailLinkRequested:
		return m.linkRequested(ctx, r)
	case MailDigest:
		return m.digest(ctx, r)
	case MailAccessEnds:
		return m.accessEnds(ctx, r)
	case MailRolesChanged:
		return m.rolesChanged(ctx, r)
	case MailOwnerWon, MailOwnerLost:
		return m.ownerChanged(ctx, r)
	case MailPasswordChanged, MailPasswordReset, MailResetLink, MailAddressLink, MailAddressAsked, MailAddressChanged, MailUnlinked, MailElsewhere:
		return m.own(ctx, r)
	case MailSignup:
		return m.signup(ctx, r)
	case MailFactorAdded, MailFactorRemoved, MailFactorReset, MailRecoveryCodes:
		return m.factorsChanged(ctx, r)
	}
	return mail, "unknown", nil
}

// written is a mail as it was composed.
func (m *Mailer) written(r Row, to compose.Person, write func() (subject, text, html string, err error)) (mail Mail, settled string, err error) {
	mail = Mail{ID: r.message(), To: to.Email, ToName: to.Name, From: m.From, FromName: m.PortalName}
	if mail.Subject, mail.Text, mail.HTML, err = write(); err != nil {
		m.Logger.Error("a mail cannot be written", "event", r.Event, "mail", r.Mail, "err", err)
		return mail, "", &Deferred{"the mail cannot be written: a fault of this program"}
	}
	return mail, "", nil
}

// invitation is the mail to the invitee.
func (m *Mailer) invitation(ctx context.Context, r Row) (mail Mail, settled string, err error) {
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
		Reminder:  r.Mail == MailReminder,
	}
	for _, a := range look.Accounts {
		roles, err := m.labels(ctx, a.Account, a.Grants)
		if err != nil {
			return mail, "", err
		}
		in.Grants = append(in.Grants, compose.Grant{Account: a.Name, Roles: roles})
	}
	inviter, err := m.user(ctx, look.Invitation.By.User())
	if key := look.Invitation.By.Key(); err == nil && !key.IsZero() {
		inviter.Name, err = m.App.KeyName(ctx, r.Account, key)
	}
	if err != nil {
		return mail, "", err
	}
	if in.Invitee.Zone, err = m.zoneOf(ctx, look.Invitation.Address); err != nil {
		return mail, "", err
	}
	in.InviterName, in.InviterEmail = inviter.Name, inviter.Email
	return m.written(r, in.Invitee, func() (string, string, string, error) { return compose.Compose(in) })
}

func erasedIf(erased bool) string {
	if erased {
		return "erased"
	}
	return ""
}

func unwantedIf(unwanted bool) string {
	if unwanted {
		return "not_wanted"
	}
	return ""
}

// user answers name and address of a user; nothing for nobody, and for who has been erased.
func (m *Mailer) user(ctx context.Context, id events.UserID) (p compose.Person, err error) {
	if id.IsZero() {
		return p, nil
	}
	u, _, err := m.App.User(ctx, id)
	if err != nil {
		return p, err
	}
	profile, email, err := m.App.Person(ctx, u)
	return compose.Person{Name: profile.Full(), Email: email, Zone: profile.TimeZone}, err
}

// labels are the roles that grants in an account give, as the account calls them, and extra permissions as they are.
func (m *Mailer) labels(ctx context.Context, account events.AccountID, grants []events.Grant) (list []string, err error) {
	roles, _, _, err := m.App.Roles(ctx, account)
	if err != nil {
		return nil, err
	}
	called := map[string]string{}
	for _, r := range roles {
		called[r.Name] = r.Label
	}
	for _, g := range grants {
		for _, role := range g.Roles {
			list = append(list, cmp.Or(called[role], role))
		}
		list = append(list, g.Permissions...)
	}
	return list, nil
}
