package web

import (
	"net/http"
	"net/url"

	"roster/domain"
	"roster/events"
	"roster/handlers/access"
)

// resetBody is what the page of a link to choose a new password by shows.
type resetBody struct {
	access.Reset
	Path string
	Form form
}

// addressBody is what a page shows that asks for an address, to send a link there.
type addressBody struct{ Title, About, Path, Back string }

func (s *site) forgottenPage(w http.ResponseWriter, r *http.Request) error {
	p := s.open(w, r, person{})
	v := addressBody{p.T("signin.forgotten"), p.T("reset.ask"), "/forgotten", p.T("signin.back")}
	return p.door(http.StatusOK, v.Title, addressView(p, v))
}

// forgotten says the same whether or not anybody has the address.
func (s *site) forgotten(w http.ResponseWriter, r *http.Request) error {
	if err := s.Access.RequestReset(r.Context(), s.call(r, events.Actor{}), r.PostForm.Get("email")); err != nil {
		return err
	}
	p := s.open(w, r, person{})
	return p.say(http.StatusOK, p.T("link.sent_title"), message{p.T("reset.sent"), p.T("reset.sent_hint"), "/sign-in", p.T("signin.title")})
}

// resetLink reads the token of the path.
func (s *site) resetLink(r *http.Request) (access.ResetLink, error) {
	purpose, _, subject, generation, err := s.Links.Read(r.PathValue("token"))
	if err != nil || purpose != purposeReset {
		return access.ResetLink{}, errNoLink
	}
	return access.ResetLink{User: subject, Generation: generation}, nil
}

func (s *site) resetPage(w http.ResponseWriter, r *http.Request) error {
	l, err := s.resetLink(r)
	if err != nil {
		return err
	}
	return s.showReset(w, r, http.StatusOK, l, nil)
}

func (s *site) showReset(w http.ResponseWriter, r *http.Request, status int, l access.ResetLink, wrong error) error {
	p := s.open(w, r, person{}, s.localeOf(r.Context(), l.User))
	look, err := s.Access.LookAtReset(r.Context(), s.call(r, events.Actor{}), l)
	if code := codeOf(err); err != nil && statusOf(code) == http.StatusGone {
		return p.deadLink(err, "/forgotten", p.T("link.another"))
	}
	if err != nil {
		return err
	}
	v := resetBody{Reset: look, Path: "/reset/" + url.PathEscape(r.PathValue("token")), Form: form{Wrong: p.wrongFields(wrong)}}
	return p.door(status, p.T("reset.title"), resetView(p, v))
}

// deadLink says why a link no longer works, and where to go on.
func (p *page) deadLink(err error, back, label string) error {
	m := message{Lead: p.T("link.dead") + ".", Back: back, Label: label}
	switch codeOf(err) {
	case domain.InvitationReplaced:
		m.Lead = p.T("link.replaced")
	case domain.InvitationExpired:
		m.Lead = p.T("link.expired")
	case domain.InvitationUsed:
		m.Lead = p.T("link.used")
	case domain.InvitationRevoked:
		m.Lead = p.T("link.revoked")
	}
	return p.say(http.StatusGone, p.T("link.dead"), m)
}

func (s *site) reset(w http.ResponseWriter, r *http.Request) error {
	l, err := s.resetLink(r)
	if err != nil {
		return err
	}
	confirm := r.PostForm.Get("confirm")
	_, err = s.Access.ResetPassword(r.Context(), s.call(r, events.Actor{}), l, r.PostForm.Get("password"), &confirm)
	switch code := codeOf(err); {
	case err == nil:
		p := s.open(w, r, person{}, s.localeOf(r.Context(), l.User))
		return p.say(http.StatusOK, p.T("reset.done_title"), message{Lead: p.T("reset.done"), Back: "/sign-in", Label: p.T("signin.title")})
	case code == domain.Invalid, code == domain.PasswordRules, code != "" && statusOf(code) == http.StatusGone:
		return s.showReset(w, r, statusOf(code), l, err)
	}
	return err
}
