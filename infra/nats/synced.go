package nats

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
)

var (
	// ErrSync says that a sync failed. Nothing of the stream counts as durable any more until the process has been
	// started again and has seen what is really there.
	ErrSync = errors.New("the disk did not take what was written")

	errClosed = errors.New("embedded NATS: closed")
)

// GroupCommit says whether the server acknowledges what is not on disk yet: asked for, and possible here.
func (s *Server) GroupCommit() bool { return s.group }

// Synced answers when the message of a stream at pos is on disk, with all before it: at once, if the server syncs
// every message. The caller has seen the message, acknowledged or read; so it is in the stream's files already. One
// sync serves all who wait.
//
// The first call for a stream, with 0 as pos if need be, is made when the stream has been made or found and before
// anything is written to it or read from it: it syncs everything that there is, with the stream's settings and the
// directories above it, because an earlier process may have ended between writing and syncing.
//
// When ctx ends, it is unknown whether the message is durable. After ErrSync every call answers ErrSync.
func (s *Server) Synced(ctx context.Context, stream string, pos uint64) error {
	return s.wait(ctx, stream, pos, false)
}

// Rewritten answers when what has been erased from a stream, or replaced in it, is so on disk: no block of before is
// found after a power cut. It syncs everything that the stream has.
func (s *Server) Rewritten(ctx context.Context, stream string) error {
	return s.wait(ctx, stream, 0, true)
}

func (s *Server) wait(ctx context.Context, stream string, pos uint64, whole bool) error {
	if !s.group {
		return nil
	}
	s.mu.Lock()
	b := s.barriers[stream]
	first := b == nil && !s.done
	if first {
		b = newBarrier(newFiles(s.dir, stream), func() error { return doubt(s.dir) })
		s.barriers[stream] = b
	}
	s.mu.Unlock()
	if b == nil {
		return errClosed
	}
	if err := b.wait(ctx, &s.rounds, pos, whole); err != nil {
		return fmt.Errorf("stream %s: %w", stream, err)
	}
	if !first {
		return nil
	}
	// What the server has finished at its start is on disk now.
	return os.RemoveAll(filepath.Join(s.dir, heldBelow, stream))
}
