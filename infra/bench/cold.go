package bench

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"roster/events"
	"roster/handlers"
	"roster/infra/postgres/snapshots"
)

const (
	coldFirms   = 64  // accounts that are loaded in turns
	coldCommits = 100 // of each, spread over the whole log
)

// forgetful is a further App over a portal that remembers no boundary beside the one it has just loaded.
func (p *portal) forgetful(ctx context.Context) (*handlers.App, error) {
	app := handlers.NewApp(handlers.Config{Log: p.log, Sealer: p.sealer, MACs: p.keys, Build: "bench", Cache: 1})
	_, err := app.Start(ctx, p.keys.Fingerprint())
	return app, err
}

// loading loads accounts one after another, each as if it had never been seen.
func loading(name string, app *handlers.App, accounts []events.AccountID) contestant {
	n := 0
	return contestant{name: name, callers: 1, op: func(ctx context.Context, _ int) error {
		n++
		// One alone is driven out by another boundary.
		if _, _, err := app.Portal(ctx); err != nil {
			return err
		}
		a, _, err := app.Account(ctx, accounts[n%len(accounts)])
		if err == nil && !a.Opened {
			err = fmt.Errorf("account %s was not loaded", a.ID)
		}
		return err
	}}
}

// bothWays loads accounts from the log, and from snapshots that are made first.
func (p *portal) bothWays(ctx context.Context, pool *pgxpool.Pool, name string, accounts []events.AccountID) ([2]contestant, error) {
	var both [2]contestant
	fromLog, err := p.forgetful(ctx)
	if err != nil {
		return both, err
	}
	fromRows, err := p.forgetful(ctx)
	if err != nil {
		return both, err
	}
	fromRows.UseSnapshots(snapshots.New(pool, time.Minute))
	for _, id := range accounts { // what is long and comes from the log is made
		if _, _, err := fromRows.Account(ctx, id); err != nil {
			return both, err
		}
	}
	if err := fromRows.SaveSnapshots(ctx); err != nil {
		return both, err
	}
	return [2]contestant{loading("cold/"+name+"/log", fromLog, accounts), loading("cold/"+name+"/snapshot", fromRows, accounts)}, nil
}

// sparse makes a portal with a log of some length, over which the commits of a few accounts are spread.
func (l *lab) sparse(ctx context.Context, facts int) (*portal, []events.AccountID, error) {
	p, err := l.portal(ctx)
	if err != nil {
		return nil, nil, err
	}
	firms, err := p.firms(ctx, 2*coldFirms)
	if err != nil {
		return nil, nil, err
	}
	some := &aged{portal: p, firms: firms[:coldFirms], loader: newLoader(p)}
	rest := &aged{portal: p, firms: firms[coldFirms:], loader: some.loader}
	for i := range firms {
		if err := some.loader.goOn(ctx, events.OfAccount(firms[i].id)); err != nil {
			return nil, nil, err
		}
	}
	some.loader.at = p.app.Now()
	for range coldCommits {
		if err := some.happen(ctx, coldFirms, 1); err != nil {
			return nil, nil, err
		}
		if err := rest.happen(ctx, max(0, facts/coldCommits-coldFirms), 1); err != nil {
			return nil, nil, err
		}
	}
	accounts := make([]events.AccountID, coldFirms)
	for i := range accounts {
		accounts[i] = firms[i].id
	}
	return p, accounts, nil
}

// cold measures accounts that are not in memory: with a short log and a long one, and one with many members.
func cold(ctx context.Context, l *lab) error {
	pool, _, err := l.database(ctx, 8)
	if err != nil {
		return err
	}
	var list []contestant
	for _, facts := range []int{l.o.Scale / 10, l.o.Scale} {
		p, accounts, err := l.sparse(ctx, facts)
		if err != nil {
			return err
		}
		both, err := p.bothWays(ctx, pool, named(facts), accounts)
		if err != nil {
			return err
		}
		list = append(list, both[:]...)
	}
	p, err := l.portal(ctx)
	if err != nil {
		return err
	}
	many := min(l.o.Scale, 100_000)
	crowd, _, err := p.crowd(ctx, many, false)
	if err != nil {
		return err
	}
	both, err := p.bothWays(ctx, pool, "members/"+named(many), []events.AccountID{crowd.id})
	if err != nil {
		return err
	}
	got, err := l.race(ctx, append(list, both[:]...)...)
	if err != nil {
		return err
	}
	m := p50("ms p50", 1)
	l.row(m.row(got[0].name, got[0], nil, goal{}))
	l.row(m.row(got[2].name, got[2], &got[0], goal{}))
	l.trend(m, []outcome{got[1], got[3]})
	l.row(m.row(got[4].name, got[4], nil, goal{}))
	l.row(m.row(got[5].name, got[5], &got[4], atMost(1000, "ms")))
	return nil
}
