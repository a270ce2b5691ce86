package domain

import (
	"testing"
	"time"

	"roster/events"
)

func TestMySessions(t *testing.T) {
	ann := user("ann")
	started := func(name string, ago, lasts time.Duration) past {
		return of(ann, events.SessionStarted{Session: session(name), ExpiresAt: now.Add(lasts)}).ago(ago)
	}
	at := history(registered("ann"), started("old", 2*time.Hour, 0), started("laptop", time.Hour, time.Hour), started("phone", time.Minute, time.Hour))
	ended := func(name string) events.SessionEnded {
		return events.SessionEnded{Session: session(name), Because: "signed_out"}
	}
	rulings(t, []ruling{
		{"4.6 all others", at, as(inSession("ann", "phone")), EndMySessions{User: ann}, then(ended("old"), ended("laptop"))},
		{"4.6 all", at, as(inSession("ann", "phone")), EndMySessions{User: ann, Current: true}, then(ended("old"), ended("laptop"), ended("phone"))},
		{"4.6 twice is once", history(at, of(ann, ended("old")), of(ann, ended("laptop"))), as(inSession("ann", "phone")), EndMySessions{User: ann}, nothing()},
		{"4.6 only one's own", at, as(by("eve")), EndMySessions{User: ann}, refused(NotPermitted)},
		{"4.6 not the operator's", at, as(operator), EndMySessions{User: ann}, refused(NotPermitted)},
	})
	live := given(at...).state(events.OfUser(ann)).(User).Live(now)
	if len(live) != 2 || live[0].ID != session("phone") || live[1].ID != session("laptop") {
		t.Errorf("SPEC 4.6: the newest first, none that has expired: %+v", live)
	}
	idle := func(seconds int64) events.AccountPolicyChanged {
		return events.AccountPolicyChanged{To: events.Policy{Session: &events.SessionRule{Idle: seconds, Absolute: 86400}}}
	}
	both := history(opened(root), opened(other), member("ann", is(Viewer)), memberOf(other, "ann", is(Viewer)),
		of(ann, events.UserJoined{Account: root}), of(ann, events.UserJoined{Account: other}))
	for _, c := range []struct {
		name string
		more []past
		want time.Duration
	}{
		{"none", nil, 0},
		{"one", []past{in(root, idle(600))}, 10 * time.Minute},
		{"the strictest", []past{in(root, idle(600)), in(other, idle(300))}, 5 * time.Minute},
		{"of those where the person is active", []past{in(root, idle(600)), in(other, idle(300)), in(other, events.MembershipSuspended{User: ann})}, 10 * time.Minute},
	} {
		var got time.Duration
		if o := given(history(both, c.more)...).when(AskIdle(ann, &got), as(system)); o.err != nil || got != c.want {
			t.Errorf("SPEC 1.4: %s: %s, want %s", c.name, got, c.want)
		}
	}
}
