package access_test

import (
	"crypto/hmac"
	"crypto/sha1" //nolint:gosec // RFC 6238
	"encoding/base32"
	"encoding/binary"
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
)

// app is an authenticator app, written apart from the one under test.
type app struct {
	p    *portal
	seed []byte
	id   events.FactorID
}

func (a app) code(off time.Duration) string {
	mac := hmac.New(sha1.New, a.seed)
	_ = binary.Write(mac, binary.BigEndian, a.p.now().Add(off).Unix()/30)
	sum := mac.Sum(nil)
	return fmt.Sprintf("%06d", binary.BigEndian.Uint32(sum[sum[19]&15:])&0x7fffffff%1_000_000)
}

func (p *portal) by(s access.SignedIn) handlers.Call {
	return handlers.Call{Actor: events.Actor{Type: events.ByUser, ID: s.User.String(), Session: s.Session}}
}

// enrolled gives the viewer an app, and moves on to the next code.
func (p *portal) enrolled() app {
	p.Helper()
	s := p.mustSignIn("viewer@example.com")
	made, err := p.access.EnrollTOTP(p.Context(), p.by(s), good, "phone", "Acme", "viewer@example.com")
	if err != nil {
		p.Fatal(err)
	}
	seed, err := base32.StdEncoding.WithPadding(base32.NoPadding).DecodeString(made.Secret)
	if err != nil {
		p.Fatal(err)
	}
	a := app{p, seed, made.Factor.ID}
	if _, err := p.access.VerifyFactor(p.Context(), p.by(s), a.id, a.code(0)); err != nil {
		p.Fatal(err)
	}
	p.move(30 * time.Second)
	return a
}

func (p *portal) challenge() string {
	p.Helper()
	s := p.mustSignIn("viewer@example.com")
	if s.Challenge == "" || s.Token != "" || s.Device != "" || !s.Session.IsZero() {
		p.Fatalf("SPEC 4.5: %+v", s)
	}
	return s.Challenge
}

func (p *portal) show(challenge, code string) (access.SignedIn, error) {
	return p.access.SecondFactor(p.Context(), handlers.Call{}, challenge, events.FactorID{}, code)
}

// SPEC 4.5: with a verified factor, a password is the first of two steps.
func TestSignInInTwoSteps(t *testing.T) {
	p := newPortal(t)
	a := p.enrolled()
	c := p.mustSignIn("viewer@example.com")
	if len(c.Factors) != 1 || c.Factors[0] != (access.Shown{ID: a.id, Method: "totp", Label: "phone"}) {
		t.Errorf("SPEC 4.5: %+v", c.Factors)
	}
	if _, err := p.show(c.Challenge, "000000"); refusal(err).Code != domain.BadCredentials {
		t.Errorf("SPEC 4.5: a wrong code: %v", err)
	}
	s, err := p.access.SecondFactor(t.Context(), handlers.Call{}, c.Challenge, a.id, a.code(0))
	if err != nil {
		t.Fatal(err)
	}
	who, err := p.access.Authenticate(t.Context(), s.Token)
	if err != nil || who.User.ID != p.viewer {
		t.Fatalf("SPEC 4.5: %+v, %v", who, err)
	}
	if session, ok := who.User.Session(s.Session); !ok || !session.Strong {
		t.Errorf("SPEC 4.5: %+v", session)
	}
	for range 30 { // what turned out well is no failure: neither the password nor the code
		p.move(30 * time.Second)
		if _, err := p.show(p.challenge(), a.code(0)); err != nil {
			t.Fatalf("SPEC 5.1: %v", err)
		}
	}
}

// SPEC 4.5, S16: each code works once, in whichever order, and also 50 times at once.
func TestCodesWorkOnce(t *testing.T) {
	p := newPortal(t)
	a := p.enrolled()
	challenges := make([]string, 8)
	for i := range challenges {
		challenges[i] = p.challenge()
	}
	code, earlier, later := a.code(0), a.code(-30*time.Second), a.code(30*time.Second)
	var won, wrong atomic.Int64
	var wg sync.WaitGroup
	begin := make(chan struct{})
	for i := range 50 {
		wg.Go(func() {
			<-begin
			switch _, err := p.show(challenges[i%2], code); {
			case err == nil:
				won.Add(1)
			case refusal(err).Code == domain.BadCredentials:
				wrong.Add(1)
			case refusal(err).Code != domain.RateLimited:
				t.Error(err)
			}
		})
	}
	close(begin)
	wg.Wait()
	if won.Load() != 1 {
		t.Errorf("SPEC 4.5: %d of 50 have used one code; %d were wrong", won.Load(), wrong.Load())
	}
	p.move(0)
	p2 := newPortal(t)
	a = p2.enrolled()
	code, earlier, later = a.code(0), a.code(-30*time.Second), a.code(30*time.Second)
	if _, err := p2.show(p2.challenge(), later); err != nil {
		t.Errorf("S17: %v", err)
	}
	for _, old := range []string{later, code, earlier} {
		if _, err := p2.show(p2.challenge(), old); refusal(err).Code != domain.BadCredentials {
			t.Errorf("S17: a code at or before the one used: %v", err)
		}
	}
}

// S09, S10, CVE-2023-47111: whatever is guessed and however many at once, ten are looked at, and it is written once
// that somebody is throttled.
func TestGuessesAtOnce(t *testing.T) {
	p := newPortal(t)
	p.enrolled()
	challenge := p.challenge() // its password is one attempt, until a factor is shown
	var failed, limited atomic.Int64
	var wg sync.WaitGroup
	begin := make(chan struct{})
	for i := range 200 {
		wg.Go(func() {
			<-begin
			switch _, err := p.show(challenge, fmt.Sprintf("%06d", i)); refusal(err).Code {
			case domain.BadCredentials:
				failed.Add(1)
			case domain.RateLimited:
				limited.Add(1)
			default:
				t.Error(err)
			}
		})
	}
	close(begin)
	wg.Wait()
	if failed.Load() != 9 || limited.Load() != 191 {
		t.Errorf("SPEC 5.1, S09: %d were looked at, %d throttled", failed.Load(), limited.Load())
	}
	if _, err := p.signIn("viewer@example.com", good); refusal(err).Code != domain.RateLimited {
		t.Errorf("S10: the password has the same limit: %v", err)
	}
	if n := p.throttled(); n != 1 {
		t.Errorf("SPEC 5.1: signin.throttled stands %d times", n)
	}
	p.move(16 * time.Minute)
	for i := range 15 {
		if _, err := p.signIn("viewer@example.com", fmt.Sprint("wrong", i)); err == nil {
			t.Error("a wrong password")
		}
	}
	if n := p.throttled(); n != 2 {
		t.Errorf("SPEC 5.1: once for each while: %d", n)
	}
}

func (p *portal) throttled() (n int) {
	p.Helper()
	records, err := p.log.Boundary(p.Context(), events.OfAttempts(p.viewer.Any()), 0)
	if err != nil {
		p.Fatal(err)
	}
	for _, r := range records {
		c, err := events.Decode(r)
		if err != nil {
			p.Fatal(err)
		}
		for _, f := range c.Facts {
			if _, ok := f.(events.SigninThrottled); ok {
				n++
			}
		}
	}
	return n
}

// S11: a stranger's guesses lock nobody out of a device that they have signed in on; nor do they share its tries.
func TestKnownDevice(t *testing.T) {
	p := newPortal(t)
	device := p.mustSignIn("viewer@example.com").Device
	foreign := p.mustSignIn("owner@example.com").Device
	from := func(device, password string) error {
		_, err := p.access.SignIn(t.Context(), handlers.Call{Device: device}, "viewer@example.com", password)
		return err
	}
	for i := range 12 {
		_ = from("", fmt.Sprint("wrong", i))
	}
	if err := from("", good); refusal(err).Code != domain.RateLimited {
		t.Errorf("SPEC 5.1: a stranger: %v", err)
	}
	for _, bad := range []string{foreign, device[:len(device)-1], device + "A", "rd_", "x", strings.ToUpper(device)} {
		if err := from(bad, good); refusal(err).Code != domain.RateLimited {
			t.Errorf("S11: %.10q is no device of theirs: %v", bad, err)
		}
	}
	in, err := p.access.SignIn(t.Context(), handlers.Call{Device: device}, "viewer@example.com", good)
	if err != nil || in.Device != device {
		t.Errorf("S11: a known device: %v", err)
	}
	for range 10 {
		if err := from(device, "wrong"); refusal(err).Code != domain.BadCredentials {
			t.Errorf("S11: %v", err)
		}
	}
	if err := from(device, good); refusal(err).Code != domain.RateLimited {
		t.Errorf("S11: a device has its own limit: %v", err)
	}
}

// S18: recovery codes stand in for a factor, each once; new ones replace them, and they go with the last factor.
func TestRecoveryCodes(t *testing.T) {
	p := newPortal(t)
	a := p.enrolled()
	s, err := p.show(p.challenge(), a.code(0))
	if err != nil {
		t.Fatal(err)
	}
	codes, _, err := p.access.NewRecoveryCodes(t.Context(), p.by(s), "") // the session is fresh
	if err != nil || len(codes) != 10 || len(codes[0]) != 19 {
		t.Fatalf("SPEC 4.5: %v, %v", codes, err)
	}
	for _, secret := range p.vault.secrets {
		if strings.Contains(secret, strings.ReplaceAll(codes[0], "-", "")) {
			t.Error("S18: a recovery code is kept in clear")
		}
	}
	var won atomic.Int64
	var wg sync.WaitGroup
	challenges := []string{p.challenge(), p.challenge()}
	for i := range 50 {
		wg.Go(func() {
			if in, err := p.show(challenges[i%2], strings.ToLower(codes[3])); err == nil && in.Token != "" {
				won.Add(1)
			}
		})
	}
	wg.Wait()
	if won.Load() != 1 {
		t.Errorf("S16: one recovery code was used %d times", won.Load())
	}
	p.move(16 * time.Minute)
	if _, err := p.show(p.challenge(), codes[4]); err != nil {
		t.Errorf("SPEC 4.5: another one: %v", err)
	}
	u, _, err := p.app.User(t.Context(), p.viewer)
	if _, left := u.Recovery(); err != nil || left != 8 {
		t.Errorf("SPEC 4.5: %d are left", left)
	}
	newer, _, err := p.access.NewRecoveryCodes(t.Context(), p.by(s), good)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := p.show(p.challenge(), codes[5]); refusal(err).Code != domain.BadCredentials {
		t.Errorf("SPEC 4.5: a replaced one: %v", err)
	}
	challenge := p.challenge()
	if _, err := p.access.RemoveFactor(t.Context(), p.by(s), a.id, good); err != nil {
		t.Fatal(err)
	}
	if _, err := p.show(challenge, newer[0]); refusal(err).Code != domain.BadCredentials {
		t.Errorf("SPEC 4.5: after the last factor: %v", err)
	}
	if len(p.vault.secrets) != 2 {
		t.Errorf("SPEC 5.5: %d secrets are left, beside two passwords", len(p.vault.secrets)-2)
	}
	if s := p.mustSignIn("viewer@example.com"); s.Token == "" {
		t.Error("SPEC 4.5: nothing is asked for any more")
	}
}

// S20, S30: what guards a sign-in is changed by whoever has just shown who they are.
func TestReauthentication(t *testing.T) {
	p := newPortal(t)
	first := p.mustSignIn("viewer@example.com")
	if _, err := p.access.EnrollTOTP(t.Context(), p.by(first), "", "", "Acme", "x"); refusal(err).Code != domain.ReauthenticationRequired {
		t.Errorf("S30: a password alone makes no session fresh: %v", err)
	}
	if _, err := p.access.EnrollTOTP(t.Context(), p.by(first), "wrong", "", "Acme", "x"); refusal(err).Code != domain.BadCredentials {
		t.Errorf("S30: %v", err)
	}
	if len(p.vault.secrets) != 2 {
		t.Error("a seed is kept of what was refused")
	}
	other := p.mustSignIn("viewer@example.com")
	a := p.enrolled()
	for _, s := range []access.SignedIn{first, other} {
		if _, err := p.access.Authenticate(t.Context(), s.Token); refusal(err).Code != domain.SignInRequired {
			t.Errorf("S28: a session from before the first factor: %v", err)
		}
	}
	s, err := p.show(p.challenge(), a.code(0))
	if err != nil {
		t.Fatal(err)
	}
	p.move(10 * time.Minute)
	if _, err := p.access.RemoveFactor(t.Context(), p.by(s), a.id, ""); refusal(err).Code != domain.ReauthenticationRequired {
		t.Errorf("S20: ten minutes later: %v", err)
	}
	for range 20 {
		_, _ = p.access.RemoveFactor(t.Context(), p.by(s), a.id, "wrong")
	}
	if _, err := p.access.RemoveFactor(t.Context(), p.by(s), a.id, good); refusal(err).Code != domain.RateLimited {
		t.Errorf("S10: guessing the password once more: %v", err)
	}
	if c := p.challenge(); c == "" {
		t.Error("S11: the guesses of a session lock out nobody else")
	}
	p.move(16 * time.Minute)
	if _, err := p.access.RemoveFactor(t.Context(), p.by(s), a.id, good); err != nil {
		t.Errorf("S20: %v", err)
	}
}

// The flaws of others that belong here (RELIABILITY 2.3), each as it would be tried.
func TestFlawsOfOthers(t *testing.T) {
	for _, c := range []struct {
		name string
		try  func(p *portal, a app) error
		want domain.Code
	}{
		{"CVE-2025-64103, GHSA-xg6x-h9c9-2m83: a challenge is no session", func(p *portal, _ app) error {
			_, err := p.access.Authenticate(p.Context(), p.challenge())
			return err
		}, domain.SignInRequired},
		{"CVE-2026-9091: a factor that is set up cannot be left out", func(p *portal, _ app) error {
			_, err := p.show(p.challenge(), "")
			return err
		}, domain.BadCredentials},
		{"CVE-2024-32868, CVE-2025-64102: guessing a factor is throttled", func(p *portal, a app) error {
			challenge := p.challenge()
			for range 9 {
				_, _ = p.show(challenge, "000000")
			}
			_, err := p.show(challenge, a.code(0))
			return err
		}, domain.RateLimited},
		{"CVE-2026-9798, CVE-2026-16103: locked between the steps", func(p *portal, a app) error {
			challenge := p.challenge()
			p.do(operator(), domain.LockUser{User: p.viewer})
			_, err := p.show(challenge, a.code(0))
			return err
		}, domain.BadCredentials},
		{"CVE-2025-46815: a challenge leads to one session", func(p *portal, a app) error {
			challenge := p.challenge()
			if _, err := p.show(challenge, a.code(0)); err != nil {
				return err
			}
			p.move(30 * time.Second)
			_, err := p.show(challenge, a.code(0))
			return err
		}, domain.BadCredentials},
		{"CVE-2024-45042: the password does not count twice", func(p *portal, _ app) error {
			_, err := p.show(p.challenge(), good)
			return err
		}, domain.BadCredentials},
		{"a challenge ends after ten minutes", func(p *portal, a app) error {
			challenge := p.challenge()
			p.move(10 * time.Minute)
			_, err := p.show(challenge, a.code(0))
			return err
		}, domain.BadCredentials},
		{"CVE-2026-1529: an edited challenge", func(p *portal, a app) error {
			challenge := []byte(p.challenge())
			for i := range challenge {
				edited := append([]byte{}, challenge...)
				edited[i] ^= 1
				if _, err := p.show(string(edited), a.code(0)); refusal(err).Code != domain.BadCredentials {
					return fmt.Errorf("byte %d: %v", i, err)
				}
			}
			return &domain.Error{Code: domain.BadCredentials}
		}, domain.BadCredentials},
		{"CVE-2022-23555: a device's token is no challenge", func(p *portal, a app) error {
			_, err := p.show("rc_"+strings.TrimPrefix(p.mustSignIn("owner@example.com").Device, "rd_"), a.code(0))
			return err
		}, domain.BadCredentials},
		{"another's factor", func(p *portal, a app) error {
			_, err := p.access.VerifyFactor(p.Context(), p.by(p.mustSignIn("owner@example.com")), a.id, a.code(0))
			return err
		}, domain.NotFound},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := newPortal(t)
			if err := c.try(p, p.enrolled()); refusal(err).Code != c.want {
				t.Errorf("SPEC 4.5: %v, want %s", err, c.want)
			}
		})
	}
}

// SPEC 4.3, 4.5: a password that is right is no guess, whatever it was given for and whether that was done.
func TestRightPasswordIsNoGuess(t *testing.T) {
	p := newPortal(t)
	s := p.mustSignIn("viewer@example.com")
	key := func(name string) error {
		id := access.NewKey()
		_, hash, err := p.access.KeySecret(p.account, id)
		if err != nil {
			return err
		}
		_, err = p.access.MyKey(t.Context(), p.by(s), good, func(verified events.SecretID) domain.Command {
			return domain.CreateMyKey{Account: p.account, User: p.viewer, Key: id, Hash: hash, KeyName: name, Password: verified}
		})
		return err
	}
	for range 6 {
		if err := key("mine"); err != nil {
			t.Fatal(err)
		}
		if err := key(""); refusal(err).Code != domain.Invalid {
			t.Fatalf("a key without a name: %v", err)
		}
	}
	if err := key("one more"); err != nil {
		t.Errorf("SPEC 4.3: %v", err)
	}
}
