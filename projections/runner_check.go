package projections

import (
	"context"
	"errors"
	"fmt"
)

// ErrOtherLog says that tables were made from another log than this one, or from more of it than there is.
var ErrOtherLog = errors.New("the database does not belong to this log")

// Check compares every checkpoint with the log: that it is at or before the end, and that its commit is the log's.
// ErrOtherLog: it is not; any other error says that this could not be found out. Run finds the same later, and stops
// the read model that it is true of.
func (r *Runner) Check(ctx context.Context) error {
	rows, err := readGenerations(ctx, r.pool)
	if err != nil {
		return err
	}
	for _, g := range rows {
		if g.state == stateRetired || g.position == 0 {
			continue
		}
		var stop stopError
		if err := (&follower{r: r, at: g.checkpoint}).verify(ctx); errors.As(err, &stop) {
			return fmt.Errorf("%w: %s: %w", ErrOtherLog, g.name, err)
		} else if err != nil {
			return err
		}
	}
	return nil
}
