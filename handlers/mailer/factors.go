package mailer

import (
	"context"

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
