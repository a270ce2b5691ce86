package bench

import (
	"context"
	"errors"
	"fmt"

	"roster/domain"
	"roster/events"
	"roster/handlers"
)

// check is what every request asks first: whose token is this, and may they do that in this account.
func (p *portal) check(ctx context.Context, f *firm) error {
	who, err := p.access.Authenticate(ctx, f.owner.token)
	if err != nil {
		return err
	}
	var access domain.Access
	if err := p.app.Ask(ctx, handlers.Call{Actor: who.Actor}, domain.AskMayIn(f.id, domain.UsersChangeRole, &access)); err != nil {
		return err
	}
	if !access.Holds(domain.UsersChangeRole) {
		return errors.New("an owner was refused")
	}
	return nil
}

func (p *portal) checking(name string, firms []firm) contestant {
	return spreadOut(name, firms, 1, p.check)
}

const grantsTables = `
CREATE TABLE session (hash bytea PRIMARY KEY, member uuid NOT NULL, expires_at timestamptz NOT NULL);
CREATE TABLE membership (account uuid, member uuid, role text NOT NULL, status text NOT NULL, PRIMARY KEY (account, member));`

const grantsSQL = `SELECT m.role FROM session s JOIN membership m USING (member)
	WHERE s.hash = $1 AND s.expires_at > now() AND m.account = $2 AND m.status = 'active'`

// selecting answers the same from two tables by their primary keys, in one statement.
func (l *lab) selecting(ctx context.Context, name string, firms []firm) (contestant, error) {
	pool, _, err := l.database(ctx, 2)
	if err != nil {
		return contestant{}, err
	}
	if _, err := pool.Exec(ctx, grantsTables); err != nil {
		return contestant{}, err
	}
	for _, f := range firms {
		if _, err := pool.Exec(ctx, `INSERT INTO session VALUES ($1, $2, now() + interval '1 day') ON CONFLICT DO NOTHING`, f.owner.session[:], [16]byte(f.owner.id)); err != nil {
			return contestant{}, err
		}
		if _, err := pool.Exec(ctx, `INSERT INTO membership VALUES ($1, $2, 'owner', 'active')`, [16]byte(f.id), [16]byte(f.owner.id)); err != nil {
			return contestant{}, err
		}
	}
	return spreadOut(name, firms, 1, func(ctx context.Context, f *firm) error {
		var role string
		return pool.QueryRow(ctx, grantsSQL, f.owner.session[:], [16]byte(f.id)).Scan(&role)
	}), nil
}

// lookingUp answers the same from two Go maps: what no check can be faster than.
func lookingUp(name string, firms []firm) contestant {
	type place struct {
		account events.AccountID
		user    events.UserID
	}
	sessions, roles := map[string]events.UserID{}, map[place]string{}
	for _, f := range firms {
		sessions[f.owner.token] = f.owner.id
		roles[place{f.id, f.owner.id}] = domain.Owner
	}
	return spreadOut(name, firms, 1, func(_ context.Context, f *firm) error {
		if roles[place{f.id, sessions[f.owner.token]}] != domain.Owner {
			return errors.New("an owner was refused")
		}
		return nil
	})
}

func checks(ctx context.Context, l *lab) error {
	p, err := l.portal(ctx)
	if err != nil {
		return err
	}
	firms, err := p.firms(ctx, l.accounts())
	if err != nil {
		return err
	}
	list := []contestant{p.checking("check/warm", firms), lookingUp("memory/map", firms)}
	list[1].share = 0.25
	sql, missing := l.selecting(ctx, "postgres/select", firms)
	if missing == nil {
		list = append(list, sql)
	}
	got, err := l.race(ctx, list...)
	if err != nil {
		return err
	}
	m := p99("µs p99", 1000)
	if missing == nil {
		l.row(m.row("check/warm", got[0], &got[2], atMost(50, "µs")))
	} else {
		l.row(m.row("check/warm", got[0], nil, atMost(50, "µs")))
		missing = fmt.Errorf("without its baseline: %w", missing)
	}
	l.row(p50("µs p50", 1000).row("check/warm/map", got[0], &got[1], goal{}))
	return missing
}
