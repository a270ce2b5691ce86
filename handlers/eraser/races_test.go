package eraser_test

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"roster/domain"
	"roster/events"
	"roster/handlers"
	"roster/handlers/enroll"
	"roster/handlers/eraser"
	"roster/handlers/mailer"
	"roster/infra/feedlog/feedtest"
	"roster/infra/lease"
	"roster/infra/outbox"
)

// at is an eraser with something happening in the middle, once.
func (r *rig) at(where string, do func()) *eraser.Eraser {
	then := once(do)
	if where == "after the invitations were found" {
		return eraser.New(r.App, r.Sealer, finder{r, then})
	}
	return eraser.New(r.App, safe{Vault: r.Sealer, beforeKey: func(int) error { return then() }}, r)
}

func moments() []string { return []string{"after the invitations were found", "before the keys"} }

// An invitation that is written while its address is erased ends as the others do, and leaves nothing behind; nor does
// the report of its mail.
func TestInvitedMeanwhile(t *testing.T) {
	for _, where := range moments() {
		for _, member := range []bool{true, false} {
			name := where + ", an invitee"
			if member {
				name = where + ", a member"
			}
			t.Run(name, func(t *testing.T) {
				r := open(t)
				r.follow()
				annex, bo := r.account("Annex", "bo@annex.example")
				l := r.invite(r.Owner, r.Account, graceEmail, domain.Viewer, 0)
				var people []events.AnyID
				if member {
					people = append(people, r.accept(fromThem(), l, "Grace", "Canary").Any())
				}
				r.known()
				var late enroll.Link
				erase := r.at(where, func() {
					late = r.invite(bo, annex, graceEmail, domain.Viewer, 0)
					r.Do(handlers.System("mailer"), domain.NoteMail{Account: annex, Invitation: late.Invitation, Generation: 1, Outcome: "deferred", Reason: "the canary is out"})
					r.Do(handlers.System("mailer"), domain.NoteMail{Account: l.Account, Invitation: l.Invitation, Generation: 1, Outcome: "bounced", Reason: "no such canary"})
					r.seen()
				})
				if _, err := erase.EraseEmail(t.Context(), r.byOperator(), graceEmail); err != nil {
					t.Fatal(err)
				}
				r.followed()
				if got := r.status(late); got != domain.Revoked {
					t.Errorf("the late invitation is %s", got)
				}
				got := r.feedAbout(append(people, l.Invitation.Any(), late.Invitation.Any())...)
				want := map[string]bool{}
				if member {
					want["_."+people[0].String()+".user.erased"] = true
				}
				want[annex.String()+"."+late.Invitation.String()+".invitation.revoked"] = true // by whoever followed, afterwards
				for _, subject := range got {
					if !want[subject] {
						t.Errorf("the feed has %s", subject)
					}
				}
				r.forgotten()
			})
		}
	}
}

// Whoever accepts while their address is erased is erased as the user, or the member, that they have become.
func TestAcceptedMeanwhile(t *testing.T) {
	r := open(t)
	r.follow()
	l := r.invite(r.Owner, r.Account, eveEmail, domain.Viewer, 0)
	var eve events.UserID
	erase := r.at(moments()[0], func() { eve = r.accept(fromThem(), l, "Eve", "Canary") })
	if _, err := erase.EraseEmail(t.Context(), r.byOperator(), eveEmail); err != nil {
		t.Fatal(err)
	}
	if !r.user(eve).Erased || r.member(r.Account, eve) {
		t.Error("the invitee became a user and is not erased")
	}

	joined := r.invite(r.Owner, r.Account, graceEmail, domain.Viewer, 0)
	grace := r.accept(fromThem(), joined, "Grace", "Canary")
	annex, bo := r.account("Annex", "bo@annex.example")
	second := r.invite(bo, annex, graceEmail, domain.Viewer, 0)
	erase = r.at(moments()[0], func() {
		signedIn := fromThem()
		signedIn.Actor = by(grace)
		r.accept(signedIn, second, "", "")
	})
	if _, err := erase.EraseUser(t.Context(), r.byOperator(), grace); err != nil {
		t.Fatal(err)
	}
	if !r.user(grace).Erased || r.member(annex, grace) || r.member(r.Account, grace) {
		t.Error("the user became a member again and is not erased")
	}

	third := r.invite(bo, annex, "ivy.canary@guests.example", domain.Viewer, 0)
	erase = r.at(moments()[1], func() {
		_, err := r.enroll.Accept(t.Context(), fromThem(), third, enroll.Newcomer{First: "Ivy", Last: "Canary", Password: goodPassword})
		r.wants("accept behind the fact", err, domain.InvitationRevoked)
	})
	if _, err := erase.EraseEmail(t.Context(), r.byOperator(), "ivy.canary@guests.example"); err != nil {
		t.Fatal(err)
	}
	r.forgotten()
}

func (r *rig) member(account events.AccountID, user events.UserID) bool {
	r.t.Helper()
	a, _, err := r.App.Account(r.t.Context(), account)
	if err != nil {
		r.t.Fatal(err)
	}
	m, ok := a.Member(user)
	return ok && m.Status != domain.Revoked
}

// Somebody who is always faster does not keep an erasure going for ever.
func TestOvertakenAgainAndAgain(t *testing.T) {
	r := open(t)
	joined := r.invite(r.Owner, r.Account, graceEmail, domain.Viewer, 0)
	grace := r.accept(fromThem(), joined, "Grace", "Canary")
	annex, bo := r.account("Annex", "bo@annex.example")
	n := 0
	erase := eraser.New(r.App, r.Sealer, finder{r, func() error {
		if n++; n > 10 {
			return nil
		}
		l := r.invite(bo, annex, graceEmail, domain.Viewer, 0)
		signedIn := fromThem()
		signedIn.Actor = by(grace)
		r.accept(signedIn, l, "", "")
		r.Later(25 * time.Hour) // or the address is flooded
		return nil
	}})
	if _, err := erase.EraseUser(t.Context(), r.byOperator(), grace); !errors.Is(err, handlers.ErrUnavailable) {
		t.Errorf("%v, want unavailable", err)
	}
	if _, err := erase.EraseUser(t.Context(), r.byOperator(), grace); err != nil || !r.user(grace).Erased {
		t.Error(err)
	}
}

// Several who erase at once, and somebody who accepts and signs in meanwhile: it is done once, and nobody is left.
func TestAllAtOnce(t *testing.T) {
	r := open(t)
	r.follow()
	for range 4 {
		before, erased := len(r.records()), 0
		l := r.invite(r.Owner, r.Account, graceEmail, domain.Viewer, 0)
		grace := r.accept(fromThem(), l, "Grace", "Canary")
		annex, bo := r.account("Annex", "bo@annex.example")
		second := r.invite(bo, annex, graceEmail, domain.Viewer, 0)
		eve := r.invite(bo, annex, eveEmail, domain.Viewer, 0)
		var all sync.WaitGroup
		tokens := make(chan string, 8)
		for n := range 8 {
			all.Go(func() {
				var err error
				switch n {
				case 0, 1:
					_, err = r.eraser().EraseUser(t.Context(), r.byOperator(), grace)
				case 2, 3:
					_, err = r.eraser().EraseEmail(t.Context(), r.byOperator(), graceEmail)
				case 4, 5:
					_, err = r.eraser().EraseEmail(t.Context(), r.byOperator(), eveEmail)
				case 6:
					signedIn := fromThem()
					signedIn.Actor = by(grace)
					_, err = r.enroll.Accept(t.Context(), signedIn, second, enroll.Newcomer{})
					_, _ = r.enroll.Accept(t.Context(), fromThem(), eve, enroll.Newcomer{First: "Eve", Last: "Canary", Password: goodPassword})
				case 7:
					in, failed := r.access.SignIn(t.Context(), handlers.Call{}, graceEmail, goodPassword)
					if err = failed; err == nil {
						tokens <- in.Token
					}
				}
				var refusal *domain.Error
				if err != nil && !errors.As(err, &refusal) && !errors.Is(err, handlers.ErrErased) {
					t.Errorf("%d: %v", n, err)
				}
			})
		}
		all.Wait()
		close(tokens)
		for token := range tokens {
			_, err := r.access.Authenticate(t.Context(), token)
			r.wants("a request", err, domain.SignInRequired)
		}
		if !r.user(grace).Erased || r.member(annex, grace) || r.member(r.Account, grace) {
			t.Error("not erased, or still a member")
		}
		for _, email := range []string{graceEmail, eveEmail} {
			if _, _, found, err := r.Sealer.FindAddress(t.Context(), email); found || err != nil {
				t.Errorf("%s is still known: %v", email, err)
			}
		}
		for _, rec := range r.records()[before:] {
			c, err := events.Decode(rec)
			if err != nil {
				t.Fatal(err)
			}
			for _, f := range c.Facts {
				if name := events.KindOf(f).Name; name == "user.erased" || name == "address.erased" {
					erased++
				}
			}
		}
		if erased != 2 {
			t.Errorf("%d facts say so, want 2", erased)
		}
		r.replaceOwner(annex, bo)
		r.eraseUser(bo)
	}
	r.forgotten()
}

// replaceOwner gives an account another owner, so that the first can be erased as well.
func (r *rig) replaceOwner(account events.AccountID, owner events.UserID) {
	r.t.Helper()
	r.accept(handlers.Call{Actor: r.ByOwner()}, r.invite(owner, account, feedtest.OwnerEmail, domain.Owner, 0), "", "")
}

// A sign-in that the erasure overtakes is one with a wrong password.
func TestSigningInMeanwhile(t *testing.T) {
	for _, where := range []string{"before the password is read", "after it is read"} {
		t.Run(where, func(t *testing.T) {
			r := open(t)
			l := r.invite(r.Owner, r.Account, graceEmail, domain.Viewer, 0)
			grace := r.accept(fromThem(), l, "Grace", "Canary")
			then := once(func() { r.eraseUser(grace) })
			v := safe{Vault: r.Sealer, afterPassword: then}
			if where == "before the password is read" {
				v = safe{Vault: r.Sealer, beforePassword: then}
			}
			_, err := r.accessWith(v).SignIn(t.Context(), fromThem(), graceEmail, goodPassword)
			r.wants("sign in", err, domain.BadCredentials)
		})
	}
}

// sender is a mail server that takes its time to answer.
type sender struct {
	asked, said chan struct{}
	answer      error
	tried       atomic.Int32
}

func (s *sender) Send(ctx context.Context, _ mailer.Mail) error {
	if s.tried.Add(1) == 1 {
		close(s.asked)
	}
	select {
	case <-s.said:
		return s.answer
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Invitation implements mailer.Links.
func (r *rig) Invitation(_ events.AccountID, id events.InvitationID, _ uint32) string {
	return "https://portal.example/invitations/" + id.String()
}

// Reset, Confirmation and Signup implement mailer.Links: no mail here has such a link.
func (r *rig) Reset(events.UserID, uint32) string        { return "" }
func (r *rig) Confirmation(events.UserID, uint32) string { return "" }
func (r *rig) Signup(events.AddressID, uint32) string    { return "" }

// A mail that is under way while its recipient is erased is done with, whatever the mail server says.
func TestMailedMeanwhile(t *testing.T) {
	for what, answer := range map[string]error{
		"bounced":  &mailer.Bounced{Reason: "no canary here"},
		"deferred": &mailer.Deferred{Reason: "the canary is out"},
		"accepted": nil,
	} {
		for _, when := range []string{"the invitation was known", "the invitation is new"} {
			t.Run(what+", "+when, func(t *testing.T) {
				r := open(t)
				s := &sender{asked: make(chan struct{}), said: make(chan struct{}), answer: answer}
				m, err := mailer.New(mailer.Config{App: r.App, Feed: r.Feed, Outbox: outbox.New(r.pool), Sender: s, Links: r,
					Lease: lease.New(r.pool, feedtest.Quiet()), Logger: feedtest.Quiet(), PublicURL: "https://portal.example",
					Backoff: []time.Duration{10 * time.Millisecond}, Poll: 10 * time.Millisecond})
				if err != nil {
					t.Fatal(err)
				}
				feedtest.Go(t, m.Run)
				erase := r.eraser()
				var l enroll.Link
				if when == "the invitation was known" {
					l = r.invite(r.Owner, r.Account, eveEmail, domain.Viewer, 0)
					<-s.asked
				} else {
					if _, _, err := r.Sealer.ClaimAddress(t.Context(), eveEmail); err != nil {
						t.Fatal(err)
					}
					erase = r.at(moments()[1], func() {
						l = r.invite(r.Owner, r.Account, eveEmail, domain.Viewer, 0)
						<-s.asked
					})
				}
				if _, err := erase.EraseEmail(t.Context(), r.byOperator(), eveEmail); err != nil {
					t.Fatal(err)
				}
				close(s.said)
				var outcome string
				feedtest.Eventually(t, "the mail is done with", func() bool {
					return r.pool.QueryRow(t.Context(), `SELECT outcome FROM roster.outbox WHERE done_at IS NOT NULL`).Scan(&outcome) == nil
				})
				if n := s.tried.Load(); n != 1 {
					t.Errorf("sent %d times, ending as %s", n, outcome)
				}
				r.follow()
				r.followed()
				if got := r.status(l); got != domain.Revoked {
					t.Errorf("the invitation is %s", got)
				}
				r.forgotten()
			})
		}
	}
}
