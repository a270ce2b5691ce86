package expirer_test

import (
	"testing"
	"time"

	"github.com/google/uuid"

	"roster/domain"
	"roster/events"
	"roster/infra/feedlog/feedtest"
)

// SPEC 2.10: what a key has invited is dead once the key's time is up, and the event follows; what a key that lives on has
// invited, and a person, is not touched.
func TestWhatAnExpiredKeyHasInvitedIsRevoked(t *testing.T) {
	i := start(t, nil)
	key := func(expires events.Time) events.Actor {
		id := events.KeyRefID(uuid.Must(uuid.NewV7()))
		i.Do(i.ByOwner(), domain.CreateKey{Account: i.Account, Key: id, KeyName: "Sync", Grants: []events.Grant{{Roles: []string{domain.Admin}}}, ExpiresAt: expires})
		return events.Actor{Type: events.ByKey, ID: id.String()}
	}
	invite := func(by events.Actor, email string) events.InvitationID {
		to := i.Addressee(email, "", "")
		r := i.Do(by, domain.InviteUsers{Account: i.Account, Invitees: []*domain.Addressee{&to}, Grants: []events.Grant{{Roles: []string{domain.Viewer}}}})
		return r.Commits[0].Facts[0].(events.InvitationCreated).Invitation
	}
	brief, lasting := key(i.App.Now().Add(time.Hour)), key(0)
	dead := []events.InvitationID{invite(brief, "a@guests.example"), invite(brief, "b@guests.example")}
	alive := append(i.Invite("c@guests.example"), invite(lasting, "d@guests.example"))
	i.Later(2 * time.Hour)
	for _, id := range dead {
		feedtest.Eventually(t, "the event", func() bool {
			i.Later(20 * time.Second) // the read models may be behind at first
			return invitation(t, i, id).Status == domain.Revoked
		})
	}
	i.Later(2 * time.Hour)
	later := invite(lasting, "e@guests.example")
	i.Later(6 * 24 * time.Hour)
	feedtest.Eventually(t, "another round", func() bool { i.Later(20 * time.Second); return invitation(t, i, later).Reminded })
	for _, id := range alive {
		if got := invitation(t, i, id).Status; got != domain.Pending {
			t.Errorf("SPEC 2.10: an invitation of who may still invite is %s", got)
		}
	}
	if n := count[events.InvitationRevoked](i); n != len(dead) {
		t.Errorf("SPEC 2.10: %d events for %d invitations", n, len(dead))
	}
}
