package projections

import (
	"context"
	"crypto/sha256"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"roster/events"
	"roster/infra/postgres/launch/pgtest"
)

// listDB is a database with the tables of one read model.
type listDB struct {
	testing.TB
	*pgx.Conn
	model  Model
	schema string
}

// connectLists opens a new database in which models can be made.
func connectLists(t testing.TB) *pgx.Conn {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), pgtest.Database(t))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := conn.Close(context.Background()); err != nil {
			t.Error(err)
		}
	})
	if _, err := conn.Exec(t.Context(), `CREATE SCHEMA roster; CREATE TABLE roster.projection (schema text PRIMARY KEY, position bigint NOT NULL)`); err != nil {
		t.Fatal(err)
	}
	return conn
}

func makeList(t testing.TB, conn *pgx.Conn, model Model, schema string) listDB {
	t.Helper()
	d := listDB{t, conn, model, schema}
	d.inSchema(func(ctx context.Context, tx pgx.Tx) error {
		_, err := tx.Exec(ctx, model.Tables)
		return err
	})
	return d
}

func (d listDB) inSchema(do func(ctx context.Context, tx pgx.Tx) error) {
	d.Helper()
	name := pgx.Identifier{d.schema}.Sanitize()
	err := pgx.BeginFunc(d.Context(), d.Conn, func(tx pgx.Tx) error {
		if _, err := tx.Exec(d.Context(), `CREATE SCHEMA IF NOT EXISTS `+name+`; SET LOCAL search_path TO `+name); err != nil {
			return err
		}
		return do(d.Context(), tx)
	})
	if err != nil {
		d.Fatal(err)
	}
}

// apply applies a page of commits and moves the checkpoint in the same transaction.
func (d listDB) apply(commits ...Opened) {
	d.Helper()
	d.inSchema(func(ctx context.Context, tx pgx.Tx) error {
		if err := d.model.Apply(ctx, tx, commits); err != nil {
			return err
		}
		_, err := tx.Exec(ctx, `INSERT INTO roster.projection VALUES ($1, $2) ON CONFLICT (schema) DO UPDATE SET position = excluded.position`,
			d.schema, int64(commits[len(commits)-1].Pos))
		return err
	})
}

func (d listDB) users(q UserListQuery) UserListPage {
	d.Helper()
	page, err := UserListRead(d.Context(), d.Conn, d.schema, q)
	if err != nil {
		d.Fatal(err)
	}
	return page
}

func (d listDB) invitations(q InvitationsQuery) InvitationsPage {
	d.Helper()
	page, err := InvitationsRead(d.Context(), d.Conn, d.schema, q)
	if err != nil {
		d.Fatal(err)
	}
	return page
}

// allUsers reads the whole list in pages.
func (d listDB) allUsers(q UserListQuery) []UserItem {
	d.Helper()
	var all []UserItem
	for {
		page := d.users(q)
		all = append(all, page.Items...)
		if page.Next == nil {
			return all
		}
		if len(page.Items) != q.Limit {
			d.Fatalf("a page of %d of %d with another behind it", len(page.Items), q.Limit)
		}
		q.After = page.Next
	}
}

// named is the id that a test calls by a name.
func named(name string) events.AnyID {
	sum := sha256.Sum256([]byte(name))
	return events.AnyID(sum[:16])
}

var listEpoch = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

// commitOf is a commit at a time, with the facts given.
func commitOf(pos uint64, b events.Boundary, at time.Time, by events.Actor, facts ...events.Event) Opened {
	return Opened{Commit: events.Commit{Pos: pos, Boundary: b, At: events.TimeOf(at), Actor: by, Facts: facts}}
}
