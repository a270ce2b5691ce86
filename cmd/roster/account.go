package main

import (
	"context"
	"encoding/json"
	"errors"
	"maps"
	"net/mail"
	"net/url"
	"slices"
	"strings"
)

type accountCmd struct {
	List   accountListCmd   `cmd:"" help:"List accounts: with the operator's key all of them, else one's own." example:"roster account list --q northwind"`
	Open   accountOpenCmd   `cmd:"" help:"Open a root account, or a sub-account with --parent." example:"roster account open Northwind --owner 'Ann Lee <ann@northwind.example>'"`
	Show   accountShowCmd   `cmd:"" help:"Show an account and what one may do in it." example:"roster account show 0198c5d4-7e1a-7c3f-9b1d-2f6a8e4c0b57"`
	Rename accountRenameCmd `cmd:"" help:"Rename an account." example:"roster account rename 0198c5d4-7e1a-7c3f-9b1d-2f6a8e4c0b57 'Northwind Hosting'"`
	Move   accountMoveCmd   `cmd:"" help:"Move an account to below another one, or to the root." example:"roster account move 0198c5d4-7e1a-7c3f-9b1d-2f6a8e4c0b57 --to root"`
	Close  accountCloseCmd  `cmd:"" help:"Close an account for good: nobody has access to it, nor to what is below it." example:"roster account close 0198c5d4-7e1a-7c3f-9b1d-2f6a8e4c0b57 --dry-run"`
	Tree   accountTreeCmd   `cmd:"" help:"Show an account and all that is below it." example:"roster account tree 0198c5d4-7e1a-7c3f-9b1d-2f6a8e4c0b57"`
	Policy accountPolicyCmd `cmd:"" help:"Show the policy of an account, or replace it with --set." example:"roster account policy 0198c5d4-7e1a-7c3f-9b1d-2f6a8e4c0b57 --set policy.json"`
}

type accountListCmd struct {
	remote
	Q     string `help:"Part of the name; with the operator's key." placeholder:"TEXT"`
	Limit int    `help:"At most so many; 0 for all." default:"0" placeholder:"N"`
}

// Run lists every account where the operator asks. Everybody else has those that they have access to.
func (c accountListCmd) Run(ctx context.Context, io stdio) error {
	api, err := c.client(io)
	if err != nil {
		return err
	}
	if !strings.HasPrefix(api.Key, "ro_") || c.OnBehalf != "" {
		if c.Q != "" {
			return usage("--q searches all accounts, which is the operator's")
		}
		own, err := api.one(ctx, at("accounts"), nil)
		if err != nil {
			return err
		}
		if c.Limit > 0 && len(own.items) > c.Limit {
			own.items = own.items[:c.Limit]
		}
		return api.list(own, columns("ID", "id", "NAME", "name", "PARENT", "parent", "CLOSED", "closed", "ROLES", "roles"))
	}
	query := url.Values{}
	if c.Q != "" {
		query.Set("q", c.Q)
	}
	all, err := api.pages(ctx, at("operator", "accounts"), query, c.Limit)
	if err != nil {
		return api.notThere(err, "list all accounts")
	}
	return api.list(all, columns("ID", "id", "NAME", "name", "PARENT", "parent", "CLOSED", "closed", "OPENED", "opened_at"))
}

// notThere says of a path that a server does not have what that means.
func (c *client) notThere(err error, what string) error {
	var refused *problem
	if errors.As(err, &refused) && refused.Code == "not_found" && strings.Contains(refused.Detail, "no such path") {
		refused.hint = "the Roster at " + c.Endpoint + " does not " + what + ": is it older than this program?"
	}
	return err
}

type accountOpenCmd struct {
	changes
	Name   string `arg:"" help:"What it is called."`
	Parent string `help:"The account that it is to stand below." placeholder:"ID"`
	Owner  string `help:"Who is invited as owner: an address, or Name <address>." placeholder:"EMAIL"`
}

func (c accountOpenCmd) Run(ctx context.Context, io stdio) error {
	api, err := c.changer(io)
	if err != nil {
		return err
	}
	with := body{"name": c.Name}.set("parent", c.Parent)
	if c.Owner != "" {
		with["owner"] = owner(c.Owner)
	}
	return api.do(ctx, post, at("accounts"), with, api.showing(columns("id", "id", "name", "name", "parent", "parent", "opened", "opened_at", "owner's invitation", "invitation")))
}

// owner is a person as an address, or with a name: the last word is the last name.
func owner(text string) body {
	to, err := mail.ParseAddress(text)
	if err != nil {
		return body{"email": text} // the server says what is wrong with it
	}
	first, last := to.Name, ""
	if i := strings.LastIndexByte(to.Name, ' '); i >= 0 {
		first, last = to.Name[:i], to.Name[i+1:]
	}
	return body{"email": to.Address}.set("first_name", first).set("last_name", last)
}

// accountShown are the fields of an account.
func accountShown() []column {
	return columns("id", "id", "name", "name", "parent", "parent", "opened", "opened_at", "closed", "closed", "profile", "profile", "your roles", "roles", "your permissions", "permissions")
}

type accountShowCmd struct {
	remote
	Account string `arg:"" help:"Its id."`
}

func (c accountShowCmd) Run(ctx context.Context, io stdio) error {
	return c.one(ctx, io, accountShown(), "accounts", c.Account)
}

type accountRenameCmd struct {
	changes
	Account string `arg:"" help:"Its id."`
	Name    string `arg:"" help:"What it is called from now on."`
}

func (c accountRenameCmd) Run(ctx context.Context, io stdio) error {
	api, err := c.changer(io)
	if err != nil {
		return err
	}
	return api.do(ctx, patch, at("accounts", c.Account), body{"name": c.Name}, api.showing(accountShown()))
}

type accountMoveCmd struct {
	changes
	Account string `arg:"" help:"Its id."`
	To      string `required:"" help:"The account to stand below, or root." placeholder:"ID|root"`
}

func (c accountMoveCmd) Run(ctx context.Context, io stdio) error {
	api, err := c.changer(io)
	if err != nil {
		return err
	}
	to := c.To
	switch to {
	case "root":
		to = ""
	case "":
		return usage("--to: name an account, or root")
	}
	return api.do(ctx, patch, at("accounts", c.Account), body{"parent": to}, api.showing(accountShown()))
}

type accountCloseCmd struct {
	changes
	Account string `arg:"" help:"Its id."`
}

func (c accountCloseCmd) Run(ctx context.Context, io stdio) error {
	api, err := c.changer(io)
	if err != nil {
		return err
	}
	return api.do(ctx, post, at("accounts", c.Account, "close"), nil, api.showing(accountShown()))
}

type accountTreeCmd struct {
	remote
	Account string `arg:"" help:"Where the tree begins."`
}

func (c accountTreeCmd) Run(ctx context.Context, io stdio) error {
	api, err := c.client(io)
	if err != nil {
		return err
	}
	raw, err := api.get(ctx, at("accounts", c.Account, "tree"), nil)
	if err != nil {
		return api.notThere(err, "show trees")
	}
	if c.JSON {
		return io.json(raw)
	}
	var tree struct {
		Items []branch `json:"items"`
	}
	if err := decode(raw, &tree); err != nil {
		return err
	}
	t := newTable("NAME", "ID", "CLOSED")
	grow(t, tree.Items)
	return t.print(io)
}

// branch is an account in a tree.
type branch struct {
	ID     string  `json:"id"`
	Name   string  `json:"name"`
	Parent *string `json:"parent"`
	Closed bool    `json:"closed"`
}

// grow writes accounts down, each below the one that it stands below.
func grow(t *table, items []branch) {
	below := map[string][]branch{}
	known := map[string]bool{}
	for _, one := range items {
		known[one.ID] = true
	}
	for _, one := range items {
		parent := ""
		if one.Parent != nil && known[*one.Parent] {
			parent = *one.Parent
		}
		below[parent] = append(below[parent], one)
	}
	var walk func(parent, indent string)
	walk = func(parent, indent string) {
		for _, one := range below[parent] {
			t.row(indent+one.Name, one.ID, text(one.Closed))
			walk(one.ID, indent+"  ")
		}
	}
	walk("", "")
}

type accountPolicyCmd struct {
	changes
	Account string `arg:"" help:"Its id."`
	Set     string `help:"A JSON file with the account's own policy, such as --json prints it; what is left out is inherited." placeholder:"FILE|-"`
}

// Run shows what applies in an account, or replaces what the account has set itself.
func (c accountPolicyCmd) Run(ctx context.Context, io stdio) error {
	api, err := c.changer(io)
	if err != nil {
		return err
	}
	path := at("accounts", c.Account, "policy")
	if c.Set == "" {
		if c.DryRun || c.Confirm || c.IdempotencyKey != "" {
			return usage("nothing is changed without --set")
		}
		raw, err := api.get(ctx, path, nil)
		if err != nil {
			return err
		}
		return api.policies(raw)
	}
	raw, err := io.object(c.Set)
	if err != nil {
		return err
	}
	with := body{}
	for name, value := range raw {
		with[name] = value
	}
	if own, ok := raw["own"]; ok { // what --json has printed
		with = body{}
		if err := json.Unmarshal(own, &with); err != nil {
			return usage("%s: own is no JSON object", c.Set)
		}
	}
	return api.do(ctx, put, path, with, api.policies)
}

// object reads a JSON object.
func (s stdio) object(path string) (map[string]json.RawMessage, error) {
	text, err := s.read(path)
	if err != nil {
		return nil, err
	}
	var object map[string]json.RawMessage
	if err := json.Unmarshal(text, &object); err != nil || object == nil {
		return nil, usage("%s: want a JSON object", path)
	}
	return object, nil
}

// policies shows what an account has set beside what applies in it.
func (c *client) policies(raw json.RawMessage) error {
	if c.asJSON {
		return c.io.json(raw)
	}
	var both struct{ Own, Effective json.RawMessage }
	if err := decode(raw, &both); err != nil {
		return err
	}
	own, err := flat(both.Own)
	if err != nil {
		return err
	}
	effective, err := flat(both.Effective)
	if err != nil {
		return err
	}
	all := maps.Clone(effective)
	maps.Copy(all, own)
	t := newTable("RULE", "HERE", "APPLIES")
	for _, name := range slices.Sorted(maps.Keys(all)) {
		t.row(name, own[name], effective[name])
	}
	return t.print(c.io)
}

// one is what a show command does: it asks for one thing and prints it.
func (r remote) one(ctx context.Context, io stdio, cols []column, parts ...string) error {
	api, err := r.client(io)
	if err != nil {
		return err
	}
	raw, err := api.get(ctx, at(parts...), nil)
	if err != nil {
		return err
	}
	return api.show(raw, cols)
}

// all is what a list command does whose list the server answers whole.
func (r remote) all(ctx context.Context, io stdio, query url.Values, cols []column, parts ...string) error {
	api, err := r.client(io)
	if err != nil {
		return err
	}
	list, err := api.one(ctx, at(parts...), query)
	if err != nil {
		return err
	}
	return api.list(list, cols)
}
