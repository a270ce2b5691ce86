// Package feedtest gives tests an instance with everything real on the writing side: an embedded NATS server, the
// log, the vault, commands, and the feed.
package feedtest

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/nats-io/nats.go/jetstream"

	"roster/domain"
	"roster/events"
	"roster/handlers"
	"roster/handlers/feed"
	"roster/infra/eventlog"
	"roster/infra/feedlog"
	"roster/infra/keyring"
	"roster/infra/nats"
	"roster/infra/sealer"
	"roster/infra/vault"
)

// Instance is a running instance. Its first account has been made, with Owner.
type Instance struct {
	App     *handlers.App
	Log     *eventlog.Log
	Sealer  *sealer.Sealer
	Feed    *feedlog.Feed
	JS      jetstream.JetStream
	Dir     string // of the streams' files
	Account events.AccountID
	Owner   events.UserID

	t    testing.TB
	mu   sync.Mutex
	late time.Duration
}

// OwnerEmail is the address of Owner, whose name is Ada Okafor.
const OwnerEmail = "ada@harbour.example"

// Start starts an instance that ends with the test.
func Start(t testing.TB) *Instance {
	t.Helper()
	ctx := t.Context()
	dir := t.TempDir()
	server, err := nats.Embedded(ctx, nats.Config{Dir: dir, Log: slog.New(slog.DiscardHandler), GroupCommit: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := server.Close(); err != nil {
			t.Error(err)
		}
	})
	nc, err := server.Connect()
	if err != nil {
		t.Fatal(err)
	}
	i := &Instance{t: t, Dir: dir}
	if i.JS, err = jetstream.New(nc); err != nil {
		t.Fatal(err)
	}
	if i.Log, err = eventlog.Open(ctx, nc, "roster", eventlog.OnDisk(server)); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(i.Log.Close)
	keys, err := keyring.New(rand.Reader, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	v, err := vault.Open(ctx, i.JS, keys, vault.Options{Rand: rand.Reader, Disk: server})
	if err != nil {
		t.Fatal(err)
	}
	i.Sealer = sealer.New(v, rand.Reader)
	i.App = handlers.NewApp(handlers.Config{Log: i.Log, Sealer: i.Sealer, MACs: keys, Clock: i.clock, Build: "test", Logger: Quiet()})
	if _, err := i.App.Start(ctx, keys.Fingerprint()); err != nil {
		t.Fatal(err)
	}
	if i.Feed, err = feedlog.Open(ctx, i.JS, "roster", feedlog.Options{Disk: server}); err != nil {
		t.Fatal(err)
	}
	user := i.newUser("Ada", "Okafor")
	i.Owner = user.ID
	r := i.Do(handlers.System("setup"), domain.SetUp{AccountName: "Harbour", Owner: i.Addressee(OwnerEmail, "", ""), User: user})
	for _, c := range r.Commits {
		if c.Boundary.Kind == events.AccountBoundary {
			i.Account = events.AccountID(c.Boundary.ID)
		}
	}
	return i
}

// Quiet is a logger that says nothing.
func Quiet() *slog.Logger { return slog.New(slog.DiscardHandler) }

func (i *Instance) clock() time.Time {
	i.mu.Lock()
	defer i.mu.Unlock()
	return time.Now().Add(i.late)
}

// Later puts the clock forward.
func (i *Instance) Later(d time.Duration) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.late += d
}

// Publisher makes a publisher over a stream, the instance's own where it is nil.
func (i *Instance) Publisher(s feed.Stream) *feed.Publisher {
	if s == nil {
		s = i.Feed
	}
	return feed.New(feed.Config{Source: i.Log, Opener: i.Sealer, Stream: s, Lease: Alone{}, PublicURL: "https://portal.example", Logger: Quiet()})
}

// Publish publishes until the test is over.
func (i *Instance) Publish() {
	Go(i.t, i.Publisher(nil).Run)
}

// Go runs something until the test is over, and wants no error of it.
func Go(t testing.TB, run func(context.Context) error) {
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- run(ctx) }()
	t.Cleanup(func() {
		stop()
		if err := <-done; err != nil && !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
	})
}

// Alone is a lease for a test without another process.
type Alone struct{}

// Hold runs fn.
func (Alone) Hold(ctx context.Context, _ string, fn func(ctx context.Context) error) error {
	return fn(ctx)
}

// ByOwner is the owner as an actor.
func (i *Instance) ByOwner() events.Actor {
	return events.Actor{Type: events.ByUser, ID: i.Owner.String()}
}

// Operator is the operator as an actor.
func (i *Instance) Operator() events.Actor {
	return events.Actor{Type: events.ByOperator, ID: events.AnyID(uuid.Must(uuid.NewV7())).String()}
}

// Do carries out a command that must succeed.
func (i *Instance) Do(by events.Actor, cmd domain.Command) handlers.Result {
	i.t.Helper()
	r, err := i.App.Do(i.t.Context(), handlers.Call{Actor: by, Origin: events.OriginInfo{IP: "192.0.2.7", Device: "browser"}}, cmd)
	if err != nil {
		i.t.Fatal(err)
	}
	return r
}

// Addressee claims an address.
func (i *Instance) Addressee(email, first, last string) domain.Addressee {
	i.t.Helper()
	id, key, err := i.Sealer.ClaimAddress(i.t.Context(), email)
	if err != nil {
		i.t.Fatal(err)
	}
	return domain.Addressee{ID: id, Key: key, Email: email, Name: events.PersonName{First: first, Last: last}}
}

func (i *Instance) newUser(first, last string) domain.NewUser {
	i.t.Helper()
	id := events.UserID(uuid.Must(uuid.NewV7()))
	key, err := i.Sealer.NewUserKey(i.t.Context(), id)
	if err != nil {
		i.t.Fatal(err)
	}
	secret, err := i.Sealer.PutPassword(i.t.Context(), id, "hash")
	if err != nil {
		i.t.Fatal(err)
	}
	return domain.NewUser{ID: id, Key: key, Name: events.PersonName{First: first, Last: last}, Password: secret}
}

// Invite invites addresses as viewers, by the owner, and answers the invitations in order.
func (i *Instance) Invite(emails ...string) []events.InvitationID {
	i.t.Helper()
	cmd := domain.InviteUsers{Account: i.Account, Grants: []events.Grant{{Roles: []string{domain.Viewer}}}}
	for _, e := range emails {
		a := i.Addressee(e, "", "")
		cmd.Invitees = append(cmd.Invitees, &a)
	}
	var ids []events.InvitationID
	for _, c := range i.Do(i.ByOwner(), cmd).Commits {
		for _, f := range c.Facts {
			if f, ok := f.(events.InvitationCreated); ok {
				ids = append(ids, f.Invitation)
			}
		}
	}
	return ids
}

// Join invites somebody and has them accept as a new user.
func (i *Instance) Join(email, first, last string) (events.UserID, events.InvitationID) {
	i.t.Helper()
	id := i.Invite(email)[0]
	u := i.newUser(first, last)
	link := events.Actor{Type: events.ByLink, ID: fmt.Sprintf("%s.1", id)}
	i.Do(link, domain.AcceptInvitation{Account: i.Account, Invitation: id, Generation: 1, New: &u, To: i.Addressee(email, "", "")})
	return u.ID, id
}

// Facts lists the ids of all facts of the log, in order.
func (i *Instance) Facts() []string {
	i.t.Helper()
	var ids []string
	for _, c := range i.Commits() {
		for n := range c.Facts {
			ids = append(ids, feed.EventID(c.ID, n))
		}
	}
	return ids
}

// All lists all facts of the log, in order and sealed.
func (i *Instance) All() []events.Event {
	i.t.Helper()
	var facts []events.Event
	for _, c := range i.Commits() {
		facts = append(facts, c.Facts...)
	}
	return facts
}

// Commits lists all commits of the log, in order and sealed.
func (i *Instance) Commits() []events.Commit {
	i.t.Helper()
	last, err := i.Log.Last(i.t.Context())
	if err != nil {
		i.t.Fatal(err)
	}
	var list []events.Commit
	for pos := uint64(0); pos < last; {
		records, err := i.Log.Read(i.t.Context(), pos, 1000)
		if err != nil {
			i.t.Fatal(err)
		}
		for _, r := range records {
			c, err := events.Decode(r)
			if err != nil {
				i.t.Fatal(err)
			}
			list, pos = append(list, c), r.Pos
		}
	}
	return list
}

// Eventually waits until ok, for 30 seconds at most.
func Eventually(t testing.TB, what string, ok func() bool) {
	t.Helper()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	late := time.NewTimer(30 * time.Second)
	defer late.Stop()
	for !ok() {
		select {
		case <-tick.C:
		case <-late.C:
			t.Fatalf("in vain: %s", what)
		}
	}
}
