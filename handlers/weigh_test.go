package handlers

import (
	"context"
	"fmt"
	"runtime"
	"testing"

	"roster/domain"
	"roster/events"
)

func TestWeigh(t *testing.T) {
	const n = 20000
	heap := func() uint64 {
		runtime.GC()
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	mk := func(kind events.BoundaryKind, i int) events.Boundary {
		var id events.AnyID
		copy(id[:], fmt.Sprintf("%016d", i))
		return events.Boundary{Kind: kind, ID: id}
	}
	for _, kind := range []events.BoundaryKind{events.UserBoundary, events.AccountBoundary, events.AddressBoundary, events.AttemptsBoundary} {
		c := newCache(1 << 30)
		before := heap()
		for i := range n {
			b := mk(kind, i)
			e := c.of(b)
			s := domain.Empty(b)
			box := events.Box{B: make([]byte, 60)}
			ev := func(e events.Event) {
				var cm events.CommitID
				copy(cm[:], fmt.Sprint(i))
				s = domain.Evolve(s, domain.Happened{Event: e, Commit: cm, Pos: uint64(i), At: 5, By: events.Actor{Type: events.ByUser, ID: fmt.Sprint(i, "-0198c5d4-7e1a-7c3f-9b1d-000000000091")}})
			}
			var u events.UserID
			var a events.AddressID
			copy(u[:], fmt.Sprintf("%016d", i+7))
			copy(a[:], fmt.Sprintf("%016d", i+9))
			switch kind {
			case events.UserBoundary:
				ev(events.UserRegistered{Email: events.Sealed[events.Email]{Box: box}, Profile: events.Sealed[events.PersonName]{Box: box}})
				ev(events.UserJoined{Account: events.AccountID(u)})
				ev(events.SessionStarted{Session: events.SessionID(u)})
			case events.AccountBoundary:
				for m := range 10 {
					copy(u[:], fmt.Sprintf("%08d%08d", m, i))
					copy(a[:], fmt.Sprintf("%08d%08d", m, i))
					ev(events.InvitationCreated{Invitation: events.InvitationID(u), Address: a, Invitee: events.Sealed[events.Invitee]{Box: box}, Grants: []events.Grant{{Roles: []string{"viewer"}}}})
					ev(events.InvitationAccepted{Invitation: events.InvitationID(u), User: u})
					ev(events.MembershipGranted{User: u, Address: a, Grants: []events.Grant{{Roles: []string{"viewer"}}}})
				}
			case events.AddressBoundary:
				ev(events.AddressClaimed{User: u})
			case events.AttemptsBoundary:
				ev(events.SigninAttempted{})
			}
			e.state, e.loaded = s, true
		}
		after := heap()
		t.Logf("%s: %d bytes", kind, (after-before)/n)
		runtime.KeepAlive(c)
	}
	_ = context.Background
}
