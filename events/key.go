package events

// KeyCreated makes an API key of the account: a service user with roles of its own, or, where Owner is set, one that
// acts as that member and ends with the membership. With OnBehalf it acts on behalf of whoever it names (SPEC 7.1). Hash
// is the SHA-256 of the key's secret (SPEC 7.5).
type KeyCreated struct {
	Key       KeyRefID `json:"key"`
	Name      string   `json:"name"`
	Owner     UserID   `json:"owner,omitzero"`
	Grants    []Grant  `json:"grants,omitempty"` // of a service user
	Scopes    []string `json:"scopes,omitempty"` // permissions that it is cut down to; none: all that it has
	ExpiresAt Time     `json:"expires_at,omitzero"`
	OnBehalf  bool     `json:"on_behalf,omitempty"`
	Hash      Hash     `json:"hash,omitzero"`
}

func (KeyCreated) kind() Kind              { return Kind{"key.created", 2} }
func (f KeyCreated) withoutSecrets() Event { f.Hash = Hash{}; return f }

// KeyRotated gives a key another secret. The one before works until the time given.
type KeyRotated struct {
	Key   KeyRefID `json:"key"`
	Hash  Hash     `json:"hash,omitzero"`
	Until Time     `json:"until"`
}

func (KeyRotated) kind() Kind              { return Kind{"key.rotated", 1} }
func (f KeyRotated) withoutSecrets() Event { f.Hash = Hash{}; return f }

// Why a key has ended that nobody revoked.
const (
	BecauseMembershipEnded = "membership_ended"
	BecauseUserLocked      = "user_locked"
)

// KeyRevoked ends a key at once.
type KeyRevoked struct {
	Key     KeyRefID `json:"key"`
	Because string   `json:"because,omitempty"` // membership_ended or user_locked, where nobody wanted it so
}

func (KeyRevoked) kind() Kind { return Kind{"key.revoked", 1} }
