package mailer

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"roster/domain"
	"roster/events"
	"roster/handlers"
)

// filter is what of the feed is read.
func filter() []string {
	var list []string
	for _, name := range []string{"invitation.created", "invitation.resent", "invitation.reminded", "invitation.link_requested", "invitation.expired", "invitation.mail_bounced",
		"membership.granted", "membership.role_changed", "membership.suspended", "membership.reactivated", "membership.revoked", "membership.left",
		"membership.expired", "membership.reminded"} {
		list = append(list, "*.*."+name)
	}
	for name := range handlers.PersonMails() {
		list = append(list, "*.*."+name)
	}
	slices.Sort(list)
	return list
}

// heard keeps a row for each mail that an event calls for.
func (m *Mailer) heard(ctx context.Context, attributes map[string]string, data []byte) error {
	rows, err := m.rows(ctx, attributes, data)
	if err != nil {
		m.Logger.Error("an event cannot be worked on; the mails behind it wait", "event", attributes["id"], "err", err)
		return err
	}
	for _, r := range rows {
		if err := m.Outbox.Add(ctx, r); err != nil {
			return err
		}
	}
	select {
	case m.wake <- struct{}{}:
	default: // all are awake
	}
	return nil
}

// told is what the mailer wants to know of an event.
type told struct {
	Invitation events.InvitationID `json:"invitation"`
	Generation uint32              `json:"generation"`
	User       events.UserID       `json:"user"`
	Account    events.AccountID    `json:"account"` // whose provider it is about
	Grants     []events.Grant      `json:"grants"`
	From       json.RawMessage     `json:"from"`
	To         json.RawMessage     `json:"to"`
	Ended      []events.Grant      `json:"ended"`
	Left       []events.Grant      `json:"left"`
	Session    events.SessionID    `json:"session"`
	Elsewhere  bool                `json:"elsewhere"`
}

// rows are the mails that an event calls for.
func (m *Mailer) rows(ctx context.Context, attributes map[string]string, data []byte) ([]Row, error) {
	var body told
	if err := json.Unmarshal(data, &body); err != nil {
		return nil, err
	}
	r := Row{Event: attributes["id"], Invitation: body.Invitation, Generation: body.Generation, Subject: body.User.Any(), Account: body.Account, Since: m.now()}
	name := nameOf(attributes["type"])
	if name == "session.started" && !body.Elsewhere {
		return nil, nil
	}
	if rows, ok, err := r.own(name, attributes, body); ok || err != nil {
		return rows, err
	}
	_, account, ok := strings.Cut(attributes["source"], "/accounts/")
	if err := r.Account.UnmarshalText([]byte(account)); err != nil {
		return nil, err
	}
	if !ok || r.Account.IsZero() || r.Event == "" {
		return nil, errors.New("not an event of an account")
	}
	if strings.HasPrefix(name, "invitation.") {
		if r.Invitation.IsZero() || r.Generation == 0 {
			return nil, errors.New("not an event about an invitation")
		}
		return m.onInvitation(ctx, name, attributes["time"], r)
	} else if !body.User.IsZero() {
		position, err := strconv.ParseUint(attributes["position"], 10, 64)
		if err != nil {
			return nil, err
		}
		return m.onMembership(ctx, name, attributes["time"], position, body, r)
	}
	return nil, errors.New("not an event about a member")
}

// nameOf is the fact's name in an event's type, roster.<name>.v<version>.
func nameOf(kind string) string {
	name := strings.TrimPrefix(kind, "roster.")
	if i := strings.LastIndex(name, ".v"); i >= 0 {
		name = name[:i]
	}
	return name
}

func (m *Mailer) onInvitation(ctx context.Context, name, at string, r Row) ([]Row, error) {
	r.Target, r.Mail = "invitee", MailInvitation
	switch name {
	case "invitation.created", "invitation.resent":
		return []Row{r}, nil
	case "invitation.reminded":
		r.Mail = MailReminder
		return []Row{r}, nil
	}
	a, _, err := m.App.Account(ctx, r.Account)
	if err != nil {
		return nil, err
	}
	i, ok := a.Invitation(r.Invitation)
	switch {
	case !ok:
		return nil, errBehind
	case len(i.Accounts) > 0 && i.Accounts[0] != r.Account: // told by its first account
		return nil, nil
	case name == "invitation.link_requested":
		r.Mail = MailLinkRequested
		to, err := m.whoResends(ctx, a, i)
		return r.to(to...), err
	case m.Failed == nil || i.By.User().IsZero():
		return nil, nil
	}
	when, err := time.Parse(time.RFC3339, at)
	if err != nil {
		return nil, err
	}
	day := when.UTC().Truncate(24 * time.Hour)
	r.Mail, r.Since, r.Invitation, r.Generation = MailDigest, day.Add(digestAfter), events.InvitationID{}, 0
	r.Event = fmt.Sprintf("digest.%s.%s", day.Format(time.DateOnly), r.Account)
	return r.to(i.By.User().Any()), nil
}

// digestAfter is how long after the beginning of a day (UTC) its digests are due: the next morning.
const digestAfter = 31 * time.Hour

// to are the rows for several recipients.
func (r Row) to(list ...events.AnyID) (rows []Row) {
	for _, id := range list {
		r.Recipient, r.Target = id, id.String()
		rows = append(rows, r)
	}
	return rows
}

// maxTold is how many owners are told that somebody asks for a new link.
const maxTold = 20

// whoResends is who is told that somebody asks for a new link: the inviter, as long as they may still invite, else the
// owners, those of an account above where there are none.
func (m *Mailer) whoResends(ctx context.Context, a domain.Account, i domain.Invitation) (list []events.AnyID, err error) {
	inviter := i.By.User()
	if !inviter.IsZero() {
		may, err := m.may(ctx, inviter, a.ID, domain.UsersInvite)
		if may || err != nil {
			return []events.AnyID{inviter.Any()}, err
		}
	}
	for {
		for _, owner := range a.ActiveOwners(m.App.Now(), maxTold) {
			list = append(list, owner.Any())
		}
		if len(list) > 0 || a.Parent.IsZero() {
			return list, nil
		}
		if a, _, err = m.App.Account(ctx, a.Parent); err != nil {
			return nil, err
		}
	}
}

// may says whether somebody holds a permission in an account now.
func (m *Mailer) may(ctx context.Context, user events.UserID, account events.AccountID, p domain.Permission) (bool, error) {
	err := m.App.Ask(ctx, handlers.Call{Actor: events.Actor{Type: events.ByUser, ID: user.String()}}, domain.AskMayIn(account, p, nil))
	if refusal := (*domain.Error)(nil); errors.As(err, &refusal) {
		return false, nil
	}
	return err == nil, err
}

func (m *Mailer) onMembership(ctx context.Context, name, at string, position uint64, body told, r Row) (rows []Row, err error) {
	a, _, err := m.App.Account(ctx, r.Account)
	if err != nil {
		return nil, err
	}
	member, ok := a.Member(body.User)
	if !ok {
		return nil, errBehind
	}
	if name == "membership.reminded" {
		r.Mail = MailAccessEnds
		to := []events.AnyID{body.User.Any()}
		if granter := member.By.User(); !granter.IsZero() && granter != body.User {
			may, err := m.may(ctx, granter, r.Account, domain.UsersRead)
			if err != nil {
				return nil, err
			}
			if may {
				to = append(to, granter.Any())
			}
		}
		return r.to(to...), nil
	}
	if name == "membership.role_changed" {
		its := r
		its.Mail = MailRolesChanged
		if its.Since, err = time.Parse(time.RFC3339, at); err != nil { // what it says, however late it is heard
			return nil, err
		}
		rows = its.to(body.User.Any())
	}
	fact, err := body.fact(name)
	if err != nil {
		return nil, err
	}
	had, has := a.Owned(fact)
	if had == has {
		return rows, nil
	}
	if r.Mail = MailOwnerLost; has {
		r.Mail = MailOwnerWon
	}
	var to []events.AnyID
	for _, c := range a.ContactsFor(domain.SecurityContact) {
		if c.Changed || c.Version < position { // not who has been added since
			to = append(to, c.ID.Any())
		}
	}
	return append(rows, r.to(to...)...), nil
}

// fact is the event about a membership as the fact that it tells of, as far as that has to do with who is an owner. Of
// those that only end a membership, or put it to rest, one is like the other.
func (t told) fact(name string) (events.Event, error) {
	switch name {
	case "membership.granted":
		return events.MembershipGranted{User: t.User, Grants: t.Grants}, nil
	case "membership.role_changed":
		f := events.MembershipRoleChanged{User: t.User}
		err := errors.Join(json.Unmarshal(t.From, &f.From), json.Unmarshal(t.To, &f.To))
		return f, err
	case "membership.expired":
		return events.MembershipExpired{User: t.User, Ended: t.Ended, Left: t.Left}, nil
	case "membership.reactivated":
		return events.MembershipReactivated{User: t.User}, nil
	}
	return events.MembershipLeft{User: t.User}, nil
}
