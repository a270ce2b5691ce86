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
		description: "Answers the session's token, shown this once, and sets it as a cookie for browsers; or, where a second factor is asked for, 202 with a challenge for POST /v1/sessions/factor. An Idempotency-Key has no effect: every sign-in is a new session.",
		status:      http.StatusCreated, auth: nobody, codes: []domain.Code{domain.BadCredentials, domain.RateLimited, domain.NotPermitted}}, signIn)
	add(s, operation{id: "SecondFactor", method: http.MethodPost, path: "/v1/sessions/factor", tag: "sessions", summary: "Show the second factor",
		description: "Ends the sign-in that a password has begun, with a code of an authenticator app, one sent by SMS, or a recovery code. Each works once. An Idempotency-Key has no effect.",
		status:      http.StatusCreated, auth: nobody, codes: []domain.Code{domain.BadCredentials, domain.RateLimited, domain.NotPermitted}}, secondFactor)
	s.describeChallenge("/v1/sessions")
	add(s, operation{id: "SignOut", method: http.MethodDelete, path: "/v1/sessions/current", tag: "sessions", summary: "Sign out",
		command: true}, signOut)
}

type signInInput struct{ Body signInBody }

type signInBody struct {
	Email    string `json:"email"`
	Password string `json:"password"`
	Device   string `json:"device,omitempty" doc:"What an earlier sign-in on this device answered: it is then counted apart, so that a stranger's guesses lock nobody out"`
}

type sessionBody struct {
	ID        string      `json:"id" doc:"The session's"`
	Token     string      `json:"token" doc:"Sent as Authorization: Bearer"`
	User      string      `json:"user"`
	ExpiresAt events.Time `json:"expires_at" format:"date-time"`
	Device    string      `json:"device" doc:"By which this device is known from now on"`
}

// maxPassword is the longest password, in bytes, that anybody can have: 1,024 characters.
const maxPassword = 4096

func signIn(ctx context.Context, r *request, in *signInInput) (*signInReply, error) {
	if len(in.Body.Password) > maxPassword { // nobody's, and nothing to spend work on
		return nil, &domain.Error{Code: domain.BadCredentials, Detail: "the address or the password is wrong"}
	}
	r.call.Device = r.device(in.Body.Device)
	signed, err := r.Access.SignIn(ctx, r.call, in.Body.Email, in.Body.Password)
	if err != nil {
		return nil, err
	}
	return r.signedIn(signed)
}

// cookie sets a cookie that no script reads and that other sites' forms do not send; -1 removes it.
func (r *request) cookie(name, value string, maxAge int) {
	http.SetCookie(r.w, &http.Cookie{Name: name, Value: value, Path: "/", MaxAge: maxAge,
		HttpOnly: true, Secure: r.secure, SameSite: http.SameSiteLaxMode})
}

type signedOutBody struct {
	ID string `json:"id" doc:"The session that has ended"`
}

// self refuses whoever is no user.
func (r *request) self() (events.UserID, error) {
	user := r.principal.Actor.User()
	if r.principal.Key != nil {
		return user, &domain.Error{Code: domain.NotPermitted, Detail: "not by an API key: only a person who is signed in"}
	}
	if user.IsZero() {
		return user, &domain.Error{Code: domain.NotPermitted, Detail: "an operator's key is no user"}
	}
	return user, nil
}

func signOut(ctx context.Context, r *request, _ *struct{}) (*Reply[signedOutBody], error) {
	if _, err := r.self(); err != nil {
		return nil, err
	}
	if r.dryRun {
		return nil, r.plan([]domain.Command{domain.EndSession{User: r.principal.Actor.User(), Session: r.principal.Actor.Session}})
	}
	done, err := r.Access.SignOut(ctx, r.call)
	if err != nil {
		return nil, err
	}
	r.position(done.Position)
	r.cookie(r.cookieName(), "", -1)
	return reply(signedOutBody{r.principal.Actor.Session.String()})
}

func isRefusal(err error) bool {
	var refusal *domain.Error
	return errors.As(err, &refusal)
}

func hasCode(err error, code domain.Code) bool {
	var refusal *domain.Error
	return errors.As(err, &refusal) && refusal.Code == code
}
