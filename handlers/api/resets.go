package api

import (
	"context"
	"net/http"

	"roster/domain"
	"roster/events"
	"roster/handlers/access"
)

// deadLink are the reasons for which a link that was mailed no longer works.
func deadLink() []domain.Code {
	return []domain.Code{domain.InvitationExpired, domain.InvitationReplaced, domain.InvitationUsed}
}

func (s *server) resetRoutes() {
	const at = "/v1/password-resets"
	add(s, operation{id: "RequestPasswordReset", method: http.MethodPost, path: at, tag: "password resets", summary: "Ask for a link to choose a new password by",
		description: "Always answers the same, whether or not the address belongs to a user. At most five mails an hour go to one address.",
		status:      http.StatusAccepted, auth: nobody}, requestReset)
	add(s, operation{id: "LookAtPasswordReset", method: http.MethodGet, path: at + "/{token}", tag: "password resets", summary: "What a link is about",
		description: "Consumes nothing. A dead link says which kind of dead it is.", auth: anybody, codes: append(deadLink(), codePosition)}, lookAtReset)
	add(s, operation{id: "ResetPassword", method: http.MethodPost, path: at + "/{token}", tag: "password resets", summary: "Choose a new password",
		description: "Ends all sessions, and signs nobody in; second factors stay as they are. The person is told by mail.",
		auth:        anybody, command: true, senior: liveReset, codes: append(deadLink(), domain.PasswordRules)}, resetPassword)
}

type mailedBody struct {
	Accepted bool `json:"accepted" doc:"Whatever becomes of it"`
}

type requestResetInput struct{ Body requestResetBody }

type requestResetBody struct {
	Email string `json:"email"`
}

func requestReset(ctx context.Context, r *request, in *requestResetInput) (*Reply[mailedBody], error) {
	if err := r.Access.RequestReset(ctx, r.call, in.Body.Email); err != nil {
		return nil, err
	}
	return reply(mailedBody{true})
}

// resetLink reads a link's token. One that is forged, or for something else, is one that nobody has.
func (r *request) resetLink(token string) (access.ResetLink, error) {
	purpose, _, subject, generation, err := r.Links.Read(token)
	if err != nil || purpose != purposeReset {
		return access.ResetLink{}, nowhere()
	}
	return access.ResetLink{User: subject, Generation: generation}, nil
}

// liveReset refuses what is wrong in a request to a dead link with what is wrong with the link.
func liveReset(r *request) error {
	l, err := r.resetLink(r.r.PathValue("token"))
	if err != nil {
		return err
	}
	_, err = r.Access.LookAtReset(r.ctx, r.call, l)
	return err
}

type lookAtResetBody struct {
	Email     string       `json:"email" doc:"Whose password it is"`
	ExpiresAt events.Time  `json:"expires_at" format:"date-time"`
	Rules     passwordBody `json:"rules" doc:"For the new password"`
}

func lookAtReset(ctx context.Context, r *request, in *TokenParam) (*Reply[lookAtResetBody], error) {
	l, err := r.resetLink(in.Token)
	if err != nil {
		return nil, err
	}
	look, err := r.Access.LookAtReset(ctx, r.call, l)
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
	return reply(lookAtResetBody{look.Email, look.ExpiresAt, passwordBody(look.Rules)})
}

type resetInput struct {
	TokenParam
	Body resetBody
}

type resetBody struct {
	Password string  `json:"password"`
	Confirm  *string `json:"confirm,omitempty" doc:"The password once more, where it was asked for twice"`
}

func resetPassword(ctx context.Context, r *request, in *resetInput) (*Reply[passwordReply], error) {
	l, err := r.resetLink(in.Token)
	if err != nil {
		return nil, err
	}
	if r.dryRun {
		cmd, err := r.Access.PlanReset(ctx, r.call, l, in.Body.Password, in.Body.Confirm)
		if err != nil {
			return nil, err
		}
		return nil, r.plan([]domain.Command{cmd})
	}
	done, err := r.Access.ResetPassword(ctx, r.call, l, in.Body.Password, in.Body.Confirm)
	if err != nil {
		return nil, err
	}
	r.position(done.Position)
	return reply(passwordReply{l.User.String(), endedBy(done.Commits)})
}
