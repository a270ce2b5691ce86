package main

import "context"

type keyCmd struct {
	List   keyListCmd   `cmd:"" help:"List the API keys of an account, personal keys of its members among them." example:"roster key list 0198c5d4-7e1a-7c3f-9b1d-2f6a8e4c0b57"`
	Create keyCreateCmd `cmd:"" help:"Make an API key with roles of its own. Its token is shown this once." example:"roster key create 0198c5d4-7e1a-7c3f-9b1d-2f6a8e4c0b57 'HR sync' --role admin --scope '*:read,users:invite' --expires-at 2027-01-01"`
	Rotate keyRotateCmd `cmd:"" help:"Give an API key another secret, shown this once; the one before works for a while." example:"roster key rotate 0198c5d4-7e1a-7c3f-9b1d-2f6a8e4c0b57 0198c5d9-1a2b-7c3d-8e4f-5a6b7c8d9e0f --overlap PT1H"`
	Revoke keyRevokeCmd `cmd:"" help:"End an API key: it is refused from the next request on." example:"roster key revoke 0198c5d4-7e1a-7c3f-9b1d-2f6a8e4c0b57 0198c5d9-1a2b-7c3d-8e4f-5a6b7c8d9e0f"`
}

type keyListCmd struct {
	remote
	Account string `arg:"" help:"The account's id."`
}

func (c keyListCmd) Run(ctx context.Context, io stdio) error {
	return c.all(ctx, io, nil, columns("ID", "id", "NAME", "name", "OWNER", "owner.name", "ROLES", "roles", "PERMISSIONS", "permissions", "SCOPES", "scopes",
		"STATUS", "status", "CREATED", "created_at", "EXPIRES", "expires_at", "LAST USED", "last_used"), "accounts", c.Account, "keys")
}

func keyShown() []column {
	return columns("id", "id", "name", "name", "roles", "roles", "permissions", "permissions", "scopes", "scopes", "below", "inherit", "on behalf", "on_behalf",
		"expires", "expires_at", "the one before works until", "former_until", "token, shown this once", "token")
}

type keyCreateCmd struct {
	changes
	Account    string   `arg:"" help:"The account's id."`
	Name       string   `arg:"" help:"By which it is known in lists and in the audit trail."`
	Role       []string `help:"Its roles; not the one that makes owners."`
	Permission []string `help:"Permissions beside those of the roles, as module:action."`
	Inherit    bool     `help:"It extends to the accounts below."`
	Scope      []string `help:"Cuts it down to these permissions, or to patterns such as *:read and users:*."`
	ExpiresAt  string   `help:"When it ends; without this it does not." placeholder:"TIME"`
	ActFor     bool     `help:"It may act on behalf of people, in the account. The operator alone makes such keys."`
}

func (c keyCreateCmd) Run(ctx context.Context, io stdio) error {
	with := body{"name": c.Name}.set("roles", c.Role).set("permissions", c.Permission).set("inherit", c.Inherit).set("scopes", c.Scope).set("on_behalf", c.ActFor)
	expires, err := timeOf(c.ExpiresAt)
	if err != nil {
		return err
	}
	with.set("expires_at", expires)
	api, err := c.changer(io)
	if err != nil {
		return err
	}
	return api.do(ctx, post, at("accounts", c.Account, "keys"), with, api.showing(keyShown()))
}

type keyRotateCmd struct {
	changes
	Account string `arg:"" help:"The account's id."`
	ID      string `arg:"" help:"The key's id."`
	Overlap string `help:"For how long the secret before works: up to P7D, PT0S for not at all; PT24H where none is said." placeholder:"DURATION"`
}

func (c keyRotateCmd) Run(ctx context.Context, io stdio) error {
	api, err := c.changer(io)
	if err != nil {
		return err
	}
	return api.do(ctx, post, at("accounts", c.Account, "keys", c.ID, "rotate"), body{}.set("overlap", c.Overlap), api.showing(keyShown()))
}

type keyRevokeCmd struct {
	changes
	Account string `arg:"" help:"The account's id."`
	ID      string `arg:"" help:"The key's id."`
}

func (c keyRevokeCmd) Run(ctx context.Context, io stdio) error {
	api, err := c.changer(io)
	if err != nil {
		return err
	}
	return api.do(ctx, remove, at("accounts", c.Account, "keys", c.ID), nil, api.showing(columns("revoked", "id")))
}
