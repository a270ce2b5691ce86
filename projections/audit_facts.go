package projections

import (
	"encoding/json"
	"slices"
	"strings"

	"roster/events"
)

// The outcomes of an entry of the audit trail.
const (
	AuditDone    = "done"
	AuditRefused = "refused"
)

// auditFact is what a fact says in the trail, apart from who, when and from where.
type auditFact struct {
	trail         auditTrail
	account       events.AccountID // whose trail, where it is inOne
	target        auditTarget
	outcome, code string
	before, after any
	reason        string
}

// auditTrail says in whose trail a fact stands. Every fact also stands once in the operator's.
type auditTrail int

const (
	inOne      auditTrail = iota // that of one account; the operator's alone when there is no account
	ofUser                       // those of the accounts where the user in target is a member then
	ofOperator                   // the operator's alone
)

type auditTarget struct {
	kind string // user, invitation, account, key, address, portal, log; "" for the subject of an attempt
	id   events.AnyID
}

// auditState is what of a fact is shown as before and after: roles, statuses and the like, never who or where.
type auditState struct {
	Status      string         `json:"status,omitempty"`
	Roles       []string       `json:"roles,omitempty"`
	Permissions []string       `json:"permissions,omitempty"`
	Grants      []events.Grant `json:"grants,omitempty"` // where roles and permissions do not say it all
	Owner       events.UserID  `json:"owner,omitzero"`   // of a personal key
	Scopes      []string       `json:"scopes,omitempty"` // of a key
	OnBehalf    bool           `json:"on_behalf,omitempty"`
	Generation  uint32         `json:"generation,omitempty"`
	ExpiresAt   events.Time    `json:"expires_at,omitzero"`
	Delivery    string         `json:"delivery,omitempty"`
	Method      string         `json:"method,omitempty"`
	Factor      string         `json:"factor,omitempty"`
	Because     string         `json:"because,omitempty"`
	Command     string         `json:"command,omitempty"`
	Unwritten   int            `json:"refused_before,omitempty"` // attempts refused without an entry since the one before
}

type auditAccount struct {
	Name    string            `json:"name,omitempty"`
	Parent  events.AccountID  `json:"parent,omitzero"`
	Profile events.ProfileRef `json:"profile,omitzero"`
}

type auditModules struct {
	Modules []events.Module `json:"modules"`
}

type auditRole struct {
	Role       string                 `json:"role"`
	Definition *events.RoleDefinition `json:"definition,omitempty"`
}

// auditSSO is a connection as the trail shows it: which entry of the vault holds its secret is nobody's business.
func auditSSO(c events.SSO) any {
	return struct {
		Issuer    string   `json:"issuer"`
		ClientID  string   `json:"client_id"`
		Required  bool     `json:"required"`
		JoinRoles []string `json:"join_roles,omitempty"`
	}{c.Issuer, c.ClientID, c.Required, c.JoinRoles}
}

type auditDomain struct {
	Domain string `json:"domain"`
	How    string `json:"how,omitempty"`
}

func auditGrants(status string, grants []events.Grant) auditState {
	s := auditState{Status: status}
	whole := len(grants) != 1
	for _, g := range grants {
		for _, role := range g.Roles {
			if !slices.Contains(s.Roles, role) {
				s.Roles = append(s.Roles, role)
			}
		}
		for _, p := range g.Permissions {
			if !slices.Contains(s.Permissions, p) {
				s.Permissions = append(s.Permissions, p)
			}
		}
		whole = whole || g.Inherit || !g.From.IsZero() || !g.Until.IsZero()
	}
	if whole {
		s.Grants = grants
	}
	return s
}

// auditOf says how a fact stands in the trail.
func auditOf(c *Opened, e events.Event) auditFact {
	account := events.AccountID{}
	if c.Boundary.Kind == events.AccountBoundary {
		account = events.AccountID(c.Boundary.ID)
	}
	done := func(kind string, id events.AnyID, before, after any) auditFact {
		return auditFact{trail: inOne, account: account, target: auditTarget{kind, id}, outcome: AuditDone, before: before, after: after}
	}
	invitation := func(id events.InvitationID, before, after string) auditFact {
		return done("invitation", id.Any(), auditState{Status: before}, auditState{Status: after})
	}
	delivery := func(id events.InvitationID, generation uint32, after, reason string) auditFact {
		f := done("invitation", id.Any(), nil, auditState{Delivery: after, Generation: generation})
		f.reason = reason
		return f
	}
	member := func(id events.UserID, before, after any, reason string) auditFact {
		f := done("user", id.Any(), before, after)
		f.reason = reason
		return f
	}
	ofOwn := func(trail auditTrail, after any) auditFact {
		return auditFact{trail: trail, target: auditTarget{"user", c.Boundary.ID}, outcome: AuditDone, after: after}
	}
	ofTree := func(id events.AccountID) auditFact {
		return auditFact{trail: ofOperator, target: auditTarget{"account", id.Any()}, outcome: AuditDone}
	}
	const active, suspended, revoked, pending = "active", "suspended", "revoked", "pending"

	switch f := e.(type) {
	case events.LogStarted:
		return done("log", events.AnyID(c.Log), nil, nil)
	case events.PortalSetUp:
		return done("account", f.Account.Any(), nil, nil)
	case events.OperatorKeyAdded:
		return done("key", f.Key, nil, nil)

	case events.ModulesDeclared:
		return done("portal", events.AnyID{}, auditModules{f.From}, auditModules{f.To})
	case events.ProfileDefined:
		return done("portal", events.AnyID{}, nil, auditAccount{Profile: f.Profile})

	case events.TreeOpened: // the same stands in the account's trail
		return ofTree(f.Account)
	case events.TreeMoved:
		return ofTree(f.Account)
	case events.TreeClosed:
		return ofTree(f.Account)

	case events.AccountOpened:
		return done("account", c.Boundary.ID, nil, auditAccount{Parent: f.Parent, Profile: f.Profile})
	case events.AccountRenamed:
		return done("account", c.Boundary.ID, auditAccount{Name: f.From}, auditAccount{Name: f.To})
	case events.AccountMoved:
		return done("account", c.Boundary.ID, auditAccount{Parent: f.From}, auditAccount{Parent: f.To})
	case events.AccountClosed:
		return done("account", c.Boundary.ID, nil, auditState{Status: "closed"})
	case events.AccountPolicyChanged:
		return done("account", c.Boundary.ID, f.From, f.To)
	case events.AccountProfileAdopted:
		return done("account", c.Boundary.ID, auditAccount{Profile: f.From}, auditAccount{Profile: f.To})

	case events.SSOConnected:
		return done("account", c.Boundary.ID, nil, auditSSO(f.To))
	case events.SSOChanged:
		return done("account", c.Boundary.ID, auditSSO(f.From), auditSSO(f.To))
	case events.SSODisconnected:
		return done("account", c.Boundary.ID, auditSSO(f.From), nil)
	case events.DomainVerified: // the same stands in the portal's boundary
		return done("account", f.Account.Any(), nil, auditDomain{f.Domain, f.How})
	case events.DomainReleased:
		return done("account", f.Account.Any(), auditDomain{f.Domain, ""}, nil)

	case events.RoleDefined:
		return done("account", c.Boundary.ID, auditRole{f.Role, f.From}, auditRole{f.Role, &f.To})
	case events.RoleWithdrawn:
		return done("account", c.Boundary.ID, auditRole{f.Role, &f.From}, nil)

	case events.KeyCreated:
		state := auditGrants("active", f.Grants)
		state.ExpiresAt, state.Owner, state.Scopes, state.OnBehalf = f.ExpiresAt, f.Owner, f.Scopes, f.OnBehalf
		return done("key", f.Key.Any(), nil, state)
	case events.KeyRotated:
		return done("key", f.Key.Any(), nil, auditState{ExpiresAt: f.Until})
	case events.KeyRevoked:
		return done("key", f.Key.Any(), auditState{Status: active}, auditState{Status: revoked, Because: f.Because})

	case events.ContactAdded:
		return done("contact", f.Contact.Any(), nil, auditState{Roles: f.Roles})
	case events.ContactChanged:
		return done("contact", f.Contact.Any(), auditState{Roles: f.From}, auditState{Roles: f.To})
	case events.ContactRemoved:
		return done("contact", f.Contact.Any(), nil, nil)

	case events.InvitationCreated:
		state := auditGrants(pending, f.Grants)
		state.Generation, state.ExpiresAt = f.Generation, f.ExpiresAt
		return done("invitation", f.Invitation.Any(), nil, state)
	case events.InvitationResent:
		return done("invitation", f.Invitation.Any(), auditState{ExpiresAt: f.From}, auditState{ExpiresAt: f.To, Generation: f.Generation})
	case events.InvitationRevoked:
		return done("invitation", f.Invitation.Any(), auditState{Status: pending}, auditState{Status: revoked, Because: f.Because})
	case events.InvitationDeclined:
		return invitation(f.Invitation, pending, "declined")
	case events.InvitationAccepted:
		return invitation(f.Invitation, pending, "accepted")
	case events.InvitationExpired:
		return invitation(f.Invitation, pending, "expired")
	case events.InvitationLinkRequested:
		return done("invitation", f.Invitation.Any(), nil, auditState{Generation: f.Generation})
	case events.InvitationReminded:
		return done("invitation", f.Invitation.Any(), nil, auditState{Generation: f.Generation})
	case events.InvitationMailSent:
		return delivery(f.Invitation, f.Generation, "sent", "")
	case events.InvitationMailDeferred:
		return delivery(f.Invitation, f.Generation, "deferred", f.Reason.Value().Text)
	case events.InvitationMailBounced:
		return delivery(f.Invitation, f.Generation, "bounced", f.Reason.Value().Text)

	case events.MembershipGranted:
		return member(f.User, nil, auditGrants(activeUnless(f.Pending), f.Grants), "")
	case events.MembershipRoleChanged:
		return member(f.User, auditGrants("", f.From), auditGrants("", f.To), "")
	case events.MembershipSuspended:
		return member(f.User, auditState{Status: active}, auditState{Status: suspended}, f.Reason.Value().Text)
	case events.MembershipReactivated:
		return member(f.User, auditState{Status: suspended}, auditState{Status: activeUnless(f.Pending)}, "")
	case events.MembershipRevoked:
		return member(f.User, nil, auditState{Status: revoked}, f.Reason.Value().Text)
	case events.MembershipLeft:
		return member(f.User, nil, auditState{Status: revoked}, "")
	case events.MembershipActivated:
		after := active
		if f.Suspended {
			after = suspended
		}
		return member(f.User, auditState{Status: pending}, auditState{Status: after}, "")
	case events.MembershipExpired:
		status := ""
		if len(f.Left) == 0 {
			status = revoked
		}
		return member(f.User, auditGrants("", append(slices.Clone(f.Ended), f.Left...)), auditGrants(status, f.Left), "")
	case events.MembershipReminded:
		return member(f.User, nil, auditState{ExpiresAt: f.Until}, "")
	case events.MembershipUserLocked:
		return member(f.User, auditState{Status: active}, auditState{Status: "locked"}, "")
	case events.MembershipUserUnlocked:
		return member(f.User, auditState{Status: "locked"}, auditState{Status: active}, "")

	case events.UserLocked:
		locked := ofOwn(ofOperator, auditState{Status: "locked"}) // in the accounts' trails stands membership.user_locked
		locked.reason = f.Reason.Value().Text
		return locked
	case events.UserUnlocked:
		unlocked := ofOwn(ofOperator, auditState{Status: active})
		unlocked.reason = f.Reason.Value().Text
		return unlocked

	case events.UserRegistered:
		return ofOwn(ofUser, auditState{Status: active})
	case events.UserJoined:
		// In the trails of the other accounts it would tell that the person joined somewhere else;
		// in that of the account joined stands membership.granted.
		return ofOwn(ofOperator, nil)
	case events.UserErased:
		return ofOwn(ofUser, auditState{Status: "erased"})
	case events.UserProfileChanged:
		return ofOwn(ofUser, nil)
	case events.UserPreferencesChanged:
		return ofOwn(ofOperator, nil)
	case events.UserEmailChangeRequested:
		return ofOwn(ofUser, auditState{Generation: f.Generation, ExpiresAt: f.ExpiresAt})
	case events.UserEmailChanged:
		return ofOwn(ofUser, nil)
	case events.PasswordSet:
		return ofOwn(ofUser, nil)
	case events.PasswordChanged:
		return ofOwn(ofUser, nil)
	case events.PasswordResetRequested:
		return ofOwn(ofUser, auditState{Generation: f.Generation, ExpiresAt: f.ExpiresAt})
	case events.PasswordReset:
		return ofOwn(ofUser, auditState{Generation: f.Generation})
	case events.FactorEnrolled:
		return ofOwn(ofUser, auditState{Status: "enrolled", Factor: f.Method})
	case events.FactorVerified:
		return ofOwn(ofUser, auditState{Status: "verified"})
	case events.FactorRemoved:
		return ofOwn(ofUser, auditState{Status: "removed"})
	case events.FactorReset:
		return ofOwn(ofUser, auditState{Status: "reset"})
	case events.RecoveryCodesIssued:
		return ofOwn(ofUser, nil)
	case events.IdentityLinked:
		return auditFact{trail: ofOperator, target: auditTarget{"user", f.User.Any()}, outcome: AuditDone}
	case events.IdentityUnlinked: // the provider's account may know; the other accounts of the person need not
		if c.Boundary.Kind != events.UserBoundary {
			return auditFact{trail: ofOperator, target: auditTarget{"user", f.User.Any()}, outcome: AuditDone}
		}
		return auditFact{trail: inOne, account: f.Account, target: auditTarget{"user", f.User.Any()}, outcome: AuditDone}
	case events.IdentityUsed: // that of the session says how it began
		return ofOwn(ofOperator, nil)
	case events.PasswordConfirmed: // what it was given for stands beside it
		return ofOwn(ofOperator, nil)
	case events.SessionStarted:
		return ofOwn(ofUser, auditState{Method: f.Method})
	case events.SessionEnded:
		return ofOwn(ofUser, auditState{Because: f.Because})

	case events.AddressClaimed:
		return auditFact{trail: ofOperator, target: auditTarget{"user", f.User.Any()}, outcome: AuditDone}
	case events.AddressReleased:
		return auditFact{trail: ofOperator, target: auditTarget{"user", f.User.Any()}, outcome: AuditDone}
	case events.AddressSignupRequested:
		return auditFact{trail: ofOperator, target: auditTarget{"address", c.Boundary.ID}, outcome: AuditDone, after: auditState{ExpiresAt: f.ExpiresAt}}
	case events.AddressErased:
		return auditFact{trail: ofOperator, target: auditTarget{"address", c.Boundary.ID}, outcome: AuditDone}

	case events.SigninAttempted:
		return auditFact{trail: ofUser, target: auditTarget{"", c.Boundary.ID}, outcome: AuditRefused, code: "bad_credentials",
			after: auditState{Factor: f.Factor, Unwritten: f.Refused}}
	case events.SigninThrottled:
		return auditFact{trail: ofUser, target: auditTarget{"", c.Boundary.ID}, outcome: AuditRefused, code: "rate_limited",
			after: auditState{Factor: f.Factor, ExpiresAt: f.Until}}
	case events.CommandRefused:
		refused := auditFact{trail: inOne, account: f.Account, target: auditTarget{"account", f.Account.Any()}, outcome: AuditRefused,
			code: f.Code, after: auditState{Command: f.Command, Unwritten: f.Refused}}
		if f.Target != nil {
			refused.target = auditTarget{f.Target.Type, f.Target.ID}
		} else if f.Account.IsZero() {
			refused.target = auditTarget{}
		}
		return refused
	}
	// Not reached: the switch names every fact of the catalog, which a test proves.
	return auditFact{trail: ofOperator, outcome: AuditDone}
}

// auditJSON writes a state; nothing known is the empty text.
func auditJSON(state any) (string, error) {
	if state == nil {
		return "", nil
	}
	b, err := json.Marshal(state)
	return string(b), err
}

// auditPerson is the id under which an actor's name is known: a user's or key's own, that of a link's invitation.
func auditPerson(a *events.Actor) events.AnyID {
	if a == nil {
		return events.AnyID{}
	}
	id := a.ID
	if a.Type == events.ByLink {
		id, _, _ = strings.Cut(id, ".")
	}
	parsed, err := events.ParseID[struct{ any byte }](id)
	if err != nil {
		return events.AnyID{}
	}
	return events.AnyID(parsed)
}
