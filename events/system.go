package events

import "encoding/json"

// LogStarted is the first fact of a log. Keyring is the fingerprint of the keyring that it is sealed under.
type LogStarted struct {
	Incarnation AnyID  `json:"incarnation"`
	Keyring     string `json:"keyring"`
	Format      int    `json:"format"`
}

func (LogStarted) kind() Kind { return Kind{"log.started", 1} }

// PortalSetUp says that the setup link has been used: it made the first account and its owner.
type PortalSetUp struct {
	Account AccountID `json:"account"`
	User    UserID    `json:"user"`
}

func (PortalSetUp) kind() Kind { return Kind{"portal.set_up", 1} }

// OperatorKeyAdded lets the bearer of a key act as the operator. Hash is the SHA-256 of the key's secret.
type OperatorKeyAdded struct {
	Key  AnyID  `json:"key"`
	Name string `json:"name"`
	Hash Hash   `json:"hash,omitzero"`
}

func (OperatorKeyAdded) kind() Kind { return Kind{"portal.operator_key_added", 1} }

func (f OperatorKeyAdded) withoutSecrets() Event { f.Hash = Hash{}; return f }

// Module is a part of the portal whose actions permissions are about: its permissions are name:action.
type Module struct {
	Name    string   `json:"name"`
	Label   string   `json:"label"`
	Actions []string `json:"actions"`
}

// ModulesDeclared replaces the list of the portal's modules (SPEC 3.3).
type ModulesDeclared struct {
	From []Module `json:"from,omitempty"`
	To   []Module `json:"to"`
}

func (ModulesDeclared) kind() Kind { return Kind{"portal.modules_declared", 1} }

// ProfileDefined makes a version of the portal profile known, and that of the installation: accounts opened from now
// on have it. Definition is the validated configuration, in RFC 8785 form.
type ProfileDefined struct {
	Profile    ProfileRef      `json:"profile"`
	Definition json.RawMessage `json:"definition"`
}

func (ProfileDefined) kind() Kind { return Kind{"portal.profile_defined", 1} }
