package events

import (
	"encoding/json"
	"fmt"
)

// Event is a fact. Facts are declared in this package or do not exist.
type Event interface{ kind() Kind }

// Kind is a fact's name on the wire, noun.verb, and its version.
type Kind struct {
	Name    string
	Version int
}

func (k Kind) String() string { return fmt.Sprintf("%s.v%d", k.Name, k.Version) }

// KindOf is the wire name and version of a fact.
func KindOf(e Event) Kind { return e.kind() }

// catalog lists every fact once. The wire name stands on the type.
func catalog() []entry {
	return []entry{
		fact[LogStarted](),

		fact[PortalSetUp](),
		fact[OperatorKeyAdded](),
		fact[ModulesDeclared](),
		fact[ProfileDefined](),

		fact[TreeOpened](),
		fact[TreeMoved](),
		fact[TreeClosed](),

		fact[AccountOpened](),
		fact[AccountRenamed](),
		fact[AccountMoved](),
		fact[AccountClosed](),
		fact[AccountPolicyChanged](),
		fact[AccountProfileAdopted](),

		fact[SSOConnected](),
		fact[SSOChanged](),
		fact[SSODisconnected](),
		fact[DomainVerified](),
		fact[DomainReleased](),

		fact[RoleDefined](),
		fact[RoleWithdrawn](),

		fact[KeyCreated](),
		fact[KeyRotated](),
		fact[KeyRevoked](),

		fact[ContactAdded](),
		fact[ContactChanged](),
		fact[ContactRemoved](),

		fact[InvitationCreated](),
		fact[InvitationResent](),
		fact[InvitationRevoked](),
		fact[InvitationDeclined](),
		fact[InvitationAccepted](),
		fact[InvitationExpired](),
		fact[InvitationLinkRequested](),
		fact[InvitationReminded](),
		fact[InvitationMailSent](),
		fact[InvitationMailDeferred](),
		fact[InvitationMailBounced](),

		fact[MembershipGranted](),
		fact[MembershipRoleChanged](),
		fact[MembershipSuspended](),
		fact[MembershipReactivated](),
		fact[MembershipRevoked](),
		fact[MembershipLeft](),
		fact[MembershipActivated](),
		fact[MembershipExpired](),
		fact[MembershipReminded](),
		fact[MembershipUserLocked](),
		fact[MembershipUserUnlocked](),

		fact[UserRegistered](),
		fact[UserJoined](),
		fact[UserErased](),
		fact[UserProfileChanged](),
		fact[UserPreferencesChanged](),
		fact[UserEmailChangeRequested](),
		fact[UserEmailChanged](),
		fact[UserLocked](),
		fact[UserUnlocked](),
		fact[PasswordSet](),
		fact[PasswordChanged](),
		fact[PasswordResetRequested](),
		fact[PasswordReset](),
		fact[FactorEnrolled](),
		fact[FactorVerified](),
		fact[FactorRemoved](),
		fact[FactorReset](),
		fact[RecoveryCodesIssued](),
		fact[IdentityLinked](),
		fact[IdentityUnlinked](),
		fact[IdentityUsed](),
		fact[SessionStarted](),
		fact[SessionEnded](),

		fact[AddressClaimed](),
		fact[AddressErased](),
		fact[AddressReleased](),
		fact[AddressSignupRequested](),

		fact[PasswordConfirmed](),
		fact[SigninAttempted](),
		fact[SigninThrottled](),
		fact[CommandRefused](),
	}
}

// entry is what the catalog knows of one kind of fact.
type entry struct {
	kind   Kind
	decode func(data []byte, sealed map[string]Box) (Event, error)
	parts  func(e Event) (parts []part, done func() Event)
}

// catalogue is the catalog by name; made once, never changed.
var catalogue = byName(catalog())

func byName(list []entry) map[string]entry {
	m := make(map[string]entry, len(list))
	for _, e := range list {
		m[e.kind.Name] = e
	}
	return m
}

// Kinds lists every kind of fact in the catalog's order.
func Kinds() []Kind {
	var kinds []Kind
	for _, e := range catalog() {
		kinds = append(kinds, e.kind)
	}
	return kinds
}

// withParts is implemented by pointers to facts that hold personal data.
type withParts interface{ parts() []part }

func fact[T Event]() entry {
	partsOf := func(f *T) []part {
		if p, ok := any(f).(withParts); ok {
			return p.parts()
		}
		return nil
	}
	var zero T
	return entry{
		kind: zero.kind(),
		decode: func(data []byte, sealed map[string]Box) (Event, error) {
			f := new(T)
			if len(data) == 0 || data[0] != '{' { // null would read as a fact without any data
				return nil, fmt.Errorf("%w: the data of %s is no object", ErrCorrupt, zero.kind())
			}
			if err := json.Unmarshal(data, f); err != nil {
				return nil, fmt.Errorf("%w: %w", ErrCorrupt, err)
			}
			found := 0
			for _, p := range partsOf(f) {
				if box, ok := sealed[p.name]; ok {
					if box.K.IsZero() || len(box.B) == 0 {
						return nil, fmt.Errorf("%w: part %q of %s has no key or no ciphertext", ErrCorrupt, p.name, zero.kind())
					}
					*p.box() = box
					found++
				}
			}
			if found != len(sealed) {
				return nil, fmt.Errorf("%w: a sealed part that %s does not have", ErrCorrupt, zero.kind())
			}
			return *f, nil
		},
		parts: func(e Event) ([]part, func() Event) {
			f := new(T)
			*f = e.(T)
			return partsOf(f), func() Event { return *f }
		},
	}
}

func encodeFact(e Event) (wireFact, error) {
	k := e.kind()
	entry, ok := catalogue[k.Name]
	if !ok {
		return wireFact{}, fmt.Errorf("%s is not in the catalog: it could be written but never read", k)
	}
	data, err := json.Marshal(e)
	if err != nil {
		return wireFact{}, err
	}
	w := wireFact{Type: k.Name, V: k.Version, Data: data}
	parts, _ := entry.parts(e)
	for _, p := range parts {
		if p.absent() {
			continue
		}
		if p.box().K.IsZero() || len(p.box().B) == 0 {
			return wireFact{}, fmt.Errorf("%s: part %q is not sealed", k, p.name)
		}
		if w.Sealed == nil {
			w.Sealed = map[string]Box{}
		}
		w.Sealed[p.name] = *p.box()
	}
	return w, nil
}

func decodeFact(w wireFact) (Event, error) {
	entry, ok := catalogue[w.Type]
	switch {
	case !ok:
		return nil, fmt.Errorf("fact %q: %w", w.Type, ErrUnknown)
	case w.V > entry.kind.Version:
		return nil, fmt.Errorf("fact %s.v%d: %w", w.Type, w.V, ErrUnknown)
	case w.V < 1:
		return nil, fmt.Errorf("fact %s.v%d: %w", w.Type, w.V, ErrCorrupt)
	case w.V < entry.kind.Version:
		lift, ok := upcasts()[Kind{w.Type, w.V}]
		if !ok {
			return nil, fmt.Errorf("fact %s.v%d: no lift to version %d: %w", w.Type, w.V, entry.kind.Version, ErrUnknown)
		}
		return lift(w.Data, w.Sealed)
	}
	return entry.decode(w.Data, w.Sealed)
}

// Seal returns the fact with each part that has a clear value sealed by seal; the clear values are kept beside
// the boxes. seal is told the part's name and whose key seals it.
func Seal(e Event, seal func(part string, key KeyID, plain []byte) (Box, error)) (Event, error) {
	return eachPart(e, func(p part) error {
		plain, err := p.clearJSON()
		if err != nil || plain == nil {
			return err
		}
		box, err := seal(p.name, p.box().K, plain)
		if err != nil {
			return err
		}
		*p.box() = box
		return nil
	})
}

// Open returns the fact with each sealed part opened. open answers ok=false for a person who has been erased.
func Open(e Event, open func(part string, box Box) (plain []byte, ok bool, err error)) (Event, error) {
	return eachPart(e, func(p part) error {
		if len(p.box().B) == 0 {
			return nil
		}
		plain, ok, err := open(p.name, *p.box())
		switch {
		case err != nil:
			return err
		case !ok:
			p.erase()
			return nil
		}
		return p.setClear(plain)
	})
}

// Forget returns the fact without its clear values: what states and caches may keep.
func Forget(e Event) (Event, error) {
	return eachPart(e, func(p part) error { return p.setClear(nil) })
}

func eachPart(e Event, do func(part) error) (Event, error) {
	entry, ok := catalogue[e.kind().Name]
	if !ok {
		return nil, fmt.Errorf("%s is not in the catalog", e.kind())
	}
	parts, done := entry.parts(e)
	if len(parts) == 0 {
		return e, nil
	}
	for _, p := range parts {
		if p.absent() {
			continue
		}
		if err := do(p); err != nil {
			return nil, fmt.Errorf("%s: part %q: %w", e.kind(), p.name, err)
		}
	}
	return done(), nil
}
