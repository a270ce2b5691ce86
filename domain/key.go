package domain

import (
	"slices"
	"strings"
	"time"

	"roster/events"
)

// Key is an API key of an account (SPEC 7.5): a service user with grants of its own, or, where it has an owner, one by
// which that member acts. It is never a member, and never an owner: what it may do counts for no last owner.
type Key struct {
	ID          events.KeyRefID
	Name        string
	Owner       events.UserID // of a personal key
	Grants      []events.Grant
	Scopes      []string    // permissions that it is cut down to, or patterns such as *:read; none: all that it has
	OnBehalf    bool        // it acts on behalf of whoever it names (SPEC 7.1)
	ExpiresAt   events.Time // 0: it does not
	Hash        events.Hash
	Former      events.Hash // of the secret before
	FormerUntil events.Time // until when that one works
	By          events.Actor
	CreatedAt   events.Time
	RotatedAt   events.Time
	Version     uint64
}

// The bounds of API keys: how many an account has, how many one member, and how long a secret outlives a rotation.
const (
	maxKeys    = 200
	maxOwnKeys = 20
	MaxOverlap = 7 * 24 * time.Hour
)

// Key answers an API key that has not been revoked.
func (a Account) Key(id events.KeyRefID) (Key, bool) { return a.keys.Get(id) }

// KeyStatus is active, expired, or suspended where the membership of its owner gives no access.
func (a Account) KeyStatus(k Key, at events.Time) Status {
	m, _ := a.Member(k.Owner)
	switch {
	case k.ExpiresAt != 0 && k.ExpiresAt <= at:
		return Expired
	case !k.Owner.IsZero() && (m.Status != Active || m.Locked || len(current(m.Grants, at)) == 0):
		return Suspended
	}
	return Active
}

// Hashes are those of the secrets that the key can be shown with at a moment.
func (k Key) Hashes(at events.Time) []events.Hash {
	if at < k.FormerUntil {
		return []events.Hash{k.Hash, k.Former}
	}
	return []events.Hash{k.Hash}
}

// KeysOf are the personal keys of a member.
func (a Account) KeysOf(owner events.UserID) (list []Key) {
	for _, k := range a.keys.All() {
		if k.Owner == owner && !owner.IsZero() {
			list = append(list, k)
		}
	}
	return list
}

func (a Account) withKey(id events.KeyRefID, h Happened, change func(*Key)) Account {
	k, _ := a.keys.Get(id)
	k.ID, k.Version = id, h.Pos
	change(&k)
	a.keys = a.keys.With(id, k)
	return a
}

// keyIn finds a key in an account or in those above it, and how far above.
func (w *World) keyIn(chain []*Account, id events.KeyRefID) (k Key, up int, ok bool) {
	for i := range chain {
		if k, ok = chain[i].keys.Get(id); ok && chain[i].KeyStatus(k, w.is.At) == Active {
			return k, i, true
		}
	}
	return Key{}, 0, false
}

// accessOf is what an actor may do: a user's by memberships, a key's by its own grants, cut down to its scopes.
func (w *World) accessOf(chain []*Account, actor events.Actor) Access {
	id := actor.Key()
	if id.IsZero() {
		return w.accessIn(chain, actor.User())
	}
	access := Access{closed: slices.ContainsFunc(chain, func(a *Account) bool { return a.Closed })}
	k, up, ok := w.keyIn(chain, id)
	if !ok || !k.Owner.IsZero() {
		return access
	}
	for _, h := range w.resolve(chain[up:], current(k.Grants, w.is.At)) {
		h.since, h.owns = k.Version, false
		if up == 0 || h.Inherit {
			access.held = append(access.held, h)
		}
	}
	return access.through(k)
}

// mine is the access of whoever asks.
func (w *World) mine(chain []*Account) Access { return w.by(chain, w.is.Actor, w.is.Through) }

// by is the access of an actor, and of one who acts by a key: it ends where the key's does, at its account and its
// scopes.
func (w *World) by(chain []*Account, who events.Actor, through events.KeyRefID) Access {
	access := w.accessOf(chain, who)
	if through.IsZero() {
		return access
	}
	k, up, ok := w.keyIn(chain, through)
	own := !k.Owner.IsZero() && k.Owner == who.User()
	reaches := up == 0 || own || slices.ContainsFunc(k.Grants, func(g events.Grant) bool { return g.Inherit })
	if ok && reaches && (own || k.OnBehalf) {
		return access.through(k)
	}
	access.held = nil
	return access
}

// through cuts an access down to what a key is for. By a key nobody is an owner, but on behalf of one.
func (a Access) through(k Key) Access {
	a.held = slices.Clone(a.held)
	for i := range a.held {
		a.held[i].only = k.Scopes
		a.held[i].owns = a.held[i].owns && k.OnBehalf
	}
	return a
}

// byPerson refuses by a key what is for the person alone: one's own sign-in, keys and memberships.
func (is Issued) byPerson() error {
	if is.Through.IsZero() && is.Actor.Key().IsZero() {
		return nil
	}
	return refuse(NotPermitted, "not by an API key: only a person who is signed in")
}

// AskKeys leaves the keys of an account in the place given, personal ones among them.
func AskKeys(account events.AccountID, into *[]Key) Command {
	return askKeys{MayIn{Account: account, Permission: KeysRead}, into}
}

type askKeys struct {
	MayIn
	into *[]Key
}

func (c askKeys) Decide(w *World, is Issued) error {
	if err := c.MayIn.Decide(w, is); err != nil {
		return err
	}
	*c.into = nil
	for _, k := range w.Account(c.Account).keys.All() {
		*c.into = append(*c.into, k)
	}
	return nil
}

// CreateKey makes an API key of an account, a service user that holds nothing beyond whoever makes it.
type CreateKey struct {
	Account   events.AccountID
	Key       events.KeyRefID
	Hash      events.Hash
	KeyName   string
	Grants    []events.Grant
	Scopes    []string // permissions, or patterns such as *:read
	ExpiresAt events.Time
	OnBehalf  bool // by the operator alone
}

func (c CreateKey) Name() string { return "CreateKey" }

func (c CreateKey) Home(_ Issued) events.Boundary { return events.OfAccount(c.Account) }

func (c CreateKey) Target() (events.AccountID, *events.Subject) { return c.Account, nil }

func (c CreateKey) Decide(w *World, is Issued) error {
	a, access, err := w.manages(c.Account, KeysManage)
	if err != nil {
		return err
	}
	chain := w.chain(c.Account)
	switch {
	case c.OnBehalf && !is.operator():
		return refuse(NotPermitted, "only the operator makes keys that act on behalf of others")
	case !access.covers(w.resolve(chain, c.Grants)):
		return refuse(ExceedsOwnAccess, "nobody can give a key more than they hold")
	}
	grants, err := w.checkGrants(chain, c.Grants)
	switch {
	case err != nil:
		return err
	case a.protects(grants):
		return invalid("body.roles", "a key cannot have the role %s, which makes owners", a.protected())
	case a.keys.Len() >= maxKeys:
		return invalid("body", "an account has at most %d keys: revoke some", maxKeys)
	}
	fact := events.KeyCreated{Key: c.Key, Name: strings.TrimSpace(c.KeyName), Grants: grants, ExpiresAt: c.ExpiresAt, OnBehalf: c.OnBehalf, Hash: c.Hash}
	gives := func(p Permission) bool { return c.OnBehalf || anyHolds(w.resolve(chain, grants), p) }
	if fact.Scopes, err = w.checkKey(fact, c.Scopes, gives); err != nil {
		return err
	}
	w.record(events.OfAccount(c.Account), fact)
	return nil
}

// CreateMyKey makes a key by which whoever asks acts in an account of theirs, as long as they are a member there.
type CreateMyKey struct {
	Account   events.AccountID
	User      events.UserID
	Key       events.KeyRefID
	Hash      events.Hash
	KeyName   string
	Scopes    []string
	ExpiresAt events.Time
	Password  events.SecretID // the credential that has just been verified, if any was
}

func (c CreateMyKey) Name() string { return "CreateMyKey" }

func (c CreateMyKey) Home(_ Issued) events.Boundary { return events.OfAccount(c.Account) }

func (c CreateMyKey) Target() (events.AccountID, *events.Subject) { return c.Account, nil }

func (c CreateMyKey) Decide(w *World, is Issued) error {
	u, a, err := w.ownKeys(c.Account, c.User)
	if err != nil {
		return err
	}
	chain := w.chain(c.Account)
	access := w.mine(chain)
	switch m, _ := a.Member(c.User); {
	case m.Status != Active:
		return refuse(Inherited, "you are a member of an account above: make the key there")
	case access.closed:
		return errClosed()
	}
	if err := w.fresh(u, c.Password); err != nil {
		return err
	}
	if len(a.KeysOf(c.User)) >= maxOwnKeys || a.keys.Len() >= maxKeys {
		return invalid("body", "a member has at most %d keys, and an account %d: revoke some", maxOwnKeys, maxKeys)
	}
	fact := events.KeyCreated{Key: c.Key, Name: strings.TrimSpace(c.KeyName), Owner: c.User, ExpiresAt: c.ExpiresAt, Hash: c.Hash}
	if fact.Scopes, err = w.checkKey(fact, c.Scopes, access.Holds); err != nil {
		return err
	}
	w.record(events.OfAccount(c.Account), fact)
	return nil
}

// ownKeys is the account and the user of whoever asks about keys of their own.
func (w *World) ownKeys(account events.AccountID, user events.UserID) (User, Account, error) {
	u, err := w.myself(user)
	if err != nil {
		return u, Account{}, err
	}
	a, _, err := w.sees(account)
	return u, a, err
}

// checkKey validates what a key is to be, and answers its scopes in the order in which they are written.
func (w *World) checkKey(k events.KeyCreated, scopes []string, gives func(Permission) bool) ([]string, error) {
	switch {
	case checkName(k.Name) != "":
		return nil, invalid("body.name", "%s", checkName(k.Name))
	case k.ExpiresAt != 0 && k.ExpiresAt <= w.is.At:
		return nil, invalid("body.expires_at", "expires_at lies in the past")
	}
	known := w.Portal().Catalog()
	for i, scope := range scopes {
		means := slices.DeleteFunc(slices.Clone(known), func(p Permission) bool { return !matches(scope, p) })
		switch {
		case len(means) == 0:
			return nil, invalid(location("body.scopes", i), "no such permission: known are %s, and *:read, users:* and the like", strings.Join(known, ", "))
		case !slices.ContainsFunc(means, gives):
			return nil, invalid(location("body.scopes", i), "scopes only take away, and nothing else gives this")
		}
	}
	return slices.Compact(slices.Sorted(slices.Values(scopes))), nil
}

// managedKey is a key of an account that whoever asks may change: nothing that it gives is beyond their own access.
// With a user it is that user's own, whose owner asks.
func (w *World) managedKey(account events.AccountID, id events.KeyRefID, user events.UserID) (Key, error) {
	if !user.IsZero() {
		_, a, err := w.ownKeys(account, user)
		if err != nil {
			return Key{}, err
		}
		if k, ok := a.Key(id); ok && k.Owner == user {
			return k, nil
		}
		return Key{}, errNoKey()
	}
	a, access, err := w.mayIn(account, KeysManage)
	if err != nil {
		return Key{}, err
	}
	k, ok := a.Key(id)
	if !ok {
		return k, errNoKey()
	}
	gives := k.Grants
	if m, _ := a.Member(k.Owner); !k.Owner.IsZero() {
		gives = unended(m.Grants, w.is.At)
	}
	switch {
	case k.OnBehalf && !w.is.operator():
		return k, refuse(ExceedsOwnAccess, "this key acts on behalf of others: the operator has made it")
	case !access.covers(w.resolve(w.chain(account), gives)):
		return k, refuse(ExceedsOwnAccess, "this key may do more than you")
	}
	return k, nil
}

func errNoKey() error { return refuse(NotFound, "no such key") }

// RotateKey gives a key another secret; the one before works for the overlap. What was before that ends at once. A
// personal key only its owner rotates.
type RotateKey struct {
	Account  events.AccountID
	Key      events.KeyRefID
	User     events.UserID // whose own key it is; zero for one of the account
	Hash     events.Hash
	Overlap  time.Duration
	Password events.SecretID // the owner's credential that has just been verified, if any was
}

func (c RotateKey) Name() string { return "RotateKey" }

func (c RotateKey) Home(_ Issued) events.Boundary { return events.OfAccount(c.Account) }

func (c RotateKey) Target() (events.AccountID, *events.Subject) { return onKey(c.Account, c.Key) }

func (c RotateKey) Decide(w *World, is Issued) error {
	k, err := w.managedKey(c.Account, c.Key, c.User)
	if err != nil {
		return err
	}
	if k.Owner != c.User {
		return refuse(NotPermitted, "only its owner rotates a personal key")
	}
	if !c.User.IsZero() {
		if err := w.fresh(w.User(c.User), c.Password); err != nil {
			return err
		}
	}
	if err := is.stale(k.Version); err != nil {
		return err
	}
	switch {
	case w.closed(c.Account):
		return errClosed()
	case c.Overlap < 0 || c.Overlap > MaxOverlap:
		return invalid("body.overlap", "the secret before works for at most seven days more: P7D")
	case k.ExpiresAt != 0 && k.ExpiresAt <= is.At:
		return invalid("body", "the key has expired: make another one")
	}
	w.record(events.OfAccount(c.Account), events.KeyRotated{Key: c.Key, Hash: c.Hash, Until: is.At.Add(c.Overlap)})
	return nil
}

// RevokeKey ends a key at once. The invitations that it has made and that are open are dead with it (SPEC 2.10).
type RevokeKey struct {
	Account events.AccountID
	Key     events.KeyRefID
	User    events.UserID // whose own key it is; zero for any of the account
}

func (c RevokeKey) Name() string { return "RevokeKey" }

func (c RevokeKey) Home(_ Issued) events.Boundary { return events.OfAccount(c.Account) }

func (c RevokeKey) Target() (events.AccountID, *events.Subject) { return onKey(c.Account, c.Key) }

func (c RevokeKey) Decide(w *World, is Issued) error {
	k, err := w.managedKey(c.Account, c.Key, c.User)
	if err != nil {
		return err
	}
	if err := is.stale(k.Version); err != nil {
		return err
	}
	w.record(events.OfAccount(c.Account), events.KeyRevoked{Key: c.Key})
	w.endInvitationsOf(c.Key.Any(), c.Account)
	return nil
}

func onKey(account events.AccountID, key events.KeyRefID) (events.AccountID, *events.Subject) {
	return account, &events.Subject{Type: "key", ID: key.Any()}
}

// endKeysOf ends the personal keys of a member whose membership has ended, or who has been locked.
func (w *World) endKeysOf(user events.UserID, account events.AccountID, because string) {
	for _, k := range w.Account(account).KeysOf(user) {
		w.record(events.OfAccount(account), events.KeyRevoked{Key: k.ID, Because: because})
	}
}
