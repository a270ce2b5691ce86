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

	"roster/events"
)

const (
	patience   = 20 * time.Second       // of a caller with one answer
	breath     = 20 * time.Millisecond  // of a caller in a short form: what it writes has to be mailed and judged afterwards
	retryAfter = 150 * time.Millisecond // of a caller who knows of no other program
	haste      = 4 * time.Millisecond   // at most, of a caller who leaves while the program works for it
)

// Load is callers that work with hardly a pause, each on one command at a time, and the recorder of all that they ask and
// are answered. They go where Open says. When an answer does not come, or does not say what was done, a caller waits
// for the next program, or a moment, and mostly sends the same again under its key; sometimes it leaves it at that, and
// the outcome stays unknown. Now and then it sends something again that was done long ago.
type Load struct {
	*Site
	client  *http.Client
	workers []*worker
	working sync.WaitGroup
	stop    context.CancelFunc
	adjust  func(*Step)   // changes what a caller is about to ask; nil: nothing
	pause   time.Duration // of a caller between two commands, about
	leaving int           // one time in so many a caller does not wait for the answer; 0: never

	acknowledged atomic.Int64 // so far

	mu      sync.Mutex
	at      *place
	last    bool
	changed chan struct{}
	wrong   []error // answers that no program may give
}

type place struct{ urls []string }

// NewLoad makes callers, one for each member of the site but at most so many. A site may have several loads, one after
// the other, under different names.
func (s *Site) NewLoad(name string, callers int) *Load {
	d := &Load{Site: s, changed: make(chan struct{}),
		client: &http.Client{Timeout: patience, Transport: &http.Transport{MaxIdleConnsPerHost: 2 * callers}}}
	if s.lab.Short {
		d.pause = breath
	}
	for i := range min(callers, len(s.Members)) {
		d.workers = append(d.workers, &worker{Load: d, n: i, name: name, rand: s.lab.Rand(fmt.Sprint(name, " caller ", i))})
	}
	return d
}

// Begin has the callers wait for a program and work until Finish, or until the context ends.
func (d *Load) Begin(ctx context.Context) {
	ctx, d.stop = context.WithCancel(ctx)
	for _, w := range d.workers {
		d.working.Go(func() { w.work(ctx) })
	}
}

// Open says where a program serves; with several the callers spread over them.
func (d *Load) Open(urls ...string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.at = &place{urls}
	close(d.changed)
	d.changed = make(chan struct{})
	d.client.CloseIdleConnections()
}

// Finish has every caller find out, from the programs opened last, what became of what it asked, and stops. What can
// be found out and is not within two minutes is an error, and so is an answer that no program may give.
func (d *Load) Finish(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Minute)
	defer cancel()
	defer d.stop()
	d.mu.Lock()
	d.last = true
	d.mu.Unlock()
	done := make(chan struct{})
	go func() { d.working.Wait(); close(done) }()
	select {
	case <-done:
	case <-ctx.Done():
		d.stop()
		<-done
		return broken("callers still wait for an answer: %w", ctx.Err())
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	return errors.Join(d.wrong[:min(len(d.wrong), 10)]...)
}

// Steps are the commands of all callers. It may be asked after Finish.
func (d *Load) Steps() []*Step {
	var all []*Step
	for _, w := range d.workers {
		all = append(all, w.steps...)
	}
	return all
}

// ending says that Finish has been called.
func (d *Load) ending() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.last
}

// next waits for a program other than the one given, or a moment. nil: the context has ended.
func (d *Load) next(ctx context.Context, gone *place) *place {
	moment := time.NewTimer(retryAfter)
	defer moment.Stop()
	for {
		d.mu.Lock()
		at, changed := d.at, d.changed
		d.mu.Unlock()
		if at != nil && at != gone {
			return at
		}
		select {
		case <-changed:
		case <-moment.C:
			if at != nil {
				return at
			}
		case <-ctx.Done():
			return nil
		}
	}
}

func (d *Load) trouble(err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.wrong = append(d.wrong, err)
}

// worker is one caller.
type worker struct {
	*Load
	n     int
	name  string
	rand  *rand.Rand
	count int
	steps []*Step
	open  []invited // invitations that it has made, as far as it knows
}

type invited struct {
	id         events.InvitationID
	generation uint32
}

func (w *worker) work(ctx context.Context) {
	var at *place
	var unresolved *Step
	for {
		gone := at
		if at = w.next(ctx, gone); at == nil {
			return
		}
		if s := unresolved; s != nil && (at == gone || w.ending() || w.rand.IntN(4) > 0) {
			if w.send(ctx, at, s) == Unknown {
				continue
			}
			w.learn(s)
		}
		unresolved = nil
		if done := w.repeatable(); done != nil && at != gone && w.send(ctx, at, done) == Unknown {
			continue
		}
		for ctx.Err() == nil {
			if w.ending() {
				return
			}
			s := w.choose()
			if w.adjust != nil {
				w.adjust(s)
			}
			if w.pause > 0 && Wait(ctx, w.pause/2+time.Duration(w.rand.Int64N(int64(w.pause)))) != nil {
				return
			}
			w.steps = append(w.steps, s)
			if w.send(ctx, at, s) == Unknown {
				if s.Key != "" {
					unresolved = s
				}
				break
			}
			w.learn(s)
		}
	}
}

func (w *worker) send(ctx context.Context, at *place, s *Step) string {
	if w.leaving > 0 && w.rand.IntN(w.leaving) == 0 {
		soon, leave := context.WithTimeout(ctx, time.Duration(w.rand.Int64N(int64(haste))))
		defer leave()
		ctx = soon
	}
	one, err := s.Send(ctx, Client{URL: at.urls[w.n%len(at.urls)], HTTP: w.client})
	if err != nil {
		w.trouble(err)
	}
	if one.Outcome == OK {
		w.acknowledged.Add(1)
	}
	return one.Outcome
}

// repeatable is, one time in three, something done that always writes: sent again under its key it answers the same.
func (w *worker) repeatable() *Step {
	if len(w.steps) == 0 || w.rand.IntN(3) > 0 {
		return nil
	}
	if s := w.steps[w.rand.IntN(len(w.steps))]; s.Repeatable() {
		return s
	}
	return nil
}

// learn keeps what later commands are about.
func (w *worker) learn(s *Step) {
	if s.Name != "InviteUsers" || s.Final().Outcome != OK {
		return
	}
	results, _ := s.Final().Body["results"].([]any) // of another form it is no answer to learn from
	for _, one := range results {
		result, _ := one.(map[string]any)
		text, _ := result["invitation"].(string)
		if id, err := events.ParseInvitationID(text); err == nil {
			w.open = append(w.open, invited{id, 1})
		}
	}
}
