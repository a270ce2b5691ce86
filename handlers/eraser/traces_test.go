package eraser_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/nats-io/nats.go/jetstream"

	"roster/events"
	"roster/infra/feedlog/feedtest"
	"roster/projections"
)

// records are all commits of the log as they are stored.
func (r *rig) records() []events.Record {
	r.t.Helper()
	last, err := r.Log.Last(r.t.Context())
	if err != nil {
		r.t.Fatal(err)
	}
	var list []events.Record
	for uint64(len(list)) < last {
		page, err := r.Log.Read(r.t.Context(), uint64(len(list)), 500)
		if err != nil {
			r.t.Fatal(err)
		}
		list = append(list, page...)
	}
	return list
}

// inFiles says in which files of log, vault and feed a text stands, in any case.
func (r *rig) inFiles(text []byte) []string {
	r.t.Helper()
	var found []string
	err := filepath.WalkDir(r.Dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			if errors.Is(err, fs.ErrNotExist) { // the server has put it in the place of another
				err = nil
			}
			return err
		}
		raw, err := os.ReadFile(path)
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if bytes.Contains(raw, text) || bytes.Contains(bytes.ToLower(raw), text) {
			found = append(found, path)
		}
		return err
	})
	if err != nil {
		r.t.Fatal(err)
	}
	return found
}

// vaultEntries are the vault's messages by subject.
func (r *rig) vaultEntries() map[string][]byte {
	r.t.Helper()
	stream, err := r.JS.Stream(r.t.Context(), "ROSTER_VAULT")
	if err != nil {
		r.t.Fatal(err)
	}
	all := map[string][]byte{}
	for n := uint64(1); n <= stream.CachedInfo().State.LastSeq; n++ {
		m, err := stream.GetMsg(r.t.Context(), n)
		if errors.Is(err, jetstream.ErrMsgNotFound) {
			continue
		}
		if err != nil {
			r.t.Fatal(err)
		}
		all[m.Subject] = m.Data
	}
	return all
}

// feedAbout are the subjects of the feed's messages about somebody, without what all begin with.
func (r *rig) feedAbout(people ...events.AnyID) []string {
	r.t.Helper()
	stream, err := r.JS.Stream(r.t.Context(), "ROSTER_FEED")
	if err != nil {
		r.t.Fatal(err)
	}
	var found []string
	for _, person := range people {
		info, err := stream.Info(r.t.Context(), jetstream.WithSubjectFilter("roster.feed.*."+person.String()+".>"))
		if err != nil {
			r.t.Fatal(err)
		}
		for subject := range info.State.Subjects {
			found = append(found, strings.TrimPrefix(subject, "roster.feed."))
		}
	}
	return found
}

func models() []string { return []string{"archive", "user_list", "invitations", "audit"} }

// current waits until all read models show all that was done.
func (r *rig) current() {
	r.t.Helper()
	last, err := r.App.Last(r.t.Context())
	if err != nil {
		r.t.Fatal(err)
	}
	for _, name := range models() {
		if err := r.models.WaitFor(r.t.Context(), name, last); err != nil {
			r.t.Fatal(err)
		}
	}
}

// rows are all rows of a read model, table by table, as text.
func (r *rig) rows(model string) []string {
	r.t.Helper()
	var all []string
	err := r.models.Query(r.t.Context(), model, func(ctx context.Context, schema string, q projections.Querier) error {
		rows, err := q.Query(ctx, `SELECT table_name::text FROM information_schema.tables WHERE table_schema = $1 ORDER BY 1`, schema)
		if err != nil {
			return err
		}
		tables, err := pgx.CollectRows(rows, pgx.RowTo[string])
		if err != nil {
			return err
		}
		all = nil
		for _, table := range tables {
			rows, err := q.Query(ctx, `SELECT $1 || ' ' || t::text FROM `+pgx.Identifier{schema, table}.Sanitize()+` t ORDER BY 1`, table)
			if err != nil {
				return err
			}
			list, err := pgx.CollectRows(rows, pgx.RowTo[string])
			if err != nil {
				return err
			}
			all = append(all, slices.DeleteFunc(list, func(row string) bool { // none counted reads like no row
				return strings.HasPrefix(row, "counts ") && strings.HasSuffix(row, ",0)")
			})...)
		}
		return nil
	})
	if err != nil {
		r.t.Fatal(err)
	}
	return all
}

// forgotten wants that nothing personal stands anywhere, neither now nor when the read models are built anew, and
// that then they are the same.
func (r *rig) forgotten() {
	r.t.Helper()
	r.followed()
	r.current()
	for _, text := range []string{canary, canaryIP} {
		if files := r.inFiles([]byte(text)); files != nil {
			r.t.Errorf("%q stands in %q", text, files)
		}
	}
	for _, name := range models() {
		before := r.rows(name)
		if len(before) == 0 {
			r.t.Errorf("%s has no rows", name)
		}
		for _, row := range before {
			if low := strings.ToLower(row); strings.Contains(low, canary) || strings.Contains(low, canaryIP) {
				r.t.Errorf("%s: %s", name, row)
			}
		}
		if err := r.models.Rebuild(r.t.Context(), name, nil); err != nil {
			r.t.Fatal(err)
		}
		if after := r.rows(name); !slices.Equal(before, after) {
			r.t.Errorf("%s is another one when it is built anew:\n%s", name, difference(before, after))
		}
	}
}

func difference(before, after []string) string {
	var text strings.Builder
	for _, row := range before {
		if !slices.Contains(after, row) {
			fmt.Fprintf(&text, "- %.600s\n", row)
		}
	}
	for _, row := range after {
		if !slices.Contains(before, row) {
			fmt.Fprintf(&text, "+ %.600s\n", row)
		}
	}
	return text.String()
}

// known wants that the canary can be found before, so that not finding it means something.
func (r *rig) known() {
	r.t.Helper()
	r.seen()
	if r.inFiles([]byte(canary)) == nil {
		r.t.Fatal("the feed says nothing about the person before")
	}
	for _, name := range models()[1:] {
		if !slices.ContainsFunc(r.rows(name), func(row string) bool { return strings.Contains(row, canary) }) {
			r.t.Fatalf("%s says nothing about the person before", name)
		}
	}
}

// seen waits until all that was done is in the feed and in the read models.
func (r *rig) seen() {
	r.t.Helper()
	feedtest.Eventually(r.t, "all is published", func() bool {
		stream, err := r.JS.Stream(r.t.Context(), "ROSTER_FEED")
		return err == nil && stream.CachedInfo().State.LastSeq >= uint64(len(r.Facts()))
	})
	r.current()
}
