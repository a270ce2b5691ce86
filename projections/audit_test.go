package projections

import (
	"bytes"
	"context"
	"encoding/csv"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"roster/events"
)

// TestAuditNamesEveryFact: both switches of the trail name each fact of the catalog, and have no default.
func TestAuditNamesEveryFact(t *testing.T) {
	for _, file := range []string{"audit.go", "audit_facts.go"} {
		parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		named := 0
		ast.Inspect(parsed, func(n ast.Node) bool {
			s, ok := n.(*ast.TypeSwitchStmt)
			if !ok {
				return true
			}
			for _, c := range s.Body.List {
				clause := c.(*ast.CaseClause)
				if clause.List == nil {
					t.Errorf("%s: a default", file)
				}
				named += len(clause.List)
			}
			return true
		})
		if want := len(events.Kinds()); named != want {
			t.Errorf("%s names %d facts, the catalog has %d", file, named, want)
		}
	}
}

// TestCSV: no cell is a formula, and taking a first apostrophe away gives what was written.
func TestCSV(t *testing.T) {
	cells := []string{"", "plain", `with "quotes"`, "a,b", "line\nbreak", "=1+1", "+1", "-1", "@SUM(A1)", "\tx", "\rx", "\x00x", "'quoted", " space ", "=\"a\",b"}
	var b bytes.Buffer
	if err := WriteCSVRow(&b, cells...); err != nil {
		t.Fatal(err)
	}
	if !strings.HasSuffix(b.String(), "\r\n") {
		t.Error("a row does not end with CR LF")
	}
	got, err := csv.NewReader(&b).Read()
	if err != nil {
		t.Fatal(err)
	}
	for i, cell := range got {
		if cell != "" && strings.ContainsRune("=+-@\t\r\x00", rune(cell[0])) {
			t.Errorf("a formula: %q", cell)
		}
		if back := strings.TrimPrefix(cell, "'"); back != cells[i] {
			t.Errorf("%q came back as %q", cells[i], back)
		}
	}
}

func TestAuditCSV(t *testing.T) {
	account := events.AccountID(testID("acme"))
	var b bytes.Buffer
	write, err := AuditCSV(&b, nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := write(AuditEntry{Position: 7, Account: &account, Actor: AuditName{"user", "u", "=cmd"}, After: []byte(`{"roles":["a","b"]}`)}); err != nil {
		t.Fatal(err)
	}
	rows, err := csv.NewReader(&b).ReadAll()
	if err != nil || len(rows) != 2 || len(rows[0]) != len(rows[1]) {
		t.Fatalf("%v, %v", rows, err)
	}
	if rows[1][slices.Index(rows[0], "actor_name")] != "'=cmd" || rows[1][slices.Index(rows[0], "after")] != `{"roles":["a","b"]}` {
		t.Errorf("%v", rows)
	}
}

// auditLog is a log of n commits: one member each, suspended by another, over a few accounts.
func (r *rig) auditLog(n int) (last uint64) {
	r.Helper()
	for i := range n {
		user, account := events.UserID(testID(fmt.Sprint(i/4))), testAccount(fmt.Sprint(i%3))
		actor := events.Actor{Type: events.ByUser, ID: testID(fmt.Sprint(i % 50)).String()}
		var fact events.Event
		switch i % 4 {
		case 0:
			fact = events.MembershipGranted{User: user, Key: testKey("k"), Grants: []events.Grant{{Roles: []string{"viewer"}}}}
		case 1:
			fact = events.MembershipSuspended{User: user, Reason: events.For(testKey("k"), events.Note{Text: "a reason"})}
		case 2:
			fact = events.MembershipRoleChanged{User: user, From: []events.Grant{{Roles: []string{"viewer"}}}, To: []events.Grant{{Roles: []string{"admin"}}}}
		default:
			account, fact = events.OfUser(user), events.SessionEnded{Session: events.SessionID(testID("s")), Because: "signed_out"}
		}
		origin := events.Box{K: testKey("k"), B: []byte(`{"ip":"192.0.2.1","device":"Firefox on Linux"}`)}
		last = r.log.commit(r, events.Commit{Boundary: account, Actor: actor, Origin: &origin, Facts: []events.Event{fact}})
	}
	return last
}

// TestAuditPagesAreRanges: every filter by one thing is answered from an index in its order, without a sort of the
// history and without reading what is not answered.
func TestAuditPagesAreRanges(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	run := r.runner(Audit())
	r.start(run)
	r.wait(run, "audit", r.auditLog(6000))
	if _, err := r.pool.Exec(t.Context(), `ANALYZE`); err != nil {
		t.Fatal(err)
	}
	accounts := []events.AccountID{events.AccountID(testID("1"))}
	cursor := &AuditCursor{3000, 0}
	for name, q := range map[string]AuditQuery{
		"account":  {Accounts: accounts, Cursor: cursor},
		"tree":     {Accounts: []events.AccountID{accounts[0], events.AccountID(testID("2"))}, Cursor: cursor},
		"operator": {Operator: true, Cursor: cursor},
		"actor":    {Accounts: accounts, Actor: testID("10").String()},
		"target":   {Accounts: accounts, Target: testID("10").String()},
		"action":   {Accounts: accounts, Action: "membership.suspended", Cursor: cursor},
		"outcome":  {Accounts: accounts, Outcome: AuditRefused},
		"period":   {Accounts: accounts, To: testEpoch().Add(time.Hour)},
	} {
		sql, args := auditSQL(run.Serving("audit"), q, 51, false)
		rows, err := r.pool.Query(t.Context(), `EXPLAIN (ANALYZE, TIMING OFF, COSTS OFF, BUFFERS OFF) `+sql, args...)
		if err != nil {
			t.Fatal(err)
		}
		lines, err := pgx.CollectRows(rows, pgx.RowTo[string])
		if err != nil {
			t.Fatal(err)
		}
		plan := strings.Join(lines, "\n")
		for _, line := range lines {
			var removed int
			if _, after, ok := strings.Cut(line, "Rows Removed by Filter: "); ok {
				if _, err := fmt.Sscan(after, &removed); err != nil {
					t.Fatal(err)
				}
			}
			if removed > 60 || strings.Contains(line, "Seq Scan on entry") {
				t.Errorf("%s:\n%s", name, plan)
				break
			}
		}
	}
}

// TestArchive: the archive gives back the log's bytes.
func TestArchive(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	run := r.runner(Archive())
	r.start(run)
	last := r.fill(25)
	r.wait(run, "archive", last)
	all, err := ArchivedRange(t.Context(), run, 0, 100)
	if err != nil || uint64(len(all)) != last {
		t.Fatalf("%d commits: %v", len(all), err)
	}
	for i, a := range all {
		want := r.log.records[i]
		if a.Pos != want.Pos || a.Boundary != want.Boundary || !bytes.Equal(a.Payload, want.Payload) || a.Hash != want.Hash() {
			t.Errorf("position %d is not the log's", a.Pos)
		}
	}
	one, ok, err := ArchivedCommit(t.Context(), run, testCommit(7))
	if err != nil || !ok || one.Pos != 7 {
		t.Errorf("commit 7: %v %v %v", one.Pos, ok, err)
	}
	if _, ok, err = ArchivedCommit(t.Context(), run, testCommit(1000)); ok || err != nil {
		t.Errorf("commit 1000: %v %v", ok, err)
	}
	some, err := ArchivedBoundary(t.Context(), run, testAccount("0"), 2, 3)
	if err != nil || len(some) != 3 || some[0].Pos != 7 || some[2].Pos != 17 {
		t.Errorf("%v %v", some, err)
	}
}

// BenchmarkCatchUp: archive and trail from nothing, in facts a second.
func BenchmarkCatchUp(b *testing.B) {
	r := newRig(b)
	const n = 40_000
	last := r.auditLog(n)
	for _, models := range [][]Model{{Archive()}, {Audit()}, {Archive(), Audit()}} {
		b.Run(fmt.Sprintf("%d_%s", len(models), models[len(models)-1].Name), func(b *testing.B) {
			for b.Loop() {
				b.StopTimer()
				if _, err := r.pool.Exec(context.Background(), `DROP SCHEMA IF EXISTS roster, roster_archive_1, roster_audit_1 CASCADE`); err != nil {
					b.Fatal(err)
				}
				run := r.runner(models...)
				b.StartTimer()
				stop := r.start(run)
				for _, m := range models {
					r.wait(run, m.Name, last)
				}
				b.StopTimer()
				stop()
				b.StartTimer()
			}
			b.ReportMetric(float64(n)*float64(b.N)/b.Elapsed().Seconds(), "facts/s")
		})
	}
}

// BenchmarkVisible: from a commit in the log to its being in archive and trail, one at a time.
func BenchmarkVisible(b *testing.B) {
	r := newRig(b)
	run := r.runner(Archive(), Audit())
	r.start(run)
	r.wait(run, "audit", 1)
	for b.Loop() {
		last := r.fill(1)
		r.wait(run, "audit", last)
		r.wait(run, "archive", last)
	}
}
