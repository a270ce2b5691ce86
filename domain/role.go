package domain

import (
	"slices"
	"strings"

	"roster/events"
)

// The built-in roles of the profile "standard" (SPEC 3.2). Owner is its protected one.
const (
	Owner   = "owner"
	Admin   = "admin"
	Manager = "manager"
	Viewer  = "viewer"
)

// Role is what a role's name means: one that the portal profile has, or one that an account has defined for itself and
// what is below it.
type Role struct {
	Name    string
	Label   string
	Account events.AccountID // that has defined it; zero where the profile has
	// Permissions of one that an account has defined; of the profile's they may be patterns, such as *:read, and what
	// stands behind a ! is taken out.
	Permissions []string

	rank int // among those of the profile, in the order in which they are shown
}

// Holds says whether the role gives a permission.
func (r *Role) Holds(p Permission) bool {
	holds := false
	for _, pattern := range r.Permissions {
		if pattern[0] == '!' {
			if matches(pattern[1:], p) {
				return false
			}
			continue
		}
		holds = holds || matches(pattern, p)
	}
	return holds
}

// everything says that the role gives every permission that there is or will be.
func (r *Role) everything() bool {
	return slices.Contains(r.Permissions, "*") && !slices.ContainsFunc(r.Permissions, func(p string) bool { return p[0] == '!' })
}

// Built says that the role is the portal profile's.
func (r *Role) Built() bool { return r.Account.IsZero() }

// role finds what a name means for grants that stand in the first account of a chain: a role of the portal profile, or
// one defined there or above; nil where there is none.
func (p *Profile) role(chain []*Account, name string) *Role {
	for _, r := range p.Roles {
		if r.Name == name {
			return r
		}
	}
	for i := range chain {
		for _, r := range chain[i].defined {
			if r.Name == name {
				return r
			}
		}
	}
	return nil
}

// roles are those that an account knows, in the order in which they are shown: the profile's, then those defined.
func (p *Profile) roles(chain []*Account) []*Role {
	all := slices.Clone(p.Roles)
	for i := range chain {
		all = append(all, chain[i].defined...)
	}
	slices.SortStableFunc(all[len(p.Roles):], func(a, b *Role) int { return strings.Compare(a.Name, b.Name) })
	return all
}

// AskRoles leaves the roles that an account knows in the place given, and every permission there is.
func AskRoles(account events.AccountID, into *[]*Role, catalog *[]Permission) Command {
	return askRoles{MayIn{Account: account}, into, catalog}
}

type askRoles struct {
	MayIn
	into    *[]*Role
	catalog *[]Permission
}

func (c askRoles) Decide(w *World, _ Issued) error {
	*c.into, *c.catalog = w.Roles(c.Account), w.Portal().Catalog()
	return nil
}

// Roles are those that an account knows.
func (w *World) Roles(account events.AccountID) []*Role {
	chain := w.chain(account)
	return w.profileOf(chain).roles(chain)
}

const maxDefined = 100

// defining is what counts of the access of whoever says what a role gives. Sub-accounts know the role as well, and
// members of theirs may have it: so where there are any, it is what reaches them (SPEC 3.4).
func (w *World) defining(account events.AccountID, access Access) Access {
	if w.Tree().leaf(account) {
		return access
	}
	return access.reach()
}

func errReach() error {
	return refuse(ExceedsOwnAccess, "sub-accounts know the role too: nobody can put more into it than they hold there")
}

// DefineRole defines a role for an account and what is below it, or replaces its definition (SPEC 3.2).
type DefineRole struct {
	Account     events.AccountID
	Role        string
	Label       string
	Permissions []Permission
}

func (c DefineRole) Name() string { return "DefineRole" }

func (c DefineRole) Home(_ Issued) events.Boundary { return events.OfAccount(c.Account) }

func (c DefineRole) Target() (events.AccountID, *events.Subject) { return c.Account, nil }

func (c DefineRole) Decide(w *World, is Issued) error {
	a, access, err := w.manages(c.Account, RolesDefine)
	if err != nil {
		return err
	}
	chain := w.chain(c.Account)
	profile := w.profileOf(chain)
	to := events.RoleDefinition{Label: strings.TrimSpace(c.Label), Permissions: slices.Compact(slices.Sorted(slices.Values(c.Permissions)))}
	if to.Label == "" {
		to.Label = c.Role
	}
	known, old := w.Portal().Catalog(), a.role(c.Role)
	reaching := w.defining(c.Account, access)
	for i, p := range c.Permissions {
		switch {
		case !access.Holds(p):
			return refuse(ExceedsOwnAccess, "nobody can put more into a role than they hold")
		case !reaching.Holds(p) && (old == nil || !old.Holds(p)):
			return errReach()
		case profile.Reserves(p):
			return moduleNotAllowed(p)
		case !slices.Contains(known, p):
			return invalid(location("body.permissions", i), "no such permission: known are %s", strings.Join(known, ", "))
		}
	}
	switch other := profile.role(chain, c.Role); {
	case word(c.Role) != "":
		return invalid("path.role", "%s", word(c.Role))
	case other != nil && other.Account != c.Account:
		return invalid("path.role", "there is a role of this name above or built in: it cannot be shadowed")
	case checkName(to.Label) != "":
		return invalid("body.label", "%s", checkName(to.Label))
	case len(to.Permissions) == 0:
		return invalid("body.permissions", "a role gives at least one permission")
	case old == nil && len(a.defined) >= maxDefined:
		return invalid("path.role", "an account defines at most %d roles", maxDefined)
	}
	if err := is.stale(a.RolesVersion); err != nil {
		return err
	}
	fact := events.RoleDefined{Role: c.Role, To: to}
	if old != nil {
		if old.Label == to.Label && slices.Equal(old.Permissions, to.Permissions) {
			return nil
		}
		fact.From = old.definition()
		for _, p := range old.Permissions { // nor take away what they could not give
			if !access.Holds(p) {
				return refuse(ExceedsOwnAccess, "this role gives more than you hold")
			}
		}
	}
	w.record(events.OfAccount(c.Account), fact)
	return nil
}

// WithdrawRole takes a role away that an account has defined. Whoever still has it has nothing by it from then on.
type WithdrawRole struct {
	Account events.AccountID
	Role    string
}

func (c WithdrawRole) Name() string { return "WithdrawRole" }

func (c WithdrawRole) Home(_ Issued) events.Boundary { return events.OfAccount(c.Account) }

func (c WithdrawRole) Target() (events.AccountID, *events.Subject) { return c.Account, nil }

func (c WithdrawRole) Decide(w *World, is Issued) error {
	a, access, err := w.manages(c.Account, RolesDefine)
	if err != nil {
		return err
	}
	old := a.role(c.Role)
	chain := w.chain(c.Account)
	switch other := w.profileOf(chain).role(chain, c.Role); {
	case old == nil && other != nil && other.Built():
		return invalid("path.role", "a built-in role cannot be withdrawn")
	case old == nil && other != nil:
		return refuse(Inherited, "this role is defined in an account above: withdraw it there")
	case old == nil:
		return refuse(NotFound, "no such role")
	}
	for _, p := range old.Permissions {
		if !access.Holds(p) {
			return refuse(ExceedsOwnAccess, "this role gives more than you hold")
		}
	}
	if above := w.profileOf(chain).role(chain[1:], c.Role); above != nil { // defined there later: from now on it is that one
		reaching := w.defining(c.Account, access)
		for _, p := range above.Permissions {
			if !reaching.Holds(p) && !old.Holds(p) {
				return refuse(ExceedsOwnAccess, "there is a role of this name above that gives more than you hold")
			}
		}
	}
	if err := is.stale(a.RolesVersion); err != nil {
		return err
	}
	w.record(events.OfAccount(c.Account), events.RoleWithdrawn{Role: c.Role, From: *old.definition()})
	return nil
}

func (r *Role) definition() *events.RoleDefinition {
	return &events.RoleDefinition{Label: r.Label, Permissions: r.Permissions}
}

// role is one that the account itself has defined, or nil.
func (a Account) role(name string) *Role {
	for _, r := range a.defined {
		if r.Name == name {
			return r
		}
	}
	return nil
}

// withRole is the account with a role defined anew; without a definition it has none.
func (a Account) withRole(name string, to *events.RoleDefinition, h Happened) Account {
	a.defined = slices.DeleteFunc(slices.Clone(a.defined), func(r *Role) bool { return r.Name == name })
	if to != nil {
		a.defined = append(a.defined, &Role{Name: name, Label: to.Label, Account: a.ID, Permissions: to.Permissions})
	}
	slices.SortFunc(a.defined, func(x, y *Role) int { return strings.Compare(x.Name, y.Name) })
	a.RolesVersion = h.Pos
	return a
}
