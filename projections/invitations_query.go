package projections

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"

	"roster/events"
)

// InvitationsQuery asks for a page of an account's invitations, the newest first. Status has any of pending,
// expired, accepted, declined and revoked; expired is what is pending with its time up at Now (SPEC 2.5).
type InvitationsQuery struct {
	Account events.AccountID
	Now     time.Time
	Status  []string
	Limit   int
	After   *InvitationsCursor
}

// InvitationsCursor is the last invitation of a page: the next page starts behind it.
type InvitationsCursor struct {
	CreatedAt time.Time           `json:"c"`
	Key       events.InvitationID `json:"k"`
}

// InvitationsPage is a page of invitations as of Position.
type InvitationsPage struct {
	Items    []Invitation
	Next     *InvitationsCursor
	Position uint64
}

// Invitation is an invitation into one account as the API answers it.
type Invitation struct {
	ID             events.InvitationID `json:"id"`
	Email          *string             `json:"email"`
	Name           string              `json:"name"`
	Status         string              `json:"status"`
	Delivery       string              `json:"delivery"`
	DeliveryReason *string             `json:"delivery_reason"`
	Roles          []string            `json:"roles"`
	Grants         []InvitationGrant   `json:"grants"`
	InvitedBy      *Who                `json:"invited_by"`
	CreatedAt      time.Time           `json:"created_at"`
	SentAt         *time.Time          `json:"sent_at"`
	ExpiresAt      time.Time           `json:"expires_at"`

	Generation uint32 `json:"-"`
	Erased     bool   `json:"-"`
}

// InvitationGrant is what an invitation gives in the account whose list it stands in.
type InvitationGrant struct {
	Account     events.AccountID `json:"account"`
	Roles       []string         `json:"roles"`
	Permissions []string         `json:"permissions"`
	Inherit     bool             `json:"inherit"`
	ValidFrom   *events.Time     `json:"valid_from"`
	ValidUntil  *events.Time     `json:"valid_until"`
}

// InvitationsRead answers a page of an account's invitations from the tables in schema. Rows and position are of one
// statement: a position in the answer says that everything up to there is in it.
func InvitationsRead(ctx context.Context, q Querier, schema string, query InvitationsQuery) (InvitationsPage, error) {
	args := sqlArgs{[16]byte(query.Account), query.Now, schema}
	where := "account = $1"
	if len(query.Status) > 0 {
		where += " AND " + statusIs(query.Status)
	}
	if c := query.After; c != nil {
		where += " AND (created_at, key) < (" + args.add(c.CreatedAt) + "::timestamptz, " + args.add([16]byte(c.Key)) + ")"
	}
	limit := max(query.Limit, 1)
	page, err := readInvitations(ctx, q, schema, where, limit+1, args)
	if err != nil {
		return InvitationsPage{}, fmt.Errorf("invitations: %w", err)
	}
	if len(page.Items) > limit {
		page.Items = page.Items[:limit]
		last := page.Items[limit-1]
		page.Next = &InvitationsCursor{last.CreatedAt, last.ID}
	}
	return page, nil
}

// InvitationRead answers one invitation into an account and the position as of which it is so; nil when there is
// none in that account.
func InvitationRead(ctx context.Context, q Querier, schema string, account events.AccountID, id events.InvitationID, now time.Time) (*Invitation, uint64, error) {
	args := sqlArgs{[16]byte(account), now, schema, [16]byte(id)}
	page, err := readInvitations(ctx, q, schema, "account = $1 AND key = $4", 1, args)
	switch {
	case err != nil:
		return nil, 0, fmt.Errorf("invitations: %w", err)
	case len(page.Items) == 0:
		return nil, page.Position, nil
	}
	return &page.Items[0], page.Position, nil
}

// readInvitations reads the rows that hold in the order of the list; a row of NULLs stands for none, so that the
// position comes with an empty page too.
func readInvitations(ctx context.Context, q Querier, schema, where string, limit int, args sqlArgs) (InvitationsPage, error) {
	table, people := pgx.Identifier{schema, "invitation"}.Sanitize(), pgx.Identifier{schema, "person"}.Sanitize()
	rows, err := q.Query(ctx, `WITH page AS (SELECT * FROM `+table+` WHERE `+where+`
			ORDER BY created_at DESC, key DESC LIMIT `+args.add(limit)+`::bigint)
		SELECT key, email, name, erased, CASE WHEN status = 'pending' AND expires_at <= $2 THEN 'expired' ELSE status END,
			delivery, delivery_reason, roles, grants, generation, created_at, sent_at, expires_at,
			inviter_type, coalesce(inviter_id, ''),
			(SELECT CASE WHEN p.erased THEN '`+ErasedName+`' ELSE p.name END FROM `+people+` p WHERE p.key = inviter),
			NULL::bigint
		FROM page UNION ALL
		SELECT NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL,
			coalesce((SELECT position FROM roster.projection WHERE schema = $3), 0)`, args...)
	if err != nil {
		return InvitationsPage{}, err
	}
	defer rows.Close()
	page := InvitationsPage{Items: []Invitation{}}
	account := events.AccountID(args[0].([16]byte))
	for rows.Next() {
		var r invitationItemRow
		if err := r.scan(rows); err != nil {
			return InvitationsPage{}, err
		}
		if r.position.Valid {
			page.Position = uint64(r.position.Int64)
			continue
		}
		item, err := r.item(account)
		if err != nil {
			return InvitationsPage{}, err
		}
		page.Items = append(page.Items, item)
	}
	return page, rows.Err()
}

// invitationItemRow is a row of readInvitations: an invitation, or the position alone.
type invitationItemRow struct {
	key                          pgtype.UUID
	email, name                  pgtype.Text
	erased                       pgtype.Bool
	status, delivery, reason     pgtype.Text
	roles                        []string
	grants                       []byte
	generation, position         pgtype.Int8
	createdAt, sentAt, expiresAt pgtype.Timestamptz
	who                          whoRow
}

func (r *invitationItemRow) scan(rows pgx.Rows) error {
	return rows.Scan(&r.key, &r.email, &r.name, &r.erased, &r.status, &r.delivery, &r.reason, &r.roles, &r.grants,
		&r.generation, &r.createdAt, &r.sentAt, &r.expiresAt, &r.who.kind, &r.who.id, &r.who.name, &r.position)
}

func (r *invitationItemRow) item(account events.AccountID) (Invitation, error) {
	item := Invitation{
		ID: r.key.Bytes, Email: textOrNil(r.email), Name: shownName(r.name, r.erased.Bool), Status: r.status.String,
		Delivery: r.delivery.String, DeliveryReason: textOrNil(r.reason), Roles: r.roles, Grants: []InvitationGrant{},
		InvitedBy: r.who.who(), CreatedAt: r.createdAt.Time.UTC(), SentAt: timeOrNil(r.sentAt),
		ExpiresAt: r.expiresAt.Time.UTC(), Generation: uint32(r.generation.Int64), Erased: r.erased.Bool,
	}
	var grants []events.Grant
	if err := json.Unmarshal(r.grants, &grants); err != nil {
		return Invitation{}, err
	}
	for _, g := range grants {
		shown := InvitationGrant{Account: account, Roles: append([]string{}, g.Roles...), Permissions: append([]string{}, g.Permissions...), Inherit: g.Inherit}
		if g.From != 0 {
			shown.ValidFrom = &g.From
		}
		if g.Until != 0 {
			shown.ValidUntil = &g.Until
		}
		item.Grants = append(item.Grants, shown)
	}
	return item, nil
}
