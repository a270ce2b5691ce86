package outbox_test

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgxpool"
	"go.uber.org/goleak"

	"roster/events"
	"roster/handlers/mailer"
	"roster/infra/outbox"
	"roster/infra/postgres/launch/pgtest"
)

// The database of pgtest lives as long as the process.
func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m, goleak.IgnoreAnyFunction("roster/infra/postgres/launch.(*Server).supervise"))
}

func open(t *testing.T) *outbox.Outbox {
	t.Helper()
	pool, err := pgxpool.New(t.Context(), pgtest.Database(t))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(pool.Close)
	return outbox.New(pool)
}

var day = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func row(n int) mailer.Row {
	return mailer.Row{Event: fmt.Sprintf("event.%d", n), Target: "invitee", Mail: mailer.MailInvitation, Recipient: events.AnyID{1}, Subject: events.AnyID{2}, Account: events.AccountID(uuid.Must(uuid.NewV7())),
		Invitation: events.InvitationID(uuid.Must(uuid.NewV7())), Generation: 4_000_000_000, Since: day}
}

func TestTheLifeOfARow(t *testing.T) {
	o, ctx := open(t), t.Context()
	if begun, err := o.Begun(ctx); begun || err != nil {
		t.Fatal(begun, err)
	}
	for range 2 {
		if err := o.Begin(ctx, day, 7); err != nil {
			t.Fatal(err)
		}
	}
	if begun, err := o.Begun(ctx); !begun || err != nil {
		t.Fatal(begun, err)
	}
	if s, err := o.Skipped(ctx); err != nil || s == nil || s.To != 7 || !s.At.Equal(day) {
		t.Fatal(s, err)
	}
	want := row(1)
	for range 2 {
		if err := o.Add(ctx, want); err != nil {
			t.Fatal(err)
		}
	}
	if r, err := o.Claim(ctx, day.Add(-time.Second), day); r != nil || err != nil {
		t.Fatal("claimed before it was due", r, err)
	}
	first, err := o.Claim(ctx, day, day.Add(time.Minute))
	if err != nil || first == nil {
		t.Fatal(first, err)
	}
	want.Claim = first.Claim
	if *first != want {
		t.Errorf("got %+v, want %+v", *first, want)
	}
	if r, err := o.Claim(ctx, day.Add(59*time.Second), day.Add(time.Hour)); r != nil || err != nil {
		t.Fatal("claimed twice", r, err)
	}
	if err := o.Extend(ctx, *first, day.Add(2*time.Minute)); err != nil {
		t.Fatal(err)
	}
	second, err := o.Claim(ctx, day.Add(2*time.Minute), day.Add(3*time.Minute))
	if err != nil || second == nil {
		t.Fatal(second, err)
	}
	for name, err := range map[string]error{"extend": o.Extend(ctx, *first, day), "accept": o.Accept(ctx, *first), "retry": o.Retry(ctx, *first, day, 1), "done": o.Done(ctx, *first, day, "sent")} {
		if !errors.Is(err, mailer.ErrNotOurs) {
			t.Errorf("%s after the claim has run out: %v", name, err)
		}
	}
	if err := errors.Join(o.Accept(ctx, *second), o.Retry(ctx, *second, day.Add(5*time.Minute), 3)); err != nil {
		t.Fatal(err)
	}
	third, err := o.Claim(ctx, day.Add(5*time.Minute), day.Add(6*time.Minute))
	if err != nil || third == nil || third.Attempts != 3 || !third.Accepted {
		t.Fatalf("%+v, %v", third, err)
	}
	if n, since, err := o.Waiting(ctx); n != 1 || !since.Equal(day) || err != nil {
		t.Error(n, since, err)
	}
	if err := o.Done(ctx, *third, day.Add(5*time.Minute), "sent"); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(o.Add(ctx, want), o.Tidy(ctx, day.Add(time.Minute))); err != nil {
		t.Fatal(err)
	}
	if r, err := o.Claim(ctx, day.Add(time.Hour), day.Add(2*time.Hour)); r != nil || err != nil {
		t.Fatal("claimed when done", r, err)
	}
	if r, err := o.Find(ctx, want.Event); err != nil || r == nil || r.Invitation != want.Invitation || r.Generation != want.Generation {
		t.Error(r, err)
	}
	other := row(2)
	other.Mail, other.Target = mailer.MailLinkRequested, "somebody"
	if err := o.Add(ctx, other); err != nil {
		t.Fatal(err)
	}
	if r, err := o.Find(ctx, other.Event); r != nil || err != nil {
		t.Error("found a mail that is to no invitee", r, err)
	}
	if err := o.Tidy(ctx, day.Add(time.Hour)); err != nil {
		t.Fatal(err)
	}
	if r, err := o.Find(ctx, want.Event); r != nil || err != nil {
		t.Error("kept for ever", r, err)
	}
}

// A link that somebody waits for does not stand behind the invitations of thousands (SPEC 2.1, 4.4).
func TestBulkGoesLast(t *testing.T) {
	o, ctx := open(t), t.Context()
	if err := o.Begin(ctx, day, 0); err != nil {
		t.Fatal(err)
	}
	for n := range 20 {
		if err := o.Add(ctx, row(n)); err != nil {
			t.Fatal(err)
		}
	}
	link := row(20)
	link.Mail, link.Since = mailer.MailResetLink, day.Add(time.Minute)
	if err := o.Add(ctx, link); err != nil {
		t.Fatal(err)
	}
	for _, want := range []mailer.Kind{mailer.MailResetLink, mailer.MailInvitation} {
		if r, err := o.Claim(ctx, day.Add(time.Minute), day.Add(time.Hour)); err != nil || r == nil || r.Mail != want {
			t.Fatalf("%+v, %v: want %s", r, err, want)
		}
	}
}

func TestEveryRowIsClaimedOnce(t *testing.T) {
	o, ctx := open(t), t.Context()
	if _, err := o.Begun(ctx); err != nil {
		t.Fatal(err)
	}
	const rows = 200
	for n := range rows {
		if err := o.Add(ctx, row(n)); err != nil {
			t.Fatal(err)
		}
	}
	var mu sync.Mutex
	var all sync.WaitGroup
	claimed := map[string]int{}
	for range 4 {
		all.Go(func() {
			for {
				r, err := o.Claim(ctx, day, day.Add(time.Minute))
				if err != nil {
					t.Error(err)
				}
				if r == nil {
					return
				}
				mu.Lock()
				claimed[r.Event]++
				mu.Unlock()
			}
		})
	}
	all.Wait()
	if len(claimed) != rows {
		t.Errorf("%d of %d", len(claimed), rows)
	}
	for event, n := range claimed {
		if n != 1 {
			t.Errorf("%s was claimed %d times", event, n)
		}
	}
}

func TestManyMakeTheTables(t *testing.T) {
	pool, err := pgxpool.New(t.Context(), pgtest.Database(t))
	if err != nil {
		t.Fatal(err)
	}
	defer pool.Close()
	var all sync.WaitGroup
	for range 4 {
		all.Go(func() {
			if _, err := outbox.New(pool).Begun(t.Context()); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
}

// SPEC 2.11: the operator sees the newest mails first, those that wait, and those that came to one end.
func TestList(t *testing.T) {
	o, ctx := open(t), t.Context()
	if err := o.Begin(ctx, day, 0); err != nil {
		t.Fatal(err)
	}
	for n := range 4 {
		r := row(n)
		r.Since = day.Add(time.Duration(n) * time.Minute)
		if err := o.Add(ctx, r); err != nil {
			t.Fatal(err)
		}
	}
	for _, outcome := range []string{"sent", "bounced"} {
		r, err := o.Claim(ctx, day.Add(time.Hour), day.Add(2*time.Hour))
		if err != nil || r == nil {
			t.Fatal(r, err)
		}
		if err := o.Done(ctx, *r, day.Add(time.Hour), outcome); err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range []struct {
		outcome string
		limit   int
		want    string
	}{
		{"", 9, "[event.3: event.2: event.1:bounced event.0:sent]"},
		{"", 3, "[event.3: event.2: event.1:bounced]"},
		{"waiting", 9, "[event.3: event.2:]"},
		{"bounced", 9, "[event.1:bounced]"},
		{"nothing", 9, "[]"},
	} {
		list, _, err := o.List(ctx, c.outcome, c.limit, nil)
		if err != nil {
			t.Fatal(err)
		}
		got := []string{}
		for _, l := range list {
			got = append(got, l.Event+":"+l.Outcome)
			if done := l.Done != nil && l.Done.Equal(day.Add(time.Hour)); done != (l.Outcome != "") {
				t.Errorf("%s is done at %v with %q", l.Event, l.Done, l.Outcome)
			}
		}
		if fmt.Sprint(got) != c.want {
			t.Errorf("the newest %d of %q are %v, want %s", c.limit, c.outcome, got, c.want)
		}
	}
}

// SPEC 2.11: read page by page, every mail comes once, also of those that were added at one moment.
func TestListByPages(t *testing.T) {
	o, ctx := open(t), t.Context()
	if err := o.Begin(ctx, day, 0); err != nil {
		t.Fatal(err)
	}
	for n := range 7 {
		r := row(n)
		r.Since = day.Add(time.Duration(n/3) * time.Microsecond)
		if err := o.Add(ctx, r); err != nil {
			t.Fatal(err)
		}
	}
	var got []string
	var after *outbox.Place
	for more := true; more; {
		list, further, err := o.List(ctx, "waiting", 2, after)
		if err != nil || len(list) == 0 {
			t.Fatal(list, err)
		}
		for _, l := range list {
			got = append(got, l.Event)
		}
		last := list[len(list)-1]
		after, more = &outbox.Place{AddedAt: last.Since, Event: last.Event, Target: last.Target}, further
	}
	if want := "event.6 event.3 event.4 event.5 event.0 event.1 event.2"; strings.Join(got, " ") != want {
		t.Errorf("the pages have %v, want %s", got, want)
	}
}

// The table of an earlier version gets what it lacks; what waits there goes on as the invitation's mail that it is.
func TestATableOfAnEarlierVersion(t *testing.T) {
	ctx := t.Context()
	pool, err := pgxpool.New(ctx, pgtest.Database(t))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(pool.Close)
	if _, err := pool.Exec(ctx, `CREATE SCHEMA roster; CREATE TABLE roster.outbox_begun (at timestamptz NOT NULL, skipped_up_to bigint NOT NULL);
		CREATE TABLE roster.outbox (event text COLLATE "C" NOT NULL, target text COLLATE "C" NOT NULL, account uuid NOT NULL, invitation uuid NOT NULL,
			generation bigint NOT NULL, added_at timestamptz NOT NULL, due_at timestamptz NOT NULL, attempts int NOT NULL DEFAULT 0,
			accepted boolean NOT NULL DEFAULT false, claim uuid, done_at timestamptz, outcome text, PRIMARY KEY (event, target));
		INSERT INTO roster.outbox (event, target, account, invitation, generation, added_at, due_at)
		VALUES ('e.0', 'invitee', gen_random_uuid(), gen_random_uuid(), 1, '2026-03-01', '2026-03-01')`); err != nil {
		t.Fatal(err)
	}
	o := outbox.New(pool)
	if _, err := o.Begun(ctx); err != nil {
		t.Fatal(err)
	}
	if r, err := o.Claim(ctx, day, day.Add(time.Minute)); err != nil || r == nil || r.Mail != mailer.MailInvitation || !r.Recipient.IsZero() {
		t.Errorf("%+v, %v", r, err)
	}
}
