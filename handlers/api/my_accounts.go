package api

import (
	"context"
	"net/http"
	"slices"
	"strings"

	"roster/domain"
	"roster/events"
)

// maxMine is how many accounts of one's own are listed.
const maxMine = 1000

func (s *server) myAccountRoutes() {
	add(s, operation{id: "ListMyAccounts", method: http.MethodGet, path: "/v1/me/accounts", tag: "me", summary: "The accounts one has access to",
		description: "Those below an account whose access extends to them are listed too, at most 1,000 in all. What is suspended or pending gives no access.",
		codes:       []domain.Code{codePosition}}, listMyAccounts)
}

type myAccountBody struct {
	ID            string      `json:"id"`
	Name          string      `json:"name"`
	Parent        *string     `json:"parent"`
	OpenedAt      events.Time `json:"opened_at" format:"date-time"`
	Closed        bool        `json:"closed" doc:"It, or an account above it"`
	Profile       string      `json:"profile" doc:"The portal profile that applies"`
	Roles         []string    `json:"roles" nullable:"false"`
	Permissions   []string    `json:"permissions" nullable:"false"`
	InheritedFrom *string     `json:"inherited_from" doc:"The account above in which one is a member; null in an account of one's own"`
}

type myAccountsBody struct {
	Items      []myAccountBody `json:"items" nullable:"false"`
	NextCursor *string         `json:"next_cursor"`
	Position   uint64          `json:"position"`
	More       bool            `json:"more" doc:"There are more than are listed"`
}

func listMyAccounts(ctx context.Context, r *request, _ *struct{}) (*Reply[myAccountsBody], error) {
	position, err := r.App.Last(ctx)
	if err != nil {
		return nil, err
	}
	out := myAccountsBody{Items: []myAccountBody{}, Position: position}
	if user := r.principal.Actor.User(); !user.IsZero() { // the operator has none of their own
		var mine []domain.MyAccount
		if err := r.App.Ask(ctx, r.call, domain.AskMyAccounts(user, maxMine, &mine, &out.More)); err != nil {
			return nil, err
		}
		for _, m := range mine {
			a := accountOf(m.Account, m.Access)
			item := myAccountBody{ID: a.ID, Name: a.Name, Parent: a.Parent, OpenedAt: a.OpenedAt, Closed: a.Closed, Profile: a.Profile, Roles: a.Roles, Permissions: a.Permissions}
			if !m.From.IsZero() {
				from := m.From.String()
				item.InheritedFrom = &from
			}
			out.Items = append(out.Items, item)
		}
	}
	slices.SortFunc(out.Items, func(a, b myAccountBody) int {
		return strings.Compare(strings.ToLower(a.Name)+a.ID, strings.ToLower(b.Name)+b.ID)
	})
	return &Reply[myAccountsBody]{out}, r.atLeast(position)
}
