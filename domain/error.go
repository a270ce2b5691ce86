package domain

import (
	"fmt"

	"roster/events"
)

// Code is the stable reason of a refusal, the same in the API, the audit trail and the page (SPEC 10). Codes are
// only ever added.
type Code string

// The refusals that rules give. What concerns the transport alone is added by the transport.
const (
	SignInRequired           Code = "sign_in_required"
	BadCredentials           Code = "bad_credentials"
	RateLimited              Code = "rate_limited"
	NotFound                 Code = "not_found"
	NotAvailable             Code = "not_available"
	NotPermitted             Code = "not_permitted"
	ExceedsOwnAccess         Code = "exceeds_own_access"
	ModuleNotAllowed         Code = "module_not_allowed"
	SecondFactorRequired     Code = "second_factor_required"
	ReauthenticationRequired Code = "reauthentication_required"
	WrongRecipient           Code = "wrong_recipient"
	InvitationExpired        Code = "invitation_expired"
	InvitationRevoked        Code = "invitation_revoked"
	InvitationReplaced       Code = "invitation_replaced"
	InvitationUsed           Code = "invitation_used"
	Invalid                  Code = "invalid"
	DomainNotAllowed         Code = "domain_not_allowed"
	PasswordRules            Code = "password_rules"
	StaleVersion             Code = "stale_version"
	LastActiveOwner          Code = "last_active_owner"
	AlreadyMember            Code = "already_member"
	AlreadyInvited           Code = "already_invited"
	AccountClosed            Code = "account_closed"
	Inherited                Code = "inherited"

	ConfirmationRequired Code = "confirmation_required"
	ThresholdExceeded    Code = "threshold_exceeded"
	ChangedSince         Code = "changed_since"
	SecretAlreadyShown   Code = "secret_already_shown"
)

// Error is a refusal: the command did not happen, and why. Anything else that goes wrong is a fault.
type Error struct {
	Code     Code
	Detail   string // a sentence for people; no personal data
	Fields   []Field
	Accounts []events.AccountID // the accounts that the refusal is about, where there are several
	Retry    int                // seconds after which it may work, for RateLimited
}

// Field says where in the request something is wrong, as a path such as "body.roles[0]".
type Field struct {
	Location string
	Message  string
}

func (e *Error) Error() string { return string(e.Code) + ": " + e.Detail }

func refuse(code Code, format string, args ...any) *Error {
	return &Error{Code: code, Detail: fmt.Sprintf(format, args...)}
}

func invalid(location, format string, args ...any) *Error {
	message := fmt.Sprintf(format, args...)
	return &Error{Code: Invalid, Detail: message, Fields: []Field{{location, message}}}
}

// DeniesRights says that the refusal is for lack of rights, so that it belongs in the audit trail (SPEC 5.1).
func (e *Error) DeniesRights() bool {
	switch e.Code {
	case NotPermitted, ExceedsOwnAccess, ModuleNotAllowed, WrongRecipient:
		return true
	}
	return false
}
