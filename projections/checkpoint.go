package projections

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"roster/events"
)

// The states of a generation.
const (
	stateServing  = "serving"  // answers questions
	stateBuilding = "building" // catches up to take the place of the one that serves
	stateRetired  = "retired"  // kept for the questions that still run, then dropped
)

// bookkeeping is the runner's own tables: the checkpoint of each generation, what it holds back, and which wishes to
// rebuild have been granted by which generation.
const bookkeeping = `
CREATE SCHEMA IF NOT EXISTS roster;
CREATE TABLE IF NOT EXISTS roster.projection (
	schema      text PRIMARY KEY,
	name        text NOT NULL,
	version     int NOT NULL,
	generation  int NOT NULL,
	state       text NOT NULL CHECK (state IN ('serving', 'building', 'retired')),
	incarnation uuid,
	position    bigint NOT NULL DEFAULT 0 CHECK (position >= 0),
	hash        bytea NOT NULL DEFAULT '',
	problem     text NOT NULL DEFAULT '',
	retry       boolean NOT NULL DEFAULT false,
	retired_at  timestamptz,
	updated_at  timestamptz NOT NULL DEFAULT now(),
	UNIQUE (name, generation)
);
CREATE UNIQUE INDEX IF NOT EXISTS projection_serving ON roster.projection (name) WHERE state = 'serving';
CREATE UNIQUE INDEX IF NOT EXISTS projection_building ON roster.projection (name) WHERE state = 'building';
CREATE TABLE IF NOT EXISTS roster.parked (
	schema   text NOT NULL REFERENCES roster.projection ON DELETE CASCADE,
	position bigint NOT NULL,
	boundary text NOT NULL,
	error    text NOT NULL,
	at       timestamptz NOT NULL DEFAULT now(),
	PRIMARY KEY (schema, position)
);
CREATE TABLE IF NOT EXISTS roster.rebuild (
	wish   bytea PRIMARY KEY,
	name   text NOT NULL,
	schema text NOT NULL,
	at     timestamptz NOT NULL DEFAULT now()
);`

// generation is a row of roster.projection.
type generation struct {
	schema, name, state, problem string
	version, generation          int
	checkpoint                   checkpoint
	position                     uint64 // of the checkpoint
	retry                        bool
	updatedAt                    time.Time
}

// checkpoint is how far a generation has been applied: the incarnation of the log, the position, and the hash of
// the commit there. At position 0 it is the zero checkpoint.
type checkpoint struct {
	incarnation events.AnyID
	position    uint64
	hash        events.Hash
}

// querying is what the bookkeeping needs of a pool, a connection or a transaction.
type querying interface {
	Querier
	Exec(ctx context.Context, sql string, args ...any) (pgconn.CommandTag, error)
}

const generationColumns = `schema, name, state, problem, version, generation, incarnation, position, hash, retry, updated_at`

func readGenerations(ctx context.Context, q Querier) ([]generation, error) {
	rows, err := q.Query(ctx, `SELECT `+generationColumns+` FROM roster.projection
		ORDER BY name, array_position(ARRAY['serving', 'building', 'retired'], state), generation`)
	if err != nil {
		return nil, fmt.Errorf("read checkpoints: %w", err)
	}
	list, err := pgx.CollectRows(rows, scanGeneration)
	if err != nil {
		return nil, fmt.Errorf("read checkpoints: %w", err)
	}
	return list, nil
}

// readGeneration answers ok=false when the generation has been dropped.
func readGeneration(ctx context.Context, q Querier, schema string) (g generation, ok bool, err error) {
	rows, err := q.Query(ctx, `SELECT `+generationColumns+` FROM roster.projection WHERE schema = $1`, schema)
	if err != nil {
		return generation{}, false, fmt.Errorf("read checkpoint of %s: %w", schema, err)
	}
	g, err = pgx.CollectExactlyOneRow(rows, scanGeneration)
	switch {
	case errors.Is(err, pgx.ErrNoRows):
		return generation{}, false, nil
	case err != nil:
		return generation{}, false, fmt.Errorf("read checkpoint of %s: %w", schema, err)
	}
	return g, true, nil
}

func scanGeneration(row pgx.CollectableRow) (generation, error) {
	var g generation
	var incarnation *[16]byte
	var pos int64
	var hash []byte
	err := row.Scan(&g.schema, &g.name, &g.state, &g.problem, &g.version, &g.generation, &incarnation, &pos, &hash,
		&g.retry, &g.updatedAt)
	if err != nil {
		return generation{}, err
	}
	g.position = uint64(pos)
	g.checkpoint.position = g.position
	if incarnation != nil {
		g.checkpoint.incarnation = *incarnation
	}
	if len(hash) != 0 && len(hash) != len(g.checkpoint.hash) {
		return generation{}, fmt.Errorf("checkpoint of %s: a hash of %d bytes", g.schema, len(hash))
	}
	copy(g.checkpoint.hash[:], hash)
	return g, nil
}

// sqlMove moves a checkpoint from the value that was read, and from no other: this is the fence that keeps two
// runners from applying the same commit.
const sqlMove = `UPDATE roster.projection
	SET position = $1, hash = $2, incarnation = $3, updated_at = now()
	WHERE schema = $4 AND position = $5 AND hash = $6 AND state <> 'retired'
	  AND (incarnation = $3 OR incarnation IS NULL AND position = 0)`

func moveArgs(schema string, from, to checkpoint) []any {
	return []any{int64(to.position), hashBytes(to.hash), [16]byte(to.incarnation), schema, int64(from.position), hashBytes(from.hash)}
}

// sqlHold locks a checkpoint that is where it was, for work that does not move it.
const sqlHold = `SELECT 1 FROM roster.projection WHERE schema = $1 AND position = $2 AND hash = $3 AND state <> 'retired' FOR UPDATE`

func hashBytes(h events.Hash) []byte {
	if h.IsZero() {
		return []byte{}
	}
	return h[:]
}

// The names of schemas are made here and nowhere else.
var (
	modelName  = regexp.MustCompile(`^[a-z][a-z_]{0,39}$`)
	schemaName = regexp.MustCompile(`^roster_[a-z][a-z_]*_[0-9]+$`)
)

func schemaOf(model string, generation int) string {
	return fmt.Sprintf("roster_%s_%d", model, generation)
}

// quoted is a schema's name as SQL has it. A name that was not made here is an error, whoever wrote it into the table.
func quoted(schema string) (string, error) {
	if !schemaName.MatchString(schema) {
		return "", fmt.Errorf("not a schema of a projection: %q", schema)
	}
	return pgx.Identifier{schema}.Sanitize(), nil
}

// addGeneration makes the schema of the next generation with the model's tables, and its row.
func addGeneration(ctx context.Context, tx pgx.Tx, m Model, state string) error {
	var next int
	if err := tx.QueryRow(ctx, `SELECT coalesce(max(generation), 0) + 1 FROM roster.projection WHERE name = $1`, m.Name).Scan(&next); err != nil {
		return err
	}
	schema := schemaOf(m.Name, next)
	name, err := quoted(schema)
	if err != nil {
		return err
	}
	// A schema without a row was left by nobody we know of: its rows are not ours to trust.
	ddl := `DROP SCHEMA IF EXISTS ` + name + ` CASCADE; CREATE SCHEMA ` + name + `; SET LOCAL search_path TO ` + name + `, public; ` +
		m.Tables + `; SET LOCAL search_path TO DEFAULT`
	if _, err := tx.Exec(ctx, ddl); err != nil {
		return fmt.Errorf("tables of %s: %w", schema, err)
	}
	_, err = tx.Exec(ctx, `INSERT INTO roster.projection (schema, name, version, generation, state) VALUES ($1, $2, $3, $4, $5)`,
		schema, m.Name, m.Version, next, state)
	return err
}

// register sees to it that each model has a generation that serves, or will. holder says that the caller runs the
// projections: then a building generation of another version gives way.
func register(ctx context.Context, pool *pgxpool.Pool, models []Model, holder bool) error {
	return pgx.BeginFunc(ctx, pool, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, `SELECT pg_advisory_xact_lock(hashtextextended('roster.projections.prepare', 0))`); err != nil {
			return err
		}
		if _, err := tx.Exec(ctx, bookkeeping); err != nil {
			return err
		}
		rows, err := readGenerations(ctx, tx)
		if err != nil {
			return err
		}
		for _, m := range models {
			if err := registerModel(ctx, tx, m, rows, holder); err != nil {
				return err
			}
		}
		return nil
	})
}

func registerModel(ctx context.Context, tx pgx.Tx, m Model, rows []generation, holder bool) error {
	var serving, building *generation
	for i, g := range rows {
		switch {
		case g.name != m.Name:
		case g.state == stateServing:
			serving = &rows[i]
		case g.state == stateBuilding:
			building = &rows[i]
		}
	}
	if serving == nil {
		return addGeneration(ctx, tx, m, stateServing)
	}
	if building != nil && building.version != m.Version && holder {
		if err := retire(ctx, tx, building.schema); err != nil {
			return err
		}
		building = nil
	}
	if serving.version != m.Version && building == nil {
		return addGeneration(ctx, tx, m, stateBuilding)
	}
	return nil
}

func retire(ctx context.Context, q querying, schema string) error {
	_, err := q.Exec(ctx, `UPDATE roster.projection SET state = 'retired', retired_at = now(), updated_at = now() WHERE schema = $1`, schema)
	return err
}

// dropRetired drops the generations that nobody has been sent to for the time of grace.
func dropRetired(ctx context.Context, pool *pgxpool.Pool, grace time.Duration) error {
	rows, err := pool.Query(ctx, `SELECT schema FROM roster.projection
		WHERE state = 'retired' AND retired_at <= now() - make_interval(secs => $1)`, grace.Seconds())
	if err != nil {
		return err
	}
	schemas, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		return err
	}
	for _, schema := range schemas {
		name, err := quoted(schema)
		if err != nil {
			return err
		}
		err = pgx.BeginFunc(ctx, pool, func(tx pgx.Tx) error {
			// A question that still runs is waited for at the next try, not here.
			if _, err := tx.Exec(ctx, `SET LOCAL lock_timeout TO '1s'; DROP SCHEMA IF EXISTS `+name+` CASCADE`); err != nil {
				return err
			}
			_, err := tx.Exec(ctx, `DELETE FROM roster.projection WHERE schema = $1`, schema)
			return err
		})
		if err != nil {
			return fmt.Errorf("drop %s: %w", schema, err)
		}
	}
	return nil
}

func setProblem(ctx context.Context, q querying, schema, problem string) error {
	_, err := q.Exec(ctx, `UPDATE roster.projection SET problem = $2 WHERE schema = $1 AND problem <> $2`, schema, problem)
	return err
}

// readParked lists the boundaries that a generation holds back, by their first position.
func readParked(ctx context.Context, q Querier, schema string) ([]Parked, error) {
	rows, err := q.Query(ctx, `SELECT DISTINCT ON (boundary) boundary, position,
			count(*) OVER (PARTITION BY boundary), error, at
		FROM roster.parked WHERE schema = $1 ORDER BY boundary, position`, schema)
	if err != nil {
		return nil, fmt.Errorf("read parked commits of %s: %w", schema, err)
	}
	list, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (Parked, error) {
		var p Parked
		var pos int64
		err := row.Scan(&p.Boundary, &pos, &p.Commits, &p.Error, &p.At)
		p.Position = uint64(pos)
		return p, err
	})
	if err != nil {
		return nil, fmt.Errorf("read parked commits of %s: %w", schema, err)
	}
	return list, nil
}

// isTransient says that an error is of the connection or of the server's mood, not of what was asked: it may be
// tried again unchanged.
func isTransient(err error) bool {
	var pg *pgconn.PgError
	if errors.As(err, &pg) {
		switch pg.Code[:2] {
		case "08", "40", "53", "55", "57", "58":
			return true
		}
		return false
	}
	var connect *pgconn.ConnectError
	return errors.As(err, &connect) || pgconn.SafeToRetry(err) || pgconn.Timeout(err) || isBroken(err)
}
