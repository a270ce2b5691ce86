package expirer_test

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"go.uber.org/goleak"

	"roster/domain"
	"roster/events"
	"roster/handlers"
	"roster/handlers/expirer"
	"roster/infra/feedlog/feedtest"
	"roster/infra/lease"
	"roster/infra/postgres/launch/pgtest"
	"roster/infra/sealer"
	"roster/projections"
)

// The database of pgtest lives as long as the process.
func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m, goleak.IgnoreAnyFunction("roster/infra/postgres/launch.(*Server).supervise"))
}

func start(t *testing.T, pendingIn func(context.Context, events.AccountID, uint64) ([]expirer.Invitation, error)) *feedtest.Instance {
	t.Helper()
	i := feedtest.Start(t)
	pool, err := pgxpool.New(t.Context(), pgtest.Database(t))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(pool.Close)
	models := projections.New(pool, i.Log, sealer.Opener{Sealer: i.Sealer}, feedtest.Quiet(), projections.Invitations(), projections.UserList())
	if err := models.Prepare(t.Context()); err != nil {
		t.Fatal(err)
	}
	feedtest.Go(t, models.Run)
	i.Publish()
	after := func(model string, read func(context.Context, projections.Querier, string, time.Time, projections.Due, int) ([]projections.Due, error)) func(context.Context, time.Time, projections.Due, int) ([]projections.Due, error) {
		return func(ctx context.Context, now time.Time, after projections.Due, limit int) (due []projections.Due, err error) {
			err = models.Query(ctx, model, func(ctx context.Context, schema string, q projections.Querier) error {
				due, err = read(ctx, q, schema, now, after, limit)
				return err
			})
			return due, err
		}
	}
	due := func(model string, read func(context.Context, projections.Querier, string, time.Time, int) ([]projections.Due, error)) func(context.Context, time.Time, int) ([]projections.Due, error) {
		return func(ctx context.Context, now time.Time, limit int) ([]projections.Due, error) {
			return after(model, func(ctx context.Context, q projections.Querier, schema string, now time.Time, _ projections.Due, limit int) ([]projections.Due, error) {
				return read(ctx, q, schema, now, limit)
			})(ctx, now, projections.Due{}, limit)
		}
	}
	e := expirer.New(expirer.Config{App: i.App, Due: due("invitations", projections.InvitationsDue), Ended: due("user_list", projections.MembershipsEnded),
		ToWarn: after("user_list", projections.MembershipsToWarn), ToRemind: after("invitations", projections.InvitationsToRemind), ByKeys: after("invitations", projections.InvitationsByKeys), Feed: i.Feed, PendingIn: pendingIn, Lease: lease.New(pool, feedtest.Quiet()),
		Logger: feedtest.Quiet(), Every: 20 * time.Millisecond})
	feedtest.Go(t, e.Run)
	return i
}

func invitation(t *testing.T, i *feedtest.Instance, id events.InvitationID) domain.Invitation {
	t.Helper()
	a, _, err := i.App.Account(t.Context(), i.Account)
	if err != nil {
		t.Fatal(err)
	}
	found, _ := a.Invitation(id)
	return found
}

func TestWhatHasExpiredGetsItsEventOnce(t *testing.T) {
	i := start(t, nil)
	ids := i.Invite("a@guests.example", "b@guests.example", "c@guests.example")
	i.Later(6 * 24 * time.Hour)
	i.Do(i.ByOwner(), domain.ResendInvitation{Account: i.Account, Invitation: ids[2]})
	i.Later(2 * 24 * time.Hour)
	for _, id := range ids[:2] {
		feedtest.Eventually(t, "an event", func() bool { return invitation(t, i, id).Noted })
	}
	if invitation(t, i, ids[2]).Noted {
		t.Error("an invitation that was sent again has expired with its first link")
	}
	i.Later(6 * 24 * time.Hour)
	feedtest.Eventually(t, "an event", func() bool { return invitation(t, i, ids[2]).Noted })
	expired := 0
	for _, f := range i.All() {
		if _, ok := f.(events.InvitationExpired); ok {
			expired++
		}
	}
	if expired != 3 {
		t.Errorf("%d events for 3 invitations", expired)
	}
}

// The command that takes somebody's access ends what they invited, but no more than fits into one commit.
func TestWhatNobodyMayGrantAnyMoreIsRevoked(t *testing.T) {
	var mu sync.Mutex
	var pending []expirer.Invitation
	i := start(t, func(_ context.Context, account events.AccountID, position uint64) ([]expirer.Invitation, error) {
		mu.Lock()
		defer mu.Unlock()
		if position == 0 {
			t.Error("asked as of nothing")
		}
		return pending, nil
	})
	user, _ := i.Join("grace@guests.example", "Grace", "Hopper")
	i.Do(i.ByOwner(), domain.ChangeRole{Account: i.Account, User: user, Grants: []events.Grant{{Roles: []string{domain.Admin}}}})
	by := events.Actor{Type: events.ByUser, ID: user.String()}
	invite := func(by events.Actor, prefix string, n int) {
		cmd := domain.InviteUsers{Account: i.Account, Grants: []events.Grant{{Roles: []string{domain.Viewer}}}}
		for k := range n {
			a := i.Addressee(fmt.Sprintf("%s%d@guests.example", prefix, k), "", "")
			cmd.Invitees = append(cmd.Invitees, &a)
		}
		mu.Lock()
		defer mu.Unlock()
		for _, c := range i.Do(by, cmd).Commits {
			for _, f := range c.Facts {
				pending = append(pending, expirer.Invitation{Account: i.Account, Invitation: f.(events.InvitationCreated).Invitation})
			}
		}
	}
	const others, theirs = 3, 1020
	invite(i.ByOwner(), "other", others)
	for part := range 5 {
		invite(by, fmt.Sprintf("part%d-", part), theirs/5)
	}
	i.Do(i.ByOwner(), domain.Suspend{Account: i.Account, User: user})
	feedtest.Eventually(t, "all of theirs are revoked", func() bool {
		revoked := 0
		for _, p := range pending {
			if invitation(t, i, p.Invitation).Status == domain.Revoked {
				revoked++
			}
		}
		return revoked == theirs
	})
	for _, p := range pending[:others] {
		if got := invitation(t, i, p.Invitation).Status; got != domain.Pending {
			t.Errorf("somebody else's invitation is %s", got)
		}
	}
	byUs := 0
	for _, c := range i.Commits() {
		if c.Actor == handlers.System(expirer.Durable) {
			byUs++
			if c.Cause == "" {
				t.Error("revoked for no reason")
			}
		}
	}
	if byUs != theirs-1000 {
		t.Errorf("%d by the expirer", byUs)
	}
}

// count is how many facts of a kind there are.
func count[F events.Event](i *feedtest.Instance) (n int) {
	for _, f := range i.All() {
		if _, ok := f.(F); ok {
			n++
		}
	}
	return n
}

// SPEC 3.10: a temporary member is warned a day before, and the end is an event within seconds.
func TestTemporaryAccessIsWarnedOfAndEnds(t *testing.T) {
	i := start(t, nil)
	user, _ := i.Join("grace@guests.example", "Grace", "Hopper")
	until := i.App.Now().Add(10 * 24 * time.Hour)
	i.Do(i.ByOwner(), domain.ChangeRole{Account: i.Account, User: user, Grants: []events.Grant{{Roles: []string{domain.Viewer}, Until: until}}})
	member := func() domain.Member {
		a, _, err := i.App.Account(t.Context(), i.Account)
		if err != nil {
			t.Fatal(err)
		}
		m, _ := a.Member(user)
		return m
	}
	i.Later(8 * 24 * time.Hour)
	i.Join("alan@guests.example", "Alan", "Turing") // and somebody without an end
	if member().Warned != 0 {
		t.Error("warned two days before")
	}
	i.Later(25 * time.Hour)
	feedtest.Eventually(t, "a warning", func() bool {
		i.Later(20 * time.Second) // the read models may be behind at first, and then everything is looked through again
		return member().Warned == until
	})
	if member().Status != domain.Active {
		t.Errorf("%+v", member())
	}
	i.Later(24 * time.Hour)
	feedtest.Eventually(t, "an end", func() bool { return member().Status == domain.Revoked })
	if w, e := count[events.MembershipReminded](i), count[events.MembershipExpired](i); w != 1 || e != 1 {
		t.Errorf("%d warnings, %d ends", w, e)
	}
}

// SPEC 2.13: an invitee is reminded once before the link expires, and not where the policy has switched it off: then
// nobody asks again and again.
func TestInviteesAreReminded(t *testing.T) {
	i := start(t, nil)
	ids := i.Invite("a@guests.example", "b@guests.example")
	i.Later(5 * 24 * time.Hour)
	later := i.Invite("c@guests.example")[0]
	i.Later(25 * time.Hour)
	for _, id := range ids {
		feedtest.Eventually(t, "a reminder", func() bool {
			i.Later(20 * time.Second) // the read models may be behind at first, and then everything is looked through again
			return invitation(t, i, id).Reminded
		})
	}
	off := false
	i.Do(i.ByOwner(), domain.ChangePolicy{Account: i.Account, Policy: events.Policy{Reminders: &off}})
	i.Later(5 * 24 * time.Hour)
	for _, id := range ids {
		feedtest.Eventually(t, "an end", func() bool { return invitation(t, i, id).Noted })
	}
	last := i.Invite("d@guests.example")[0]
	i.Later(8 * 24 * time.Hour)
	feedtest.Eventually(t, "an end", func() bool { return invitation(t, i, last).Noted }) // what was due before it has been looked at
	if n := count[events.InvitationReminded](i); n != 2 || invitation(t, i, later).Reminded {
		t.Errorf("%d reminders", n)
	}
}
