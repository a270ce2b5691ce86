package api

import (
	"context"
	"net/http"
	"slices"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"roster/domain"
	"roster/events"
	"roster/projections"
)

func (s *server) invitationRoutes() {
	const at = "/v1/accounts/{account}/invitations"
	add(s, operation{id: "InviteUsers", method: http.MethodPost, path: at, tag: "invitations", summary: "Invite people",
		description: "One address, or up to 5,000 at once. Each has its own outcome; a bad one loses none of the good ones.",
		command:     true, csv: true, senior: within(domain.UsersInvite),
		codes: []domain.Code{domain.NotPermitted, domain.ExceedsOwnAccess, domain.ModuleNotAllowed, domain.AccountClosed}}, inviteUsers)
	s.huma.OpenAPI().Paths[at].Post.RequestBody.Content[typeCSV] = &huma.MediaType{Schema: &huma.Schema{Type: "string",
		Description: "Columns email, first_name, last_name, roles, account; a header that names them may stand first. Separated by comma, semicolon or tab."}}
	add(s, operation{id: "ListInvitations", method: http.MethodGet, path: at, tag: "invitations", summary: "Invitations, the newest first",
		reads: modelInvitations, senior: within(domain.UsersRead), codes: []domain.Code{domain.NotPermitted}}, listInvitations)
	add(s, operation{id: "GetInvitation", method: http.MethodGet, path: at + "/{invitation}", tag: "invitations", summary: "An invitation",
		reads: modelInvitations, etag: true, senior: within(domain.UsersRead), codes: []domain.Code{domain.NotPermitted}}, getInvitation)
	add(s, operation{id: "ResendInvitation", method: http.MethodPost, path: at + "/{invitation}/resend", tag: "invitations", summary: "Send a new link",
		description: "With a new validity; older links stop working. Works on expired invitations as well.",
		command:     true, ifMatch: true, senior: within(domain.UsersInvite),
		codes: []domain.Code{domain.NotPermitted, domain.ExceedsOwnAccess, domain.InvitationRevoked, domain.InvitationUsed, domain.AlreadyMember, domain.AlreadyInvited, domain.RateLimited}}, resendInvitation)
	add(s, operation{id: "RevokeInvitation", method: http.MethodPost, path: at + "/{invitation}/revoke", tag: "invitations", summary: "Stop the link at once",
		command: true, ifMatch: true, senior: within(domain.UsersInvite),
		codes: []domain.Code{domain.NotPermitted, domain.ExceedsOwnAccess, domain.InvitationUsed}}, revokeInvitation)
}

// InvitationParam names an invitation of an account.
type InvitationParam struct {
	AccountParam
	Invitation string `path:"invitation" doc:"The invitation's id"`
}

func (p InvitationParam) ids() (events.AccountID, events.InvitationID, error) {
	account, err := accountID(p.Account)
	if err != nil {
		return account, events.InvitationID{}, err
	}
	id, err := pathID[struct{ any byte }](p.Invitation)
	return account, events.InvitationID(id), err
}

type listInvitationsInput struct {
	AccountParam
	PageParams
	Status []string `query:"status" enum:"pending,expired,accepted,declined,revoked" doc:"Any of these, by comma"`
}

func listInvitations(_ context.Context, r *request, in *listInvitationsInput) (*Reply[ListBody[projections.Invitation]], error) {
	account, err := accountID(in.Account)
	if err != nil {
		return nil, err
	}
	if _, err := r.mayIn(account, domain.UsersRead); err != nil {
		return nil, err
	}
	after, err := place[projections.InvitationsCursor](r, in.Account, in.Cursor)
	if err != nil {
		return nil, err
	}
	target, err := r.ofAccount(account)
	if err != nil {
		return nil, err
	}
	if err := r.caughtUp(modelInvitations, target); err != nil {
		return nil, err
	}
	var page projections.InvitationsPage
	err = r.ask(modelInvitations, func(ctx context.Context, schema string, q projections.Querier) (err error) {
		page, err = projections.InvitationsRead(ctx, q, schema, projections.InvitationsQuery{
			Account: account, Now: r.App.Now().Std(), Status: in.Status, Limit: in.Limit, After: after})
		return err
	})
	if err != nil {
		return nil, err
	}
	r.answered(page.Position, target)
	cursor, err := next(r, in.Account, page.Next)
	return &Reply[ListBody[projections.Invitation]]{ListBody[projections.Invitation]{page.Items, cursor, page.Position}}, err
}

func getInvitation(ctx context.Context, r *request, in *InvitationParam) (*Reply[projections.Invitation], error) {
	account, id, err := in.ids()
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
	i, ok := a.Invitation(id)
	if !ok {
		return nil, nowhere()
	}
	target, err := r.ofAccount(account)
	if err != nil {
		return nil, err
	}
	if err := r.caughtUp(modelInvitations, target); err != nil {
		return nil, err
	}
	var item *projections.Invitation
	var position uint64
	now := r.App.Now()
	err = r.ask(modelInvitations, func(ctx context.Context, schema string, q projections.Querier) (err error) {
		item, position, err = projections.InvitationRead(ctx, q, schema, account, id, now.Std())
		return err
	})
	switch {
	case err != nil:
		return nil, err
	case item == nil:
		return nil, nowhere()
	}
	r.answered(position, target)
	// What has expired by the clock has changed without a commit: no version tells that.
	if position >= target && (i.Status != domain.Pending || i.ExpiresAt > now) {
		if err := r.version(i.Version); err != nil {
			return nil, err
		}
	}
	return reply(*item)
}

type handledBody struct {
	ID        string      `json:"id"`
	Account   string      `json:"account"`
	Status    string      `json:"status"`
	Delivery  string      `json:"delivery"`
	Roles     []string    `json:"roles" nullable:"false"`
	Grants    []grantBody `json:"grants" nullable:"false"`
	ExpiresAt events.Time `json:"expires_at" format:"date-time"`
}

func resendInvitation(_ context.Context, r *request, in *InvitationParam) (*Reply[handledBody], error) {
	account, id, err := in.ids()
	if err != nil {
		return nil, err
	}
	return r.handled(account, id, domain.ResendInvitation{Account: account, Invitation: id})
}

func revokeInvitation(_ context.Context, r *request, in *InvitationParam) (*Reply[handledBody], error) {
	account, id, err := in.ids()
	if err != nil {
		return nil, err
	}
	return r.handled(account, id, domain.RevokeInvitation{Account: account, Invitation: id})
}

// handled carries a command on an invitation out and answers what the invitation is now.
func (r *request) handled(account events.AccountID, id events.InvitationID, cmd domain.Command) (*Reply[handledBody], error) {
	if _, err := r.do(cmd); err != nil {
		return nil, err
	}
	a, _, err := r.App.Account(r.ctx, account)
	if err != nil {
		return nil, err
	}
	i, _ := a.Invitation(id)
	roles, _ := summed(i.Grants)
	out := handledBody{ID: id.String(), Account: account.String(), Status: string(i.Status), Delivery: i.Delivery, Roles: roles,
		Grants: grantsOf(i.Grants), ExpiresAt: i.ExpiresAt}
	if i.Status == domain.Pending && i.ExpiresAt <= r.App.Now() {
		out.Status = string(domain.Expired)
	}
	if err := r.version(i.Version); err != nil {
		return nil, err
	}
	return reply(out)
}

// grantInput is a grant as it is asked for.
type grantInput struct {
	Account     string     `json:"account,omitempty" doc:"This account where none is said"`
	Roles       []string   `json:"roles,omitempty"`
	Permissions []string   `json:"permissions,omitempty" doc:"Beside those of the roles, as module:action"`
	Inherit     bool       `json:"inherit,omitempty" doc:"Whether it extends to sub-accounts"`
	ValidFrom   *time.Time `json:"valid_from,omitempty"`
	ValidUntil  *time.Time `json:"valid_until,omitempty"`
}

// asked puts together what is to be granted in one account.
func asked(account events.AccountID, one grantInput, many []grantInput) ([]events.Grant, error) {
	lists, err := askedIn(account, one, many)
	switch {
	case err != nil || len(lists) == 0:
		return nil, err
	case len(lists) > 1 || lists[0].Account != account:
		return nil, invalid("body.grants", "grants in another account are changed by …/access")
	}
	return lists[0].Grants, nil
}

// askedIn puts together what is to be granted, by account: one grant said in the body itself, or a list of them.
func askedIn(account events.AccountID, one grantInput, many []grantInput) ([]domain.AccountGrants, error) {
	isOne := one.Roles != nil || one.Permissions != nil || one.Inherit
	switch {
	case isOne && many != nil:
		return nil, invalid("body.grants", "give either grants, or roles and permissions")
	case isOne:
		many = []grantInput{one}
	}
	var lists []domain.AccountGrants
	for _, g := range many {
		in := account
		if g.Account != "" {
			var err error
			if in, err = accountID(g.Account); err != nil {
				return nil, err
			}
		}
		grant := events.Grant{Roles: g.Roles, Permissions: g.Permissions, Inherit: g.Inherit}
		if g.ValidFrom != nil {
			grant.From = events.TimeOf(*g.ValidFrom)
		}
		if g.ValidUntil != nil {
			grant.Until = events.TimeOf(*g.ValidUntil)
		}
		i := slices.IndexFunc(lists, func(l domain.AccountGrants) bool { return l.Account == in })
		if i < 0 {
			i, lists = len(lists), append(lists, domain.AccountGrants{Account: in})
		}
		lists[i].Grants = append(lists[i].Grants, grant)
	}
	return lists, nil
}
