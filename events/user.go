package events

// Email is an e-mail address as it is written to.
type Email struct {
	Email string `json:"email"`
}

// UserRegistered makes a user. Email is sealed by the address's key, Profile by the user's.
type UserRegistered struct {
	Address AddressID          `json:"address"`
	Email   Sealed[Email]      `json:"-"`
	Profile Sealed[PersonName] `json:"-"`
}

func (UserRegistered) kind() Kind { return Kind{"user.registered", 1} }
func (f *UserRegistered) parts() []part {
	return []part{{"email", &f.Email}, {"profile", &f.Profile}}
}

// UserJoined notes in the user's boundary that the user is, or was, a member of an account: the set only grows.
type UserJoined struct {
	Account AccountID `json:"account"`
}

func (UserJoined) kind() Kind { return Kind{"user.joined", 1} }

// UserErased says that the keys named are to be destroyed: from then on all that they sealed reads "erased".
type UserErased struct {
	Addresses   []AddressID    `json:"addresses"`
	Keys        []KeyID        `json:"keys"`
	Invitations []InvitationID `json:"invitations,omitempty"` // those that the addresses had
}

func (UserErased) kind() Kind { return Kind{"user.erased", 1} }

// UserLocked keeps a user from signing in, and ends all sessions.
type UserLocked struct {
	Reason Sealed[Note] `json:"-"`
}

func (UserLocked) kind() Kind       { return Kind{"user.locked", 1} }
func (f *UserLocked) parts() []part { return []part{{"reason", &f.Reason}} }

// UserUnlocked lets a locked user sign in again.
type UserUnlocked struct {
	Reason Sealed[Note] `json:"-"`
}

func (UserUnlocked) kind() Kind       { return Kind{"user.unlocked", 1} }
func (f *UserUnlocked) parts() []part { return []part{{"reason", &f.Reason}} }

// PasswordSet names the vault's entry that holds the hash of the user's first password.
type PasswordSet struct {
	Secret SecretID `json:"secret"`
}

func (PasswordSet) kind() Kind { return Kind{"password.set", 1} }

// SessionStarted is a successful sign-in. TokenHash is the SHA-256 of the secret in the session's token.
type SessionStarted struct {
	Session   SessionID `json:"session"`
	TokenHash Hash      `json:"token_hash,omitzero"`
	Method    string    `json:"method"`
	ExpiresAt Time      `json:"expires_at"`
	Attempt   CommitID  `json:"attempt,omitzero"` // the attempt that was reserved for it
}

func (SessionStarted) kind() Kind { return Kind{"session.started", 1} }

func (f SessionStarted) withoutSecrets() Event { f.TokenHash = Hash{}; return f }

// SessionEnded ends a session at once.
type SessionEnded struct {
	Session SessionID `json:"session"`
	Because string    `json:"because"` // signed_out, replaced, erased
}

func (SessionEnded) kind() Kind { return Kind{"session.ended", 1} }

// AddressClaimed says who holds an e-mail address.
type AddressClaimed struct {
	User UserID `json:"user"`
}

func (AddressClaimed) kind() Kind     { return Kind{"address.claimed", 1} }
func (f AddressClaimed) about() AnyID { return f.User.Any() }

// AddressErased says that the keys of an address nobody holds are to be destroyed, and with them all that is known
// of an invitee. Invitations lists those it had.
type AddressErased struct {
	Keys        []KeyID        `json:"keys"`
	Invitations []InvitationID `json:"invitations,omitempty"`
}

func (AddressErased) kind() Kind { return Kind{"address.erased", 1} }

// SigninAttempted reserves an attempt before a secret is verified. It is a failed sign-in unless a session.started
// names its commit.
type SigninAttempted struct {
	Factor  string `json:"factor"`
	Refused int    `json:"refused,omitempty"` // attempts refused unwritten since the fact before
}

func (SigninAttempted) kind() Kind { return Kind{"signin.attempted", 1} }

// Subject names what a refused command was aimed at.
type Subject struct {
	Type string `json:"type"`
	ID   AnyID  `json:"id"`
}

// CommandRefused says that somebody was not allowed to do what they asked for.
type CommandRefused struct {
	Account AccountID `json:"account,omitzero"`
	Command string    `json:"command"`
	Code    string    `json:"code"`
	Target  *Subject  `json:"target,omitempty"`
	Refused int       `json:"refused,omitempty"` // refusals left unwritten since the fact before
}

func (CommandRefused) kind() Kind { return Kind{"command.refused", 1} }
