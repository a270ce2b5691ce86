package web

import (
	"net/http"
	"net/url"

	"roster/domain"
	"roster/events"
	"roster/handlers/enroll"
)

// setupBody is what the page of the setup link shows.
type setupBody struct {
	Path string
	Form form
}

// setUpBody is what is said once the first account has been made.
type setUpBody struct{ AccountName, Email string }

func (s *site) setupPage(w http.ResponseWriter, r *http.Request) error {
	if err := s.isSetup(r); err != nil {
		return err
	}
	return s.showSetup(w, r, http.StatusOK, form{}, nil)
}

func (s *site) showSetup(w http.ResponseWriter, r *http.Request, status int, f form, wrong error) error {
	done, err := s.enroll.IsSetUp(r.Context())
	if err != nil {
		return err
	}
	p := s.open(w, r, person{})
	if done {
		return p.say(http.StatusGone, p.T("setup.used_title"), message{p.T("setup.used"), p.T("setup.used_hint"), "/sign-in", p.T("signin.title")})
	}
	f.Wrong = p.wrongFields(wrong)
	return p.door(status, p.T("setup.title"), setupView(p, setupBody{Path: "/setup/" + url.PathEscape(r.PathValue("token")), Form: f}))
}

func (s *site) setup(w http.ResponseWriter, r *http.Request) error {
	if err := s.isSetup(r); err != nil {
		return err
	}
	p := r.PostForm
	confirm := p.Get("confirm")
	first := enroll.First{AccountName: p.Get("name"), Email: p.Get("email"),
		Owner: enroll.Newcomer{First: p.Get("first_name"), Last: p.Get("last_name"), Password: p.Get("password"), Confirm: &confirm}}
	_, err := s.enroll.SetUp(r.Context(), s.call(r, events.Actor{}), first)
	switch code := codeOf(err); {
	case err == nil:
		p := s.open(w, r, person{})
		return p.door(http.StatusOK, p.T("setup.done"), setUpView(p, setUpBody{first.AccountName, first.Email}))
	case code == domain.Invalid, code == domain.PasswordRules, code == domain.InvitationUsed:
		f := form{Values: map[string]string{}}
		for _, name := range []string{"name", "email", "first_name", "last_name"} {
			f.Values[name] = p.Get(name)
		}
		return s.showSetup(w, r, statusOf(code), f, err)
	}
	return err
}
