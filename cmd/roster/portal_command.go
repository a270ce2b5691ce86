package main

import (
	"context"
	"encoding/json"

	"roster/domain"
	"roster/handlers/api"
)

type portalCmd struct {
	Show   portalShowCmd   `cmd:"" help:"Show the portal profile that applies, as JSON that define takes." example:"roster portal show"`
	List   portalListCmd   `cmd:"" help:"List the portal profiles that come with the program." example:"roster portal list"`
	Define portalDefineCmd `cmd:"" help:"Make a profile that of the portal: accounts opened from now on have it." example:"roster portal define master-user"`
	Adopt  portalAdoptCmd  `cmd:"" help:"Have the portal's profile apply to an account that was opened under another." example:"roster portal adopt 0198c5d4-7e1a-7c3f-9b1d-2f6a8e4c0b57"`
}

type portalShowCmd struct {
	remote
	Name string `arg:"" optional:"" help:"One that comes with the program, instead of the portal's own."`
}

func (c portalShowCmd) Run(ctx context.Context, io stdio) error {
	if c.Name != "" {
		d, err := api.ReadProfile(c.Name, nil)
		if err != nil {
			return usage("%s", err)
		}
		raw, err := json.Marshal(d)
		if err != nil {
			return err
		}
		return io.json(json.RawMessage(raw))
	}
	client, err := c.client(io)
	if err != nil {
		return err
	}
	raw, err := client.get(ctx, at("operator", "portal"), nil)
	if err != nil {
		return err
	}
	var said struct {
		Portal map[string]json.RawMessage `json:"portal"`
	}
	if err := decode(raw, &said); err != nil {
		return err
	}
	delete(said.Portal, "id")
	delete(said.Portal, "version")
	text, err := json.Marshal(said.Portal)
	if err != nil {
		return err
	}
	return io.json(json.RawMessage(text))
}

type portalListCmd struct {
	JSON bool `name:"json" help:"Print one JSON document."`
}

func (c portalListCmd) Run(io stdio) error {
	client := &client{io: io, asJSON: c.JSON}
	var items []json.RawMessage
	for _, d := range domain.Profiles() {
		raw, err := json.Marshal(d)
		if err != nil {
			return err
		}
		items = append(items, raw)
	}
	return client.list(listing{items: items}, columns("PROFILE", "name", "PROTECTED", "protected", "DEFAULT ROLE", "default_role"))
}

type portalDefineCmd struct {
	changes
	File string `arg:"" name:"profile" help:"One that comes with the program, a JSON file, or - for standard input."`
}

func (c portalDefineCmd) Run(ctx context.Context, io stdio) error {
	var d domain.Definition
	var err error
	if c.File == "-" {
		var text []byte
		if text, err = io.read(c.File); err == nil {
			d, err = api.ReadProfile("standard input", text)
		}
	} else {
		d, err = readPortal(c.File)
	}
	if err != nil {
		return usage("%s", err)
	}
	client, err := c.changer(io)
	if err != nil {
		return err
	}
	raw, err := json.Marshal(d)
	if err != nil {
		return err
	}
	with := body{}
	if err := json.Unmarshal(raw, &with); err != nil {
		return err
	}
	return client.do(ctx, put, at("operator", "portal"), with, client.showing(columns("profile", "id", "version", "version", "protected", "protected")))
}

type portalAdoptCmd struct {
	changes
	Account string `arg:"" help:"The account's id."`
}

func (c portalAdoptCmd) Run(ctx context.Context, io stdio) error {
	client, err := c.changer(io)
	if err != nil {
		return err
	}
	return client.do(ctx, post, at("operator", "accounts", c.Account, "adopt"), nil, client.showing(columns("account", "id", "name", "name", "profile", "profile")))
}
