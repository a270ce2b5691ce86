package projections

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"

	"roster/events"
)

// save writes what was folded, in one round trip.
func (a *auditFold) save(ctx context.Context, tx pgx.Tx) error {
	var b pgx.Batch
	a.saveMembers(&b)
	a.saveSubjects(&b)
	a.saveRows(&b)
	a.saveSpans(&b)
	if len(a.attempts) > 0 {
		b.Queue(`DELETE FROM entry WHERE attempt = ANY($1::bytea[])`, a.attempts)
	}
	for _, gone := range a.erasures {
		gone.queue(&b)
	}
	return tx.SendBatch(ctx, &b).Close()
}

func (a *auditFold) saveMembers(b *pgx.Batch) {
	var users, accounts [2][]pgtype.UUID // gone, here
	for m, is := range a.changed {
		i := 0
		if is {
			i = 1
		}
		users[i] = append(users[i], pgUUID(m.user))
		accounts[i] = append(accounts[i], pgUUID(m.account.Any()))
	}
	if len(users[1]) > 0 {
		b.Queue(`INSERT INTO membership (user_id, account) SELECT * FROM unnest($1::uuid[], $2::uuid[])
			ON CONFLICT DO NOTHING`, users[1], accounts[1])
	}
	if len(users[0]) > 0 {
		b.Queue(`DELETE FROM membership m USING unnest($1::uuid[], $2::uuid[]) AS gone (user_id, account)
			WHERE m.user_id = gone.user_id AND m.account = gone.account`, users[0], accounts[0])
	}
}

// saveSubjects keeps what is erased erased, and otherwise what was said last.
func (a *auditFold) saveSubjects(b *pgx.Batch) {
	if len(a.subjects) == 0 {
		return
	}
	var ids, addresses []pgtype.UUID
	var kinds, names, emails, folded []string
	var erased []bool
	for id, s := range a.subjects {
		if s.erased {
			s.name, s.email = "", ""
		}
		ids, addresses = append(ids, pgUUID(id)), append(addresses, pgUUID(s.address.Any()))
		kinds, names, emails = append(kinds, s.kind), append(names, s.name), append(emails, s.email)
		folded, erased = append(folded, foldText(s.name+" "+s.email)), append(erased, s.erased)
	}
	b.Queue(`INSERT INTO subject (id, address, kind, name, email, folded, erased)
		SELECT * FROM unnest($1::uuid[], $2::uuid[], $3::text[], $4::text[], $5::text[], $6::text[], $7::boolean[])
		ON CONFLICT (id) DO UPDATE SET address = excluded.address, kind = excluded.kind, name = excluded.name,
			email = excluded.email, folded = excluded.folded, erased = excluded.erased
		WHERE NOT subject.erased`, ids, addresses, kinds, names, emails, folded, erased)
}

func (a *auditFold) saveRows(b *pgx.Batch) {
	n := len(a.rows)
	if n == 0 {
		return
	}
	accounts, actors, sessions := make([]pgtype.UUID, n), make([]pgtype.UUID, n), make([]pgtype.UUID, n)
	behalves, targets := make([]pgtype.UUID, n), make([]pgtype.UUID, n)
	positions, indexes, operators, ats := make([]int64, n), make([]int32, n), make([]bool, n), make([]time.Time, n)
	actions, outcomes, codes := make([]string, n), make([]string, n), make([]string, n)
	actorTypes, actorIDs, behalfTypes, behalfIDs := make([]string, n), make([]string, n), make([]string, n), make([]string, n)
	targetTypes, ips, devices, reasons := make([]string, n), make([]string, n), make([]string, n), make([]string, n)
	befores, afters, commands := make([]*string, n), make([]*string, n), make([]string, n)
	commandIDs, attempts := make([][]byte, n), make([][]byte, n)
	for i := range a.rows {
		r := &a.rows[i]
		c := r.c
		accounts[i] = pgtype.UUID{Bytes: r.account, Valid: true} // zeroes: the operator's alone
		positions[i], indexes[i], operators[i], ats[i] = r.pos, r.idx, r.operator, c.At.Std()
		actions[i], outcomes[i], codes[i] = r.action, r.fact.outcome, cleanText(r.fact.code)
		actorTypes[i], actorIDs[i] = string(c.Actor.Type), cleanText(c.Actor.ID)
		actors[i], sessions[i] = pgUUID(auditPerson(&c.Actor)), pgUUID(c.Actor.Session.Any())
		if c.Behalf != nil {
			behalfTypes[i], behalfIDs[i], behalves[i] = string(c.Behalf.Type), cleanText(c.Behalf.ID), pgUUID(auditPerson(c.Behalf))
		}
		targetTypes[i], targets[i] = cleanText(r.fact.target.kind), pgUUID(r.fact.target.id)
		ips[i], devices[i], reasons[i] = cleanText(c.From.IP), cleanText(c.From.Device), r.fact.reason
		if r.before != "" {
			befores[i] = &r.before
		}
		if r.after != "" {
			afters[i] = &r.after
		}
		commandIDs[i], commands[i] = c.Cmd.ID[:], cleanText(c.Cmd.Name)
		if r.attempt {
			attempts[i] = c.ID[:]
		}
	}
	b.Queue(`INSERT INTO entry (account, position, idx, operator, at, action, outcome, code, actor_type, actor_id, actor, session,
			behalf_type, behalf_id, behalf, target_type, target, ip, device, before, after, reason, command_id, command, attempt)
		SELECT * FROM unnest($1::uuid[], $2::bigint[], $3::int[], $4::boolean[], $5::timestamptz[], $6::text[], $7::text[], $8::text[],
			$9::text[], $10::text[], $11::uuid[], $12::uuid[], $13::text[], $14::text[], $15::uuid[], $16::text[], $17::uuid[],
			$18::text[], $19::text[], $20::json[], $21::json[], $22::text[], $23::bytea[], $24::text[], $25::bytea[])`,
		accounts, positions, indexes, operators, ats, actions, outcomes, codes,
		actorTypes, actorIDs, actors, sessions, behalfTypes, behalfIDs, behalves, targetTypes, targets,
		ips, devices, befores, afters, reasons, commandIDs, commands, attempts)
}

func (a *auditFold) saveSpans(b *pgx.Batch) {
	for hour, span := range a.spans {
		b.Queue(`INSERT INTO span AS s (hour, first, last) VALUES ($1, $2, $3)
			ON CONFLICT (hour) DO UPDATE SET first = least(s.first, excluded.first), last = greatest(s.last, excluded.last)`,
			time.Unix(hour, 0).UTC(), span[0], span[1])
	}
}

// queue empties what stands of the erased: their names everywhere, where they acted from, and what was noted about
// them. Of an attempt or a link nobody but its target can be the actor. Entries behind the erasure are left as they
// were written, so that a trail that is built anew is the same.
func (gone auditErasure) queue(b *pgx.Batch) {
	const who = `(SELECT id FROM subject WHERE id = ANY($2::uuid[]) OR address = ANY($3::uuid[]) UNION SELECT unnest($2::uuid[]))`
	args := []any{gone.pos, gone.ids, gone.addresses}
	b.Queue(`UPDATE entry SET ip = '', device = '' WHERE position <= $1 AND actor IN `+who, args...)
	b.Queue(`UPDATE entry SET reason = '' WHERE position <= $1 AND reason <> '' AND target IN `+who, args...)
	b.Queue(`UPDATE entry SET ip = '', device = '' WHERE position <= $1 AND actor_type IN ('`+string(events.ByAnonymous)+`', '`+
		string(events.ByLink)+`') AND target IN `+who, args...)
	b.Queue(`UPDATE subject SET name = '', email = '', folded = '', erased = true
		WHERE id = ANY($1::uuid[]) OR address = ANY($2::uuid[])`, gone.ids, gone.addresses)
}
