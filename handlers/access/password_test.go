package access_test

import (
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"roster/domain"
	"roster/events"
	"roster/handlers"
)

const next = "Another 0ne, please"

// device is the call of somebody at a device.
func (p *portal) device(email string) handlers.Call {
	p.Helper()
	s := p.mustSignIn(email)
	return handlers.Call{Actor: events.Actor{Type: events.ByUser, ID: s.User.String(), Session: s.Session}}
}

// SPEC 4.3: the current password and the new one's confirmation are asked for; everything wrong is said at once and costs
// no attempt; the old one no longer signs in; all other devices are signed out.
func TestChangePassword(t *testing.T) {
	p := newPortal(t)
	other, call := p.mustSignIn("viewer@example.com"), p.device("viewer@example.com")
	same, differs := next, next+"x"
	for range 12 {
		_, err := p.access.ChangePassword(t.Context(), call, good, "viewer", &differs)
		all := fmt.Sprint(refusal(err).Fields)
		if refusal(err).Code != domain.Invalid || !strings.Contains(all, "body.confirm") || !strings.Contains(all, "length: ") || !strings.Contains(all, "personal: ") || !strings.Contains(all, "body.new") {
			t.Fatalf("%v %s", err, all)
		}
	}
	if _, err := p.access.ChangePassword(t.Context(), call, good, "Password123!", nil); refusal(err).Code != domain.PasswordRules || !strings.HasPrefix(refusal(err).Fields[0].Message, "common: ") {
		t.Errorf("a common one: %v", err)
	}
	if _, err := p.access.ChangePassword(t.Context(), call, "wrong", next, &same); refusal(err).Code != domain.BadCredentials {
		t.Errorf("with a wrong one: %v", err)
	}
	if _, err := p.access.ChangePassword(t.Context(), call, strings.Repeat("x", 5000), next, &same); refusal(err).Code != domain.BadCredentials {
		t.Errorf("with one that is nobody's: %v", err)
	}
	call.Key, call.Request = "once", []byte("request")
	r, err := p.access.ChangePassword(t.Context(), call, good, next, &same)
	if err != nil {
		t.Fatal(err)
	}
	if again, err := p.access.ChangePassword(t.Context(), call, good, next, &same); err != nil || !again.Repeat || again.Position != r.Position {
		t.Errorf("sent again under its key: %+v, %v", again, err)
	}
	if _, err := p.access.Authenticate(t.Context(), other.Token); refusal(err).Code != domain.SignInRequired {
		t.Errorf("another device: %v", err)
	}
	if _, err := p.signIn("viewer@example.com", good); refusal(err).Code != domain.BadCredentials {
		t.Errorf("with the old one: %v", err)
	}
	if _, err := p.signIn("viewer@example.com", next); err != nil {
		t.Errorf("with the new one: %v", err)
	}
	for n := range 25 { // what is right is no failed attempt, however often
		from, to := next, good
		if n%2 == 1 {
			from, to = good, next
		}
		call.Key = ""
		if _, err := p.access.ChangePassword(t.Context(), call, from, to, nil); err != nil {
			t.Fatalf("change %d: %v", n, err)
		}
	}
}

// SPEC 4.3: the current password is guessed no more often than at sign-in, however many guess at once: ten are verified.
func TestChangingAPasswordIsThrottled(t *testing.T) {
	p := newPortal(t)
	call := p.device("viewer@example.com")
	p.passwords.verified.Store(0)
	var limited atomic.Int64
	var wg sync.WaitGroup
	for i := range 40 {
		wg.Go(func() {
			if _, err := p.access.ChangePassword(t.Context(), call, fmt.Sprint("wrong", i), next, nil); refusal(err).Code == domain.RateLimited {
				limited.Add(1)
			}
		})
	}
	wg.Wait()
	if n := p.passwords.verified.Load(); n != 10 || limited.Load() != 30 {
		t.Errorf("%d were verified, %d limited", n, limited.Load())
	}
	if _, err := p.signIn("viewer@example.com", good); refusal(err).Code != domain.RateLimited {
		t.Errorf("sign-in counts the same attempts: %v", err)
	}
	p.move(16 * time.Minute)
	if _, err := p.access.ChangePassword(t.Context(), call, good, next, nil); err != nil {
		t.Error(err)
	}
}
