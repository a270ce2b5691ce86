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

// SessionStarted is a successful sign-in, a hand-over, or a session that the operator opens. TokenHash is the SHA-256 of the secret in the session's token.
type SessionStarted struct {
	Session   SessionID `json:"session"`
	TokenHash Hash      `json:"token_hash,omitzero"`
	Method    string    `json:"method"`
	ExpiresAt Time      `json:"expires_at"`
	Attempt   CommitID  `json:"attempt,omitzero"` // the attempt that was reserved for it
	// Factor is the second factor that was used, and Step which of its codes: each is used once.
	Factor FactorID `json:"factor,omitzero"`
	Step   int64    `json:"step,omitempty"`
	// Count is the signature counter that a passkey has shown: it only ever rises.
	Count uint32 `json:"count,omitempty"`
	// Of a session that was handed over: the one it came from, and the origin of the portal that has it.
	From   SessionID `json:"from,omitzero"`
	Portal string    `json:"portal,omitempty"`
	// Account is the only one, with what is below it, that a session opened by the operator is good for; zero: all.
	Account AccountID `json:"account,omitzero"`
	// Elsewhere says that nothing of it was known: neither the device, nor its kind at its network address.
	Elsewhere bool `json:"elsewhere,omitempty"`
}

// How a session began where nobody showed a credential.
const (
	MethodHandOver = "handover" // from another session of the same person, to the portal behind
	MethodOperator = "operator" // the operator has opened it for the person
)

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

// PasswordConfirmed says that the person gave their password once more, for something that asks for it. The attempt that
// caused it is no failed one.
type PasswordConfirmed struct{}

func (PasswordConfirmed) kind() Kind { return Kind{"password.confirmed", 1} }

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

// PersonProfile is what a user says of themselves, beside the name (SPEC 4.1). Mobile is E.164, TimeZone a name of the
// IANA database, Locale a BCP 47 tag, Country ISO 3166-1 alpha-2.
type PersonProfile struct {
	PersonName
	Mobile   string `json:"mobile,omitempty"`
	TimeZone string `json:"time_zone,omitempty"`
	Locale   string `json:"locale,omitempty"`
	Country  string `json:"country,omitempty"`
}

// UserProfileChanged replaces what a user says of themselves. Was and Profile are as before and from now on.
type UserProfileChanged struct {
	Was     Sealed[PersonProfile] `json:"-"`
	Profile Sealed[PersonProfile] `json:"-"`
}

func (UserProfileChanged) kind() Kind { return Kind{"user.profile_changed", 1} }
func (f *UserProfileChanged) parts() []part {
	return []part{{"was", &f.Was}, {"profile", &f.Profile}}
}

// Preferences are what the portal and the mailer read of how somebody wants to be told (SPEC 4.7).
type Preferences struct {
	Desktop bool     `json:"desktop,omitempty"`
	Badges  bool     `json:"badges,omitempty"`
	Sounds  bool     `json:"sounds,omitempty"`
	NoMail  []string `json:"no_mail,omitempty"` // kinds of mails that are not wanted
}

// UserPreferencesChanged replaces them.
type UserPreferencesChanged struct {
	From Preferences `json:"from"`
	To   Preferences `json:"to"`
}

func (UserPreferencesChanged) kind() Kind { return Kind{"user.preferences_changed", 1} }

// UserEmailChangeRequested says that a user wants another e-mail address, which has yet to be confirmed there. Email is
// sealed by the new address's key.
type UserEmailChangeRequested struct {
	Address    AddressID     `json:"address"`
	Email      Sealed[Email] `json:"-"`
	Generation uint32        `json:"generation"`
	ExpiresAt  Time          `json:"expires_at"`
}

func (UserEmailChangeRequested) kind() Kind       { return Kind{"user.email_change_requested", 1} }
func (f *UserEmailChangeRequested) parts() []part { return []part{{"email", &f.Email}} }

// UserEmailChanged says that the user signs in with another address from now on.
type UserEmailChanged struct {
	From  AddressID     `json:"from"`
	To    AddressID     `json:"to"`
	Email Sealed[Email] `json:"-"`
}

func (UserEmailChanged) kind() Kind       { return Kind{"user.email_changed", 1} }
func (f *UserEmailChanged) parts() []part { return []part{{"email", &f.Email}} }

// PasswordChanged names the vault's entry of the new password, chosen by whoever knew the old one.
type PasswordChanged struct {
	Secret SecretID `json:"secret"`
}

func (PasswordChanged) kind() Kind { return Kind{"password.changed", 1} }

// PasswordResetRequested sends a link to the user's address. Links of earlier generations stop working.
type PasswordResetRequested struct {
	Generation uint32 `json:"generation"`
	ExpiresAt  Time   `json:"expires_at"`
}

func (PasswordResetRequested) kind() Kind { return Kind{"password.reset_requested", 1} }

// PasswordReset names the vault's entry of the new password, chosen by whoever had the link.
type PasswordReset struct {
	Secret     SecretID `json:"secret"`
	Generation uint32   `json:"generation"`
}

func (PasswordReset) kind() Kind { return Kind{"password.reset", 1} }

// The kinds of second factors.
const (
	FactorTOTP    = "totp"
	FactorSMS     = "sms"
	FactorPasskey = "passkey"
)

// FactorEnrolled begins a second factor: it counts once it has been verified. Secret is in the vault: a TOTP seed, a
// passkey, or nothing for a mobile number, which stands in the profile.
type FactorEnrolled struct {
	Factor    FactorID     `json:"factor"`
	Method    string       `json:"method"`
	Secret    SecretID     `json:"secret,omitzero"`
	Label     Sealed[Note] `json:"-"` // what the person calls it, or the number
	ExpiresAt Time         `json:"expires_at"`
}

func (FactorEnrolled) kind() Kind       { return Kind{"factor.enrolled", 1} }
func (f *FactorEnrolled) parts() []part { return []part{{"label", &f.Label}} }

// FactorVerified says that a code of the factor has been shown: from now on it is asked for.
type FactorVerified struct {
	Factor FactorID `json:"factor"`
	Step   int64    `json:"step,omitempty"` // of the code that was used
}

func (FactorVerified) kind() Kind { return Kind{"factor.verified", 1} }

// FactorRemoved takes a factor away, by the person.
type FactorRemoved struct {
	Factor FactorID `json:"factor"`
}

func (FactorRemoved) kind() Kind { return Kind{"factor.removed", 1} }

// FactorReset takes all factors and recovery codes away, by an administrator of an account or by the operator.
type FactorReset struct {
	Account AccountID `json:"account,omitzero"`
}

func (FactorReset) kind() Kind { return Kind{"factor.reset", 1} }

// RecoveryCodesIssued replaces the recovery codes. The vault's entry holds their hashes.
type RecoveryCodesIssued struct {
	Secret SecretID `json:"secret"`
	Codes  int      `json:"codes"`
}

func (RecoveryCodesIssued) kind() Kind { return Kind{"recovery_codes.issued", 1} }

// SigninThrottled says that attempts are refused for a while; it is written once for each such while.
type SigninThrottled struct {
	Factor string `json:"factor"`
	Until  Time   `json:"until"`
}

func (SigninThrottled) kind() Kind { return Kind{"signin.throttled", 1} }

// AddressReleased says that an e-mail address belongs to nobody any more.
type AddressReleased struct {
	User UserID `json:"user"` // who had it
}

func (AddressReleased) kind() Kind     { return Kind{"address.released", 1} }
func (f AddressReleased) about() AnyID { return f.User.Any() }

// AddressSignupRequested sends a link to an address with which somebody wants to open an account of their own.
type AddressSignupRequested struct {
	Email      Sealed[Email] `json:"-"`
	Generation uint32        `json:"generation"`
	ExpiresAt  Time          `json:"expires_at"`
}

func (AddressSignupRequested) kind() Kind       { return Kind{"address.signup_requested", 1} }
func (f *AddressSignupRequested) parts() []part { return []part{{"email", &f.Email}} }
