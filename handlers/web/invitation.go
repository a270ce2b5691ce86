package web

import (
	"errors"
	"net/http"
	"net/url"
	"strings"

	"github.com/a-h/templ"

	"roster/domain"
	"roster/events"
	"roster/handlers/enroll"
)

// guestView is what whoever holds a link may know.
type guestView struct{ enroll.View }

// names are those of all accounts that the invitation is for.
func (v guestView) names() []string {
	var list []string
	for _, a := range v.Accounts {
		list = append(list, a.Name)
	}
	return list
}

// invitationBody is what an invitation's page shows.
type invitationBody struct {
	guestView
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
	guestView
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

// attributes are those of a field that depend on what it is for.
func (f field) attributes() templ.OrderedAttributes {
	var list templ.OrderedAttributes
	add := func(name, value string) { list = append(list, templ.KeyValue[string, any]{Key: name, Value: value}) }
	if f.Type != "password" {
		add("value", f.Value)
	}
	if f.Type == "email" {
		add("spellcheck", "false")
		add("autocapitalize", "none")
	}
	var by []string
	if f.Hint != "" {
		by = append(by, f.Name+"-hint")
	}
	if len(f.Wrong) > 0 {
		add("aria-invalid", "true")
		by = append(by, f.Name+"-errors")
	}
	if by != nil {
		add("aria-describedby", strings.Join(by, " "))
	}
	return list
}

// wrongFields are a refusal's messages by field: the last part of each location.
func (p *page) wrongFields(err error) map[string][]string {
	var refusal *domain.Error
	wrong := map[string][]string{}
	if !errors.As(err, &refusal) {
		return wrong
	}
	for _, f := range refusal.Fields {
		name := f.Location[strings.LastIndexByte(f.Location, '.')+1:]
		wrong[name] = append(wrong[name], p.Said(f.Message))
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
	return s.showInvitation(w, r, http.StatusOK, l, who, form{}, nil)
}

// showInvitation shows the page of a link: with its forms while it works, and why not when it does not.
func (s *site) showInvitation(w http.ResponseWriter, r *http.Request, status int, l enroll.Link, who person, f form, wrong error) error {
	v, err := s.enroll.Look(r.Context(), s.by(r, who), l)
	if err != nil {
		return s.showDead(w, r, v, who, err)
	}
	p, err := s.invited(w, r, v, who)
	if err != nil {
		return err
	}
	f.Wrong = p.wrongFields(wrong)
	body := invitationBody{guestView: guestView{v}, Path: "/invitations/" + url.PathEscape(r.PathValue("token")), Guest: newcomer, Form: f}
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
	return p.door(status, p.T("joining.title_to", text(v.AccountName)), welcomeView(p, body))
}

// invited is a page about an invitation, in the words of the portal profile that its account has and, where the address
// is somebody's, in the language that they have chosen.
func (s *site) invited(w http.ResponseWriter, r *http.Request, v enroll.View, who person) (*page, error) {
	p := s.open(w, r, who, s.localeOf(r.Context(), v.Holder))
	return p, s.App.Ask(r.Context(), s.by(r, who), domain.AskProfile(v.AccountID, &p.Profile))
}

// Means says what one of the four roles may do that everybody knows.
func (p *page) Means(role string) string {
	if key := "role." + role; p.Profile != nil && p.Profile.Name == "standard" && p.has(key) {
		return p.T(key)
	}
	return ""
}

// RoleLabels are the names of several roles.
func (p *page) RoleLabels(roles []string) []string {
	var list []string
	for _, r := range roles {
		list = append(list, p.RoleLabel(r))
	}
	return list
}

// whom is whom to ask about an invitation.
func (p *page) whom(v guestView) templ.Component {
	switch {
	case v.ByOperator:
		return rich(p.T("joining.whoever_runs"), bdi(p.site.PortalName))
	case v.InviterName != "" && v.InviterEmail != "":
		return rich("%s (%s)", strong(v.InviterName), bdi(v.InviterEmail))
	case v.InviterName != "":
		return strong(v.InviterName)
	case v.InviterEmail != "":
		return bdi(v.InviterEmail)
	}
	return rich(p.T("joining.an_administrator"), bdi(v.AccountName))
}

// showDead says why a link no longer works and whom to ask; anything else is an error as everywhere.
func (s *site) showDead(w http.ResponseWriter, r *http.Request, v enroll.View, who person, err error) error {
	var refusal *domain.Error
	if !errors.As(err, &refusal) || statusOf(refusal.Code) != http.StatusGone || v.AccountID.IsZero() {
		return err
	}
	return s.showDeadLink(w, r, http.StatusGone, deadBody{guestView: guestView{v}, Code: refusal.Code}, who, refusal)
}

func (s *site) showDeadLink(w http.ResponseWriter, r *http.Request, status int, body deadBody, who person, why *domain.Error) error {
	p := s.open(w, r, who, s.localeOf(r.Context(), body.Holder))
	body.Lead = p.Because(why)
	body.Path = "/invitations/" + url.PathEscape(r.PathValue("token"))
	return p.door(status, p.T("link.dead"), deadView(p, body))
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
	p, err := s.invited(w, r, v, who)
	if err != nil {
		return err
	}
	return p.door(http.StatusOK, p.T("joining.welcome", text(v.AccountName)), acceptedView(p, guestView{v}))
}

// notAccepted shows the page again where it can be tried again.
func (s *site) notAccepted(w http.ResponseWriter, r *http.Request, l enroll.Link, who person, n enroll.Newcomer, err error) error {
	switch code := codeOf(err); code {
	case domain.Invalid, domain.PasswordRules, domain.SignInRequired, domain.WrongRecipient,
		domain.InvitationExpired, domain.InvitationRevoked, domain.InvitationReplaced, domain.InvitationUsed:
		return s.showInvitation(w, r, statusOf(code), l, who, form{Values: map[string]string{"first_name": n.First, "last_name": n.Last}}, err)
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
		return s.showInvitation(w, r, http.StatusForbidden, l, who, form{}, nil)
	}
	if _, err := s.enroll.Decline(r.Context(), s.by(r, who), l); err != nil {
		return s.showDead(w, r, v, who, err)
	}
	p := s.open(w, r, who, s.localeOf(r.Context(), v.Holder))
	return p.door(http.StatusOK, p.T("joining.declined"), declinedView(p, guestView{v}))
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
	return s.showDeadLink(w, r, http.StatusOK, deadBody{guestView: guestView{v}, Code: why.Code, Asked: true}, who, why)
}

// backToInvitation leads whoever reloads the answer to a form back to the page.
func (s *site) backToInvitation(w http.ResponseWriter, r *http.Request) error {
	http.Redirect(w, r, "/invitations/"+url.PathEscape(r.PathValue("token")), http.StatusSeeOther)
	return nil
}
