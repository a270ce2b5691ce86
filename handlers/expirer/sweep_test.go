package expirer

import (
	"context"
	"testing"
	"time"

	"roster/domain"
	"roster/events"
	"roster/infra/feedlog/feedtest"
	"roster/projections"
)

// counted counts how often it is made.
type counted struct {
	domain.RemindInvitee
	n *int
}

func (c counted) Decide(w *domain.World, is domain.Issued) error {
	*c.n++
	return c.RemindInvitee.Decide(w, is)
}

// What is due and stays so is asked for once an hour, however many there are and whatever has been asked before.
func TestWhatStaysDueIsAskedForOnce(t *testing.T) {
	i := feedtest.Start(t)
	begin := i.App.Now().Std()
	var all []projections.Due
	for n := range 2*page + 10 {
		all = append(all, projections.Due{At: begin.Add(time.Duration(n) * time.Second), Account: i.Account, Key: events.AnyID{1, byte(n >> 8), byte(n)}, Generation: 1})
	}
	read := 0
	due := func(_ context.Context, now time.Time, after projections.Due, limit int) (list []projections.Due, err error) {
		for _, d := range all {
			behind := d.At.After(after.At) || d.At.Equal(after.At) && string(d.Key[:]) > string(after.Key[:])
			if behind && !d.At.After(now) && len(list) < limit {
				list = append(list, d)
			}
		}
		read += len(list)
		return list, nil
	}
	e := New(Config{App: i.App, ToRemind: due, Logger: feedtest.Quiet()})
	asked := 0
	look := func(at time.Duration) (int, int) {
		t.Helper()
		asked, read = 0, 0
		err := e.tell(t.Context(), begin.Add(at), due, &e.reminded, func(d projections.Due) domain.Command {
			return counted{domain.RemindInvitee{Account: d.Account, Invitation: events.InvitationID(d.Key), Generation: d.Generation}, &asked}
		})
		if err != nil {
			t.Fatal(err)
		}
		return asked, read
	}
	if asked, _ := look(time.Second); asked != 2 {
		t.Errorf("at first %d were asked for", asked)
	}
	if asked, _ := look(30 * time.Minute); asked != len(all)-2 {
		t.Errorf("then %d were asked for", asked)
	}
	if asked, read := look(35 * time.Minute); asked != 0 || read != 0 {
		t.Errorf("once more %d were asked for, %d read", asked, read)
	}
	all = append(all, projections.Due{At: begin.Add(28 * time.Minute), Account: i.Account, Key: events.AnyID{2}}) // a read model that was late
	if asked, _ := look(36 * time.Minute); asked != 1 {
		t.Errorf("of what was late %d were asked for", asked)
	}
	if asked, read := look(50 * time.Minute); asked != 0 || read != len(all) {
		t.Errorf("looked through once more %d were asked for, %d read", asked, read)
	}
	if asked, _ := look(2 * time.Hour); asked != len(all) {
		t.Errorf("an hour later %d were asked for", asked)
	}
}
