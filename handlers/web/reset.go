package web

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"roster/domain"
	"roster/events"
	"roster/handlers/access"
)

// resetBody is what the page of a link to choose a new password by shows.
type resetBody struct {
	access.Reset
	Path string
	Hint string
	Form form
}

func (s *site) forgottenPage(w http.ResponseWriter, r *http.Request) error {
	return s.show(w, r, http.StatusOK, "forgotten", "Forgotten password", person{}, form{})
}

// forgotten says the same whether or not anybody has the address.
func (s *site) forgotten(w http.ResponseWriter, r *http.Request) error {
	if err := s.Access.RequestReset(r.Context(), s.call(r, events.Actor{}), r.PostForm.Get("email")); err != nil {
		return err
	}
	return s.show(w, r, http.StatusOK, "message", "Look into your mail", person{}, message{
		Lead:   "If there is a user with this address, a link has been sent there. It works for an hour.",
		Follow: "If no mail comes, look whether it was taken for spam, and whether the address is the one that you sign in with.",
		Back:   "/sign-in", Label: "Sign in"})
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
	return s.showReset(w, r, http.StatusOK, l, form{})
}

func (s *site) showReset(w http.ResponseWriter, r *http.Request, status int, l access.ResetLink, f form) error {
	look, err := s.Access.LookAtReset(r.Context(), s.call(r, events.Actor{}), l)
	if code := codeOf(err); err != nil && statusOf(code) == http.StatusGone {
		return s.show(w, r, http.StatusGone, "message", "This link no longer works", person{}, deadMessage(err, "/forgotten", "Ask for another link"))
	}
	if err != nil {
		return err
	}
	return s.show(w, r, status, "reset", "Choose a new password", person{},
		resetBody{Reset: look, Path: "/reset/" + url.PathEscape(r.PathValue("token")), Hint: hint(look.Rules), Form: f})
}

// deadMessage says why a link no longer works, and where to go on.
func deadMessage(err error, back, label string) message {
	m := message{Lead: "This link no longer works.", Back: back, Label: label}
	switch codeOf(err) {
	case domain.InvitationReplaced:
		m.Lead = "A newer link has been sent. Look for the newest mail: its link works."
	case domain.InvitationExpired:
		m.Lead = "This link has expired."
	case domain.InvitationUsed:
		m.Lead = "This link has been used already, or is not needed any more."
	case domain.InvitationRevoked:
		m.Lead = "This cannot be done any more: the address belongs to somebody by now, or the accounts do not let it in."
	}
	return m
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
		return s.show(w, r, http.StatusOK, "message", "Your password is changed", person{}, message{
			Lead: "You have been signed out on all devices. Sign in with the new password to go on.", Back: "/sign-in", Label: "Sign in"})
	case code == domain.Invalid, code == domain.PasswordRules, code != "" && statusOf(code) == http.StatusGone:
		return s.showReset(w, r, statusOf(code), l, form{Wrong: wrongFields(err)})
	}
	return err
}

// hint says what a password has to be like.
func hint(rule events.PasswordRule) string {
	var parts []string
	for _, p := range []struct {
		is   bool
		what string
	}{{rule.Lower, "a lower-case letter"}, {rule.Upper, "an upper-case letter"}, {rule.Digit, "a digit"}, {rule.Special, "a special character"}} {
		if p.is {
			parts = append(parts, p.what)
		}
	}
	text := fmt.Sprintf("At least %d characters", rule.Length)
	switch n := len(parts); {
	case n == 1:
		text += ", with " + parts[0]
	case n > 1:
		text += ", with " + strings.Join(parts[:n-1], ", ") + " and " + parts[n-1]
	}
	return text + "."
}
