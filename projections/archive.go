package projections

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"roster/events"
)

// Archive is a copy of every commit's bytes: what answers a repeated command, and what a log can be repaired from.
// It holds what the log holds, so nothing personal in clear.
func Archive() Model {
	return Model{Name: "archive", Version: 2, Tables: archiveTables, Apply: applyArchive}
}

const archiveTables = `
CREATE TABLE archived (
	position bigint PRIMARY KEY,
	id       bytea NOT NULL UNIQUE,
	command  bytea NOT NULL,
	boundary text NOT NULL,
	at       timestamptz NOT NULL,
	hash     bytea NOT NULL,
	payload  bytea NOT NULL
);
CREATE INDEX archived_command ON archived (command);
CREATE INDEX archived_boundary ON archived (boundary, position);
ALTER TABLE archived ALTER payload SET STORAGE EXTERNAL;`

func applyArchive(ctx context.Context, tx pgx.Tx, commits []Opened) error {
	n := len(commits)
	positions, ids, commands, boundaries := make([]int64, n), make([][]byte, n), make([][]byte, n), make([]string, n)
	ats, hashes, payloads := make([]time.Time, n), make([][]byte, n), make([][]byte, n)
	for i := range commits {
		c := &commits[i]
		positions[i], ids[i], commands[i], boundaries[i] = int64(c.Pos), c.ID[:], c.Cmd.ID[:], c.Boundary.String()
		ats[i], hashes[i], payloads[i] = c.At.Std(), c.Hash[:], c.Payload
	}
	_, err := tx.Exec(ctx, `INSERT INTO archived (position, id, command, boundary, at, hash, payload)
		SELECT * FROM unnest($1::bigint[], $2::bytea[], $3::bytea[], $4::text[], $5::timestamptz[], $6::bytea[], $7::bytea[])`,
		positions, ids, commands, boundaries, ats, hashes, payloads)
	return err
}

// Archived is a commit as the archive has it. Its record decodes to the commit, with everything sealed.
type Archived struct {
	events.Record
	ID   events.CommitID
	At   events.Time
	Hash events.Hash
}

const archiveColumns = `SELECT position, id, boundary, at, hash, payload FROM `

// ArchivedCommit looks a commit up by its id; ok=false when the archive does not have it (yet).
func ArchivedCommit(ctx context.Context, r Asker, id events.CommitID) (c Archived, ok bool, err error) {
	list, err := readArchive(ctx, r, ` WHERE id = $1`, id[:])
	if err != nil || len(list) == 0 {
		return Archived{}, false, err
	}
	return list[0], true, nil
}

// ArchivedCommand lists the commits that a command has written, in order.
func ArchivedCommand(ctx context.Context, r Asker, command events.CommitID) ([]Archived, error) {
	return readArchive(ctx, r, ` WHERE command = $1 ORDER BY position`, command[:])
}

// ArchivedBoundary lists at most limit commits of a boundary behind a position, in order.
func ArchivedBoundary(ctx context.Context, r Asker, b events.Boundary, after uint64, limit int) ([]Archived, error) {
	return readArchive(ctx, r, ` WHERE boundary = $1 AND position > $2 ORDER BY position LIMIT $3`, b.String(), int64(after), limit)
}

// ArchivedRange lists at most limit commits behind a position, in order.
func ArchivedRange(ctx context.Context, r Asker, after uint64, limit int) ([]Archived, error) {
	return readArchive(ctx, r, ` WHERE position > $1 ORDER BY position LIMIT $2`, int64(after), limit)
}

func readArchive(ctx context.Context, r Asker, where string, args ...any) ([]Archived, error) {
	var list []Archived
	err := r.Query(ctx, "archive", func(ctx context.Context, schema string, q Querier) error {
		rows, err := q.Query(ctx, archiveColumns+pgx.Identifier{schema, "archived"}.Sanitize()+where, args...)
		if err != nil {
			return err
		}
		list, err = pgx.CollectRows(rows, scanArchived)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("archive: %w", err)
	}
	return list, nil
}

func scanArchived(row pgx.CollectableRow) (Archived, error) {
	var a Archived
	var pos int64
	var id, hash []byte
	var boundary string
	var at time.Time
	if err := row.Scan(&pos, &id, &boundary, &at, &hash, &a.Payload); err != nil {
		return Archived{}, err
	}
	if len(id) != len(a.ID) || len(hash) != len(a.Hash) {
		return Archived{}, errors.New("an id or hash that is none")
	}
	var err error
	a.Pos, a.ID, a.At, a.Hash = uint64(pos), events.CommitID(id), events.TimeOf(at), events.Hash(hash)
	a.Boundary, err = events.ParseBoundary(boundary)
	return a, err
}
