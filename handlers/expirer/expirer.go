// Package expirer is a clock that asks politely: it makes events of what is true already at the moment of asking.
// Nothing depends on it being in time, nor on it running at all.
package expirer

import (
	"context"
	"errors"
	"log/slog"
	"strconv"
	"strings"
	"time"

	"roster/domain"
	"roster/events"
	"roster/handlers"
	"roster/projections"
)

// Lease gives a role to one process at a time. ctx of fn ends when the role is lost.
type Lease interface {
	Hold(ctx context.Context, role string, fn func(ctx context.Context) error) error
}

// Feed hands every event under the filters to fn, in order, again until fn succeeds.
type Feed interface {
	Subscribe(ctx context.Context, durable string, filter []string, fn func(ctx context.Context, attributes map[string]string, data []byte) error) error
}

// Config is what an Expirer is made of.
type Config struct {
	App *handlers.App
	// Due answers at most limit invitations whose time is up and of which the log does not say so, as
	// projections.InvitationsDue does. What it answers may be out of date: the commands decide.
	Due func(ctx context.Context, now time.Time, limit int) ([]projections.Due, error)
	// Ended answers members with a grant that has ended, as projections.MembershipsEnded does; nil: their ends get no
	// event.
	Ended func(ctx context.Context, now time.Time, limit int) ([]projections.Due, error)
	// ToWarn and ToRemind answer members and invitees who are to be told that time runs out, behind one that was
	// answered before, as projections.MembershipsToWarn and InvitationsToRemind do; nil: nobody is told.
	ToWarn, ToRemind func(ctx context.Context, now time.Time, after projections.Due, limit int) ([]projections.Due, error)
	// ByKeys answers the open invitations that API keys have made, behind one that was answered before, as
	// projections.InvitationsByKeys does; nil: those of keys whose time is up get no event.
	ByKeys func(ctx context.Context, now time.Time, after projections.Due, limit int) ([]projections.Due, error)
	// PendingIn answers the pending invitations into an account and the accounts below it, as of a position of the
	// log at least: it waits until it knows so much, or until ctx ends. What it answers may be out of date, too.
	PendingIn func(ctx context.Context, account events.AccountID, position uint64) ([]Invitation, error)
	Feed      Feed // nil: invitations whose inviter has lost the right get no event
	Lease     Lease
	Logger    *slog.Logger
	Every     time.Duration // 0: a second
}

// Invitation names an invitation into one account.
type Invitation struct {
	Account    events.AccountID
	Invitation events.InvitationID
}

// Durable is the expirer's name as a subscriber of the feed.
const Durable = "expirer"

const (
	page      = 200
	patient   = 5 * time.Second // with a read model that is behind
	maxWait   = time.Minute
	keysEvery = time.Minute // so often it is looked whether a key may still grant what it has invited to
)

// Expirer issues the commands.
type Expirer struct {
	Config
	warned, reminded sweep
	looked           time.Time // through what keys have invited
}

// New makes an Expirer.
func New(c Config) *Expirer {
	if c.Every <= 0 {
		c.Every = time.Second
	}
	return &Expirer{Config: c}
}

// Run works whenever this process holds the role "expirer", until ctx ends; then it returns nil.
func (e *Expirer) Run(ctx context.Context) error {
	for {
		err := e.Lease.Hold(ctx, "expirer", e.Serve)
		if ctx.Err() != nil {
			return nil
		}
		e.Logger.Warn("the expirer pauses", "err", err)
		if pause(ctx, e.Every) != nil {
			return nil
		}
	}
}

// Serve works without asking for the role, until ctx ends.
func (e *Expirer) Serve(ctx context.Context) error {
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	heard := make(chan struct{})
	go func() {
		defer close(heard)
		if e.Feed == nil || e.PendingIn == nil {
			return
		}
		filter := []string{"*.*.membership.role_changed", "*.*.membership.suspended", "*.*.membership.revoked", "*.*.membership.left", "*.*.membership.expired"}
		stop(e.Feed.Subscribe(ctx, Durable, filter, e.heard))
	}()
	failures := 0
	for ctx.Err() == nil {
		wait := e.Every
		if err := e.Expire(ctx); err != nil && ctx.Err() == nil {
			if failures++; failures == 1 {
				e.Logger.Warn("what has expired gets its event later", "err", err)
			}
			wait = min(e.Every<<min(failures, 10), maxWait)
		} else {
			failures = 0
		}
		_ = pause(ctx, wait) // an end is noticed above
	}
	<-heard
	return context.Cause(ctx)
}

// Expire issues the commands for what is due now. One kind that fails keeps none of the others waiting.
func (e *Expirer) Expire(ctx context.Context) error {
	now := e.App.Now().Std()
	return errors.Join(
		e.end(ctx, now, e.Due, func(d projections.Due) domain.Command {
			return domain.ExpireInvitation{Account: d.Account, Invitation: events.InvitationID(d.Key), Generation: d.Generation}
		}),
		e.end(ctx, now, e.Ended, func(d projections.Due) domain.Command {
			return domain.ExpireMembership{Account: d.Account, User: events.UserID(d.Key)}
		}),
		e.keysOver(ctx, now),
		e.tell(ctx, now, e.ToWarn, &e.warned, func(d projections.Due) domain.Command {
			return domain.WarnMembership{Account: d.Account, User: events.UserID(d.Key)}
		}),
		e.tell(ctx, now, e.ToRemind, &e.reminded, func(d projections.Due) domain.Command {
			return domain.RemindInvitee{Account: d.Account, Invitation: events.InvitationID(d.Key), Generation: d.Generation}
		}))
}

// end issues a command for each thing that has ended. It is due until the log says so.
func (e *Expirer) end(ctx context.Context, now time.Time, due func(context.Context, time.Time, int) ([]projections.Due, error), command func(projections.Due) domain.Command) error {
	if due == nil {
		return nil
	}
	list, err := due(ctx, now, page)
	if err != nil {
		return err
	}
	for _, d := range list {
		if err := e.do(ctx, "", command(d)); err != nil {
			return err
		}
	}
	return nil
}

// keysOver revokes what API keys have invited to and may not grant any more (SPEC 2.10): no event says that the time of a
// key is up. Every check has known it by itself.
func (e *Expirer) keysOver(ctx context.Context, now time.Time) error {
	if e.ByKeys == nil || now.Sub(e.looked) < keysEvery {
		return nil
	}
	for after := (projections.Due{}); ; {
		list, err := e.ByKeys(ctx, now, after, page)
		if err != nil {
			return err
		}
		for _, d := range list {
			cmd := domain.RevokeInvitation{Account: d.Account, Invitation: events.InvitationID(d.Key), Because: events.BecauseInviterLostAccess}
			if err := e.do(ctx, "", cmd); err != nil {
				return err
			}
			after = d
		}
		if len(list) < page {
			e.looked = now
			return nil
		}
	}
}

// heard looks through the invitations of an account in which somebody's access has changed. The command that changed
// it has ended most of what they had invited; this is for the rest of a very long list.
func (e *Expirer) heard(ctx context.Context, attributes map[string]string, _ []byte) error {
	account, err := accountOf(attributes["source"])
	if err != nil {
		e.Logger.Error("an event cannot be read", "event", attributes["id"], "err", err)
		return err
	}
	position, err := strconv.ParseUint(attributes["position"], 10, 64)
	if err != nil {
		return err
	}
	waiting, cancel := context.WithTimeout(ctx, patient)
	defer cancel()
	pending, err := e.PendingIn(waiting, account, position)
	if err != nil {
		return err
	}
	for _, p := range pending {
		if err := e.check(ctx, p, attributes["subject"], attributes["id"]); err != nil {
			return err
		}
	}
	return nil
}

// accountOf reads the account out of an event's source, /logs/<log>/accounts/<id>.
func accountOf(source string) (account events.AccountID, err error) {
	_, id, ok := strings.Cut(source, "/accounts/")
	if err := account.UnmarshalText([]byte(id)); err != nil {
		return account, err
	}
	if !ok || account.IsZero() {
		return account, errors.New("not an event of an account")
	}
	return account, nil
}

// check revokes an invitation that is dead because who made it may not grant it any more.
func (e *Expirer) check(ctx context.Context, p Invitation, user, cause string) error {
	a, _, err := e.App.Account(ctx, p.Account)
	if err != nil {
		return err
	}
	i, ok := a.Invitation(p.Invitation)
	if !ok || i.Status != domain.Pending || i.By.Type != events.ByUser || i.By.ID != user {
		return nil
	}
	var look domain.LookedAt
	err = e.App.Ask(ctx, handlers.Call{Actor: handlers.System(Durable)},
		domain.LookAtInvitation{Account: p.Account, Invitation: p.Invitation, Generation: i.Generation, Into: &look})
	var refusal *domain.Error
	switch {
	case err == nil:
		return nil
	case !errors.As(err, &refusal):
		return err
	case refusal.Code != domain.InvitationRevoked || look.Invitation.Status != domain.Pending:
		return nil // expired, or over in another way
	}
	return e.do(ctx, cause, domain.RevokeInvitation{Account: p.Account, Invitation: p.Invitation, Because: events.BecauseInviterLostAccess})
}

// do issues a command. A refusal is an answer like any other: somebody was faster.
func (e *Expirer) do(ctx context.Context, cause string, cmd domain.Command) error {
	_, err := e.App.Do(ctx, handlers.Call{Actor: handlers.System(Durable), Cause: cause}, cmd)
	if refusal := (*domain.Error)(nil); errors.As(err, &refusal) {
		return nil
	}
	return err
}

func pause(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
