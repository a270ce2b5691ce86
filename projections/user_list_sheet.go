package projections

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"

	"roster/events"
)

// place is where a row stands: an account and an entry in it. People stand outside of accounts.
type place struct{ account, key events.AnyID }

// group is what rows can be found by across accounts: their key, or the address they are about.
type group struct {
	address bool
	id      events.AnyID
}

// sheet holds the rows that a page of commits touches. Folding asks it for rows; what it has not yet read from the
// tables is noted as missing and taken as absent, and the page is folded once more when that has been read. So
// which rows a fact needs is said once, by the fold itself.
type sheet[R any] struct {
	addressOf func(*R) events.AnyID // nil for rows without an address

	known   map[place]*R // as the tables have them; nil where there is none
	found   map[group][]place
	read    map[group]bool
	slots   map[place]*slot[R]
	created map[group][]place

	missing       []place
	missingGroups []group
}

// slot is one row during a pass over the page, or that there is none.
type slot[R any] struct {
	row     R
	is      bool
	touched bool
	indexed bool
}

func newSheet[R any](addressOf func(*R) events.AnyID) *sheet[R] {
	return &sheet[R]{addressOf: addressOf, known: map[place]*R{}, found: map[group][]place{}, read: map[group]bool{}}
}

// begin forgets what a pass has changed.
func (s *sheet[R]) begin() {
	s.slots, s.created = map[place]*slot[R]{}, map[group][]place{}
	s.missing, s.missingGroups = nil, nil
}

func (s *sheet[R]) complete() bool { return len(s.missing) == 0 && len(s.missingGroups) == 0 }

func (s *sheet[R]) slot(at place) *slot[R] {
	sl, ok := s.slots[at]
	if ok {
		return sl
	}
	sl = &slot[R]{}
	row, ok := s.known[at]
	if !ok {
		s.missing = append(s.missing, at)
	}
	if row != nil {
		sl.row, sl.is, sl.indexed = *row, true, true
	}
	s.slots[at] = sl
	return sl
}

// edit is the row to be changed, or nil when there is none.
func (s *sheet[R]) edit(at place) *R {
	sl := s.slot(at)
	if !sl.is {
		return nil
	}
	sl.touched = true
	return &sl.row
}

// look is the row to be read only; the zero row when there is none.
func (s *sheet[R]) look(at place) *R { return &s.slot(at).row }

// put makes or replaces a row.
func (s *sheet[R]) put(at place, row R) *R {
	sl := s.slot(at)
	sl.row, sl.is, sl.touched = row, true, true
	if !sl.indexed {
		sl.indexed = true
		byKey := group{id: at.key}
		s.created[byKey] = append(s.created[byKey], at)
		if s.addressOf != nil {
			if id := s.addressOf(&row); !id.IsZero() {
				byAddress := group{true, id}
				s.created[byAddress] = append(s.created[byAddress], at)
			}
		}
	}
	return &sl.row
}

// drop takes a row away.
func (s *sheet[R]) drop(at place) {
	sl := s.slot(at)
	*sl = slot[R]{touched: true, indexed: sl.indexed}
}

// editAll changes each row of a group.
func (s *sheet[R]) editAll(g group, change func(*R)) {
	if !s.read[g] {
		s.read[g] = true
		s.missingGroups = append(s.missingGroups, g)
	}
	for _, list := range [][]place{s.found[g], s.created[g]} {
		for _, at := range list {
			if row := s.edit(at); row != nil {
				change(row)
			}
		}
	}
}

// loaded takes in a row that was read from the tables.
func (s *sheet[R]) loaded(at place, row R) {
	if s.known[at] != nil {
		return
	}
	s.known[at] = &row
	byKey := group{id: at.key}
	s.found[byKey] = append(s.found[byKey], at)
	if s.addressOf != nil {
		if id := s.addressOf(&row); !id.IsZero() {
			byAddress := group{true, id}
			s.found[byAddress] = append(s.found[byAddress], at)
		}
	}
}

// load reads what was missing. columns and table name what to read, its keys being account and key, and address
// where rows have one.
func (s *sheet[R]) load(b *pgx.Batch, columns, table string, scan func(pgx.CollectableRow) (place, R, error)) {
	take := func(rows pgx.Rows) error {
		_, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (struct{}, error) {
			at, r, err := scan(row)
			if err == nil {
				s.loaded(at, r)
			}
			return struct{}{}, err
		})
		if err != nil {
			return fmt.Errorf("read %s: %w", table, err)
		}
		return nil
	}
	if len(s.missing) > 0 {
		var accounts, keys []pgtype.UUID
		for _, at := range s.missing {
			s.known[at] = nil
			accounts, keys = append(accounts, pgUUID(at.account)), append(keys, pgUUID(at.key))
		}
		b.Queue(`SELECT `+columns+` FROM `+table+` t JOIN unnest($1::uuid[], $2::uuid[]) AS want(a, k)
			ON t.key = want.k AND t.account = want.a`, accounts, keys).Query(take)
	}
	var keys, addresses []pgtype.UUID
	for _, g := range s.missingGroups {
		if g.address {
			addresses = append(addresses, pgUUID(g.id))
		} else {
			keys = append(keys, pgUUID(g.id))
		}
	}
	if len(keys) > 0 {
		b.Queue(`SELECT `+columns+` FROM `+table+` t WHERE t.key = ANY($1::uuid[])`, keys).Query(take)
	}
	if len(addresses) > 0 {
		b.Queue(`SELECT `+columns+` FROM `+table+` t WHERE t.address = ANY($1::uuid[])`, addresses).Query(take)
	}
}

// settle answers what the page has changed: the rows to write, and the places whose rows have gone.
func (s *sheet[R]) settle() (write map[place]*R, gone []place) {
	write = map[place]*R{}
	for at, sl := range s.slots {
		switch {
		case sl.touched && sl.is:
			write[at] = &sl.row
		case sl.touched && s.known[at] != nil:
			gone = append(gone, at)
		}
	}
	return write, gone
}

// deletePlaces queues the removal of rows.
func deletePlaces(b *pgx.Batch, table string, gone []place) {
	if len(gone) == 0 {
		return
	}
	var accounts, keys []pgtype.UUID
	for _, at := range gone {
		accounts, keys = append(accounts, pgUUID(at.account)), append(keys, pgUUID(at.key))
	}
	b.Queue(`DELETE FROM `+table+` t USING unnest($1::uuid[], $2::uuid[]) AS gone(a, k)
		WHERE t.key = gone.k AND t.account = gone.a`, accounts, keys)
}

func send(ctx context.Context, tx pgx.Tx, b *pgx.Batch) error {
	if b.Len() == 0 {
		return nil
	}
	return tx.SendBatch(ctx, b).Close()
}

// pgUUID is the id as PostgreSQL takes it; the zero id is NULL.
func pgUUID(id events.AnyID) pgtype.UUID { return pgtype.UUID{Bytes: id, Valid: !id.IsZero()} }

// stdTime is the time as PostgreSQL takes it; the zero time is NULL.
func stdTime(t events.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	std := t.Std()
	return &std
}

func eventTime(t *time.Time) events.Time {
	if t == nil {
		return 0
	}
	return events.TimeOf(*t)
}

// inviterUUID is the actor's id where the person table may know a name for it.
func inviterUUID(actorType, id string) pgtype.UUID {
	switch events.ActorType(actorType) {
	case events.ByUser, events.ByOperator, events.ByKey:
		var parsed events.AnyID
		if parsed.UnmarshalText([]byte(id)) == nil {
			return pgUUID(parsed)
		}
	case events.ByLink, events.ByIDP, events.BySystem, events.ByAnonymous:
	}
	return pgtype.UUID{}
}
