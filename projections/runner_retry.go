package projections

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"

	"roster/events"
)

// parkedBoundaries are those of which a generation holds commits back.
func parkedBoundaries(ctx context.Context, q Querier, schema string) (map[events.Boundary]bool, error) {
	rows, err := q.Query(ctx, `SELECT DISTINCT boundary FROM roster.parked WHERE schema = $1`, schema)
	if err != nil {
		return nil, err
	}
	names, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		return nil, err
	}
	set := make(map[events.Boundary]bool, len(names))
	for _, name := range names {
		b, err := events.ParseBoundary(name)
		if err != nil {
			return nil, stopError{fmt.Errorf("parked commits of %s: %w", schema, err)}
		}
		set[b] = true
	}
	return set, nil
}

// retryParked applies what is held back, in the order of the log. A boundary whose commit fails again stays parked,
// from that commit on.
func (f *follower) retryParked(ctx context.Context) error {
	// A wish that is made from here on is not granted by what has been tried before it.
	var wished bool
	if err := f.r.pool.QueryRow(ctx, `SELECT retry FROM roster.projection WHERE schema = $1`, f.schema).Scan(&wished); err != nil {
		return err
	}
	if len(f.parked) > 0 {
		if err := f.applyParked(ctx); err != nil {
			return err
		}
	}
	var err error
	if f.parked, err = parkedBoundaries(ctx, f.r.pool, f.schema); err != nil {
		return err
	}
	if err := f.well(ctx); err != nil {
		return err
	}
	if wished {
		if _, err := f.r.pool.Exec(ctx, `UPDATE roster.projection SET retry = false WHERE schema = $1`, f.schema); err != nil {
			return err
		}
	}
	f.retry = false
	return nil
}

func (f *follower) applyParked(ctx context.Context) error {
	rows, err := f.r.pool.Query(ctx, `SELECT position FROM roster.parked WHERE schema = $1 ORDER BY position`, f.schema)
	if err != nil {
		return err
	}
	positions, err := pgx.CollectRows(rows, pgx.RowTo[int64])
	if err != nil {
		return err
	}
	still := map[events.Boundary]bool{}
	for i := 0; i < len(positions); {
		pos := uint64(positions[i])
		list, _, err := readPage(ctx, f.r.source, f.r.opener, pos-1, 1)
		if err != nil {
			return err
		}
		units, err := unitsOf(list)
		if err != nil {
			return err
		}
		u := units[0]
		for i < len(positions) && uint64(positions[i]) <= u[len(u)-1].pos {
			i++
		}
		if err := f.retryUnit(ctx, u, still); err != nil {
			return err
		}
	}
	return nil
}

func (f *follower) retryUnit(ctx context.Context, u unit, still map[events.Boundary]bool) error {
	behind := false
	for _, o := range u {
		behind = behind || still[o.boundary]
	}
	var err error
	if !behind {
		if fault := u.fault(); fault != nil {
			err = poisonError{fault}
		} else {
			err = f.applyHeld(ctx, u)
		}
		if err == nil {
			return nil
		}
	}
	var poison poisonError
	if err != nil && !errors.As(err, &poison) {
		return err
	}
	for _, o := range u {
		still[o.boundary] = true
	}
	if err == nil {
		return nil
	}
	_, err = f.r.pool.Exec(ctx, `UPDATE roster.parked SET error = $3, at = now() WHERE schema = $1 AND position = $2`,
		f.schema, int64(u[0].pos), poison.Error())
	return err
}

// applyHeld applies a unit that was held back. The checkpoint stays where it is.
func (f *follower) applyHeld(ctx context.Context, u unit) error {
	var commits []Opened
	var positions []int64
	for _, o := range u {
		commits = append(commits, o.commit)
		positions = append(positions, int64(o.pos))
	}
	return f.transact(ctx, func(tx pgx.Tx) error {
		var batch pgx.Batch
		batch.Queue(sqlHold, f.schema, int64(f.at.position), hashBytes(f.at.hash))
		batch.Queue(`DELETE FROM roster.parked WHERE schema = $1 AND position = ANY($2)`, f.schema, positions)
		if err := f.fence(tx.SendBatch(ctx, &batch)); err != nil {
			return err
		}
		return f.hand(ctx, tx, commits)
	})
}

// Retry has the commits of a read model that are held back tried again, and a projection that stopped started again,
// by the process that runs the projections. It returns when that is done: with an error if something is still held
// back or the projection stopped again.
func (r *Runner) Retry(ctx context.Context, name string) error {
	m, ok := r.models[name]
	if !ok {
		return fmt.Errorf("no projection is called %q", name)
	}
	if _, err := r.pool.Exec(ctx, `UPDATE roster.projection SET retry = true
		WHERE name = $1 AND version = $2 AND state <> 'retired'`, name, m.Version); err != nil {
		return fmt.Errorf("retry %s: %w", name, err)
	}
	r.nudge()
	for {
		rows, err := readGenerations(ctx, r.pool)
		if err != nil {
			return fmt.Errorf("retry %s: %w", name, err)
		}
		waiting := false
		for _, g := range rows {
			waiting = waiting || g.name == name && g.state != stateRetired && g.retry
		}
		if !waiting {
			return r.retried(ctx, name, rows)
		}
		if err := pause(ctx, awayPoll); err != nil {
			return fmt.Errorf("retry %s: %w", name, err)
		}
	}
}

// retried says what a retry has left.
func (r *Runner) retried(ctx context.Context, name string, rows []generation) error {
	for _, g := range rows {
		if g.name != name || g.state == stateRetired {
			continue
		}
		if g.problem != "" {
			return fmt.Errorf("%s: stopped at position %d: %s", g.schema, g.position, g.problem)
		}
		parked, err := readParked(ctx, r.pool, g.schema)
		if err != nil {
			return err
		}
		if len(parked) > 0 {
			p := parked[0]
			return fmt.Errorf("%s: %d boundaries are held back, the first %s from position %d: %s", g.schema, len(parked), p.Boundary, p.Position, p.Error)
		}
	}
	return nil
}
