package projections

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"roster/events"
)

// Listed is an account whose entries are asked for, with the accounts above it, the nearest first.
type Listed struct {
	Account events.AccountID
	Above   []events.AccountID
}

// Holding is which roles hold a permission in some of the accounts asked for.
type Holding struct {
	Accounts []events.AccountID
	Roles    []string
}

// UsersAcross answers a page of the entries of several accounts as one list, an item for each user and account (SPEC
// 3.13). In each account it reads no more than a page along an index; then these are merged.
//
// A member who comes from an account above (SPEC 3.1) stands there once, as of the nearest from where the membership
// extends at this moment, and not at all beside a row of their own; one of a membership that has ended gives way.
func UsersAcross(ctx context.Context, q Querier, schema string, query UserListQuery, of []Listed) (UserListPage, error) {
	if of == nil {
		of = []Listed{} // of none, and not of one
	}
	return readUserList(ctx, q, schema, query, of)
}

// InheritedRead answers the entry of a member who comes from an account above, as UserItemRead does of the others.
func InheritedRead(ctx context.Context, q Querier, schema string, of Listed, user events.UserID, now time.Time) (*UserItem, uint64, error) {
	tables, inherited := tablesOf(schema), true
	query := UserListQuery{Inherited: &inherited}
	across := newAcross(tables, query, []Listed{of})
	params := sqlArgs{across.accounts, now, schema}
	by, _ := userListSort("name")
	sql := across.rows(&params, by, "ASC")("0", "key = "+params.add([16]byte(user)), "1")
	page, _, err := readUserItems(ctx, q, userItemsSQL(tables, "grants", true, sql), params, 1, true)
	switch {
	case err != nil:
		return nil, 0, fmt.Errorf("user list: %w", err)
	case len(page.Items) == 0:
		return nil, page.Position, nil
	}
	return &page.Items[0], page.Position, nil
}

// across makes the rows of a list over accounts: those of their own, and those that come from above.
type across struct {
	tables            listTables
	direct, inherited bool
	none              bool // what is asked for cannot be
	searched          bool // in many accounts at once
	accounts          [][16]byte
	up                []string // the accounts above each
	// The pairs of an account and one above it, with the ones in between.
	listed, above [][16]byte
	nearer        []string
}

func newAcross(tables listTables, query UserListQuery, of []Listed) *across {
	a := &across{tables: tables, direct: true, inherited: true, searched: query.Q != "" && len(of) > 1}
	if query.Inherited != nil {
		a.direct, a.inherited = !*query.Inherited, *query.Inherited
	}
	if len(query.Status) > 0 && !slices.Contains(query.Status, StatusActive) { // only what is active extends
		a.inherited = false
	}
	for _, l := range of {
		ids := make([]string, 0, len(l.Above))
		for _, above := range l.Above {
			a.listed, a.above, a.nearer = append(a.listed, l.Account), append(a.above, above), append(a.nearer, strings.Join(ids, ","))
			ids = append(ids, above.String())
		}
		a.accounts, a.up = append(a.accounts, l.Account), append(a.up, strings.Join(ids, ","))
	}
	a.inherited = a.inherited && len(a.listed) > 0
	a.none = !a.inherited && !a.direct
	a.direct = a.direct || a.none
	return a
}

// acrossColumns are those that an entry is shown, found and sorted by, apart from what a membership grants.
const acrossColumns = `account, key, member, name, email, erased, search, name_sort, email_sort, last_sign_in, two_factor,
	status, since, expires_at, delivery, delivery_reason, inviter_type, inviter_id, inviter`

// rows is the statement for at most limit rows in an order. In a condition, listed is the account in whose list it is.
func (a *across) rows(params *sqlArgs, by listSort, order string) func(number, where, limit string) string {
	sorted := by.expr + " " + order + ", key " + order
	var parts []func(where, limit string) string
	if a.direct {
		parts = append(parts, a.ownRows(params, sorted, order))
	}
	if a.inherited {
		parts = append(parts, a.rowsFromAbove(params, sorted, order))
	}
	return func(number, where, limit string) string {
		var list []string
		for _, part := range parts {
			list = append(list, "("+part(where, limit)+")")
		}
		return "SELECT " + number + " AS part, " + by.write + " AS sort_value, r.* FROM (" + strings.Join(list, " UNION ALL ") +
			") r ORDER BY " + sorted + ", listed " + order + " LIMIT " + limit
	}
}

// ownRows are those of the accounts themselves: a page of each along an index, but what is searched for in many at once
// by the index that the search has.
func (a *across) ownRows(params *sqlArgs, sorted, order string) func(where, limit string) string {
	way := ""
	switch {
	case a.none:
		way = " AND false"
	case a.inherited:
		way = " AND NOT (d.status = 'revoked' AND " + a.reaches("d.key", "a.up") + ")"
	}
	from := "unnest($1::uuid[], " + params.add(a.up) + "::text[]) AS a(listed, up)"
	const columns = acrossColumns + ", roles, roles_sort, permissions, grants, valid_until"
	return func(where, limit string) string {
		if a.searched {
			return "SELECT " + qualified("d", columns) + ", a.listed, NULL::uuid AS above FROM " + from + " JOIN " + a.tables.entry +
				" d ON d.account = a.listed WHERE " + where + way + " ORDER BY " + sorted + ", listed " + order + " LIMIT " + limit
		}
		return "SELECT e.*, a.listed, NULL::uuid AS above FROM " + from + " CROSS JOIN LATERAL (SELECT " + columns + " FROM " + a.tables.entry +
			" d WHERE d.account = a.listed AND " + where + way + " ORDER BY " + sorted + " LIMIT " + limit + ") e"
	}
}

// rowsFromAbove are those that come from above. In the list of one account they are a page of each account above. In
// that of many the same people come into each: as many as a page has items are found once, with where they are members
// themselves, and put into one account after another. OFFSET 0 keeps them in their order, whatever PostgreSQL expects.
func (a *across) rowsFromAbove(params *sqlArgs, sorted, order string) func(where, limit string) string {
	pairs := "unnest(" + params.add(a.listed) + "::uuid[], " + params.add(a.above) + "::uuid[], " + params.add(a.nearer) + "::text[]) AS u(listed, above, nearer)"
	people := "SELECT " + qualified("e", acrossColumns) + ", x.roles, x.roles_sort, x.permissions, x.grants, x.valid_until FROM " + a.tables.reach + " x JOIN " +
		a.tables.entry + " e ON e.account = x.account AND e.key = x.key WHERE e.status = 'active' AND " + extendsNow
	own := "SELECT own.account FROM " + a.tables.entry + " own WHERE own.key = e.key AND own.status <> 'revoked'"
	if len(a.accounts) == 1 {
		return func(where, limit string) string {
			return "SELECT e.*, u.listed, u.above FROM " + pairs + " CROSS JOIN LATERAL (SELECT * FROM (" + people + " AND x.account = u.above AND NOT EXISTS (" +
				own + " AND own.account = u.listed) AND NOT " + a.reaches("e.key", "u.nearer") + ") m WHERE " + where + " ORDER BY " + sorted + " LIMIT " + limit + ") e"
		}
	}
	tops := slices.Clone(a.above)
	slices.SortFunc(tops, func(x, y [16]byte) int { return bytes.Compare(x[:], y[:]) })
	people += " AND x.account = ANY(" + params.add(slices.Compact(tops)) + "::uuid[])"
	reached := "SELECT x.account FROM " + a.tables.reach + " x JOIN " + a.tables.entry + " up ON up.account = x.account AND up.key = x.key WHERE up.key = e.key AND up.status = 'active' AND " + extendsNow
	const comes = "u.above = e.account AND u.listed <> ALL(e.own) AND NOT u.nearer && e.reached AND "
	return func(where, limit string) string {
		return "WITH u AS MATERIALIZED (SELECT listed, above, string_to_array(nearer, ',')::uuid[] AS nearer FROM " + pairs + ")" +
			" SELECT " + qualified("e", acrossColumns+", roles, roles_sort, permissions, grants, valid_until") + ", u.listed, u.above FROM (SELECT * FROM (SELECT e.*, ARRAY(" + own +
			") AS own, ARRAY(" + reached + ") AS reached FROM (SELECT * FROM (" + people + ") m ORDER BY " + sorted + " OFFSET 0) e OFFSET 0) e" +
			" WHERE EXISTS (SELECT FROM u WHERE " + comes + where + " OFFSET 0) ORDER BY " + sorted + " LIMIT " + limit + ") e JOIN u ON " + comes + where +
			" ORDER BY " + sorted + ", listed " + order + " LIMIT " + limit
	}
}

// extendsNow is true of a row x of reach of which a grant applies at $2 (SPEC 3.10).
const extendsNow = `EXISTS (SELECT FROM jsonb_to_recordset(x.grants) AS g(valid_from timestamptz, valid_until timestamptz)
	WHERE (g.valid_from > $2) IS NOT TRUE AND (g.valid_until <= $2) IS NOT TRUE)`

// reaches is true of a user whose membership in one of the accounts extends at $2.
func (a *across) reaches(key, accounts string) string {
	return "EXISTS (SELECT FROM " + a.tables.reach + " x JOIN " + a.tables.entry + " up ON up.account = x.account AND up.key = x.key WHERE x.key = " + key +
		" AND x.account = ANY(string_to_array(" + accounts + ", ',')::uuid[]) AND up.status = 'active' AND " + extendsNow + ")"
}

func qualified(table, columns string) string {
	names := strings.Split(columns, ",")
	for i, name := range names {
		names[i] = table + "." + strings.TrimSpace(name)
	}
	return strings.Join(names, ", ")
}
