package api

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"
	"unicode"

	"roster/domain"
	"roster/events"
	"roster/handlers"
	"roster/handlers/address"
)

func (s *server) accountRoutes() {
	add(s, operation{id: "OpenAccount", method: http.MethodPost, path: "/v1/accounts", tag: "accounts", summary: "Open a root account",
		description: "By the operator. With an owner, that person is sent an invitation as owner.",
		status:      http.StatusCreated, command: true, codes: []domain.Code{domain.NotPermitted}, senior: operatorOnly}, openAccount)
	add(s, operation{id: "ListAccounts", method: http.MethodGet, path: "/v1/accounts", tag: "accounts", summary: "The accounts one has access to", codes: []domain.Code{codePosition}}, listAccounts)
	add(s, operation{id: "ListMyAccounts", method: http.MethodGet, path: "/v1/me/accounts", tag: "me", summary: "The accounts one has access to", codes: []domain.Code{codePosition}}, listAccounts)
	add(s, operation{id: "GetAccount", method: http.MethodGet, path: "/v1/accounts/{account}", tag: "accounts", summary: "An account and what one may do in it",
		description: "Answered from the log itself, with the caller's roles and permissions there.",
		etag:        true, whole: true, codes: []domain.Code{domain.NotPermitted, codePosition}, senior: within(domain.AccountRead)}, getAccount)
}

type openAccountInput struct{ Body openAccountBody }

type openAccountBody struct {
	Name   string     `json:"name" doc:"1 to 200 characters without control characters"`
	Parent *string    `json:"parent,omitempty" doc:"Not available yet"`
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
	out := accountBody{ID: a.ID.String(), Name: a.Name, OpenedAt: a.OpenedAt, Roles: orEmpty(access.Roles()), Permissions: orEmpty(access.Permissions())}
	if !a.Parent.IsZero() {
		parent := a.Parent.String()
		out.Parent = &parent
	}
	return out
}

func openAccount(ctx context.Context, r *request, in *openAccountInput) (*Reply[openedBody], error) {
	cmd := domain.OpenAccount{AccountName: in.Body.Name}
	if err := r.allowed(cmd); err != nil {
		return nil, err
	}
	if in.Body.Parent != nil {
		return nil, &domain.Error{Code: codeNotAvailable, Detail: "sub-accounts are not available yet"}
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
		if cmd.Owner, err = r.Access.Addressee(ctx, entry); err != nil {
			return nil, err
		}
	}
	done, err := r.App.Do(ctx, r.call, cmd)
	if err != nil {
		return nil, err
	}
	r.position(done.Position)
	var out openedBody
	for _, c := range done.Commits {
		for _, f := range c.Facts {
			if opened, ok := f.(events.AccountOpened); ok {
				out.ID, out.Name, out.OpenedAt = c.Boundary.ID.String(), opened.Name, c.At
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
	user, position, err := r.App.User(ctx, r.principal.Actor.User())
	if err != nil {
		return nil, err
	}
	for _, id := range user.Accounts() {
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

// do carries out a command and answers its position.
func (r *request) do(cmd domain.Command) (handlers.Result, error) {
	result, err := r.App.Do(r.ctx, r.call, cmd)
	if err == nil {
		r.position(result.Position)
	}
	return result, err
}
