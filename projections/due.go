package projections

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"roster/events"
)

// Due is an entry of which the clock says something that the log does not say yet.
type Due struct {
	At         time.Time // since when
	Account    events.AccountID
	Key        events.AnyID // the invitation, or the user of a member
	Generation uint32       // of an invitation
}

// InvitationsDue answers at most limit invitations of any account whose time is up at now and which no
// invitation.expired of their generation says yet, those that have waited longest first.
func InvitationsDue(ctx context.Context, q Querier, schema string, now time.Time, limit int) ([]Due, error) {
	return readDue(ctx, q, `SELECT expires_at, account, key, generation FROM `+pgx.Identifier{schema, "invitation"}.Sanitize()+`
		WHERE status = 'pending' AND NOT expiry_noted AND expires_at <= $1 ORDER BY expires_at LIMIT $2`, now, limit)
}

// InvitationsToRemind answers at most limit invitations of which no invitation.reminded of their generation says that
// the time has come, those behind one that was answered before.
func InvitationsToRemind(ctx context.Context, q Querier, schema string, now time.Time, after Due, limit int) ([]Due, error) {
	return readDue(ctx, q, `SELECT remind_at, account, key, generation FROM `+pgx.Identifier{schema, "invitation"}.Sanitize()+`
		WHERE status = 'pending' AND NOT reminded AND remind_at <= $1 AND expires_at > $1 AND (remind_at, key, account) > ($3, $4, $5)
		ORDER BY remind_at, key, account LIMIT $2`, now, limit, after.At, [16]byte(after.Key), [16]byte(after.Account))
}

// InvitationsByKeys answers at most limit open invitations that API keys have made, by account, those behind one that was
// answered before.
func InvitationsByKeys(ctx context.Context, q Querier, schema string, now time.Time, after Due, limit int) ([]Due, error) {
	return readDue(ctx, q, `SELECT created_at, account, key, generation FROM `+pgx.Identifier{schema, "invitation"}.Sanitize()+`
		WHERE status = 'pending' AND inviter_type = 'key' AND expires_at > $1 AND (account, created_at, key) > ($3, $4, $5)
		ORDER BY account, created_at, key LIMIT $2`, now, limit, [16]byte(after.Account), after.At, [16]byte(after.Key))
}

// MembershipsEnded answers at most limit members of any account with a grant that has ended at now, which no
// membership.expired says yet.
func MembershipsEnded(ctx context.Context, q Querier, schema string, now time.Time, limit int) ([]Due, error) {
	return readDue(ctx, q, `SELECT ends_at, account, key, 0::bigint FROM `+tablesOf(schema).entry+`
		WHERE ends_at <= $1 ORDER BY ends_at LIMIT $2`, now, limit)
}

// MembershipsToWarn answers at most limit members with a grant that ends soon, of which no membership.reminded says so,
// those behind one that was answered before.
func MembershipsToWarn(ctx context.Context, q Querier, schema string, now time.Time, after Due, limit int) ([]Due, error) {
	return readDue(ctx, q, `SELECT warn_at, account, key, 0::bigint FROM `+tablesOf(schema).entry+`
		WHERE warn_at <= $1 AND warn_at > $1::timestamptz - interval '24 hours' AND (warn_at, key, account) > ($3, $4, $5)
		ORDER BY warn_at, key, account LIMIT $2`, now, limit, after.At, [16]byte(after.Key), [16]byte(after.Account))
}

func readDue(ctx context.Context, q Querier, sql string, args ...any) ([]Due, error) {
	rows, err := q.Query(ctx, sql, args...)
	if err != nil {
		return nil, fmt.Errorf("what is due: %w", err)
	}
	due, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (Due, error) {
		var account, key [16]byte
		var generation int64
		var d Due
		err := row.Scan(&d.At, &account, &key, &generation)
		d.At, d.Account, d.Key, d.Generation = d.At.UTC(), account, key, uint32(generation)
		return d, err
	})
	if err != nil {
		return nil, fmt.Errorf("what is due: %w", err)
	}
	return due, nil
}

// When the commands that these models call for would do something; they decide for themselves (package domain).
const (
	dayBefore   = 24 * time.Hour
	shortPeriod = 48 * time.Hour
)

// remindAt is when the invitee is to be reminded of a link that is valid from one moment to another.
func remindAt(from, to events.Time) events.Time {
	if validity := to.Sub(from); validity < shortPeriod {
		return to.Add(-validity / 4)
	}
	return to.Add(-dayBefore)
}

// endsAt is the earliest end of a member's grants.
func (r *listRow) endsAt() (end events.Time) {
	if !r.member || r.status == StatusRevoked {
		return 0
	}
	for _, g := range r.grants {
		if g.Until != 0 && (end == 0 || g.Until < end) {
			end = g.Until
		}
	}
	return end
}

// warnAt is when a member is to be warned of the earliest end of a grant that was not short from its beginning; zero
// when that has been done.
func (r *listRow) warnAt() events.Time {
	var end events.Time
	for _, g := range r.grants {
		if g.Until != 0 && g.Until.Sub(max(g.From, r.since)) >= shortPeriod && (end == 0 || g.Until < end) {
			end = g.Until
		}
	}
	if !r.member || r.status != StatusActive || end == 0 || end == r.warnedUntil {
		return 0
	}
	return end.Add(-dayBefore)
}

// InvitationsFailed lists what one user has invited into an account and what has expired, or whose mail has bounced,
// between two moments, and is still open: at most limit of them, and how many there are.
func InvitationsFailed(ctx context.Context, q Querier, schema string, account events.AccountID, inviter events.UserID, from, to time.Time, limit int) (list []events.InvitationID, all int, err error) {
	rows, err := q.Query(ctx, `SELECT key, count(*) OVER () FROM `+pgx.Identifier{schema, "invitation"}.Sanitize()+`
		WHERE account = $1 AND failed_at >= $2 AND failed_at < $3 AND inviter = $4 AND inviter_type = 'user' AND status = 'pending'
		ORDER BY failed_at, key LIMIT $5`, [16]byte(account), from, to, [16]byte(inviter), limit)
	if err != nil {
		return nil, 0, fmt.Errorf("invitations failed: %w", err)
	}
	defer rows.Close()
	for rows.Next() {
		var key [16]byte
		if err := rows.Scan(&key, &all); err != nil {
			return nil, 0, fmt.Errorf("invitations failed: %w", err)
		}
		list = append(list, key)
	}
	return list, all, rows.Err()
}
