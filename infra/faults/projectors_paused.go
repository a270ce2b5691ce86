package faults

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
)

// paused has two copies of the program on one log and one database. The one that applies a backlog is stopped where it
// is, as by SIGSTOP, and loses its turn; the other one applies what is left; then the first one goes on with what it
// had begun. What keeps a commit from being applied twice is the checkpoint's row alone (RELIABILITY F05).
func paused() Fault {
	return Fault{Name: "paused", About: "two projectors, one paused by SIGSTOP past its turn and continued",
		Short: 1, Long: 300, Run: runPaused}
}

const pausesInOne = 50 // of one site, before it is judged and another one made

func runPaused(ctx context.Context, l *Lab, rounds int) (all Outcome, err error) {
	for done := 0; done < rounds; {
		n := min(pausesInOne, rounds-done)
		one, err := pausedSite(ctx, l, fmt.Sprintf("paused%d", done), n)
		all.Add(one)
		if err != nil {
			return all, err
		}
		done += n
	}
	return all, nil
}

// pausing is a site with two copies of the program.
type pausing struct {
	projecting
	copies map[string]*Program // by what they call themselves to PostgreSQL
}

func pausedSite(ctx context.Context, l *Lab, name string, rounds int) (o Outcome, err error) {
	site, err := l.NewExternalSite(ctx, backlogCallers)
	if err != nil {
		return o, err
	}
	p := &pausing{projecting: projecting{Site: site, chance: l.Rand(name), strikes: map[string]int{}}, copies: map[string]*Program{}}
	load, err := p.backlog(ctx, name)
	if err != nil {
		return o, fmt.Errorf("the backlog: %w", err)
	}
	if err := p.running.Stop(ctx); err != nil {
		return o, err
	}
	for _, copied := range []string{"one", "two"} {
		if p.running, err = p.Start(ctx, "--database", site.Database.URL("")+"&application_name="+copied); err != nil {
			return o, err
		}
		p.copies[copied] = p.running
	}
	for n := range rounds {
		if err := p.pause(ctx); err != nil {
			return p.v.Outcome, fmt.Errorf("pause %d: %w", n+1, err)
		}
		if (n+1)%10 == 0 {
			l.Say("%s: %d pauses, %d of them in the middle", name, n+1, p.midway)
		}
	}
	if _, err := p.Rebuilt(ctx, p.running, &p.v, "in the end"); err != nil {
		return p.v.Outcome, err
	}
	if err := p.copies["one"].Stop(ctx); err != nil { // two is the one that is judged
		return p.v.Outcome, err
	}
	o, err = site.Judge(ctx, p.running, load.Steps())
	p.v.Outcome.Add(o)
	p.v.Rounds = rounds
	p.v.Count("in the middle of a backlog", p.midway)
	p.v.Count("applied by the other copy meanwhile", p.strikes["went on"])
	return p.v.Outcome, errors.Join(err, p.v.Err(), site.Discard())
}

// pause empties the tables, stops who fills them, gives the turn to the other, and lets the first go on.
func (p *pausing) pause(ctx context.Context) error {
	err := within(ctx, p.Data, func(conn *pgx.Conn) error {
		if err := p.again(ctx, conn); err != nil {
			return err
		}
		if err := Wait(ctx, time.Duration(p.chance.Float64()*float64(p.takes))); err != nil {
			return err
		}
		var who string
		if err := conn.QueryRow(ctx, `SELECT application_name FROM pg_stat_activity WHERE pid IN (`+sessionOf+`)`).Scan(&who); err != nil {
			return fmt.Errorf("who applies the commits: %w", err)
		}
		first := p.copies[who]
		if first == nil {
			return fmt.Errorf("the commits are applied by %q", who)
		}
		if err := first.Pause(); err != nil {
			return err
		}
		return errors.Join(p.takeOver(ctx, conn), first.Resume())
	})
	return errors.Join(err, p.judgeRound(ctx, "paused"))
}

// takeOver ends the session that holds the turn of a copy that is paused, and gives the other one time: mostly enough
// to come to the end, unless the first has stopped between two statements of a transaction.
func (p *pausing) takeOver(ctx context.Context, conn *pgx.Conn) error {
	if err := p.noteMidway(ctx, conn); err != nil {
		return err
	}
	was, err := holder(ctx, conn)
	if err != nil {
		return err
	}
	begun, err := applied(ctx, conn)
	if err != nil {
		return err
	}
	if _, err := conn.Exec(ctx, `SELECT pg_terminate_backend($1)`, was); err != nil {
		return err
	}
	taking, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	for {
		is, err := holder(ctx, conn)
		if err != nil {
			return err
		}
		if is != 0 && is != was {
			break
		}
		if err := Wait(taking, 5*time.Millisecond); err != nil {
			return fmt.Errorf("the other copy does not take over: %w", err)
		}
	}
	most := p.takes // of the time that it gets
	if p.chance.IntN(2) == 0 {
		most = 3*p.takes + time.Second
	}
	giving, enough := context.WithTimeout(ctx, time.Duration(p.chance.Float64()*float64(most))+p.takes/2)
	defer enough()
	for giving.Err() == nil {
		_, least, err := places(ctx, conn)
		if err != nil {
			return err
		}
		if least >= p.last() {
			break
		}
		_ = Wait(giving, 5*time.Millisecond) // its end is the loop's
	}
	now, err := applied(ctx, conn)
	if now > begun {
		p.strikes["went on"]++
	}
	return errors.Join(err, ctx.Err())
}

// applied is how many commits all read models together have applied.
func applied(ctx context.Context, conn *pgx.Conn) (n int64, err error) {
	err = conn.QueryRow(ctx, `SELECT coalesce(sum(position), 0)::bigint FROM roster.projection WHERE state = 'serving'`).Scan(&n)
	return n, err
}
