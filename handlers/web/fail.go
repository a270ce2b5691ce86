package web

import (
	"context"
	"errors"
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

// fail answers a request that could not be done with a page that says why.
func (s *site) fail(w http.ResponseWriter, r *http.Request, err error) {
	p := s.open(w, r, person{}) // who is signed in is not asked again: what answers that may be what is broken
	status, title, m := p.explain(err)
	if status == http.StatusInternalServerError {
		s.Logger.ErrorContext(r.Context(), "a page failed", "pattern", r.Pattern, "method", r.Method, "err", err)
	}
	if err := p.say(status, title, m); err != nil {
		s.Logger.ErrorContext(r.Context(), "the error page failed", "pattern", r.Pattern, "err", err)
		http.Error(w, "internal error", http.StatusInternalServerError)
	}
}

func (p *page) explain(err error) (status int, title string, m message) {
	m = message{Back: "/", Label: p.T("refused.back")}
	nothing := p.T("fail.nothing")
	var refusal *domain.Error
	switch {
	case errors.Is(err, errNoPage):
		m.Lead = p.T("fail.no_page")
		return http.StatusNotFound, p.T("fail.no_page_title"), m
	case errors.Is(err, errNoLink), codeOf(err) == domain.NotFound:
		m.Lead, m.Follow = p.T("fail.no_link"), p.T("fail.no_link_hint")
		return http.StatusNotFound, p.T("fail.no_link_title"), m
	case errors.Is(err, errMethod):
		m.Lead = p.T("fail.method")
		return http.StatusMethodNotAllowed, p.T("fail.method_title"), m
	case errors.Is(err, errForeign):
		m.Lead = p.T("fail.foreign")
		return http.StatusForbidden, nothing, m
	case errors.Is(err, errStale):
		m = message{p.T("fail.stale"), p.T("fail.stale_hint"), pageOf(p.r), p.T("fail.again")}
		return http.StatusForbidden, nothing, m
	case errors.Is(err, errFormType):
		m.Lead = p.T("fail.form_type")
		return http.StatusUnsupportedMediaType, nothing, m
	case errors.Is(err, errTooLarge):
		m.Lead = p.T("fail.too_large")
		return http.StatusRequestEntityTooLarge, nothing, m
	case errors.Is(err, errBadForm):
		m.Lead = p.T("fail.bad_form")
		return http.StatusBadRequest, nothing, m
	case errors.As(err, &refusal):
		m.Lead = p.Because(refusal)
		if refusal.Retry > 0 {
			m.Follow = p.T("fail.try_again", p.Minutes(refusal.Retry))
			p.w.Header().Set("Retry-After", strconv.Itoa(refusal.Retry))
		}
		return statusOf(refusal.Code), p.T("refused.title"), m
	case errors.Is(err, handlers.ErrUnavailable), errors.Is(err, handlers.ErrUnknownOutcome),
		errors.Is(err, context.DeadlineExceeded), errors.Is(err, context.Canceled):
		p.w.Header().Set("Retry-After", "5")
		m.Lead = p.T("fail.away")
		return http.StatusServiceUnavailable, p.T("fail.away_title"), m
	}
	m.Lead = p.T("fail.fault")
	return http.StatusInternalServerError, p.T("fail.fault_title"), m
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
