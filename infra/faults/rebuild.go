package faults

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"sync"
	"sync/atomic"
	"time"
)

// rebuilds has every read model built anew while callers command and ask, and kills the program in the middle of it;
// the next one goes on. A question that a program which is up answers with anything but 200 has failed. In the end
// the tables are what they are when they are built anew in peace (RELIABILITY R6, F18).
func rebuilds() Fault {
	return Fault{Name: "rebuild", About: "every read model built anew under load and killed in the middle; no failed read",
		Short: 1, Long: 200, Run: runRebuilds}
}

const (
	rebuildWriters = 10
	rebuildReaders = 6
	rebuildsInOne  = 50 // of one site, before it is judged and another one made
)

func runRebuilds(ctx context.Context, l *Lab, rounds int) (all Outcome, err error) {
	for done := 0; done < rounds; {
		n := min(rebuildsInOne, rounds-done)
		one, err := rebuildSite(ctx, l, fmt.Sprintf("rebuild%d", done), n)
		all.Add(one)
		if err != nil {
			return all, err
		}
		done += n
	}
	return all, nil
}

// rebuilding is a site whose read models are built anew.
type rebuilding struct {
	*Site
	chance *rand.Rand
	client *http.Client
	takes  time.Duration // to build all of them, undisturbed
	reads  atomic.Int64

	mu      sync.Mutex
	running *Program // that is up and not about to be killed
	v       Verdict
}

func rebuildSite(ctx context.Context, l *Lab, name string, rounds int) (o Outcome, err error) {
	site, err := l.NewSite(ctx, rebuildWriters)
	if err != nil {
		return o, err
	}
	r := &rebuilding{Site: site, chance: l.Rand(name), client: &http.Client{Timeout: patience, Transport: &http.Transport{MaxIdleConnsPerHost: rebuildReaders}}}
	load := site.NewLoad(name, rebuildWriters)
	working, stop := context.WithCancel(ctx)
	defer stop()
	load.Begin(working)
	program, err := r.open(ctx, load)
	if err != nil {
		return o, err
	}
	var reading sync.WaitGroup
	asking, enough := context.WithCancel(ctx)
	for n := range rebuildReaders {
		reading.Go(func() { r.ask(asking, n) })
	}
	for n := range rounds {
		if program, err = r.round(ctx, load, program); err != nil {
			err = fmt.Errorf("round %d: %w", n+1, err)
			break
		}
		if (n+1)%10 == 0 {
			l.Say("%s: %d kills, %d questions", name, n+1, r.reads.Load())
		}
	}
	enough()
	reading.Wait()
	if err = errors.Join(err, load.Finish(ctx)); err != nil {
		return r.v.Outcome, errors.Join(err, r.v.Err())
	}
	if _, err := r.look(ctx, program); err != nil { // all mails are sent
		return r.v.Outcome, err
	}
	if _, err := r.Rebuilt(ctx, program, &r.v, "in the end"); err != nil {
		return r.v.Outcome, err
	}
	o, err = site.Judge(ctx, program, load.Steps())
	r.v.Outcome.Add(o)
	r.v.Rounds = rounds
	r.v.Count("questions", int(r.reads.Load()))
	return r.v.Outcome, errors.Join(err, r.v.Err(), site.Discard())
}

// open starts a program, lets the callers go there, and builds everything anew once the models are current.
func (r *rebuilding) open(ctx context.Context, load *Load) (*Program, error) {
	p, err := r.Start(ctx)
	if err != nil {
		return nil, err
	}
	load.Open(p.URL)
	r.mu.Lock()
	r.running = p
	r.mu.Unlock()
	began := time.Now()
	err = r.anew(ctx, p)
	r.takes = time.Since(began)
	return p, err
}

// anew has every read model built anew, all at once.
func (r *rebuilding) anew(ctx context.Context, p *Program) error {
	operator := p.Client().As(r.Operator)
	names := modelNames()
	trouble := make([]error, len(names))
	var building sync.WaitGroup
	for i, name := range names {
		building.Go(func() { trouble[i] = rebuild(ctx, operator, name) })
	}
	building.Wait()
	return errors.Join(trouble...)
}

// round has everything built anew, kills the program while it does, and waits until the next one has finished it.
func (r *rebuilding) round(ctx context.Context, load *Load, p *Program) (*Program, error) {
	abandoned, cancel := context.WithCancel(ctx)
	defer cancel()
	done := make(chan error, 1)
	go func() { done <- r.anew(abandoned, p) }()
	err := Wait(ctx, time.Duration(r.chance.Float64()*float64(r.takes)))
	r.mu.Lock()
	r.running = nil
	r.mu.Unlock()
	building, failed := r.building(ctx, p)
	p.Kill()
	cancel()
	<-done // that it was not answered is the kill's doing
	if err = errors.Join(err, failed); err != nil {
		return nil, err
	}
	r.mu.Lock()
	r.v.Count("kills while one was built", min(building, 1))
	r.mu.Unlock()
	return r.open(ctx, load)
}

// building is how many generations are being built.
func (r *rebuilding) building(ctx context.Context, p *Program) (n int, err error) {
	var status struct{ Items []struct{ State string } }
	if err := p.Client().As(r.Operator).Get(ctx, "/v1/operator/projections", &status); err != nil {
		return 0, err
	}
	for _, one := range status.Items {
		if one.State == "building" {
			n++
		}
	}
	return n, nil
}

// up is the program that questions go to, nil while there is none.
func (r *rebuilding) up() *Program {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.running
}

// ask asks one question after the other of the program that is up.
func (r *rebuilding) ask(ctx context.Context, n int) {
	at := "/v1/accounts/" + r.Account.String()
	questions := []string{at + "/users", at + "/users?status=pending&sort=-since", at + "/invitations", at + "/audit", at + "/users/" + r.Owner.User, at + "/users?q=member"}
	for i := n; ctx.Err() == nil; i++ {
		p := r.up()
		if p == nil {
			_ = Wait(ctx, 5*time.Millisecond) // what it says is seen above
			continue
		}
		question := questions[i%len(questions)]
		a, err := Client{URL: p.URL, Token: r.Owner.Session, HTTP: r.client}.Do(ctx, "GET", question, nil)
		if r.up() != p || ctx.Err() != nil { // it may have been killed meanwhile
			continue
		}
		r.reads.Add(1)
		if err != nil || a.Status != 200 {
			r.mu.Lock()
			r.v.Differs("%s was answered %d %.300s: %v", question, a.Status, a.Body, err)
			r.mu.Unlock()
		}
	}
}
