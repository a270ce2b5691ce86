package api

import (
	"context"
	"net/http"

	"roster/domain"
	"roster/events"
	"roster/handlers/access"
)

func (s *server) emailRoutes() {
	const at = "/v1/confirmations/{token}"
	add(s, operation{id: "ChangeEmail", method: http.MethodPost, path: "/v1/me/email", tag: "me", summary: "Ask for another address to sign in with",
		description: "A link is sent there, and a notice to the present address. Nothing changes before the link is used. The answer does not tell whether the address is somebody's already.",
		status:      http.StatusAccepted, command: true, codes: []domain.Code{domain.BadCredentials, domain.RateLimited, domain.DomainNotAllowed}}, changeEmail)
	dead := append(deadLink(), domain.InvitationRevoked)
	add(s, operation{id: "LookAtConfirmation", method: http.MethodGet, path: at, tag: "confirmations", summary: "What a link is about",
		description: "Consumes nothing. A dead link says which kind of dead it is.", auth: anybody, codes: append(dead, codePosition)}, lookAtConfirmation)
	add(s, operation{id: "ConfirmEmail", method: http.MethodPost, path: at, tag: "confirmations", summary: "Confirm the address",
		description: "From then on it is the one to sign in with. Sessions stay; the address from before is told.", auth: anybody, command: true, codes: dead}, confirmEmail)
}

type changeEmailInput struct{ Body changeEmailBody }

type changeEmailBody struct {
	Email    string `json:"email"`
	Password string `json:"password" doc:"The present one"`
}

func changeEmail(ctx context.Context, r *request, in *changeEmailInput) (*Reply[mailedBody], error) {
	if _, err := r.oneself(); err != nil {
		return nil, err
	}
	if r.dryRun {
		cmd, err := r.Access.PlanEmailChange(ctx, r.call, in.Body.Email)
		if err != nil {
			return nil, err
		}
		return nil, r.plan([]domain.Command{cmd})
	}
	done, err := r.Access.RequestEmailChange(ctx, r.call, in.Body.Email, in.Body.Password)
	if err != nil {
		return nil, err
	}
	r.position(done.Position)
	return reply(mailedBody{true})
}

// emailLink reads a link's token. One that is forged, or for something else, is one that nobody has.
func (r *request) emailLink(token string) (access.EmailLink, error) {
	purpose, _, subject, generation, err := r.Links.Read(token)
	if err != nil || purpose != purposeConfirm {
		return access.EmailLink{}, nowhere()
	}
	return access.EmailLink{User: subject, Generation: generation}, nil
}

type confirmationBody struct {
	Email     string      `json:"email" doc:"That is to be confirmed"`
	ExpiresAt events.Time `json:"expires_at" format:"date-time"`
}

func lookAtConfirmation(ctx context.Context, r *request, in *TokenParam) (*Reply[confirmationBody], error) {
	l, err := r.emailLink(in.Token)
	if err != nil {
		return nil, err
	}
	look, err := r.Access.LookAtEmailChange(ctx, r.call, l)
	if err != nil {
		return nil, err
	}
	_, position, err := r.App.User(ctx, l.User)
	if err != nil {
		return nil, err
	}
	if err := r.atLeast(position); err != nil {
		return nil, err
	}
	return reply(confirmationBody{look.Email, look.ExpiresAt})
}

type confirmedBody struct {
	ID string `json:"id" doc:"The user's"`
}

func confirmEmail(ctx context.Context, r *request, in *TokenParam) (*Reply[confirmedBody], error) {
	l, err := r.emailLink(in.Token)
	if err != nil {
		return nil, err
	}
	if r.dryRun {
		cmd, err := r.Access.PlanConfirmation(ctx, r.call, l)
		if err != nil {
			return nil, err
		}
		return nil, r.plan([]domain.Command{cmd})
	}
	done, err := r.Access.ConfirmEmail(ctx, r.call, l)
	if err != nil {
		return nil, err
	}
	r.position(done.Position)
	return reply(confirmedBody{l.User.String()})
}
