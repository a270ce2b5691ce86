package handlers

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"

	"github.com/google/uuid"

	"roster/domain"
	"roster/events"
)

func originJSON(o events.OriginInfo) ([]byte, error) { return json.Marshal(o) }

// ErrOtherKeyring: the log was written under another keyring.
var ErrOtherKeyring = errors.New("this log was written under another keyring: start with the one it was made with")

// Start makes the log's first fact, or checks that the log belongs to this keyring. first says that the log is new.
func (a *App) Start(ctx context.Context, fingerprint string) (first bool, err error) {
	last, err := a.log.Last(ctx) // first: another process may begin the log meanwhile
	if err != nil {
		return false, fmt.Errorf("start: %w", err)
	}
	records, err := a.log.Boundary(ctx, events.System(), 0)
	switch {
	case err != nil:
		return false, fmt.Errorf("start: %w", err)
	case len(records) > 0:
		c, err := events.Decode(records[0])
		if err != nil {
			return false, fmt.Errorf("start: %w", err)
		}
		a.logID = c.Log
	case last > 0:
		return false, fmt.Errorf("the log holds %d commits and does not begin with log.started: %w", last, events.ErrCorrupt)
	default:
		a.logID = events.LogID(uuid.Must(uuid.NewV7()))
	}
	r, err := a.Do(ctx, Call{Actor: System("roster")}, domain.StartLog{Incarnation: events.AnyID(uuid.Must(uuid.NewV7())), Keyring: fingerprint})
	if err != nil {
		return false, fmt.Errorf("start: %w", err)
	}
	if records, err = a.log.Boundary(ctx, events.System(), 0); err != nil {
		return false, fmt.Errorf("start: %w", err)
	}
	c, err := events.Decode(records[0]) // another process may have been faster: then the log has its id
	if err != nil {
		return false, fmt.Errorf("start: %w", err)
	}
	a.logID = c.Log
	s, err := a.now(ctx, events.System())
	if err != nil {
		return false, err
	}
	if s.state.(domain.System).Keyring != fingerprint {
		return false, ErrOtherKeyring
	}
	return len(r.Commits) > 0, nil
}

// System is a part of Roster as an actor.
func System(part string) events.Actor { return events.Actor{Type: events.BySystem, ID: part} }

// Ask lets a command decide without writing anything: what queries ask before they answer, and what a page shows
// before it asks for anything. Its facts are dropped.
func (a *App) Ask(ctx context.Context, call Call, cmd domain.Command) error {
	t := &try{App: a, call: call, cmd: cmd, part: 1, parts: 1, since: a.clock()}
	_, _, err := t.decide(ctx)
	return err
}

// Account, User, Address and Portal answer states as the log has them now, with the position of their last commit.
func (a *App) Account(ctx context.Context, id events.AccountID) (domain.Account, uint64, error) {
	s, position, err := stateOf[*domain.Account](ctx, a, events.OfAccount(id))
	if err != nil {
		return domain.Account{}, 0, err
	}
	return *s, position, nil
}

// User answers a user's state.
func (a *App) User(ctx context.Context, id events.UserID) (domain.User, uint64, error) {
	return stateOf[domain.User](ctx, a, events.OfUser(id))
}

// UserSince answers a user's state for whoever has heard of a fact of theirs at a position of the log. It is in the log
// and may be in the feed before the command that wrote it is told so, and before memory knows it.
func (a *App) UserSince(ctx context.Context, id events.UserID, position uint64) (domain.User, error) {
	u, known, err := a.User(ctx, id)
	if err != nil || known >= position {
		return u, err
	}
	if _, err := a.refresh(ctx, events.OfUser(id)); err != nil {
		return u, unavailable(err)
	}
	u, _, err = a.User(ctx, id)
	return u, err
}

// Address answers who holds an address.
func (a *App) Address(ctx context.Context, id events.AddressID) (domain.Address, uint64, error) {
	return stateOf[domain.Address](ctx, a, events.OfAddress(id))
}

// Portal answers what holds for the whole installation.
func (a *App) Portal(ctx context.Context) (domain.Portal, uint64, error) {
	return stateOf[domain.Portal](ctx, a, events.Portal())
}

func stateOf[S domain.State](ctx context.Context, a *App, b events.Boundary) (S, uint64, error) {
	s, err := a.now(ctx, b)
	if err != nil {
		var none S
		return none, 0, unavailable(err)
	}
	return s.state.(S), s.pos, nil
}

// Roles answers the roles that an account knows, and every permission there is, with the position of the account's last
// commit.
func (a *App) Roles(ctx context.Context, account events.AccountID) ([]*domain.Role, []domain.Permission, uint64, error) {
	var roles []*domain.Role
	var catalog []domain.Permission
	if err := a.Ask(ctx, Call{Actor: System("roles")}, domain.AskRoles(account, &roles, &catalog)); err != nil {
		return nil, nil, 0, err
	}
	_, position, err := a.Account(ctx, account)
	return roles, catalog, position, err
}

// OpenContact opens what is known of a contact. ok=false: it has been erased.
func (a *App) OpenContact(ctx context.Context, account events.AccountID, c domain.Contact, into *events.ContactPerson) (ok bool, err error) {
	kind := events.KindOf(events.ContactAdded{})
	if c.Changed {
		kind = events.KindOf(events.ContactChanged{})
	}
	return a.OpenSealed(ctx, events.OfAccount(account), kind, "person", c.Person, into)
}

// Last is the position of the log's last commit.
func (a *App) Last(ctx context.Context) (uint64, error) { return a.log.Last(ctx) }

// OpenSealed opens what a state keeps sealed. ok=false: it has been erased.
func (a *App) OpenSealed(ctx context.Context, b events.Boundary, kind events.Kind, part string, s domain.Sealed, into any) (ok bool, err error) {
	if s.Box.IsZero() {
		return true, nil
	}
	place := events.Place{Log: a.logID, Boundary: b, Commit: s.Commit, Index: s.Index, Kind: kind, Part: part}
	plain, ok, err := a.sealer.Open(ctx, place, s.Box)
	if err != nil || !ok {
		return ok, err
	}
	return true, json.Unmarshal(plain, into)
}

// Origin opens from where the commit at a position of a boundary came; ErrErased where that has been erased. It is empty
// where nothing is known.
func (a *App) Origin(ctx context.Context, b events.Boundary, pos uint64) (from events.OriginInfo, err error) {
	if pos == 0 {
		return from, nil
	}
	records, err := a.log.Read(ctx, pos-1, 1)
	if err != nil {
		return from, unavailable(err)
	}
	if len(records) == 0 || records[0].Pos != pos || records[0].Boundary != b {
		return from, fmt.Errorf("position %d is not of %s", pos, b)
	}
	c, err := events.Decode(records[0])
	if err != nil || c.Origin == nil {
		return from, err
	}
	plain, ok, err := a.sealer.Open(ctx, events.OriginPlace(c.Log, b, c.ID), *c.Origin)
	if err != nil {
		return from, err
	}
	if !ok {
		return from, ErrErased
	}
	return from, json.Unmarshal(plain, &from)
}

// suppressed counts, by subject, the refusals that were left unwritten.
type suppressed struct {
	mu    sync.Mutex
	count map[events.AnyID]int
}

func (s *suppressed) take(subject events.AnyID) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := s.count[subject]
	delete(s.count, subject)
	return n
}

func (s *suppressed) add(subject events.AnyID, n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.count == nil {
		s.count = map[events.AnyID]int{}
	}
	s.count[subject] += n
}

// noteRefusal writes down that a user or a key was refused for lack of rights. That it could not be written changes nothing
// for the caller, who was refused anyway; it is told to the operator.
func (a *App) noteRefusal(ctx context.Context, call Call, command events.CommitID, cmd domain.Command, why error) {
	var refusal *domain.Error
	subject := cmp.Or(call.Actor.User().Any(), call.Actor.Key().Any())
	if subject.IsZero() || !errors.As(why, &refusal) || !refusal.DeniesRights() {
		return
	}
	note := domain.RecordRefusal{Subject: subject, Command: cmd.Name(), Code: refusal.Code}
	if t, ok := cmd.(domain.Targeted); ok {
		note.Account, note.Of = t.Target()
	}
	note.Refused = a.quiet.take(note.Subject)
	call.Key, call.IfMatch = "", nil
	t := &try{App: a, call: call, cmd: note, command: command, part: 1, parts: 1, since: a.clock()}
	if _, err := t.run(ctx); err != nil {
		a.quiet.add(note.Subject, note.Refused+1)
		if !errors.As(err, &refusal) {
			a.logger.Error("a refused command could not be written to the audit trail", "command", cmd.Name(), "err", err)
		}
	}
}
