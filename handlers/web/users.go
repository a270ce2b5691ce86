package web

import (
	"cmp"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"roster/domain"
)

// userRoutes are the pages of an account's users.
func (s *site) userRoutes() map[string]verbs {
	return map[string]verbs{
		"/accounts/{account}/users":                 {http.MethodGet: s.inAccount(s.users)},
		"/accounts/{account}/users/{user}":          {http.MethodGet: s.inAccount(s.user)},
		"/accounts/{account}/users/{user}/role":     {http.MethodGet: s.inAccount(s.rolePage), http.MethodPost: s.inAccount(s.changeRole)},
		"/accounts/{account}/users/{user}/access":   {http.MethodGet: s.inAccount(s.accessPage), http.MethodPost: s.inAccount(s.changeAccess)},
		"/accounts/{account}/users/{user}/{action}": {http.MethodGet: s.inAccount(s.deedPage), http.MethodPost: s.inAccount(s.deed)},
		"/accounts/{account}/users/bulk":            {http.MethodGet: s.inAccount(s.bulkPage), http.MethodPost: s.inAccount(s.bulk)},
		"/accounts/{account}/undo":                  {http.MethodPost: s.inAccount(s.undo)},
	}
}

// listed is an entry of the user list, as the API answers it.
type listed struct {
	User           *string    `json:"user"`
	Invitation     *string    `json:"invitation"`
	Account        string     `json:"account"` // in a list over several
	AccountName    string     `json:"account_name"`
	Name           string     `json:"name"`
	Email          string     `json:"email"`
	LastSignIn     *time.Time `json:"last_sign_in"`
	TwoFactor      bool       `json:"two_factor"`
	Linked         bool       `json:"linked"` // to somebody at the account's provider; of one alone
	Roles          []string   `json:"roles"`
	Permissions    []string   `json:"permissions"`
	Status         string     `json:"status"`
	Label          string     `json:"label"`
	Since          time.Time  `json:"since"`
	ExpiresAt      *time.Time `json:"expires_at"`
	ValidUntil     *time.Time `json:"valid_until"`
	InheritedFrom  *string    `json:"inherited_from"`
	Delivery       *string    `json:"delivery"`
	DeliveryReason *string    `json:"delivery_reason"`
	Inviter        *struct{ Name string }
}

// ID is the user's, or the open invitation's.
func (l listed) ID() string {
	if l.User != nil {
		return *l.User
	}
	if l.Invitation != nil {
		return *l.Invitation
	}
	return ""
}

// Changeable says that the entry is a member whose access is changed here.
func (l listed) Changeable() bool {
	return l.User != nil && l.InheritedFrom == nil && l.Status != string(domain.Revoked)
}

type userList struct {
	Items      []listed       `json:"items"`
	NextCursor *string        `json:"next_cursor"`
	Counts     map[string]int `json:"counts"`
}

// role is a role of the account, as the API answers it.
type role struct {
	ID          string   `json:"id"`
	Label       string   `json:"label"`
	BuiltIn     bool     `json:"built_in"`
	DefinedIn   *string  `json:"defined_in"`
	Permissions []string `json:"permissions"`
}

func (p *page) roles() ([]role, error) {
	var list struct{ Items []role }
	err := p.site.get(p.r, "/v1/accounts/"+p.Account.ID+"/roles", &list)
	return list.Items, err
}

// usersPage is what the user list shows.
type usersPage struct {
	userList
	Actions [][]offered // of each item
	Query   url.Values
	Tabs    []tab
	Roles   []role
	Wrong   *problem
}

// tab is a part of the list that can be chosen: a status, or all of them.
type tab struct {
	Status, Label string
	Count         int
	Current       bool
}

// filterNames are what the list can be filtered and ordered by.
func filterNames() []string {
	return []string{"q", "status", "role", "permission", "two_factor", "inherited", "never_signed_in", "sort", "cursor"}
}

func (s *site) users(p *page) error {
	p.Title, p.Section = p.SectionName(), "users"
	v := usersPage{Query: url.Values{}}
	ask := url.Values{"limit": {"50"}}
	for _, name := range filterNames() {
		if value := strings.Join(p.r.URL.Query()[name], ","); value != "" { // of several boxes, several values
			v.Query.Set(name, value)
			ask.Set(name, value)
		}
	}
	if back := p.r.URL.Query().Get("back"); back != "" {
		v.Query.Set("back", back)
	}
	for _, name := range []string{"last_sign_in_after", "last_sign_in_before"} { // days of the viewer's zone
		value := p.r.URL.Query().Get(name)
		if day, err := time.ParseInLocation(time.DateOnly, value, p.Zone); err == nil {
			v.Query.Set(name, value)
			ask.Set(name, day.UTC().Format(time.RFC3339))
		}
	}
	err := s.get(p.r, "/v1/accounts/"+p.Account.ID+"/users?"+ask.Encode(), &v.userList)
	var refused *problem
	if err != nil {
		if refused = asProblem(err); refused == nil || refused.Status != http.StatusUnprocessableEntity {
			return err
		}
		v.Wrong = refused
	}
	v.Tabs = p.tabs(v)
	if v.Roles, err = p.roles(); err != nil && asProblem(err) == nil { // who may not see the roles filters by none
		return err
	}
	for _, u := range v.Items {
		actions, err := p.rowActions(u, v.Roles)
		if err != nil {
			return err
		}
		v.Actions = append(v.Actions, actions)
	}
	if p.r.Header.Get("HX-Target") == "list" {
		return p.partial(p.r.Context(), userTable(p, v))
	}
	return p.show(http.StatusOK, usersView(p, v))
}

// tabs are all, and each status that the profile shows.
func (p *page) tabs(v usersPage) []tab {
	hidden := p.Profile.Hidden()
	chosen := v.Query.Get("status")
	all := tab{Label: p.T("users.all"), Current: chosen == ""}
	list := []tab{}
	for _, status := range statusesInOrder(p.Profile.Lists) {
		if slices.Contains(hidden, status) || len(p.Profile.Lists) > 0 && !slices.Contains(p.Profile.Lists, status) && v.Counts[status] == 0 {
			continue
		}
		all.Count += v.Counts[status]
		label := p.listLabel(status)
		// Statuses of one name are one list: where open invitations are called the same, whether the link still works or not.
		if i := slices.IndexFunc(list, func(t tab) bool { return t.Label == label }); i >= 0 {
			list[i].Status += "," + status
			list[i].Count += v.Counts[status]
			continue
		}
		list = append(list, tab{Status: status, Label: label, Count: v.Counts[status]})
	}
	for i := range list {
		list[i].Current = chosen == list[i].Status
	}
	return append([]tab{all}, list...)
}

// statusesInOrder are the statuses in the order of their lists: the portal's first.
func statusesInOrder(first []string) []string {
	list := slices.Clone(first)
	for _, status := range []string{"active", "pending", "expired", "suspended", "revoked"} {
		if !slices.Contains(list, status) {
			list = append(list, status)
		}
	}
	return list
}

// listLabel is what the list of a status is called. A portal that has several lists names them by who is in them.
func (p *page) listLabel(status string) string {
	label := p.StatusText(status, p.Profile.Label(status))
	switch {
	case label == "":
		return p.T("status." + status)
	case len(p.Profile.Lists) > 0 && (status == "active" || status == "suspended"):
		return p.T("users.of_status", label)
	}
	return label
}

// With is the address of the list with one part of what is asked changed; it begins at the first page again.
func (v usersPage) With(p *page, name, value string) string {
	return withQuery(p.At("users"), v.Query, name, value)
}

// Sorted is the address of the list in the order of a column, or in the opposite one where it is in it already.
func (v usersPage) Sorted(p *page, column string) string {
	if v.Query.Get("sort") == column || column == "name" && v.Query.Get("sort") == "" {
		return v.With(p, "sort", "-"+column)
	}
	return v.With(p, "sort", column)
}

// Order is what a column's header tells of the order: ascending, descending or none.
func (v usersPage) Order(column string) string {
	switch v.Query.Get("sort") {
	case column:
		return "ascending"
	case "-" + column:
		return "descending"
	case "":
		if column == "name" {
			return "ascending"
		}
	}
	return "none"
}

// More says that a filter is set that stands under "More filters".
func (v usersPage) More() bool {
	for _, name := range []string{"permission", "inherited", "never_signed_in", "last_sign_in_after", "last_sign_in_before"} {
		if v.Query.Get(name) != "" {
			return true
		}
	}
	return false
}

// Filtered says that not all are shown.
func (v usersPage) Filtered() bool {
	for name := range v.Query {
		if name != "sort" && name != "cursor" && name != "back" {
			return true
		}
	}
	return false
}

// Chosen are the values of a filter that takes several.
func (v usersPage) Chosen(name string) []string { return strings.Split(v.Query.Get(name), ",") }

// option is one of several that can be chosen.
type option struct{ Value, Label string }

// Statuses are those that the list can be filtered by.
func (v usersPage) Statuses() []option {
	var list []option
	for _, t := range v.Tabs {
		if t.Status != "" {
			list = append(list, option{t.Status, t.Label})
		}
	}
	return list
}

// RoleOptions are the roles that the list can be filtered by.
func (v usersPage) RoleOptions(p *page) []option {
	var list []option
	for _, r := range v.Roles {
		list = append(list, option{r.ID, p.RoleName(r)})
	}
	return list
}

func count(n int) string { return strconv.Itoa(n) }

// entry is the page of an entry of the list.
func (p *page) entry(u listed) string {
	if u.User == nil {
		return p.At("invitations", u.ID())
	}
	return p.At("users", u.ID())
}

func shownName(p *page, u listed) string {
	if u.Name == "" && u.Email == "" {
		return p.T("users.erased")
	}
	return text(cmp.Or(u.Name, u.Email))
}

// accountName is the name of an account that the viewer can see; of others its id.
func (p *page) accountName(id string) string {
	for _, a := range p.Accounts {
		if a.ID == id {
			return a.Name
		}
	}
	return id
}

// action is something that can be done with an entry, on a page that first says what would happen.
type action struct {
	Label, Href string
	Danger      bool
}
