// Package seen keeps in PostgreSQL when sessions were used last. It can be thrown away at any time: idle sessions then
// live a little longer.
package seen

import (
	"context"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"roster/events"
	"roster/handlers/access"
)

const table = `
CREATE SCHEMA IF NOT EXISTS roster;
CREATE TABLE IF NOT EXISTS roster.session_seen (
	session uuid PRIMARY KEY,
	seen timestamptz NOT NULL
) WITH (fillfactor = 70);
CREATE INDEX IF NOT EXISTS session_seen_by_time ON roster.session_seen (seen);
`

// Store implements access.SeenStore.
type Store struct {
	pool *pgxpool.Pool
	made atomic.Bool
}

var _ access.SeenStore = (*Store)(nil)

// New makes a Store over a pool. Its table is made when it is first needed, so that the database may be away.
func New(pool *pgxpool.Pool) *Store { return &Store{pool: pool} }

func (s *Store) make(ctx context.Context) error {
	if s.made.Load() {
		return nil
	}
	err := pgx.BeginFunc(ctx, s.pool, func(tx pgx.Tx) error {
		// The schema is shared with the projections, which make it under this lock.
		if _, err := tx.Exec(ctx, `SELECT pg_advisory_xact_lock(hashtextextended('roster.projections.prepare', 0))`); err != nil {
			return err
		}
		_, err := tx.Exec(ctx, table)
		return err
	})
	if err != nil {
		return fmt.Errorf("sessions seen: making the table: %w", err)
	}
	s.made.Store(true)
	return nil
}

// Note keeps moments, of each session the last.
func (s *Store) Note(ctx context.Context, seen map[events.SessionID]time.Time) error {
	if err := s.make(ctx); err != nil {
		return err
	}
	ids, moments := make([][16]byte, 0, len(seen)), make([]time.Time, 0, len(seen))
	for id, at := range seen {
		ids, moments = append(ids, id), append(moments, at)
	}
	_, err := s.pool.Exec(ctx, `INSERT INTO roster.session_seen (session, seen) SELECT * FROM unnest($1::uuid[], $2::timestamptz[])
		ON CONFLICT (session) DO UPDATE SET seen = excluded.seen WHERE session_seen.seen < excluded.seen`, ids, moments)
	if err != nil {
		return fmt.Errorf("sessions seen: %w", err)
	}
	return nil
}

// Last answers the moments that are kept of some sessions.
func (s *Store) Last(ctx context.Context, sessions []events.SessionID) (map[events.SessionID]time.Time, error) {
	if err := s.make(ctx); err != nil {
		return nil, err
	}
	ids := make([][16]byte, 0, len(sessions))
	for _, id := range sessions {
		ids = append(ids, id)
	}
	rows, err := s.pool.Query(ctx, `SELECT session, seen FROM roster.session_seen WHERE session = ANY($1::uuid[])`, ids)
	if err != nil {
		return nil, fmt.Errorf("sessions seen: %w", err)
	}
	last := map[events.SessionID]time.Time{}
	var id [16]byte
	var at time.Time
	_, err = pgx.ForEachRow(rows, []any{&id, &at}, func() error {
		last[id] = at
		return nil
	})
	return last, err
}

// Tidy drops what is older than a moment.
func (s *Store) Tidy(ctx context.Context, before time.Time) error {
	if err := s.make(ctx); err != nil {
		return err
	}
	if _, err := s.pool.Exec(ctx, `DELETE FROM roster.session_seen WHERE seen < $1`, before); err != nil {
		return fmt.Errorf("sessions seen: %w", err)
	}
	return nil
}
