package api

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"
	"time"

	"roster/domain"
	"roster/events"
	"roster/projections"
)

func (s *server) memberRoutes() {
	const at = "/v1/accounts/{account}/users"
	add(s, operation{id: "ListUsers", method: http.MethodGet, path: at, tag: "users", summary: "The user list",
		description: "Members and open invitations in one list. Filters that are set must all hold; within one of several values any may.",
		reads:       modelUsers, senior: within(domain.UsersRead), codes: []domain.Code{domain.NotPermitted}}, listUsers)
	add(s, operation{id: "GetUser", method: http.MethodGet, path: at + "/{user}", tag: "users", summary: "A member",
		reads: modelUsers, etag: true, whole: true, senior: within(domain.UsersRead), codes: []domain.Code{domain.NotPermitted}}, getUser)
}

// MemberParam names a member of an account.
type MemberParam struct {
	AccountParam
	User string `path:"user" doc:"The user's id"`
}

func (p MemberParam) ids() (events.AccountID, events.UserID, error) {
	account, err := accountID(p.Account)
	if err != nil {
		return account, events.UserID{}, err
	}
	user, err := userID(p.User)
	return account, user, err
}

type listUsersInput struct {
	AccountParam
	PageParams
	Status           []string  `query:"status" enum:"pending,expired,active,suspended,revoked" doc:"Any of these, by comma"`
	Role             []string  `query:"role" doc:"Any of these roles, by comma"`
	Permission       []string  `query:"permission" doc:"Any of these permissions, by comma, granted directly or by a role"`
	Q                string    `query:"q" maxLength:"200" doc:"Part of the name or e-mail address; case and accents do not count"`
	TwoFactor        string    `query:"two_factor" enum:"true,false"`
	LastSignInBefore time.Time `query:"last_sign_in_before"`
	LastSignInAfter  time.Time `query:"last_sign_in_after"`
	NeverSignedIn    string    `query:"never_signed_in" enum:"true,false"`
	Inherited        string    `query:"inherited" enum:"true,false" doc:"Members who come from an account above"`
	Sort             string    `query:"sort" doc:"name, email, roles, status, last_sign_in, two_factor, since, expires_at or valid_until; with - in front descending"`
}

type userListBody struct {
	Items      []userBody     `json:"items" nullable:"false"`
	NextCursor *string        `json:"next_cursor"`
	Position   uint64         `json:"position"`
	Counts     map[string]int `json:"counts" doc:"Of the whole account by status, whatever the filters"`
}

type userBody struct {
	ID string `json:"id" doc:"The user's, or the open invitation's"`
	projections.UserItem
}

func userOf(item projections.UserItem) userBody {
	out := userBody{UserItem: item}
	switch {
	case item.User != nil:
		out.ID = item.User.String()
	case item.Invitation != nil:
		out.ID = item.Invitation.String()
	}
	return out
}

// filters turns what was asked for into a query, or says what is wrong with it.
func (r *request) filters(in *listUsersInput, account events.AccountID, now events.Time) (projections.UserListQuery, error) {
	q := projections.UserListQuery{Account: account, Now: now.Std(), Status: in.Status, Role: in.Role, Permission: in.Permission, Q: in.Q,
		LastSignInBefore: in.LastSignInBefore, LastSignInAfter: in.LastSignInAfter, Sort: in.Sort, Limit: in.Limit}
	if len(in.Role)+len(in.Permission) == 0 {
		q.TwoFactor, q.Never = boolOf(in.TwoFactor), boolOf(in.NeverSignedIn)
		return q, nil
	}
	roles, err := r.roles(account)
	if err != nil {
		return q, err
	}
	for _, role := range in.Role {
		if !slices.ContainsFunc(roles, func(r *domain.Role) bool { return r.Name == role }) {
			var names []string
			for _, r := range roles {
				names = append(names, r.Name)
			}
			return q, invalid("query.role", "no such role: known are "+strings.Join(names, ", "))
		}
	}
	for _, p := range in.Permission {
		if module, action, ok := strings.Cut(p, ":"); !ok || module == "" || action == "" {
			return q, invalid("query.permission", "a permission is module:action, such as users:invite")
		}
		for _, role := range roles {
			if role.Holds(p) && !slices.Contains(q.RolesHolding, role.Name) {
				q.RolesHolding = append(q.RolesHolding, role.Name)
			}
		}
	}
	q.TwoFactor, q.Never = boolOf(in.TwoFactor), boolOf(in.NeverSignedIn)
	return q, nil
}

func boolOf(s string) *bool {
	if s == "" {
		return nil
	}
	is := s == "true"
	return &is
}

func listUsers(_ context.Context, r *request, in *listUsersInput) (*Reply[userListBody], error) {
	account, err := accountID(in.Account)
	if err != nil {
		return nil, err
	}
	if _, err := r.mayIn(account, domain.UsersRead); err != nil {
		return nil, err
	}
	query, err := r.filters(in, account, r.App.Now())
	if err != nil {
		return nil, err
	}
	if query.After, err = place[projections.UserListCursor](r, in.Account, in.Cursor); err != nil {
		return nil, err
	}
	profile, err := r.profile(account)
	if err != nil {
		return nil, err
	}
	some := visible(profile, &query)
	target, err := r.ofAccount(account)
	if err != nil {
		return nil, err
	}
	if err := r.caughtUp(modelUsers, target); err != nil {
		return nil, err
	}
	r.settled(modelUsers)
	var page projections.UserListPage
	err = r.ask(modelUsers, func(ctx context.Context, schema string, q projections.Querier) (err error) {
		page, err = projections.UserListRead(ctx, q, schema, query)
		return err
	})
	switch {
	case errors.Is(err, projections.ErrSort):
		return nil, invalid("query.sort", "sort by name, email, roles, status, last_sign_in, two_factor, since, expires_at or valid_until; with - in front descending")
	case errors.Is(err, projections.ErrCursor):
		return nil, invalid("query.cursor", "not a cursor of this list")
	case err != nil:
		return nil, err
	}
	r.answered(page.Position, target)
	if !some {
		page.Items, page.Next = nil, nil
	}
	for _, status := range profile.Hidden() {
		page.Counts[status] = 0
	}
	if in.Inherited == "true" { // there are no sub-accounts yet to inherit in
		page.Items, page.Next = nil, nil
	}
	out := userListBody{Items: make([]userBody, 0, len(page.Items)), Position: page.Position, Counts: page.Counts}
	for _, item := range page.Items {
		item.Label = profile.Label(item.Status)
		out.Items = append(out.Items, userOf(item))
	}
	out.NextCursor, err = next(r, in.Account, page.Next)
	return &Reply[userListBody]{out}, err
}

func getUser(ctx context.Context, r *request, in *MemberParam) (*Reply[userBody], error) {
	account, user, err := in.ids()
	if err != nil {
		return nil, err
	}
	if _, err := r.mayIn(account, domain.UsersRead); err != nil {
		return nil, err
	}
	a, _, err := r.App.Account(ctx, account)
	if err != nil {
		return nil, err
	}
	m, ok := a.Member(user)
	if !ok {
		return nil, nowhere()
	}
	target, err := r.ofAccount(account)
	if err != nil {
		return nil, err
	}
	_, own, err := r.App.User(ctx, user)
	if err != nil {
		return nil, err
	}
	target = max(target, own)
	if err := r.caughtUp(modelUsers, target); err != nil {
		return nil, err
	}
	var item *projections.UserItem
	var position uint64
	err = r.ask(modelUsers, func(ctx context.Context, schema string, q projections.Querier) (err error) {
		item, position, err = projections.UserItemRead(ctx, q, schema, account, user.Any(), r.App.Now().Std())
		return err
	})
	switch {
	case err != nil:
		return nil, err
	case item == nil || item.User == nil:
		return nil, nowhere()
	}
	r.answered(position, target)
	if position >= target { // an old answer under a new version would let If-Match overwrite what was not seen
		r.tag(m.Version)
	}
	profile, err := r.profile(account)
	if err != nil {
		return nil, err
	}
	item.Label = profile.Label(item.Status)
	return reply(userOf(*item))
}
