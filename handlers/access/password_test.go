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
	"roster/handlers/access"
	"roster/handlers/address"
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
	if _, err := p.signIn("viewer@example.com", good); err != nil {
		t.Errorf("what a session guesses counts apart, and keeps nobody from signing in elsewhere: %v", err)
	}
	p.move(16 * time.Minute)
	if _, err := p.access.ChangePassword(t.Context(), call, good, next, nil); err != nil {
		t.Error(err)
	}
}

// SPEC 4.4: an address that a user has, one that is a contact's or unknown, and what is none are answered alike, with one
// commit each, and not beyond five an hour.
func TestForgottenPassword(t *testing.T) {
	p := newPortal(t)
	if _, err := p.access.Addressee(t.Context(), address.Entry{Email: "invited@example.com"}); err != nil {
		t.Fatal(err)
	}
	for _, email := range []string{" Viewer@example.COM", "nobody@example.com", "invited@example.com", "no address", strings.Repeat("x", 1<<20)} {
		var n int
		for range 8 {
			before := p.last()
			if err := p.access.RequestReset(t.Context(), handlers.Call{Key: "k"}, email); err != nil {
				t.Fatalf("%.20q: %v", email, err)
			}
			n += int(p.last() - before)
		}
		if n != 5 {
			t.Errorf("%.20q: %d commits", email, n)
		}
	}
	for _, email := range []string{"viewer@example.com", "nobody@example.com"} { // it takes nothing away from sign-in
		for range 10 {
			if _, err := p.signIn(email, "wrong"); refusal(err).Code != domain.BadCredentials {
				t.Errorf("%s: %v", email, err)
			}
		}
	}
	if p.vault.addresses["nobody@example.com"] != (events.AddressID{}) {
		t.Error("an address that was typed has been stored")
	}
}

func (p *portal) last() uint64 {
	p.Helper()
	n, err := p.app.Last(p.Context())
	if err != nil {
		p.Fatal(err)
	}
	return n
}

// SPEC 4.4: the link works once, however many use it at once; it signs nobody in and everybody out.
func TestResetPassword(t *testing.T) {
	p := newPortal(t)
	before := p.mustSignIn("viewer@example.com")
	if err := p.access.RequestReset(t.Context(), handlers.Call{}, "viewer@example.com"); err != nil {
		t.Fatal(err)
	}
	l := access.ResetLink{User: p.viewer, Generation: 1}
	look, err := p.access.LookAtReset(t.Context(), handlers.Call{}, l)
	if err != nil || look.Email != "viewer@example.com" || look.Rules.Length != 10 {
		t.Fatalf("%+v, %v", look, err)
	}
	if _, err := p.access.ResetPassword(t.Context(), handlers.Call{}, l, "Viewer-Password-1", nil); refusal(err).Code != domain.PasswordRules {
		t.Errorf("one with the name in it: %v", err)
	}
	var done atomic.Int64
	var wg sync.WaitGroup
	for i := range 50 {
		wg.Go(func() {
			_, err := p.access.ResetPassword(t.Context(), handlers.Call{}, l, fmt.Sprint(next, i), nil)
			if err == nil {
				done.Add(1)
			} else if refusal(err).Code != domain.InvitationUsed {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if done.Load() != 1 {
		t.Errorf("it was used %d times", done.Load())
	}
	if _, err := p.access.Authenticate(t.Context(), before.Token); refusal(err).Code != domain.SignInRequired {
		t.Errorf("a device from before: %v", err)
	}
	if _, err := p.signIn("viewer@example.com", good); refusal(err).Code != domain.BadCredentials {
		t.Errorf("the old password: %v", err)
	}
	kept := len(p.vault.secrets)
	if _, err := p.access.ResetPassword(t.Context(), handlers.Call{}, l, next, nil); refusal(err).Code != domain.InvitationUsed || len(p.vault.secrets) != kept {
		t.Errorf("a dead link: %v, %d secrets", err, len(p.vault.secrets)-kept)
	}

	if err := p.access.RequestReset(t.Context(), handlers.Call{}, "viewer@example.com"); err != nil {
		t.Fatal(err)
	}
	l.Generation = 2
	call := handlers.Call{Key: "once", Request: []byte("request")}
	r, err := p.access.ResetPassword(t.Context(), call, l, next, nil)
	if again, err2 := p.access.ResetPassword(t.Context(), call, l, next, nil); err != nil || err2 != nil || !again.Repeat || again.Position != r.Position {
		t.Errorf("sent again under its key: %v, %+v, %v", err, again, err2)
	}
	if _, err := p.signIn("viewer@example.com", next); err != nil {
		t.Error(err)
	}
	p.move(2 * time.Hour)
	if err := p.access.RequestReset(t.Context(), handlers.Call{}, "viewer@example.com"); err != nil {
		t.Fatal(err)
	}
	p.move(time.Hour)
	l.Generation = 3
	if _, err := p.access.LookAtReset(t.Context(), handlers.Call{}, l); refusal(err).Code != domain.InvitationExpired {
		t.Errorf("after an hour: %v", err)
	}
	l.Generation = 2
	if _, err := p.access.LookAtReset(t.Context(), handlers.Call{}, l); refusal(err).Code != domain.InvitationReplaced {
		t.Errorf("the one before: %v", err)
	}
}

// SPEC 4.2: to ask for another address is throttled as sign-in is, and what is right is no failed attempt; what is asked
// for wrongly makes nothing in the vault; fifty who confirm at once confirm once.
func TestChangeEmail(t *testing.T) {
	p := newPortal(t)
	call := p.device("viewer@example.com")
	for i := range 12 {
		_, err := p.access.RequestEmailChange(t.Context(), call, "new@example.com", fmt.Sprint("wrong", i))
		if want := map[bool]domain.Code{true: domain.BadCredentials, false: domain.RateLimited}[i < 10]; refusal(err).Code != want {
			t.Fatalf("%d: %v", i, err)
		}
	}
	if p.vault.addresses["new@example.com"] != (events.AddressID{}) {
		t.Error("an address has been claimed without a password")
	}
	p.move(16 * time.Minute)
	for i := range 5 {
		if _, err := p.access.RequestEmailChange(t.Context(), call, fmt.Sprintf("new%d@example.com", i), good); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := p.access.RequestEmailChange(t.Context(), call, "new@example.com", good); refusal(err).Code != domain.RateLimited || refusal(err).Retry == 0 {
		t.Errorf("the sixth: %v", err)
	}
	for range 8 { // five were right
		if _, err := p.signIn("viewer@example.com", "wrong"); refusal(err).Code != domain.BadCredentials {
			t.Errorf("sign-in: %v", err)
		}
	}
	l := access.EmailLink{User: p.viewer, Generation: 5}
	var done atomic.Int64
	var wg sync.WaitGroup
	for range 50 {
		wg.Go(func() {
			if _, err := p.access.ConfirmEmail(t.Context(), handlers.Call{}, l); err == nil {
				done.Add(1)
			} else if refusal(err).Code != domain.InvitationUsed {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if done.Load() != 1 {
		t.Errorf("it was confirmed %d times", done.Load())
	}
	if _, ok, err := p.access.Holder(t.Context(), "viewer@example.com"); ok || err != nil {
		t.Errorf("the old address is still held: %v", err)
	}
	if u, ok, err := p.access.Holder(t.Context(), "new4@example.com"); !ok || err != nil || u.ID != p.viewer {
		t.Errorf("the new address is not held: %v", err)
	}
}
