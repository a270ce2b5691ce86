package projections

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"

	"roster/events"
)

// AddressInvitation is one invitation of an e-mail address.
type AddressInvitation struct {
	Account    events.AccountID
	Invitation events.InvitationID
	Open       bool // neither accepted, declined nor revoked
}

// InvitationsOfAddress lists every invitation that an address ever had, in every account: what an erasure ends.
func InvitationsOfAddress(ctx context.Context, q Querier, schema string, address events.AddressID) ([]AddressInvitation, error) {
	rows, err := q.Query(ctx, "SELECT account, key, status = 'pending' FROM "+pgx.Identifier{schema, "invitation"}.Sanitize()+
		" WHERE address = $1 ORDER BY created_at, key, account", [16]byte(address))
	if err != nil {
		return nil, fmt.Errorf("invitations of an address: %w", err)
	}
	return pgx.CollectRows(rows, func(row pgx.CollectableRow) (AddressInvitation, error) {
		var account, key [16]byte
		var i AddressInvitation
		err := row.Scan(&account, &key, &i.Open)
		i.Account, i.Invitation = events.AccountID(account), events.InvitationID(key)
		return i, err
	})
}
