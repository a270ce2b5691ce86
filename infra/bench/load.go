package bench

import (
	"context"
	"crypto/rand"
	"fmt"
	"sync"
	"time"

	"github.com/google/uuid"

	"roster/domain"
	"roster/events"
	"roster/handlers"
	"roster/infra/token"
	"roster/infra/vault"
)

const (
	// batchOf is how many commits are appended at once: one atomic batch of JetStream costs about what one commit
	// does.
	batchOf = 500
	// factsOf is how many facts stand in one packed commit, as in a large bulk.
	factsOf = 250
)

// loader writes commits past the App, so that a long history is there in seconds: the same bytes that commands would
// have written, sealed and chained alike, many to a batch.
type loader struct {
	p       *portal
	at      events.Time
	prev    map[events.Boundary]events.Prev
	pending []handlers.Write
	in      map[events.Boundary]bool // of the pending ones: each boundary once in a batch
	facts   int
}

func newLoader(p *portal) *loader {
	return &loader{p: p, at: events.TimeOf(time.Now().Add(-time.Hour)), prev: map[events.Boundary]events.Prev{}, in: map[events.Boundary]bool{}}
}

// goOn makes the loader go on where a boundary ends.
func (l *loader) goOn(ctx context.Context, b events.Boundary) error {
	records, err := l.p.log.Boundary(ctx, b, 0)
	if err == nil && len(records) > 0 {
		last := records[len(records)-1]
		l.prev[b] = events.Prev{Pos: last.Pos, Hash: last.Hash()}
	}
	return err
}

// commit adds a commit to what is to be appended.
func (l *loader) commit(ctx context.Context, b events.Boundary, by events.Actor, command string, facts ...events.Event) error {
	if l.in[b] || len(l.pending) == batchOf {
		if err := l.flush(ctx); err != nil {
			return err
		}
	}
	c := events.Commit{Log: l.p.app.LogID(), Boundary: b, Prev: l.prev[b], At: l.at, Actor: by, Build: "bench",
		Cmd: events.Cmd{Name: command, Part: 1, Parts: 1}}
	if _, err := rand.Read(c.ID[:]); err != nil {
		return err
	}
	c.Cmd.ID = c.ID
	for n, f := range facts {
		place := events.Place{Log: c.Log, Boundary: b, Commit: c.ID, Index: n, Kind: events.KindOf(f)}
		sealed, err := events.Seal(f, func(part string, key events.KeyID, plain []byte) (events.Box, error) {
			place.Part = part
			return l.p.sealer.Seal(ctx, place, key, plain)
		})
		if err != nil {
			return err
		}
		c.Facts = append(c.Facts, sealed)
	}
	payload, err := events.Encode(c)
	if err != nil {
		return err
	}
	l.pending = append(l.pending, handlers.Write{Boundary: b, ID: c.ID, After: c.Prev.Pos, Payload: payload})
	l.in[b] = true
	l.facts += len(facts)
	return nil
}

// flush appends what is pending.
func (l *loader) flush(ctx context.Context) error {
	if len(l.pending) == 0 {
		return nil
	}
	positions, err := l.p.log.Append(ctx, l.pending...)
	if err != nil {
		return fmt.Errorf("load: %w", err)
	}
	for i, w := range l.pending {
		r := events.Record{Pos: positions[i], Boundary: w.Boundary, Payload: w.Payload}
		l.prev[w.Boundary] = events.Prev{Pos: r.Pos, Hash: r.Hash()}
	}
	l.pending = l.pending[:0]
	clear(l.in)
	return nil
}

// keys makes n data keys in the vault, as many at once as callers would.
func (p *portal) newKeys(ctx context.Context, n int) ([]events.KeyID, error) {
	list := make([]events.KeyID, n)
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var callers sync.WaitGroup
	for c := range min(64, n) {
		callers.Go(func() {
			for i := c; i < n && ctx.Err() == nil; i += 64 {
				k, err := p.vault.NewKey(vault.Owner{Type: vault.OwnerUser, ID: uuid.Must(uuid.NewV7()).String()})
				if err == nil {
					err = p.vault.Put(ctx, k)
				}
				if err != nil {
					cancel(err)
					return
				}
				list[i] = k.ID()
			}
		})
	}
	callers.Wait()
	return list, context.Cause(ctx)
}

// someone is a user who can sign in.
type someone struct {
	id      events.UserID
	session events.SessionID
	token   string
}

func (s someone) actor() events.Actor {
	return events.Actor{Type: events.ByUser, ID: s.id.String(), Session: s.session}
}

// firm is an account with an owner and one member.
type firm struct {
	id     events.AccountID
	owner  someone
	member events.UserID
	raised bool // the member is a manager now, not a viewer
}

func grant(role string) []events.Grant { return []events.Grant{{Roles: []string{role}}} }

func newID() [16]byte { return uuid.Must(uuid.NewV7()) }

// people makes users with a session each. Their data is sealed with the keys given, in turn.
func (l *loader) people(ctx context.Context, n int, keys []events.KeyID) ([]someone, error) {
	list := make([]someone, n)
	for i := range list {
		s := someone{id: newID(), session: newID()}
		var hash events.Hash
		var err error
		if s.token, hash, err = token.MintSession(rand.Reader, s.id, s.session); err != nil {
			return nil, err
		}
		facts := append(registered(s.id, newID(), keys[i%len(keys)], keys[i%len(keys)], i),
			events.SessionStarted{Session: s.session, TokenHash: hash, Method: "password", ExpiresAt: l.at.Add(30 * 24 * time.Hour)})
		if err := l.commit(ctx, events.OfUser(s.id), s.actor(), "StartSession", facts...); err != nil {
			return nil, err
		}
		list[i] = s
	}
	return list, l.flush(ctx)
}

func registered(user events.UserID, address events.AddressID, key, addressKey events.KeyID, n int) []events.Event {
	return []events.Event{events.UserRegistered{Address: address, Email: events.For(addressKey, events.Email{Email: emailOf(n)}),
		Profile: events.For(key, nameOf(n))}}
}

// nameOf makes names that spread over the alphabet, as a list's index has them.
func nameOf(n int) events.PersonName {
	mixed := uint32(n) * 2654435761 // Knuth's multiplicative hash: neighbours in time are none in the list
	first, last := make([]byte, 5), make([]byte, 7)
	for i := range first {
		first[i] = 'a' + byte(mixed>>(5*i)%26)
	}
	for i := range last {
		last[i] = 'a' + byte((mixed*31+uint32(i)*40503)>>(4*i)%26)
	}
	first[0], last[0] = first[0]-32, last[0]-32
	return events.PersonName{First: string(first), Last: string(last)}
}

func emailOf(n int) string { return fmt.Sprintf("person%d@customer.example", n) }

// firms makes accounts, each with an owner, one of a few, and a viewer.
func (p *portal) firms(ctx context.Context, n int) ([]firm, error) {
	l := newLoader(p)
	keys, err := p.newKeys(ctx, min(64, n))
	if err != nil {
		return nil, err
	}
	owners, err := l.people(ctx, len(keys), keys)
	if err != nil {
		return nil, err
	}
	list := make([]firm, n)
	for i := range list {
		f := firm{id: newID(), owner: owners[i%len(owners)], member: newID()}
		key := keys[i%len(keys)]
		err := l.commit(ctx, events.OfAccount(f.id), f.owner.actor(), "OpenAccount",
			events.AccountOpened{Name: fmt.Sprintf("Firm %d", i), Profile: events.ProfileRef{Name: "standard", Version: 1}},
			events.MembershipGranted{User: f.owner.id, Key: key, Address: newID(), Grants: grant(domain.Owner)},
			events.MembershipGranted{User: f.member, Key: key, Address: newID(), Grants: grant(domain.Viewer)})
		if err != nil {
			return nil, err
		}
		list[i] = f
	}
	return list, l.flush(ctx)
}

// crowd makes an account with an owner and many members who have names and addresses. All of them are sealed with a
// few keys: what is measured with it opens nothing.
func (p *portal) crowd(ctx context.Context, n int, named bool) (firm, []events.UserID, error) {
	l := newLoader(p)
	keys, err := p.newKeys(ctx, 64)
	if err != nil {
		return firm{}, nil, err
	}
	owners, err := l.people(ctx, 1, keys)
	if err != nil {
		return firm{}, nil, err
	}
	f := firm{id: newID(), owner: owners[0]}
	facts := []events.Event{events.AccountOpened{Name: "Crowd", Profile: events.ProfileRef{Name: "standard", Version: 1}},
		events.MembershipGranted{User: f.owner.id, Key: keys[0], Address: newID(), Grants: grant(domain.Owner)}}
	users := make([]events.UserID, n)
	for i := range users {
		users[i] = newID()
		facts = append(facts, events.MembershipGranted{User: users[i], Key: keys[i%64], Address: newID(), Grants: grant(domain.Viewer)})
		if len(facts) < factsOf && i < n-1 {
			continue
		}
		if err := l.commit(ctx, events.OfAccount(f.id), f.owner.actor(), "AcceptInvitation", facts...); err != nil {
			return f, nil, err
		}
		facts = nil
	}
	f.member = users[n/2]
	for i, u := range users {
		if !named {
			break
		}
		by := events.Actor{Type: events.ByUser, ID: u.String()}
		facts := append(registered(u, newID(), keys[i%64], keys[i%64], i), events.UserJoined{Account: f.id})
		if err := l.commit(ctx, events.OfUser(u), by, "AcceptInvitation", facts...); err != nil {
			return f, nil, err
		}
	}
	return f, users, l.flush(ctx)
}

// factsOfPerson is how many facts tell of one person of a past.
const factsOfPerson = 7

// past writes at least as many facts as asked for, of people who were invited and accepted, in accounts of a hundred,
// each with keys of their own for themselves and for their address.
func (p *portal) past(ctx context.Context, facts int) (int, error) {
	l := newLoader(p)
	n := (facts + factsOfPerson - 1) / factsOfPerson
	keys, err := p.newKeys(ctx, 2*n)
	if err != nil {
		return 0, err
	}
	owners, err := l.people(ctx, 1, keys)
	if err != nil {
		return 0, err
	}
	for from := 0; from < n; from += 100 {
		if err := l.hundred(ctx, owners[0], keys, from, min(from+100, n)); err != nil {
			return 0, err
		}
	}
	return l.facts, l.flush(ctx)
}

// hundred tells of people who came into one account.
func (l *loader) hundred(ctx context.Context, owner someone, keys []events.KeyID, from, to int) error {
	account := events.AccountID(newID())
	opened := []events.Event{events.AccountOpened{Name: "Past", Profile: events.ProfileRef{Name: "standard", Version: 1}},
		events.MembershipGranted{User: owner.id, Key: keys[0], Address: newID(), Grants: grant(domain.Owner)}}
	var invited, accepted []events.Event
	users := make([]events.UserID, to-from)
	addresses, invitations := make([]events.AddressID, to-from), make([]events.InvitationID, to-from)
	for i := range users {
		users[i], addresses[i], invitations[i] = newID(), newID(), newID()
		own, sealing := keys[2*(from+i)], keys[2*(from+i)+1]
		invited = append(invited, events.InvitationCreated{Invitation: invitations[i], Address: addresses[i], Grants: grant(domain.Viewer), Generation: 1,
			ExpiresAt: l.at.Add(7 * 24 * time.Hour), Invitee: events.For(sealing, events.Invitee{Email: emailOf(from + i), PersonName: nameOf(from + i)})})
		accepted = append(accepted, events.InvitationAccepted{Invitation: invitations[i], User: users[i]},
			events.MembershipGranted{User: users[i], Key: own, Address: addresses[i], Grants: grant(domain.Viewer), Invitation: invitations[i]})
	}
	for _, c := range []struct {
		command string
		facts   []events.Event
	}{{"OpenAccount", opened}, {"InviteUsers", invited}, {"AcceptInvitation", accepted}} {
		if err := l.commit(ctx, events.OfAccount(account), owner.actor(), c.command, c.facts...); err != nil {
			return err
		}
	}
	for i, user := range users {
		link := events.Actor{Type: events.ByLink, ID: invitations[i].String() + ".1"}
		facts := append(registered(user, addresses[i], keys[2*(from+i)], keys[2*(from+i)+1], from+i),
			events.UserJoined{Account: account}, events.PasswordSet{Secret: newID()})
		if err := l.commit(ctx, events.OfUser(user), link, "AcceptInvitation", facts...); err != nil {
			return err
		}
		if err := l.commit(ctx, events.OfAddress(addresses[i]), link, "AcceptInvitation", events.AddressClaimed{User: user}); err != nil {
			return err
		}
	}
	return nil
}
