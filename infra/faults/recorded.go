package faults

import (
	"maps"
	"reflect"
	"slices"

	"roster/events"
)

// CheckSteps judges the log by what was asked and answered: every command that was acknowledged is there once and
// where its answers say, none that was refused, one of which nobody knows at most once, and nothing that nobody asked
// for. Commands are looked for behind the position from. Steps that were acknowledged and wrote nothing are answered
// in the order of their answers: see CheckSo.
func (h *History) CheckSteps(v *Verdict, steps []*Step, from uint64) (so []*Step) {
	if h.Last() < from || from == 0 && h.Last() == 0 {
		v.Lost("the log ends at %d, and ended at %d before the first command", h.Last(), from)
		return nil
	}
	byID := map[events.CommitID]events.Commit{}
	started := map[string]uint64{} // sessions
	signIns := map[string]int{}    // sessions of a user
	for _, c := range h.Commits[from:] {
		byID[c.ID] = c
		for _, fact := range c.Facts {
			if s, ok := fact.(events.SessionStarted); ok {
				started[s.Session.String()] = c.Pos
				signIns[c.Boundary.ID.String()]++
			}
		}
	}
	asked, tried := map[events.CommitID]bool{}, map[string]int{}
	again := 0
	for _, s := range steps {
		last := s.Final()
		v.count(last.Outcome)
		if len(s.Tries) > 1 {
			again++
		}
		if s.session != "" {
			if last.Outcome != Refused {
				tried[s.session]++
			}
			if id, _ := last.Body["id"].(string); last.Outcome == OK && started[id] != last.Position {
				v.Lost("%s: a session was given at %d and stands at %d", s, last.Position, started[id])
			}
			continue
		}
		id := s.commit(h.Commits[0].Log)
		c, there := byID[id]
		asked[id] = last.Outcome != Refused
		switch {
		case last.Outcome == OK && !there && s.isSo != nil:
			so = append(so, s)
		case last.Outcome == OK && !there:
			v.Lost("%s was acknowledged at %d and is not in the log", s, last.Position)
		case last.Outcome == Refused && there:
			v.Phantom("%s was refused (%s) and stands at %d", s, last.Code, c.Pos)
		case there && c.Cmd.Name != s.Name:
			v.Phantom("%s stands at %d as %s", s, c.Pos, c.Cmd.Name)
		}
		if there {
			s.checkTries(v, c)
		}
	}
	for user, n := range signIns {
		if n > tried[user] {
			v.Doubled("%d sessions of %s, who tried %d times", n, user, tried[user])
		}
	}
	for id, c := range byID {
		if c.Batch != nil {
			id = c.Batch.ID // that of the command's own commit
		}
		if c.Cmd.MAC != "" && !asked[id] {
			v.Phantom("position %d: %s by %s was asked for by nobody, or was refused", c.Pos, c.Cmd.Name, c.Actor.Caller())
		}
	}
	v.Count("already so", len(so))
	v.Count("sent again", again)
	slices.SortStableFunc(so, func(a, b *Step) int { return int(a.Final().Position) - int(b.Final().Position) })
	return so
}

func (v *Verdict) count(outcome string) {
	switch outcome {
	case OK:
		v.Acknowledged++
	case Refused:
		v.Refused++
	default:
		v.Unknown++
	}
}

// commit is the id of the command's first commit.
func (s *Step) commit(log events.LogID) events.CommitID {
	home := s.Home
	if home.IsZero() {
		home = events.OfAccount(events.AccountID(events.DerivedID(log, s.Caller, s.Key, 0)))
	}
	return events.CommitIDOf(home, s.Caller, s.Key, 1)
}

// checkTries judges every answer to a command that is in the log: all are one and the same.
func (s *Step) checkTries(v *Verdict, c events.Commit) {
	at := c.Pos
	if c.Batch != nil {
		at += uint64(c.Batch.Of - c.Batch.N)
	}
	var first *Try
	for i, one := range s.Tries {
		switch {
		case one.Outcome == Refused:
			v.Differs("%s stands at %d, and a try of it was refused: %s", s, c.Pos, one.Code)
		case one.Outcome == Unknown:
		case one.Position != at && one.Position != c.Pos:
			v.Differs("%s was answered at %d and stands at %d", s, one.Position, c.Pos)
		case first == nil:
			first = &s.Tries[i]
		case !reflect.DeepEqual(lasting(first.Body), lasting(one.Body)):
			v.Differs("%s was answered %v, and when it was sent again %v", s, first.Body, one.Body)
		}
	}
}

// lasting is what an answer says of what was done; how an invitation is now may change.
func lasting(body map[string]any) map[string]any {
	left := maps.Clone(body)
	for _, now := range []string{"status", "delivery", "expires_at"} {
		delete(left, now)
	}
	return left
}
