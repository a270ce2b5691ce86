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
	return Fault{Name: "cut-acks", Short: 40, Long: 20_000, Run: runCutAcks,
		About: "connections to the program, and of it to its log, reset after random bytes, either way; sent again under the same key at once, and after a second, three minutes and a day"}
}

func runCutAcks(ctx context.Context, l *Lab, rounds int) (Outcome, error) {
	return inTurn(ctx, l, rounds, acksInOne,
		way{"client", 3, func(ctx context.Context, l *Lab, name string, rounds int) (Outcome, error) {
			return ackSite(ctx, l, name, rounds, l.NewSite, clientLink{})
		}},
		way{"log", 1, func(ctx context.Context, l *Lab, name string, rounds int) (Outcome, error) {
			return ackSite(ctx, l, name, rounds, l.NewExternalSite, logLink{})
		}})
}

// How often something is sent again, through the cuts and without them.
const (
	triesCut   = 3
	triesUncut = 20
)

// late is a moment at which what is not known is sent again, by the clock of the program.
type late struct {
	what  string
	ahead time.Duration // of the clock
}

func lateness() []late {
	return []late{{"a second", 0}, {"three minutes", 3*time.Minute + 10*time.Second}, {"a day", 24*time.Hour + 10*time.Minute}}
}

// link is the connection that is cut: of the callers to the program, or of the program to its log.
type link interface {
	// target is where the connection leads, and args are what has the program use it.
	target(s *Site, p *Program) string
	args(proxy string) []string
	// url is where the callers go.
	url(proxy string, p *Program) string
	budget(chance *rand.Rand) (up, down int64)
}

// clientLink is cut three times of four: somewhere in the request, which is some 400 bytes, or in the answer.
type clientLink struct{}

func (clientLink) target(_ *Site, p *Program) string   { return p.URL }
func (clientLink) args(string) []string                { return nil }
func (clientLink) url(proxy string, _ *Program) string { return "http://" + proxy }
func (clientLink) budget(chance *rand.Rand) (up, down int64) {
	switch chance.IntN(4) {
	case 0:
		return int64(chance.IntN(600)), uncut
	case 1, 2:
		return uncut, int64(chance.IntN(900))
	}
	return uncut, uncut
}

// logLink carries many commands before it is cut.
type logLink struct{}

func (logLink) target(s *Site, _ *Program) string { return s.Nats.URL }
func (logLink) args(proxy string) []string        { return []string{"--nats", "nats://" + proxy} }
func (logLink) url(_ string, p *Program) string   { return p.URL }
func (logLink) budget(chance *rand.Rand) (up, down int64) {
	if chance.IntN(2) == 0 {
		return int64(500 + chance.IntN(20_000)), uncut
	}
	return uncut, int64(500 + chance.IntN(20_000))
}

// acking is callers, and a connection that is cut.
type acking struct {
	*Load
	link   link
	proxy  *Cutter
	mu     sync.Mutex
	cuts   bool
	chance *rand.Rand
	later  map[*Step]int       // the moment at which each step is sent again that nobody knows about
	again  []int               // how many were, by moment
	open   map[*worker][]*Step // what was sent again and is still not known
}

func ackSite(ctx context.Context, l *Lab, name string, rounds int, newSite siteMaker, cut link) (o Outcome, err error) {
	site, err := newSite(ctx, ackCallers)
	if err != nil {
		return o, err
	}
	c := &acking{Load: site.NewLoad(name, ackCallers), link: cut, chance: l.Rand(name), later: map[*Step]int{}, again: make([]int, len(lateness())), open: map[*worker][]*Step{}}
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
		if i == 1 && !l.Short {
			if err := Wait(ctx, window); err != nil {
				return o, err
			}
		}
		if p, err = c.begin(ctx, late); err != nil {
			return o, err
		}
		if i == 0 {
			began := time.Now()
			c.all(func(w *worker) { c.first(ctx, w, (rounds+ackCallers-1)/ackCallers, p) })
			l.Say("%s: %d commands in %s, %d connections cut", name, len(c.Steps()), time.Since(began).Round(time.Millisecond), c.proxy.Cuts.Load())
			if err := Wait(ctx, time.Second); err != nil {
				return o, err
			}
		}
		c.all(func(w *worker) { c.resend(ctx, w, i, p) })
		c.cut(false)
		c.all(func(w *worker) { c.settle(ctx, w, p) })
		l.Say("%s: after %s %d were sent again", name, late.what, c.again[i])
	}
	if err := errors.Join(c.wrong...); err != nil {
		return o, err
	}
	o, err = site.Judge(ctx, p, c.Steps())
	o.Rounds = rounds
	o.Count("connections cut", int(c.proxy.Cuts.Load()))
	for i, late := range lateness() {
		o.Count("sent again after "+late.what, c.again[i])
	}
	if err == nil {
		err = site.Discard()
	}
	return o, err
}

// begin starts the program, by a later clock, and then the cuts.
func (c *acking) begin(ctx context.Context, by late) (*Program, error) {
	if c.Nats != nil { // before the program: it connects at once
		if err := c.proxy.Lead(c.Nats.URL); err != nil {
			return nil, err
		}
	}
	p, err := c.Start(ctx, append([]string{"--clock-ahead", by.ahead.String()}, c.link.args(c.proxy.Addr)...)...)
	if err != nil {
		return nil, err
	}
	if err := c.proxy.Lead(c.link.target(c.Site, p)); err != nil {
		return nil, err
	}
	c.cut(true)
	c.proxy.CutAll() // what was made before has no budget
	return p, nil
}

// cut begins or ends the cuts.
func (c *acking) cut(yes bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.cuts = yes
}

func (c *acking) budget() (up, down int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.cuts {
		return uncut, uncut
	}
	return c.link.budget(c.chance)
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
func (c *acking) first(ctx context.Context, w *worker, n int, p *Program) {
	through := &place{[]string{c.link.url(c.proxy.Addr, p)}}
	for range n {
		if ctx.Err() != nil {
			return
		}
		s := w.choose()
		w.steps = append(w.steps, s)
		if w.send(ctx, through, s) == Unknown && s.Key != "" && w.rand.IntN(2) == 0 {
			w.send(ctx, through, s)
		}
		if s.Final().Outcome == Unknown && c.Nats != nil { // else all are asked of a program that has no log
			_ = Until(ctx, func() bool { return p.Client().As(c.Owner.Session).Get(ctx, "/v1/me", nil) == nil }) // an end is noticed above
		}
		w.learn(s)
		c.mu.Lock()
		c.later[s] = w.rand.IntN(len(c.again))
		c.mu.Unlock()
	}
}

// resend sends through the cuts what is due now, and some of what was acknowledged.
func (c *acking) resend(ctx context.Context, w *worker, moment int, p *Program) {
	through := &place{[]string{c.link.url(c.proxy.Addr, p)}}
	for _, s := range w.steps {
		c.mu.Lock()
		due := s.Key != "" && s.Final().Outcome == Unknown && c.later[s] == moment
		c.mu.Unlock()
		if !due && (!s.Repeatable() || w.rand.IntN(6) > 0) {
			continue
		}
		for try := range triesCut {
			if w.send(ctx, through, s) != Unknown || Wait(ctx, time.Duration(try)*20*time.Millisecond) != nil {
				break
			}
		}
		c.mu.Lock()
		c.again[moment]++
		if s.Final().Outcome == Unknown {
			c.open[w] = append(c.open[w], s)
		}
		c.mu.Unlock()
	}
}

// settle sends what is still not known, now that nothing is cut any more, until it is.
func (c *acking) settle(ctx context.Context, w *worker, p *Program) {
	straight := &place{[]string{p.URL}}
	c.mu.Lock()
	open := c.open[w]
	delete(c.open, w)
	c.mu.Unlock()
	for _, s := range open {
		for try := range triesUncut {
			if w.send(ctx, straight, s) != Unknown || Wait(ctx, time.Duration(try)*20*time.Millisecond) != nil {
				break
			}
		}
		if s.Final().Outcome == Unknown {
			w.trouble(fmt.Errorf("%s is not answered, however often it is sent", s))
		}
	}
}
