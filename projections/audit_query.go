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

// AuditQuery says which entries are asked for. What is zero does not restrict.
type AuditQuery struct {
	Accounts []events.AccountID // whose trails: an account, or one with its sub-accounts
	Operator bool               // or the operator's, in which every fact stands once
	Actor    string             // an id, or a kind of actor or part of Roster such as "system" or "mailer"
	Target   string             // an id, or a kind of target
	Action   string             // a fact's name
	Outcome  string             // AuditDone or AuditRefused
	Q        string             // in names, addresses, action or code; case and accents do not count
	From, To time.Time          // at or after, before
	Cursor   *AuditCursor       // behind which entry to go on
	Limit    int                // 1 to 1,000; 50 if it is 0

	OldestFirst bool // of a page: the other way round
}

// AuditCursor is an entry's place in a trail.
type AuditCursor struct {
	Position uint64
	Index    int
}

// AuditPage is a page of the trail. Next is nil on the last one. Position is where the trail was
// before it was read: every entry up to there is in it.
type AuditPage struct {
	Entries  []AuditEntry
	Next     *AuditCursor
	Position uint64
}

// AuditEntry is an entry of the trail: a fact as it stands in the trail of an account.
type AuditEntry struct {
	Position  uint64            `json:"position"`
	Index     int               `json:"index"`
	Time      events.Time       `json:"time"`
	Account   *events.AccountID `json:"account"` // nil: in the operator's trail alone
	Action    string            `json:"action"`
	Outcome   string            `json:"outcome"`
	Code      string            `json:"code"`
	Actor     AuditName         `json:"actor"`
	OnBehalf  *AuditName        `json:"on_behalf_of"`
	Target    *AuditName        `json:"target"`
	IP        string            `json:"ip"`
	Device    string            `json:"device"`
	Before    json.RawMessage   `json:"before"`
	After     json.RawMessage   `json:"after"`
	Reason    string            `json:"reason"`
	CommandID events.CommitID   `json:"command_id"`
	Command   string            `json:"-"`
	Session   events.SessionID  `json:"-"` // of the actor
}

// AuditName is somebody or something in an entry. Name is ErasedName for a person who has been erased, the address
// where no name is known, "" where nothing is.
type AuditName struct {
	Type string `json:"type"`
	ID   string `json:"id"`
	Name string `json:"name"`
}

const (
	auditLimit    = 50
	auditMaxLimit = 1000
)

// ReadAudit answers a page of the trail, newest first unless it is asked for otherwise.
func ReadAudit(ctx context.Context, r Asker, query AuditQuery) (AuditPage, error) {
	limit := query.Limit
	if limit <= 0 {
		limit = auditLimit
	}
	limit = min(limit, auditMaxLimit)
	page := AuditPage{Position: r.Position("audit")}
	entries, err := readAudit(ctx, r, query, limit+1, query.OldestFirst)
	if err != nil {
		return AuditPage{}, err
	}
	page.Entries = entries
	if len(entries) > limit {
		page.Entries = entries[:limit]
		page.Next = page.Entries[limit-1].Cursor()
	}
	return page, nil
}

// Cursor is the place of the entry.
func (e AuditEntry) Cursor() *AuditCursor { return &AuditCursor{e.Position, e.Index} }

func readAudit(ctx context.Context, r Asker, query AuditQuery, limit int, oldestFirst bool) ([]AuditEntry, error) {
	var list []AuditEntry
	err := r.Query(ctx, "audit", func(ctx context.Context, schema string, q Querier) error {
		sql, args := auditSQL(schema, query, limit, oldestFirst)
		rows, err := q.Query(ctx, sql, args...)
		if err != nil {
			return err
		}
		list, err = pgx.CollectRows(rows, scanAuditEntry)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("audit trail: %w", err)
	}
	return list, nil
}

// auditSQL is the question: in each account's trail at most limit entries along an index, then these merged, each
// fact once, then their names. Nothing of the caller's is in the text.
func auditSQL(schema string, query AuditQuery, limit int, oldestFirst bool) (string, []any) {
	table := func(name string) string { return pgx.Identifier{schema, name}.Sanitize() }
	var args []any
	arg := func(v any) string {
		args = append(args, v)
		return fmt.Sprintf("$%d", len(args))
	}
	order, beyond := "DESC", "<"
	if oldestFirst {
		order, beyond = "ASC", ">"
	}
	where := auditWhere(query, table, arg, beyond)
	sorted := fmt.Sprintf("position %s, idx %s", order, order)
	n := arg(limit)
	from := fmt.Sprintf(`(SELECT * FROM %s e WHERE e.operator%s ORDER BY %s LIMIT %s)`, table("entry"), where, sorted, n)
	if !query.Operator {
		accounts := make([]pgtype.UUID, 0, len(query.Accounts))
		for _, account := range query.Accounts {
			if !account.IsZero() {
				accounts = append(accounts, pgUUID(account.Any()))
			}
		}
		from = fmt.Sprintf(`(SELECT DISTINCT ON (position, idx) x.*
			FROM (SELECT DISTINCT unnest(%s::uuid[]) AS account) a
			CROSS JOIN LATERAL (SELECT * FROM %s e WHERE e.account = a.account%s ORDER BY %s LIMIT %s) x
			ORDER BY %s, x.account LIMIT %s)`, arg(accounts), table("entry"), where, sorted, n, sorted, n)
	}
	name := func(alias string) string {
		return fmt.Sprintf("coalesce(%[1]s.kind, ''), coalesce(%[1]s.erased, false), coalesce(%[1]s.name, ''), coalesce(%[1]s.email, '')", alias)
	}
	subject := table("subject")
	return `SELECT e.account, e.position, e.idx, e.at, e.action, e.outcome, e.code, e.actor_type, e.actor_id, e.session,
		e.behalf_type, e.behalf_id, e.target_type, e.target, e.ip, e.device, e.before, e.after, e.reason, e.command_id, e.command,
		` + name("sa") + `, ` + name("sb") + `, ` + name("st") + `
		FROM ` + from + ` e
		LEFT JOIN ` + subject + ` sa ON sa.id = e.actor
		LEFT JOIN ` + subject + ` sb ON sb.id = e.behalf
		LEFT JOIN ` + subject + ` st ON st.id = e.target
		ORDER BY e.position ` + order + `, e.idx ` + order, args
}

// auditWhere is the filter over one trail, each condition with an AND before it.
func auditWhere(query AuditQuery, table func(string) string, arg func(any) string, beyond string) string {
	var w strings.Builder
	and := func(format string, args ...any) { fmt.Fprintf(&w, " AND "+format, args...) }
	id := func(s string) (pgtype.UUID, bool) {
		parsed, err := events.ParseID[struct{ any byte }](s)
		return pgUUID(events.AnyID(parsed)), err == nil
	}
	if actor, ok := id(query.Actor); ok {
		and("e.actor = %s", arg(actor))
	} else if query.Actor != "" {
		who := arg(cleanText(query.Actor))
		and("(e.actor_type = %s OR e.actor_id = %s)", who, who)
	}
	if target, ok := id(query.Target); ok {
		and("e.target = %s", arg(target))
	} else if query.Target != "" {
		and("e.target_type = %s", arg(cleanText(query.Target)))
	}
	if query.Action != "" {
		and("e.action = %s", arg(cleanText(query.Action)))
	}
	switch query.Outcome {
	case "":
	case AuditRefused: // spelt out, so that its partial index is found
		and("e.outcome = 'refused'")
	default:
		and("e.outcome = %s", arg(cleanText(query.Outcome)))
	}
	if !query.From.IsZero() {
		from := arg(query.From.UTC())
		and("e.at >= %s::timestamptz AND e.position >= (SELECT min(first) FROM %s WHERE hour > %s::timestamptz - interval '1 hour')", from, table("span"), from)
	}
	if !query.To.IsZero() {
		to := arg(query.To.UTC())
		and("e.at < %s::timestamptz AND e.position <= (SELECT max(last) FROM %s WHERE hour < %s::timestamptz)", to, table("span"), to)
	}
	if query.Cursor != nil {
		and("(e.position, e.idx) %s (%s::bigint, %s::int)", beyond, arg(int64(query.Cursor.Position)), arg(query.Cursor.Index))
	}
	if query.Q != "" {
		like := arg(containsPattern(cleanText(query.Q)))
		and(`(e.action LIKE %[1]s OR e.code LIKE %[1]s OR
			EXISTS (SELECT 1 FROM %[2]s s WHERE s.id IN (e.actor, e.behalf, e.target) AND s.folded LIKE %[1]s))`, like, table("subject"))
	}
	return w.String()
}

// auditSubjectRow is what the trail knows of somebody who is named in an entry.
type auditSubjectRow struct {
	kind, name, email string
	erased            bool
}

func (s auditSubjectRow) show() string {
	switch {
	case s.erased:
		return ErasedName
	case s.name != "":
		return s.name
	}
	return s.email
}

func scanAuditEntry(row pgx.CollectableRow) (AuditEntry, error) {
	var e AuditEntry
	var account, session, target pgtype.UUID
	var pos int64
	var at time.Time
	var behalf AuditName
	var targetType string
	var before, after *string
	var command []byte
	var sa, sb, st auditSubjectRow
	err := row.Scan(&account, &pos, &e.Index, &at, &e.Action, &e.Outcome, &e.Code, &e.Actor.Type, &e.Actor.ID, &session,
		&behalf.Type, &behalf.ID, &targetType, &target, &e.IP, &e.Device, &before, &after, &e.Reason, &command, &e.Command,
		&sa.kind, &sa.erased, &sa.name, &sa.email, &sb.kind, &sb.erased, &sb.name, &sb.email, &st.kind, &st.erased, &st.name, &st.email)
	if err != nil {
		return AuditEntry{}, err
	}
	e.Position, e.Time, e.Session = uint64(pos), events.TimeOf(at), session.Bytes
	if account.Bytes != [16]byte{} {
		id := events.AccountID(account.Bytes)
		e.Account = &id
	}
	if e.Actor.Name = sa.show(); e.Actor.Type == string(events.BySystem) {
		e.Actor.Name = e.Actor.ID
	}
	if behalf.Type != "" {
		behalf.Name = sb.show()
		e.OnBehalf = &behalf
	}
	if targetType == "" && target.Valid { // the subject of an attempt: an address that nobody has is no user
		if targetType = st.kind; targetType == "" {
			targetType = "unknown"
		}
	}
	if targetType != "" {
		e.Target = &AuditName{Type: targetType, Name: st.show()}
		if target.Valid {
			e.Target.ID = events.AnyID(target.Bytes).String()
		}
	}
	if before != nil {
		e.Before = json.RawMessage(*before)
	}
	if after != nil {
		e.After = json.RawMessage(*after)
	}
	copy(e.CommandID[:], command)
	return e, nil
}
