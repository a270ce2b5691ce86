package api

import (
	"context"
	"errors"
	"net/http"

	"roster/domain"
	"roster/events"
)

func (s *server) sessionRoutes() {
	add(s, operation{id: "SignIn", method: http.MethodPost, path: "/v1/sessions", tag: "sessions", summary: "Sign in",
		description: "Answers the session's token, shown this once, and sets it as a cookie for browsers. An Idempotency-Key has no effect: every sign-in is a new session.",
		status:      http.StatusCreated, auth: nobody, codes: []domain.Code{domain.BadCredentials, domain.RateLimited, domain.NotPermitted}}, signIn)
	add(s, operation{id: "SignOut", method: http.MethodDelete, path: "/v1/sessions/current", tag: "sessions", summary: "Sign out",
		command: true}, signOut)
}

type signInInput struct{ Body signInBody }

type signInBody struct {
	Email    string `json:"email"`
	Password string `json:"password"`
}

type sessionBody struct {
	ID        string      `json:"id" doc:"The session's"`
	Token     string      `json:"token" doc:"Sent as Authorization: Bearer"`
	User      string      `json:"user"`
	ExpiresAt events.Time `json:"expires_at" format:"date-time"`
}

// maxPassword is the longest password, in bytes, that anybody can have: 1,024 characters.
const maxPassword = 4096

func signIn(ctx context.Context, r *request, in *signInInput) (*Reply[sessionBody], error) {
	if len(in.Body.Password) > maxPassword { // nobody's, and nothing to spend work on
		return nil, &domain.Error{Code: domain.BadCredentials, Detail: "the address or the password is wrong"}
	}
	in1, err := r.Access.SignIn(ctx, r.call, in.Body.Email, in.Body.Password)
	if err != nil {
		return nil, err
	}
	out := sessionBody{ID: in1.Session.String(), Token: in1.Token, User: in1.User.String()}
	for _, c := range in1.Result.Commits {
		for _, f := range c.Facts {
			if started, ok := f.(events.SessionStarted); ok && started.Session == in1.Session {
				out.ExpiresAt = started.ExpiresAt
			}
		}
	}
	r.position(in1.Result.Position)
	r.cookie(in1.Token, int(domain.SessionLifetime.Seconds()))
	return reply(out)
}

// cookie sets the session's cookie, which no script reads and other sites' forms do not send; -1 removes it.
func (r *request) cookie(token string, maxAge int) {
	http.SetCookie(r.w, &http.Cookie{Name: r.cookieName(), Value: token, Path: "/", MaxAge: maxAge,
		HttpOnly: true, Secure: r.secure, SameSite: http.SameSiteLaxMode})
}

type signedOutBody struct {
	ID string `json:"id" doc:"The session that has ended"`
}

// self refuses whoever is no user.
func (r *request) self() (events.UserID, error) {
	user := r.principal.Actor.User()
	if user.IsZero() {
		return user, &domain.Error{Code: domain.NotPermitted, Detail: "an operator's key is no user"}
	}
	return user, nil
}

func signOut(ctx context.Context, r *request, _ *struct{}) (*Reply[signedOutBody], error) {
	if _, err := r.self(); err != nil {
		return nil, err
	}
	done, err := r.Access.SignOut(ctx, r.call)
	if err != nil {
		return nil, err
	}
	r.position(done.Position)
	r.cookie("", -1)
	return reply(signedOutBody{r.principal.Actor.Session.String()})
}

func isRefusal(err error) bool {
	var refusal *domain.Error
	return errors.As(err, &refusal)
}
