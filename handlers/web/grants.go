package web

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"roster/domain"
)

// rolePage is the form in which all is chosen that somebody has in the account.
type rolePage struct {
	listed
	Roles    []role
	Modules  []module // of the portal
	Grants   []grant
	Subs     bool // there are accounts below
	Wrong    *problem
	Timezone string
}

// maxGrants is how many parts of a membership the form shows.
const maxGrants = 10

func (p *page) roleForm() (rolePage, error) {
	var v rolePage
	var err error
	if v.listed, err = p.listed(); err != nil {
		return v, err
	}
	all, err := p.allRoles()
	if err != nil {
		return v, err
	}
	v.Roles, v.Modules = all.Items, all.portalModules()
	p.Title, p.Section = p.T("action.change_role"), "users"
	var access struct{ Items []membershipIn }
	if err := p.site.get(p.r, p.userAPI("/access"), &access); err != nil {
		return v, err
	}
	for _, a := range access.Items {
		if a.ID == p.Account.ID {
			v.Grants = a.Grants
		}
	}
	v.Timezone = p.Zone.String()
	return v, nil
}

func (s *site) rolePage(p *page) error {
	v, err := p.roleForm()
	if err != nil {
		return err
	}
	return p.show(http.StatusOK, roleView(p, v))
}

func (s *site) changeRole(p *page) error {
	v, err := p.roleForm()
	if err != nil {
		return err
	}
	grants, refused := p.grantsFrom(p.r.PostForm, "")
	var header http.Header
	if refused == nil {
		header, err = s.send(p.r, http.MethodPut, p.userAPI("/role"), map[string]any{"grants": grants}, nil)
		refused = asProblem(err)
	}
	if refused != nil {
		v.Grants, v.Wrong = grants, refused
		return p.show(refused.Status, roleView(p, v))
	}
	if err != nil {
		return err
	}
	return p.done(p.At("users", p.r.PathValue("user")), "done.role", shownName(p, v.listed), header.Get("Roster-Command"))
}

// grantsFrom reads the parts of a membership from a form: PREFIXgN.role, .permission, .inherit, .from and .until. A part
// without a role and a permission is none.
func (p *page) grantsFrom(form url.Values, prefix string) ([]grant, *problem) {
	list := []grant{}
	for i := range maxGrants {
		at := fmt.Sprintf("%sg%d.", prefix, i)
		g := grant{Roles: form[at+"role"], Inherit: form.Get(at+"inherit") != ""}
		g.Permissions = strings.FieldsFunc(strings.Join(form[at+"permission"], " "), func(r rune) bool { return r == ',' || r == ' ' || r == '\n' || r == '\r' })
		if len(g.Roles)+len(g.Permissions) == 0 {
			continue
		}
		for name, into := range map[string]**time.Time{"from": &g.ValidFrom, "until": &g.ValidUntil} {
			value := form.Get(at + name)
			if value == "" {
				continue
			}
			t, err := time.ParseInLocation("2006-01-02T15:04", value, p.Zone)
			if err != nil {
				return list, &problem{Code: string(domain.Invalid), Status: http.StatusUnprocessableEntity, Detail: p.T("grants.no_time")}
			}
			t = t.UTC()
			*into = &t
		}
		list = append(list, g)
	}
	return list, nil
}

// local is a moment as an input of a form has it, in the viewer's zone.
func (p *page) local(t *time.Time) string {
	if t == nil {
		return ""
	}
	return t.In(p.Zone).Format("2006-01-02T15:04")
}

// further are the permissions of a grant that no choice stands for.
func (v rolePage) further(g grant) []string {
	return slices.DeleteFunc(slices.Clone(g.Permissions), func(permission string) bool {
		name, action, _ := strings.Cut(permission, ":")
		return slices.ContainsFunc(v.Modules, func(m module) bool { return m.Name == name && slices.Contains(m.Actions, action) })
	})
}

// reservedFor names the roles that alone give what the profile keeps to them.
func (p *page) reservedFor() string {
	var names []string
	for _, r := range p.Profile.ReservedFor {
		names = append(names, p.RoleLabel(r))
	}
	return strings.Join(names, ", ")
}

// Parts are the grants that the form shows, with an empty one behind them.
func (v rolePage) Parts() []grant { return append(slices.Clone(v.Grants), grant{}) }

// accessPage is the form in which a user's access to several accounts is changed and saved at once (SPEC 3.8).
type accessPage struct {
	listed
	Rows   []accessRow
	Wrong  *problem
	Typing confirmation
}

// accessRow is one account of the form.
type accessRow struct {
	ID, Name string
	Status   string
	Roles    []role // that can be given there
	Has      []string
	Inherit  bool
	Special  bool // more than roles: changed on a page of its own
}

// maxRows bounds the accounts in the form: each is asked for its roles.
const maxRows = 50

func (p *page) accessForm() (accessPage, error) {
	var v accessPage
	var err error
	if v.listed, err = p.listed(); err != nil {
		return v, err
	}
	p.Title, p.Section = p.T("access.title"), "users"
	var access struct{ Items []membershipIn }
	if err := p.site.get(p.r, p.userAPI("/access"), &access); err != nil {
		return v, err
	}
	for _, a := range access.Items {
		row := accessRow{ID: a.ID, Name: a.Name, Status: a.Status, Has: a.Roles}
		if len(a.Grants) == 1 {
			row.Inherit = a.Grants[0].Inherit
		}
		row.Special = len(a.Grants) > 1 || slices.ContainsFunc(a.Grants, func(g grant) bool { return len(g.Permissions) > 0 || g.ValidFrom != nil || g.ValidUntil != nil })
		v.Rows = append(v.Rows, row)
	}
	for _, a := range p.Accounts {
		known := slices.ContainsFunc(v.Rows, func(r accessRow) bool { return r.ID == a.ID })
		if !known && slices.Contains(a.Permissions, "users:invite") {
			v.Rows = append(v.Rows, accessRow{ID: a.ID, Name: a.Name})
		}
	}
	v.Rows = v.Rows[:min(len(v.Rows), maxRows)]
	for i := range v.Rows {
		var list struct{ Items []role }
		if err := p.site.get(p.r, "/v1/accounts/"+v.Rows[i].ID+"/roles", &list); err != nil && asProblem(err) == nil {
			return v, err
		}
		v.Rows[i].Roles = list.Items
	}
	return v, nil
}

func (s *site) accessPage(p *page) error {
	v, err := p.accessForm()
	if err != nil {
		return err
	}
	return p.show(http.StatusOK, accessView(p, v))
}

// changeAccess saves what differs from what was shown, all of it or nothing.
func (s *site) changeAccess(p *page) error {
	v, err := p.accessForm()
	if err != nil {
		return err
	}
	changes := []map[string]any{}
	for i := range v.Rows {
		row := &v.Rows[i]
		roles, inherit := p.r.PostForm["role."+row.ID], p.r.PostForm.Get("inherit."+row.ID) != ""
		was, had := append([]string{}, row.Has...), append([]string{}, roles...)
		slices.Sort(was)
		slices.Sort(had)
		if row.Special || slices.Equal(was, had) && (inherit == row.Inherit || len(roles) == 0) {
			continue
		}
		change := map[string]any{"account": row.ID, "grants": nil}
		if len(roles) > 0 {
			change["grants"] = []grant{{Roles: roles, Inherit: inherit}}
		}
		changes, row.Has, row.Inherit = append(changes, change), roles, inherit
	}
	back := p.At("users", p.r.PathValue("user"))
	if len(changes) == 0 {
		http.Redirect(p.w, p.r, back, http.StatusSeeOther)
		return nil
	}
	command, ask, err := p.doTyped(v.Word(), http.MethodPut, p.userAPI("/access"), map[string]any{"changes": changes}, nil)
	if ask.Word != "" {
		v.Typing = ask
		return p.show(http.StatusOK, accessView(p, v))
	}
	if v.Wrong = asProblem(err); v.Wrong != nil {
		return p.show(v.Wrong.Status, accessView(p, v))
	}
	if err != nil {
		return err
	}
	return p.done(back, "done.access", shownName(p, v.listed), command)
}
