package main

import (
	"context"
	"encoding/csv"
	"errors"
	stdlib "io"
	"net/url"
	"strings"

	"roster/domain"
	"roster/handlers/address"
)

type inviteCmd struct {
	changes
	Account    string   `arg:"" help:"The account's id."`
	Addresses  []string `arg:"" optional:"" name:"address" help:"Whom to invite: addresses, each optionally as 'Name <address>'."`
	Role       []string `help:"The roles in the account; where none is named, the policy's default."`
	Permission []string `help:"Permissions beside those of the roles, as module:action."`
	Inherit    bool     `help:"Extend it to sub-accounts."`
	Grant      []string `help:"Roles in another account as well; can be said more than once." placeholder:"ACCOUNT:ROLE[,ROLE]" sep:"none"`
	ValidFor   string   `help:"How long the link works: an ISO 8601 duration of 1 hour to 90 days." placeholder:"P7D"`
	File       string   `help:"A CSV file of addresses: with the columns email, and name or first_name and last_name, if its first line says so, else with the address first." placeholder:"FILE|-"`
}

// Run invites in as few commands as the server takes, so that one can be undone as a whole.
func (c inviteCmd) Run(ctx context.Context, io stdio) error {
	with, err := c.body()
	if err != nil {
		return err
	}
	people := c.Addresses
	if c.File != "" {
		raw, err := io.read(c.File)
		if err != nil {
			return err
		}
		listed, err := fromCSV(string(raw))
		if err != nil {
			return usage("%s: %v", c.File, err)
		}
		people = append(people, listed...)
	}
	parts := partsOf(people)
	if len(parts) == 0 {
		return usage("name at least one address, or --file")
	}
	api, err := c.changer(io)
	if err != nil {
		return err
	}
	done, err := api.invite(ctx, with, c.Account, parts)
	cols := columns("ADDRESS", "email", "OUTCOME", "outcome", "CODE", "code", "INVITATION", "invitation", "ACCOUNTS", "accounts")
	if len(done) == 0 {
		return err
	}
	return errors.Join(err, api.outcomes(done, cols))
}

// invite sends a command for each part. What was done before one failed stays done, and is answered.
func (c *changer) invite(ctx context.Context, with body, account string, parts [][]string) (done []changed, err error) {
	telling := c.io.progress()
	defer telling.end()
	total, before := 0, 0
	for _, part := range parts {
		total += len(part)
	}
	for _, part := range parts {
		telling.say("inviting: %d of %d sent, %d more on the way", before, total, len(part))
		with["emails"] = part
		one, err := c.send(ctx, post, at("accounts", account, "invitations"), with)
		if err != nil {
			return done, err
		}
		done = append(done, one)
		before += len(part)
	}
	return done, nil
}

// body is what is granted, and for how long the link works.
func (c inviteCmd) body() (body, error) {
	own := body{}.set("roles", c.Role).set("permissions", c.Permission).set("inherit", c.Inherit)
	if len(c.Grant) == 0 {
		return own.set("valid_for", c.ValidFor), nil
	}
	var grants []body
	if len(own) > 0 {
		own["account"] = c.Account
		grants = append(grants, own)
	}
	for _, text := range c.Grant {
		account, roles, ok := strings.Cut(text, ":")
		if !ok || account == "" || roles == "" {
			return nil, usage("--grant %q: want ACCOUNT:ROLE, or ACCOUNT:ROLE,ROLE", text)
		}
		grants = append(grants, body{"account": account, "roles": strings.Split(roles, ",")}.set("inherit", c.Inherit))
	}
	return body{"grants": grants}.set("valid_for", c.ValidFor), nil
}

// partsOf cuts addresses into as many as one command takes. Those that are the same collapse to the first, as they
// would within one command.
func partsOf(people []string) [][]string {
	var parts [][]string
	for i, e := range address.ParseList(strings.Join(people, "\n")) {
		if i%domain.MaxInvitees == 0 {
			parts = append(parts, nil)
		}
		last := len(parts) - 1
		parts[last] = append(parts[last], typed(e))
	}
	return parts
}

// typed is an entry as it could have been typed.
func typed(e address.Entry) string {
	switch {
	case e.Email == "":
		return e.Typed
	case e.First == "" && e.Last == "":
		return e.Email
	case e.Last == "":
		return named(e.First, e.Email)
	}
	return named(e.Last+", "+e.First, e.Email)
}

// named is an address with a name; in quotes a comma ends nothing.
func named(name, email string) string {
	return `"` + strings.Join(strings.Fields(strings.ReplaceAll(name, `"`, "")), " ") + `" <` + email + ">"
}

// fromCSV reads a CSV file of addresses. A first line that names a column email says where everything is; without it
// the address stands first.
func fromCSV(text string) ([]string, error) {
	rows := csv.NewReader(strings.NewReader(strings.TrimPrefix(text, "\ufeff")))
	rows.FieldsPerRecord, rows.TrimLeadingSpace, rows.LazyQuotes = -1, true, true
	if first, _, _ := strings.Cut(text, "\n"); strings.Count(first, ";") > strings.Count(first, ",") {
		rows.Comma = ';'
	}
	var people []string
	var titles map[string]int
	for n := 0; ; n++ {
		row, err := rows.Read()
		if errors.Is(err, stdlib.EOF) {
			return people, nil
		}
		if err != nil {
			return nil, err
		}
		if n == 0 {
			if titles = titlesOf(row); titles != nil {
				continue
			}
		}
		if one := person(row, titles); one != "" {
			people = append(people, one)
		}
	}
}

// titlesOf says which column is what, nil where the row is no header.
func titlesOf(row []string) map[string]int {
	titles := map[string]int{}
	for i, title := range row {
		title = strings.NewReplacer(" ", "_", "-", "_").Replace(strings.ToLower(strings.TrimSpace(title)))
		switch title {
		case "e_mail", "email_address", "mail", "address":
			title = "email"
		}
		titles[title] = i
	}
	if _, ok := titles["email"]; !ok {
		return nil
	}
	return titles
}

// person is a row as it could have been typed.
func person(row []string, titles map[string]int) string {
	cell := func(title string) string {
		if i, ok := titles[title]; ok && i < len(row) {
			return strings.TrimSpace(row[i])
		}
		return ""
	}
	if titles == nil {
		return strings.TrimSpace(row[0])
	}
	email, name := cell("email"), cell("name")
	if first, last := cell("first_name"), cell("last_name"); first != "" && last != "" {
		name = last + ", " + first
	} else if first+last != "" {
		name = first + last
	}
	if email == "" || name == "" || strings.ContainsAny(email, "<>,; ") {
		return email
	}
	return named(name, email)
}

type invitationCmd struct {
	List   invitationListCmd   `cmd:"" help:"List the invitations into an account, the newest first." example:"roster invitation list 0198c5d4-7e1a-7c3f-9b1d-2f6a8e4c0b57 --status pending,expired"`
	Show   invitationShowCmd   `cmd:"" help:"Show an invitation." example:"roster invitation show 0198c5d4-7e1a-7c3f-9b1d-2f6a8e4c0b57 0198c5d6-2b3c-7d4e-8f5a-6b7c8d9e0f1a"`
	Resend invitationResendCmd `cmd:"" help:"Send a new link with a new validity; older links stop working." example:"roster invitation resend 0198c5d4-7e1a-7c3f-9b1d-2f6a8e4c0b57 0198c5d6-2b3c-7d4e-8f5a-6b7c8d9e0f1a"`
	Revoke invitationRevokeCmd `cmd:"" help:"Stop the link of an invitation at once." example:"roster invitation revoke 0198c5d4-7e1a-7c3f-9b1d-2f6a8e4c0b57 0198c5d6-2b3c-7d4e-8f5a-6b7c8d9e0f1a"`
}

type invitationListCmd struct {
	remote
	Account string   `arg:"" help:"The account's id."`
	Status  []string `help:"Any of pending, expired, accepted, declined, revoked." enum:"pending,expired,accepted,declined,revoked"`
	Limit   int      `help:"At most so many; 0 for all." default:"0" placeholder:"N"`
}

func (c invitationListCmd) Run(ctx context.Context, io stdio) error {
	api, err := c.client(io)
	if err != nil {
		return err
	}
	query := url.Values{}
	if len(c.Status) > 0 {
		query.Set("status", strings.Join(c.Status, ","))
	}
	list, err := api.pages(ctx, at("accounts", c.Account, "invitations"), query, c.Limit)
	if err != nil {
		return err
	}
	return api.list(list, columns("ID", "id", "EMAIL", "email", "STATUS", "status", "DELIVERY", "delivery", "ROLES", "roles", "EXPIRES", "expires_at"))
}

// invitationArg names an invitation of an account.
type invitationArg struct {
	Account    string `arg:"" help:"The account's id."`
	Invitation string `arg:"" help:"The invitation's id."`
}

type invitationShowCmd struct {
	remote
	invitationArg
}

func (c invitationShowCmd) Run(ctx context.Context, io stdio) error {
	return c.one(ctx, io, columns("id", "id", "email", "email", "name", "name", "status", "status", "delivery", "delivery", "reason", "delivery_reason", "roles", "roles",
		"invited by", "invited_by", "created", "created_at", "sent", "sent_at", "expires", "expires_at"), "accounts", c.Account, "invitations", c.Invitation)
}

type invitationResendCmd struct {
	changes
	invitationArg
}

func (c invitationResendCmd) Run(ctx context.Context, io stdio) error {
	return c.invitationChange(ctx, io, c.invitationArg, "resend")
}

type invitationRevokeCmd struct {
	changes
	invitationArg
}

func (c invitationRevokeCmd) Run(ctx context.Context, io stdio) error {
	return c.invitationChange(ctx, io, c.invitationArg, "revoke")
}

func (c changes) invitationChange(ctx context.Context, io stdio, to invitationArg, verb string) error {
	api, err := c.changer(io)
	if err != nil {
		return err
	}
	return api.do(ctx, post, at("accounts", to.Account, "invitations", to.Invitation, verb), nil,
		api.showing(columns("id", "id", "account", "account", "status", "status", "delivery", "delivery", "roles", "roles", "expires", "expires_at")))
}
