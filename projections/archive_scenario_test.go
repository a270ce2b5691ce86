package projections

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"roster/events"
	"roster/infra/postgres/launch/pgtest"
)

// TestArchiveScenarios: payloads of the log in, rows out. The bytes come back as they are.
func TestArchiveScenarios(t *testing.T) {
	files, err := filepath.Glob("testdata/archive/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatal("no scenarios", err)
	}
	pool, err := pgxpool.New(t.Context(), pgtest.Database(t))
	if err != nil {
		t.Fatal(err)
	}
	defer pool.Close()
	for n, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		given, want, ok := strings.Cut(string(text), "-- rows --\n")
		if !ok {
			t.Fatalf("%s has no rows", file)
		}
		got := archived(t, pool, fmt.Sprintf("scenario%d", n), given)
		if *updateAudit {
			if err := os.WriteFile(file, []byte(given+"-- rows --\n"+got), 0o600); err != nil {
				t.Fatal(err)
			}
		} else if got != want {
			t.Errorf("%s answers\n%swant\n%s", file, got, want)
		}
	}
}

func archived(t *testing.T, pool *pgxpool.Pool, schema, given string) string {
	t.Helper()
	var commits []Opened
	for line := range strings.Lines(given) {
		if strings.HasPrefix(line, "#") || strings.TrimSpace(line) == "" {
			continue
		}
		payload := []byte(strings.TrimSuffix(line, "\n"))
		var head struct {
			Boundary events.Boundary `json:"boundary"`
		}
		if err := json.Unmarshal(payload, &head); err != nil {
			t.Fatal(err)
		}
		c, err := events.Decode(events.Record{Pos: uint64(len(commits) + 1), Boundary: head.Boundary, Payload: payload})
		if err != nil {
			t.Fatal(err)
		}
		commits = append(commits, Opened{Commit: c, Payload: payload})
	}
	err := pgx.BeginFunc(t.Context(), pool, func(tx pgx.Tx) error {
		if _, err := tx.Exec(t.Context(), "CREATE SCHEMA "+schema+"; SET LOCAL search_path TO "+schema+";"+Archive().Tables); err != nil {
			return err
		}
		return Archive().Apply(t.Context(), tx, commits)
	})
	if err != nil {
		t.Fatal(err)
	}
	all, err := ArchivedRange(t.Context(), only{pool, schema}, 0, 100)
	if err != nil {
		t.Fatal(err)
	}
	var rows strings.Builder
	for i, a := range all {
		if !bytes.Equal(a.Payload, commits[i].Payload) {
			t.Errorf("position %d: other bytes", a.Pos)
		}
		fmt.Fprintf(&rows, "%d %s %s %s %s\n", a.Pos, a.Boundary, a.ID, a.At, a.Hash)
	}
	return rows.String()
}

// only is one schema as an Asker.
type only struct {
	pool   *pgxpool.Pool
	schema string
}

func (only) Position(string) uint64 { return 0 }

func (o only) Query(ctx context.Context, _ string, fn func(ctx context.Context, schema string, q Querier) error) error {
	return fn(ctx, o.schema, o.pool)
}
