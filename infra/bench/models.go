package bench

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"roster/infra/sealer"
	"roster/projections"
)

// modelNames are the read models, as the runner knows them.
func modelNames() []string {
	var names []string
	for _, m := range models() {
		names = append(names, m.Name)
	}
	return names
}

// project prepares the read models of a portal on a database and runs them until stop.
func (p *portal) project(ctx context.Context, pool *pgxpool.Pool) (r *projections.Runner, stop func() error, err error) {
	r = projections.New(pool, p.log, sealer.Opener{Sealer: p.sealer}, slog.New(slog.DiscardHandler), models()...)
	if err := r.Prepare(ctx); err != nil {
		return nil, nil, err
	}
	running, cancel := context.WithCancel(context.WithoutCancel(ctx))
	ended := make(chan error, 1)
	go func() { ended <- r.Run(running) }()
	return r, sync.OnceValue(func() error { cancel(); return <-ended }), nil
}

// projected is a portal whose read models run until the group ends, all caught up.
func (l *lab) projected(ctx context.Context, p *portal) (*projections.Runner, *pgxpool.Pool, error) {
	pool, _, err := l.database(ctx, 24)
	if err != nil {
		return nil, nil, err
	}
	r, stop, err := p.project(ctx, pool)
	if err != nil {
		return nil, nil, err
	}
	l.onClose(stop)
	return r, pool, p.caughtUp(ctx, r)
}

// settle does at once what the server would do by itself within minutes of a load, beside whatever is measured then.
func settle(ctx context.Context, pool *pgxpool.Pool) error {
	_, err := pool.Exec(ctx, "VACUUM (ANALYZE)")
	return err
}

// caughtUp waits until every read model has all that the log has.
func (p *portal) caughtUp(ctx context.Context, r *projections.Runner) error {
	last, err := p.log.Last(ctx)
	if err != nil {
		return err
	}
	return applied(ctx, r, last, modelNames()...)
}

// applied waits until read models have a position. One that has stopped would be waited for in vain.
func applied(ctx context.Context, r *projections.Runner, position uint64, names ...string) error {
	for _, name := range names {
		for at := r.Position(name); ; at = r.Position(name) {
			wait, cancel := context.WithTimeout(ctx, time.Minute)
			err := r.WaitFor(wait, name, position)
			cancel()
			if err == nil {
				break
			}
			if ctx.Err() != nil || !errors.Is(err, context.DeadlineExceeded) || r.Position(name) == at {
				return fmt.Errorf("the read models do not get on: %w", err)
			}
		}
	}
	return nil
}

func catchUp(ctx context.Context, l *lab) error {
	dir, err := l.folder()
	if err != nil {
		return err
	}
	p, _, err := openPortal(ctx, dir)
	if err != nil {
		return err
	}
	facts, err := p.past(ctx, l.o.Scale)
	if err := errors.Join(err, p.close()); err != nil {
		return err
	}
	name := "projections/catch-up"
	real, raw := outcome{name: name}, outcome{name: "postgres/copy"}
	for round, since := 0, time.Now(); round < 2 || round < 8 && time.Since(since).Seconds() < 2*l.o.Seconds; round++ {
		took, err := l.rebuild(ctx, dir)
		if err != nil {
			return err
		}
		real.piece(facts, took)
		if took, err = l.copying(ctx, facts); err != nil {
			return err
		}
		raw.piece(facts, took)
	}
	l.row(perSecond("facts/s").row(name, real, &raw, atLeast(20_000, "facts/s")))
	l.row(perSecond("facts/s").row(name+"/copy", real, &raw, atLeastTimes(1.0/3)))
	return nil
}

// rebuild fills empty tables from position 0, with nothing in the portal's memory: as after a restart.
func (l *lab) rebuild(ctx context.Context, dir string) (took time.Duration, err error) {
	p, _, err := openPortal(ctx, dir)
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, p.close()) }()
	pool, drop, err := l.database(ctx, 24)
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, drop()) }()
	begin := time.Now()
	r, stop, err := p.project(ctx, pool)
	if err != nil {
		return 0, err
	}
	err = p.caughtUp(ctx, r)
	took = time.Since(begin)
	return took, errors.Join(err, stop())
}

// copying copies as many rows as there are facts, of about the bytes that a fact takes in the log.
func (l *lab) copying(ctx context.Context, facts int) (took time.Duration, err error) {
	pool, drop, err := l.database(ctx, 2)
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, drop()) }()
	begin := time.Now()
	err = copied(ctx, pool, "copied", facts, make([]byte, 300))
	return time.Since(begin), err
}

func visible(ctx context.Context, l *lab) error {
	p, err := l.portal(ctx)
	if err != nil {
		return err
	}
	firms, err := p.firms(ctx, l.accounts())
	if err != nil {
		return err
	}
	r, _, err := l.projected(ctx, p)
	if err != nil {
		return err
	}
	for _, c := range []struct {
		name string
		rate float64
		wait []string
		goal goal
	}{
		{"visible/p99", 500, []string{"user_list"}, atMost(50, "ms")},
		{"visible/all/p99", 500, modelNames(), atMost(50, "ms")},
	} {
		if !l.wanted(c.name) {
			continue
		}
		o, err := p.seen(ctx, r, firms, c.rate, l.o.Seconds, c.wait)
		if err != nil {
			return err
		}
		o.name = c.name
		l.row(p99("ms p99", 1).row(c.name, o, nil, c.goal))
	}
	return nil
}

// seen sends commands at a rate, at moments that chance spreads out, and measures how long each is acknowledged
// before read models have it.
func (p *portal) seen(ctx context.Context, r *projections.Runner, firms []firm, rate, seconds float64, names []string) (outcome, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	rounds, length := turnsOf(seconds)
	o := outcome{took: new(spread)}
	begin := time.Now()
	for range rounds {
		var mu sync.Mutex
		var waiting sync.WaitGroup
		took := new(spread)
		since := time.Now()
		for at := since; at.Sub(since) < length && ctx.Err() == nil; at = at.Add(time.Duration(rand.ExpFloat64() / rate * float64(time.Second))) {
			select {
			case <-time.After(time.Until(at)):
			case <-ctx.Done():
			}
			f := &firms[o.count%int64(len(firms))]
			o.count++
			waiting.Go(func() {
				result, err := p.do(ctx, f)
				acknowledged := time.Now()
				if err == nil {
					err = applied(ctx, r, result.Position, names...)
				}
				if err != nil {
					cancel(err)
					return
				}
				mu.Lock()
				defer mu.Unlock()
				took.note(time.Since(acknowledged))
			})
		}
		waiting.Wait()
		o.took.add(took)
		o.turns = append(o.turns, turn{p50: took.at(0.5), p99: took.at(0.99)})
	}
	o.rate = float64(o.count) / time.Since(begin).Seconds()
	return o, context.Cause(ctx)
}
