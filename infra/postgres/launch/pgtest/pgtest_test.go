package pgtest_test

import (
	"testing"

	"github.com/jackc/pgx/v5"

	"roster/infra/postgres/launch/pgtest"
)

func TestDatabasesAreApartAndDropped(t *testing.T) {
	var gone []string
	for _, name := range []string{"one", "two"} {
		t.Run(name, func(t *testing.T) {
			url := pgtest.Database(t)
			gone = append(gone, url)
			conn, err := pgx.Connect(t.Context(), url)
			if err != nil {
				t.Fatal(err)
			}
			// The connection stays open: the drop has to cope with it.
			if _, err := conn.Exec(t.Context(), "create table people (name text)"); err != nil {
				t.Fatal(err)
			}
		})
	}
	for _, url := range gone {
		if conn, err := pgx.Connect(t.Context(), url); err == nil {
			t.Errorf("%s is still there", url)
			_ = conn.Close(t.Context())
		}
	}
}

func BenchmarkDatabase(b *testing.B) {
	pgtest.Database(b) // starts the cluster
	for b.Loop() {
		pgtest.Database(b)
	}
}
