// Package feed publishes every fact of the log, once and in the log's order, as a CloudEvents 1.0 event for
// subscribers (SPEC 6). There is one publisher at a time: a second one is fenced by the stream itself.
package feed

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync/atomic"
	"time"

	"roster/events"
)

// Source is where the log is read.
type Source interface {
	// Read answers at most limit durable commits after a position, in order and without a hole; more when the last
	// would be inside an atomic batch. It waits until there is at least one, or until ctx ends.
	Read(ctx context.Context, after uint64, limit int) ([]events.Record, error)
}

// Opener opens one sealed part of a fact. ok=false: the person has been erased. A key that is missing without a
// trace is an error, at which the feed stops: it never reads as "erased".
type Opener interface {
	Open(ctx context.Context, at events.Place, b events.Box) (plain []byte, ok bool, err error)
}

// Stream is where the events go: a sequence of messages that only grows. Messages may be deleted from it, by
// erasure and by age; their sequence numbers are never used again.
type Stream interface {
	// End answers the stream's last sequence, deleted messages counted in, and a place at or before it: of the
	// newest message that is still there, or the one noted last, whichever is later; zero when there is neither.
	End(ctx context.Context) (last uint64, known Place, err error)
	// Publish appends messages behind the sequence given, one after the other. ErrFenced says that the stream did not
	// end there. After any error some of the first may have been stored, and no other.
	Publish(ctx context.Context, after uint64, messages []Message) error
	// Note keeps a place by compare-and-set. ErrFenced says that somebody else has noted one.
	Note(ctx context.Context, at Place) error
	// Forget destroys all messages about a person but the one that says that they were erased.
	Forget(ctx context.Context, person events.AnyID) (n int, err error)
}

// ErrFenced says that another publisher has published or noted something meanwhile.
var ErrFenced = errors.New("another publisher was faster")

// Lease gives a role to one process at a time. ctx of fn ends when the role is lost.
type Lease interface {
	Hold(ctx context.Context, role string, fn func(ctx context.Context) error) error
}

// Place says which fact a message of the stream holds. Each fact is one message, so that the next message is the
// next fact. The zero Place is before the first.
type Place struct {
	Log      events.LogID `json:"log"`
	Sequence uint64       `json:"sequence"` // in the stream
	Position uint64       `json:"position"` // of the commit in the log
	Index    int          `json:"index"`    // of the fact in the commit
}

// Config is what a Publisher is made of.
type Config struct {
	Source    Source
	Opener    Opener
	Stream    Stream
	Lease     Lease // for Run
	PublicURL string
	Logger    *slog.Logger
}

// Publisher publishes the log.
type Publisher struct {
	Config
	reached atomic.Uint64
}

// New makes a publisher.
func New(c Config) *Publisher {
	c.PublicURL = strings.TrimRight(c.PublicURL, "/")
	return &Publisher{Config: c}
}

// Reached is the position up to which this process has published the log; 0 while another one does.
func (p *Publisher) Reached() uint64 { return p.reached.Load() }

// Run publishes whenever this process holds the role "feed", until ctx ends. Whatever goes wrong is logged, and it
// goes on from where the stream ends.
func (p *Publisher) Run(ctx context.Context) error {
	wait := minWait
	for {
		began := time.Now()
		err := p.Lease.Hold(ctx, "feed", p.Publish)
		p.reached.Store(0)
		if ctx.Err() != nil {
			return nil
		}
		if time.Since(began) > maxWait { // it has worked for a while
			wait = minWait
		}
		p.Logger.Warn("the feed pauses", "err", err, "for", wait)
		if pause(ctx, wait) != nil {
			return nil
		}
		wait = min(2*wait, maxWait)
	}
}

const (
	minWait = 100 * time.Millisecond
	maxWait = 5 * time.Second

	pageCommits = 200
	maxMessages = 256 // on their way at once
	maxBytes    = 2 << 20
	noteEvery   = 5000 // messages: what is not noted is counted again in the log
)

func pause(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Publish publishes from where the stream ends, without asking for the role, until ctx ends or something fails. It
// answers ErrFenced when another publisher was faster: nothing is published twice, whoever they are.
func (p *Publisher) Publish(ctx context.Context) error {
	w := writer{Publisher: p}
	if err := w.start(ctx); err != nil {
		return fmt.Errorf("feed: %w", err)
	}
	for {
		commits, err := w.read(ctx)
		if err != nil {
			return fmt.Errorf("feed: %w", err)
		}
		for _, c := range commits {
			if err := w.add(ctx, c); err != nil {
				return fmt.Errorf("feed: %w", err)
			}
		}
		if err := w.flush(ctx); err != nil {
			return fmt.Errorf("feed: %w", err)
		}
	}
}

// writer is one run of a publisher.
type writer struct {
	*Publisher
	at      Place // of the last message that is stored
	noted   uint64
	next    []Message // not yet stored, behind at
	nextAt  Place     // of the last of them
	bytes   int
	partial bool // the commit at nextAt may have further facts
}

// start finds the place at which the stream ends. Where the last messages have been deleted, by erasure or by age,
// the facts behind the last place that is known are counted.
func (w *writer) start(ctx context.Context) error {
	last, known, err := w.Stream.End(ctx)
	if err != nil {
		return err
	}
	w.nextAt, w.partial = known, known.Position > 0
	for w.nextAt.Sequence < last {
		commits, err := w.read(ctx)
		if err != nil {
			return err
		}
		for _, c := range commits {
			for i := range c.Facts {
				if w.nextAt.Sequence < last && !w.has(c, i) {
					w.step(c, i)
				}
			}
			w.partial = w.nextAt.Sequence == last
			if w.partial {
				break
			}
		}
	}
	w.at, w.noted = w.nextAt, w.nextAt.Sequence
	w.reached.Store(w.at.Position)
	if w.at != known {
		return w.Stream.Note(ctx, w.at)
	}
	return nil
}

// has says whether the place is at or behind a fact.
func (w *writer) has(c events.Commit, index int) bool {
	return c.Pos < w.nextAt.Position || c.Pos == w.nextAt.Position && index <= w.nextAt.Index
}

func (w *writer) step(c events.Commit, index int) {
	w.nextAt = Place{c.Log, w.nextAt.Sequence + 1, c.Pos, index}
}

// read answers the next commits of the log, beginning with the one that has been published in part.
func (w *writer) read(ctx context.Context) ([]events.Commit, error) {
	after := w.nextAt.Position
	if w.partial {
		after--
	}
	records, err := w.Source.Read(ctx, after, pageCommits)
	if err != nil {
		return nil, err
	}
	commits := make([]events.Commit, len(records))
	for i, r := range records {
		c, err := events.Decode(r)
		if err != nil {
			return nil, err
		}
		if !w.nextAt.Log.IsZero() && c.Log != w.nextAt.Log {
			return nil, fmt.Errorf("the stream is of log %s, not of %s", w.nextAt.Log, c.Log)
		}
		commits[i] = c
	}
	w.partial = false
	return commits, nil
}

// add makes the messages of a commit.
func (w *writer) add(ctx context.Context, c events.Commit) error {
	for i, f := range c.Facts {
		if w.has(c, i) {
			continue
		}
		if err := w.forget(ctx, c, f); err != nil {
			return err
		}
		m, err := w.message(ctx, c, i)
		if err != nil {
			return fmt.Errorf("position %d, fact %d: %w", c.Pos, i, err)
		}
		w.step(c, i)
		w.next = append(w.next, m)
		w.bytes += len(m.Data)
		if len(w.next) >= maxMessages || w.bytes >= maxBytes {
			if err := w.flush(ctx); err != nil {
				return err
			}
		}
	}
	return nil
}

// forget destroys what has been published about a person who is erased, before the erasure itself is published: so
// it is done again should the program die meanwhile.
func (w *writer) forget(ctx context.Context, c events.Commit, e events.Event) error {
	var persons []events.AnyID
	var invitations []events.InvitationID
	if f, ok := e.(events.UserErased); ok {
		persons, invitations = append(persons, c.Boundary.ID), f.Invitations
	} else if f, ok := e.(events.AddressErased); ok {
		invitations = f.Invitations
	} else {
		return nil
	}
	for _, id := range invitations {
		persons = append(persons, id.Any())
	}
	if err := w.flush(ctx); err != nil {
		return err
	}
	n := 0
	for _, id := range persons {
		k, err := w.Stream.Forget(ctx, id)
		if n += k; err != nil {
			return err
		}
	}
	w.Logger.Info("what the feed held about an erased person has been destroyed", "position", c.Pos, "messages", n)
	return nil
}

// flush stores what has been made.
func (w *writer) flush(ctx context.Context) error {
	if len(w.next) > 0 {
		if err := w.Stream.Publish(ctx, w.at.Sequence, w.next); err != nil {
			return err
		}
		w.next, w.bytes, w.at = w.next[:0], 0, w.nextAt
		w.reached.Store(w.at.Position)
	}
	if w.at.Sequence-w.noted < noteEvery {
		return nil
	}
	w.noted = w.at.Sequence
	return w.Stream.Note(ctx, w.at)
}
