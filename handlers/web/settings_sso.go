package web

import (
	"net/http"
	"net/url"
	"strings"
)

// ssoSettingRoutes are the pages on which an account connects its own OpenID provider (SPEC 7.4).
func (s *site) ssoSettingRoutes() map[string]verbs {
	return map[string]verbs{
		"/accounts/{account}/sso":                           {http.MethodGet: s.inAccount(s.ssoSettings), http.MethodPost: s.inAccount(s.connectSSO)},
		"/accounts/{account}/sso/disconnect":                {http.MethodPost: s.inAccount(s.disconnectSSO)},
		"/accounts/{account}/sso/domains":                   {http.MethodGet: s.inAccount(s.ssoSettings)},
		"/accounts/{account}/sso/domains/{domain}/{action}": {http.MethodPost: s.inAccount(s.changeDomain)},
	}
}

// connection is a provider as the API answers it.
type connection struct {
	Issuer    string   `json:"issuer"`
	ClientID  string   `json:"client_id"`
	Required  bool     `json:"required"`
	JoinRoles []string `json:"join_roles"`
}

// ssoSettings are an account's provider and domains, and how the domain that is asked about is verified.
type ssoSettings struct {
	Connection *connection `json:"connection"`
	Domains    []string    `json:"domains"`
	Redirect   string      `json:"redirect_uri"`
	SignIn     string      `json:"sign_in"`

	Roles []role
	Asked struct {
		Domain string `json:"domain"`
		Record struct{ Name, Value string }
	}
	Wrong *problem
}

func (p *page) ssoSettings() (ssoSettings, error) {
	p.Title, p.Section = p.T("nav.sso"), "sso"
	var v ssoSettings
	if err := p.site.get(p.r, p.api("/sso"), &v); err != nil {
		return v, err
	}
	var err error
	if v.Roles, err = p.roles(); err != nil && asProblem(err) == nil {
		return v, err
	}
	if v.Connection == nil {
		v.Connection = &connection{}
	}
	return v, nil
}

func (s *site) ssoSettings(p *page) error {
	v, err := p.ssoSettings()
	if err != nil {
		return err
	}
	if name := strings.TrimSpace(p.r.URL.Query().Get("domain")); name != "" {
		err := s.get(p.r, p.api("/sso/domains/"+url.PathEscape(name)), &v.Asked)
		if v.Wrong = asProblem(err); err != nil && v.Wrong == nil {
			return err
		}
	}
	return p.show(http.StatusOK, ssoSettingsView(p, v))
}

// ssoChanged goes on after the connection or a domain was changed, or says why it was not.
func (p *page) ssoChanged(err error, key, arg string, change func(v *ssoSettings)) error {
	if err == nil {
		return p.done(p.At("sso"), key, arg, "")
	}
	refused := asProblem(err)
	if refused == nil {
		return err
	}
	v, err := p.ssoSettings()
	if err != nil {
		return err
	}
	v.Wrong = refused
	change(&v)
	return p.show(refused.Status, ssoSettingsView(p, v))
}

func (s *site) connectSSO(p *page) error {
	form := p.r.PostForm
	c := connection{Issuer: form.Get("issuer"), ClientID: form.Get("client_id"), Required: form.Get("required") != "", JoinRoles: append([]string{}, form["role"]...)}
	body := map[string]any{"issuer": c.Issuer, "client_id": c.ClientID, "required": c.Required, "join_roles": c.JoinRoles}
	if secret := form.Get("client_secret"); secret != "" {
		body["client_secret"] = secret
	}
	_, err := s.send(p.r, http.MethodPut, p.api("/sso"), body, nil)
	return p.ssoChanged(err, "done.sso", "", func(v *ssoSettings) { v.Connection = &c })
}

func (s *site) disconnectSSO(p *page) error {
	_, err := s.send(p.r, http.MethodDelete, p.api("/sso"), nil, nil)
	return p.ssoChanged(err, "done.sso_ended", "", func(*ssoSettings) {})
}

func (s *site) changeDomain(p *page) error {
	name, at := p.r.PathValue("domain"), p.api("/sso/domains/"+url.PathEscape(p.r.PathValue("domain")))
	var err error
	switch p.r.PathValue("action") {
	case "verify":
		_, err = s.send(p.r, http.MethodPost, at+"/verify", nil, nil)
	case "release":
		_, err = s.send(p.r, http.MethodDelete, at, nil, nil)
	default:
		return errNoPage
	}
	return p.ssoChanged(err, "done.domain", text(name), func(*ssoSettings) {})
}
