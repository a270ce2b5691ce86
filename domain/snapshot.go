package domain

import (
	"errors"

	"roster/events"
)

// SnapshotFormat is the version of a snapshot's bytes and of what they mean. Whoever changes a state, its bytes, or
// what a fact does to it, counts it up: then snapshots made before are none.
const SnapshotFormat = 8

// ErrSnapshot: these bytes are no snapshot.
var ErrSnapshot = errors.New("not a snapshot")

// Folded is what a boundary's commits add up to. As a snapshot it is a head and entries that are reached by key, so
// that one that has changed is the only one that is written anew.
type Folded struct {
	State State
	Keys  Keys
}

// Change is an entry in which one state differs from another: its bytes, nil where there is none.
type Change struct {
	Part    byte
	Key     [16]byte
	Was, Is []byte
}

// Head is all but the entries, as bytes.
func (f Folded) Head() []byte {
	c := writing()
	codedOf(f.State).code(c)
	return c.b
}

// Changes calls yield with every entry that is not as it was; those of a zero since are all. Where one state has
// evolved from the other it costs what has changed in between, else what both hold.
func (f Folded) Changes(since Folded, yield func(Change)) {
	f.Keys.parts()[0].changes(0, since.Keys.parts()[0], yield)
	var were []part
	if since.State != nil {
		were = codedOf(since.State).parts()
	}
	for i, p := range codedOf(f.State).parts() {
		var was part
		if were != nil {
			was = were[i]
		}
		p.changes(byte(i+1), was, yield)
	}
}

// Entries is how many there are.
func (f Folded) Entries() int {
	n := f.Keys.Len()
	switch s := f.State.(type) {
	case *Account:
		n += s.members.Len() + s.invitations.Len() + s.byAddress.Len() + s.contacts.Len() + s.keys.Len()
	case User:
		n += s.accounts.Len() + s.sessions.Len()
	case Portal:
		n += s.operators.Len() + s.domains.Len()
	case Tree:
		n += s.parents.Len()
	}
	return n
}

// Restoring is a snapshot on its way back.
type Restoring struct {
	c     *coder
	state coded
	parts []part
	keys  Keys
}

// Restore begins to make a boundary's state of its head and entries again.
func Restore(b events.Boundary) *Restoring {
	r := &Restoring{c: reading(), state: codedOf(Empty(b))}
	r.parts = append(r.keys.parts(), r.state.parts()...)
	return r
}

// Entry adds an entry. The value is not kept.
func (r *Restoring) Entry(number byte, key [16]byte, value []byte) {
	if int(number) >= len(r.parts) {
		r.c.bad = true
		return
	}
	r.c.from(value)
	r.parts[number].put(key, r.c)
	r.c.bad = r.c.bad || len(r.c.b) > 0
}

// Done answers the state, once every entry has been added. Whatever the bytes, it answers a state or an error.
func (r *Restoring) Done(head []byte) (Folded, error) {
	r.c.from(head)
	r.state.code(r.c)
	if r.c.bad || len(r.c.b) > 0 {
		return Folded{}, ErrSnapshot
	}
	return Folded{r.state.value(), r.keys}, nil
}

// coded is a state as it is written and read.
type coded interface {
	code(c *coder) // all but the entries
	parts() []part // the entries, always in the same order
	value() State
}

func codedOf(s State) coded {
	switch s := s.(type) {
	case *Account:
		a := *s // a restored one is written to
		return &a
	case User:
		return &s
	case Address:
		return &s
	case Attempts:
		return &s
	case Portal:
		return &s
	case System:
		return &s
	case Tree:
		return &s
	}
	return &Tree{}
}

// part is one map of a state.
type part interface {
	put(key [16]byte, c *coder)
	changes(number byte, since part, yield func(Change)) // since may be nil
}

type entries[K ~[16]byte, V any] struct {
	m    *pmap[K, V]
	code func(*V, *coder)
}

func (p entries[K, V]) put(key [16]byte, c *coder) {
	v := new(V)
	p.code(v, c)
	p.m.put(K(key), v)
}

func (p entries[K, V]) changes(number byte, since part, yield func(Change)) {
	var was pmap[K, V]
	if old, ok := since.(entries[K, V]); ok {
		was = *old.m
	}
	bytes := func(v *V) []byte {
		if v == nil {
			return nil
		}
		c := coder{b: make([]byte, 0, 64)}
		p.code(v, &c)
		return c.b
	}
	p.m.diff(was, func(k K, was, is *V) {
		c := Change{number, k, bytes(was), bytes(is)}
		if was == nil || is == nil || string(c.Was) != string(c.Is) {
			yield(c)
		}
	})
}

func (k *Keys) parts() []part {
	return []part{entries[events.CommitID, Keyed]{&k.m, (*Keyed).code}}
}

func (k *Keyed) code(c *coder) {
	number(c, &k.Pos)
	number(c, &k.At)
}

func (a *Account) code(c *coder) {
	c.fixed(a.ID[:])
	c.flag(&a.Opened)
	text(c, &a.Name)
	c.fixed(a.Parent[:])
	text(c, &a.Profile.Name)
	number(c, &a.Profile.Version)
	text(c, &a.Profile.Protected)
	number(c, &a.OpenedAt)
	number(c, &a.Version)
	c.flag(&a.Closed)
	c.asJSON(&a.Policy)
	number(c, &a.RolesVersion)
	number(c, &a.PolicyVersion)
	c.asJSON(&a.SSO)
	list(c, &a.Domains, codeText)
	number(c, &a.SSOVersion)
	list(c, &a.defined, codeRole)
	number(c, &a.active)
	number(c, &a.owners)
	list(c, &a.later, (*later).code)
}

// parts leaves out the open invitations by inviter: value finds them among the invitations.
func (a *Account) parts() []part {
	return []part{
		entries[events.UserID, Member]{&a.members, (*Member).code},
		entries[events.InvitationID, Invitation]{&a.invitations, (*Invitation).code},
		entries[events.AddressID, seat]{&a.byAddress, (*seat).code},
		entries[events.ContactID, Contact]{&a.contacts, (*Contact).code},
		entries[events.KeyRefID, Key]{&a.keys, (*Key).code},
	}
}

func (a *Account) value() State {
	for id, i := range a.invitations.All() {
		if i.Status != Pending {
			continue
		}
		if by := inviterOf(i.By); !by.IsZero() {
			open, _ := a.open.Get(by)
			a.open = a.open.With(by, open.With(id, struct{}{}))
		}
	}
	return a
}

func (l *later) code(c *coder) {
	c.fixed(l.user[:])
	number(c, &l.from)
}

func (s *seat) code(c *coder) {
	c.fixed(s.user[:])
	c.fixed(s.invitation[:])
	number(c, &s.since)
	number(c, &s.mails)
}

func (m *Member) code(c *coder) {
	c.fixed(m.User[:])
	c.fixed(m.Key[:])
	c.fixed(m.Address[:])
	c.grants(&m.Grants)
	c.actor(&m.By)
	text(c, &m.Status)
	c.flag(&m.Waiting)
	c.flag(&m.Locked)
	number(c, &m.Warned)
	number(c, &m.Since)
	number(c, &m.Version)
}

func (i *Invitation) code(c *coder) {
	c.fixed(i.ID[:])
	c.fixed(i.Address[:])
	c.sealed(&i.Invitee)
	c.grants(&i.Grants)
	c.actor(&i.By)
	number(c, &i.Generation)
	number(c, &i.Begun)
	number(c, &i.ExpiresAt)
	number(c, &i.Asked)
	text(c, &i.Status)
	c.flag(&i.Noted)
	c.flag(&i.Reminded)
	list(c, &i.Accounts, func(id *events.AccountID, c *coder) { c.fixed(id[:]) })
	text(c, &i.Delivery)
	number(c, &i.Version)
}

func (u *User) code(c *coder) {
	c.fixed(u.ID[:])
	c.flag(&u.Registered)
	c.flag(&u.Erased)
	c.flag(&u.Locked)
	c.fixed(u.Address[:])
	c.fixed(u.AddressKey[:])
	c.fixed(u.Key[:])
	c.sealed(&u.Email)
	c.sealed(&u.Profile)
	c.fixed(u.Password[:])
	number(c, &u.Version)
	c.flag(&u.ProfileChanged)
	c.flag(&u.EmailChanged)
	number(c, &u.ProfileVersion)
	c.asJSON(&u.Preferences)
	number(c, &u.PreferencesVersion)
	u.Reset.code(c)
	u.Change.code(c)
	c.fixed(u.Change.Address[:])
	c.sealed(&u.Change.Email)
	list(c, &u.Former, func(f *FormerAddress, c *coder) {
		c.fixed(f.Address[:])
		c.fixed(f.Key[:])
		c.sealed(&f.Email)
		c.flag(&f.Changed)
	})
	list(c, &u.Asked, func(a *AskedAddress, c *coder) {
		c.fixed(a.Address[:])
		c.fixed(a.Key[:])
	})
	list(c, &u.Destroyed, func(id *events.KeyID, c *coder) { c.fixed(id[:]) })
	list(c, &u.Replaced, func(id *events.SecretID, c *coder) { c.fixed(id[:]) })
	list(c, &u.resets, codeTime)
	list(c, &u.changes, codeTime)
	list(c, &u.succeeded, (*attempt).code)
	list(c, &u.handed, (*attempt).code)
	list(c, &u.factors, (*Factor).code)
	c.fixed(u.recovery.secret[:])
	number(c, &u.recovery.codes)
	number(c, &u.recovery.used)
	list(c, &u.linked, func(i *Identity, c *coder) {
		c.fixed(i.ID[:])
		c.fixed(i.Account[:])
		c.fixed(i.Connection[:])
	})
	c.flag(&u.unknown)
}

func (l *MailedLink) code(c *coder) {
	number(c, &l.Generation)
	number(c, &l.ExpiresAt)
	c.flag(&l.Used)
}

func codeTime(at *events.Time, c *coder) { number(c, at) }

func (u *User) parts() []part {
	return []part{
		entries[events.AccountID, struct{}]{&u.accounts, func(*struct{}, *coder) {}},
		entries[events.SessionID, Session]{&u.sessions, (*Session).code},
	}
}

func (u *User) value() State { return *u }

func (s *Session) code(c *coder) {
	c.fixed(s.ID[:])
	c.fixed(s.TokenHash[:])
	number(c, &s.StartedAt)
	number(c, &s.ExpiresAt)
	c.flag(&s.Strong)
	number(c, &s.Pos)
	text(c, &s.Method)
	c.fixed(s.From[:])
	text(c, &s.Portal)
	text(c, &s.OpenedBy)
	c.fixed(s.Account[:])
}

func (f *Factor) code(c *coder) {
	c.fixed(f.ID[:])
	text(c, &f.Method)
	c.fixed(f.Secret[:])
	c.sealed(&f.Label)
	c.flag(&f.Verified)
	number(c, &f.EnrolledAt)
	number(c, &f.ExpiresAt)
	number(c, &f.Step)
	number(c, &f.UsedAt)
	number(c, &f.Count)
}

func (a *Address) code(c *coder) {
	c.fixed(a.ID[:])
	c.fixed(a.User[:])
	c.flag(&a.Erased)
	a.Signup.code(c)
	c.sealed(&a.Email)
	list(c, &a.signups, codeTime)
}

func (a *Address) parts() []part { return nil }
func (a *Address) value() State  { return *a }

func (a *Attempts) code(c *coder) {
	list(c, &a.signins, (*attempt).code)
	list(c, &a.throttled, (*attempt).code)
	list(c, &a.refusals, codeTime)
}

func (a *attempt) code(c *coder) {
	c.fixed(a.commit[:])
	c.fixed(a.source[:])
	number(c, &a.at)
}

func (a *Attempts) parts() []part { return nil }
func (a *Attempts) value() State  { return *a }

func (s *System) code(c *coder) {
	c.flag(&s.Started)
	c.fixed(s.Incarnation[:])
	text(c, &s.Keyring)
}

func (s *System) parts() []part { return nil }
func (s *System) value() State  { return *s }

func (p *Portal) code(c *coder) {
	c.flag(&p.SetUp)
	list(c, &p.Modules, func(m *events.Module, c *coder) {
		text(c, &m.Name)
		text(c, &m.Label)
		list(c, &m.Actions, codeText)
	})
	list(c, &p.profiles, codeProfile)
}

func (p *Portal) parts() []part {
	return []part{entries[events.AnyID, OperatorKey]{&p.operators, (*OperatorKey).code}, entries[events.AnyID, domainHolder]{&p.domains, (*domainHolder).code}}
}

func (p *Portal) value() State { return *p }

func (k *OperatorKey) code(c *coder) {
	text(c, &k.Name)
	c.fixed(k.Hash[:])
}

func (t *Tree) code(*coder) {}

// parts leaves out the children: value finds them among the parents.
func (t *Tree) parts() []part {
	return []part{entries[events.AccountID, events.AccountID]{&t.parents, func(id *events.AccountID, c *coder) { c.fixed(id[:]) }}}
}

func (t *Tree) value() State {
	var whole Tree
	for id, parent := range t.parents.All() {
		whole = whole.placed(id, parent)
	}
	return whole
}

// codeProfile writes a profile as its definition stands in the log.
func codeProfile(p **Profile, c *coder) {
	var ref events.ProfileRef
	raw := ""
	if !c.reading {
		ref, raw = (*p).Ref, (*p).raw
	}
	text(c, &ref.Name)
	number(c, &ref.Version)
	text(c, &ref.Protected)
	text(c, &raw)
	if c.reading {
		if *p = readProfile(ref, []byte(raw)); *p == nil {
			c.bad, *p = true, standard
		}
	}
}

func codeRole(p **Role, c *coder) {
	r := *p
	if r == nil {
		r = new(Role)
		*p = r
	}
	text(c, &r.Name)
	text(c, &r.Label)
	c.fixed(r.Account[:])
	list(c, &r.Permissions, codeText)
	number(c, &r.rank)
}

func (k *Key) code(c *coder) {
	c.fixed(k.ID[:])
	text(c, &k.Name)
	c.fixed(k.Owner[:])
	c.grants(&k.Grants)
	list(c, &k.Scopes, codeText)
	c.flag(&k.OnBehalf)
	number(c, &k.ExpiresAt)
	c.fixed(k.Hash[:])
	c.fixed(k.Former[:])
	number(c, &k.FormerUntil)
	c.actor(&k.By)
	number(c, &k.CreatedAt)
	number(c, &k.RotatedAt)
	number(c, &k.Version)
}

func (k *Contact) code(c *coder) {
	c.fixed(k.ID[:])
	c.sealed(&k.Person)
	c.flag(&k.Changed)
	list(c, &k.Roles, codeText)
	number(c, &k.Version)
}
