package expirer

import (
	"context"
	"time"

	"roster/domain"
	"roster/projections"
)

// sweep remembers what has been asked for, because the answer may be that nothing is to be done: where a policy has
// switched reminders off, what is due stays due.
type sweep struct {
	forgot time.Time // when all that had been asked for was forgotten
	asked  map[projections.Due]bool
	whole  time.Time // when everything was looked through last
	behind time.Time // nothing older needs to be looked at until then
}

const (
	sweepForget = time.Hour        // so often everything is asked for anew: the answer may be another one by now
	sweepWhole  = 10 * time.Minute // so often everything is looked through, for what a read model has learnt late
	sweepBack   = 10 * time.Minute // so far back what is due is looked at every time
)

// from is behind what to look.
func (s *sweep) from(now time.Time) projections.Due {
	if now.Sub(s.forgot) >= sweepForget {
		s.forgot, s.asked = now, map[projections.Due]bool{}
	}
	if now.Sub(s.whole) >= sweepWhole {
		s.whole, s.behind = now, time.Time{}
	}
	return projections.Due{At: s.behind}
}

// tell issues a command for everybody who is to be told something before it is too late, each but once as long as we
// remember.
func (e *Expirer) tell(ctx context.Context, now time.Time, due func(context.Context, time.Time, projections.Due, int) ([]projections.Due, error),
	s *sweep, command func(projections.Due) domain.Command) error {
	if due == nil {
		return nil
	}
	for after := s.from(now); ; {
		list, err := due(ctx, now, after, page)
		if err != nil {
			return err
		}
		for _, d := range list {
			if !s.asked[d] {
				if err := e.do(ctx, "", command(d)); err != nil {
					return err
				}
				s.asked[d] = true
			}
			after = d
		}
		if len(list) < page {
			s.behind = now.Add(-sweepBack)
			return nil
		}
	}
}
