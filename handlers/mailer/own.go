package mailer

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"roster/domain"
	"roster/events"
	"roster/handlers"
	"roster/handlers/mailer/compose"
	"roster/handlers/origin"
)

// own are the rows for an event about somebody's own user, or about an address that wants to be one; ok is false for any
// other event.
func (r Row) own(name string, attributes map[string]string, body told) (rows []Row, ok bool, err error) {
	kinds := handlers.PersonMails()[name]
	if kinds == nil {
		return nil, false, nil
	}
	source := attributes["source"]
	if name == "identity.unlinked" && !strings.Contains(source, "/users/") { // told by the user's own
		return nil, true, nil
	}
	id := source[strings.LastIndexByte(source, '/')+1:]
	if err := r.Recipient.UnmarshalText([]byte(id)); err != nil || r.Recipient.IsZero() || r.Event == "" {
		return nil, false, fmt.Errorf("not an event of a user or an address: %w", err)
	}
	r.Subject = events.AnyID{}
	switch name {
	case "session.started":
		r.Subject = body.Session.Any()
	case "user.email_changed":
		if err := json.Unmarshal(body.From, &r.Subject); err != nil {
			return nil, false, err
		}
	}
	if at, err := time.Parse(time.RFC3339, attributes["time"]); err == nil {
		r.Since = at // what it says, however late it is heard
	}
	for _, kind := range kinds {
		r.Mail, r.Target = Kind(kind), kind
		rows = append(rows, r)
	}
	return rows, true, nil
}

// own is a mail on the recipient's own user. A link that has been replaced or used meanwhile is not sent any more.
func (m *Mailer) own(ctx context.Context, r Row) (mail Mail, settled string, err error) {
	u, _, err := m.App.User(ctx, events.UserID(r.Recipient))
	if err != nil {
		return mail, "", err
	}
	to, err := m.user(ctx, u.ID)
	if err != nil || to.Email == "" {
		return mail, erasedIf(err == nil), err
	}
	in := compose.Own{Portal: m.portal(), To: to, At: r.Since}
	switch r.Mail {
	case MailPasswordChanged:
		in.About = compose.PasswordChanged
	case MailPasswordReset:
		in.About = compose.PasswordReset
	case MailAddressAsked:
		if u.Address == u.Change.Address { // confirmed already, which is told as well
			return mail, "confirmed", nil
		}
		in.About = compose.AddressAsked
	case MailElsewhere:
		in.About = compose.SignedInElsewhere
		if s, ok := u.Session(events.SessionID(r.Subject)); ok { // else it has ended, and nobody knows any more from where it was
			from, err := m.App.Origin(ctx, events.OfUser(u.ID), s.Pos)
			if err != nil && !errors.Is(err, handlers.ErrErased) {
				return mail, "", err
			}
			in.IP, in.Device = from.IP, deviceOf(from.Device)
		}
	case MailUnlinked:
		a, _, err := m.App.Account(ctx, r.Account)
		if err != nil {
			return mail, "", err
		}
		in.About, in.Account = compose.Unlinked, a.Name
	case MailResetLink:
		if settled, err := m.dead(u.Reset, r); err != nil || settled != "" {
			return mail, settled, err
		}
		in.About, in.Link, in.At = compose.ResetLink, m.Links.Reset(u.ID, r.Generation), u.Reset.ExpiresAt.Std()
	case MailAddressChanged:
		in.About = compose.AddressChanged
		if !slices.ContainsFunc(u.Former, func(f domain.FormerAddress) bool { return f.Address == events.AddressID(r.Subject) }) {
			return mail, "", errBehind
		}
		if in.To.Email, err = m.App.FormerEmail(ctx, u, events.AddressID(r.Subject)); err != nil || in.To.Email == "" {
			return mail, erasedIf(err == nil), err
		}
	case MailAddressLink:
		if settled, err := m.dead(u.Change.MailedLink, r); err != nil || settled != "" {
			return mail, settled, err
		}
		if in, err = m.newAddress(ctx, u, r, in); err != nil || in.To.Email == "" {
			return mail, erasedIf(err == nil), err
		}
	}
	return m.written(r, in.To, func() (string, string, string, error) { return compose.ComposeOwn(in) })
}

// dead is the reason for which a link is not sent any more.
func (m *Mailer) dead(l domain.MailedLink, r Row) (settled string, err error) {
	switch {
	case l.Generation < r.Generation:
		return "", errBehind
	case l.Generation > r.Generation:
		return string(domain.InvitationReplaced), nil
	case l.Used:
		return string(domain.InvitationUsed), nil
	case l.ExpiresAt <= m.App.Now():
		return string(domain.InvitationExpired), nil
	}
	return "", nil
}

// newAddress is the mail to the address that somebody wants to have. Where it is somebody else's, they are told so, and
// nothing else.
func (m *Mailer) newAddress(ctx context.Context, u domain.User, r Row, in compose.Own) (compose.Own, error) {
	held, _, err := m.App.Address(ctx, u.Change.Address)
	if err != nil {
		return in, err
	}
	in.To.Name, in.To.Email = "", ""
	if holder := held.User; !holder.IsZero() && holder != u.ID {
		in.About = compose.AddressTaken
		in.To, err = m.user(ctx, holder)
		return in, err
	}
	email, _, err := open[events.Email](ctx, m.App, events.OfUser(u.ID), events.UserEmailChangeRequested{}, "email", u.Change.Email)
	in.About, in.Link, in.At, in.To.Email = compose.ConfirmAddress, m.Links.Confirmation(u.ID, r.Generation), u.Change.ExpiresAt.Std(), email.Email
	return in, err
}

// signup is the mail to whoever wants to open an account of their own. Who has a user already is told so.
func (m *Mailer) signup(ctx context.Context, r Row) (mail Mail, settled string, err error) {
	id := events.AddressID(r.Recipient)
	a, _, err := m.App.Address(ctx, id)
	if err != nil {
		return mail, "", err
	}
	in := compose.Own{Portal: m.portal(), About: compose.SignupKnown, At: r.Since}
	switch {
	case a.Erased:
		return mail, "erased", nil
	case a.User.IsZero():
		if settled, err := m.dead(a.Signup, r); err != nil || settled != "" {
			return mail, settled, err
		}
		email, _, err := open[events.Email](ctx, m.App, events.OfAddress(id), events.AddressSignupRequested{}, "email", a.Email)
		if err != nil {
			return mail, "", err
		}
		in.About, in.Link, in.At, in.To.Email = compose.SignupLink, m.Links.Signup(id, r.Generation), a.Signup.ExpiresAt.Std(), email.Email
	case a.Signup.Generation > r.Generation:
		return mail, string(domain.InvitationReplaced), nil
	default:
		if in.To, err = m.user(ctx, a.User); err != nil {
			return mail, "", err
		}
	}
	if in.To.Email == "" {
		return mail, "erased", nil
	}
	return m.written(r, in.To, func() (string, string, string, error) { return compose.ComposeOwn(in) })
}

// zoneOf is the time zone of whoever holds an address; none where nobody does.
func (m *Mailer) zoneOf(ctx context.Context, address events.AddressID) (string, error) {
	held, _, err := m.App.Address(ctx, address)
	if err != nil || held.User.IsZero() {
		return "", err
	}
	who, err := m.user(ctx, held.User)
	return who.Zone, err
}

func deviceOf(agent string) string {
	name, system := origin.Browser(agent)
	if system == "" {
		return name
	}
	return name + " on " + system
}
