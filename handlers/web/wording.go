package web

import "strings"

// GrantText is a part of a membership in one line.
func (p *page) GrantText(g grant) string {
	var parts []string
	for _, r := range g.Roles {
		parts = append(parts, p.RoleLabel(r))
	}
	for _, extra := range g.Permissions {
		parts = append(parts, text(extra))
	}
	line := strings.Join(parts, ", ")
	if g.Inherit {
		line += " · " + p.T("grants.also_below")
	}
	if g.ValidFrom != nil {
		line += " · " + p.T("users.from", p.Time(*g.ValidFrom))
	}
	if g.ValidUntil != nil {
		line += " · " + p.T("users.until", p.Time(*g.ValidUntil))
	}
	return line
}

// RoleMeaning says what a role gives: of the four that everybody knows in words, of others how much it is.
func (p *page) RoleMeaning(r role) string {
	if key := "role." + r.ID; r.BuiltIn && p.Profile != nil && p.Profile.Name == "standard" && p.has(key) {
		return p.T(key)
	}
	return p.N("role.permissions", len(r.Permissions))
}

// ActionText is what an entry of a trail says was done.
func (p *page) ActionText(e entry) string {
	if key := "did." + e.Action; p.has(key) {
		return p.T(key)
	}
	return e.Action
}
