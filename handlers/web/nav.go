package web

// link is a place of the navigation.
type link struct{ Section, Label, Href string }

// navigation is where somebody can go in the account: what they may not see is not there.
func (p *page) navigation() []link {
	var list []link
	add := func(permission, section, label string) {
		if p.May(permission) {
			list = append(list, link{section, label, p.At(section)})
		}
	}
	add("users:read", "users", p.SectionName())
	add("roles:read", "roles", p.T("nav.roles"))
	add("policy:read", "policy", p.T("nav.policy"))
	if p.Account.Parent == nil && p.site.Access.CanSSO() {
		add("policy:read", "sso", p.T("nav.sso"))
	}
	add("contacts:read", "contacts", p.T("nav.contacts"))
	add("keys:read", "keys", p.T("nav.keys"))
	add("account:read", "tree", p.T("nav.tree"))
	add("audit:read", "audit", p.T("nav.audit"))
	return list
}

// ownNavigation is where everybody can go.
func (p *page) ownNavigation() []link {
	list := []link{{"accounts", p.T("nav.accounts"), "/accounts"}}
	if len(p.Accounts) > 1 && len(p.readers()) > 0 {
		list = append(list, link{"across", p.T("across.title"), "/users"})
	}
	return append(list, []link{{"me", p.T("nav.profile"), "/me"}, {"security", p.T("nav.security"), "/me/security"},
		{"preferences", p.T("nav.preferences"), "/me/preferences"}}...)
}
