package domain

import "roster/events"

// Keyed is a commit that was made under an idempotency key.
type Keyed struct {
	Pos uint64
	At  events.Time
}

// Keys are a boundary's commits that were made under idempotency keys, by their ids. They are immutable like a state,
// and folded from the same commits.
type Keys struct{ m pmap[events.CommitID, Keyed] }

// Get answers what was done under a key.
func (k Keys) Get(id events.CommitID) (Keyed, bool) { return k.m.Get(id) }

// Len is how many there are.
func (k Keys) Len() int { return k.m.Len() }

// With remembers one commit more, and forgets one that is from before a moment, if it comes across any: one look a
// commit keeps pace with one entry a commit. Which one it looks at depends on the id alone, so that the same commits
// always add up to the same keys.
func (k Keys) With(id events.CommitID, done Keyed, before events.Time) Keys {
	if old, v, ok := k.m.near(id); ok && v.At < before {
		k.m = k.m.Without(old)
	}
	return Keys{k.m.With(id, done)}
}
