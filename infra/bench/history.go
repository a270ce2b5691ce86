package bench

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"roster/domain"
	"roster/events"
	"roster/projections"
)

// historyFirms is how many accounts a history is spread over, the same number in all: only how much has happened to
// each differs.
const historyFirms = 64

// burst is how many facts are projected at a time when the projection is measured.
const burst = 1000

// bursts are a turn each: short enough to be many.
const bursts = 25

// aged is a portal with a history of some length, and its read models.
type aged struct {
	*portal
	name   string
	firms  []firm
	loader *loader
	models *projections.Runner
	pool   *pgxpool.Pool
}

// aged makes a portal with as many facts behind it, one to a commit as commands write them: a history ten times as
// long has ten times as many commits in each account.
func (l *lab) aged(ctx context.Context, facts int) (*aged, error) {
	p, err := l.portal(ctx)
	if err != nil {
		return nil, err
	}
	firms, err := p.firms(ctx, historyFirms)
	if err != nil {
		return nil, err
	}
	a := &aged{portal: p, name: named(facts), firms: firms, loader: newLoader(p)}
	for i := range firms {
		if err := a.loader.goOn(ctx, events.OfAccount(firms[i].id)); err != nil {
			return nil, err
		}
	}
	a.loader.at = events.TimeOf(time.Now().Add(-time.Minute))
	if err := a.happen(ctx, facts, 1); err != nil {
		return nil, err
	}
	a.models, a.pool, err = l.projected(ctx, p)
	return a, err
}

// happen changes roles, some to a commit, past the App.
func (a *aged) happen(ctx context.Context, facts, each int) error {
	for n := 0; n < facts; n += each {
		f := &a.firms[n/each%len(a.firms)]
		list := make([]events.Event, 0, each)
		for range min(each, facts-n) {
			from := domain.Viewer
			if f.raised {
				from = domain.Manager
			}
			list = append(list, events.MembershipRoleChanged{User: f.member, From: grant(from), To: f.change().Grants})
		}
		if err := a.loader.commit(ctx, events.OfAccount(f.id), f.owner.actor(), "ChangeRole", list...); err != nil {
			return err
		}
	}
	return a.loader.flush(ctx)
}

// projecting measures how long the read models take for one fact, in a burst of them.
func (a *aged) projecting(ctx context.Context) (time.Duration, error) {
	begin := time.Now()
	if err := a.happen(ctx, burst, 25); err != nil {
		return 0, err
	}
	err := a.caughtUp(ctx, a.models)
	return time.Since(begin) / burst, err
}

func history(ctx context.Context, l *lab) error {
	var ages []*aged
	for _, facts := range lengths(l.o.Scale) {
		a, err := l.aged(ctx, facts)
		if err != nil {
			return err
		}
		ages = append(ages, a)
	}
	for _, a := range ages {
		if err := settle(ctx, a.pool); err != nil {
			return err
		}
	}
	// The projection first: what it is measured with is written past the Apps, which have not looked at these
	// accounts yet.
	if l.wantedOf(ages, "projection") {
		if err := l.projectedInTurns(ctx, ages); err != nil {
			return err
		}
	}
	for _, a := range ages { // an account is read once, however long its history; what is measured comes after that
		for i := range a.firms {
			if err := a.check(ctx, &a.firms[i]); err != nil {
				return err
			}
		}
	}
	for _, what := range []struct {
		name string
		m    measure
		of   func(a *aged, name string) contestant
	}{
		{"command", p50("ms p50", 1), func(a *aged, name string) contestant { return a.commands(name, a.firms, 16) }},
		{"check", p50("µs p50", 1000), func(a *aged, name string) contestant { return a.checking(name, a.firms) }},
	} {
		if !l.wantedOf(ages, what.name) {
			continue
		}
		var list []contestant
		for _, a := range ages {
			c := what.of(a, fmt.Sprintf("history/%s/%s", a.name, what.name))
			c.ready = func(ctx context.Context) error { return allCaughtUp(ctx, ages) }
			list = append(list, c)
		}
		got, err := l.race(ctx, list...)
		if err != nil {
			return err
		}
		l.trend(what.m, got)
	}
	return nil
}

// allCaughtUp waits until no read models work any more.
func allCaughtUp(ctx context.Context, ages []*aged) error {
	for _, a := range ages {
		if err := a.caughtUp(ctx, a.models); err != nil {
			return err
		}
	}
	return nil
}

func (l *lab) wantedOf(ages []*aged, what string) bool {
	return slices.ContainsFunc(ages, func(a *aged) bool { return l.wanted("history/" + a.name + "/" + what) })
}

func (l *lab) projectedInTurns(ctx context.Context, ages []*aged) error {
	rounds := bursts
	if l.o.small {
		rounds = 1
	}
	got := make([]outcome, len(ages))
	for round := -1; round < rounds; round++ {
		for i := range ages {
			if round%2 != 0 {
				i = len(ages) - 1 - i
			}
			name := fmt.Sprintf("history/%s/projection", ages[i].name)
			if got[i].took == nil {
				got[i] = outcome{name: name, took: new(spread)}
			}
			if l.aside(name) {
				continue
			}
			took, err := ages[i].projecting(ctx)
			if err != nil {
				return err
			}
			if round < 0 {
				continue
			}
			got[i].took.note(took)
			got[i].count += burst
			got[i].turns = append(got[i].turns, turn{p50: took.Seconds() * 1e3, p99: took.Seconds() * 1e3})
		}
	}
	l.trend(p50("µs/fact", 1000), got)
	return nil
}

// lengths are the histories that are compared: of the scale, a tenth of it and, where that is still long, a hundredth.
func lengths(scale int) []int {
	if scale < 1_000_000 {
		return []int{scale / 10, scale}
	}
	return []int{scale / 100, scale / 10, scale}
}

// trend reports histories beside the shortest. There is none when the median of what a longer one took more, turn by
// turn, is within what the turns of either differ among themselves, the tenth of them at either end aside.
func (l *lab) trend(m measure, got []outcome) {
	short := got[0]
	l.row(m.row(short.name, short, nil, goal{}))
	for _, long := range got[1:] {
		if short.count == 0 || long.count == 0 { // measured alone
			l.row(m.row(long.name, long, nil, goal{}))
			continue
		}
		var noise float64
		for _, o := range []outcome{short, long} {
			turns := make([]float64, len(o.turns))
			for i, t := range o.turns {
				turns[i] = m.turn(t)
			}
			slices.Sort(turns)
			rest := turns[len(turns)/10 : len(turns)-len(turns)/10]
			noise = max(noise, (rest[len(rest)-1]-rest[0])/2/m.of(o))
		}
		var more []float64
		for i, t := range long.turns {
			more = append(more, m.turn(t)/m.turn(short.turns[i]))
		}
		slices.Sort(more)
		row := m.row(long.name, long, &short, goal{})
		row.Ratio = more[len(more)/2]
		g := atMostTimes(1 + noise)
		g.text = fmt.Sprintf("≤ %.3g × the shortest (its own spread)", 1+noise)
		g.judge(&row)
		l.row(row)
	}
}
