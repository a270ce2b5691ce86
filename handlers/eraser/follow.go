package eraser

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"roster/domain"
	"roster/events"
	"roster/handlers"
)

// Feed is where erasures are heard of, and what has to forget the person as well.
type Feed interface {
	// Subscribe hands every event under the filters to fn, in order, again until fn succeeds, and keeps the place
	// under the name durable. A new name begins with the oldest event.
	Subscribe(ctx context.Context, durable string, filter []string, fn func(ctx context.Context, attributes map[string]string, data []byte) error) error
	// Forget destroys all events about a person but the one that says that they were erased.
	Forget(ctx context.Context, person events.AnyID) (n int, err error)
}

// Durable is the eraser's name as a subscriber of the feed.
const Durable = "eraser"

// Follow finishes every erasure that it hears of in the feed, until ctx ends: what a crash left undone, and what came
// up about the person while they were being erased. It does the same for what a person has replaced or taken away.
func (e *Eraser) Follow(ctx context.Context, feed Feed) error {
	filter := []string{"*.*.user.erased", "*.*.address.erased"}
	for _, name := range replacing() {
		filter = append(filter, "*.*."+name)
	}
	return feed.Subscribe(ctx, Durable, filter, func(ctx context.Context, attributes map[string]string, data []byte) error {
		if slices.ContainsFunc(replacing(), func(name string) bool { return strings.HasPrefix(attributes["type"], "roster."+name+".v") }) {
			return e.heardReplaced(ctx, attributes)
		}
		return e.heard(ctx, feed, attributes, data)
	})
}

// replacing are the facts after which the vault may hold what nobody uses any more.
func replacing() []string {
	return []string{"password.changed", "password.reset", "factor.enrolled", "factor.removed", "factor.reset", "recovery_codes.issued"}
}

// heardReplaced destroys the secrets that a user has replaced, those that are destroyed already as well.
func (e *Eraser) heardReplaced(ctx context.Context, attributes map[string]string) error {
	var user events.UserID
	_, id, _ := strings.Cut(attributes["source"], "/users/")
	if err := user.UnmarshalText([]byte(id)); err != nil {
		return fmt.Errorf("a replaced secret in the feed: %w", err)
	}
	position, err := strconv.ParseUint(attributes["position"], 10, 64)
	if err != nil {
		return fmt.Errorf("a replaced secret in the feed: %w", err)
	}
	u, err := e.app.UserSince(ctx, user, position)
	if err != nil {
		return err
	}
	return e.forgetSecrets(ctx, u.Replaced)
}

// heard finishes one erasure. The keys go first: from then on nothing that is published or read about the person is
// in clear, so that what is looked for afterwards is all there is.
func (e *Eraser) heard(ctx context.Context, feed Feed, attributes map[string]string, data []byte) error {
	var fact struct {
		Addresses   []events.AddressID    `json:"addresses"`
		Keys        []events.KeyID        `json:"keys"`
		Invitations []events.InvitationID `json:"invitations"`
	}
	if err := json.Unmarshal(data, &fact); err != nil {
		return fmt.Errorf("an erasure in the feed: %w", err)
	}
	if err := e.Finish(ctx, fact.Keys...); err != nil {
		return err
	}
	var people []events.AnyID
	var user events.UserID
	var address events.AddressID
	_, erased, _ := strings.Cut(attributes["source"], "/addresses/") // a user was erased, else an address
	if err := errors.Join(user.UnmarshalText([]byte(attributes["subject"])), address.UnmarshalText([]byte(erased))); err != nil {
		return fmt.Errorf("an erasure in the feed: %w", err)
	}
	if !user.IsZero() {
		u, _, err := e.app.User(ctx, user)
		if err != nil {
			return err
		}
		if err := e.forgetSecrets(ctx, u.Secrets()); err != nil {
			return err
		}
		people = append(people, user.Any())
	}
	if !address.IsZero() {
		fact.Addresses = append(fact.Addresses, address)
	}
	for _, id := range fact.Invitations {
		people = append(people, id.Any())
	}
	for _, address := range fact.Addresses {
		late, err := e.endLate(ctx, attributes["id"], address)
		if err != nil {
			return err
		}
		people = append(people, late...)
	}
	var failed error
	for _, person := range people {
		if _, err := feed.Forget(ctx, person); err != nil {
			failed = errors.Join(failed, fmt.Errorf("erase from the feed: %w", err))
		}
	}
	return failed
}

// endLate revokes what an address was still invited to while it was being erased, and answers all its invitations.
func (e *Eraser) endLate(ctx context.Context, cause string, address events.AddressID) ([]events.AnyID, error) {
	if e.invitations == nil {
		return nil, nil
	}
	found, err := e.invitations.OfAddress(ctx, address)
	if err != nil {
		return nil, fmt.Errorf("find the invitations to erase: %w", err)
	}
	var people []events.AnyID
	for _, i := range found {
		people = append(people, i.Invitation.Any())
		if !i.Open {
			continue
		}
		_, err := e.app.Do(ctx, handlers.Call{Actor: handlers.System(Durable), Cause: cause},
			domain.RevokeInvitation{Account: i.Account, Invitation: i.Invitation, Because: events.BecauseErased})
		if err != nil {
			return nil, err
		}
	}
	return people, nil
}
