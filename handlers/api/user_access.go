package api

import (
	"context"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"roster/domain"
	"roster/events"
)

func (s *server) userAccessRoutes() {
	const at = "/v1/accounts/{account}/users"
	codes := []domain.Code{domain.NotPermitted, domain.ExceedsOwnAccess, domain.ModuleNotAllowed, domain.LastActiveOwner, domain.AccountClosed}
	add(s, operation{id: "AddUser", method: http.MethodPost, path: at, tag: "users", summary: "Make an existing user a member",
		description: "Of a user whom the caller administers in another account already; nobody else is told that there is such a user.",
		command:     true, senior: within(domain.UsersInvite), codes: append(codes, domain.AlreadyMember)}, addUser)
	add(s, operation{id: "GetUserAccess", method: http.MethodGet, path: at + "/{user}/access", tag: "users", summary: "A user's access over all accounts",
		description: "In every account where the caller may read users. Answered from the log itself.",
		senior:      within(domain.UsersRead), codes: []domain.Code{domain.NotPermitted, codePosition}}, getUserAccess)
	add(s, operation{id: "ChangeAccess", method: http.MethodPut, path: at + "/{user}/access", tag: "users", summary: "Save several access changes of one user",
		description: "In one account or in many: all of them or none. null for grants ends the membership there; an account where the user is no member adds them.",
		command:     true, senior: within(domain.UsersRead), codes: append(codes, domain.Inherited, domain.ConfirmationRequired)}, changeAccess)
	add(s, operation{id: "BulkUsers", method: http.MethodPost, path: at + "/bulk", tag: "users", summary: "Do the same to many users",
		description: "suspend, reactivate, revoke or change_role on up to 5,000 users, with a result for each.",
		command:     true, senior: bulkSenior,
		codes: append(codes, domain.ThresholdExceeded, domain.ConfirmationRequired)}, bulkUsers)
	add(s, operation{id: "Undo", method: http.MethodPost, path: "/v1/accounts/{account}/undo", tag: "accounts", summary: "Take a command back",
		description: "By facts that revert what it did, decided under today's rules and the caller's rights; changed_since where something has changed since.",
		command:     true, senior: within(domain.UsersRead),
		codes: append(codes, domain.Inherited, domain.AlreadyInvited, domain.ChangedSince)}, undo)
}

type addUserInput struct {
	AccountParam
	Body struct {
		User        string       `json:"user"`
		Roles       []string     `json:"roles,omitempty"`
		Permissions []string     `json:"permissions,omitempty"`
		Inherit     bool         `json:"inherit,omitempty"`
		Grants      []grantInput `json:"grants,omitempty"`
	}
}

func addUser(_ context.Context, r *request, in *addUserInput) (*Reply[memberBody], error) {
	account, err := accountID(in.Account)
	if err != nil {
		return nil, err
	}
	b := in.Body
	grants, err := asked(account, grantInput{Roles: b.Roles, Permissions: b.Permissions, Inherit: b.Inherit}, b.Grants)
	if err != nil {
		return nil, r.unless(err)
	}
	user, err := userID(b.User)
	if err != nil {
		return nil, r.unless(err)
	}
	return r.member(account, user, domain.AddUser{Account: account, User: user, Grants: grants})
}

type accessBody struct {
	ID     string      `json:"id" doc:"The account's"`
	Name   string      `json:"name"`
	Status string      `json:"status" enum:"pending,active,suspended,revoked"`
	Roles  []string    `json:"roles" nullable:"false"`
	Grants []grantBody `json:"grants" nullable:"false"`
	Since  events.Time `json:"since" format:"date-time"`
}

func getUserAccess(_ context.Context, r *request, in *MemberParam) (*Reply[ListBody[accessBody]], error) {
	account, user, err := in.ids()
	if err != nil {
		return nil, err
	}
	if _, err := r.mayIn(account, domain.UsersRead); err != nil {
		return nil, err
	}
	a, position, err := r.App.Account(r.ctx, account)
	if err != nil {
		return nil, err
	}
	if m, ok := a.Member(user); !ok || m.Status == domain.Revoked {
		return nil, nowhere()
	}
	return r.userAccess(user, position)
}

// userAccess lists the accounts of a user that the caller sees.
func (r *request) userAccess(user events.UserID, position uint64) (*Reply[ListBody[accessBody]], error) {
	u, at, err := r.App.User(r.ctx, user)
	if err != nil {
		return nil, err
	}
	out := ListBody[accessBody]{Items: []accessBody{}, Position: max(position, at)}
	for _, id := range u.Accounts() {
		_, err := r.mayIn(id, domain.UsersRead)
		if isRefusal(err) {
			continue
		}
		if err != nil {
			return nil, err
		}
		a, at, err := r.App.Account(r.ctx, id)
		if err != nil {
			return nil, err
		}
		out.Position = max(out.Position, at)
		if m, ok := a.Member(user); ok && m.Status != domain.Revoked {
			roles, _ := summed(m.Grants)
			out.Items = append(out.Items, accessBody{ID: id.String(), Name: a.Name, Status: string(m.Status), Roles: roles, Grants: grantsOf(m.Grants), Since: m.Since})
		}
	}
	slices.SortFunc(out.Items, func(a, b accessBody) int {
		return strings.Compare(strings.ToLower(a.Name)+a.ID, strings.ToLower(b.Name)+b.ID)
	})
	if r.op.method == http.MethodGet {
		return &Reply[ListBody[accessBody]]{out}, r.atLeast(out.Position)
	}
	return reply(out)
}

type changeAccessInput struct {
	MemberParam
	Body struct {
		Changes []struct {
			Account string        `json:"account"`
			Grants  *[]grantInput `json:"grants" nullable:"true" doc:"All that the user is to have there; null to end the membership"`
		} `json:"changes" nullable:"false"`
		Confirm string `json:"confirm,omitempty"`
	}
}

func changeAccess(_ context.Context, r *request, in *changeAccessInput) (*Reply[ListBody[accessBody]], error) {
	account, user, err := in.ids()
	if err != nil {
		return nil, err
	}
	cmd := domain.ChangeAccess{From: account, User: user, Confirmed: r.confirmed(in.Body.Confirm)}
	for i, c := range in.Body.Changes {
		id, err := accountID(c.Account)
		if err != nil {
			return nil, r.unless(err)
		}
		change := domain.AccessChange{Account: id}
		if c.Grants != nil {
			if change.Grants, err = asked(id, grantInput{}, *c.Grants); err != nil {
				return nil, r.unless(err)
			}
			if len(change.Grants) == 0 {
				return nil, r.unless(invalid("body.changes["+strconv.Itoa(i)+"].grants", "name at least one grant, or null to end the membership"))
			}
		}
		cmd.Changes = append(cmd.Changes, change)
	}
	done, err := r.do(cmd)
	if err != nil {
		return nil, err
	}
	return r.userAccess(user, done.Position)
}

type bulkInput struct {
	AccountParam
	Body struct {
		Action      string       `json:"action" enum:"suspend,reactivate,revoke,change_role"`
		Users       []string     `json:"users" nullable:"false"`
		Roles       []string     `json:"roles,omitempty" doc:"Of change_role"`
		Permissions []string     `json:"permissions,omitempty" doc:"Of change_role"`
		Inherit     bool         `json:"inherit,omitempty" doc:"Of change_role"`
		Grants      []grantInput `json:"grants,omitempty" doc:"Instead of roles, permissions and inherit"`
		Reason      string       `json:"reason,omitempty"`
		Confirm     string       `json:"confirm,omitempty" doc:"What the dry run gave"`
	}
}

type bulkReply struct {
	Results []bulkResult `json:"results" nullable:"false"`
}

type bulkResult struct {
	User    string `json:"user"`
	Outcome string `json:"outcome" enum:"done,already,refused"`
	Code    string `json:"code,omitempty" doc:"Why it was refused"`
}

// bulkSenior: which permission a bulk needs depends on what it does; that is decided with the command.
func bulkSenior(r *request) error { return within(domain.UsersRead)(r) }

func bulkUsers(_ context.Context, r *request, in *bulkInput) (*Reply[bulkReply], error) {
	account, err := accountID(in.Account)
	if err != nil {
		return nil, err
	}
	b := in.Body
	grants, err := asked(account, grantInput{Roles: b.Roles, Permissions: b.Permissions, Inherit: b.Inherit}, b.Grants)
	if err != nil {
		return nil, r.unless(err)
	}
	whole := domain.Bulk{Account: account, Action: b.Action, Grants: grants, Reason: b.Reason, Confirmed: r.confirmed(b.Confirm)}
	for _, text := range b.Users {
		id, err := userID(text)
		if err != nil || slices.Contains(whole.All, id) {
			continue // its outcome is added below
		}
		whole.All = append(whole.All, id)
	}
	var parts []domain.Command
	for from := 0; from < max(1, len(whole.All)); from += domain.BulkPart {
		part := whole
		part.From, part.To = from, min(from+domain.BulkPart, len(whole.All))
		parts = append(parts, part)
	}
	done, err := r.doParts(parts...)
	if err != nil && (len(done) == 0 || !isRefusal(err)) {
		return nil, err
	}
	said := map[string]string{}
	for n, result := range done {
		part := parts[n].(domain.Bulk)
		for i, outcome := range result.Outcomes {
			said[whole.All[part.From+i].String()] = outcome
		}
	}
	out := bulkReply{Results: make([]bulkResult, len(b.Users))}
	for i, text := range b.Users {
		one := &out.Results[i]
		one.User, one.Outcome = cut(text, 40), said[text]
		switch one.Outcome {
		case domain.OutcomeDone, domain.OutcomeAlready:
		case "":
			one.Outcome, one.Code = "refused", string(domain.NotFound)
		default:
			one.Outcome, one.Code = "refused", one.Outcome
		}
	}
	return reply(out)
}
