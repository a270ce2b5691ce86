package handlers_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"go.uber.org/goleak"

	"roster/domain"
	"roster/events"
	"roster/handlers"
	"roster/infra/eventlog/memlog"
)

// The database of pgtest lives as long as the process.
func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m, goleak.IgnoreAnyFunction("roster/infra/postgres/launch.(*Server).supervise"))
}

// sealer seals so that a box opens in its own place alone. Erased keys open nothing.
type sealer struct {
	mu     sync.Mutex
	erased map[events.KeyID]bool
}

func mark(at events.Place, key events.KeyID) []byte {
	sum := sha256.Sum256(fmt.Appendf(nil, "%v %v", at, key))
	return sum[:16]
}

func (s *sealer) Seal(_ context.Context, at events.Place, key events.KeyID, plain []byte) (events.Box, error) {
	if key.IsZero() {
		return events.Box{}, errors.New("sealed with no key")
	}
	return events.Box{K: key, B: append(append([]byte{1}, mark(at, key)...), plain...)}, nil
}

func (s *sealer) Open(_ context.Context, at events.Place, b events.Box) ([]byte, bool, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.erased[b.K] {
		return nil, false, nil
	}
	if len(b.B) < 17 || !bytes.Equal(b.B[1:17], mark(at, b.K)) {
		return nil, false, errors.New("the box does not belong here")
	}
	return b.B[17:], true, nil
}

func (s *sealer) OriginKey(_ context.Context, month string) (events.KeyID, error) {
	return keyOf("month " + month), nil
}

type macs struct{}

func (macs) MAC(canonical []byte) string {
	sum := sha256.Sum256(canonical)
	return "k." + hex.EncodeToString(sum[:])
}

func (m macs) VerifyMAC(canonical []byte, mac string) bool { return m.MAC(canonical) == mac }

// clock is a clock that a test moves.
type clock struct {
	mu sync.Mutex
	at time.Time
}

func newClock() *clock { return &clock{at: time.Date(2026, 6, 1, 12, 0, 0, 0, time.UTC)} }

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.at
}

func (c *clock) move(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.at = c.at.Add(d)
}

// bench is a log with apps over it.
type bench struct {
	*testing.T
	log   *memlog.Log
	clock *clock
	app   *handlers.App

	shared bool // several processes write at once
	alone  bool // and nobody follows the log
}

func newBench(t *testing.T) *bench {
	b := &bench{T: t, log: memlog.New(), clock: newClock()}
	b.app = b.another(handlers.Config{})
	return b
}

func newShared(t *testing.T) *bench {
	b := &bench{T: t, log: memlog.New(), clock: newClock(), shared: true}
	b.app = b.another(handlers.Config{})
	return b
}

// another is a further process on the same log.
func (b *bench) another(c handlers.Config) *handlers.App {
	b.Helper()
	if c.Log == nil {
		c.Log = b.log
	}
	if c.Clock == nil {
		c.Clock = b.clock.now
	}
	c.Sealer, c.MACs, c.Build, c.Shared = &sealer{}, macs{}, "test", b.shared
	app := handlers.NewApp(c)
	if _, err := app.Start(b.Context(), "fingerprint"); err != nil {
		b.Fatal(err)
	}
	if b.shared && !b.alone {
		ctx, stop := context.WithCancel(context.Background())
		done := make(chan struct{})
		go func() {
			defer close(done)
			if err := app.Follow(ctx); ctx.Err() == nil {
				b.Errorf("the follower stopped: %v", err)
			}
		}()
		b.Cleanup(func() { stop(); <-done })
	}
	return app
}

func (b *bench) last() uint64 {
	b.Helper()
	n, err := b.log.Last(b.Context())
	if err != nil {
		b.Fatal(err)
	}
	return n
}

func (b *bench) do(app *handlers.App, call handlers.Call, cmd domain.Command) handlers.Result {
	b.Helper()
	r, err := app.Do(b.Context(), call, cmd)
	if err != nil {
		b.Fatalf("%s: %v", cmd.Name(), err)
	}
	return r
}

// commits reads a boundary.
func (b *bench) commits(of events.Boundary) (all []events.Commit) {
	b.Helper()
	records, err := b.log.Boundary(b.Context(), of, 0)
	if err != nil {
		b.Fatal(err)
	}
	for _, r := range records {
		c, err := events.Decode(r)
		if err != nil {
			b.Fatal(err)
		}
		all = append(all, c)
	}
	return all
}

// facts counts the facts of a kind in a boundary.
func (b *bench) facts(of events.Boundary, kind string) (n int) {
	b.Helper()
	for _, c := range b.commits(of) {
		for _, f := range c.Facts {
			if events.KindOf(f).Name == kind {
				n++
			}
		}
	}
	return n
}

func code(err error) domain.Code {
	var refusal *domain.Error
	if errors.As(err, &refusal) {
		return refusal.Code
	}
	return ""
}

func keyOf(name string) events.KeyID {
	sum := sha256.Sum256([]byte(name))
	return events.KeyID(sum[:24])
}

func idOf(name string) [16]byte {
	sum := sha256.Sum256([]byte("id of " + name))
	return [16]byte(sum[:16])
}

func operator() handlers.Call {
	return handlers.Call{Actor: events.Actor{Type: events.ByOperator, ID: "0198c5d4-7e1a-7c3f-9b1d-000000000091"}}
}

func by(u events.UserID) handlers.Call {
	return handlers.Call{Actor: events.Actor{Type: events.ByUser, ID: u.String()}}
}

func keyed(c handlers.Call, key, request string) handlers.Call {
	c.Key, c.Request = key, []byte(request)
	return c
}

func addressee(name string) *domain.Addressee {
	return &domain.Addressee{ID: events.AddressID(idOf("address " + name)), Key: keyOf("@" + name), Email: name + "@example.com"}
}

func newUser(name string) *domain.NewUser {
	id := events.UserID(uuid.Must(uuid.NewV7()))
	return &domain.NewUser{ID: id, Key: keyOf(id.String()), Name: events.PersonName{First: name, Last: "Lee"}, Password: events.SecretID(uuid.Must(uuid.NewV7()))}
}

func grants(role string) []events.Grant { return []events.Grant{{Roles: []string{role}}} }

// open makes an account.
func (b *bench) open() events.AccountID {
	b.Helper()
	r := b.do(b.app, operator(), domain.OpenAccount{AccountName: "Acme"})
	return events.AccountID(r.Commits[0].Boundary.ID)
}

// invite invites somebody and answers the invitation.
func (b *bench) invite(account events.AccountID, name, role string) events.InvitationID {
	b.Helper()
	r := b.do(b.app, operator(), domain.InviteUsers{Account: account, Invitees: []*domain.Addressee{addressee(name)}, Grants: grants(role)})
	return r.Commits[0].Facts[0].(events.InvitationCreated).Invitation
}

func link(i events.InvitationID) handlers.Call {
	return handlers.Call{Actor: events.Actor{Type: events.ByLink, ID: i.String() + ".1"}}
}

func accept(account events.AccountID, i events.InvitationID, name string) domain.AcceptInvitation {
	return domain.AcceptInvitation{Account: account, Invitation: i, Generation: 1, New: newUser(name), To: *addressee(name)}
}

// join makes somebody a member, as a new user.
func (b *bench) join(account events.AccountID, name, role string) events.UserID {
	b.Helper()
	i := b.invite(account, name, role)
	cmd := accept(account, i, name)
	b.do(b.app, link(i), cmd)
	return cmd.New.ID
}

// account is an account as a process sees it that has just been started.
func (b *bench) account(id events.AccountID) domain.Account {
	b.Helper()
	a, _, err := b.another(handlers.Config{}).Account(b.Context(), id)
	if err != nil {
		b.Fatal(err)
	}
	return a
}

// at once runs n functions at the same time.
func atOnce(n int, do func(i int)) {
	var wg sync.WaitGroup
	begin := make(chan struct{})
	for i := range n {
		wg.Go(func() { <-begin; do(i) })
	}
	close(begin)
	wg.Wait()
}
