package handlers

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strconv"

	"roster/domain"
	"roster/events"
)

// Done answers what a command has done already under its idempotency key; ok is false where it has done nothing yet. Of
// the command its home alone counts.
func (a *App) Done(ctx context.Context, call Call, cmd domain.Command) (r Result, ok bool, err error) {
	t := &try{App: a, call: call, cmd: cmd, part: 1, parts: 1}
	t.place()
	return t.before(ctx)
}

// before looks whether the command has been done already under its key.
func (t *try) before(ctx context.Context) (Result, bool, error) {
	if t.call.Key == "" {
		return Result{}, false, nil
	}
	id := t.commitID(t.home)
	known, ok, err := t.repeated(ctx, t.home, id)
	for ; ok && err == nil && t.Now().Sub(known.At) > keyedFor; known, ok, err = t.repeated(ctx, t.home, id) {
		// The key has expired and is used anew: for something new, under ids of its own.
		t.call.Key = string(events.LengthPrefixed(t.call.Key, strconv.FormatUint(known.Pos, 10)))
		t.place()
		id = t.commitID(t.home)
	}
	switch {
	case err != nil:
		return Result{}, false, unavailable(err)
	case !ok:
		return Result{}, false, nil
	}
	r, err := t.stored(ctx, known.Pos)
	r.Repeat = true
	if err != nil && !errors.Is(err, ErrIdempotency) {
		err = unavailable(err)
	}
	return r, err == nil, err
}

// stored is the result of what stands in the log at a position of the command's home. Under an idempotency key it has
// to have been the same request.
func (t *try) stored(ctx context.Context, pos uint64) (Result, error) {
	commits, err := t.commitsAt(ctx, t.home, pos)
	if err != nil {
		return Result{}, err
	}
	r := Result{Command: t.command, Position: commits[len(commits)-1].Pos, Commits: commits}
	for _, c := range commits {
		if c.Boundary != t.home {
			continue
		}
		if t.call.Key != "" && !t.macs.VerifyMAC(t.call.Request, c.Cmd.MAC) {
			return Result{}, ErrIdempotency
		}
		r.Outcomes = c.Cmd.Outcomes
	}
	return r, nil
}

// commitsAt reads the commit at a position, and with it the others of its batch.
func (a *App) commitsAt(ctx context.Context, b events.Boundary, pos uint64) ([]events.Commit, error) {
	records, err := a.log.Boundary(ctx, b, pos-1)
	if err != nil {
		return nil, err
	}
	if len(records) == 0 || records[0].Pos != pos {
		return nil, fmt.Errorf("position %d of %s is gone", pos, b)
	}
	c, err := events.Decode(records[0])
	if err != nil || c.Batch == nil {
		return []events.Commit{c}, err
	}
	first := pos - uint64(c.Batch.N) // the messages of a batch stand one behind the other
	records, err = a.log.Read(ctx, first, c.Batch.Of)
	if err != nil {
		return nil, err
	}
	if len(records) < c.Batch.Of {
		return nil, fmt.Errorf("batch at position %d is cut: %w", first+1, events.ErrCorrupt)
	}
	commits := make([]events.Commit, c.Batch.Of)
	for i, r := range records[:c.Batch.Of] {
		if commits[i], err = events.Decode(r); err != nil {
			return nil, err
		}
	}
	return commits, nil
}

// look reads what the boundaries have become, and whether the very command stands in its home: its acknowledgement
// was lost, or another process has carried it out under the same idempotency key, maybe with other ids beside. Where
// the boundaries have moved on without it, it can never arrive any more.
func (t *try) look(ctx context.Context, writes []Write) (Result, bool, error) {
	var home *Write
	moved := false
	for i, w := range writes {
		last, err := t.refresh(ctx, w.Boundary)
		if err != nil {
			return Result{}, false, unavailable(err)
		}
		moved = moved || last != w.After
		if w.Boundary == t.home {
			home = &writes[i]
		}
	}
	if !moved || home == nil {
		return Result{}, false, nil
	}
	records, err := t.log.Boundary(ctx, t.home, home.After)
	if err != nil {
		return Result{}, false, unavailable(err)
	}
	for _, rec := range records {
		c, err := events.Decode(rec)
		if err != nil {
			return Result{}, false, unavailable(err)
		}
		if c.ID != home.ID {
			continue
		}
		r, err := t.stored(ctx, rec.Pos)
		r.Repeat = !bytes.Equal(rec.Payload, home.Payload)
		if err != nil && !errors.Is(err, ErrIdempotency) {
			err = unavailable(err)
		}
		if err == nil || errors.Is(err, ErrIdempotency) {
			t.adrift = nil
		}
		return r, err == nil, err
	}
	t.adrift = nil
	return Result{}, false, nil
}
