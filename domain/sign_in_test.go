package domain

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"roster/events"
)

func attemptsOf(name string, n int, every time.Duration) (all []past) {
	for i := range n {
		all = append(all, on(events.OfAttempts(user(name).Any()), events.SigninAttempted{Factor: "password"}).ago(time.Duration(n-i)*every))
	}
	return all
}

func TestReserveAttempt(t *testing.T) {
	reserve := ReserveAttempt{Subject: user("ann").Any(), User: user("ann"), Factor: "password", Refused: 3}
	reserved := events.SigninAttempted{Factor: "password", Refused: 3}
	// each of n sign-ins is an attempt whose commit a session names
	succeeded := func(n int) (all []past) {
		for i, p := range attemptsOf("ann", n, time.Second) {
			all = append(all, p, of(user("ann"), events.SessionStarted{Session: session(fmt.Sprint(i)), Attempt: commit(uint64(2*i + 1))}))
		}
		return all
	}
	rulings(t, []ruling{
		{"5.1 the first, with what was refused before", nil, as(nobody), reserve, then(reserved)},
		{"5.1 the tenth", attemptsOf("ann", 9, time.Second), as(nobody), reserve, then(reserved)},
		{"5.1 the eleventh is refused", attemptsOf("ann", 10, time.Second), as(nobody), reserve, refused(RateLimited)},
		{"5.1 until the first of them is a quarter of an hour old", attemptsOf("ann", 10, 90*time.Second), as(nobody), reserve, then(reserved)},
		{"5.1 and not before", attemptsOf("ann", 10, 89*time.Second), as(nobody), reserve, refused(RateLimited)},
		{"4 what a sign-in used is none", succeeded(10), as(nobody), reserve, then(reserved)},
		{"4 however often somebody signs in", succeeded(40), as(nobody), reserve, then(reserved)},
		{"5.1 beside failures", history(succeeded(10), attemptsOf("ann", 10, time.Second)), as(nobody), reserve, refused(RateLimited)},
		{"5.1 an address that nobody holds", attemptsOf("bucket", 10, time.Second), as(nobody), ReserveAttempt{Subject: user("bucket").Any(), Factor: "password"}, refused(RateLimited)},
	})
	var refusal *Error
	got := given(attemptsOf("ann", 10, time.Second)...).when(reserve, as(nobody))
	if refusal, _ = got.err.(*Error); refusal == nil || refusal.Retry != int(15*60-10) {
		t.Errorf("7.1: retry after %+v", refusal)
	}
	got = given(attemptsOf("ann", 10, 15*time.Minute/10-time.Microsecond)...).when(reserve, as(nobody))
	if refusal, _ = got.err.(*Error); refusal == nil || refusal.Retry != 1 {
		t.Errorf("7.1: a retry at once is refused again: %+v", refusal)
	}
}

func TestSessions(t *testing.T) {
	startSession := StartSession{User: user("ann"), Session: session("s"), TokenHash: events.Hash{1}, Password: secret("ann"), Attempt: commit(9)}
	started := events.SessionStarted{Session: session("s"), TokenHash: events.Hash{1}, Method: "password", ExpiresAt: now.Add(SessionLifetime), Attempt: commit(9)}
	var full []past
	for i := range maxSessions {
		full = append(full, of(user("ann"), events.SessionStarted{Session: session(fmt.Sprint(i))}).ago(time.Duration(maxSessions-(i+7)%maxSessions)*time.Hour))
	}
	oldest := session(fmt.Sprint(maxSessions - 7))
	waiting := history(opened(root), member("owner", is(Owner)),
		in(root, events.MembershipGranted{User: user("ann"), Key: key("ann"), Address: address("ann"), Grants: roles(Viewer), Pending: true}), of(user("ann"), events.UserJoined{Account: root}))
	rulings(t, []ruling{
		{"4 signed in", registered("ann"), as(by("ann")), startSession, then(started)},
		{"9 the first makes a membership count", history(registered("ann"), waiting), as(by("ann")), startSession,
			then(events.MembershipActivated{User: user("ann")}, started)},
		{"9 once it is reactivated, where it has been suspended", history(registered("ann"), waiting, suspended("ann")), as(by("ann")), startSession,
			then(events.MembershipActivated{User: user("ann"), Suspended: true}, started)},
		{"9 and only the first", history(registered("ann"), waiting, suspended("ann"), in(root, events.MembershipActivated{User: user("ann"), Suspended: true})),
			as(by("ann")), startSession, then(started)},
		{"9 but nothing of one that has ended", history(registered("ann"), waiting, revoked("ann")), as(by("ann")), startSession, then(started)},
		{"4 with a password that has been replaced meanwhile", append(registered("ann"), of(user("ann"), events.PasswordSet{Secret: secret("newer")})), as(by("ann")), startSession, refused(BadCredentials)},
		{"5.5 erased meanwhile", append(registered("ann"), of(user("ann"), events.UserErased{})), as(by("ann")), startSession, refused(BadCredentials)},
		{"4 nobody", nil, as(by("ann")), startSession, refused(BadCredentials)},
		{"4.6 one too many ends the oldest", history(registered("ann"), full), as(by("ann")), startSession, then(events.SessionEnded{Session: oldest, Because: "replaced"}, started)},
	})
	end := EndSession{user("ann"), session("s")}
	live := append(registered("ann"), of(user("ann"), started))
	rulings(t, []ruling{
		{"4.6 signed out", live, as(by("ann")), end, then(events.SessionEnded{Session: session("s"), Because: "signed_out"})},
		{"4.6 twice is once", history(live, of(user("ann"), events.SessionEnded{Session: session("s")})), as(by("ann")), end, nothing()},
		{"4.6 not another's", live, as(by("eve")), end, refused(NotPermitted)},
		{"4.6 nobody's", nil, as(nobody), EndSession{}, nothing()},
	})
}

func TestRecordRefusal(t *testing.T) {
	target := &events.Subject{Type: "user", ID: user("viewer").Any()}
	record := RecordRefusal{Subject: user("ann").Any(), Account: root, Command: "ChangeRole", Code: NotPermitted, Of: target, Refused: 2}
	fact := events.CommandRefused{Account: root, Command: "ChangeRole", Code: "not_permitted", Target: target, Refused: 2}
	unknown, nowhere := record, record
	unknown.Account, nowhere.Account = other, events.AccountID{}
	without := fact
	without.Account = events.AccountID{}
	many := func(n int, every time.Duration) (all []past) {
		for i := range n {
			all = append(all, on(events.OfAttempts(user("ann").Any()), events.CommandRefused{}).ago(time.Duration(n-i)*every))
		}
		return all
	}
	rulings(t, []ruling{
		{"5.1 in the account", acme(), as(by("ann")), record, then(fact)},
		{"5.1 an account that is none is not named", acme(), as(by("ann")), unknown, then(without)},
		{"5.1 a command of no account", acme(), as(by("ann")), nowhere, then(without)},
		{"5.1 thirty an hour", append(many(29, time.Second), acme()...), as(by("ann")), record, then(fact)},
		{"5.1 no more", append(many(30, time.Second), acme()...), as(by("ann")), record, refused(RateLimited)},
		{"5.1 until an hour has passed", append(many(30, 2*time.Minute), acme()...), as(by("ann")), record, then(fact)},
	})
	if record.Name() != "ChangeRole" {
		t.Errorf("%s", record.Name())
	}
}

func TestDeniesRights(t *testing.T) {
	denied := []Code{NotPermitted, ExceedsOwnAccess, WrongRecipient}
	for _, c := range []Code{SignInRequired, BadCredentials, RateLimited, NotFound, NotPermitted, ExceedsOwnAccess, WrongRecipient, InvitationExpired, InvitationRevoked,
		InvitationReplaced, InvitationUsed, Invalid, PasswordRules, StaleVersion, LastActiveOwner, AlreadyMember, AlreadyInvited, AccountClosed, Inherited} {
		if got := (&Error{Code: c}).DeniesRights(); got != slices.Contains(denied, c) {
			t.Errorf("SPEC 5.1: %s: %v", c, got)
		}
	}
}

func TestPasswords(t *testing.T) {
	for _, c := range []struct {
		password string
		fails    []string
	}{
		{"Tr0ub4dor&3", nil},
		{"Aa1!aaaaaa", nil},
		{"Aa1!aaaaa", []string{RuleLength}},
		{"", []string{RuleLength, RuleLower, RuleUpper, RuleDigit, RuleSpecial}},
		{"passwordpassword", []string{RuleUpper, RuleDigit, RuleSpecial}},
		{"PASSWORD 12", []string{RuleLower}},
		{"!!!", []string{RuleLength, RuleLower, RuleUpper, RuleDigit}},
		{"correct horse Battery 1", nil},          // a space is a special character
		{"Straße Zürich Ölühr 7", nil},            // letters beyond ASCII
		{"пароль Пароль 7", nil},                  // of any script
		{"Aa١aaaaaa!", nil},                       // an Arabic-Indic digit is a digit
		{"Aa1aaaaaa密", nil},                       // what has no case and is no digit is special
		{"Aa1!" + strings.Repeat("ü", 6), nil},    // characters count, not bytes
		{"Aa1!" + strings.Repeat("😀", 60), nil},   // 64 and more
		{"Aa1!" + strings.Repeat("a", 1020), nil}, // far more
		{"Aa1!" + strings.Repeat("a", 1021), []string{RuleTooLong}},
		{strings.Repeat("a", 1025), []string{RuleTooLong, RuleUpper, RuleDigit, RuleSpecial}},
		{"ÄÖÜäöü", []string{RuleLength, RuleDigit, RuleSpecial}},
	} {
		err := Chosen{Password: c.password}.Check("body.password", DefaultRules().Password)
		if c.fails == nil {
			if err != nil {
				t.Errorf("SPEC 4.3: %.20q: %v", c.password, err)
			}
			continue
		}
		refusal, ok := err.(*Error)
		if !ok || refusal.Code != PasswordRules {
			t.Errorf("SPEC 4.3: %.20q: %v", c.password, err)
			continue
		}
		var fails []string
		for _, f := range refusal.Fields {
			name, message, _ := strings.Cut(f.Message, ": ")
			fails = append(fails, name)
			if f.Location != "body.password" || message == "" || c.password != "" && strings.Contains(f.Message+refusal.Detail, c.password) {
				t.Errorf("%+v", f)
			}
		}
		if !slices.Equal(fails, c.fails) {
			t.Errorf("SPEC 4.3: %.20q fails %v, want %v", c.password, fails, c.fails)
		}
	}
	if err, _ := (Chosen{Password: "Aa1!aaaaaa\xff"}).Check("body.password", DefaultRules().Password).(*Error); err == nil || err.Code != Invalid {
		t.Errorf("no text: %v", err)
	}
}
