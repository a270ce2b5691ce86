package events

// Policy is what an account sets for itself (SPEC 1.4). A field that is nil is not set here: what an account above
// sets, or the portal profile, applies. Durations are in seconds.
type Policy struct {
	InvitationValidFor *int64         `json:"invitation_valid_for,omitempty"`
	DefaultRoles       []string       `json:"default_roles,omitempty"` // of an invitation that names none
	Domains            []string       `json:"domains,omitempty"`       // of e-mail addresses that may be invited: example.com, *.example.com
	TwoFactor          *TwoFactorRule `json:"two_factor,omitempty"`
	Password           *PasswordRule  `json:"password,omitempty"`
	Session            *SessionRule   `json:"session,omitempty"`
	ChangeEmail        *bool          `json:"change_email,omitempty"` // whether users may change their own address
	Threshold          *ThresholdRule `json:"threshold,omitempty"`
	Reminders          *bool          `json:"reminders,omitempty"` // to the invitee before an invitation expires
	Digests            *bool          `json:"digests,omitempty"`   // to the inviter of those that expired or bounced
}

// TwoFactorRule asks for a second factor on entering the account, from so many seconds after joining on.
type TwoFactorRule struct {
	Required bool  `json:"required"`
	Grace    int64 `json:"grace,omitempty"`
}

// PasswordRule says what a password needs.
type PasswordRule struct {
	Length  int  `json:"length"`
	Lower   bool `json:"lower_case,omitempty"`
	Upper   bool `json:"upper_case,omitempty"`
	Digit   bool `json:"digit,omitempty"`
	Special bool `json:"special,omitempty"`
}

// SessionRule is how long a session lasts without a request, and at most, in seconds; 0 is without such a limit.
type SessionRule struct {
	Idle     int64 `json:"idle,omitempty"`
	Absolute int64 `json:"absolute,omitempty"`
}

// ThresholdRule is how much of an account one command may end the access of without being asked twice: more than so
// many percent, and at least so many people.
type ThresholdRule struct {
	Percent int `json:"percent"`
	People  int `json:"people"`
}

// AccountPolicyChanged replaces the account's own policy.
type AccountPolicyChanged struct {
	From Policy `json:"from"`
	To   Policy `json:"to"`
}

func (AccountPolicyChanged) kind() Kind { return Kind{"account.policy_changed", 1} }
