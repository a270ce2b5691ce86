package domain

// Profiles are the portal profiles that come with the program (SPEC 9), "standard" first.
func Profiles() []Definition {
	return []Definition{standardDefinition(), ownerManager(), adminViewer(), masterUser(), modules(), subAccounts()}
}

const week = 7 * 24 * 60 * 60

func standardDefinition() Definition {
	return Definition{
		Name: "standard", Protected: Owner,
		Roles: []RoleDefinition{
			{Name: Owner, Label: "Owner", Permissions: []string{"*"}},
			{Name: Admin, Label: "Admin", Permissions: []string{"*"}},
			{Name: Manager, Label: "Manager", Permissions: []string{"portal:*", "contacts:*", "*:read"}},
			{Name: Viewer, Label: "Viewer", Permissions: []string{"*:read", "!audit:*"}},
		},
	}
}

func ownerManager() Definition {
	return Definition{
		Name: "owner-manager", Protected: Owner, HideInvited: true,
		Roles: []RoleDefinition{
			{Name: Owner, Label: "Owner", Permissions: []string{"*"}},
			{Name: Manager, Label: "Manager", Permissions: []string{"portal:*", "contacts:*", "*:read"}},
		},
		Labels:  map[string]string{"suspended": "Suspended", "revoked": "Revoked"},
		Actions: map[string]string{"suspend": "Disable", "reactivate": "Enable", "revoke": "Revoke"},
	}
}

func adminViewer() Definition {
	return Definition{
		Name: "admin-viewer", Protected: Admin, DefaultRole: Admin, HideRevoked: true, ByAccount: true, ViewOnlyEmail: true, CodeAtSignIn: true,
		Roles: []RoleDefinition{
			{Name: Admin, Label: "Admin", Permissions: []string{"*"}},
			{Name: Viewer, Label: "Viewer", Permissions: []string{"*:read", "!audit:*"}},
			{Name: "developer", Label: "Developer", SameAs: Admin},
			{Name: "finance", Label: "Finance", SameAs: Viewer},
		},
		Labels:  map[string]string{"pending": "Invited"},
		Actions: map[string]string{"suspend": "Suspend", "revoke": "Delete"},
	}
}

func masterUser() Definition {
	return Definition{
		Name: "master-user", Protected: "master", HideRevoked: true, ConfirmRemoval: true,
		Roles: []RoleDefinition{
			{Name: "master", Label: "Master", Permissions: []string{"*"}},
			{Name: "technical", Label: "Technical", Permissions: []string{"portal:*", "*:read", "!audit:*"}},
			{Name: "billing", Label: "Billing", Permissions: []string{"contacts:*", "*:read", "!audit:*"}},
			{Name: Viewer, Label: "Viewer", Permissions: []string{"*:read", "!audit:*"}},
		},
		Labels:       map[string]string{"pending": ""}, // listed, without the badge
		Actions:      map[string]string{"revoke": "Remove User"},
		ContactRoles: []string{"billing", "technical", "security", "legal", "contractual", "marketing"},
	}
}

func modules() Definition {
	return Definition{
		Name: "modules", Protected: Admin, ValidFor: week, Ask: AskPassword, HideRevoked: true,
		Roles: []RoleDefinition{
			{Name: Admin, Label: "Admin", Permissions: []string{"*"}},
			{Name: "user", Label: "User", Permissions: []string{"account:read"}},
		},
		Labels:      map[string]string{"pending": "Invited", "expired": "Invited", "suspended": "Deactivated"},
		Actions:     map[string]string{"suspend": "Deactivate", "reactivate": "Activate", "revoke": "Remove user"},
		Lists:       []string{"pending", "active", "suspended"},
		Reserved:    []string{"pricing:*", "payment:*", "users:*", "roles:*", "policy:*", "keys:*", "audit:*", "contacts:*"},
		ReservedFor: []string{Admin},
	}
}

func subAccounts() Definition {
	return Definition{
		Name: "sub-accounts", Protected: Admin, ValidFor: 2 * week, ActiveOn: OnFirstLogin, HideRevoked: true,
		Roles: []RoleDefinition{
			{Name: Admin, Label: "Admin", Permissions: []string{"*"}},
			{Name: "user", Label: "User", Permissions: []string{"portal:*", "*:read", "!audit:*"}},
			{Name: Viewer, Label: "Viewer", Permissions: []string{"*:read", "!audit:*"}},
		},
	}
}
