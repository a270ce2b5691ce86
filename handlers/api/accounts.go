package api

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"slices"
	"strings"
	"unicode"

	"roster/domain"
	"roster/events"
	"roster/handlers/address"
)

func (s *server) accountRoutes() {
	add(s, operation{id: "OpenAccount", method: http.MethodPost, path: "/v1/accounts", tag: "accounts", summary: "Open an account",
		description: "A root account by the operator; a sub-account, with parent, by whoever holds account:open_sub there. With an owner, that person is sent an invitation as owner.",
		status:      http.StatusCreated, command: true, codes: []domain.Code{domain.NotPermitted, domain.NotFound, domain.ExceedsOwnAccess, domain.AccountClosed}, senior: mayOpen}, openAccount)
	add(s, operation{id: "ChangeAccount", method: http.MethodPatch, path: "/v1/accounts/{account}", tag: "accounts", summary: "Rename or move an account",
		description: "Only owners move an account, to below an account where they hold account:open_sub; only the operator moves one to the root.",
		command:     true, ifMatch: true, senior: within(domain.AccountChange),
		codes: []domain.Code{domain.NotPermitted, domain.LastActiveOwner, domain.AccountClosed}}, changeAccount)
	add(s, operation{id: "CloseAccount", method: http.MethodPost, path: "/v1/accounts/{account}/close", tag: "accounts", summary: "Close an account for good",
		description: "Nobody has access to it, nor to what is below it, from that moment.",
		command:     true, ifMatch: true, senior: within(domain.AccountClose),
		codes: []domain.Code{domain.NotPermitted, domain.ThresholdExceeded}}, closeAccount)
	add(s, operation{id: "ListAccounts", method: http.MethodGet, path: "/v1/accounts", tag: "accounts", summary: "The accounts one has access to", codes: []domain.Code{codePosition}}, listAccounts)
	add(s, operation{id: "GetAccount", method: http.MethodGet, path: "/v1/accounts/{account}", tag: "accounts", summary: "An account and what one may do in it",
		description: "Answered from the log itself, with the caller's roles and permissions there.",
		etag:        true, whole: true, codes: []domain.Code{domain.NotPermitted, codePosition}, senior: within(domain.AccountRead)}, getAccount)
}

type openAccountInput struct{ Body openAccountBody }

type openAccountBody struct {
	Name   string     `json:"name" doc:"1 to 200 characters without control characters"`
	Parent *string    `json:"parent,omitempty" doc:"The account that it is to stand below; none for a root account"`
	Owner  *ownerBody `json:"owner,omitempty" doc:"Who is invited as owner"`
}

type ownerBody struct {
	Email     string `json:"email"`
	FirstName string `json:"first_name,omitempty" maxLength:"200"`
	LastName  string `json:"last_name,omitempty" maxLength:"200"`
}

type accountBody struct {
	ID          string      `json:"id"`
	Name        string      `json:"name"`
	Parent      *string     `json:"parent"`
	OpenedAt    events.Time `json:"opened_at" format:"date-time"`
	Closed      bool        `json:"closed" doc:"It, or an account above it"`
	Profile     string      `json:"profile" doc:"The portal profile that applies"`
	Roles       []string    `json:"roles" nullable:"false" doc:"The caller's"`
	Permissions []string    `json:"permissions" nullable:"false" doc:"The caller's"`
}

type openedBody struct {
	ID         string      `json:"id"`
	Name       string      `json:"name"`
	Parent     *string     `json:"parent"`
	OpenedAt   events.Time `json:"opened_at" format:"date-time"`
	Invitation *string     `json:"invitation" doc:"The owner's"`
}

func accountOf(a domain.Account, access domain.Access) accountBody {
	out := accountBody{ID: a.ID.String(), Name: a.Name, OpenedAt: a.OpenedAt, Closed: access.Closed(), Profile: a.Profile.Name, Roles: orEmpty(access.Roles()), Permissions: orEmpty(access.Permissions())}
	if !a.Parent.IsZero() {
		parent := a.Parent.String()
		out.Parent = &parent
	}
	return out
}

func openAccount(_ context.Context, r *request, in *openAccountInput) (*Reply[openedBody], error) {
	cmd := domain.OpenAccount{AccountName: in.Body.Name}
	if in.Body.Parent != nil {
		parent, err := accountID(*in.Body.Parent)
		if err != nil {
			return nil, err
		}
		cmd.Parent = parent
	}
	if err := r.allowed(cmd); err != nil {
		return nil, err
	}
	if o := in.Body.Owner; o != nil {
		email, err := address.Normalize(o.Email)
		if err != nil {
			return nil, invalid("body.owner.email", "not an e-mail address: want name@example.com")
		}
		if err := plain("body.owner.first_name", o.FirstName, "body.owner.last_name", o.LastName); err != nil {
			return nil, err
		}
		entry := address.Entry{Email: email, First: strings.TrimSpace(o.FirstName), Last: strings.TrimSpace(o.LastName)}
		if cmd.Owner, err = r.addressee(entry); err != nil {
			return nil, err
		}
	}
	done, err := r.do(cmd)
	if err != nil {
		return nil, err
	}
	var out openedBody
	for _, c := range done.Commits {
		for _, f := range c.Facts {
			if opened, ok := f.(events.AccountOpened); ok {
				out.ID, out.Name, out.OpenedAt = c.Boundary.ID.String(), opened.Name, c.At
				if !opened.Parent.IsZero() {
					parent := opened.Parent.String()
					out.Parent = &parent
				}
			}
			if invited, ok := f.(events.InvitationCreated); ok {
				id := invited.Invitation.String()
				out.Invitation = &id
			}
		}
	}
	r.w.Header().Set("Location", "/v1/accounts/"+out.ID)
	return reply(out)
}

// allowed asks whether a command would be refused before anything is kept for it. What is refused is left to the
// command itself, which notes in the audit trail who was denied what; a repeat under an idempotency key passes.
func (r *request) allowed(cmd domain.Command) error {
	call := r.call
	call.Key = ""
	wrong := r.App.Ask(r.ctx, call, cmd)
	var refusal *domain.Error
	if !errors.As(wrong, &refusal) || !refusal.DeniesRights() {
		return wrong
	}
	if _, err := r.App.Do(r.ctx, call, cmd); err != nil {
		return err
	}
	return wrong
}

// plain refuses names that could break out of a line or fake another.
func plain(named ...string) error {
	for i := 0; i+1 < len(named); i += 2 {
		if strings.ContainsFunc(named[i+1], func(c rune) bool {
			return unicode.IsControl(c) || c == '\u2028' || c == '\u2029' || '\u202a' <= c && c <= '\u202e' || '\u2066' <= c && c <= '\u2069'
		}) {
			return invalid(named[i], "a name has no control characters, line breaks or invisible direction marks")
		}
	}
	return nil
}

func getAccount(ctx context.Context, r *request, in *AccountParam) (*Reply[accountBody], error) {
	id, err := accountID(in.Account)
	if err != nil {
		return nil, err
	}
	access, err := r.mayIn(id, domain.AccountRead)
	if err != nil {
		return nil, err
	}
	a, position, err := r.App.Account(ctx, id)
	if err != nil {
		return nil, err
	}
	if err := r.atLeast(position); err != nil {
		return nil, err
	}
	r.tag(a.Version)
	return reply(accountOf(a, access))
}

func listAccounts(ctx context.Context, r *request, _ *struct{}) (*Reply[ListBody[accountBody]], error) {
	out := ListBody[accountBody]{Items: []accountBody{}}
	if r.principal.Operator() {
		last, err := r.App.Last(ctx)
		if err != nil {
			return nil, err
		}
		out.Position = last
		return &Reply[ListBody[accountBody]]{out}, r.atLeast(last)
	}
	own, position, err := r.standing()
	if err != nil {
		return nil, err
	}
	for _, id := range own {
		access, err := r.mayIn(id, domain.AccountRead)
		var refusal *domain.Error
		if err != nil && !errors.As(err, &refusal) {
			return nil, err
		}
		a, at, err := r.App.Account(ctx, id)
		if err != nil {
			return nil, err
		}
		position = max(position, at)
		if !access.None() {
			out.Items = append(out.Items, accountOf(a, access))
		}
	}
	slices.SortFunc(out.Items, func(a, b accountBody) int {
		return strings.Compare(strings.ToLower(a.Name)+a.ID, strings.ToLower(b.Name)+b.ID)
	})
	out.Position = position
	return &Reply[ListBody[accountBody]]{out}, r.atLeast(position)
}

type changeAccountInput struct {
	AccountParam
	Body struct {
		Name   *string `json:"name,omitempty"`
		Parent *string `json:"parent,omitempty" doc:"The account to stand below; empty for the root"`
	}
}

func changeAccount(_ context.Context, r *request, in *changeAccountInput) (*Reply[accountBody], error) {
	id, err := accountID(in.Account)
	if err != nil {
		return nil, err
	}
	cmd := domain.ChangeAccount{Account: id, To: in.Body.Name}
	if in.Body.Parent != nil {
		var parent events.AccountID
		if *in.Body.Parent != "" {
			if parent, err = accountID(*in.Body.Parent); err != nil {
				return nil, r.unless(err)
			}
		}
		cmd.Parent = &parent
	}
	if cmd.To == nil && cmd.Parent == nil {
		return nil, r.unless(invalid("body", "give a name, a parent, or both"))
	}
	return r.changedAccount(id, cmd)
}

type closeAccountInput struct {
	AccountParam
	Body *struct {
		Confirm string `json:"confirm,omitempty" doc:"What the dry run gave"`
	}
}

func closeAccount(_ context.Context, r *request, in *closeAccountInput) (*Reply[accountBody], error) {
	id, err := accountID(in.Account)
	if err != nil {
		return nil, err
	}
	confirm := ""
	if in.Body != nil {
		confirm = in.Body.Confirm
	}
	return r.changedAccount(id, domain.CloseAccount{Account: id, Confirmed: r.confirmed(confirm)})
}

// changedAccount carries a command on an account out and answers what the account is now.
func (r *request) changedAccount(id events.AccountID, cmd domain.Command) (*Reply[accountBody], error) {
	if _, err := r.do(cmd); err != nil {
		return nil, err
	}
	var access domain.Access
	if err := r.App.Ask(r.ctx, r.call, domain.AskMayIn(id, domain.AccountRead, &access)); err != nil && !isRefusal(err) {
		return nil, err // whoever has moved it away from themselves sees it no more, and is answered all the same
	}
	a, _, err := r.App.Account(r.ctx, id)
	if err != nil {
		return nil, err
	}
	if err := r.version(a.Version); err != nil {
		return nil, err
	}
	return reply(accountOf(a, access))
}

// mayOpen is the senior check of opening an account: of a root one, that the operator asks.
func mayOpen(r *request) error {
	var body struct {
		Parent string `json:"parent"`
	}
	if json.Unmarshal(r.body, &body) != nil || body.Parent == "" {
		return operatorOnly(r)
	}
	parent, err := accountID(body.Parent)
	if err == nil {
		_, err = r.mayIn(parent, domain.AccountOpenSub)
	}
	return err
}
