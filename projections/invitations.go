package projections

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"

	"roster/events"
)

// What an invitation can be beside pending, expired and revoked (SPEC 2.5).
const (
	StatusAccepted = "accepted"
	StatusDeclined = "declined"
)

// Invitations is every invitation there ever was, in each account that it invites into (SPEC 2.5 to 2.7, 2.11).
// Whether one is expired is computed at the moment of asking; the fact that says so changes only what is due.
func Invitations() Model {
	return Model{Name: "invitations", Version: 5, Tables: peopleTable + invitationsTable, Apply: applyInvitations}
}

const invitationsTable = `
CREATE TABLE invitation (
	account uuid NOT NULL,
	key uuid NOT NULL,
	address uuid NOT NULL,
	name text,
	email text,
	erased boolean NOT NULL,
	status text COLLATE "C" NOT NULL,
	roles text[] NOT NULL,
	grants jsonb NOT NULL,
	generation bigint NOT NULL,
	created_at timestamptz NOT NULL,
	expires_at timestamptz NOT NULL,
	expiry_noted boolean NOT NULL, -- invitation.expired has been written for this generation
	remind_at timestamptz NOT NULL,
	reminded boolean NOT NULL, -- invitation.reminded has been written for this generation
	failed_at timestamptz, -- when the log said last that this generation has expired, or that its mail has bounced
	sent_at timestamptz,
	delivery text NOT NULL,
	delivery_reason text,
	inviter_type text NOT NULL,
	inviter_id text,
	inviter uuid, -- inviter_id, where that is a person of ours
	PRIMARY KEY (key, account)
) WITH (fillfactor = 90);
CREATE INDEX ON invitation (account, created_at, key);
CREATE INDEX ON invitation (account, created_at, key) WHERE status = 'pending';
CREATE INDEX ON invitation (expires_at) WHERE status = 'pending' AND NOT expiry_noted;
CREATE INDEX ON invitation (remind_at, key, account) WHERE status = 'pending' AND NOT reminded;
CREATE INDEX ON invitation (account, failed_at) WHERE failed_at IS NOT NULL;
CREATE INDEX ON invitation (address);
`

// invitationRow is an invitation into one account.
type invitationRow struct {
	address              events.AnyID
	name, email          string
	erased               bool
	status               string
	grants               []events.Grant
	generation           uint32
	createdAt, expiresAt events.Time
	expiryNoted          bool
	remindAt             events.Time
	reminded             bool
	failedAt, sentAt     events.Time
	delivery, reason     string
	inviterType, inviter string
}

func (r *invitationRow) erase() { r.name, r.email, r.reason, r.erased = "", "", "", true }

func applyInvitations(ctx context.Context, tx pgx.Tx, commits []Opened) error {
	l := invitationsFold{newSheet(func(r *invitationRow) events.AnyID { return r.address }), newSheet[person](nil)}
	for {
		l.list.begin()
		l.people.begin()
		for _, c := range commits {
			for _, f := range c.Facts {
				l.fact(c, f)
			}
		}
		if l.list.complete() && l.people.complete() {
			break
		}
		var b pgx.Batch
		l.list.load(&b, invitationRowColumns, "invitation", scanInvitationRow)
		loadPeople(&b, l.people)
		if err := send(ctx, tx, &b); err != nil {
			return fmt.Errorf("invitations: %w", err)
		}
	}
	var b pgx.Batch
	write, _ := l.list.settle()
	savePeople(&b, l.people)
	if err := saveInvitationRows(&b, write); err != nil {
		return fmt.Errorf("invitations: %w", err)
	}
	if err := send(ctx, tx, &b); err != nil {
		return fmt.Errorf("invitations: %w", err)
	}
	return nil
}

// invitationsFold is how facts change the invitations.
type invitationsFold struct {
	list   *sheet[invitationRow]
	people *sheet[person] // who may be named as the inviter
}

func (l invitationsFold) fact(c Opened, e events.Event) {
	here := func(id events.InvitationID) place { return place{c.Boundary.ID, id.Any()} }
	switch f := e.(type) {
	case events.InvitationCreated:
		invitee, inviter := f.Invitee.Value(), c.By()
		row := l.list.put(here(f.Invitation), invitationRow{
			address: f.Address.Any(), name: cleanText(invitee.Full()), email: cleanText(invitee.Email),
			status: StatusPending, grants: f.Grants, generation: f.Generation, createdAt: c.At, expiresAt: f.ExpiresAt, remindAt: remindAt(c.At, f.ExpiresAt),
			delivery: deliveryUnsent, inviterType: string(inviter.Type), inviter: inviter.ID,
		})
		if f.Invitee.Erased {
			row.erase()
		}
	case events.InvitationResent:
		if r := l.list.edit(here(f.Invitation)); r != nil {
			r.status, r.generation, r.expiresAt, r.expiryNoted = StatusPending, f.Generation, f.To, false
			r.delivery, r.reason, r.sentAt = deliveryUnsent, "", 0
			r.remindAt, r.reminded, r.failedAt = remindAt(c.At, f.To), false, 0
		}
	case events.InvitationMailSent:
		if r := l.delivered(here(f.Invitation), f.Generation, deliverySent, events.Sealed[events.Note]{}); r != nil {
			r.sentAt = c.At
		}
	case events.InvitationMailDeferred:
		l.delivered(here(f.Invitation), f.Generation, deliveryDeferred, f.Reason)
	case events.InvitationMailBounced:
		if r := l.delivered(here(f.Invitation), f.Generation, deliveryBounced, f.Reason); r != nil {
			r.failedAt = c.At
		}
	case events.InvitationReminded:
		if r := l.list.edit(here(f.Invitation)); r != nil && r.generation == f.Generation {
			r.reminded = true
		}
	case events.InvitationExpired:
		if r := l.list.edit(here(f.Invitation)); r != nil && r.generation == f.Generation {
			r.expiryNoted, r.failedAt = true, c.At
		}
	case events.InvitationRevoked:
		l.become(here(f.Invitation), StatusRevoked)
		if r := l.list.edit(here(f.Invitation)); r != nil && f.Because == events.BecauseErased {
			r.erase() // it may have been written behind the erasure of its address
		}
	case events.InvitationDeclined:
		l.become(here(f.Invitation), StatusDeclined)
	case events.InvitationAccepted:
		l.become(here(f.Invitation), StatusAccepted)

	case events.UserRegistered:
		l.people.put(atPerson(c.Boundary.ID), l.people.look(atPerson(c.Boundary.ID)).registered(f))
	case events.UserProfileChanged:
		l.people.put(atPerson(c.Boundary.ID), l.people.look(atPerson(c.Boundary.ID)).renamed(f))
	case events.UserEmailChanged:
		l.people.put(atPerson(c.Boundary.ID), l.people.look(atPerson(c.Boundary.ID)).moved(f))
	case events.UserErased:
		l.people.put(atPerson(c.Boundary.ID), person{user: true, erased: true})
		for _, address := range f.Addresses {
			l.list.editAll(group{true, address.Any()}, (*invitationRow).erase)
		}
	case events.AddressErased:
		l.list.editAll(group{true, c.Boundary.ID}, (*invitationRow).erase)
	case events.OperatorKeyAdded:
		l.people.put(atPerson(f.Key), person{name: cleanText(f.Name)})
	case events.KeyCreated: // who may have invited
		l.people.put(atPerson(f.Key.Any()), person{name: cleanText(f.Name)})

	case events.LogStarted, events.PortalSetUp, events.AccountOpened, events.InvitationLinkRequested,
		events.MembershipGranted, events.MembershipRoleChanged, events.MembershipSuspended,
		events.MembershipReactivated, events.MembershipRevoked, events.MembershipLeft, events.UserJoined,
		events.PasswordSet, events.SessionStarted, events.SessionEnded, events.AddressClaimed,
		events.SigninAttempted, events.CommandRefused,
		events.ModulesDeclared, events.ProfileDefined, events.TreeOpened, events.TreeMoved, events.TreeClosed,
		events.AccountRenamed, events.AccountMoved, events.AccountClosed, events.AccountPolicyChanged, events.AccountProfileAdopted,
		events.RoleDefined, events.RoleWithdrawn, events.ContactAdded, events.ContactChanged, events.ContactRemoved,
		events.MembershipActivated, events.MembershipExpired, events.MembershipReminded, events.MembershipUserLocked,
		events.MembershipUserUnlocked, events.UserLocked, events.UserUnlocked,
		events.UserPreferencesChanged, events.UserEmailChangeRequested, events.PasswordChanged,
		events.PasswordResetRequested, events.PasswordReset, events.FactorEnrolled, events.FactorVerified, events.FactorRemoved,
		events.FactorReset, events.RecoveryCodesIssued, events.SigninThrottled, events.AddressReleased, events.AddressSignupRequested,
		events.KeyRotated, events.KeyRevoked,
		events.SSOConnected, events.SSOChanged, events.SSODisconnected, events.DomainVerified, events.DomainReleased, events.IdentityLinked, events.IdentityUnlinked, events.IdentityUsed, events.PasswordConfirmed:
	}
}

// delivered notes what became of a mail, and answers the row, or nil where the mail was of a generation that has
// been replaced.
func (l invitationsFold) delivered(at place, generation uint32, delivery string, reason events.Sealed[events.Note]) *invitationRow {
	r := l.list.edit(at)
	if r == nil || r.generation != generation {
		return nil
	}
	r.delivery, r.reason = delivery, cleanText(reason.Value().Text)
	if r.erased {
		r.reason = ""
	}
	return r
}

func (l invitationsFold) become(at place, status string) {
	if r := l.list.edit(at); r != nil {
		r.status = status
	}
}

const invitationRowColumns = `t.account, t.key, t.address, coalesce(t.name, ''), coalesce(t.email, ''), t.erased, t.status,
	t.grants, t.generation, t.created_at, t.expires_at, t.expiry_noted, t.remind_at,
	t.reminded, t.failed_at, t.sent_at, t.delivery,
	coalesce(t.delivery_reason, ''), t.inviter_type, coalesce(t.inviter_id, '')`

func scanInvitationRow(row pgx.CollectableRow) (place, invitationRow, error) {
	var account, key, address pgtype.UUID
	var r invitationRow
	var created, expires, remind time.Time
	var sent, failed *time.Time
	var grants []byte
	var generation int64
	err := row.Scan(&account, &key, &address, &r.name, &r.email, &r.erased, &r.status, &grants, &generation, &created,
		&expires, &r.expiryNoted, &remind, &r.reminded, &failed, &sent, &r.delivery, &r.reason, &r.inviterType, &r.inviter)
	if err == nil {
		err = json.Unmarshal(grants, &r.grants)
	}
	r.address, r.createdAt, r.expiresAt, r.sentAt = address.Bytes, events.TimeOf(created), events.TimeOf(expires), eventTime(sent)
	r.generation, r.remindAt, r.failedAt = uint32(generation), events.TimeOf(remind), eventTime(failed)
	return place{account.Bytes, key.Bytes}, r, err
}

func saveInvitationRows(b *pgx.Batch, rows map[place]*invitationRow) error {
	if len(rows) == 0 {
		return nil
	}
	var account, key, address, inviter []pgtype.UUID
	var name, email, status, roles, grants, delivery, reason, inviterType, inviterID []string
	var erased, noted, reminded []bool
	var created, expires, sent, remind, failed []*time.Time
	var generation []int64
	for at, r := range rows {
		all, err := json.Marshal(r.grants)
		if err != nil {
			return err
		}
		account, key, address = append(account, pgUUID(at.account)), append(key, pgUUID(at.key)), append(address, pgUUID(r.address))
		name, email, erased = append(name, r.name), append(email, r.email), append(erased, r.erased)
		status, grants = append(status, r.status), append(grants, string(all))
		roles = append(roles, strings.Join(sumOf(r.grants).roles, listOf))
		generation, noted = append(generation, int64(r.generation)), append(noted, r.expiryNoted)
		created, expires, sent = append(created, stdTime(r.createdAt)), append(expires, stdTime(r.expiresAt)), append(sent, stdTime(r.sentAt))
		remind, reminded, failed = append(remind, stdTime(r.remindAt)), append(reminded, r.reminded), append(failed, stdTime(r.failedAt))
		delivery, reason = append(delivery, r.delivery), append(reason, r.reason)
		inviterType, inviterID = append(inviterType, r.inviterType), append(inviterID, r.inviter)
		inviter = append(inviter, inviterUUID(r.inviterType, r.inviter))
	}
	b.Queue(`INSERT INTO invitation (account, key, address, name, email, erased, status, roles, grants, generation,
			created_at, expires_at, expiry_noted, sent_at, delivery, delivery_reason, inviter_type, inviter_id, inviter,
			remind_at, reminded, failed_at)
		SELECT t.account, t.key, t.address, NULLIF(t.name, ''), NULLIF(t.email, ''), t.erased, t.status,
			string_to_array(t.roles, E'\x1f'), t.grants::jsonb, t.generation, t.created_at, t.expires_at, t.noted,
			t.sent_at, t.delivery, NULLIF(t.reason, ''), t.inviter_type, NULLIF(t.inviter_id, ''), t.inviter,
			t.remind_at, t.reminded, t.failed_at
		FROM unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::text[], $5::text[], $6::boolean[], $7::text[], $8::text[],
			$9::text[], $10::bigint[], $11::timestamptz[], $12::timestamptz[], $13::boolean[], $14::timestamptz[],
			$15::text[], $16::text[], $17::text[], $18::text[], $19::uuid[], $20::timestamptz[],
			$21::boolean[], $22::timestamptz[])
			AS t(account, key, address, name, email, erased, status, roles, grants, generation, created_at, expires_at,
				noted, sent_at, delivery, reason, inviter_type, inviter_id, inviter, remind_at, reminded, failed_at)
		ON CONFLICT (key, account) DO UPDATE SET address = excluded.address, name = excluded.name,
			email = excluded.email, erased = excluded.erased, status = excluded.status, roles = excluded.roles,
			grants = excluded.grants, generation = excluded.generation, created_at = excluded.created_at,
			expires_at = excluded.expires_at, expiry_noted = excluded.expiry_noted, sent_at = excluded.sent_at,
			delivery = excluded.delivery, delivery_reason = excluded.delivery_reason,
			inviter_type = excluded.inviter_type, inviter_id = excluded.inviter_id, inviter = excluded.inviter,
			remind_at = excluded.remind_at, reminded = excluded.reminded, failed_at = excluded.failed_at`,
		account, key, address, name, email, erased, status, roles, grants, generation, created, expires, noted, sent,
		delivery, reason, inviterType, inviterID, inviter, remind, reminded, failed)
	return nil
}
