package bench

import (
	"context"
	"fmt"
	"strings"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"roster/domain"
)

// invitees is how many addresses one request may have.
func (l *lab) invitees() int {
	if l.o.small {
		return 50
	}
	return domain.MaxInvitees
}

// invite measures the largest paste that there is, beside a transaction with an INSERT for each address.
func invite(ctx context.Context, l *lab) error {
	p, err := l.portal(ctx)
	if err != nil {
		return err
	}
	firms, err := p.firms(ctx, 1)
	if err != nil {
		return err
	}
	payload, err := p.typical(ctx, &firms[0])
	if err != nil {
		return err
	}
	s, err := l.store(ctx, payload)
	if err != nil {
		return err
	}
	handler, err := p.api(nil)
	if err != nil {
		return err
	}
	address, err := l.serve(ctx, handler)
	if err != nil {
		return err
	}
	clients, err := l.clients(ctx, address, 1)
	if err != nil {
		return err
	}
	n, pastes := l.invitees(), 0
	path := "/v1/accounts/" + firms[0].id.String() + "/invitations"
	name := fmt.Sprintf("invite/http/%d", n)
	paste := contestant{name: name, callers: 1, op: func(context.Context, int) error {
		pastes++
		var body strings.Builder
		body.WriteString(`{"roles":["viewer"],"emails":"`)
		for i := range n {
			fmt.Fprintf(&body, "guest%d@paste%d.example ", i, pastes)
		}
		body.WriteString(`"}`)
		answer, err := clients[0].ask(request("POST", path, firms[0].owner.token, body.String()), true)
		if got := strings.Count(string(answer), `"outcome":"invited"`); err == nil && got != n {
			err = fmt.Errorf("%d of %d were invited", got, n)
		}
		return err
	}}
	got, err := l.race(ctx, paste, s.appendingAll("postgres/one-transaction", n))
	if err != nil {
		return err
	}
	l.row(p50("s p50", 1.0/1000).row(name, got[0], &got[1], atMost(3, "s")))
	return nil
}

// appendingAll is a contestant of one caller who appends to n streams in one transaction, sent in one go.
func (s *store) appendingAll(name string, n int) contestant {
	return contestant{name: name, callers: 1, op: func(ctx context.Context, _ int) error {
		var batch pgx.Batch
		for range n {
			batch.Queue(plainSQL, [16]byte(uuid.New()), int64(1), s.payload)
		}
		return pgx.BeginFunc(ctx, s.pool, func(tx pgx.Tx) error { return tx.SendBatch(ctx, &batch).Close() })
	}}
}
