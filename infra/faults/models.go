package faults

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
)

// ConnectTo connects to the private PostgreSQL of a data directory, which somebody else runs. Right after a crash it
// may not be there.
func ConnectTo(ctx context.Context, data string) (*pgx.Conn, error) {
	text, err := os.ReadFile(filepath.Join(data, "postgres", "postmaster.pid"))
	if err != nil {
		return nil, err
	}
	const port, folder = 3, 4 // its lines
	lines := strings.Split(string(text), "\n")
	if len(lines) <= folder || lines[folder] == "" {
		return nil, errors.New("postmaster.pid names no socket yet")
	}
	return pgx.Connect(ctx, fmt.Sprintf("host='%s' port=%s user=roster dbname=roster", lines[folder], lines[port]))
}

// within does something with the private PostgreSQL, once it can be reached.
func within(ctx context.Context, data string, f func(*pgx.Conn) error) error {
	ctx, cancel := context.WithTimeout(ctx, currentWithin)
	defer cancel()
	var conn *pgx.Conn
	var err error
	waited := Until(ctx, func() bool {
		conn, err = ConnectTo(ctx, data)
		return err == nil
	})
	if waited != nil {
		return errors.Join(waited, err)
	}
	err = f(conn)
	_ = conn.Close(ctx) // it may have been killed
	return err
}

// model is what one generation of a read model has in its tables.
type model struct {
	name, schema, state string
	position            int64
	tables              map[string]string // digests of all rows
}

// readModels digests every table of the generations that serve, all as of one moment.
func readModels(ctx context.Context, conn *pgx.Conn) (map[string]model, error) {
	tx, err := conn.BeginTx(ctx, pgx.TxOptions{IsoLevel: pgx.RepeatableRead, AccessMode: pgx.ReadOnly})
	if err != nil {
		return nil, err
	}
	defer func() { _ = tx.Rollback(ctx) }() // it has only read
	rows, err := tx.Query(ctx, `SELECT p.name, p.schema, p.state, p.position, t.tablename
		FROM roster.projection p JOIN pg_tables t ON t.schemaname = p.schema WHERE p.state = 'serving'`)
	if err != nil {
		return nil, err
	}
	models := map[string]model{}
	var m model
	var table string
	_, err = pgx.ForEachRow(rows, []any{&m.name, &m.schema, &m.state, &m.position, &table}, func() error {
		one, ok := models[m.name]
		if !ok {
			one = m
			one.tables = map[string]string{}
		}
		one.tables[table] = ""
		models[m.name] = one
		return nil
	})
	if err != nil {
		return nil, err
	}
	for _, m := range models {
		for table := range m.tables {
			var digest string
			err := tx.QueryRow(ctx, `SELECT count(*) || ' rows ' || coalesce(md5(string_agg(h, '' ORDER BY h)), '')
				FROM (SELECT md5(t::text) h FROM `+pgx.Identifier{m.schema, table}.Sanitize()+` t) d`).Scan(&digest)
			if err != nil {
				return nil, err
			}
			m.tables[table] = digest
		}
	}
	return models, nil
}

// compareModels judges tables by those that the same commits gave another time.
func compareModels(v *Verdict, when string, got, want map[string]model) {
	for name, w := range want {
		g := got[name]
		for table, digest := range w.tables {
			if g.tables[table] != digest {
				v.Differs("%s: %s of %s has %s at %d, built anew it has %s at %d", when, table, g.schema, g.tables[table], g.position, digest, w.position)
			}
		}
	}
}

// samePlace says that two sets of tables are of the same commits.
func samePlace(a, b map[string]model) bool {
	for name, m := range a {
		if b[name].position != m.position || len(a) != len(b) {
			return false
		}
	}
	return len(a) > 0
}

// modelNames are the read models that the program has.
func modelNames() []string {
	return []string{"archive", "user_list", "invitations", "audit", "accounts"}
}

// Rebuilt has every read model built anew, judges what was there before by it, and answers it. The program may write
// by itself meanwhile, as when a mail has been sent: then it is done again.
func (s *Site) Rebuilt(ctx context.Context, p *Program, v *Verdict, when string) (map[string]model, error) {
	operator := p.Client().As(s.Operator)
	for range 10 {
		var before, anew map[string]model
		if err := Current(ctx, operator); err != nil {
			return nil, err
		}
		read := func(into *map[string]model) error {
			return within(ctx, s.Data, func(conn *pgx.Conn) (err error) { *into, err = readModels(ctx, conn); return err })
		}
		if err := read(&before); err != nil {
			return nil, err
		}
		for _, name := range modelNames() {
			if err := rebuild(ctx, operator, name); err != nil {
				return nil, err
			}
		}
		if err := Current(ctx, operator); err != nil {
			return nil, err
		}
		if err := read(&anew); err != nil {
			return nil, err
		}
		if samePlace(before, anew) {
			if !slices.Equal(sorted(before), sorted(anew)) || len(anew) != len(modelNames()) {
				v.Differs("%s: the read models are %v, and built anew %v", when, sorted(before), sorted(anew))
			}
			for name, m := range anew {
				if before[name].schema == m.schema {
					v.Differs("%s: %s was not built anew", when, name)
				}
			}
			compareModels(v, when, before, anew)
			return anew, nil
		}
	}
	return nil, errors.New("the program goes on writing by itself")
}

func sorted(models map[string]model) []string {
	var names []string
	for name := range models {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// rebuild has a read model built anew and waits until it serves.
func rebuild(ctx context.Context, operator Client, name string) error {
	var is struct{ State string }
	for range 6 { // each waits for twenty seconds
		if err := operator.Post(ctx, "/v1/operator/projections/"+name+"/rebuild", nil, &is); err != nil {
			return err
		}
		if is.State == "serving" {
			return nil
		}
	}
	return fmt.Errorf("%s is still being built after two minutes", name)
}

// wipe empties every read model that serves and sets it back to the start of the log, as a new database would be.
func wipe(ctx context.Context, conn *pgx.Conn) error {
	return pgx.BeginFunc(ctx, conn, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, `UPDATE roster.projection SET position = 0, hash = '', incarnation = NULL WHERE state = 'serving'`); err != nil {
			return err
		}
		rows, err := tx.Query(ctx, `SELECT p.schema, t.tablename FROM roster.projection p JOIN pg_tables t ON t.schemaname = p.schema WHERE p.state = 'serving'`)
		if err != nil {
			return err
		}
		var schema, table string
		var all []string
		if _, err = pgx.ForEachRow(rows, []any{&schema, &table}, func() error {
			all = append(all, pgx.Identifier{schema, table}.Sanitize())
			return nil
		}); err != nil {
			return err
		}
		_, err = tx.Exec(ctx, `TRUNCATE `+strings.Join(all, ", "))
		return err
	})
}

// catchUp waits until every read model has everything, and answers how long that took.
func (s *Site) catchUp(ctx context.Context, p *Program) (time.Duration, error) {
	began := time.Now()
	err := Current(ctx, p.Client().As(s.Operator))
	return time.Since(began), err
}
