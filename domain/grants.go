package domain

import (
	"fmt"
	"slices"
	"strings"

	"roster/events"
)

// held is a grant where it stands: what its roles mean there.
type held struct {
	events.Grant
	in    events.AccountID // where it stands
	since uint64           // position of the last commit that changed the membership
	roles []*Role
	owns  bool     // it has the protected role
	only  []string // by a key with scopes: nothing but these, which may be patterns; none for no such bound
}

func (g *held) holds(p Permission) bool {
	if len(g.only) > 0 && !slices.ContainsFunc(g.only, func(scope string) bool { return matches(scope, p) }) {
		return false
	}
	if slices.Contains(g.Permissions, p) {
		return true
	}
	for _, r := range g.roles {
		if r.Holds(p) {
			return true
		}
	}
	return false
}

// everything says that it gives every permission that there is or will be.
func (g *held) everything() bool {
	return len(g.only) == 0 && slices.ContainsFunc(g.roles, (*Role).everything)
}

// resolve says what grants mean that stand in the first account of a chain. A role that is not known gives nothing.
func (w *World) resolve(chain []*Account, grants []events.Grant) []held {
	list := make([]held, 0, len(grants))
	return w.resolveInto(list, chain, grants)
}

func (w *World) resolveInto(list []held, chain []*Account, grants []events.Grant) []held {
	if len(grants) == 0 {
		return list
	}
	profile := w.profileOf(chain)
	for _, g := range grants {
		h := held{Grant: g, in: chain[0].ID, roles: make([]*Role, 0, len(g.Roles))}
		for _, name := range g.Roles {
			h.owns = h.owns || chain[0].isProtected(name)
			if r := profile.role(chain, name); r != nil {
				h.roles = append(h.roles, r)
			}
		}
		list = append(list, h)
	}
	return list
}

// Access is what somebody may do in an account at a moment: all grants that apply there.
type Access struct {
	all    bool // the operator's
	held   []held
	closed bool // the account, or one above it
}

// Holds says whether the access includes a permission.
func (a Access) Holds(p Permission) bool { return a.all || anyHolds(a.held, p) }

// Reaches says whether the access includes a permission in the sub-accounts as well.
func (a Access) Reaches(p Permission) bool {
	return a.all || slices.ContainsFunc(a.held, func(h held) bool { return h.Inherit && h.holds(p) })
}

// Owner says whether the access is the protected role's: only owners make or change owners.
func (a Access) Owner() bool {
	return a.all || slices.ContainsFunc(a.held, func(h held) bool { return h.owns })
}

// reach is the access that is one to the sub-accounts as well.
func (a Access) reach() Access {
	a.held = slices.DeleteFunc(slices.Clone(a.held), func(h held) bool { return !h.Inherit })
	return a
}

// None says that there is no access at all.
func (a Access) None() bool { return !a.all && len(a.held) == 0 }

// Closed says that the account, or one above it, has been closed: nothing is done there any more.
func (a Access) Closed() bool { return a.closed }

// Roles are the roles that give the access, each once: the portal profile's in its order, then the others by name.
func (a Access) Roles() []string {
	var built, own []*Role
	for i := range a.held {
		for _, r := range a.held[i].roles {
			if r.Built() {
				built = append(built, r)
			} else {
				own = append(own, r)
			}
		}
	}
	slices.SortStableFunc(built, func(x, y *Role) int { return x.rank - y.rank })
	slices.SortStableFunc(own, func(x, y *Role) int { return strings.Compare(x.Name, y.Name) })
	var names []string
	for _, r := range append(built, own...) {
		if !slices.Contains(names, r.Name) {
			names = append(names, r.Name)
		}
	}
	return names
}

// Permissions are those of Roster's own, and extra or defined ones, that the access includes.
func (a Access) Permissions() []Permission {
	own := OwnPermissions()
	var more []Permission
	for i := range a.held {
		more = append(more, a.held[i].Permissions...)
		for _, r := range a.held[i].roles {
			if !r.Built() {
				more = append(more, r.Permissions...)
			}
		}
	}
	more = slices.DeleteFunc(more, func(p Permission) bool { return slices.Contains(own, p) || !a.Holds(p) })
	slices.Sort(more)
	had := slices.DeleteFunc(own, func(p Permission) bool { return !a.Holds(p) })
	return append(had, slices.Compact(more)...)
}

// covers says whether grants give nothing beyond the access: the ceiling of SPEC 3.4, equal being allowed. What a
// grant gives in sub-accounts too has to be held there as well.
func (a Access) covers(grants []held) bool {
	if a.all {
		return true
	}
	reaching := a.reach().held
	for i := range grants {
		by := a.held
		if grants[i].Inherit {
			by = reaching
		}
		if !covered(&grants[i], by) {
			return false
		}
	}
	return true
}

// covered says whether a grant gives nothing beyond those held, as far as permissions go; only owners hold the
// protected role.
func covered(g *held, by []held) bool {
	if g.owns && !slices.ContainsFunc(by, func(h held) bool { return h.owns }) {
		return false
	}
	if slices.ContainsFunc(by, func(h held) bool { return h.everything() }) {
		return true // as an owner's: nothing has to be looked at one by one
	}
	for _, p := range OwnPermissions() {
		if g.holds(p) && !anyHolds(by, p) {
			return false
		}
	}
	for _, p := range g.Permissions {
		if !anyHolds(by, p) {
			return false
		}
	}
	patterns, guarded := g.patterns(), false
	for i := range by {
		if had := by[i].patterns(); guarded || slices.ContainsFunc(had, guards) {
			patterns, guarded = append(patterns, had...), true
		}
	}
	for _, p := range probes(patterns, guarded) {
		if g.holds(p) && !anyHolds(by, p) {
			return false
		}
	}
	return true
}

// patterns are those of all roles.
func (g *held) patterns() (all []string) {
	for _, r := range g.roles {
		all = append(all, r.Permissions...)
	}
	return all
}

// lowers says whether new grants of a membership give nothing beyond its old ones at any moment from at on, so that
// whoever makes the change does not rise by it (SPEC 3.4).
func (w *World) lowers(chain []*Account, m Member, to []events.Grant) bool {
	had := w.resolve(chain, m.Grants)
	for _, g := range w.resolve(chain, to) {
		var by []held
		for _, h := range had {
			reaches := !g.Inherit || extends(h.Grant, chain[0])
			begins := h.From <= max(g.From, w.is.At)
			lasts := h.Until == 0 || g.Until != 0 && g.Until <= h.Until
			if reaches && begins && lasts {
				by = append(by, h)
			}
		}
		if !covered(&g, by) {
			return false
		}
	}
	return true
}

func anyHolds(list []held, p Permission) bool {
	for i := range list {
		if list[i].holds(p) {
			return true
		}
	}
	return false
}

// protects says whether one of the grants has the account's protected role.
func (a Account) protects(grants []events.Grant) bool {
	return slices.ContainsFunc(grants, func(g events.Grant) bool { return slices.ContainsFunc(g.Roles, a.isProtected) })
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

func location(list string, i int) string { return fmt.Sprintf("%s[%d]", list, i) }

// checkGrants validates grants that are to stand in the first account of a chain, and puts them into the one order in
// which they are written: roles that are known there, each once; at least one role or permission; permissions of the
// catalog that the profile lets extra permissions have; an end that lies ahead.
func (w *World) checkGrants(chain []*Account, grants []events.Grant) ([]events.Grant, error) {
	profile := w.profileOf(chain)
	roles := profile.roles(chain)
	names := make([]string, len(roles))
	for i, r := range roles {
		names[i] = r.Name
	}
	switch {
	case len(grants) == 0:
		return nil, invalid("body.roles", "say which roles: any of %s", strings.Join(names, ", "))
	case len(grants) > maxGrants:
		return nil, invalid("body.grants", "a membership has at most %d grants", maxGrants)
	}
	for _, g := range grants { // 403 comes before 422
		for _, p := range g.Permissions {
			if profile.Reserves(p) && !slices.ContainsFunc(g.Roles, func(role string) bool { return slices.Contains(profile.ReservedFor, role) }) {
				return nil, moduleNotAllowed(p)
			}
		}
	}
	out := make([]events.Grant, len(grants))
	for i, g := range grants {
		for _, role := range g.Roles {
			if !slices.Contains(names, role) {
				return nil, invalid("body.roles", "no such role: known are %s", strings.Join(names, ", "))
			}
		}
		if len(g.Permissions) > 0 {
			known := w.Portal().Catalog()
			for _, p := range g.Permissions {
				if !slices.Contains(known, p) {
					return nil, invalid("body.permissions", "no such permission: known are %s", strings.Join(known, ", "))
				}
			}
		}
		switch {
		case len(g.Roles) == 0 && len(g.Permissions) == 0:
			return nil, invalid("body.roles", "a grant needs a role or a permission")
		case g.Until != 0 && g.Until <= g.From:
			return nil, invalid("body.grants", "valid_until has to be later than valid_from")
		case g.Until != 0 && g.Until <= w.is.At:
			return nil, invalid("body.grants", "valid_until lies in the past")
		}
		var ordered []string
		for _, name := range names {
			if slices.Contains(g.Roles, name) && !slices.Contains(ordered, name) {
				ordered = append(ordered, name)
			}
		}
		g.Roles = ordered
		g.Permissions = slices.Compact(slices.Sorted(slices.Values(g.Permissions)))
		out[i] = g
	}
	return out, nil
}
