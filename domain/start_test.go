package domain

import (
	"testing"

	"roster/events"
)

func TestSystemCommands(t *testing.T) {
	startLog := StartLog{Incarnation: events.AnyID(fresh(1)), Keyring: "fingerprint"}
	begun := on(events.System(), events.LogStarted{Incarnation: events.AnyID(fresh(2)), Keyring: "other"})
	add := AddOperatorKey{Key: events.AnyID(fresh(3)), KeyName: "first", Hash: events.Hash{1}}
	added := events.OperatorKeyAdded{Key: events.AnyID(fresh(3)), Name: "first", Hash: events.Hash{1}}
	rulings(t, []ruling{
		{"8.2 the first fact", nil, as(system), startLog, then(events.LogStarted{Incarnation: events.AnyID(fresh(1)), Keyring: "fingerprint", Format: 1})},
		{"8.2 once", []past{begun}, as(system), startLog, nothing()},
		{"7.3 the first operator key", nil, as(system), add, then(added)},
		{"7.3 a further one", nil, as(operator), add, then(added)},
		{"7.3 once", []past{on(events.Portal(), added)}, as(operator), add, nothing()},
		{"7.3 by nobody else", []past{on(events.Portal(), added)}, as(by("ann")), add, refused(NotPermitted)},
	})
	open := invitation1("new", is(Manager))
	noteOf := func(outcome, why string) NoteMail {
		return NoteMail{Account: root, Invitation: invited("new"), Generation: 1, Outcome: outcome, Message: "1@roster", Reason: why}
	}
	sent := events.InvitationMailSent{Invitation: invited("new"), Generation: 1, Message: "1@roster"}
	why := func(text string) events.Sealed[events.Note] { return events.For(key("@new"), events.Note{Text: text}) }
	long := make([]byte, 3000)
	for i := range long {
		long[i] = 'x'
	}
	rulings(t, []ruling{
		{"2.11 sent", append(acme(), open), as(system), noteOf("sent", ""), then(sent)},
		{"2.11 deferred", append(acme(), open), as(system), noteOf("deferred", "450 later"), then(events.InvitationMailDeferred{Invitation: invited("new"), Generation: 1, Reason: why("450 later")})},
		{"2.11 bounced", append(acme(), open), as(operator), noteOf("bounced", "550 no\xff"), then(events.InvitationMailBounced{Invitation: invited("new"), Generation: 1, Reason: why("550 no\ufffd")})},
		{"2.11 reported back after it was sent", append(acme(), open, in(root, sent)), as(operator), noteOf("bounced", ""), then(events.InvitationMailBounced{Invitation: invited("new"), Generation: 1})},
		{"2.11 a reason that is long is cut", append(acme(), open), as(system), noteOf("bounced", string(long)), then(events.InvitationMailBounced{Invitation: invited("new"), Generation: 1, Reason: why(string(long[:maxNote]))})},
		{"2.11 twice is once", append(acme(), open, in(root, sent)), as(system), noteOf("sent", ""), nothing()},
		{"2.6 of a generation that has been replaced", append(acme(), open, in(root, events.InvitationResent{Invitation: invited("new"), Generation: 2, To: now.Add(day)})), as(system), noteOf("bounced", ""), nothing()},
		{"2.11 an outcome that is none", append(acme(), open), as(operator), noteOf("lost", ""), refused(Invalid)},
		{"2.11 by the mailer and the operator alone", append(acme(), open), as(by("owner")), noteOf("sent", ""), refused(NotPermitted)},
		{"2.11 of no invitation", acme(), as(system), noteOf("sent", ""), refused(NotFound)},
	})
	s := given(append(acme(), open, in(root, sent), in(root, events.InvitationResent{Invitation: invited("new"), Generation: 2, To: now.Add(day)}), in(root, sent))...)
	if i, _ := s.account(root).Invitation(invited("new")); i.Delivery != "unsent" {
		t.Errorf("SPEC 2.11: what became of the old link's mail counts for the new one: %s", i.Delivery)
	}
}
