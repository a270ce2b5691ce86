package domain

import (
	"testing"
	"time"

	"roster/events"
)

func TestHandOver(t *testing.T) { // SPEC 7.6
	ann := user("ann")
	browser := events.SessionStarted{Session: session("browser"), Method: "totp", Factor: factor("ann"), ExpiresAt: now.Add(time.Hour)}
	at := history(registered("ann"), of(ann, browser).ago(time.Minute))
	hand := HandOver{User: ann, From: session("browser"), Session: session("portal"), TokenHash: events.Hash{3}, Portal: "https://portal.example", IssuedAt: now.Add(-time.Second)}
	with := func(change func(*HandOver)) HandOver { c := hand; change(&c); return c }
	started := events.SessionStarted{Session: session("portal"), TokenHash: events.Hash{3}, Method: events.MethodHandOver, ExpiresAt: now.Add(time.Hour),
		From: session("browser"), Portal: "https://portal.example"}
	me := as(inSession("ann", "browser"))
	ended := func(name string) events.SessionEnded {
		return events.SessionEnded{Session: session(name), Because: "signed_out"}
	}
	both := history(at, of(ann, started).ago(time.Second))
	other := of(ann, events.SessionStarted{Session: session("phone"), ExpiresAt: now.Add(time.Hour)}).ago(time.Hour)
	byOperator := events.SessionStarted{Session: session("browser"), Method: events.MethodOperator, ExpiresAt: now.Add(time.Hour)}
	rulings(t, []ruling{
		{"once", at, me, hand, then(started)},
		{"not twice", both, me, hand, refused(BadCredentials)},
		{"not again once it has ended", history(both, of(ann, ended("portal"))), me, hand, refused(BadCredentials)},
		{"at the last moment", at, me, with(func(c *HandOver) { c.IssuedAt = now.Add(time.Millisecond - CodeValid) }), then(started)},
		{"too late", at, me, with(func(c *HandOver) { c.IssuedAt = now.Add(-CodeValid) }), refused(BadCredentials)},
		{"a clock a little behind", at, me, with(func(c *HandOver) { c.IssuedAt = now.Add(time.Second) }), then(started)},
		{"from the future", at, me, with(func(c *HandOver) { c.IssuedAt = now.Add(time.Minute) }), refused(BadCredentials)},
		{"signed out meanwhile", history(at, of(ann, ended("browser"))), me, hand, refused(BadCredentials)},
		{"locked meanwhile", history(at, of(ann, events.UserLocked{})), me, hand, refused(BadCredentials)},
		{"erased meanwhile", history(at, of(ann, events.UserErased{})), me, hand, refused(BadCredentials)},
		{"not from one that was handed over", both, me, with(func(c *HandOver) { c.From, c.Session = session("portal"), session("next") }), refused(BadCredentials)},
		{"not from one that the operator opened", history(registered("ann"), of(ann, byOperator)), me, hand, refused(BadCredentials)},
		{"not for another", at, as(by("eve")), hand, refused(NotPermitted)},
		{"not for the operator alone", at, as(operator), hand, refused(NotPermitted)},

		{"4.6 signing out of the portal signs out of the browser", history(both, other), as(inSession("ann", "portal")), EndSession{ann, session("portal")}, then(ended("browser"), ended("portal"))},
		{"4.6 and the other way", history(both, other), me, EndSession{ann, session("browser")}, then(ended("browser"), ended("portal"))},
		{"4.6 not the other device", history(both, other), me, EndSession{ann, session("phone")}, then(ended("phone"))},
		{"4.5 it is no fresh sign-in", both, as(inSession("ann", "portal")), EnrollFactor{User: ann, Factor: factor("new"), Method: events.FactorTOTP, Secret: secret("new"), Label: "x"}, refused(ReauthenticationRequired)},
	})
	s, _ := given(both...).state(events.OfUser(ann)).(User).Session(session("portal"))
	if !s.Strong || s.Method != "totp" || s.Portal != "https://portal.example" {
		t.Errorf("SPEC 7.6: it is as strong as the one it came from: %+v", s)
	}
}

func TestHandOverToFrame(t *testing.T) { // SPEC 7.6
	ann := user("ann")
	in := now.Add(time.Hour)
	start := func(name, from, portal string) events.SessionStarted {
		s := events.SessionStarted{Session: session(name), Method: events.MethodHandOver, ExpiresAt: in, Portal: portal}
		if from != "" {
			s.From = session(from)
		}
		return s
	}
	const portal = "https://portal.example"
	browser := events.SessionStarted{Session: session("browser"), Method: "totp", Factor: factor("ann"), ExpiresAt: in}
	theirs, frame := start("portal", "browser", portal), start("frame", "portal", portal)
	at := history(registered("ann"), of(ann, browser).ago(time.Minute), of(ann, theirs).ago(time.Second))
	hand := HandOver{User: ann, From: session("portal"), Session: session("frame"), Frame: true, IssuedAt: now.Add(-time.Second)}
	from := func(name string) HandOver { c := hand; c.From, c.Session = session(name), session("next"); return c }
	shown := history(at, of(ann, frame).ago(time.Millisecond))
	many := at
	for i, name := range []string{"one", "two", "three", "four"} {
		many = history(many, of(ann, start(name, "portal", portal)).ago(time.Duration(900-i)*time.Millisecond))
	}
	ended := func(name, why string) events.SessionEnded {
		return events.SessionEnded{Session: session(name), Because: why}
	}
	opened := events.SessionStarted{Session: session("opened"), Method: events.MethodOperator, ExpiresAt: now.Add(time.Minute), Account: root}
	lent := history(registered("ann"), of(ann, opened).ago(time.Second))
	short := start("next", "opened", "")
	short.ExpiresAt, short.Account = opened.ExpiresAt, root
	me := as(inSession("ann", "portal"))
	rulings(t, []ruling{
		{"from the portal's", at, me, hand, then(frame)},
		{"not twice", shown, me, hand, refused(BadCredentials)},
		{"from one's own", at, as(inSession("ann", "browser")), from("browser"), then(start("next", "browser", ""))},
		{"not from a frame's", shown, as(inSession("ann", "frame")), from("frame"), refused(BadCredentials)},
		{"and no portal's from a frame's", shown, as(inSession("ann", "frame")), HandOver{User: ann, From: session("frame"), Session: session("next"), IssuedAt: now}, refused(BadCredentials)},
		{"from what the operator opened, within its limits", lent, as(inSession("ann", "opened")), from("opened"), then(short)},
		{"too late", at, me, func() HandOver { c := hand; c.IssuedAt = now.Add(-CodeValid); return c }(), refused(BadCredentials)},
		{"4.6 the oldest of many ends", many, me, hand, then(ended("one", "replaced"), frame)},
		{"4.6 signing out of the browser ends all", shown, as(inSession("ann", "browser")), EndSession{ann, session("browser")}, then(ended("browser", "signed_out"), ended("portal", "signed_out"), ended("frame", "signed_out"))},
		{"4.6 and so does the frame", shown, as(inSession("ann", "frame")), EndSession{ann, session("frame")}, then(ended("browser", "signed_out"), ended("portal", "signed_out"), ended("frame", "signed_out"))},
	})
	s, _ := given(history(lent, of(ann, short))...).state(events.OfUser(ann)).(User).Session(session("next"))
	if s.OpenedBy == "" || s.Account != root || s.Method != events.MethodOperator {
		t.Errorf("SPEC 7.6: it is the operator's like the one it came from: %+v", s)
	}
}

func TestOpenSession(t *testing.T) { // SPEC 7.6
	ann := user("ann")
	at := history(opened(root), opened(other), openedIn(sub, root), member("ann", is(Owner)), memberOf(other, "ann", is(Owner)), registered("ann"),
		of(ann, events.UserJoined{Account: root}), of(ann, events.UserJoined{Account: other}))
	open := OpenSession{User: ann, Session: session("support"), TokenHash: events.Hash{4}}
	with := func(change func(*OpenSession)) OpenSession { c := open; change(&c); return c }
	started := events.SessionStarted{Session: session("support"), TokenHash: events.Hash{4}, Method: events.MethodOperator, ExpiresAt: now.Add(time.Hour)}
	limited := started
	limited.Account = root
	for12 := started
	for12.ExpiresAt = now.Add(12 * time.Hour)
	rulings(t, []ruling{
		{"for an hour", at, as(operator), open, then(started)},
		{"for one account", at, as(operator), with(func(c *OpenSession) { c.Account = root }), then(limited)},
		{"for twelve hours", at, as(operator), with(func(c *OpenSession) { c.Valid = 12 * time.Hour }), then(for12)},
		{"not for longer", at, as(operator), with(func(c *OpenSession) { c.Valid = 12*time.Hour + 1 }), refused(Invalid)},
		{"not for seconds", at, as(operator), with(func(c *OpenSession) { c.Valid = time.Second }), refused(Invalid)},
		{"not where the person has no access", history(at, revoked("ann")), as(operator), with(func(c *OpenSession) { c.Account = root }), refused(Invalid)},
		{"not by an owner", at, as(by("ann")), open, refused(NotPermitted)},
		{"4.10 nobody who is locked", history(at, of(ann, events.UserLocked{})), as(operator), open, refused(NotPermitted)},
		{"5.5 nobody who was erased", history(at, of(ann, events.UserErased{})), as(operator), open, refused(NotFound)},
	})

	inRoot := history(at, of(ann, limited))
	me := as(inSession("ann", "support"))
	rename := func(a events.AccountID) Command { return Suspend{Account: a, User: ann} }
	rulings(t, []ruling{
		{"its account", inRoot, me, AskMayIn(root, AccountChange, nil), nothing()},
		{"below it", inRoot, me, AskMayIn(sub, AccountChange, nil), nothing()},
		{"no other", inRoot, me, AskMayIn(other, AccountChange, nil), refused(NotFound)},
		{"no command elsewhere", inRoot, me, rename(other), refused(NotFound)},
		{"no password", inRoot, me, ChangePassword{User: ann, Verified: secret("ann"), Password: secret("new")}, refused(NotPermitted)},
		{"no factor", inRoot, me, EnrollFactor{User: ann, Factor: factor("new"), Method: events.FactorTOTP, Secret: secret("new"), Label: "x", Password: secret("ann")}, refused(NotPermitted)},
		{"no recovery codes", inRoot, me, IssueRecoveryCodes{User: ann, Secret: secret("new"), Password: secret("ann")}, refused(NotPermitted)},
		{"not everywhere signed out", inRoot, me, EndMySessions{User: ann}, refused(NotPermitted)},
		{"no other session ended", history(inRoot, of(ann, events.SessionStarted{Session: session("own")})), me, EndSession{ann, session("own")}, refused(NotPermitted)},
		{"4.6 its own ended", inRoot, me, EndSession{ann, session("support")}, then(events.SessionEnded{Session: session("support"), Because: "signed_out"})},
		{"4.6 the person ends it", inRoot, as(by("ann")), EndSession{ann, session("support")}, then(events.SessionEnded{Session: session("support"), Because: "signed_out"})},
	})
	var mine []MyAccount
	var more bool
	if o := given(inRoot...).when(AskMyAccounts(ann, 10, &mine, &more), me); o.err != nil || len(mine) != 1 || mine[0].Account.ID != root {
		t.Errorf("SPEC 7.6: a session for one account lists %v, %v", mine, o.err)
	}
	var why Why
	if o := given(inRoot...).when(AskWhy(other, ann, session("support"), AccountRead, &why), as(operator)); o.err != nil || why.Allowed || why.Missing != MissingSession {
		t.Errorf("SPEC 7.6: %+v, %v", why, o.err)
	}
}
