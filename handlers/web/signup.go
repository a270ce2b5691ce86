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
	p := s.open(w, r, person{})
	v := addressBody{p.T("signup.title"), p.T("signup.ask"), "/sign-up", p.T("signup.have")}
	return p.door(http.StatusOK, v.Title, addressView(p, v))
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
	p := s.open(w, r, person{})
	return p.say(http.StatusOK, p.T("link.sent_title"), message{p.T("signup.sent"), p.T("signup.sent_hint"), "/sign-up", p.T("signup.again")})
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
	return s.showSignUp(w, r, http.StatusOK, l, form{}, nil)
}

func (s *site) showSignUp(w http.ResponseWriter, r *http.Request, status int, l enroll.SignupLink, f form, wrong error) error {
	p := s.open(w, r, person{})
	look, err := s.enroll.LookAtSignUp(r.Context(), s.call(r, events.Actor{}), l)
	switch code := codeOf(err); {
	case code == domain.InvitationUsed:
		return p.say(http.StatusGone, p.T("link.dead"), message{Lead: p.T("signup.known"), Back: "/sign-in", Label: p.T("signin.title")})
	case code != "" && statusOf(code) == http.StatusGone:
		return p.deadLink(err, "/sign-up", p.T("link.another"))
	case err != nil:
		return err
	}
	f.Wrong = p.wrongFields(wrong)
	return p.door(status, p.T("signup.title"), signUpLinkView(p, signUpBody{Signup: look, Path: "/sign-up/" + url.PathEscape(r.PathValue("token")), Form: f}))
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
		done := s.open(w, r, person{})
		return done.door(http.StatusOK, done.T("signup.done"), setUpView(done, setUpBody{p.Get("name"), look.Email}))
	case code == domain.Invalid, code == domain.PasswordRules, code != "" && statusOf(code) == http.StatusGone:
		f := form{Values: map[string]string{}}
		for _, name := range []string{"name", "first_name", "last_name"} {
			f.Values[name] = p.Get(name)
		}
		return s.showSignUp(w, r, statusOf(code), l, f, err)
	}
	return err
}
