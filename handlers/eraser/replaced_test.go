package eraser_test

import (
	"errors"
	"testing"

	"roster/domain"
	"roster/events"
	"roster/handlers"
	"roster/handlers/access"
	"roster/infra/feedlog/feedtest"
)

// DESIGN 4: what a factor or a password was is destroyed when it is gone. A crash between the fact and that is finished by
// who follows the feed, and what is used still stays.
func TestWhatIsReplacedIsDestroyed(t *testing.T) {
	for what, change := range map[string]func(r *rig, a *access.Access, grace handlers.Call, factor events.FactorID) error{
		"a factor removed": func(r *rig, a *access.Access, grace handlers.Call, factor events.FactorID) error {
			_, err := a.RemoveFactor(r.t.Context(), grace, factor, goodPassword)
			return err
		},
		"an enrolment begun anew": func(r *rig, a *access.Access, grace handlers.Call, _ events.FactorID) error {
			_, err := a.EnrollTOTP(r.t.Context(), grace, goodPassword, "other", "Harbour", "Grace")
			return err
		},
		"all factors reset": func(r *rig, a *access.Access, grace handlers.Call, _ events.FactorID) error {
			_, err := a.ResetFactors(r.t.Context(), r.byOperator(), domain.ResetFactors{User: grace.Actor.User()})
			return err
		},
		"a password changed": func(r *rig, a *access.Access, grace handlers.Call, _ events.FactorID) error {
			_, err := a.ChangePassword(r.t.Context(), grace, goodPassword, goodPassword+" more", nil)
			return err
		},
	} {
		t.Run(what, func(t *testing.T) {
			r := open(t)
			user := r.accept(fromThem(), r.invite(r.Owner, r.Account, graceEmail, domain.Viewer, 0), "Grace", "Canary")
			in, err := r.access.SignIn(t.Context(), fromThem(), graceEmail, goodPassword)
			if err != nil {
				t.Fatal(err)
			}
			call := handlers.Call{Actor: events.Actor{Type: events.ByUser, ID: user.String(), Session: in.Session}}
			made, err := r.access.EnrollTOTP(t.Context(), call, goodPassword, "phone", "Harbour", "Grace")
			if err != nil {
				t.Fatal(err)
			}
			r.follow()
			r.followed("factor.enrolled")
			before := r.user(user).Secrets()
			if err := change(r, r.accessWith(safe{Vault: r.Sealer, beforeSecret: crash}), call, made.Factor.ID); !errors.Is(err, errCrash) {
				t.Fatalf("it answers %v", err)
			}
			kept, gone := r.user(user), r.user(user).Replaced
			if len(gone) != 1 || gone[0] != before[0] && gone[0] != before[1] {
				t.Fatalf("replaced: %v of %v", gone, before)
			}
			feedtest.Eventually(t, "what was replaced is destroyed", func() bool {
				_, err := r.Sealer.Secret(t.Context(), gone[0])
				return errors.Is(err, handlers.ErrErased)
			})
			for _, id := range kept.Secrets() {
				if id != gone[0] {
					if _, err := r.Sealer.Secret(t.Context(), id); err != nil {
						t.Errorf("what is used still: %v", err)
					}
				}
			}
		})
	}
}
