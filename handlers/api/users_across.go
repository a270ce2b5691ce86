package api

import (
	"context"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"roster/domain"
	"roster/events"
	"roster/projections"
)

// maxHolding is in how many accounts at once roles are asked whether they hold a permission: each may define its own.
const maxHolding = 500

func (s *server) usersAcrossRoutes() {
	add(s, operation{id: "ListUsersAcross", method: http.MethodGet, path: "/v1/users", tag: "users", summary: "The user lists of several accounts as one",
		description: "Of every account in which the caller may read users, an item for each user and account; or of those named. The operator names them: all users, each once, are at /v1/operator/users.",
		reads:       modelUsers, codes: []domain.Code{domain.NotPermitted, domain.NotFound}}, listUsersAcross)
}

type listUsersAcrossInput struct {
	UserListParams
	Account []string `query:"account" doc:"Only these accounts, by comma"`
}

type usersAcrossBody struct {
	Items      []userAcrossBody `json:"items" nullable:"false"`
	NextCursor *string          `json:"next_cursor"`
	Position   uint64           `json:"position"`
	Counts     map[string]int   `json:"counts" doc:"Of all these accounts by status, whatever the filters"`
}

type userAcrossBody struct {
	ID          string `json:"id" doc:"The user's, or the open invitation's"`
	Account     string `json:"account" doc:"In whose user list it stands"`
	AccountName string `json:"account_name"`
	projections.UserItem
}

// accountsRead are accounts whose users the caller may read.
type accountsRead struct {
	list  []projections.Listed
	names map[events.AccountID]string
}

func listUsersAcross(_ context.Context, r *request, in *listUsersAcrossInput) (*Reply[usersAcrossBody], error) {
	accounts, err := r.accountsRead(in.Account)
	if err != nil {
		return nil, err
	}
	query := in.filters(r.App.Now())
	if err := r.holdingAcross(&query, accounts.list); err != nil {
		return nil, err
	}
	if query.After, err = place[projections.UserListCursor](r, "", in.Cursor); err != nil {
		return nil, err
	}
	target, err := r.App.Last(r.ctx)
	if err != nil {
		return nil, err
	}
	if err := r.caughtUp(modelUsers, target); err != nil {
		return nil, err
	}
	page, err := r.usersPage(func(ctx context.Context, schema string, q projections.Querier) (projections.UserListPage, error) {
		return projections.UsersAcross(ctx, q, schema, query, accounts.list)
	})
	if err != nil {
		return nil, err
	}
	r.answered(page.Position, target)
	out := usersAcrossBody{Items: make([]userAcrossBody, 0, len(page.Items)), Position: page.Position, Counts: page.Counts}
	for _, item := range page.Items {
		out.Items = append(out.Items, userAcrossBody{userOf(item).ID, item.Account.String(), accounts.names[item.Account], item})
	}
	out.NextCursor, err = next(r, "", page.Next)
	return &Reply[usersAcrossBody]{out}, err
}

// accountsRead finds the accounts: those named, each of which has to be the caller's to read, or all that are: where
// the caller is a member, and what is below where the access extends.
func (r *request) accountsRead(named []string) (accountsRead, error) {
	out := accountsRead{names: map[events.AccountID]string{}}
	var tops []events.AccountID
	switch {
	case len(named) > 0:
		for _, text := range named {
			id, err := accountID(text)
			if err != nil {
				return out, err
			}
			if _, err := r.mayIn(id, domain.UsersRead); err != nil {
				return out, err
			}
			if err := r.list(&out, id); err != nil {
				return out, err
			}
		}
		return out, nil
	case r.principal.Operator():
		return out, invalid("query.account", "name the accounts: all users, each once, are at /v1/operator/users")
	}
	own, _, err := r.standing()
	if err != nil {
		return out, err
	}
	for _, id := range own {
		access, err := r.mayIn(id, domain.UsersRead)
		switch {
		case isRefusal(err):
			continue
		case err != nil:
			return out, err
		case access.Reaches(domain.UsersRead):
			tops = append(tops, id)
		}
		if err := r.list(&out, id); err != nil {
			return out, err
		}
	}
	if len(tops) == 0 {
		return out, nil
	}
	return out, r.listBelow(&out, tops)
}

// list adds an account, as the log has it.
func (r *request) list(to *accountsRead, id events.AccountID) error {
	if _, twice := to.names[id]; twice {
		return nil
	}
	a, _, err := r.App.Account(r.ctx, id)
	if err != nil {
		return err
	}
	up, _, err := r.above(id)
	to.names[id] = a.Name
	to.list = append(to.list, projections.Listed{Account: id, Above: up})
	return err
}

// listBelow adds what is below accounts, as the read model has it.
func (r *request) listBelow(to *accountsRead, tops []events.AccountID) error {
	nodes, _, err := r.below(tops...)
	if err != nil {
		return err
	}
	above := map[events.AccountID][]events.AccountID{}
	for _, l := range to.list {
		above[l.Account] = l.Above
	}
	for _, n := range nodes { // each behind its parent
		if _, there := to.names[n.ID]; there {
			continue
		}
		up := append([]events.AccountID{n.Parent}, above[n.Parent]...)
		above[n.ID], to.names[n.ID] = up, n.Name
		to.list = append(to.list, projections.Listed{Account: n.ID, Above: up})
	}
	return nil
}

// holdingAcross finds the roles that hold a permission asked for, in each account.
func (r *request) holdingAcross(query *projections.UserListQuery, accounts []projections.Listed) error {
	if len(query.Permission) == 0 {
		return nil
	}
	if len(accounts) > maxHolding {
		return invalid("query.permission", "asked for in at most "+strconv.Itoa(maxHolding)+" accounts: name them with account")
	}
	groups := map[string]int{}
	for _, l := range accounts {
		roles, err := r.roles(l.Account)
		if err != nil {
			return err
		}
		names, err := holding(roles, query.Permission)
		if err != nil {
			return err
		}
		slices.Sort(names)
		key := strings.Join(names, ",")
		i, there := groups[key]
		if !there {
			i, groups[key] = len(query.Holding), len(query.Holding)
			query.Holding = append(query.Holding, projections.Holding{Roles: names})
		}
		query.Holding[i].Accounts = append(query.Holding[i].Accounts, l.Account)
	}
	return nil
}
