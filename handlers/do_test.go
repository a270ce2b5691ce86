package handlers_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"roster/domain"
	"roster/events"
	"roster/handlers"
	"roster/infra/eventlog/memlog"
)

const day = 24 * time.Hour

func TestStart(t *testing.T) {
	log := memlog.New()
	start := func(fingerprint string) (bool, error, events.LogID) {
		app := handlers.NewApp(handlers.Config{Log: log, Sealer: &sealer{}, MACs: macs{}})
		first, err := app.Start(t.Context(), fingerprint)
		return first, err, app.LogID()
	}
	first, err, id := start("a")
	if err != nil || !first || id.IsZero() {
		t.Fatalf("%v, %v", first, err)
	}
	if again, err, same := start("a"); err != nil || again || same != id {
		t.Errorf("a second start: %v, %v, %s for %s", again, err, same, id)
	}
	if _, err, _ := start("b"); !errors.Is(err, handlers.ErrOtherKeyring) {
		t.Errorf("another keyring: %v", err)
	}
	other := memlog.New()
	if _, err := other.Append(t.Context(), handlers.Write{Boundary: events.Portal(), ID: events.CommitID{1}, Payload: []byte("{}")}); err != nil {
		t.Fatal(err)
	}
	app := handlers.NewApp(handlers.Config{Log: other, Sealer: &sealer{}, MACs: macs{}})
	if _, err := app.Start(t.Context(), "a"); !errors.Is(err, events.ErrCorrupt) {
		t.Errorf("a log that does not begin with log.started: %v", err)
	}
}

// Two processes that start on an empty log at once write to one and the same log.
func TestStartTogether(t *testing.T) {
	for range 50 {
		b := &bench{T: t, log: memlog.New(), clock: newClock()}
		apps := make([]*handlers.App, 4)
		atOnce(len(apps), func(i int) { apps[i] = b.another(handlers.Config{}) })
		for _, app := range apps {
			if app.LogID() != apps[0].LogID() {
				t.Fatalf("two ids: %s and %s", app.LogID(), apps[0].LogID())
			}
		}
		if n := b.last(); n != 1 {
			t.Fatalf("%d commits", n)
		}
	}
}

func TestIdempotencyKeys(t *testing.T) {
	b := newBench(t)
	account := b.open()
	owner := b.join(account, "owner", domain.Owner)
	cmd := domain.InviteUsers{Account: account, Invitees: []*domain.Addressee{addressee("a"), nil}, Grants: grants(domain.Viewer)}
	call := keyed(by(owner), "key-1", "invite a")
	first := b.do(b.app, call, cmd)
	if first.Repeat || !slices.Equal(first.Outcomes, []string{"invited", "invalid_address"}) {
		t.Errorf("%+v", first)
	}
	n := b.last()
	for _, app := range []*handlers.App{b.app, b.another(handlers.Config{}), b.another(handlers.Config{Cache: 1})} {
		again := b.do(app, call, cmd)
		if !again.Repeat || again.Command != first.Command || again.Position != first.Position || !slices.Equal(again.Outcomes, first.Outcomes) {
			t.Errorf("a repeat answers %+v, not %+v", again, first)
		}
		if got, want := again.Commits[0].Facts[0].(events.InvitationCreated).Invitation, first.Commits[0].Facts[0].(events.InvitationCreated).Invitation; got != want {
			t.Errorf("a repeat made %s beside %s", got, want)
		}
		if _, err := app.Do(t.Context(), keyed(by(owner), "key-1", "invite b"), cmd); !errors.Is(err, handlers.ErrIdempotency) {
			t.Errorf("another request: %v", err)
		}
	}
	if got := b.last(); got != n {
		t.Errorf("%d commits more", got-n)
	}
	// Another caller, another account: other keys. A fresh key: already invited, and nothing is remembered of it.
	if r := b.do(b.app, keyed(operator(), "key-1", "invite a"), cmd); r.Repeat || r.Outcomes[0] != "already_invited" || r.Commits != nil {
		t.Errorf("%+v", r)
	}
	if r := b.do(b.app, keyed(by(owner), "key-2", "x"), cmd); r.Repeat || r.Outcomes[0] != "already_invited" {
		t.Errorf("%+v", r)
	}

	b.clock.move(30 * day)
	if r := b.do(b.app, call, cmd); !r.Repeat {
		t.Errorf("after 30 days: %+v", r)
	}
	b.clock.move(time.Second)
	renewed := b.do(b.app, call, cmd) // the invitation has expired, the key too
	if renewed.Repeat || renewed.Outcomes[0] != "invited" {
		t.Errorf("after more than 30 days: %+v", renewed)
	}
	if again := b.do(b.another(handlers.Config{}), call, cmd); !again.Repeat || again.Position != renewed.Position {
		t.Errorf("a repeat of what was done anew: %+v", again)
	}
}

// Anonymous callers have no keys: the same key is somebody else's (DESIGN 2). A command has an actor.
func TestActors(t *testing.T) {
	b := newBench(t)
	cmd := domain.ReserveAttempt{Subject: events.AnyID(idOf("bucket")), Factor: "password"}
	call := keyed(handlers.Call{Actor: events.Actor{Type: events.ByAnonymous}}, "1", "x")
	for range 2 {
		if r := b.do(b.app, call, cmd); r.Repeat || len(r.Commits) != 1 {
			t.Errorf("%+v", r)
		}
	}
	if _, err := b.app.Do(t.Context(), handlers.Call{}, cmd); err == nil {
		t.Error("done by nobody")
	}
}

func TestParts(t *testing.T) {
	b := newBench(t)
	account := b.open()
	b.join(account, "owner", domain.Owner)
	part := func(from, to int) domain.Command {
		c := domain.InviteUsers{Account: account, Grants: grants(domain.Viewer)}
		for i := from; i < to; i++ {
			c.Invitees = append(c.Invitees, addressee(fmt.Sprint("n", i)))
		}
		return c
	}
	call := keyed(operator(), "bulk", "invite 30")
	b.log.Fail(memlog.OK, memlog.Unavailable) // the second part fails
	some, err := b.app.DoParts(t.Context(), call, part(0, 10), part(10, 20), part(20, 30))
	if !errors.Is(err, handlers.ErrUnavailable) || len(some) != 1 {
		t.Fatalf("%d parts, %v", len(some), err)
	}
	all, err := b.app.DoParts(t.Context(), call, part(0, 10), part(10, 20), part(20, 30))
	if err != nil || len(all) != 3 || !all[0].Repeat || all[1].Repeat || all[2].Repeat {
		t.Fatalf("%+v, %v", all, err)
	}
	ids := map[events.InvitationID]bool{}
	for i, r := range all {
		c := r.Commits[0]
		if r.Command != all[0].Command || c.Cmd.Part != i+1 || c.Cmd.Parts != 3 || len(c.Cmd.Outcomes) != 10 || c.Cmd.ID != r.Command {
			t.Errorf("part %d: %+v", i+1, c.Cmd)
		}
		for _, f := range c.Facts {
			ids[f.(events.InvitationCreated).Invitation] = true
		}
	}
	if len(ids) != 30 {
		t.Errorf("%d invitations", len(ids))
	}
}

// A batch is found again under its key, although whoever retries brings another fresh user.
func TestBatchRepeats(t *testing.T) {
	b := newBench(t)
	account := b.open()
	b.join(account, "owner", domain.Owner)
	i := b.invite(account, "ann", domain.Viewer)
	call := keyed(link(i), "accept-1", "names")
	first := b.do(b.app, call, accept(account, i, "ann"))
	again := b.do(b.another(handlers.Config{}), call, accept(account, i, "ann"))
	if !again.Repeat || len(again.Commits) != 3 || again.Position != first.Position || again.Commits[1].Boundary != first.Commits[1].Boundary {
		t.Errorf("%+v", again)
	}
	for n, c := range first.Commits {
		if c.Batch == nil || c.Batch.N != n+1 || c.Batch.Of != 3 || c.Batch.ID != first.Commits[0].Batch.ID || c.At != first.Commits[0].At {
			t.Errorf("%+v", c.Batch)
		}
	}
	if _, err := b.app.Do(t.Context(), keyed(link(i), "accept-1", "other names"), accept(account, i, "ann")); !errors.Is(err, handlers.ErrIdempotency) {
		t.Errorf("another request: %v", err)
	}

	setup := func() domain.SetUp {
		return domain.SetUp{AccountName: "First", Owner: *addressee("boss"), User: *newUser("boss")}
	}
	call = keyed(handlers.Call{Actor: events.Actor{Type: events.ByLink, ID: "setup"}}, "setup-1", "first")
	first, again = b.do(b.app, call, setup()), b.do(b.another(handlers.Config{}), call, setup())
	if !again.Repeat || len(again.Commits) != 4 || again.Commits[0].Facts[0] != first.Commits[0].Facts[0] {
		t.Errorf("%+v", again)
	}
	call.Key = ""
	if _, err := b.app.Do(t.Context(), call, setup()); code(err) != domain.InvitationUsed {
		t.Errorf("without the key: %v", err)
	}
}

// One command, one effect, whatever happens on the way; and who is told that nothing was done has been told the truth.
func TestFaults(t *testing.T) {
	for _, c := range []struct {
		name  string
		fault memlog.Fault
		want  error
	}{
		{"lost acknowledgement", memlog.LostAck, nil},
		{"never arrived", memlog.NeverArrived, nil},
		{"arrives after the time-out", memlog.Late, nil},
		{"conflict", memlog.WrongLast, nil},
		{"conflict in the air", memlog.WrongLastInAir, nil},
		{"duplicate in a batch", memlog.BatchDuplicate, nil},
		{"unavailable", memlog.Unavailable, handlers.ErrUnavailable},
		{"too many batches", memlog.TooManyBatches, handlers.ErrUnavailable},
		{"broken", memlog.Broken, memlog.ErrBroken},
	} {
		for _, key := range []string{"", "key"} {
			for times := 1; times <= 3; times++ {
				t.Run(fmt.Sprintf("%s %d times, key %q", c.name, times, key), func(t *testing.T) {
					b := newBench(t)
					account := b.open()
					owner := b.join(account, "owner", domain.Owner)
					i := b.invite(account, "ann", domain.Viewer)
					for _, do := range []struct {
						call handlers.Call
						cmd  domain.Command
						fact string
						n    int
					}{
						{by(owner), domain.InviteUsers{Account: account, Invitees: []*domain.Addressee{addressee("new")}, Grants: grants(domain.Viewer)}, "invitation.created", 3},
						{link(i), accept(account, i, "ann"), "invitation.accepted", 2},
					} {
						before := b.facts(events.OfAccount(account), do.fact)
						b.log.Fail(slices.Repeat([]memlog.Fault{c.fault}, times)...)
						if key != "" {
							do.call = keyed(do.call, key, "x")
						}
						tries := times
						if c.want == nil {
							tries = 1
						}
						for range tries {
							_, err := b.app.Do(t.Context(), do.call, do.cmd)
							if !errors.Is(err, c.want) || errors.Is(err, handlers.ErrUnknownOutcome) {
								t.Errorf("%s: got %v, want %v", do.cmd.Name(), err, c.want)
							}
						}
						if c.want != nil {
							if got := b.facts(events.OfAccount(account), do.fact); got != before {
								t.Errorf("%s: told that nothing was done, and it was", do.cmd.Name())
							}
							b.do(b.app, do.call, do.cmd)
						}
						if got := b.facts(events.OfAccount(account), do.fact); got != before+1 {
							t.Errorf("%s: %d effects", do.cmd.Name(), got-before)
						}
						if got := b.facts(events.OfAccount(account), do.fact); got != do.n {
							t.Errorf("%s: %d facts, want %d", do.cmd.Name(), got, do.n)
						}
					}
				})
			}
		}
	}
}

// 1,000 commands while the log fails in every way, each tried until it is answered: 1,000 effects (F02).
func TestFaultStorm(t *testing.T) {
	b := newBench(t)
	account := b.open()
	b.join(account, "owner", domain.Owner)
	storm := rand.New(rand.NewPCG(1, 2))
	const commands = 1000
	tries := 0
	for n := range commands {
		name := fmt.Sprint("n", n)
		call := keyed(operator(), name, name)
		cmd := domain.InviteUsers{Account: account, Invitees: []*domain.Addressee{addressee(name)}, Grants: grants(domain.Viewer)}
		for done := false; !done; tries++ {
			for range storm.IntN(4) {
				b.log.Fail(memlog.Fault(storm.IntN(int(memlog.Broken) + 1)))
			}
			switch _, err := b.app.Do(t.Context(), call, cmd); {
			case err == nil:
				done = true
			case errors.Is(err, handlers.ErrUnavailable), errors.Is(err, handlers.ErrUnknownOutcome), errors.Is(err, memlog.ErrBroken):
			default:
				t.Fatal(err)
			}
			if tries%50 == 0 {
				b.app = b.another(handlers.Config{}) // the process dies
			}
		}
	}
	if got := b.facts(events.OfAccount(account), "invitation.created") - 1; got != commands {
		t.Errorf("%d effects of %d commands", got, commands)
	}
	t.Logf("%d commands, %d tries, %d effects", commands, tries, b.facts(events.OfAccount(account), "invitation.created")-1)
}

// A commit that may still arrive is told as such, whatever stands in the way of looking again.
func TestUnknownOutcome(t *testing.T) {
	b := newBench(t)
	account := b.open()
	owner := b.join(account, "owner", domain.Owner)
	ctx, cancel := context.WithCancel(t.Context())
	app := b.another(handlers.Config{Log: &hooked{Log: b.log, before: func(handlers.Write) { cancel() }}})
	b.log.Fail(memlog.Late)
	cmd := domain.InviteUsers{Account: account, Invitees: []*domain.Addressee{addressee("new")}, Grants: grants(domain.Viewer)}
	call := keyed(by(owner), "key", "x")
	if _, err := app.Do(ctx, call, cmd); !errors.Is(err, handlers.ErrUnknownOutcome) {
		t.Fatalf("got %v", err)
	}
	r := b.do(b.another(handlers.Config{}), call, cmd) // it arrives just before this one
	if got := b.facts(events.OfAccount(account), "invitation.created"); got != 2 || len(r.Commits) != 1 {
		t.Errorf("%d effects, %+v", got-1, r)
	}
}

// A commit whose caller has gone away before it was acknowledged counts from the moment it is in the log: a suspended
// member's next request is refused, also by a process that nobody else writes beside (SPEC 3.9).
func TestUnknownOutcomeCounts(t *testing.T) {
	for name, fault := range map[string]memlog.Fault{"stored before": memlog.LostAck, "stored after": memlog.Late} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t)
			account := b.open()
			owner := b.join(account, "owner", domain.Owner)
			viewer := b.join(account, "viewer", domain.Viewer)
			ctx, cancel := context.WithCancel(t.Context())
			app := b.another(handlers.Config{Log: &hooked{Log: b.log, before: func(handlers.Write) { cancel() }}})
			may := func() error {
				_, err := app.Do(t.Context(), by(viewer), domain.MayIn{Account: account, Permission: domain.UsersRead})
				return err
			}
			if err := may(); err != nil {
				t.Fatal(err)
			}
			b.log.Fail(fault)
			if _, err := app.Do(ctx, by(owner), domain.Suspend{Account: account, User: viewer}); !errors.Is(err, handlers.ErrUnknownOutcome) {
				t.Fatalf("got %v", err)
			}
			if err := may(); fault == memlog.Late && err != nil { // read from the log, where it is not yet
				t.Fatal(err)
			}
			b.do(b.another(handlers.Config{}), operator(), domain.OpenAccount{AccountName: "What was late comes before this"})
			if err := may(); code(err) != domain.NotPermitted {
				t.Errorf("the suspended member: %v", err)
			}
			if _, err := app.Do(t.Context(), by(owner), domain.Reactivate{Account: account, User: viewer}); err != nil {
				t.Error(err)
			}
			if err := may(); err != nil {
				t.Error(err)
			}
		})
	}
}

// hooked is a log that a test looks over the shoulder of.
type hooked struct {
	handlers.Log
	before func(handlers.Write)
	answer error // instead of appending
}

func (h *hooked) Append(ctx context.Context, writes ...handlers.Write) ([]uint64, error) {
	if h.answer != nil {
		h.before(writes[0])
		return nil, h.answer
	}
	positions, err := h.Log.Append(context.WithoutCancel(ctx), writes...)
	h.before(writes[0])
	return positions, err
}

// What stands in the log is seen by whoever has heard of it in the feed, also before the command that wrote it was told.
func TestUserSince(t *testing.T) {
	b := newBench(t)
	account := b.open()
	b.join(account, "owner", domain.Owner)
	ann := b.join(account, "ann", domain.Viewer)
	log := &hooked{Log: b.log, before: func(handlers.Write) {}}
	app := b.another(handlers.Config{Log: log})
	if u, _, err := app.User(t.Context(), ann); err != nil || u.Locked { // it knows the user from here on
		t.Fatalf("%+v, %v", u, err)
	}
	heard := false
	log.before = func(handlers.Write) {
		commits := b.commits(events.OfUser(ann))
		u, err := app.UserSince(t.Context(), ann, commits[len(commits)-1].Pos)
		heard = err == nil && u.Locked
	}
	b.do(app, operator(), domain.LockUser{User: ann, Reason: "lost her laptop"})
	if !heard {
		t.Error("a follower sees what was before the fact that it heard of")
	}
}

// A command older than 60 s is not appended any more: whoever asked has given up.
func TestTooOld(t *testing.T) {
	b := newBench(t)
	account := b.open()
	appends := 0
	log := &hooked{Log: b.log, answer: handlers.ErrConflict, before: func(handlers.Write) { appends++; b.clock.move(7 * time.Second) }}
	app := b.another(handlers.Config{Log: log})
	_, err := app.Do(t.Context(), operator(), domain.InviteUsers{Account: account, Invitees: []*domain.Addressee{addressee("new")}, Grants: grants(domain.Owner)})
	if !errors.Is(err, handlers.ErrUnavailable) || errors.Is(err, handlers.ErrUnknownOutcome) || appends != 9 {
		t.Errorf("%d tries, %v", appends, err)
	}
	log.answer, appends = handlers.ErrUnknownOutcome, 0
	_, err = app.Do(t.Context(), operator(), domain.InviteUsers{Account: account, Invitees: []*domain.Addressee{addressee("new")}, Grants: grants(domain.Owner)})
	if !errors.Is(err, handlers.ErrUnknownOutcome) || errors.Is(err, handlers.ErrUnavailable) || appends != 9 {
		t.Errorf("%d tries, %v", appends, err)
	}
}

// A fact of a newer version stops every command of its boundary, and no other (DESIGN 4).
func TestUnknownFact(t *testing.T) {
	b := newBench(t)
	account, other := b.open(), b.open()
	payload := fmt.Appendf(nil, `{"v":1,"log":%q,"id":"AAAAAAAAAAAAAAAAAAAAAQ","boundary":"account.%s","prev":{"pos":0,"hash":""},"at":"2026-06-01T12:00:00.000000Z",`+
		`"cmd":{"id":"AAAAAAAAAAAAAAAAAAAAAQ","name":"X","part":1,"parts":1},"actor":{"type":"system"},"facts":[{"type":"account.painted","v":1,"data":{}}]}`, b.app.LogID(), account)
	last := b.commits(events.OfAccount(account))[0]
	if _, err := b.log.Append(t.Context(), handlers.Write{Boundary: events.OfAccount(account), ID: events.CommitID{15: 1}, After: last.Pos, Payload: payload}); err != nil {
		t.Fatal(err)
	}
	app := b.another(handlers.Config{})
	invite := domain.InviteUsers{Account: account, Invitees: []*domain.Addressee{addressee("new")}, Grants: grants(domain.Owner)}
	for _, call := range []handlers.Call{operator(), keyed(operator(), "key", "x")} {
		if _, err := app.Do(t.Context(), call, invite); !errors.Is(err, handlers.ErrUnavailable) || !errors.Is(err, events.ErrUnknown) {
			t.Errorf("a command: %v", err)
		}
	}
	if err := app.Ask(t.Context(), operator(), domain.MayIn{Account: account, Permission: domain.UsersRead}); !errors.Is(err, handlers.ErrUnavailable) {
		t.Errorf("a query: %v", err)
	}
	if _, _, err := app.Account(t.Context(), account); !errors.Is(err, handlers.ErrUnavailable) {
		t.Errorf("a state: %v", err)
	}
	invite.Account = other
	b.do(app, operator(), invite)
}

// Time never goes back within a boundary, whatever the clock does (DESIGN 3).
func TestTimeNeverGoesBack(t *testing.T) {
	b := newBench(t)
	account := b.open()
	b.clock.move(-time.Hour)
	b.join(account, "owner", domain.Owner)
	b.clock.move(-48 * time.Hour)
	b.invite(account, "new", domain.Viewer)
	b.clock.move(72 * time.Hour)
	b.invite(account, "newer", domain.Viewer)
	last := events.Time(0)
	for _, c := range b.commits(events.OfAccount(account)) {
		if c.At < last {
			t.Errorf("position %d is of %s, after %s", c.Pos, c.At, last)
		}
		last = c.At
	}
	if want := events.TimeOf(b.clock.now()); last != want {
		t.Errorf("the clock is right again, and the last commit of %s, not %s", last, want)
	}
}
