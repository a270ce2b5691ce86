package faults

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"reflect"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5"
	natsgo "github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"roster/events"
	"roster/handlers/feed"
	"roster/infra/eventlog"
	"roster/infra/nats"
	"roster/infra/postgres/launch"
)

// logName is the prefix that the programs are started with.
const logName = "roster"

// History is the whole log, and the whole feed that was published of it.
type History struct {
	Records []events.Record
	Commits []events.Commit
	Feed    []Published
}

// Published is a message of the feed.
type Published struct {
	ID       string
	Position uint64
	Index    int
}

// Read reads the log and the feed of a data directory that no program uses.
func Read(ctx context.Context, data string) (*History, error) {
	server, err := nats.Embedded(ctx, nats.Config{Dir: filepath.Join(data, "log")})
	if err != nil {
		return nil, err
	}
	h := &History{}
	conn, err := server.Connect()
	if err == nil {
		h, err = ReadFrom(ctx, conn, eventlog.SoleWriter())
	}
	return h, errors.Join(err, server.Close())
}

// ReadFrom reads the log and the feed that a connection leads to.
func ReadFrom(ctx context.Context, conn *natsgo.Conn, options ...eventlog.Option) (*History, error) {
	log, err := eventlog.Open(ctx, conn, logName, options...)
	if err != nil {
		return nil, err
	}
	defer log.Close()
	last, err := log.Last(ctx)
	if err != nil {
		return nil, err
	}
	h := &History{}
	for uint64(len(h.Records)) < last {
		page, err := log.Read(ctx, uint64(len(h.Records)), 1000)
		if err != nil {
			return nil, err
		}
		h.Records = append(h.Records, page...)
	}
	for _, r := range h.Records {
		c, err := events.Decode(r)
		if err != nil {
			return nil, fmt.Errorf("position %d: %w", r.Pos, err)
		}
		h.Commits = append(h.Commits, c)
	}
	return h, h.readFeed(ctx, conn)
}

func (h *History) readFeed(ctx context.Context, conn *natsgo.Conn) error {
	js, err := jetstream.New(conn)
	if err != nil {
		return err
	}
	const stream = "ROSTER_FEED"
	s, err := js.Stream(ctx, stream)
	if errors.Is(err, jetstream.ErrStreamNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	info, err := s.Info(ctx)
	if err != nil || info.State.Msgs == 0 {
		return err
	}
	c, err := js.OrderedConsumer(ctx, stream, jetstream.OrderedConsumerConfig{HeadersOnly: true})
	if err != nil {
		return err
	}
	messages, err := c.Messages()
	if err != nil {
		return err
	}
	defer messages.Stop()
	for uint64(len(h.Feed)) < info.State.Msgs {
		m, err := messages.Next(jetstream.NextContext(ctx))
		if err != nil {
			return fmt.Errorf("the feed after %d of %d messages: %w", len(h.Feed), info.State.Msgs, err)
		}
		p := Published{ID: m.Headers().Get(feed.HeaderID)}
		var errs [2]error
		p.Position, errs[0] = strconv.ParseUint(m.Headers().Get(feed.HeaderPosition), 10, 64)
		p.Index, errs[1] = strconv.Atoi(m.Headers().Get(feed.HeaderIndex))
		if err := errors.Join(errs[:]...); err != nil {
			return fmt.Errorf("message %d of the feed: %w", len(h.Feed)+1, err)
		}
		h.Feed = append(h.Feed, p)
	}
	return nil
}

// Published is the position of the newest fact in the feed.
func (h *History) Published() uint64 {
	if len(h.Feed) == 0 {
		return 0
	}
	return h.Feed[len(h.Feed)-1].Position
}

// Last is the log's last position.
func (h *History) Last() uint64 { return uint64(len(h.Records)) }

// CheckChain judges the log alone: no hole, the chain of every boundary, no commit twice, no batch in part.
func (h *History) CheckChain(v *Verdict) {
	last, seen, batches := map[events.Boundary]events.Prev{}, map[events.CommitID]uint64{}, map[events.CommitID]int{}
	for i, c := range h.Commits {
		if c.Pos != uint64(i+1) || c.Prev != last[c.Boundary] {
			v.Differs("position %d: commit %s of %s follows %+v, want %+v", c.Pos, c.ID, c.Boundary, c.Prev, last[c.Boundary])
		}
		if before, twice := seen[c.ID]; twice {
			v.Doubled("commit %s stands at %d and at %d", c.ID, before, c.Pos)
		}
		last[c.Boundary], seen[c.ID] = events.Prev{Pos: c.Pos, Hash: h.Records[i].Hash()}, c.Pos
		if c.Batch != nil {
			batches[c.Batch.ID] += c.Batch.Of - c.Batch.N // 0 + 1 + … + Of-1, if all are there
			batches[c.Batch.ID] -= c.Batch.N - 1
		}
	}
	for id, n := range batches {
		if n != 0 {
			v.Lost("of batch %s a part is missing", id)
		}
	}
}

// CheckFeed judges the feed: each fact once, in the log's order, and all of those up to a position.
func (h *History) CheckFeed(v *Verdict, upTo uint64) {
	erased := map[events.InvitationID]bool{}
	for _, c := range h.Commits {
		for _, f := range c.Facts {
			switch f := f.(type) {
			case events.UserErased:
				for _, id := range f.Invitations {
					erased[id] = true
				}
			case events.AddressErased:
				for _, id := range f.Invitations {
					erased[id] = true
				}
			}
		}
	}
	n := 0
	for _, c := range h.Commits {
		for i := range c.Facts {
			want := Published{feed.EventID(c.ID, i), c.Pos, i}
			if n == len(h.Feed) {
				if c.Pos <= upTo && !erased[invitationOf(c.Facts[i])] {
					v.Lost("the feed ends before %s at position %d", want.ID, c.Pos)
				}
				return
			}
			if h.Feed[n] != want && erased[invitationOf(c.Facts[i])] {
				continue // what was about a person who has been erased is gone from the feed
			}
			if h.Feed[n] != want {
				v.Differs("message %d of the feed is %+v, want %+v", n+1, h.Feed[n], want)
				return
			}
			n++
		}
	}
	if n < len(h.Feed) {
		v.Phantom("the feed has %d messages more than the log has facts: %+v", len(h.Feed)-n, h.Feed[n])
	}
}

// invitationOf is the invitation that a fact is about, if it is about one.
func invitationOf(f events.Event) (id events.InvitationID) {
	if field := reflect.ValueOf(f).FieldByName("Invitation"); field.IsValid() {
		id, _ = field.Interface().(events.InvitationID) // the zero id is nobody's
	}
	return id
}

// CheckArchive judges the archive, byte for byte: all commits up to a position, and none that the log does not have.
func (h *History) CheckArchive(ctx context.Context, v *Verdict, conn *pgx.Conn, upTo uint64) error {
	var schema string
	if err := conn.QueryRow(ctx, `SELECT schema FROM roster.projection WHERE name = 'archive' AND state = 'serving'`).Scan(&schema); err != nil {
		return fmt.Errorf("where the archive is: %w", err)
	}
	rows, err := conn.Query(ctx, `SELECT position, boundary, payload FROM `+pgx.Identifier{schema, "archived"}.Sanitize()+` ORDER BY position`)
	if err != nil {
		return err
	}
	defer rows.Close()
	n := uint64(0)
	for ; rows.Next(); n++ {
		var position int64
		var boundary string
		var payload []byte
		if err := rows.Scan(&position, &boundary, &payload); err != nil {
			return err
		}
		if n >= h.Last() {
			v.Phantom("the archive has position %d, the log ends at %d", position, h.Last())
			return nil
		}
		r := h.Records[n]
		if r.Pos != uint64(position) || r.Boundary.String() != boundary || !bytes.Equal(r.Payload, payload) {
			v.Differs("the archive has %d bytes of %s at position %d, which are not the log's", len(payload), boundary, position)
			return nil
		}
	}
	if rows.Err() == nil && n < upTo {
		v.Lost("the archive ends at %d, and what came up to %d was acknowledged before", n, upTo)
	}
	return rows.Err()
}

// WithDatabase starts the private PostgreSQL of a data directory that no program uses, for as long as f takes.
func WithDatabase(ctx context.Context, data string, f func(*pgx.Conn) error) error {
	server, err := launch.Start(ctx, launch.Config{Dir: data})
	if err != nil {
		return err
	}
	conn, err := pgx.Connect(ctx, server.URL(""))
	if err == nil {
		err = errors.Join(f(conn), conn.Close(ctx))
	}
	end, cancel := context.WithTimeout(context.WithoutCancel(ctx), 20*time.Second)
	defer cancel()
	return errors.Join(err, server.Stop(end))
}
