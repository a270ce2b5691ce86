package domain

import (
	"slices"
	"time"

	"roster/events"
)

// Status is where a membership or an invitation stands (SPEC 10).
type Status string

// The statuses. An invitation is pending, accepted, declined, expired or revoked; a membership pending, active,
// suspended or revoked.
const (
	Pending   Status = "pending"
	Accepted  Status = "accepted"
	Declined  Status = "declined"
	Expired   Status = "expired"
	Active    Status = "active"
	Suspended Status = "suspended"
	Revoked   Status = "revoked"
)

// Account is the roster of one account: what its facts add up to.
type Account struct {
	ID       events.AccountID
	Opened   bool
	Name     string
	Parent   events.AccountID
	Profile  events.ProfileRef
	OpenedAt events.Time
	Closed   bool
	Policy   events.Policy // its own; what applies is World.Policy
	Version  uint64        // position of the last commit that changed the account itself
	SSO      *events.SSO   // its OpenID provider; nil: none
	Domains  []string      // of e-mail addresses, verified to be its own
	// RolesVersion, PolicyVersion and SSOVersion are those of the roles that it has defined, of its policy, and of its
	// provider and domains.
	RolesVersion, PolicyVersion, SSOVersion uint64

	defined []*Role // by name

	active      int     // memberships that are
	owners      int     // memberships that count for the last-owner rule since the fact that made them so
	later       []later // memberships that count from a moment that lay ahead of that fact
	members     pmap[events.UserID, Member]
	invitations pmap[events.InvitationID, Invitation]
	byAddress   pmap[events.AddressID, seat]
	contacts    pmap[events.ContactID, Contact]
	keys        pmap[events.KeyRefID, Key]                              // those not revoked
	open        pmap[events.AnyID, pmap[events.InvitationID, struct{}]] // pending ones, by the user or key that invited
}

// later is an owner by a grant that had yet to begin when it was written.
type later struct {
	user events.UserID
	from events.Time
}

// seat is what an address has in an account.
type seat struct {
	user       events.UserID       // the member who holds it, present or past
	invitation events.InvitationID // the latest invitation
	since      events.Time         // when the present day of mails began ...
	mails      int                 // ... and how many there were since
}

// The mails that one address may be sent from one account: SPEC sets no number, but nobody is to be flooded.
const (
	maxMails   = 10
	mailWindow = 24 * time.Hour
)

// mailed counts one more mail to the address.
func (s seat) mailed(at events.Time) seat {
	if at.Sub(s.since) >= mailWindow {
		s.since, s.mails = at, 0
	}
	s.mails++
	return s
}

// flooded says for how long the address gets no further mail from this account.
func (a Account) flooded(address events.AddressID, at events.Time) (wait time.Duration) {
	s, _ := a.byAddress.Get(address)
	if s.mails < maxMails {
		return 0
	}
	return max(0, mailWindow-at.Sub(s.since))
}

// Member is one membership.
type Member struct {
	User    events.UserID
	Key     events.KeyID
	Address events.AddressID
	Grants  []events.Grant
	By      events.Actor // who granted it: for what an invitation gave, whoever invited
	Status  Status
	Waiting bool        // it has not yet counted: for the first sign-in, suspended meanwhile or not
	Locked  bool        // the operator has locked the user
	Warned  events.Time // of an end that the person has been warned of
	Since   events.Time
	Version uint64 // position of the last commit that changed it
}

// is says that there is such a membership, whether or not it gives access at the moment.
func (m Member) is() bool { return m.Status == Active || m.Status == Suspended || m.Status == Pending }

func activeUnless(pending bool) Status {
	if pending {
		return Pending
	}
	return Active
}

// Invitation is one invitation, as far as links and rules need it.
type Invitation struct {
	ID         events.InvitationID
	Address    events.AddressID
	Invitee    Sealed
	Grants     []events.Grant
	By         events.Actor
	Generation uint32
	Begun      events.Time // when the validity of this generation began
	ExpiresAt  events.Time
	Asked      events.Time        // when somebody with a dead link last asked for a new one
	Status     Status             // as written: what has expired by the clock still says pending
	Noted      bool               // its expiry stands in the log
	Reminded   bool               // the invitee has been reminded of this generation
	Accounts   []events.AccountID // all that it is for, where it is for several
	Delivery   string
	Version    uint64
}

// Sealed is a box kept in a state with its place in the log, which opening it needs.
type Sealed struct {
	Box    events.Box
	Commit events.CommitID
	Index  int
}

func sealedAt(h Happened, box events.Box) Sealed { return Sealed{box, h.Commit, h.Index} }

// Member answers a membership, present or past.
func (a Account) Member(id events.UserID) (Member, bool) { return a.members.Get(id) }

// Members is the number of memberships, present and past.
func (a Account) Members() int { return a.members.Len() }

// Invitation answers an invitation, whatever has become of it.
func (a Account) Invitation(id events.InvitationID) (Invitation, bool) { return a.invitations.Get(id) }

// MemberWith answers the membership of whoever holds an address.
func (a Account) MemberWith(address events.AddressID) (Member, bool) {
	s, ok := a.byAddress.Get(address)
	if !ok || s.user.IsZero() {
		return Member{}, false
	}
	return a.members.Get(s.user)
}

// InvitationOf answers the latest invitation of an address.
func (a Account) InvitationOf(address events.AddressID) (Invitation, bool) {
	s, ok := a.byAddress.Get(address)
	if !ok || s.invitation.IsZero() {
		return Invitation{}, false
	}
	return a.invitations.Get(s.invitation)
}

// Owners is how many memberships count for the last-owner rule at a moment (SPEC 3.7).
func (a Account) Owners(at events.Time) int {
	n := a.owners
	for _, l := range a.later {
		if l.from <= at {
			n++
		}
	}
	return n
}

// ActiveOwners are at most so many of those who count.
func (a Account) ActiveOwners(at events.Time, most int) (list []events.UserID) {
	for _, m := range a.members.All() {
		if len(list) == most {
			break
		}
		if a.counts(m, at) {
			list = append(list, m.User)
		}
	}
	return list
}

// Protects says whether grants have the role whose holders are the account's owners.
func (a Account) Protects(grants []events.Grant) bool { return a.protects(grants) }

// counts says whether a membership counts as an owner at a moment.
func (a Account) counts(m Member, at events.Time) bool {
	from, ok := a.owns(m)
	return ok && from <= at
}

// owns says from when on a membership counts as an owner, if ever: direct, active, with the protected role, without an
// end, and of a person who can sign in.
func (a Account) owns(m Member) (from events.Time, ok bool) {
	if m.Status != Active || m.Locked {
		return 0, false
	}
	for _, g := range m.Grants {
		if g.Until == 0 && slices.ContainsFunc(g.Roles, a.isProtected) && (!ok || g.From < from) {
			from, ok = g.From, true
		}
	}
	return from, ok
}

func (a Account) withMember(m Member, h Happened) Account {
	if m.Status == Active {
		a.active++
	}
	if old, ok := a.members.Get(m.User); ok {
		if old.Status == Active {
			a.active--
		}
		if _, owned := a.owns(old); owned {
			a = a.withoutOwner(m.User)
		}
	}
	switch from, ok := a.owns(m); {
	case !ok:
	case from <= h.At:
		a.owners++
	default:
		a.later = append(slices.Clone(a.later), later{m.User, from})
	}
	m.Version = h.Pos
	a.members = a.members.With(m.User, m)
	return a
}

func (a Account) withoutOwner(user events.UserID) Account {
	for n, l := range a.later {
		if l.user == user {
			a.later = slices.Delete(slices.Clone(a.later), n, n+1)
			return a
		}
	}
	a.owners--
	return a
}

func (a Account) withInvitation(i Invitation, h Happened) Account {
	i.Version = h.Pos
	a.invitations = a.invitations.With(i.ID, i)
	if by := inviterOf(i.By); !by.IsZero() {
		open, _ := a.open.Get(by)
		if i.Status == Pending {
			open = open.With(i.ID, struct{}{})
		} else {
			open = open.Without(i.ID)
		}
		if a.open = a.open.With(by, open); open.Len() == 0 {
			a.open = a.open.Without(by)
		}
	}
	return a
}

// inviterOf is the user or the key that has invited; zero for anybody else, whose invitations end with nobody's access.
func inviterOf(by events.Actor) events.AnyID {
	if key := by.Key(); !key.IsZero() {
		return key.Any()
	}
	return by.User().Any()
}

func (a Account) changed(user events.UserID, h Happened, change func(*Member)) Account {
	m, _ := a.members.Get(user)
	m.User = user
	change(&m)
	return a.withMember(m, h)
}

func (a Account) changedInvitation(id events.InvitationID, h Happened, change func(*Invitation)) Account {
	i, _ := a.invitations.Get(id)
	i.ID = id
	change(&i)
	return a.withInvitation(i, h)
}

// evolve makes the next state beside this one: what has been handed out stays as it is.
func (a *Account) evolve(h Happened) State {
	next := a.after(h)
	return &next
}

func (a Account) after(h Happened) Account {
	switch f := h.Event.(type) {
	case events.AccountOpened:
		a.Opened, a.Name, a.Parent, a.Profile, a.OpenedAt, a.Version = true, f.Name, f.Parent, f.Profile, h.At, h.Pos
	case events.AccountRenamed:
		a.Name, a.Version = f.To, h.Pos
	case events.AccountMoved:
		a.Parent, a.Version = f.To, h.Pos
	case events.AccountClosed:
		a.Closed, a.Version = true, h.Pos
	case events.AccountPolicyChanged:
		a.Policy, a.PolicyVersion = f.To, h.Pos
	case events.SSOConnected:
		a.SSO, a.SSOVersion = &f.To, h.Pos
	case events.SSOChanged:
		a.SSO, a.SSOVersion = &f.To, h.Pos
	case events.SSODisconnected:
		a.SSO, a.SSOVersion = nil, h.Pos
	case events.DomainVerified:
		a.Domains, a.SSOVersion = append(slices.Clone(a.Domains), f.Domain), h.Pos
	case events.DomainReleased:
		a.Domains, a.SSOVersion = slices.DeleteFunc(slices.Clone(a.Domains), func(d string) bool { return d == f.Domain }), h.Pos
	case events.AccountProfileAdopted:
		a.Profile, a.Version = f.To, h.Pos
		return a.recounted(h)

	case events.RoleDefined:
		return a.withRole(f.Role, &f.To, h)
	case events.RoleWithdrawn:
		return a.withRole(f.Role, nil, h)

	case events.KeyCreated:
		return a.withKey(f.Key, h, func(k *Key) {
			*k = Key{ID: f.Key, Name: f.Name, Owner: f.Owner, Grants: f.Grants, Scopes: f.Scopes, OnBehalf: f.OnBehalf, ExpiresAt: f.ExpiresAt, Hash: f.Hash,
				By: h.By, CreatedAt: h.At, Version: h.Pos}
		})
	case events.KeyRotated:
		return a.withKey(f.Key, h, func(k *Key) {
			k.Former, k.FormerUntil, k.Hash, k.RotatedAt = k.Hash, f.Until, f.Hash, h.At
		})
	case events.KeyRevoked:
		a.keys = a.keys.Without(f.Key)

	case events.ContactAdded:
		return a.withContact(f.Contact, f.Person.Box, f.Roles, false, h)
	case events.ContactChanged:
		return a.withContact(f.Contact, f.Person.Box, f.To, true, h)
	case events.ContactRemoved:
		a.contacts = a.contacts.Without(f.Contact)

	case events.InvitationCreated:
		s, _ := a.byAddress.Get(f.Address)
		s.invitation = f.Invitation
		a.byAddress = a.byAddress.With(f.Address, s.mailed(h.At))
		return a.withInvitation(Invitation{ID: f.Invitation, Address: f.Address, Invitee: sealedAt(h, f.Invitee.Box),
			Grants: f.Grants, By: h.By, Generation: f.Generation, Begun: h.At, ExpiresAt: f.ExpiresAt, Status: Pending, Delivery: "unsent", Accounts: f.Accounts}, h)
	case events.InvitationResent:
		a = a.changedInvitation(f.Invitation, h, func(i *Invitation) {
			i.Generation, i.Begun, i.ExpiresAt = f.Generation, h.At, f.To
			i.Status, i.Noted, i.Reminded, i.Delivery = Pending, false, false, "unsent"
		})
		i, _ := a.invitations.Get(f.Invitation)
		s, _ := a.byAddress.Get(i.Address) // the one resent is the address's latest again, so that it gets no second one
		s.invitation = i.ID
		a.byAddress = a.byAddress.With(i.Address, s.mailed(h.At))
	case events.InvitationRevoked:
		return a.changedInvitation(f.Invitation, h, func(i *Invitation) { i.Status = Revoked })
	case events.InvitationDeclined:
		return a.changedInvitation(f.Invitation, h, func(i *Invitation) { i.Status = Declined })
	case events.InvitationAccepted:
		return a.changedInvitation(f.Invitation, h, func(i *Invitation) { i.Status = Accepted })
	case events.InvitationExpired:
		return a.changedInvitation(f.Invitation, h, func(i *Invitation) { i.Noted = true })
	case events.InvitationLinkRequested:
		return a.changedInvitation(f.Invitation, h, func(i *Invitation) { i.Asked = h.At })
	case events.InvitationReminded:
		return a.changedInvitation(f.Invitation, h, func(i *Invitation) { i.Reminded = i.Reminded || i.Generation == f.Generation })
	case events.InvitationMailSent:
		return a.delivered(f.Invitation, f.Generation, "sent", h)
	case events.InvitationMailDeferred:
		return a.delivered(f.Invitation, f.Generation, "deferred", h)
	case events.InvitationMailBounced:
		return a.delivered(f.Invitation, f.Generation, "bounced", h)

	case events.MembershipGranted:
		s, _ := a.byAddress.Get(f.Address)
		s.user = f.User
		a.byAddress = a.byAddress.With(f.Address, s)
		status := activeUnless(f.Pending)
		by := h.By
		if i, ok := a.invitations.Get(f.Invitation); ok {
			by = i.By
		}
		return a.withMember(Member{User: f.User, Key: f.Key, Address: f.Address, Grants: f.Grants, By: by, Status: status, Waiting: f.Pending, Since: h.At}, h)
	case events.MembershipActivated:
		return a.changed(f.User, h, func(m *Member) {
			if m.Waiting = false; !f.Suspended {
				m.Status = Active
			}
		})
	case events.MembershipRoleChanged:
		return a.changed(f.User, h, func(m *Member) { m.Grants, m.By = f.To, h.By })
	case events.MembershipExpired:
		return a.changed(f.User, h, func(m *Member) {
			if m.Grants = f.Left; len(f.Left) == 0 {
				m.Status = Revoked
			}
		})
	case events.MembershipReminded:
		return a.changed(f.User, h, func(m *Member) { m.Warned = f.Until })
	case events.MembershipUserLocked:
		return a.changed(f.User, h, func(m *Member) { m.Locked = true })
	case events.MembershipUserUnlocked:
		return a.changed(f.User, h, func(m *Member) { m.Locked = false })
	case events.MembershipSuspended:
		return a.changed(f.User, h, func(m *Member) { m.Status = Suspended })
	case events.MembershipReactivated:
		return a.changed(f.User, h, func(m *Member) { m.Status, m.Waiting = activeUnless(f.Pending), f.Pending })
	case events.MembershipRevoked:
		return a.changed(f.User, h, func(m *Member) { m.Status = Revoked })
	case events.MembershipLeft:
		return a.changed(f.User, h, func(m *Member) { m.Status = Revoked })

	case events.LogStarted, events.PortalSetUp, events.OperatorKeyAdded,
		events.UserRegistered, events.UserJoined, events.UserErased, events.PasswordSet, events.SessionStarted,
		events.SessionEnded, events.AddressClaimed, events.AddressErased, events.SigninAttempted, events.CommandRefused,
		events.ModulesDeclared, events.ProfileDefined, events.TreeOpened, events.TreeMoved, events.TreeClosed,
		events.UserLocked, events.UserUnlocked,
		events.UserProfileChanged, events.UserPreferencesChanged, events.UserEmailChangeRequested, events.UserEmailChanged, events.PasswordChanged,
		events.PasswordResetRequested, events.PasswordReset, events.FactorEnrolled, events.FactorVerified, events.FactorRemoved,
		events.FactorReset, events.RecoveryCodesIssued, events.SigninThrottled, events.AddressReleased, events.AddressSignupRequested,
		events.IdentityLinked, events.IdentityUnlinked, events.IdentityUsed, events.PasswordConfirmed:
	}
	return a
}

func (a Account) delivered(id events.InvitationID, generation uint32, how string, h Happened) Account {
	return a.changedInvitation(id, h, func(i *Invitation) {
		if i.Generation == generation {
			i.Delivery = how
		}
	})
}

// recounted counts the owners anew: another role may be the protected one.
func (a Account) recounted(h Happened) Account {
	a.owners, a.later = 0, nil
	for _, m := range a.members.All() {
		switch from, ok := a.owns(m); {
		case !ok:
		case from <= h.At:
			a.owners++
		default:
			a.later = append(a.later, later{m.User, from})
		}
	}
	return a
}
