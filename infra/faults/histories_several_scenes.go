package faults

import (
	"context"
	"math/rand/v2"
	"slices"
	"sync"
	"time"
)

// several plays a history about one person, two accounts, and whoever invites into both at once.
func (th *theatre) several(ctx context.Context, t *troupe) error {
	p := &spreadPlay{theatre: th, t: t}
	for n := range p.halls {
		var err error
		if p.halls[n], err = th.open(ctx, t, t.people[0]); err != nil {
			return err
		}
		ids, err := th.invite(ctx, p.halls[n], "admin", t.people[admin].Email)
		if err == nil {
			err = th.join(ctx, p.halls[n], ids[0], t.people[admin])
		}
		if err != nil {
			return err
		}
	}
	s := newScene("several accounts", spreadModel(), callers)
	p.act(ctx, s, 0, t.rand, spreadAct{what: "invite", own: t.rand.IntN(3) > 0})
	th.all(t, func(client int, rand *rand.Rand) {
		for range sceneActs {
			client = p.act(ctx, s, client, rand, p.choose(rand))
		}
	})
	for n := range p.halls {
		p.act(ctx, s, 0, t.rand, spreadAct{what: "list", hall: n})
	}
	return th.judge(s)
}

// The people of such a history: who owns both accounts, who is invited, and who invites.
const (
	guest = 1
	admin = 2
)

// spreadPlay is such a history while it is played.
type spreadPlay struct {
	*theatre
	t     *troupe
	halls [halls]string

	mu    sync.Mutex
	known []letter // with the generation that the callers think is the newest
	mails int      // an address gets ten a day
	marks int
}

func (p *spreadPlay) choose(rand *rand.Rand) spreadAct {
	p.mu.Lock()
	defer p.mu.Unlock()
	act := spreadAct{hall: rand.IntN(halls)}
	kind := rand.IntN(24)
	if len(p.known) == 0 && kind < 11 {
		kind = 11
	}
	if kind < 11 {
		l := p.known[len(p.known)-1-rand.IntN(min(len(p.known), 2))]
		act.id, act.generation = l.id, l.generation
		if rand.IntN(4) == 0 {
			act.generation += uint32(rand.IntN(3)) - 1
		}
	}
	switch {
	case kind < 5:
		act.what = "accept"
	case kind < 6:
		act.what = "decline"
	case kind < 8:
		act.what = "look"
	case kind < 10 && p.mails < mostMails:
		act.what = "resend"
		p.mails++
	case kind < 11:
		act.what = "withdraw"
	case kind < 14 && p.mails < mostMails:
		act.what, act.own = "invite", rand.IntN(3) > 0
		p.mails++
	case kind < 17:
		act.what = "suspend"
	case kind < 19:
		act.what = "reactivate"
	case kind < 22:
		p.marks++
		act.what, act.own, act.mark = "access", rand.IntN(2) == 0, p.marks
	case kind < 23:
		act.what = "revoke"
	default:
		act.what = "list"
	}
	return act
}

func (p *spreadPlay) act(ctx context.Context, s *scene, client int, rand *rand.Rand, act spreadAct) (next int) {
	call := s.now()
	out := p.do(ctx, rand, act)
	return s.note(client, call, act, out, out.unknown)
}

func (p *spreadPlay) do(ctx context.Context, rand *rand.Rand, act spreadAct) (out spreadSaid) {
	at := "/v1/accounts/" + p.halls[act.hall]
	by := []string{p.operator.Token, p.t.people[0].Session}[rand.IntN(2)]
	if act.own {
		by = p.t.people[admin].Session
	}
	person, link := p.t.people[guest], "/v1/invitations/"+p.link(p.halls[act.hall], act.id, act.generation)
	grants := func(more M) (list []M) {
		for _, account := range p.halls {
			g := M{"account": account, "roles": []string{"viewer"}}
			for k, v := range more {
				g[k] = v
			}
			list = append(list, g)
		}
		return list
	}
	switch act.what {
	case "invite":
		r := p.ask(ctx, rand, by, "POST", at+"/invitations", M{"emails": []string{person.Email}, "grants": grants(nil)})
		out.said = r.said
		p.invited(r, &out)
	case "accept":
		out.said = p.ask(ctx, rand, person.Session, "POST", link+"/accept", M{}).said
	case "decline":
		out.said = p.ask(ctx, rand, "", "POST", link+"/decline", M{}).said
	case "look":
		out.said = p.ask(ctx, rand, "", "GET", link, nil).said
	case "resend":
		out.said = p.ask(ctx, rand, by, "POST", at+"/invitations/"+act.id+"/resend", M{}).said
		if out.code == okay {
			p.mu.Lock()
			n := slices.IndexFunc(p.known, func(l letter) bool { return l.id == act.id })
			p.known[n].generation++
			p.mu.Unlock()
		}
	case "withdraw":
		out.said = p.ask(ctx, rand, by, "POST", at+"/invitations/"+act.id+"/revoke", M{}).said
	case "revoke":
		out.said = p.ask(ctx, rand, by, "POST", at+"/users/"+person.User+"/revoke", M{}).said
	case "suspend", "reactivate":
		out.said = p.ask(ctx, rand, by, "POST", at+"/users/"+p.t.people[admin].User+"/"+act.what, M{}).said
	case "access":
		until := time.Now().Add(p.ahead + 300*24*time.Hour).Truncate(time.Hour).Add(time.Duration(act.mark) * time.Minute)
		var changes []M
		for _, g := range grants(M{"valid_until": until}) {
			account := g["account"]
			delete(g, "account")
			changes = append(changes, M{"account": account, "grants": []M{g}})
		}
		out.said = p.ask(ctx, rand, by, "PUT", at+"/users/"+person.User+"/access", M{"changes": changes}).said
	case "list":
		var items []listed
		items, out.said = p.list(ctx, p.halls[act.hall])
		for _, one := range items {
			switch one.ID {
			case person.User:
				out.member = one.Status
			case p.t.people[admin].User:
				out.admin = one.Status == "active"
			}
		}
	}
	return out
}

// invited reads what came of inviting the one address.
func (p *spreadPlay) invited(r reply, out *spreadSaid) {
	if r.code != okay {
		return
	}
	results, _ := r.body["results"].([]any)
	one, _ := results[0].(map[string]any)
	if outcome, _ := one["outcome"].(string); outcome != "invited" {
		out.code = outcome
		return
	}
	out.id, _ = one["invitation"].(string)
	p.mu.Lock()
	defer p.mu.Unlock()
	p.known = append(p.known, letter{id: out.id, generation: 1})
}
