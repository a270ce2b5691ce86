package main

import (
	"context"
	"encoding/json"
	"net/url"
	"strings"
)

type roleCmd struct {
	List     roleListCmd     `cmd:"" help:"List the roles of an account: built in, its own, and those of accounts above." example:"roster role list 0198c5d4-7e1a-7c3f-9b1d-2f6a8e4c0b57"`
	Define   roleDefineCmd   `cmd:"" help:"Define a role for an account and what is below it, or replace its definition." example:"roster role define 0198c5d4-7e1a-7c3f-9b1d-2f6a8e4c0b57 support --label Support --permission users:read,audit:read"`
	Withdraw roleWithdrawCmd `cmd:"" help:"Take a role away: whoever still has it has nothing by it." example:"roster role withdraw 0198c5d4-7e1a-7c3f-9b1d-2f6a8e4c0b57 support"`
}

type roleListCmd struct {
	remote
	Account string `arg:"" help:"The account's id."`
}

func (c roleListCmd) Run(ctx context.Context, io stdio) error {
	return c.all(ctx, io, nil, columns("ROLE", "id", "LABEL", "label", "BUILT IN", "built_in", "DEFINED IN", "defined_in", "PERMISSIONS", "permissions"), "accounts", c.Account, "roles")
}

type roleDefineCmd struct {
	changes
	Account    string   `arg:"" help:"The account's id."`
	Role       string   `arg:"" help:"The role's name."`
	Label      string   `help:"What people read." placeholder:"TEXT"`
	Permission []string `required:"" help:"What the role may do, as module:action."`
}

func (c roleDefineCmd) Run(ctx context.Context, io stdio) error {
	api, err := c.changer(io)
	if err != nil {
		return err
	}
	return api.do(ctx, put, at("accounts", c.Account, "roles", c.Role), body{"permissions": c.Permission}.set("label", c.Label),
		api.showing(columns("role", "id", "label", "label", "defined in", "defined_in", "permissions", "permissions")))
}

type roleWithdrawCmd struct {
	changes
	Account string `arg:"" help:"The account's id."`
	Role    string `arg:"" help:"The role's name."`
}

func (c roleWithdrawCmd) Run(ctx context.Context, io stdio) error {
	api, err := c.changer(io)
	if err != nil {
		return err
	}
	return api.do(ctx, remove, at("accounts", c.Account, "roles", c.Role), nil, api.showing(columns("withdrawn", "id")))
}

type moduleCmd struct {
	List    moduleListCmd    `cmd:"" help:"List the portal's modules and their actions." example:"roster module list"`
	Declare moduleDeclareCmd `cmd:"" help:"Replace the portal's modules by those of a JSON file." example:"roster module declare modules.json"`
}

type moduleListCmd struct{ remote }

func (c moduleListCmd) Run(ctx context.Context, io stdio) error {
	api, err := c.client(io)
	if err != nil {
		return err
	}
	raw, err := api.get(ctx, at("operator", "modules"), nil)
	if err != nil {
		return err
	}
	return api.modules(raw)
}

// modules shows what the portal has.
func (c *client) modules(raw json.RawMessage) error {
	if c.asJSON {
		return c.io.json(raw)
	}
	var said struct {
		Modules []json.RawMessage `json:"modules"`
	}
	if err := decode(raw, &said); err != nil {
		return err
	}
	return c.list(listing{items: said.Modules}, columns("MODULE", "name", "LABEL", "label", "ACTIONS", "actions"))
}

type moduleDeclareCmd struct {
	changes
	File string `arg:"" name:"file" help:"A JSON file such as {\"modules\":[{\"name\":\"pricing\",\"label\":\"Prices\",\"actions\":[\"read\",\"change\"]}]}; - for standard input."`
}

func (c moduleDeclareCmd) Run(ctx context.Context, io stdio) error {
	text, err := io.read(c.File)
	if err != nil {
		return err
	}
	var with body
	var list []json.RawMessage
	switch {
	case json.Unmarshal(text, &list) == nil && list != nil:
		with = body{"modules": list}
	case json.Unmarshal(text, &with) != nil || with == nil:
		return usage("%s: want a JSON object with modules", c.File)
	}
	api, err := c.changer(io)
	if err != nil {
		return err
	}
	return api.do(ctx, put, at("operator", "modules"), with, api.modules)
}

type contactCmd struct {
	List   contactListCmd   `cmd:"" help:"List the contacts of an account." example:"roster contact list 0198c5d4-7e1a-7c3f-9b1d-2f6a8e4c0b57 --role security"`
	Add    contactAddCmd    `cmd:"" help:"Add a contact, who is told and is no user by it." example:"roster contact add 0198c5d4-7e1a-7c3f-9b1d-2f6a8e4c0b57 --name 'Pat Bill' --email bills@northwind.example --role billing"`
	Change contactChangeCmd `cmd:"" help:"Change a contact; what is not named stays." example:"roster contact change 0198c5d4-7e1a-7c3f-9b1d-2f6a8e4c0b57 0198c5d7-3c4d-7e5f-8a6b-7c8d9e0f1a2b --phone '+44 20 7946 0018'"`
	Remove contactRemoveCmd `cmd:"" help:"Remove a contact." example:"roster contact remove 0198c5d4-7e1a-7c3f-9b1d-2f6a8e4c0b57 0198c5d7-3c4d-7e5f-8a6b-7c8d9e0f1a2b"`
}

type contactListCmd struct {
	remote
	Account string   `arg:"" help:"The account's id."`
	Role    []string `help:"Any of billing, technical, security, legal, contractual, marketing."`
}

func (c contactListCmd) Run(ctx context.Context, io stdio) error {
	query := url.Values{}
	if len(c.Role) > 0 {
		query.Set("role", strings.Join(c.Role, ","))
	}
	return c.all(ctx, io, query, columns("ID", "id", "NAME", "name", "EMAIL", "email", "PHONE", "phone", "ROLES", "roles"), "accounts", c.Account, "contacts")
}

func contactShown() []column {
	return columns("id", "id", "name", "name", "email", "email", "phone", "phone", "roles", "roles")
}

type contactAddCmd struct {
	changes
	Account string   `arg:"" help:"The account's id."`
	Name    string   `required:"" help:"The person's name." placeholder:"NAME"`
	Email   string   `required:"" help:"Where mails go." placeholder:"ADDRESS"`
	Phone   string   `help:"The telephone number." placeholder:"NUMBER"`
	Role    []string `required:"" help:"What the person is told about: billing, technical, security, legal, contractual, marketing."`
}

func (c contactAddCmd) Run(ctx context.Context, io stdio) error {
	api, err := c.changer(io)
	if err != nil {
		return err
	}
	with := body{"name": c.Name, "email": c.Email, "roles": c.Role}.set("phone", c.Phone)
	return api.do(ctx, post, at("accounts", c.Account, "contacts"), with, api.showing(contactShown()))
}

type contactChangeCmd struct {
	changes
	Account string   `arg:"" help:"The account's id."`
	Contact string   `arg:"" help:"The contact's id."`
	Name    *string  `help:"The person's name." placeholder:"NAME"`
	Email   *string  `help:"Where mails go." placeholder:"ADDRESS"`
	Phone   *string  `help:"The telephone number; empty for none." placeholder:"NUMBER"`
	Role    []string `help:"What the person is told about, replacing all that was."`
}

func (c contactChangeCmd) Run(ctx context.Context, io stdio) error {
	with := body{}.set("roles", c.Role)
	for name, value := range map[string]*string{"name": c.Name, "email": c.Email, "phone": c.Phone} {
		if value != nil {
			with[name] = *value
		}
	}
	if len(with) == 0 {
		return usage("say what to change: --name, --email, --phone or --role")
	}
	api, err := c.changer(io)
	if err != nil {
		return err
	}
	return api.do(ctx, patch, at("accounts", c.Account, "contacts", c.Contact), with, api.showing(contactShown()))
}

type contactRemoveCmd struct {
	changes
	Account string `arg:"" help:"The account's id."`
	Contact string `arg:"" help:"The contact's id."`
}

func (c contactRemoveCmd) Run(ctx context.Context, io stdio) error {
	api, err := c.changer(io)
	if err != nil {
		return err
	}
	return api.do(ctx, remove, at("accounts", c.Account, "contacts", c.Contact), nil, api.showing(columns("removed", "id")))
}

type undoCmd struct {
	changes
	Account string `arg:"" help:"An account in which the command did something."`
	Command string `arg:"" help:"The command's id, as it was told, or command_id of an entry of the audit trail."`
}

func (c undoCmd) Run(ctx context.Context, io stdio) error {
	api, err := c.changer(io)
	if err != nil {
		return err
	}
	return api.do(ctx, post, at("accounts", c.Account, "undo"), body{"command": c.Command}, api.showing(columns("undone", "undoes", "by command", "id")))
}

type checkCmd struct {
	remote
	User       string `arg:"" help:"The user's id, or the e-mail address that they have in the account."`
	Permission string `arg:"" help:"What they want to do, as module:action."`
	Account    string `arg:"" help:"The account's id."`
}

// checked is what the server says of a permission.
type checked struct {
	Allowed bool `json:"allowed"`
	Because []struct {
		Account    string  `json:"account"`
		Inherited  bool    `json:"inherited"`
		Role       *string `json:"role"`
		ValidUntil string  `json:"valid_until"`
		Position   uint64  `json:"position"`
	} `json:"because"`
	Missing *string  `json:"missing"`
	Roles   []string `json:"roles"`
}

// Run says whether and why, and ends with 1 where not.
func (c checkCmd) Run(ctx context.Context, io stdio) error {
	api, err := c.client(io)
	if err != nil {
		return err
	}
	user, err := api.member(ctx, c.Account, c.User)
	if err != nil {
		return err
	}
	a, err := api.ask(ctx, question{method: post, path: at("check"), body: body{"user": user, "permission": c.Permission, "account": c.Account}})
	if err != nil {
		return err
	}
	var said checked
	if err := decode(a.body, &said); err != nil {
		return err
	}
	if c.JSON {
		err = io.json(json.RawMessage(a.body))
	} else {
		err = said.print(io)
	}
	if err == nil && !said.Allowed {
		err = exit(exitRefused)
	}
	return err
}

func (s checked) print(io stdio) error {
	if !s.Allowed {
		why := ""
		if s.Missing != nil {
			why = printable(*s.Missing)
		}
		if err := io.say("not allowed: %s", missing(why)); err != nil || len(s.Roles) == 0 {
			return err
		}
		return io.say("  roles there: %s", printable(strings.Join(s.Roles, ", ")))
	}
	if err := io.say("allowed"); err != nil {
		return err
	}
	for _, b := range s.Because {
		by := "granted directly"
		if b.Role != nil {
			by = "by the role " + printable(*b.Role)
		}
		by += " in " + printable(b.Account)
		if b.Inherited {
			by += ", an account above"
		}
		if b.ValidUntil != "" {
			by += ", until " + printable(text(b.ValidUntil))
		}
		if err := io.say("  %s, since position %d", by, b.Position); err != nil {
			return err
		}
	}
	return nil
}

// missing says in words why somebody is not allowed.
func missing(code string) string {
	switch code {
	case "permission":
		return "no role there gives this permission"
	case "membership":
		return "there is no membership there"
	case "suspended":
		return "the membership is suspended"
	case "pending":
		return "the membership is not active yet"
	case "locked":
		return "the user is locked"
	case "not_now":
		return "the grant is not valid at this time"
	case "account_closed":
		return "the account is closed"
	}
	return code
}
