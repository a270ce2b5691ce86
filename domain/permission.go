package domain

import (
	"slices"
	"strings"

	"roster/events"
)

// Permission is "module:action" (SPEC 3.3).
type Permission = string

// The permissions of Roster's own that commands ask for.
const (
	UsersRead       Permission = "users:read"
	UsersInvite     Permission = "users:invite"
	UsersChangeRole Permission = "users:change_role"
	UsersSuspend    Permission = "users:suspend"
	UsersRevoke     Permission = "users:revoke"
	AuditRead       Permission = "audit:read"
	AuditExport     Permission = "audit:export"
	AccountRead     Permission = "account:read"
	AccountOpenSub  Permission = "account:open_sub"
)

// OwnPermissions are those of Roster itself, in the order in which they are shown.
func OwnPermissions() []Permission {
	return []Permission{
		UsersRead, UsersInvite, UsersChangeRole, UsersSuspend, UsersRevoke, "users:reset_factor",
		"roles:read", "roles:define", AuditRead, AuditExport, "policy:read", "policy:change",
		"keys:read", "keys:manage", "contacts:read", "contacts:manage",
		AccountRead, "account:change", AccountOpenSub, "account:close",
	}
}

// The built-in roles (SPEC 3.2). Owner is the protected one.
const (
	Owner   = "owner"
	Admin   = "admin"
	Manager = "manager"
	Viewer  = "viewer"
)

// Roles are the roles that an account knows, in the order in which they are shown.
func Roles() []string { return []string{Owner, Admin, Manager, Viewer} }

// RoleHolds says whether a role gives a permission (SPEC 3.3). A role that is not known gives nothing.
func RoleHolds(role string, p Permission) bool {
	if role == Owner || role == Admin {
		return true
	}
	module, action, _ := strings.Cut(p, ":")
	switch role {
	case Manager:
		return action == "read" || module == "contacts" || !ownModule(module)
	case Viewer:
		return action == "read" && module != "audit"
	}
	return false
}

// RolesHolding lists the roles that give a permission.
func RolesHolding(p Permission) []string {
	return slices.DeleteFunc(Roles(), func(role string) bool { return !RoleHolds(role, p) })
}

func ownModule(module string) bool {
	switch module {
	case "users", "roles", "audit", "policy", "keys", "contacts", "account":
		return true
	}
	return false
}

// Access is what somebody may do in an account at a moment: all grants that apply there.
type Access struct {
	all    bool // the operator's
	grants []events.Grant
}

// Holds says whether the access includes a permission.
func (a Access) Holds(p Permission) bool { return a.all || grantsHold(a.grants, p) }

// Owner says whether the access is the protected role's: only owners make or change owners.
func (a Access) Owner() bool { return a.all || grantsOwn(a.grants) }

// None says that there is no access at all.
func (a Access) None() bool { return !a.all && len(a.grants) == 0 }

// Roles are the roles that give the access, each once, in the order in which roles are shown.
func (a Access) Roles() []string { return rolesOf(a.grants) }

// Permissions are Roster's own permissions, and extra ones granted directly, that the access includes.
func (a Access) Permissions() []Permission {
	own := OwnPermissions()
	more := slices.DeleteFunc(extras(a.grants), func(p Permission) bool { return slices.Contains(own, p) })
	slices.Sort(more)
	held := slices.DeleteFunc(own, func(p Permission) bool { return !a.Holds(p) })
	return append(held, slices.Compact(more)...)
}

// covers says whether grants give nothing beyond the access: the ceiling of SPEC 3.4, equal being allowed. What a
// grant gives in sub-accounts too has to be held there as well.
func (a Access) covers(grants []events.Grant) bool {
	if a.all {
		return true
	}
	var extending []events.Grant
	for _, g := range a.grants {
		if g.Inherit {
			extending = append(extending, g)
		}
	}
	for _, g := range grants {
		held := a.grants
		if g.Inherit {
			held = extending
		}
		if !covered(g, held) {
			return false
		}
	}
	return true
}

// covered says whether a grant gives nothing beyond those held, as far as permissions go; only owners hold the
// protected role.
func covered(g events.Grant, held []events.Grant) bool {
	one := []events.Grant{g}
	if grantsOwn(one) && !grantsOwn(held) {
		return false
	}
	for _, list := range [...][]Permission{OwnPermissions(), {anyModule, anyReading}, g.Permissions} {
		for _, p := range list {
			if grantsHold(one, p) && !grantsHold(held, p) {
				return false
			}
		}
	}
	return true
}

// lowers says whether new grants of a membership give nothing beyond its old ones at any moment from at on, so that
// whoever makes the change does not rise by it (SPEC 3.4).
func (m Member) lowers(to []events.Grant, a Account, at events.Time) bool {
	for _, g := range to {
		var held []events.Grant
		for _, h := range m.Grants {
			reaches := !g.Inherit || extends(h, a)
			begins := h.From <= max(g.From, at)
			lasts := h.Until == 0 || g.Until != 0 && g.Until <= h.Until
			if reaches && begins && lasts {
				held = append(held, h)
			}
		}
		if !covered(g, held) {
			return false
		}
	}
	return true
}

// anyModule and anyReading stand for all that the portal's own modules have, present and future: a role holds all or
// none of it but for what only reads.
const (
	anyModule  = "portal:change"
	anyReading = "portal:read"
)

func grantsHold(grants []events.Grant, p Permission) bool {
	for i := range grants {
		if slices.Contains(grants[i].Permissions, p) {
			return true
		}
		for _, role := range grants[i].Roles {
			if RoleHolds(role, p) {
				return true
			}
		}
	}
	return false
}

func grantsOwn(grants []events.Grant) bool {
	for i := range grants {
		if slices.Contains(grants[i].Roles, Owner) {
			return true
		}
	}
	return false
}

func extras(grants []events.Grant) []Permission {
	var list []Permission
	for i := range grants {
		list = append(list, grants[i].Permissions...)
	}
	return list
}

func rolesOf(grants []events.Grant) []string {
	var roles []string
	for _, role := range Roles() {
		if slices.ContainsFunc(grants, func(g events.Grant) bool { return slices.Contains(g.Roles, role) }) {
			roles = append(roles, role)
		}
	}
	return roles
}

// current are the grants that apply at a moment (SPEC 3.10).
func current(grants []events.Grant, at events.Time) []events.Grant {
	in := func(g events.Grant) bool { return g.From <= at && (g.Until == 0 || at < g.Until) }
	for i := range grants {
		if !in(grants[i]) {
			kept := slices.Clone(grants[:i])
			for _, g := range grants[i+1:] {
				if in(g) {
					kept = append(kept, g)
				}
			}
			return kept
		}
	}
	return grants
}

// lasting are the grants without an end: only those make an owner who counts (SPEC 3.7).
func lasting(grants []events.Grant) []events.Grant {
	return slices.DeleteFunc(slices.Clone(grants), func(g events.Grant) bool { return g.Until != 0 })
}

// unended are the grants that apply at a moment or will later.
func unended(grants []events.Grant, at events.Time) []events.Grant {
	ended := func(g events.Grant) bool { return g.Until != 0 && g.Until <= at }
	if !slices.ContainsFunc(grants, ended) {
		return grants
	}
	return slices.DeleteFunc(slices.Clone(grants), ended)
}

// sameGrants says whether two lists give the same.
func sameGrants(a, b []events.Grant) bool {
	return slices.EqualFunc(a, b, func(x, y events.Grant) bool {
		return slices.Equal(x.Roles, y.Roles) && slices.Equal(x.Permissions, y.Permissions) &&
			x.Inherit == y.Inherit && x.From == y.From && x.Until == y.Until
	})
}

// maxGrants bounds what one membership holds, so that a command on it fits into a commit.
const maxGrants = 50

// checkGrants validates the shape of grants and puts them into the one order in which they are written: known
// roles only, each once; at least one role or permission; a permission as module:action; an end that lies ahead.
func checkGrants(grants []events.Grant, at events.Time) ([]events.Grant, error) {
	switch {
	case len(grants) == 0:
		return nil, invalid("body.roles", "say which roles: any of %s", strings.Join(Roles(), ", "))
	case len(grants) > maxGrants:
		return nil, invalid("body.grants", "a membership has at most %d grants", maxGrants)
	}
	out := make([]events.Grant, len(grants))
	for i, g := range grants {
		for _, role := range g.Roles {
			if !slices.Contains(Roles(), role) {
				return nil, invalid("body.roles", "no such role: known are %s", strings.Join(Roles(), ", "))
			}
		}
		for _, p := range g.Permissions {
			if !slices.Contains(OwnPermissions(), p) {
				return nil, invalid("body.permissions", "no such permission: known are %s", strings.Join(OwnPermissions(), ", "))
			}
		}
		switch {
		case len(g.Roles) == 0 && len(g.Permissions) == 0:
			return nil, invalid("body.roles", "a grant needs a role or a permission")
		case g.Until != 0 && g.Until <= g.From:
			return nil, invalid("body.grants", "valid_until has to be later than valid_from")
		case g.Until != 0 && g.Until <= at:
			return nil, invalid("body.grants", "valid_until lies in the past")
		}
		g.Roles = rolesOf([]events.Grant{g})
		g.Permissions = slices.Compact(slices.Sorted(slices.Values(g.Permissions)))
		out[i] = g
	}
	return out, nil
}
