package domain

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"roster/events"
)

// Definition is a portal profile as it is configured: the words and rules of a portal (SPEC 9). States and codes are
// fixed; what is left out is as in "standard".
type Definition struct {
	Name      string           `json:"name" minLength:"1" maxLength:"40" pattern:"^[a-z][a-z0-9_-]*$" doc:"Of the profile"`
	Section   string           `json:"section,omitempty" maxLength:"80" doc:"What the portal calls the section; Users where it says nothing"`
	Roles     []RoleDefinition `json:"roles" minItems:"1" maxItems:"50" nullable:"false" doc:"The whole catalogue, in the order in which it is shown"`
	Protected string           `json:"protected" doc:"The role of the first user, whose last holder a root account keeps"`
	// DefaultRole is that of an invitation that names none.
	DefaultRole string `json:"default_role,omitempty" doc:"Of an invitation that names none; empty: a role must be chosen"`
	ValidFor    int64  `json:"invitation_valid_for,omitempty" minimum:"0" doc:"Seconds; 0: seven days"`
	Ask         string `json:"ask,omitempty" enum:"names_and_password,password" doc:"What a new person gives at accepting"`
	ActiveOn    string `json:"active_on,omitempty" enum:"accepted,first_sign_in" doc:"When a membership becomes active"`
	// HideInvited keeps open invitations out of the user list.
	HideInvited    bool              `json:"hide_invited,omitempty" doc:"Open invitations are in no user list"`
	HideRevoked    bool              `json:"hide_revoked,omitempty" doc:"Who was removed is gone from the list"`
	ConfirmRemoval bool              `json:"confirm_removal,omitempty" doc:"Removing somebody has to be confirmed"`
	Labels         map[string]string `json:"labels,omitempty" doc:"Of statuses: pending, expired, active, suspended, revoked; an empty one shows nothing"`
	Actions        map[string]string `json:"actions,omitempty" doc:"Of buttons: invite, suspend, reactivate, revoke, resend"`
	Lists          []string          `json:"lists,omitempty" doc:"Statuses that have a list of their own; none: one list"`
	ByAccount      bool              `json:"by_account,omitempty" doc:"The list is over all accounts"`
	Reserved       []string          `json:"reserved,omitempty" doc:"Patterns of permissions that only the roles in reserved_for ever give"`
	ReservedFor    []string          `json:"reserved_for,omitempty"`
	ViewOnlyEmail  bool              `json:"view_only_email,omitempty" doc:"Users do not change their own e-mail address"`
	SignUp         bool              `json:"sign_up,omitempty" doc:"Whoever confirms an e-mail address may open a root account of their own"`
	CodeAtSignIn   bool              `json:"code_at_sign_in,omitempty" doc:"A code by SMS is asked for at every sign-in"`
	ContactRoles   []string          `json:"contact_roles,omitempty" doc:"What contacts can be for"`
}

// RoleDefinition is a built-in role of a profile: what it gives, or that it is another name for one that does.
type RoleDefinition struct {
	Name        string   `json:"name" minLength:"1" maxLength:"40" pattern:"^[a-z][a-z0-9_-]*$"`
	Label       string   `json:"label,omitempty" maxLength:"80"`
	Permissions []string `json:"permissions,omitempty" doc:"Patterns: a permission, module:*, *:action, portal:* for all of the portal's modules, *; ! before one takes it out"`
	SameAs      string   `json:"same_as,omitempty" doc:"A display role: a label over exactly what this role gives"`
}

// What a profile can say.
const (
	AskNames     = "names_and_password"
	AskPassword  = "password"
	OnAccepted   = "accepted"
	OnFirstLogin = "first_sign_in"
)

// Profile is a version of a definition, ready to be asked.
type Profile struct {
	Definition
	Ref   events.ProfileRef
	Roles []*Role // the built-in ones, in the order in which they are shown

	raw string // the definition as it stands in the log; "" for the one that is built in
}

// newProfile makes a definition ready. It takes whatever stands in the log: what is wrong is found before that.
func newProfile(d Definition, ref events.ProfileRef) *Profile {
	p := &Profile{Definition: d, Ref: ref}
	for rank, r := range d.Roles {
		role := &Role{Name: r.Name, Label: r.Label, Permissions: r.Permissions, rank: rank}
		if role.Label == "" {
			role.Label = strings.ToUpper(r.Name[:min(1, len(r.Name))]) + r.Name[min(1, len(r.Name)):]
		}
		for _, other := range d.Roles {
			if r.SameAs != "" && other.Name == r.SameAs {
				role.Permissions = other.Permissions
			}
		}
		p.Roles = append(p.Roles, role)
	}
	return p
}

// readProfile reads one from the log; nil for what cannot be read.
func readProfile(ref events.ProfileRef, raw []byte) *Profile {
	var d Definition
	if json.Unmarshal(raw, &d) != nil {
		return nil
	}
	p := newProfile(d, ref)
	p.raw = string(raw)
	return p
}

// protectedRoles are the protected role and its other names, as a reference has them.
func (d Definition) protectedRoles() string {
	names := []string{d.Protected}
	for _, r := range d.Roles {
		if r.SameAs == d.Protected {
			names = append(names, r.Name)
		}
	}
	if all := strings.Join(names, ","); all != Owner {
		return all
	}
	return ""
}

// standardProfile applies where no other was chosen.
var standardProfile = events.ProfileRef{Name: "standard", Version: 1}

// standard is the profile of SPEC 9 and the roles of SPEC 3.3. Nobody changes it.
var standard = newProfile(standardDefinition(), standardProfile)

// profileOf is the profile that applies to the first account of a chain.
func (w *World) profileOf(chain []*Account) *Profile {
	if len(chain) == 0 || chain[0].Profile == standardProfile {
		return standard
	}
	if p := w.Portal().profile(chain[0].Profile); p != nil {
		return p
	}
	return standard
}

// ProfileOf is the profile that applies to an account.
func (w *World) ProfileOf(account events.AccountID) *Profile { return w.profileOf(w.chain(account)) }

// profile is one that has been defined, or nil.
func (p Portal) profile(ref events.ProfileRef) *Profile {
	for _, known := range p.profiles {
		if known.Ref == ref {
			return known
		}
	}
	return nil
}

// Profile is the one that accounts opened from now on have.
func (p Portal) Profile() *Profile {
	if len(p.profiles) == 0 {
		return standard
	}
	return p.profiles[len(p.profiles)-1]
}

// AskProfile leaves the profile that applies to an account in the place given, for whoever may see the account.
func AskProfile(account events.AccountID, into **Profile) Command {
	return askProfile{MayIn{Account: account}, into}
}

type askProfile struct {
	MayIn
	into **Profile
}

func (c askProfile) Decide(w *World, _ Issued) error {
	*c.into = w.ProfileOf(c.Account)
	return nil
}

// Reserves says that a permission is given by certain roles alone (SPEC 9).
func (p *Profile) Reserves(permission Permission) bool {
	return slices.ContainsFunc(p.Reserved, func(pattern string) bool { return matches(pattern, permission) })
}

func moduleNotAllowed(p Permission) *Error {
	return refuse(ModuleNotAllowed, "%s can only be had by a role of the portal's that gives it", p)
}

// Label is a status as the portal shows it.
func (p *Profile) Label(status string) string {
	if label, ok := p.Labels[status]; ok || status == "" {
		return label
	}
	return strings.ToUpper(status[:1]) + status[1:]
}

// Hidden are the statuses that are in no user list.
func (p *Profile) Hidden() []string {
	var hidden []string
	if p.HideInvited {
		hidden = append(hidden, string(Pending), string(Expired))
	}
	if p.HideRevoked {
		hidden = append(hidden, string(Revoked))
	}
	return hidden
}

// validity is how long invitations are valid where no policy says otherwise.
func (p *Profile) validity() time.Duration {
	if p.ValidFor == 0 {
		return DefaultValidity
	}
	return time.Duration(p.ValidFor) * time.Second
}

// RolesOfContacts are what contacts can be for.
func (p *Profile) RolesOfContacts() []string {
	if p.ContactRoles == nil {
		return []string{"billing", "technical", "security", "legal", "marketing"}
	}
	return p.ContactRoles
}

// protects says that a role is the account's protected one, or another name for it (SPEC 3.4, 3.7).
func (a Account) isProtected(role string) bool {
	if a.Profile.Protected == "" {
		return role == Owner
	}
	for name := range strings.SplitSeq(a.Profile.Protected, ",") {
		if name == role {
			return true
		}
	}
	return false
}

// protected is the account's protected role.
func (a Account) protected() string {
	name, _, _ := strings.Cut(a.Profile.Protected, ",")
	if name == "" {
		return Owner
	}
	return name
}

// Wrong lists what is wrong with a definition beyond its form.
func (d Definition) Wrong() []Field {
	var fields []Field
	wrong := func(at, format string, args ...any) {
		fields = append(fields, Field{"body." + at, fmt.Sprintf(format, args...)})
	}
	names := map[string]bool{}
	for i, r := range d.Roles {
		at := location("roles", i)
		if message := word(r.Name); message != "" {
			wrong(at+".name", "%s", message)
		}
		if names[r.Name] {
			wrong(at+".name", "%s stands there twice", r.Name)
		}
		names[r.Name] = true
		target := slices.IndexFunc(d.Roles, func(o RoleDefinition) bool { return o.Name == r.SameAs })
		switch {
		case (r.SameAs == "") == (len(r.Permissions) == 0):
			wrong(at, "give either permissions or same_as")
		case r.SameAs != "" && (target < 0 || d.Roles[target].SameAs != ""):
			wrong(at+".same_as", "no such role that gives something itself")
		}
		for n, p := range r.Permissions {
			if message := wrongPattern(strings.TrimPrefix(p, "!"), "want module:action, module:*, *:action or *"); message != "" {
				wrong(location(at+".permissions", n), "%s", message)
			}
		}
	}
	for _, f := range []struct{ at, role string }{{"protected", d.Protected}, {"default_role", d.DefaultRole}} {
		if f.role != "" && !names[f.role] || f.role == "" && f.at == "protected" {
			wrong(f.at, "no such role")
		}
	}
	if i := slices.IndexFunc(d.Roles, func(r RoleDefinition) bool { return r.Name == d.Protected }); i >= 0 && !slices.Contains(d.Roles[i].Permissions, "*") {
		wrong("protected", "the protected role gives everything: *")
	}
	for i, role := range d.ReservedFor {
		if !names[role] {
			wrong(location("reserved_for", i), "no such role")
		}
	}
	for i, p := range d.Reserved {
		if message := wrongPattern(p, "want module:action, module:* or *:action"); message != "" {
			wrong(location("reserved", i), "%s", message)
		}
	}
	if v := time.Duration(d.ValidFor) * time.Second; d.ValidFor != 0 && (v < minValidity || v > maxValidity) {
		wrong("invitation_valid_for", "from %d to %d seconds", minValidity/time.Second, maxValidity/time.Second)
	}
	statuses := []string{string(Pending), string(Expired), string(Active), string(Suspended), string(Revoked)}
	for status := range d.Labels {
		if !slices.Contains(statuses, status) {
			wrong("labels."+status, "statuses are %s", strings.Join(statuses, ", "))
		}
	}
	for i, role := range d.ContactRoles {
		if !slices.Contains(ContactRoles(), role) {
			wrong(location("contact_roles", i), "known are %s", strings.Join(ContactRoles(), ", "))
		}
	}
	slices.SortFunc(fields, func(a, b Field) int { return strings.Compare(a.Location, b.Location) })
	return fields
}

// wrongPattern is what is wrong with a pattern, if anything. The portal's modules may be declared later; Roster's own
// are known.
func wrongPattern(p, want string) string {
	if !validPattern(p) {
		return want
	}
	module, _, _ := strings.Cut(p, ":")
	own := OwnPermissions()
	if OwnModule(module) && !slices.ContainsFunc(own, func(known Permission) bool { return matches(p, known) }) {
		return "no such permission: Roster's own are " + strings.Join(own, ", ")
	}
	return ""
}

func validPattern(p string) bool {
	if p == "*" {
		return true
	}
	module, action, ok := strings.Cut(p, ":")
	is := func(part string) bool { return part == "*" || word(part) == "" }
	return ok && is(module) && is(action)
}

// DefineProfile makes a definition the portal's profile: accounts opened from now on have it. One that says what the
// portal's says already changes nothing.
type DefineProfile struct {
	Definition Definition
}

func (c DefineProfile) Name() string { return "DefineProfile" }

func (c DefineProfile) Home(_ Issued) events.Boundary { return events.Portal() }

func (c DefineProfile) Decide(w *World, is Issued) error {
	if !is.operator() && !is.system() {
		return refuse(NotPermitted, "only the operator chooses the portal profile")
	}
	if fields := c.Definition.Wrong(); fields != nil {
		return &Error{Code: Invalid, Detail: "the profile says what it cannot", Fields: fields}
	}
	raw, err := json.Marshal(c.Definition)
	if err != nil {
		return err
	}
	portal := w.Portal()
	now := portal.Profile()
	was, err := json.Marshal(now.Definition)
	if err != nil {
		return err
	}
	if bytes.Equal(raw, was) {
		return nil
	}
	ref := events.ProfileRef{Name: c.Definition.Name, Version: 1, Protected: c.Definition.protectedRoles()}
	if ref.Name == standardProfile.Name {
		ref.Version = 2
	}
	for _, p := range portal.profiles {
		if p.Ref.Name == ref.Name {
			ref.Version = max(ref.Version, p.Ref.Version+1)
		}
	}
	w.record(events.Portal(), events.ProfileDefined{Profile: ref, Definition: raw})
	return nil
}

// AdoptProfile has the portal's profile apply to an account that was opened under another one, or another version.
type AdoptProfile struct {
	Account events.AccountID
}

func (c AdoptProfile) Name() string { return "AdoptProfile" }

func (c AdoptProfile) Home(_ Issued) events.Boundary { return events.OfAccount(c.Account) }

func (c AdoptProfile) Target() (events.AccountID, *events.Subject) { return c.Account, nil }

func (c AdoptProfile) Decide(w *World, is Issued) error {
	a, p := w.Account(c.Account), w.Portal().Profile()
	switch {
	case !is.operator():
		return refuse(NotPermitted, "only the operator has an account adopt a profile")
	case !a.Opened:
		return refuse(NotFound, "no such account")
	case a.Profile == p.Ref:
		return nil
	}
	after := a
	after.Profile = p.Ref
	if a.Parent.IsZero() && after.recounted(Happened{At: is.At}).Owners(is.At) == 0 && a.Owners(is.At) > 0 {
		return refuse(LastActiveOwner, "nobody in the account has the role %s, which the profile protects: give it to somebody first", p.Protected)
	}
	w.record(events.OfAccount(c.Account), events.AccountProfileAdopted{From: a.Profile, To: p.Ref})
	return nil
}
