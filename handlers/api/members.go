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
		description: "Members and open invitations in one list, with the members who come from an account above: they have inherited_from and cannot be changed here. Filters that are set must all hold; within one of several values any may.",
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
	UserListParams
}

// UserListParams are the filters and the order of a user list.
type UserListParams struct {
	PageParams
	Status           []string  `query:"status" enum:"pending,expired,active,suspended,revoked" doc:"Any of these, by comma"`
	Role             []string  `query:"role" doc:"Any of these roles, by comma"`
	Permission       []string  `query:"permission" doc:"Any of these permissions, by comma, granted directly or by a role"`
	Q                string    `query:"q" maxLength:"200" doc:"Part of the name or e-mail address; case and accents do not count"`
	TwoFactor        string    `query:"two_factor" enum:"true,false"`
	LastSignInBefore time.Time `query:"last_sign_in_before"`
	LastSignInAfter  time.Time `query:"last_sign_in_after"`
	NeverSignedIn    string    `query:"never_signed_in" enum:"true,false"`
	Inherited        string    `query:"inherited" enum:"true,false" doc:"true: only members who come from an account above; false: none of them"`
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

// filters turns what was asked for into a query.
func (in *UserListParams) filters(now events.Time) projections.UserListQuery {
	return projections.UserListQuery{Now: now.Std(), Status: in.Status, Role: in.Role, Permission: in.Permission, Q: in.Q,
		TwoFactor: boolOf(in.TwoFactor), Never: boolOf(in.NeverSignedIn), Inherited: boolOf(in.Inherited),
		LastSignInBefore: in.LastSignInBefore, LastSignInAfter: in.LastSignInAfter, Sort: in.Sort, Limit: in.Limit}
}

// filters turns what was asked of an account into a query, or says what is wrong with it.
func (r *request) filters(in *listUsersInput, account events.AccountID, now events.Time) (projections.UserListQuery, error) {
	q := in.UserListParams.filters(now)
	q.Account = account
	if len(in.Role)+len(in.Permission) == 0 {
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
	q.RolesHolding, err = holding(roles, in.Permission)
	return q, err
}

// holding are the names of the roles that hold one of the permissions.
func holding(roles []*domain.Role, permissions []string) ([]string, error) {
	var names []string
	for _, p := range permissions {
		if module, action, ok := strings.Cut(p, ":"); !ok || module == "" || action == "" {
			return nil, invalid("query.permission", "a permission is module:action, such as users:invite")
		}
		for _, role := range roles {
			if role.Holds(p) && !slices.Contains(names, role.Name) {
				names = append(names, role.Name)
			}
		}
	}
	return names, nil
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
	up, at, err := r.above(account)
	if err != nil {
		return nil, err
	}
	query.Above, target = up, max(target, at)
	if err := r.caughtUp(modelUsers, target); err != nil {
		return nil, err
	}
	r.settled(modelUsers)
	page, err := r.usersPage(func(ctx context.Context, schema string, q projections.Querier) (projections.UserListPage, error) {
		return projections.UserListRead(ctx, q, schema, query)
	})
	if err != nil {
		return nil, err
	}
	r.answered(page.Position, target)
	if !some {
		page.Items, page.Next = nil, nil
	}
	for _, status := range profile.Hidden() {
		page.Counts[status] = 0
	}
	out := userListBody{Items: make([]userBody, 0, len(page.Items)), Position: page.Position, Counts: page.Counts}
	for _, item := range page.Items {
		item.Label = profile.Label(item.Status)
		out.Items = append(out.Items, userOf(item))
	}
	out.NextCursor, err = next(r, in.Account, page.Next)
	return &Reply[userListBody]{out}, err
}

// usersPage asks the user list for a page.
func (r *request) usersPage(read func(ctx context.Context, schema string, q projections.Querier) (projections.UserListPage, error)) (projections.UserListPage, error) {
	var page projections.UserListPage
	err := r.ask(modelUsers, func(ctx context.Context, schema string, q projections.Querier) (err error) {
		page, err = read(ctx, schema, q)
		return err
	})
	switch {
	case errors.Is(err, projections.ErrSort):
		err = invalid("query.sort", "sort by name, email, roles, status, last_sign_in, two_factor, since, expires_at or valid_until; with - in front descending")
	case errors.Is(err, projections.ErrCursor):
		err = invalid("query.cursor", "not a cursor of this list")
	}
	return page, err
}

// memberDetailBody is a member with what no list says of one.
type memberDetailBody struct {
	ID string `json:"id" doc:"The user's"`
	projections.UserItem
	Linked bool `json:"linked" doc:"Somebody at the account's OpenID provider signs in as this user"`
}

func getUser(ctx context.Context, r *request, in *MemberParam) (*Reply[memberDetailBody], error) {
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
	up, above, err := r.above(account)
	if err != nil {
		return nil, err
	}
	m, ok := a.Member(user)
	if !ok && len(up) == 0 {
		return nil, nowhere()
	}
	target, err := r.ofAccount(account)
	if err != nil {
		return nil, err
	}
	u, own, err := r.App.User(ctx, user)
	if err != nil {
		return nil, err
	}
	target = max(target, above, own)
	if err := r.caughtUp(modelUsers, target); err != nil {
		return nil, err
	}
	var item *projections.UserItem
	var position uint64
	now := r.App.Now().Std()
	err = r.ask(modelUsers, func(ctx context.Context, schema string, q projections.Querier) (err error) {
		if item = nil; len(up) > 0 && (!ok || m.Status == domain.Revoked) {
			item, position, err = projections.InheritedRead(ctx, q, schema, projections.Listed{Account: account, Above: up}, user, now)
		}
		if item == nil && err == nil {
			item, position, err = projections.UserItemRead(ctx, q, schema, account, user.Any(), now)
		}
		return err
	})
	switch {
	case err != nil:
		return nil, err
	case item == nil || item.User == nil:
		return nil, nowhere()
	}
	r.answered(position, target)
	if item.InheritedFrom != nil { // its version is that of the membership, which is changed there
		from, _, err := r.App.Account(ctx, *item.InheritedFrom)
		if err != nil {
			return nil, err
		}
		m, _ = from.Member(user)
	}
	if position >= target { // an old answer under a new version would let If-Match overwrite what was not seen
		r.tag(m.Version)
	}
	profile, err := r.profile(account)
	if err != nil {
		return nil, err
	}
	item.Label = profile.Label(item.Status)
	return reply(memberDetailBody{user.String(), *item, u.LinkedIn(account)})
}
