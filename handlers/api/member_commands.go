package api

import (
	"context"
	"net/http"

	"roster/domain"
	"roster/events"
)

func (s *server) memberCommandRoutes() {
	const at = "/v1/accounts/{account}/users/{user}"
	codes := []domain.Code{domain.NotPermitted, domain.ExceedsOwnAccess, domain.LastActiveOwner, domain.Invalid, domain.Inherited}
	add(s, operation{id: "ChangeRole", method: http.MethodPut, path: at + "/role", tag: "users", summary: "Replace all that a membership grants",
		description: "Nobody grants what they do not hold, nor changes somebody who may do more than they.",
		command:     true, ifMatch: true, senior: within(domain.UsersChangeRole), codes: codes}, changeRole)
	add(s, operation{id: "Suspend", method: http.MethodPost, path: at + "/suspend", tag: "users", summary: "Take a member's access until reactivated",
		description: "Takes effect on the person's very next request.",
		command:     true, ifMatch: true, senior: within(domain.UsersSuspend), codes: codes}, suspend)
	add(s, operation{id: "Reactivate", method: http.MethodPost, path: at + "/reactivate", tag: "users", summary: "Give a suspended member the roles held before",
		command: true, ifMatch: true, senior: within(domain.UsersSuspend), codes: codes}, reactivate)
	add(s, operation{id: "Revoke", method: http.MethodPost, path: at + "/revoke", tag: "users", summary: "End a membership",
		description: "The person can be invited again and inherits nothing from before.",
		command:     true, ifMatch: true, senior: within(domain.UsersRevoke), codes: codes}, revoke)
	add(s, operation{id: "Leave", method: http.MethodPost, path: "/v1/me/accounts/{account}/leave", tag: "me", summary: "End one's own membership",
		command: true, ifMatch: true, codes: []domain.Code{domain.LastActiveOwner}}, leave)
}

type changeRoleInput struct {
	MemberParam
	Body changeRoleBody
}

type changeRoleBody struct {
	Roles       []string     `json:"roles,omitempty"`
	Permissions []string     `json:"permissions,omitempty" doc:"Beside those of the roles, as module:action"`
	Inherit     bool         `json:"inherit,omitempty" doc:"Whether it extends to sub-accounts"`
	Grants      []grantInput `json:"grants,omitempty" doc:"Instead of roles, permissions and inherit"`
}

type reasonInput struct {
	MemberParam
	Body *reasonBody
}

type reasonBody struct {
	Reason  string `json:"reason,omitempty" doc:"At most 1,000 characters; sealed with the person's data"`
	Confirm string `json:"confirm,omitempty" doc:"What confirmation_required gave"`
}

func (in *reasonInput) reason() string {
	if in.Body == nil {
		return ""
	}
	return in.Body.Reason
}

func (in *reasonInput) confirm() string {
	if in.Body == nil {
		return ""
	}
	return in.Body.Confirm
}

type memberBody struct {
	ID          string      `json:"id" doc:"The user's"`
	Account     string      `json:"account"`
	Status      string      `json:"status" enum:"active,suspended,revoked"`
	Roles       []string    `json:"roles" nullable:"false"`
	Permissions []string    `json:"permissions" nullable:"false" doc:"Granted beside those of the roles"`
	Grants      []grantBody `json:"grants" nullable:"false"`
	Since       events.Time `json:"since" format:"date-time"`
}

func changeRole(_ context.Context, r *request, in *changeRoleInput) (*Reply[memberBody], error) {
	account, user, err := in.ids()
	if err != nil {
		return nil, err
	}
	grants, err := asked(account, grantInput{Roles: in.Body.Roles, Permissions: in.Body.Permissions, Inherit: in.Body.Inherit}, in.Body.Grants)
	if err != nil {
		return nil, r.unless(err)
	}
	return r.member(account, user, domain.ChangeRole{Account: account, User: user, Grants: grants})
}

func suspend(_ context.Context, r *request, in *reasonInput) (*Reply[memberBody], error) {
	account, user, err := in.ids()
	if err != nil {
		return nil, err
	}
	return r.member(account, user, domain.Suspend{Account: account, User: user, Reason: in.reason()})
}

func reactivate(_ context.Context, r *request, in *reasonInput) (*Reply[memberBody], error) {
	account, user, err := in.ids()
	if err != nil {
		return nil, err
	}
	return r.member(account, user, domain.Reactivate{Account: account, User: user})
}

func revoke(_ context.Context, r *request, in *reasonInput) (*Reply[memberBody], error) {
	account, user, err := in.ids()
	if err != nil {
		return nil, err
	}
	return r.member(account, user, domain.Revoke{Account: account, User: user, Reason: in.reason(), Confirmed: r.confirmed(in.confirm())})
}

func leave(_ context.Context, r *request, in *AccountParam) (*Reply[memberBody], error) {
	account, err := accountID(in.Account)
	if err != nil {
		return nil, err
	}
	return r.member(account, r.principal.Actor.User(), domain.Leave{Account: account})
}

// member carries a command on a membership out and answers what the membership is now, from the log.
func (r *request) member(account events.AccountID, user events.UserID, cmd domain.Command) (*Reply[memberBody], error) {
	if _, err := r.do(cmd); err != nil {
		return nil, err
	}
	a, _, err := r.App.Account(r.ctx, account)
	if err != nil {
		return nil, err
	}
	m, _ := a.Member(user)
	roles, permissions := summed(m.Grants)
	if err := r.version(m.Version); err != nil {
		return nil, err
	}
	return reply(memberBody{ID: user.String(), Account: account.String(), Status: string(m.Status), Roles: roles, Permissions: permissions,
		Grants: grantsOf(m.Grants), Since: m.Since})
}
