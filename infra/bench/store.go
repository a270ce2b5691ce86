package bench

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
)

// store is the baseline: the plain event store that people build on PostgreSQL. One INSERT is one command; the
// comparison is a unique index on stream and version; a commit is on disk when it is answered.
//
// The plain one has no order between streams that a reader could rely on: numbers of a sequence become visible out of
// order and with holes. The ordered one counts in a row that each command locks until it is committed, which is what
// a gapless total order costs there.
type store struct {
	pool    *pgxpool.Pool
	payload []byte
}

const storeTables = `
CREATE TABLE plain (
	id      bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	stream  uuid NOT NULL,
	version bigint NOT NULL,
	kind    text NOT NULL,
	payload bytea NOT NULL,
	at      timestamptz NOT NULL DEFAULT now(),
	UNIQUE (stream, version)
);
CREATE TABLE ordered (
	position bigint PRIMARY KEY,
	stream   uuid NOT NULL,
	version  bigint NOT NULL,
	kind     text NOT NULL,
	payload  bytea NOT NULL,
	at       timestamptz NOT NULL DEFAULT now(),
	UNIQUE (stream, version)
);
CREATE TABLE counter (last bigint NOT NULL);
INSERT INTO counter VALUES (0);
ALTER TABLE plain ALTER payload SET STORAGE EXTERNAL;
ALTER TABLE ordered ALTER payload SET STORAGE EXTERNAL;`

const (
	plainSQL   = `INSERT INTO plain (stream, version, kind, payload) VALUES ($1, $2, 'ChangeRole', $3)`
	orderedSQL = `WITH next AS (UPDATE counter SET last = last + 1 RETURNING last)
		INSERT INTO ordered (position, stream, version, kind, payload) SELECT last, $1, $2, 'ChangeRole', $3 FROM next`
	newestSQL = `INSERT INTO plain (stream, version, kind, payload)
		SELECT $1, coalesce(max(version), 0) + 1, 'ChangeRole', $2 FROM plain WHERE stream = $1`
)

// store makes a store whose commits are as long as the payload given. It refuses to be measured when it is not
// durable.
func (l *lab) store(ctx context.Context, payload []byte) (*store, error) {
	pool, _, err := l.database(ctx, 64)
	if err != nil {
		return nil, err
	}
	if _, err := pool.Exec(ctx, storeTables); err != nil {
		return nil, err
	}
	for _, name := range []string{"fsync", "synchronous_commit", "full_page_writes"} {
		var is string
		if err := pool.QueryRow(ctx, "SHOW "+name).Scan(&is); err != nil {
			return nil, err
		}
		if is != "on" {
			return nil, fmt.Errorf("the baseline is not durable: %s is %s", name, is)
		}
	}
	return &store{pool, payload}, nil
}

// appending is a contestant of callers who each append to streams of their own.
func (s *store) appending(name, sql string, callers int) contestant {
	type place struct {
		streams [16][16]byte
		n       int64
	}
	places := make([]place, callers)
	for i := range places {
		for j := range places[i].streams {
			places[i].streams[j] = uuid.New()
		}
	}
	return contestant{name: name, callers: callers, op: func(ctx context.Context, caller int) error {
		p := &places[caller]
		stream := p.streams[p.n%16]
		version := p.n/16 + 1
		p.n++
		_, err := s.pool.Exec(ctx, sql, stream, version, s.payload)
		return err
	}}
}

// oneStream is a contestant of callers who all append to one stream, each again until nobody was faster.
func (s *store) oneStream(name string, callers int) contestant {
	stream := [16]byte(uuid.New())
	return contestant{name: name, callers: callers, op: func(ctx context.Context, _ int) error {
		for {
			_, err := s.pool.Exec(ctx, newestSQL, stream, s.payload)
			if pg, ok := errors.AsType[*pgconn.PgError](err); !ok || pg.Code != "23505" {
				return err
			}
		}
	}}
}

// copied copies rows into one table in one transaction, without an index, and answers when they are on disk.
func copied(ctx context.Context, pool *pgxpool.Pool, table string, rows int, payload []byte) error {
	_, err := pool.Exec(ctx, `CREATE TABLE `+pgx.Identifier{table}.Sanitize()+` (position bigint, account uuid, key uuid, kind text, payload bytea)`)
	if err != nil {
		return err
	}
	account, key := [16]byte(uuid.New()), [16]byte(uuid.New())
	n, err := pool.CopyFrom(ctx, pgx.Identifier{table}, []string{"position", "account", "key", "kind", "payload"},
		pgx.CopyFromSlice(rows, func(i int) ([]any, error) {
			return []any{int64(i), account, key, "membership.granted", payload}, nil
		}))
	if err == nil && n != int64(rows) {
		err = fmt.Errorf("%d of %d rows were copied", n, rows)
	}
	return err
}

// syncing is a contestant of one caller who appends to a file and waits for the disk: what the fastest durable
// command of one caller could cost.
func (l *lab) syncing(name string, payload []byte) (contestant, error) {
	f, err := os.OpenFile(filepath.Join(l.dir, "fsync"), os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o600)
	if err != nil {
		return contestant{}, err
	}
	l.onClose(f.Close)
	var mu sync.Mutex
	return contestant{name: name, callers: 1, op: func(context.Context, int) error {
		mu.Lock()
		defer mu.Unlock()
		if _, err := f.Write(payload); err != nil {
			return err
		}
		return f.Sync()
	}}, nil
}
