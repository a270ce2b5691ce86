package mailer_test

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"roster/domain"
	"roster/events"
	"roster/handlers"
	"roster/handlers/mailer"
	"roster/infra/feedlog/feedtest"
)

// mails waits until so many have arrived and the outbox is empty, and answers what was sent to somebody, in order.
func (p *post) mails(n int, to string) (texts []string) {
	p.t.Helper()
	feedtest.Eventually(p.t, "the mails arrive", func() bool {
		var open int
		err := p.pool.QueryRow(p.t.Context(), `SELECT count(*) FROM roster.outbox WHERE done_at IS NULL AND due_at <= $1`, p.App.Now().Std()).Scan(&open)
		return err == nil && open == 0 && len(p.server.got()) >= n
	})
	got := p.server.got()
	if len(got) != n {
		p.t.Fatalf("%d mails, want %d: %+v", len(got), n, got)
	}
	ids := map[string]bool{}
	for _, m := range got {
		if ids[m.id] = true; m.to == to {
			texts = append(texts, strings.ReplaceAll(m.text, "\r\n", "\n"))
		}
	}
	if len(ids) != n {
		p.t.Errorf("%d Message-IDs of %d mails", len(ids), n)
	}
	return texts
}

// says wants a text to hold all of some.
func says(t *testing.T, text string, want ...string) {
	t.Helper()
	for _, w := range want {
		if !strings.Contains(text, w) {
			t.Errorf("the mail does not say %q:\n%s", w, text)
		}
	}
}

func byRoster() events.Actor { return handlers.System("expirer") }

// annex opens an account below that of the instance.
func (p *post) annex(name string) events.AccountID {
	p.t.Helper()
	for _, c := range p.Do(p.Operator(), domain.OpenAccount{AccountName: name, Parent: p.Account}).Commits {
		if c.Boundary.Kind == events.AccountBoundary && c.Boundary != events.OfAccount(p.Account) {
			return events.AccountID(c.Boundary.ID)
		}
	}
	p.t.Fatal("no account was opened")
	return events.AccountID{}
}

// SPEC 2.3: one mail names all accounts of an invitation with their roles, however many of them tell of it.
func TestAnInvitationIntoSeveralAccountsIsOneMail(t *testing.T) {
	p := open(t, nil)
	north := p.annex("Harbour North")
	to := p.Addressee("grace@guests.example", "", "")
	r := p.Do(p.ByOwner(), domain.InviteUsers{Account: p.Account, Invitees: []*domain.Addressee{&to}, Grants: []events.Grant{{Roles: []string{domain.Viewer}}},
		Others: []domain.AccountGrants{{Account: north, Grants: []events.Grant{{Roles: []string{domain.Manager}}}}}})
	var id events.InvitationID
	for _, f := range r.Commits[0].Facts {
		id = f.(events.InvitationCreated).Invitation
	}
	defer p.run(p.mailer(nil))()
	p.settled(2)
	p.Do(p.ByOwner(), domain.ResendInvitation{Account: north, Invitation: id})
	p.settled(4)
	got := p.server.got()
	if len(got) != 2 || p.delivery(id) != "sent" {
		t.Fatalf("%d mails, %s", len(got), p.delivery(id))
	}
	for n, m := range got {
		for _, want := range []string{p.Invitation(p.Account, id, uint32(n+1)), "Harbour: Viewer", "Harbour North: Manager"} {
			if !strings.Contains(m.text, want) {
				t.Errorf("mail %d does not say %q:\n%s", n+1, want, m.text)
			}
		}
	}
	a, _, err := p.App.Account(t.Context(), north)
	if err != nil {
		t.Fatal(err)
	}
	if i, _ := a.Invitation(id); i.Delivery != "sent" {
		t.Errorf("in the other account it is %s", i.Delivery)
	}
}

// SPEC 2.13: the reminder is the invitation's mail once more, with the same link.
func TestAReminderHasTheSameLink(t *testing.T) {
	p := open(t, nil)
	id := p.Invite("grace@guests.example")[0]
	defer p.run(p.mailer(nil))()
	p.mails(1, "")
	p.Later(6*24*time.Hour + time.Hour)
	p.Do(byRoster(), domain.RemindInvitee{Account: p.Account, Invitation: id, Generation: 1})
	got := p.mails(2, "grace@guests.example")
	says(t, got[1], p.Invitation(p.Account, id, 1), "You have not answered yet", "Harbour: Viewer", "Ada Okafor")
	if len(p.noted()) != 1 || p.delivery(id) != "sent" {
		t.Errorf("%v, %s", p.noted(), p.delivery(id))
	}
}

// SPEC 2.11: nobody is reminded at an address that bounces, and a reminder that bounces is told like any mail.
func TestRemindersAndBounces(t *testing.T) {
	p := open(t, func(n int, to string) error {
		if to == "gone@guests.example" || n > 2 {
			return answer(550, "no such mailbox")
		}
		return nil
	})
	ids := p.Invite("gone@guests.example", "going@guests.example")
	defer p.run(p.mailer(nil))()
	p.settled(2)
	p.Later(6*24*time.Hour + time.Hour)
	for _, id := range ids {
		p.Do(byRoster(), domain.RemindInvitee{Account: p.Account, Invitation: id, Generation: 1})
	}
	p.settled(4)
	if p.server.tried() != 3 || p.delivery(ids[0]) != "bounced" || p.delivery(ids[1]) != "bounced" {
		t.Errorf("%d attempts, %s, %s", p.server.tried(), p.delivery(ids[0]), p.delivery(ids[1]))
	}
}

// SPEC 3.10: the person is warned of the end, and whoever granted it, in UTC.
func TestTheEndOfAccessIsTold(t *testing.T) {
	p := open(t, nil)
	user, _ := p.Join("grace@guests.example", "Grace", "Hopper")
	until := p.App.Now().Add(10 * 24 * time.Hour)
	p.Do(p.ByOwner(), domain.ChangeRole{Account: p.Account, User: user, Grants: []events.Grant{{Roles: []string{domain.Manager}, Until: until}}})
	p.Later(9*24*time.Hour + time.Hour)
	p.Do(byRoster(), domain.WarnMembership{Account: p.Account, User: user})
	defer p.run(p.mailer(nil))()
	says(t, strings.Join(p.mails(3, "grace@guests.example"), ""), "Your access to Harbour", "as Manager", until.Std().UTC().Format("2 January 2006, 15:04 (UTC+00:00)"))
	says(t, p.mails(3, feedtest.OwnerEmail)[0], "The access of Grace Hopper (grace@guests.example) to Harbour")
}

// SPEC 3.10: a warning that is no longer true is not sent.
func TestAnEndThatHasBeenMovedIsNotTold(t *testing.T) {
	p := open(t, nil)
	user, _ := p.Join("grace@guests.example", "Grace", "Hopper")
	grant := func(days int) {
		p.Do(p.ByOwner(), domain.ChangeRole{Account: p.Account, User: user, Grants: []events.Grant{{Roles: []string{domain.Viewer}, Until: p.App.Now().Add(time.Duration(days) * 24 * time.Hour)}}})
	}
	grant(3)
	p.Later(2*24*time.Hour + time.Hour)
	p.Do(byRoster(), domain.WarnMembership{Account: p.Account, User: user})
	grant(30)
	defer p.run(p.mailer(nil))()
	if got := strings.Join(p.mails(2, "grace@guests.example"), ""); strings.Contains(got, "Your access") { // the others are about her roles
		t.Errorf("it is told:\n%s", got)
	}
	feedtest.Eventually(t, "they are settled", func() bool { return p.outcomes()["changed"] == 2 })
}

// SPEC 2.12: whoever invited is told that somebody asks for a new link; where they may not invite any more, and where
// it was the operator, the owners are.
func TestSomebodyAsksForANewLink(t *testing.T) {
	p := open(t, nil)
	admin, _ := p.Join("alan@guests.example", "Alan", "Turing")
	p.Do(p.ByOwner(), domain.ChangeRole{Account: p.Account, User: admin, Grants: []events.Grant{{Roles: []string{domain.Admin}}}})
	invite := func(by events.Actor, email string) events.InvitationID {
		to := p.Addressee(email, "", "")
		r := p.Do(by, domain.InviteUsers{Account: p.Account, Invitees: []*domain.Addressee{&to}, Grants: []events.Grant{{Roles: []string{domain.Viewer}}}, ValidFor: time.Hour})
		return r.Commits[0].Facts[0].(events.InvitationCreated).Invitation
	}
	alan := events.Actor{Type: events.ByUser, ID: admin.String()}
	ids := []events.InvitationID{invite(alan, "grace@guests.example"), invite(p.Operator(), "edsger@guests.example")}
	p.Later(2 * time.Hour)
	ask := func(id events.InvitationID) {
		p.Do(events.Actor{Type: events.ByLink, ID: id.String() + ".1"}, domain.AskForLink{Account: p.Account, Invitation: id, Generation: 1})
	}
	ask(ids[0])
	ask(ids[0])
	defer p.run(p.mailer(nil))()
	told := strings.Join(p.mails(2, "alan@guests.example"), "") // the other one is about his roles
	says(t, told, "grace@guests.example asks for a new link", "Harbour", "https://portal.example/accounts/"+p.Account.String()+"/users?invitation="+ids[0].String())
	ask(ids[1])
	says(t, p.mails(3, feedtest.OwnerEmail)[0], "edsger@guests.example asks for a new link")
	p.Later(25 * time.Hour)
	p.Do(p.ByOwner(), domain.Suspend{Account: p.Account, User: admin})
	ask(ids[0])
	says(t, p.mails(4, feedtest.OwnerEmail)[1], "grace@guests.example asks for a new link")
}

// failed stands for the read model: it answers what has failed, whatever the day.
type failed struct {
	ids  []events.InvitationID
	from time.Time
}

func (f *failed) list(_ context.Context, _ events.AccountID, _ events.UserID, from, to time.Time, limit int) ([]events.InvitationID, int, error) {
	if f.from = from; to.Sub(from) != 24*time.Hour {
		return nil, 0, context.Canceled
	}
	return f.ids[:min(limit, len(f.ids))], len(f.ids), nil
}

// SPEC 2.13: once a day an inviter is told what has expired and bounced, all in one mail, the next morning.
func TestADigestIsSentTheNextMorning(t *testing.T) {
	p := open(t, func(_ int, to string) error {
		if strings.HasPrefix(to, "gone") {
			return answer(550, "no such mailbox")
		}
		return nil
	})
	noon := p.App.Now().Std().UTC().Truncate(24 * time.Hour).Add(36 * time.Hour)
	p.Later(noon.Sub(p.App.Now().Std()))
	ids := p.Invite("grace@guests.example", "gone@guests.example", "revoked@guests.example")
	f := &failed{ids: ids}
	defer p.run(p.mailer(func(c *mailer.Config) { c.Failed = f.list }))()
	p.mails(2, "")
	p.Do(p.ByOwner(), domain.RevokeInvitation{Account: p.Account, Invitation: ids[2]})
	p.Later(7 * 24 * time.Hour)
	p.Do(byRoster(), domain.ExpireInvitation{Account: p.Account, Invitation: ids[0], Generation: 1})
	feedtest.Eventually(t, "both days have one", func() bool {
		var n int
		err := p.pool.QueryRow(t.Context(), `SELECT count(*) FROM roster.outbox WHERE mail = 'digest'`).Scan(&n)
		return err == nil && n == 2
	})
	got := p.mails(3, feedtest.OwnerEmail) // that of the day of the bounce, a week ago
	says(t, got[0], "gone@guests.example: the mail could not be delivered", "grace@guests.example: the invitation has expired", "Harbour", "/accounts/"+p.Account.String()+"/users")
	if strings.Contains(got[0], "revoked@") || !f.from.Equal(noon.Truncate(24*time.Hour)) {
		t.Errorf("from %s:\n%s", f.from, got[0])
	}
	p.Later(18 * time.Hour) // six in the morning
	p.mails(3, "")
	p.Later(2 * time.Hour)
	p.mails(4, "")
	if !f.from.Equal(noon.Truncate(24 * time.Hour).Add(7 * 24 * time.Hour)) {
		t.Errorf("the second is of %s", f.from)
	}
}

// SPEC 2.13: digests can be switched off.
func TestDigestsAreSwitchedOff(t *testing.T) {
	p := open(t, nil)
	off := false
	p.Do(p.ByOwner(), domain.ChangePolicy{Account: p.Account, Policy: events.Policy{Digests: &off}})
	ids := p.Invite("grace@guests.example")
	defer p.run(p.mailer(func(c *mailer.Config) { c.Failed = (&failed{ids: ids}).list }))()
	p.mails(1, "")
	p.Later(7*24*time.Hour + time.Minute)
	p.Do(byRoster(), domain.ExpireInvitation{Account: p.Account, Invitation: ids[0], Generation: 1})
	p.Later(48 * time.Hour)
	feedtest.Eventually(t, "it is settled", func() bool { return p.outcomes()["switched_off"] == 1 })
	p.mails(1, "")
}

// SPEC 1.5: security contacts are told when somebody becomes an owner, or is none any more, and of nothing else.
func TestSecurityContactsHearOfOwners(t *testing.T) {
	p := open(t, nil)
	contact := func(email string, roles ...string) {
		id := events.ContactID(uuid.Must(uuid.NewV7()))
		key, err := p.Sealer.NewContactKey(t.Context(), id)
		if err != nil {
			t.Fatal(err)
		}
		p.Do(p.ByOwner(), domain.AddContact{Account: p.Account, Key: key, Person: events.ContactPerson{Name: "Desk", Email: email}, Roles: roles})
	}
	user, _ := p.Join("grace@guests.example", "Grace", "Hopper")
	contact("desk@harbour.example", domain.SecurityContact)
	contact("deputy@harbour.example", "legal", domain.SecurityContact)
	contact("bills@harbour.example", "billing")
	grants := func(role string, days int) []events.Grant {
		g := events.Grant{Roles: []string{role}}
		if days > 0 {
			g.Until = p.App.Now().Add(time.Duration(days) * 24 * time.Hour)
		}
		return []events.Grant{g}
	}
	defer p.run(p.mailer(nil))()
	n, told := 0, 0
	step := func(by events.Actor, cmd domain.Command, want string) {
		t.Helper()
		plan, err := p.App.Plan(t.Context(), handlers.Call{Actor: by}, cmd)
		if err != nil {
			t.Fatal(err)
		}
		p.Do(by, cmd)
		before := n
		if _, ok := cmd.(domain.ChangeRole); ok { // the member hears of it too
			n++
		}
		if want != "" {
			n += 2
			told++
		}
		if len(plan.Mails) != n-before {
			t.Errorf("%T: a dry run says %+v, %d are sent", cmd, plan.Mails, n-before)
		}
		got := p.mails(n, "desk@harbour.example")
		if want != "" {
			says(t, got[len(got)-1], "Grace Hopper (grace@guests.example) is "+want+" Harbour")
		}
		if got := p.mails(n, "deputy@harbour.example"); len(got) != told {
			t.Errorf("the other contact has %d of %d", len(got), told)
		}
	}
	now, no := "now an owner of", "no longer an owner of"
	step(p.ByOwner(), domain.ChangeRole{Account: p.Account, User: user, Grants: grants(domain.Admin, 0)}, "")
	step(p.ByOwner(), domain.ChangeRole{Account: p.Account, User: user, Grants: grants(domain.Owner, 0)}, now)
	step(p.ByOwner(), domain.Suspend{Account: p.Account, User: user}, no)
	step(p.ByOwner(), domain.Reactivate{Account: p.Account, User: user}, now)
	step(p.ByOwner(), domain.ChangeRole{Account: p.Account, User: user, Grants: grants(domain.Viewer, 0)}, no)
	step(p.ByOwner(), domain.ChangeRole{Account: p.Account, User: user, Grants: grants(domain.Owner, 3)}, now)
	p.Later(4 * 24 * time.Hour)
	step(byRoster(), domain.ExpireMembership{Account: p.Account, User: user}, no)
	step(p.Operator(), domain.AppointOwner{Account: p.Account, User: user}, now)
	step(events.Actor{Type: events.ByUser, ID: user.String()}, domain.Leave{Account: p.Account}, no)
	step(p.Operator(), domain.AppointOwner{Account: p.Account, User: user}, now)
	step(p.ByOwner(), domain.Revoke{Account: p.Account, User: user}, no)
	if slices.ContainsFunc(p.server.got(), func(r received) bool { return r.to == "bills@harbour.example" }) {
		t.Error("a billing contact has been told")
	}
}

// RELIABILITY S22: who has other roles in an account is told, by whom and which, as the account calls them.
func TestAMemberHearsOfNewRoles(t *testing.T) {
	p := open(t, nil)
	user, _ := p.Join("grace@guests.example", "Grace", "Hopper")
	p.Do(p.ByOwner(), domain.DefineRole{Account: p.Account, Role: "night-desk", Label: "Night <desk>", Permissions: []string{string(domain.UsersRead)}})
	until := p.App.Now().Add(3 * 24 * time.Hour)
	p.Do(p.ByOwner(), domain.ChangeRole{Account: p.Account, User: user, Grants: []events.Grant{{Roles: []string{domain.Viewer}}, {Roles: []string{"night-desk"}, Until: until}}})
	at := p.App.Now()
	p.Later(time.Hour) // it is heard late
	defer p.run(p.mailer(nil))()
	says(t, p.mails(1, "grace@guests.example")[0], "Your roles in Harbour", at.Std().UTC().Format("2 January 2006, 15:04 (UTC+00:00)")+" by Ada Okafor",
		"* Viewer\n", "* Night <desk>: until "+until.Std().UTC().Format("Monday, 2 January 2006, 15:04 (UTC+00:00)"))
	p.Do(p.Operator(), domain.AppointOwner{Account: p.Account, User: user})
	got := p.mails(2, "grace@guests.example")[1]
	if says(t, got, "* Owner\n"); strings.Contains(got, " by ") {
		t.Errorf("it says by whom:\n%s", got)
	}
	p.Do(p.ByOwner(), domain.Suspend{Account: p.Account, User: user})
	p.Do(p.ByOwner(), domain.ChangeRole{Account: p.Account, User: user, Grants: []events.Grant{{Roles: []string{domain.Viewer}}}})
	says(t, p.mails(3, "grace@guests.example")[2], "* Viewer\n")
}

// Who is no member any more when the mail is due has nothing to hear of roles.
func TestNewRolesOfSomebodyGone(t *testing.T) {
	p := open(t, nil)
	user, _ := p.Join("grace@guests.example", "Grace", "Hopper")
	p.Do(p.ByOwner(), domain.ChangeRole{Account: p.Account, User: user, Grants: []events.Grant{{Roles: []string{domain.Manager}}}})
	p.Do(p.ByOwner(), domain.Revoke{Account: p.Account, User: user})
	defer p.run(p.mailer(nil))()
	p.mails(0, "") // there is an outbox
	feedtest.Eventually(t, "it is settled", func() bool { return p.outcomes()["changed"] == 1 })
	p.mails(0, "")
}
