package api

import (
	"context"
	"net/http"

	"roster/domain"
	"roster/projections"
)

func (s *server) operatorListRoutes() {
	add(s, operation{id: "ListAllAccounts", method: http.MethodGet, path: "/v1/operator/accounts", tag: "operator", summary: "All accounts, by name",
		reads: modelAccounts, senior: operatorOnly, codes: []domain.Code{domain.NotPermitted}}, listAllAccounts)
	add(s, operation{id: "ListAllUsers", method: http.MethodGet, path: "/v1/operator/users", tag: "operator", summary: "All users, by name",
		description: "Each person once, in however many accounts.",
		reads:       modelUsers, senior: operatorOnly, codes: []domain.Code{domain.NotPermitted}}, listAllUsers)
}

// SearchParams ask for a page of a search over everything.
type SearchParams struct {
	PageParams
	Q string `query:"q" maxLength:"200" doc:"Part of the name, the id, or of a user the e-mail address; case and accents do not count"`
}

// everything prepares an answer about all that the log had on arrival, and answers how far that is.
func (r *request) everything(model string) (target uint64, err error) {
	if err := operatorOnly(r); err != nil {
		return 0, err
	}
	if target, err = r.App.Last(r.ctx); err != nil {
		return 0, err
	}
	return target, r.caughtUp(model, target)
}

func listAllAccounts(_ context.Context, r *request, in *SearchParams) (*Reply[ListBody[projections.AccountItem]], error) {
	target, err := r.everything(modelAccounts)
	if err != nil {
		return nil, err
	}
	query := projections.AccountsQuery{Q: in.Q, Limit: in.Limit}
	if query.After, err = place[projections.AccountsCursor](r, "", in.Cursor); err != nil {
		return nil, err
	}
	var page projections.AccountsPage
	err = r.ask(modelAccounts, func(ctx context.Context, schema string, q projections.Querier) (err error) {
		page, err = projections.AccountsRead(ctx, q, schema, query)
		return err
	})
	if err != nil {
		return nil, err
	}
	r.answered(page.Position, target)
	cursor, err := next(r, "", page.Next)
	return &Reply[ListBody[projections.AccountItem]]{ListBody[projections.AccountItem]{page.Items, cursor, page.Position}}, err
}

func listAllUsers(_ context.Context, r *request, in *SearchParams) (*Reply[ListBody[projections.User]], error) {
	target, err := r.everything(modelUsers)
	if err != nil {
		return nil, err
	}
	query := projections.UsersQuery{Q: in.Q, Limit: in.Limit}
	if query.After, err = place[projections.UsersCursor](r, "", in.Cursor); err != nil {
		return nil, err
	}
	var page projections.UsersPage
	err = r.ask(modelUsers, func(ctx context.Context, schema string, q projections.Querier) (err error) {
		page, err = projections.UsersRead(ctx, q, schema, query)
		return err
	})
	if err != nil {
		return nil, err
	}
	r.answered(page.Position, target)
	cursor, err := next(r, "", page.Next)
	return &Reply[ListBody[projections.User]]{ListBody[projections.User]{page.Items, cursor, page.Position}}, err
}
