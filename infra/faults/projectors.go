package faults

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5"
)

// projectors strikes while a backlog is applied to every read model: kill -9 of the program, of PostgreSQL or of one
// of its sessions, PostgreSQL ended at once as for an immediate restart, the projector's session ended; and has a
// commit that cannot be applied. Each time the tables have to be, row for row, what the same log gives when they are
// built anew, and what a naive reader makes of it (RELIABILITY R5, R11, F04, F07, F08).
func projectors() Fault {
	return Fault{Name: "projectors", About: "projectors killed in mid-batch, with PostgreSQL too; a commit that cannot be applied",
		Short: 6, Long: 1000, Run: runProjectors}
}

const (
	backlogCallers = 8
	backlogShort   = 2 * time.Second
	backlogLong    = 10 * time.Second
	strikesInOne   = 100 // of one site, before it is judged and another one made
)

func runProjectors(ctx context.Context, l *Lab, rounds int) (all Outcome, err error) {
	for done := 0; done < rounds; {
		n := min(strikesInOne, rounds-done)
		one, err := projectSite(ctx, l, fmt.Sprintf("projectors%d", done), n)
		all.Add(one)
		if err != nil {
			return all, err
		}
		done += n
	}
	return all, nil
}

// projecting is a site whose projectors are struck.
type projecting struct {
	*Site
	v         Verdict
	chance    *rand.Rand
	running   *Program
	reference map[string]model
	takes     time.Duration // to apply the backlog, undisturbed
	strikes   map[string]int
	midway    int // strikes that came between the first commit and the last
}

// projectSite makes a log, strikes so many times while it is applied, and judges it.
func projectSite(ctx context.Context, l *Lab, name string, rounds int) (o Outcome, err error) {
	site, err := l.NewSite(ctx, backlogCallers)
	if err != nil {
		return o, err
	}
	p := &projecting{Site: site, chance: l.Rand(name), strikes: map[string]int{}}
	load, err := p.backlog(ctx, name)
	if err != nil {
		return o, fmt.Errorf("the backlog: %w", err)
	}
	for n := range rounds {
		kind := []string{"program", "immediate", "postmaster", "backend", "lock", "poison"}[n%6]
		if err := p.round(ctx, kind); err != nil {
			return p.v.Outcome, fmt.Errorf("round %d, %s: %w", n+1, kind, err)
		}
		if (n+1)%25 == 0 {
			l.Say("%s: %d strikes, %d of them in the middle", name, n+1, p.midway)
		}
	}
	if _, err := p.Rebuilt(ctx, p.running, &p.v, "in the end"); err != nil {
		return p.v.Outcome, err
	}
	o, err = site.Judge(ctx, p.running, load.Steps())
	p.v.Outcome.Add(o)
	p.v.Rounds = rounds
	for kind, n := range p.strikes {
		p.v.Count(kind, n)
	}
	p.v.Count("in the middle of a backlog", p.midway)
	return p.v.Outcome, errors.Join(err, p.v.Err(), site.Discard())
}

// backlog has callers write a log while nothing is projected, and then has it applied once, undisturbed.
func (p *projecting) backlog(ctx context.Context, name string) (*Load, error) {
	program, err := p.Start(ctx, "--no-projections")
	if err != nil {
		return nil, err
	}
	load := p.NewLoad(name, backlogCallers)
	load.Begin(ctx)
	load.Open(program.URL)
	lasts := backlogLong
	if p.lab.Short {
		lasts = backlogShort
	}
	if err := errors.Join(Wait(ctx, lasts), load.Finish(ctx), program.Stop(ctx)); err != nil {
		return nil, err
	}
	if p.running, err = p.Start(ctx); err != nil {
		return nil, err
	}
	if _, err := p.look(ctx, p.running); err != nil { // all mails are sent
		return nil, err
	}
	if p.reference, err = p.Rebuilt(ctx, p.running, &p.v, "after the backlog"); err != nil {
		return nil, err
	}
	began := time.Now()
	err = within(ctx, p.Data, func(conn *pgx.Conn) error {
		if err := p.again(ctx, conn); err != nil {
			return err
		}
		began = time.Now()
		return p.current(ctx, conn)
	})
	p.takes = time.Since(began)
	return load, errors.Join(err, p.judgeRound(ctx, "undisturbed"))
}

// again empties the tables and returns when somebody begins to fill them.
func (p *projecting) again(ctx context.Context, conn *pgx.Conn) error {
	was, err := holder(ctx, conn)
	if err != nil {
		return err
	}
	if err := wipe(ctx, conn); err != nil {
		return err
	}
	if _, err := conn.Exec(ctx, `SELECT pg_terminate_backend($1)`, was); err != nil { // else it would wait for another commit
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, currentWithin)
	defer cancel()
	for {
		is, err := holder(ctx, conn)
		if err != nil || is != 0 && is != was {
			return err
		}
		if err := Wait(ctx, time.Millisecond); err != nil {
			return fmt.Errorf("nobody applies the commits again: %w", err)
		}
	}
}

// sessionOf is the session of PostgreSQL that holds the right to run the projections.
const sessionOf = `SELECT pid FROM pg_locks WHERE locktype = 'advisory' AND granted
	AND classid::bigint << 32 | objid::bigint = hashtextextended('roster.projections', 0)`

// holder is the session that runs the projections, 0 for none.
func holder(ctx context.Context, conn *pgx.Conn) (pid int, err error) {
	err = conn.QueryRow(ctx, `SELECT coalesce(max(pid), 0) FROM (`+sessionOf+`) s`).Scan(&pid)
	return pid, err
}

// current waits until the tables have everything, as PostgreSQL itself says.
func (p *projecting) current(ctx context.Context, conn *pgx.Conn) error {
	ctx, cancel := context.WithTimeout(ctx, currentWithin)
	defer cancel()
	for {
		_, least, err := places(ctx, conn)
		if err != nil || least >= p.last() {
			return err
		}
		if err := Wait(ctx, time.Millisecond); err != nil {
			return err
		}
	}
}

// last is where the log ended when the reference was made.
func (p *projecting) last() (last int64) {
	for _, m := range p.reference {
		last = max(last, m.position)
	}
	return last
}

// places are how far the first and the last of the read models are.
func places(ctx context.Context, conn *pgx.Conn) (most, least int64, err error) {
	err = conn.QueryRow(ctx, `SELECT coalesce(max(position), 0), coalesce(min(position), 0) FROM roster.projection WHERE state = 'serving'`).Scan(&most, &least)
	return most, least, err
}

// noteMidway counts a strike that comes while a batch is applied, or between the first and the last.
func (p *projecting) noteMidway(ctx context.Context, conn *pgx.Conn) error {
	most, least, err := places(ctx, conn)
	if err != nil {
		return err
	}
	var applying int
	err = conn.QueryRow(ctx, `SELECT count(*) FROM pg_locks l JOIN pg_class c ON c.oid = l.relation
		WHERE c.relname = 'projection' AND l.mode = 'RowExclusiveLock' AND l.granted`).Scan(&applying)
	if applying > 0 || most > 0 && least < p.last() {
		p.midway++
	}
	return err
}

// round empties the tables, strikes while they are filled again, and judges them when they are.
func (p *projecting) round(ctx context.Context, kind string) error {
	if kind == "poison" {
		p.strikes[kind]++
		return p.poison(ctx)
	}
	err := within(ctx, p.Data, func(conn *pgx.Conn) error {
		if err := p.again(ctx, conn); err != nil {
			return err
		}
		if err := Wait(ctx, time.Duration(p.chance.Float64()*float64(p.takes))); err != nil {
			return err
		}
		if err := p.noteMidway(ctx, conn); err != nil {
			return err
		}
		return p.strike(ctx, conn, kind)
	})
	if err != nil {
		return err
	}
	p.strikes[kind]++
	if kind == "program" {
		if p.running, err = p.Start(ctx); err != nil {
			return err
		}
	}
	return p.judgeRound(ctx, kind)
}

// strike does to the projectors what the kind says.
func (p *projecting) strike(ctx context.Context, conn *pgx.Conn, kind string) error {
	switch kind {
	case "program":
		p.running.Kill()
		return nil
	case "backend": // PostgreSQL ends every session and recovers
		var pid int
		err := conn.QueryRow(ctx, `SELECT pid FROM pg_stat_activity WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()
			ORDER BY xact_start NULLS LAST LIMIT 1`).Scan(&pid)
		if err != nil {
			return err
		}
		return syscall.Kill(pid, syscall.SIGKILL)
	case "lock":
		_, err := conn.Exec(ctx, `SELECT pg_terminate_backend(pid) FROM (`+sessionOf+`) s`)
		return err
	}
	pid, err := Postmaster(p.Data)
	if err != nil {
		return err
	}
	if kind == "immediate" { // as pg_ctl restart -m immediate does
		return syscall.Kill(pid, syscall.SIGQUIT)
	}
	return syscall.Kill(pid, syscall.SIGKILL)
}

// judgeRound waits until all is applied and compares every row.
func (p *projecting) judgeRound(ctx context.Context, when string) error {
	if _, err := p.catchUp(ctx, p.running); err != nil {
		return fmt.Errorf("%w: %s", err, p.running.Stderr())
	}
	var got map[string]model
	err := within(ctx, p.Data, func(conn *pgx.Conn) (err error) { got, err = readModels(ctx, conn); return err })
	if err != nil {
		return err
	}
	if !samePlace(got, p.reference) { // the program has written by itself: a mail that was sent before the kill
		p.reference, err = p.Rebuilt(ctx, p.running, &p.v, when)
		return err
	}
	compareModels(&p.v, when, got, p.reference)
	return nil
}
