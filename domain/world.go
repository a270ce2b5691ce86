// Package domain holds the rules: given what has happened and what is asked, what happens next. It is pure: no
// clock, no context, no input or output, no randomness; who asks, when, and fresh ids come in as data.
package domain

import (
	"slices"

	"roster/events"
)

// Command is something asked for. Decide records facts in the world, or records nothing because it is so already,
// or refuses with an *Error. The world may lack boundaries that Decide asks for; then whatever it answers counts
// for nothing, and it is asked again with them.
type Command interface {
	// Name is the command's name in the log and the audit trail, an imperative such as ChangeRole.
	Name() string
	// Home is the boundary that the command is about: there, what was done under an idempotency key is found again.
	Home(is Issued) events.Boundary
	// Decide decides by what the world shows.
	Decide(w *World, is Issued) error
}

// Targeted is a command on somebody in an account: what the audit trail says of it when it is refused.
type Targeted interface {
	Target() (events.AccountID, *events.Subject)
}

// Issued says who asks, when, and with what: everything a decision may depend on beside the facts.
type Issued struct {
	At      events.Time
	Actor   events.Actor
	Through events.KeyRefID      // the API key by which the actor asks, or that asks on the actor's behalf
	IfMatch *uint64              // the version of the resource that the caller has seen
	ID      func(n int) [16]byte // fresh ids, the same for the same n at every try
}

// stale refuses when the caller has named a version that is no longer the newest (RFC 9110, If-Match).
func (is Issued) stale(version uint64) error {
	if is.IfMatch != nil && *is.IfMatch != version {
		return refuse(StaleVersion, "it has changed since you read it: it is at version %d", version)
	}
	return nil
}

// operator says that the operator asks, who may do everything.
func (is Issued) operator() bool { return is.Actor.Type == events.ByOperator }

// self says that a user asks for something on themselves.
func (is Issued) self(user events.UserID) bool { return !user.IsZero() && user == is.Actor.User() }

// system says that a part of Roster asks.
func (is Issued) system() bool { return is.Actor.Type == events.BySystem }

// Happened is a fact with its place and circumstances, as states are folded from.
type Happened struct {
	Event  events.Event
	Commit events.CommitID
	Index  int
	Pos    uint64
	At     events.Time
	By     events.Actor
	Cause  events.CommitID // the commit that this reacts to, such as the attempt that a verified password was
}

// State is what a boundary's facts add up to. It is immutable: evolving answers a new one.
type State interface{ evolve(h Happened) State }

// Evolve is the state after one more fact. It cannot fail.
func Evolve(s State, h Happened) State { return s.evolve(h) }

// Empty is the state of a boundary before its first fact.
func Empty(b events.Boundary) State {
	switch b.Kind {
	case events.AccountBoundary:
		return &Account{ID: events.AccountID(b.ID)}
	case events.UserBoundary:
		return User{ID: events.UserID(b.ID)}
	case events.AddressBoundary:
		return Address{ID: events.AddressID(b.ID)}
	case events.AttemptsBoundary:
		return Attempts{}
	case events.PortalBoundary:
		return Portal{}
	case events.SystemBoundary:
		return System{}
	case events.TreeBoundary:
	}
	return Tree{}
}

// World is what a decision sees: states as they were loaded, overlaid with the decision's own facts.
type World struct {
	is       Issued
	base     func(events.Boundary) (State, bool)
	overlay  map[events.Boundary]State
	missing  []events.Boundary
	written  []events.Boundary
	facts    map[events.Boundary][]events.Event
	outcomes []string
}

// NewWorld is a world over loaded states. base answers false for a boundary that has not been loaded.
func NewWorld(is Issued, base func(events.Boundary) (State, bool)) *World {
	return &World{is: is, base: base, overlay: map[events.Boundary]State{}, facts: map[events.Boundary][]events.Event{}}
}

// State is a boundary as the decision has left it.
func (w *World) State(b events.Boundary) State { return w.state(b) }

func (w *World) state(b events.Boundary) State {
	if s, ok := w.overlay[b]; ok {
		return s
	}
	if b.Nobody() { // such as the user of a caller who is none
		return Empty(b)
	}
	s, ok := w.base(b)
	if !ok {
		if !slices.Contains(w.missing, b) {
			w.missing = append(w.missing, b)
		}
		s = Empty(b)
	}
	return s
}

// Account, User, Address, Attempts, Portal and System are the states that a decision may ask for.
func (w *World) Account(id events.AccountID) Account { return *w.account(id) }
func (w *World) account(id events.AccountID) *Account {
	return w.state(events.OfAccount(id)).(*Account)
}
func (w *World) User(id events.UserID) User          { return w.state(events.OfUser(id)).(User) }
func (w *World) Address(id events.AddressID) Address { return w.state(events.OfAddress(id)).(Address) }
func (w *World) Attempts(id events.AnyID) Attempts   { return w.state(events.OfAttempts(id)).(Attempts) }
func (w *World) Portal() Portal                      { return w.state(events.Portal()).(Portal) }
func (w *World) System() System                      { return w.state(events.System()).(System) }

// record adds a fact to what the command has decided.
func (w *World) record(b events.Boundary, facts ...events.Event) {
	if _, ok := w.facts[b]; !ok {
		w.written = append(w.written, b)
	}
	s := w.state(b)
	for _, f := range facts {
		h := Happened{Event: f, Index: len(w.facts[b]), At: w.is.At, By: w.is.Actor}
		w.facts[b] = append(w.facts[b], f)
		s = s.evolve(h)
	}
	w.overlay[b] = s
}

// outcome notes what became of the next item of a bulk.
func (w *World) outcome(o string) { w.outcomes = append(w.outcomes, o) }

// At is the time of the decision.
func (w *World) At() events.Time { return w.is.At }

// Missing lists the boundaries that were asked for and not there.
func (w *World) Missing() []events.Boundary { return w.missing }

// Written lists the boundaries that facts were recorded in, in the order of their first fact.
func (w *World) Written() []events.Boundary { return w.written }

// Facts are the facts recorded in a boundary, in order.
func (w *World) Facts(b events.Boundary) []events.Event { return w.facts[b] }

// Outcomes are the outcomes of a bulk's items, in order.
func (w *World) Outcomes() []string { return w.outcomes }
