package access

import (
	"context"
	"slices"
	"time"

	"github.com/google/uuid"

	"roster/domain"
	"roster/events"
	"roster/handlers"
)

// keyNoted is how often the store is told that a key is in use.
const keyNoted = 15 * time.Minute

// authenticateKey reads the token of an API key. It is decided from the log, so that what has been revoked, or has
// expired, is refused at the next request. Which secret was wrong is not said, and nothing is written.
func (a *Access) authenticateKey(ctx context.Context, b Bearer) (Principal, error) {
	account, _, err := a.app.Account(ctx, b.Account)
	if err != nil {
		return Principal{}, err
	}
	now := a.app.Now()
	k, ok := account.Key(events.KeyRefID(b.Key))
	if !ok || account.KeyStatus(k, now) != domain.Active || !slices.ContainsFunc(k.Hashes(now), func(h events.Hash) bool { return same(h, b.Hash) }) {
		return Principal{}, signInRequired()
	}
	p := Principal{Actor: events.Actor{Type: events.ByKey, ID: k.ID.String()}, Key: &k, Account: b.Account}
	if !k.Owner.IsZero() {
		if p.User, _, err = a.app.User(ctx, k.Owner); err != nil {
			return Principal{}, err
		}
		p.Behalf = &events.Actor{Type: events.ByUser, ID: k.Owner.String()}
	}
	a.seen.keyUsed(k.ID, now)
	return p, nil
}

// keyUsed counts a request of a key. Keys are kept beside the sessions: their ids are never the same.
func (s *seen) keyUsed(key events.KeyRefID, now events.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	id := events.SessionID(key)
	e := s.list[id]
	if e == nil {
		e = &seenSession{idle: 4 * keyNoted}
		s.list[id] = e
	}
	e.at = max(e.at, now)
}

// KeysUsed answers when keys were used last, to a quarter of an hour. Those of which no use is known are left out.
func (a *Access) KeysUsed(ctx context.Context, keys []domain.Key) map[events.KeyRefID]events.Time {
	ids := make([]events.SessionID, len(keys))
	for i, k := range keys {
		ids[i] = events.SessionID(k.ID)
	}
	used := map[events.KeyRefID]events.Time{}
	for id, at := range a.lastOf(ctx, ids) {
		used[events.KeyRefID(id)] = coarse(at)
	}
	return used
}

// NewKey is the id of a key that is about to be made.
func NewKey() events.KeyRefID { return events.KeyRefID(uuid.Must(uuid.NewV7())) }

// KeySecret makes a secret for a key: the token, which is shown once, and the hash that the log keeps.
func (a *Access) KeySecret(account events.AccountID, key events.KeyRefID) (token string, hash events.Hash, err error) {
	return a.tokens.MintKey(account, key)
}

// MyKey carries out what somebody asks for about keys of their own, with the password that they gave, if any.
func (a *Access) MyKey(ctx context.Context, call handlers.Call, password string, cmd func(verified events.SecretID) domain.Command) (handlers.Result, error) {
	verified, err := a.reauthenticate(ctx, call, password)
	if err != nil {
		return handlers.Result{}, err
	}
	return a.app.Do(ctx, call, cmd(verified))
}
