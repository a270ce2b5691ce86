package web

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"roster/domain"
	"roster/handlers"
)

// codeOf is the code of a refusal, or "" for anything else.
func codeOf(err error) domain.Code {
	var refusal *domain.Error
	if errors.As(err, &refusal) {
		return refusal.Code
	}
	return ""
}

// message is a page that only says something.
type message struct {
	Lead   string
	Follow string
	Back   string // a page of ours to go on from
	Label  string // what the way back is called
}

// fail answers a request that could not be done with a page that says why.
func (s *site) fail(w http.ResponseWriter, r *http.Request, err error) {
	status, title, m := s.explain(w, r, err)
	if status == http.StatusInternalServerError {
		s.Logger.ErrorContext(r.Context(), "a page failed", "pattern", r.Pattern, "method", r.Method, "err", err)
	}
	// Who is signed in is not asked again: what answers that may be what is broken.
	if err := s.show(w, r, status, "message", title, person{}, m); err != nil {
		s.Logger.ErrorContext(r.Context(), "the error page failed", "pattern", r.Pattern, "err", err)
		http.Error(w, "internal error", http.StatusInternalServerError)
	}
}

func (s *site) explain(w http.ResponseWriter, r *http.Request, err error) (status int, title string, m message) {
	m = message{Back: "/", Label: "To the start page"}
	var refusal *domain.Error
	switch {
	case errors.Is(err, errNoPage):
		m.Lead = "There is no page at this address."
		return http.StatusNotFound, "Page not found", m
	case errors.Is(err, errNoLink), codeOf(err) == domain.NotFound:
		m.Lead = "This link leads nowhere."
		m.Follow = "Check that it has been copied whole, from its beginning to its end: some mail programs break long links in two."
		return http.StatusNotFound, "Link not found", m
	case errors.Is(err, errMethod):
		m.Lead = "This page cannot be used in this way."
		return http.StatusMethodNotAllowed, "Not allowed here", m
	case errors.Is(err, errForeign):
		m.Lead = "The form was sent from another site, so nothing was done."
		return http.StatusForbidden, "Nothing was done", m
	case errors.Is(err, errStale):
		m.Lead = "The form was out of date, so nothing was done."
		m.Follow = "Open the page again and send it once more. Cookies have to be allowed for this site."
		m.Back, m.Label = pageOf(r), "Open the page again"
		return http.StatusForbidden, "Nothing was done", m
	case errors.Is(err, errFormType):
		m.Lead = "This page takes forms only."
		return http.StatusUnsupportedMediaType, "Nothing was done", m
	case errors.Is(err, errTooLarge):
		m.Lead = "The form holds more than this page takes."
		return http.StatusRequestEntityTooLarge, "Nothing was done", m
	case errors.Is(err, errBadForm):
		m.Lead = "The form cannot be read."
		return http.StatusBadRequest, "Nothing was done", m
	case errors.As(err, &refusal):
		m.Lead = sentence(refusal.Detail) + "."
		if refusal.Retry > 0 {
			m.Follow = "Try again " + inMinutes(refusal.Retry) + "."
			w.Header().Set("Retry-After", strconv.Itoa(refusal.Retry))
		}
		return statusOf(refusal.Code), "That did not work", m
	case errors.Is(err, handlers.ErrUnavailable), errors.Is(err, handlers.ErrUnknownOutcome),
		errors.Is(err, context.DeadlineExceeded), errors.Is(err, context.Canceled):
		w.Header().Set("Retry-After", "5")
		m.Lead = "The service cannot be reached right now. Try again in a moment."
		return http.StatusServiceUnavailable, "Not available right now", m
	}
	m.Lead = "Something went wrong on our side. It has been noted."
	return http.StatusInternalServerError, "Something went wrong", m
}

// pageOf is the page that a form stands on.
func pageOf(r *http.Request) string {
	token := url.PathEscape(r.PathValue("token"))
	switch {
	case token == "" && (r.URL.Path == "/sign-in" || r.URL.Path == "/forgotten" || r.URL.Path == "/sign-up"):
		return r.URL.Path
	case token == "" && ofOperator(r.URL.Path):
		return "/operator"
	case token == "":
		return "/"
	case strings.HasPrefix(r.URL.Path, "/setup/"):
		return "/setup/" + token
	case strings.HasPrefix(r.URL.Path, "/reset/"):
		return "/reset/" + token
	case strings.HasPrefix(r.URL.Path, "/confirm/"):
		return "/confirm/" + token
	case strings.HasPrefix(r.URL.Path, "/sign-up/"):
		return "/sign-up/" + token
	}
	return "/invitations/" + token
}

// statusOf is the HTTP status of a refusal (SPEC 10).
func statusOf(code domain.Code) int {
	switch code {
	case domain.SignInRequired, domain.BadCredentials:
		return http.StatusUnauthorized
	case domain.RateLimited:
		return http.StatusTooManyRequests
	case domain.NotFound, domain.NotAvailable:
		return http.StatusNotFound
	case domain.NotPermitted, domain.ExceedsOwnAccess, domain.WrongRecipient, domain.SecondFactorRequired, domain.ReauthenticationRequired:
		return http.StatusForbidden
	case domain.InvitationExpired, domain.InvitationRevoked, domain.InvitationReplaced, domain.InvitationUsed:
		return http.StatusGone
	case domain.Invalid, domain.DomainNotAllowed, domain.PasswordRules:
		return http.StatusUnprocessableEntity
	case domain.StaleVersion:
		return http.StatusPreconditionFailed
	}
	return http.StatusConflict // what the state of things forbids
}

// inMinutes says in how long, rounded up.
func inMinutes(seconds int) string {
	switch minutes := (seconds + 59) / 60; {
	case minutes <= 1:
		return "in a minute"
	default:
		return fmt.Sprintf("in %d minutes", minutes)
	}
}
