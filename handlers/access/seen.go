package access

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"roster/domain"
	"roster/events"
	"roster/handlers"
)

// SeenStore keeps when sessions were used last where all copies of the program meet. It is coarse, and may lag; what it
// keeps of sessions that have ended is of no harm.
type SeenStore interface {
	// Note keeps moments; one that is earlier than what is kept changes nothing.
	Note(ctx context.Context, seen map[events.SessionID]time.Time) error
	// Last answers the moments that are kept of some sessions.
	Last(ctx context.Context, sessions []events.SessionID) (map[events.SessionID]time.Time, error)
	// Tidy drops what is older than a moment.
	Tidy(ctx context.Context, before time.Time) error
}

const (
	seenTick    = 15 * time.Second     // between two looks at what is to be noted
	seenDaily   = 24 * time.Hour       // a session that no policy ends is noted once a day
	ruledWithin = time.Minute          // a change of the policy counts after so long
	seenCoarse  = 15 * time.Minute     // what is shown of it
	seenKept    = 400 * 24 * time.Hour // no session lasts longer
	askStore    = 2 * time.Second      // how long the store may take to answer
)

// seen is what this copy knows of the sessions that it has been asked by.
type seen struct {
	began events.Time
	store SeenStore

	mu   sync.Mutex
	list map[events.SessionID]*seenSession
}

type seenSession struct {
	at    events.Time // of the last request here; zero while there was none
	noted events.Time // what the store has been told, or has told
	ruled events.Time // when the policy was read
	idle  time.Duration
}

// alive says whether a session has been used recently enough, as the strictest policy of its user's accounts has it
// (SPEC 1.4), and counts this as use. Nothing is written: see ADR 0013.
func (a *Access) alive(ctx context.Context, user events.UserID, s domain.Session) (bool, error) {
	now := a.app.Now()
	a.seen.mu.Lock()
	e := a.seen.list[s.ID]
	if e == nil {
		e = &seenSession{}
		a.seen.list[s.ID] = e
	}
	was := *e
	a.seen.mu.Unlock()
	if was.ruled.IsZero() || now.Sub(was.ruled) >= ruledWithin {
		if err := a.app.Ask(ctx, handlers.Call{Actor: handlers.System("access")}, domain.AskIdle(user, &was.idle)); err != nil {
			return false, err
		}
		was.ruled = now
	}
	last := max(was.at, was.noted, s.StartedAt)
	if was.idle > 0 && now.Sub(last) >= was.idle {
		stored, ok := a.stored(ctx, s.ID)
		if ok {
			was.noted = max(was.noted, stored)
			last = max(last, stored.Add(slack(was.idle))) // it lags by so much at most
		} else {
			last = max(last, a.seen.began) // nobody can say: it is counted from when this copy began
		}
		if now.Sub(last) >= was.idle {
			return false, nil
		}
	}
	a.seen.mu.Lock()
	defer a.seen.mu.Unlock()
	e.at, e.noted, e.ruled, e.idle = max(e.at, now), max(e.noted, was.noted), was.ruled, was.idle
	return true, nil
}

// slack is by how much the store lags behind for sessions that are in use.
func slack(idle time.Duration) time.Duration { return idle/4 + seenTick }

// stored asks the store about one session. ok is false where it cannot say.
func (a *Access) stored(ctx context.Context, id events.SessionID) (at events.Time, ok bool) {
	if a.seen.store == nil {
		return 0, false
	}
	ctx, cancel := context.WithTimeout(ctx, askStore)
	defer cancel()
	known, err := a.seen.store.Last(ctx, []events.SessionID{id})
	if err != nil {
		return 0, false
	}
	t, found := known[id]
	if !found {
		return 0, true
	}
	return events.TimeOf(t), true
}

// LastSeen answers when sessions were used last, to a quarter of an hour, as far as it is known.
func (a *Access) LastSeen(ctx context.Context, list []domain.Session) map[events.SessionID]events.Time {
	ids := make([]events.SessionID, len(list))
	for i, s := range list {
		ids[i] = s.ID
	}
	last := a.lastOf(ctx, ids)
	for _, s := range list {
		last[s.ID] = max(s.StartedAt, coarse(last[s.ID]))
	}
	return last
}

// coarse is a moment as it is shown.
func coarse(at events.Time) events.Time { return events.TimeOf(at.Std().Truncate(seenCoarse)) }

// lastOf are the moments that this copy or the store knows.
func (a *Access) lastOf(ctx context.Context, ids []events.SessionID) map[events.SessionID]events.Time {
	last := map[events.SessionID]events.Time{}
	a.seen.mu.Lock()
	for _, id := range ids {
		if e := a.seen.list[id]; e != nil && max(e.at, e.noted) > 0 {
			last[id] = max(e.at, e.noted)
		}
	}
	a.seen.mu.Unlock()
	if a.seen.store != nil {
		ctx, cancel := context.WithTimeout(ctx, askStore)
		defer cancel()
		if known, err := a.seen.store.Last(ctx, ids); err == nil { // without it there is what this copy knows
			for id, at := range known {
				last[id] = max(last[id], events.TimeOf(at))
			}
		}
	}
	return last
}

// UseSeen lets the store keep when sessions were used. It is called before anything else.
func (a *Access) UseSeen(store SeenStore) { a.seen.store = store }

// KeepSeen tells the store what is new, until ctx ends: of sessions that end when they are idle, often enough; of
// others once a day. Where there is no store it only forgets what is of no use any more.
func (a *Access) KeepSeen(ctx context.Context, logger *slog.Logger) error {
	ticker := time.NewTicker(seenTick)
	defer ticker.Stop()
	for failed := false; ; {
		select {
		case <-ticker.C:
		case <-ctx.Done():
			ending, cancel := context.WithTimeout(context.WithoutCancel(ctx), askStore)
			defer cancel()
			return a.NoteSeen(ending)
		}
		err := a.NoteSeen(ctx)
		if err != nil && !failed && ctx.Err() == nil {
			logger.WarnContext(ctx, "when sessions were used last is not kept for now", "err", err)
		}
		failed = err != nil
	}
}

// NoteSeen tells the store once what is new.
func (a *Access) NoteSeen(ctx context.Context) error {
	now := a.app.Now()
	due := map[events.SessionID]time.Time{}
	a.seen.mu.Lock()
	for id, e := range a.seen.list {
		every := seenDaily
		if e.idle > 0 {
			every = min(every, e.idle/4)
		}
		if e.at > e.noted && now.Sub(e.noted) >= every {
			due[id] = e.at.Std()
		} else if now.Sub(max(e.at, e.noted)) >= 2*seenDaily {
			delete(a.seen.list, id)
		}
	}
	a.seen.mu.Unlock()
	if len(due) == 0 || a.seen.store == nil {
		return nil
	}
	if err := a.seen.store.Note(ctx, due); err != nil {
		return err
	}
	a.seen.mu.Lock()
	for id, at := range due {
		if e := a.seen.list[id]; e != nil {
			e.noted = max(e.noted, events.TimeOf(at))
		}
	}
	a.seen.mu.Unlock()
	return a.seen.store.Tidy(ctx, now.Std().Add(-seenKept))
}
