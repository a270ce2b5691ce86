// Package eventlog is the log on a JetStream stream: one message is one commit, one subject is one boundary, and
// the stream's sequence is the position.
package eventlog

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	natsgo "github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"roster/events"
	"roster/handlers"
)

var (
	// ErrIntegrity says that the stored log is not what was acknowledged. Nobody may write to it or read on.
	ErrIntegrity = errors.New("the log is damaged")
	// ErrClosed is what waits get when the log is closed.
	ErrClosed = errors.New("the log is closed")
)

var _ handlers.Log = (*Log)(nil)

// Log implements handlers.Log on a JetStream stream. It is safe for concurrent use.
type Log struct {
	nc       *natsgo.Conn
	js       jetstream.JetStream
	stream   string
	prefix   string // of subjects, with the dot
	taken    []byte // how an acknowledgement begins, as the server writes it
	replicas int
	sole     bool
	disk     Disk // nil: what the server acknowledges is on disk
	keep     int  // records in the ring
	within   time.Duration

	writing *requests
	reading *requests
	batches chan struct{}
	pages   chan struct{}
	ring    *ring
	holes   chan struct{} // in a sole writer's ring, see fill
	doubts  chan struct{} // about the log's end, see fill
	last    atomic.Uint64 // highest durable position that was acknowledged to or read by this process
	ask     shared

	stop    context.CancelFunc
	stopped sync.WaitGroup
}

// Option changes how a log is opened.
type Option func(*Log)

// SoleWriter promises that no other process writes to the log, as with an embedded server. Last is then answered
// without asking anybody.
func SoleWriter() Option { return func(l *Log) { l.sole, l.within = true, answerWithin } }

// Replicas says over how many servers a stream that is made new is replicated; 1 unless told.
func Replicas(n int) Option { return func(l *Log) { l.replicas = n } }

// Open opens the log of a name, "roster": the stream ROSTER_LOG with the subjects roster.log.>. It makes the
// stream if there is none. A stream with other settings is refused, and so is one of which commits are missing
// (ErrIntegrity). The connection stays the caller's and must outlive the log.
func Open(ctx context.Context, nc *natsgo.Conn, name string, opts ...Option) (*Log, error) {
	if ok, err := regexp.MatchString(`^[a-z][a-z0-9_-]{0,63}$`, name); !ok || err != nil {
		return nil, fmt.Errorf("%q is not a log's name: want lower-case letters, digits, - and _", name)
	}
	js, err := jetstream.New(nc)
	if err != nil {
		return nil, fmt.Errorf("log %s: %w", name, err)
	}
	l := &Log{
		nc:       nc,
		js:       js,
		stream:   strings.ToUpper(name) + "_LOG",
		prefix:   name + ".log.",
		taken:    fmt.Appendf(nil, `{"stream":"%s","seq":`, strings.ToUpper(name)+"_LOG"),
		replicas: 1,
		within:   remoteWithin,
		keep:     ringRecords,
		batches:  make(chan struct{}, batchesAtOnce),
		pages:    make(chan struct{}, pagesAtOnce),
		holes:    make(chan struct{}, 1),
		doubts:   make(chan struct{}, 1),
	}
	for _, o := range opts {
		o(l)
	}
	if l.disk != nil {
		l.batches = make(chan struct{}, 1) // the disk holds one at a time
	}
	info, err := ensure(ctx, js, frozen(l.stream, l.prefix+">", l.replicas))
	if err != nil {
		return nil, err
	}
	state := info.State
	l.replicas = info.Config.Replicas
	if err := l.onDisk(ctx, state.LastSeq); err != nil {
		return nil, fmt.Errorf("log %s: %w", name, unavailable(err))
	}
	l.ring = newRing(state.LastSeq, l.keep, ringBytes)
	if l.writing, err = newRequests(nc, l.within); err != nil {
		return nil, fmt.Errorf("log %s: %w", name, err)
	}
	if l.reading, err = newRequests(nc, l.within); err != nil {
		l.writing.close()
		return nil, fmt.Errorf("log %s: %w", name, err)
	}
	if err := l.unbroken(ctx, state.LastSeq); err != nil {
		l.writing.close()
		l.reading.close()
		return nil, fmt.Errorf("log %s: %w", name, err)
	}
	following, stop := context.WithCancel(context.WithoutCancel(ctx))
	l.stop = stop
	keepUp := l.follow
	if l.sole {
		keepUp = l.fill
	}
	l.stopped.Go(func() { keepUp(following) })
	return l, nil
}

// Close ends what waits, with ErrClosed or, for an Append under way, handlers.ErrUnknownOutcome. It leaves the
// connection open.
func (l *Log) Close() {
	l.stop()
	l.stopped.Wait()
	l.writing.close()
	l.reading.close()
}

// reached notes that the log has a position, on disk.
func (l *Log) reached(pos uint64) {
	for {
		last := l.last.Load()
		if pos <= last || l.last.CompareAndSwap(last, pos) {
			return
		}
	}
}

// Read implements handlers.Log. A page never ends inside an atomic batch: it is made longer than limit, so that
// all parts of a batch are in one page. A limit below 1 is 1. Payloads are shared with other readers and must not
// be changed.
//
// A record is shown once it is durable: on an embedded server, when it is on disk; on a replicated one, when a
// majority has it.
func (l *Log) Read(ctx context.Context, after uint64, limit int) ([]events.Record, error) {
	recs, err := l.read(ctx, after, max(1, limit))
	if err != nil {
		return nil, fmt.Errorf("read after %d: %w", after, err)
	}
	return recs, nil
}

func (l *Log) read(ctx context.Context, after uint64, limit int) ([]events.Record, error) {
	for {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		recs, behind, changed, err := l.ring.read(after, limit)
		switch {
		case err != nil:
			return nil, err
		case behind:
			return l.pageAfter(ctx, after, limit)
		case len(recs) > 0:
			return recs, nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
		}
	}
}

// VerifyAt checks that the record at a position is the one with a hash: that a checkpoint is of this log. Position
// 0 goes with the zero hash. A log that ends before, or holds something else there, is ErrIntegrity.
func (l *Log) VerifyAt(ctx context.Context, pos uint64, hash events.Hash) error {
	if pos == 0 && hash.IsZero() {
		return nil
	}
	last, err := l.Last(ctx)
	if err != nil {
		return err
	}
	if pos == 0 || pos > last {
		return fmt.Errorf("%w: it ends at position %d, and a checkpoint is at %d", ErrIntegrity, last, pos)
	}
	rec, err := l.at(ctx, pos)
	if err != nil {
		return fmt.Errorf("verify position %d: %w", pos, err)
	}
	if rec.Hash() != hash {
		return fmt.Errorf("%w: position %d holds another commit than the one a checkpoint names", ErrIntegrity, pos)
	}
	return nil
}
