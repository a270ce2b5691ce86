package web

import (
	"net/http"
	"strings"
)

// accountRoutes are the pages about which accounts there are for somebody.
func (s *site) accountRoutes() map[string]verbs {
	return map[string]verbs{
		"/accounts":           {http.MethodGet: s.signedIn(s.myAccounts)},
		"/accounts/{account}": {http.MethodGet: s.inAccount(s.account)},
		"/accounts/":          nil,
		"/me/":                nil,
	}
}

// maxShownAccounts is how many accounts a page lists, so that it stays small for people who have thousands.
const maxShownAccounts = 200

// accountsPage are accounts of the viewer's, as far as they are asked for and shown.
type accountsPage struct {
	Query string
	Items []account
	More  int
	Stay  map[string]string // why an account cannot be left, by its id
}

// maxAsked is of how many accounts it is asked whether they can be left.
const maxAsked = 50

// shown are the first of those, which is how many more there are.
func shown[T any](list []T) (first []T, more int) {
	first = list[:min(len(list), maxShownAccounts)]
	return first, len(list) - len(first)
}

// myAccounts lists the accounts that somebody has access to (SPEC 4.9).
func (s *site) myAccounts(p *page) error {
	p.Title, p.Section = p.T("nav.accounts"), "accounts"
	v := accountsPage{Query: p.r.URL.Query().Get("q")}
	found := p.Accounts
	if v.Query != "" {
		found = nil
		for _, a := range p.Accounts {
			if strings.Contains(strings.ToLower(a.Name), strings.ToLower(v.Query)) {
				found = append(found, a)
			}
		}
	}
	v.Items, v.More = shown(found)
	v.Stay = map[string]string{}
	for _, a := range v.Items[:min(len(v.Items), maxAsked)] {
		if a.InheritedFrom != nil {
			continue
		}
		_, err := p.plan(http.MethodPost, leaveAPI(a.ID), nil)
		if refused := asProblem(err); refused != nil {
			v.Stay[a.ID] = p.Why(refused)
		} else if err != nil {
			return err
		}
	}
	return p.show(http.StatusOK, accountsView(p, v))
}

// account leads to the first page of the account that the viewer may see.
func (s *site) account(p *page) error {
	if list := p.navigation(); len(list) > 0 {
		http.Redirect(p.w, p.r, list[0].Href, http.StatusSeeOther)
		return nil
	}
	p.Title = text(p.Account.Name)
	return p.show(http.StatusOK, accountView(p))
}
