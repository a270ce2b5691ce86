package events

// RoleDefinition is a role that an account has defined for itself and what is below it.
type RoleDefinition struct {
	Label       string   `json:"label"`
	Permissions []string `json:"permissions"`
}

// RoleDefined defines a role, or replaces its definition.
type RoleDefined struct {
	Role string          `json:"role"`
	From *RoleDefinition `json:"from,omitempty"` // nil: there was none
	To   RoleDefinition  `json:"to"`
}

func (RoleDefined) kind() Kind { return Kind{"role.defined", 1} }

// RoleWithdrawn takes a role away. From then on it gives nothing to whoever still has it.
type RoleWithdrawn struct {
	Role string         `json:"role"`
	From RoleDefinition `json:"from"`
}

func (RoleWithdrawn) kind() Kind { return Kind{"role.withdrawn", 1} }
