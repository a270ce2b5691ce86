package projections

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"roster/events"
)

// BenchmarkUserList reads pages of an account of 95,000 in a table of 100,000, beside the least SQL that finds the
// same rows with the columns that are shown, and nothing of the whole account.
func BenchmarkUserList(b *testing.B) {
	d := filledList(b, 100_000)
	pool, err := pgxpool.New(b.Context(), d.Config().ConnString())
	if err != nil {
		b.Fatal(err)
	}
	defer pool.Close()
	deep, inside := "user 80", "user ffe"
	q := UserListQuery{Account: events.AccountID(named("A")), Now: listEpoch.Add(time.Hour), Limit: 50, Sort: "name"}
	with := func(change func(*UserListQuery)) UserListQuery {
		q := q
		change(&q)
		return q
	}
	for _, c := range []struct {
		name  string
		query UserListQuery
		bare  string
		args  []any
	}{
		{"first", q, "true", nil},
		{"deep", with(func(q *UserListQuery) { q.After = &UserListCursor{Sort: "name", Value: &deep} }), "(name_sort, key) > ($2, $3)", []any{deep, [16]byte{}}},
		{"last", with(func(q *UserListQuery) { q.After = &UserListCursor{Sort: "name", Value: &inside} }), "(name_sort, key) > ($2, $3)", []any{inside, [16]byte{}}},
		{"search rare", with(func(q *UserListQuery) { q.Q = "U4242@" }), "search LIKE $2", []any{"%u4242@%"}},
		{"search some", with(func(q *UserListQuery) { q.Q = "abcd" }), "search LIKE $2", []any{"%abcd%"}},
		{"search all", with(func(q *UserListQuery) { q.Q = "example" }), "search LIKE $2", []any{"%example%"}},
		{"search short", with(func(q *UserListQuery) { q.Q = "ab" }), "search LIKE $2", []any{"%ab%"}},
		{"search none", with(func(q *UserListQuery) { q.Q = "nobody" }), "search LIKE $2", []any{"%nobody%"}},
		{"suspended", with(func(q *UserListQuery) { q.Status = []string{"suspended"} }), "status = 'suspended'", nil},
		{"by sign-in", with(func(q *UserListQuery) { q.Sort = "-last_sign_in" }), "last_sign_in IS NOT NULL", nil},
		{"by status", with(func(q *UserListQuery) { q.Sort = "status" }), "true", nil},
	} {
		parallel := func(b *testing.B, ask func(context.Context) error) {
			b.SetParallelism(8)
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					if err := ask(b.Context()); err != nil {
						b.Error(err)
						return
					}
				}
			})
		}
		b.Run(c.name+"/page", func(b *testing.B) {
			parallel(b, func(ctx context.Context) error {
				_, err := UserListRead(ctx, pool, d.schema, c.query)
				return err
			})
		})
		order := map[string]string{"name": "name_sort, key", "-last_sign_in": "last_sign_in DESC, key DESC",
			"status": "CASE status WHEN 'active' THEN 2 WHEN 'suspended' THEN 3 ELSE 4 END, key"}[c.query.Sort]
		b.Run(c.name+"/bare", func(b *testing.B) {
			sql := `SELECT key, name, email, last_sign_in, two_factor, roles, permissions, status, since, expires_at, valid_until,
				delivery, delivery_reason, inviter FROM user_list_1.entry WHERE account = $1 AND ` + c.bare + ` ORDER BY ` + order + ` LIMIT 50`
			args := append([]any{[16]byte(c.query.Account)}, c.args...)
			if c.query.Q != "" {
				args = append([]any{pgx.QueryExecModeCacheDescribe}, args...)
			}
			parallel(b, func(ctx context.Context) error {
				rows, err := pool.Query(ctx, sql, args...)
				if err != nil {
					return err
				}
				for rows.Next() {
					var i UserItem
					var key [16]byte
					var status string
					var inviter *[16]byte
					if err := rows.Scan(&key, &i.Name, &i.Email, &i.LastSignIn, &i.TwoFactor, &i.Roles, &i.Permissions, &status, &i.Since,
						&i.ExpiresAt, &i.ValidUntil, &i.Delivery, &i.DeliveryReason, &inviter); err != nil {
						return err
					}
				}
				return rows.Err()
			})
		})
	}
}

// BenchmarkUsersAcross reads pages of the list over 10,000 accounts of ten members each, below one of 20,000 of whom
// five or all reach into them; and of the user list of one of them.
func BenchmarkUsersAcross(b *testing.B) {
	for _, reaching := range []int{5, 20_000} {
		d, of := acrossList(b, 10_000, 20_000, reaching)
		if _, err := d.Exec(b.Context(), `SET jit = off`); err != nil { // as the program has it
			b.Fatal(err)
		}
		direct := false
		for name, c := range map[string]struct {
			query UserListQuery
			of    []Listed
		}{
			"one":          {UserListQuery{}, of[:1]},
			"one by email": {UserListQuery{Sort: "-email"}, of[:1]},
			"one searched": {UserListQuery{Q: "U42@"}, of[:1]},
			"all":          {UserListQuery{Inherited: &direct}, of},
			"all and more": {UserListQuery{}, of},
			"all searched": {UserListQuery{Q: "U4242@"}, of},
		} {
			b.Run(fmt.Sprintf("%d reach/%s", reaching, name), func(b *testing.B) {
				c.query.Limit, c.query.Now = 50, listEpoch
				for b.Loop() {
					if _, err := UsersAcross(b.Context(), d.Conn, d.schema, c.query, c.of); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}

// acrossList is a list of many small accounts below a large one, made as the facts would make it.
func acrossList(t testing.TB, accounts, members, reaching int) (listDB, []Listed) {
	t.Helper()
	d := makeList(t, connectLists(t), UserList(), "user_list_1")
	top := accountNamed("top")
	of := make([]Listed, 0, accounts)
	for i := range accounts {
		of = append(of, Listed{accountNamed(fmt.Sprint("sub ", i)), []events.AccountID{top}})
	}
	const columns = `INSERT INTO user_list_1.entry (account, key, member, name, email, erased, search, name_sort, email_sort,
		two_factor, roles, roles_sort, permissions, grants, status, since, generation)
		SELECT a.id, gen_random_uuid(), true, 'User ' || md5(i::text), 'u' || i || '@x.example', false,
			'user ' || md5(i::text) || E'\nu' || i || '@x.example', 'user ' || md5(i::text), 'u' || i || '@x.example',
			false, ARRAY['viewer'], 'viewer', '{}', '[]', 'active', now(), 1 `
	ids := make([][16]byte, 0, accounts)
	for _, l := range of {
		ids = append(ids, l.Account)
	}
	for sql, args := range map[string][]any{
		columns + `FROM unnest($1::uuid[]) WITH ORDINALITY AS a(id, n) CROSS JOIN LATERAL generate_series(a.n * 10, a.n * 10 + 9) i`: {ids},
		columns + `FROM (SELECT $1::uuid AS id) a, generate_series(1, $2::int) i`:                                                    {[16]byte(top), members},
	} {
		if _, err := d.Exec(t.Context(), sql, args...); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := d.Exec(t.Context(), `INSERT INTO user_list_1.reach SELECT account, key, '[{"roles":["owner"]}]', ARRAY['owner'], 'owner', '{}', NULL
		FROM user_list_1.entry WHERE account = $1 LIMIT $2`, [16]byte(top), reaching); err != nil {
		t.Fatal(err)
	}
	if _, err := d.Exec(t.Context(), `VACUUM ANALYZE user_list_1.entry, user_list_1.reach, user_list_1.person`); err != nil {
		t.Fatal(err)
	}
	return d, of
}

// BenchmarkUserListApply applies pages of 500 commits in which people come (4 facts) and sign in.
func BenchmarkUserListApply(b *testing.B) {
	for _, model := range []Model{UserList(), Invitations()} {
		b.Run(model.Name, func(b *testing.B) {
			d := makeList(b, connectLists(b), model, "list")
			account, by := events.OfAccount(events.AccountID(named("A"))), events.Actor{Type: events.ByUser, ID: named("u0").String()}
			grants := []events.Grant{{Roles: []string{"viewer"}}}
			facts, n := 0, 0
			for b.Loop() {
				var page []Opened
				for len(page) < 500 {
					n++
					name := fmt.Sprintf("user%d", n)
					user, invitation := events.UserID(named(name)), events.InvitationID(named("i"+name))
					page = append(page,
						commitOf(1, account, listEpoch, by, events.InvitationCreated{Invitation: invitation, Address: events.AddressID(user), Grants: grants, ExpiresAt: events.TimeOf(listEpoch),
							Invitee: events.For(events.KeyID{}, events.Invitee{Email: name + "@x.example", PersonName: events.PersonName{Last: name}})}),
						commitOf(1, account, listEpoch, by, events.InvitationMailSent{Invitation: invitation}),
						commitOf(1, account, listEpoch, by, events.InvitationAccepted{Invitation: invitation, User: user}, events.MembershipGranted{User: user, Grants: grants, Invitation: invitation}),
						commitOf(1, events.OfUser(user), listEpoch, by, events.UserRegistered{Email: events.For(events.KeyID{}, events.Email{Email: name + "@x.example"}),
							Profile: events.For(events.KeyID{}, events.PersonName{Last: name})}, events.UserJoined{}),
						commitOf(1, events.OfUser(user), listEpoch, by, events.SessionStarted{}))
				}
				for _, c := range page {
					facts += len(c.Facts)
				}
				d.apply(page...)
			}
			b.ReportMetric(float64(facts)/b.Elapsed().Seconds(), "facts/s")
		})
	}
}
