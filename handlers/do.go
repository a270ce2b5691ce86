package handlers

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/google/uuid"

	"roster/domain"
	"roster/events"
)

// tooOld is the age beyond which a command is not appended any more: whoever asked has given up.
const tooOld = 60 * time.Second

// App is where commands go. Its Do is the only way in which anything is written.
type App struct {
	log    Log
	sealer Sealer
	macs   MACs
	clock  func() time.Time
	build  string
	logger *slog.Logger
	logID  events.LogID
	shared bool

	follower follower
	cache    *cache
	keeper   atomic.Pointer[keeper] // nil: no snapshots are kept
	quiet    suppressed
}

// Config is what an App is made of.
type Config struct {
	Log    Log
	Sealer Sealer
	MACs   MACs
	Clock  func() time.Time // nil: the system's
	Build  string           // version of the program, noted in each commit
	Logger *slog.Logger     // nil: nobody is told
	Shared bool             // others write to the log as well: what is decided or answered waits for the follower (Follow)
	Cache  int              // boundaries and their entries kept in memory, some 300 bytes each; 0: 600,000
}

// Call is who asks for a command, and how.
type Call struct {
	Actor   events.Actor
	Behalf  *events.Actor
	Key     string            // idempotency key; "" for none
	Request []byte            // the canonical request, where there is a key
	IfMatch *uint64           // the version of the resource that the caller has seen
	Origin  events.OriginInfo // from where
	Device  string            // what a known device shows of itself when somebody signs in on it
	Cause   string            // the fact that this reacts to
	Corr    string
	Trace   string
}

// For is whose rights decide: those of the person on whose behalf it is, else those of whoever asks (SPEC 7.1).
func (c Call) For() events.Actor {
	if c.Behalf != nil {
		return *c.Behalf
	}
	return c.Actor
}

// through is the API key by which a person acts, or that acts on a person's behalf.
func (c Call) through() events.KeyRefID {
	if c.Behalf == nil {
		return events.KeyRefID{}
	}
	return c.Actor.Key()
}

// undone is the command that a command takes back, if any.
func undone(cmd domain.Command) events.CommitID {
	if u, ok := cmd.(interface{ Undoes() events.CommitID }); ok {
		return u.Undoes()
	}
	return events.CommitID{}
}

// Result is what a command did.
type Result struct {
	Command  events.CommitID
	Position uint64          // of the last commit written; where nothing was, of the boundary as it was decided on
	Commits  []events.Commit // in the order of the log; nil when it was so already
	Repeat   bool            // it had been done before, under the same idempotency key
	Outcomes []string        // of a bulk's items, in order, whether or not anything was written
}

// ErrIdempotency: the idempotency key has been used for a different request.
var ErrIdempotency = errors.New("the idempotency key has been used for a different request")

// NewApp makes an App over a log. Start has to be called before anything else.
func NewApp(c Config) *App {
	if c.Clock == nil {
		c.Clock = time.Now
	}
	if c.Cache == 0 {
		c.Cache = 600_000
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	return &App{log: c.Log, sealer: c.Sealer, macs: c.MACs, clock: c.Clock, build: c.Build, logger: c.Logger, shared: c.Shared, cache: newCache(c.Cache)}
}

// LogID is the id of the log, known after Start.
func (a *App) LogID() events.LogID { return a.logID }

// Now is the time by which decisions are made.
func (a *App) Now() events.Time { return events.TimeOf(a.clock()) }

// Do carries out a command: load, decide, append, and again if somebody was faster. It answers a *domain.Error when
// the command is refused; ErrUnavailable when nothing was done because the log is away; ErrUnknownOutcome when it
// may have been done: trying again with the same idempotency key tells.
func (a *App) Do(ctx context.Context, call Call, cmd domain.Command) (Result, error) {
	results, err := a.DoParts(ctx, call, cmd)
	if err != nil {
		return Result{}, err
	}
	return results[0], nil
}

// DoParts carries out one command that was cut into parts, each an appended commit of its own and idempotent alone.
// It stops at the first part that fails; what came before stays done and is found again under the same key.
func (a *App) DoParts(ctx context.Context, call Call, parts ...domain.Command) ([]Result, error) {
	switch call.Actor.Type {
	case "":
		return nil, errors.New("a command without an actor")
	case events.ByAnonymous:
		call.Key = "" // whoever else sends the same key is somebody else
	case events.ByUser, events.ByKey, events.ByOperator, events.ByLink, events.ByIDP, events.BySystem:
	}
	var command events.CommitID
	if _, err := rand.Read(command[:]); err != nil {
		return nil, err
	}
	var results []Result
	for i, cmd := range parts {
		t := &try{App: a, call: call, cmd: cmd, command: command, part: i + 1, parts: len(parts), since: a.clock()}
		r, err := t.run(ctx)
		if err != nil {
			a.noteRefusal(ctx, call, command, cmd, err)
			return results, err
		}
		command = r.Command
		results = append(results, r)
	}
	return results, nil
}

// try is one part of a command on its way through the loop.
type try struct {
	*App
	call        Call
	cmd         domain.Command
	command     events.CommitID
	part, parts int
	since       time.Time

	home   events.Boundary
	adrift []Write  // appended, and nobody knows whether it arrives
	random [16]byte // what an unkeyed commit's ids are made of, the same at every try
	fresh  [][16]byte

	planned map[events.Boundary]domain.State // what the parts before would have done, in a dry run
}

func (t *try) caller() string {
	c := t.call.Actor.Caller()
	if t.call.Behalf != nil {
		c += t.call.Behalf.Caller()
	}
	return c
}

// id is the n-th fresh id of the command: derived where there is an idempotency key, so that a retried command
// makes the same things, else new.
func (t *try) id(n int) [16]byte {
	switch {
	case t.call.Key != "" && n == 0:
		return events.DerivedID(t.logID, t.caller(), t.call.Key, 0)
	case t.call.Key != "":
		return events.DerivedID(t.logID, t.caller(), string(events.LengthPrefixed(t.call.Key, t.home.String())), t.part<<20|n)
	}
	for len(t.fresh) <= n {
		t.fresh = append(t.fresh, uuid.Must(uuid.NewV7()))
	}
	return t.fresh[n]
}

// commitID is the id of the commit to a boundary.
func (t *try) commitID(b events.Boundary) events.CommitID {
	if t.call.Key != "" {
		return events.CommitIDOf(b, t.caller(), t.call.Key, t.part)
	}
	return events.CommitIDOf(b, t.caller(), string(t.random[:]), t.part)
}

func (t *try) run(ctx context.Context) (Result, error) {
	if _, err := rand.Read(t.random[:]); err != nil {
		return Result{}, err
	}
	t.place()
	turn := t.cache.of(t.home).deciding
	select {
	case turn <- struct{}{}:
		defer func() { <-turn }()
	case <-ctx.Done():
		return Result{}, fmt.Errorf("%s: %w: %w", t.cmd.Name(), ErrUnavailable, ctx.Err())
	}
	for attempt := 0; ; attempt++ {
		r, done, err := t.once(ctx)
		if err == nil && !done {
			if err = pause(ctx, attempt); err != nil {
				err = fmt.Errorf("%s: %w: %w", t.cmd.Name(), ErrUnavailable, err)
			}
		}
		switch {
		case err != nil && t.adrift != nil: // whatever stands in the way now, it may have been done
			return Result{}, fmt.Errorf("%s: %w: %v", t.cmd.Name(), ErrUnknownOutcome, err)
		case done || err != nil:
			return r, err
		}
	}
}

// place finds the command's home and its id.
func (t *try) place() {
	t.home = t.cmd.Home(domain.Issued{ID: t.id})
	if t.call.Key != "" {
		t.command = events.CommitIDOf(t.home, t.caller(), t.call.Key, 0)
	}
}

// once goes once through the loop. Neither done nor an error: somebody was faster, or the log did not answer.
func (t *try) once(ctx context.Context) (r Result, done bool, err error) {
	if t.adrift != nil {
		if r, found, err := t.look(ctx, t.adrift); found || err != nil {
			return r, found, err
		}
	}
	if t.clock().Sub(t.since) > tooOld {
		return Result{}, false, fmt.Errorf("%s: not done within %s: %w", t.cmd.Name(), tooOld, ErrUnavailable)
	}
	if r, done, err := t.before(ctx); done || err != nil {
		return r, done, err
	}
	world, states, err := t.decide(ctx)
	if t.shared && (err != nil || len(world.Written()) == 0) {
		// Under its key another process may have done it since the look before: that is then why.
		if r, done, err := t.before(ctx); done || errors.Is(err, ErrIdempotency) {
			return r, done, err
		}
	}
	if err != nil {
		return Result{}, false, err
	}
	if len(world.Written()) == 0 {
		s, ok := states[t.home] // what was decided on: others may have moved it on since
		if !ok {
			if s, err = t.now(ctx, t.home); err != nil {
				return Result{}, false, unavailable(err)
			}
		}
		return Result{Command: t.command, Position: s.pos, Outcomes: world.Outcomes()}, true, nil
	}
	writes, commits, err := t.seal(ctx, world, states)
	if err != nil {
		return Result{}, false, err
	}
	positions, err := t.log.Append(ctx, writes...)
	switch {
	case err == nil:
		return t.acknowledged(writes, commits, positions), true, nil
	case errors.Is(err, ErrUnknownOutcome):
		// It may still arrive: the next try compares on the same positions, so at most one of them counts.
		t.adrift = writes
		t.mayArrive(writes)
		return t.look(ctx, writes)
	case errors.Is(err, ErrConflict):
		r, found, err := t.look(ctx, writes)
		if err != nil && !errors.Is(err, ErrIdempotency) {
			err = fmt.Errorf("%s: %w: %w", t.cmd.Name(), ErrUnknownOutcome, err)
		}
		return r, found, err
	}
	return Result{}, false, fmt.Errorf("%s: %w", t.cmd.Name(), err)
}

// pause waits a little before the next try, longer each time.
func pause(ctx context.Context, attempt int) error {
	if attempt == 0 {
		return ctx.Err()
	}
	timer := time.NewTimer(min(time.Duration(attempt)*time.Millisecond, 50*time.Millisecond))
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// decide lets the command decide on what the log has now. It answers the world with its facts, and the boundaries
// as they were.
func (t *try) decide(ctx context.Context) (*domain.World, map[events.Boundary]snapshot, error) {
	states := map[events.Boundary]snapshot{}
	at := t.Now()
	for {
		is := domain.Issued{At: at, Actor: t.call.For(), Through: t.call.through(), IfMatch: t.call.IfMatch, ID: t.id}
		world := domain.NewWorld(is, func(b events.Boundary) (domain.State, bool) {
			if planned, ok := t.planned[b]; ok {
				return planned, true
			}
			s, ok := states[b]
			if !ok {
				if s, ok = t.warm(b); ok {
					states[b] = s
				}
			}
			return s.state, ok
		})
		err := t.cmd.Decide(world, is)
		again := len(world.Missing()) > 0
		for _, b := range world.Missing() {
			s, err := t.now(ctx, b)
			if err != nil {
				return nil, nil, unavailable(err)
			}
			states[b] = s
		}
		for _, b := range world.Written() { // time never goes back within a boundary
			if s := states[b]; s.at > at {
				at, again = s.at, true
			}
		}
		if !again && (err != nil || len(world.Written()) == 0) {
			var fault error
			if again, fault = t.movedOn(ctx, states); fault != nil {
				return nil, nil, unavailable(fault)
			}
		}
		if !again {
			return world, states, err
		}
	}
}

// movedOn looks whether what was decided on is still so, and brings it up to date. What is appended is compared; what
// is refused, or is so already, has to hold at one moment too, not on one boundary before and on another after
// somebody's commit to both.
func (t *try) movedOn(ctx context.Context, states map[events.Boundary]snapshot) (moved bool, err error) {
	for b, old := range states {
		s, err := t.now(ctx, b)
		if err != nil {
			return false, err
		}
		if s.pos != old.pos {
			moved, states[b] = true, s
		}
	}
	return moved, nil
}

// unavailable makes a state that cannot be read an honest 503.
func unavailable(err error) error {
	if errors.Is(err, context.Canceled) {
		return err
	}
	return fmt.Errorf("%w: %w", ErrUnavailable, err)
}

// seal makes the decided facts into commits that can be appended.
func (t *try) seal(ctx context.Context, world *domain.World, states map[events.Boundary]snapshot) ([]Write, []events.Commit, error) {
	written := world.Written()
	at := world.At()
	var batch events.CommitID
	if len(written) > 1 {
		batch = t.commitID(t.home)
	}
	mac := ""
	if t.call.Key != "" {
		mac = t.macs.MAC(t.call.Request)
	}
	writes, commits := make([]Write, len(written)), make([]events.Commit, len(written))
	for i, b := range written {
		c := events.Commit{
			Log: t.logID, ID: t.commitID(b), Boundary: b, Prev: events.Prev{Pos: states[b].pos, Hash: states[b].hash}, At: at,
			Cmd:   events.Cmd{ID: t.command, Name: t.cmd.Name(), Part: t.part, Parts: t.parts, MAC: mac, Undoes: undone(t.cmd)},
			Actor: t.call.Actor, Behalf: t.call.Behalf, Cause: t.call.Cause, Corr: t.call.Corr, Trace: t.call.Trace, Build: t.build,
		}
		if b == t.home {
			c.Cmd.Outcomes = world.Outcomes()
		}
		if len(written) > 1 {
			c.Batch = &events.Batch{ID: batch, N: i + 1, Of: len(written)}
		}
		for n, f := range world.Facts(b) {
			place := events.Place{Log: t.logID, Boundary: b, Commit: c.ID, Index: n, Kind: events.KindOf(f)}
			sealed, err := events.Seal(f, func(part string, key events.KeyID, plain []byte) (events.Box, error) {
				place.Part = part
				return t.sealer.Seal(ctx, place, key, plain)
			})
			if err != nil {
				return nil, nil, fmt.Errorf("%s: %w", t.cmd.Name(), err)
			}
			c.Facts = append(c.Facts, sealed)
		}
		var err error
		if c.Origin, err = t.origin(ctx, b, c.ID, at); err != nil { // in each: what one account's trail shows stands in one
			return nil, nil, err
		}
		payload, err := events.Encode(c)
		if err != nil {
			return nil, nil, err
		}
		writes[i] = Write{Boundary: b, ID: c.ID, After: c.Prev.Pos, Payload: payload}
		commits[i] = c
	}
	return writes, commits, nil
}

// origin seals from where the caller came, with the acting user's key, or the month's for every other kind of actor.
func (t *try) origin(ctx context.Context, b events.Boundary, commit events.CommitID, at events.Time) (*events.Box, error) {
	if t.call.Origin == (events.OriginInfo{}) {
		return nil, nil
	}
	var key events.KeyID
	if user := t.call.Actor.User(); !user.IsZero() {
		s, err := t.now(ctx, events.OfUser(user))
		if err != nil {
			return nil, unavailable(err)
		}
		key = s.state.(domain.User).Key
	}
	if key.IsZero() {
		month, err := t.sealer.OriginKey(ctx, at.Std().Format("2006-01"))
		if err != nil {
			return nil, unavailable(err)
		}
		key = month
	}
	plain, err := originJSON(t.call.Origin)
	if err != nil {
		return nil, err
	}
	box, err := t.sealer.Seal(ctx, events.OriginPlace(t.logID, b, commit), key, plain)
	if err != nil {
		return nil, fmt.Errorf("origin: %w", err)
	}
	return &box, nil
}

// acknowledged moves the cache on by what the log has taken.
func (t *try) acknowledged(writes []Write, commits []events.Commit, positions []uint64) Result {
	r := Result{Command: t.command, Commits: commits}
	t.adrift = nil
	for i := range commits {
		if commits[i].Boundary == t.home {
			r.Outcomes = commits[i].Cmd.Outcomes
		}
		commits[i].Pos = positions[i]
		commits[i].Hash = events.Record{Pos: positions[i], Boundary: commits[i].Boundary, Payload: writes[i].Payload}.Hash()
		r.Position = max(r.Position, positions[i])
		kept := commits[i]
		kept.Facts = forget(kept.Facts)
		t.applied(kept)
	}
	return r
}

// forget drops the clear values that a decision worked with.
func forget(facts []events.Event) []events.Event {
	kept := make([]events.Event, len(facts))
	for i, f := range facts {
		if g, err := events.Forget(f); err == nil {
			f = g
		}
		kept[i] = f
	}
	return kept
}
