package projections

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"

	"roster/events"
)

// Accounts is every account there is, with its place in the tree (SPEC 1.1): what is asked over many accounts at once.
// What one account is, and who may what in it, is answered from the log.
func Accounts() Model {
	return Model{Name: "accounts", Version: 1, Tables: extensions + accountsTable, Apply: applyAccounts}
}

// An account above another one is found by its key, those below it by the index on parent.
const accountsTable = `
CREATE TABLE account (
	id uuid PRIMARY KEY,
	parent uuid, -- NULL for a root account
	name text NOT NULL,
	name_sort text COLLATE "C" NOT NULL,
	search text COLLATE "C" NOT NULL,
	profile text NOT NULL,
	opened_at timestamptz NOT NULL,
	closed boolean NOT NULL -- itself; what is below a closed account is closed with it
) WITH (fillfactor = 90);
CREATE INDEX ON account (parent) WHERE parent IS NOT NULL;
CREATE INDEX ON account (name_sort, id);
CREATE INDEX ON account USING gin (search public.gin_trgm_ops) WITH (gin_pending_list_limit = 256);
`

// accountRow is an account.
type accountRow struct {
	parent        events.AccountID
	name, profile string
	openedAt      events.Time
	closed        bool
}

func applyAccounts(ctx context.Context, tx pgx.Tx, commits []Opened) error {
	fold := accountsFold{map[events.AnyID]*accountRow{}, map[events.AnyID]bool{}}
	var b pgx.Batch
	fold.load(&b, commits)
	if err := send(ctx, tx, &b); err != nil {
		return fmt.Errorf("accounts: %w", err)
	}
	for _, c := range commits {
		for _, f := range c.Facts {
			fold.fact(c, f)
		}
	}
	b = pgx.Batch{}
	fold.save(&b)
	if err := send(ctx, tx, &b); err != nil {
		return fmt.Errorf("accounts: %w", err)
	}
	return nil
}

// accountsFold is how facts change the accounts.
type accountsFold struct {
	rows    map[events.AnyID]*accountRow
	changed map[events.AnyID]bool
}

// of is the account that a commit is about, to be changed. One that was never opened stands nowhere: what is said of it
// changes nothing.
func (a accountsFold) of(c Opened) *accountRow {
	row := a.rows[c.Boundary.ID]
	if row == nil {
		return &accountRow{}
	}
	a.changed[c.Boundary.ID] = true
	return row
}

func (a accountsFold) fact(c Opened, e events.Event) {
	switch f := e.(type) {
	case events.AccountOpened:
		a.rows[c.Boundary.ID] = &accountRow{parent: f.Parent, name: cleanText(f.Name), profile: cleanText(f.Profile.Name), openedAt: c.At}
		a.changed[c.Boundary.ID] = true
	case events.AccountRenamed:
		a.of(c).name = cleanText(f.To)
	case events.AccountMoved:
		a.of(c).parent = f.To
	case events.AccountClosed:
		a.of(c).closed = true
	case events.AccountProfileAdopted:
		a.of(c).profile = cleanText(f.To.Name)

	case events.LogStarted, events.PortalSetUp, events.OperatorKeyAdded, events.ModulesDeclared, events.ProfileDefined,
		events.TreeOpened, events.TreeMoved, events.TreeClosed, events.AccountPolicyChanged, events.RoleDefined, events.RoleWithdrawn,
		events.ContactAdded, events.ContactChanged, events.ContactRemoved,
		events.InvitationCreated, events.InvitationResent, events.InvitationRevoked, events.InvitationDeclined,
		events.InvitationAccepted, events.InvitationExpired, events.InvitationReminded, events.InvitationLinkRequested,
		events.InvitationMailSent, events.InvitationMailDeferred, events.InvitationMailBounced,
		events.MembershipGranted, events.MembershipActivated, events.MembershipRoleChanged, events.MembershipSuspended,
		events.MembershipReactivated, events.MembershipRevoked, events.MembershipLeft, events.MembershipExpired,
		events.MembershipReminded, events.MembershipUserLocked, events.MembershipUserUnlocked,
		events.UserRegistered, events.UserJoined, events.UserErased, events.UserLocked, events.UserUnlocked, events.PasswordSet,
		events.SessionStarted, events.SessionEnded, events.AddressClaimed, events.AddressErased,
		events.SigninAttempted, events.CommandRefused,
		events.UserProfileChanged, events.UserPreferencesChanged, events.UserEmailChangeRequested, events.UserEmailChanged, events.PasswordChanged,
		events.PasswordResetRequested, events.PasswordReset, events.FactorEnrolled, events.FactorVerified, events.FactorRemoved,
		events.FactorReset, events.RecoveryCodesIssued, events.SigninThrottled, events.AddressReleased, events.AddressSignupRequested,
		events.KeyCreated, events.KeyRotated, events.KeyRevoked,
		events.SSOConnected, events.SSOChanged, events.SSODisconnected, events.DomainVerified, events.DomainReleased, events.IdentityLinked, events.IdentityUnlinked, events.IdentityUsed, events.PasswordConfirmed:
	}
}

// changesAccount says that a fact changes an account that there is already.
func changesAccount(e events.Event) bool {
	//roster:partial all others say nothing of the account itself
	switch e.(type) {
	case events.AccountRenamed, events.AccountMoved, events.AccountClosed, events.AccountProfileAdopted:
		return true
	}
	return false
}

// load reads the accounts that the page changes, but for those that it opens itself.
func (a accountsFold) load(b *pgx.Batch, commits []Opened) {
	var ids []pgtype.UUID
	for _, c := range commits {
		for _, f := range c.Facts {
			if changesAccount(f) {
				ids = append(ids, pgUUID(c.Boundary.ID))
			}
		}
	}
	if len(ids) == 0 {
		return
	}
	b.Queue(`SELECT id, parent, name, profile, opened_at, closed FROM account WHERE id = ANY($1::uuid[])`, ids).Query(func(rows pgx.Rows) error {
		for rows.Next() {
			var id, parent pgtype.UUID
			var opened time.Time
			r := &accountRow{}
			if err := rows.Scan(&id, &parent, &r.name, &r.profile, &opened, &r.closed); err != nil {
				return err
			}
			r.parent, r.openedAt = parent.Bytes, events.TimeOf(opened)
			a.rows[id.Bytes] = r
		}
		return rows.Err()
	})
}

func (a accountsFold) save(b *pgx.Batch) {
	if len(a.changed) == 0 {
		return
	}
	var ids, parents []pgtype.UUID
	var names, sorts, searches, profiles []string
	var opened []*time.Time
	var closed []bool
	for id := range a.changed {
		r := a.rows[id]
		ids, parents = append(ids, pgUUID(id)), append(parents, pgUUID(r.parent.Any()))
		names, sorts = append(names, r.name), append(sorts, sortText(r.name))
		searches = append(searches, foldText(r.name)+"\n"+id.String())
		profiles, opened, closed = append(profiles, r.profile), append(opened, stdTime(r.openedAt)), append(closed, r.closed)
	}
	b.Queue(`INSERT INTO account (id, parent, name, name_sort, search, profile, opened_at, closed)
		SELECT * FROM unnest($1::uuid[], $2::uuid[], $3::text[], $4::text[], $5::text[], $6::text[], $7::timestamptz[], $8::boolean[])
		ON CONFLICT (id) DO UPDATE SET parent = excluded.parent, name = excluded.name, name_sort = excluded.name_sort,
			search = excluded.search, profile = excluded.profile, opened_at = excluded.opened_at, closed = excluded.closed`,
		ids, parents, names, sorts, searches, profiles, opened, closed)
}
