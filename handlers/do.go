package handlers

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
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
	cache  *cache
	quiet  suppressed
}

// Config is what an App is made of.
type Config struct {
	Log    Log
	Sealer Sealer
	MACs   MACs
	Clock  func() time.Time // nil: the system's
	Build  string           // version of the program, noted in each commit
	Logger *slog.Logger
	Cache  int // boundaries kept in memory; 0: 200,000
}

// Call is who asks for a command, and how.
type Call struct {
	Actor   events.Actor
	Behalf  *events.Actor
	Key     string            // idempotency key; "" for none
	Request []byte            // the canonical request, where there is a key
	IfMatch *uint64           // the version of the resource that the caller has seen
	Origin  events.OriginInfo // from where
	Cause   string            // the fact that this reacts to
	Corr    string
	Trace   string
}

// Result is what a command did.
type Result struct {
	Command  events.CommitID
	Position uint64          // of the last commit written; where nothing was, of the boundary as it was decided on
	Commits  []events.Commit // in the order of the log; nil when it was so already
	Repeat   bool            // it had been done before, under the same idempotency key
}

// ErrIdempotency: the idempotency key has been used for a different request.
var ErrIdempotency = errors.New("the idempotency key has been used for a different request")

// NewApp makes an App over a log. Start has to be called before anything else.
func NewApp(c Config) *App {
	if c.Clock == nil {
		c.Clock = time.Now
	}
	if c.Cache == 0 {
		c.Cache = 200_000
	}
	return &App{log: c.Log, sealer: c.Sealer, macs: c.MACs, clock: c.Clock, build: c.Build, logger: c.Logger, cache: newCache(c.Cache)}
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
	var command events.CommitID
	if _, err := rand.Read(command[:]); err != nil {
		return nil, err
	}
	var results []Result
	for i, cmd := range parts {
		t := &try{App: a, call: call, cmd: cmd, command: command, part: i + 1, parts: len(parts), since: a.clock()}
		r, err := t.run(ctx)
		if err != nil {
			a.noteRefusal(ctx, call, cmd, err)
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
	random [16]byte // what an unkeyed commit's ids are made of, the same at every try
	fresh  [][16]byte
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
	t.home = t.cmd.Home(domain.Issued{ID: t.id})
	if t.call.Key != "" {
		t.command = events.CommitIDOf(t.home, t.caller(), t.call.Key, 0)
	}
	place := t.cache.of(t.home)
	select {
	case place.deciding <- struct{}{}:
		defer func() { <-place.deciding }()
	case <-ctx.Done():
		return Result{}, fmt.Errorf("%s: %w: %w", t.cmd.Name(), ErrUnavailable, ctx.Err())
	}

	for attempt := 0; ; attempt++ {
		if t.clock().Sub(t.since) > tooOld {
			return Result{}, fmt.Errorf("%s: still in conflict after %s: %w", t.cmd.Name(), tooOld, ErrUnavailable)
		}
		if r, done, err := t.before(ctx); done || err != nil {
			return r, err
		}
		world, states, err := t.decide(ctx)
		if err != nil {
			return Result{}, err
		}
		if len(world.Written()) == 0 {
			s, err := t.now(ctx, t.home)
			return Result{Command: t.command, Position: s.pos}, err
		}
		writes, commits, err := t.seal(ctx, world, states)
		if err != nil {
			return Result{}, err
		}
		positions, err := t.log.Append(ctx, writes...)
		switch {
		case err == nil:
			return t.acknowledged(writes, commits, positions), nil
		case errors.Is(err, ErrConflict), errors.Is(err, ErrUnknownOutcome):
			r, found, lookErr := t.look(ctx, writes, commits)
			switch {
			case lookErr != nil:
				return Result{}, fmt.Errorf("%s: %w: %w", t.cmd.Name(), ErrUnknownOutcome, lookErr)
			case found:
				return r, nil
			case errors.Is(err, ErrUnknownOutcome):
				// It may still arrive: the next try compares on the same positions, so at most one of them counts.
			}
		default:
			return Result{}, fmt.Errorf("%s: %w", t.cmd.Name(), err)
		}
		if err := pause(ctx, attempt); err != nil {
			return Result{}, fmt.Errorf("%s: %w: %w", t.cmd.Name(), ErrUnknownOutcome, err)
		}
	}
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
		is := domain.Issued{At: at, Actor: t.call.Actor, IfMatch: t.call.IfMatch, ID: t.id}
		world := domain.NewWorld(is, func(b events.Boundary) (domain.State, bool) {
			s, ok := states[b]
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
		if !again {
			return world, states, err
		}
	}
}

// unavailable makes a state that cannot be read an honest 503.
func unavailable(err error) error {
	if errors.Is(err, context.Canceled) {
		return err
	}
	return fmt.Errorf("%w: %w", ErrUnavailable, err)
}

// before looks whether the command has been done already under its key.
func (t *try) before(ctx context.Context) (Result, bool, error) {
	if t.call.Key == "" {
		return Result{}, false, nil
	}
	id := t.commitID(t.home)
	pos, ok, err := t.repeated(ctx, t.home, id, t.Now())
	if err != nil || !ok {
		return Result{}, false, err
	}
	commits, err := t.commitsAt(ctx, t.home, pos)
	if err != nil {
		return Result{}, true, unavailable(err)
	}
	for _, c := range commits {
		if c.ID == id && !t.macs.VerifyMAC(t.call.Request, c.Cmd.MAC) {
			return Result{}, true, ErrIdempotency
		}
	}
	return Result{Command: t.command, Position: commits[len(commits)-1].Pos, Commits: commits, Repeat: true}, true, nil
}

// commitsAt reads the commit at a position, and with it the others of its batch.
func (a *App) commitsAt(ctx context.Context, b events.Boundary, pos uint64) ([]events.Commit, error) {
	records, err := a.log.Boundary(ctx, b, pos-1)
	if err != nil {
		return nil, err
	}
	if len(records) == 0 || records[0].Pos != pos {
		return nil, fmt.Errorf("position %d of %s is gone", pos, b)
	}
	c, err := events.Decode(records[0])
	if err != nil || c.Batch == nil {
		return []events.Commit{c}, err
	}
	first := pos - uint64(c.Batch.N) // the messages of a batch stand one behind the other
	records, err = a.log.Read(ctx, first, c.Batch.Of)
	if err != nil {
		return nil, err
	}
	if len(records) < c.Batch.Of {
		return nil, fmt.Errorf("batch at position %d is cut: %w", first+1, events.ErrCorrupt)
	}
	commits := make([]events.Commit, c.Batch.Of)
	for i, r := range records[:c.Batch.Of] {
		if commits[i], err = events.Decode(r); err != nil {
			return nil, err
		}
	}
	return commits, nil
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
			Cmd:   events.Cmd{ID: t.command, Name: t.cmd.Name(), Part: t.part, Parts: t.parts, MAC: mac},
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
		if i == 0 {
			origin, err := t.origin(ctx, b, c.ID, at)
			if err != nil {
				return nil, nil, err
			}
			c.Origin = origin
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
	for i := range commits {
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

// look reads what the boundaries have become, and whether the very commits stand there: a lost acknowledgement.
func (t *try) look(ctx context.Context, writes []Write, commits []events.Commit) (Result, bool, error) {
	var positions []uint64
	for _, w := range writes {
		records, err := t.log.Boundary(ctx, w.Boundary, w.After)
		if err != nil {
			return Result{}, false, err
		}
		for _, r := range records {
			c, err := events.Decode(r)
			if err != nil {
				return Result{}, false, err
			}
			if c.ID == w.ID {
				positions = append(positions, r.Pos)
			}
		}
		if err := t.refresh(ctx, w.Boundary); err != nil {
			return Result{}, false, err
		}
	}
	switch len(positions) {
	case 0:
		return Result{}, false, nil
	case len(writes):
		// Read back what was stored: another try of the same keyed command may have written it.
		stored, err := t.commitsAt(ctx, writes[0].Boundary, positions[0])
		if err != nil {
			return Result{}, false, err
		}
		return Result{Command: t.command, Position: stored[len(stored)-1].Pos, Commits: stored}, true, nil
	}
	return Result{}, false, fmt.Errorf("%s: %d of %d parts of an atomic batch are there: %w", t.cmd.Name(), len(positions), len(writes), events.ErrCorrupt)
}
