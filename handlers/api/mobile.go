package api

import (
	"context"
	"net/http"

	"roster/domain"
	"roster/events"
	"roster/handlers/access"
)

func (s *server) mobileRoutes() {
	codes := []domain.Code{domain.NotPermitted, domain.NotFound, codeNotAvailable, domain.ReauthenticationRequired, domain.BadCredentials, domain.RateLimited}
	add(s, operation{id: "EnrollMobile", method: http.MethodPost, path: "/v1/me/mobile", tag: "me", summary: "Have a code sent to one's mobile number",
		description: "It has to be shown within five minutes; sent again, it is another one. Once the number is verified, a code is asked for at every sign-in where the portal's profile says so. Needs the password, or a session that is younger than ten minutes and has used a second factor. A dry run sends nothing, and takes a password that is sent for the right one.",
		status:      http.StatusCreated, command: true, codes: codes}, enrollMobile)
	add(s, operation{id: "VerifyMobile", method: http.MethodPost, path: "/v1/me/mobile/verify", tag: "me", summary: "Show the code that was sent",
		description: "The number takes the place of the one before. A dry run looks at no code.",
		command:     true, codes: codes}, verifyMobile)
}

type mobileInput struct {
	Body struct {
		Mobile   string `json:"mobile" maxLength:"40" doc:"In international form, +31 6 12345678"`
		Password string `json:"password,omitempty" doc:"Once more"`
	}
}

func (r *request) canText() error {
	if !r.Access.CanText() {
		return &domain.Error{Code: codeNotAvailable, Detail: "this portal sends no codes by SMS"}
	}
	return nil
}

func enrollMobile(ctx context.Context, r *request, in *mobileInput) (*Reply[FactorBody], error) {
	if err := r.canText(); err != nil {
		return nil, err
	}
	user, err := r.mine(in.Body.Password)
	if err != nil {
		return nil, err
	}
	number, ok := access.Mobile(in.Body.Mobile)
	if !ok {
		return nil, invalid("body.mobile", "want a number in international form, such as +31 6 12345678")
	}
	if r.dryRun {
		return nil, r.plan([]domain.Command{domain.EnrollFactor{User: user, Method: events.FactorSMS, Label: number, Password: r.assumed(in.Body.Password)}})
	}
	f, done, err := r.Access.EnrollMobile(ctx, r.call, in.Body.Password, number)
	if err != nil {
		return nil, err
	}
	r.done(done)
	return r.factorNow(ctx, user, f.ID)
}

type codeInput struct {
	Body struct {
		Code string `json:"code"`
	}
}

func verifyMobile(ctx context.Context, r *request, in *codeInput) (*Reply[FactorBody], error) {
	if err := r.canText(); err != nil {
		return nil, err
	}
	user, err := r.self()
	if err != nil {
		return nil, err
	}
	if r.dryRun {
		return nil, r.planVerify(ctx, user, access.Unverified(r.principal.User, events.FactorSMS).ID)
	}
	id, done, err := r.Access.VerifyMobile(ctx, r.call, in.Body.Code)
	if err != nil {
		return nil, err
	}
	r.done(done)
	return r.factorNow(ctx, user, id)
}
