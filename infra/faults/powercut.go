package faults

import (
	"bytes"
	"context"
	cryptorand "crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"
)

const (
	outageCallers = 16
	outagesInOne  = 20 // of one site, before it is judged and another one made
	longReason    = 1000
)

// The moments of a power cut.
const (
	cutLoad    = "load"    // under load
	cutRoll    = "roll"    // under load, when a block of the log has just been filled and the next one made
	cutErase   = "erase"   // under load, while people are erased
	cutStart   = "start"   // during or right after a start, which follows the cut before
	cutKilled  = "killed"  // during or right after a start that follows kill -9
	cutStopped = "stopped" // under load, after a clean stop
)

// powerCut is the fault. Its site is on a volume, and goes on from one cut to the next: the copy of the disk is what the
// program is started from, and the callers find out what became of what they asked. What any of the cuts loses, the
// judge misses in the end.
func powerCut() Fault {
	return Fault{Name: "power-cut", Short: 4, Long: 300, Run: runPowerCut,
		About: "the disk as it is at a moment: under load, while blocks roll over, while people are erased, during a start, of a first start, while streams are made; without the barrier it must lose"}
}

func runPowerCut(ctx context.Context, l *Lab, rounds int) (all Outcome, err error) {
	v, err := l.newVolumes(ctx)
	if err != nil {
		return all, err
	}
	site, image, err := cutTemplate(ctx, l, v)
	if err != nil {
		return all, err
	}
	for done := 0; done < rounds; {
		n := min(outagesInOne, rounds-done)
		one, err := outageSite(ctx, v, site, image, fmt.Sprintf("cut%d", done), n)
		all.Add(one)
		if err != nil {
			return all, err
		}
		done += n
		l.Say("power-cut: %d of %d", done, rounds)
	}
	if control, err := cutControl(ctx, v, site, image, max(1, rounds/15)); err != nil {
		return all, err
	} else {
		all.Note("%s", control)
	}
	return all, nil
}

// outage is a site on a volume.
type outage struct {
	*Site
	disk   *volume
	load   *Load
	cord   *cord
	chance *rand.Rand
	erased []string // what may stand nowhere any more
	trail  []string // how each cut was made
	rolls  rolls
}

// cutTemplate makes a site on a volume of which every other one is a copy.
func cutTemplate(ctx context.Context, l *Lab, v *volumes) (*Site, string, error) {
	disk, err := v.make(ctx)
	if err != nil {
		return nil, "", err
	}
	data, err := disk.data()
	if err != nil {
		return nil, "", err
	}
	site, err := l.newSiteIn(ctx, data, outageCallers)
	if err != nil {
		return nil, "", err
	}
	if err := site.fill(ctx); err != nil {
		return nil, "", err
	}
	if err := disk.settle(ctx); err != nil {
		return nil, "", err
	}
	image, err := disk.copy(ctx)
	return site, image, errors.Join(err, disk.remove())
}

// newOutage makes a site of its own from the template, with callers.
func newOutage(ctx context.Context, v *volumes, template *Site, image, name string) (*outage, error) {
	own := v.name()
	if err := command(ctx, "cp", "--sparse=always", "--reflink=auto", image, own); err != nil {
		return nil, err
	}
	disk, err := v.mount(ctx, own)
	if err != nil {
		return nil, err
	}
	data, err := disk.data()
	if err != nil {
		return nil, err
	}
	site, err := template.twin(data)
	if err != nil {
		return nil, err
	}
	c := &outage{Site: site, disk: disk, cord: &cord{}, chance: v.lab.Rand(name)}
	c.load = c.callers(name)
	return c, nil
}

// callers are callers who hear nothing of what is answered when the power has gone.
func (c *outage) callers(name string) *Load {
	load := c.NewLoad(name, outageCallers)
	c.cord.next, load.client.Transport = load.client.Transport, c.cord
	load.adjust, load.pause = c.adjust, 0
	return load
}

// outageSite makes a site, cuts its power so many times, and judges it. Each also has first starts that are cut.
func outageSite(ctx context.Context, v *volumes, template *Site, image, name string, rounds int) (o Outcome, err error) {
	kinds := map[string]int{}
	count := func() string { return fmt.Sprintf("cuts: %v", kinds) }
	firsts := 0
	if rounds > 1 {
		firsts = min(3, 1+rounds/10)
	}
	chance := v.lab.Rand(name + " first")
	for _, moment := range []string{firstStreams, firstSetUp, firstRandom}[:firsts] {
		if err := cutFirst(ctx, v, chance, moment); err != nil {
			return o, fmt.Errorf("cut of a first start, %s: %w", moment, err)
		}
		kinds[moment]++
	}
	c, err := newOutage(ctx, v, template, image, name)
	if err != nil {
		return o, err
	}
	working, stop := context.WithCancel(ctx)
	defer stop()
	c.load.Begin(working)
	for n := range rounds - firsts {
		kind := []string{cutLoad, cutErase, cutRoll, cutKilled, cutRoll, cutStart, cutErase, cutStopped}[n%8]
		if err := c.cut(ctx, kind); err != nil {
			return o, fmt.Errorf("cut %d (%s) after %s: %w", n+1, kind, count(), err)
		}
		kinds[kind]++
	}
	p, err := c.again(ctx)
	if err != nil {
		return o, err
	}
	c.open(p)
	if err := c.load.Finish(ctx); err != nil {
		return o, err
	}
	full := c.blocks()
	o, err = c.Judge(ctx, p, c.load.Steps())
	if said := p.Stderr(); err != nil && said != "" {
		err = fmt.Errorf("%w\nthe program said: %.4000s", err, said)
	}
	if err != nil {
		err = fmt.Errorf("%w\ncuts: %s", err, strings.Join(c.trail, "; "))
	}
	o.Rounds = rounds
	if c.rolls.cuts > 0 {
		o.Count("roll-overs cut", c.rolls.cuts)
		o.Count("roll-overs cut with the new block on the disk", c.rolls.made)
	}
	o.Note("%s, %d erased, blocks %s", count(), len(c.erased), full)
	return o, errors.Join(err, c.nowhere(), c.disk.remove())
}

// cutControl cuts the power of a program without our barrier, and demands that nearly all cuts lose something that was
// acknowledged: else the fault proves nothing.
func cutControl(ctx context.Context, v *volumes, template *Site, image string, rounds int) (string, error) {
	program, err := v.lab.BuildSeeded(ctx, "default-sync")
	if err != nil {
		return "", err
	}
	lost := 0
	for n := range rounds {
		c, err := newOutage(ctx, v, template, image, fmt.Sprint("control", n))
		if err != nil {
			return "", err
		}
		one, err := c.control(ctx, program)
		if err = errors.Join(err, c.disk.remove()); err != nil {
			return "", err
		}
		if one {
			lost++
		}
	}
	if lost*100 < rounds*95 {
		return "", fmt.Errorf("without the barrier only %d of %d cuts lost something: the others prove nothing", lost, rounds)
	}
	return fmt.Sprintf("without the barrier %d of %d cuts lost", lost, rounds), nil
}

// control makes one cut of a program without the barrier, and says whether something is lost.
func (c *outage) control(ctx context.Context, program string) (lost bool, err error) {
	load := c.load
	working, stop := context.WithCancel(ctx)
	defer stop()
	load.Begin(working)
	serve := c.Serve()
	serve.Path = program
	p, err := c.lab.Start(ctx, serve)
	if err != nil {
		return false, err
	}
	c.open(p)
	busy, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	if err := Until(busy, func() bool { return load.acknowledged.Load() >= outageCallers }); err != nil {
		return false, fmt.Errorf("control: %d acknowledged: %w: %s", load.acknowledged.Load(), err, p.Stderr())
	}
	if err := Wait(ctx, 300*time.Millisecond+time.Duration(c.chance.IntN(500))*time.Millisecond); err != nil {
		return false, err
	}
	if err := c.pull(ctx, p); err != nil {
		return false, err
	}
	stop()
	load.working.Wait()
	verdict := &Verdict{}
	h, err := Read(ctx, c.Data)
	if err != nil || h.Last() < c.From {
		c.lab.Say("control: nothing can be read: %v", err)
		return true, nil
	}
	h.CheckSteps(verdict, load.Steps(), c.From)
	c.lab.Say("control: %s", verdict.Outcome)
	return verdict.Outcome.Lost > 0, nil
}

// cut lets the program come to the moment, takes the disk as it is, and puts it in place of what went on.
func (c *outage) cut(ctx context.Context, kind string) error {
	if kind == cutKilled || kind == cutStopped {
		p, err := c.again(ctx)
		if err != nil {
			return err
		}
		c.open(p)
		if err := Wait(ctx, time.Duration(c.chance.IntN(300))*time.Millisecond); err != nil {
			return err
		}
		if kind == cutKilled {
			p.Kill()
		} else if err := errors.Join(p.Stop(ctx), c.disk.settle(ctx)); err != nil {
			return err
		}
	}
	p, err := c.lab.Launch(c.Serve())
	if err != nil {
		return err
	}
	defer p.Kill() // where something fails
	if kind == cutKilled || kind == cutStart {
		if err := Wait(ctx, time.Duration(c.chance.IntN(900))*time.Millisecond); err != nil {
			return err
		}
		return c.pull(ctx, p)
	}
	if err := p.Ready(ctx); err != nil {
		return broken("the program does not start from what the cut before has left: %w", err)
	}
	c.open(p)
	switch kind {
	case cutErase:
		defer c.erasing(ctx, p)()
	case cutRoll:
		return c.cutRoll(ctx, p)
	}
	if err := Wait(ctx, time.Duration(100+c.chance.IntN(900))*time.Millisecond); err != nil {
		return err
	}
	return c.pull(ctx, p)
}

// open lets the callers go to a program that serves.
func (c *outage) open(p *Program) {
	c.cord.back()
	c.load.Open(p.URL)
}

// again starts the program after a cut.
func (c *outage) again(ctx context.Context) (*Program, error) {
	p, err := c.Start(ctx)
	if err != nil && ctx.Err() == nil {
		err = broken("the program does not start from what the cut has left: %w", err)
	}
	return p, err
}

// erasing invites people into an account of its own and erases them again, until the power is gone, and notes who was
// erased. It returns what waits for its end.
func (c *outage) erasing(ctx context.Context, p *Program) (wait func()) {
	operator := p.Client().As(c.Operator)
	operator.HTTP = &http.Client{Timeout: patience, Transport: c.cord}
	var working sync.WaitGroup
	working.Go(func() {
		var made struct{ ID string }
		if operator.Post(ctx, "/v1/accounts", M{"name": "Erased"}, &made) != nil {
			return
		}
		for {
			name := "gone" + strings.ToLower(cryptorand.Text())
			email := name + "@gone.example"
			if operator.Post(ctx, "/v1/accounts/"+made.ID+"/invitations", M{"emails": []string{email}, "roles": []string{"owner"}}, nil) != nil {
				return
			}
			if operator.Post(ctx, "/v1/operator/erase", M{"email": email}, nil) != nil {
				return
			}
			c.erased = append(c.erased, name)
		}
	})
	return working.Wait
}

// nowhere looks for what was erased in all files of the log, the vault and the feed.
func (c *outage) nowhere() error {
	verdict := &Verdict{}
	err := filepath.WalkDir(filepath.Join(c.Data, "log"), func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		text, err := os.ReadFile(path)
		for _, name := range c.erased {
			if bytes.Contains(text, []byte(name)) {
				verdict.Differs("%s was erased and stands in %s", name, filepath.Base(path))
			}
		}
		return err
	})
	return errors.Join(verdict.Err(), err)
}

// blocks says how many blocks each stream has.
func (c *outage) blocks() string {
	list, err := filepath.Glob(filepath.Join(c.Data, "log", "jetstream", "$G", "streams", "*", "msgs", "*.blk"))
	counts := map[string]int{}
	for _, name := range list {
		counts[filepath.Base(filepath.Dir(filepath.Dir(name)))]++
	}
	if err != nil {
		return err.Error()
	}
	return fmt.Sprint(counts)
}

// pull cuts the power: what is answered from now on nobody has heard.
func (c *outage) pull(ctx context.Context, p *Program) error {
	c.cord.pull()
	image := ""
	var pids []int
	var err error
	running := c.disk.in.atOnce && c.chance.IntN(2) == 0
	c.trail = append(c.trail, fmt.Sprintf("%s of what runs: %t", time.Now().Format("15:04:05.000"), running))
	if running {
		image, err = c.disk.copy(ctx) // while everything runs
		if err == nil {
			pids, err = family(p.Pid())
		}
	} else if pids, err = freeze(ctx, p.Pid()); err == nil {
		image, err = c.disk.copy(ctx)
	}
	end(pids)
	p.Kill()
	if err != nil {
		return err
	}
	return c.disk.replace(ctx, image)
}

// cord lets callers hear what is answered until it is pulled, and again when it is back. A program whose disk is being
// copied may go on for a while: what that one answers after the copy's moment is of a world that never was.
type cord struct {
	next http.RoundTripper

	mu     sync.Mutex
	pulled int
	gone   bool
}

var errPulled = errors.New("the power is gone")

func (c *cord) pull() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.pulled++
	c.gone = true
}

func (c *cord) back() { c.mu.Lock(); c.gone = false; c.mu.Unlock() }

// RoundTrip implements http.RoundTripper: an answer is heard whole, and before the power is gone, or not at all.
func (c *cord) RoundTrip(r *http.Request) (*http.Response, error) {
	c.mu.Lock()
	before, gone := c.pulled, c.gone
	c.mu.Unlock()
	if gone {
		return nil, errPulled
	}
	res, err := c.next.RoundTrip(r)
	if err != nil {
		return nil, err
	}
	body, err := io.ReadAll(res.Body)
	if err = errors.Join(err, res.Body.Close()); err != nil {
		return nil, err
	}
	res.Body = io.NopCloser(bytes.NewReader(body))
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.pulled != before {
		return nil, errPulled
	}
	return res, nil
}

// CloseIdleConnections has the program forget its connections, of which none leads anywhere any more.
func (c *cord) CloseIdleConnections() {
	if t, ok := c.next.(*http.Transport); ok {
		t.CloseIdleConnections()
	}
}
