// Package writes checks what every log refuses alike before it looks at its contents.
package writes

import (
	"errors"
	"fmt"

	"roster/events"
	"roster/handlers"
)

// Check refuses writes that no log can take: none at all, two to one boundary or of one commit, a boundary that is
// not one, a commit without id or payload, or one over events.MaxCommitBytes.
func Check(writes []handlers.Write) error {
	if len(writes) == 0 {
		return errors.New("append: nothing to write")
	}
	for i, w := range writes {
		if b, err := events.ParseBoundary(w.Boundary.String()); err != nil || b != w.Boundary {
			return fmt.Errorf("append: %q is not a boundary", w.Boundary)
		}
		switch {
		case w.ID.IsZero():
			return fmt.Errorf("append to %s: a commit without id", w.Boundary)
		case len(w.Payload) == 0:
			return fmt.Errorf("append to %s: a commit without payload", w.Boundary)
		case len(w.Payload) > events.MaxCommitBytes:
			return fmt.Errorf("append to %s: %d bytes, more than a commit may have (%d)",
				w.Boundary, len(w.Payload), events.MaxCommitBytes)
		}
		for _, other := range writes[:i] {
			if other.Boundary == w.Boundary {
				return fmt.Errorf("append to %s: twice in one batch", w.Boundary)
			}
			if other.ID == w.ID {
				return fmt.Errorf("append to %s: commit %s twice in one batch", w.Boundary, w.ID)
			}
		}
	}
	return nil
}
