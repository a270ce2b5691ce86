package web

import (
	"errors"
	"net/http"
	"net/url"
	"strings"

	"roster/domain"
	"roster/events"
	"roster/handlers/enroll"
)

// invitationBody is what an invitation's page shows.
type invitationBody struct {
	enroll.View
	Path  string // of the page, which forms build upon
	Guest guest
	Form  form
}

// guest is how whoever looks stands to the invitation.
type guest string

const (
	newcomer guest = "newcomer" // nobody holds the address: names and a password are asked for
	known    guest = "known"    // somebody does, and has to sign in
	holder   guest = "holder"   // that person is signed in
	stranger guest = "stranger" // somebody else is
)

// deadBody is what the page of a link says that no longer works.
type deadBody struct {
	enroll.View
	Code  domain.Code
	Lead  string
	Path  string // of the page
	Asked bool   // a new link has just been asked for
}

// form is what was typed into a form and what is wrong with it, by the names of its fields. Passwords are never
// part of it.
type form struct {
	Values map[string]string
	Wrong  map[string][]string
}

// field is one field of a form as the page shows it.
type field struct {
	Name, Label, Type, Complete, Hint string
	Value                             string
	Wrong                             []string
}

// Field is a field of the form.
func (f form) Field(name, label, kind, complete, hint string) field {
	return field{Name: name, Label: label, Type: kind, Complete: complete, Hint: hint, Value: f.Values[name], Wrong: f.Wrong[name]}
}

// wrongFields are a refusal's messages by field: the last part of each location.
func wrongFields(err error) map[string][]string {
	var refusal *domain.Error
	wrong := map[string][]string{}
	if !errors.As(err, &refusal) {
		return wrong
	}
	for _, f := range refusal.Fields {
		name := f.Location[strings.LastIndexByte(f.Location, '.')+1:]
		message := f.Message
		if _, rule, ok := strings.Cut(message, ": "); ok && name == "password" {
			message = rule // "length: at least 10 characters"
		}
		wrong[name] = append(wrong[name], sentence(message))
	}
	return wrong
}

// invitation shows what a link is about. It consumes nothing.
func (s *site) invitation(w http.ResponseWriter, r *http.Request) error {
	l, err := s.link(r)
	if err != nil {
		return err
	}
	who, err := s.who(r.Context(), r)
	if err != nil {
		return err
	}
	return s.showInvitation(w, r, http.StatusOK, l, who, form{})
}

// showInvitation shows the page of a link: with its forms while it works, and why not when it does not.
func (s *site) showInvitation(w http.ResponseWriter, r *http.Request, status int, l enroll.Link, who person, f form) error {
	v, err := s.enroll.Look(r.Context(), s.by(r, who), l)
	if err != nil {
		return s.showDead(w, r, v, who, err)
	}
	body := invitationBody{View: v, Path: "/invitations/" + url.PathEscape(r.PathValue("token")), Guest: newcomer, Form: f}
	switch {
	case who.SignedIn() && who.User.ID == v.Holder:
		body.Guest = holder
	case who.SignedIn():
		body.Guest = stranger
	case v.HasUser:
		body.Guest = known
	}
	if f.Values == nil {
		body.Form.Values = map[string]string{"first_name": v.FirstName, "last_name": v.LastName}
	}
	return s.show(w, r, status, "invitation", "Invitation to "+text(v.AccountName), who, body)
}

// showDead says why a link no longer works and whom to ask; anything else is an error as everywhere.
func (s *site) showDead(w http.ResponseWriter, r *http.Request, v enroll.View, who person, err error) error {
	var refusal *domain.Error
	if !errors.As(err, &refusal) || statusOf(refusal.Code) != http.StatusGone || v.AccountID.IsZero() {
		return err
	}
	return s.showDeadLink(w, r, http.StatusGone, deadBody{View: v, Code: refusal.Code, Lead: sentence(refusal.Detail)}, who)
}

func (s *site) showDeadLink(w http.ResponseWriter, r *http.Request, status int, body deadBody, who person) error {
	body.Path = "/invitations/" + url.PathEscape(r.PathValue("token"))
	return s.show(w, r, status, "dead", "This link no longer works", who, body)
}

func (s *site) accept(w http.ResponseWriter, r *http.Request) error {
	l, err := s.link(r)
	if err != nil {
		return err
	}
	who, err := s.who(r.Context(), r)
	if err != nil {
		return err
	}
	confirm := r.PostForm.Get("confirm")
	n := enroll.Newcomer{First: r.PostForm.Get("first_name"), Last: r.PostForm.Get("last_name"), Password: r.PostForm.Get("password"), Confirm: &confirm}
	_, err = s.enroll.Accept(r.Context(), s.by(r, who), l, n)
	if err != nil {
		return s.notAccepted(w, r, l, who, n, err)
	}
	v, err := s.enroll.Look(r.Context(), s.by(r, who), l)
	if codeOf(err) != domain.InvitationUsed {
		return err // it has just been used
	}
	return s.show(w, r, http.StatusOK, "accepted", "Welcome to "+text(v.AccountName), who, v)
}

// notAccepted shows the page again where it can be tried again.
func (s *site) notAccepted(w http.ResponseWriter, r *http.Request, l enroll.Link, who person, n enroll.Newcomer, err error) error {
	switch code := codeOf(err); code {
	case domain.Invalid, domain.PasswordRules, domain.SignInRequired, domain.WrongRecipient,
		domain.InvitationExpired, domain.InvitationRevoked, domain.InvitationReplaced, domain.InvitationUsed:
		f := form{Values: map[string]string{"first_name": n.First, "last_name": n.Last}, Wrong: wrongFields(err)}
		return s.showInvitation(w, r, statusOf(code), l, who, f)
	}
	return err
}

func (s *site) decline(w http.ResponseWriter, r *http.Request) error {
	l, err := s.link(r)
	if err != nil {
		return err
	}
	who, err := s.who(r.Context(), r)
	if err != nil {
		return err
	}
	v, err := s.enroll.Look(r.Context(), s.call(r, events.Actor{}), l)
	if codeOf(err) == "" && err != nil {
		return err
	}
	if who.SignedIn() && who.User.ID != v.Holder {
		return s.showInvitation(w, r, http.StatusForbidden, l, who, form{})
	}
	if _, err := s.enroll.Decline(r.Context(), s.by(r, who), l); err != nil {
		return s.showDead(w, r, v, who, err)
	}
	return s.show(w, r, http.StatusOK, "declined", "Invitation declined", who, v)
}

// ask asks for a new link in place of a dead one.
func (s *site) ask(w http.ResponseWriter, r *http.Request) error {
	l, err := s.link(r)
	if err != nil {
		return err
	}
	who, err := s.who(r.Context(), r)
	if err != nil {
		return err
	}
	_, refused := s.enroll.Ask(r.Context(), s.by(r, who), l)
	if refused != nil && codeOf(refused) == "" {
		return refused
	}
	v, dead := s.enroll.Look(r.Context(), s.by(r, who), l)
	var why *domain.Error
	switch {
	case refused != nil && codeOf(refused) != domain.Invalid:
		return s.showDead(w, r, v, who, refused)
	case dead == nil: // it works, or works again
		return s.backToInvitation(w, r)
	case !errors.As(dead, &why):
		return dead
	}
	return s.showDeadLink(w, r, http.StatusOK, deadBody{View: v, Code: why.Code, Lead: sentence(why.Detail), Asked: true}, who)
}

// backToInvitation leads whoever reloads the answer to a form back to the page.
func (s *site) backToInvitation(w http.ResponseWriter, r *http.Request) error {
	http.Redirect(w, r, "/invitations/"+url.PathEscape(r.PathValue("token")), http.StatusSeeOther)
	return nil
}
