package web

import (
	"net/http"
	"slices"
)

// acrossRoutes are the pages over several accounts.
func (s *site) acrossRoutes() map[string]verbs {
	return map[string]verbs{"/users": {http.MethodGet: s.signedIn(s.across)}}
}

// acrossPage is the list of all users in the accounts where the viewer may read them, by account (SPEC 3.13).
type acrossPage struct {
	found[listed]
	Accounts []account // that the list can be narrowed to
	More     int
}

func (s *site) across(p *page) error {
	p.Title, p.Section = p.T("across.title"), "across"
	var v acrossPage
	var err error
	if v.found, err = search[listed](p, "/v1/users", "q", "account", "status", "two_factor", "sort"); err != nil {
		return err
	}
	v.Accounts, v.More = shown(p.readers())
	if p.r.Header.Get("HX-Target") == "list" {
		return p.partial(p.r.Context(), acrossTable(p, v))
	}
	return p.show(http.StatusOK, acrossView(p, v))
}

// readers are the accounts whose users the viewer may read.
func (p *page) readers() []account {
	return slices.DeleteFunc(slices.Clone(p.Accounts), func(a account) bool { return !slices.Contains(a.Permissions, "users:read") })
}

// acrossStatuses are what the list can be filtered by.
func acrossStatuses() []string {
	return []string{"active", "pending", "expired", "suspended", "revoked"}
}

// entryIn is the page of an entry in the account in whose list it stands.
func entryIn(u listed) string {
	if u.User == nil {
		return "/accounts/" + u.Account + "/invitations/" + u.ID()
	}
	return "/accounts/" + u.Account + "/users/" + u.ID()
}

// Sorted is the address of the list in the order of a column, or in the opposite one where it is in it already.
func (v acrossPage) Sorted(column string) string {
	if v.Query.Get("sort") == column || column == "name" && v.Query.Get("sort") == "" {
		return v.With("/users", "sort", "-"+column)
	}
	return v.With("/users", "sort", column)
}

// Order is what a column's header tells of the order.
func (v acrossPage) Order(column string) string { return usersPage{Query: v.Query}.Order(column) }
