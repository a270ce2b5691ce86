package projections

import (
	"encoding/json"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"

	"roster/events"
)

// userItemRow is a row as userItemsSQL selects it: an item (part 0 or 1), or what is of the whole account (part 2).
// pgtype's values are read without an allocation for each that may be NULL.
type userItemRow struct {
	part                              int32
	sortValue                         pgtype.Text
	key                               pgtype.UUID
	member, erased, twoFactor         pgtype.Bool
	name, email                       pgtype.Text
	lastSignIn, since, expires, until pgtype.Timestamptz
	roles, permissions                []string
	grants                            []byte
	status, delivery, reason          pgtype.Text
	who                               whoRow
	position, expired                 pgtype.Int8
	counts                            pgtype.Text
	listed, above                     pgtype.UUID // across accounts only
}

func (r *userItemRow) scan(rows pgx.Rows, across bool) error {
	into := []any{&r.part, &r.sortValue, &r.key, &r.member, &r.name, &r.email, &r.erased, &r.lastSignIn, &r.twoFactor,
		&r.roles, &r.permissions, &r.grants, &r.status, &r.since, &r.expires, &r.until, &r.delivery, &r.reason,
		&r.who.kind, &r.who.id, &r.who.name, &r.position, &r.counts, &r.expired}
	if across {
		into = append(into, &r.listed, &r.above)
	}
	return rows.Scan(into...)
}

func (r *userItemRow) item() (UserItem, error) {
	item := UserItem{
		Name: shownName(r.name, r.erased.Bool), Email: textOrNil(r.email), LastSignIn: timeOrNil(r.lastSignIn),
		TwoFactor: r.twoFactor.Bool, Roles: r.roles, Permissions: r.permissions, Status: r.status.String,
		Label: labelOf(r.status.String), Since: r.since.Time.UTC(), ExpiresAt: timeOrNil(r.expires),
		ValidUntil: timeOrNil(r.until), Delivery: textOrNil(r.delivery), DeliveryReason: textOrNil(r.reason),
		Inviter: r.who.who(), Erased: r.erased.Bool, Account: r.listed.Bytes,
	}
	if r.above.Valid {
		above := events.AccountID(r.above.Bytes)
		item.InheritedFrom = &above
	}
	if r.member.Bool {
		user := events.UserID(r.key.Bytes)
		item.User = &user
	} else {
		invitation := events.InvitationID(r.key.Bytes)
		item.Invitation = &invitation
	}
	if r.grants == nil {
		return item, nil
	}
	return item, json.Unmarshal(r.grants, &item.Grants)
}

// whoRow is somebody who acted, as a row has them.
type whoRow struct{ kind, id, name pgtype.Text }

func (w whoRow) who() *Who {
	if !w.kind.Valid || w.kind.String == "" {
		return nil
	}
	return &Who{w.kind.String, w.id.String, w.name.String}
}

func shownName(name pgtype.Text, erased bool) string {
	if erased {
		return ErasedName
	}
	return name.String
}

func textOrNil(t pgtype.Text) *string {
	if !t.Valid {
		return nil
	}
	return &t.String
}

func timeOrNil(t pgtype.Timestamptz) *time.Time {
	if !t.Valid {
		return nil
	}
	utc := t.Time.UTC()
	return &utc
}

// labelOf is the status as the profile "standard" shows it (SPEC 9).
func labelOf(status string) string {
	if status == "" {
		return ""
	}
	return strings.ToUpper(status[:1]) + status[1:]
}
