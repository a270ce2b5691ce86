package projections

import (
	"math/rand"
	"reflect"
	"slices"
	"testing"
	"time"

	"roster/events"
)

// Pages are the list cut in threes, the newest first; a status keeps its rows alone; one is found by its id in its
// account alone.
func TestInvitationsQueries(t *testing.T) {
	d := makeList(t, connectLists(t), Invitations(), "invitations_1")
	r, now := rand.New(rand.NewSource(1)), listEpoch.Add(24*time.Hour)
	a, b := events.AccountID(named("A")), events.AccountID(named("B"))
	var page []Opened
	for i := range 60 {
		id, account := events.InvitationID(named(string(rune('a'+i)))), []events.AccountID{a, a, b}[r.Intn(3)]
		facts := []events.Event{events.InvitationCreated{Invitation: id, Address: events.AddressID(id), Generation: 1,
			Grants: []events.Grant{{Roles: []string{"viewer"}}}, ExpiresAt: events.TimeOf(now.Add(time.Duration(r.Intn(5)-2) * time.Hour))}}
		switch r.Intn(6) {
		case 0:
			facts = append(facts, events.InvitationDeclined{Invitation: id})
		case 1:
			facts = append(facts, events.InvitationRevoked{Invitation: id})
		case 2:
			facts = append(facts, events.InvitationAccepted{Invitation: id})
		}
		page = append(page, commitOf(uint64(i+1), events.OfAccount(account), listEpoch.Add(time.Duration(r.Intn(20))*time.Minute), events.Actor{Type: events.BySystem}, facts...))
	}
	d.apply(page...)
	all := d.invitations(InvitationsQuery{Account: a, Now: now, Limit: 500})
	if len(all.Items) < 30 || all.Next != nil || all.Position != 60 {
		t.Fatalf("%d invitations at %d, next %v", len(all.Items), all.Position, all.Next)
	}
	if !slices.IsSortedFunc(all.Items, func(x, y Invitation) int { return y.CreatedAt.Compare(x.CreatedAt) }) {
		t.Error("the newest are not the first")
	}
	for _, statuses := range [][]string{nil, {StatusPending}, {StatusExpired}, {StatusAccepted, StatusExpired}, {StatusDeclined}, {StatusRevoked, StatusPending}} {
		want := slices.DeleteFunc(slices.Clone(all.Items), func(i Invitation) bool { return statuses != nil && !slices.Contains(statuses, i.Status) })
		q := InvitationsQuery{Account: a, Now: now, Limit: 3, Status: statuses}
		var got []Invitation
		for {
			page := d.invitations(q)
			got = append(got, page.Items...)
			if q.After = page.Next; q.After == nil {
				break
			}
		}
		if len(want) == 0 || !reflect.DeepEqual(got, want) {
			t.Errorf("status %v: %d, want %d\n%+v\nwant\n%+v", statuses, len(got), len(want), got, want)
		}
	}
	for _, want := range all.Items {
		got, position, err := InvitationRead(t.Context(), d.Conn, d.schema, a, want.ID, now)
		if err != nil || position != 60 || !reflect.DeepEqual(*got, want) {
			t.Errorf("%+v at %d, %v, want %+v", got, position, err, want)
		}
		if got, _, err := InvitationRead(t.Context(), d.Conn, d.schema, b, want.ID, now); got != nil || err != nil {
			t.Errorf("another account answers %+v, %v", got, err)
		}
	}
	due, err := InvitationsDue(t.Context(), d.Conn, d.schema, now, 4)
	if err != nil || len(due) != 4 || !slices.IsSortedFunc(due, func(x, y Due) int { return x.At.Compare(y.At) }) {
		t.Errorf("due: %v, %v", due, err)
	}
}

// SPEC 2.13: what a digest lists is what one inviter has in one account that has failed in a time and is open.
func TestInvitationsFailed(t *testing.T) {
	d := makeList(t, connectLists(t), Invitations(), "invitations_1")
	a, b := events.AccountID(named("A")), events.AccountID(named("B"))
	ann, bob := actorOf("user:ann"), actorOf("user:bob")
	pos := uint64(0)
	at := func(account events.AccountID, hour int, by events.Actor, facts ...events.Event) {
		pos++
		d.apply(commitOf(pos, events.OfAccount(account), listEpoch.Add(time.Duration(hour)*time.Hour), by, facts...))
	}
	invite := func(account events.AccountID, name string, by events.Actor) events.InvitationID {
		id := events.InvitationID(named(name))
		at(account, 0, by, events.InvitationCreated{Invitation: id, Address: events.AddressID(named("@" + name)), Generation: 1, ExpiresAt: events.TimeOf(listEpoch.Add(time.Hour))})
		return id
	}
	expired, bounced, later := invite(a, "expired", ann), invite(a, "bounced", ann), invite(a, "later", ann)
	resent, revoked, others, elsewhere := invite(a, "resent", ann), invite(a, "revoked", ann), invite(a, "others", bob), invite(b, "elsewhere", ann)
	at(a, 2, actorOf("system:expirer"), events.InvitationExpired{Invitation: expired, Generation: 1}, events.InvitationExpired{Invitation: resent, Generation: 1},
		events.InvitationExpired{Invitation: revoked, Generation: 1}, events.InvitationExpired{Invitation: others, Generation: 1})
	at(a, 3, actorOf("system:mailer"), events.InvitationMailBounced{Invitation: bounced, Generation: 1})
	at(b, 3, actorOf("system:expirer"), events.InvitationExpired{Invitation: elsewhere, Generation: 1})
	at(a, 3, ann, events.InvitationResent{Invitation: resent, Generation: 2, To: events.TimeOf(listEpoch.Add(50 * time.Hour))}, events.InvitationRevoked{Invitation: revoked})
	at(a, 5, actorOf("system:expirer"), events.InvitationExpired{Invitation: later, Generation: 1})
	from, to := listEpoch.Add(2*time.Hour), listEpoch.Add(5*time.Hour)
	annID := events.UserID(named("ann"))
	list, all, err := InvitationsFailed(t.Context(), d.Conn, d.schema, a, annID, from, to, 10)
	if err != nil || all != 2 || !slices.Equal(list, []events.InvitationID{expired, bounced}) {
		t.Errorf("%v of %d, %v", list, all, err)
	}
	if list, all, err = InvitationsFailed(t.Context(), d.Conn, d.schema, a, annID, from, to, 1); err != nil || all != 2 || len(list) != 1 {
		t.Errorf("%v of %d, %v", list, all, err)
	}
}
