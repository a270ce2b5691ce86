package projections

import (
	"bytes"
	"context"
	"errors"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"

	"roster/events"
)

// Audit is the audit trail (SPEC 5.1): an entry for each fact and account in whose trail it stands.
//
// Names stand once, in subject, and are joined by the question, so that erasing a person is a change of few rows;
// the network addresses and free text that stand in entries are emptied with them. An attempt to sign in is refused
// until the session says that it was the successful one: then the session's entry is the only one.
func Audit() Model {
	return Model{Name: "audit", Version: 4, Tables: auditTables, Apply: applyAudit}
}

// An account of zeroes is the operator's alone. operator marks the one entry of each fact that the operator's trail
// shows. The primary key read backwards is an account's trail, newest first; every filter by one thing is a range of
// an index, so that a page costs the same however long the history is. span says which positions an hour has, for
// the filter by time: at goes forward within a boundary only.
const auditTables = `
CREATE TABLE entry (
	account     uuid NOT NULL,
	position    bigint NOT NULL,
	idx         int NOT NULL,
	operator    boolean NOT NULL,
	at          timestamptz NOT NULL,
	action      text NOT NULL,
	outcome     text NOT NULL,
	code        text NOT NULL,
	actor_type  text NOT NULL,
	actor_id    text NOT NULL,
	actor       uuid,
	session     uuid,
	behalf_type text NOT NULL,
	behalf_id   text NOT NULL,
	behalf      uuid,
	target_type text NOT NULL,
	target      uuid,
	ip          text NOT NULL,
	device      text NOT NULL,
	before      json,
	after       json,
	reason      text NOT NULL,
	command_id  bytea NOT NULL,
	command     text NOT NULL,
	attempt     bytea,
	PRIMARY KEY (account, position, idx)
);
CREATE INDEX entry_actor ON entry (actor, account, position, idx) WHERE actor IS NOT NULL;
CREATE INDEX entry_target ON entry (target, account, position, idx) WHERE target IS NOT NULL;
CREATE INDEX entry_action ON entry (account, action, position, idx);
CREATE INDEX entry_refused ON entry (account, position, idx) WHERE outcome = 'refused';
CREATE INDEX entry_operator ON entry (position, idx) WHERE operator;
CREATE INDEX entry_attempt ON entry (attempt) WHERE attempt IS NOT NULL;
CREATE TABLE subject (
	id      uuid PRIMARY KEY,
	kind    text NOT NULL,
	address uuid,
	name    text NOT NULL,
	email   text NOT NULL,
	folded  text NOT NULL,
	erased  boolean NOT NULL
);
CREATE INDEX subject_address ON subject (address) WHERE address IS NOT NULL;
CREATE TABLE membership (
	user_id uuid NOT NULL,
	account uuid NOT NULL,
	PRIMARY KEY (user_id, account)
);
CREATE TABLE span (
	hour  timestamptz PRIMARY KEY,
	first bigint NOT NULL,
	last  bigint NOT NULL
);`

// auditRow is an entry that is yet to be written.
type auditRow struct {
	account       events.AccountID
	operator      bool
	pos           int64
	idx           int32
	c             *Opened
	action        string
	fact          *auditFact
	before, after string
	attempt       bool
}

type auditSubject struct {
	kind, name, email string
	address           events.AddressID
	erased            bool
}

type auditMember struct {
	user    events.AnyID
	account events.AccountID
}

// auditErasure empties what stands of somebody up to a position: a person, or whoever an address belonged to.
type auditErasure struct {
	pos       int64
	ids       []pgtype.UUID
	addresses []pgtype.UUID
}

// auditFold is what a run of commits changes in the trail.
type auditFold struct {
	members  map[events.AnyID]map[events.AccountID]bool // of the users whose facts are in the run
	changed  map[auditMember]bool                       // memberships by whether they stand at the end
	rows     []auditRow
	subjects map[events.AnyID]auditSubject
	named    map[events.AnyID]auditSubject // of the people who are named anew in the run, as they were before it
	erasures []auditErasure
	attempts [][]byte // commits of attempts that succeeded
	spans    map[int64][2]int64
}

func applyAudit(ctx context.Context, tx pgx.Tx, commits []Opened) error {
	fold := auditFold{members: map[events.AnyID]map[events.AccountID]bool{}, changed: map[auditMember]bool{},
		subjects: map[events.AnyID]auditSubject{}, named: map[events.AnyID]auditSubject{}, spans: map[int64][2]int64{}}
	if err := errors.Join(fold.load(ctx, tx, commits), fold.loadNamed(ctx, tx, commits)); err != nil {
		return err
	}
	for len(commits) > 0 {
		n := 1
		for b := commits[0].Batch; b != nil && n < len(commits) && commits[n].Batch != nil && commits[n].Batch.ID == b.ID; {
			n++
		}
		if err := fold.moment(commits[:n]); err != nil {
			return err
		}
		commits = commits[n:]
	}
	return fold.save(ctx, tx)
}

// load reads where the users that the commits are about are members.
func (a *auditFold) load(ctx context.Context, tx pgx.Tx, commits []Opened) error {
	var ids []pgtype.UUID
	for i := range commits {
		b := commits[i].Boundary
		if b.Kind != events.UserBoundary && b.Kind != events.AttemptsBoundary || a.members[b.ID] != nil {
			continue
		}
		a.members[b.ID] = map[events.AccountID]bool{}
		ids = append(ids, pgUUID(b.ID))
	}
	if len(ids) == 0 {
		return nil
	}
	rows, err := tx.Query(ctx, `SELECT user_id, account FROM membership WHERE user_id = ANY($1::uuid[])`, ids)
	if err != nil {
		return err
	}
	var user, account [16]byte
	_, err = pgx.ForEachRow(rows, []any{&user, &account}, func() error {
		a.members[user][account] = true
		return nil
	})
	return err
}

// loadNamed reads what is known of the people who are named anew.
func (a *auditFold) loadNamed(ctx context.Context, tx pgx.Tx, commits []Opened) error {
	var ids []pgtype.UUID
	for i := range commits {
		for _, e := range commits[i].Facts {
			_, renamed := e.(events.UserProfileChanged)
			if _, moved := e.(events.UserEmailChanged); renamed || moved {
				ids = append(ids, pgUUID(commits[i].Boundary.ID))
			}
		}
	}
	if len(ids) == 0 {
		return nil
	}
	rows, err := tx.Query(ctx, `SELECT id, kind, coalesce(address, '00000000-0000-0000-0000-000000000000'), name, email, erased FROM subject WHERE id = ANY($1::uuid[])`, ids)
	if err != nil {
		return err
	}
	var id, address [16]byte
	var s auditSubject
	_, err = pgx.ForEachRow(rows, []any{&id, &s.kind, &address, &s.name, &s.email, &s.erased}, func() error {
		s.address = address
		a.named[id] = s
		return nil
	})
	return err
}

// nameAnew changes what is known of a person.
func (a *auditFold) nameAnew(id events.AnyID, change func(*auditSubject)) {
	s, ok := a.subjects[id]
	if !ok {
		s = a.named[id]
	}
	s.kind = "user"
	change(&s)
	a.subjects[id] = s
}

// moment folds commits that were written together: a single one, or a batch. Whoever is a member before or becomes
// one in the same moment is a member then, whatever the order within.
func (a *auditFold) moment(commits []Opened) error {
	for i := range commits {
		for _, e := range commits[i].Facts {
			if g, ok := e.(events.MembershipGranted); ok && a.members[g.User.Any()] != nil {
				a.members[g.User.Any()][events.AccountID(commits[i].Boundary.ID)] = true
			}
		}
	}
	for i := range commits {
		c := &commits[i]
		hour := c.At.Std().Truncate(time.Hour).Unix()
		span, ok := a.spans[hour]
		if !ok {
			span[0] = int64(c.Pos)
		}
		a.spans[hour] = [2]int64{span[0], int64(c.Pos)}
		for j, e := range c.Facts {
			if err := a.add(c, j, e); err != nil {
				return err
			}
		}
	}
	for i := range commits {
		if id := commits[i].Because(); commits[i].Boundary.Kind == events.UserBoundary && !id.IsZero() {
			a.attempts = append(a.attempts, id[:]) // a password or code that was right: what it was for stands in its place
		}
		for _, e := range commits[i].Facts {
			a.note(&commits[i], e)
		}
	}
	return nil
}

// add makes the entries of a fact.
func (a *auditFold) add(c *Opened, idx int, e events.Event) error {
	fact := auditOf(c, e)
	_, attempt := e.(events.SigninAttempted)
	row := auditRow{pos: int64(c.Pos), idx: int32(idx), c: c, action: events.KindOf(e).Name, fact: &fact, attempt: attempt}
	var err error
	if row.before, err = auditJSON(fact.before); err != nil {
		return err
	}
	if row.after, err = auditJSON(fact.after); err != nil {
		return err
	}
	fact.reason = cleanText(fact.reason)
	if fact.trail == inOne {
		row.account = fact.account
	}
	row.operator = true
	a.rows = append(a.rows, row)
	if fact.trail != ofUser {
		return nil
	}
	row.operator = false
	first := len(a.rows)
	for account := range a.members[fact.target.id] {
		row.account = account
		a.rows = append(a.rows, row)
	}
	slices.SortFunc(a.rows[first:], func(x, y auditRow) int { return bytes.Compare(x.account[:], y.account[:]) })
	return nil
}

// note keeps what later facts and questions need to know.
func (a *auditFold) note(c *Opened, e events.Event) {
	switch f := e.(type) {
	case events.MembershipGranted:
		a.member(f.User, c.Boundary, true)
	case events.MembershipRevoked:
		a.member(f.User, c.Boundary, false)
	case events.MembershipLeft:
		a.member(f.User, c.Boundary, false)
	case events.MembershipExpired:
		if len(f.Left) == 0 {
			a.member(f.User, c.Boundary, false)
		}

	case events.UserRegistered:
		a.subjects[c.Boundary.ID] = auditSubject{kind: "user", address: f.Address, name: cleanText(f.Profile.Value().Full()),
			email: cleanText(f.Email.Value().Email), erased: f.Profile.Erased}
	case events.InvitationCreated:
		who := f.Invitee.Value()
		a.subjects[f.Invitation.Any()] = auditSubject{kind: "invitation", address: f.Address, name: cleanText(who.Full()),
			email: cleanText(who.Email), erased: f.Invitee.Erased}
	case events.AccountOpened:
		a.subjects[c.Boundary.ID] = auditSubject{kind: "account", name: cleanText(f.Name)}
	case events.OperatorKeyAdded:
		a.subjects[f.Key] = auditSubject{kind: "key", name: cleanText(f.Name)}
	case events.KeyCreated:
		a.subjects[f.Key.Any()] = auditSubject{kind: "key", name: cleanText(f.Name)}

	case events.UserErased:
		gone := auditErasure{pos: int64(c.Pos), ids: []pgtype.UUID{pgUUID(c.Boundary.ID)}}
		for _, address := range f.Addresses {
			gone.addresses = append(gone.addresses, pgUUID(address.Any()))
		}
		a.erasures = append(a.erasures, gone)
	case events.AddressErased:
		gone := auditErasure{pos: int64(c.Pos), addresses: []pgtype.UUID{pgUUID(c.Boundary.ID)}}
		for _, invitation := range f.Invitations {
			gone.ids = append(gone.ids, pgUUID(invitation.Any()))
		}
		a.erasures = append(a.erasures, gone)

	case events.InvitationRevoked: // it may have been written behind the erasure of its address
		if f.Because == events.BecauseErased {
			a.erasures = append(a.erasures, auditErasure{pos: int64(c.Pos), ids: []pgtype.UUID{pgUUID(f.Invitation.Any())}})
		}

	case events.SessionStarted:
		a.succeeded(f.Attempt)
	case events.PasswordChanged: // the password was verified by an attempt of its own
		a.succeeded(c.Because())
	case events.UserEmailChangeRequested:
		a.succeeded(c.Because())

	case events.UserProfileChanged:
		a.nameAnew(c.Boundary.ID, func(s *auditSubject) {
			s.name, s.erased = cleanText(f.Profile.Value().Full()), s.erased || f.Profile.Erased
		})
	case events.UserEmailChanged:
		a.nameAnew(c.Boundary.ID, func(s *auditSubject) {
			s.email, s.address = cleanText(f.Email.Value().Email), f.To
		})

	case events.LogStarted, events.PortalSetUp, events.InvitationResent,
		events.InvitationDeclined, events.InvitationAccepted, events.InvitationExpired, events.InvitationLinkRequested,
		events.InvitationMailSent, events.InvitationMailDeferred, events.InvitationMailBounced,
		events.MembershipRoleChanged, events.MembershipSuspended, events.MembershipReactivated, events.UserJoined,
		events.PasswordSet, events.SessionEnded, events.AddressClaimed, events.SigninAttempted, events.CommandRefused,
		events.ModulesDeclared, events.ProfileDefined, events.TreeOpened, events.TreeMoved, events.TreeClosed,
		events.AccountRenamed, events.AccountMoved, events.AccountClosed, events.AccountPolicyChanged, events.AccountProfileAdopted,
		events.RoleDefined, events.RoleWithdrawn, events.ContactAdded, events.ContactChanged, events.ContactRemoved,
		events.InvitationReminded, events.MembershipActivated, events.MembershipReminded, events.MembershipUserLocked,
		events.MembershipUserUnlocked, events.UserLocked, events.UserUnlocked,
		events.UserPreferencesChanged,
		events.PasswordResetRequested, events.PasswordReset, events.FactorEnrolled, events.FactorVerified, events.FactorRemoved,
		events.FactorReset, events.RecoveryCodesIssued, events.SigninThrottled, events.AddressReleased, events.AddressSignupRequested,
		events.KeyRotated, events.KeyRevoked,
		events.SSOConnected, events.SSOChanged, events.SSODisconnected, events.DomainVerified, events.DomainReleased, events.IdentityLinked, events.IdentityUnlinked, events.IdentityUsed, events.PasswordConfirmed:
	}
}

// succeeded notes that an attempt was no failed one.
func (a *auditFold) succeeded(attempt events.CommitID) {
	if !attempt.IsZero() {
		a.attempts = append(a.attempts, attempt[:])
	}
}

func (a *auditFold) member(user events.UserID, account events.Boundary, is bool) {
	m := auditMember{user.Any(), events.AccountID(account.ID)}
	a.changed[m] = is
	if accounts := a.members[m.user]; accounts != nil && is {
		accounts[m.account] = true
	} else if accounts != nil {
		delete(accounts, m.account)
	}
}
