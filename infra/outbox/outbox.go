// Package outbox keeps the mailer's rows in PostgreSQL.
package outbox

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"roster/events"
	"roster/handlers/mailer"
)

const tables = `
CREATE SCHEMA IF NOT EXISTS roster;
CREATE TABLE IF NOT EXISTS roster.outbox (
	event text COLLATE "C" NOT NULL,
	target text COLLATE "C" NOT NULL,
	account uuid NOT NULL,
	invitation uuid NOT NULL,
	generation bigint NOT NULL,
	added_at timestamptz NOT NULL,
	due_at timestamptz NOT NULL, -- for a row that is taken: when the claim runs out
	attempts int NOT NULL DEFAULT 0,
	accepted boolean NOT NULL DEFAULT false,
	claim uuid,
	done_at timestamptz,
	outcome text,
	PRIMARY KEY (event, target)
) WITH (fillfactor = 80);
ALTER TABLE roster.outbox ADD COLUMN IF NOT EXISTS mail text COLLATE "C" NOT NULL DEFAULT 'invitation';
ALTER TABLE roster.outbox ADD COLUMN IF NOT EXISTS recipient uuid;
ALTER TABLE roster.outbox ADD COLUMN IF NOT EXISTS subject uuid;
CREATE INDEX IF NOT EXISTS outbox_due ON roster.outbox (due_at) WHERE done_at IS NULL;
CREATE INDEX IF NOT EXISTS outbox_done ON roster.outbox (done_at) WHERE done_at IS NOT NULL;
CREATE INDEX IF NOT EXISTS outbox_added ON roster.outbox (added_at DESC, event, target);
CREATE TABLE IF NOT EXISTS roster.outbox_begun (
	at timestamptz NOT NULL,
	skipped_up_to bigint NOT NULL
);
`

// Outbox implements mailer.Outbox.
type Outbox struct {
	pool *pgxpool.Pool
	made atomic.Bool
}

var _ mailer.Outbox = (*Outbox)(nil)

// New makes an Outbox over a pool. Its tables are made when they are first needed, so that the database may be away.
func New(pool *pgxpool.Pool) *Outbox { return &Outbox{pool: pool} }

// make makes the tables where there are none. Two that do so at once wait for each other.
func (o *Outbox) make(ctx context.Context) error {
	if o.made.Load() {
		return nil
	}
	err := pgx.BeginFunc(ctx, o.pool, func(tx pgx.Tx) error {
		// The schema is shared with the projections, which make it under this lock.
		if _, err := tx.Exec(ctx, `SELECT pg_advisory_xact_lock(hashtextextended('roster.projections.prepare', 0))`); err != nil {
			return err
		}
		var there bool
		if err := tx.QueryRow(ctx, `SELECT to_regclass('roster.outbox_begun') IS NOT NULL
			AND EXISTS (SELECT 1 FROM information_schema.columns WHERE table_schema = 'roster' AND table_name = 'outbox' AND column_name = 'subject')`).Scan(&there); err != nil || there {
			return err
		}
		_, err := tx.Exec(ctx, tables)
		return err
	})
	if err != nil {
		return fmt.Errorf("outbox: making its tables: %w", err)
	}
	o.made.Store(true)
	return nil
}

// Begun implements mailer.Outbox.
func (o *Outbox) Begun(ctx context.Context) (begun bool, err error) {
	if err := o.make(ctx); err != nil {
		return false, err
	}
	err = o.pool.QueryRow(ctx, `SELECT EXISTS (SELECT 1 FROM roster.outbox_begun)`).Scan(&begun)
	return begun, wrap("begun", err)
}

// Begin implements mailer.Outbox.
func (o *Outbox) Begin(ctx context.Context, now time.Time, skipped uint64) error {
	if err := o.make(ctx); err != nil {
		return err
	}
	_, err := o.pool.Exec(ctx, `INSERT INTO roster.outbox_begun SELECT $1, $2 WHERE NOT EXISTS (SELECT 1 FROM roster.outbox_begun)`, now, int64(skipped))
	return wrap("begin", err)
}

// Skipped says that an outbox began while events had been handed to an earlier one, which is lost.
type Skipped struct {
	At time.Time // when that was noticed
	To uint64    // sequence in the feed of the last event that was handed over: what came later is not lost
}

// Skipped answers what may have been lost with an earlier outbox; nil when nothing was. Whatever invitation still
// says unsent or deferred and is older has to be sent again by hand.
func (o *Outbox) Skipped(ctx context.Context) (*Skipped, error) {
	if err := o.make(ctx); err != nil {
		return nil, err
	}
	var s Skipped
	var to int64
	err := o.pool.QueryRow(ctx, `SELECT at, skipped_up_to FROM roster.outbox_begun WHERE skipped_up_to > 0`).Scan(&s.At, &to)
	if errors.Is(err, pgx.ErrNoRows) {
		return nil, nil
	}
	s.At, s.To = s.At.UTC(), uint64(to)
	return &s, wrap("skipped", err)
}

// ahead is how much earlier than it was added a mail counts as due that does not come in thousands.
const ahead = time.Hour

// Add implements mailer.Outbox.
func (o *Outbox) Add(ctx context.Context, r mailer.Row) error {
	due := r.Since
	if !r.Mail.Bulk() {
		due = due.Add(-ahead)
	}
	_, err := o.pool.Exec(ctx, `INSERT INTO roster.outbox (event, target, account, invitation, generation, added_at, due_at, mail, recipient, subject)
		VALUES ($1, $2, $3, $4, $5, $6, $10, $7, $8, $9) ON CONFLICT DO NOTHING`,
		r.Event, r.Target, [16]byte(r.Account), [16]byte(r.Invitation), int64(r.Generation), r.Since, string(r.Mail), [16]byte(r.Recipient), [16]byte(r.Subject), due)
	return wrap("add", err)
}

const columns = `event, target, account, invitation, generation, added_at, attempts, accepted, mail,
	coalesce(recipient, '00000000-0000-0000-0000-000000000000'), coalesce(subject, '00000000-0000-0000-0000-000000000000')`

func scan(row pgx.Row) (*mailer.Row, error) {
	var r mailer.Row
	var account, invitation, recipient, subject [16]byte
	var generation int64
	err := row.Scan(&r.Event, &r.Target, &account, &invitation, &generation, &r.Since, &r.Attempts, &r.Accepted, &r.Mail, &recipient, &subject)
	if errors.Is(err, pgx.ErrNoRows) {
		return nil, nil
	}
	r.Account, r.Invitation, r.Generation = account, invitation, uint32(generation)
	r.Recipient, r.Subject, r.Since = recipient, subject, r.Since.UTC()
	return &r, err
}

// Claim implements mailer.Outbox.
func (o *Outbox) Claim(ctx context.Context, now, until time.Time) (*mailer.Row, error) {
	var claim events.AnyID
	if _, err := rand.Read(claim[:]); err != nil {
		return nil, err
	}
	r, err := scan(o.pool.QueryRow(ctx, `UPDATE roster.outbox SET claim = $1, due_at = $3
		WHERE done_at IS NULL AND (event, target) = (SELECT event, target FROM roster.outbox
			WHERE done_at IS NULL AND due_at <= $2 ORDER BY due_at LIMIT 1 FOR UPDATE SKIP LOCKED)
		RETURNING `+columns, [16]byte(claim), now, until))
	if r == nil || err != nil {
		return nil, wrap("claim", err)
	}
	r.Claim = claim
	return r, nil
}

// Extend implements mailer.Outbox.
func (o *Outbox) Extend(ctx context.Context, r mailer.Row, until time.Time) error {
	return o.change(ctx, r, "extend", `due_at = $4`, until)
}

// Accept implements mailer.Outbox.
func (o *Outbox) Accept(ctx context.Context, r mailer.Row) error {
	return o.change(ctx, r, "accept", `accepted = true`)
}

// Retry implements mailer.Outbox.
func (o *Outbox) Retry(ctx context.Context, r mailer.Row, at time.Time, attempts int) error {
	return o.change(ctx, r, "retry", `due_at = $4, attempts = $5, claim = NULL`, at, attempts)
}

// Done implements mailer.Outbox.
func (o *Outbox) Done(ctx context.Context, r mailer.Row, now time.Time, outcome string) error {
	return o.change(ctx, r, "done", `done_at = $4, outcome = $5, claim = NULL`, now, outcome)
}

// change changes a row that is still ours.
func (o *Outbox) change(ctx context.Context, r mailer.Row, what, set string, args ...any) error {
	tag, err := o.pool.Exec(ctx, `UPDATE roster.outbox SET `+set+` WHERE event = $1 AND target = $2 AND claim = $3 AND done_at IS NULL`,
		append([]any{r.Event, r.Target, [16]byte(r.Claim)}, args...)...)
	if err == nil && tag.RowsAffected() == 0 {
		err = mailer.ErrNotOurs
	}
	return wrap(what, err)
}

// Tidy implements mailer.Outbox.
func (o *Outbox) Tidy(ctx context.Context, before time.Time) error {
	_, err := o.pool.Exec(ctx, `DELETE FROM roster.outbox WHERE done_at < $1`, before)
	return wrap("tidy", err)
}

// Find answers the row of an event's mail to an invitee, done or not; nil when there is none. The event's id is the left
// side of the mail's Message-ID.
func (o *Outbox) Find(ctx context.Context, event string) (*mailer.Row, error) {
	if err := o.make(ctx); err != nil {
		return nil, err
	}
	r, err := scan(o.pool.QueryRow(ctx, `SELECT `+columns+` FROM roster.outbox WHERE event = $1 AND mail = ANY($2)`,
		event, []string{string(mailer.MailInvitation), string(mailer.MailReminder)}))
	return r, wrap("find", err)
}

// Waiting answers how many mails are not done, and since when the oldest of them waits.
func (o *Outbox) Waiting(ctx context.Context) (n int, since time.Time, err error) {
	if err := o.make(ctx); err != nil {
		return 0, since, err
	}
	var oldest *time.Time
	err = o.pool.QueryRow(ctx, `SELECT count(*), min(added_at) FROM roster.outbox WHERE done_at IS NULL`).Scan(&n, &oldest)
	if oldest != nil {
		since = oldest.UTC()
	}
	return n, since, wrap("waiting", err)
}

func wrap(what string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("outbox: %s: %w", what, err)
}

// Listed is a mail as the operator sees it: a row, and how far it is.
type Listed struct {
	mailer.Row
	Due     time.Time // of one that waits: when it is tried next
	Done    *time.Time
	Outcome string // "" while it waits
}

// Place is where a mail stands in the list, the newest first.
type Place struct {
	AddedAt time.Time
	Event   string
	Target  string
}

// List answers mails, the newest first, at most limit of them, and whether there are more: those that wait, or those that
// are done with an outcome, "" for all; the newest of them, or those after a place.
func (o *Outbox) List(ctx context.Context, outcome string, limit int, after *Place) (list []Listed, more bool, err error) {
	if err := o.make(ctx); err != nil {
		return nil, false, err
	}
	if after == nil {
		after = &Place{AddedAt: time.Date(9999, 1, 1, 0, 0, 0, 0, time.UTC)}
	}
	rows, err := o.pool.Query(ctx, `SELECT event, target, account, invitation, added_at, attempts, mail, due_at, done_at, coalesce(outcome, '')
		FROM roster.outbox WHERE ($1 = '' OR $1 = 'waiting' AND done_at IS NULL OR done_at IS NOT NULL AND outcome = $1)
			AND added_at <= $3 AND (added_at < $3 OR (event, target) > ($4, $5))
		ORDER BY added_at DESC, event, target LIMIT $2`, outcome, limit+1, after.AddedAt, after.Event, after.Target)
	if err != nil {
		return nil, false, wrap("list", err)
	}
	list, err = pgx.CollectRows(rows, func(row pgx.CollectableRow) (l Listed, err error) {
		var account, invitation [16]byte
		err = row.Scan(&l.Event, &l.Target, &account, &invitation, &l.Since, &l.Attempts, &l.Mail, &l.Due, &l.Done, &l.Outcome)
		l.Account, l.Invitation, l.Since, l.Due = account, invitation, l.Since.UTC(), l.Due.UTC()
		return l, err
	})
	more = len(list) > limit
	return list[:min(len(list), limit)], more, wrap("list", err)
}
