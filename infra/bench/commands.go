package bench

import (
	"context"
	"errors"
	"fmt"

	"roster/domain"
	"roster/events"
	"roster/handlers"
)

// manyAccounts is over how many accounts commands are spread.
const manyAccounts = 1024

func (l *lab) accounts() int {
	if l.o.small {
		return 256 // one for each caller
	}
	return manyAccounts
}

// change turns a firm's viewer into a manager, or back.
func (f *firm) change() domain.ChangeRole {
	f.raised = !f.raised
	role := domain.Viewer
	if f.raised {
		role = domain.Manager
	}
	return domain.ChangeRole{Account: f.id, User: f.member, Grants: grant(role)}
}

// call is who asks, and from where: the origin is sealed, as it is for every request.
func (f *firm) call() handlers.Call {
	return handlers.Call{Actor: f.owner.actor(), Origin: events.OriginInfo{IP: "192.0.2.7", Device: "bench"}}
}

var errNothing = errors.New("a command wrote nothing")

func (p *portal) do(ctx context.Context, f *firm) (handlers.Result, error) {
	r, err := p.app.Do(ctx, f.call(), f.change())
	if err == nil && len(r.Commits) == 0 {
		err = errNothing
	}
	return r, err
}

// spreadOut is a contestant of callers who go round accounts that are theirs alone.
func spreadOut(name string, firms []firm, callers int, do func(ctx context.Context, f *firm) error) contestant {
	next := make([]int, callers)
	mine := len(firms) / callers
	return contestant{name: name, callers: callers, op: func(ctx context.Context, caller int) error {
		f := &firms[caller*mine+next[caller]%mine]
		next[caller]++
		return do(ctx, f)
	}}
}

func (p *portal) commands(name string, firms []firm, callers int) contestant {
	return spreadOut(name, firms, callers, func(ctx context.Context, f *firm) error {
		_, err := p.do(ctx, f)
		return err
	})
}

// typical is the bytes of a command's commit.
func (p *portal) typical(ctx context.Context, f *firm) ([]byte, error) {
	r, err := p.do(ctx, f)
	if err != nil {
		return nil, err
	}
	records, err := p.log.Boundary(ctx, events.OfAccount(f.id), r.Position-1)
	switch {
	case err != nil:
		return nil, err
	case len(records) == 0:
		return nil, errors.New("a command's commit is not in the log")
	}
	return records[0].Payload, nil
}

// callersOf are the numbers of callers that rows are measured for, and for which part of the time: the ones without a
// goal are there for the curve.
func callersOf() []crowding {
	return []crowding{{1, 1}, {4, 0.25}, {16, 0.25}, {64, 1}, {256, 0.25}}
}

type crowding struct {
	callers int
	share   float64
}

func inProcess(ctx context.Context, l *lab) error {
	p, err := l.portal(ctx)
	if err != nil {
		return err
	}
	firms, err := p.firms(ctx, l.accounts())
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
	rate := perSecond("commands/s")
	for _, c := range callersOf() {
		callers := c.callers
		name := fmt.Sprintf("commands/in-process/%d", callers)
		if !l.wanted(name) {
			continue
		}
		list := []contestant{p.commands(name, firms, callers), s.appending("postgres/append", plainSQL, callers)}
		list[0].share, list[1].share = c.share, c.share
		switch callers {
		case 64:
			ordered := s.appending("postgres/ordered", orderedSQL, callers)
			ordered.share = c.share / 2
			list = append(list, ordered)
		case 1:
			sync, err := l.syncing("disk/fsync", payload)
			if err != nil {
				return err
			}
			list[1].share, sync.share = c.share/2, c.share
			list = append(list, sync)
		}
		got, err := l.race(ctx, list...)
		if err != nil {
			return err
		}
		switch callers {
		case 64:
			l.row(rate.row(name, got[0], &got[1], atLeastTimes(1.5)))
			l.row(rate.row(name+"/ordered", got[0], &got[2], atLeastTimes(10)))
		case 1:
			l.row(rate.row(name, got[0], &got[1], goal{}))
			l.row(p99("ms p99", 1).row(name+"/fsync", got[0], &got[2], atMostTimes(2)))
		default:
			l.row(rate.row(name, got[0], &got[1], goal{}))
		}
	}
	return nil
}

func oneAccount(ctx context.Context, l *lab) error {
	const callers = 64
	p, err := l.portal(ctx)
	if err != nil {
		return err
	}
	crowd, err := p.firmOf(ctx, callers)
	if err != nil {
		return err
	}
	payload, err := p.typical(ctx, &crowd[0])
	if err != nil {
		return err
	}
	s, err := l.store(ctx, payload)
	if err != nil {
		return err
	}
	name := fmt.Sprintf("commands/one-account/%d", callers)
	got, err := l.race(ctx, p.commands(name, crowd, callers), s.oneStream("postgres/one-stream", callers))
	if err != nil {
		return err
	}
	l.row(perSecond("commands/s").row(name, got[0], &got[1], atLeast(2000, "commands/s")))
	return nil
}

// firmOf is one account as many times as it has members, each time with another of them.
func (p *portal) firmOf(ctx context.Context, n int) ([]firm, error) {
	f, users, err := p.crowd(ctx, n, false)
	if err != nil {
		return nil, err
	}
	list := make([]firm, n)
	for i := range list {
		list[i] = f
		list[i].member = users[i]
	}
	return list, nil
}

func members(ctx context.Context, l *lab) error {
	const few = 10
	p, err := l.portal(ctx)
	if err != nil {
		return err
	}
	var list []contestant
	sizes := []int{few, min(l.o.Scale, 100_000)}
	for _, n := range sizes {
		crowd, err := p.firmOf(ctx, n)
		if err != nil {
			return err
		}
		list = append(list, p.commands(fmt.Sprintf("commands/members/%d", n), crowd, 1))
		if _, err := p.typical(ctx, &crowd[0]); err != nil { // the account is in memory from here on
			return err
		}
	}
	got, err := l.race(ctx, list...)
	if err != nil {
		return err
	}
	m := p99("ms p99", 1)
	l.row(m.row(got[0].name, got[0], nil, goal{}))
	l.row(m.row(got[1].name, got[1], &got[0], atMostTimes(2)))
	return nil
}
