package events

// Grant is what a membership gives in an account: roles and extra permissions, whether it extends to sub-accounts,
// and for how long.
type Grant struct {
	Roles       []string `json:"roles"`
	Permissions []string `json:"permissions,omitempty"`
	Inherit     bool     `json:"inherit,omitempty"`
	From        Time     `json:"valid_from,omitzero"`
	Until       Time     `json:"valid_until,omitzero"`
}

// PersonName is what is known of a person's name.
type PersonName struct {
	First string `json:"first_name,omitempty"`
	Last  string `json:"last_name,omitempty"`
}

// Full is the name as people read it, or "" when nothing is known.
func (n PersonName) Full() string {
	if n.First == "" || n.Last == "" {
		return n.First + n.Last
	}
	return n.First + " " + n.Last
}

// Invitee is what is known of an invited person.
type Invitee struct {
	Email string `json:"email"`
	PersonName
}

// Note is free text about a person.
type Note struct {
	Text string `json:"text"`
}

// ProfileRef names a version of a portal profile.
type ProfileRef struct {
	Name      string `json:"name"`
	Version   int    `json:"version"`
	Protected string `json:"protected,omitempty"` // its protected role, where that is not owner
}

// AccountOpened makes an account. Parent is zero for a root account.
type AccountOpened struct {
	Name    string     `json:"name"`
	Parent  AccountID  `json:"parent,omitzero"`
	Profile ProfileRef `json:"profile"`
}

func (AccountOpened) kind() Kind { return Kind{"account.opened", 1} }

// AccountRenamed gives the account another name.
type AccountRenamed struct {
	From string `json:"from"`
	To   string `json:"to"`
}

func (AccountRenamed) kind() Kind { return Kind{"account.renamed", 1} }

// AccountMoved puts the account below another one, or, where To is zero, among the root accounts.
type AccountMoved struct {
	From AccountID `json:"from,omitzero"`
	To   AccountID `json:"to,omitzero"`
}

func (AccountMoved) kind() Kind { return Kind{"account.moved", 1} }

// AccountClosed ends the account, and all access to it and to what is below it.
type AccountClosed struct{}

func (AccountClosed) kind() Kind { return Kind{"account.closed", 1} }

// AccountProfileAdopted has another version of the portal profile apply to the account.
type AccountProfileAdopted struct {
	From ProfileRef `json:"from"`
	To   ProfileRef `json:"to"`
}

func (AccountProfileAdopted) kind() Kind { return Kind{"account.profile_adopted", 1} }

// MembershipGranted makes a user a member of the account. Key is the user's data key, which seals what is noted
// about the membership.
type MembershipGranted struct {
	User       UserID       `json:"user"`
	Key        KeyID        `json:"key"`
	Address    AddressID    `json:"address"`
	Grants     []Grant      `json:"grants"`
	Invitation InvitationID `json:"invitation,omitzero"`
	Pending    bool         `json:"pending,omitempty"` // it counts from membership.activated on
}

func (MembershipGranted) kind() Kind     { return Kind{"membership.granted", 1} }
func (f MembershipGranted) about() AnyID { return f.User.Any() }

// MembershipRoleChanged replaces all grants of a membership.
type MembershipRoleChanged struct {
	User UserID  `json:"user"`
	From []Grant `json:"from"`
	To   []Grant `json:"to"`
}

func (MembershipRoleChanged) kind() Kind     { return Kind{"membership.role_changed", 1} }
func (f MembershipRoleChanged) about() AnyID { return f.User.Any() }

// MembershipSuspended takes a member's access to the account; roles and history stay.
type MembershipSuspended struct {
	User   UserID       `json:"user"`
	Reason Sealed[Note] `json:"-"`
}

func (MembershipSuspended) kind() Kind       { return Kind{"membership.suspended", 1} }
func (f MembershipSuspended) about() AnyID   { return f.User.Any() }
func (f *MembershipSuspended) parts() []part { return []part{{"reason", &f.Reason}} }

// MembershipReactivated gives a suspended member exactly the roles held before.
type MembershipReactivated struct {
	User    UserID `json:"user"`
	Pending bool   `json:"pending,omitempty"` // it counts from membership.activated on
}

func (MembershipReactivated) kind() Kind     { return Kind{"membership.reactivated", 1} }
func (f MembershipReactivated) about() AnyID { return f.User.Any() }

// MembershipRevoked ends a membership. The person can be invited again and inherits nothing from it.
type MembershipRevoked struct {
	User   UserID       `json:"user"`
	Reason Sealed[Note] `json:"-"`
}

func (MembershipRevoked) kind() Kind       { return Kind{"membership.revoked", 1} }
func (f MembershipRevoked) about() AnyID   { return f.User.Any() }
func (f *MembershipRevoked) parts() []part { return []part{{"reason", &f.Reason}} }

// MembershipLeft ends a membership by the member's own wish.
type MembershipLeft struct {
	User UserID `json:"user"`
}

func (MembershipLeft) kind() Kind     { return Kind{"membership.left", 1} }
func (f MembershipLeft) about() AnyID { return f.User.Any() }

// MembershipActivated says that a membership that was pending counts from now on, where the portal profile asks for
// more than accepting.
type MembershipActivated struct {
	User      UserID `json:"user"`
	Suspended bool   `json:"suspended,omitempty"` // it is suspended at the moment, and counts once it is reactivated
}

func (MembershipActivated) kind() Kind     { return Kind{"membership.activated", 1} }
func (f MembershipActivated) about() AnyID { return f.User.Any() }

// MembershipExpired says as an event what every check computes by itself: grants of a membership have ended. Where
// none is left the membership has ended with them.
type MembershipExpired struct {
	User  UserID  `json:"user"`
	Ended []Grant `json:"ended"`
	Left  []Grant `json:"left,omitempty"`
}

func (MembershipExpired) kind() Kind     { return Kind{"membership.expired", 1} }
func (f MembershipExpired) about() AnyID { return f.User.Any() }

// MembershipReminded says that a member, and whoever granted it, is warned of a grant that will end.
type MembershipReminded struct {
	User  UserID `json:"user"`
	Until Time   `json:"until"`
}

func (MembershipReminded) kind() Kind     { return Kind{"membership.reminded", 1} }
func (f MembershipReminded) about() AnyID { return f.User.Any() }

// MembershipUserLocked notes in the account that the operator has locked the user: the membership does not count.
type MembershipUserLocked struct {
	User UserID `json:"user"`
}

func (MembershipUserLocked) kind() Kind     { return Kind{"membership.user_locked", 1} }
func (f MembershipUserLocked) about() AnyID { return f.User.Any() }

// MembershipUserUnlocked takes that back.
type MembershipUserUnlocked struct {
	User UserID `json:"user"`
}

func (MembershipUserUnlocked) kind() Kind     { return Kind{"membership.user_unlocked", 1} }
func (f MembershipUserUnlocked) about() AnyID { return f.User.Any() }
