package faults

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"time"
)

// owners plays a history about the owners of an account.
func (th *theatre) owners(ctx context.Context, t *troupe) error {
	return th.posts(ctx, t, "owners", chooseOwnersAct)
}

// posts plays a history about an account with one to three owners among its four members.
func (th *theatre) posts(ctx context.Context, t *troupe, name string, choose func(*rand.Rand) ownersAct) error {
	account, err := th.open(ctx, t, t.people[0])
	if err != nil {
		return err
	}
	start := posts{{"owner", "active"}}
	byRole := map[string][]int{}
	for n, count := 1, 1+t.rand.IntN(3); n < crew; n++ {
		role := "owner"
		if n >= count {
			role = []string{"admin", "admin", "manager", "viewer"}[t.rand.IntN(4)]
		}
		start[n] = post{role, "active"}
		byRole[role] = append(byRole[role], n)
	}
	for role, list := range byRole {
		var emails []string
		for _, n := range list {
			emails = append(emails, t.people[n].Email)
		}
		ids, err := th.invite(ctx, account, role, emails...)
		if err != nil {
			return err
		}
		for i, n := range list {
			if err := th.join(ctx, account, ids[i], t.people[n]); err != nil {
				return err
			}
		}
	}
	s := newScene(name, ownersModel(start), callers)
	th.all(t, func(client int, rand *rand.Rand) {
		for range sceneActs {
			act := choose(rand)
			call := s.now()
			out := th.doOwners(ctx, rand, t, account, act)
			client = s.note(client, call, act, out, out.unknown)
		}
	})
	act := ownersAct{by: operator, what: "list"}
	call := s.now()
	out := th.doOwners(ctx, t.rand, t, account, act)
	s.note(0, call, act, out, out.unknown)
	return th.judge(s)
}

// all has every caller act at once.
func (th *theatre) all(t *troupe, do func(client int, rand *rand.Rand)) {
	var acting sync.WaitGroup
	for client := range callers {
		chance := rand.New(rand.NewPCG(t.rand.Uint64(), uint64(client)))
		acting.Go(func() { do(client, chance) })
	}
	acting.Wait()
}

func chooseOwnersAct(rand *rand.Rand) ownersAct {
	act := ownersAct{by: rand.IntN(crew+1) - 1, on: rand.IntN(crew)}
	switch kind := rand.IntN(20); {
	case kind < 7:
		act.what, act.role = "role", []string{"owner", "admin", "manager", "viewer", "viewer"}[rand.IntN(5)]
	case kind < 11:
		act.what = "suspend"
	case kind < 14:
		act.what = "reactivate"
	case kind < 16:
		act.what = "revoke"
	case kind < 17 && act.by != operator:
		act.what, act.on = "leave", act.by
	case kind < 19:
		act.what, act.by = "check", operator
	default:
		act.what, act.by = "list", operator
	}
	return act
}

func (th *theatre) doOwners(ctx context.Context, rand *rand.Rand, t *troupe, account string, act ownersAct) (out ownersSaid) {
	token := th.operator.Token
	if act.by != operator {
		token = t.people[act.by].Session
	}
	on := t.people[act.on].User
	at := "/v1/accounts/" + account + "/users"
	if act.many != nil {
		return th.doMany(ctx, rand, t, token, at, act)
	}
	switch act.what {
	case "role":
		out.said = th.ask(ctx, rand, token, "PUT", at+"/"+on+"/role", M{"roles": []string{act.role}}).said
	case "leave":
		out.said = th.ask(ctx, rand, token, "POST", "/v1/me/accounts/"+account+"/leave", M{}).said
	case "check":
		r := th.ask(ctx, rand, token, "POST", "/v1/check", M{"user": on, "permission": "users:suspend", "account": account})
		out.said = r.said
		out.may, _ = r.body["allowed"].(bool)
	case "list":
		items, said := th.list(ctx, account)
		out.said = said
		for _, one := range items {
			for n, p := range t.people {
				if one.ID == p.User {
					out.list[n] = post{strings.Join(one.Roles, "+"), one.Status}
					if one.Status == "revoked" {
						out.list[n].role = ""
					}
				}
			}
		}
	default:
		out.said = th.ask(ctx, rand, token, "POST", at+"/"+on+"/"+act.what, M{}).said
	}
	return out
}

// listed is an entry of the user list.
type listed struct {
	ID, Status string
	User       *string
	Roles      []string
}

// list reads the user list as the operator. An answer that says that it lags behind is none; then it is asked again.
func (th *theatre) list(ctx context.Context, account string) (items []listed, out said) {
	for range 5 { // each waits for two seconds
		a, err := th.operator.Do(ctx, "GET", "/v1/accounts/"+account+"/users?limit=500&status="+everyStatus, nil)
		var page struct{ Items []listed }
		if err == nil && a.Status == 200 && a.Header.Get("Roster-Lag") == "0" && a.Into(&page) == nil {
			return page.Items, said{code: okay}
		}
	}
	th.mu.Lock()
	defer th.mu.Unlock()
	th.late++
	return nil, said{unknown: true}
}

// spellings are ways to write one address.
func spellings(email string) []string {
	local, _, _ := strings.Cut(email, "@")
	return []string{email, local + "@xn--bcher-kva.example", strings.ToUpper(local) + "@BÜCHER.example", "  " + email, "Lee <" + local + "@Bücher.Example>", local + "@bücher。example"}
}

// address plays a history about one address: of somebody who is a user already, or, one time in ten, of nobody in two
// accounts at once.
func (th *theatre) address(ctx context.Context, t *troupe) error {
	p := &addressPlay{theatre: th, t: t, email: t.people[1].Email, holder: t.people[1].User}
	if t.rand.IntN(10) == 0 {
		p.email, p.holder = fmt.Sprintf("new.%d.%d@bücher.example", t.n, t.plays), ""
	}
	for n := range p.halls {
		if n > 0 && p.holder != "" {
			break
		}
		var err error
		if p.halls[n].account, err = th.open(ctx, t, t.people[0]); err != nil {
			return err
		}
	}
	return p.run(ctx, newScene("address", seatsModel(p.holder), callers))
}

// addressPlay is a history about an address while it is played.
type addressPlay struct {
	*theatre
	t             *troupe
	email, holder string
	strikes       int64 // when a brief invitation ends, within the scene; 0 for never

	mu    sync.Mutex
	halls [halls]struct {
		account string
		known   []letter // with the generation that the callers think is the newest
		mails   int      // an address gets ten a day
		member  string   // a new user who accepted here
	}
}

// mostMails is how many invitations and resends a history asks for in one account: below what an address gets a day.
const mostMails = 9

// run has the callers act and reads the lists in the end.
func (p *addressPlay) run(ctx context.Context, s *scene) error {
	p.all(p.t, func(client int, rand *rand.Rand) {
		for range sceneActs {
			client = p.act(ctx, s, client, rand, p.choose(rand))
		}
	})
	for n := range p.halls {
		if p.halls[n].account != "" {
			p.act(ctx, s, 0, p.t.rand, seatAct{what: "list", hall: n})
		}
	}
	return p.judge(s)
}

// act does one thing and notes it, with what it may have read from the clock.
func (p *addressPlay) act(ctx context.Context, s *scene, client int, rand *rand.Rand, act seatAct) (next int) {
	const reading = int64(2 * time.Millisecond) // how far two readings of one clock may be apart
	call := s.now()
	out := p.do(ctx, rand, act)
	switch {
	case p.strikes == 0:
	case call > p.strikes+reading:
		act.clock = after
	case out.unknown || s.now() > p.strikes-reading:
		act.clock = either
	}
	return s.note(client, call, act, out, out.unknown)
}

func (p *addressPlay) choose(rand *rand.Rand) seatAct {
	p.mu.Lock()
	defer p.mu.Unlock()
	act := seatAct{written: spellings(p.email)[rand.IntN(6)]}
	if p.halls[1].account != "" {
		act.hall = rand.IntN(halls)
	}
	h := &p.halls[act.hall]
	kind := rand.IntN(20)
	if len(h.known) == 0 && kind < 15 {
		kind = 19
	}
	if kind < 15 {
		l := h.known[len(h.known)-1-rand.IntN(min(len(h.known), 2))]
		act.id, act.generation = l.id, l.generation
		if rand.IntN(4) == 0 {
			act.generation += uint32(rand.IntN(3)) - 1
		}
	}
	switch {
	case kind < 6:
		act.what, act.as = "accept", p.holder
		switch rand.IntN(10) {
		case 0:
			act.as = p.t.people[2].User
		case 1:
			act.as = ""
		}
	case kind < 8:
		act.what = "decline"
	case kind < 9:
		act.what = "look"
	case kind < 12 && h.mails < mostMails:
		act.what = "resend"
		h.mails++
	case kind < 15:
		act.what = "withdraw"
	case kind < 16 && (p.holder != "" || h.member != ""):
		act.what = "revoke"
	case kind < 17 || h.mails >= mostMails:
		act.what = "list"
	default:
		act.what = "invite"
		h.mails++
	}
	return act
}

func (p *addressPlay) do(ctx context.Context, rand *rand.Rand, act seatAct) (out seatSaid) {
	h := &p.halls[act.hall]
	at := "/v1/accounts/" + h.account
	by := []string{p.operator.Token, p.t.people[0].Session}[rand.IntN(2)]
	link := "/v1/invitations/" + p.link(h.account, act.id, act.generation)
	switch act.what {
	case "invite":
		body := M{"emails": []string{act.written}, "roles": []string{"viewer"}}
		if act.brief {
			body["valid_for"] = "PT1H"
		}
		p.invited(h.account, act, p.ask(ctx, rand, by, "POST", at+"/invitations", body), &out)
	case "accept":
		token, body := "", M{"first_name": "New", "last_name": "Comer", "password": password}
		for _, one := range p.t.people {
			if one.User == act.as {
				token, body = one.Session, M{}
			}
		}
		r := p.ask(ctx, rand, token, "POST", link+"/accept", body)
		out.said = r.said
		if r.code == okay {
			out.user, _ = r.body["user"].(string)
			p.mu.Lock()
			h.member = out.user
			p.mu.Unlock()
		}
	case "decline":
		out.said = p.ask(ctx, rand, "", "POST", link+"/decline", M{}).said
	case "look":
		out.said = p.ask(ctx, rand, "", "GET", link, nil).said
	case "resend":
		out.said = p.ask(ctx, rand, by, "POST", at+"/invitations/"+act.id+"/resend", M{}).said
		if out.code == okay {
			p.mu.Lock()
			n := slices.IndexFunc(h.known, func(l letter) bool { return l.id == act.id })
			h.known[n].generation++
			p.mu.Unlock()
		}
	case "withdraw":
		out.said = p.ask(ctx, rand, by, "POST", at+"/invitations/"+act.id+"/revoke", M{}).said
	case "revoke":
		p.mu.Lock()
		who := h.member
		p.mu.Unlock()
		if who == "" {
			who = p.holder
		}
		out.said = p.ask(ctx, rand, by, "POST", at+"/users/"+who+"/revoke", M{}).said
	case "list":
		p.listed(ctx, act, &out)
	}
	return out
}

// invited reads what came of inviting the one address.
func (p *addressPlay) invited(account string, act seatAct, r reply, out *seatSaid) {
	if out.said = r.said; r.code != okay {
		return
	}
	results, _ := r.body["results"].([]any)
	one, _ := results[0].(map[string]any)
	outcome, _ := one["outcome"].(string)
	if outcome != "invited" {
		out.code = outcome
		return
	}
	out.id, _ = one["invitation"].(string)
	p.mu.Lock()
	defer p.mu.Unlock()
	h := &p.halls[act.hall]
	h.known = append(h.known, letter{id: out.id, generation: 1})
}

// listed reads what the list says of the address: it is alone in the account beside the owner.
func (p *addressPlay) listed(ctx context.Context, act seatAct, out *seatSaid) {
	items, said := p.list(ctx, p.halls[act.hall].account)
	out.said = said
	for _, one := range items {
		switch {
		case one.ID == p.t.people[0].User:
		case one.User == nil && one.Status == "pending":
			out.open = append(out.open, one.ID)
		case one.User != nil:
			out.member = strings.TrimSpace(out.member + " " + one.Status)
		}
	}
}

// briefs plays histories about invitations that end while they are played. The program is started again with its
// clock so far ahead that the first ends a moment after it is ready.
func (th *theatre) briefs(ctx context.Context, rounds int) error {
	lists := make([][]*briefPlay, troupes)
	err := th.each(func(t *troupe) error {
		for range rounds/troupes + min(1, max(0, rounds%troupes-t.n)) {
			p, err := th.brief(ctx, t)
			if err == nil {
				err = Wait(ctx, troupes*briefPace)
			}
			if err != nil {
				return err
			}
			lists[t.n] = append(lists[t.n], p)
		}
		return nil
	})
	if err != nil {
		return err
	}
	if err := th.program.Stop(ctx); err != nil {
		return err
	}
	th.ahead = time.Until(lists[0][0].ends) - startSlack // the times are the old clock's and the new one's alike
	if err := th.start(ctx); err != nil {
		return err
	}
	return th.each(func(t *troupe) error {
		for _, p := range lists[t.n] {
			if err := p.strike(ctx); err != nil {
				return err
			}
		}
		return nil
	})
}

// briefPlay is a history about an invitation that ends soon.
type briefPlay struct {
	*addressPlay
	scene *scene
	ends  time.Time // by the program's clock
}

// brief makes the account and the invitation, which is its history's first act.
func (th *theatre) brief(ctx context.Context, t *troupe) (*briefPlay, error) {
	a := &addressPlay{theatre: th, t: t, email: t.people[1].Email, holder: t.people[1].User}
	p := &briefPlay{addressPlay: a, scene: newScene("expiry", seatsModel(a.holder), callers)}
	var err error
	if a.halls[0].account, err = th.open(ctx, t, t.people[0]); err != nil {
		return nil, err
	}
	for len(a.halls[0].known) == 0 { // until one of them is not given up
		act := seatAct{what: "invite", brief: true, written: a.email}
		call := p.scene.now()
		out := a.do(ctx, t.rand, act)
		p.scene.note(0, call, act, out, out.unknown)
		if out.code == "already_invited" { // by one that was given up: that it ends is what nobody knows
			return th.brief(ctx, t)
		}
	}
	a.halls[0].mails = 1
	var made struct {
		Expires time.Time `json:"expires_at"`
	}
	err = th.operator.Get(ctx, "/v1/accounts/"+a.halls[0].account+"/invitations/"+a.halls[0].known[0].id, &made)
	p.ends = made.Expires
	return p, err
}

// strike plays the history around the moment at which the invitation ends.
func (p *briefPlay) strike(ctx context.Context) error {
	p.strikes = int64(p.ends.Add(-p.ahead).Sub(p.scene.began))
	if err := Wait(ctx, time.Duration(p.strikes-p.scene.now())-time.Duration(p.t.rand.IntN(12))*time.Millisecond); err != nil {
		return err
	}
	return p.run(ctx, p.scene)
}
