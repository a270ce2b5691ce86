package domain

import "roster/events"

// StartLog writes the first fact of a log.
type StartLog struct {
	Incarnation events.AnyID
	Keyring     string
}

func (c StartLog) Name() string { return "StartLog" }

func (c StartLog) Home(_ Issued) events.Boundary { return events.System() }

func (c StartLog) Decide(w *World, is Issued) error {
	if !w.System().Started {
		w.record(events.System(), events.LogStarted{Incarnation: c.Incarnation, Keyring: c.Keyring, Format: 1})
	}
	return nil
}

// AddOperatorKey lets the bearer of a key act as the operator.
type AddOperatorKey struct {
	Key     events.AnyID
	KeyName string
	Hash    events.Hash
}

func (c AddOperatorKey) Name() string { return "AddOperatorKey" }

func (c AddOperatorKey) Home(_ Issued) events.Boundary { return events.Portal() }

func (c AddOperatorKey) Decide(w *World, is Issued) error {
	switch known, ok := w.Portal().Operator(c.Key); {
	case !is.system() && !is.operator():
		return refuse(NotPermitted, "only the operator adds operator keys")
	case ok && known.Hash == c.Hash:
		return nil
	}
	w.record(events.Portal(), events.OperatorKeyAdded{Key: c.Key, Name: c.KeyName, Hash: c.Hash})
	return nil
}

// NoteMail writes down what became of an invitation's mail (SPEC 2.11). What concerns a generation that has been
// replaced is of no interest any more.
type NoteMail struct {
	Account    events.AccountID
	Invitation events.InvitationID
	Generation uint32
	Outcome    string // sent, deferred or bounced
	Message    string // the Message-ID, when sent
	Reason     string
}

func (c NoteMail) Name() string { return "NoteMail" }

func (c NoteMail) Home(_ Issued) events.Boundary { return events.OfAccount(c.Account) }

func (c NoteMail) Decide(w *World, is Issued) error {
	i, ok := w.Account(c.Account).Invitation(c.Invitation)
	switch {
	case !is.system() && !is.operator():
		return refuse(NotPermitted, "deliveries are reported by the mailer")
	case !ok:
		return refuse(NotFound, "no such invitation")
	case i.Generation != c.Generation, i.Delivery == c.Outcome:
		return nil
	}
	runes := []rune(c.Reason)
	if i.Status != Pending { // nobody asks why any more; and where the person is being erased, nothing new is said of them
		runes = nil
	}
	reason, err := note(i.Invitee.Box.K, string(runes[:min(len(runes), maxNote)]))
	if err != nil {
		return err
	}
	for _, p := range w.parts(c.Account, i) { // one mail, whichever of its accounts is looked at
		b := events.OfAccount(p.account)
		switch c.Outcome {
		case "sent":
			w.record(b, events.InvitationMailSent{Invitation: i.ID, Generation: i.Generation, Message: c.Message})
		case "deferred":
			w.record(b, events.InvitationMailDeferred{Invitation: i.ID, Generation: i.Generation, Reason: reason})
		case "bounced":
			w.record(b, events.InvitationMailBounced{Invitation: i.ID, Generation: i.Generation, Reason: reason})
		default:
			return invalid("body.outcome", "an outcome is sent, deferred or bounced")
		}
	}
	return nil
}
