package mailer_test

import (
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"roster/domain"
	"roster/events"
	"roster/handlers"
	"roster/infra/feedlog/feedtest"
)

// self is the owner, about themselves.
func (p *post) self() events.Actor {
	return events.Actor{Type: events.ByUser, ID: p.Owner.String()}
}

func (p *post) owner() domain.User {
	p.t.Helper()
	u, _, err := p.App.User(p.t.Context(), p.Owner)
	if err != nil {
		p.t.Fatal(err)
	}
	return u
}

func byLink() events.Actor { return events.Actor{Type: events.ByLink, ID: "link"} }

func anonymous() events.Actor { return events.Actor{Type: events.ByAnonymous} }

func newSecret() events.SecretID { return events.SecretID(uuid.New()) }

// SPEC 4.3, 4.4: the person is told by mail that the password was changed, and how; a forgotten one is mailed a link,
// and a link that has been replaced before it was sent is not sent.
func TestMailsAboutPasswords(t *testing.T) {
	p := open(t, nil)
	p.Do(anonymous(), domain.RequestReset{User: p.Owner})
	p.Do(anonymous(), domain.RequestReset{User: p.Owner})
	stop := p.run(p.mailer(nil))
	got := p.mails(1, feedtest.OwnerEmail)
	says(t, got[0], p.Reset(p.Owner, 2), "(UTC+00:00)", "works once")
	if strings.Contains(got[0], p.Reset(p.Owner, 1)) {
		t.Errorf("a link that has been replaced: %s", got[0])
	}
	p.Do(byLink(), domain.ResetPassword{User: p.Owner, Generation: 2, Password: newSecret()})
	got = p.mails(2, feedtest.OwnerEmail)
	says(t, got[1], "by a link that was sent to this address", "All devices have been signed out")
	p.Do(p.self(), domain.ChangePassword{User: p.Owner, Verified: p.owner().Password, Password: newSecret()})
	got = p.mails(3, feedtest.OwnerEmail)
	says(t, got[2], "All other devices have been signed out", "If it was not you")
	stop()
	if n := len(p.noted()); n != 0 {
		t.Errorf("%d facts about mails that nobody shows", n)
	}
	if o := p.outcomes(); o["sent"] != 3 || o["invitation_replaced"] != 1 {
		t.Errorf("%v", o)
	}
}

// A link that is due when its time is over, or when it has been used, is not sent any more.
func TestDeadLinksAreNotSent(t *testing.T) {
	p := open(t, nil)
	p.Do(anonymous(), domain.RequestReset{User: p.Owner})
	p.Later(time.Hour)
	stop := p.run(p.mailer(nil))
	p.settled(1)
	stop()
	if o := p.outcomes(); o["invitation_expired"] != 1 || len(p.server.got()) != 0 {
		t.Errorf("%v, %d mails", o, len(p.server.got()))
	}
}

// SPEC 4.7, 4.8: what somebody has switched off is not sent to them, and times are in their own zone; what keeps their
// user safe is always sent.
func TestPreferencesAndZone(t *testing.T) {
	p := open(t, nil)
	u := p.owner()
	was, _, err := p.App.Person(t.Context(), u)
	if err != nil {
		t.Fatal(err)
	}
	to := was
	to.TimeZone = "Asia/Kathmandu"
	p.Do(p.self(), domain.ChangeProfile{User: p.Owner, Seen: u.ProfileVersion, Was: was, Profile: to})
	p.Do(p.self(), domain.ChangePreferences{User: p.Owner, Preferences: events.Preferences{NoMail: []string{"link_requested", "password_changed"}}})
	id := p.Invite("grace@guests.example")[0]
	stop := p.run(p.mailer(nil))
	p.mails(1, "")
	p.Later(8 * 24 * time.Hour)
	p.Do(byLink(), domain.AskForLink{Account: p.Account, Invitation: id, Generation: 1})
	p.Do(p.self(), domain.ChangePassword{User: p.Owner, Verified: p.owner().Password, Password: newSecret()})
	got := p.mails(2, feedtest.OwnerEmail)
	says(t, got[0], "password", "(UTC+05:45)")
	p.settled(3)
	stop()
	if o := p.outcomes(); o["not_wanted"] != 1 || o["sent"] != 2 {
		t.Errorf("%v", o)
	}
}

// SPEC 4.2: the new address is asked to confirm, the old one is told of it, and told again when it has happened; an address
// that is somebody else's is told that it was wanted, and gets no link.
func TestMailsAboutAddresses(t *testing.T) {
	p := open(t, nil)
	ask := func(email string) {
		p.Do(p.self(), domain.RequestEmailChange{User: p.Owner, Verified: p.owner().Password, To: p.Addressee(email, "", "")})
	}
	grace, _ := p.Join("grace@guests.example", "Grace", "Hopper")
	defer p.run(p.mailer(nil))()
	ask("grace@guests.example")
	got := p.mails(2, "grace@guests.example") // her invitation has been accepted before it could be sent
	says(t, got[0], "It belongs to your user already", "Hello Grace Hopper")
	if strings.Contains(got[0], "/confirm/") || grace.IsZero() {
		t.Errorf("a link for somebody else: %s", got[1])
	}
	ask("ada@new.example")
	got = p.mails(4, "ada@new.example")
	says(t, got[0], p.Confirmation(p.Owner, 2), "works once", "(UTC+00:00)")
	if strings.Contains(got[0], "Okafor") {
		t.Errorf("an address that may be a stranger's is told who: %s", got[0])
	}
	p.Do(byLink(), domain.ConfirmEmail{User: p.Owner, Generation: 2, Email: "ada@new.example"})
	got = p.mails(5, feedtest.OwnerEmail)
	says(t, got[0], "with another address than this one")
	says(t, got[2], "This one no longer works there")
	p.Do(p.self(), domain.ChangePassword{User: p.Owner, Verified: p.owner().Password, Password: newSecret()})
	says(t, p.mails(6, "ada@new.example")[1], "Your password")
}

// SPEC 1.3: whoever wants to open an account gets a link; who has a user already is told so, and gets none.
func TestMailsAboutSignUp(t *testing.T) {
	p := open(t, nil)
	d := domain.Profiles()[0]
	d.Name, d.SignUp = "open", true
	p.Do(p.Operator(), domain.DefineProfile{Definition: d})
	nell := p.Addressee("nell@new.example", "", "")
	p.Do(anonymous(), domain.RequestSignUp{To: nell})
	p.Do(anonymous(), domain.RequestSignUp{To: p.Addressee(feedtest.OwnerEmail, "", "")})
	defer p.run(p.mailer(nil))()
	says(t, p.mails(2, "nell@new.example")[0], p.Signup(nell.ID, 1), "works once", "Hello,")
	got := p.mails(2, feedtest.OwnerEmail)[0]
	says(t, got, "You have a user there already", "Hello Ada Okafor")
	if strings.Contains(got, "/sign-up/") {
		t.Errorf("a link for somebody who has a user: %s", got)
	}
}

// RELIABILITY S22: a person is told of a sign-in of which nothing was known, with the device and the network address, and
// of no other.
func TestASignInElsewhereIsTold(t *testing.T) {
	p := open(t, nil)
	grace, _ := p.Join("grace@guests.example", "Grace", "Hopper")
	u, _, err := p.App.User(t.Context(), grace)
	if err != nil {
		t.Fatal(err)
	}
	defer p.run(p.mailer(nil))()
	for _, elsewhere := range []bool{false, true, false} {
		session := events.SessionID(uuid.Must(uuid.NewV7()))
		call := handlers.Call{Actor: events.Actor{Type: events.ByUser, ID: grace.String(), Session: session}, Origin: events.OriginInfo{IP: "192.0.2.44", Device: "Mozilla/5.0 (X11; Linux x86_64; rv:148.0) Gecko/20100101 Firefox/148.0"}}
		if _, err := p.App.Do(t.Context(), call, domain.StartSession{User: grace, Session: session, Password: u.Password, Elsewhere: elsewhere}); err != nil {
			t.Fatal(err)
		}
	}
	p.Do(p.ByOwner(), domain.ChangeRole{Account: p.Account, User: grace, Grants: []events.Grant{{Roles: []string{domain.Manager}}}}) // a mail behind them
	says(t, strings.Join(p.mails(2, "grace@guests.example"), ""), "signed in to Harbour Portal with your user on", "* Device: Firefox on Linux", "* Network address: 192.0.2.44")
}
