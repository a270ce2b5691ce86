package projections

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// Querier is what a question needs of PostgreSQL. Questions name their tables with the schema that they are handed,
// quoted by pgx.Identifier.
type Querier interface {
	Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error)
	QueryRow(ctx context.Context, sql string, args ...any) pgx.Row
}

// Asker answers questions of a read model in the generation that serves. *Runner is the one that does.
type Asker interface {
	Position(name string) uint64
	Query(ctx context.Context, name string, fn func(ctx context.Context, schema string, q Querier) error) error
}

var _ Asker = (*Runner)(nil)

// awayPoll is how often a place that is moved by another process is looked up by those who wait for it.
const awayPoll = 50 * time.Millisecond

// refreshWithin is how long the places of the generations may take to be read.
const refreshWithin = 3 * time.Second

// Serving is the schema that answers questions about a read model, or "" while there is none.
func (r *Runner) Serving(name string) string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.serving[name].schema
}

// Position is how far the serving generation of a read model has been applied, as far as this process knows.
func (r *Runner) Position(name string) uint64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.serving[name].position
}

// Query hands fn the schema that serves and the pool. When fn meets a table that is gone, because another process
// swapped generations in between, the schema is looked up again and fn is called once more: fn must be able to
// start anew.
func (r *Runner) Query(ctx context.Context, name string, fn func(ctx context.Context, schema string, q Querier) error) error {
	schema := r.Serving(name)
	if schema != "" {
		if err := fn(ctx, schema, r.pool); !isGone(err) {
			return err
		}
	}
	if err := r.refresh(ctx); err != nil {
		return err
	}
	if schema = r.Serving(name); schema == "" {
		return fmt.Errorf("projection %q: %w", name, ErrNotServing)
	}
	return fn(ctx, schema, r.pool)
}

// isGone says that a query named a table or schema that does not exist (any more).
func isGone(err error) bool {
	var pg *pgconn.PgError
	return errors.As(err, &pg) && (pg.Code == "42P01" || pg.Code == "3F000")
}

// WaitFor returns when the serving generation has been applied up to pos, or with ctx's error. In the process that
// runs the projections it wakes at the commit; elsewhere it looks every 50 ms.
func (r *Runner) WaitFor(ctx context.Context, name string, pos uint64) error {
	if _, ok := r.models[name]; !ok {
		return fmt.Errorf("no projection is called %q", name)
	}
	poll := time.NewTicker(awayPoll)
	defer poll.Stop()
	for {
		r.mu.Lock()
		at, moved, here := r.serving[name].position, r.moved, r.active
		r.mu.Unlock()
		if at >= pos {
			return nil
		}
		tick := poll.C
		if here {
			tick = nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("projection %q is at %d, not yet at %d: %w", name, at, pos, ctx.Err())
		case <-moved:
		case <-tick:
			if err := r.refreshSince(ctx, awayPoll); err != nil && ctx.Err() == nil && !isTransient(err) {
				return err
			}
		}
	}
}

// refresh reads which generations serve and how far they are.
func (r *Runner) refresh(ctx context.Context) error { return r.refreshSince(ctx, 0) }

// refreshSince does nothing when somebody did it within the age given. A database that hangs keeps nobody longer
// than they want to wait.
func (r *Runner) refreshSince(ctx context.Context, age time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, refreshWithin)
	defer cancel()
	select {
	case r.refreshing <- struct{}{}:
		defer func() { <-r.refreshing }()
	case <-ctx.Done():
		return ctx.Err()
	}
	if age > 0 && time.Since(r.refreshed) < age {
		return nil
	}
	rows, err := readGenerations(ctx, r.pool)
	if err != nil {
		return err
	}
	r.refreshed = time.Now()
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, g := range rows {
		if g.state == stateServing {
			r.place(g.name, g.schema, g.generation, g.position)
		}
	}
	return nil
}

// place notes what serves and how far it is, and wakes who waits. A place read before a swap or a step of this
// process never takes it back. r.mu is held.
func (r *Runner) place(name, schema string, generation int, pos uint64) {
	had := r.serving[name]
	if generation < had.generation || generation == had.generation && pos <= had.position && schema == had.schema {
		return
	}
	r.serving[name] = served{schema, generation, pos}
	close(r.moved)
	r.moved = make(chan struct{})
}

// Status is what `roster projections status` says of a generation.
type Status struct {
	Name       string    `json:"name"`
	Version    int       `json:"version"`
	Generation int       `json:"generation"`
	Schema     string    `json:"schema"`
	State      string    `json:"state"` // serving, building or retired
	Position   uint64    `json:"position"`
	Lag        uint64    `json:"lag"`     // commits of the log that are not applied yet
	Problem    string    `json:"problem"` // why it stands still, or ""
	Parked     []Parked  `json:"parked"`
	UpdatedAt  time.Time `json:"updated_at"`
}

// Parked is a boundary whose commits are held back since one of them could not be applied.
type Parked struct {
	Boundary string    `json:"boundary"`
	Position uint64    `json:"position"` // the first commit held back
	Commits  int       `json:"commits"`
	Error    string    `json:"error"`
	At       time.Time `json:"at"`
}

// Status lists every generation, the serving ones first.
func (r *Runner) Status(ctx context.Context) ([]Status, error) {
	last, err := r.source.Last(ctx)
	if err != nil {
		return nil, fmt.Errorf("projections: end of the log: %w", err)
	}
	rows, err := readGenerations(ctx, r.pool)
	if err != nil {
		return nil, err
	}
	list := make([]Status, 0, len(rows))
	for _, g := range rows {
		s := Status{Name: g.name, Version: g.version, Generation: g.generation, Schema: g.schema, State: g.state,
			Position: g.position, Problem: g.problem, UpdatedAt: g.updatedAt}
		if last > g.position {
			s.Lag = last - g.position
		}
		if s.Parked = []Parked{}; g.state != stateRetired { // what has been replaced holds back nothing any more
			if s.Parked, err = readParked(ctx, r.pool, g.schema); err != nil {
				return nil, err
			}
		}
		list = append(list, s)
	}
	return list, nil
}
