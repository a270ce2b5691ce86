package projections

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"roster/events"
)

// The questions that cannot be answered as they were asked.
var (
	// ErrSort: there is no such column to sort by.
	ErrSort = errors.New("not a column to sort by")
	// ErrCursor: the cursor is none that a page of the same list in the same order gave.
	ErrCursor = errors.New("not a cursor of this list")
)

// UserListQuery asks for a page of an account's user list (SPEC 3.1). Filters that are set must all hold; within
// one of several values any may. Expired is what is pending with its time up at Now.
type UserListQuery struct {
	Account events.AccountID
	Now     time.Time

	Status []string
	Role   []string
	// Permission and RolesHolding together find who holds a permission: who was granted one of Permission directly,
	// or has one of the roles that hold it.
	Permission       []string
	RolesHolding     []string
	Holding          []Holding // beside RolesHolding, in a list over several accounts
	Q                string    // part of the name or e-mail address, in any case, with or without accents
	TwoFactor        *bool
	LastSignInBefore time.Time // before, at least once
	LastSignInAfter  time.Time // at or after
	Never            *bool     // never signed in

	// Above are the accounts above, the nearest first: members whose access extends from there are entries too, unless
	// Inherited says otherwise. Without it only those are.
	Above     []events.AccountID
	Inherited *bool

	Sort  string // a column, "-" before it for descending; "" is by name
	Limit int
	After *UserListCursor
}

// UserListCursor is the last entry of a page: the next page starts behind it, whatever has changed in between.
type UserListCursor struct {
	Sort    string           `json:"s"`
	Value   *string          `json:"v"` // of the column sorted by; nil where the entry has none
	Key     events.AnyID     `json:"k"`
	Account events.AccountID `json:"a,omitzero"` // in a list over several accounts
}

// UserListPage is a page of the user list. Counts are those of the whole account by status, whatever the filters;
// all of it is as of Position.
type UserListPage struct {
	Items    []UserItem
	Next     *UserListCursor
	Counts   map[string]int
	Position uint64
}

// UserItem is an entry of the user list as the API answers it: a member or an open invitation.
type UserItem struct {
	User           *events.UserID       `json:"user"`
	Invitation     *events.InvitationID `json:"invitation"`
	Name           string               `json:"name"`
	Email          *string              `json:"email"`
	LastSignIn     *time.Time           `json:"last_sign_in"`
	TwoFactor      bool                 `json:"two_factor"`
	Roles          []string             `json:"roles"`
	Permissions    []string             `json:"permissions"`
	Status         string               `json:"status"`
	Label          string               `json:"label"`
	Since          time.Time            `json:"since"`
	ExpiresAt      *time.Time           `json:"expires_at"`
	ValidUntil     *time.Time           `json:"valid_until"`
	InheritedFrom  *events.AccountID    `json:"inherited_from"`
	Delivery       *string              `json:"delivery"`
	DeliveryReason *string              `json:"delivery_reason"`
	Inviter        *Who                 `json:"inviter"`

	Account events.AccountID `json:"-"` // in whose list it stands; zero in the list of one account without others above
	Grants  []events.Grant   `json:"-"` // what Roles, Permissions and ValidUntil sum up; only in the answer about one entry
	Erased  bool             `json:"-"`
}

// Who is somebody who acted. Name is "" where none is known.
type Who struct {
	Type string `json:"type"`
	ID   string `json:"id"`
	Name string `json:"name"`
}

// listSort is a column to sort by: its expression, and how a value of it is written in a cursor and read again.
type listSort struct {
	expr  string
	write string
	cast  string
	nulls bool
	read  func(string) (any, error)
}

// userListSort is the list of columns to sort by; names come from nowhere else into SQL. Roles sort as the list of
// them reads; statuses in the order of SPEC 3.1; entries without a value stand last in both directions.
func userListSort(name string) (listSort, bool) {
	text := func(column string, nulls bool) (listSort, bool) {
		return listSort{column, column, "text", nulls, readText}, true
	}
	at := func(column string, nulls bool) (listSort, bool) {
		return listSort{column, "(extract(epoch FROM " + column + ") * 1000000)::bigint::text", "timestamptz", nulls, readMicros}, true
	}
	switch name {
	case "name":
		return text("name_sort", true)
	case "email":
		return text("email_sort", true)
	case "roles":
		return text("roles_sort", false)
	case "last_sign_in":
		return at("last_sign_in", true)
	case "since":
		return at("since", false)
	case "expires_at":
		return at("expires_at", true)
	case "valid_until":
		return at("valid_until", true)
	case "two_factor":
		return listSort{"two_factor::int", "two_factor::int::text", "int", false, readInt}, true
	case "status":
		const rank = `(CASE status WHEN 'pending' THEN CASE WHEN expires_at <= $2 THEN 1 ELSE 0 END
			WHEN 'active' THEN 2 WHEN 'suspended' THEN 3 ELSE 4 END)`
		return listSort{rank, rank + "::text", "int", false, readInt}, true
	}
	return listSort{}, false
}

func readText(s string) (any, error) {
	if cleanText(s) != s {
		return nil, ErrCursor
	}
	return s, nil
}

func readMicros(s string) (any, error) {
	n, err := strconv.ParseInt(s, 10, 64)
	return time.UnixMicro(n).UTC(), err
}

func readInt(s string) (any, error) {
	n, err := strconv.ParseInt(s, 10, 32)
	return int32(n), err
}

// sqlArgs collects the parameters of a statement.
type sqlArgs []any

func (a *sqlArgs) add(v any) string {
	*a = append(*a, v)
	return "$" + strconv.Itoa(len(*a))
}

// UserListRead answers a page of the user list from the tables in schema.
//
// Rows, counts and position are read by one statement, so they are of one snapshot: a position in the answer says
// that everything up to there is in it. Each page is a range of an index: that of the entries with a value in the
// column sorted by, which stand first in both directions. Only when these do not fill the page is it read anew,
// still by one statement, with those behind them that have none.
func UserListRead(ctx context.Context, q Querier, schema string, query UserListQuery) (UserListPage, error) {
	if len(query.Above) > 0 {
		return UsersAcross(ctx, q, schema, query, []Listed{{query.Account, query.Above}})
	}
	return readUserList(ctx, q, schema, query, nil)
}

// readUserList reads a page of one account's list, or where several are given, of all theirs.
func readUserList(ctx context.Context, q Querier, schema string, query UserListQuery, of []Listed) (UserListPage, error) {
	query.Limit = max(query.Limit, 1)
	for whole := false; ; whole = true {
		sql, args, part, err := userListSQL(schema, query, of, whole)
		if err != nil {
			return UserListPage{}, fmt.Errorf("user list: %w", err)
		}
		page, last, err := readUserItems(ctx, q, sql, args, query.Limit, of != nil)
		if err != nil {
			return UserListPage{}, fmt.Errorf("user list: %w", err)
		}
		if part && last == nil {
			continue
		}
		if last != nil {
			last.Sort = query.Sort
		}
		page.Next = last
		return page, nil
	}
}

// UserItemRead answers one entry of an account's user list, by the user's or the invitation's id, and the position
// as of which it is so; nil when there is none.
func UserItemRead(ctx context.Context, q Querier, schema string, account events.AccountID, key events.AnyID, now time.Time) (*UserItem, uint64, error) {
	tables := tablesOf(schema)
	args := sqlArgs{[16]byte(account), now, schema, [16]byte(key)}
	page, _, err := readUserItems(ctx, q, userItemsSQL(tables, "grants", false, `SELECT 0 AS part, NULL AS sort_value, e.* FROM `+
		tables.entry+` e WHERE account = $1 AND key = $4`), args, 1, false)
	switch {
	case err != nil:
		return nil, 0, fmt.Errorf("user list: %w", err)
	case len(page.Items) == 0:
		return nil, page.Position, nil
	}
	return &page.Items[0], page.Position, nil
}

type listTables struct{ entry, person, counts, reach string }

func tablesOf(schema string) listTables {
	name := func(table string) string { return pgx.Identifier{schema, table}.Sanitize() }
	return listTables{name("entry"), name("person"), name("counts"), name("reach")}
}

// userListSQL is the statement for a page and its parameters. part says that it leaves out the entries that have no
// value in the column sorted by though some may belong to the page; with whole it never does.
func userListSQL(schema string, query UserListQuery, of []Listed, whole bool) (sql string, args []any, part bool, err error) {
	name, descending := strings.CutPrefix(query.Sort, "-")
	if name == "" && !descending {
		name = "name"
	}
	by, ok := userListSort(name)
	if !ok {
		return "", nil, false, ErrSort
	}
	more, order := ">", "ASC"
	if descending {
		more, order = "<", "DESC"
	}
	// The number stands in the statement: of a parameter PostgreSQL expects a tenth of the rows, prefers a plan made for
	// the values, and so makes one anew at every page, which costs more than the page.
	limit := strconv.Itoa(query.Limit + 1)
	tables := tablesOf(schema)
	params := sqlArgs{[16]byte(query.Account), query.Now, schema}
	rows := func(number, where, limit string) string {
		return "SELECT " + number + " AS part, " + by.write + " AS sort_value, e.* FROM " + tables.entry + " e WHERE " + where +
			" ORDER BY " + by.expr + " " + order + ", key " + order + " LIMIT " + limit
	}
	where := "account = $1"
	switch {
	case of != nil:
		across := newAcross(tables, query, of)
		params, where = sqlArgs{across.accounts, query.Now, schema}, "true"
		rows = across.rows(&params, by, order)
	case query.Inherited != nil && *query.Inherited: // nothing is above
		where += " AND false"
	}
	where += userListFilter(query, &params)
	valued, valueless := where, where+" AND "+by.expr+" IS NULL"
	c := query.After
	// behind is what stands behind the cursor, first among the entries of one account, where an index has them in order.
	behind := func(columns string, values ...string) string {
		condition := func(more, columns, values string) string {
			return " AND (" + columns + ") " + more + " (" + values + ")"
		}
		if of == nil {
			return condition(more, columns, strings.Join(values, ", "))
		}
		list := strings.Join(values, ", ")
		return condition(more+"=", columns, list) + condition(more, columns+", listed", list+", "+params.add([16]byte(c.Account)))
	}
	switch {
	case c == nil && descending && by.nulls:
		valued += " AND " + by.expr + " IS NOT NULL"
		part = true
	case c == nil: // ascending, the index has those without a value last
	case c.Sort != query.Sort, c.Value == nil && !by.nulls:
		return "", nil, false, ErrCursor
	case c.Value == nil:
		valued = valueless + behind("key", params.add([16]byte(c.Key)))
	default:
		value, err := by.read(*c.Value)
		if err != nil {
			return "", nil, false, ErrCursor
		}
		valued += behind(by.expr+", key", params.add(value)+"::"+by.cast, params.add([16]byte(c.Key)))
		part = by.nulls
	}
	if part && whole {
		part = false
		sql = "WITH valued AS (" + rows("0", valued, limit) + ")" + userItemsSQL(tables, "NULL", of != nil, "SELECT * FROM valued",
			rows("1", valueless, limit+" - (SELECT count(*) FROM valued)"))
	} else {
		sql = userItemsSQL(tables, "NULL", of != nil, rows("0", valued, limit))
	}
	if of != nil || planForValues(query) {
		return sql, append([]any{pgx.QueryExecModeCacheDescribe}, params...), part, nil
	}
	return sql, params, part, nil
}

// planForValues says that the cost of a query depends on the values of its filters: it is planned for them each
// time, where otherwise one plan serves all.
func planForValues(q UserListQuery) bool {
	return len(q.Role)+len(q.Permission)+len(q.RolesHolding) > 0 || q.Q != "" ||
		!q.LastSignInBefore.IsZero() || !q.LastSignInAfter.IsZero()
}

// userListFilter is the conditions of a query beside the account; $2 is the time of asking.
func userListFilter(q UserListQuery, args *sqlArgs) string {
	var b strings.Builder
	and := func(condition string) { b.WriteString(" AND " + condition) }
	if len(q.Status) > 0 {
		and(statusIs(q.Status))
		if !slices.Contains(q.Status, StatusActive) {
			and("status <> 'active'")
		}
	}
	if len(q.Role) > 0 {
		and("roles && " + args.add(q.Role) + "::text[]")
	}
	if len(q.Permission) > 0 || len(q.RolesHolding) > 0 {
		condition := "permissions && " + args.add(orEmpty(q.Permission)) + "::text[] OR roles && " + args.add(orEmpty(q.RolesHolding)) + "::text[]"
		for _, h := range q.Holding {
			condition += " OR listed = ANY(" + args.add(uuidsOf(h.Accounts)) + "::uuid[]) AND roles && " + args.add(h.Roles) + "::text[]"
		}
		and("(" + condition + ")")
	}
	if q.Q != "" {
		and("search LIKE " + args.add(containsPattern(q.Q)))
	}
	if q.TwoFactor != nil {
		and("two_factor = " + strconv.FormatBool(*q.TwoFactor))
	}
	if !q.LastSignInBefore.IsZero() {
		and("last_sign_in < " + args.add(q.LastSignInBefore))
	}
	if !q.LastSignInAfter.IsZero() {
		and("last_sign_in >= " + args.add(q.LastSignInAfter))
	}
	if q.Never != nil && *q.Never {
		and("last_sign_in IS NULL")
	} else if q.Never != nil {
		and("last_sign_in IS NOT NULL")
	}
	return b.String()
}

// statusIs is true of the rows in one of the statuses at $2. A name that is no status is that of no row. Statuses
// stand in the statement itself, so that a plan made once knows which index has them.
func statusIs(statuses []string) string {
	condition := "false"
	for _, s := range statuses {
		switch s {
		case StatusPending:
			condition += " OR status = 'pending' AND (expires_at <= $2) IS NOT TRUE" // pending may be without end
		case StatusExpired:
			condition += " OR status = 'pending' AND expires_at <= $2"
		case StatusActive, StatusSuspended, StatusRevoked, StatusAccepted, StatusDeclined:
			condition += " OR status = '" + s + "'"
		}
	}
	return "(" + strings.TrimPrefix(condition, "false OR ") + ")"
}

func uuidsOf(accounts []events.AccountID) [][16]byte {
	list := make([][16]byte, 0, len(accounts))
	for _, id := range accounts {
		list = append(list, id)
	}
	return list
}

func orEmpty(list []string) []string {
	if list == nil {
		return []string{}
	}
	return list
}

// userItemsSQL selects the parts of a page in their order, and one row more with what is of the whole account; across
// accounts, of all of them. The name of an inviter is looked up for the rows of the page alone: it may change without a
// fact about them.
func userItemsSQL(tables listTables, grants string, across bool, parts ...string) string {
	more, none := "", ""
	whose, counts := "account = $1", "(SELECT jsonb_object_agg(status, n)::text FROM "+tables.counts+" WHERE account = $1)"
	if across {
		more, none, whose = ",\n\tlisted, above", ",\n\tNULL, NULL", "account = ANY($1::uuid[])"
		counts = "(SELECT jsonb_object_agg(status, n)::text FROM (SELECT status, sum(n) AS n FROM " + tables.counts + " WHERE " + whose + " GROUP BY status) c)"
	}
	var b strings.Builder
	for _, part := range parts {
		b.WriteString(`
SELECT part, sort_value, key, member, name, email, erased, last_sign_in, two_factor, roles, permissions, ` + grants + `::jsonb,
	CASE WHEN status = 'pending' AND expires_at <= $2 THEN 'expired' ELSE status END, since, expires_at, valid_until,
	delivery, delivery_reason, inviter_type, coalesce(inviter_id, ''),
	(SELECT CASE WHEN p.erased THEN '` + ErasedName + `' ELSE p.name END FROM ` + tables.person + ` p WHERE p.key = inviter),
	NULL::bigint, NULL::text, NULL::bigint` + more + `
FROM (` + part + `) page
UNION ALL`)
	}
	b.WriteString(`
SELECT 2, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL,
	coalesce((SELECT position FROM roster.projection WHERE schema = $3), 0),
	` + counts + `,
	(SELECT count(*) FROM ` + tables.entry + ` WHERE ` + whose + ` AND status = 'pending' AND expires_at <= $2)` + none)
	return b.String()
}

// readUserItems reads what userItemsSQL selects: at most limit items, and where the last stands when there are more.
func readUserItems(ctx context.Context, q Querier, sql string, args []any, limit int, across bool) (UserListPage, *UserListCursor, error) {
	rows, err := q.Query(ctx, sql, args...)
	if err != nil {
		return UserListPage{}, nil, err
	}
	defer rows.Close()
	page := UserListPage{Items: []UserItem{}, Counts: map[string]int{
		StatusPending: 0, StatusExpired: 0, StatusActive: 0, StatusSuspended: 0, StatusRevoked: 0}}
	var r userItemRow
	var last *UserListCursor
	for rows.Next() {
		var before *UserListCursor
		if len(page.Items) == limit {
			before = &UserListCursor{Value: textOrNil(r.sortValue), Key: r.key.Bytes, Account: r.listed.Bytes}
		}
		if err := r.scan(rows, across); err != nil {
			return UserListPage{}, nil, err
		}
		switch {
		case r.part == 2:
			if err := page.head(&r); err != nil {
				return UserListPage{}, nil, err
			}
		case before != nil:
			last = before
		default:
			item, err := r.item()
			if err != nil {
				return UserListPage{}, nil, err
			}
			page.Items = append(page.Items, item)
		}
	}
	if err := rows.Err(); err != nil {
		return UserListPage{}, nil, err
	}
	return page, last, nil
}

// head takes in what is of the whole account.
func (p *UserListPage) head(r *userItemRow) error {
	p.Position = uint64(r.position.Int64)
	if r.counts.Valid {
		var stored map[string]int
		if err := json.Unmarshal([]byte(r.counts.String), &stored); err != nil {
			return err
		}
		for status, n := range stored {
			p.Counts[status] = n
		}
	}
	p.Counts[StatusExpired] = int(r.expired.Int64)
	p.Counts[StatusPending] -= int(r.expired.Int64)
	return nil
}
