package domain

import (
	"encoding/json"
	"testing"
	"time"

	"roster/events"
)

func TestSignUp(t *testing.T) {
	d := standardDefinition()
	d.Name, d.SignUp = "open", true
	raw, err := json.Marshal(d)
	if err != nil {
		t.Fatal(err)
	}
	ref := events.ProfileRef{Name: "open", Version: 1}
	open := on(events.Portal(), events.ProfileDefined{Profile: ref, Definition: raw})
	at := events.OfAddress(address("new"))
	requested := func(n uint32) events.AddressSignupRequested {
		return events.AddressSignupRequested{Email: events.For(key("@new"), events.Email{Email: "new@example.com"}), Generation: n, ExpiresAt: now.Add(24 * time.Hour)}
	}
	asked := func(n int, every time.Duration) (all []past) {
		for i := range n {
			all = append(all, on(at, events.AddressSignupRequested{Email: events.Sealed[events.Email]{Box: events.Box{K: key("@new"), B: []byte{1}}}, Generation: uint32(i + 1), ExpiresAt: now.Add(time.Hour)}).ago(time.Duration(n-i)*every))
		}
		return all
	}
	request := RequestSignUp{*addressee("new")}
	rulings(t, []ruling{
		{"1.3 a link", history(open), as(nobody), request, then(requested(1))},
		{"1.3 not where the portal does not let them", nil, as(nobody), request, refused(NotAvailable)},
		{"1.3 as much is written when somebody has the address", history(open, registered("new")), as(nobody), request, then(requested(1))},
		{"1.3 another one", history(open, asked(1, time.Minute)), as(nobody), request, then(requested(2))},
		{"1.3 five an hour", history(open, asked(5, time.Minute)), as(nobody), request, nothing()},
		{"1.3 until the first is an hour old", history(open, asked(5, 12*time.Minute)), as(nobody), request, then(requested(6))},
		{"5.5 none for what has been erased", history(open, on(at, events.AddressErased{})), as(nobody), request, nothing()},
	})

	link := as(events.Actor{Type: events.ByLink, ID: "link"})
	sign := SignUp{Address: address("new"), Generation: 2, Email: "new@example.com", AccountName: " New Ltd ", User: NewUser{ID: user("new"), Key: key("new"), Name: events.PersonName{First: "Nell", Last: "New"}, Password: secret("new")}}
	with := func(spoil func(*SignUp)) SignUp { c := sign; spoil(&c); return c }
	live := history(open, asked(2, time.Minute))
	account := events.AccountID(fresh(0))
	rulings(t, []ruling{
		{"1.3 a user, a root account and its owner, all or nothing", live, link, sign, then(
			events.AccountOpened{Name: "New Ltd", Profile: ref},
			events.MembershipGranted{User: user("new"), Key: key("new"), Address: address("new"), Grants: roles(Owner)},
			events.UserRegistered{Address: address("new"), Email: events.For(key("@new"), events.Email{Email: "new@example.com"}), Profile: events.For(key("new"), events.PersonName{First: "Nell", Last: "New"})},
			events.PasswordSet{Secret: secret("new")}, events.UserJoined{Account: account}, events.AddressClaimed{User: user("new")})},
		{"1.3 once", history(live, registered("new")), link, sign, refused(InvitationUsed)},
		{"1.3 not by a link that has been replaced", live, link, with(func(c *SignUp) { c.Generation = 1 }), refused(InvitationReplaced)},
		{"1.3 nor by one that was never sent", live, link, with(func(c *SignUp) { c.Generation = 3 }), refused(NotFound)},
		{"1.3 nor by one of no generation", live, link, with(func(c *SignUp) { c.Generation = 0 }), refused(NotFound)},
		{"1.3 not once the portal does not let them any more", asked(2, time.Minute), link, sign, refused(NotAvailable)},
		{"1.3 the names are said", live, link, with(func(c *SignUp) { c.AccountName, c.User.Name.Last = "", "" }), refused(Invalid)},
		{"5.5 not once it has been erased", history(live, on(at, events.AddressErased{})), link, sign, refused(NotFound)},
	})
	late := link
	late.At = now.Add(time.Hour)
	rulings(t, []ruling{{"1.3 for a while", live, late, sign, refused(InvitationExpired)}})
	if e, _ := given(live...).when(with(func(c *SignUp) { c.AccountName, c.User.Name = "", events.PersonName{} }), link).err.(*Error); e == nil || len(e.Fields) != 3 {
		t.Errorf("1.3: what is wrong is said at once: %+v", e)
	}
	profiles := Profiles()
	for _, p := range profiles {
		if p.SignUp {
			t.Errorf("1.3: %s lets people open accounts by themselves", p.Name)
		}
	}
}
