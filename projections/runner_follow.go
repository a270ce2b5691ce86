package projections

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"roster/events"
)

// follower applies the log to one generation of one model. One goroutine uses it.
type follower struct {
	r      *Runner
	pages  *pages
	model  Model
	schema string
	number int    // of the generation
	state  string // serving or building
	at     checkpoint
	parked map[events.Boundary]bool
	retry  bool // parked commits are to be tried again
	nudged chan struct{}

	troubled bool // a problem stands in the table
}

func newFollower(r *Runner, pages *pages, g generation) *follower {
	return &follower{r: r, pages: pages, model: r.models[g.name], schema: g.schema, number: g.generation,
		retry: true, nudged: make(chan struct{}, 1)}
}

// wake makes the follower look for wishes in the table.
func (f *follower) wake() {
	select {
	case f.nudged <- struct{}{}:
	default:
	}
}

// run follows the log until ctx ends or the generation is retired (nil), or until it must not go on (why). Whatever
// may pass is waited for, with the reason in the table meanwhile.
func (f *follower) run(ctx context.Context) error {
	for tries := 0; ; tries++ {
		before := f.at.position
		err := f.follow(ctx)
		var stop stopError
		switch {
		case ctx.Err() != nil, f.pages.ctx.Err() != nil, errors.Is(err, errRetired):
			return nil
		case errors.Is(err, errFenced):
			return err
		case errors.As(err, &stop), isUnknown(err):
			_, noted := f.r.pool.Exec(ctx, `UPDATE roster.projection SET problem = $2, retry = false WHERE schema = $1`, f.schema, err.Error())
			return errors.Join(err, noted)
		}
		if f.at.position != before {
			tries = 0
		}
		f.r.log.Warn("projection waits", "projection", f.model.Name, "schema", f.schema, "position", f.at.position, "error", err)
		if !isTransient(err) {
			if err := setProblem(ctx, f.r.pool, f.schema, err.Error()); err != nil {
				f.r.log.Warn("problem is not noted", "schema", f.schema, "error", err)
			}
		}
		if pause(ctx, backoff(tries)) != nil {
			return nil
		}
	}
}

// follow reads the checkpoint and follows from there. It returns with an error only.
func (f *follower) follow(ctx context.Context) error {
	g, ok, err := readGeneration(ctx, f.r.pool, f.schema)
	if err != nil {
		return err
	}
	if !ok || g.state == stateRetired {
		return errRetired
	}
	f.state, f.at, f.retry, f.troubled = g.state, g.checkpoint, f.retry || g.retry, g.problem != ""
	if f.parked, err = parkedBoundaries(ctx, f.r.pool, f.schema); err != nil {
		return err
	}
	if err := f.verify(ctx); err != nil {
		return err
	}
	f.tell(true)
	for {
		if f.retry {
			if err := f.retryParked(ctx); err != nil {
				return err
			}
		}
		if f.state == stateBuilding {
			if err := f.swap(ctx); err != nil {
				return err
			}
		}
		p := f.pages.from(f.at.position)
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-f.nudged:
			f.retry = true
			continue
		case <-p.done:
		}
		if err := f.take(ctx, p); err != nil {
			return err
		}
		if err := f.well(ctx); err != nil {
			return err
		}
	}
}

// well takes a problem that has passed out of the table.
func (f *follower) well(ctx context.Context) error {
	if !f.troubled {
		return nil
	}
	f.troubled = false
	return setProblem(ctx, f.r.pool, f.schema, "")
}

// take applies a finished page, in turn with a swap where the generation serves.
func (f *follower) take(ctx context.Context, p *page) error {
	if p.err != nil {
		return p.err
	}
	if f.state == stateServing {
		turn := f.r.turns[f.model.Name]
		turn.Lock()
		defer turn.Unlock()
	}
	return f.applyPage(ctx, f.pages.commits(p))
}

// tell lets those who wait know of the checkpoint. anew is said of one that was read: it may be before one that was
// told, since PostgreSQL loses its last transactions together with their checkpoints when it crashes.
func (f *follower) tell(anew bool) {
	if f.state != stateServing {
		return
	}
	f.r.mu.Lock()
	defer f.r.mu.Unlock()
	if had := f.r.serving[f.model.Name]; anew && had.schema == f.schema && had.position > f.at.position {
		f.r.serving[f.model.Name] = served{}
	}
	f.r.place(f.model.Name, f.schema, f.number, f.at.position)
}

// verify compares the checkpoint with the log: same incarnation, same commit at its position.
func (f *follower) verify(ctx context.Context) error {
	incarnation, err := f.incarnation(ctx)
	if err != nil {
		return err
	}
	pos := f.at.position
	if pos == 0 {
		f.at.incarnation = incarnation
		return nil
	}
	if f.at.incarnation != incarnation {
		return stopError{fmt.Errorf("the checkpoint is of incarnation %s, the log of %s", f.at.incarnation, incarnation)}
	}
	last, err := f.r.source.Last(ctx)
	if err != nil {
		return fmt.Errorf("end of the log: %w", err)
	}
	if pos > last {
		return stopError{fmt.Errorf("the checkpoint is at position %d, the log ends at %d", pos, last)}
	}
	records, err := f.r.source.Read(ctx, pos-1, 1)
	if err != nil {
		return fmt.Errorf("read position %d: %w", pos, err)
	}
	if len(records) == 0 || records[0].Pos != pos {
		return stopError{fmt.Errorf("the log has no commit at position %d, the checkpoint's", pos)}
	}
	if hash := records[0].Hash(); hash != f.at.hash {
		return stopError{fmt.Errorf("the commit at position %d has hash %s, the checkpoint %s", pos, hash, f.at.hash)}
	}
	if pos == last { // nothing is left that could fail
		return f.well(ctx)
	}
	return nil
}

// incarnation is what the first fact of the log says.
func (f *follower) incarnation(ctx context.Context) (events.AnyID, error) {
	records, err := f.r.source.Read(ctx, 0, 1)
	if err != nil {
		return events.AnyID{}, fmt.Errorf("read the start of the log: %w", err)
	}
	if len(records) == 0 || records[0].Pos != 1 {
		return events.AnyID{}, stopError{errors.New("the log does not start at position 1")}
	}
	c, err := events.Decode(records[0])
	if err != nil {
		return events.AnyID{}, stopError{err}
	}
	started, ok := c.Facts[0].(events.LogStarted)
	if !ok {
		return events.AnyID{}, stopError{fmt.Errorf("the log starts with %s, not with log.started", events.KindOf(c.Facts[0]))}
	}
	return started.Incarnation, nil
}

// swap puts a generation that has caught up in the place of the one that serves. When it is a page behind at most,
// the other one waits for it, so that a busy log cannot put it off for ever. Questions never wait.
func (f *follower) swap(ctx context.Context) error {
	behind, held, err := f.behind(ctx, f.r.pool)
	if err != nil || held || behind > uint64(f.pages.limit) {
		return err
	}
	turn := f.r.turns[f.model.Name]
	turn.Lock()
	defer turn.Unlock()
	for {
		behind, held, err := f.behind(ctx, f.r.pool)
		if err != nil || held {
			return err
		}
		if behind == 0 {
			break
		}
		p := f.pages.from(f.at.position)
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-p.done:
		}
		if err := f.take(ctx, p); err != nil {
			return err
		}
	}
	swapped := false
	err = pgx.BeginFunc(ctx, f.r.pool, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, `SELECT 1 FROM roster.projection WHERE name = $1 ORDER BY schema FOR UPDATE`, f.model.Name); err != nil {
			return err
		}
		behind, held, err := f.behind(ctx, tx)
		if err != nil || held || behind > 0 {
			return err
		}
		var old string
		if err := tx.QueryRow(ctx, `SELECT schema FROM roster.projection WHERE name = $1 AND state = 'serving'`, f.model.Name).Scan(&old); err != nil {
			return err
		}
		if err := retire(ctx, tx, old); err != nil {
			return err
		}
		tag, err := tx.Exec(ctx, `UPDATE roster.projection SET state = 'serving', problem = '', updated_at = now()
			WHERE schema = $1 AND state = 'building' AND position = $2`, f.schema, int64(f.at.position))
		if err == nil && tag.RowsAffected() != 1 {
			err = errFenced
		}
		swapped = err == nil
		return err
	})
	if err != nil || !swapped {
		return err
	}
	f.state = stateServing
	f.tell(false)
	f.r.log.Info("projection swapped", "projection", f.model.Name, "schema", f.schema, "position", f.at.position)
	f.r.nudge()
	return nil
}

// behind is how many commits the serving generation is ahead; held says that this one holds commits back that the
// other has applied, and must not take its place.
func (f *follower) behind(ctx context.Context, q querying) (n uint64, held bool, err error) {
	var at int64
	var ours, theirs int
	err = q.QueryRow(ctx, `SELECT position,
			(SELECT count(*) FROM roster.parked p WHERE p.schema = $2 AND p.position <= s.position),
			(SELECT count(*) FROM roster.parked p WHERE p.schema = s.schema)
		FROM roster.projection s WHERE s.name = $1 AND s.state = 'serving'`, f.model.Name, f.schema).Scan(&at, &ours, &theirs)
	if err != nil {
		return 0, false, fmt.Errorf("place of the serving generation: %w", err)
	}
	if ours > theirs {
		f.troubled = true
		return 0, true, setProblem(ctx, q, f.schema, "it does not take its place: it holds back commits that the serving generation has applied")
	}
	if uint64(at) > f.at.position {
		n = uint64(at) - f.at.position
	}
	return n, false, nil
}

// ErrOtherWish says that a wish was made before, for another read model.
var ErrOtherWish = errors.New("this was asked of another projection before")

// wishKept is for how long a wish counts, as an idempotency key does.
const wishKept = 30 * 24 * time.Hour

// granted answers by which generation a wish was granted before. Those that count no more are forgotten.
func granted(ctx context.Context, tx pgx.Tx, wish []byte, name string) (schema string, ok bool, err error) {
	if wish == nil {
		return "", false, nil
	}
	if _, err := tx.Exec(ctx, `DELETE FROM roster.rebuild WHERE at < now() - make_interval(secs => $1)`, wishKept.Seconds()); err != nil {
		return "", false, err
	}
	var of string
	err = tx.QueryRow(ctx, `SELECT schema, name FROM roster.rebuild WHERE wish = $1`, wish).Scan(&schema, &of)
	switch {
	case errors.Is(err, pgx.ErrNoRows):
		return "", false, nil
	case err == nil && of != name:
		err = ErrOtherWish
	}
	return schema, err == nil, err
}

// Rebuild builds a read model anew from the log beside the one that serves, and returns when it has taken its place.
// The work is done by the process that runs the projections. It goes on when ctx ends, and where it was after a
// restart; calling Rebuild again then waits for the same generation. A wish that is made again, by the same bytes, is
// granted once; nil is a wish of its own each time. ErrOtherWish: it was for another read model.
func (r *Runner) Rebuild(ctx context.Context, name string, wish []byte) error {
	m, ok := r.models[name]
	if !ok {
		return fmt.Errorf("no projection is called %q", name)
	}
	schema, before := "", false
	err := pgx.BeginFunc(ctx, r.pool, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, `SELECT pg_advisory_xact_lock(hashtextextended('roster.projections.prepare', 0))`); err != nil {
			return err
		}
		var err error
		if schema, before, err = granted(ctx, tx, wish, name); before || err != nil {
			return err
		}
		sql := `SELECT schema FROM roster.projection WHERE name = $1 AND state = 'building'`
		if err = tx.QueryRow(ctx, sql, name).Scan(&schema); errors.Is(err, pgx.ErrNoRows) {
			if err = addGeneration(ctx, tx, m, stateBuilding); err == nil {
				err = tx.QueryRow(ctx, sql, name).Scan(&schema)
			}
		}
		if err != nil || wish == nil {
			return err
		}
		_, err = tx.Exec(ctx, `INSERT INTO roster.rebuild (wish, name, schema) VALUES ($1, $2, $3)`, wish, name, schema)
		return err
	})
	if err != nil {
		return fmt.Errorf("rebuild %s: %w", name, err)
	}
	r.nudge()
	for {
		g, ok, err := readGeneration(ctx, r.pool, schema)
		switch {
		case err != nil:
			return fmt.Errorf("rebuild %s: %w", name, err)
		case before && (!ok || g.state == stateRetired): // it has served, or given way to one that does
			return r.refresh(ctx)
		case !ok || g.state == stateRetired:
			return fmt.Errorf("rebuild %s: another generation was put in the place of %s", name, schema)
		case g.state == stateServing:
			return r.refresh(ctx)
		case g.problem != "":
			return fmt.Errorf("rebuild %s: %s stands at position %d: %s", name, schema, g.position, g.problem)
		}
		if err := pause(ctx, awayPoll); err != nil {
			return fmt.Errorf("rebuild %s: at position %d: %w", name, g.position, err)
		}
	}
}
