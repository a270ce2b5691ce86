package mailer

import (
	"context"
	"strings"

	"roster/events"
	"roster/handlers/mailer/compose"
)

// The mails to a person about what they show beside their password (SPEC 4.5).
const (
	MailFactorAdded   Kind = "factor_added"
	MailFactorRemoved Kind = "factor_removed"
	MailFactorReset   Kind = "factor_reset"
	MailRecoveryCodes Kind = "recovery_codes"
)

// factorMails are the mails by the events that call for them.
func factorMails() map[string]Kind {
	return map[string]Kind{"factor.verified": MailFactorAdded, "factor.removed": MailFactorRemoved, "factor.reset": MailFactorReset, "recovery_codes.issued": MailRecoveryCodes}
}

// onUser are the mails that an event about a user's factors calls for; ok is false for any other event.
func (m *Mailer) onUser(attributes map[string]string) (rows []Row, ok bool, err error) {
	mail, ok := factorMails()[nameOf(attributes["type"])]
	if !ok {
		return nil, false, nil
	}
	_, text, _ := strings.Cut(attributes["source"], "/users/")
	var user events.UserID
	if err := user.UnmarshalText([]byte(text)); err != nil {
		return nil, true, err
	}
	r := Row{Event: attributes["id"], Subject: user.Any(), Since: m.now(), Mail: mail}
	return r.to(user.Any()), true, nil
}

// factorsChanged tells a person of a change.
func (m *Mailer) factorsChanged(ctx context.Context, r Row) (mail Mail, settled string, err error) {
	to, err := m.user(ctx, events.UserID(r.Recipient))
	if err != nil || to.Email == "" {
		return mail, erasedIf(err == nil), err
	}
	in := compose.FactorsChanged{Portal: m.portal(), To: to, Change: compose.FactorAdded}
	switch r.Mail {
	case MailFactorRemoved:
		in.Change = compose.FactorRemoved
	case MailFactorReset:
		in.Change = compose.FactorsReset
	case MailRecoveryCodes:
		in.Change = compose.CodesIssued
	}
	return m.written(r, to, func() (string, string, string, error) { return compose.ComposeFactorsChanged(in) })
}
