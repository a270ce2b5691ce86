package domain

import (
	"slices"
	"time"

	"roster/events"
)

// User is one user: who they are by reference, their credentials by reference, and their sessions.
type User struct {
	ID         events.UserID
	Registered bool
	Erased     bool
	Locked     bool
	Address    events.AddressID
	AddressKey events.KeyID
	Key        events.KeyID
	Email      Sealed
	Profile    Sealed
	Password   events.SecretID
	Version    uint64

	// ProfileChanged and EmailChanged say that Profile and Email are of a later fact than the registration.
	ProfileChanged, EmailChanged bool
	ProfileVersion               uint64 // position of the last commit that changed the name, the profile or the address
	Preferences                  events.Preferences
	PreferencesVersion           uint64
	Reset                        MailedLink    // the last link to choose a new password by
	Change                       AddressChange // the last change of address that was asked for
	Former                       []FormerAddress
	Asked                        []AskedAddress    // those that the user has ever wanted to have, confirmed or not
	Destroyed                    []events.KeyID    // the keys that went with the user's data
	Replaced                     []events.SecretID // what the vault held of former passwords, factors and recovery codes

	resets, changes []events.Time // when the last links were asked for, as many as the limit needs

	accounts  pmap[events.AccountID, struct{}]
	sessions  pmap[events.SessionID, Session]
	succeeded []attempt // the attempts that turned out well, as far as they can count still, and when they did
	factors   []Factor
	recovery  recovery
	handed    []attempt // the codes that sessions were handed over by, as long as they could be tried again
	linked    []Identity
	unknown   bool // the password: it was made up for whoever came by a provider
}

// Identity is somebody at an account's OpenID provider, who is a user.
type Identity struct {
	ID         events.AddressID
	Account    events.AccountID
	Connection events.AnyID
}

// Session is one sign-in that has not been ended.
type Session struct {
	ID        events.SessionID
	TokenHash events.Hash
	StartedAt events.Time
	ExpiresAt events.Time
	Strong    bool   // a second factor was used
	Pos       uint64 // of the commit that started it: from where it was is sealed there
	Method    string // how the person signed in; handed over, as in the session it came from

	From     events.SessionID // the session that it was handed over from
	Portal   string           // the origin that it was handed over to
	OpenedBy string           // the operator's key that opened it; "": the person signed in
	Account  events.AccountID // the only one, with what is below it, that it is good for; zero: all
}

// maxSessions bounds the sessions of one user; a further sign-in ends the oldest.
const maxSessions = 100

// Session answers a session that has been started and not ended; it may have expired.
func (u User) Session(id events.SessionID) (Session, bool) { return u.sessions.Get(id) }

// Sessions is how many have been started and not ended.
func (u User) Sessions() int { return u.sessions.Len() }

// Accounts lists every account that the user has ever been a member of, in no particular order.
func (u User) Accounts() []events.AccountID {
	list := make([]events.AccountID, 0, u.accounts.Len())
	for id := range u.accounts.All() {
		list = append(list, id)
	}
	return list
}

// succeededAt notes that an attempt turned out well, so that it is no failure. Those that are too old to count go.
func (u User) succeededAt(commit events.CommitID, at events.Time) User {
	if commit.IsZero() || slices.ContainsFunc(u.succeeded, func(a attempt) bool { return a.commit == commit }) {
		return u
	}
	u.succeeded = append(countable(u.succeeded, at), attempt{commit: commit, at: at})
	return u
}

func (u User) evolve(h Happened) State {
	switch f := h.Event.(type) {
	case events.UserRegistered:
		u.Registered, u.Version = true, h.Pos
		u.Address, u.AddressKey, u.Key = f.Address, f.Email.Box.K, f.Profile.Box.K
		u.Email, u.Profile = sealedAt(h, f.Email.Box), sealedAt(h, f.Profile.Box)
		u.Profile.Index, u.Email.Index = h.Index, h.Index
		u.ProfileVersion, u.PreferencesVersion = h.Pos, h.Pos
	case events.UserJoined:
		u.accounts = u.accounts.With(f.Account, struct{}{})
	case events.UserErased:
		u.Erased, u.Version, u.Destroyed = true, h.Pos, f.Keys
		u.sessions = pmap[events.SessionID, Session]{}
	case events.UserLocked:
		u.Locked, u.Version = true, h.Pos
		u.sessions = pmap[events.SessionID, Session]{}
	case events.UserUnlocked:
		u.Locked, u.Version = false, h.Pos
	case events.PasswordSet:
		u.Password, u.unknown = f.Secret, h.By.Type == events.ByIDP
	case events.PasswordChanged:
		u = u.withPassword(f.Secret).succeededAt(h.Cause, h.At)
	case events.PasswordResetRequested:
		u.Reset = MailedLink{Generation: f.Generation, ExpiresAt: f.ExpiresAt}
		u.resets = recent(u.resets, h.At)
	case events.PasswordReset:
		u = u.withPassword(f.Secret)
	case events.UserProfileChanged:
		u.Profile, u.ProfileChanged, u.ProfileVersion = sealedAt(h, f.Profile.Box), true, h.Pos
	case events.UserPreferencesChanged:
		u.Preferences, u.PreferencesVersion = f.To, h.Pos
	case events.UserEmailChangeRequested:
		u.Change = AddressChange{MailedLink{Generation: f.Generation, ExpiresAt: f.ExpiresAt}, f.Address, sealedAt(h, f.Email.Box)}
		u.changes = recent(u.changes, h.At)
		u = u.asking(AskedAddress{f.Address, f.Email.Box.K})
		u = u.succeededAt(h.Cause, h.At)
	case events.PasswordConfirmed:
		u = u.succeededAt(h.Cause, h.At)
	case events.UserEmailChanged:
		u = u.moved(h, f)
	case events.SessionStarted:
		u = u.withSession(h, f)
	case events.IdentityUsed:
		u = u.succeededAt(f.Once, h.At)
	case events.IdentityLinked:
		u.linked = append(slices.DeleteFunc(slices.Clone(u.linked), func(i Identity) bool { return i.Account == f.Account }),
			Identity{f.Identity, f.Account, f.Connection})
	case events.IdentityUnlinked:
		u.linked = slices.DeleteFunc(slices.Clone(u.linked), func(i Identity) bool { return i.ID == f.Identity })
	case events.SessionEnded:
		u.sessions = u.sessions.Without(f.Session)
	case events.FactorEnrolled:
		u = u.unfinished(f.Method, h.At)
		u.factors = append(u.factors, Factor{ID: f.Factor, Method: f.Method, Secret: f.Secret, Label: sealedAt(h, f.Label.Box),
			EnrolledAt: h.At, ExpiresAt: f.ExpiresAt})
	case events.FactorVerified:
		u = u.succeededAt(h.Cause, h.At).withFactor(f.Factor, func(one *Factor) {
			one.Verified, one.Step, one.UsedAt = true, max(one.Step, f.Step), h.At
		})
	case events.FactorRemoved:
		u = u.withoutFactor(f.Factor)
	case events.FactorReset:
		u = u.without(func(Factor) bool { return true }).withRecovery(recovery{})
	case events.RecoveryCodesIssued:
		u = u.withRecovery(recovery{secret: f.Secret, codes: min(max(f.Codes, 0), maxRecovery)})

	case events.LogStarted, events.PortalSetUp, events.OperatorKeyAdded, events.AccountOpened,
		events.InvitationCreated, events.InvitationResent, events.InvitationRevoked, events.InvitationDeclined,
		events.InvitationAccepted, events.InvitationExpired, events.InvitationLinkRequested,
		events.InvitationMailSent, events.InvitationMailDeferred, events.InvitationMailBounced,
		events.MembershipGranted, events.MembershipRoleChanged, events.MembershipSuspended,
		events.MembershipReactivated, events.MembershipRevoked, events.MembershipLeft,
		events.AddressClaimed, events.AddressErased, events.SigninAttempted, events.CommandRefused,
		events.ModulesDeclared, events.ProfileDefined, events.TreeOpened, events.TreeMoved, events.TreeClosed,
		events.AccountRenamed, events.AccountMoved, events.AccountClosed, events.AccountPolicyChanged, events.AccountProfileAdopted,
		events.RoleDefined, events.RoleWithdrawn, events.ContactAdded, events.ContactChanged, events.ContactRemoved,
		events.InvitationReminded, events.MembershipActivated, events.MembershipExpired, events.MembershipReminded, events.MembershipUserLocked,
		events.MembershipUserUnlocked,
		events.SigninThrottled, events.AddressReleased, events.AddressSignupRequested,
		events.KeyCreated, events.KeyRotated, events.KeyRevoked,
		events.SSOConnected, events.SSOChanged, events.SSODisconnected, events.DomainVerified, events.DomainReleased:
	}
	return u
}

// Address says who holds an e-mail address, or is somebody at an account's OpenID provider.
type Address struct {
	ID     events.AddressID
	User   events.UserID // zero while nobody does
	Erased bool

	Signup  MailedLink // the last link to open an account by
	Email   Sealed     // where that was sent
	signups []events.Time
}

func (a Address) evolve(h Happened) State {
	switch f := h.Event.(type) {
	case events.AddressClaimed:
		a.User, a.Signup.Used = f.User, true // whoever holds it needs no link
	case events.AddressReleased:
		a.User = events.UserID{}
	case events.AddressSignupRequested:
		a.Signup = MailedLink{Generation: f.Generation, ExpiresAt: f.ExpiresAt}
		a.Email, a.signups = sealedAt(h, f.Email.Box), recent(a.signups, h.At)
	case events.AddressErased:
		a.Erased = true
	case events.IdentityLinked:
		a.User = f.User
	case events.IdentityUnlinked:
		a.User = events.UserID{}

	case events.LogStarted, events.PortalSetUp, events.OperatorKeyAdded, events.AccountOpened,
		events.InvitationCreated, events.InvitationResent, events.InvitationRevoked, events.InvitationDeclined,
		events.InvitationAccepted, events.InvitationExpired, events.InvitationLinkRequested,
		events.InvitationMailSent, events.InvitationMailDeferred, events.InvitationMailBounced,
		events.MembershipGranted, events.MembershipRoleChanged, events.MembershipSuspended,
		events.MembershipReactivated, events.MembershipRevoked, events.MembershipLeft,
		events.UserRegistered, events.UserJoined, events.UserErased, events.PasswordSet, events.SessionStarted,
		events.SessionEnded, events.SigninAttempted, events.CommandRefused,
		events.ModulesDeclared, events.ProfileDefined, events.TreeOpened, events.TreeMoved, events.TreeClosed,
		events.AccountRenamed, events.AccountMoved, events.AccountClosed, events.AccountPolicyChanged, events.AccountProfileAdopted,
		events.RoleDefined, events.RoleWithdrawn, events.ContactAdded, events.ContactChanged, events.ContactRemoved,
		events.InvitationReminded, events.MembershipActivated, events.MembershipExpired, events.MembershipReminded, events.MembershipUserLocked,
		events.MembershipUserUnlocked, events.UserLocked, events.UserUnlocked,
		events.UserProfileChanged, events.UserPreferencesChanged, events.UserEmailChangeRequested, events.UserEmailChanged, events.PasswordChanged,
		events.PasswordResetRequested, events.PasswordReset, events.FactorEnrolled, events.FactorVerified, events.FactorRemoved,
		events.FactorReset, events.RecoveryCodesIssued, events.SigninThrottled,
		events.KeyCreated, events.KeyRotated, events.KeyRevoked,
		events.SSOConnected, events.SSOChanged, events.SSODisconnected, events.DomainVerified, events.DomainReleased, events.IdentityUsed, events.PasswordConfirmed:
	}
	return a
}

// The limits of attempts: SPEC 5.1 and the throttling of sign-ins.
const (
	maxAttempts   = 10               // sign-ins that fail ...
	attemptWindow = 15 * time.Minute // ... within this time; the next one is refused
	maxRefusals   = 30               // refused commands that are written ...
	refusalWindow = time.Hour        // ... within this time; further ones are only counted
)

// maxKept bounds how many attempts are kept of one person, and how many that turned out well.
const maxKept = 64

// Attempts are the sign-ins that somebody tried and the commands that were refused them: as many of the last ones
// as the limits need.
type Attempts struct {
	signins   []attempt
	throttled []attempt // sources that are refused for a while, and until when
	refusals  []events.Time
}

// attempt is one try of a secret. Its source is a known device, a session or, of addresses that nobody holds, which of
// them: these are counted apart; zero is anybody.
type attempt struct {
	commit events.CommitID
	source events.AnyID
	at     events.Time
}

// countable is a copy of those that can count still, with room for one more.
func countable(list []attempt, at events.Time) []attempt {
	kept := make([]attempt, 0, len(list)+1)
	for _, a := range list {
		if at.Sub(a.at) < attemptWindow {
			kept = append(kept, a)
		}
	}
	return kept[max(0, len(kept)+1-maxKept):]
}

// sourceOf is what somebody tries a secret from.
func sourceOf(by events.Actor) events.AnyID {
	if by.Type == events.ByUser {
		return by.Session.Any()
	}
	var device events.AnyID
	if by.Type == events.ByAnonymous && device.UnmarshalText([]byte(by.ID)) != nil {
		return events.AnyID{}
	}
	return device
}

func (a Attempts) evolve(h Happened) State {
	switch f := h.Event.(type) {
	case events.SigninAttempted:
		a.signins = append(countable(a.signins, h.At), attempt{h.Commit, sourceOf(h.By), h.At})
	case events.SigninThrottled:
		source := sourceOf(h.By)
		a.throttled = append(slices.DeleteFunc(slices.Clone(a.throttled), func(t attempt) bool { return t.source == source || t.at <= h.At }),
			attempt{source: source, at: f.Until})
	case events.CommandRefused:
		from := max(0, len(a.refusals)+1-maxRefusals)
		a.refusals = append(append([]events.Time{}, a.refusals[from:]...), h.At)

	case events.LogStarted, events.PortalSetUp, events.OperatorKeyAdded, events.AccountOpened,
		events.InvitationCreated, events.InvitationResent, events.InvitationRevoked, events.InvitationDeclined,
		events.InvitationAccepted, events.InvitationExpired, events.InvitationLinkRequested,
		events.InvitationMailSent, events.InvitationMailDeferred, events.InvitationMailBounced,
		events.MembershipGranted, events.MembershipRoleChanged, events.MembershipSuspended,
		events.MembershipReactivated, events.MembershipRevoked, events.MembershipLeft,
		events.UserRegistered, events.UserJoined, events.UserErased, events.PasswordSet, events.SessionStarted,
		events.SessionEnded, events.AddressClaimed, events.AddressErased,
		events.ModulesDeclared, events.ProfileDefined, events.TreeOpened, events.TreeMoved, events.TreeClosed,
		events.AccountRenamed, events.AccountMoved, events.AccountClosed, events.AccountPolicyChanged, events.AccountProfileAdopted,
		events.RoleDefined, events.RoleWithdrawn, events.ContactAdded, events.ContactChanged, events.ContactRemoved,
		events.InvitationReminded, events.MembershipActivated, events.MembershipExpired, events.MembershipReminded, events.MembershipUserLocked,
		events.MembershipUserUnlocked, events.UserLocked, events.UserUnlocked,
		events.UserProfileChanged, events.UserPreferencesChanged, events.UserEmailChangeRequested, events.UserEmailChanged, events.PasswordChanged,
		events.PasswordResetRequested, events.PasswordReset, events.FactorEnrolled, events.FactorVerified, events.FactorRemoved,
		events.FactorReset, events.RecoveryCodesIssued, events.AddressReleased, events.AddressSignupRequested,
		events.KeyCreated, events.KeyRotated, events.KeyRevoked,
		events.SSOConnected, events.SSOChanged, events.SSODisconnected, events.DomainVerified, events.DomainReleased, events.IdentityLinked, events.IdentityUnlinked, events.IdentityUsed, events.PasswordConfirmed:
	}
	return a
}
