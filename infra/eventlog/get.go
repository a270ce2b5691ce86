package eventlog

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	natsgo "github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"roster/events"
)

const (
	pageRecords = 500
	pageBytes   = 2 << 20
	// pagesAtOnce × pageBytes stays below the 64 MiB after which a server drops a connection that reads slowly.
	pagesAtOnce   = 16
	codeNoMessage = 10037
	staleRetry    = 20 * time.Millisecond
)

// slot is a record and whether its batch goes on behind it.
type slot struct {
	rec  events.Record
	more bool
}

type getRequest struct {
	Seq      uint64 `json:"seq,omitempty"`
	NextFor  string `json:"next_by_subj,omitempty"`
	LastFor  string `json:"last_by_subj,omitempty"`
	Batch    int    `json:"batch,omitempty"`
	MaxBytes int    `json:"max_bytes,omitempty"`
}

// page reads stored messages from a position onwards, of one subject or of all, in order; left is how many there
// are behind them. What it answers is on disk. A direct get never runs into the middle of a batch that is being
// committed. A replicated log may answer from a copy that is behind.
func (l *Log) page(ctx context.Context, from uint64, subject string, limit int) ([]slot, uint64, error) {
	select {
	case l.pages <- struct{}{}:
		defer func() { <-l.pages }()
	case <-ctx.Done():
		return nil, 0, ctx.Err()
	}
	body, err := json.Marshal(getRequest{Seq: from, NextFor: subject, Batch: limit, MaxBytes: pageBytes})
	if err != nil {
		return nil, 0, err
	}
	var slots []slot
	var left, prev uint64
	err = l.reading.do(ctx, func(m *natsgo.Msg) (bool, error) {
		switch status := m.Header.Get("Status"); {
		case len(m.Data) > 0:
			s, err := l.stored(m)
			if err != nil {
				return true, err
			}
			if number(m, jetstream.LastSequenceHeader) != prev {
				return true, errLost
			}
			prev = s.rec.Pos
			slots = append(slots, s)
			return false, nil
		case status == "204":
			left = number(m, "Nats-Num-Pending")
			if number(m, jetstream.LastSequenceHeader) != prev {
				return true, errLost
			}
			return true, nil
		case status == "404":
			return true, nil
		default:
			return true, fmt.Errorf("the server answers %s %s", status, m.Header.Get("Description"))
		}
	}, &natsgo.Msg{Subject: "$JS.API.DIRECT.GET." + l.stream, Data: body})
	if err != nil {
		return nil, 0, unavailable(err)
	}
	// Who finds its own commit here will call it acknowledged, and who decides on it will answer.
	if err := l.onDisk(ctx, prev); err != nil {
		return nil, 0, unavailable(err)
	}
	return slots, left, nil
}

func number(m *natsgo.Msg, header string) uint64 {
	n, _ := strconv.ParseUint(m.Header.Get(header), 10, 64) // absent or broken is 0, which no message has
	return n
}

func (l *Log) stored(m *natsgo.Msg) (slot, error) {
	pos := number(m, jetstream.SequenceHeader)
	if pos == 0 {
		return slot{}, errors.New("a message without position")
	}
	return l.slotOf(pos, m.Header.Get(jetstream.SubjectHeader), m.Header, m.Data)
}

func (l *Log) slotOf(pos uint64, subject string, h natsgo.Header, payload []byte) (slot, error) {
	name, ok := strings.CutPrefix(subject, l.prefix)
	b, err := events.ParseBoundary(name)
	if !ok || err != nil {
		return slot{}, fmt.Errorf("%w: position %d has the subject %q", ErrIntegrity, pos, subject)
	}
	// The server keeps the batch's headers; only the last message of a batch has the commit.
	more := h.Get(batchID) != "" && h.Get(batchCommit) == ""
	return slot{events.Record{Pos: pos, Boundary: b, Payload: payload}, more}, nil
}

// at reads one record.
func (l *Log) at(ctx context.Context, pos uint64) (events.Record, error) {
	if l.replicas > 1 {
		s, err := l.fromLeader(ctx, getRequest{Seq: pos})
		if err == nil && s == nil {
			err = fmt.Errorf("%w: position %d cannot be read", ErrIntegrity, pos)
		}
		if err != nil {
			return events.Record{}, err
		}
		return s.rec, nil
	}
	slots, _, err := l.page(ctx, pos, "", 1)
	if err != nil {
		return events.Record{}, err
	}
	if len(slots) == 0 || slots[0].rec.Pos != pos {
		return events.Record{}, fmt.Errorf("%w: position %d cannot be read", ErrIntegrity, pos)
	}
	return slots[0].rec, nil
}

// fromLeader asks the stream's leader for one message; nil when there is none.
func (l *Log) fromLeader(ctx context.Context, q getRequest) (*slot, error) {
	body, err := json.Marshal(q)
	if err != nil {
		return nil, err
	}
	var answer struct {
		Error   *jetstream.APIError `json:"error"`
		Message *struct {
			Subject string `json:"subject"`
			Seq     uint64 `json:"seq"`
			Header  []byte `json:"hdrs"`
			Data    []byte `json:"data"`
		} `json:"message"`
	}
	err = l.reading.do(ctx, func(m *natsgo.Msg) (bool, error) { return true, json.Unmarshal(m.Data, &answer) },
		&natsgo.Msg{Subject: "$JS.API.STREAM.MSG.GET." + l.stream, Data: body})
	switch {
	case err != nil:
		return nil, unavailable(err)
	case answer.Error != nil && answer.Error.ErrorCode == codeNoMessage:
		return nil, nil
	case answer.Error != nil:
		return nil, fmt.Errorf("%w: %w", meaning(answer.Error), answer.Error)
	case answer.Message == nil:
		return nil, errors.New("an answer without a message")
	}
	m := answer.Message
	h, err := natsgo.DecodeHeadersMsg(m.Header)
	if err != nil {
		return nil, fmt.Errorf("%w: position %d: %w", ErrIntegrity, m.Seq, err)
	}
	s, err := l.slotOf(m.Seq, m.Subject, h, m.Data)
	if err == nil {
		err = unavailable(l.onDisk(ctx, m.Seq))
	}
	return &s, err
}

// Boundary implements handlers.Log. From a position close to the boundary's last commit it costs about as much as
// one message; from 0 it grows with the number of blocks that the boundary is spread over.
func (l *Log) Boundary(ctx context.Context, b events.Boundary, after uint64) ([]events.Record, error) {
	recs, _, err := l.boundary(ctx, b, after, math.MaxInt)
	if err != nil {
		return nil, fmt.Errorf("read %s after %d: %w", b, after, err)
	}
	return recs, nil
}

// Beginning implements handlers.Log.
func (l *Log) Beginning(ctx context.Context, b events.Boundary, limit int) ([]events.Record, bool, error) {
	recs, all, err := l.boundary(ctx, b, 0, max(1, limit))
	if err != nil {
		return nil, false, fmt.Errorf("read the beginning of %s: %w", b, err)
	}
	return recs, all, nil
}

func (l *Log) boundary(ctx context.Context, b events.Boundary, after uint64, limit int) (recs []events.Record, all bool, err error) {
	if p, err := events.ParseBoundary(b.String()); err != nil || p != b {
		return nil, false, errors.New("not a boundary")
	}
	subject := l.prefix + b.String()
	for {
		slots, left, err := l.page(ctx, after+1, subject, min(pageRecords, limit-len(recs)))
		if err != nil {
			return nil, false, err
		}
		for _, s := range slots {
			if s.rec.Pos <= after || s.rec.Boundary != b {
				return nil, false, fmt.Errorf("%w: position %d (%s) is out of place", ErrIntegrity, s.rec.Pos, s.rec.Boundary)
			}
			after = s.rec.Pos
			recs = append(recs, s.rec)
		}
		if left == 0 || len(slots) == 0 {
			break
		}
		if len(recs) >= limit {
			return recs, false, nil
		}
	}
	// The copy that answered may be behind: the leader knows what is missing.
	for l.replicas > 1 {
		s, err := l.fromLeader(ctx, getRequest{Seq: after + 1, NextFor: subject})
		if err != nil {
			return nil, false, err
		}
		if s == nil {
			break
		}
		if len(recs) >= limit {
			return recs, false, nil
		}
		after = s.rec.Pos
		recs = append(recs, s.rec)
	}
	return recs, true, nil
}

// pageAfter reads at least one and about limit records after a position; it never ends inside a batch.
func (l *Log) pageAfter(ctx context.Context, after uint64, limit int) ([]events.Record, error) {
	slots, err := l.slotsAfter(ctx, after, limit)
	if err != nil {
		return nil, err
	}
	recs := make([]events.Record, len(slots))
	for i, s := range slots {
		recs[i] = s.rec
	}
	return recs, nil
}

func (l *Log) slotsAfter(ctx context.Context, after uint64, limit int) ([]slot, error) {
	var all []slot
	for more := true; more; {
		slots, _, err := l.page(ctx, after+1, "", min(pageRecords, max(1, limit-len(all))))
		if err != nil {
			return nil, err
		}
		for _, s := range slots {
			if s.rec.Pos != after+1 {
				return nil, fmt.Errorf("%w: position %d cannot be read", ErrIntegrity, after+1)
			}
			after, more = s.rec.Pos, s.more
		}
		all = append(all, slots...)
		if len(slots) > 0 {
			continue
		}
		if l.replicas == 1 {
			return nil, fmt.Errorf("%w: position %d cannot be read", ErrIntegrity, after+1)
		}
		if err := rest(ctx, staleRetry); err != nil { // a copy that is far behind
			return nil, err
		}
	}
	return all, nil
}
