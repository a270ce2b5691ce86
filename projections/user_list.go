package projections

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"

	"roster/events"
)

// The stored states of an entry of the user list. StatusExpired is never stored: it is StatusPending whose time is
// up at the moment of asking (SPEC 2.5, 3.1).
const (
	StatusPending   = "pending"
	StatusExpired   = "expired"
	StatusActive    = "active"
	StatusSuspended = "suspended"
	StatusRevoked   = "revoked"
)

func activeUnless(pending bool) string {
	if pending {
		return StatusPending
	}
	return StatusActive
}

// How far the mail of an invitation has come (SPEC 2.11).
const (
	deliveryUnsent   = "unsent"
	deliverySent     = "sent"
	deliveryDeferred = "deferred"
	deliveryBounced  = "bounced"
)

// ErasedName is what stands for the name of somebody whose data has been erased (SPEC 5.5).
const ErasedName = "erased"

// UserList is the user list of every account (SPEC 3.1): one row for each member, whatever became of the
// membership, and one for each open invitation. An invitation's row goes when it is accepted, declined or revoked;
// a revoked or left membership stays as revoked, and is the same row again when the person comes back.
//
// A commit costs as many rows as its facts are about, however many members an account has; a sign-in or a change
// of a person costs a row for each account of that person.
func UserList() Model {
	return Model{Name: "user_list", Version: 5, Tables: extensions + peopleTable + usersIndexes + userListTables + reachTables, Apply: applyUserList}
}

// extensions are what the search needs. They belong to the database, not to a schema; the lock lets one of several
// that start at once make them.
const extensions = `
SELECT pg_advisory_xact_lock(hashtextextended('roster.extensions', 0));
CREATE EXTENSION IF NOT EXISTS pg_trgm WITH SCHEMA public;
CREATE EXTENSION IF NOT EXISTS btree_gin WITH SCHEMA public;
`

// The columns that are sorted by are in C order, which is that of the folded texts' code points, and in an index
// behind the account: each page is a range of it, in both directions. The partial indexes serve the statuses that
// few entries have. The pending list of the search index is short, since every search reads all of it.
const userListTables = `
CREATE TABLE entry (
	account uuid NOT NULL,
	key uuid NOT NULL, -- the user of a member, the invitation of an open invitation
	member boolean NOT NULL,
	address uuid, -- of an invitation
	name text,
	email text,
	erased boolean NOT NULL,
	search text COLLATE "C" NOT NULL,
	name_sort text COLLATE "C",
	email_sort text COLLATE "C",
	last_sign_in timestamptz,
	two_factor boolean NOT NULL,
	roles text[] NOT NULL,
	roles_sort text COLLATE "C" NOT NULL,
	permissions text[] NOT NULL,
	grants jsonb NOT NULL,
	status text COLLATE "C" NOT NULL,
	since timestamptz NOT NULL,
	expires_at timestamptz,
	valid_until timestamptz,
	ends_at timestamptz, -- of a member: the earliest end of a grant
	warn_at timestamptz, -- when the member is to be warned of one, as long as that has not been done
	warned_until timestamptz, -- the end that the member was warned of
	delivery text,
	delivery_reason text,
	generation bigint NOT NULL,
	inviter_type text,
	inviter_id text,
	inviter uuid, -- inviter_id, where that is a person of ours
	PRIMARY KEY (key, account)
) WITH (fillfactor = 90);
CREATE INDEX ON entry (account, name_sort, key);
CREATE INDEX ON entry (account, email_sort, key);
CREATE INDEX ON entry (account, last_sign_in, key);
CREATE INDEX ON entry (account, since, key);
CREATE INDEX ON entry (account, status, name_sort, key) WHERE status <> 'active';
CREATE INDEX ON entry (account, expires_at) WHERE status = 'pending';
CREATE INDEX ON entry (ends_at) WHERE ends_at IS NOT NULL;
CREATE INDEX ON entry (warn_at, key, account) WHERE warn_at IS NOT NULL;
CREATE INDEX ON entry (address) WHERE address IS NOT NULL;
CREATE INDEX ON entry USING gin (account public.uuid_ops, search public.gin_trgm_ops) WITH (gin_pending_list_limit = 256);
CREATE TABLE counts (
	account uuid NOT NULL,
	status text NOT NULL,
	n bigint NOT NULL,
	PRIMARY KEY (account, status)
);
`

// listRow is a row of the user list.
type listRow struct {
	member               bool
	address              events.AnyID
	name, email          string // "" where there is none
	erased               bool
	lastSignIn           events.Time
	twoFactor            bool
	grants               []events.Grant
	status               string
	since                events.Time
	expiresAt            events.Time
	warnedUntil          events.Time
	delivery             string
	deliveryReason       string
	generation           uint32
	inviterType, inviter string
}

func (r *listRow) erase() {
	r.name, r.email, r.deliveryReason, r.erased = "", "", "", true
}

// show copies what is known of the person.
func (r *listRow) show(p person) {
	r.name, r.email, r.lastSignIn, r.erased, r.twoFactor = p.name, p.email, p.lastSignIn, p.erased, p.factors != ""
}

func applyUserList(ctx context.Context, tx pgx.Tx, commits []Opened) error {
	l := userListFold{newSheet(func(r *listRow) events.AnyID { return r.address }), newSheet[person](nil)}
	for {
		l.entries.begin()
		l.people.begin()
		for _, c := range commits {
			l.commit(c)
		}
		if l.entries.complete() && l.people.complete() {
			break
		}
		var b pgx.Batch
		l.entries.load(&b, listRowColumns, "entry", scanListRow)
		loadPeople(&b, l.people)
		if err := send(ctx, tx, &b); err != nil {
			return fmt.Errorf("user list: %w", err)
		}
	}
	var b pgx.Batch
	write, gone := l.entries.settle()
	reach, err := foldReach(ctx, tx, commits, l.entries, write)
	if err != nil {
		return fmt.Errorf("user list: %w", err)
	}
	if err := reach.save(&b); err != nil {
		return fmt.Errorf("user list: %w", err)
	}
	savePeople(&b, l.people)
	deletePlaces(&b, "entry", gone)
	if err := saveListRows(&b, write); err != nil {
		return fmt.Errorf("user list: %w", err)
	}
	l.saveCounts(&b, write, gone)
	if err := send(ctx, tx, &b); err != nil {
		return fmt.Errorf("user list: %w", err)
	}
	return nil
}

const listRowColumns = `t.account, t.key, t.member, t.address, coalesce(t.name, ''), coalesce(t.email, ''), t.erased,
	t.last_sign_in, t.two_factor, t.grants, t.status, t.since, t.expires_at, t.warned_until, coalesce(t.delivery, ''), coalesce(t.delivery_reason, ''),
	t.generation, coalesce(t.inviter_type, ''), coalesce(t.inviter_id, '')`

func scanListRow(row pgx.CollectableRow) (place, listRow, error) {
	var account, key, address pgtype.UUID
	var r listRow
	var since time.Time
	var signIn, expires, warned *time.Time
	var grants []byte
	var generation int64
	err := row.Scan(&account, &key, &r.member, &address, &r.name, &r.email, &r.erased, &signIn, &r.twoFactor, &grants, &r.status,
		&since, &expires, &warned, &r.delivery, &r.deliveryReason, &generation, &r.inviterType, &r.inviter)
	if err == nil {
		err = json.Unmarshal(grants, &r.grants)
	}
	r.address, r.lastSignIn, r.since, r.expiresAt = address.Bytes, eventTime(signIn), events.TimeOf(since), eventTime(expires)
	r.warnedUntil, r.generation = eventTime(warned), uint32(generation)
	return place{account.Bytes, key.Bytes}, r, err
}

// listOf separates the items of a list on their way to PostgreSQL, which has no arrays of arrays of any length.
const listOf = "\x1f"

func saveListRows(b *pgx.Batch, rows map[place]*listRow) error {
	if len(rows) == 0 {
		return nil
	}
	n := len(rows)
	type texts = []string
	account, key, address, inviter := make([]pgtype.UUID, 0, n), make([]pgtype.UUID, 0, n), make([]pgtype.UUID, 0, n), make([]pgtype.UUID, 0, n)
	member, erased, twoFactor := make([]bool, 0, n), make([]bool, 0, n), make([]bool, 0, n)
	name, email, search, nameSort, emailSort := make(texts, 0, n), make(texts, 0, n), make(texts, 0, n), make(texts, 0, n), make(texts, 0, n)
	signIn, since, expires, until := make([]*time.Time, 0, n), make([]*time.Time, 0, n), make([]*time.Time, 0, n), make([]*time.Time, 0, n)
	ends, warn, warned := make([]*time.Time, 0, n), make([]*time.Time, 0, n), make([]*time.Time, 0, n)
	roles, permissions, grants, status := make(texts, 0, n), make(texts, 0, n), make(texts, 0, n), make(texts, 0, n)
	delivery, reason, inviterType, inviterID := make(texts, 0, n), make(texts, 0, n), make(texts, 0, n), make(texts, 0, n)
	generation := make([]int64, 0, n)
	for at, r := range rows {
		all, err := json.Marshal(r.grants)
		if err != nil {
			return err
		}
		sum := sumOf(r.grants)
		account, key, address = append(account, pgUUID(at.account)), append(key, pgUUID(at.key)), append(address, pgUUID(r.address))
		member, erased, twoFactor = append(member, r.member), append(erased, r.erased), append(twoFactor, r.twoFactor)
		name, email = append(name, r.name), append(email, r.email)
		search = append(search, foldText(r.name)+"\n"+foldText(r.email))
		nameSort, emailSort = append(nameSort, sortText(r.name)), append(emailSort, sortText(r.email))
		signIn, since = append(signIn, stdTime(r.lastSignIn)), append(since, stdTime(r.since))
		expires, until = append(expires, stdTime(r.expiresAt)), append(until, stdTime(sum.until))
		ends, warn, warned = append(ends, stdTime(r.endsAt())), append(warn, stdTime(r.warnAt())), append(warned, stdTime(r.warnedUntil))
		roles, permissions = append(roles, strings.Join(sum.roles, listOf)), append(permissions, strings.Join(sum.permissions, listOf))
		grants, status = append(grants, string(all)), append(status, r.status)
		delivery, reason = append(delivery, r.delivery), append(reason, r.deliveryReason)
		generation = append(generation, int64(r.generation))
		inviterType, inviterID = append(inviterType, r.inviterType), append(inviterID, r.inviter)
		inviter = append(inviter, inviterUUID(r.inviterType, r.inviter))
	}
	b.Queue(`INSERT INTO entry (account, key, member, address, name, email, erased, search, name_sort, email_sort,
			last_sign_in, two_factor, roles, roles_sort, permissions, grants, status, since, expires_at, valid_until,
			delivery, delivery_reason, generation, inviter_type, inviter_id, inviter, ends_at, warn_at, warned_until)
		SELECT t.account, t.key, t.member, t.address, NULLIF(t.name, ''), NULLIF(t.email, ''), t.erased,
			CASE WHEN t.erased THEN '' ELSE t.search END, NULLIF(t.name_sort, ''), NULLIF(t.email_sort, ''),
			t.last_sign_in, t.two_factor, string_to_array(t.roles, E'\x1f'), left(replace(t.roles, E'\x1f', ','), 200),
			string_to_array(t.permissions, E'\x1f'), t.grants::jsonb, t.status, t.since, t.expires_at, t.valid_until,
			NULLIF(t.delivery, ''), NULLIF(t.delivery_reason, ''), t.generation,
			NULLIF(t.inviter_type, ''), NULLIF(t.inviter_id, ''), t.inviter, t.ends_at, t.warn_at, t.warned_until
		FROM unnest($1::uuid[], $2::uuid[], $3::boolean[], $4::uuid[], $5::text[], $6::text[], $7::boolean[], $8::text[],
			$9::text[], $10::text[], $11::timestamptz[], $12::text[], $13::text[], $14::text[], $15::text[],
			$16::timestamptz[], $17::timestamptz[], $18::timestamptz[], $19::text[], $20::text[], $21::bigint[],
			$22::text[], $23::text[], $24::uuid[], $25::timestamptz[], $26::timestamptz[], $27::timestamptz[], $28::boolean[])
			AS t(account, key, member, address, name, email, erased, search, name_sort, email_sort, last_sign_in, roles,
				permissions, grants, status, since, expires_at, valid_until, delivery, delivery_reason, generation,
				inviter_type, inviter_id, inviter, ends_at, warn_at, warned_until, two_factor)
		ON CONFLICT (key, account) DO UPDATE SET member = excluded.member, address = excluded.address,
			name = excluded.name, email = excluded.email, erased = excluded.erased, search = excluded.search,
			name_sort = excluded.name_sort, email_sort = excluded.email_sort, last_sign_in = excluded.last_sign_in,
			two_factor = excluded.two_factor, roles = excluded.roles, roles_sort = excluded.roles_sort,
			permissions = excluded.permissions, grants = excluded.grants, status = excluded.status,
			since = excluded.since, expires_at = excluded.expires_at, valid_until = excluded.valid_until,
			delivery = excluded.delivery, delivery_reason = excluded.delivery_reason, generation = excluded.generation,
			inviter_type = excluded.inviter_type, inviter_id = excluded.inviter_id, inviter = excluded.inviter, ends_at = excluded.ends_at, warn_at = excluded.warn_at,
			warned_until = excluded.warned_until`,
		account, key, member, address, name, email, erased, search, nameSort, emailSort, signIn, roles, permissions,
		grants, status, since, expires, until, delivery, reason, generation, inviterType, inviterID, inviter, ends, warn, warned, twoFactor)
	return nil
}

// saveCounts keeps the number of entries of each account and stored status.
func (l userListFold) saveCounts(b *pgx.Batch, write map[place]*listRow, gone []place) {
	type count struct {
		account events.AnyID
		status  string
	}
	delta := map[count]int64{}
	for at, r := range write {
		delta[count{at.account, r.status}]++
		if was := l.entries.known[at]; was != nil {
			delta[count{at.account, was.status}]--
		}
	}
	for _, at := range gone {
		delta[count{at.account, l.entries.known[at].status}]--
	}
	var accounts []pgtype.UUID
	var statuses []string
	var ns []int64
	for c, n := range delta {
		if n != 0 {
			accounts, statuses, ns = append(accounts, pgUUID(c.account)), append(statuses, c.status), append(ns, n)
		}
	}
	if len(ns) > 0 {
		b.Queue(`INSERT INTO counts (account, status, n) SELECT * FROM unnest($1::uuid[], $2::text[], $3::bigint[])
			ON CONFLICT (account, status) DO UPDATE SET n = counts.n + excluded.n`, accounts, statuses, ns)
	}
}
