package domain

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"roster/events"
)

// past is a fact as it happened in a test's history.
type past struct {
	b  events.Boundary
	e  events.Event
	by events.Actor
	at events.Time
}

// from says who did it, ago when: seen from now.
func (p past) from(who events.Actor) past { p.by = who; return p }
func (p past) ago(d time.Duration) past   { p.at = now.Add(-d); return p }
func in(a events.AccountID, e events.Event) past {
	return past{events.OfAccount(a), e, operator, start}
}
func of(u events.UserID, e events.Event) past   { return past{events.OfUser(u), e, operator, start} }
func on(b events.Boundary, e events.Event) past { return past{b, e, operator, start} }
func history(parts ...any) (all []past)         { return flat[past](parts) }
func facts(parts ...any) (all []events.Event)   { return flat[events.Event](parts) }
func flat[T any](parts []any) (all []T) {
	for _, p := range parts {
		switch p := p.(type) {
		case T:
			all = append(all, p)
		case []T:
			all = append(all, p...)
		default:
			panic(fmt.Sprintf("%T in a list of %T", p, all))
		}
	}
	return all
}

// store is what the tests' boundaries add up to.
type store struct {
	states map[events.Boundary]State
	pos    uint64
}

// given folds a history.
func given(all ...past) *store {
	s := &store{states: map[events.Boundary]State{}}
	for _, p := range all {
		s.append(p.b, p.by, p.at, p.e)
	}
	return s
}

func (s *store) state(b events.Boundary) State {
	if st, ok := s.states[b]; ok {
		return st
	}
	return Empty(b)
}

func (s *store) account(id events.AccountID) Account {
	return *s.state(events.OfAccount(id)).(*Account)
}

// append is one commit.
func (s *store) append(b events.Boundary, by events.Actor, at events.Time, list ...events.Event) {
	s.pos++
	for i, e := range list {
		s.states[b] = Evolve(s.state(b), Happened{Event: e, Commit: commit(s.pos), Index: i, Pos: s.pos, At: at, By: by})
	}
}

// outcome is what came of a command.
type outcome struct {
	world *World
	err   error
}

// when lets a command decide. It is asked again for each boundary that it missed, as Do does.
func (s *store) when(cmd Command, is Issued) outcome {
	if is.ID == nil {
		is.ID = fresh
	}
	loaded := map[events.Boundary]State{}
	for {
		w := NewWorld(is, func(b events.Boundary) (State, bool) { st, ok := loaded[b]; return st, ok })
		err := cmd.Decide(w, is)
		if len(w.Missing()) == 0 {
			return outcome{w, err}
		}
		for _, b := range w.Missing() {
			loaded[b] = s.state(b)
		}
	}
}

func (o outcome) facts() (all []events.Event) {
	for _, b := range o.world.Written() {
		all = append(all, o.world.Facts(b)...)
	}
	return all
}

func (o outcome) code() Code {
	var refusal *Error
	errors.As(o.err, &refusal)
	if refusal == nil {
		return ""
	}
	return refusal.Code
}

// want is what should come of a command: facts, a refusal, or nothing.
type want struct {
	facts    []events.Event
	code     Code
	outcomes []string
}

func then(list ...events.Event) want       { return want{facts: list} }
func refused(code Code) want               { return want{code: code} }
func nothing() want                        { return want{} }
func (w want) saying(o ...string) want     { w.outcomes = o; return w }
func as(a events.Actor) Issued             { return Issued{At: now, Actor: a} }
func asOf(a events.Actor, v uint64) Issued { return Issued{At: now, Actor: a, IfMatch: &v} }

// ruling is one line of a command's table. Its name begins with the statement of the specification.
type ruling struct {
	name  string
	given []past
	is    Issued
	cmd   Command
	want  want
}

func rulings(t *testing.T, all []ruling) {
	t.Helper()
	for _, r := range all {
		t.Run(r.name, func(t *testing.T) {
			got := given(r.given...).when(r.cmd, r.is)
			if got.code() != r.want.code || got.err != nil && got.code() == "" {
				t.Fatalf("got %v, want code %q", got.err, r.want.code)
			}
			if r.want.code != "" { // what a refused command recorded is dropped by whoever asked
				return
			}
			if diff := cmp.Diff(r.want.facts, got.facts()); diff != "" {
				t.Errorf("facts (-want +got)\n%s", diff)
			}
			if r.want.outcomes != nil && !slices.Equal(r.want.outcomes, got.world.Outcomes()) {
				t.Errorf("outcomes %v, want %v", got.world.Outcomes(), r.want.outcomes)
			}
		})
	}
}

// The names of the tests: everything about a person is derived from a word.
func hashed(kind, name string) [16]byte {
	sum := sha256.Sum256([]byte(kind + name))
	return [16]byte(sum[:16])
}

func user(name string) events.UserID          { return events.UserID(hashed("user", name)) }
func address(name string) events.AddressID    { return events.AddressID(hashed("address", name)) }
func invited(name string) events.InvitationID { return events.InvitationID(hashed("invitation", name)) }
func session(name string) events.SessionID    { return events.SessionID(hashed("session", name)) }
func secret(name string) events.SecretID      { return events.SecretID(hashed("secret", name)) }
func key(name string) events.KeyID {
	h := hashed("key", name)
	return events.KeyID(append(h[:], h[:8]...))
}
func apiKey(name string) events.KeyRefID { return events.KeyRefID(hashed("apikey", name)) }
func commit(n uint64) events.CommitID    { return events.CommitID(hashed("commit", fmt.Sprint(n))) }
func byKey(name string) events.Actor {
	return events.Actor{Type: events.ByKey, ID: apiKey(name).String()}
}
func by(name string) events.Actor          { return events.Actor{Type: events.ByUser, ID: user(name).String()} }
func fresh(n int) [16]byte                 { return hashed("fresh", fmt.Sprint(n)) }
func roles(names ...string) []events.Grant { return []events.Grant{{Roles: names}} }
func extra(role string, p ...string) []events.Grant {
	return []events.Grant{{Roles: []string{role}, Permissions: p}}
}

var (
	root     = events.AccountID(hashed("account", "root"))
	sub      = events.AccountID(hashed("account", "sub"))
	other    = events.AccountID(hashed("account", "other"))
	operator = events.Actor{Type: events.ByOperator, ID: "0198c5d4-7e1a-7c3f-9b1d-000000000091"}
	system   = events.Actor{Type: events.BySystem, ID: "expirer"}
	nobody   = events.Actor{Type: events.ByAnonymous}
	link     = events.Actor{Type: events.ByLink, ID: "invitation.1"}
	now      = events.TimeOf(time.Date(2026, 6, 1, 12, 0, 0, 0, time.UTC))
	start    = now.Add(-24 * time.Hour)
)

const day = 24 * time.Hour

func opened(id events.AccountID) past {
	return in(id, events.AccountOpened{Name: "Acme", Profile: standardProfile})
}

func openedIn(id, parent events.AccountID) past {
	return in(id, events.AccountOpened{Name: "Acme North", Parent: parent, Profile: standardProfile})
}

// member is a membership with grants, of somebody who is known by a name alone.
func member(name string, grants ...events.Grant) past { return memberOf(root, name, grants...) }

func memberOf(a events.AccountID, name string, grants ...events.Grant) past {
	return in(a, events.MembershipGranted{User: user(name), Key: key(name), Address: address(name), Grants: grants})
}

func is(role string) events.Grant { return events.Grant{Roles: []string{role}} }

func suspended(name string) past { return in(root, events.MembershipSuspended{User: user(name)}) }
func revoked(name string) past   { return in(root, events.MembershipRevoked{User: user(name)}) }

// acme is a root account with one member of each role.
func acme() []past {
	return history(opened(root), member("owner", is(Owner)), member("admin", is(Admin)), member("manager", is(Manager)), member("viewer", is(Viewer)))
}

// invitation of somebody, open for six days more.
func invitation1(name string, grants ...events.Grant) past {
	return in(root, events.InvitationCreated{Invitation: invited(name), Address: address(name),
		Invitee: events.Sealed[events.Invitee]{Box: events.Box{K: key("@" + name), B: []byte{1}}},
		Grants:  grants, Generation: 1, ExpiresAt: start.Add(7 * day)})
}

// registered is somebody with a user.
func registered(name string) []past {
	return history(
		of(user(name), events.UserRegistered{Address: address(name), Email: events.Sealed[events.Email]{Box: events.Box{K: key("@" + name), B: []byte{1}}},
			Profile: events.Sealed[events.PersonName]{Box: events.Box{K: key(name), B: []byte{1}}}}),
		of(user(name), events.PasswordSet{Secret: secret(name)}),
		on(events.OfAddress(address(name)), events.AddressClaimed{User: user(name)}))
}

func addressee(name string) *Addressee {
	return &Addressee{ID: address(name), Key: key("@" + name), Email: name + "@example.com"}
}

// created is the invitation that a command makes as its n-th fresh thing.
func created(n int, name string, validity time.Duration, grants ...events.Grant) events.InvitationCreated {
	return events.InvitationCreated{Invitation: events.InvitationID(fresh(n)), Address: address(name),
		Invitee: events.For(key("@"+name), events.Invitee{Email: name + "@example.com"}), Grants: grants, Generation: 1, ExpiresAt: now.Add(validity)}
}
