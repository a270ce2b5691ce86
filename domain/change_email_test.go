package domain

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"roster/events"
)

// wants is somebody who has asked for another address.
func wants(name, other string, generation uint32) past {
	return of(user(name), events.UserEmailChangeRequested{Address: address(other), Email: events.Sealed[events.Email]{Box: events.Box{K: key("@" + other), B: []byte{1}}},
		Generation: generation, ExpiresAt: now.Add(time.Hour)})
}

// has is somebody who has had another address confirmed.
func has(name, before, other string) []past {
	return history(of(user(name), events.UserEmailChanged{From: address(before), To: address(other), Email: events.Sealed[events.Email]{Box: events.Box{K: key("@" + other), B: []byte{1}}}}),
		on(events.OfAddress(address(other)), events.AddressClaimed{User: user(name)}), on(events.OfAddress(address(before)), events.AddressReleased{User: user(name)}))
}

func TestRequestEmailChange(t *testing.T) {
	request := RequestEmailChange{User: user("viewer"), Verified: secret("viewer"), To: *addressee("new")}
	asked := events.UserEmailChangeRequested{Address: address("new"), Email: events.For(key("@new"), events.Email{Email: "new@example.com"}), Generation: 1, ExpiresAt: now.Add(24 * time.Hour)}
	with := func(spoil func(*RequestEmailChange)) RequestEmailChange { c := request; spoil(&c); return c }
	no := false
	joined := of(user("viewer"), events.UserJoined{Account: root})
	known := history(acme(), registered("viewer"), joined)
	second := asked
	second.Generation = 2
	var five []past
	for i := range 5 {
		five = append(five, wants("viewer", "new", uint32(i+1)).ago(time.Duration(5-i)*time.Minute))
	}
	domains := in(root, events.AccountPolicyChanged{To: events.Policy{Domains: []string{"acme.example"}}})
	rulings(t, []ruling{
		{"4.2 asked", known, as(by("viewer")), request, then(asked)},
		{"4.2 whoever has it", history(known, registered("new")), as(by("viewer")), request, then(asked)},
		{"4.2 another time", history(known, wants("viewer", "x", 1)), as(by("viewer")), request, then(second)},
		{"4.2 view-only", history(known, in(root, events.AccountPolicyChanged{To: events.Policy{ChangeEmail: &no}})), as(by("viewer")), request, refused(NotPermitted)},
		{"4.2 before anything else is said", history(known, in(root, events.AccountPolicyChanged{To: events.Policy{ChangeEmail: &no}})), as(by("viewer")), with(func(c *RequestEmailChange) { c.To.Email = "" }), refused(NotPermitted)},
		{"4.2 not what is none", known, as(by("viewer")), with(func(c *RequestEmailChange) { c.To.Email = "" }), refused(Invalid)},
		{"4.2 not the one that one has", known, as(by("viewer")), with(func(c *RequestEmailChange) { c.To = *addressee("viewer") }), refused(Invalid)},
		{"1.4 not of a domain that the accounts do not let in", history(known, domains), as(by("viewer")), request, refused(DomainNotAllowed)},
		{"4.2 not by another password", known, as(by("viewer")), with(func(c *RequestEmailChange) { c.Verified = secret("x") }), refused(BadCredentials)},
		{"4.2 nor by none", known, as(by("viewer")), with(func(c *RequestEmailChange) { c.Verified = events.SecretID{} }), refused(BadCredentials)},
		{"4.2 five an hour", history(known, five), as(by("viewer")), request, refused(RateLimited)},
		{"4.1 not by another", known, as(by("owner")), request, refused(NotPermitted)},
		{"4.1 not by the operator", known, as(operator), request, refused(NotPermitted)},
	})
}

func TestConfirmEmail(t *testing.T) {
	confirm := ConfirmEmail{User: user("viewer"), Generation: 1, Email: "new@example.com"}
	known := history(acme(), signedIn("viewer", "phone"), of(user("viewer"), events.UserJoined{Account: root}))
	live := history(known, wants("viewer", "new", 1))
	link := as(events.Actor{Type: events.ByLink, ID: "link"})
	no := false
	rulings(t, []ruling{
		{"4.2 confirmed: the one is claimed, the other released, and sessions stay", live, link, confirm,
			then(events.UserEmailChanged{From: address("viewer"), To: address("new"), Email: events.For(key("@new"), events.Email{Email: "new@example.com"})},
				events.AddressClaimed{User: user("viewer")}, events.AddressReleased{User: user("viewer")})},
		{"4.2 once", history(live, has("viewer", "viewer", "new")), link, confirm, refused(InvitationUsed)},
		{"4.2 not by a link that has been replaced", history(live, wants("viewer", "other", 2)), link, confirm, refused(InvitationReplaced)},
		{"4.2 not by one that was never sent", known, link, confirm, refused(NotFound)},
		{"4.2 not one that somebody has got meanwhile", history(live, registered("new")), link, confirm, refused(InvitationRevoked)},
		{"4.2 not where the accounts have come to forbid it", history(live, in(root, events.AccountPolicyChanged{To: events.Policy{ChangeEmail: &no}})), link, confirm, refused(InvitationRevoked)},
		{"1.4 or have come not to let it in", history(live, in(root, events.AccountPolicyChanged{To: events.Policy{Domains: []string{"acme.example"}}})), link, confirm, refused(InvitationRevoked)},
		{"4.3 not once the password is another one", history(live, of(user("viewer"), events.PasswordReset{Secret: secret("x")})), link, confirm, refused(InvitationUsed)},
		{"5.5 not when erased", history(live, of(user("viewer"), events.UserErased{})), link, confirm, refused(NotFound)},
		{"5.5 nor an erased address", history(live, on(events.OfAddress(address("new")), events.AddressErased{})), link, confirm, refused(NotFound)},
		{"4.10 not when locked", history(live, of(user("viewer"), events.UserLocked{})), link, confirm, refused(NotFound)},
	})
	late := link
	late.At = now.Add(time.Hour)
	rulings(t, []ruling{{"4.2 for a while", live, late, confirm, refused(InvitationExpired)}})
}

// SPEC 2.2, 4.2: a member is known by the address that they have now, not by the one that they had.
func TestInvitingAfterAnAddressHasChanged(t *testing.T) {
	moved := history(acme(), registered("viewer"), of(user("viewer"), events.UserJoined{Account: root}), has("viewer", "viewer", "new"))
	invite := func(name string) InviteUsers {
		return InviteUsers{Account: root, Invitees: []*Addressee{addressee(name)}, Grants: roles(Viewer)}
	}
	rulings(t, []ruling{
		{"2.2 the new address is a member's", moved, as(by("owner")), invite("new"), nothing().saying(OutcomeAlreadyMember)},
		{"2.8 the old one is nobody's", moved, as(by("owner")), invite("viewer"), then(created(1, "viewer", DefaultValidity, is(Viewer))).saying(OutcomeInvited)},
	})
}

// SPEC 5.5: the addresses that somebody had go with them, unless they are somebody else's; of those that they only wanted,
// the ones that concern nobody else.
func TestEraseOtherAddresses(t *testing.T) {
	known := history(registered("ann"), wants("ann", "b", 1), has("ann", "ann", "b"), wants("ann", "c", 2), wants("ann", "d", 3))
	erase := EraseUser{User: user("ann"), Asked: []events.AddressID{address("c"), address("eve")}}
	keys := func(names ...string) (list []events.KeyID) {
		for _, n := range names {
			list = append(list, key(n))
		}
		return list
	}
	gone := func(name string) events.AddressErased { return events.AddressErased{Keys: keys("@" + name)} }
	all := events.UserErased{Addresses: []events.AddressID{address("b"), address("ann"), address("c")}, Keys: keys("ann", "@b", "@ann", "@c")}
	rest := events.UserErased{Addresses: []events.AddressID{address("b"), address("c")}, Keys: keys("ann", "@b", "@c")}
	taken := history(known, on(events.OfAddress(address("ann")), events.AddressClaimed{User: user("eve")}))
	rulings(t, []ruling{
		{"5.5 all", known, as(operator), erase, then(gone("ann"), gone("c"), all)},
		{"5.5 but what is another's", taken, as(operator), erase, then(gone("c"), rest)},
		{"5.5 back again", history(known, has("ann", "b", "ann")), as(operator), EraseUser{User: user("ann")},
			then(gone("b"), events.UserErased{Addresses: []events.AddressID{address("ann"), address("b")}, Keys: keys("ann", "@ann", "@b")})},
	})
	u := given(history(known, of(user("ann"), all))...).state(events.OfUser(user("ann"))).(User)
	if !slices.Equal(u.Destroyed, all.Keys) {
		t.Errorf("it is not known which keys went: %v", u.Destroyed)
	}
	former, asked := u.OtherAddresses()
	if fmt.Sprint(former, asked) != fmt.Sprint([]events.AddressID{address("ann")}, []events.AddressID{address("c"), address("d")}) {
		t.Errorf("%v %v", former, asked)
	}
}
