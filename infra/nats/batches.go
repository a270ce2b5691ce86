package nats

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// The server keeps an atomic batch in a store of its own, synced, until it has written all its messages into the
// stream, so that a start can finish a batch that was cut. With sync always it deletes that store when the messages
// are on disk; with default sync it deletes it before, and half a batch could be all that a power cut leaves. So we
// hold the store by second links until our barrier has passed, and put it back before a start.
const (
	heldBelow    = "batches" // of the server's directory, ours
	batchesBelow = "batches" // of a stream's directory, the server's
)

// HoldBatch keeps the batches of a stream that the server has begun to receive, so that whatever part of one is on
// disk after a power cut, a start finishes it. It is called before the last message of a batch is sent, for one
// batch of a stream at a time; the batch has no more than 4 MiB. release is called when the batch is on disk
// (Synced), and not at all when its outcome is unknown.
func (s *Server) HoldBatch(stream string) (release func() error, err error) {
	if !s.group {
		return func() error { return nil }, nil
	}
	held := filepath.Join(s.dir, heldBelow, stream)
	from := filepath.Join(s.dir, filepath.FromSlash(streamsBelow), stream, batchesBelow)
	n, err := linkTree(from, held)
	if err == nil && n == 0 {
		err = errors.New("the server has none")
	}
	if err != nil {
		return nil, fmt.Errorf("hold a batch of %s: %w", stream, err)
	}
	return func() error { return os.RemoveAll(held) }, nil
}

// giveBack puts held batches where the server looks for them; they stay held until the stream has been synced.
func giveBack(dir string) error {
	held := filepath.Join(dir, heldBelow)
	streams, err := os.ReadDir(held)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	for _, s := range streams {
		stream := filepath.Join(dir, filepath.FromSlash(streamsBelow), s.Name())
		if _, err := os.Stat(stream); errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if _, err := linkTree(filepath.Join(held, s.Name()), filepath.Join(stream, batchesBelow)); err != nil {
			return fmt.Errorf("give the batches of %s back: %w", s.Name(), err)
		}
	}
	return nil
}

// linkTree links all files below a directory into the same places below another, and says how many. What is there
// already stays, and what goes away meanwhile is left out.
func linkTree(from, to string) (n int, err error) {
	err = filepath.WalkDir(from, func(path string, d fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(from, path)
		if err != nil {
			return err
		}
		if d.IsDir() {
			return os.MkdirAll(filepath.Join(to, rel), 0o700)
		}
		err = os.Link(path, filepath.Join(to, rel))
		if err == nil {
			n++
		}
		if errors.Is(err, fs.ErrExist) || errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		return err
	})
	return n, err
}
