package web

import (
	"errors"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"roster/domain"
	"roster/events"
	"roster/handlers/access"
)

const (
	operatorCookie = "roster_operator"
	operatorSignIn = "/operator/sign-in"
)

// ofOperator says that a path is one of the operator's pages.
func ofOperator(path string) bool {
	return path == "/operator" || strings.HasPrefix(path, "/operator/")
}

// operatorRoutes are the pages of whoever runs the installation. They are signed in to by an operator's key, whoever is
// signed in beside.
func (s *site) operatorRoutes() map[string]verbs {
	return map[string]verbs{
		"/operator":          {http.MethodGet: s.asOperator(s.operatorHome)},
		operatorSignIn:       {http.MethodGet: s.operatorSignInPage, http.MethodPost: s.operatorSignIn},
		"/operator/sign-out": {http.MethodGet: s.backToOperator, http.MethodPost: s.operatorSignOut},
		"/operator/":         {http.MethodGet: s.asOperator(func(*page) error { return errNoPage })},
	}
}

// asOperator is a page for whoever holds an operator's key, which is read anew each time; others sign in first and come
// back.
func (s *site) asOperator(show func(p *page) error) func(http.ResponseWriter, *http.Request) error {
	return func(w http.ResponseWriter, r *http.Request) error {
		_, principal, err := s.Access.OperatorOf(r.Context(), s.signedInBy(r, r.URL.Path))
		switch {
		case codeOf(err) == domain.SignInRequired:
			to := operatorSignIn
			if next := s.operatorNext(r.URL.RequestURI()); next != "/operator" && r.Method == http.MethodGet {
				to += "?next=" + url.QueryEscape(next)
			}
			s.keepOperator(w, "", -1)
			http.Redirect(w, r, to, http.StatusSeeOther)
			return nil
		case err != nil:
			return err
		}
		p := s.operatorPage(w, r)
		p.Who.Principal = principal
		return p.guarded(show)
	}
}

// operatorPage is the beginning of each of the operator's pages. Nobody's language or time zone is known there: the
// browser says the one, and times are UTC.
func (s *site) operatorPage(w http.ResponseWriter, r *http.Request) *page {
	p := s.open(w, r, person{})
	p.Operator = true
	p.Flash = s.flash(w, r, p.words)
	return p
}

// keepOperator sets the cookie with a sealed key. Unlike a session's it comes with no request that another site has
// led to.
func (s *site) keepOperator(w http.ResponseWriter, value string, maxAge int) {
	http.SetCookie(w, &http.Cookie{Name: cookieName(operatorCookie, s.secure), Value: value, Path: "/", MaxAge: maxAge,
		HttpOnly: true, Secure: s.secure, SameSite: http.SameSiteStrictMode})
}

// operatorNext is where to go after signing in.
func (s *site) operatorNext(next string) string {
	if next = s.localPath(next); ofOperator(next) && next != operatorSignIn && next != "/operator/sign-out" {
		return next
	}
	return "/operator"
}

// operatorDoor is what the operator's sign-in shows.
type operatorDoor struct {
	Next  string
	Wrong string
}

func (s *site) operatorSignInPage(w http.ResponseWriter, r *http.Request) error {
	next := s.operatorNext(r.URL.Query().Get("next"))
	_, _, err := s.Access.OperatorOf(r.Context(), s.signedInBy(r, r.URL.Path))
	switch {
	case err == nil:
		http.Redirect(w, r, next, http.StatusSeeOther)
		return nil
	case codeOf(err) == "":
		return err
	}
	return s.operatorPage(w, r).operatorDoor(http.StatusOK, operatorDoor{Next: next})
}

func (s *site) operatorSignIn(w http.ResponseWriter, r *http.Request) error {
	v := operatorDoor{Next: s.operatorNext(r.PostForm.Get("next"))}
	kept, err := s.Access.KeepOperator(r.Context(), s.call(r, events.Actor{}), strings.TrimSpace(r.PostForm.Get("key")))
	if err == nil {
		s.keepOperator(w, kept, int(access.OperatorWithin.Seconds()))
		http.Redirect(w, r, v.Next, http.StatusSeeOther)
		return nil
	}
	var refusal *domain.Error
	if !errors.As(err, &refusal) {
		return err
	}
	p := s.operatorPage(w, r)
	v.Wrong = p.T("operator.wrong_key")
	if refusal.Code == domain.RateLimited {
		v.Wrong = p.N("operator.too_many", (max(refusal.Retry, 1)+59)/60)
		w.Header().Set("Retry-After", strconv.Itoa(max(refusal.Retry, 1)))
	}
	return p.operatorDoor(statusOf(refusal.Code), v)
}

// operatorDoor shows the sign-in.
func (p *page) operatorDoor(status int, v operatorDoor) error {
	return p.door(status, p.T("operator.sign_in"), operatorDoorView(p, v))
}

func (s *site) operatorSignOut(w http.ResponseWriter, r *http.Request) error {
	s.keepOperator(w, "", -1)
	http.Redirect(w, r, operatorSignIn, http.StatusSeeOther)
	return nil
}

func (s *site) backToOperator(w http.ResponseWriter, r *http.Request) error {
	http.Redirect(w, r, "/operator", http.StatusSeeOther)
	return nil
}

// operatorNavigation is where the operator can go.
func (p *page) operatorNavigation() []link {
	return []link{{"overview", p.T("operator.overview"), "/operator"}, {"accounts", p.T("operator.accounts"), "/operator/accounts"},
		{"users", p.T("operator.users"), "/operator/users"}, {"projections", p.T("operator.models"), "/operator/projections"},
		{"mails", p.T("operator.mails"), "/operator/mails"}, {"audit", p.T("nav.audit"), "/operator/audit"}}
}

// away asks for a part of a page without which the rest is still of use: where it cannot be answered now, it says why.
func (p *page) away(path string, out any) (*problem, error) {
	err := p.site.get(p.r, path, out)
	if refused := asProblem(err); refused != nil && refused.Status >= http.StatusInternalServerError {
		return refused, nil
	}
	return nil, err
}

// health is how the installation is.
type health struct {
	Asked, Ready bool
	Models       models
	NoModels     *problem
}

// Fine says that nothing needs to be looked at.
func (h health) Fine() bool {
	return (h.Ready || !h.Asked) && h.NoModels == nil && h.Models.Troubled() == 0
}

// ready asks whether the program can do its work, as whatever balances the load asks.
func (s *site) ready(r *http.Request) (asked, ready bool, err error) {
	if s.Health == nil {
		return false, false, nil
	}
	ask, err := http.NewRequestWithContext(r.Context(), http.MethodGet, "/readyz", nil)
	if err != nil {
		return false, false, err
	}
	answer := &recorder{header: http.Header{}}
	s.Health.ServeHTTP(answer, ask)
	return true, answer.status == http.StatusOK, nil
}

// overview is what the operator sees first.
type overview struct {
	health
	Portal    portalProfile
	Refused   []entry
	NoRefused *problem
}

// portalProfile is the profile of the portal, as the API answers it.
type portalProfile struct {
	ID      string `json:"id"`
	Version int    `json:"version"`
}

func (s *site) operatorHome(p *page) error {
	p.Title, p.Section = p.T("operator.overview"), "overview"
	var v overview
	var err error
	if v.health, err = p.health(); err != nil {
		return err
	}
	var portal struct{ Portal portalProfile }
	if err := s.get(p.r, "/v1/operator/portal", &portal); err != nil {
		return err
	}
	v.Portal = portal.Portal
	var trail struct{ Items []entry }
	if v.NoRefused, err = p.away("/v1/operator/audit?outcome=refused&limit=10", &trail); err != nil {
		return err
	}
	v.Refused = trail.Items
	return p.show(http.StatusOK, operatorHomeView(p, v))
}

func (p *page) health() (h health, err error) {
	if h.Asked, h.Ready, err = p.site.ready(p.r); err != nil {
		return h, err
	}
	h.Models, h.NoModels, err = p.models()
	return h, err
}
