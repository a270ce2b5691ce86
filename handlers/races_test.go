package handlers_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"roster/domain"
	"roster/events"
	"roster/handlers"
	"roster/infra/eventlog/memlog"
)

// 64 callers on one account, in one process and in two: everybody gets through, nobody is told of a conflict (DESIGN 9).
func TestManyOnOneAccount(t *testing.T) {
	for processes := 1; processes <= 2; processes++ {
		b := newBench(t)
		if processes > 1 {
			b = newShared(t)
		}
		account := b.open()
		b.join(account, "owner", domain.Owner)
		apps := []*handlers.App{b.app, b.another(handlers.Config{})}
		const callers, each = 64, 5
		var failed atomic.Int64
		atOnce(callers, func(i int) {
			for n := range each {
				_, err := apps[i%processes].Do(t.Context(), operator(), domain.InviteUsers{Account: account,
					Invitees: []*domain.Addressee{addressee(fmt.Sprint("n", i, ".", n))}, Grants: grants(domain.Viewer)})
				if err != nil {
					failed.Add(1)
					t.Error(err)
				}
			}
		})
		if got := b.facts(events.OfAccount(account), "invitation.created"); got != callers*each+1 || failed.Load() > 0 {
			t.Errorf("%d processes: %d effects of %d", processes, got-1, callers*each)
		}
	}
}

// 50 equal requests at the same instant, in two processes: one effect, and everybody is told the same (F03).
func TestEqualRequestsAtOnce(t *testing.T) {
	for round := range 20 {
		b := newShared(t)
		account := b.open()
		b.join(account, "owner", domain.Owner)
		i := b.invite(account, "ann", domain.Viewer)
		apps := []*handlers.App{b.app, b.another(handlers.Config{})}
		var first, conflicts atomic.Int64
		position := make([]uint64, 50)
		atOnce(len(position), func(n int) {
			request := "same"
			if round%2 == 1 && n%10 == 9 {
				request = "another"
			}
			r, err := apps[n%2].Do(t.Context(), keyed(link(i), "key", request), accept(account, i, "ann"))
			switch {
			case errors.Is(err, handlers.ErrIdempotency):
				conflicts.Add(1)
			case err != nil:
				t.Error(err)
			case !r.Repeat:
				first.Add(1)
			}
			position[n] = r.Position
		})
		answered := slices.DeleteFunc(position, func(p uint64) bool { return p == 0 })
		if first.Load() != 1 || b.facts(events.OfAccount(account), "membership.granted") != 2 || slices.Min(answered) != slices.Max(answered) {
			t.Fatalf("%d said first, %d memberships, positions %v", first.Load(), b.facts(events.OfAccount(account), "membership.granted")-1, answered)
		}
		if got := conflicts.Load(); round%2 == 0 && got != 0 || round%2 == 1 && got != 5 && got != 45 {
			t.Fatalf("%d conflicts of keys", got)
		}
	}
}

// Two owners demote, suspend and revoke each other at the same instant, each by another process: 1,000 times, and
// never is there no owner (SPEC 3.7).
func TestTwoOwnersEndEachOther(t *testing.T) {
	const rounds = 1000
	ways := []func(events.AccountID, events.UserID) domain.Command{
		func(a events.AccountID, u events.UserID) domain.Command {
			return domain.ChangeRole{Account: a, User: u, Grants: grants(domain.Viewer)}
		},
		func(a events.AccountID, u events.UserID) domain.Command { return domain.Suspend{Account: a, User: u} },
		func(a events.AccountID, u events.UserID) domain.Command { return domain.Revoke{Account: a, User: u} },
		func(a events.AccountID, _ events.UserID) domain.Command { return domain.Leave{Account: a} },
	}
	both, refused := 0, map[domain.Code]int{}
	var b *bench
	var second *handlers.App
	for round := range rounds {
		if round%100 == 0 {
			b = newShared(t)
			second = b.another(handlers.Config{})
		}
		account := b.open()
		owners := []events.UserID{b.join(account, fmt.Sprint("a", round), domain.Owner), b.join(account, fmt.Sprint("b", round), domain.Owner)}
		if _, _, err := second.Account(t.Context(), account); err != nil {
			t.Fatal(err)
		}
		var errs [2]error
		atOnce(2, func(i int) {
			cmd := ways[(round/(1+3*i))%len(ways)](account, owners[1-i])
			_, errs[i] = []*handlers.App{b.app, second}[i].Do(t.Context(), by(owners[i]), cmd)
		})
		a := b.account(account)
		if a.Owners(b.app.Now()) < 1 {
			t.Fatalf("round %d: no owner is left: %v, %v", round, errs[0], errs[1])
		}
		if errs[0] == nil && errs[1] == nil {
			both++
		}
		for _, err := range errs {
			if err != nil && code(err) == "" {
				t.Fatalf("round %d: %v", round, err)
			}
			refused[code(err)]++
		}
	}
	t.Logf("%d rounds, accounts without an owner: 0, both done (such as demoted, then left): %d, answers: %v", rounds, both, refused)
}

// 50 people open one link at the same instant: one becomes a member (SPEC 2.4).
func TestOneLinkManyHands(t *testing.T) {
	for range 10 {
		b := newShared(t)
		account := b.open()
		b.join(account, "owner", domain.Owner)
		i := b.invite(account, "ann", domain.Viewer)
		apps := []*handlers.App{b.app, b.another(handlers.Config{}), b.another(handlers.Config{Cache: 1})}
		var done, used atomic.Int64
		atOnce(50, func(n int) {
			switch _, err := apps[n%len(apps)].Do(t.Context(), link(i), accept(account, i, "ann")); {
			case err == nil:
				done.Add(1)
			case code(err) == domain.InvitationUsed:
				used.Add(1)
			default:
				t.Error(err)
			}
		})
		if done.Load() != 1 || used.Load() != 49 || b.facts(events.OfAccount(account), "membership.granted") != 2 {
			t.Errorf("%d accepted, %d were told that it is used", done.Load(), used.Load())
		}
	}
}

// Accept, revoke, decline and resend of one invitation at the same instant: one end, and the link of no other (F24).
func TestOneEnd(t *testing.T) {
	for round := range 100 {
		b := newShared(t)
		account := b.open()
		b.join(account, "owner", domain.Owner)
		i := b.invite(account, "ann", domain.Viewer)
		second := b.another(handlers.Config{})
		atOnce(4, func(n int) {
			app := []*handlers.App{b.app, second}[(n+round)%2]
			call, cmd := link(i), domain.Command(accept(account, i, "ann"))
			switch n {
			case 1:
				call, cmd = operator(), domain.RevokeInvitation{Account: account, Invitation: i}
			case 2:
				cmd = domain.DeclineInvitation{Account: account, Invitation: i, Generation: 1}
			case 3:
				call, cmd = operator(), domain.ResendInvitation{Account: account, Invitation: i}
			}
			if _, err := app.Do(t.Context(), call, cmd); err != nil && code(err) == "" {
				t.Error(err)
			}
		})
		of := events.OfAccount(account)
		if n := b.facts(of, "invitation.accepted") - 1 + b.facts(of, "invitation.revoked") + b.facts(of, "invitation.declined"); n > 1 {
			t.Fatalf("round %d: %d ends", round, n)
		}
	}
}

// A cache that keeps one boundary is slower, and nothing else.
func TestTinyCache(t *testing.T) {
	b := newBench(t)
	account := b.open()
	b.join(account, "owner", domain.Owner)
	for _, size := range []int{1, 2, 3} {
		app := b.another(handlers.Config{Cache: size})
		atOnce(16, func(i int) {
			name := fmt.Sprint("n", size, ".", i)
			call := keyed(operator(), name, name)
			cmd := domain.InviteUsers{Account: account, Invitees: []*domain.Addressee{addressee(name)}, Grants: grants(domain.Viewer)}
			for n := range 3 {
				r, err := app.Do(t.Context(), call, cmd)
				if err != nil {
					t.Error(err)
					return
				}
				if n > 0 && !r.Repeat {
					t.Errorf("%s was done again", name)
				}
				f := r.Commits[0].Facts[0].(events.InvitationCreated)
				if _, err := app.Do(t.Context(), link(f.Invitation), accept(account, f.Invitation, name)); n == 0 && err != nil {
					t.Error(err)
				}
			}
		})
	}
	if got := b.account(account).Members(); got != 49 {
		t.Errorf("%d members", got)
	}
}

// Refusals for lack of rights stand in the attempts of who was refused: at most thirty an hour, and the next says how
// many were left out (SPEC 5.1, DESIGN 3).
func TestRefusalsAreWritten(t *testing.T) {
	b := newBench(t)
	account := b.open()
	owner, viewer := b.join(account, "owner", domain.Owner), b.join(account, "viewer", domain.Viewer)
	of := events.OfAttempts(viewer.Any())
	refuse := func(cmd domain.Command, want domain.Code) {
		t.Helper()
		if _, err := b.app.Do(t.Context(), keyed(by(viewer), "key", "x"), cmd); code(err) != want {
			t.Fatalf("%s: %v", cmd.Name(), err)
		}
	}
	suspend := domain.Suspend{Account: account, User: owner}
	refuse(suspend, domain.NotPermitted)
	refuse(domain.OpenAccount{AccountName: "Mine"}, domain.NotPermitted) // of no account
	refuse(domain.Suspend{Account: b.open(), User: owner}, domain.NotFound)
	refuse(domain.EndSession{User: viewer}, "")
	all := b.commits(of)
	if len(all) != 2 {
		t.Fatalf("%d refusals were written", len(all))
	}
	want := events.CommandRefused{Account: account, Command: "Suspend", Code: "not_permitted", Target: &events.Subject{Type: "user", ID: owner.Any()}}
	got := all[0].Facts[0].(events.CommandRefused)
	if got.Target == nil || *got.Target != *want.Target || got.Account != want.Account || got.Command != want.Command || got.Code != want.Code || all[0].Cmd.MAC != "" {
		t.Errorf("%+v", got)
	}
	if got := all[1].Facts[0].(events.CommandRefused); got.Command != "OpenAccount" || !got.Account.IsZero() {
		t.Errorf("%+v", got)
	}
	for range 50 {
		refuse(suspend, domain.NotPermitted)
	}
	if got := len(b.commits(of)); got != 30 {
		t.Errorf("%d were written in an hour", got)
	}
	b.clock.move(time.Hour)
	refuse(suspend, domain.NotPermitted)
	refuse(suspend, domain.NotPermitted)
	all = b.commits(of)
	if n := all[30].Facts[0].(events.CommandRefused).Refused; len(all) != 32 || n != 22 || all[31].Facts[0].(events.CommandRefused).Refused != 0 {
		t.Errorf("%d were written, and the first of the next hour says that %d were left out", len(all), n)
	}
}

// Who has gone away leaves nothing half done.
func TestCancelled(t *testing.T) {
	b := newBench(t)
	account := b.open()
	b.join(account, "owner", domain.Owner)
	i := b.invite(account, "ann", domain.Viewer)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	n := b.last()
	if _, err := b.app.Do(ctx, link(i), accept(account, i, "ann")); err == nil || !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	if got := b.last(); got != n {
		t.Errorf("%d commits", got-n)
	}
	// Somebody else holds the account's turn; whoever waits for it may go.
	held, release := make(chan struct{}), make(chan struct{})
	slow := b.another(handlers.Config{Log: &hooked{Log: b.log, before: func(handlers.Write) { close(held); <-release }}})
	done := make(chan error)
	go func() {
		_, err := slow.Do(t.Context(), operator(), domain.RevokeInvitation{Account: account, Invitation: i})
		done <- err
	}()
	<-held
	ctx, cancel = context.WithCancel(t.Context())
	waited := make(chan error)
	go func() {
		_, err := slow.Do(ctx, link(i), accept(account, i, "ann"))
		waited <- err
	}()
	cancel()
	if err := <-waited; err == nil || code(err) != "" {
		t.Errorf("whoever waited: %v", err)
	}
	close(release)
	if err := <-done; err != nil {
		t.Error(err)
	}
	if got := b.facts(events.OfAccount(account), "membership.granted"); got != 1 {
		t.Errorf("%d members", got)
	}
}

// What a command writes is sealed in its place, opens there, and is kept sealed in the states; where the caller came
// from is sealed with their own key, or the month's.
func TestSealing(t *testing.T) {
	b := newBench(t)
	account := b.open()
	call := operator()
	call.Origin = events.OriginInfo{IP: "192.0.2.1", Device: "test"}
	r := b.do(b.app, call, domain.InviteUsers{Account: account, Invitees: []*domain.Addressee{addressee("ann")}, Grants: grants(domain.Owner)})
	made := r.Commits[0].Facts[0].(events.InvitationCreated)
	if made.Invitee.Value().Email != "ann@example.com" {
		t.Errorf("whoever asked is not told: %+v", made)
	}
	for _, app := range []*handlers.App{b.app, b.another(handlers.Config{})} {
		a, _, err := app.Account(t.Context(), account)
		if err != nil {
			t.Fatal(err)
		}
		i, _ := a.Invitation(made.Invitation)
		var invitee events.Invitee
		if ok, err := app.OpenSealed(t.Context(), events.OfAccount(account), events.KindOf(made), "invitee", i.Invitee, &invitee); err != nil || !ok || invitee.Email != "ann@example.com" {
			t.Errorf("%+v %v %v", invitee, ok, err)
		}
		if _, err := app.OpenSealed(t.Context(), events.OfAccount(account), events.KindOf(made), "other", i.Invitee, &invitee); err == nil {
			t.Error("opened elsewhere")
		}
		if ok, err := app.OpenSealed(t.Context(), events.OfAccount(account), events.KindOf(made), "invitee", domain.Sealed{}, &invitee); err != nil || !ok {
			t.Errorf("nothing sealed: %v %v", ok, err)
		}
	}
	user := accept(account, made.Invitation, "ann")
	b.do(b.app, link(made.Invitation), user)
	mine := by(user.New.ID)
	mine.Origin = call.Origin
	s := b.do(b.app, mine, domain.InviteUsers{Account: account, Invitees: []*domain.Addressee{addressee("bob")}, Grants: grants(domain.Viewer)})
	for _, c := range []struct {
		r    handlers.Result
		want events.KeyID
	}{{r, keyOf("month 2026-06")}, {s, user.New.Key}} {
		commit := c.r.Commits[0]
		if commit.Origin == nil || commit.Origin.K != c.want {
			t.Errorf("origin %+v", commit.Origin)
			continue
		}
		plain, ok, err := (&sealer{}).Open(t.Context(), events.OriginPlace(b.app.LogID(), commit.Boundary, commit.ID), *commit.Origin)
		var from events.OriginInfo
		if err != nil || !ok || json.Unmarshal(plain, &from) != nil || from != call.Origin {
			t.Errorf("%s %v %v", plain, ok, err)
		}
	}
}

// Asking writes nothing. What one process has written, another decides by and answers at once (SPEC 3.9).
func TestAskAndAnotherProcess(t *testing.T) {
	b := newShared(t)
	account := b.open()
	owner, admin := b.join(account, "owner", domain.Owner), b.join(account, "admin", domain.Admin)
	second := b.another(handlers.Config{})
	n := b.last()
	if err := second.Ask(t.Context(), by(admin), domain.Suspend{Account: account, User: owner}); code(err) != domain.ExceedsOwnAccess {
		t.Errorf("got %v", err)
	}
	if err := second.Ask(t.Context(), by(owner), domain.Suspend{Account: account, User: admin}); err != nil {
		t.Errorf("got %v", err)
	}
	if got := b.last(); got != n {
		t.Errorf("asking wrote %d commits", got-n)
	}
	b.do(b.app, by(owner), domain.Suspend{Account: account, User: admin})
	_, err := second.Do(t.Context(), by(admin), domain.InviteUsers{Account: account, Invitees: []*domain.Addressee{addressee("new")}, Grants: grants(domain.Viewer)})
	if code(err) != domain.NotPermitted {
		t.Errorf("SPEC 3.9: a suspended admin invited: %v", err)
	}
	if err := second.Ask(t.Context(), by(admin), domain.MayIn{Account: account, Permission: domain.UsersRead}); code(err) != domain.NotPermitted {
		t.Errorf("SPEC 3.9: a suspended admin reads: %v", err)
	}
	b.do(b.app, by(owner), domain.Reactivate{Account: account, User: admin})
	if err := second.Ask(t.Context(), by(admin), domain.MayIn{Account: account, Permission: domain.UsersRead}); err != nil {
		t.Errorf("SPEC 3.5: reactivated: %v", err)
	}
	// No boundary without an id is ever read or written.
	if _, _, err := second.Account(t.Context(), events.AccountID{}); err != nil {
		t.Errorf("the account of no id: %v", err)
	}
	if err := second.Ask(t.Context(), operator(), domain.MayIn{Permission: domain.UsersRead}); code(err) != domain.NotFound {
		t.Errorf("the account of no id: %v", err)
	}
}

var _ handlers.Log = (*memlog.Log)(nil)
