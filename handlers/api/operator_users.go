package api

import (
	"context"
	"net/http"

	"roster/domain"
	"roster/events"
)

func (s *server) operatorUserRoutes() {
	const at = "/v1/operator/users/{user}"
	add(s, operation{id: "GetUserByOperator", method: http.MethodGet, path: at, tag: "operator", summary: "A user, and their access over all accounts",
		description: "Answered from the log itself.", senior: operatorOnly, codes: []domain.Code{codePosition}}, getUserByOperator)
	add(s, operation{id: "LockUser", method: http.MethodPost, path: at + "/lock", tag: "operator", summary: "Lock a user",
		description: "All sessions end, and nobody signs in as that user. Refused where an account would have no active owner left, unless forced.",
		command:     true, senior: operatorOnly, codes: []domain.Code{domain.LastActiveOwner}}, lockUser)
	add(s, operation{id: "UnlockUser", method: http.MethodPost, path: at + "/unlock", tag: "operator", summary: "Unlock a user",
		command: true, senior: operatorOnly}, unlockUser)
	add(s, operation{id: "EndSessions", method: http.MethodPost, path: at + "/end-sessions", tag: "operator", summary: "Sign a user out everywhere",
		command: true, senior: operatorOnly}, endSessions)
	add(s, operation{id: "ListSessionsByOperator", method: http.MethodGet, path: at + "/sessions", tag: "operator", summary: "Where a user is signed in",
		senior: operatorOnly, codes: []domain.Code{codePosition}}, listSessionsByOperator)
	add(s, operation{id: "AppointOwner", method: http.MethodPost, path: "/v1/operator/accounts/{account}/owner", tag: "operator", summary: "Make a user an owner of an account",
		description: "The way in where an account has lost its owners. Who has no user yet is invited as owner by the account's invitations.",
		command:     true, senior: operatorOnly, codes: []domain.Code{domain.AccountClosed}}, appointOwner)
}

// UserParam names a user.
type UserParam struct {
	User string `path:"user" doc:"The user's id"`
}

type userByOperatorBody struct {
	ID        string       `json:"id"`
	Name      string       `json:"name"`
	Email     string       `json:"email"`
	Status    string       `json:"status" enum:"active,locked,erased"`
	TwoFactor bool         `json:"two_factor"`
	Accounts  []accessBody `json:"accounts" nullable:"false"`
}

func getUserByOperator(ctx context.Context, r *request, in *UserParam) (*Reply[userByOperatorBody], error) {
	if err := operatorOnly(r); err != nil {
		return nil, err
	}
	user, err := userID(in.User)
	if err != nil {
		return nil, err
	}
	u, position, err := r.App.User(ctx, user)
	if err == nil && !u.Registered {
		err = nowhere()
	}
	if err != nil {
		return nil, err
	}
	out := userByOperatorBody{ID: user.String(), Status: statusOf(u), TwoFactor: u.TwoFactor()}
	if !u.Erased {
		profile, email, err := r.App.Person(ctx, u)
		if err != nil {
			return nil, err
		}
		out.Name, out.Email = profile.Full(), email
	}
	access, err := r.userAccess(user, position)
	if err != nil {
		return nil, err
	}
	out.Accounts = access.Body.Items
	return reply(out)
}

// statusOf is what a user is (SPEC 10).
func statusOf(u domain.User) string {
	switch {
	case u.Erased:
		return "erased"
	case u.Locked:
		return "locked"
	}
	return "active"
}

type lockInput struct {
	UserParam
	Body *struct {
		Reason string `json:"reason,omitempty" doc:"At most 1,000 characters; sealed with the person's data"`
		Force  bool   `json:"force,omitempty" doc:"Even where an account would have no active owner left"`
	}
}

type lockedBody struct {
	ID       string `json:"id"`
	Status   string `json:"status" enum:"active,locked,erased"`
	Sessions int    `json:"sessions" doc:"That have been started and not ended"`
}

func lockUser(_ context.Context, r *request, in *lockInput) (*Reply[lockedBody], error) {
	user, err := userID(in.User)
	if err != nil {
		return nil, r.unless(err)
	}
	cmd := domain.LockUser{User: user}
	if in.Body != nil {
		cmd.Reason, cmd.Force = in.Body.Reason, in.Body.Force
	}
	return r.locked(user, cmd)
}

func unlockUser(_ context.Context, r *request, in *lockInput) (*Reply[lockedBody], error) {
	user, err := userID(in.User)
	if err != nil {
		return nil, r.unless(err)
	}
	cmd := domain.UnlockUser{User: user}
	if in.Body != nil {
		cmd.Reason = in.Body.Reason
	}
	return r.locked(user, cmd)
}

func endSessions(_ context.Context, r *request, in *UserParam) (*Reply[lockedBody], error) {
	user, err := userID(in.User)
	if err != nil {
		return nil, r.unless(err)
	}
	return r.locked(user, domain.EndSessions{User: user})
}

func listSessionsByOperator(ctx context.Context, r *request, in *UserParam) (*Reply[ListBody[deviceBody]], error) {
	if err := operatorOnly(r); err != nil {
		return nil, err
	}
	user, err := userID(in.User)
	if err != nil {
		return nil, err
	}
	u, _, err := r.App.User(ctx, user)
	if err == nil && !u.Registered {
		err = nowhere()
	}
	if err != nil {
		return nil, err
	}
	return r.sessionsOf(ctx, user)
}

func (r *request) locked(user events.UserID, cmd domain.Command) (*Reply[lockedBody], error) {
	if _, err := r.do(cmd); err != nil {
		return nil, err
	}
	u, _, err := r.App.User(r.ctx, user)
	if err != nil {
		return nil, err
	}
	return reply(lockedBody{ID: user.String(), Status: statusOf(u), Sessions: u.Sessions()})
}

type appointInput struct {
	AccountParam
	Body struct {
		User string `json:"user"`
	}
}

func appointOwner(_ context.Context, r *request, in *appointInput) (*Reply[memberBody], error) {
	account, err := accountID(in.Account)
	if err != nil {
		return nil, r.unless(err)
	}
	user, err := userID(in.Body.User)
	if err != nil {
		return nil, r.unless(err)
	}
	return r.member(account, user, domain.AppointOwner{Account: account, User: user})
}
