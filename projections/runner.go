package projections

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

// ErrNotServing says that a read model has no tables yet: Prepare has not run.
var ErrNotServing = errors.New("the projection does not serve")

// errFenced: somebody else moved the checkpoint. Whoever meets it has lost the right to apply.
var errFenced = errors.New("the checkpoint was moved by another runner")

// errRetired: another generation has taken the place of this one.
var errRetired = errors.New("the generation is retired")

// Runner hands the commits of the log to the read models, each from its own checkpoint, and says how far each is.
//
// A commit is applied exactly once to each generation, in the order of the log, in the transaction that moves the
// checkpoint from the commit before. Of all processes that call Run on one database, one runs the projections; when
// it ends, another takes over within seconds. What does not fit (a hole, another log, a checkpoint that is not the
// log's) stops that projection, visibly in Status; nothing is ever skipped.
//
// The rest of its methods work in every process, whether it runs the projections or not.
type Runner struct {
	pool   *pgxpool.Pool
	source Source
	opener Opener
	log    *slog.Logger
	list   []Model
	models map[string]Model

	limit int           // commits in a page
	beat  time.Duration // between two looks at the lock and at the table
	grace time.Duration // how long a retired generation is kept for the questions that run

	nudged chan struct{}          // look at the table at once
	turns  map[string]*sync.Mutex // held while a serving generation is applied, or a swap waits for that

	mu      sync.Mutex
	serving map[string]served
	moved   chan struct{} // closed and made anew when a place in serving changes
	active  bool          // this process runs the projections

	refreshing chan struct{} // held by who reads the places
	refreshed  time.Time
}

// served is what this process knows of the generation that answers questions.
type served struct {
	schema     string
	generation int
	position   uint64
}

// New makes a runner. The pool needs a connection for each model beside those of the questions; one more is held by
// the process that runs the projections.
func New(pool *pgxpool.Pool, source Source, opener Opener, log *slog.Logger, models ...Model) *Runner {
	r := &Runner{pool: pool, source: source, opener: opener, log: log, list: models, models: map[string]Model{},
		limit: pageLimit, beat: time.Second, grace: time.Minute,
		nudged: make(chan struct{}, 1), turns: map[string]*sync.Mutex{},
		serving: map[string]served{}, moved: make(chan struct{}), refreshing: make(chan struct{}, 1)}
	for _, m := range models {
		r.models[m.Name] = m
		r.turns[m.Name] = new(sync.Mutex)
	}
	return r
}

// Prepare makes the bookkeeping, and tables for models that have none; for a model whose version has changed it
// makes a generation that is yet to be built. It is called before anything else, in every process; several at once
// wait for each other.
func (r *Runner) Prepare(ctx context.Context) error {
	if len(r.models) != len(r.list) {
		return errors.New("prepare projections: two models of one name")
	}
	for _, m := range r.list {
		if !modelName.MatchString(m.Name) {
			return fmt.Errorf("prepare projections: not a name for a model: %q", m.Name)
		}
	}
	if err := register(ctx, r.pool, r.list, false); err != nil {
		return fmt.Errorf("prepare projections: %w", err)
	}
	return r.refresh(ctx)
}

// Run runs the projections, or waits until it may, until ctx ends; then it returns nil. A database or a log that is
// away is tried again for ever.
func (r *Runner) Run(ctx context.Context) error {
	var refreshing sync.WaitGroup
	defer refreshing.Wait()
	refreshing.Go(func() { r.keepRefreshed(ctx) })
	for tries := 0; ; tries++ {
		ran, err := r.hold(ctx)
		if ctx.Err() != nil {
			return nil
		}
		wait := r.beat / 2
		if err != nil {
			r.log.Warn("projections are not running here", "error", err)
			wait = backoff(tries)
		}
		if ran || err == nil {
			tries = 0
		}
		if pause(ctx, wait) != nil {
			return nil
		}
	}
}

func (r *Runner) keepRefreshed(ctx context.Context) {
	tick := time.NewTicker(r.beat)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			if err := r.refreshSince(ctx, r.beat/2); err != nil && ctx.Err() == nil {
				r.log.Warn("places of the projections are not known", "error", err)
			}
		}
	}
}

// hold runs the projections while it holds the lock of that role; it returns at once when another process has it.
func (r *Runner) hold(ctx context.Context) (ran bool, err error) {
	pooled, err := r.pool.Acquire(ctx)
	if err != nil {
		return false, fmt.Errorf("acquire the lock: %w", err)
	}
	var got bool
	err = pooled.QueryRow(ctx, `SELECT pg_try_advisory_lock(hashtextextended('roster.projections', 0))`).Scan(&got)
	if err != nil || !got {
		pooled.Release()
		return false, err
	}
	// The lock lives as long as its connection: closing it is the one sure way to give it back.
	conn := pooled.Hijack()
	defer func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
		defer cancel()
		_ = conn.Close(ctx)
	}()
	return true, r.session(ctx, conn)
}

// running is a generation that is being applied.
type running struct {
	follower *follower
	cancel   context.CancelFunc
	done     chan struct{}
}

func (f *running) isDone() bool {
	select {
	case <-f.done:
		return true
	default:
		return false
	}
}

// session runs the projections until ctx ends, the lock's connection breaks or a checkpoint is moved by another.
func (r *Runner) session(ctx context.Context, lock *pgx.Conn) error {
	if err := register(ctx, r.pool, r.list, true); err != nil {
		return err
	}
	if err := r.refresh(ctx); err != nil {
		return err
	}
	ctx, cancel := context.WithCancelCause(ctx)
	pages := newPages(ctx, r.source, r.opener, r.limit)
	followers := map[string]*running{}
	r.setActive(true)
	defer func() {
		cancel(nil)
		for _, f := range followers {
			<-f.done
		}
		pages.wait.Wait()
		r.setActive(false)
	}()
	tick := time.NewTicker(r.beat)
	defer tick.Stop()
	for {
		if err := r.supervise(ctx, cancel, pages, followers); err != nil && ctx.Err() == nil {
			r.log.Warn("projections cannot be looked after", "error", err)
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-r.nudged:
		case <-tick.C:
		}
		beat, done := context.WithTimeout(ctx, 5*time.Second)
		_, err := lock.Exec(beat, `SELECT 1`)
		done()
		if err != nil {
			return fmt.Errorf("the lock's connection: %w", err)
		}
	}
}

// supervise starts what is to run, ends what is not, and tells of wishes that stand in the table.
func (r *Runner) supervise(ctx context.Context, stop context.CancelCauseFunc, pages *pages, followers map[string]*running) error {
	rows, err := readGenerations(ctx, r.pool)
	if err != nil {
		return err
	}
	for _, g := range rows {
		m, known := r.models[g.name]
		f := followers[g.schema]
		switch {
		case !known || g.version != m.Version:
			// Its commits can only be applied by a program that has that model in that version.
		case g.state == stateRetired:
			if f != nil {
				f.cancel()
			}
		case f == nil, f.isDone() && g.retry:
			followers[g.schema] = r.start(ctx, stop, pages, g)
		case g.retry:
			f.follower.wake()
		}
	}
	return dropRetired(ctx, r.pool, r.grace)
}

func (r *Runner) start(ctx context.Context, stop context.CancelCauseFunc, pages *pages, g generation) *running {
	ctx, cancel := context.WithCancel(ctx)
	f := newFollower(r, pages, g)
	run := &running{f, cancel, make(chan struct{})}
	go func() {
		defer close(run.done)
		defer cancel()
		err := f.run(ctx)
		switch {
		case err == nil, ctx.Err() != nil:
		case errors.Is(err, errFenced):
			stop(fmt.Errorf("%s: %w", g.schema, err))
		default:
			r.log.Error("projection stopped", "projection", g.name, "schema", g.schema, "position", f.at.position, "error", err)
		}
	}()
	return run
}

func (r *Runner) setActive(active bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.active = active
	close(r.moved)
	r.moved = make(chan struct{})
}

// nudge makes the process that runs the projections, if it is this one, look at the table at once.
func (r *Runner) nudge() {
	select {
	case r.nudged <- struct{}{}:
	default:
	}
}

// backoff is how long to wait after so many failures in a row.
func backoff(tries int) time.Duration {
	return min(100*time.Millisecond<<min(tries, 10), 5*time.Second)
}

// pause waits, or answers ctx's error.
func pause(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}

// isBroken says that a connection ended in the middle of something.
func isBroken(err error) bool {
	var network net.Error
	return errors.As(err, &network) || errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) ||
		errors.Is(err, net.ErrClosed) || errors.Is(err, context.DeadlineExceeded)
}
