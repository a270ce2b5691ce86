package api

import (
	"context"
	"net/http"

	"roster/domain"
	"roster/events"
)

func (s *server) identityRoutes() {
	const again = " Whoever comes by the provider afterwards is linked anew as at the first time: by a verified address, where that is still the user's."
	const at = "/v1/me/identities"
	add(s, operation{id: "ListIdentities", method: http.MethodGet, path: at, tag: "me", summary: "Who one is at the OpenID providers of one's accounts",
		codes: []domain.Code{domain.NotPermitted, codePosition}}, listIdentities)
	add(s, operation{id: "UnlinkMyIdentity", method: http.MethodDelete, path: at + "/{identity}", tag: "me", summary: "Sign in by an account's provider no more",
		description: "Needs the password, or a session that is younger than ten minutes and has used a second factor. Refused where nothing would be left to sign in with, or the account has its people sign in by its provider only. All other sessions end." + again,
		command:     true, codes: []domain.Code{domain.NotPermitted, domain.NotFound, domain.ReauthenticationRequired, domain.BadCredentials, domain.RateLimited}}, unlinkMyIdentity)
	add(s, operation{id: "UnlinkIdentity", method: http.MethodDelete, path: "/v1/accounts/{account}/users/{user}/identity", tag: "sso", summary: "End that somebody at the account's provider is a user",
		description: "For owners, where an address has been given to somebody else, or the wrong person was linked. The user is signed out everywhere." + again,
		command:     true, senior: within(domain.PolicyChange), codes: []domain.Code{domain.NotPermitted, domain.ExceedsOwnAccess, domain.AccountClosed, domain.Inherited, domain.NotFound}}, unlinkIdentity)
}

type identityBody struct {
	ID      string `json:"id"`
	Account string `json:"account" doc:"Whose provider it is"`
	Name    string `json:"account_name"`
	Counts  bool   `json:"counts" doc:"One can sign in by it: the account has not changed to another provider, ended it, moved or closed"`
}

func listIdentities(ctx context.Context, r *request, _ *struct{}) (*Reply[ListBody[identityBody]], error) {
	id, err := r.self()
	if err != nil {
		return nil, err
	}
	u, position, err := r.App.User(ctx, id)
	if err != nil {
		return nil, err
	}
	out := ListBody[identityBody]{Items: []identityBody{}, Position: position}
	for _, i := range u.Identities() {
		a, at, err := r.App.Account(ctx, i.Account)
		if err != nil {
			return nil, err
		}
		sso := a.Provider()
		out.Items = append(out.Items, identityBody{i.ID.String(), i.Account.String(), a.Name, sso != nil && sso.Connection == i.Connection})
		out.Position = max(out.Position, at)
	}
	return &Reply[ListBody[identityBody]]{out}, r.atLeast(out.Position)
}

type unlinkMyIdentityInput struct {
	Identity string `path:"identity" doc:"The identity's id"`
	Body     *struct {
		Password string `json:"password,omitempty" doc:"Once more"`
	}
}

func unlinkMyIdentity(ctx context.Context, r *request, in *unlinkMyIdentityInput) (*Reply[removedBody], error) {
	password := passwordInput{in.Body}.password()
	user, err := r.mine(password)
	if err != nil {
		return nil, err
	}
	id, err := pathID[struct{ any byte }](in.Identity)
	if err != nil {
		return nil, err
	}
	cmd := domain.UnlinkMyIdentity{User: user, Identity: events.AddressID(id)}
	if r.dryRun {
		cmd.Password = r.assumed(password)
		return nil, r.plan([]domain.Command{cmd})
	}
	done, err := r.Access.UnlinkMyIdentity(ctx, r.call, cmd, password)
	if err != nil {
		return nil, err
	}
	r.done(done)
	return reply(removedBody{in.Identity})
}

func unlinkIdentity(_ context.Context, r *request, in *MemberParam) (*Reply[removedBody], error) {
	account, user, err := in.ids()
	if err != nil {
		return nil, err
	}
	if _, err := r.do(domain.UnlinkIdentity{Account: account, User: user}); err != nil {
		return nil, err
	}
	return reply(removedBody{user.String()})
}
