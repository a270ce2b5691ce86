package bench

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"roster/projections"
)

const (
	listCallers = 16
	listPage    = 50
)

// bareSQL reads the same columns of the same rows as a page of the list shows, and nothing of the whole account.
const bareSQL = `SELECT key, name, email, last_sign_in, two_factor, roles, permissions, status, since, expires_at, valid_until,
	delivery, delivery_reason, inviter FROM %s WHERE account = $1 AND %s ORDER BY name_sort, key LIMIT 50`

// listRow is a page that is measured: what is asked for over HTTP, the same as the API asks the read model, and what
// of the table is the same.
type listRow struct {
	name  string
	query url.Values
	asked projections.UserListQuery
	where string
	args  []any
	plan  bool // the plan depends on the values, as that of a search does
}

func userList(ctx context.Context, l *lab) error {
	p, err := l.portal(ctx)
	if err != nil {
		return err
	}
	crowd, _, err := p.crowd(ctx, l.o.Scale, true)
	if err != nil {
		return err
	}
	r, pool, err := l.projected(ctx, p)
	if err != nil {
		return err
	}
	table := pgx.Identifier{r.Serving("user_list"), "entry"}.Sanitize()
	if err := settle(ctx, pool); err != nil {
		return err
	}
	handler, err := p.api(r)
	if err != nil {
		return err
	}
	address, err := l.serve(ctx, handler)
	if err != nil {
		return err
	}
	rows, err := l.listRows(ctx, pool, table, crowd, address)
	if err != nil {
		return err
	}
	for _, row := range rows {
		if err := l.measureList(ctx, row, r, pool, table, crowd, address); err != nil {
			return err
		}
	}
	return nil
}

// measureList measures a page over HTTP, as the program asks the read model for it, and as bare SQL.
func (l *lab) measureList(ctx context.Context, row listRow, r *projections.Runner, pool *pgxpool.Pool, table string, crowd firm, address string) error {
	name := fmt.Sprintf("user-list/http/%s/%d", row.name, listCallers)
	read := fmt.Sprintf("user-list/read/%s/%d", row.name, listCallers)
	if !l.wanted(name) && !l.wanted(read) {
		return nil
	}
	over, err := l.getting(ctx, name, address, request(http.MethodGet, row.path(crowd), crowd.owner.token, ""), listCallers)
	if err != nil {
		return err
	}
	got, err := l.race(ctx, over, row.reading(read, r, crowd), row.bare(pool, table, crowd))
	if err != nil {
		return err
	}
	pages := goal{}
	if row.name == "first-page" {
		pages = atLeast(3000, "pages/s")
	}
	l.row(perSecond("pages/s").row(name, got[0], &got[2], pages))
	l.row(p99("ms p99", 1).row(name+"/p99", got[0], &got[2], atMost(20, "ms")))
	l.row(perSecond("pages/s").row(read, got[1], &got[2], atLeastTimes(1/1.5)))
	return nil
}

// reading asks the read model for the page, without the API.
func (row listRow) reading(name string, r *projections.Runner, crowd firm) contestant {
	return contestant{name: name, callers: listCallers, op: func(ctx context.Context, _ int) error {
		q := row.asked
		q.Account, q.Now, q.Limit = crowd.id, time.Now(), listPage
		return r.Query(ctx, "user_list", func(ctx context.Context, schema string, from projections.Querier) error {
			page, err := projections.UserListRead(ctx, from, schema, q)
			if err == nil && len(page.Items) == 0 {
				err = errors.New("an empty page")
			}
			return err
		})
	}}
}

func (row listRow) path(crowd firm) string {
	return "/v1/accounts/" + crowd.id.String() + "/users?" + row.query.Encode()
}

// listRows are the pages: the first, one at four fifths of the list, and one of a search. Each has to hold the rows
// that its bare SQL finds, or the two would be no match.
func (l *lab) listRows(ctx context.Context, pool *pgxpool.Pool, table string, crowd firm, address string) ([]listRow, error) {
	first := url.Values{"limit": {fmt.Sprint(listPage)}}
	rows := []listRow{{name: "first-page", query: first, where: "true"}}
	clients, err := l.clients(ctx, address, 1)
	if err != nil {
		return nil, err
	}
	if l.wanted("user-list/http/deep-page") || l.wanted("user-list/read/deep-page") {
		deep, err := deepPage(ctx, pool, table, crowd, clients[0], l.o.Scale*4/5)
		if err != nil {
			return nil, err
		}
		rows = append(rows, deep)
	}
	q := fmt.Sprintf("person%d@", l.o.Scale/2)
	rows = append(rows, listRow{name: "search", query: url.Values{"limit": first["limit"], "q": {q}}, asked: projections.UserListQuery{Q: q}, where: "search LIKE $2",
		args: []any{"%" + q + "%"}, plan: true})
	for _, row := range rows {
		page, err := clients[0].page(request(http.MethodGet, row.path(crowd), crowd.owner.token, ""))
		if err != nil {
			return nil, fmt.Errorf("%s: %w", row.name, err)
		}
		n, err := row.read(ctx, pool, table, crowd)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", row.name, err)
		}
		if n == 0 || n != len(page.Items) {
			return nil, fmt.Errorf("%s: the page has %d entries, the bare SQL finds %d", row.name, len(page.Items), n)
		}
	}
	return rows, nil
}

// deepPage walks to the page behind as many entries, as a client has to: a cursor can only be had from a page.
func deepPage(ctx context.Context, pool *pgxpool.Pool, table string, crowd firm, c *client, behind int) (listRow, error) {
	const step = 500
	query := url.Values{"limit": {fmt.Sprint(min(step, behind))}}
	seen := 0
	for {
		row := listRow{query: query}
		page, err := c.page(request(http.MethodGet, row.path(crowd), crowd.owner.token, ""))
		switch {
		case err != nil:
			return listRow{}, fmt.Errorf("deep page: %w", err)
		case page.Next == nil:
			return listRow{}, errors.New("deep page: the list is shorter than it was made")
		}
		seen += len(page.Items)
		query.Set("cursor", *page.Next)
		if seen >= behind {
			break
		}
	}
	query.Set("limit", fmt.Sprint(listPage))
	var name *string
	var key [16]byte
	err := pool.QueryRow(ctx, `SELECT name_sort, key FROM `+table+` WHERE account = $1 ORDER BY name_sort, key OFFSET $2 LIMIT 1`,
		[16]byte(crowd.id), seen-1).Scan(&name, &key)
	if err == nil && name == nil {
		err = errors.New("an entry without a name")
	}
	if err != nil {
		return listRow{}, fmt.Errorf("deep page: %w", err)
	}
	// Without a sort asked for the API's cursors have none either.
	after := &projections.UserListCursor{Value: name, Key: key}
	return listRow{name: "deep-page", query: query, asked: projections.UserListQuery{After: after}, where: "(name_sort, key) > ($2, $3)", args: []any{*name, key}}, nil
}

func (row listRow) bare(pool *pgxpool.Pool, table string, crowd firm) contestant {
	return contestant{name: "user-list/sql", callers: listCallers, op: func(ctx context.Context, _ int) error {
		_, err := row.read(ctx, pool, table, crowd)
		return err
	}}
}

func (row listRow) read(ctx context.Context, pool *pgxpool.Pool, table string, crowd firm) (n int, err error) {
	args := append([]any{[16]byte(crowd.id)}, row.args...)
	if row.plan {
		args = append([]any{pgx.QueryExecModeCacheDescribe}, args...)
	}
	rows, err := pool.Query(ctx, fmt.Sprintf(bareSQL, table, row.where), args...)
	if err != nil {
		return 0, err
	}
	defer rows.Close()
	for ; rows.Next(); n++ {
		var i projections.UserItem
		var key [16]byte
		var inviter *[16]byte
		var name *string
		if err := rows.Scan(&key, &name, &i.Email, &i.LastSignIn, &i.TwoFactor, &i.Roles, &i.Permissions, &i.Status, &i.Since,
			&i.ExpiresAt, &i.ValidUntil, &i.Delivery, &i.DeliveryReason, &inviter); err != nil {
			return n, err
		}
	}
	return n, rows.Err()
}
