package mailer_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"roster/domain"
	"roster/events"
	"roster/handlers"
	"roster/handlers/mailer"
	"roster/infra/feedlog/feedtest"
	"roster/infra/outbox"
)

func TestAnInvitationIsMailedOnce(t *testing.T) {
	p := open(t, nil)
	id := p.Invite("grace@guests.example")[0]
	defer p.run(p.mailer(nil))()
	p.settled(1)
	got := p.server.got()
	if len(got) != 1 || got[0].to != "grace@guests.example" {
		t.Fatalf("%+v", got)
	}
	a, _, err := p.App.Account(t.Context(), p.Account)
	if err != nil {
		t.Fatal(err)
	}
	i, _ := a.Invitation(id)
	for _, want := range []string{p.Invitation(p.Account, id, 1), i.ExpiresAt.Std().Format("2 January 2006, 15:04"), "Ada Okafor", feedtest.OwnerEmail,
		"Harbour: Viewer", "grace@guests.example", "https://portal.example/sign-in"} {
		if !strings.Contains(got[0].text, want) {
			t.Errorf("the mail does not say %q:\n%s", want, got[0].text)
		}
	}
	noted := p.noted()
	if sent, ok := noted[0].(events.InvitationMailSent); len(noted) != 1 || !ok || sent.Message != got[0].id || i.Delivery != "sent" {
		t.Errorf("%+v, delivery %s, message %s", noted, i.Delivery, got[0].id)
	}
}

func TestTheOperatorInvitesInThePortalsName(t *testing.T) {
	p := open(t, nil)
	a := p.Addressee("boss@guests.example", "Bo", "Ss")
	p.Do(p.Operator(), domain.OpenAccount{AccountName: "Annex", Owner: &a})
	defer p.run(p.mailer(nil))()
	p.settled(1)
	if got := p.server.got(); len(got) != 1 || !strings.Contains(got[0].text, "The operator of Harbour Portal") || !strings.Contains(got[0].text, "Annex: Owner") {
		t.Errorf("%+v", got)
	}
}

func TestDeferredMailsAreTriedAgain(t *testing.T) {
	p := open(t, func(n int, _ string) error {
		if n < 4 {
			return answer(451, "greylisted, come back")
		}
		return nil
	})
	id := p.Invite("grace@guests.example")[0]
	defer p.run(p.mailer(nil))()
	p.settled(1)
	if p.server.tried() != 4 || len(p.server.got()) != 1 || p.delivery(id) != "sent" {
		t.Errorf("%d attempts, %d mails, %s", p.server.tried(), len(p.server.got()), p.delivery(id))
	}
	noted := p.noted()
	if d, ok := noted[0].(events.InvitationMailDeferred); len(noted) != 2 || !ok || !strings.Contains(d.Reason.Value().Text, "greylisted") {
		t.Errorf("%+v", noted)
	}
}

func TestRefusedMailsBounce(t *testing.T) {
	p := open(t, func(int, string) error { return answer(550, "no such mailbox") })
	id := p.Invite("grace@guests.example")[0]
	defer p.run(p.mailer(nil))()
	p.settled(1)
	noted := p.noted()
	b, ok := noted[0].(events.InvitationMailBounced)
	if len(noted) != 1 || !ok || !strings.Contains(b.Reason.Value().Text, "no such mailbox") || p.delivery(id) != "bounced" || p.server.tried() != 1 {
		t.Errorf("%+v, %s, %d attempts", noted, p.delivery(id), p.server.tried())
	}
}

func TestAMailIsGivenUpAfterThreeDays(t *testing.T) {
	p := open(t, func(int, string) error { return answer(451, "not now") })
	id := p.Invite("grace@guests.example")[0]
	defer p.run(p.mailer(func(c *mailer.Config) { c.Backoff = nil }))()
	feedtest.Eventually(t, "it is deferred", func() bool { return p.delivery(id) == "deferred" })
	if p.server.tried() != 1 {
		t.Errorf("%d attempts within a minute", p.server.tried())
	}
	attempts := func() (n int, done bool) {
		if err := p.pool.QueryRow(t.Context(), `SELECT attempts, done_at IS NOT NULL FROM roster.outbox`).Scan(&n, &done); err != nil {
			t.Fatal(err)
		}
		return n, done
	}
	feedtest.Eventually(t, "it is noted", func() bool { n, _ := attempts(); return n == 1 })
	for hours := 1; ; hours++ {
		before, _ := attempts()
		p.Later(time.Hour)
		var done bool
		feedtest.Eventually(t, "an attempt", func() bool {
			var n int
			n, done = attempts()
			return n > before || done
		})
		if done {
			if hours < 70 || hours > 73 {
				t.Errorf("given up after %d hours", hours)
			}
			break
		}
	}
	if noted := p.noted(); p.delivery(id) != "bounced" || len(noted) != 2 || !strings.Contains(noted[1].(events.InvitationMailBounced).Reason.Value().Text, "not now") {
		t.Errorf("%s: %v", p.delivery(id), noted)
	}
}

func TestWhatIsReplacedOrOverIsNotMailed(t *testing.T) {
	p := open(t, nil)
	ids := p.Invite("resent@guests.example", "revoked@guests.example", "erased@guests.example")
	p.Do(p.ByOwner(), domain.ResendInvitation{Account: p.Account, Invitation: ids[0]})
	p.Do(p.ByOwner(), domain.RevokeInvitation{Account: p.Account, Invitation: ids[1]})
	if err := p.Sealer.Destroy(t.Context(), p.Addressee("erased@guests.example", "", "").Key); err != nil {
		t.Fatal(err)
	}
	defer p.run(p.mailer(nil))()
	p.settled(4)
	got := p.server.got()
	if len(got) != 1 || got[0].to != "resent@guests.example" || !strings.Contains(got[0].text, p.Invitation(p.Account, ids[0], 2)) {
		t.Errorf("%+v", got)
	}
	want := map[string]int{"sent": 1, "invitation_replaced": 1, "invitation_revoked": 1, "erased": 1}
	if outcomes := p.outcomes(); fmt.Sprint(outcomes) != fmt.Sprint(want) {
		t.Errorf("%v", outcomes)
	}
}

// dying is a sender whose mailer dies when the server has just accepted a mail.
type dying struct {
	*server
	died chan struct{}
}

func (d dying) Send(ctx context.Context, m mailer.Mail) error {
	if err := d.server.Send(ctx, m); err != nil {
		return err
	}
	close(d.died)
	<-ctx.Done()
	return ctx.Err()
}

var errGone = errors.New("gone")

// broken is an outbox that cannot be written.
type broken struct {
	*outbox.Outbox
	accept, retry, done error
}

func (b broken) Accept(ctx context.Context, r mailer.Row) error {
	return errors.Join(b.accept, b.Outbox.Accept(ctx, r))
}

func (b broken) Retry(ctx context.Context, r mailer.Row, at time.Time, n int) error {
	if b.retry != nil {
		return b.retry
	}
	return b.Outbox.Retry(ctx, r, at, n)
}

func (b broken) Done(ctx context.Context, r mailer.Row, now time.Time, outcome string) error {
	if b.done != nil {
		return b.done
	}
	return b.Outbox.Done(ctx, r, now, outcome)
}

func TestADeathBetweenAcceptanceAndNotingRepeatsWithTheSameID(t *testing.T) {
	p := open(t, nil)
	id := p.Invite("grace@guests.example")[0]
	d := dying{p.server, make(chan struct{})}
	stop := p.run(p.mailer(func(c *mailer.Config) {
		c.Grace, c.Sender, c.Outbox = time.Millisecond, d, broken{Outbox: p.outbox, retry: errGone}
	}))
	<-d.died
	stop()
	if p.delivery(id) != "unsent" {
		t.Fatal(p.delivery(id))
	}
	defer p.run(p.mailer(nil))()
	p.settled(1)
	got := p.server.got()
	if len(got) != 2 || got[0].id != got[1].id || p.delivery(id) != "sent" {
		t.Errorf("%+v, %s", got, p.delivery(id))
	}
}

func TestADeathAfterNotingRepeatsNothing(t *testing.T) {
	for name, b := range map[string]broken{
		"noted in the log alone":       {accept: errGone, retry: errGone, done: errGone},
		"noted in both, but not ended": {retry: errGone, done: errGone},
	} {
		t.Run(name, func(t *testing.T) {
			p := open(t, nil)
			id := p.Invite("grace@guests.example")[0]
			b.Outbox = p.outbox
			stop := p.run(p.mailer(func(c *mailer.Config) { c.Outbox = b }))
			feedtest.Eventually(t, "it is sent", func() bool { return p.delivery(id) == "sent" })
			stop()
			defer p.run(p.mailer(nil))()
			p.settled(1)
			if n := len(p.server.got()); n != 1 || len(p.noted()) != 1 {
				t.Errorf("%d mails, %v", n, p.noted())
			}
		})
	}
}

func TestTwoMailersOneLease(t *testing.T) {
	p := open(t, func(n int, _ string) error {
		if n%10 == 0 {
			return answer(450, "busy")
		}
		return nil
	})
	var emails []string
	for n := range 100 {
		emails = append(emails, fmt.Sprintf("guest%d@guests.example", n))
	}
	stops := []func(){p.run(p.mailer(nil)), p.run(p.mailer(nil))}
	p.Invite(emails[:60]...)
	feedtest.Eventually(t, "some are sent", func() bool { return len(p.server.got()) > 20 })
	stops[0]() // the other takes over, if it has not been that one all the time
	p.Invite(emails[60:]...)
	p.settled(100)
	stops[1]()
	to, ids := map[string]int{}, map[string]bool{}
	for _, m := range p.server.got() {
		to[m.to]++
		ids[m.id] = true
	}
	for _, e := range emails {
		if to[e] != 1 {
			t.Errorf("%s has %d mails", e, to[e])
		}
	}
	if len(ids) != 100 {
		t.Errorf("%d Message-IDs", len(ids))
	}
}

func TestEveryDeathCostsAtMostOneRepetition(t *testing.T) {
	p := open(t, nil)
	const guests, deaths = 20, 5
	for n := range guests {
		p.Invite(fmt.Sprintf("guest%d@guests.example", n))
	}
	for range deaths {
		d := dying{p.server, make(chan struct{})}
		stop := p.run(p.mailer(func(c *mailer.Config) {
			c.Grace, c.Sender, c.Outbox, c.Workers = time.Millisecond, d, broken{Outbox: p.outbox, retry: errGone}, 1
		}))
		<-d.died
		stop()
	}
	defer p.run(p.mailer(nil))()
	p.settled(guests)
	ids := map[string]string{}
	got := p.server.got()
	for _, m := range got {
		if id, ok := ids[m.to]; ok && id != m.id {
			t.Errorf("%s got two Message-IDs", m.to)
		}
		ids[m.to] = m.id
	}
	if len(ids) != guests || len(got) > guests+deaths {
		t.Errorf("%d of %d guests, %d mails", len(ids), guests, len(got))
	}
}

// buffer is what a logger wrote, read while it writes.
type buffer struct {
	mu sync.Mutex
	bytes.Buffer
}

func (b *buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.Buffer.Write(p)
}

func TestALostDatabaseStartsAtThePresent(t *testing.T) {
	p := open(t, nil)
	if s, err := p.outbox.Skipped(t.Context()); s != nil || err != nil {
		t.Fatal(s, err)
	}
	p.Invite("before@guests.example")
	stop := p.run(p.mailer(nil))
	p.settled(1)
	stop()
	if s, err := p.outbox.Skipped(t.Context()); s != nil || err != nil {
		t.Fatal(s, err)
	}
	p.pool = database(t)
	p.outbox = outbox.New(p.pool)
	p.Invite("after@guests.example")
	var out buffer
	stop = p.run(p.mailer(func(c *mailer.Config) { c.Logger = slog.New(slog.NewTextHandler(&out, nil)) }))
	p.settled(1)
	stop()
	got := p.server.got()
	s, err := p.outbox.Skipped(t.Context())
	if err != nil || s == nil || s.To == 0 || !strings.Contains(out.String(), "no record of itself") {
		t.Errorf("%+v, %v: %s", s, err, out.String())
	}
	if len(got) != 2 || got[1].to != "after@guests.example" {
		t.Errorf("%+v", got)
	}
}

func TestACommandIsNotMailedWhenRefused(t *testing.T) {
	p := open(t, nil)
	a := p.Addressee("grace@guests.example", "", "")
	stranger := events.Actor{Type: events.ByUser, ID: "0198c5d4-7e1a-7c3f-9b1d-2f6a8e4c0b57"}
	_, err := p.App.Do(t.Context(), handlers.Call{Actor: stranger}, domain.InviteUsers{Account: p.Account, Invitees: []*domain.Addressee{&a},
		Grants: []events.Grant{{Roles: []string{domain.Viewer}}}})
	if err == nil {
		t.Fatal("a stranger may invite")
	}
	p.Invite("alan@guests.example")
	defer p.run(p.mailer(nil))()
	p.settled(1)
	if got := p.server.got(); len(got) != 1 || got[0].to != "alan@guests.example" {
		t.Errorf("%+v", got)
	}
}

func TestTheDatabaseMayBeAwayAtFirst(t *testing.T) {
	p := open(t, nil)
	p.Invite("grace@guests.example")
	if _, err := p.pool.Exec(t.Context(), `CREATE SCHEMA roster; CREATE TABLE roster.outbox (other int)`); err != nil {
		t.Fatal(err)
	}
	defer p.run(p.mailer(nil))()
	if _, err := p.pool.Exec(t.Context(), `DROP SCHEMA roster CASCADE`); err != nil {
		t.Fatal(err)
	}
	p.settled(1)
	if n := len(p.server.got()); n != 1 {
		t.Errorf("%d mails", n)
	}
}
