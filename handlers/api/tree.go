package api

import (
	"context"
	"net/http"

	"roster/domain"
	"roster/events"
	"roster/projections"
)

func (s *server) treeRoutes() {
	add(s, operation{id: "GetTree", method: http.MethodGet, path: "/v1/accounts/{account}/tree", tag: "accounts", summary: "An account with all that is below it",
		description: "In one answer, each account behind its parent, those of one parent by name. Who has access to this account alone sees it and what is below it as far as they have access there.",
		reads:       modelAccounts, senior: within(domain.AccountRead), codes: []domain.Code{domain.NotPermitted}}, getTree)
}

type treeBody struct {
	Items    []treeItem `json:"items" nullable:"false"`
	Position uint64     `json:"position"`
}

type treeItem struct {
	ID     string  `json:"id"`
	Name   string  `json:"name"`
	Parent *string `json:"parent"`
	Depth  int     `json:"depth" doc:"How far below the account asked for"`
	Closed bool    `json:"closed" doc:"It, or an account above it"`
}

func getTree(_ context.Context, r *request, in *AccountParam) (*Reply[treeBody], error) {
	account, err := accountID(in.Account)
	if err != nil {
		return nil, err
	}
	access, err := r.mayIn(account, domain.AccountRead)
	if err != nil {
		return nil, err
	}
	nodes, position, err := r.below(account)
	if err != nil {
		return nil, err
	}
	sees := func(projections.AccountNode) bool { return true }
	if !access.Reaches(domain.AccountRead) {
		if sees, err = r.seesOf(account, domain.AccountRead, func(a domain.Access) bool { return !a.None() }); err != nil {
			return nil, err
		}
	}
	out := treeBody{Items: make([]treeItem, 0, len(nodes)), Position: position}
	for _, n := range nodes {
		if !sees(n) {
			continue
		}
		item := treeItem{ID: n.ID.String(), Name: n.Name, Depth: n.Depth, Closed: n.Closed || access.Closed()}
		if !n.Parent.IsZero() {
			parent := n.Parent.String()
			item.Parent = &parent
		}
		out.Items = append(out.Items, item)
	}
	return &Reply[treeBody]{out}, nil
}

// below asks the read model for accounts and all that is below them. Any account may have moved there, so it waits for
// all that the log had on arrival.
func (r *request) below(tops ...events.AccountID) ([]projections.AccountNode, uint64, error) {
	target, err := r.App.Last(r.ctx)
	if err != nil {
		return nil, 0, err
	}
	if err := r.caughtUp(modelAccounts, target); err != nil {
		return nil, 0, err
	}
	var nodes []projections.AccountNode
	var position uint64
	err = r.ask(modelAccounts, func(ctx context.Context, schema string, q projections.Querier) (err error) {
		nodes, position, err = projections.AccountsBelow(ctx, q, schema, tops...)
		return err
	})
	if err == nil {
		r.answered(position, target)
	}
	return nodes, position, err
}

// seesOf says which accounts below one the caller sees whose access ends at that one: those where the access of their
// own is enough, and what it extends a permission to. It is asked of an account after its parent.
func (r *request) seesOf(account events.AccountID, p domain.Permission, enough func(domain.Access) bool) (func(projections.AccountNode) bool, error) {
	own, _, err := r.standing()
	if err != nil {
		return nil, err
	}
	sees, reaches := map[events.AccountID]bool{account: true}, map[events.AccountID]bool{}
	for _, id := range own {
		access, err := r.mayIn(id, p)
		if err != nil && !isRefusal(err) {
			return nil, err
		}
		sees[id] = sees[id] || enough(access)
		reaches[id] = access.Reaches(p)
	}
	return func(n projections.AccountNode) bool {
		reaches[n.ID] = reaches[n.ID] || reaches[n.Parent]
		return sees[n.ID] || reaches[n.ID]
	}, nil
}

// withBelow are an account and those below it in which the caller holds a permission.
func (r *request) withBelow(account events.AccountID, p domain.Permission) ([]events.AccountID, error) {
	access, err := r.mayIn(account, p)
	if err != nil {
		return nil, err
	}
	nodes, _, err := r.below(account)
	if err != nil {
		return nil, err
	}
	sees := func(projections.AccountNode) bool { return true }
	if !access.Reaches(p) {
		if sees, err = r.seesOf(account, p, func(a domain.Access) bool { return a.Holds(p) }); err != nil {
			return nil, err
		}
	}
	list := []events.AccountID{account}
	for _, n := range nodes {
		if sees(n) && n.ID != account {
			list = append(list, n.ID)
		}
	}
	return list, nil
}
