package projections

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"roster/events"
)

// poisonError is what a commit itself does to a model: trying again changes nothing.
type poisonError struct{ error }

func (e poisonError) Unwrap() error { return e.error }

// applyPage applies commits that follow the checkpoint. What a newer version wrote stops the projection there; what
// fails otherwise parks its boundary.
func (f *follower) applyPage(ctx context.Context, list []opened) error {
	if list[0].pos != f.at.position+1 {
		return stopError{fmt.Errorf("position %d follows the checkpoint at %d", list[0].pos, f.at.position)}
	}
	units, err := unitsOf(list)
	if err != nil {
		return err
	}
	for i, u := range units {
		if err := u.fault(); isUnknown(err) {
			if applied := f.applyUnits(ctx, units[:i]); applied != nil {
				return applied
			}
			return err
		}
	}
	return f.applyUnits(ctx, units)
}

// applyUnits applies in one transaction, or halves until the unit that fails is found and parks that one.
func (f *follower) applyUnits(ctx context.Context, units []unit) error {
	if len(units) == 0 {
		return nil
	}
	err := f.applyOnce(ctx, units, nil)
	var poison poisonError
	if !errors.As(err, &poison) {
		return err
	}
	if len(units) == 1 {
		f.r.log.Error("projection parks a boundary", "projection", f.model.Name, "schema", f.schema,
			"boundary", units[0][0].boundary.String(), "position", units[0][0].pos, "error", poison.error)
		return f.applyOnce(ctx, units, poison.error)
	}
	half := len(units) / 2
	if err := f.applyUnits(ctx, units[:half]); err != nil {
		return err
	}
	return f.applyUnits(ctx, units[half:])
}

// held collects what a transaction holds back.
type held struct {
	positions  []int64
	boundaries []string
	errors     []string
	fresh      map[events.Boundary]bool
}

func (h *held) park(u unit, cause string) {
	for _, o := range u {
		h.positions = append(h.positions, int64(o.pos))
		h.boundaries = append(h.boundaries, o.boundary.String())
		h.errors = append(h.errors, cause)
		h.fresh[o.boundary] = true
	}
}

// sift parts units into commits to apply and commits to hold back: those of parked boundaries, those that cannot be
// read, and all of them when cause is given. A batch is held back as a whole.
func (f *follower) sift(units []unit, cause error) ([]Opened, held) {
	var commits []Opened
	h := held{fresh: map[events.Boundary]bool{}}
	for _, u := range units {
		behind := ""
		for _, o := range u {
			if f.parked[o.boundary] || h.fresh[o.boundary] {
				behind = "held back behind an earlier commit of " + o.boundary.String()
				break
			}
		}
		switch fault := u.fault(); {
		case cause != nil:
			h.park(u, cause.Error())
		case fault != nil:
			h.park(u, fault.Error())
		case behind != "":
			h.park(u, behind)
		default:
			for _, o := range u {
				commits = append(commits, o.commit)
			}
		}
	}
	return commits, h
}

// applyOnce applies units and moves the checkpoint behind them, in one transaction; with a cause it holds them back
// instead. The checkpoint is moved first: whoever is fenced does no work.
func (f *follower) applyOnce(ctx context.Context, units []unit, cause error) error {
	commits, h := f.sift(units, cause)
	last := units[len(units)-1]
	to := checkpoint{f.at.incarnation, last[len(last)-1].pos, last[len(last)-1].hash}
	err := f.transact(ctx, func(tx pgx.Tx) error {
		var batch pgx.Batch
		batch.Queue(sqlMove, moveArgs(f.schema, f.at, to)...)
		if len(h.positions) > 0 {
			batch.Queue(`INSERT INTO roster.parked (schema, position, boundary, error)
				SELECT $1, p, b, e FROM unnest($2::bigint[], $3::text[], $4::text[]) AS u (p, b, e)`,
				f.schema, h.positions, h.boundaries, h.errors)
		}
		if err := f.fence(tx.SendBatch(ctx, &batch)); err != nil {
			return err
		}
		return f.hand(ctx, tx, commits)
	})
	if err != nil {
		return err
	}
	for b := range h.fresh {
		f.parked[b] = true
	}
	f.at = to
	f.tell(false)
	return nil
}

// fence reads the answer of a batch whose first statement must have met this generation's row.
func (f *follower) fence(answer pgx.BatchResults) error {
	tag, err := answer.Exec()
	if closed := answer.Close(); err == nil {
		err = closed
	}
	if err == nil && tag.RowsAffected() != 1 {
		return errFenced
	}
	return err
}

// transact runs fn in a transaction whose search path is the generation's schema. It need not be on disk when it is
// committed: rows and checkpoint are lost together, and the log has them.
func (f *follower) transact(ctx context.Context, fn func(tx pgx.Tx) error) error {
	name, err := quoted(f.schema)
	if err != nil {
		return err
	}
	tx, err := f.r.pool.BeginTx(ctx, pgx.TxOptions{
		BeginQuery: `BEGIN; SET LOCAL synchronous_commit TO off; SET LOCAL search_path TO ` + name + `, public`})
	if err != nil {
		return err
	}
	defer func() { _ = tx.Rollback(context.WithoutCancel(ctx)) }()
	if err := fn(tx); err != nil {
		if errors.Is(err, errFenced) {
			return f.orRetired(ctx, err)
		}
		return err
	}
	err = tx.Commit(ctx)
	var pg *pgconn.PgError
	if errors.As(err, &pg) && !isTransient(err) { // a deferred constraint
		return poisonError{err}
	}
	return err
}

// orRetired tells a fence from a generation that has been replaced.
func (f *follower) orRetired(ctx context.Context, err error) error {
	g, ok, failed := readGeneration(ctx, f.r.pool, f.schema)
	switch {
	case failed != nil:
		return failed
	case !ok || g.state == stateRetired:
		return errRetired
	}
	return err
}

// hand calls the model and tells what a commit did from what the database did.
func (f *follower) hand(ctx context.Context, tx pgx.Tx, commits []Opened) error {
	if len(commits) == 0 {
		return nil
	}
	err := f.call(ctx, tx, commits)
	switch {
	case err == nil:
		return nil
	case ctx.Err() != nil, tx.Conn().IsClosed(), isTransient(err):
		return err
	case isGone(err):
		return stopError{fmt.Errorf("its tables are gone: %w", err)}
	}
	return poisonError{err}
}

// call turns a panic of the model into an error: it is a commit's as much as any other.
func (f *follower) call(ctx context.Context, tx pgx.Tx, commits []Opened) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("%s panicked: %v", f.model.Name, p)
		}
	}()
	return f.model.Apply(ctx, tx, commits)
}
