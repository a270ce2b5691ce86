package projections

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"

	"roster/events"
)

// person is what lists show of somebody wherever they are named: a user, or an operator's key.
type person struct {
	user, locked bool
	name, email  string
	lastSignIn   events.Time
	erased       bool
	factors      string // the verified second factors, by comma
}

// withFactor is the person with a factor more, or less.
func (p person) withFactor(id events.FactorID, verified bool) person {
	list := slices.DeleteFunc(strings.Split(p.factors, ","), func(f string) bool { return f == "" || f == id.String() })
	if verified {
		list = append(list, id.String())
	}
	p.factors = strings.Join(list, ",")
	return p
}

const peopleTable = `
CREATE TABLE person (
	key uuid PRIMARY KEY,
	is_user boolean NOT NULL,
	name text,
	email text,
	name_sort text COLLATE "C" NOT NULL,
	search text COLLATE "C" NOT NULL,
	last_sign_in timestamptz,
	locked boolean NOT NULL,
	erased boolean NOT NULL,
	factors text NOT NULL
) WITH (fillfactor = 90);
`

// atPerson is where a person stands: in no account.
func atPerson(id events.AnyID) place { return place{key: id} }

func loadPeople(b *pgx.Batch, people *sheet[person]) {
	if len(people.missing) == 0 {
		return
	}
	var keys []pgtype.UUID
	for _, at := range people.missing {
		people.known[at] = nil
		keys = append(keys, pgUUID(at.key))
	}
	b.Queue(`SELECT key, is_user, coalesce(name, ''), coalesce(email, ''), last_sign_in, locked, erased, factors FROM person
		WHERE key = ANY($1::uuid[])`, keys).Query(func(rows pgx.Rows) error {
		for rows.Next() {
			var key pgtype.UUID
			var p person
			var signIn *time.Time
			if err := rows.Scan(&key, &p.user, &p.name, &p.email, &signIn, &p.locked, &p.erased, &p.factors); err != nil {
				return err
			}
			p.lastSignIn = eventTime(signIn)
			people.loaded(atPerson(key.Bytes), p)
		}
		return rows.Err()
	})
}

func savePeople(b *pgx.Batch, people *sheet[person]) {
	write, _ := people.settle()
	if len(write) == 0 {
		return
	}
	var keys []pgtype.UUID
	var names, emails, sorts, searches, factors []string
	var signIns []*time.Time
	var users, locked, erased []bool
	for at, p := range write {
		keys, names, emails = append(keys, pgUUID(at.key)), append(names, p.name), append(emails, p.email)
		sorts, searches = append(sorts, sortText(p.name)), append(searches, foldText(p.name)+"\n"+foldText(p.email)+"\n"+at.key.String())
		signIns, users = append(signIns, stdTime(p.lastSignIn)), append(users, p.user)
		locked, erased, factors = append(locked, p.locked), append(erased, p.erased), append(factors, p.factors)
	}
	b.Queue(`INSERT INTO person (key, is_user, name, email, name_sort, search, last_sign_in, locked, erased, factors)
		SELECT t.key, t.is_user, NULLIF(t.name, ''), NULLIF(t.email, ''), t.name_sort, t.search, t.last_sign_in, t.locked, t.erased, t.factors
		FROM unnest($1::uuid[], $2::boolean[], $3::text[], $4::text[], $5::text[], $6::text[], $7::timestamptz[], $8::boolean[], $9::boolean[], $10::text[])
			AS t(key, is_user, name, email, name_sort, search, last_sign_in, locked, erased, factors)
		ON CONFLICT (key) DO UPDATE SET is_user = excluded.is_user, name = excluded.name, email = excluded.email,
			name_sort = excluded.name_sort, search = excluded.search,
			last_sign_in = excluded.last_sign_in, locked = excluded.locked, erased = excluded.erased, factors = excluded.factors`,
		keys, users, names, emails, sorts, searches, signIns, locked, erased, factors)
}

// registered is the person as user.registered has them; what reads erased is erased, and stays so. An address may read
// erased alone, when it has been given up before.
func (p person) registered(f events.UserRegistered) person {
	p.user = true
	if p.erased || f.Profile.Erased {
		return p.forgotten()
	}
	p.name, p.email = cleanText(f.Profile.Value().Full()), cleanText(f.Email.Value().Email)
	return p
}

// renamed is the person as user.profile_changed has them.
func (p person) renamed(f events.UserProfileChanged) person {
	if p.erased || f.Profile.Erased {
		return p.forgotten()
	}
	p.name = cleanText(f.Profile.Value().Full())
	return p
}

// moved is the person as user.email_changed has them.
func (p person) moved(f events.UserEmailChanged) person {
	if !p.erased {
		p.email = cleanText(f.Email.Value().Email)
	}
	return p
}

// forgotten is the person without anything that tells who it was.
func (p person) forgotten() person {
	return person{user: p.user, locked: p.locked, lastSignIn: p.lastSignIn, erased: true}
}

// usersIndexes are what the search over all users needs of the table of people: those without a name stand last.
const usersIndexes = `
CREATE INDEX ON person ((name_sort = ''), name_sort, key) WHERE is_user;
CREATE INDEX ON person USING gin (search public.gin_trgm_ops) WITH (gin_pending_list_limit = 256);
`

// What a user can be.
const (
	UserActive = "active"
	UserLocked = "locked"
	UserErased = "erased"
)

// UsersQuery asks for a page of all users by name, each once, in however many accounts they are.
type UsersQuery struct {
	Q     string // part of the name, the e-mail address or the id, in any case, with or without accents
	Limit int
	After *UsersCursor
}

// UsersCursor is the last user of a page: the next page starts behind it.
type UsersCursor struct {
	Name string        `json:"n"` // as it is sorted by
	ID   events.UserID `json:"i"`
}

// UsersPage is a page of all users, as of Position.
type UsersPage struct {
	Items    []User
	Next     *UsersCursor
	Position uint64
}

// User is a user as the list of all of them shows it.
type User struct {
	ID         events.UserID `json:"id"`
	Name       string        `json:"name"`
	Email      *string       `json:"email"`
	Status     string        `json:"status" enum:"active,locked,erased"`
	LastSignIn *time.Time    `json:"last_sign_in"`
}

// UsersRead answers a page of all users from the user list's tables in schema.
func UsersRead(ctx context.Context, q Querier, schema string, query UsersQuery) (UsersPage, error) {
	limit := max(query.Limit, 1)
	args := sqlArgs{schema}
	where := "is_user"
	if query.Q != "" {
		where += " AND search LIKE " + args.add(containsPattern(cleanText(query.Q)))
	}
	if c := query.After; c != nil {
		name := args.add(cleanText(c.Name))
		where += " AND ((name_sort = ''), name_sort, key) > ((" + name + "::text = ''), " + name + "::text, " + args.add([16]byte(c.ID)) + ")"
	}
	params := []any(args)
	if query.Q != "" { // the plan depends on what is searched for
		params = append([]any{pgx.QueryExecModeCacheDescribe}, params...)
	}
	rows, err := q.Query(ctx, fmt.Sprintf(`SELECT coalesce((SELECT position FROM roster.projection WHERE schema = $1), 0),
			p.key, p.name, p.email, coalesce(p.name_sort, ''), p.last_sign_in, coalesce(p.locked, false), coalesce(p.erased, false)
		FROM (SELECT) one LEFT JOIN (SELECT * FROM %s WHERE %s ORDER BY (name_sort = ''), name_sort, key LIMIT %d) p ON true
		ORDER BY (p.name_sort = ''), p.name_sort, p.key`, pgx.Identifier{schema, "person"}.Sanitize(), where, limit+1), params...)
	if err != nil {
		return UsersPage{}, fmt.Errorf("users: %w", err)
	}
	page := UsersPage{Items: []User{}}
	var position int64
	var key pgtype.UUID
	var name, email pgtype.Text
	var sort string
	var signIn pgtype.Timestamptz
	var locked, erased bool
	var last UsersCursor
	if _, err := pgx.ForEachRow(rows, []any{&position, &key, &name, &email, &sort, &signIn, &locked, &erased}, func() error {
		switch {
		case !key.Valid: // there is none
		case len(page.Items) == limit:
			page.Next = &last
		default:
			last = UsersCursor{sort, key.Bytes}
			page.Items = append(page.Items, User{ID: key.Bytes, Name: shownName(name, erased), Email: textOrNil(email),
				Status: userStatus(locked, erased), LastSignIn: timeOrNil(signIn)})
		}
		return nil
	}); err != nil {
		return UsersPage{}, fmt.Errorf("users: %w", err)
	}
	page.Position = uint64(position)
	return page, nil
}

func userStatus(locked, erased bool) string {
	switch {
	case erased:
		return UserErased
	case locked:
		return UserLocked
	}
	return UserActive
}
