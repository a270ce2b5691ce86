package bench

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"slices"
	"time"

	"roster/domain"
	"roster/events"
	"roster/handlers"
)

// signInPassword is everybody's.
const signInPassword = "Correct-horse-7"

// timingsOf is how many answers of each class are timed.
const timingsOf = 2000

// authenticating asks who holds a session's token.
func (p *portal) authenticating(name string, firms []firm) contestant {
	return spreadOut(name, firms, 1, func(ctx context.Context, f *firm) error {
		_, err := p.access.Authenticate(ctx, f.owner.token)
		return err
	})
}

// known makes n users who can sign in by password, and answers their addresses. The password is hashed once: what a
// sign-in verifies costs the same for all.
func (p *portal) known(ctx context.Context, hash string, n int) ([]string, error) {
	l := newLoader(p)
	list := make([]string, n)
	for i := range list {
		list[i] = emailOf(i)
		address, sealing, err := p.sealer.ClaimAddress(ctx, list[i])
		if err != nil {
			return nil, err
		}
		user := events.UserID(newID())
		key, err := p.sealer.NewUserKey(ctx, user)
		if err != nil {
			return nil, err
		}
		secret, err := p.sealer.PutPassword(ctx, user, hash)
		if err != nil {
			return nil, err
		}
		by := events.Actor{Type: events.ByUser, ID: user.String()}
		facts := append(registered(user, address, key, sealing, i), events.PasswordSet{Secret: secret})
		if err := l.commit(ctx, events.OfUser(user), by, "AcceptInvitation", facts...); err != nil {
			return nil, err
		}
		if err := l.commit(ctx, events.OfAddress(address), by, "AcceptInvitation", events.AddressClaimed{User: user}); err != nil {
			return nil, err
		}
	}
	return list, l.flush(ctx)
}

func signIns(ctx context.Context, l *lab) error {
	p, err := l.portal(ctx)
	if err != nil {
		return err
	}
	hash, err := p.hasher.Hash(ctx, signInPassword)
	if err != nil {
		return err
	}
	n := timingsOf
	if l.o.small {
		n = 16 // one for each caller
	}
	people, err := p.known(ctx, hash, n)
	if err != nil {
		return err
	}
	if name := "sign-in/rate/16"; l.wanted(name) {
		if err := l.signInRate(ctx, p, name, hash, people); err != nil {
			return err
		}
	}
	if name := "sign-in/session"; l.wanted(name) {
		firms, err := p.firms(ctx, l.accounts())
		if err != nil {
			return err
		}
		got, err := l.race(ctx, p.authenticating(name, firms))
		if err != nil {
			return err
		}
		l.row(p99("µs p99", 1000).row(name, got[0], nil, atMost(50, "µs")))
	}
	if l.wanted("sign-in/told-apart") {
		return l.toldApart(ctx, p, people)
	}
	return nil
}

// signInRate is sign-ins beside the bare verifying of their password.
func (l *lab) signInRate(ctx context.Context, p *portal, name, hash string, people []string) error {
	const callers = 16
	next := make([]int, callers)
	mine := len(people) / callers
	got, err := l.race(ctx,
		contestant{name: name, callers: callers, op: func(ctx context.Context, caller int) error {
			email := people[caller*mine+next[caller]%mine]
			next[caller]++
			_, err := p.access.SignIn(ctx, handlers.Call{Origin: events.OriginInfo{IP: "192.0.2.7", Device: "bench"}}, email, signInPassword)
			return err
		}},
		contestant{name: "argon2id/verify", callers: callers, op: func(ctx context.Context, _ int) error {
			ok, _, err := p.hasher.Verify(ctx, signInPassword, hash)
			if err == nil && !ok {
				err = errors.New("the right password is wrong")
			}
			return err
		}})
	if err != nil {
		return err
	}
	l.row(perSecond("sign-ins/s").row(name, got[0], &got[1], goal{}))
	return nil
}

// class is one kind of address that somebody may try, and how long the answers took.
type class struct {
	name  string
	email func(n int) string
	took  []float64
}

// toldApart tries wrong passwords over HTTP, at addresses that users hold, that nobody holds and that contacts have, in
// a random order, and asks for password resets and for accounts alike. It is refused unless all answers are the same bytes. The row is
// how well the times tell two classes apart: the area under the ROC curve, which is 0.5 where they do not at all and 1
// where one look is enough. Of 2,000 each, times from one distribution give up to 0.518 in 95 of 100 runs.
func (l *lab) toldApart(ctx context.Context, p *portal, people []string) error {
	if l.o.small {
		people = people[:4]
	}
	contacts, err := p.contacts(ctx, len(people))
	if err != nil {
		return err
	}
	open := domain.Profiles()[0]
	open.Name, open.SignUp = "open", true
	if _, err := p.app.Do(ctx, handlers.Call{Actor: events.Actor{Type: events.ByOperator, ID: "bench"}}, domain.DefineProfile{Definition: open}); err != nil {
		return err
	}
	handler, err := p.api(nil)
	if err != nil {
		return err
	}
	address, err := l.serve(ctx, handler)
	if err != nil {
		return err
	}
	for _, tried := range []struct{ name, path, rest string }{
		{"sign-in", "/v1/sessions", `,"password":"Wrong-horse-8"`},
		{"reset", "/v1/password-resets", ""},
		{"sign-up", "/v1/signup", ""},
	} {
		if !l.wanted("sign-in/told-apart/" + tried.name) {
			continue
		}
		classes := []*class{
			{name: "user", email: func(n int) string { return people[n] }},
			{name: "unknown", email: func(n int) string { return fmt.Sprintf("nobody%d@customer.example", n) }},
			{name: "contact", email: func(n int) string { return contacts[n] }},
		}
		if err := l.time(ctx, address, tried.path, tried.rest, len(people), classes); err != nil {
			return err
		}
		for _, c := range classes[1:] {
			area := areaBetween(classes[0].took, c.took)
			r := Row{Name: "sign-in/told-apart/" + tried.name + "/" + c.name, Value: area, Unit: "AUC", Low: area, High: area, Count: int64(len(c.took)),
				P50: at(c.took, 0.5), P99: at(c.took, 0.99),
				Baseline: &Baseline{Name: "sign-in/user", Value: 0.5, Low: 0.5, High: 0.5, P50: at(classes[0].took, 0.5), P99: at(classes[0].took, 0.99)}, Ratio: area / 0.5}
			atMost(0.52, "AUC").judge(&r)
			l.row(r)
		}
	}
	return nil
}

// time sends each class's requests, in an order that nobody can guess, one at a time.
func (l *lab) time(ctx context.Context, address, path, rest string, n int, classes []*class) error {
	clients, err := l.clients(ctx, address, 1)
	if err != nil {
		return err
	}
	type try struct{ class, n int }
	var order []try
	for i := range n {
		for c := range classes {
			order = append(order, try{c, i})
		}
	}
	rand.Shuffle(len(order), func(i, j int) { order[i], order[j] = order[j], order[i] }) //nolint:gosec // an order, no secret
	var first string
	for _, t := range order {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		c := classes[t.class]
		text := request(http.MethodPost, path, "", `{"email":"`+c.email(t.n)+`"`+rest+`}`)
		since := time.Now()
		answer, err := clients[0].whole(text)
		if err != nil {
			return err
		}
		c.took = append(c.took, float64(time.Since(since).Nanoseconds())/1e6)
		if first == "" {
			first = answer
		}
		if answer != first {
			return fmt.Errorf("%s tells a %s: %s, and not %s", path, c.name, answer, first)
		}
	}
	return nil
}

// contacts makes accounts with contacts, who can never sign in, and answers their addresses.
func (p *portal) contacts(ctx context.Context, n int) ([]string, error) {
	const each = 500
	firms, err := p.firms(ctx, (n+each-1)/each)
	if err != nil {
		return nil, err
	}
	keys, err := p.newKeys(ctx, len(firms))
	if err != nil {
		return nil, err
	}
	l, list := newLoader(p), make([]string, n)
	for i, f := range firms {
		if err := l.goOn(ctx, events.OfAccount(f.id)); err != nil {
			return nil, err
		}
		for from := i * each; from < min((i+1)*each, n); from += factsOf {
			var facts []events.Event
			for j := from; j < min(from+factsOf, (i+1)*each, n); j++ {
				list[j] = fmt.Sprintf("contact%d@customer.example", j)
				facts = append(facts, events.ContactAdded{Contact: newID(), Roles: []string{domain.SecurityContact},
					Person: events.For(keys[i], events.ContactPerson{Name: "Contact", Email: list[j]})})
			}
			if err := l.commit(ctx, events.OfAccount(f.id), f.owner.actor(), "AddContact", facts...); err != nil {
				return nil, err
			}
		}
	}
	return list, l.flush(ctx)
}

// areaBetween is the area under the ROC curve that tells b from a by their size, or by the opposite: from 0.5 to 1.
// It is the Mann-Whitney U of the ranks, divided by the number of pairs.
func areaBetween(a, b []float64) float64 {
	type one struct {
		v   float64
		isB bool
	}
	all := make([]one, 0, len(a)+len(b))
	for _, v := range a {
		all = append(all, one{v, false})
	}
	for _, v := range b {
		all = append(all, one{v, true})
	}
	slices.SortFunc(all, func(x, y one) int {
		switch {
		case x.v < y.v:
			return -1
		case x.v > y.v:
			return 1
		}
		return 0
	})
	ranks := 0.0
	for i := 0; i < len(all); {
		j := i
		for j < len(all) && all[j].v == all[i].v {
			j++
		}
		for _, o := range all[i:j] { // equal ones share the rank in their middle
			if o.isB {
				ranks += float64(i+j+1) / 2
			}
		}
		i = j
	}
	u := ranks - float64(len(b)*(len(b)+1))/2
	area := u / float64(len(a)*len(b))
	return max(area, 1-area)
}

func at(list []float64, part float64) float64 {
	sorted := slices.Sorted(slices.Values(list))
	return sorted[min(int(part*float64(len(sorted))), len(sorted)-1)]
}
