// Package snapshots keeps snapshots of boundaries in PostgreSQL.
package snapshots

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"roster/events"
	"roster/handlers"
)

// AnswerWithin is how long the database may take for the first row, and for each thousand more: whoever waits can read
// the log instead.
const AnswerWithin = 300 * time.Millisecond

const (
	// restFor is how long it is not asked again once it has not answered.
	restFor = time.Second
	// saveWithin is how long a transaction may take.
	saveWithin = time.Minute
)

// The rows hold nothing in clear that the log does not hold in clear. Lost rows cost speed alone, so that nothing waits
// for them to be on disk.
const tables = `
CREATE SCHEMA IF NOT EXISTS roster;
CREATE TABLE IF NOT EXISTS roster.snapshots (
	kind text COLLATE "C" NOT NULL,
	id uuid NOT NULL,
	pos bigint NOT NULL,
	tag bytea NOT NULL,
	head bytea NOT NULL,
	PRIMARY KEY (kind, id)
) WITH (fillfactor = 80);
CREATE TABLE IF NOT EXISTS roster.snapshot_entries (
	kind text COLLATE "C" NOT NULL,
	id uuid NOT NULL,
	part smallint NOT NULL,
	key uuid NOT NULL,
	value bytea NOT NULL,
	PRIMARY KEY (kind, id, part, key)
) WITH (fillfactor = 90);
`

// ErrAway: the database has not answered lately and is not asked for the moment.
var ErrAway = errors.New("the database is away")

// Snapshots implements handlers.Snapshots.
type Snapshots struct {
	pool   *pgxpool.Pool
	within time.Duration
	made   atomic.Bool
	away   atomic.Int64 // until when it is not asked, in nanoseconds of the system's clock
}

var _ handlers.Snapshots = (*Snapshots)(nil)

// New makes Snapshots over a pool that answers within a time such as AnswerWithin, or counts as away. The tables are
// made when something is saved first, so that it may be.
func New(pool *pgxpool.Pool, within time.Duration) *Snapshots {
	return &Snapshots{pool: pool, within: within}
}

// make makes the tables where there are none.
func (s *Snapshots) make(ctx context.Context) error {
	if s.made.Load() {
		return nil
	}
	err := pgx.BeginFunc(ctx, s.pool, func(tx pgx.Tx) error {
		// The schema is shared with the projections, which make it under this lock.
		if _, err := tx.Exec(ctx, `SELECT pg_advisory_xact_lock(hashtextextended('roster.projections.prepare', 0))`); err != nil {
			return err
		}
		_, err := tx.Exec(ctx, tables)
		return err
	})
	if err == nil {
		s.made.Store(true)
	}
	return err
}

// Load implements handlers.Snapshots.
func (s *Snapshots) Load(ctx context.Context, b events.Boundary, entry func(part byte, key [16]byte, value []byte)) (*handlers.KeptHead, error) {
	if time.Now().UnixNano() < s.away.Load() {
		return nil, ErrAway
	}
	asking, cancel := context.WithCancel(ctx)
	defer cancel()
	late := time.AfterFunc(s.within, cancel)
	defer late.Stop()
	head, err := s.load(asking, b, entry, func() { late.Reset(s.within) })
	switch {
	case noTable(err):
		return nil, nil
	case err != nil && ctx.Err() == nil:
		s.away.Store(time.Now().Add(restFor).UnixNano())
	}
	return head, wrap("load", err)
}

func noTable(err error) bool {
	var answered *pgconn.PgError
	return errors.As(err, &answered) && answered.Code == "42P01"
}

// load reads head and entries with one statement, as of one moment.
func (s *Snapshots) load(ctx context.Context, b events.Boundary, entry func(part byte, key [16]byte, value []byte), more func()) (*handlers.KeptHead, error) {
	rows, err := s.pool.Query(ctx, `SELECT NULL::smallint, NULL::uuid, head, tag, pos FROM roster.snapshots WHERE kind = $1 AND id = $2
		UNION ALL SELECT part, key, value, NULL, NULL FROM roster.snapshot_entries WHERE kind = $1 AND id = $2`, string(b.Kind), [16]byte(b.ID))
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var head *handlers.KeptHead
	for n := 1; rows.Next(); n++ {
		if n%1000 == 1 {
			more()
		}
		v := rows.RawValues() // binary: a hundred thousand members are not worth as many conversions
		switch {
		case v[0] == nil && len(v[3]) == 32 && len(v[4]) == 8:
			head = &handlers.KeptHead{Tag: [32]byte(v[3]), Pos: be(v[4]), Bytes: append([]byte(nil), v[2]...)}
		case len(v[0]) == 2 && len(v[1]) == 16:
			entry(v[0][1], [16]byte(v[1]), v[2])
		default:
			head = &handlers.KeptHead{} // nobody's rows: the tag fits nothing
		}
	}
	return head, rows.Err()
}

func be(b []byte) (n uint64) {
	for _, c := range b {
		n = n<<8 | uint64(c)
	}
	return n
}

// Save implements handlers.Snapshots.
func (s *Snapshots) Save(ctx context.Context, list []handlers.KeptChange) ([]bool, error) {
	ctx, cancel := context.WithTimeout(ctx, saveWithin)
	defer cancel()
	if err := s.make(ctx); err != nil {
		return nil, wrap("making the tables", err)
	}
	done := make([]bool, len(list))
	err := pgx.BeginFunc(ctx, s.pool, func(tx pgx.Tx) error {
		if err := heads(ctx, tx, list, done); err != nil {
			return err
		}
		return entries(ctx, tx, list, done)
	})
	if noTable(err) {
		s.made.Store(false) // somebody has dropped them
	}
	return done, wrap("save", err)
}

// heads moves on the rows that still are as they are said to be, and locks them until the transaction ends: entries are
// written by whoever has written the head that they belong to.
func heads(ctx context.Context, tx pgx.Tx, list []handlers.KeptChange, done []bool) error {
	var batch pgx.Batch
	batch.Queue(`SET LOCAL synchronous_commit = off`)
	for i, c := range list {
		kind, id, h := string(c.Boundary.Kind), [16]byte(c.Boundary.ID), c.Head
		var q *pgx.QueuedQuery
		if c.Was == [32]byte{} {
			q = batch.Queue(`INSERT INTO roster.snapshots AS s (kind, id, pos, tag, head) VALUES ($1, $2, $3, $4, $5)
				ON CONFLICT (kind, id) DO UPDATE SET pos = excluded.pos, tag = excluded.tag, head = excluded.head WHERE length(s.tag) <> 32`,
				kind, id, int64(h.Pos), h.Tag[:], h.Bytes)
		} else {
			q = batch.Queue(`UPDATE roster.snapshots SET pos = $3, tag = $4, head = $5 WHERE kind = $1 AND id = $2 AND tag = $6`,
				kind, id, int64(h.Pos), h.Tag[:], h.Bytes, c.Was[:])
		}
		q.Exec(func(tag pgconn.CommandTag) error {
			done[i] = tag.RowsAffected() == 1
			return nil
		})
	}
	return tx.SendBatch(ctx, &batch).Close()
}

// columns are rows of entries, column by column.
type columns struct {
	kinds  []string
	ids    [][16]byte
	parts  []int16
	keys   [][16]byte
	values [][]byte
}

func (c *columns) add(b events.Boundary, part byte, key [16]byte, value []byte) {
	c.kinds, c.ids = append(c.kinds, string(b.Kind)), append(c.ids, b.ID)
	c.parts, c.keys, c.values = append(c.parts, int16(part)), append(c.keys, key), append(c.values, value)
}

func entries(ctx context.Context, tx pgx.Tx, list []handlers.KeptChange, done []bool) error {
	var all, gone, changed, whole columns
	for i, c := range list {
		if !done[i] {
			continue
		}
		if c.Whole {
			all.add(c.Boundary, 0, [16]byte{}, nil)
		}
		for _, e := range c.Entries {
			switch {
			case c.Whole:
				whole.add(c.Boundary, e.Part, e.Key, e.Is)
			case e.Is == nil:
				gone.add(c.Boundary, e.Part, e.Key, nil)
			default:
				changed.add(c.Boundary, e.Part, e.Key, e.Is)
			}
		}
	}
	if len(all.ids) > 0 {
		if _, err := tx.Exec(ctx, `DELETE FROM roster.snapshot_entries e USING unnest($1::text[], $2::uuid[]) AS u (kind, id)
			WHERE e.kind = u.kind AND e.id = u.id`, all.kinds, all.ids); err != nil {
			return err
		}
	}
	if len(gone.ids) > 0 {
		if _, err := tx.Exec(ctx, `DELETE FROM roster.snapshot_entries e USING unnest($1::text[], $2::uuid[], $3::smallint[], $4::uuid[]) AS u (kind, id, part, key)
			WHERE e.kind = u.kind AND e.id = u.id AND e.part = u.part AND e.key = u.key`, gone.kinds, gone.ids, gone.parts, gone.keys); err != nil {
			return err
		}
	}
	if len(changed.ids) > 0 {
		if _, err := tx.Exec(ctx, `INSERT INTO roster.snapshot_entries (kind, id, part, key, value)
			SELECT * FROM unnest($1::text[], $2::uuid[], $3::smallint[], $4::uuid[], $5::bytea[])
			ON CONFLICT (kind, id, part, key) DO UPDATE SET value = excluded.value`,
			changed.kinds, changed.ids, changed.parts, changed.keys, changed.values); err != nil {
			return err
		}
	}
	if len(whole.ids) == 0 {
		return nil
	}
	_, err := tx.CopyFrom(ctx, pgx.Identifier{"roster", "snapshot_entries"}, []string{"kind", "id", "part", "key", "value"},
		pgx.CopyFromSlice(len(whole.ids), func(i int) ([]any, error) {
			return []any{whole.kinds[i], whole.ids[i], whole.parts[i], whole.keys[i], whole.values[i]}, nil
		}))
	return err
}

func wrap(what string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("snapshots: %s: %w", what, err)
}
