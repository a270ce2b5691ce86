package eraser_test

import (
	"context"
	"errors"
	"testing"

	"roster/domain"
	"roster/events"
	"roster/handlers"
	"roster/handlers/eraser"
)

var errCrash = errors.New("the program dies here")

func crash() error { return errCrash }

// cut is an eraser that dies somewhere.
func (r *rig) cut(where string) *eraser.Eraser {
	switch where {
	case "before the invitations":
		return eraser.New(r.App, r.Sealer, finder{r, crash})
	case "before the password":
		return eraser.New(r.App, safe{Vault: r.Sealer, beforeSecret: crash}, r)
	case "before the keys":
		return eraser.New(r.App, safe{Vault: r.Sealer, beforeKey: func(int) error { return errCrash }}, r)
	}
	return eraser.New(r.App, safe{Vault: r.Sealer, beforeKey: func(n int) error {
		if n == 1 {
			return errCrash
		}
		return nil
	}}, r)
}

// A crash leaves an erasure in the middle. Whoever erases again finishes it; so does who follows the feed, once the
// fact is written.
func TestAnErasureIsFinished(t *testing.T) {
	for _, c := range []struct {
		where   string
		written bool // the fact is
	}{
		{"before the invitations", false}, {"before the password", true}, {"before the keys", true}, {"after the first key", true},
	} {
		finish := map[string]func(r *rig, user events.UserID){
			"by id": func(r *rig, user events.UserID) {
				r.eraseUser(user)
				r.follow()
			},
			"by address": func(r *rig, _ events.UserID) {
				if _, err := r.eraser().EraseEmail(r.t.Context(), r.byOperator(), graceEmail); err != nil {
					r.t.Error(err)
				}
				r.follow()
			},
		}
		if c.written {
			finish["by the feed"] = func(r *rig, _ events.UserID) { r.follow() }
		}
		for how, again := range finish {
			t.Run(c.where+" "+how, func(t *testing.T) {
				r := open(t)
				l := r.invite(r.Owner, r.Account, graceEmail, domain.Viewer, 0)
				grace := r.accept(fromThem(), l, "Grace", "Canary")
				annex, bo := r.account("Annex", "bo@annex.example")
				live := r.invite(bo, annex, graceEmail, domain.Viewer, 0)
				session := r.signIn(graceEmail)
				u := r.user(grace)
				r.known()

				_, err := r.cut(c.where).EraseUser(t.Context(), r.byOperator(), grace)
				if !errors.Is(err, errCrash) {
					t.Fatalf("the erasure answers %v", err)
				}
				if got := r.user(grace).Erased; got != c.written {
					t.Fatalf("erased: %t", got)
				}
				again(r, grace)
				r.gone(u, session)
				if r.status(live) != domain.Revoked {
					t.Errorf("the invitation is %s", r.status(live))
				}
				if got := r.feedAbout(grace.Any(), l.Invitation.Any(), live.Invitation.Any()); len(got) != 1 {
					t.Errorf("the feed has %q", got)
				}
				r.forgotten()
			})
		}
	}
}

// gone waits until nothing of a user's is left in the vault.
func (r *rig) gone(u domain.User, session string) {
	r.t.Helper()
	r.followed()
	for _, k := range []events.KeyID{u.Key, u.AddressKey} {
		if _, err := r.Sealer.Seal(r.t.Context(), events.Place{}, k, []byte("{}")); !errors.Is(err, handlers.ErrErased) {
			r.t.Errorf("key %s: %v", k, err)
		}
	}
	if _, err := r.Sealer.Password(r.t.Context(), u.Password); !errors.Is(err, handlers.ErrErased) {
		r.t.Errorf("the password's hash: %v", err)
	}
	_, err := r.access.Authenticate(r.t.Context(), session)
	r.wants("a request", err, domain.SignInRequired)
}

// The same for an invitee.
func TestAnInviteesErasureIsFinished(t *testing.T) {
	r := open(t)
	for how, again := range map[string]func(){
		"by address": func() {
			if _, err := r.eraser().EraseEmail(t.Context(), r.byOperator(), eveEmail); err != nil {
				t.Error(err)
			}
		},
		"by the feed": func() { r.follow() },
	} {
		l := r.invite(r.Owner, r.Account, eveEmail, domain.Viewer, 0)
		_, key, _, err := r.Sealer.FindAddress(t.Context(), eveEmail)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := r.cut("before the keys").EraseEmail(t.Context(), r.byOperator(), eveEmail); !errors.Is(err, errCrash) {
			t.Fatal(err)
		}
		again()
		if how == "by the feed" {
			r.followed()
		}
		if _, err := r.Sealer.Seal(t.Context(), events.Place{}, key, []byte("{}")); !errors.Is(err, handlers.ErrErased) {
			t.Errorf("%s: %v", how, err)
		}
		if r.status(l) != domain.Revoked {
			t.Errorf("%s: the invitation is %s", how, r.status(l))
		}
		_, _, found, err := r.Sealer.FindAddress(t.Context(), eveEmail)
		if found || err != nil {
			t.Error(how, "the address is still known", err)
		}
	}
}

// Without read models nobody is erased, but what was begun is finished: keys, password and feed.
func TestWithoutReadModels(t *testing.T) {
	r := open(t)
	l := r.invite(r.Owner, r.Account, graceEmail, domain.Viewer, 0)
	grace := r.accept(fromThem(), l, "Grace", "Canary")
	session, u := r.signIn(graceEmail), r.user(grace)
	bare := eraser.New(r.App, r.Sealer, nil)
	last := len(r.records())
	if _, err := bare.EraseEmail(t.Context(), r.byOperator(), graceEmail); !errors.Is(err, handlers.ErrUnavailable) || len(r.records()) != last {
		t.Error(err)
	}
	if _, err := r.cut("before the password").EraseUser(t.Context(), r.byOperator(), grace); !errors.Is(err, errCrash) {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- bare.Follow(ctx, r.Feed) }()
	r.gone(u, session)
	stop()
	if err := <-done; err != nil {
		t.Error(err)
	}
	if got := r.feedAbout(grace.Any(), l.Invitation.Any()); len(got) != 1 {
		t.Errorf("the feed has %q", got)
	}
}
