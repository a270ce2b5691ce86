package access_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"roster/domain"
	"roster/events"
	"roster/handlers/access"
)

// board is a store of moments in memory, as several copies share one.
type board struct {
	mu    sync.Mutex
	last  map[events.SessionID]time.Time
	notes int
	away  error
}

func (b *board) Note(_ context.Context, seen map[events.SessionID]time.Time) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.notes++
	for id, at := range seen {
		if at.After(b.last[id]) && b.away == nil {
			b.last[id] = at
		}
	}
	return b.away
}

func (b *board) Last(_ context.Context, sessions []events.SessionID) (map[events.SessionID]time.Time, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	found := map[events.SessionID]time.Time{}
	for _, id := range sessions {
		if at, ok := b.last[id]; ok {
			found[id] = at
		}
	}
	return found, b.away
}

func (b *board) Tidy(context.Context, time.Time) error { return b.away }

// SPEC 1.4, S26: a session that is not used for as long as a policy says is none any more, on any copy, and nothing is
// written to the log for it; one that is used stays.
func TestIdleSessions(t *testing.T) {
	p := newPortal(t)
	shared := &board{last: map[events.SessionID]time.Time{}}
	copyOf := func() *access.Access {
		a := access.New(p.app, p.vault, p.passwords, p.tokens)
		a.UseSeen(shared)
		return a
	}
	one, other := copyOf(), copyOf()
	asked := func(a *access.Access, token string) domain.Code {
		t.Helper()
		_, err := a.Authenticate(t.Context(), token)
		if err != nil && refusal(err).Code == "" {
			t.Fatal(err)
		}
		return refusal(err).Code
	}
	note := func(a *access.Access) {
		t.Helper()
		if err := a.NoteSeen(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	p.do(operator(), domain.ChangePolicy{Account: p.account, Policy: events.Policy{Session: &events.SessionRule{Idle: 3600, Absolute: 30 * 86400}}})
	s := p.mustSignIn("viewer@example.com")
	before, err := p.log.Last(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for range 10 { // in use on one copy for seven hours
		p.move(40 * time.Minute)
		if code := asked(one, s.Token); code != "" {
			t.Fatalf("S26: in use: %s", code)
		}
		note(one)
	}
	if code := asked(other, s.Token); code != "" {
		t.Errorf("S26: another copy has never seen it: %s", code)
	}
	if code := asked(copyOf(), s.Token); code != "" {
		t.Errorf("S26: a copy that has just begun: %s", code)
	}
	p.move(76 * time.Minute) // the limit, and by how much the store may lag
	for name, a := range map[string]*access.Access{"one": one, "the other": other, "a new one": copyOf()} {
		if code := asked(a, s.Token); code != domain.SignInRequired {
			t.Errorf("S26: idle on copy %s: %q", name, code)
		}
	}
	if after, err := p.log.Last(t.Context()); err != nil || after != before {
		t.Errorf("SPEC 4.6: %d facts about sessions that were used", after-before)
	}

	// Without the store, a copy goes by what it has seen itself, from when it began.
	s = p.mustSignIn("viewer@example.com")
	shared.away = errors.New("the database is away")
	p.move(50 * time.Minute)
	fresh := copyOf()
	p.move(50 * time.Minute)
	if code := asked(fresh, s.Token); code != "" {
		t.Errorf("S26: nobody can say: %s", code)
	}
	p.move(61 * time.Minute)
	if code := asked(fresh, s.Token); code != domain.SignInRequired {
		t.Errorf("S26: idle for all that it knows: %q", code)
	}
	if err := fresh.NoteSeen(t.Context()); !errors.Is(err, shared.away) {
		t.Errorf("what could not be noted: %v", err)
	}
}

// SPEC 4.6: what is kept of when sessions are used is coarse, and seldom written.
func TestLastSeen(t *testing.T) {
	p := newPortal(t)
	shared := &board{last: map[events.SessionID]time.Time{}}
	p.access.UseSeen(shared)
	s := p.mustSignIn("viewer@example.com")
	for range 12 {
		p.move(10 * time.Minute)
		if _, err := p.access.Authenticate(t.Context(), s.Token); err != nil {
			t.Fatal(err)
		}
		if err := p.access.NoteSeen(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if shared.notes != 1 {
		t.Errorf("SPEC 4.6: written %d times in two hours", shared.notes)
	}
	u, _, err := p.app.User(t.Context(), p.viewer)
	if err != nil {
		t.Fatal(err)
	}
	live := u.Live(p.app.Now())
	if got := p.access.LastSeen(t.Context(), live)[s.Session]; got != events.TimeOf(p.now().Truncate(15*time.Minute)) {
		t.Errorf("SPEC 4.6: last seen at %s, now is %s", got, p.now())
	}
	p.move(49 * time.Hour)
	if err := p.access.NoteSeen(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := p.access.LastSeen(t.Context(), live)[s.Session]; got < live[0].StartedAt {
		t.Errorf("SPEC 4.6: last seen at %s", got)
	}
}
