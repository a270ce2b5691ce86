package bench

import (
	"context"
	"fmt"
	"net/http"
	"strings"

	"roster/domain"
	"roster/events"
)

const branches = 4 // sub-accounts of an account: with 10,000 of them there are accounts at each of the 8 levels

// treed is how many sub-accounts the tree has.
func (l *lab) treed() int {
	if l.o.small {
		return 100
	}
	return 10_000
}

// tree makes a root account whose owner's access extends to sub-accounts, and answers the owner in each of these, the
// lowest last.
func (p *portal) tree(ctx context.Context, n int) (root firm, below []firm, err error) {
	l := newLoader(p)
	keys, err := p.newKeys(ctx, 1)
	if err != nil {
		return root, nil, err
	}
	owners, err := l.people(ctx, 1, keys)
	if err != nil {
		return root, nil, err
	}
	profile := events.ProfileRef{Name: "standard", Version: 1}
	root = firm{id: newID(), owner: owners[0]}
	all := []firm{root}
	granted := events.MembershipGranted{User: root.owner.id, Key: keys[0], Address: newID(), Grants: []events.Grant{{Roles: []string{domain.Owner}, Inherit: true}}}
	if err := l.commit(ctx, events.OfAccount(root.id), root.owner.actor(), "OpenAccount", events.AccountOpened{Name: "Root", Profile: profile}, granted); err != nil {
		return root, nil, err
	}
	var opened []events.Event
	for i := range n {
		parent, sub := all[i/branches], firm{id: newID(), owner: root.owner}
		if err := l.commit(ctx, events.OfAccount(sub.id), root.owner.actor(), "OpenAccount", events.AccountOpened{Name: fmt.Sprintf("Branch %d", i), Parent: parent.id, Profile: profile}); err != nil {
			return root, nil, err
		}
		all, opened = append(all, sub), append(opened, events.TreeOpened{Account: sub.id, Parent: parent.id})
		if len(opened) < factsOf && i < n-1 {
			continue
		}
		if err := l.commit(ctx, events.Tree(), root.owner.actor(), "OpenAccount", opened...); err != nil {
			return root, nil, err
		}
		opened = nil
	}
	return root, all[1:], l.flush(ctx)
}

// trees measures what a large tree costs: a check far below the membership that allows it, beside one in an account of
// its own, and all of the tree in one request, beside an empty answer over HTTP.
func trees(ctx context.Context, l *lab) error {
	p, err := l.portal(ctx)
	if err != nil {
		return err
	}
	n := l.treed()
	root, below, err := p.tree(ctx, n)
	if err != nil {
		return err
	}
	flat, err := p.firms(ctx, l.accounts())
	if err != nil {
		return err
	}
	low := below[n/2:]
	for i := range low { // so that none is loaded while it is measured
		if err := p.check(ctx, &low[i]); err != nil {
			return err
		}
	}
	name := fmt.Sprintf("tree/%d/check", n)
	got, err := l.race(ctx, p.checking(name, low), p.checking("check/warm", flat))
	if err != nil {
		return err
	}
	l.row(p99("µs p99", 1000).row(name, got[0], &got[1], atMost(50, "µs")))

	models, _, err := l.projected(ctx, p)
	if err != nil {
		return err
	}
	api, err := p.api(models)
	if err != nil {
		return err
	}
	address, err := l.serve(ctx, api)
	if err != nil {
		return err
	}
	idle, err := l.serve(ctx, http.HandlerFunc(empty))
	if err != nil {
		return err
	}
	ask := request("GET", "/v1/accounts/"+root.id.String()+"/tree", root.owner.token, "")
	clients, err := l.clients(ctx, address, 1)
	if err != nil {
		return err
	}
	body, err := clients[0].ask(ask, true)
	if shown := strings.Count(string(body), `"depth"`); err == nil && shown != n+1 {
		err = fmt.Errorf("%d of %d accounts are shown", shown, n+1)
	}
	if err != nil {
		return err
	}
	name = fmt.Sprintf("tree/%d/http", n)
	over, err := l.getting(ctx, name, address, ask, 1)
	if err != nil {
		return err
	}
	none, err := l.getting(ctx, "http/empty", idle, ask, 1)
	if err != nil {
		return err
	}
	none.share = 0.25
	if got, err = l.race(ctx, over, none); err != nil {
		return err
	}
	l.row(p99("ms p99", 1).row(name, got[0], &got[1], atMost(200, "ms")))
	return nil
}
