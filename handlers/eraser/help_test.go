package eraser_test

import (
	"context"
	"crypto/rand"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/nats-io/nats.go/jetstream"
	"go.uber.org/goleak"

	"roster/domain"
	"roster/events"
	"roster/handlers"
	"roster/handlers/access"
	"roster/handlers/address"
	"roster/handlers/enroll"
	"roster/handlers/eraser"
	"roster/infra/feedlog/feedtest"
	"roster/infra/keyring"
	"roster/infra/password"
	"roster/infra/postgres/launch/pgtest"
	"roster/infra/sealer"
	"roster/infra/token"
	"roster/projections"
)

// The database of pgtest lives as long as the process.
func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m, goleak.IgnoreAnyFunction("roster/infra/postgres/launch.(*Server).supervise"))
}

// All that is personal about whoever is to be erased has one of these in it.
const (
	canary       = "canary"
	canaryIP     = "198.51.100.77"
	goodPassword = "Tr0ub4dor & three canaries"
)

// fromThem is from where the person acts.
func fromThem() handlers.Call {
	return handlers.Call{Origin: events.OriginInfo{IP: canaryIP, Device: "a canary's browser"}}
}

// rig is an instance with everything real: log, vault, feed, read models.
type rig struct {
	*feedtest.Instance
	t      *testing.T
	keys   *keyring.Keyring
	pool   *pgxpool.Pool
	models *projections.Runner
	access *access.Access
	enroll *enroll.Enroll
}

func open(t *testing.T) *rig {
	t.Helper()
	r := &rig{Instance: feedtest.Start(t), t: t}
	var err error
	if r.keys, err = keyring.New(rand.Reader, time.Now()); err != nil {
		t.Fatal(err)
	}
	r.access = r.accessWith(r.Sealer)
	r.enroll = &enroll.Enroll{App: r.App, Access: r.access}
	if r.pool, err = pgxpool.New(t.Context(), pgtest.Database(t)); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(r.pool.Close)
	r.models = projections.New(r.pool, r.Log, sealer.Opener{Sealer: r.Sealer}, feedtest.Quiet(),
		projections.Archive(), projections.UserList(), projections.Invitations(), projections.Audit())
	if err := r.models.Prepare(t.Context()); err != nil {
		t.Fatal(err)
	}
	feedtest.Go(t, r.models.Run)
	r.Publish()
	return r
}

func (r *rig) accessWith(v handlers.Vault) *access.Access {
	r.t.Helper()
	hasher, err := password.New(password.Params{MemoryKiB: 64, Time: 1, Threads: 1}, 2, rand.Reader)
	if err != nil {
		r.t.Fatal(err)
	}
	return access.New(r.App, v, hasher, token.Tokens{AddressHMAC: r.keys.AddressHMAC})
}

// OfAddress implements eraser.Invitations with the real read model.
func (r *rig) OfAddress(ctx context.Context, address events.AddressID) ([]eraser.Invited, error) {
	last, err := r.App.Last(ctx)
	if err != nil {
		return nil, err
	}
	if err := r.models.WaitFor(ctx, "invitations", last); err != nil {
		return nil, err
	}
	var found []eraser.Invited
	err = r.models.Query(ctx, "invitations", func(ctx context.Context, schema string, q projections.Querier) error {
		list, err := projections.InvitationsOfAddress(ctx, q, schema, address)
		found = nil
		for _, i := range list {
			found = append(found, eraser.Invited(i))
		}
		return err
	})
	return found, err
}

// finder is a list of invitations behind which something happens each time it has been read.
type finder struct {
	eraser.Invitations
	then func() error
}

func (f finder) OfAddress(ctx context.Context, address events.AddressID) ([]eraser.Invited, error) {
	found, err := f.Invitations.OfAddress(ctx, address)
	return found, errors.Join(err, f.then())
}

// once answers a function that does something the first time only.
func once(do func()) func() error {
	done := false
	return func() error {
		if !done {
			done = true
			do()
		}
		return nil
	}
}

// safe is a vault before whose steps something happens; an error is a crash there.
type safe struct {
	handlers.Vault
	beforeSecret, beforePassword, afterPassword func() error
	beforeKey                                   func(n int) error
}

func (s safe) Destroy(ctx context.Context, keys ...events.KeyID) error {
	for n, k := range keys {
		if s.beforeKey != nil {
			if err := s.beforeKey(n); err != nil {
				return err
			}
		}
		if err := s.Vault.Destroy(ctx, k); err != nil {
			return err
		}
	}
	return nil
}

func (s safe) DestroySecret(ctx context.Context, id events.SecretID) error {
	if s.beforeSecret != nil {
		if err := s.beforeSecret(); err != nil {
			return err
		}
	}
	return s.Vault.DestroySecret(ctx, id)
}

func (s safe) Password(ctx context.Context, id events.SecretID) (string, error) {
	if s.beforePassword != nil {
		if err := s.beforePassword(); err != nil {
			return "", err
		}
	}
	hash, err := s.Vault.Password(ctx, id)
	if s.afterPassword != nil {
		err = errors.Join(err, s.afterPassword())
	}
	return hash, err
}

func (r *rig) eraser() *eraser.Eraser { return eraser.New(r.App, r.Sealer, r) }

func (r *rig) byOperator() handlers.Call { return handlers.Call{Actor: r.Operator()} }

func (r *rig) eraseUser(id events.UserID) handlers.Result {
	r.t.Helper()
	done, err := r.eraser().EraseUser(r.t.Context(), r.byOperator(), id)
	if err != nil {
		r.t.Fatal(err)
	}
	return done
}

// follow finishes erasures from here on, until the test is over.
func (r *rig) follow() {
	feedtest.Go(r.t, func(ctx context.Context) error { return r.eraser().Follow(ctx, r.Feed) })
}

// followed waits until every fact is published and every erasure that was heard of has been finished, and of further
// facts as well.
func (r *rig) followed(facts ...string) {
	r.t.Helper()
	feedtest.Eventually(r.t, "erasures are finished", func() bool {
		stream, err := r.JS.Stream(r.t.Context(), "ROSTER_FEED")
		if err != nil || stream.CachedInfo().State.LastSeq < uint64(len(r.Facts())) {
			return false
		}
		var last uint64
		for _, fact := range append(facts, "user.erased", "address.erased") {
			m, err := stream.GetLastMsgForSubject(r.t.Context(), "roster.feed.*.*."+fact)
			if err == nil {
				last = max(last, m.Sequence)
			} else if !errors.Is(err, jetstream.ErrMsgNotFound) {
				return false
			}
		}
		reached, _, err := r.Feed.Reached(r.t.Context(), eraser.Durable)
		return err == nil && reached >= last
	})
}

// account opens an account and has its owner join.
func (r *rig) account(name, owner string) (events.AccountID, events.UserID) {
	r.t.Helper()
	to := r.Addressee(owner, "", "")
	var l enroll.Link
	for _, c := range r.Do(r.Operator(), domain.OpenAccount{AccountName: name, Owner: &to}).Commits {
		l.Account = events.AccountID(c.Boundary.ID)
		l.Invitation, l.Generation = c.Facts[1].(events.InvitationCreated).Invitation, 1
	}
	return l.Account, r.accept(handlers.Call{}, l, "Olaf", "Berg")
}

func (r *rig) accept(call handlers.Call, l enroll.Link, first, last string) events.UserID {
	r.t.Helper()
	done, err := r.enroll.Accept(r.t.Context(), call, l, enroll.Newcomer{First: first, Last: last, Password: goodPassword})
	if err != nil {
		r.t.Fatal(err)
	}
	return done.User
}

func by(user events.UserID) events.Actor { return events.Actor{Type: events.ByUser, ID: user.String()} }

// invite invites somebody by their address in the name of a user.
func (r *rig) invite(who events.UserID, account events.AccountID, email, role string, valid time.Duration) enroll.Link {
	r.t.Helper()
	normal, err := address.Normalize(email)
	if err != nil {
		r.t.Fatal(err)
	}
	to := r.Addressee(normal, "", "")
	if strings.Contains(normal, canary) {
		to.Name = events.PersonName{First: "Grace", Last: "Canary"}
	}
	done := r.Do(by(who), domain.InviteUsers{Account: account, Invitees: []*domain.Addressee{&to}, Grants: []events.Grant{{Roles: []string{role}}}, ValidFor: valid})
	if !slices.Equal(done.Outcomes, []string{domain.OutcomeInvited}) {
		r.t.Fatal(done.Outcomes)
	}
	return enroll.Link{Account: account, Invitation: done.Commits[0].Facts[0].(events.InvitationCreated).Invitation, Generation: 1}
}

func (r *rig) signIn(email string) string {
	r.t.Helper()
	var call handlers.Call
	if strings.Contains(email, canary) {
		call = fromThem()
	}
	in, err := r.access.SignIn(r.t.Context(), call, email, goodPassword)
	if err != nil {
		r.t.Fatal(err)
	}
	return in.Token
}

// wants wants a refusal with a code.
func (r *rig) wants(what string, err error, code domain.Code) *domain.Error {
	r.t.Helper()
	var refusal *domain.Error
	if !errors.As(err, &refusal) || refusal.Code != code {
		r.t.Fatalf("%s: %v, want %s", what, err, code)
	}
	return refusal
}

func (r *rig) user(id events.UserID) domain.User {
	r.t.Helper()
	u, _, err := r.App.User(r.t.Context(), id)
	if err != nil {
		r.t.Fatal(err)
	}
	return u
}

func (r *rig) status(l enroll.Link) domain.Status {
	r.t.Helper()
	a, _, err := r.App.Account(r.t.Context(), l.Account)
	if err != nil {
		r.t.Fatal(err)
	}
	i, _ := a.Invitation(l.Invitation)
	return i.Status
}

func newID[ID ~[16]byte]() ID { return ID(uuid.Must(uuid.NewV7())) }
