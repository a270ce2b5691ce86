package web

import (
	"net/http"
	"net/url"
	"strings"
	"time"
)

// keyRoutes are the pages of an account's API keys (SPEC 7.5).
func (s *site) keyRoutes() map[string]verbs {
	return map[string]verbs{
		"/accounts/{account}/keys":              {http.MethodGet: s.inAccount(s.keys), http.MethodPost: s.inAccount(s.createKey)},
		"/accounts/{account}/keys/{key}/rotate": {http.MethodPost: s.inAccount(s.rotateKey)},
		"/accounts/{account}/keys/{key}/revoke": {http.MethodPost: s.inAccount(s.revokeKey)},
	}
}

// apiKey is a key of an account; Token is there only in the answer that makes or rotates it.
type apiKey struct {
	ID        string     `json:"id"`
	Name      string     `json:"name"`
	Owner     *actor     `json:"owner"`
	Roles     []string   `json:"roles"`
	Scopes    []string   `json:"scopes"`
	Status    string     `json:"status"`
	CreatedAt time.Time  `json:"created_at"`
	CreatedBy actor      `json:"created_by"`
	ExpiresAt *time.Time `json:"expires_at"`
	LastUsed  *time.Time `json:"last_used"`
	Token     string     `json:"token"`
}

// keysPage are the keys of an account, and the one that has just been made.
type keysPage struct {
	Items []apiKey
	Roles []role
	Made  *apiKey
	Wrong *problem
}

func (p *page) keys() (keysPage, error) {
	p.Title, p.Section = p.T("nav.keys"), "keys"
	var v keysPage
	if err := p.site.get(p.r, p.api("/keys"), &v); err != nil {
		return v, err
	}
	var err error
	if v.Roles, err = p.roles(); err != nil && asProblem(err) == nil {
		return v, err
	}
	return v, nil
}

func (s *site) keys(p *page) error {
	v, err := p.keys()
	if err != nil {
		return err
	}
	return p.show(http.StatusOK, keysView(p, v))
}

// made shows the token of a key, this once.
func (p *page) made(key apiKey, err error) error {
	refused := asProblem(err)
	if err != nil && refused == nil {
		return err
	}
	v, err := p.keys()
	if err != nil {
		return err
	}
	if v.Wrong = refused; refused != nil {
		return p.show(refused.Status, keysView(p, v))
	}
	v.Made = &key
	return p.show(http.StatusOK, keysView(p, v))
}

func (s *site) createKey(p *page) error {
	form := p.r.PostForm
	body := map[string]any{"name": form.Get("name"), "roles": append([]string{}, form["role"]...), "inherit": form.Get("inherit") != "",
		"scopes": strings.FieldsFunc(form.Get("scopes"), func(r rune) bool { return r == ',' || r == ' ' })}
	if until := form.Get("expires_at"); until != "" {
		t, err := time.ParseInLocation(time.DateOnly, until, p.Zone)
		if err == nil {
			body["expires_at"] = t.AddDate(0, 0, 1).UTC() // at the end of that day
		}
	}
	var key apiKey
	_, err := s.send(p.r, http.MethodPost, p.api("/keys"), body, &key)
	return p.made(key, err)
}

func (p *page) keyAPI(rest string) string {
	return p.api("/keys/" + url.PathEscape(p.r.PathValue("key")) + rest)
}

func (s *site) rotateKey(p *page) error {
	var key apiKey
	_, err := s.send(p.r, http.MethodPost, p.keyAPI("/rotate"), map[string]any{}, &key)
	return p.made(key, err)
}

func (s *site) revokeKey(p *page) error {
	_, err := s.send(p.r, http.MethodDelete, p.keyAPI(""), nil, nil)
	if err != nil {
		return err
	}
	return p.done(p.At("keys"), "done.key_revoked", "", "")
}
