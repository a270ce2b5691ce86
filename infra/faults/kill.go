package faults

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"syscall"
	"time"
)

const (
	killCallers = 16
	killLeaving = 12
	mailsAtOnce = 4   // that a mailer is sending
	killsInOne  = 125 // of one site, before it is judged and another one made
)

func kill() Fault {
	return Fault{Name: "kill", Short: 8, Long: 1000, Run: runKill,
		About: "kill -9 of the program, of its PostgreSQL and of an external nats-server, under load from 16 callers and during the start"}
}

func runKill(ctx context.Context, l *Lab, rounds int) (Outcome, error) {
	return inTurn(ctx, l, rounds, killsInOne,
		way{"embedded", 2, func(ctx context.Context, l *Lab, name string, rounds int) (Outcome, error) {
			return killSite(ctx, l, name, rounds, l.NewSite)
		}},
		way{"external", 1, func(ctx context.Context, l *Lab, name string, rounds int) (Outcome, error) {
			return killSite(ctx, l, name, rounds, l.NewExternalSite)
		}})
}

// killing is a site whose processes are killed.
type killing struct {
	*Site
	load    *Load
	chance  *rand.Rand
	running *Program // nil: killed
	kills   map[string]int
}

// killSite makes a site, kills what runs it so many times, and judges it.
func killSite(ctx context.Context, l *Lab, name string, rounds int, newSite siteMaker) (o Outcome, err error) {
	site, err := newSite(ctx, killCallers)
	if err != nil {
		return o, err
	}
	k := &killing{Site: site, load: site.NewLoad(name, killCallers), chance: l.Rand(name), kills: map[string]int{}}
	k.load.leaving = killLeaving
	working, stop := context.WithCancel(ctx)
	defer stop()
	k.load.Begin(working)
	l.Say("%s: the site is ready", name)
	began := time.Now()
	for n := range rounds {
		if err := k.kill(ctx, n); err != nil {
			return o, fmt.Errorf("kill %d: %w", n+1, err)
		}
		if (n+1)%25 == 0 {
			l.Say("%s: %d kills in %s", name, n+1, time.Since(began).Round(time.Millisecond))
		}
	}
	if err := k.start(ctx); err != nil {
		return o, err
	}
	if err := k.load.Finish(ctx); err != nil {
		return o, err
	}
	o, err = site.Judge(ctx, k.running, k.load.Steps())
	if repeated, most := site.Mails.repeated(), rounds*mailsAtOnce; err == nil && repeated > most {
		err = broken("%d mails came again after %d kills: a kill lets at most %d come again", repeated, rounds, mailsAtOnce)
	}
	o.Rounds = rounds
	for what, n := range k.kills {
		o.Count("kills of "+what, n)
	}
	if err == nil {
		err = site.Discard()
	}
	return o, err
}

// kill does one of the kills: most times of a program under load, every sixth while it starts, every fifth of its
// PostgreSQL; where the log is outside, every second of the nats-server.
func (k *killing) kill(ctx context.Context, n int) error {
	switch {
	case n%6 == 5:
		if k.running != nil {
			k.running.Kill()
			k.running = nil
		}
		p, err := k.lab.Launch(k.Serve())
		if err != nil {
			return err
		}
		err = Wait(ctx, time.Duration(k.chance.IntN(400))*time.Millisecond)
		p.Kill()
		k.kills["a program that starts"]++
		return err
	case k.Nats != nil && n%2 == 0:
		if err := k.start(ctx); err != nil {
			return err
		}
		if err := Wait(ctx, k.moment()); err != nil {
			return err
		}
		k.kills["nats"]++
		if err := k.Nats.Kill(); err != nil {
			return err
		}
		if err := Wait(ctx, k.moment()); err != nil {
			return err
		}
		return k.Nats.Restart(ctx)
	case n%5 == 4:
		if err := k.start(ctx); err != nil {
			return err
		}
		if err := Wait(ctx, k.moment()); err != nil {
			return err
		}
		k.kills["postgres"]++
		return k.killPostgres(ctx)
	}
	if err := k.start(ctx); err != nil {
		return err
	}
	err := Wait(ctx, k.moment())
	k.running.Kill()
	k.running = nil
	k.kills["program"]++
	return err
}

// start starts the program unless it runs, and lets the callers go there.
func (k *killing) start(ctx context.Context) error {
	if k.running != nil {
		return nil
	}
	p, err := k.Start(ctx)
	if err != nil {
		return broken("the program does not start after a kill: %w", err)
	}
	k.running = p
	k.load.Open(p.URL)
	return nil
}

// moment is how long the callers work before a kill.
func (k *killing) moment() time.Duration {
	return time.Duration(20+k.chance.IntN(400)) * time.Millisecond
}

// killPostgres kills the server of the private PostgreSQL, under a program that goes on. Just after another kill there
// may be none yet: then it is waited for.
func (k *killing) killPostgres(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	var trouble error
	waited := Until(ctx, func() bool {
		pid, err := Postmaster(k.Data)
		if err == nil {
			err = syscall.Kill(pid, syscall.SIGKILL)
		}
		trouble = err
		return err == nil || !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, syscall.ESRCH)
	})
	return errors.Join(waited, trouble)
}
