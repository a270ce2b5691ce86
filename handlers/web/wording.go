package web

import (
	"strings"

	"roster/domain"
	"roster/events"
)

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

// ours is a word of the portal profile: of one that comes with the program in the viewer's language, of one that an
// operator has declared as it stands there.
func (p *page) ours(word string, shipped func(domain.Definition) string) string {
	key := "word." + strings.ReplaceAll(strings.ToLower(word), " ", "_")
	if d, is := p.site.shipped[p.Profile.Name]; is && shipped(d) == word && p.Lang != "en" && p.has(key) {
		return p.T(key)
	}
	return text(word)
}

// RoleLabel is the name of a role as the profile shows it. Where a page is of no account's profile, the name that the
// program's own profiles give it.
func (p *page) RoleLabel(role string) string {
	if p.Profile == nil {
		if key := "word." + role; p.has(key) {
			return p.T(key)
		}
		return roleLabel(role)
	}
	for _, r := range p.Profile.Roles {
		if r.Name == role {
			return p.ours(r.Label, func(d domain.Definition) string { return labelOf(d, role) })
		}
	}
	for _, r := range p.Defined {
		if r.Name == role {
			return text(r.Label)
		}
	}
	return roleLabel(role)
}

// RoleName is the name of a role of an account: one that the account has defined is called as it says.
func (p *page) RoleName(r role) string {
	if r.BuiltIn {
		return p.RoleLabel(r.ID)
	}
	return text(r.Label)
}

func labelOf(d domain.Definition, role string) string {
	for _, r := range d.Roles {
		if r.Name == role {
			return r.Label
		}
	}
	return ""
}

// RoleMeaning says what a role gives: of the four that everybody knows in words, of others how much it is.
func (p *page) RoleMeaning(r role) string {
	if key := "role." + r.ID; r.BuiltIn && p.Profile != nil && p.Profile.Name == "standard" && p.has(key) {
		return p.T(key)
	}
	return p.N("role.permissions", len(r.Permissions))
}

// StatusText is what the portal calls a status; "" where it shows none. What it calls as everybody does is said in the
// viewer's language.
func (p *page) StatusText(status, label string) string {
	if key := "status." + status; label != "" && label == p.fallback[key] {
		return p.T(key)
	}
	if p.Profile == nil {
		return text(label)
	}
	return p.ours(label, func(d domain.Definition) string { return d.Labels[status] })
}

// ActionText is what an entry of a trail says was done.
func (p *page) ActionText(e entry) string {
	if key := "did." + e.Action; p.has(key) {
		return p.T(key)
	}
	return e.Action
}

// ActorName is what somebody or something is called: by name, else by what it is. Which part of Roster did something is
// for the exports.
func (p *page) ActorName(a actor) string {
	if a.Name != "" && a.Type != string(events.BySystem) {
		return text(a.Name)
	}
	if key := "actor." + a.Type; p.has(key) {
		return p.T(key)
	}
	return a.ID
}

// actionNames are what the trail can be asked for.
func actionNames() []string {
	return []string{"invitation.created", "invitation.resent", "invitation.revoked", "invitation.accepted", "invitation.declined", "invitation.expired",
		"membership.granted", "membership.role_changed", "membership.suspended", "membership.reactivated", "membership.revoked", "membership.left",
		"role.defined", "role.withdrawn", "account.policy_changed", "contact.added", "contact.changed", "contact.removed", "key.created", "key.revoked",
		"session.started", "signin.attempted", "command.refused", "password.changed", "password.reset", "factor.verified", "factor.removed", "factor.reset"}
}
