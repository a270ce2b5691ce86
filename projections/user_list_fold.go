package projections

import (
	"slices"
	"time"

	"roster/events"
)

// userListFold is how facts change the user list.
type userListFold struct {
	entries *sheet[listRow]
	people  *sheet[person]
}

func (l userListFold) commit(c Opened) {
	accepted := map[events.InvitationID]listRow{}
	for _, f := range c.Facts {
		l.fact(c, f, accepted)
	}
}

// fact changes the list by one fact. accepted is the invitations taken up earlier in the same commit, where the
// memberships that they become follow: who invited a member is known from there.
func (l userListFold) fact(c Opened, e events.Event, accepted map[events.InvitationID]listRow) {
	here := func(key events.AnyID) place { return place{c.Boundary.ID, key} }
	switch f := e.(type) {
	case events.InvitationCreated:
		invitee := f.Invitee.Value()
		inviter := c.By()
		row := l.entries.put(here(f.Invitation.Any()), listRow{
			address: f.Address.Any(), name: cleanText(invitee.Full()), email: cleanText(invitee.Email),
			grants: f.Grants, status: StatusPending, since: c.At, expiresAt: f.ExpiresAt,
			delivery: deliveryUnsent, generation: f.Generation, inviterType: string(inviter.Type), inviter: inviter.ID,
		})
		if f.Invitee.Erased {
			row.erase()
		}
	case events.InvitationResent:
		if r := l.entries.edit(here(f.Invitation.Any())); r != nil {
			r.generation, r.expiresAt, r.delivery, r.deliveryReason = f.Generation, f.To, deliveryUnsent, ""
		}
	case events.InvitationMailSent:
		l.delivered(here(f.Invitation.Any()), f.Generation, deliverySent, events.Sealed[events.Note]{})
	case events.InvitationMailDeferred:
		l.delivered(here(f.Invitation.Any()), f.Generation, deliveryDeferred, f.Reason)
	case events.InvitationMailBounced:
		l.delivered(here(f.Invitation.Any()), f.Generation, deliveryBounced, f.Reason)
	case events.InvitationRevoked:
		l.entries.drop(here(f.Invitation.Any()))
	case events.InvitationDeclined:
		l.entries.drop(here(f.Invitation.Any()))
	case events.InvitationAccepted: // the membership that follows takes over
		if r := l.entries.edit(here(f.Invitation.Any())); r != nil {
			accepted[f.Invitation] = *r
			l.entries.drop(here(f.Invitation.Any()))
		}

	case events.MembershipGranted:
		invitation := accepted[f.Invitation]
		row := listRow{member: true, grants: f.Grants, status: activeUnless(f.Pending), since: c.At,
			inviterType: invitation.inviterType, inviter: invitation.inviter}
		row.show(*l.people.look(atPerson(f.User.Any())))
		l.entries.put(here(f.User.Any()), row)
	case events.MembershipRoleChanged:
		if r := l.entries.edit(here(f.User.Any())); r != nil {
			r.grants = f.To
		}
	case events.MembershipExpired:
		switch r := l.entries.edit(here(f.User.Any())); {
		case r == nil:
		case len(f.Left) == 0: // what it gave is shown as of every membership that has ended
			r.status = StatusRevoked
		default:
			r.grants = f.Left
		}
	case events.MembershipReminded:
		if r := l.entries.edit(here(f.User.Any())); r != nil {
			r.warnedUntil = f.Until
		}
	case events.MembershipActivated:
		if !f.Suspended {
			l.become(here(f.User.Any()), StatusActive)
		}
	case events.MembershipSuspended:
		l.become(here(f.User.Any()), StatusSuspended)
	case events.MembershipReactivated:
		l.become(here(f.User.Any()), activeUnless(f.Pending))
	case events.MembershipRevoked:
		l.become(here(f.User.Any()), StatusRevoked)
	case events.MembershipLeft:
		l.become(here(f.User.Any()), StatusRevoked)

	case events.UserRegistered:
		l.setPerson(c.Boundary.ID, l.people.look(atPerson(c.Boundary.ID)).registered(f))
	case events.UserProfileChanged:
		l.setPerson(c.Boundary.ID, l.people.look(atPerson(c.Boundary.ID)).renamed(f))
	case events.UserEmailChanged:
		l.setPerson(c.Boundary.ID, l.people.look(atPerson(c.Boundary.ID)).moved(f))
	case events.SessionStarted:
		if f.Method == events.MethodOperator { // the person has not signed in
			return
		}
		p := *l.people.look(atPerson(c.Boundary.ID))
		if at := events.TimeOf(c.At.Std().Truncate(time.Minute)); at != p.lastSignIn {
			p.lastSignIn = at
			l.setPerson(c.Boundary.ID, p)
		}
	case events.FactorVerified:
		l.setPerson(c.Boundary.ID, l.people.look(atPerson(c.Boundary.ID)).withFactor(f.Factor, true))
	case events.FactorRemoved:
		l.setPerson(c.Boundary.ID, l.people.look(atPerson(c.Boundary.ID)).withFactor(f.Factor, false))
	case events.FactorReset:
		p := *l.people.look(atPerson(c.Boundary.ID))
		p.factors = ""
		l.setPerson(c.Boundary.ID, p)
	case events.UserErased:
		l.setPerson(c.Boundary.ID, l.people.look(atPerson(c.Boundary.ID)).forgotten())
		for _, address := range f.Addresses {
			l.entries.editAll(group{true, address.Any()}, (*listRow).erase)
		}
	case events.AddressErased:
		l.entries.editAll(group{true, c.Boundary.ID}, (*listRow).erase)
	case events.UserLocked:
		l.lock(c.Boundary.ID, true)
	case events.UserUnlocked:
		l.lock(c.Boundary.ID, false)
	case events.OperatorKeyAdded:
		l.people.put(atPerson(f.Key), person{name: cleanText(f.Name)})
	case events.KeyCreated: // who may have invited
		l.people.put(atPerson(f.Key.Any()), person{name: cleanText(f.Name)})

	case events.LogStarted, events.PortalSetUp, events.AccountOpened, events.InvitationExpired,
		events.InvitationLinkRequested, events.UserJoined, events.PasswordSet, events.SessionEnded,
		events.AddressClaimed, events.SigninAttempted, events.CommandRefused,
		events.ModulesDeclared, events.ProfileDefined, events.TreeOpened, events.TreeMoved, events.TreeClosed,
		events.AccountRenamed, events.AccountMoved, events.AccountClosed, events.AccountPolicyChanged, events.AccountProfileAdopted,
		events.RoleDefined, events.RoleWithdrawn, events.ContactAdded, events.ContactChanged, events.ContactRemoved,
		events.InvitationReminded,
		events.MembershipUserLocked, events.MembershipUserUnlocked,
		events.UserPreferencesChanged, events.UserEmailChangeRequested, events.PasswordChanged,
		events.PasswordResetRequested, events.PasswordReset, events.FactorEnrolled, events.RecoveryCodesIssued, events.SigninThrottled, events.AddressReleased, events.AddressSignupRequested,
		events.KeyRotated, events.KeyRevoked,
		events.SSOConnected, events.SSOChanged, events.SSODisconnected, events.DomainVerified, events.DomainReleased, events.IdentityLinked, events.IdentityUnlinked, events.IdentityUsed, events.PasswordConfirmed: // they sign in nowhere; what the account gave them stays
	}
}

// delivered notes what became of a mail. That of a generation which has been replaced says nothing any more.
func (l userListFold) delivered(at place, generation uint32, delivery string, reason events.Sealed[events.Note]) {
	if r := l.entries.edit(at); r != nil && r.generation == generation {
		r.delivery, r.deliveryReason = delivery, cleanText(reason.Value().Text)
		if r.erased {
			r.deliveryReason = ""
		}
	}
}

func (l userListFold) become(at place, status string) {
	if r := l.entries.edit(at); r != nil {
		r.status = status
	}
}

// setPerson changes a person and every row of theirs, which hold copies to be sorted and searched by.
func (l userListFold) setPerson(id events.AnyID, p person) {
	l.people.put(atPerson(id), p)
	l.entries.editAll(group{id: id}, func(r *listRow) { r.show(p) })
}

// lock notes that a user is locked, which no row of an account shows.
func (l userListFold) lock(id events.AnyID, is bool) {
	p := *l.people.look(atPerson(id))
	p.locked = is
	l.people.put(atPerson(id), p)
}

// grantSum is what several grants give together: roles and extra permissions, each once in the order of the
// grants, and when the last of them ends; no end when one of them has none.
type grantSum struct {
	roles, permissions []string
	until              events.Time
}

func sumOf(grants []events.Grant) grantSum {
	var s grantSum
	endless := len(grants) == 0
	for _, g := range grants {
		for _, role := range g.Roles {
			if !slices.Contains(s.roles, role) {
				s.roles = append(s.roles, role)
			}
		}
		for _, p := range g.Permissions {
			if !slices.Contains(s.permissions, p) {
				s.permissions = append(s.permissions, p)
			}
		}
		endless = endless || g.Until.IsZero()
		s.until = max(s.until, g.Until)
	}
	if endless {
		s.until = 0
	}
	return s
}
