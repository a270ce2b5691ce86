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
