package web

import "net/http"

// treeRoutes are the pages of an account and the ones below it.
func (s *site) treeRoutes() map[string]verbs {
	return map[string]verbs{
		"/accounts/{account}/tree":   {http.MethodGet: s.inAccount(s.tree), http.MethodPost: s.inAccount(s.openSub)},
		"/accounts/{account}/rename": {http.MethodPost: s.inAccount(s.rename)},
		"/accounts/{account}/move":   {http.MethodPost: s.inAccount(s.moveAccount)},
		"/accounts/{account}/close":  {http.MethodGet: s.inAccount(s.closePage), http.MethodPost: s.inAccount(s.closeAccount)},
	}
}

// branch is an account of a tree.
type branch struct {
	ID     string  `json:"id"`
	Name   string  `json:"name"`
	Parent *string `json:"parent"`
	Depth  int     `json:"depth"`
	Closed bool    `json:"closed"`
}

// treePage is an account with all below it.
type treePage struct {
	Items []branch
	Shown []branch
	More  int
	Name  string // of the one that is being opened
	Plan  plan
	Wrong *problem
}

func (p *page) tree() (treePage, error) {
	p.Title, p.Section = p.T("nav.tree"), "tree"
	var v treePage
	err := p.site.get(p.r, p.api("/tree"), &v)
	v.Shown, v.More = shown(v.Items)
	return v, err
}

func (s *site) tree(p *page) error {
	v, err := p.tree()
	if err != nil {
		return err
	}
	return p.show(http.StatusOK, treeView(p, v))
}

func (s *site) openSub(p *page) error {
	name := p.r.PostForm.Get("name")
	_, err := s.send(p.r, http.MethodPost, "/v1/accounts", map[string]any{"name": name, "parent": p.Account.ID}, nil)
	return p.changed(nil, err, name, "done.opened")
}

func (s *site) rename(p *page) error {
	name := p.r.PostForm.Get("name")
	header, err := s.send(p.r, http.MethodPatch, p.api(""), map[string]any{"name": name}, nil)
	return p.changed(header, err, name, "done.renamed")
}

func (s *site) moveAccount(p *page) error {
	header, err := s.send(p.r, http.MethodPatch, p.api(""), map[string]any{"parent": p.r.PostForm.Get("parent")}, nil)
	return p.changed(header, err, p.Account.Name, "done.moved")
}

// changed goes on after the account was changed, or says why it was not.
func (p *page) changed(header http.Header, err error, name, key string) error {
	if err == nil {
		return p.done(p.At("tree"), key, text(name), header.Get("Roster-Command"))
	}
	refused := asProblem(err)
	if refused == nil {
		return err
	}
	v, err := p.tree()
	if err != nil {
		return err
	}
	v.Wrong, v.Name = refused, p.r.PostForm.Get("name")
	return p.show(refused.Status, treeView(p, v))
}

func (s *site) closePage(p *page) error {
	v, err := p.tree()
	if err != nil {
		return err
	}
	v.Plan, err = p.plan(http.MethodPost, p.api("/close"), nil)
	if v.Wrong = asProblem(err); err != nil && v.Wrong == nil {
		return err
	}
	return p.show(http.StatusOK, closeView(p, v, confirmation{Word: text(p.Account.Name)}))
}

func (s *site) closeAccount(p *page) error {
	if p.r.PostForm.Get("typed") != text(p.Account.Name) {
		v, err := p.tree()
		if err != nil {
			return err
		}
		v.Plan, err = p.plan(http.MethodPost, p.api("/close"), nil)
		if v.Wrong = asProblem(err); err != nil && v.Wrong == nil {
			return err
		}
		return p.show(http.StatusUnprocessableEntity, closeView(p, v, confirmation{text(p.Account.Name), true}))
	}
	if _, err := p.do(http.MethodPost, p.api("/close"), map[string]any{}, nil); err != nil {
		return err
	}
	return p.done("/accounts", "done.closed", text(p.Account.Name), "")
}

// Parents are the accounts that this one could stand below.
func (v treePage) Parents(p *page) []account {
	inside := map[string]bool{}
	for _, b := range v.Items {
		inside[b.ID] = true
	}
	var list []account
	for _, a := range p.Accounts {
		if !inside[a.ID] {
			list = append(list, a)
		}
	}
	return list
}
