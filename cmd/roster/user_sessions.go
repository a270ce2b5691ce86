package main

import "context"

type userSessionListCmd struct {
	remote
	User string `arg:"" help:"The user's id."`
}

func (c userSessionListCmd) Run(ctx context.Context, io stdio) error {
	api, err := c.client(io)
	if err != nil {
		return err
	}
	list, err := api.one(ctx, at("operator", "users", c.User, "sessions"), nil)
	if err != nil {
		return err
	}
	return api.list(list, columns("ID", "id", "DEVICE", "device", "IP", "ip", "PLACE", "place", "PORTAL", "portal", "OPENED BY", "opened_by", "2FA", "two_factor",
		"STARTED", "started_at", "LAST SEEN", "last_seen", "EXPIRES", "expires_at"))
}

type userSessionsCmd struct {
	changes
	User string `arg:"" help:"The user's id."`
}

func (c userSessionsCmd) Run(ctx context.Context, io stdio) error {
	return c.operatorChange(ctx, io, c.User, "end-sessions", nil)
}

type userOpenSessionCmd struct {
	changes
	User    string `arg:"" help:"The user's id."`
	Account string `help:"The one account, with what is below it, that it is to be good for." placeholder:"ID"`
	TTL     string `name:"ttl" help:"How long, from PT1M to PT12H; an hour where nothing is said." placeholder:"DURATION"`
}

func (c userOpenSessionCmd) Run(ctx context.Context, io stdio) error {
	api, err := c.changer(io)
	if err != nil {
		return err
	}
	with := body{"user": c.User}.set("account", c.Account).set("ttl", c.TTL)
	return api.do(ctx, post, at("operator", "sessions"), with, api.showing(columns("session", "id", "user", "user", "expires", "expires_at", "token", "token")))
}

type userResetCmd struct {
	changes
	User string `arg:"" help:"The user's id."`
}

func (c userResetCmd) Run(ctx context.Context, io stdio) error {
	api, err := c.changer(io)
	if err != nil {
		return err
	}
	return api.do(ctx, post, at("operator", "users", c.User, "reset-factors"), nil, api.showing(columns("user", "id")))
}
