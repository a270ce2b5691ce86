package enroll_test

import (
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"roster/domain"
	"roster/events"
	"roster/handlers"
	"roster/handlers/access"
	"roster/handlers/address"
	"roster/handlers/enroll"
	"roster/infra/eventlog/memlog"
	"roster/infra/keyring"
	"roster/infra/nats"
	"roster/infra/password"
	"roster/infra/sealer"
	"roster/infra/token"
	"roster/infra/vault"
)

const goodPassword = "Tr0ub4dor & three"

type world struct {
	*enroll.Enroll
	t     *testing.T
	vault *sealer.Sealer
}

func newWorld(t *testing.T) *world {
	t.Helper()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	server, err := nats.Embedded(t.Context(), nats.Config{Dir: t.TempDir()})
	must(err)
	t.Cleanup(func() { must(server.Close()) })
	conn, err := server.Connect()
	must(err)
	js, err := jetstream.New(conn)
	must(err)
	keys, err := keyring.New(rand.Reader, time.Now())
	must(err)
	v, err := vault.Open(t.Context(), js, keys, vault.Options{Rand: rand.Reader})
	must(err)
	seal := sealer.New(v, rand.Reader)
	hasher, err := password.New(password.Params{MemoryKiB: 64, Time: 1, Threads: 1}, 4, rand.Reader)
	must(err)
	app := handlers.NewApp(handlers.Config{Log: memlog.New(), Sealer: seal, MACs: keys, Build: "test", Logger: slog.New(slog.DiscardHandler)})
	_, err = app.Start(t.Context(), keys.Fingerprint())
	must(err)
	a := access.New(app, seal, hasher, token.Tokens{AddressHMAC: keys.AddressHMAC})
	return &world{&enroll.Enroll{App: app, Access: a}, t, seal}
}

// first sets the portal up.
func (w *world) first() enroll.Result {
	w.t.Helper()
	r, err := w.SetUp(w.t.Context(), handlers.Call{}, enroll.First{AccountName: "Acme GmbH", Email: "Olga@ACME.example",
		Owner: enroll.Newcomer{First: "Olga", Last: "Owner", Password: goodPassword}})
	if err != nil {
		w.t.Fatal(err)
	}
	return r
}

func by(user events.UserID) handlers.Call {
	return handlers.Call{Actor: events.Actor{Type: events.ByUser, ID: user.String()}}
}

func (w *world) invite(by handlers.Call, account events.AccountID, email, first string) enroll.Link {
	w.t.Helper()
	to, err := w.Access.Addressee(w.t.Context(), address.Entry{Email: email, First: first})
	if err != nil {
		w.t.Fatal(err)
	}
	if _, err := w.App.Do(w.t.Context(), by, domain.InviteUsers{Account: account, Invitees: []*domain.Addressee{to}, Grants: []events.Grant{{Roles: []string{domain.Viewer}}}}); err != nil {
		w.t.Fatal(err)
	}
	a, _, err := w.App.Account(w.t.Context(), account)
	if err != nil {
		w.t.Fatal(err)
	}
	i, _ := a.InvitationOf(to.ID)
	return enroll.Link{Account: account, Invitation: i.ID, Generation: i.Generation}
}

func code(err error) domain.Code {
	var refusal *domain.Error
	if errors.As(err, &refusal) {
		return refusal.Code
	}
	return ""
}

func locations(err error) []string {
	var refusal *domain.Error
	var list []string
	if errors.As(err, &refusal) {
		for _, f := range refusal.Fields {
			if !slices.Contains(list, f.Location) {
				list = append(list, f.Location)
			}
		}
	}
	return list
}

func TestSetUp(t *testing.T) {
	w := newWorld(t)
	other := "other"
	for _, c := range []struct {
		first enroll.First
		code  domain.Code
		wrong []string
	}{
		{enroll.First{Owner: enroll.Newcomer{Confirm: &other}}, domain.Invalid,
			[]string{"body.account.name", "body.owner.first_name", "body.owner.last_name", "body.owner.email", "body.owner.password", "body.owner.confirm"}},
		{enroll.First{AccountName: "A", Email: "a@b.example", Owner: enroll.Newcomer{First: "A", Last: "B", Password: "short"}}, domain.PasswordRules, []string{"body.owner.password"}},
		{enroll.First{AccountName: "A", Email: "a b", Owner: enroll.Newcomer{First: "A", Last: "B", Password: goodPassword}}, domain.Invalid, []string{"body.owner.email"}},
	} {
		_, err := w.SetUp(t.Context(), handlers.Call{}, c.first)
		if code(err) != c.code || !slices.Equal(locations(err), c.wrong) {
			t.Errorf("%v at %v, want %s at %v", err, locations(err), c.code, c.wrong)
		}
	}
	if done, err := w.IsSetUp(t.Context()); done || err != nil {
		t.Fatal(done, err)
	}
	keyed := handlers.Call{Key: "once", Request: []byte("{}")}
	whole := enroll.First{AccountName: "Acme GmbH", Email: "olga@acme.example", Owner: enroll.Newcomer{First: "Olga", Last: "Owner", Password: goodPassword}}
	r, err := w.SetUp(t.Context(), keyed, whole)
	if err != nil || r.Account.IsZero() || r.User.IsZero() {
		t.Fatal(r, err)
	}
	again, err := w.SetUp(t.Context(), keyed, whole)
	if err != nil || !again.Repeat || again.Account != r.Account || again.User != r.User {
		t.Errorf("under the same key: %+v, %v", again, err)
	}
	if _, err := w.SetUp(t.Context(), handlers.Call{}, whole); code(err) != domain.InvitationUsed {
		t.Errorf("a second time: %v", err)
	}
	if done, err := w.IsSetUp(t.Context()); !done || err != nil {
		t.Error(done, err)
	}
	if in, err := w.Access.SignIn(t.Context(), handlers.Call{}, "OLGA@acme.example", goodPassword); err != nil || in.User != r.User {
		t.Error(in.User, err)
	}
}

func TestLookAndAccept(t *testing.T) {
	w := newWorld(t)
	first := w.first()
	l := w.invite(by(first.User), first.Account, "ann@acme.example", "Ann")
	v, err := w.Look(t.Context(), handlers.Call{}, l)
	if err != nil {
		t.Fatal(err)
	}
	if v.AccountID != first.Account || v.AccountName != "Acme GmbH" || v.InviterName != "Olga Owner" || v.InviterEmail != "olga@acme.example" || v.ByOperator ||
		v.Email != "ann@acme.example" || v.FirstName != "Ann" || v.HasUser || !v.Holder.IsZero() || !slices.Equal(v.Roles, []string{domain.Viewer}) || v.ExpiresAt.IsZero() {
		t.Errorf("%+v", v)
	}
	if _, err := w.Accept(t.Context(), handlers.Call{}, l, enroll.Newcomer{Last: "Lee", Password: "x"}); code(err) != domain.Invalid ||
		!slices.Equal(locations(err), []string{"body.first_name", "body.password"}) {
		t.Errorf("%v at %v", err, locations(err))
	}
	if _, err := w.Accept(t.Context(), handlers.Call{}, l, enroll.Newcomer{First: "Ann", Last: "Lee", Password: "x"}); code(err) != domain.PasswordRules {
		t.Error(err)
	}
	if _, err := w.Accept(t.Context(), by(first.User), l, enroll.Newcomer{}); code(err) != domain.WrongRecipient {
		t.Error(err)
	}
	keyed := handlers.Call{Key: "once", Request: []byte("{}")}
	ann := enroll.Newcomer{First: "Ann", Last: "Lee", Password: goodPassword}
	r, err := w.Accept(t.Context(), keyed, l, ann)
	if err != nil || r.User.IsZero() || r.Account != first.Account {
		t.Fatal(r, err)
	}
	if actor := r.Commits[0].Actor; actor != l.Actor() {
		t.Errorf("accepted by %+v", actor)
	}
	again, err := w.Accept(t.Context(), keyed, l, ann)
	if err != nil || !again.Repeat || again.User != r.User {
		t.Errorf("under the same key: %+v, %v", again, err)
	}
	if _, err := w.Accept(t.Context(), handlers.Call{}, l, ann); code(err) != domain.InvitationUsed {
		t.Error(err)
	}
	if v, err = w.Look(t.Context(), handlers.Call{}, l); code(err) != domain.InvitationUsed || v.AccountName != "Acme GmbH" || v.InviterName != "Olga Owner" || v.Holder != r.User {
		t.Errorf("used: %+v, %v", v, err)
	}

	// Somebody with a user is not made another one.
	operator := handlers.Call{Actor: events.Actor{Type: events.ByOperator, ID: first.Account.String()}}
	opened, err := w.App.Do(t.Context(), operator, domain.OpenAccount{AccountName: "Beta Ltd"})
	if err != nil {
		t.Fatal(err)
	}
	beta := events.AccountID(opened.Commits[0].Boundary.ID)
	to, err := w.Access.Addressee(t.Context(), address.Entry{Email: "ann@acme.example"})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.App.Do(t.Context(), operator, domain.InviteUsers{Account: beta, Invitees: []*domain.Addressee{to}, Grants: []events.Grant{{Roles: []string{domain.Owner}}}}); err != nil {
		t.Fatal(err)
	}
	a, _, err := w.App.Account(t.Context(), beta)
	if err != nil {
		t.Fatal(err)
	}
	i, _ := a.InvitationOf(to.ID)
	l = enroll.Link{Account: beta, Invitation: i.ID, Generation: 1}
	if v, err = w.Look(t.Context(), handlers.Call{}, l); err != nil || !v.ByOperator || v.InviterName != "" || !v.HasUser || v.Holder != r.User {
		t.Errorf("%+v, %v", v, err)
	}
	if _, err := w.Accept(t.Context(), handlers.Call{}, l, ann); code(err) != domain.SignInRequired {
		t.Error(err)
	}
	if r2, err := w.Accept(t.Context(), by(r.User), l, enroll.Newcomer{}); err != nil || r2.User != r.User {
		t.Error(r2.User, err)
	}
}

// Of many who accept at once, one does.
func TestAcceptAtOnce(t *testing.T) {
	w := newWorld(t)
	first := w.first()
	l := w.invite(by(first.User), first.Account, "ann@acme.example", "Ann")
	errs := make([]error, 50)
	var all sync.WaitGroup
	for i := range errs {
		all.Go(func() {
			_, errs[i] = w.Accept(t.Context(), handlers.Call{}, l, enroll.Newcomer{First: "Ann", Last: "Lee", Password: goodPassword})
		})
	}
	all.Wait()
	done := 0
	for _, err := range errs {
		switch code(err) {
		case domain.InvitationUsed:
		default:
			if err != nil {
				t.Error(err)
			}
			done++
		}
	}
	if done != 1 {
		t.Errorf("%d accepted", done)
	}
}

// What has been erased reads as nothing, and a link to nothing says nothing.
func TestErasedAndUnknown(t *testing.T) {
	w := newWorld(t)
	first := w.first()
	l := w.invite(by(first.User), first.Account, "ann@acme.example", "Ann")
	a, _, err := w.App.Account(t.Context(), first.Account)
	if err != nil {
		t.Fatal(err)
	}
	i, _ := a.Invitation(l.Invitation)
	if err := w.vault.Destroy(t.Context(), i.Invitee.Box.K); err != nil {
		t.Fatal(err)
	}
	if v, err := w.Look(t.Context(), handlers.Call{}, l); err != nil || v.Email != "" || v.FirstName != "" || v.AccountName != "Acme GmbH" {
		t.Errorf("%+v, %v", v, err)
	}
	if _, err := w.Accept(t.Context(), handlers.Call{}, l, enroll.Newcomer{First: "A", Last: "B", Password: goodPassword}); code(err) != domain.InvitationRevoked {
		t.Error(err)
	}
	for _, l := range []enroll.Link{{Account: first.Account, Invitation: events.InvitationID{1}, Generation: 1}, {Account: events.AccountID{1}, Invitation: l.Invitation, Generation: 1}} {
		if v, err := w.Look(t.Context(), by(first.User), l); code(err) != domain.NotFound || v.AccountName != "" || !v.AccountID.IsZero() {
			t.Errorf("%+v, %v", v, err)
		}
		if _, err := w.Accept(t.Context(), handlers.Call{}, l, enroll.Newcomer{}); code(err) != domain.NotFound {
			t.Error(err)
		}
		if _, err := w.Decline(t.Context(), handlers.Call{}, l); code(err) != domain.NotFound {
			t.Error(err)
		}
	}
}

// A link that is used in the very moment in which it is sent again is dead or alive, and never said to lack what was
// given (SPEC 2.6, 2.9).
func TestAcceptWhileResent(t *testing.T) {
	w := newWorld(t)
	first := w.first()
	for n := range 200 {
		l := w.invite(by(first.User), first.Account, fmt.Sprintf("guest%d@acme.example", n), "Guest")
		l.Generation++
		sent := make(chan error, 1)
		go func() {
			_, err := w.App.Do(t.Context(), by(first.User), domain.ResendInvitation{Account: l.Account, Invitation: l.Invitation})
			sent <- err
		}()
		_, err := w.Accept(t.Context(), handlers.Call{}, l, enroll.Newcomer{First: "A", Last: "B", Password: goodPassword})
		if c := code(err); err != nil && c != domain.InvitationReplaced {
			t.Fatalf("round %d: %v", n, err)
		}
		if err := <-sent; err != nil && code(err) != domain.InvitationUsed {
			t.Fatal(err)
		}
	}
}
