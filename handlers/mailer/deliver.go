package mailer

import (
	"context"
	"errors"
	"fmt"
	"time"

	"roster/domain"
	"roster/events"
	"roster/handlers"
)

// Mail is one mail to one person.
type Mail struct {
	ID                         string // local part of the Message-ID, the same at every attempt
	To, ToName, From, FromName string
	Subject                    string
	Text, HTML                 string
}

// Sender makes one attempt to deliver a mail: nil says that the server has accepted it, *Bounced that it refused for
// good; any other error defers it, *Deferred with a reason that may be shown.
type Sender interface {
	Send(ctx context.Context, m Mail) error
}

// SenderFunc is a function as a Sender.
type SenderFunc func(ctx context.Context, m Mail) error

// Send calls the function.
func (f SenderFunc) Send(ctx context.Context, m Mail) error { return f(ctx, m) }

// Bounced says that a mail was refused for good.
type Bounced struct{ Reason string }

func (e *Bounced) Error() string { return "mail bounced: " + e.Reason }

// Deferred says that a mail was not accepted now.
type Deferred struct{ Reason string }

func (e *Deferred) Error() string { return "mail deferred: " + e.Reason }

// errBehind says that the states do not show yet what the feed has told.
var errBehind = errors.New("the state is behind the feed")

// deliver brings a claimed row one step further: it is done, or due again.
func (m *Mailer) deliver(ctx context.Context, r Row) {
	working, stop := m.hold(ctx, r)
	err := m.attempt(working, r)
	stop()
	if err == nil || errors.Is(err, ErrNotOurs) {
		return
	}
	// The row is not to blame: the log or the database is away, or we are told to stop.
	at := m.now()
	if ctx.Err() == nil {
		m.Logger.Warn("a mail waits", "event", r.Event, "err", err)
		at = at.Add(m.Poll)
	}
	ending, cancel := context.WithTimeout(context.WithoutCancel(ctx), wrapUp)
	defer cancel()
	if err := m.Outbox.Retry(ending, r, at, r.Attempts); err != nil && !errors.Is(err, ErrNotOurs) {
		m.Logger.Warn("a mail waits until its claim has run out", "event", r.Event, "err", err)
	}
}

// hold prolongs the claim until stop is called; ctx ends when the row is somebody else's.
func (m *Mailer) hold(ctx context.Context, r Row) (held context.Context, stop func()) {
	held, lose := context.WithCancelCause(ctx)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for pause(held, m.Claim/3) == nil {
			if err := m.Outbox.Extend(held, r, m.now().Add(m.Claim)); errors.Is(err, ErrNotOurs) {
				lose(err)
			}
		}
	}()
	return held, func() {
		lose(nil)
		<-ended
	}
}

// attempt sends the mail of a row and notes what became of it. An error says that this is still to be done.
func (m *Mailer) attempt(ctx context.Context, r Row) error {
	if r.Accepted || m.tookIt(r.message()) {
		return m.sent(ctx, r)
	}
	mail, settled, err := m.letter(ctx, r)
	switch {
	case settled != "":
		return m.Outbox.Done(ctx, r, m.now(), settled)
	case err == nil:
		err = m.send(ctx, mail)
	case !errors.As(err, new(*Deferred)):
		return err
	}
	var bounced *Bounced
	switch {
	case err == nil:
		return m.sent(ctx, r)
	case ctx.Err() != nil: // we gave up, not the server
		return errors.Join(context.Cause(ctx), err)
	case errors.As(err, &bounced):
		return m.bounced(ctx, r, bounced.Reason)
	}
	return m.deferred(ctx, r, err)
}

// send hands a mail to the server. Told to stop, it gives the server a while to answer: a mail given up half-way may
// have been accepted, and would be sent again.
func (m *Mailer) send(ctx context.Context, mail Mail) error {
	sending, giveUp := context.WithCancel(context.WithoutCancel(ctx))
	defer giveUp()
	stop := context.AfterFunc(ctx, func() { time.AfterFunc(m.Grace, giveUp) })
	defer stop()
	return m.Sender.Send(sending, mail)
}

// sent notes that the server has accepted the mail: in the outbox and in the log, either of which suffices to not
// send it again. It does so even when we are told to stop; and should both be away, this process remembers.
func (m *Mailer) sent(ctx context.Context, r Row) error {
	m.remember(r.message(), true)
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), wrapUp)
	defer cancel()
	accepted := error(nil)
	if !r.Accepted {
		accepted = m.Outbox.Accept(ctx, r)
	}
	if err := m.note(ctx, r, domain.NoteMail{Outcome: "sent", Message: r.message() + "@" + m.host}); err != nil {
		return errors.Join(accepted, err)
	}
	if err := m.Outbox.Done(ctx, r, m.now(), "sent"); err != nil {
		return err
	}
	m.remember(r.message(), false)
	return nil
}

func (m *Mailer) bounced(ctx context.Context, r Row, reason string) error {
	if !r.Mail.invites() {
		m.Logger.Warn("a mail has bounced", "event", r.Event, "mail", r.Mail)
	}
	if err := m.note(ctx, r, domain.NoteMail{Outcome: "bounced", Reason: reason}); err != nil {
		return err
	}
	return m.Outbox.Done(ctx, r, m.now(), "bounced")
}

func (m *Mailer) deferred(ctx context.Context, r Row, why error) error {
	reason := why.Error()
	var deferred *Deferred
	if errors.As(why, &deferred) {
		reason = deferred.Reason
	}
	now := m.now()
	wait := m.Backoff[min(r.Attempts, len(m.Backoff)-1)]
	if tried := now.Sub(r.Since); tried+wait > m.GiveUp {
		return m.bounced(ctx, r, fmt.Sprintf("given up after %s: %s", tried.Round(time.Second), reason))
	}
	if err := m.note(ctx, r, domain.NoteMail{Outcome: "deferred", Reason: reason}); err != nil {
		return err
	}
	return m.Outbox.Retry(ctx, r, now.Add(wait), r.Attempts+1)
}

// note reports by a command what became of a mail. It may be repeated. A report that is refused is of no interest to
// anybody any more, and so is one on a person who has been erased.
func (m *Mailer) note(ctx context.Context, r Row, n domain.NoteMail) error {
	if r.Account.IsZero() { // a mail on one's own user: nobody shows what became of it
		return nil
	}
	n.Account, n.Invitation, n.Generation = r.Account, r.Invitation, r.Generation
	_, err := m.App.Do(ctx, handlers.Call{Actor: handlers.System("mailer"), Cause: r.Event}, n)
	var refusal *domain.Error
	if errors.As(err, &refusal) || errors.Is(err, handlers.ErrErased) {
		m.Logger.Warn("what became of a mail is not reported", "event", r.Event, "outcome", n.Outcome, "err", err)
		return nil
	}
	return err
}

func (m *Mailer) tookIt(message string) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.took[message]
}

func (m *Mailer) remember(message string, took bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if took {
		m.took[message] = true
	} else {
		delete(m.took, message)
	}
}

// look answers the invitation of a row as the log has it now, or the reason for which its mail is not sent any more.
func (m *Mailer) look(ctx context.Context, r Row) (look domain.LookedAt, settled string, err error) {
	err = m.App.Ask(ctx, handlers.Call{Actor: handlers.System("mailer")},
		domain.LookAtInvitation{Account: r.Account, Invitation: r.Invitation, Generation: r.Generation, Into: &look})
	var refusal *domain.Error
	switch {
	case err != nil && !errors.As(err, &refusal):
		return look, "", err
	case look.Invitation.ID != r.Invitation, look.Invitation.Generation < r.Generation:
		return look, "", errBehind
	case len(look.Accounts) > 1 && look.Accounts[0].Account != r.Account: // one mail, that of its first account, names all
		return look, "other_account", nil
	case refusal != nil:
		return look, string(refusal.Code), nil
	case look.Invitation.Delivery == "sent" && r.Mail == MailInvitation, look.Invitation.Delivery == "bounced":
		return look, look.Invitation.Delivery, nil // by us, before we could note it here; and nobody is reminded at an address that bounces
	}
	return look, "", nil
}

// open opens a sealed part of a state.
func open[T any](ctx context.Context, app *handlers.App, b events.Boundary, fact events.Event, part string, s domain.Sealed) (v T, ok bool, err error) {
	ok, err = app.OpenSealed(ctx, b, events.KindOf(fact), part, s, &v)
	return v, ok, err
}
