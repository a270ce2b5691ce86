package web

import (
	"net/http"
	"net/url"
	"slices"

	"roster/domain"
)

// deeds are what can be done with a user. Each is asked for as a dry run: so what is refused is known before anybody
// clicks, and why.
func (p *page) deeds(u listed) ([]offered, error) {
	if u.User == nil || u.Status == string(domain.Revoked) {
		return nil, nil
	}
	list := p.memberActions(u)
	if u.TwoFactor && p.May("users:reset_factor") {
		list = slices.Insert(list, max(len(list)-1, 0), offered{action: action{p.T("action.reset-factors"), p.At("users", *u.User, "reset-factors"), false}})
	}
	if u.Linked && p.May("policy:change") {
		list = append(list, offered{action: action{p.T("action.unlink"), p.At("users", *u.User, "unlink"), true}})
	}
	return list, p.askWhy(u, list)
}

// rowActions are what can be done with an entry of the list. Only of those whom the viewer may not simply change is it
// asked what the rules say: so a long list stays quick. roles are those of the account, as far as the viewer sees them.
func (p *page) rowActions(u listed, roles []role) ([]offered, error) {
	if u.User == nil {
		if !p.May("users:invite") {
			return nil, nil
		}
		return []offered{{action: action{p.Action("resend"), p.At("invitations", u.ID(), "resend"), false}},
			{action: action{p.T("action.revoke_invitation"), p.At("invitations", u.ID(), "revoke"), true}}}, nil
	}
	if !u.Changeable() {
		return nil, nil
	}
	list := p.memberActions(u)
	if !p.doubtful(u, roles) {
		return list, nil
	}
	return list, p.askWhy(u, list)
}

// memberActions are what can be done with a member as they are, by whoever holds the permission.
func (p *page) memberActions(u listed) []offered {
	var list []offered
	add := func(when bool, permission, label string, danger bool, name string) {
		if when && p.May(permission) {
			list = append(list, offered{action: action{label, p.At("users", u.ID(), name), danger}})
		}
	}
	suspended := u.Status == string(domain.Suspended)
	add(true, "users:change_role", p.T("action.change_role"), false, "role")
	add(!suspended, "users:suspend", p.Action("suspend"), false, "suspend")
	add(suspended, "users:suspend", p.Action("reactivate"), false, "reactivate")
	add(true, "users:revoke", p.Action("revoke"), true, "revoke")
	return list
}

// doubtful says that the rules may keep the viewer from changing a member: themselves, who holds the role that an account
// keeps, and whoever may more than they do (SPEC 3.4). What cannot be told from here is doubtful.
func (p *page) doubtful(u listed, roles []role) bool {
	if p.isMe(u) || !p.may(u.Permissions) {
		return true
	}
	return slices.ContainsFunc(u.Roles, func(name string) bool {
		i := slices.IndexFunc(roles, func(r role) bool { return r.ID == name })
		return p.protects(name) || i < 0 || !p.may(roles[i].Permissions)
	})
}

// may says that the viewer holds each of some permissions.
func (p *page) may(permissions []string) bool {
	return !slices.ContainsFunc(permissions, func(one string) bool { return !p.May(one) })
}

func (p *page) isMe(u listed) bool { return u.User != nil && *u.User == p.Who.User.ID.String() }

// protects says that a role is the one that an account keeps, or another name for it.
func (p *page) protects(role string) bool {
	return role == p.Profile.Protected || slices.ContainsFunc(p.Profile.Definition.Roles, func(r domain.RoleDefinition) bool {
		return r.Name == role && r.SameAs == p.Profile.Protected
	})
}

// askWhy finds out which of what is offered would be refused, and why.
func (p *page) askWhy(u listed, list []offered) error {
	for i := range list {
		name := list[i].Href[len(p.At("users", u.ID()))+1:]
		method, rest := deedAPI(name)
		var body any
		if name == "role" {
			method, body = http.MethodPut, map[string]any{"roles": u.Roles, "permissions": u.Permissions}
		}
		refused, err := p.refusalOf(method, "/users/"+url.PathEscape(u.ID())+rest, body)
		if err != nil {
			return err
		}
		if refused != nil {
			list[i].Why = p.whyNot(u, name, refused)
			continue
		}
		if name == "role" && slices.ContainsFunc(u.Roles, p.protects) { // another role may be one too few
			least := p.Profile.Roles[len(p.Profile.Roles)-1].Name
			if refused, err = p.refusalOf(method, "/users/"+url.PathEscape(u.ID())+"/"+name, map[string]any{"roles": []string{least}}); err != nil {
				return err
			}
			if refused != nil && refused.Code == string(domain.LastActiveOwner) {
				list[i].Note = p.T("why.keeps", p.RoleLabel(p.Profile.Protected))
			}
		}
	}
	return nil
}

// refusalOf is why something would be refused: nil where it would not be, or would be once it is confirmed.
func (p *page) refusalOf(method, rest string, body any) (*problem, error) {
	_, err := p.plan(method, p.api(rest), body)
	switch refused := asProblem(err); {
	case toConfirm(refused):
		return nil, nil
	case refused != nil:
		return refused, nil
	}
	return nil, err
}

// whyNot is why somebody cannot do something: of oneself, what to do instead.
func (p *page) whyNot(u listed, name string, refused *problem) string {
	if key := "why.oneself." + name; p.isMe(u) && refused.Code == string(domain.NotPermitted) && p.has(key) {
		return p.T(key)
	}
	if refused.Code == string(domain.LastActiveOwner) {
		return p.T("why.last", p.RoleLabel(p.Profile.Protected))
	}
	return p.Why(refused)
}

// choosable says that some of what is done with many at once may be done with a member; why says why not.
func choosable(list []offered) (ok bool, why string) {
	for _, o := range list {
		if o.Why == "" {
			return true, ""
		}
		why = o.Why
	}
	return false, why
}
