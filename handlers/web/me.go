package web

import (
	"net/http"
	"net/url"
	"slices"
	"time"

	"roster/domain"
)

// meRoutes are the pages of one's own user (SPEC 4).
func (s *site) meRoutes() map[string]verbs {
	return map[string]verbs{
		"/me":                              {http.MethodGet: s.signedIn(s.profile), http.MethodPost: s.signedIn(s.saveProfile)},
		"/me/email":                        {http.MethodPost: s.signedIn(s.changeEmail)},
		"/me/password":                     {http.MethodPost: s.signedIn(s.changePassword)},
		"/me/preferences":                  {http.MethodGet: s.signedIn(s.preferences), http.MethodPost: s.signedIn(s.savePreferences)},
		"/me/security":                     {http.MethodGet: s.signedIn(s.security)},
		"/me/sessions/end":                 {http.MethodPost: s.signedIn(s.endSessions)},
		"/me/factors":                      {http.MethodPost: s.signedIn(s.enrolFactor)},
		"/me/factors/{factor}/verify":      {http.MethodPost: s.signedIn(s.verifyFactor)},
		"/me/factors/{factor}/remove":      {http.MethodPost: s.signedIn(s.removeFactor)},
		"/me/mobile":                       {http.MethodPost: s.signedIn(s.enrolMobile)},
		"/me/mobile/verify":                {http.MethodPost: s.signedIn(s.verifyMobile)},
		"/me/identities/{identity}/unlink": {http.MethodPost: s.signedIn(s.unlink)},
		"/me/recovery-codes":               {http.MethodPost: s.signedIn(s.recoveryCodes)},
		"/me/accounts/{account}/leave":     {http.MethodGet: s.signedIn(s.leavePage), http.MethodPost: s.signedIn(s.leave)},
	}
}

// profile is one's own profile.
type profile struct {
	Email     string `json:"email,omitempty"`
	FirstName string `json:"first_name"`
	LastName  string `json:"last_name"`
	Mobile    string `json:"mobile"`
	TimeZone  string `json:"time_zone"`
	Locale    string `json:"locale"`
	Country   string `json:"country"`
}

// profilePage is the profile with what is wrong with what was sent.
type profilePage struct {
	profile
	Wrong, WrongEmail, WrongPassword *problem
	NewEmail                         string
	ViewOnly                         bool // the address is changed by nobody (SPEC 4.2)
}

func (p *page) profile() (profilePage, error) {
	p.Title, p.Section = p.T("nav.profile"), "me"
	var v profilePage
	if err := p.site.get(p.r, "/v1/me", &v.profile); err != nil {
		return v, err
	}
	var rules domain.Rules
	err := p.site.App.Ask(p.r.Context(), p.site.by(p.r, p.Who), domain.AskPersonRules(p.Who.User.ID, &rules))
	v.ViewOnly = !rules.ChangeEmail
	return v, err
}

func (s *site) profile(p *page) error {
	v, err := p.profile()
	if err != nil {
		return err
	}
	return p.show(http.StatusOK, profileView(p, v))
}

func (s *site) saveProfile(p *page) error {
	v, err := p.profile()
	if err != nil {
		return err
	}
	form := p.r.PostForm
	email := v.Email
	v.profile = profile{FirstName: form.Get("first_name"), LastName: form.Get("last_name"), Mobile: form.Get("mobile"), TimeZone: form.Get("time_zone"),
		Locale: form.Get("locale"), Country: form.Get("country")}
	_, err = s.send(p.r, http.MethodPatch, "/v1/me", v.profile, nil)
	v.Email = email
	if v.Wrong = asProblem(err); v.Wrong != nil {
		return p.show(v.Wrong.Status, profileView(p, v))
	}
	if err != nil {
		return err
	}
	return p.done("/me", "done.profile", "", "")
}

func (s *site) changeEmail(p *page) error {
	v, err := p.profile()
	if err != nil {
		return err
	}
	v.NewEmail = p.r.PostForm.Get("email")
	_, err = s.send(p.r, http.MethodPost, "/v1/me/email", map[string]any{"email": v.NewEmail, "password": p.r.PostForm.Get("password")}, nil)
	if v.WrongEmail = asProblem(err); v.WrongEmail != nil {
		return p.show(v.WrongEmail.Status, profileView(p, v))
	}
	if err != nil {
		return err
	}
	return p.done("/me", "done.email_asked", text(v.NewEmail), "")
}

func (s *site) changePassword(p *page) error {
	v, err := p.profile()
	if err != nil {
		return err
	}
	form := p.r.PostForm
	_, err = s.send(p.r, http.MethodPut, "/v1/me/password", map[string]any{"current": form.Get("current"), "new": form.Get("new"), "confirm": form.Get("confirm")}, nil)
	if v.WrongPassword = asProblem(err); v.WrongPassword != nil {
		return p.show(v.WrongPassword.Status, profileView(p, v))
	}
	if err != nil {
		return err
	}
	return p.done("/me", "done.password", "", "")
}

// preferences are what one wants to be told, and how (SPEC 4.7).
type preferences struct {
	Desktop bool     `json:"desktop"`
	Badges  bool     `json:"badges"`
	Sounds  bool     `json:"sounds"`
	NoMail  []string `json:"no_mail"`
}

// mailKinds are the mails of Roster's own that can be done without.
func mailKinds() []string { return []string{"digest", "access_ends", "link_requested"} }

func (s *site) preferences(p *page) error {
	p.Title, p.Section = p.T("nav.preferences"), "preferences"
	var v preferences
	if err := s.get(p.r, "/v1/me/preferences", &v); err != nil {
		return err
	}
	return p.show(http.StatusOK, preferencesView(p, v))
}

func (s *site) savePreferences(p *page) error {
	var v preferences
	if err := s.get(p.r, "/v1/me/preferences", &v); err != nil {
		return err
	}
	form := p.r.PostForm
	v.Desktop, v.Badges, v.Sounds = form.Get("desktop") != "", form.Get("badges") != "", form.Get("sounds") != ""
	for _, kind := range mailKinds() { // the portal's own kinds stay as they are
		v.NoMail = slices.DeleteFunc(v.NoMail, func(k string) bool { return k == kind })
		if !slices.Contains(form["mail"], kind) {
			v.NoMail = append(v.NoMail, kind)
		}
	}
	if _, err := s.send(p.r, http.MethodPut, "/v1/me/preferences", v, nil); err != nil {
		return err
	}
	return p.done("/me/preferences", "done.preferences", "", "")
}

// factor is a second factor of one's own.
type factor struct {
	ID         string     `json:"id"`
	Method     string     `json:"method"`
	Label      string     `json:"label"`
	Verified   bool       `json:"verified"`
	EnrolledAt time.Time  `json:"enrolled_at"`
	LastUsedAt *time.Time `json:"last_used_at"`
}

// device is a session of one's own.
type device struct {
	ID        string    `json:"id"`
	Current   bool      `json:"current"`
	IP        string    `json:"ip"`
	Device    string    `json:"device"`
	Place     *string   `json:"place"`
	TwoFactor bool      `json:"two_factor"`
	StartedAt time.Time `json:"started_at"`
	LastSeen  time.Time `json:"last_seen"`
	Portal    *string   `json:"portal"`
	OpenedBy  *string   `json:"opened_by"`
}

// securityPage are one's own factors and devices, and what is about to be set up.
type securityPage struct {
	Factors  []factor
	Recovery int
	Devices  []device
	Linked   []identity
	New      *newFactor
	Ceremony *ceremony // a passkey that is being made
	Mobile   string    // to which a code has been sent
	Codes    []string
	Wrong    *problem
}

// identity is who one is at the provider of an account (SPEC 7.4).
type identity struct {
	ID     string `json:"id"`
	Name   string `json:"account_name"`
	Counts bool   `json:"counts"`
}

// newFactor is an authenticator app that is being set up.
type newFactor struct {
	ID      string `json:"id"`
	Secret  string `json:"secret"`
	Picture string `json:"picture"`
}

func (p *page) security() (securityPage, error) {
	p.Title, p.Section = p.T("nav.security"), "security"
	var v securityPage
	var factors struct {
		Items    []factor
		Recovery int `json:"recovery_codes"`
	}
	if err := p.site.get(p.r, "/v1/me/factors", &factors); err != nil {
		return v, err
	}
	var devices struct{ Items []device }
	if err := p.site.get(p.r, "/v1/me/sessions", &devices); err != nil {
		return v, err
	}
	var linked struct{ Items []identity }
	if err := p.site.get(p.r, "/v1/me/identities", &linked); err != nil {
		return v, err
	}
	v.Factors, v.Recovery, v.Devices, v.Linked = factors.Items, factors.Recovery, devices.Items, linked.Items
	return v, nil
}

func (s *site) security(p *page) error {
	v, err := p.security()
	if err != nil {
		return err
	}
	return p.show(http.StatusOK, securityView(p, v))
}

// secured goes on after something about one's security was asked for: what was refused is shown on the page.
func (p *page) secured(err error, change func(v *securityPage)) error {
	refused := asProblem(err)
	if err != nil && refused == nil {
		return err
	}
	v, err := p.security()
	if err != nil {
		return err
	}
	status := http.StatusOK
	if v.Wrong = refused; refused != nil {
		status = refused.Status
	}
	change(&v)
	return p.show(status, securityView(p, v))
}

func keep(*securityPage) {}

func (s *site) endSessions(p *page) error {
	path := "/v1/me/sessions"
	if id := p.r.PostForm.Get("session"); id != "" {
		path += "/" + url.PathEscape(id)
	}
	if _, err := s.send(p.r, http.MethodDelete, path, nil, nil); err != nil {
		return p.secured(err, keep)
	}
	return p.done("/me/security", "done.sessions", "", "")
}

func (s *site) enrolFactor(p *page) error {
	var made newFactor
	_, err := s.send(p.r, http.MethodPost, "/v1/me/factors", map[string]any{"method": "totp", "label": p.r.PostForm.Get("label"), "password": p.r.PostForm.Get("password")}, &made)
	return p.secured(err, func(v *securityPage) {
		if err == nil {
			v.New = &made
		}
	})
}

func (s *site) verifyFactor(p *page) error {
	made := newFactor{ID: p.r.PathValue("factor"), Secret: p.r.PostForm.Get("secret"), Picture: p.r.PostForm.Get("picture")}
	if _, err := s.send(p.r, http.MethodPost, "/v1/me/factors/"+url.PathEscape(made.ID)+"/verify", map[string]any{"code": p.r.PostForm.Get("code")}, nil); err != nil {
		return p.secured(err, func(v *securityPage) { v.New = &made })
	}
	return p.done("/me/security", "done.factor", "", "")
}

func (s *site) removeFactor(p *page) error {
	if _, err := s.send(p.r, http.MethodDelete, "/v1/me/factors/"+url.PathEscape(p.r.PathValue("factor")), map[string]any{"password": p.r.PostForm.Get("password")}, nil); err != nil {
		return p.secured(err, keep)
	}
	return p.done("/me/security", "done.factor_removed", "", "")
}

func (s *site) unlink(p *page) error {
	if _, err := s.send(p.r, http.MethodDelete, "/v1/me/identities/"+url.PathEscape(p.r.PathValue("identity")), map[string]any{"password": p.r.PostForm.Get("password")}, nil); err != nil {
		return p.secured(err, keep)
	}
	return p.done("/me/security", "done.unlinked", "", "")
}

func (s *site) enrolMobile(p *page) error {
	mobile := p.r.PostForm.Get("mobile")
	_, err := s.send(p.r, http.MethodPost, "/v1/me/mobile", map[string]any{"mobile": mobile, "password": p.r.PostForm.Get("password")}, nil)
	return p.secured(err, func(v *securityPage) {
		if err == nil {
			v.Mobile = mobile
		}
	})
}

func (s *site) verifyMobile(p *page) error {
	if _, err := s.send(p.r, http.MethodPost, "/v1/me/mobile/verify", map[string]any{"code": p.r.PostForm.Get("code")}, nil); err != nil {
		return p.secured(err, func(v *securityPage) { v.Mobile = p.r.PostForm.Get("mobile") })
	}
	return p.done("/me/security", "done.factor", "", "")
}

func (s *site) recoveryCodes(p *page) error {
	var out struct{ Codes []string }
	_, err := s.send(p.r, http.MethodPost, "/v1/me/recovery-codes", map[string]any{"password": p.r.PostForm.Get("password")}, &out)
	return p.secured(err, func(v *securityPage) { v.Codes = out.Codes })
}

// leaving is one's own membership that is about to end (SPEC 3.4, 4.9).
type leaving struct {
	account
	Plan  plan
	Wrong *problem
}

func leaveAPI(account string) string { return "/v1/me/accounts/" + url.PathEscape(account) + "/leave" }

func (s *site) leavePage(p *page) error {
	v := leaving{account: account{ID: p.r.PathValue("account")}}
	for _, a := range p.Accounts {
		if a.ID == v.ID {
			v.account = a
		}
	}
	p.Title, p.Section = p.T("leave.title"), "accounts"
	var err error
	v.Plan, err = p.plan(http.MethodPost, leaveAPI(v.ID), nil)
	if v.Wrong = asProblem(err); err != nil && v.Wrong == nil {
		return err
	}
	return p.show(http.StatusOK, leaveView(p, v))
}

func (s *site) leave(p *page) error {
	if _, err := s.send(p.r, http.MethodPost, leaveAPI(p.r.PathValue("account")), nil, nil); err != nil {
		return err
	}
	return p.done("/accounts", "done.left", "", "")
}
