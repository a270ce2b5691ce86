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
	return s.showSetup(w, r, http.StatusOK, form{})
}

func (s *site) showSetup(w http.ResponseWriter, r *http.Request, status int, f form) error {
	done, err := s.enroll.IsSetUp(r.Context())
	if err != nil {
		return err
	}
	if done {
		return s.show(w, r, http.StatusGone, "message", "This link has been used", person{}, message{
			Lead:   "The first account has been made already.",
			Follow: "Its owner can sign in and invite others. If nobody can, whoever runs this service can open another account.",
			Back:   "/sign-in", Label: "Sign in",
		})
	}
	return s.show(w, r, status, "setup", "Set up the first account", person{}, setupBody{Path: "/setup/" + url.PathEscape(r.PathValue("token")), Form: f})
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
		return s.show(w, r, http.StatusOK, "set-up", "The first account is ready", person{}, setUpBody{first.AccountName, first.Email})
	case code == domain.Invalid, code == domain.PasswordRules, code == domain.InvitationUsed:
		f := form{Values: map[string]string{}, Wrong: wrongFields(err)}
		for _, name := range []string{"name", "email", "first_name", "last_name"} {
			f.Values[name] = p.Get(name)
		}
		return s.showSetup(w, r, statusOf(code), f)
	}
	return err
}
