package eventlog

import (
	"bytes"
	"cmp"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	mathrand "math/rand/v2"
	"strconv"
	"time"

	natsgo "github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"roster/handlers"
	"roster/infra/eventlog/internal/writes"
)

// Headers that nats.go has no names for.
const (
	batchID     = "Nats-Batch-Id"
	batchSeq    = "Nats-Batch-Sequence"
	batchCommit = "Nats-Batch-Commit"
)

// Error codes of the server (its jetstream_errors_generated.go).
const (
	codeAccountResources = 10002
	codeNotAvailable     = 10008
	codeNotLeader        = 10009
	codeInsufficient     = 10023
	codeNoStorage        = 10047
	codeWrongLast        = 10071
	codeStoreFailed      = 10077
	codeWrongLastInAir   = 10164
	codeBatchIncomplete  = 10176
	codeBatchDuplicate   = 10201
	codeTooManyBatches   = 10210
)

const (
	// batchesAtOnce is how many batches of this process are with the server: it works on them one after another
	// and refuses the fifty-first of all writers.
	batchesAtOnce = 2
	batchTries    = 6
	batchPause    = 10 * time.Millisecond // doubled at every further try
)

// errTooMany says that the server has too many batches open. Nothing was written.
var errTooMany = errors.New("too many batches at once")

type ack struct {
	Error     *jetstream.APIError `json:"error"`
	Stream    string              `json:"stream"`
	Seq       uint64              `json:"seq"`
	Duplicate bool                `json:"duplicate"`
	Batch     string              `json:"batch"`
	Count     int                 `json:"count"`
}

// Append implements handlers.Log. When ctx ends while the server works on it, the outcome is unknown.
func (l *Log) Append(ctx context.Context, ws ...handlers.Write) ([]uint64, error) {
	if err := writes.Check(ws); err != nil {
		return nil, err
	}
	// A disk that has failed takes nothing any more.
	if err := l.onDisk(ctx, 0); err != nil {
		return nil, fmt.Errorf("append to %s: %w: %w", ws[0].Boundary, handlers.ErrUnavailable, err)
	}
	var last uint64
	var err error
	if len(ws) == 1 {
		last, err = l.single(ctx, ws[0])
	} else {
		last, err = l.batch(ctx, ws)
	}
	if err != nil {
		if errors.Is(err, handlers.ErrUnknownOutcome) {
			tell(l.doubts)
		}
		return nil, fmt.Errorf("append to %s after %d: %w", ws[0].Boundary, ws[0].After, err)
	}
	if err := l.onDisk(ctx, last); err != nil {
		tell(l.doubts)
		return nil, fmt.Errorf("append to %s at %d: %w: %w", ws[0].Boundary, last, handlers.ErrUnknownOutcome, err)
	}
	positions := make([]uint64, len(ws))
	for i := range positions {
		positions[i] = last - uint64(len(ws)-1-i)
	}
	if l.sole {
		l.hand(ws, positions)
	}
	return positions, nil
}

func (l *Log) message(w handlers.Write) *natsgo.Msg {
	return &natsgo.Msg{
		Subject: l.prefix + w.Boundary.String(),
		Data:    w.Payload,
		Header: natsgo.Header{
			jetstream.MsgIDHeader:               {w.ID.String()},
			jetstream.ExpectedLastSubjSeqHeader: {strconv.FormatUint(w.After, 10)},
		},
	}
}

func (l *Log) single(ctx context.Context, w handlers.Write) (uint64, error) {
	var a ack
	err := l.writing.do(ctx, func(m *natsgo.Msg) (bool, error) { return true, l.readTaken(m, &a) }, l.message(w))
	switch {
	case err != nil:
		return 0, outcome(err)
	case a.Stream != l.stream || a.Seq == 0:
		return 0, fmt.Errorf("acknowledged by stream %q at %d", a.Stream, a.Seq)
	case a.Duplicate:
		return 0, l.duplicate(ctx, w, a.Seq)
	}
	return a.Seq, nil
}

// duplicate tells a repeated commit from an id that stands in another boundary, where nothing of it was stored.
func (l *Log) duplicate(ctx context.Context, w handlers.Write, pos uint64) error {
	rec, err := l.at(ctx, pos)
	switch {
	case err != nil:
		return fmt.Errorf("%w: duplicate of position %d: %w", handlers.ErrUnknownOutcome, pos, err)
	case rec.Boundary != w.Boundary:
		return fmt.Errorf("commit id %s was written to %s at position %d already", w.ID, rec.Boundary, pos)
	}
	return fmt.Errorf("%w: commit %s stands at position %d", handlers.ErrConflict, w.ID, pos)
}

func (l *Log) batch(ctx context.Context, ws []handlers.Write) (uint64, error) {
	if l.disk != nil {
		size := 0
		for _, w := range ws {
			size += len(w.Payload)
		}
		if size > maxHeldBatch {
			return 0, fmt.Errorf("a batch of %d bytes, at most %d", size, maxHeldBatch)
		}
	}
	select {
	case l.batches <- struct{}{}:
		defer func() { <-l.batches }()
	case <-ctx.Done():
		return 0, fmt.Errorf("%w: %w", handlers.ErrUnavailable, ctx.Err())
	}
	pause := batchPause
	for try := 1; ; try++ {
		last, err := l.tryBatch(ctx, ws)
		if !errors.Is(err, errTooMany) {
			return last, err
		}
		if try == batchTries {
			return 0, fmt.Errorf("%w: %w", handlers.ErrUnavailable, err)
		}
		if rest(ctx, pause+mathrand.N(pause)) != nil {
			return 0, fmt.Errorf("%w: %w", handlers.ErrUnavailable, ctx.Err())
		}
		pause *= 2
	}
}

// tryBatch sends all messages at once, or the last one when the disk holds the others. The first error among the
// answers decides: a batch of which one message was refused is never committed.
func (l *Log) tryBatch(ctx context.Context, ws []handlers.Write) (uint64, error) {
	id := rand.Text()
	msgs := make([]*natsgo.Msg, len(ws))
	for i, w := range ws {
		msgs[i] = l.message(w)
		msgs[i].Header[batchID] = []string{id}
		msgs[i].Header[batchSeq] = []string{strconv.Itoa(i + 1)}
	}
	msgs[len(msgs)-1].Header[batchCommit] = []string{"1"}

	release := func() error { return nil }
	if l.disk != nil {
		if err := ctx.Err(); err != nil {
			return 0, fmt.Errorf("%w: %w", handlers.ErrUnavailable, err)
		}
		// Once begun it is sent to its end, whoever leaves: the server takes only so many open batches, and waits
		// seconds for the rest of each.
		ctx = context.WithoutCancel(ctx)
		var err error
		if release, err = l.hold(ctx, msgs[:len(msgs)-1]); err != nil {
			return 0, err
		}
		msgs = msgs[len(msgs)-1:]
	}
	var a ack
	err := l.writing.do(ctx, func(m *natsgo.Msg) (bool, error) {
		if len(m.Data) == 0 {
			return false, nil // a message before the last has arrived
		}
		return true, readAck(m, &a)
	}, msgs...)
	switch {
	case err != nil:
		return 0, outcome(err)
	case a.Stream != l.stream || a.Batch != id || a.Count != len(ws) || a.Seq < uint64(len(ws)) || a.Duplicate:
		return 0, fmt.Errorf("a batch of %d acknowledged as %+v", len(ws), a)
	}
	if err := l.onDisk(ctx, a.Seq); err != nil {
		return 0, fmt.Errorf("batch at %d: %w: %w", a.Seq, handlers.ErrUnknownOutcome, err)
	}
	if err := release(); err != nil {
		return 0, fmt.Errorf("batch at %d: %w: %w", a.Seq, handlers.ErrUnknownOutcome, err)
	}
	return a.Seq, nil
}

// hold sends the messages of a batch that stand before the last, waits until the server has them all, and has the
// disk hold them. Nothing is in the stream yet.
func (l *Log) hold(ctx context.Context, msgs []*natsgo.Msg) (release func() error, err error) {
	taken := 0
	err = l.writing.do(ctx, func(m *natsgo.Msg) (bool, error) {
		if len(m.Data) > 0 {
			return true, cmp.Or(readAck(m, &ack{}), errors.New("a batch was acknowledged before its end"))
		}
		taken++
		return taken == len(msgs), nil
	}, msgs...)
	if err != nil {
		return nil, outcome(err)
	}
	if release, err = l.disk.HoldBatch(l.stream); err != nil {
		return nil, fmt.Errorf("%w: %w", handlers.ErrUnavailable, err)
	}
	return release, nil
}

// readTaken reads an acknowledgement, the usual one at a tenth of what any other costs.
func (l *Log) readTaken(m *natsgo.Msg, a *ack) error {
	behind, ok := bytes.CutPrefix(m.Data, l.taken)
	if digits, whole := bytes.CutSuffix(behind, []byte("}")); ok && whole {
		if seq, err := strconv.ParseUint(string(digits), 10, 64); err == nil {
			a.Stream, a.Seq = l.stream, seq
			return nil
		}
	}
	return readAck(m, a)
}

func readAck(m *natsgo.Msg, a *ack) error {
	if err := json.Unmarshal(m.Data, a); err != nil {
		return fmt.Errorf("an acknowledgement that cannot be read: %w", err)
	}
	if a.Error != nil {
		return a.Error
	}
	return nil
}

// outcome says what the end of a publish means for the caller.
func outcome(err error) error {
	refused, ok := errors.AsType[*jetstream.APIError](err)
	switch {
	case ok:
		return fmt.Errorf("%w: %w", meaning(refused), err)
	case errors.Is(err, natsgo.ErrMaxPayload):
		return err
	case errors.Is(err, errNotSent), errors.Is(err, errNobody):
		return fmt.Errorf("%w: %w", handlers.ErrUnavailable, err)
	case errors.Is(err, errLost), errors.Is(err, errNoAnswer), errors.Is(err, context.Canceled),
		errors.Is(err, context.DeadlineExceeded):
		return fmt.Errorf("%w: %w", handlers.ErrUnknownOutcome, err)
	}
	return err
}

// errRefused is what the server says that no retry and no look will change.
var errRefused = errors.New("refused by the server")

func meaning(e *jetstream.APIError) error {
	switch e.ErrorCode {
	case codeWrongLast, codeWrongLastInAir, codeBatchDuplicate:
		return handlers.ErrConflict
	case codeTooManyBatches:
		return errTooMany
	case codeStoreFailed:
		return handlers.ErrUnknownOutcome
	case codeAccountResources, codeNotAvailable, codeNotLeader, codeInsufficient, codeNoStorage, codeBatchIncomplete:
		return handlers.ErrUnavailable
	}
	return errRefused
}

// rest waits, or answers why ctx ended.
func rest(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
