package domain

import (
	"testing"

	"roster/events"
)

func TestErase(t *testing.T) {
	joined := of(user("viewer"), events.UserJoined{Account: root})
	known := history(acme(), registered("viewer"), joined)
	erase := EraseUser{User: user("viewer"), Invitations: []events.InvitationID{invited("viewer")}}
	erased := events.UserErased{Addresses: []events.AddressID{address("viewer")}, Keys: []events.KeyID{key("viewer"), key("@viewer")}, Invitations: []events.InvitationID{invited("viewer")}}
	rulings(t, []ruling{
		{"5.5 whoever is a member nowhere any more", history(known, revoked("viewer")), as(operator), erase, then(erased)},
		{"3.7 not a member: each account has its say first", known, as(operator), erase, refused(Invalid)},
		{"3.7 nor a suspended one", history(known, suspended("viewer")), as(operator), erase, refused(Invalid)},
		{"5.5 twice is once", history(known, revoked("viewer"), of(user("viewer"), events.UserErased{})), as(operator), erase, nothing()},
		{"5.5 by the operator alone", history(known, revoked("viewer")), as(by("owner")), erase, refused(NotPermitted)},
		{"5.5 nobody", nil, as(operator), erase, refused(NotFound)},
	})
	address1 := EraseAddress{Address: address("new"), Key: key("@new"), Invitations: []events.InvitationID{invited("new")}}
	rulings(t, []ruling{
		{"5.5 an invitee without a user", nil, as(operator), address1, then(events.AddressErased{Keys: []events.KeyID{key("@new")}, Invitations: []events.InvitationID{invited("new")}})},
		{"5.5 twice is once", []past{on(events.OfAddress(address("new")), events.AddressErased{})}, as(operator), address1, nothing()},
		{"5.5 a user is erased as one", registered("new"), as(operator), address1, refused(Invalid)},
		{"5.5 by the operator alone", nil, as(by("owner")), address1, refused(NotPermitted)},
	})
	s := given(history(known, of(user("viewer"), events.SessionStarted{Session: session("a")}), of(user("viewer"), events.UserErased{}))...)
	if _, ok := s.state(events.OfUser(user("viewer"))).(User).Session(session("a")); ok {
		t.Error("SPEC 5.5: a session outlives its user")
	}
}
