package mailer_test

import (
	"strings"
	"testing"

	"roster/domain"
	"roster/events"
)

// SPEC 7.4: whoever is unlinked from an account's provider, by themselves or by an owner, is told so, once.
func TestAnEndedLinkIsTold(t *testing.T) {
	p := open(t, nil)
	grace, _ := p.Join("grace@guests.example", "Grace", "Hopper")
	p.Do(p.ByOwner(), domain.ConnectSSO{Account: p.Account, Issuer: "https://id.example.com", ClientID: "roster", Secret: newSecret()})
	p.Do(p.Operator(), domain.VerifyDomain{Account: p.Account, Domain: "guests.example"})
	a, _, err := p.App.Account(t.Context(), p.Account)
	if err != nil {
		t.Fatal(err)
	}
	linked := func() domain.User {
		p.Do(events.Actor{Type: events.ByIDP, ID: p.Account.String()}, domain.EnterBySSO{Account: p.Account, Connection: a.SSO.Connection,
			Identity: events.AddressID{15: 1}, To: p.Addressee("grace@guests.example", "", ""), Into: new(events.UserID)})
		u, _, err := p.App.User(t.Context(), grace)
		if err != nil {
			t.Fatal(err)
		}
		return u
	}
	defer p.run(p.mailer(nil))()
	u := linked()
	p.Do(events.Actor{Type: events.ByUser, ID: grace.String()}, domain.UnlinkMyIdentity{User: grace, Identity: u.Identities()[0].ID, Password: u.Password})
	says(t, p.mails(1, "grace@guests.example")[0], "the provider of Harbour", "(UTC+00:00)", "Forgotten password", "Hello Grace Hopper")
	linked()
	p.Do(p.ByOwner(), domain.UnlinkIdentity{Account: p.Account, User: grace})
	if got := p.mails(2, "grace@guests.example"); len(got) != 2 || strings.Contains(got[1], "id.example.com") {
		t.Errorf("SPEC 7.4: %d mails: %q", len(got), got)
	}
	p.settled(3) // the invitation was used before it was sent; nothing for the identity's own boundary
}
