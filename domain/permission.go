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
	UsersRead         Permission = "users:read"
	UsersInvite       Permission = "users:invite"
	UsersChangeRole   Permission = "users:change_role"
	UsersSuspend      Permission = "users:suspend"
	UsersRevoke       Permission = "users:revoke"
	UsersResetFactors Permission = "users:reset_factor"
	RolesRead         Permission = "roles:read"
	RolesDefine       Permission = "roles:define"
	AuditRead         Permission = "audit:read"
	AuditExport       Permission = "audit:export"
	PolicyRead        Permission = "policy:read"
	PolicyChange      Permission = "policy:change"
	KeysRead          Permission = "keys:read"
	KeysManage        Permission = "keys:manage"
	ContactsRead      Permission = "contacts:read"
	ContactsManage    Permission = "contacts:manage"
	AccountRead       Permission = "account:read"
	AccountChange     Permission = "account:change"
	AccountOpenSub    Permission = "account:open_sub"
	AccountClose      Permission = "account:close"
)

// OwnPermissions are those of Roster itself, in the order in which they are shown.
func OwnPermissions() []Permission {
	return []Permission{
		UsersRead, UsersInvite, UsersChangeRole, UsersSuspend, UsersRevoke, UsersResetFactors,
		RolesRead, RolesDefine, AuditRead, AuditExport, PolicyRead, PolicyChange,
		KeysRead, KeysManage, ContactsRead, ContactsManage,
		AccountRead, AccountChange, AccountOpenSub, AccountClose,
	}
}

// OwnModule says that a module is one of those by which Roster itself is used.
func OwnModule(module string) bool {
	switch module {
	case "users", "roles", "audit", "policy", "keys", "contacts", "account":
		return true
	}
	return false
}

// Catalog is every permission that there is: Roster's own, then those of the modules that the operator has declared.
func (p Portal) Catalog() []Permission {
	all := OwnPermissions()
	for _, m := range p.Modules {
		for _, action := range m.Actions {
			all = append(all, m.Name+":"+action)
		}
	}
	return all
}

// matches says whether a permission is one of those that a pattern names: a permission; "module:*"; "*:action"; "*";
// with portal as the module, those of all modules that are not Roster's own.
func matches(pattern string, p Permission) bool {
	if pattern == "*" || pattern == p {
		return true
	}
	module, action, _ := strings.Cut(pattern, ":")
	m, a, _ := strings.Cut(p, ":")
	return (module == "*" || module == m || module == portalModules && !OwnModule(m)) && (action == "*" || action == a)
}

// portalModules stands in a pattern for all modules of the portal, present and future.
const portalModules = "portal"

// guards says that a pattern takes something out of what the others name, in modules of the portal's.
func guards(pattern string) bool {
	module, _, _ := strings.Cut(strings.TrimPrefix(pattern, "!"), ":")
	return pattern[0] == '!' && !OwnModule(module)
}

// probes are permissions that tell whether everything that patterns name is held: one of each kind, and where they are
// about modules or actions yet to be declared, one that nobody can declare. Crosswise they are those of every module
// named with every action named, which tells it where something is taken out as well.
func probes(patterns []string, crosswise bool) (all []Permission) {
	const undeclared = "?"
	modules, actions := []string{portalModules}, []string{undeclared, "read"}
	for _, pattern := range patterns {
		module, action, _ := strings.Cut(strings.TrimPrefix(pattern, "!"), ":")
		if module == "*" {
			module = portalModules
		}
		modules = append(modules, module)
		if action == "" || action == "*" {
			all = append(all, module+":"+undeclared, module+":read")
			continue
		}
		actions = append(actions, action)
		all = append(all, module+":"+action)
	}
	if !crosswise {
		return all
	}
	for _, module := range modules {
		for _, action := range actions {
			all = append(all, module+":"+action)
		}
	}
	slices.Sort(all)
	return slices.Compact(all)
}

const maxModules, maxActions, maxWord = 100, 50, 40

// word says what is wrong with the name of a module, an action or a role, or nothing.
func word(s string) string {
	if s == "" || len(s) > maxWord || s[0] < 'a' || s[0] > 'z' || strings.Trim(s, "abcdefghijklmnopqrstuvwxyz0123456789_-") != "" {
		return "a name is 1 to 40 lower-case letters, digits, - and _, a letter first"
	}
	return ""
}

// DeclareModules replaces the list of the portal's modules with their actions, by the operator (SPEC 3.3).
type DeclareModules struct {
	Modules []events.Module
}

func (c DeclareModules) Name() string { return "DeclareModules" }

func (c DeclareModules) Home(_ Issued) events.Boundary { return events.Portal() }

func (c DeclareModules) Decide(w *World, is Issued) error {
	p := w.Portal()
	if !is.operator() {
		return refuse(NotPermitted, "only the operator declares modules")
	}
	if len(c.Modules) > maxModules {
		return invalid("body.modules", "at most %d modules", maxModules)
	}
	seen := map[string]bool{}
	to := make([]events.Module, len(c.Modules))
	for i, m := range c.Modules {
		at := location("body.modules", i)
		m.Label = strings.TrimSpace(m.Label)
		switch {
		case word(m.Name) != "":
			return invalid(at+".name", "%s", word(m.Name))
		case OwnModule(m.Name) || m.Name == portalModules:
			return invalid(at+".name", "%s is a module of Roster's own", m.Name)
		case seen[m.Name]:
			return invalid(at+".name", "%s stands there twice", m.Name)
		case m.Label != "" && checkName(m.Label) != "":
			return invalid(at+".label", "%s", checkName(m.Label))
		case len(m.Actions) == 0 || len(m.Actions) > maxActions:
			return invalid(at+".actions", "a module has 1 to %d actions", maxActions)
		}
		seen[m.Name] = true
		actions := slices.Clone(m.Actions)
		for n, a := range actions {
			if wrong := word(a); wrong != "" {
				return invalid(location(at+".actions", n), "%s", wrong)
			}
			if slices.Contains(actions[:n], a) {
				return invalid(location(at+".actions", n), "%s stands there twice", a)
			}
		}
		m.Actions = actions
		to[i] = m
	}
	if slices.EqualFunc(p.Modules, to, func(a, b events.Module) bool {
		return a.Name == b.Name && a.Label == b.Label && slices.Equal(a.Actions, b.Actions)
	}) {
		return nil
	}
	w.record(events.Portal(), events.ModulesDeclared{From: p.Modules, To: to})
	return nil
}
