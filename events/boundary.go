// Package events holds every fact that can ever be written, the envelope in which facts are stored, and how old
// ones are read. It knows nothing else: anybody may import it, and it imports the standard library alone.
package events

import (
	"fmt"
	"strings"
)

// Boundary is a consistency boundary: the facts of one boundary have one order and are decided one after another.
// Its text, "account.<id>" or "system", is also the end of its subject in the log.
type Boundary struct {
	Kind BoundaryKind
	ID   AnyID // zero for tree, portal and system
}

// BoundaryKind is the first part of a boundary's name.
type BoundaryKind string

// The kinds of boundaries. The first four have an id, the others exist once.
const (
	AccountBoundary  BoundaryKind = "account"  // settings, roles, memberships, invitations, contacts, keys
	UserBoundary     BoundaryKind = "user"     // profile, credentials by reference, factors, sessions, preferences
	AddressBoundary  BoundaryKind = "address"  // who holds an e-mail address
	AttemptsBoundary BoundaryKind = "attempts" // failed sign-ins and refused commands of a user or a key
	TreeBoundary     BoundaryKind = "tree"     // moves and closes of accounts
	PortalBoundary   BoundaryKind = "portal"   // modules, profiles, operators
	SystemBoundary   BoundaryKind = "system"   // the log itself
)

// OfAccount is the boundary of one account.
func OfAccount(id AccountID) Boundary { return Boundary{AccountBoundary, id.Any()} }

// OfUser is the boundary of one user.
func OfUser(id UserID) Boundary { return Boundary{UserBoundary, id.Any()} }

// OfAddress is the boundary of one e-mail address.
func OfAddress(id AddressID) Boundary { return Boundary{AddressBoundary, id.Any()} }

// OfAttempts is the boundary of the attempts of one user or key.
func OfAttempts(id AnyID) Boundary { return Boundary{AttemptsBoundary, id} }

// Tree, Portal and System are the boundaries that exist once.
func Tree() Boundary   { return Boundary{Kind: TreeBoundary} }
func Portal() Boundary { return Boundary{Kind: PortalBoundary} }
func System() Boundary { return Boundary{Kind: SystemBoundary} }

// ParseBoundary reads the written form. What it accepts is always a valid end of a subject: no wildcard, no
// further token.
func ParseBoundary(s string) (Boundary, error) {
	kind, id, has := strings.Cut(s, ".")
	switch k := BoundaryKind(kind); k {
	case AccountBoundary, UserBoundary, AddressBoundary, AttemptsBoundary:
		parsed, err := ParseAnyID(id)
		if err != nil {
			return Boundary{}, fmt.Errorf("boundary %q: %w", s, err)
		}
		return Boundary{k, parsed}, nil
	case TreeBoundary, PortalBoundary, SystemBoundary:
		if !has {
			return Boundary{Kind: k}, nil
		}
	}
	return Boundary{}, fmt.Errorf("not a boundary: %q", s)
}

// IsZero says that no boundary is named.
func (b Boundary) IsZero() bool { return b.Kind == "" }

// Nobody says that the boundary is of a kind that has an id and has none: nothing can ever have happened in it, and
// no log has a subject for it.
func (b Boundary) Nobody() bool {
	switch b.Kind {
	case AccountBoundary, UserBoundary, AddressBoundary, AttemptsBoundary:
		return b.ID.IsZero()
	case TreeBoundary, PortalBoundary, SystemBoundary:
	}
	return false
}

func (b Boundary) String() string {
	return string(b.append(make([]byte, 0, 48)))
}

func (b Boundary) append(text []byte) []byte {
	text = append(text, b.Kind...)
	if b.ID.IsZero() {
		return text
	}
	return b.ID.append(append(text, '.'))
}

// MarshalText writes the boundary.
func (b Boundary) MarshalText() ([]byte, error) { return b.append(make([]byte, 0, 48)), nil }

// UnmarshalText reads what MarshalText writes.
func (b *Boundary) UnmarshalText(text []byte) error {
	parsed, err := ParseBoundary(string(text))
	*b = parsed
	return err
}
