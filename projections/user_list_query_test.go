package projections

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"math/rand"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"roster/events"
	"roster/infra/postgres/launch/pgtest"
)

// crowd is members and invitations of an account with names in many letters, many alike, and many gaps.
func crowd(r *rand.Rand, account events.AccountID, n int) (commits []Opened, now time.Time) {
	names := []string{"Anna", "anna", "Ánna", "Zoë", "Ødegård", "Straße", "Łukasz", "李雷", "Иван", "", "O'Neil", `50%_off\`, "Ⅷ", "İpek", "e\u0301mile", "Emile", "a\u200bb"}
	now = listEpoch.Add(24 * time.Hour)
	by := events.Actor{Type: events.BySystem, ID: "test"}
	for i := range n {
		at := listEpoch.Add(time.Duration(r.Intn(40)) * time.Minute)
		name := events.PersonName{First: names[r.Intn(len(names))], Last: names[r.Intn(len(names))]}
		email := fmt.Sprintf("User%d@x%d.example", r.Intn(n), r.Intn(3))
		grants := []events.Grant{{Roles: [][]string{{"owner"}, {"admin"}, {"viewer", "manager"}, {"viewer"}}[r.Intn(4)]}}
		if r.Intn(3) == 0 {
			grants[0].Permissions = []string{[]string{"pricing:read", "payment:write"}[r.Intn(2)]}
		}
		if r.Intn(3) == 0 {
			grants[0].Until = events.TimeOf(now.Add(time.Duration(r.Intn(5)) * time.Hour))
		}
		user := events.UserID(named(fmt.Sprintf("u%d", i)))
		if r.Intn(3) == 0 {
			commits = append(commits, commitOf(1, events.OfAccount(account), at, by, events.InvitationCreated{
				Invitation: events.InvitationID(user), Address: events.AddressID(user), Grants: grants,
				Invitee: events.For(events.KeyID{}, events.Invitee{Email: email, PersonName: name}), ExpiresAt: events.TimeOf(now.Add(time.Duration(r.Intn(9)-4) * time.Hour))}))
			continue
		}
		commits = append(commits, commitOf(1, events.OfAccount(account), at, by, events.MembershipGranted{User: user, Grants: grants}),
			commitOf(1, events.OfUser(user), at, by, events.UserRegistered{
				Email: events.For(events.KeyID{}, events.Email{Email: email}), Profile: events.For(events.KeyID{}, name)}))
		if r.Intn(2) == 0 {
			commits = append(commits, commitOf(1, events.OfUser(user), at.Add(time.Duration(r.Intn(9))*time.Minute), by, events.SessionStarted{}))
		}
		switch r.Intn(5) {
		case 0:
			commits = append(commits, commitOf(1, events.OfAccount(account), at, by, events.MembershipSuspended{User: user}))
		case 1:
			commits = append(commits, commitOf(1, events.OfAccount(account), at, by, events.MembershipRevoked{User: user}))
		}
	}
	return commits, now
}

func crowded(t testing.TB, n int) (listDB, UserListQuery) {
	t.Helper()
	d := makeList(t, connectLists(t), UserList(), "user_list_1")
	account := events.AccountID(named("A"))
	commits, now := crowd(rand.New(rand.NewSource(1)), account, n)
	d.apply(commits...)
	other, _ := crowd(rand.New(rand.NewSource(2)), events.AccountID(named("B")), n/2)
	d.apply(other...)
	return d, UserListQuery{Account: account, Now: now, Limit: 500}
}

// compareBy orders two items by a column, as PostgreSQL does: nulls are handled by the caller.
func compareBy(column string, a, b UserItem) (order int, nullA, nullB bool) {
	times := func(x, y *time.Time) (int, bool, bool) {
		if x == nil || y == nil {
			return 0, x == nil, y == nil
		}
		return x.Compare(*y), false, false
	}
	texts := func(x, y string) (int, bool, bool) {
		x, y = sortText(x), sortText(y)
		return strings.Compare(x, y), x == "", y == ""
	}
	rank := []string{StatusPending, StatusExpired, StatusActive, StatusSuspended, StatusRevoked}
	switch column {
	case "name":
		return texts(a.Name, b.Name)
	case "email":
		return texts(dash(a.Email), dash(b.Email))
	case "last_sign_in":
		return times(a.LastSignIn, b.LastSignIn)
	case "expires_at":
		return times(a.ExpiresAt, b.ExpiresAt)
	case "valid_until":
		return times(a.ValidUntil, b.ValidUntil)
	case "since":
		return times(&a.Since, &b.Since)
	case "roles":
		return strings.Compare(strings.Join(a.Roles, ","), strings.Join(b.Roles, ",")), false, false
	case "status":
		return cmp.Compare(slices.Index(rank, a.Status), slices.Index(rank, b.Status)), false, false
	}
	return 0, false, false // two_factor: nobody has one yet
}

// Every column sorts both ways with what has no value last, and pages of three are the list cut in threes.
func TestUserListSortsAndPages(t *testing.T) {
	d, q := crowded(t, 70)
	everything := d.users(q).Items
	if len(everything) != 70 {
		t.Fatalf("%d entries", len(everything))
	}
	for _, column := range []string{"", "name", "email", "last_sign_in", "two_factor", "roles", "status", "since", "expires_at", "valid_until"} {
		for _, direction := range []string{"", "-"} {
			if column == "" && direction == "-" {
				continue
			}
			want := slices.Clone(everything)
			sign := map[string]int{"": 1, "-": -1}[direction]
			slices.SortFunc(want, func(a, b UserItem) int {
				order, nullA, nullB := compareBy(cmp.Or(column, "name"), a, b)
				switch {
				case nullA && !nullB:
					return 1
				case nullB && !nullA:
					return -1
				case order != 0 && !nullA:
					return sign * order
				}
				return sign * bytes.Compare(keyOf(a), keyOf(b))
			})
			q := q
			q.Sort, q.Limit = direction+column, 3
			if got := d.allUsers(q); !reflect.DeepEqual(got, want) {
				t.Errorf("sort %q:\n%s\nwant\n%s", q.Sort, lines(got), lines(want))
			}
		}
	}
}

func TestUserListFilters(t *testing.T) {
	d, q := crowded(t, 120)
	everything := d.users(q).Items
	yes, no := true, false
	mid := listEpoch.Add(20 * time.Minute)
	any2 := func(have []string, want ...string) bool {
		return slices.ContainsFunc(want, func(w string) bool { return slices.Contains(have, w) })
	}
	for name, c := range map[string]struct {
		set  func(*UserListQuery)
		keep func(UserItem) bool
	}{
		"expired": {func(q *UserListQuery) { q.Status = []string{"expired"} }, func(i UserItem) bool { return i.Status == "expired" }},
		"pending": {func(q *UserListQuery) { q.Status = []string{"pending"} }, func(i UserItem) bool { return i.Status == "pending" }},
		"several statuses": {func(q *UserListQuery) { q.Status = []string{"pending", "active", "revoked"} },
			func(i UserItem) bool { return any2([]string{i.Status}, "pending", "active", "revoked") }},
		"few statuses": {func(q *UserListQuery) { q.Status = []string{"expired", "suspended"} },
			func(i UserItem) bool { return any2([]string{i.Status}, "expired", "suspended") }},
		"no status":   {func(q *UserListQuery) { q.Status = []string{"unheard"} }, func(UserItem) bool { return false }},
		"role":        {func(q *UserListQuery) { q.Role = []string{"manager"} }, func(i UserItem) bool { return any2(i.Roles, "manager") }},
		"roles":       {func(q *UserListQuery) { q.Role = []string{"manager", "owner"} }, func(i UserItem) bool { return any2(i.Roles, "manager", "owner") }},
		"permission":  {func(q *UserListQuery) { q.Permission = []string{"pricing:read"} }, func(i UserItem) bool { return any2(i.Permissions, "pricing:read") }},
		"who holds":   {func(q *UserListQuery) { q.Permission, q.RolesHolding = []string{"pricing:read"}, []string{"admin"} }, func(i UserItem) bool { return any2(i.Permissions, "pricing:read") || any2(i.Roles, "admin") }},
		"roles hold":  {func(q *UserListQuery) { q.RolesHolding = []string{"admin"} }, func(i UserItem) bool { return any2(i.Roles, "admin") }},
		"two factor":  {func(q *UserListQuery) { q.TwoFactor = &yes }, func(i UserItem) bool { return false }},
		"one factor":  {func(q *UserListQuery) { q.TwoFactor = &no }, func(i UserItem) bool { return true }},
		"never":       {func(q *UserListQuery) { q.Never = &yes }, func(i UserItem) bool { return i.LastSignIn == nil }},
		"ever":        {func(q *UserListQuery) { q.Never = &no }, func(i UserItem) bool { return i.LastSignIn != nil }},
		"before":      {func(q *UserListQuery) { q.LastSignInBefore = mid }, func(i UserItem) bool { return i.LastSignIn != nil && i.LastSignIn.Before(mid) }},
		"after":       {func(q *UserListQuery) { q.LastSignInAfter = mid }, func(i UserItem) bool { return i.LastSignIn != nil && !i.LastSignIn.Before(mid) }},
		"role active": {func(q *UserListQuery) { q.Role, q.Status = []string{"viewer"}, []string{"active"} }, func(i UserItem) bool { return i.Status == "active" && any2(i.Roles, "viewer") }},
	} {
		t.Run(name, func(t *testing.T) {
			q := q
			q.Limit, q.Sort = 7, "-last_sign_in"
			all := d.allUsers(UserListQuery{Account: q.Account, Now: q.Now, Limit: 500, Sort: q.Sort})
			c.set(&q)
			want := slices.DeleteFunc(all, func(i UserItem) bool { return !c.keep(i) })
			if got := d.allUsers(q); len(got) != len(want) || len(got) > 0 && !reflect.DeepEqual(got, want) {
				t.Errorf("%d entries\n%s\nwant %d\n%s", len(got), lines(got), len(want), lines(want))
			}
			counts := map[string]int{"pending": 0, "expired": 0, "active": 0, "suspended": 0, "revoked": 0}
			for _, i := range everything {
				counts[i.Status]++
			}
			if got := d.users(q).Counts; !reflect.DeepEqual(got, counts) {
				t.Errorf("counts %v, want those of the account: %v", got, counts)
			}
		})
	}
}

func TestUserListSearch(t *testing.T) {
	d, q := crowded(t, 120)
	everything := d.users(q).Items
	for _, search := range []string{"anna", "ÁNNA", "a", "an", "zoe", "Zoë", "odegard", "ØDE", "strasse", "STRASSE", "lukasz", "李", "李雷", "иван", "ИВАН",
		"o'n", "%", "_", `\`, "50%_off", `off\`, "%_of", "viii", "ipek", "émile", "EMILE", "x1.EXAMPLE", "user1", "ab", "anna anna", "\n", "\x00zoe", "nobody"} {
		var want []UserItem
		for _, i := range everything {
			if strings.Contains(foldText(i.Name), foldText(search)) || strings.Contains(foldText(dash(i.Email)), foldText(search)) {
				want = append(want, i)
			}
		}
		q := q
		q.Q, q.Limit = search, 11
		if got := d.allUsers(q); !reflect.DeepEqual(got, want) {
			t.Errorf("%q: %d entries\n%s\nwant %d\n%s", search, len(got), lines(got), len(want), lines(want))
		}
		if search != "\n" && search != "nobody" && len(want) == 0 {
			t.Errorf("%q finds nothing: the test says nothing", search)
		}
	}
}

func TestUserListRefuses(t *testing.T) {
	d, q := crowded(t, 5)
	one, wrong := "1", "x\x00"
	for _, c := range []struct {
		sort  string
		after *UserListCursor
		want  error
	}{
		{"name; DROP TABLE entry", nil, ErrSort},
		{"-", nil, ErrSort},
		{"--name", nil, ErrSort},
		{"name", &UserListCursor{Sort: "email", Value: &one}, ErrCursor},
		{"since", &UserListCursor{Sort: "since"}, ErrCursor},
		{"since", &UserListCursor{Sort: "since", Value: &wrong}, ErrCursor},
		{"name", &UserListCursor{Sort: "name", Value: &wrong}, ErrCursor},
		{"status", &UserListCursor{Sort: "status", Value: &wrong}, ErrCursor},
	} {
		q.Sort, q.After = c.sort, c.after
		if _, err := UserListRead(t.Context(), d.Conn, d.schema, q); !errors.Is(err, c.want) {
			t.Errorf("sort %q after %+v: %v, want %v", c.sort, c.after, err, c.want)
		}
	}
}

func TestUserListItem(t *testing.T) {
	d, q := crowded(t, 20)
	for _, want := range d.users(q).Items {
		key := events.AnyID(keyOf(want))
		got, position, err := UserItemRead(t.Context(), d.Conn, d.schema, q.Account, key, q.Now)
		if err != nil || position != 1 || len(got.Grants) != 1 || !reflect.DeepEqual(without(*got), want) {
			t.Errorf("%+v at %d, %v, want %+v", got, position, err, want)
		}
		if got, _, err := UserItemRead(t.Context(), d.Conn, d.schema, events.AccountID(named("C")), key, q.Now); got != nil || err != nil {
			t.Errorf("another account answers %+v, %v", got, err)
		}
	}
}

func without(i UserItem) UserItem { i.Grants = nil; return i }

// Texts that PostgreSQL or an index cannot hold do not stop the projection.
func TestUserListTakesAnyText(t *testing.T) {
	d := makeList(t, connectLists(t), UserList(), "user_list_1")
	account := events.AccountID(named("A"))
	for i, name := range []string{"a\x00b", "\xff\xfe", strings.Repeat("長い名前", 4000), "\u202eevil", "\u0301"} {
		d.apply(commitOf(1, events.OfAccount(account), listEpoch, events.Actor{}, events.InvitationCreated{
			Invitation: events.InvitationID(named(fmt.Sprint(i))), ExpiresAt: 1, Grants: nil,
			Invitee: events.For(events.KeyID{}, events.Invitee{Email: name, PersonName: events.PersonName{First: name}})}))
	}
	if got := d.allUsers(UserListQuery{Account: account, Now: listEpoch, Limit: 2}); len(got) != 5 {
		t.Errorf("%d entries, want 5", len(got))
	}
}

// Several programs that start at once on a new database make its extensions once.
func TestUserListTablesAtOnce(t *testing.T) {
	url := pgtest.Database(t)
	failed := make(chan error)
	for i := range 6 {
		go func() {
			conn, err := pgx.Connect(t.Context(), url)
			if err == nil {
				schema := fmt.Sprintf("list_%d", i)
				_, err = conn.Exec(t.Context(), `BEGIN; CREATE SCHEMA `+schema+`; SET LOCAL search_path TO `+schema+`;`+UserList().Tables+`COMMIT`)
				err = errors.Join(err, conn.Close(t.Context()))
			}
			failed <- err
		}()
	}
	for range 6 {
		if err := <-failed; err != nil {
			t.Error(err)
		}
	}
}

// The first page and a page deep inside read as much of a large account as of a small one: a range of an index,
// without a sort, in each order that the page offers first.
func TestUserListPlans(t *testing.T) {
	d := filledList(t, 20_000)
	value := "user 1"
	micros := fmt.Sprint(listEpoch.Add(time.Hour).UnixMicro())
	for _, column := range []string{"name", "email", "last_sign_in", "since", "-name", "-email", "-last_sign_in", "-since"} {
		for _, deep := range []bool{false, true} {
			q := UserListQuery{Account: events.AccountID(named("A")), Now: listEpoch, Sort: column, Limit: 50}
			if deep {
				q.After = &UserListCursor{Sort: column, Value: &value, Key: named("k")}
				if strings.HasSuffix(column, "since") || strings.HasSuffix(column, "sign_in") {
					q.After.Value = &micros
				}
			}
			sql, args, _, err := userListSQL(d.schema, q, nil, deep)
			if err != nil {
				t.Fatal(err)
			}
			rows, err := d.Query(t.Context(), "EXPLAIN (COSTS OFF) "+sql, args...)
			if err != nil {
				t.Fatal(err)
			}
			plan, err := pgx.CollectRows(rows, pgx.RowTo[string])
			if err != nil {
				t.Fatal(err)
			}
			text := strings.Join(plan, "\n")
			if strings.Contains(text, "Seq Scan on entry") || strings.Contains(text, "Sort") || strings.Contains(text, "Bitmap Heap Scan on entry e") {
				t.Errorf("sort %q, deep %v:\n%s", column, deep, text)
			}
		}
	}
}

// filledList is a list of one large account, made as the facts of its members would make it.
func filledList(t testing.TB, n int) listDB {
	t.Helper()
	d := makeList(t, connectLists(t), UserList(), "user_list_1")
	account := named("A")
	_, err := d.Exec(t.Context(), `INSERT INTO user_list_1.entry (account, key, member, name, email, erased, search, name_sort, email_sort,
			last_sign_in, two_factor, roles, roles_sort, permissions, grants, status, since, generation, inviter_type, inviter_id, inviter)
		SELECT CASE WHEN i % 20 = 0 THEN gen_random_uuid() ELSE $1::uuid END, gen_random_uuid(), true, 'User ' || md5(i::text), 'u' || i || '@x.example', false,
			'user ' || md5(i::text) || E'\nu' || i || '@x.example', 'user ' || md5(i::text), 'u' || i || '@x.example',
			CASE WHEN i % 3 > 0 THEN $2::timestamptz + i * interval '1 minute' END, false, ARRAY['viewer'], 'viewer', '{}', '[]',
			CASE WHEN i % 50 = 0 THEN 'suspended' ELSE 'active' END, $2::timestamptz + i % 1000 * interval '1 minute', 1, 'user', $1::text, $1::uuid
		FROM generate_series(1, $3::int) i`, account.String(), listEpoch, n)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := d.Exec(t.Context(), `INSERT INTO user_list_1.counts SELECT account, status, count(*) FROM user_list_1.entry GROUP BY 1, 2`); err != nil {
		t.Fatal(err)
	}
	if _, err := d.Exec(t.Context(), `VACUUM ANALYZE user_list_1.entry, user_list_1.counts, user_list_1.person`); err != nil {
		t.Fatal(err)
	}
	return d
}
