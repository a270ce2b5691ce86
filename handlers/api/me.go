package api

import (
	"context"
	"net/http"

	"roster/domain"
	"roster/events"
)

func (s *server) meRoutes() {
	add(s, operation{id: "ChangePassword", method: http.MethodPut, path: "/v1/me/password", tag: "me", summary: "Change one's own password",
		description: "Ends all other sessions; the person is told by mail. What is wrong with the new password is said all at once, before the current one is looked at.",
		command:     true, codes: []domain.Code{domain.BadCredentials, domain.RateLimited, domain.PasswordRules}}, changePassword)
}

// oneself is the user who asks, for what nobody does for another: no administrator, and not the operator.
func (r *request) oneself() (events.UserID, error) {
	if r.call.Behalf != nil && r.principal.Key == nil {
		return events.UserID{}, &domain.Error{Code: domain.NotPermitted, Detail: "only the person themselves"}
	}
	return r.self()
}

type changePasswordInput struct{ Body newPasswordBody }

type newPasswordBody struct {
	Current string `json:"current"`
	New     string `json:"new" doc:"As the rules of one's accounts want it, nothing common, and nothing of one's own name or address"`
	Confirm string `json:"confirm" doc:"The new one once more"`
}

type passwordReply struct {
	ID    string `json:"id" doc:"The user's"`
	Ended int    `json:"sessions_ended" doc:"Other sessions that have been ended"`
}

func changePassword(ctx context.Context, r *request, in *changePasswordInput) (*Reply[passwordReply], error) {
	user, err := r.oneself()
	if err != nil {
		return nil, err
	}
	b := in.Body
	if r.dryRun {
		cmd, err := r.Access.PlanPassword(ctx, r.call, b.New, &b.Confirm)
		if err != nil {
			return nil, err
		}
		return nil, r.plan([]domain.Command{cmd})
	}
	done, err := r.Access.ChangePassword(ctx, r.call, b.Current, b.New, &b.Confirm)
	if err != nil {
		return nil, err
	}
	r.position(done.Position)
	return reply(passwordReply{user.String(), endedBy(done.Commits)})
}

// endedBy is how many sessions a command has ended.
func endedBy(commits []events.Commit) (n int) {
	for _, c := range commits {
		for _, f := range c.Facts {
			if _, ok := f.(events.SessionEnded); ok {
				n++
			}
		}
	}
	return n
}
