package faults

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"sync"
	"time"
)

const (
	ackCallers = 16
	acksInOne  = 5000 // commands on one site, before it is judged and another one made
	// window is how long the log itself recognises what is sent twice. The long form lets it pass.
	window = 21 * time.Second
)

func cutAcks() Fault {
	return Fault{Name: "cut-acks", Short: 320, Long: 20_000, Run: runCutAcks,
		About: "connections reset after random bytes, either way; sent again under the same key at once, and after a second, three minutes and a day"}
}

func runCutAcks(ctx context.Context, l *Lab, rounds int) (all Outcome, err error) {
	for done := 0; done < rounds; {
		n := min(acksInOne, rounds-done)
		one, err := ackSite(ctx, l, fmt.Sprintf("cut%d", done), n)
		all.Add(one)
		if err != nil {
			return all, err
		}
		done += n
	}
	return all, nil
}

// late is a moment at which what is not known is sent again, by the clock of the program.
type late struct {
	what  string
	ahead time.Duration // of the clock
}

func lateness() []late {
	return []late{{"a second", 0}, {"three minutes", 3*time.Minute + 10*time.Second}, {"a day", 24*time.Hour + 10*time.Minute}}
}

// acking is callers whose connections are cut.
type acking struct {
	*Load
	proxy  *Cutter
	mu     sync.Mutex
	chance *rand.Rand
	later  map[*Step]int // the moment at which each step is sent again that nobody knows about
	again  []int         // how many were, by moment
}

func ackSite(ctx context.Context, l *Lab, name string, rounds int) (o Outcome, err error) {
	site, err := l.NewSite(ctx, ackCallers)
	if err != nil {
		return o, err
	}
	c := &acking{Load: site.NewLoad(name, ackCallers), chance: l.Rand(name), later: map[*Step]int{}, again: make([]int, len(lateness()))}
	// A connection of its own for each request: then the bytes are the request's and its answer's.
	c.client = &http.Client{Timeout: patience, Transport: &http.Transport{DisableKeepAlives: true}}
	if c.proxy, err = newCutter(c.budget); err != nil {
		return o, err
	}
	l.OnClose(c.proxy.Close)
	var p *Program
	for i, late := range lateness() {
		if p != nil {
			if err := p.Stop(ctx); err != nil {
				return o, err
			}
		}
		if p, err = c.Start(ctx, "--clock-ahead", late.ahead.String()); err != nil {
			return o, err
		}
		if err := c.proxy.Lead(p.URL); err != nil {
			return o, err
		}
		if i == 0 {
			began := time.Now()
			c.all(func(w *worker) { c.first(ctx, w, (rounds+ackCallers-1)/ackCallers) })
			l.Say("%s: %d commands in %s, %d connections cut", name, len(c.Steps()), time.Since(began).Round(time.Millisecond), c.proxy.Cuts.Load())
			if err := Wait(ctx, time.Second); err != nil {
				return o, err
			}
		} else if i == 1 && !l.Short {
			if err := Wait(ctx, window); err != nil {
				return o, err
			}
		}
		c.all(func(w *worker) { c.resend(ctx, w, i, p.URL) })
		l.Say("%s: after %s %d were sent again", name, late.what, c.again[i])
	}
	if err := errors.Join(c.wrong...); err != nil {
		return o, err
	}
	o, err = site.Judge(ctx, p, c.Steps())
	o.Rounds = rounds
	o.Note("%d connections cut", c.proxy.Cuts.Load())
	for i, late := range lateness() {
		o.Note("%d sent again after %s", c.again[i], late.what)
	}
	if err == nil {
		err = site.Discard()
	}
	return o, err
}

// budget cuts three of four connections: somewhere in the request, which is some 400 bytes, or in the answer.
func (c *acking) budget() (up, down int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch c.chance.IntN(4) {
	case 0:
		return int64(c.chance.IntN(600)), uncut
	case 1, 2:
		return uncut, int64(c.chance.IntN(900))
	}
	return uncut, uncut
}

// all has every caller do something, at once, and waits for them.
func (c *acking) all(do func(*worker)) {
	var working sync.WaitGroup
	for _, w := range c.workers {
		working.Go(func() { do(w) })
	}
	working.Wait()
}

// first sends commands through the cuts, half of those that got no answer once more at once.
func (c *acking) first(ctx context.Context, w *worker, n int) {
	through := &place{[]string{"http://" + c.proxy.Addr}}
	for range n {
		if ctx.Err() != nil {
			return
		}
		s := w.choose()
		w.steps = append(w.steps, s)
		if w.send(ctx, through, s) == Unknown && s.Key != "" && w.rand.IntN(2) == 0 {
			w.send(ctx, through, s)
		}
		w.learn(s)
		c.mu.Lock()
		c.later[s] = w.rand.IntN(len(c.again))
		c.mu.Unlock()
	}
}

// resend sends what is due now until it is known, at first through the cuts, and some of what was acknowledged.
func (c *acking) resend(ctx context.Context, w *worker, moment int, straight string) {
	places := []*place{{[]string{"http://" + c.proxy.Addr}}, {[]string{straight}}}
	for _, s := range w.steps {
		c.mu.Lock()
		due := s.Key != "" && s.Final().Outcome == Unknown && c.later[s] == moment
		c.mu.Unlock()
		if !due && (!s.Repeatable() || w.rand.IntN(6) > 0) {
			continue
		}
		for try := 0; try < 20; try++ {
			if w.send(ctx, places[min(try/2, 1)], s) != Unknown || ctx.Err() != nil {
				break
			}
		}
		c.mu.Lock()
		c.again[moment]++
		c.mu.Unlock()
		if s.Final().Outcome == Unknown {
			w.trouble(fmt.Errorf("%s is not answered, however often it is sent", s))
		}
	}
}
