package events

// SSO is an account's connection to its OpenID provider. Secret is the vault's entry that holds the client's secret.
// A connection to another issuer is another connection: what was linked by the one before counts no more.
type SSO struct {
	Connection AnyID    `json:"connection"`
	Issuer     string   `json:"issuer"`
	ClientID   string   `json:"client_id"`
	Secret     SecretID `json:"secret"`
	Required   bool     `json:"required,omitempty"`   // people of its domains sign in no other way
	JoinRoles  []string `json:"join_roles,omitempty"` // of people who come by it uninvited; none: nobody does
}

// SSOConnected connects a root account to its OpenID provider.
type SSOConnected struct {
	To SSO `json:"to"`
}

func (SSOConnected) kind() Kind { return Kind{"sso.connected", 1} }

// SSOChanged replaces the connection.
type SSOChanged struct {
	From SSO `json:"from"`
	To   SSO `json:"to"`
}

func (SSOChanged) kind() Kind { return Kind{"sso.changed", 1} }

// SSODisconnected ends the connection.
type SSODisconnected struct {
	From SSO `json:"from"`
}

func (SSODisconnected) kind() Kind { return Kind{"sso.disconnected", 1} }

// The ways in which it was made sure that a domain is an account's.
const (
	VerifiedByDNS      = "dns"
	VerifiedByOperator = "operator"
)

// DomainVerified says that an e-mail domain is a root account's: its provider may speak for the addresses in it. It
// stands in the account's boundary and in the portal's, where it is seen to that a domain is one account's alone.
type DomainVerified struct {
	Account AccountID `json:"account"`
	Domain  string    `json:"domain"`
	How     string    `json:"how"`
}

func (DomainVerified) kind() Kind { return Kind{"domain.verified", 1} }

// DomainReleased takes it back, in both.
type DomainReleased struct {
	Account AccountID `json:"account"`
	Domain  string    `json:"domain"`
}

func (DomainReleased) kind() Kind { return Kind{"domain.released", 1} }

// IdentityLinked says that somebody at an account's provider is a user. It stands in the user's boundary and in that of
// the identity, whose id is derived from the connection, the issuer and its subject.
type IdentityLinked struct {
	Identity   AddressID `json:"identity"`
	Account    AccountID `json:"account"`
	Connection AnyID     `json:"connection"`
	User       UserID    `json:"user"`
}

func (IdentityLinked) kind() Kind     { return Kind{"identity.linked", 1} }
func (f IdentityLinked) about() AnyID { return f.User.Any() }

// IdentityUnlinked takes it back, in both.
type IdentityUnlinked struct {
	Identity   AddressID `json:"identity"`
	Account    AccountID `json:"account"`
	Connection AnyID     `json:"connection"`
	User       UserID    `json:"user"`
}

func (IdentityUnlinked) kind() Kind     { return Kind{"identity.unlinked", 1} }
func (f IdentityUnlinked) about() AnyID { return f.User.Any() }

// IdentityUsed says that a session began by an account's provider, whatever else had to be shown. Once is what was begun
// with the provider: it leads to one session.
type IdentityUsed struct {
	Account    AccountID `json:"account"`
	Connection AnyID     `json:"connection"`
	Session    SessionID `json:"session"`
	Once       CommitID  `json:"once"`
}

func (IdentityUsed) kind() Kind { return Kind{"identity.used", 1} }
