package projections

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"

	"roster/events"
)

// Who comes into an account's user list from an account above (SPEC 3.1) is kept apart from the list itself: reach has
// a row for each membership of which something extends to sub-accounts, with what extends. home says of each account
// whether its protected role does (SPEC 3.7). Most memberships have no row there, and cost nothing.
const reachTables = `
CREATE TABLE home (
	account uuid PRIMARY KEY,
	root boolean NOT NULL,
	protected text NOT NULL
);
CREATE TABLE reach (
	account uuid NOT NULL,
	key uuid NOT NULL,
	grants jsonb NOT NULL,
	roles text[] NOT NULL,
	roles_sort text COLLATE "C" NOT NULL,
	permissions text[] NOT NULL,
	valid_until timestamptz,
	PRIMARY KEY (account, key)
);
`

// home is what of an account decides whether its memberships extend.
type home struct {
	root      bool
	protected string
}

// roles are the protected role and its other names.
func (h home) roles() []string { return strings.Split(h.protected, ",") }

// standardProtected is the protected role of a profile that names none.
const standardProtected = "owner"

func protectedOf(profile events.ProfileRef) string {
	if profile.Protected == "" {
		return standardProtected
	}
	return profile.Protected
}

// reaching are the grants of a membership that extend to sub-accounts.
func (h home) reaching(grants []events.Grant) []events.Grant {
	var list []events.Grant
	for _, g := range grants {
		if g.Inherit || h.root && slices.ContainsFunc(g.Roles, func(role string) bool { return slices.Contains(h.roles(), role) }) {
			list = append(list, g)
		}
	}
	return list
}

// reachFold is what a page changes of who reaches into sub-accounts.
type reachFold struct {
	homes   map[events.AnyID]home
	changed map[events.AnyID]bool // homes that the page makes or changes
	roles   map[events.AnyID][]string
	grants  map[place][]events.Grant // of the memberships that are to be judged anew
}

// foldReach judges the memberships whose grants the page has changed, and those of accounts that are others than before:
// moved to the root or away from it, or with another protected role.
func foldReach(ctx context.Context, tx pgx.Tx, commits []Opened, entries *sheet[listRow], write map[place]*listRow) (reachFold, error) {
	r := reachFold{map[events.AnyID]home{}, map[events.AnyID]bool{}, map[events.AnyID][]string{}, map[place][]events.Grant{}}
	accounts := map[events.AnyID]bool{}
	for at, row := range write {
		was := entries.known[at]
		if row.member && (was == nil || !slices.EqualFunc(was.grants, row.grants, sameGrant)) {
			r.grants[at], accounts[at.account] = row.grants, true
		}
	}
	for _, c := range commits {
		for _, f := range c.Facts {
			if changesAccount(f) {
				accounts[c.Boundary.ID] = true
			}
		}
	}
	if err := r.loadHomes(ctx, tx, accounts); err != nil {
		return r, err
	}
	for _, c := range commits {
		for _, f := range c.Facts {
			r.fact(c.Boundary.ID, f)
		}
	}
	return r, r.loadHolders(ctx, tx, write)
}

func sameGrant(a, b events.Grant) bool {
	return slices.Equal(a.Roles, b.Roles) && slices.Equal(a.Permissions, b.Permissions) && a.Inherit == b.Inherit && a.From == b.From && a.Until == b.Until
}

func (r reachFold) fact(account events.AnyID, e events.Event) {
	h, was := r.homes[account], r.homes[account]
	//roster:partial no other fact changes which memberships extend but by their grants
	switch f := e.(type) {
	case events.AccountOpened:
		h = home{f.Parent.IsZero(), protectedOf(f.Profile)}
	case events.AccountMoved:
		h.root = f.To.IsZero()
	case events.AccountProfileAdopted:
		h.protected = protectedOf(f.To)
	}
	if h != was {
		r.homes[account], r.changed[account] = h, true
		r.roles[account] = append(append(r.roles[account], was.roles()...), h.roles()...)
	}
}

func (r reachFold) loadHomes(ctx context.Context, tx pgx.Tx, accounts map[events.AnyID]bool) error {
	if len(accounts) == 0 {
		return nil
	}
	rows, err := tx.Query(ctx, `SELECT account, root, protected FROM home WHERE account = ANY($1::uuid[])`, idsOf(accounts))
	if err != nil {
		return fmt.Errorf("read home: %w", err)
	}
	var id pgtype.UUID
	var h home
	_, err = pgx.ForEachRow(rows, []any{&id, &h.root, &h.protected}, func() error { r.homes[id.Bytes] = h; return nil })
	return err
}

func idsOf(set map[events.AnyID]bool) []pgtype.UUID {
	ids := make([]pgtype.UUID, 0, len(set))
	for id := range set {
		ids = append(ids, pgUUID(id))
	}
	return ids
}

// loadHolders adds the members who hold what is, or was, the protected role of an account that has changed.
func (r reachFold) loadHolders(ctx context.Context, tx pgx.Tx, write map[place]*listRow) error {
	if len(r.changed) == 0 {
		return nil
	}
	var accounts []pgtype.UUID
	var roles []string
	for id := range r.changed {
		for _, role := range r.roles[id] {
			accounts, roles = append(accounts, pgUUID(id)), append(roles, role)
		}
	}
	rows, err := tx.Query(ctx, `SELECT e.account, e.key, e.grants FROM unnest($1::uuid[], $2::text[]) AS want(account, role)
		JOIN entry e ON e.account = want.account AND e.member AND want.role = ANY(e.roles)`, accounts, roles)
	if err != nil {
		return fmt.Errorf("read holders: %w", err)
	}
	var account, key pgtype.UUID
	var text []byte
	_, err = pgx.ForEachRow(rows, []any{&account, &key, &text}, func() error {
		var grants []events.Grant
		err := json.Unmarshal(text, &grants)
		r.grants[place{account.Bytes, key.Bytes}] = grants
		return err
	})
	for at, row := range write { // as the page leaves them
		if row.member && r.changed[at.account] {
			r.grants[at] = row.grants
		}
	}
	return err
}

func (r reachFold) save(b *pgx.Batch) error {
	if len(r.changed) > 0 {
		var ids []pgtype.UUID
		var roots []bool
		var protected []string
		for id := range r.changed {
			h := r.homes[id]
			ids, roots, protected = append(ids, pgUUID(id)), append(roots, h.root), append(protected, cleanText(h.protected))
		}
		b.Queue(`INSERT INTO home (account, root, protected) SELECT * FROM unnest($1::uuid[], $2::boolean[], $3::text[])
			ON CONFLICT (account) DO UPDATE SET root = excluded.root, protected = excluded.protected`, ids, roots, protected)
	}
	var gone []place
	var accounts, keys []pgtype.UUID
	var grants, roles, permissions []string
	var until []*time.Time
	for at, all := range r.grants {
		reaching := r.homes[at.account].reaching(all)
		if len(reaching) == 0 {
			gone = append(gone, at)
			continue
		}
		text, err := json.Marshal(reaching)
		if err != nil {
			return err
		}
		sum := sumOf(reaching)
		accounts, keys, grants = append(accounts, pgUUID(at.account)), append(keys, pgUUID(at.key)), append(grants, string(text))
		roles, permissions = append(roles, strings.Join(sum.roles, listOf)), append(permissions, strings.Join(sum.permissions, listOf))
		until = append(until, stdTime(sum.until))
	}
	deletePlaces(b, "reach", gone)
	if len(keys) > 0 {
		b.Queue(`INSERT INTO reach (account, key, grants, roles, roles_sort, permissions, valid_until)
			SELECT t.account, t.key, t.grants::jsonb, string_to_array(t.roles, E'\x1f'), left(replace(t.roles, E'\x1f', ','), 200),
				string_to_array(t.permissions, E'\x1f'), t.valid_until
			FROM unnest($1::uuid[], $2::uuid[], $3::text[], $4::text[], $5::text[], $6::timestamptz[]) AS t(account, key, grants, roles, permissions, valid_until)
			ON CONFLICT (account, key) DO UPDATE SET grants = excluded.grants, roles = excluded.roles, roles_sort = excluded.roles_sort,
				permissions = excluded.permissions, valid_until = excluded.valid_until`, accounts, keys, grants, roles, permissions, until)
	}
	return nil
}
