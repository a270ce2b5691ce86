package eraser_test

import (
	"slices"
	"testing"

	"roster/domain"
	"roster/events"
)

// SPEC 5.5, 4.2: with a person go all addresses that they had, and those that they only wanted; what somebody else has by
// now stays theirs, and so does what an invitee is known by.
func TestEraseSomebodyWhoHadOtherAddresses(t *testing.T) {
	r := open(t)
	first := "grace.canary@first.example"
	l := r.invite(r.Owner, r.Account, first, domain.Viewer, 0)
	grace := r.accept(fromThem(), l, "Grace", "Canary")
	move := func(to string, confirm bool) {
		r.Do(by(grace), domain.RequestEmailChange{User: grace, Verified: r.user(grace).Password, To: r.Addressee(to, "", "")})
		if confirm {
			r.Do(by(grace), domain.ConfirmEmail{User: grace, Generation: r.user(grace).Change.Generation, Email: to})
		}
	}
	move("grace.canary@taken.example", true)
	move(graceEmail, true)
	henry := r.accept(fromThem(), r.invite(r.Owner, r.Account, "grace.canary@taken.example", domain.Viewer, 0), "Henry", "Other")
	invited := r.invite(r.Owner, r.Account, "ivy@guests.example", domain.Viewer, 0)
	move("ivy@guests.example", false)
	move("grace.canary@wanted.example", false)
	late := r.invite(r.Owner, r.Account, first, domain.Viewer, 0)

	r.eraseUser(grace)
	r.follow()
	r.followed()
	for email, found := range map[string]bool{first: false, graceEmail: false, "grace.canary@wanted.example": false, "grace.canary@taken.example": true, "ivy@guests.example": true} {
		if _, _, got, err := r.Sealer.FindAddress(t.Context(), email); err != nil || got != found {
			t.Errorf("%s: found %v, %v", email, got, err)
		}
	}
	if s := r.status(late); s != domain.Revoked {
		t.Errorf("an invitation to the address that she had is %s", s)
	}
	if s := r.status(invited); s != domain.Pending {
		t.Errorf("the invitation of somebody else is %s", s)
	}
	if _, email, err := r.App.Person(t.Context(), r.user(henry)); err != nil || email != "grace.canary@taken.example" {
		t.Errorf("who has her address now reads %q, %v", email, err)
	}
	for _, f := range r.user(grace).Former {
		email, err := r.App.FormerEmail(t.Context(), r.user(grace), f.Address)
		if err != nil || email != "" {
			t.Errorf("an address of hers reads %q, %v", email, err)
		}
	}
	if n := len(r.user(grace).Destroyed); n != 4 {
		t.Errorf("%d keys went, want those of her, of two addresses and of a wanted one", n)
	}
	last := len(r.records())
	r.eraseUser(grace)
	if now := len(r.records()); now != last {
		t.Errorf("erasing again has written %d commits", now-last)
	}
	var dead []events.AddressID
	for _, id := range append(r.user(grace).Asked, domain.AskedAddress{Address: r.user(grace).Former[0].Address}) {
		a, _, err := r.App.Address(t.Context(), id.Address)
		if err != nil {
			t.Fatal(err)
		}
		if a.Erased && !slices.Contains(dead, id.Address) {
			dead = append(dead, id.Address)
		}
	}
	if len(dead) != 2 {
		t.Errorf("%d addresses are marked as erased", len(dead))
	}
}
