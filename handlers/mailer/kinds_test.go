package mailer_test

import (
	"strings"
	"testing"

	"roster/domain"
	"roster/events"
)

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
