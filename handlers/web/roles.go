package web

import (
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"

	"roster/domain"
)

// roleRoutes are the pages of an account's roles.
func (s *site) roleRoutes() map[string]verbs {
	return map[string]verbs{
		"/accounts/{account}/roles":                 {http.MethodGet: s.inAccount(s.rolesPage)},
		"/accounts/{account}/roles/new":             {http.MethodGet: s.inAccount(s.newRole), http.MethodPost: s.inAccount(s.defineRole)},
		"/accounts/{account}/roles/{role}":          {http.MethodGet: s.inAccount(s.editRole), http.MethodPost: s.inAccount(s.defineRole)},
		"/accounts/{account}/roles/{role}/withdraw": {http.MethodGet: s.inAccount(s.withdrawPage), http.MethodPost: s.inAccount(s.withdraw)},
	}
}

// module is a part of the portal with what can be done in it.
type module struct {
	Name    string
	Actions []string
}

// rolesPage are the roles of an account beside every permission there is.
type rolesPage struct {
	Items       []role   `json:"items"`
	Permissions []string `json:"permissions"`
}

// Modules are the permissions by module, in their order.
func (v rolesPage) Modules() []module {
	var list []module
	for _, permission := range v.Permissions {
		name, action, _ := strings.Cut(permission, ":")
		if i := slices.IndexFunc(list, func(m module) bool { return m.Name == name }); i >= 0 {
			list[i].Actions = append(list[i].Actions, action)
		} else {
			list = append(list, module{name, []string{action}})
		}
	}
	return list
}

// portalModules are the modules of the portal's own: not those by which Roster itself is used.
func (v rolesPage) portalModules() []module {
	return slices.DeleteFunc(v.Modules(), func(m module) bool { return domain.OwnModule(m.Name) })
}

// Holds says that a role gives a permission.
func (r role) Holds(permission string) bool { return slices.Contains(r.Permissions, permission) }

func (p *page) allRoles() (rolesPage, error) {
	p.Title, p.Section = p.T("nav.roles"), "roles"
	var v rolesPage
	err := p.site.get(p.r, p.api("/roles"), &v)
	return v, err
}

func (s *site) rolesPage(p *page) error {
	v, err := p.allRoles()
	if err != nil {
		return err
	}
	return p.show(http.StatusOK, rolesView(p, v))
}

// roleForm is a role that is being defined.
type roleForm struct {
	rolesPage
	Role  role
	New   bool
	Plan  plan
	Wrong *problem
}

func (s *site) newRole(p *page) error {
	all, err := p.allRoles()
	if err != nil {
		return err
	}
	return p.show(http.StatusOK, roleFormView(p, roleForm{rolesPage: all, New: true}))
}

func (p *page) roleOf() (roleForm, error) {
	all, err := p.allRoles()
	if err != nil {
		return roleForm{}, err
	}
	i := slices.IndexFunc(all.Items, func(r role) bool { return r.ID == p.r.PathValue("role") })
	if i < 0 {
		return roleForm{}, errNoPage
	}
	return roleForm{rolesPage: all, Role: all.Items[i]}, nil
}

func (s *site) editRole(p *page) error {
	v, err := p.roleOf()
	if err != nil {
		return err
	}
	return p.show(http.StatusOK, roleFormView(p, v))
}

// idOf makes the name by which a role is known from what it is called.
func idOf(label string) string {
	return strings.Trim(regexp.MustCompile(`[^a-z0-9]+`).ReplaceAllString(strings.ToLower(label), "_"), "_")
}

func (s *site) defineRole(p *page) error {
	all, err := p.allRoles()
	if err != nil {
		return err
	}
	v := roleForm{rolesPage: all, New: p.r.PathValue("role") == ""}
	v.Role = role{ID: p.r.PathValue("role"), Label: p.r.PostForm.Get("label"), Permissions: p.r.PostForm["permission"]}
	if v.New {
		v.Role.ID = idOf(v.Role.Label)
	}
	if v.New && slices.ContainsFunc(all.Items, func(r role) bool { return r.ID == v.Role.ID }) {
		v.Wrong = &problem{Status: http.StatusConflict, Detail: p.T("roles.taken")}
		return p.show(http.StatusConflict, roleFormView(p, v))
	}
	header, err := s.send(p.r, http.MethodPut, p.api("/roles/"+url.PathEscape(v.Role.ID)),
		map[string]any{"label": v.Role.Label, "permissions": append([]string{}, v.Role.Permissions...)}, nil)
	if v.Wrong = asProblem(err); v.Wrong != nil {
		return p.show(v.Wrong.Status, roleFormView(p, v))
	}
	if err != nil {
		return err
	}
	return p.done(p.At("roles"), "done.role_defined", text(v.Role.Label), header.Get("Roster-Command"))
}

func (s *site) withdrawPage(p *page) error {
	v, err := p.roleOf()
	if err != nil {
		return err
	}
	v.Plan, err = p.plan(http.MethodDelete, p.api("/roles/"+url.PathEscape(v.Role.ID)), nil)
	if v.Wrong = asProblem(err); err != nil && v.Wrong == nil {
		return err
	}
	return p.show(http.StatusOK, withdrawView(p, v))
}

func (s *site) withdraw(p *page) error {
	v, err := p.roleOf()
	if err != nil {
		return err
	}
	header, err := s.send(p.r, http.MethodDelete, p.api("/roles/"+url.PathEscape(v.Role.ID)), nil, nil)
	if v.Wrong = asProblem(err); v.Wrong != nil {
		return p.show(v.Wrong.Status, withdrawView(p, v))
	}
	if err != nil {
		return err
	}
	return p.done(p.At("roles"), "done.role_withdrawn", text(v.Role.Label), header.Get("Roster-Command"))
}

// roleAction is where the form of a role goes.
func (p *page) roleAction(v roleForm) string {
	if v.New {
		return p.At("roles", "new")
	}
	return p.At("roles", v.Role.ID)
}
