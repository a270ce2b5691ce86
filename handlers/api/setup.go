package api

import (
	"context"
	"net/http"

	"roster/domain"
	"roster/handlers/enroll"
)

func (s *server) setupRoutes() {
	add(s, operation{id: "LookAtSetup", method: http.MethodGet, path: "/v1/setup/{token}", tag: "setup", summary: "Whether the setup link still works",
		auth: anybody, codes: []domain.Code{domain.InvitationUsed, codePosition}}, lookAtSetup)
	add(s, operation{id: "SetUp", method: http.MethodPost, path: "/v1/setup/{token}", tag: "setup", summary: "Make the first account and its owner",
		description: "By the one link that the first start prints. It does not sign in.",
		status:      http.StatusCreated, auth: anybody, command: true, senior: unusedSetup, codes: []domain.Code{domain.InvitationUsed, domain.PasswordRules}}, setUp)
}

func (r *request) setupLink(token string) error {
	purpose, _, _, _, err := r.Links.Read(token)
	if err != nil || purpose != purposeSetup {
		return nowhere()
	}
	return nil
}

// unusedSetup refuses a link that has been used.
func unusedSetup(r *request) error {
	if err := r.setupLink(r.r.PathValue("token")); err != nil {
		return err
	}
	used, err := r.enroll.IsSetUp(r.ctx)
	if err == nil && used {
		err = &domain.Error{Code: domain.InvitationUsed, Detail: "the first account has been made already"}
	}
	return err
}

type setupBody struct {
	Open bool `json:"open" doc:"The first account is yet to be made"`
}

func lookAtSetup(_ context.Context, r *request, _ *TokenParam) (*Reply[setupBody], error) {
	if err := unusedSetup(r); err != nil {
		return nil, err
	}
	_, position, err := r.App.Portal(r.ctx)
	if err != nil {
		return nil, err
	}
	if err := r.atLeast(position); err != nil {
		return nil, err
	}
	return reply(setupBody{Open: true})
}

type setUpInput struct {
	TokenParam
	Body setUpBody
}

type setUpBody struct {
	Account setUpAccount `json:"account"`
	Owner   setUpOwner   `json:"owner"`
}

type setUpAccount struct {
	Name string `json:"name"`
}

type setUpOwner struct {
	Email     string `json:"email"`
	FirstName string `json:"first_name"`
	LastName  string `json:"last_name"`
	Password  string `json:"password" doc:"At least 10 characters with a lower-case and an upper-case letter, a digit and a special character"`
}

type setUpReply struct {
	ID      string `json:"id" doc:"The account's"`
	Account string `json:"account"`
	User    string `json:"user"`
}

func setUp(ctx context.Context, r *request, in *setUpInput) (*Reply[setUpReply], error) {
	if err := r.setupLink(in.Token); err != nil {
		return nil, err
	}
	b := in.Body
	first := enroll.First{AccountName: b.Account.Name, Email: b.Owner.Email,
		Owner: enroll.Newcomer{First: b.Owner.FirstName, Last: b.Owner.LastName, Password: b.Owner.Password}}
	if r.dryRun {
		call, cmd, err := r.enroll.PlanSetUp(ctx, r.call, first)
		if err != nil {
			return nil, err
		}
		return nil, r.planBy(call, cmd)
	}
	done, err := r.enroll.SetUp(ctx, r.call, first)
	if err != nil {
		return nil, err
	}
	r.position(done.Position)
	r.w.Header().Set("Location", "/v1/accounts/"+done.Account.String())
	return reply(setUpReply{done.Account.String(), done.Account.String(), done.User.String()})
}
