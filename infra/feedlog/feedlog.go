// Package feedlog is the feed on a JetStream stream: ROSTER_FEED with the subjects roster.feed.>, and beside it
// ROSTER_FEED_PLACE, which keeps the publisher's place.
package feedlog

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"time"

	natsgo "github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"roster/events"
	"roster/handlers/feed"
	"roster/infra/streams"
)

// Options say how the feed is kept.
type Options struct {
	// MaxAge is after how long an event leaves the feed, 30 days by default.
	MaxAge time.Duration
	// Replicas of streams that are made new, 1 by default.
	Replicas int
	// Disk says when what the server has acknowledged is on disk; nil where it acknowledges nothing else.
	Disk Disk
}

// Disk says when what the server has acknowledged is on disk. The embedded server of infra/nats is one.
type Disk interface {
	// Synced answers when the message at a position of a stream is on disk, with all before it.
	Synced(ctx context.Context, stream string, pos uint64) error
	// Rewritten answers when what has been erased from a stream is overwritten on disk.
	Rewritten(ctx context.Context, stream string) error
}

const (
	defaultAge   = 30 * 24 * time.Hour
	answerWithin = 10 * time.Second
	// duplicateWindow is short because a start re-reads every message in it; what fences is the expected sequence.
	duplicateWindow = 20 * time.Second
)

// Error codes of the server (its jetstream_errors_generated.go).
const (
	codeWrongLast      = 10071
	codeWrongLastInAir = 10164
)

// Feed is the open feed. It may be used from everywhere at once.
type Feed struct {
	js     jetstream.JetStream
	stream jetstream.Stream
	places jetstream.Stream
	disk   Disk
	prefix string // of the subjects, with the dot
	place  string // the subject of the place

	mu       sync.Mutex
	revision uint64 // of the place as End or Note has seen it last
}

var _ feed.Stream = (*Feed)(nil)

// Open opens the feed of a log's name, "roster", and makes its streams where there are none. The age is set to what the
// options say. Of js it takes the connection alone.
func Open(ctx context.Context, js jetstream.JetStream, name string, o Options) (*Feed, error) {
	if name == "" || strings.Trim(name, "abcdefghijklmnopqrstuvwxyz0123456789_-") != "" {
		return nil, fmt.Errorf("feed: name %q: want lower-case letters, digits, _ and -", name)
	}
	if o.MaxAge == 0 {
		o.MaxAge = defaultAge
	}
	js, err := jetstream.New(js.Conn(), jetstream.WithPublishAsyncTimeout(answerWithin), jetstream.WithDefaultTimeout(answerWithin))
	if err != nil {
		return nil, fmt.Errorf("feed: %w", err)
	}
	f := &Feed{js: js, disk: o.Disk, prefix: name + ".feed.", place: name + ".feedplace"}
	stream := jetstream.StreamConfig{
		Name: strings.ToUpper(name) + "_FEED", Subjects: []string{f.prefix + ">"}, Description: "one CloudEvent for each fact",
		Storage: jetstream.FileStorage, Retention: jetstream.LimitsPolicy, Discard: jetstream.DiscardOld, MaxAge: o.MaxAge,
		MaxMsgs: -1, MaxBytes: -1, MaxMsgsPerSubject: -1, MaxMsgSize: -1, MaxConsumers: -1, Replicas: max(o.Replicas, 1),
		Duplicates: min(duplicateWindow, o.MaxAge), Compression: jetstream.NoCompression, DenyPurge: true,
	}
	if f.stream, err = ensure(ctx, js, stream); err != nil {
		return nil, err
	}
	places := jetstream.StreamConfig{
		Name: stream.Name + "_PLACE", Subjects: []string{f.place}, Description: "how far the feed has been published",
		Storage: jetstream.FileStorage, MaxMsgsPerSubject: 1, Replicas: stream.Replicas, Duplicates: duplicateWindow,
	}
	if f.places, err = ensure(ctx, js, places); err != nil {
		return nil, err
	}
	for _, s := range []jetstream.Stream{f.stream, f.places} {
		if err := f.onDisk(ctx, s, s.CachedInfo().State.LastSeq); err != nil {
			return nil, fmt.Errorf("feed: %w", err)
		}
	}
	return f, nil
}

// ensure makes a stream, or sets the age of the one that is there.
func ensure(ctx context.Context, js jetstream.JetStream, want jetstream.StreamConfig) (jetstream.Stream, error) {
	s, err := streams.Ensure(ctx, js, want)
	if err == nil && s.CachedInfo().Config.MaxAge != want.MaxAge {
		is := s.CachedInfo().Config
		is.MaxAge, is.Duplicates = want.MaxAge, want.Duplicates
		s, err = streams.Set(ctx, js, is)
	}
	if err != nil {
		return nil, fmt.Errorf("feed: stream %s: %w", want.Name, err)
	}
	return s, nil
}

// onDisk waits until the messages of a stream up to a sequence number are on disk.
func (f *Feed) onDisk(ctx context.Context, s jetstream.Stream, sequence uint64) error {
	if f.disk == nil {
		return nil
	}
	return f.disk.Synced(ctx, s.CachedInfo().Config.Name, sequence)
}

// Publish implements feed.Stream. All messages are on their way at once; each expects the one before it, so that
// what is lost takes everything behind it along. They are on disk when it returns; a subscriber may have them before,
// and finds the same under the same sequence should the power fail in between, since the log is on disk.
func (f *Feed) Publish(ctx context.Context, after uint64, messages []feed.Message) error {
	acks := make([]jetstream.PubAckFuture, 0, len(messages))
	var failed error
	for i, m := range messages {
		header := make(natsgo.Header, len(m.Header)+2)
		for k, v := range m.Header {
			header[k] = []string{v}
		}
		header[jetstream.MsgIDHeader] = []string{m.Header[feed.HeaderID]}
		header[jetstream.ExpectedLastSeqHeader] = []string{strconv.FormatUint(after+uint64(i), 10)}
		ack, err := f.js.PublishMsgAsync(&natsgo.Msg{Subject: f.prefix + m.Subject, Header: header, Data: m.Data},
			jetstream.WithExpectStream(f.stream.CachedInfo().Config.Name))
		if err != nil {
			failed = err
			break
		}
		acks = append(acks, ack)
	}
	for i, ack := range acks {
		select {
		case a := <-ack.Ok():
			if want := after + uint64(i) + 1; failed == nil && (a.Sequence != want || a.Duplicate) {
				failed = fmt.Errorf("message %d was stored as %d (repeated: %t)", want, a.Sequence, a.Duplicate)
			}
		case err := <-ack.Err():
			if failed == nil {
				failed = fenced(err)
			}
		case <-ctx.Done():
			return fmt.Errorf("publish behind %d: %w", after, ctx.Err())
		}
	}
	if failed != nil {
		return fmt.Errorf("publish behind %d: %w", after, failed)
	}
	if err := f.onDisk(ctx, f.stream, after+uint64(len(messages))); err != nil {
		return fmt.Errorf("publish behind %d: %w", after, err)
	}
	return nil
}

// fenced tells a lost race from other failures.
func fenced(err error) error {
	var api *jetstream.APIError
	if errors.As(err, &api) && (api.ErrorCode == codeWrongLast || api.ErrorCode == codeWrongLastInAir) {
		return fmt.Errorf("%w: %w", feed.ErrFenced, err)
	}
	return err
}

// End implements feed.Stream.
func (f *Feed) End(ctx context.Context) (uint64, feed.Place, error) {
	noted, err := f.noted(ctx)
	if err != nil {
		return 0, feed.Place{}, err
	}
	info, err := f.stream.Info(ctx)
	if err != nil {
		return 0, feed.Place{}, fmt.Errorf("the feed's end: %w", err)
	}
	last := info.State.LastSeq
	if noted.Sequence > last { // the stream has been made anew
		noted = feed.Place{}
	}
	newest, err := f.stream.GetLastMsgForSubject(ctx, f.prefix+">")
	if errors.Is(err, jetstream.ErrMsgNotFound) {
		return last, noted, nil
	}
	if err != nil {
		return 0, feed.Place{}, fmt.Errorf("the feed's newest message: %w", err)
	}
	at, err := placeOf(newest)
	if err != nil {
		return 0, feed.Place{}, err
	}
	if at.Sequence < noted.Sequence {
		at = noted
	}
	return max(last, at.Sequence), at, nil
}

// placeOf reads the place that a message says it has.
func placeOf(m *jetstream.RawStreamMsg) (feed.Place, error) {
	at := feed.Place{Sequence: m.Sequence}
	log, _, _ := strings.Cut(strings.TrimPrefix(m.Header.Get(feed.HeaderSource), "/logs/"), "/")
	var errs [3]error
	errs[0] = at.Log.UnmarshalText([]byte(log))
	at.Position, errs[1] = strconv.ParseUint(m.Header.Get(feed.HeaderPosition), 10, 64)
	at.Index, errs[2] = strconv.Atoi(m.Header.Get(feed.HeaderIndex))
	if err := errors.Join(errs[:]...); err != nil || at.Log.IsZero() || at.Position == 0 {
		return at, fmt.Errorf("message %d of the feed is none of ours: %w", m.Sequence, errors.Join(events.ErrCorrupt, err))
	}
	return at, nil
}

// noted answers the place that was noted last, and remembers its revision.
func (f *Feed) noted(ctx context.Context) (at feed.Place, err error) {
	m, err := f.places.GetLastMsgForSubject(ctx, f.place)
	f.mu.Lock()
	defer f.mu.Unlock()
	if errors.Is(err, jetstream.ErrMsgNotFound) {
		f.revision = 0
		return at, nil
	}
	if err != nil {
		return at, fmt.Errorf("the feed's place: %w", err)
	}
	f.revision = m.Sequence
	if err := json.Unmarshal(m.Data, &at); err != nil {
		return at, fmt.Errorf("the feed's place: %w: %w", events.ErrCorrupt, err)
	}
	return at, nil
}

// Note implements feed.Stream.
func (f *Feed) Note(ctx context.Context, at feed.Place) error {
	text, err := json.Marshal(at)
	if err != nil {
		return err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	ack, err := f.js.Publish(ctx, f.place, text, jetstream.WithExpectLastSequencePerSubject(f.revision))
	if err != nil {
		return fmt.Errorf("note the feed's place: %w", fenced(err))
	}
	f.revision = ack.Sequence
	if err := f.onDisk(ctx, f.places, ack.Sequence); err != nil {
		return fmt.Errorf("note the feed's place: %w", err)
	}
	return nil
}
