package api

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http"
	"reflect"

	"github.com/danielgtaylor/huma/v2"

	"roster/domain"
	"roster/events"
)

// maxChecks is how many checks one request may ask for.
const maxChecks = 100

func (s *server) checkRoutes() {
	add(s, operation{id: "Check", method: http.MethodPost, path: "/v1/check", tag: "checks", summary: "May this user do this, now?",
		description: "One check or a list of up to 100. Answered from the log itself: a suspended person is refused while every projection is stopped. Asked by the operator, by whoever holds users:read in the account, or about oneself.",
		codes:       []domain.Code{domain.NotPermitted, domain.NotFound, codePosition}}, check)
}

func reflectType[T any]() reflect.Type { return reflect.TypeFor[T]() }

type checkInput struct{ Body checks }

// checks is one check, or a list.
type checks struct {
	items []checkBody
	many  bool
}

type checkBody struct {
	User       string `json:"user,omitempty"`
	Token      string `json:"token,omitempty" doc:"A session's or an API key's, instead of the user"`
	Permission string `json:"permission" doc:"module:action"`
	Account    string `json:"account"`
}

// UnmarshalJSON reads both forms.
func (c *checks) UnmarshalJSON(b []byte) error {
	if c.many = bytes.HasPrefix(bytes.TrimSpace(b), []byte("[")); c.many {
		return json.Unmarshal(b, &c.items)
	}
	c.items = make([]checkBody, 1)
	return json.Unmarshal(b, &c.items[0])
}

// Schema says that both forms are right.
func (checks) Schema(r huma.Registry) *huma.Schema { return oneOrMany[checkBody](r, "CheckBody") }

type checkReply struct {
	items []checkedBody
	many  bool
}

type checkedBody struct {
	User        string   `json:"user" doc:"Of an API key of an account, the key's id"`
	Permission  string   `json:"permission"`
	Account     string   `json:"account"`
	Allowed     bool     `json:"allowed"`
	Because     []reason `json:"because" nullable:"false" doc:"What gives it"`
	Missing     *string  `json:"missing" enum:"permission,membership,suspended,pending,locked,not_now,account_closed,session,second_factor" doc:"Why it is not allowed"`
	Roles       []string `json:"roles" nullable:"false" doc:"The roles that the user has there now"`
	Permissions []string `json:"permissions" nullable:"false" doc:"Roster's own permissions, and those granted directly, that the user has there now"`
}

// reason is a grant that gives the permission.
type reason struct {
	Account    string      `json:"account" doc:"Where the membership is"`
	Inherited  bool        `json:"inherited" doc:"From an account above"`
	Role       *string     `json:"role" doc:"null where the permission was granted directly"`
	ValidUntil events.Time `json:"valid_until,omitzero" format:"date-time"`
	Position   uint64      `json:"position" doc:"Of the last commit that changed the membership"`
}

// MarshalJSON answers in the form that was asked in.
func (c checkReply) MarshalJSON() ([]byte, error) {
	if c.many {
		return json.Marshal(c.items)
	}
	return json.Marshal(c.items[0])
}

// Schema says which forms there are.
func (checkReply) Schema(r huma.Registry) *huma.Schema {
	return oneOrMany[checkedBody](r, "CheckedBody")
}

func oneOrMany[T any](r huma.Registry, hint string) *huma.Schema {
	one := r.Schema(reflectType[T](), true, hint)
	most := maxChecks
	return &huma.Schema{OneOf: []*huma.Schema{one, {Type: "array", Items: one, MaxItems: &most}}}
}

func check(ctx context.Context, r *request, in *checkInput) (*Reply[checkReply], error) {
	if in.Body.many && len(in.Body.items) == 0 {
		return nil, invalid("body", "ask for at least one check")
	}
	out := checkReply{many: in.Body.many, items: make([]checkedBody, 0, len(in.Body.items))}
	var position uint64
	for _, c := range in.Body.items {
		one, at, err := r.check(c)
		if err != nil {
			return nil, err
		}
		position = max(position, at)
		out.items = append(out.items, one)
	}
	return &Reply[checkReply]{out}, r.atLeast(position)
}

func (r *request) check(c checkBody) (checkedBody, uint64, error) {
	account, err := accountID(c.Account)
	if err != nil {
		return checkedBody{}, 0, err
	}
	if (c.User == "") == (c.Token == "") {
		return checkedBody{}, 0, invalid("body", "give either user or token")
	}
	_, position, err := r.App.Account(r.ctx, account)
	if err != nil {
		return checkedBody{}, 0, err
	}
	who, key := r.principal.Actor, events.KeyRefID{}
	if c.Token == "" {
		user, err := userID(c.User)
		if err != nil {
			return checkedBody{}, 0, err
		}
		who = events.Actor{Type: events.ByUser, ID: user.String()}
	}
	if oneself := c.Token == "" && who.ID == r.principal.Actor.ID && r.principal.Key == nil; oneself {
		who.Session = r.principal.Actor.Session
	} else if _, err := r.mayIn(account, domain.UsersRead); err != nil {
		return checkedBody{}, 0, err
	}
	if c.Token != "" {
		p, err := r.Access.Authenticate(r.ctx, c.Token)
		if isRefusal(err) || err == nil && p.Operator() {
			ended := "session"
			return checkedBody{Permission: c.Permission, Account: c.Account, Because: []reason{}, Missing: &ended, Roles: []string{}, Permissions: []string{}}, position, nil
		}
		if err != nil {
			return checkedBody{}, 0, err
		}
		if who = p.Actor; p.Behalf != nil {
			who, key = *p.Behalf, p.Key.ID
		}
	}
	var why domain.Why
	if err := r.App.Ask(r.ctx, r.call, domain.AskWhyBy(account, who, key, c.Permission, &why)); err != nil {
		return checkedBody{}, 0, err
	}
	out := checkedBody{User: who.ID, Permission: c.Permission, Account: c.Account, Allowed: why.Allowed, Because: []reason{},
		Roles: orEmpty(why.Access.Roles()), Permissions: orEmpty(why.Access.Permissions())}
	for _, b := range why.By {
		one := reason{Account: b.Account.String(), Inherited: b.Inherited, ValidUntil: b.Until, Position: b.Position}
		if b.Role != "" {
			one.Role = &b.Role
		}
		out.Because = append(out.Because, one)
	}
	if why.Missing != "" {
		out.Missing = &why.Missing
	}
	return out, position, nil
}
