package domain

import (
	"slices"

	"roster/events"
)

// Profile is the words and rules of a portal (SPEC 9).
type Profile struct {
	Ref   events.ProfileRef
	Roles []*Role // the built-in ones, in the order in which they are shown
	// Reserved are patterns of permissions that only the roles in ReservedFor ever give: neither a role that an account
	// defines nor an extra permission can have them (SPEC 3.3).
	Reserved    []string
	ReservedFor []string
	// ConfirmRemoval asks for a confirmation before somebody is removed.
	ConfirmRemoval bool
}

// standardProfile applies where no other was chosen.
var standardProfile = events.ProfileRef{Name: "standard", Version: 1}

// standard is the profile of SPEC 9 and the roles of SPEC 3.3. Nobody changes it.
var standard = &Profile{Ref: standardProfile, Roles: []*Role{
	{Name: Owner, Label: "Owner", Permissions: []string{"*"}, rank: 0},
	{Name: Admin, Label: "Admin", Permissions: []string{"*"}, rank: 1},
	{Name: Manager, Label: "Manager", Permissions: []string{"portal:*", "contacts:*", "*:read"}, rank: 2},
	{Name: Viewer, Label: "Viewer", Permissions: []string{"*:read", "!audit:*"}, rank: 3},
}}

// profileOf is the profile that applies to the first account of a chain.
func (w *World) profileOf(chain []Account) *Profile {
	if len(chain) == 0 || chain[0].Profile == standardProfile {
		return standard
	}
	if p := w.Portal().profile(chain[0].Profile); p != nil {
		return p
	}
	return standard
}

// profile is one that has been defined, or nil.
func (p Portal) profile(ref events.ProfileRef) *Profile { return nil }

// reserves says that a permission is given by certain roles alone.
func (p *Profile) reserves(permission Permission) bool {
	return slices.ContainsFunc(p.Reserved, func(pattern string) bool { return matches(pattern, permission) })
}

func moduleNotAllowed(p Permission) *Error {
	return refuse(ModuleNotAllowed, "%s can only be had by a role of the portal's that gives it", p)
}

// protected is the role whose last holder a root account keeps, and that only those make who have it (SPEC 3.4, 3.7).
func (a Account) protected() string {
	if a.Profile.Protected == "" {
		return Owner
	}
	return a.Profile.Protected
}
