package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"net/url"
	"strings"
	"time"
)

type userCmd struct {
	List         userListCmd        `cmd:"" help:"List the users of an account, members and open invitations." example:"roster user list 0198c5d4-7e1a-7c3f-9b1d-2f6a8e4c0b57 --status active --role admin"`
	Show         userShowCmd        `cmd:"" help:"Show a member." example:"roster user show 0198c5d4-7e1a-7c3f-9b1d-2f6a8e4c0b57 ann@northwind.example"`
	Role         userRoleCmd        `cmd:"" help:"Replace the roles of a member." example:"roster user role 0198c5d4-7e1a-7c3f-9b1d-2f6a8e4c0b57 ann@northwind.example admin"`
	Suspend      userSuspendCmd     `cmd:"" help:"Take a member's access until reactivated." example:"roster user suspend 0198c5d4-7e1a-7c3f-9b1d-2f6a8e4c0b57 ann@northwind.example --reason 'On leave'"`
	Reactivate   userReactivateCmd  `cmd:"" help:"Give a suspended member the roles held before." example:"roster user reactivate 0198c5d4-7e1a-7c3f-9b1d-2f6a8e4c0b57 ann@northwind.example"`
	Revoke       userRevokeCmd      `cmd:"" help:"End a membership; the person can be invited again." example:"roster user revoke 0198c5d4-7e1a-7c3f-9b1d-2f6a8e4c0b57 ann@northwind.example --reason 'Contract ended'"`
	Bulk         userBulkCmd        `cmd:"" help:"Do the same to many members, with an outcome for each." example:"roster user bulk 0198c5d4-7e1a-7c3f-9b1d-2f6a8e4c0b57 suspend --users users.txt --dry-run"`
	Access       userAccessCmd      `cmd:"" help:"Show a user's access over all accounts, or save several changes of it with --set, all or nothing." example:"roster user access 0198c5d4-7e1a-7c3f-9b1d-2f6a8e4c0b57 ann@northwind.example"`
	Add          userAddCmd         `cmd:"" help:"Make an existing user a member of another account." example:"roster user add 0198c5d4-7e1a-7c3f-9b1d-2f6a8e4c0b57 0198c5d5-1a2b-7c3d-8e4f-5a6b7c8d9e0f viewer"`
	Lock         userLockCmd        `cmd:"" help:"Lock a user: all sessions end, and nobody signs in as that user." example:"roster user lock 0198c5d5-1a2b-7c3d-8e4f-5a6b7c8d9e0f --reason 'Lost laptop'"`
	Unlock       userUnlockCmd      `cmd:"" help:"Unlock a user." example:"roster user unlock 0198c5d5-1a2b-7c3d-8e4f-5a6b7c8d9e0f"`
	EndSessions  userSessionsCmd    `cmd:"" help:"Sign a user out everywhere." example:"roster user end-sessions 0198c5d5-1a2b-7c3d-8e4f-5a6b7c8d9e0f"`
	Sessions     userSessionListCmd `cmd:"" help:"List where a user is signed in, and what the operator has opened." example:"roster user sessions 0198c5d5-1a2b-7c3d-8e4f-5a6b7c8d9e0f"`
	OpenSession  userOpenSessionCmd `cmd:"" help:"Open a session for a user, as for support; its token is shown this once." example:"roster user open-session 0198c5d5-1a2b-7c3d-8e4f-5a6b7c8d9e0f --account 0198c5d4-7e1a-7c3f-9b1d-2f6a8e4c0b57 --ttl PT30M"`
	ResetFactors userResetCmd       `cmd:"" help:"Take all of a user's second factors away, for somebody who has lost them." example:"roster user reset-factors 0198c5d5-1a2b-7c3d-8e4f-5a6b7c8d9e0f"`
	Unlink       userUnlinkCmd      `cmd:"" help:"End that somebody at the account's OpenID provider signs in as a member: they are signed out everywhere." example:"roster user unlink 0198c5d4-7e1a-7c3f-9b1d-2f6a8e4c0b57 ann@northwind.example --dry-run"`
	Erase        userEraseCmd       `cmd:"" help:"Erase a person for good: the keys of their data are destroyed." example:"roster user erase ann@northwind.example --dry-run"`
	Owner        userOwnerCmd       `cmd:"" help:"Make a user an owner of an account that has lost its owners." example:"roster user owner 0198c5d4-7e1a-7c3f-9b1d-2f6a8e4c0b57 0198c5d5-1a2b-7c3d-8e4f-5a6b7c8d9e0f"`
}

type userListCmd struct {
	remote
	Account          string   `arg:"" help:"The account's id."`
	Status           []string `help:"Any of pending, expired, active, suspended, revoked." enum:"pending,expired,active,suspended,revoked"`
	Role             []string `help:"Any of these roles."`
	Permission       []string `help:"Any of these permissions, granted directly or by a role."`
	Q                string   `help:"Part of the name or e-mail address." placeholder:"TEXT"`
	TwoFactor        string   `help:"Whether two-factor is enabled: true or false." enum:"true,false," default:"" placeholder:"true|false"`
	NeverSignedIn    string   `help:"Whether the person never signed in: true or false." enum:"true,false," default:"" placeholder:"true|false"`
	LastSignInBefore string   `help:"Last signed in before this time." placeholder:"TIME"`
	LastSignInAfter  string   `help:"Last signed in after this time." placeholder:"TIME"`
	Inherited        string   `help:"Whether they come from an account above: true or false." enum:"true,false," default:"" placeholder:"true|false"`
	Sort             string   `help:"name, email, roles, status, last_sign_in, two_factor, since, expires_at or valid_until; with - in front descending: --sort=-since." placeholder:"COLUMN"`
	Limit            int      `help:"At most so many; 0 for all." default:"0" placeholder:"N"`
}

func (c userListCmd) Run(ctx context.Context, io stdio) error {
	api, err := c.client(io)
	if err != nil {
		return err
	}
	before, err := timeOf(c.LastSignInBefore)
	if err != nil {
		return err
	}
	after, err := timeOf(c.LastSignInAfter)
	if err != nil {
		return err
	}
	query := url.Values{}
	for name, value := range map[string]string{"status": strings.Join(c.Status, ","), "role": strings.Join(c.Role, ","), "permission": strings.Join(c.Permission, ","),
		"q": c.Q, "two_factor": c.TwoFactor, "never_signed_in": c.NeverSignedIn, "last_sign_in_before": before, "last_sign_in_after": after,
		"inherited": c.Inherited, "sort": c.Sort} {
		if value != "" {
			query.Set(name, value)
		}
	}
	list, err := api.pages(ctx, at("accounts", c.Account, "users"), query, c.Limit)
	if err != nil {
		return err
	}
	return api.list(list, columns("ID", "id", "NAME", "name", "EMAIL", "email", "ROLES", "roles", "STATUS", "status", "2FA", "two_factor", "LAST SIGN-IN", "last_sign_in"))
}

// member is the user that is meant: an id, or the e-mail address of somebody in the account.
func (c *client) member(ctx context.Context, account, user string) (string, error) {
	if !strings.Contains(user, "@") {
		return user, nil
	}
	list, err := c.pages(ctx, at("accounts", account, "users"), url.Values{"q": {user}}, 0)
	if err != nil {
		return "", err
	}
	for _, raw := range list.items {
		var item struct {
			User  string `json:"user"`
			Email string `json:"email"`
		}
		if err := json.Unmarshal(raw, &item); err == nil && item.User != "" && strings.EqualFold(item.Email, user) {
			return item.User, nil
		}
	}
	return "", &problem{Code: "not_found", Status: 404, Detail: "nobody in the account has the address " + user}
}

// memberArg names a member of an account.
type memberArg struct {
	Account string `arg:"" help:"The account's id."`
	User    string `arg:"" help:"The user's id, or the e-mail address that they have in the account."`
}

type userShowCmd struct {
	remote
	memberArg
}

func (c userShowCmd) Run(ctx context.Context, io stdio) error {
	api, err := c.client(io)
	if err != nil {
		return err
	}
	user, err := api.member(ctx, c.Account, c.User)
	if err != nil {
		return err
	}
	raw, err := api.get(ctx, at("accounts", c.Account, "users", user), nil)
	if err != nil {
		return err
	}
	return api.show(raw, columns("id", "id", "name", "name", "email", "email", "status", "status", "roles", "roles", "permissions", "permissions", "since", "since",
		"valid until", "valid_until", "last sign-in", "last_sign_in", "two-factor", "two_factor", "linked", "linked", "inherited from", "inherited_from", "invited by", "inviter"))
}

// memberShown are the fields of a membership.
func memberShown() []column {
	return columns("user", "id", "account", "account", "status", "status", "roles", "roles", "permissions", "permissions", "since", "since")
}

// memberChange sends a command on a member, and shows the membership.
func (c changes) memberChange(ctx context.Context, io stdio, to memberArg, method, verb string, with body) error {
	return c.onMember(ctx, io, to, method, verb, with, memberShown())
}

func (c changes) onMember(ctx context.Context, io stdio, to memberArg, method, verb string, with body, shown []column) error {
	api, err := c.changer(io)
	if err != nil {
		return err
	}
	user, err := api.member(ctx, to.Account, to.User)
	if err != nil {
		return err
	}
	return api.do(ctx, method, at("accounts", to.Account, "users", user, verb), with, api.showing(shown))
}

// grantFlags are what a grant has beside its roles.
type grantFlags struct {
	Permission []string `help:"Permissions beside those of the roles, as module:action."`
	Inherit    bool     `help:"Extend it to sub-accounts."`
	ValidFrom  string   `help:"From when on, such as 2026-12-01T09:00:00Z." placeholder:"TIME"`
	ValidUntil string   `help:"Until when." placeholder:"TIME"`
}

// grant is a grant as the API takes it.
func (g grantFlags) grant(roles []string) (body, error) {
	from, err := timeOf(g.ValidFrom)
	if err != nil {
		return nil, err
	}
	until, err := timeOf(g.ValidUntil)
	return body{}.set("roles", roles).set("permissions", g.Permission).set("inherit", g.Inherit).set("valid_from", from).set("valid_until", until), err
}

// timeOf is a time as the API takes it; a day begins at midnight UTC.
func timeOf(text string) (string, error) {
	if _, err := time.Parse(time.DateOnly, text); err == nil {
		return text + "T00:00:00Z", nil
	}
	if _, err := time.Parse(time.RFC3339, text); text != "" && err != nil {
		return "", usage("%q is no time: want one such as 2026-12-01T09:00:00Z, or a day", text)
	}
	return text, nil
}

type userRoleCmd struct {
	changes
	memberArg
	grantFlags
	Roles []string `arg:"" name:"role" help:"The roles that the member has from now on."`
}

func (c userRoleCmd) Run(ctx context.Context, io stdio) error {
	grant, err := c.grant(c.Roles)
	if err != nil {
		return err
	}
	return c.memberChange(ctx, io, c.memberArg, put, "role", body{"grants": []body{grant}})
}

type userSuspendCmd struct {
	changes
	memberArg
	Reason string `help:"Why; kept with the fact." placeholder:"TEXT"`
}

func (c userSuspendCmd) Run(ctx context.Context, io stdio) error {
	return c.memberChange(ctx, io, c.memberArg, post, "suspend", body{}.set("reason", c.Reason))
}

type userReactivateCmd struct {
	changes
	memberArg
}

func (c userReactivateCmd) Run(ctx context.Context, io stdio) error {
	return c.memberChange(ctx, io, c.memberArg, post, "reactivate", body{})
}

type userRevokeCmd struct {
	changes
	memberArg
	Reason string `help:"Why; kept with the fact." placeholder:"TEXT"`
}

func (c userRevokeCmd) Run(ctx context.Context, io stdio) error {
	return c.memberChange(ctx, io, c.memberArg, post, "revoke", body{}.set("reason", c.Reason))
}

type userUnlinkCmd struct {
	changes
	memberArg
}

func (c userUnlinkCmd) Run(ctx context.Context, io stdio) error {
	return c.onMember(ctx, io, c.memberArg, remove, "identity", nil, columns("unlinked", "id"))
}

type userBulkCmd struct {
	changes
	grantFlags
	Account string   `arg:"" help:"The account's id."`
	Action  string   `arg:"" help:"suspend, reactivate, revoke or change_role." enum:"suspend,reactivate,revoke,change_role"`
	Users   string   `required:"" help:"A file with a user's id on each line; at most 5,000." placeholder:"FILE|-"`
	Role    []string `help:"Of change_role: the roles that they have from now on."`
	Reason  string   `help:"Why; kept with the facts." placeholder:"TEXT"`
}

// Run sends all of them as one command: what it ends of an account is judged, and undone, as a whole.
func (c userBulkCmd) Run(ctx context.Context, io stdio) error {
	text, err := io.read(c.Users)
	if err != nil {
		return err
	}
	users := linesOf(text)
	if len(users) == 0 {
		return usage("%s names nobody", c.Users)
	}
	with := body{"action": c.Action, "users": users}.set("reason", c.Reason)
	grant, err := c.grant(c.Role)
	switch {
	case err != nil:
		return err
	case len(grant) > 0 && c.Action != "change_role":
		return usage("roles, permissions and their validity are of change_role")
	case len(grant) > 0:
		with["grants"] = []body{grant}
	}
	api, err := c.changer(io)
	if err != nil {
		return err
	}
	telling := io.progress()
	telling.say("%s: %d users", c.Action, len(users))
	done, err := api.send(ctx, post, at("accounts", c.Account, "users", "bulk"), with)
	telling.end()
	if err != nil {
		return err
	}
	return api.outcomes([]changed{done}, columns("USER", "user", "OUTCOME", "outcome", "CODE", "code"))
}

// linesOf are the lines of a file that say something.
func linesOf(text []byte) []string {
	var lines []string
	scan := bufio.NewScanner(bytes.NewReader(text))
	scan.Buffer(nil, maxFile)
	for scan.Scan() {
		if line := strings.TrimSpace(strings.TrimPrefix(scan.Text(), "\ufeff")); line != "" && !strings.HasPrefix(line, "#") {
			lines = append(lines, line)
		}
	}
	return lines
}

// outcomes prints what became of each item of a bulk that was sent in one or more commands.
func (c *changer) outcomes(done []changed, cols []column) error {
	var all listing
	var said, commands []string
	for _, one := range done {
		if one.plan != nil {
			said = append(said, one.plan.Outcomes...)
			continue
		}
		var answer struct {
			Results []json.RawMessage `json:"results"`
		}
		if err := decode(one.answer, &answer); err != nil {
			return err
		}
		all.items = append(all.items, answer.Results...)
		if one.command != "" {
			commands = append(commands, one.command)
		}
	}
	for _, raw := range all.items {
		var item struct {
			Outcome string `json:"outcome"`
		}
		if err := decode(raw, &item); err != nil {
			return err
		}
		said = append(said, item.Outcome)
	}
	if err := c.printOutcomes(done, all, cols, said, commands); err != nil {
		return err
	}
	return some(said)
}

func (c *changer) printOutcomes(done []changed, all listing, cols []column, said, commands []string) error {
	switch {
	case c.DryRun && c.asJSON && len(done) == 1:
		return c.io.json(done[0].answer)
	case c.DryRun && c.asJSON:
		var plans []json.RawMessage
		for _, one := range done {
			plans = append(plans, one.answer)
		}
		return c.io.json(map[string]any{"dry_run": true, "commands": plans})
	case c.DryRun:
		for _, one := range done {
			if err := one.plan.print(c.io); err != nil {
				return err
			}
		}
		return nil
	case c.asJSON:
		return c.io.json(map[string]any{"results": all.items, "commands": commands})
	}
	if err := c.list(all, cols); err != nil {
		return err
	}
	c.io.note("%s", counted(said))
	for _, id := range commands {
		c.io.note("command %s", id)
	}
	return nil
}
