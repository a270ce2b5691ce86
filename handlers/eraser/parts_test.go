package eraser_test

import (
	"slices"
	"testing"

	"roster/domain"
	"roster/events"
)

// SPEC 3.11: a dry run of an erasure says all that it would do, and does none of it.
func TestErasureIsPlanned(t *testing.T) {
	r := open(t)
	g := r.withGrace()
	before, err := r.App.Last(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"membership.revoked", "membership.revoked", "invitation.revoked", "invitation.revoked", "invitation.revoked", "user.erased"} // henry is invited by her
	for _, asked := range []struct {
		user  events.UserID
		email string
	}{{g.user, ""}, {events.UserID{}, graceEmail}} {
		parts, err := r.eraser().Parts(t.Context(), r.byOperator(), asked.user, asked.email)
		if err != nil {
			t.Fatal(err)
		}
		plan, err := r.App.Plan(t.Context(), r.byOperator(), parts...)
		if err != nil {
			t.Fatal(err)
		}
		var found []string
		for _, f := range plan.Facts {
			if name := events.KindOf(f.Event).Name; slices.Contains(want, name) {
				found = append(found, name)
			}
		}
		slices.Sort(found)
		if !slices.Equal(found, slices.Sorted(slices.Values(want))) {
			t.Errorf("planned: %v", found)
		}
	}
	if last, err := r.App.Last(t.Context()); err != nil || last != before || r.user(g.user).Erased {
		t.Errorf("something was written: %d, was %d: %v", last, before, err)
	}
	_, err = r.eraser().Parts(t.Context(), r.byOperator(), r.Owner, "")
	r.wants("the last owner", err, domain.LastActiveOwner)
	_, err = r.eraser().Parts(t.Context(), r.byOperator(), events.UserID{}, "nobody@guests.example")
	r.wants("an unknown address", err, domain.NotFound)
	_, err = r.eraser().Parts(t.Context(), r.byOperator(), newID[events.UserID](), "")
	r.wants("an unknown user", err, domain.NotFound)
	parts, err := r.eraser().Parts(t.Context(), r.byOperator(), events.UserID{}, "henry@guests.example")
	if _, ok := parts[len(parts)-1].(domain.EraseAddress); err != nil || !ok || len(parts) != 2 {
		t.Errorf("an invitee: %v %v", parts, err)
	}
}
