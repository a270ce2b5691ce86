package handlers

import (
	"bytes"
	"context"
	"fmt"
	"slices"

	"roster/domain"
	"roster/events"
)

// Dump is all that a boundary's commits add up to, as bytes that are the same for the same commits.
func (a *App) Dump(ctx context.Context, b events.Boundary) ([]byte, error) {
	s, err := a.now(ctx, b)
	if err != nil {
		return nil, err
	}
	f := domain.Folded{State: s.state, Keys: s.keys}
	var all [][]byte
	f.Changes(domain.Folded{}, func(c domain.Change) { all = append(all, fmt.Appendf(nil, "%d %x %x", c.Part, c.Key, c.Is)) })
	slices.SortFunc(all, bytes.Compare)
	return fmt.Appendf(nil, "%d %s %d %x\n%s", s.pos, s.hash, s.at, f.Head(), bytes.Join(all, []byte("\n"))), nil
}

// UseSnapshotsOf is UseSnapshots as a program of another format does it.
func (a *App) UseSnapshotsOf(format int, s Snapshots) {
	a.keeper.Store(newKeeper(s, a.macs, a.logID, format))
}
