package domain

import (
	"slices"
	"strings"
	"testing"
	"time"

	"roster/events"
)

// signedIn is somebody who has a session on each of some devices.
func signedIn(name string, devices ...string) []past {
	all := registered(name)
	for _, d := range devices {
		all = append(all, of(user(name), events.SessionStarted{Session: session(d), ExpiresAt: now.Add(day)}))
	}
	return all
}

// from is somebody at one of their devices.
func from(name, device string) events.Actor {
	a := by(name)
	a.Session = session(device)
	return a
}

func TestChangePassword(t *testing.T) {
	change := ChangePassword{User: user("ann"), Verified: secret("ann"), Password: secret("new")}
	unverified := change
	unverified.Verified = events.SecretID{}
	erased := of(user("ann"), events.UserErased{})
	locked := of(user("ann"), events.UserLocked{})
	rulings(t, []ruling{
		{"4.3 changed", registered("ann"), as(by("ann")), change, then(events.PasswordChanged{Secret: secret("new")})},
		{"4.3 all other devices are signed out", signedIn("ann", "phone", "laptop"), as(from("ann", "laptop")), change,
			then(events.PasswordChanged{Secret: secret("new")}, events.SessionEnded{Session: session("phone"), Because: "password_changed"})},
		{"4.3 not by another password than the one that was verified", history(registered("ann"), of(user("ann"), events.PasswordSet{Secret: secret("newer")})), as(by("ann")), change, refused(BadCredentials)},
		{"4.3 nor by none", registered("ann"), as(by("ann")), unverified, refused(BadCredentials)},
		{"4.1 not by another person", registered("ann"), as(by("eve")), change, refused(NotPermitted)},
		{"4.1 not by the operator", registered("ann"), as(operator), change, refused(NotPermitted)},
		{"4.10 not when locked", history(registered("ann"), locked), as(by("ann")), change, refused(SignInRequired)},
		{"5.5 not when erased", history(registered("ann"), erased), as(by("ann")), change, refused(SignInRequired)},
	})
}

// SPEC 4.3, 5.1: the attempt that the password was verified by is no failed one.
func TestAChangedPasswordTakesItsAttemptBack(t *testing.T) {
	s := given(registered("ann")...)
	for i := range 40 {
		s.append(events.OfAttempts(user("ann").Any()), by("ann"), now, events.SigninAttempted{Factor: "password"})
		attempt := commit(s.pos)
		s.pos++
		b := events.OfUser(user("ann"))
		s.states[b] = Evolve(s.state(b), Happened{Event: events.PasswordChanged{Secret: secret("new")}, Cause: attempt, Pos: s.pos, At: now})
		if got := s.when(ReserveAttempt{Subject: user("ann").Any(), User: user("ann")}, as(by("ann"))); got.err != nil {
			t.Fatalf("change %d: %v", i+1, got.err)
		}
	}
	if got := s.state(events.OfUser(user("ann"))).(User).Replaced; len(got) != maxReplaced {
		t.Errorf("%d former passwords are named", len(got))
	}
}

func TestForgottenPassword(t *testing.T) {
	request := RequestReset{User: user("ann"), Subject: user("bucket").Any()}
	unknown := RequestReset{Subject: user("bucket").Any()}
	requested := func(n uint32) events.PasswordResetRequested {
		return events.PasswordResetRequested{Generation: n, ExpiresAt: now.Add(time.Hour)}
	}
	asked := func(n int, every time.Duration) (all []past) {
		for i := range n {
			all = append(all, of(user("ann"), events.PasswordResetRequested{Generation: uint32(i + 1), ExpiresAt: now.Add(time.Hour)}).ago(time.Duration(n-i)*every))
		}
		return all
	}
	guessed := func(n int, every time.Duration) (all []past) {
		for i := range n {
			all = append(all, on(events.OfAttempts(user("bucket").Any()), events.SigninAttempted{Factor: "reset"}).ago(time.Duration(n-i)*every))
		}
		return all
	}
	rulings(t, []ruling{
		{"4.4 a link", registered("ann"), as(nobody), request, then(requested(1))},
		{"4.4 another one", history(registered("ann"), asked(1, time.Minute)), as(nobody), request, then(requested(2))},
		{"4.4 as much is written for an address that nobody has", nil, as(nobody), unknown, then(events.SigninAttempted{Factor: "reset"})},
		{"4.4 five an hour", history(registered("ann"), asked(5, time.Minute)), as(nobody), request, nothing()},
		{"4.4 and as many for an address that nobody has", guessed(5, time.Minute), as(nobody), unknown, nothing()},
		{"4.4 until the first of them is an hour old", history(registered("ann"), asked(5, 12*time.Minute)), as(nobody), request, then(requested(6))},
		{"4.4 for an address that nobody has as well", guessed(5, 12*time.Minute), as(nobody), unknown, then(events.SigninAttempted{Factor: "reset"})},
		{"4.10 none when locked", history(registered("ann"), of(user("ann"), events.UserLocked{})), as(nobody), request, nothing()},
	})

	reset := ResetPassword{User: user("ann"), Generation: 2, Password: secret("new")}
	old, made, none := reset, reset, reset
	old.Generation, made.Generation, none.Generation = 1, 3, 0
	done := events.PasswordReset{Secret: secret("new"), Generation: 2}
	live := history(signedIn("ann", "phone"), asked(2, time.Minute))
	link := events.Actor{Type: events.ByLink, ID: user("ann").String() + ".2"}
	rulings(t, []ruling{
		{"4.4 set, and signed out everywhere", live, as(link), reset, then(done, events.SessionEnded{Session: session("phone"), Because: "password_reset"})},
		{"4.4 once", history(live, of(user("ann"), done)), as(link), reset, refused(InvitationUsed)},
		{"4.4 not by a link that has been replaced", live, as(link), old, refused(InvitationReplaced)},
		{"4.4 not by one that was never sent", live, as(link), made, refused(NotFound)},
		{"4.4 nor by one of no generation", live, as(link), none, refused(NotFound)},
		{"4.4 for an hour", history(registered("ann"), of(user("ann"), events.PasswordResetRequested{Generation: 2, ExpiresAt: now})), as(link), reset, refused(InvitationExpired)},
		{"4.4 not once the password has been changed", history(live, of(user("ann"), events.PasswordChanged{Secret: secret("x")})), as(link), reset, refused(InvitationUsed)},
		{"4.2 not once the address is another one", history(live, of(user("ann"), events.UserEmailChanged{From: address("ann"), To: address("b")})), as(link), reset, refused(InvitationUsed)},
		{"5.5 not when erased", history(live, of(user("ann"), events.UserErased{})), as(link), reset, refused(NotFound)},
		{"4.10 not when locked", history(live, of(user("ann"), events.UserLocked{})), as(link), reset, refused(NotFound)},
	})
}

// SPEC 4.3: common passwords are refused, those with the person's own name or address in them, and those made of what the
// account or the portal is called (S06).
func TestCommonAndPersonalPasswords(t *testing.T) {
	for _, c := range []struct {
		password string
		common   bool
		fails    []string
	}{
		{"Tr0ub4dor & three", false, nil},
		{"Tr0ub4dor & three", true, []string{RuleCommon}},
		{"Grace-Tr0ub4dor", false, []string{RulePersonal}},
		{"my 7th HOPPER!", false, []string{RulePersonal}},
		{"H.o.p.p.e.r-77", false, []string{RulePersonal}},
		{"7! GraceH0pper", false, []string{RulePersonal}},
		{"Amazing-4711", false, []string{RulePersonal}}, // the address up to its @
		{"4711-Example.com", false, nil},                // which many share
		{"Lee-Tr0ub4dor", false, nil},                   // too short to mean anything
		{"Northwind-4711", false, []string{RuleAround}}, // a word of an account's name
		{"a1! north.WIND? b", false, []string{RuleAround}},
		{"The-Tr0ub4dor-4", false, nil},
		{"my Acme p4ssage", false, []string{RuleAround}},  // the whole of a short one
		{"Admin Zone 4711!", false, []string{RuleAround}}, // the portal's
		{"hopper", true, []string{RuleLength, RuleUpper, RuleDigit, RuleSpecial, RuleCommon, RulePersonal}},
	} {
		chosen := Chosen{c.password, c.common, events.PersonName{First: "Grace Lee", Last: "Hopper"}, "amazing.grace@example.com", []string{"The Northwind GmbH", "ACME", "Adminzone", ""}}
		err := chosen.Check("body.new", DefaultRules().Password)
		var fails []string
		if refusal, ok := err.(*Error); ok {
			for _, f := range refusal.Fields {
				name, _, _ := strings.Cut(f.Message, ": ")
				fails = append(fails, name)
			}
		}
		if !slices.Equal(fails, c.fails) {
			t.Errorf("%q, common %v: fails %v, want %v", c.password, c.common, fails, c.fails)
		}
	}
	if err := (Chosen{Password: "Tr0ub4dor & three"}).Check("p", DefaultRules().Password); err != nil {
		t.Errorf("of somebody without a name: %v", err)
	}
}
