package main_test

import (
	"net/url"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"roster/infra/postgres/launch/pgtest"
)

// TestNotUndone: where something has changed since, undo says what by name; and where the name cannot be read just then,
// that it cannot, to whoever asked and to the operator (SPEC 3.11).
func TestNotUndone(t *testing.T) {
	t.Parallel()
	database := pgtest.Database(t)
	r := serve(t, dataDir(t), "--database", database)
	account, ann := r.setUp()
	bob, _ := r.join(ann, account, "bob@northwind.example", "viewer")
	user := "/users/" + bob

	v := newVisitor(t)
	at, page := v.open(r.URL + "/sign-in")
	v.submit(at, page, "/sign-in", url.Values{"email": {"ann@northwind.example"}, "password": {password}})
	at, page = v.open(r.URL + "/accounts/" + account + user + "/suspend")
	at, suspended := v.submit(at, page, at.Path, url.Values{"reason": {"On leave"}})
	ann.post("/v1/accounts/"+account+user+"/reactivate", m{}).Want(200)
	ann.get("/v1/accounts/" + account + user).Want(200) // which waits for the list

	undo := "/accounts/" + account + "/undo"
	_, refused := v.submit(at, suspended, undo, url.Values{})
	if !strings.Contains(refused, "It has been changed since") || !strings.Contains(refused, "First Last") {
		t.Errorf("it is said as %s", refused)
	}
	if strings.Contains(r.stderr.String(), "cannot be named") {
		t.Errorf("the log says %s", r.stderr)
	}

	hold(t, database, "user_list")
	_, refused = v.submit(at, suspended, undo, url.Values{})
	if !strings.Contains(refused, "A user whose name cannot be read now ("+bob+")") || !strings.Contains(refused, "changed_since") {
		t.Errorf("what has no name just then is said as %s", refused)
	}
	r.until("the log says so", func() bool {
		_, said, there := strings.Cut(r.stderr.String(), "what has changed since cannot be named")
		return there && strings.Contains(said, bob)
	})
}

// hold keeps everybody from the entries of a read model until the test ends.
func hold(t *testing.T, database, model string) {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), database)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close(t.Context()) })
	var schema string
	if err := conn.QueryRow(t.Context(), `SELECT schemaname FROM pg_tables WHERE tablename = 'entry' AND schemaname LIKE $1`, "%"+model+"%").Scan(&schema); err != nil {
		t.Fatal(err)
	}
	if _, err := conn.Exec(t.Context(), `BEGIN; LOCK TABLE `+pgx.Identifier{schema, "entry"}.Sanitize()+` IN ACCESS EXCLUSIVE MODE`); err != nil {
		t.Fatal(err)
	}
}
