package faults

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

const (
	copiesCallers = 8
	takenWithin   = 5 * time.Second
	suspensions   = 20 // for each round
	drains        = time.Second
	looksEvery    = 50 * time.Millisecond // at which of the copies is ready
	looksLast     = drains / 4            // for so long what was seen is believed, however busy the machine is
)

func copies() Fault {
	return Fault{Name: "copies", Short: 1, Long: 50, Run: runCopies,
		About: "two copies on one nats-server and one PostgreSQL: suspended, or a key revoked, through one and refused by the other, the one with all roles killed, rolling restarts under load"}
}

// pair is two copies of the program on one site. The first has all roles: it was there alone.
type pair struct {
	*Site
	load   *Load
	serves [2]Serve // each always at the same address
	health [2]string
	first  *Program
	second *Program
	other  int // which of the serves the second is
	o      Outcome
}

func runCopies(ctx context.Context, l *Lab, rounds int) (o Outcome, err error) {
	site, err := l.NewExternalSite(ctx, copiesCallers)
	if err != nil {
		return o, err
	}
	c := &pair{Site: site, load: site.NewLoad("copies", copiesCallers), other: 1}
	if err := c.start(ctx); err != nil {
		return o, err
	}
	mine, err := c.joined(ctx, c.first)
	if err != nil {
		return o, err
	}
	working, stop := context.WithCancel(ctx)
	defer stop()
	c.load.Begin(working)
	c.load.Open(c.first.URL, c.second.URL)
	for range rounds {
		if err := errors.Join(c.suspend(ctx, mine), c.keys(ctx, mine), c.roll(ctx)); err != nil {
			return o, err
		}
	}
	if err := c.load.Finish(ctx); err != nil {
		return o, err
	}
	for id, n := range c.Mails.Accepted() { // nobody has been killed yet
		if n != 1 {
			return o, broken("the mail of %s came %d times", id, n)
		}
	}
	for range rounds {
		if err := c.kill(ctx); err != nil {
			return o, err
		}
	}
	if err := c.first.Stop(ctx); err != nil {
		return o, err
	}
	o, err = c.Judge(ctx, c.second, c.load.Steps())
	o.Add(c.o)
	o.Rounds = rounds
	if err == nil {
		err = site.Discard()
	}
	return o, err
}

// start starts both copies, each in a directory of its own, with the same keyring and operator's key.
func (c *pair) start(ctx context.Context) error {
	for i := range c.serves {
		dir, err := c.lab.Dir()
		if err != nil {
			return err
		}
		for _, name := range []string{"keyring.json", "operator.key"} {
			text, err := os.ReadFile(filepath.Join(c.Data, name))
			if err == nil {
				err = os.WriteFile(filepath.Join(dir, name), text, 0o600)
			}
			if err != nil {
				return err
			}
		}
		ops, err := freeAddress(ctx)
		if err != nil {
			return err
		}
		c.serves[i] = c.Serve()
		c.serves[i].Data = dir
		c.serves[i].Args = append(c.serves[i].Args, "--ops-listen", ops, "--drain", drains.String())
		c.health[i] = "http://" + ops + "/readyz"
		p, err := c.lab.Start(ctx, c.serves[i])
		if err != nil {
			return err
		}
		c.serves[i].Args = append(c.serves[i].Args, "--listen", "127.0.0.1:"+p.URL[strings.LastIndex(p.URL, ":")+1:])
		c.first, c.second = c.second, p
	}
	return nil
}

// suspend suspends somebody through one copy; the other refuses him on the very next request, and lets him in on the
// next after he was reactivated.
func (c *pair) suspend(ctx context.Context, who Member) error {
	one, two := c.first.Client(), c.second.Client()
	at := "/v1/accounts/" + c.Account.String()
	for range suspensions {
		for _, verb := range []string{"suspend", "reactivate"} {
			path := at + "/users/" + who.User + "/" + verb
			if err := one.As(c.Owner.Session).Post(ctx, path, M{}, nil); err != nil {
				return err
			}
			a, err := two.As(who.Session).Do(ctx, http.MethodGet, at, nil)
			if err != nil {
				return err
			}
			if let := a.Status == http.StatusOK; let != (verb == "reactivate") {
				return broken("%s through one copy, and the other answers %d", verb, a.Status)
			}
			one, two = two, one
		}
		c.o.Count("suspended through one and refused by the other", 1)
	}
	return nil
}

// kill kills the copy that has all roles, and has the other one list somebody and send a mail. The killed one comes
// back as the second.
func (c *pair) kill(ctx context.Context) error {
	began := time.Now()
	c.first.Kill()
	c.load.Open(c.second.URL)
	invited, listed, mailed := time.Duration(0), time.Duration(0), time.Duration(0)
	owner := c.second.Client().As(c.Owner.Session)
	at := "/v1/accounts/" + c.Account.String()
	email := fmt.Sprintf("after-kill-%d@northwind.example", began.UnixNano())
	if err := owner.Post(ctx, at+"/invitations", M{"emails": []string{email}, "roles": []string{"viewer"}}, nil); err != nil {
		return err
	}
	invited = time.Since(began)
	waiting, cancel := context.WithTimeout(ctx, 4*takenWithin)
	defer cancel()
	err := Until(waiting, func() bool {
		var page struct{ Items []struct{ Delivery string } }
		if err := owner.Get(waiting, at+"/users?status=pending&q="+email, &page); err != nil || len(page.Items) == 0 {
			return false
		}
		if listed == 0 {
			listed = time.Since(began)
		}
		if page.Items[0].Delivery != "sent" {
			return false
		}
		mailed = time.Since(began)
		return true
	})
	ms := func(d time.Duration) time.Duration { return d.Round(time.Millisecond) }
	c.lab.Say("copies: killed; a command after %s, listed after %s, mailed after %s", ms(invited), ms(listed), ms(mailed))
	c.o.Note("taken over: listed after %s, mailed after %s", ms(listed), ms(mailed))
	if err != nil || mailed > takenWithin {
		return fmt.Errorf("a copy was killed, and the other listed after %s and mailed after %s (0: not at all), want %s: %s", ms(listed), ms(mailed), takenWithin, c.second.Stderr())
	}
	return c.back(ctx)
}

// back starts the copy that has ended: now the other has all roles.
func (c *pair) back(ctx context.Context) (err error) {
	c.other = 1 - c.other
	c.first = c.second
	if c.second, err = c.lab.Start(ctx, c.serves[c.other]); err != nil {
		return err
	}
	c.load.Open(c.first.URL, c.second.URL)
	return nil
}

// roll restarts both copies, one after the other, while callers know both addresses.
func (c *pair) roll(ctx context.Context) error {
	working, stop := context.WithCancel(ctx)
	var callers sync.WaitGroup
	r := &rolling{pair: c}
	r.urls[c.other], r.urls[1-c.other] = c.second.URL, c.first.URL
	callers.Go(func() { r.look(working) })
	for i := range copiesCallers {
		callers.Go(func() { r.call(working, i) })
	}
	var trouble error
	for range 2 {
		c.load.Open(c.second.URL)
		if trouble = c.first.Stop(ctx); trouble == nil {
			trouble = c.back(ctx)
		}
		if trouble == nil {
			trouble = Wait(ctx, 300*time.Millisecond)
		}
		if trouble != nil {
			break
		}
	}
	stop()
	callers.Wait()
	c.o.Count("requests during rolling restarts", int(r.answered.Load()))
	if n := r.failed.Load(); n > 0 {
		trouble = errors.Join(trouble, fmt.Errorf("%d requests failed during a rolling restart, such as: %v", n, r.such.Load()))
	}
	return trouble
}

// rolling is callers behind somebody who hands out their requests, as a load balancer does: to the copies that say that
// they are ready. No request is sent twice.
type rolling struct {
	*pair
	urls             [2]string
	ready            [2]atomic.Int64 // when a copy was asked that said so, in nanoseconds; 0 where it did not
	answered, failed atomic.Int64
	such             atomic.Value
}

// look asks the copies whether they are ready, until ctx ends.
func (r *rolling) look(ctx context.Context) {
	client := &http.Client{Timeout: time.Second, Transport: &http.Transport{DisableKeepAlives: true}}
	for ctx.Err() == nil {
		for i, url := range r.health {
			asked, is := time.Now().UnixNano(), false
			if req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil); err == nil {
				if res, err := client.Do(req); err == nil {
					is = res.StatusCode == http.StatusOK
					_ = res.Body.Close()
				}
			}
			if !is {
				asked = 0
			}
			r.ready[i].Store(asked)
		}
		_ = Wait(ctx, looksEvery) // an end is noticed above
	}
}

// isReady says that a copy was ready a moment ago. What was seen earlier says nothing: the copy may have stopped since.
func (r *rolling) isReady(i int) bool {
	return time.Since(time.Unix(0, r.ready[i].Load())) < looksLast
}

func (r *rolling) call(ctx context.Context, i int) {
	client := &http.Client{Timeout: patience, Transport: &http.Transport{DisableKeepAlives: true}}
	at := "/v1/accounts/" + r.Account.String()
	for n := i; ctx.Err() == nil; n++ {
		to := n % 2
		if !r.isReady(to) {
			to = 1 - to
		}
		if !r.isReady(to) {
			_ = Wait(ctx, looksEvery/10)
			continue
		}
		c := Client{URL: r.urls[to], HTTP: client}.As(r.Owner.Session)
		var a Answer
		var err error
		method, path := http.MethodGet, at+"/users?limit=5"
		if n%2 == 0 {
			method, path = http.MethodPost, "/v1/check"
			a, err = c.Do(context.WithoutCancel(ctx), method, path, M{"user": r.Members[i].User, "permission": "users:read", "account": r.Account})
		} else {
			a, err = c.Do(context.WithoutCancel(ctx), method, path, nil)
		}
		r.answered.Add(1)
		if err != nil || a.Status != http.StatusOK {
			r.failed.Add(1)
			r.such.Store(fmt.Sprintf("%s %s: %d %v %.200s", method, path, a.Status, err, a.Body))
		}
		if Wait(ctx, 5*time.Millisecond) != nil {
			return
		}
	}
}

// freeAddress is one of this machine on which nobody listens.
func freeAddress(ctx context.Context) (string, error) {
	l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	return l.Addr().String(), l.Close()
}
