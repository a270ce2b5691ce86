package web

import (
	"net/http"
	"net/url"

	"roster/domain"
	"roster/events"
	"roster/handlers/enroll"
)

// signUpBody is what the page of a link to open an account by shows.
type signUpBody struct {
	enroll.Signup
	Path string
	Hint string
	Form form
}

func (s *site) signUpPage(w http.ResponseWriter, r *http.Request) error {
	there, err := s.enroll.HasSignUp(r.Context())
	if err != nil {
		return err
	}
	if !there {
		return errNoPage
	}
	return s.show(w, r, http.StatusOK, "sign-up", "Open an account", person{}, form{})
}

// askToSignUp says the same whoever has the address.
func (s *site) askToSignUp(w http.ResponseWriter, r *http.Request) error {
	err := s.enroll.RequestSignUp(r.Context(), s.call(r, events.Actor{}), r.PostForm.Get("email"))
	if codeOf(err) == domain.NotAvailable {
		return errNoPage
	}
	if err != nil {
		return err
	}
	return s.show(w, r, http.StatusOK, "message", "Look into your mail", person{}, message{
		Lead:   "A mail has been sent to the address, if it is one. The link in it works for a day.",
		Follow: "If no mail comes, look whether it was taken for spam, and whether the address is right.",
		Back:   "/sign-up", Label: "Send it once more"})
}

// signupLink reads the token of the path.
func (s *site) signupLink(r *http.Request) (enroll.SignupLink, error) {
	purpose, _, subject, generation, err := s.Links.Read(r.PathValue("token"))
	if err != nil || purpose != purposeSignup {
		return enroll.SignupLink{}, errNoLink
	}
	return enroll.SignupLink{Address: subject, Generation: generation}, nil
}

func (s *site) signUpLinkPage(w http.ResponseWriter, r *http.Request) error {
	l, err := s.signupLink(r)
	if err != nil {
		return err
	}
	return s.showSignUp(w, r, http.StatusOK, l, form{})
}

func (s *site) showSignUp(w http.ResponseWriter, r *http.Request, status int, l enroll.SignupLink, f form) error {
	look, err := s.enroll.LookAtSignUp(r.Context(), s.call(r, events.Actor{}), l)
	switch code := codeOf(err); {
	case code == domain.InvitationUsed:
		return s.show(w, r, http.StatusGone, "message", "This link no longer works", person{}, message{
			Lead: "There is a user with this address. Sign in to go on.", Back: "/sign-in", Label: "Sign in"})
	case code != "" && statusOf(code) == http.StatusGone:
		return s.show(w, r, http.StatusGone, "message", "This link no longer works", person{}, deadMessage(err, "/sign-up", "Ask for another link"))
	case err != nil:
		return err
	}
	return s.show(w, r, status, "sign-up-link", "Open an account", person{},
		signUpBody{Signup: look, Path: "/sign-up/" + url.PathEscape(r.PathValue("token")), Hint: hint(look.Rules), Form: f})
}

func (s *site) signUp(w http.ResponseWriter, r *http.Request) error {
	l, err := s.signupLink(r)
	if err != nil {
		return err
	}
	look, err := s.enroll.LookAtSignUp(r.Context(), s.call(r, events.Actor{}), l)
	if err != nil && codeOf(err) == "" {
		return err
	}
	p := r.PostForm
	confirm := p.Get("confirm")
	n := enroll.Newcomer{First: p.Get("first_name"), Last: p.Get("last_name"), Password: p.Get("password"), Confirm: &confirm}
	_, err = s.enroll.SignUp(r.Context(), s.call(r, events.Actor{}), l, p.Get("name"), n)
	switch code := codeOf(err); {
	case err == nil:
		return s.show(w, r, http.StatusOK, "set-up", "Your account is ready", person{}, setUpBody{p.Get("name"), look.Email})
	case code == domain.Invalid, code == domain.PasswordRules, code != "" && statusOf(code) == http.StatusGone:
		f := form{Values: map[string]string{}, Wrong: wrongFields(err)}
		for _, name := range []string{"name", "first_name", "last_name"} {
			f.Values[name] = p.Get(name)
		}
		return s.showSignUp(w, r, statusOf(code), l, f)
	}
	return err
}
