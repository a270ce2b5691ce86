package handlers

import (
	"context"
	"errors"

	"roster/events"
)

// Log is the truth: one total order of commits, one exact subject per boundary. What it has acknowledged is on
// disk, and it shows nothing that is not.
type Log interface {
	// Append writes commits if each boundary's last commit still is where the write says, and answers their
	// positions in the order given. Several writes are one atomic batch over different boundaries: all or none.
	//
	// The errors are ErrConflict (somebody was faster, or the very commit is there already: look), ErrUnknownOutcome
	// (it may have been written: look), ErrUnavailable (nothing was written), or a fault.
	Append(ctx context.Context, writes ...Write) ([]uint64, error)
	// Last is the position of the last durable commit; 0 for an empty log.
	Last(ctx context.Context) (uint64, error)
	// Boundary answers all commits of one boundary after a position, in order.
	Boundary(ctx context.Context, b events.Boundary, after uint64) ([]events.Record, error)
	// Beginning answers the first commits of one boundary, in order and at most limit of them, and whether those are all.
	Beginning(ctx context.Context, b events.Boundary, limit int) (records []events.Record, all bool, err error)
	// Read answers at most limit durable commits after a position, in order and without a hole. It waits until
	// there is at least one, or until ctx ends.
	Read(ctx context.Context, after uint64, limit int) ([]events.Record, error)
}

// Write is one commit to be appended.
type Write struct {
	Boundary events.Boundary
	ID       events.CommitID
	After    uint64 // position of the boundary's last commit; 0 when there is none
	Payload  []byte
}

// What Append may answer beside success.
var (
	ErrConflict       = errors.New("the boundary has changed")
	ErrUnknownOutcome = errors.New("whether it was written is unknown")
	ErrUnavailable    = errors.New("the log is unavailable")
)
