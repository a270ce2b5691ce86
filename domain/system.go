package domain

import (
	"slices"

	"roster/events"
)

// System is what the log says of itself.
type System struct {
	Started     bool
	Incarnation events.AnyID
	Keyring     string // fingerprint of the keyring
}

func (s System) evolve(h Happened) State {
	switch f := h.Event.(type) {
	case events.LogStarted:
		s.Started, s.Incarnation, s.Keyring = true, f.Incarnation, f.Keyring

	case events.PortalSetUp, events.OperatorKeyAdded, events.AccountOpened,
		events.InvitationCreated, events.InvitationResent, events.InvitationRevoked, events.InvitationDeclined,
		events.InvitationAccepted, events.InvitationExpired, events.InvitationLinkRequested,
		events.InvitationMailSent, events.InvitationMailDeferred, events.InvitationMailBounced,
		events.MembershipGranted, events.MembershipRoleChanged, events.MembershipSuspended,
		events.MembershipReactivated, events.MembershipRevoked, events.MembershipLeft,
		events.UserRegistered, events.UserJoined, events.UserErased, events.PasswordSet, events.SessionStarted,
		events.SessionEnded, events.AddressClaimed, events.AddressErased, events.SigninAttempted, events.CommandRefused,
		events.ModulesDeclared, events.ProfileDefined, events.TreeOpened, events.TreeMoved, events.TreeClosed,
		events.AccountRenamed, events.AccountMoved, events.AccountClosed, events.AccountPolicyChanged, events.AccountProfileAdopted,
		events.RoleDefined, events.RoleWithdrawn, events.ContactAdded, events.ContactChanged, events.ContactRemoved,
		events.InvitationReminded, events.MembershipActivated, events.MembershipExpired, events.MembershipReminded, events.MembershipUserLocked,
		events.MembershipUserUnlocked, events.UserLocked, events.UserUnlocked,
		events.UserProfileChanged, events.UserPreferencesChanged, events.UserEmailChangeRequested, events.UserEmailChanged, events.PasswordChanged,
		events.PasswordResetRequested, events.PasswordReset, events.FactorEnrolled, events.FactorVerified, events.FactorRemoved,
		events.FactorReset, events.RecoveryCodesIssued, events.SigninThrottled, events.AddressReleased, events.AddressSignupRequested,
		events.KeyCreated, events.KeyRotated, events.KeyRevoked,
		events.SSOConnected, events.SSOChanged, events.SSODisconnected, events.DomainVerified, events.DomainReleased, events.IdentityLinked, events.IdentityUnlinked, events.IdentityUsed, events.PasswordConfirmed:
	}
	return s
}

// Portal is what holds for the whole installation.
type Portal struct {
	SetUp     bool
	Modules   []events.Module
	operators pmap[events.AnyID, OperatorKey]
	profiles  []*Profile // that have been defined, the portal's last
	domains   pmap[events.AnyID, domainHolder]
}

// OperatorKey is a key whose bearer acts as the operator.
type OperatorKey struct {
	Name string
	Hash events.Hash
}

// Operator answers an operator's key.
func (p Portal) Operator(id events.AnyID) (OperatorKey, bool) { return p.operators.Get(id) }

func (p Portal) evolve(h Happened) State {
	switch f := h.Event.(type) {
	case events.PortalSetUp:
		p.SetUp = true
	case events.ModulesDeclared:
		p.Modules = f.To
	case events.ProfileDefined:
		if known := readProfile(f.Profile, f.Definition); known != nil {
			p.profiles = append(slices.Clone(p.profiles), known)
		}
	case events.OperatorKeyAdded:
		p.operators = p.operators.With(f.Key, OperatorKey{f.Name, f.Hash})
	case events.DomainVerified:
		p.domains = p.domains.With(domainKey(f.Domain), domainHolder{f.Domain, f.Account})
	case events.DomainReleased:
		p.domains = p.domains.Without(domainKey(f.Domain))

	case events.LogStarted, events.AccountOpened,
		events.InvitationCreated, events.InvitationResent, events.InvitationRevoked, events.InvitationDeclined,
		events.InvitationAccepted, events.InvitationExpired, events.InvitationLinkRequested,
		events.InvitationMailSent, events.InvitationMailDeferred, events.InvitationMailBounced,
		events.MembershipGranted, events.MembershipRoleChanged, events.MembershipSuspended,
		events.MembershipReactivated, events.MembershipRevoked, events.MembershipLeft,
		events.UserRegistered, events.UserJoined, events.UserErased, events.PasswordSet, events.SessionStarted,
		events.SessionEnded, events.AddressClaimed, events.AddressErased, events.SigninAttempted, events.CommandRefused,
		events.TreeOpened, events.TreeMoved, events.TreeClosed,
		events.AccountRenamed, events.AccountMoved, events.AccountClosed, events.AccountPolicyChanged, events.AccountProfileAdopted,
		events.RoleDefined, events.RoleWithdrawn, events.ContactAdded, events.ContactChanged, events.ContactRemoved,
		events.InvitationReminded, events.MembershipActivated, events.MembershipExpired, events.MembershipReminded, events.MembershipUserLocked,
		events.MembershipUserUnlocked, events.UserLocked, events.UserUnlocked,
		events.UserProfileChanged, events.UserPreferencesChanged, events.UserEmailChangeRequested, events.UserEmailChanged, events.PasswordChanged,
		events.PasswordResetRequested, events.PasswordReset, events.FactorEnrolled, events.FactorVerified, events.FactorRemoved,
		events.FactorReset, events.RecoveryCodesIssued, events.SigninThrottled, events.AddressReleased, events.AddressSignupRequested,
		events.KeyCreated, events.KeyRotated, events.KeyRevoked,
		events.SSOConnected, events.SSOChanged, events.SSODisconnected, events.IdentityLinked, events.IdentityUnlinked, events.IdentityUsed, events.PasswordConfirmed:
	}
	return p
}
