package eraser_test

import (
	"bytes"
	"slices"
	"testing"
	"time"

	"roster/domain"
	"roster/events"
	"roster/handlers"
	"roster/handlers/enroll"
)

const eveEmail = "eve.canary@guests.example"

// An invitee without a user is erased by their address: whatever has become of their invitations, in whatever account.
// The same address can be invited again, and is somebody else then.
func TestEraseAnInvitee(t *testing.T) {
	r := open(t)
	annex, bo := r.account("Annex", "bo@annex.example")
	revoked := r.invite(r.Owner, r.Account, eveEmail, domain.Viewer, 0)
	r.Do(r.ByOwner(), domain.RevokeInvitation{Account: r.Account, Invitation: revoked.Invitation})
	expired := r.invite(r.Owner, r.Account, eveEmail, domain.Viewer, time.Hour)
	declined := r.invite(bo, annex, eveEmail, domain.Viewer, 0)
	if _, err := r.enroll.Decline(t.Context(), fromThem(), declined); err != nil {
		t.Fatal(err)
	}
	r.Later(2 * time.Hour)
	live := r.invite(bo, annex, eveEmail, domain.Admin, 0)
	r.Do(handlers.System("mailer"), domain.NoteMail{Account: annex, Invitation: live.Invitation, Generation: 1, Outcome: "bounced", Reason: "a canary lives here no more"})
	all := []events.InvitationID{revoked.Invitation, expired.Invitation, declined.Invitation, live.Invitation}
	r.known()
	before, vault := r.records(), r.vaultEntries()
	address, key, _, err := r.Sealer.FindAddress(t.Context(), eveEmail)
	if err != nil {
		t.Fatal(err)
	}
	entry := vault["roster.vault.key."+key.String()]
	if r.inFiles(entry) == nil {
		t.Fatal("the key is not found in the vault's files")
	}

	_, err = r.eraser().EraseEmail(t.Context(), r.byOperator(), "nobody@guests.example")
	r.wants("somebody unknown", err, domain.NotFound)
	if _, err = r.eraser().EraseEmail(t.Context(), r.byOperator(), " Eve.Canary@GUESTS.example"); err != nil {
		t.Fatal(err)
	}
	r.follow()
	r.followed()

	var ended []events.InvitationID
	for _, rec := range r.records()[len(before):] {
		c, err := events.Decode(rec)
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range c.Facts {
			//roster:partial the facts of an erasure
			switch f := f.(type) {
			case events.InvitationRevoked:
				if ended = append(ended, f.Invitation); f.Because != events.BecauseErased {
					t.Errorf("%+v", f)
				}
			case events.AddressErased:
				if c.Boundary != events.OfAddress(address) || !slices.Equal(f.Keys, []events.KeyID{key}) || !slices.Equal(sorted(f.Invitations), sorted(all)) {
					t.Errorf("of %s: %+v", c.Boundary, f)
				}
			default:
				t.Errorf("an erasure writes %s", events.KindOf(f))
			}
		}
	}
	if !slices.Equal(sorted(ended), sorted([]events.InvitationID{expired.Invitation, live.Invitation})) {
		t.Errorf("revoked %v", ended)
	}
	var people []events.AnyID
	for _, id := range all {
		people = append(people, id.Any())
	}
	if got := r.feedAbout(people...); got != nil {
		t.Errorf("the feed has %q", got)
	}
	if files := r.inFiles(entry); files != nil || bytes.Equal(r.vaultEntries()["roster.vault.key."+key.String()], entry) {
		t.Errorf("the key is still in %q", files)
	}
	r.asItWas(before)
	r.forgotten()
	for _, l := range []enroll.Link{revoked, expired, declined, live} {
		v, err := r.enroll.Look(t.Context(), handlers.Call{}, l)
		r.wants("look", err, domain.InvitationRevoked)
		_, accepting := r.enroll.Accept(t.Context(), handlers.Call{}, l, enroll.Newcomer{First: "E", Last: "V", Password: goodPassword})
		r.wants("accept", accepting, domain.InvitationRevoked)
		if v.Email != "" || v.FirstName != "" || v.LastName != "" || v.AccountName == "" {
			t.Errorf("the link shows %+v", v)
		}
	}
	_, err = r.eraser().EraseEmail(t.Context(), r.byOperator(), eveEmail)
	r.wants("erased", err, domain.NotFound)

	r.invitedAgain(annex, bo, address, key)
}

// invitedAgain invites the erased address again: nothing is inherited, and nothing old is found by it.
func (r *rig) invitedAgain(annex events.AccountID, bo events.UserID, address events.AddressID, key events.KeyID) {
	r.t.Helper()
	l := r.invite(bo, annex, eveEmail, domain.Viewer, 0)
	newAddress, newKey, found, err := r.Sealer.FindAddress(r.t.Context(), eveEmail)
	if err != nil || !found || newAddress == address || newKey == key {
		r.t.Fatalf("the address is %s with %s again: %t, %v", newAddress, newKey, found, err)
	}
	if had, err := r.OfAddress(r.t.Context(), newAddress); err != nil || len(had) != 1 {
		r.t.Fatal(had, err)
	}
	eve := r.accept(handlers.Call{}, l, "Eva", "Canary")
	a, _, err := r.App.Account(r.t.Context(), annex)
	if err != nil {
		r.t.Fatal(err)
	}
	if m, ok := a.Member(eve); !ok || m.Status != domain.Active || m.Address != newAddress || len(m.Grants) != 1 || !slices.Equal(m.Grants[0].Roles, []string{domain.Viewer}) {
		r.t.Errorf("%+v", m)
	}
	r.eraseUser(eve) // and that works a second time as well
	r.followed()
	r.forgotten()
}
