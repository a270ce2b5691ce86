package web

import "net/http"

// accountRoutes are the pages about which accounts there are for somebody.
func (s *site) accountRoutes() map[string]verbs {
	return map[string]verbs{
		"/accounts":           {http.MethodGet: s.signedIn(s.myAccounts)},
		"/accounts/{account}": {http.MethodGet: s.inAccount(s.account)},
		"/accounts/":          nil,
		"/me/":                nil,
	}
}

// myAccounts lists the accounts that somebody has access to (SPEC 4.9).
func (s *site) myAccounts(p *page) error {
	p.Title, p.Section = p.T("nav.accounts"), "accounts"
	return p.show(http.StatusOK, accountsView(p))
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
