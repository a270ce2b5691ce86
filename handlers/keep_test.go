package handlers_test

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"roster/domain"
	"roster/events"
	"roster/handlers"
	"roster/infra/eventlog/memlog"
	"roster/infra/postgres/launch/pgtest"
	"roster/infra/postgres/snapshots"
)

// keptBench is a bench whose apps keep snapshots in a database.
type keptBench struct {
	*bench
	pool *pgxpool.Pool
	read *atomic.Int64 // records that were read from the log
}

// counted is a log that counts what is read from it.
type counted struct {
	*memlog.Log
	read *atomic.Int64
}

func (c counted) Boundary(ctx context.Context, b events.Boundary, after uint64) ([]events.Record, error) {
	list, err := c.Log.Boundary(ctx, b, after)
	c.read.Add(int64(len(list)))
	return list, err
}

func (c counted) Beginning(ctx context.Context, b events.Boundary, limit int) ([]events.Record, bool, error) {
	list, all, err := c.Log.Beginning(ctx, b, limit)
	c.read.Add(int64(len(list)))
	return list, all, err
}

func pool(t *testing.T, url string) *pgxpool.Pool {
	t.Helper()
	p, err := pgxpool.New(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Close)
	return p
}

func newKept(b *bench) *keptBench {
	k := &keptBench{bench: b, pool: pool(b.T, pgtest.Database(b.T)), read: new(atomic.Int64)}
	k.app = k.process()
	return k
}

// process is a further process, which loads from snapshots and makes them.
func (k *keptBench) process() *handlers.App {
	k.Helper()
	app := k.another(handlers.Config{Log: counted{k.log, k.read}})
	app.UseSnapshots(snapshots.New(k.pool, time.Minute))
	return app
}

func (k *keptBench) save(app *handlers.App) {
	k.Helper()
	if err := app.SaveSnapshots(k.Context()); err != nil {
		k.Error(err)
	}
}

func (k *keptBench) exec(sql string, args ...any) {
	k.Helper()
	if _, err := k.pool.Exec(k.Context(), sql, args...); err != nil {
		k.Fatal(err)
	}
}

func (k *keptBench) count(sql string) (n int) {
	k.Helper()
	if err := k.pool.QueryRow(k.Context(), sql).Scan(&n); err != nil {
		k.Fatal(err)
	}
	return n
}

// everything is each boundary that something has happened in.
func (k *keptBench) everything() (all []events.Boundary) {
	k.Helper()
	records, err := k.log.Read(k.Context(), 0, 1<<20)
	if err != nil {
		k.Fatal(err)
	}
	seen := map[events.Boundary]bool{}
	for _, r := range records {
		if !seen[r.Boundary] {
			seen[r.Boundary] = true
			all = append(all, r.Boundary)
		}
	}
	return all
}

func (k *keptBench) dump(app *handlers.App, b events.Boundary) []byte {
	k.Helper()
	d, err := app.Dump(k.Context(), b)
	if err != nil {
		k.Fatalf("%s: %v", b, err)
	}
	return d
}

// check compares what a process answers that has just been started with the full fold: F20. It answers how many
// records the process has read from the log.
func (k *keptBench) check(after string) int {
	k.Helper()
	fold, app := k.another(handlers.Config{}), k.process()
	before := k.read.Load()
	for _, b := range k.everything() {
		if want, got := k.dump(fold, b), k.dump(app, b); !bytes.Equal(want, got) {
			k.Fatalf("%s: %s is\n%s\nand not the full fold\n%s", after, b, got, want)
		}
	}
	k.save(app) // what was loaded from the log, and is long, is made anew
	return int(k.read.Load() - before)
}

// staffed opens an account with an owner and a viewer.
func (k *keptBench) staffed() (events.AccountID, events.UserID) {
	k.Helper()
	account := k.open()
	k.join(account, "olga", domain.Owner)
	return account, k.join(account, "ann", domain.Viewer)
}

// busy makes commits in an account and around it: some under idempotency keys, some by new members.
func (k *keptBench) busy(app *handlers.App, account events.AccountID, user events.UserID, n int) {
	k.Helper()
	for i := range n {
		role := []string{domain.Manager, domain.Viewer}[i%2]
		call := operator()
		if i%3 == 0 {
			call = keyed(call, fmt.Sprint(k.last(), " ", i), "x")
		}
		k.do(app, call, domain.ChangeRole{Account: account, User: user, Grants: grants(role)})
	}
}

// F20: whatever is done to the rows, at whatever moment, and whoever wrote them: the state is the full fold.
func TestSnapshotsHarmed(t *testing.T) {
	k := newKept(newBench(t))
	account, ann := k.staffed()
	k.busy(k.app, account, ann, 40)
	k.save(k.app)
	if k.count(`SELECT count(*) FROM roster.snapshots`) == 0 {
		t.Fatal("no snapshot was made")
	}
	if n, all := k.check("nothing"), int(k.last()); n >= all {
		t.Errorf("%d records were read of %d: no snapshot was used", n, all)
	}
	random := rand.New(rand.NewPCG(1, 2))
	one := `(kind, id) IN (SELECT kind, id FROM roster.snapshots ORDER BY random() LIMIT 1)`
	flip := `set_byte(%[1]s, (random() * (length(%[1]s) - 1))::int, (random() * 255)::int)`
	harms := []string{
		`SELECT 1`,
		`DELETE FROM roster.snapshots WHERE ` + one,
		`DELETE FROM roster.snapshot_entries WHERE ctid IN (SELECT ctid FROM roster.snapshot_entries ORDER BY random() LIMIT 1)`,
		`UPDATE roster.snapshots SET head = ` + fmt.Sprintf(flip, "head") + ` WHERE ` + one,
		`UPDATE roster.snapshots SET tag = ` + fmt.Sprintf(flip, "tag") + ` WHERE ` + one,
		`UPDATE roster.snapshots SET tag = '', head = '' WHERE ` + one,
		`UPDATE roster.snapshot_entries SET value = ` + fmt.Sprintf(flip, "value") + ` WHERE length(value) > 0 AND random() < 0.2`,
		`UPDATE roster.snapshot_entries SET value = '' WHERE random() < 0.1`,
		`UPDATE roster.snapshot_entries SET part = 100 + part WHERE random() < 0.1`,
		`UPDATE roster.snapshot_entries SET key = gen_random_uuid() WHERE random() < 0.1`,
		`INSERT INTO roster.snapshot_entries SELECT kind, id, part, gen_random_uuid(), value FROM roster.snapshot_entries WHERE random() < 0.1`,
		`TRUNCATE roster.snapshot_entries`,
		`TRUNCATE roster.snapshots`,
		`DROP TABLE roster.snapshots, roster.snapshot_entries`,
		`CREATE TABLE IF NOT EXISTS roster.old AS SELECT * FROM roster.snapshots`,
		`UPDATE roster.snapshots s SET pos = o.pos, tag = o.tag, head = o.head FROM roster.old o WHERE s.kind = o.kind AND s.id = o.id`,
	}
	app := k.app
	for round := range 32 {
		harm := harms[random.IntN(len(harms))]
		if _, err := k.pool.Exec(t.Context(), harm); err != nil {
			_ = app.SaveSnapshots(t.Context()) // there were no tables, and now there are again
		}
		if k.check(harm); random.IntN(3) == 0 {
			app = k.process()
		}
		k.busy(app, account, ann, random.IntN(40))
		if round%8 == 0 {
			k.join(account, fmt.Sprint("member", round), domain.Viewer)
		}
		if random.IntN(2) == 0 {
			_ = app.SaveSnapshots(t.Context())
		}
		k.check(harm + ", and commands since")
	}
}

// A cold boundary costs the same however much has happened in it: what is read is its beginning, which tells that it is
// not a short one, and the tail.
func TestSnapshotLeavesTheTail(t *testing.T) {
	k := newKept(newBench(t))
	account, ann := k.staffed()
	for range 5 {
		k.busy(k.app, account, ann, 100)
		k.save(k.app)
		app := k.process()
		before := k.read.Load()
		k.dump(app, events.OfAccount(account))
		if n := k.read.Load() - before; n != 16+1 {
			t.Errorf("%d records were read, want the first ones and the one that the snapshot ends at", n)
		}
	}
	// An idempotency key from before the snapshot is known behind it.
	call := keyed(operator(), "once", "x")
	cmd := domain.ChangeRole{Account: account, User: ann, Grants: grants(domain.Admin)}
	first := k.do(k.app, call, cmd)
	k.busy(k.app, account, ann, 20)
	k.save(k.app)
	if again := k.do(k.process(), call, cmd); !again.Repeat || again.Position != first.Position {
		t.Errorf("%+v, want the first one's result", again)
	}
}

// Rows of another log, another keyring or another format are none, and are replaced.
func TestSnapshotsOfOthers(t *testing.T) {
	k := newKept(newBench(t))
	account, ann := k.staffed()
	k.busy(k.app, account, ann, 40)
	store := snapshots.New(k.pool, time.Minute)

	format := k.another(handlers.Config{Log: counted{k.log, k.read}})
	format.UseSnapshotsOf(domain.SnapshotFormat+1, store)
	k.dump(format, events.OfAccount(account))
	k.save(format)
	if n := k.check("another format"); n < 40 {
		t.Errorf("%d records were read: rows of another format were used", n)
	}
	if n := k.check("its own format"); n >= 40 {
		t.Errorf("%d records were read: the rows were not replaced", n)
	}
	// Another log that shares the database, and with it the boundaries that exist once.
	second := &keptBench{bench: newBench(t), pool: k.pool, read: new(atomic.Int64)}
	for n := range 40 {
		for _, one := range []*keptBench{k, second} {
			key := domain.AddOperatorKey{Key: events.AnyID(idOf(fmt.Sprint("operator", n))), KeyName: "x", Hash: events.Hash{byte(n + 1)}}
			one.do(one.app, handlers.Call{Actor: handlers.System("roster")}, key)
		}
	}
	k.save(k.app)
	for range 3 {
		second.check("a log beside")
		k.check("a log beside")
	}
}

// putBack makes the log what it was at a position.
func (k *keptBench) putBack(to uint64) {
	k.Helper()
	records, err := k.log.Read(k.Context(), 0, int(to))
	if err != nil {
		k.Fatal(err)
	}
	log, last := memlog.New(), map[events.Boundary]uint64{}
	for n := 0; n < len(records); {
		var writes []handlers.Write
		for of := 1; len(writes) < of; n++ {
			c, err := events.Decode(records[n])
			if err != nil {
				k.Fatal(err)
			}
			if c.Batch != nil {
				of = c.Batch.Of
			}
			writes = append(writes, handlers.Write{Boundary: c.Boundary, ID: c.ID, After: last[c.Boundary], Payload: records[n].Payload})
			last[c.Boundary] = c.Pos
		}
		if _, err := log.Append(k.Context(), writes...); err != nil {
			k.Fatal(err)
		}
	}
	k.log = log
}

// The log has been put back to an earlier point: rows that know of more are none, also where the log has grown again
// meanwhile, with another commit of the same boundary at the very position.
func TestSnapshotsAheadOfTheLog(t *testing.T) {
	for _, noticed := range []bool{true, false} {
		k := newKept(newBench(t))
		account, ann := k.staffed()
		k.busy(k.app, account, ann, 30)
		back := k.last()
		k.busy(k.app, account, ann, 30)
		k.save(k.app)
		k.putBack(back)
		if noticed {
			k.check("the log was put back")
		}
		app := k.another(handlers.Config{})
		k.busy(app, account, ann, 30)
		k.check("the log is as long again")
		k.busy(app, account, ann, 30)
		k.check("the log has grown")
		if n := k.check("and the rows were replaced"); n > 50 {
			t.Errorf("%d records were read: the rows were not replaced", n)
		}
	}
}

// Two processes that write, follow and save at once: the rows are always of one of them, whole.
func TestSnapshotsOfTwoWriters(t *testing.T) {
	k := newKept(newShared(t))
	account, _ := k.staffed()
	var members []events.UserID
	for n := range 40 {
		members = append(members, k.join(account, fmt.Sprint("member", n), domain.Viewer))
	}
	apps := []*handlers.App{k.app, k.process()}
	atOnce(4, func(n int) {
		for range 40 {
			if app := apps[n%2]; n < 2 {
				k.busy(app, account, members[n], 3)
			} else if err := app.SaveSnapshots(t.Context()); err != nil {
				t.Error(err)
			}
		}
	})
	k.check("two writers")
	if n := k.count(`SELECT count(*) FROM roster.snapshots`); n == 0 {
		t.Error("nothing was kept")
	}
}

// Without the database everything works, and nothing is waited for.
func TestSnapshotsAway(t *testing.T) {
	k := newKept(newBench(t))
	account, ann := k.staffed()
	k.busy(k.app, account, ann, 20)
	nowhere := pool(t, "postgres://nobody@127.0.0.1:1/none?connect_timeout=1")
	app := k.another(handlers.Config{})
	app.UseSnapshots(snapshots.New(nowhere, snapshots.AnswerWithin))
	began := time.Now()
	k.busy(app, account, ann, 20)
	if took := time.Since(began); took > 5*time.Second {
		t.Errorf("20 commands took %s", took)
	}
	if err := app.SaveSnapshots(t.Context()); err == nil {
		t.Error("something was saved nowhere")
	}
	k.check("away")
}
