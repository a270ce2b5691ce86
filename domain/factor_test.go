package domain

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"roster/events"
)

func factor(name string) events.FactorID { return events.FactorID(hashed("factor", name)) }

func inSession(name, s string) events.Actor {
	a := by(name)
	a.Session = session(s)
	return a
}

// app is an authenticator app of somebody, verified with the code of step 100.
func app(name string) []past {
	return history(
		of(user(name), events.FactorEnrolled{Factor: factor(name), Method: events.FactorTOTP, Secret: secret("seed of " + name), ExpiresAt: start.Add(EnrolWithin)}),
		of(user(name), events.FactorVerified{Factor: factor(name), Step: 100}))
}

func TestFactors(t *testing.T) {
	ann := user("ann")
	enrol := EnrollFactor{User: ann, Factor: factor("new"), Method: events.FactorTOTP, Secret: secret("new"), Label: " Phone ", Password: secret("ann")}
	enrolled := events.FactorEnrolled{Factor: factor("new"), Method: events.FactorTOTP, Secret: secret("new"), Label: events.For(key("ann"), events.Note{Text: "Phone"}), ExpiresAt: now.Add(EnrolWithin)}
	unconfirmed := enrol
	unconfirmed.Password = events.SecretID{}
	unknown := enrol
	unknown.Method = "carrier pigeon"
	begun := of(ann, events.FactorEnrolled{Factor: factor("begun"), Method: events.FactorTOTP, ExpiresAt: now.Add(time.Minute)})
	dead := of(ann, events.FactorEnrolled{Factor: factor("dead"), Method: events.FactorSMS, ExpiresAt: now})
	var many []past
	for i := range maxFactors {
		id := factor(fmt.Sprint(i))
		many = append(many, of(ann, events.FactorEnrolled{Factor: id, Method: events.FactorPasskey}), of(ann, events.FactorVerified{Factor: id}))
	}
	strong := of(ann, events.SessionStarted{Session: session("strong"), Factor: factor("ann")})
	weak := of(ann, events.SessionStarted{Session: session("weak")})
	rulings(t, []ruling{
		{"4.5 begun with the password", registered("ann"), as(by("ann")), enrol, then(enrolled)},
		{"4.5 not without", registered("ann"), as(by("ann")), unconfirmed, refused(ReauthenticationRequired)},
		{"4.5 not with the one before", append(registered("ann"), of(ann, events.PasswordSet{Secret: secret("newer")})), as(by("ann")), enrol, refused(ReauthenticationRequired)},
		{"4.5 in a fresh session that used a factor", append(registered("ann"), strong.ago(FreshWithin-time.Second)), as(inSession("ann", "strong")), unconfirmed, then(enrolled)},
		{"4.5 not in an old one", append(registered("ann"), strong.ago(FreshWithin)), as(inSession("ann", "strong")), unconfirmed, refused(ReauthenticationRequired)},
		{"4.5 nor in one by password alone", append(registered("ann"), weak.ago(time.Second)), as(inSession("ann", "weak")), unconfirmed, refused(ReauthenticationRequired)},
		{"4.5 only one's own", registered("ann"), as(by("eve")), enrol, refused(NotPermitted)},
		{"4.5 not even the operator", registered("ann"), as(operator), enrol, refused(NotPermitted)},
		{"4.5 an unknown method", registered("ann"), as(by("ann")), unknown, refused(Invalid)},
		{"4.5 what was begun before makes room", history(registered("ann"), begun, dead), as(by("ann")), enrol, then(enrolled)},
		{"4.5 ten are enough", history(registered("ann"), many), as(by("ann")), enrol, refused(Invalid)},
	})
	if got := given(history(registered("ann"), app("ann"), begun, dead, of(ann, enrolled))...).state(events.OfUser(ann)).(User).Factors(); len(got) != 3 || got[2].ID != factor("new") {
		t.Errorf("SPEC 4.5: what was begun before makes room: %+v", got)
	}
	verify := VerifyFactor{User: ann, Factor: factor("begun"), Step: 7}
	verified := events.FactorVerified{Factor: factor("begun"), Step: 7}
	rulings(t, []ruling{
		{"4.5 verified: whoever else is signed in is out", history(registered("ann"), begun, weak), as(inSession("ann", "mine")), verify,
			then(verified, events.SessionEnded{Session: session("weak"), Because: "factor_added"})},
		{"4.5 the session that asks stays", history(registered("ann"), begun, weak), as(inSession("ann", "weak")), verify, then(verified)},
		{"4.5 a second one ends no session", history(registered("ann"), app("ann"), begun, weak), as(by("ann")), verify, then(verified)},
		{"4.5 once", history(registered("ann"), begun, of(ann, verified)), as(by("ann")), verify, refused(NotFound)},
		{"4.5 in time", history(registered("ann"), dead), as(by("ann")), VerifyFactor{User: ann, Factor: factor("dead"), Step: 7}, refused(NotFound)},
		{"4.5 not another's", history(registered("ann"), begun), as(by("eve")), verify, refused(NotPermitted)},
	})
	passkey := EnrollPasskey{User: ann, Factor: factor("key"), Secret: secret("key"), Password: secret("ann"), Step: 7}
	keyed := events.FactorEnrolled{Factor: factor("key"), Method: events.FactorPasskey, Secret: secret("key"), ExpiresAt: now.Add(EnrolWithin)}
	rulings(t, []ruling{
		{"4.5 a passkey is begun and proved at once", history(registered("ann"), weak), as(inSession("ann", "mine")), passkey,
			then(keyed, events.FactorVerified{Factor: factor("key"), Step: 7}, events.SessionEnded{Session: session("weak"), Because: "factor_added"})},
		{"4.5 not without the password", registered("ann"), as(by("ann")), EnrollPasskey{User: ann, Factor: factor("key"), Step: 7}, refused(ReauthenticationRequired)},
	})
	remove := RemoveFactor{User: ann, Factor: factor("ann"), Password: secret("ann")}
	bare := remove
	bare.Password = events.SecretID{}
	codes := IssueRecoveryCodes{User: ann, Secret: secret("codes"), Password: secret("ann")}
	rulings(t, []ruling{
		{"4.5 removed", history(registered("ann"), app("ann")), as(by("ann")), remove, then(events.FactorRemoved{Factor: factor("ann")})},
		{"4.5 not without the password", history(registered("ann"), app("ann")), as(by("ann")), bare, refused(ReauthenticationRequired)},
		{"4.5 none such", registered("ann"), as(by("ann")), remove, refused(NotFound)},
		{"4.5 recovery codes", history(registered("ann"), app("ann")), as(by("ann")), codes, then(events.RecoveryCodesIssued{Secret: secret("codes"), Codes: 10})},
		{"4.5 for a factor to stand in for", registered("ann"), as(by("ann")), codes, refused(Invalid)},
	})
}

func TestSignInWithFactor(t *testing.T) {
	ann := user("ann")
	plain := StartSession{User: ann, Session: session("s"), Password: secret("ann"), Attempt: commit(9)}
	with := func(change func(*StartSession)) StartSession {
		s := plain
		s.Method, s.Factor, s.Step, s.Challenge = events.FactorTOTP, factor("ann"), 101, commit(8)
		change(&s)
		return s
	}
	started := events.SessionStarted{Session: session("s"), Method: "totp", ExpiresAt: now.Add(SessionLifetime), Attempt: commit(9), Factor: factor("ann"), Step: 101}
	recovered := started
	recovered.Method, recovered.Factor, recovered.Step = MethodRecovery, events.FactorID{}, 3
	issued := of(ann, events.RecoveryCodesIssued{Secret: secret("codes"), Codes: 10})
	recover := with(func(s *StartSession) {
		s.Method, s.Factor, s.Step, s.Recovery = MethodRecovery, events.FactorID{}, 3, secret("codes")
	})
	number := history(of(ann, events.FactorEnrolled{Factor: factor("sms"), Method: events.FactorSMS}), of(ann, events.FactorVerified{Factor: factor("sms"), Step: 1}))
	have := history(registered("ann"), app("ann"), issued)
	alone := events.SessionStarted{Session: session("s"), Method: "password", ExpiresAt: now.Add(SessionLifetime), Attempt: commit(9)}
	adminViewer := events.ProfileRef{Name: "admin-viewer", Version: 1}
	coded := history(on(events.Portal(), events.ProfileDefined{Profile: adminViewer, Definition: definitionOf(t, Definition{Name: "admin-viewer", Roles: standard.Definition.Roles, Protected: Owner, CodeAtSignIn: true})}),
		in(root, events.AccountOpened{Name: "Acme", Profile: adminViewer}), member("ann", is(Owner)), of(ann, events.UserJoined{Account: root}))
	rulings(t, []ruling{
		{"4.5 a factor is asked for", have, as(by("ann")), plain, refused(SecondFactorRequired)},
		{"4.5 shown", have, as(by("ann")), with(func(*StartSession) {}), then(started)},
		{"4.5 a code that was used", have, as(by("ann")), with(func(s *StartSession) { s.Step = 100 }), refused(BadCredentials)},
		{"4.5 by a sign-in, too", history(have, of(ann, started)), as(by("ann")), with(func(s *StartSession) { s.Attempt = commit(7) }), refused(BadCredentials)},
		{"4.5 another method", have, as(by("ann")), with(func(s *StartSession) { s.Method = events.FactorSMS }), refused(BadCredentials)},
		{"4.5 none of theirs", have, as(by("ann")), with(func(s *StartSession) { s.Factor = factor("eve") }), refused(BadCredentials)},
		{"4.5 one that is not verified", history(have, of(ann, events.FactorEnrolled{Factor: factor("begun"), Method: events.FactorTOTP})), as(by("ann")), with(func(s *StartSession) { s.Factor = factor("begun") }), refused(BadCredentials)},
		{"4.4 a factor does not replace the password", have, as(by("ann")), with(func(s *StartSession) { s.Password = events.SecretID{} }), refused(BadCredentials)},
		{"4.10 locked between the steps", history(have, of(ann, events.UserLocked{})), as(by("ann")), with(func(*StartSession) {}), refused(BadCredentials)},
		{"4.5 a recovery code", have, as(by("ann")), recover, then(recovered)},
		{"4.5 once", history(have, of(ann, recovered)), as(by("ann")), recover, refused(BadCredentials)},
		{"4.5 not of a list that was replaced", history(have, of(ann, events.RecoveryCodesIssued{Secret: secret("newer"), Codes: 10})), as(by("ann")), recover, refused(BadCredentials)},
		{"4.5 reset meanwhile", history(have, of(ann, events.FactorReset{})), as(by("ann")), recover, refused(BadCredentials)},
		{"4.5 nothing is asked for after a reset", history(have, of(ann, events.FactorReset{})), as(by("ann")), plain, then(alone)},
		{"9 a number is asked for a code where the profile says so", history(registered("ann"), coded, number), as(by("ann")), plain, refused(SecondFactorRequired)},
		{"9 and not elsewhere", history(registered("ann"), opened(root), member("ann", is(Owner)), of(ann, events.UserJoined{Account: root}), number), as(by("ann")), plain, then(alone)},
		{"9 nor before it is verified", history(registered("ann"), coded, number[0]), as(by("ann")), plain, then(alone)},
	})
}

func TestSecondFactorOfAnAccount(t *testing.T) {
	wants := func(a events.AccountID, grace time.Duration) past {
		return in(a, events.AccountPolicyChanged{To: events.Policy{TwoFactor: &events.TwoFactorRule{Required: true, Grace: int64(grace / time.Second)}}})
	}
	weak := of(user("admin"), events.SessionStarted{Session: session("weak")})
	strong := of(user("admin"), events.SessionStarted{Session: session("strong"), Factor: factor("admin")})
	recovery := of(user("admin"), events.SessionStarted{Session: session("recovery"), Method: MethodRecovery, Step: 1})
	at := history(acme(), weak, strong, recovery)
	ask, change := MayIn{Account: root, Permission: UsersRead}, ChangeRole{Account: root, User: user("viewer"), Grants: roles(Manager)}
	changed := events.MembershipRoleChanged{User: user("viewer"), From: roles(Viewer), To: roles(Manager)}
	rulings(t, []ruling{
		{"1.4 not without the policy", at, as(inSession("admin", "weak")), ask, nothing()},
		{"1.4 a query is refused", history(at, wants(root, 0)), as(inSession("admin", "weak")), ask, refused(SecondFactorRequired)},
		{"1.4 a command is", history(at, wants(root, 0)), as(inSession("admin", "weak")), change, refused(SecondFactorRequired)},
		{"1.4 within the grace period it is not", history(at, wants(root, 25*time.Hour)), as(inSession("admin", "weak")), change, then(changed)},
		{"1.4 which began when the person joined", history(at, wants(root, 24*time.Hour)), as(inSession("admin", "weak")), change, refused(SecondFactorRequired)},
		{"1.4 with a factor it is not", history(at, wants(root, 0)), as(inSession("admin", "strong")), change, then(changed)},
		{"4.5 nor with a recovery code", history(at, wants(root, 0)), as(inSession("admin", "recovery")), change, then(changed)},
		{"1.4 a session that is none", history(at, wants(root, 0)), as(inSession("admin", "gone")), ask, refused(SecondFactorRequired)},
		{"1.4 sub-accounts inherit it", history(at, wants(root, 0), openedIn(sub, root), memberOf(sub, "admin", is(Admin))), as(inSession("admin", "weak")), MayIn{Account: sub, Permission: UsersRead}, refused(SecondFactorRequired)},
		{"1.4 and may want it alone", history(at, openedIn(sub, root), memberOf(sub, "admin", is(Admin)), wants(sub, 0)), as(inSession("admin", "weak")), ask, nothing()},
		{"7.1 strangers learn nothing", history(at, wants(root, 0)), as(inSession("eve", "weak")), ask, refused(NotFound)},
		{"1.4 the operator has none", history(at, wants(root, 0)), as(operator), ask, nothing()},
	})
	var why Why
	for s, want := range map[string]string{"weak": MissingFactor, "strong": ""} {
		if got := given(history(at, wants(root, 0))...).when(AskWhy(root, user("admin"), session(s), UsersRead, &why), as(operator)); got.err != nil || why.Missing != want || why.Allowed != (want == "") {
			t.Errorf("SPEC 3.12: %s: %+v", s, why)
		}
	}
}

func TestResetFactors(t *testing.T) {
	joined := func(name string, list ...events.AccountID) (all []past) {
		for _, a := range list {
			all = append(all, of(user(name), events.UserJoined{Account: a}))
		}
		return all
	}
	at := history(acme(), registered("viewer"), app("viewer"), joined("viewer", root), registered("owner"), app("owner"), joined("owner", root),
		of(user("viewer"), events.SessionStarted{Session: session("theirs")}))
	reset := ResetFactors{Account: root, User: user("viewer")}
	fact := events.FactorReset{Account: root}
	ended := events.SessionEnded{Session: session("theirs"), Because: "factor_reset"}
	elsewhere := history(at, opened(other), memberOf(other, "viewer", is(Viewer)), joined("viewer", other))
	rulings(t, []ruling{
		{"4.5 by an admin", at, as(by("admin")), reset, then(fact, ended)},
		{"4.5 by the operator", at, as(operator), reset, then(fact, ended)},
		{"4.5 by the operator, beyond accounts", elsewhere, as(operator), ResetFactors{User: user("viewer")}, then(events.FactorReset{}, ended)},
		{"4.5 twice is once", history(at, of(user("viewer"), fact)), as(by("admin")), reset, nothing()},
		{"4.5 not by a manager", at, as(by("manager")), reset, refused(NotPermitted)},
		{"4.5 not of somebody who may do more", at, as(by("admin")), ResetFactors{Account: root, User: user("owner")}, refused(ExceedsOwnAccess)},
		{"4.5 nor of somebody who may elsewhere", elsewhere, as(by("admin")), reset, refused(ExceedsOwnAccess)},
		{"4.5 unless they cover that, too", history(elsewhere, memberOf(other, "admin", is(Viewer))), as(by("admin")), reset, then(fact, ended)},
		{"4.5 what has been revoked elsewhere counts no more", history(elsewhere, in(other, events.MembershipRevoked{User: user("viewer")})), as(by("admin")), reset, then(fact, ended)},
		{"4.5 not one's own", at, as(by("owner")), ResetFactors{Account: root, User: user("owner")}, refused(NotPermitted)},
		{"4.5 nobody here", at, as(by("admin")), ResetFactors{Account: root, User: user("eve")}, refused(NotFound)},
		{"4.5 strangers learn nothing", at, as(by("eve")), reset, refused(NotFound)},
		{"4.5 beyond accounts the operator alone", at, as(by("owner")), ResetFactors{User: user("viewer")}, refused(NotPermitted)},
		{"4.5 nobody at all", at, as(operator), ResetFactors{User: user("eve")}, refused(NotFound)},
	})
}

// DESIGN 4: what the vault holds of what is gone is named until it is destroyed, and what is used still is not.
func TestReplacedSecrets(t *testing.T) {
	enrolled := func(f, s string) past {
		return of(user("ann"), events.FactorEnrolled{Factor: factor(f), Method: events.FactorTOTP, Secret: secret(s), ExpiresAt: now.Add(time.Hour)})
	}
	verified := func(f string) past { return of(user("ann"), events.FactorVerified{Factor: factor(f)}) }
	codes := func(s string) past { return of(user("ann"), events.RecoveryCodesIssued{Secret: secret(s), Codes: 10}) }
	removed := func(f string) past { return of(user("ann"), events.FactorRemoved{Factor: factor(f)}) }
	two := history(registered("ann"), enrolled("a", "sa"), verified("a"), enrolled("b", "sb"), verified("b"), codes("c1"))
	for _, c := range []struct {
		what string
		past []past
		want []string
	}{
		{"nothing", two, nil},
		{"a factor", history(two, removed("a")), []string{"sa"}},
		{"the last one, and the codes with it", history(two, removed("a"), removed("b")), []string{"sa", "sb", "c1"}},
		{"codes", history(two, codes("c2")), []string{"c1"}},
		{"an enrolment", history(two, enrolled("d", "sd"), enrolled("e", "se")), []string{"sd"}},
		{"all of them", history(two, of(user("ann"), events.FactorReset{})), []string{"sa", "sb", "c1"}},
	} {
		u := given(c.past...).state(events.OfUser(user("ann"))).(User)
		var want []events.SecretID
		for _, s := range c.want {
			want = append(want, secret(s))
		}
		if !slices.Equal(u.Replaced, want) {
			t.Errorf("%s: %v, want %v", c.what, u.Replaced, want)
		}
	}
}
