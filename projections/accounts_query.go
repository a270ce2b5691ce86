package projections

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"

	"roster/events"
)

// deepestTree bounds a walk in the tree, so that not even a cycle could make it endless.
const deepestTree = 16

// AccountNode is an account in a tree: Depth is how far it stands below the one at the top.
type AccountNode struct {
	ID     events.AccountID
	Parent events.AccountID // zero for a root account
	Name   string
	Depth  int
	Closed bool // itself, or one above it up to the top
}

// AccountsBelow answers accounts with all that stand below them, depth first and those of one parent by name (SPEC 1.1),
// and the position as of which that is so. One that stands below another of them is listed there alone.
func AccountsBelow(ctx context.Context, q Querier, schema string, tops ...events.AccountID) ([]AccountNode, uint64, error) {
	ids := make([]pgtype.UUID, 0, len(tops))
	for _, top := range tops {
		ids = append(ids, pgUUID(top.Any()))
	}
	account := pgx.Identifier{schema, "account"}.Sanitize()
	rows, err := q.Query(ctx, fmt.Sprintf(`WITH RECURSIVE below AS (
			SELECT id, parent, name, name_sort, closed, 0 AS depth FROM %[1]s WHERE id = ANY($1::uuid[])
			UNION ALL
			SELECT a.id, a.parent, a.name, a.name_sort, a.closed, b.depth + 1 FROM below b JOIN %[1]s a ON a.parent = b.id WHERE b.depth < %[2]d
		)
		SELECT coalesce((SELECT position FROM roster.projection WHERE schema = $2), 0), b.id, b.parent, coalesce(b.name, ''), coalesce(b.closed, false)
		FROM (SELECT) one LEFT JOIN (SELECT DISTINCT id, parent, name, name_sort, closed FROM below) b ON true ORDER BY b.name_sort, b.id`,
		account, deepestTree), ids, schema)
	if err != nil {
		return nil, 0, fmt.Errorf("accounts: %w", err)
	}
	var position int64
	var id, parent pgtype.UUID
	var name string
	var closed bool
	var list []AccountNode
	if _, err := pgx.ForEachRow(rows, []any{&position, &id, &parent, &name, &closed}, func() error {
		if id.Valid {
			list = append(list, AccountNode{ID: id.Bytes, Parent: parent.Bytes, Name: name, Closed: closed})
		}
		return nil
	}); err != nil {
		return nil, 0, fmt.Errorf("accounts: %w", err)
	}
	return depthFirst(list), uint64(position), nil
}

// depthFirst puts each account behind its parent, in the order in which those of one parent are given.
func depthFirst(list []AccountNode) []AccountNode {
	there := make(map[events.AccountID]bool, len(list))
	for _, n := range list {
		there[n.ID] = true
	}
	var tops []int
	below := map[events.AccountID][]int{}
	for i, n := range list {
		if there[n.Parent] {
			below[n.Parent] = append(below[n.Parent], i)
		} else {
			tops = append(tops, i)
		}
	}
	out := make([]AccountNode, 0, len(list))
	var walk func(places []int, depth int, closed bool)
	walk = func(places []int, depth int, closed bool) {
		for _, i := range places {
			n := list[i]
			n.Depth, n.Closed = depth, n.Closed || closed
			out = append(out, n)
			walk(below[n.ID], depth+1, n.Closed)
		}
	}
	walk(tops, 0, false)
	return out
}

// AccountsQuery asks for a page of all accounts by name.
type AccountsQuery struct {
	Q     string // part of the name or id, in any case, with or without accents
	Limit int
	After *AccountsCursor
}

// AccountsCursor is the last account of a page: the next page starts behind it.
type AccountsCursor struct {
	Name string           `json:"n"` // as it is sorted by
	ID   events.AccountID `json:"i"`
}

// AccountsPage is a page of all accounts, as of Position.
type AccountsPage struct {
	Items    []AccountItem
	Next     *AccountsCursor
	Position uint64
}

// AccountItem is an account as the list of all of them shows it.
type AccountItem struct {
	ID       events.AccountID  `json:"id"`
	Name     string            `json:"name"`
	Parent   *events.AccountID `json:"parent"`
	Profile  string            `json:"profile" doc:"The portal profile that applies"`
	OpenedAt time.Time         `json:"opened_at"`
	Closed   bool              `json:"closed" doc:"It, or an account above it"`
}

// AccountsRead answers a page of all accounts from the tables in schema: a range of the index by name, or what the
// search index finds.
func AccountsRead(ctx context.Context, q Querier, schema string, query AccountsQuery) (AccountsPage, error) {
	account := pgx.Identifier{schema, "account"}.Sanitize()
	limit := max(query.Limit, 1)
	args := sqlArgs{schema}
	where := "true"
	if query.Q != "" {
		where += " AND a.search LIKE " + args.add(containsPattern(cleanText(query.Q)))
	}
	if c := query.After; c != nil {
		where += " AND (a.name_sort, a.id) > (" + args.add(cleanText(c.Name)) + ", " + args.add([16]byte(c.ID)) + ")"
	}
	params := []any(args)
	if query.Q != "" { // the plan depends on what is searched for
		params = append([]any{pgx.QueryExecModeCacheDescribe}, params...)
	}
	rows, err := q.Query(ctx, fmt.Sprintf(`SELECT coalesce((SELECT position FROM roster.projection WHERE schema = $1), 0),
			p.id, p.parent, coalesce(p.name, ''), coalesce(p.name_sort, ''), coalesce(p.profile, ''), p.opened_at,
			(WITH RECURSIVE up AS (
				SELECT p.parent AS next, p.closed, 0 AS depth
				UNION ALL
				SELECT a.parent, a.closed, up.depth + 1 FROM up JOIN %[1]s a ON a.id = up.next WHERE up.depth < %[4]d
			) SELECT coalesce(bool_or(up.closed), false) FROM up)
		FROM (SELECT) one LEFT JOIN (SELECT * FROM %[1]s a WHERE %[2]s ORDER BY a.name_sort, a.id LIMIT %[3]d) p ON true
		ORDER BY p.name_sort, p.id`, account, where, limit+1, deepestTree), params...)
	if err != nil {
		return AccountsPage{}, fmt.Errorf("accounts: %w", err)
	}
	page := AccountsPage{Items: []AccountItem{}}
	var position int64
	var id, parent pgtype.UUID
	var opened pgtype.Timestamptz
	var item AccountItem
	var sort string
	var last AccountsCursor
	if _, err := pgx.ForEachRow(rows, []any{&position, &id, &parent, &item.Name, &sort, &item.Profile, &opened, &item.Closed}, func() error {
		switch {
		case !id.Valid: // there is none
		case len(page.Items) == limit:
			page.Next = &last
		default:
			one := item
			one.ID, one.OpenedAt = id.Bytes, opened.Time.UTC()
			if parent.Valid {
				above := events.AccountID(parent.Bytes)
				one.Parent = &above
			}
			page.Items, last = append(page.Items, one), AccountsCursor{sort, one.ID}
		}
		return nil
	}); err != nil {
		return AccountsPage{}, fmt.Errorf("accounts: %w", err)
	}
	page.Position = uint64(position)
	return page, nil
}
