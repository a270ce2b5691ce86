package web

import (
	"errors"
	"net/http"
	"net/url"
	"strings"

	"roster/domain"
	"roster/events"
	"roster/handlers/access"
)

// ssoCookie is the name of the cookie that binds a sign-in at a provider to this browser.
const ssoCookie = "roster_sso"

// ssoBody is what the page shows where single sign-on begins.
type ssoBody struct {
	Email string
	Next  string
	Error string
	To    string // a page of ours that leads on to the provider
}

func (s *site) ssoRoutes() map[string]verbs {
	return map[string]verbs{
		"/sign-in/sso":           {http.MethodGet: s.ssoPage},
		"/sign-in/sso/callback":  {http.MethodGet: s.ssoCallback},
		"/sign-in/sso/{account}": {http.MethodGet: s.ssoBegin},
	}
}

// ssoPage finds the provider by the domain of an address. It leads on by a page of its own: browsers follow no form to
// another site, as our policy has it.
func (s *site) ssoPage(w http.ResponseWriter, r *http.Request) error {
	body := ssoBody{Email: r.URL.Query().Get("email"), Next: s.localPath(r.URL.Query().Get("next"))}
	p := s.open(w, r, person{})
	show := func(status int) error { return p.door(status, p.T("signin.sso_title"), ssoView(p, body)) }
	if body.Email == "" {
		return show(http.StatusOK)
	}
	account, err := s.Access.SSODomain(r.Context(), body.Email)
	switch {
	case codeOf(err) == domain.NotAvailable:
		body.Error = p.T("signin.sso_none")
		return show(http.StatusNotFound)
	case err != nil:
		return err
	}
	body.To = "/sign-in/sso/" + account.String() + "?next=" + url.QueryEscape(body.Next)
	w.Header().Set("Refresh", "0; url="+body.To)
	return show(http.StatusOK)
}

// ssoBegin sends the browser to an account's provider.
func (s *site) ssoBegin(w http.ResponseWriter, r *http.Request) error {
	id, err := events.ParseID[struct{ account byte }](r.PathValue("account"))
	if err != nil {
		return s.ssoFailed(w, r, &domain.Error{Code: domain.NotAvailable, Detail: "there is no single sign-on here"})
	}
	to, ticket, err := s.Access.BeginSSO(r.Context(), events.AccountID(id))
	if err != nil {
		return s.ssoFailed(w, r, err)
	}
	s.setCookie(w, r, ssoCookie, ticket+"~"+s.localPath(r.URL.Query().Get("next")), int(access.SSOWithin.Seconds()))
	http.Redirect(w, r, to, http.StatusSeeOther)
	return nil
}

// ssoCallback ends what ssoBegin began, with what the provider has sent along. The cookie serves once.
func (s *site) ssoCallback(w http.ResponseWriter, r *http.Request) error {
	before, err := s.who(r.Context(), r)
	if err != nil {
		return err
	}
	ticket, next, _ := strings.Cut(s.cookie(r, ssoCookie), "~")
	s.setCookie(w, r, ssoCookie, "", -1)
	q, err := url.ParseQuery(r.URL.RawQuery)
	for _, values := range q {
		if len(values) > 1 {
			err = errors.New("a parameter is said twice")
		}
	}
	if err != nil {
		return s.ssoFailed(w, r, access.ErrVouch)
	}
	in, err := s.Access.FinishSSO(r.Context(), s.signingIn(r), ticket,
		access.ProviderAnswer{State: q.Get("state"), Code: q.Get("code"), Issuer: q.Get("iss"), Error: q.Get("error")})
	switch {
	case err != nil:
		return s.ssoFailed(w, r, err)
	case in.Challenge != "":
		return s.open(w, r, person{}).factorDoor(http.StatusOK, factorBody{Challenge: in.Challenge, Factors: in.Factors, Next: s.localPath(next)})
	}
	return s.startSession(w, r, before, in, s.localPath(next))
}

// ssoFailed says why nobody is signed in, with the code that SPEC 10 has for it. What a provider said is not repeated.
func (s *site) ssoFailed(w http.ResponseWriter, r *http.Request, err error) error {
	var refusal *domain.Error
	switch {
	case errors.Is(err, access.ErrProviderAway):
		s.Logger.WarnContext(r.Context(), "an OpenID provider cannot be used", "err", err)
		refusal = &domain.Error{Code: "unavailable", Detail: "your organisation's provider did not answer: try again in a moment"}
	case errors.Is(err, access.ErrVouch):
		s.Logger.WarnContext(r.Context(), "an OpenID provider's answer was refused", "err", err)
		refusal = &domain.Error{Code: domain.BadCredentials, Detail: "what your organisation's provider answered does not prove who you are"}
	case !errors.As(err, &refusal):
		return err
	}
	status := statusOf(refusal.Code)
	if refusal.Code == "unavailable" {
		status = http.StatusServiceUnavailable
		w.Header().Set("Retry-After", "10")
	}
	p := s.open(w, r, person{})
	return p.say(status, p.T("signin.not_signed_in"), message{p.Because(refusal), p.T("refused.code") + " " + string(refusal.Code), "/sign-in", p.T("signin.back")})
}
