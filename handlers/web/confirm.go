package web

import (
	"net/http"
	"net/url"

	"roster/events"
	"roster/handlers/access"
)

// confirmBody is what the page of a link to confirm an address shows.
type confirmBody struct {
	access.EmailChange
	Path string
}

// emailLink reads the token of the path.
func (s *site) emailLink(r *http.Request) (access.EmailLink, error) {
	purpose, _, subject, generation, err := s.Links.Read(r.PathValue("token"))
	if err != nil || purpose != purposeConfirm {
		return access.EmailLink{}, errNoLink
	}
	return access.EmailLink{User: subject, Generation: generation}, nil
}

// confirmPage asks before it does anything: mail scanners open links too.
func (s *site) confirmPage(w http.ResponseWriter, r *http.Request) error {
	l, err := s.emailLink(r)
	if err != nil {
		return err
	}
	look, err := s.Access.LookAtEmailChange(r.Context(), s.call(r, events.Actor{}), l)
	if err != nil {
		return s.deadConfirmation(w, r, l, err)
	}
	p := s.open(w, r, person{}, s.localeOf(r.Context(), l.User))
	return p.door(http.StatusOK, p.T("confirm.title"), confirmView(p, confirmBody{look, "/confirm/" + url.PathEscape(r.PathValue("token"))}))
}

func (s *site) confirm(w http.ResponseWriter, r *http.Request) error {
	l, err := s.emailLink(r)
	if err != nil {
		return err
	}
	if _, err := s.Access.ConfirmEmail(r.Context(), s.call(r, events.Actor{}), l); err != nil {
		return s.deadConfirmation(w, r, l, err)
	}
	p := s.open(w, r, person{}, s.localeOf(r.Context(), l.User))
	return p.say(http.StatusOK, p.T("confirm.done_title"), message{Lead: p.T("confirm.done"), Back: "/", Label: p.T("signin.go_on")})
}

func (s *site) deadConfirmation(w http.ResponseWriter, r *http.Request, l access.EmailLink, err error) error {
	if codeOf(err) == "" || statusOf(codeOf(err)) != http.StatusGone {
		return err
	}
	p := s.open(w, r, person{}, s.localeOf(r.Context(), l.User))
	return p.deadLink(err, "/", p.T("refused.back"))
}
