package main

import (
	"context"
	"encoding/json"
	"strings"
)

type userAccessCmd struct {
	changes
	memberArg
	Set string `help:"A JSON file with the changes: [{\"account\":ID,\"grants\":[{\"roles\":[…]}]}], null for grants to end a membership." placeholder:"FILE|-"`
}

func (c userAccessCmd) Run(ctx context.Context, io stdio) error {
	api, err := c.changer(io)
	if err != nil {
		return err
	}
	var with body
	if c.Set != "" {
		text, err := io.read(c.Set)
		if err != nil {
			return err
		}
		var list []json.RawMessage
		if err := json.Unmarshal(text, &list); err != nil {
			return usage("%s: want a JSON list of changes", c.Set)
		}
		with = body{"changes": list}
	} else if c.DryRun || c.Confirm || c.IdempotencyKey != "" {
		return usage("nothing is changed without --set")
	}
	user, err := api.member(ctx, c.Account, c.User)
	if err != nil {
		return err
	}
	path := at("accounts", c.Account, "users", user, "access")
	shown := func(raw json.RawMessage) error {
		list, err := listingOf(raw)
		if err != nil {
			return err
		}
		return api.list(list, columns("ACCOUNT", "id", "NAME", "name", "STATUS", "status", "ROLES", "roles", "SINCE", "since"))
	}
	if with != nil {
		return api.do(ctx, put, path, with, shown)
	}
	raw, err := api.get(ctx, path, nil)
	if err != nil {
		return err
	}
	return shown(raw)
}

type userAddCmd struct {
	changes
	grantFlags
	Account string   `arg:"" help:"The account's id."`
	User    string   `arg:"" help:"The user's id."`
	Roles   []string `arg:"" name:"role" help:"The roles that the user has there."`
}

func (c userAddCmd) Run(ctx context.Context, io stdio) error {
	grant, err := c.grant(c.Roles)
	if err != nil {
		return err
	}
	api, err := c.changer(io)
	if err != nil {
		return err
	}
	return api.do(ctx, post, at("accounts", c.Account, "users"), body{"user": c.User, "grants": []body{grant}}, api.showing(memberShown()))
}

type userLockCmd struct {
	changes
	User   string `arg:"" help:"The user's id."`
	Reason string `help:"Why; kept with the fact." placeholder:"TEXT"`
	Force  bool   `help:"Even where an account would have no active owner left."`
}

func (c userLockCmd) Run(ctx context.Context, io stdio) error {
	return c.operatorChange(ctx, io, c.User, "lock", body{}.set("reason", c.Reason).set("force", c.Force))
}

type userUnlockCmd struct {
	changes
	User   string `arg:"" help:"The user's id."`
	Reason string `help:"Why; kept with the fact." placeholder:"TEXT"`
}

func (c userUnlockCmd) Run(ctx context.Context, io stdio) error {
	return c.operatorChange(ctx, io, c.User, "unlock", body{}.set("reason", c.Reason))
}

// operatorChange sends a command on a user, whichever accounts they are in.
func (c changes) operatorChange(ctx context.Context, io stdio, user, verb string, with body) error {
	api, err := c.changer(io)
	if err != nil {
		return err
	}
	return api.do(ctx, post, at("operator", "users", user, verb), with, api.showing(columns("user", "id", "status", "status", "sessions", "sessions")))
}

type userEraseCmd struct {
	changes
	Person string `arg:"" help:"A user's id, or an e-mail address."`
}

// Run erases a user, or whoever an address belongs to.
func (c userEraseCmd) Run(ctx context.Context, io stdio) error {
	api, err := c.changer(io)
	if err != nil {
		return err
	}
	with := body{"user": c.Person}
	if strings.Contains(c.Person, "@") {
		with = body{"email": c.Person}
	}
	return api.do(ctx, post, at("operator", "erase"), with, api.showing(columns("erased", "erased")))
}

type userOwnerCmd struct {
	changes
	Account string `arg:"" help:"The account's id."`
	User    string `arg:"" help:"The user's id."`
}

func (c userOwnerCmd) Run(ctx context.Context, io stdio) error {
	api, err := c.changer(io)
	if err != nil {
		return err
	}
	return api.do(ctx, post, at("operator", "accounts", c.Account, "owner"), body{"user": c.User}, api.showing(memberShown()))
}
