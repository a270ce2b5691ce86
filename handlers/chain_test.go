package handlers_test

import (
	"context"
	"errors"
	"testing"

	"roster/domain"
	"roster/events"
	"roster/handlers"
)

// holed is a log that passes over one commit, as a server does over a message that it can no longer read.
type holed struct {
	handlers.Log
	lost uint64
}

func (h holed) Boundary(ctx context.Context, b events.Boundary, after uint64) ([]events.Record, error) {
	records, err := h.Log.Boundary(ctx, b, after)
	var rest []events.Record
	for _, r := range records {
		if r.Pos != h.lost {
			rest = append(rest, r)
		}
	}
	return rest, err
}

// TestAHoleIsNoState: nothing is decided or answered on a boundary of which a commit is missing (F13): here the
// suspension, without which the member would have access again.
func TestAHoleIsNoState(t *testing.T) {
	b := newBench(t)
	account := b.open()
	b.join(account, "owner", domain.Owner)
	user := b.join(account, "somebody", domain.Viewer)
	lost := b.do(b.app, operator(), domain.Suspend{Account: account, User: user}).Position
	b.do(b.app, operator(), domain.ChangeRole{Account: account, User: user, Grants: []events.Grant{{Roles: []string{domain.Manager}}}})

	app := b.another(handlers.Config{Log: holed{b.log, lost}})
	if a, _, err := app.Account(t.Context(), account); !errors.Is(err, handlers.ErrUnavailable) || !errors.Is(err, events.ErrCorrupt) {
		m, _ := a.Member(user)
		t.Errorf("answered %s: %v", m.Status, err)
	}
	before := b.last()
	if _, err := app.Do(t.Context(), operator(), domain.Revoke{Account: account, User: user}); !errors.Is(err, handlers.ErrUnavailable) {
		t.Errorf("decided: %v", err)
	}
	if b.last() != before {
		t.Error("something was written")
	}
}
