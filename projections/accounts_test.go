package projections

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"roster/events"
)

func accountNamed(name string) events.AccountID { return events.AccountID(named(name)) }

// accountLog is what happens to a few accounts, one commit for each fact.
type accountLog struct {
	pos     uint64
	commits []Opened
}

func (l *accountLog) add(account string, f events.Event) {
	l.pos++
	l.commits = append(l.commits, commitOf(l.pos, events.OfAccount(accountNamed(account)), listEpoch.Add(time.Duration(l.pos)*time.Minute), events.Actor{}, f))
}

func (l *accountLog) open(name, parent string) {
	f := events.AccountOpened{Name: name, Profile: events.ProfileRef{Name: "standard", Version: 1}}
	if parent != "" {
		f.Parent = accountNamed(parent)
	}
	l.add(name, f)
}

func (d listDB) below(tops ...events.AccountID) []AccountNode {
	d.Helper()
	list, _, err := AccountsBelow(d.Context(), d.Conn, d.schema, tops...)
	if err != nil {
		d.Fatal(err)
	}
	return list
}

func (d listDB) outline(tops ...events.AccountID) string {
	d.Helper()
	var b strings.Builder
	for _, n := range d.below(tops...) {
		closed := ""
		if n.Closed {
			closed = " closed"
		}
		fmt.Fprintf(&b, "%s%s%s\n", strings.Repeat("  ", n.Depth), n.Name, closed)
	}
	return b.String()
}

// SPEC 1.1: the tree is that of the facts, however the pages are cut: opened, renamed, moved and closed.
func TestAccountsTree(t *testing.T) {
	l := &accountLog{}
	for _, a := range [][2]string{{"Root", ""}, {"b", "Root"}, {"Ä", "Root"}, {"b2", "b"}, {"b1", "b"}, {"deep", "b1"}, {"Other", ""}, {"o1", "Other"}} {
		l.open(a[0], a[1])
	}
	l.add("b2", events.AccountRenamed{From: "b2", To: "a first"})
	l.add("b1", events.AccountMoved{From: accountNamed("b"), To: accountNamed("Ä")})
	l.add("Ä", events.AccountClosed{})
	l.add("o1", events.AccountMoved{From: accountNamed("Other")})
	l.add("o1", events.AccountProfileAdopted{To: events.ProfileRef{Name: "modules", Version: 2}})
	l.add("nobody", events.AccountRenamed{To: "never opened"})
	conn := connectLists(t)
	for _, page := range []int{1, 3, len(l.commits)} {
		d := makeList(t, conn, Accounts(), fmt.Sprintf("accounts_%d", page))
		for commits := range slices.Chunk(l.commits, page) {
			d.apply(commits...)
		}
		want := "Root\n  Ä closed\n    b1 closed\n      deep closed\n  b\n    a first\n"
		if got := d.outline(accountNamed("Root")); got != want {
			t.Errorf("pages of %d:\n%s\nwant\n%s", page, got, want)
		}
		if got := d.outline(accountNamed("b1"), accountNamed("Other"), accountNamed("deep"), accountNamed("nobody")); got != "b1\n  deep\nOther\n" {
			t.Errorf("pages of %d: several at once:\n%s", page, got)
		}
		list, position, err := AccountsBelow(t.Context(), conn, d.schema, accountNamed("nobody"))
		if len(list) != 0 || position != l.pos || err != nil {
			t.Errorf("nothing below what is not there: %v at %d, %v", list, position, err)
		}
		if n := d.below(accountNamed("b1"))[0]; n.Parent != accountNamed("Ä") || n.ID != accountNamed("b1") {
			t.Errorf("b1: %+v", n)
		}
	}
}

// All accounts by name, page by page; a search finds parts of names and ids.
func TestAccountsRead(t *testing.T) {
	l := &accountLog{}
	for _, a := range [][2]string{{"Zebra", ""}, {"straße", "Zebra"}, {"Ärger", ""}, {"50%", "straße"}, {"alpha", ""}} {
		l.open(a[0], a[1])
	}
	l.add("Zebra", events.AccountClosed{})
	d := makeList(t, connectLists(t), Accounts(), "accounts_1")
	d.apply(l.commits...)
	names := func(q string, limit int) string {
		query := AccountsQuery{Q: q, Limit: limit}
		var all []string
		for {
			page, err := AccountsRead(t.Context(), d.Conn, d.schema, query)
			if err != nil || page.Position != l.pos {
				t.Fatal(page.Position, err)
			}
			for _, a := range page.Items {
				name := a.Name
				if a.Closed {
					name += " closed"
				}
				all = append(all, name)
			}
			if page.Next == nil {
				return strings.Join(all, ", ")
			}
			query.After = page.Next
		}
	}
	for _, limit := range []int{1, 2, 5, 50} {
		if got := names("", limit); got != "50% closed, alpha, Ärger, straße closed, Zebra closed" {
			t.Errorf("pages of %d: %s", limit, got)
		}
	}
	id := accountNamed("alpha").String()
	for q, want := range map[string]string{"STRASSE": "straße closed", "arger": "Ärger", "%": "50% closed", id: "alpha", id[9:18]: "alpha", "nobody": ""} {
		if got := names(q, 1); got != want {
			t.Errorf("%q finds %s, want %s", q, got, want)
		}
	}
	page, err := AccountsRead(t.Context(), d.Conn, d.schema, AccountsQuery{Q: "straße", Limit: 1})
	if err != nil || page.Items[0].Parent == nil || *page.Items[0].Parent != accountNamed("Zebra") || page.Items[0].Profile != "standard" ||
		!page.Items[0].OpenedAt.Equal(listEpoch.Add(2*time.Minute)) {
		t.Errorf("%+v, %v", page.Items, err)
	}
}

// forest opens a root account with n accounts below it, seven deep, beside as many of others.
func forest(t testing.TB, n int) (listDB, events.AccountID) {
	t.Helper()
	d := makeList(t, connectLists(t), Accounts(), "accounts_1")
	l := &accountLog{}
	for _, root := range []string{"one", "two"} {
		l.open(root, "")
		for i := range n {
			parent := root
			if i%7 > 0 {
				parent = fmt.Sprint(root, " ", i-1)
			}
			l.open(fmt.Sprint(root, " ", i), parent)
		}
	}
	for commits := range slices.Chunk(l.commits, 500) {
		d.apply(commits...)
	}
	if _, err := d.Exec(t.Context(), `ANALYZE `+d.schema+`.account`); err != nil {
		t.Fatal(err)
	}
	return d, accountNamed("one")
}

// SPEC 1.1: 10,000 sub-accounts are found by the index on their parents, each once and behind its parent.
func TestAccountsTreeOfTenThousand(t *testing.T) {
	const n = 10_000
	d, top := forest(t, n)
	list := d.below(top)
	if len(list) != n+1 || list[0].ID != top {
		t.Fatalf("%d accounts", len(list))
	}
	depth := map[events.AccountID]int{}
	for _, node := range list {
		if want, ok := depth[node.Parent]; node.ID != top && (!ok || node.Depth != want+1) {
			t.Fatalf("%s stands at %d, its parent at %d", node.Name, node.Depth, want)
		}
		depth[node.ID] = node.Depth
	}
	if len(depth) != n+1 {
		t.Errorf("%d different accounts", len(depth))
	}
	rows, err := d.Query(t.Context(), `EXPLAIN (COSTS OFF) WITH RECURSIVE below AS (SELECT id, 0 AS depth FROM `+d.schema+`.account WHERE id = $1
		UNION ALL SELECT a.id, b.depth + 1 FROM below b JOIN `+d.schema+`.account a ON a.parent = b.id WHERE b.depth < 16) SELECT * FROM below`, [16]byte(list[n].ID))
	if err != nil {
		t.Fatal(err)
	}
	plan, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if text := strings.Join(plan, "\n"); err != nil || strings.Contains(text, "Seq Scan on account") {
		t.Errorf("%v\n%s", err, text)
	}
}

// BenchmarkAccountsTree reads a tree of 10,000 sub-accounts.
func BenchmarkAccountsTree(b *testing.B) {
	d, top := forest(b, 10_000)
	for b.Loop() {
		if list, _, err := AccountsBelow(context.Background(), d.Conn, d.schema, top); err != nil || len(list) != 10_001 {
			b.Fatal(len(list), err)
		}
	}
}
