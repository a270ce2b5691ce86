package web

import (
	"net/http"
	"net/url"
	"strings"
	"time"
)

// operatorAccountRoutes are the operator's pages of accounts.
func (s *site) operatorAccountRoutes() map[string]verbs {
	const at = "/operator/accounts/{account}"
	return map[string]verbs{
		"/operator/accounts": {http.MethodGet: s.asOperator(s.operatorAccounts)},
		at:                   {http.MethodGet: s.ofAccount(s.operatorAccount)},
		at + "/close":        {http.MethodGet: s.ofAccount(asked(closing)), http.MethodPost: s.ofAccount(carriedOut(closing))},
		at + "/adopt":        {http.MethodGet: s.ofAccount(asked(adopting)), http.MethodPost: s.ofAccount(carriedOut(adopting))},
		at + "/users":        {http.MethodGet: s.ofAccount(s.operatorAccountUsers)},
		at + "/owner":        {http.MethodGet: s.ofAccount(s.ownerPage), http.MethodPost: s.ofAccount(carriedOut(appointing))},
	}
}

// found is a list that is searched and read page by page.
type found[T any] struct {
	Items      []T     `json:"items"`
	NextCursor *string `json:"next_cursor"`
	Query      url.Values
	Wrong      *problem
}

// search asks for a page of a list by what the page's own address says.
func search[T any](p *page, path string, names ...string) (found[T], error) {
	v := found[T]{Query: url.Values{}}
	ask := url.Values{"limit": {"50"}}
	for _, name := range append(names, "cursor") {
		if value := p.r.URL.Query().Get(name); value != "" {
			v.Query.Set(name, value)
			ask.Set(name, value)
		}
	}
	if back := p.r.URL.Query().Get("back"); back != "" {
		v.Query.Set("back", back)
	}
	err := p.site.get(p.r, path+"?"+ask.Encode(), &v)
	refused := asProblem(err)
	switch {
	case refused != nil && (refused.Status == http.StatusUnprocessableEntity || refused.Status >= http.StatusInternalServerError):
		v.Wrong = refused
	case err != nil:
		return v, err
	}
	return v, nil
}

// With is the address of the list with one part of what is asked changed; it begins at the first page again.
func (v found[T]) With(at, name, value string) string {
	return withQuery(at, v.Query, name, value)
}

// listedAccount is an account in the list of all of them, and what it stands below, from the root on.
type listedAccount struct {
	ID       string    `json:"id"`
	Name     string    `json:"name"`
	Parent   *string   `json:"parent"`
	Profile  string    `json:"profile"`
	OpenedAt time.Time `json:"opened_at"`
	Closed   bool      `json:"closed"`
	Above    []account
}

func (s *site) operatorAccounts(p *page) error {
	p.Title, p.Section = p.T("operator.accounts"), "accounts"
	v, err := search[listedAccount](p, "/v1/operator/accounts", "q")
	if err != nil {
		return err
	}
	known := map[string]account{}
	for i := range v.Items {
		if v.Items[i].Above, err = p.above(v.Items[i].Parent, known); err != nil {
			return err
		}
	}
	if p.r.Header.Get("HX-Target") == "list" {
		return p.partial(p.r.Context(), operatorAccountTable(p, v))
	}
	return p.show(http.StatusOK, operatorAccountsView(p, v))
}

// deepest is how many accounts can stand above one (SPEC 1.1).
const deepest = 8

// above are the accounts from the root down to parent.
func (p *page) above(parent *string, known map[string]account) ([]account, error) {
	var list []account
	for parent != nil && len(list) < deepest {
		a, ok := known[*parent]
		if !ok {
			if err := p.site.get(p.r, "/v1/accounts/"+url.PathEscape(*parent), &a); err != nil {
				return nil, err
			}
			known[*parent] = a
		}
		list, parent = append([]account{a}, list...), a.Parent
	}
	return list, nil
}

// ofAccount is a page of the account in the path.
func (s *site) ofAccount(show func(p *page) error) func(http.ResponseWriter, *http.Request) error {
	return s.asOperator(func(p *page) error {
		p.Section = "accounts"
		if err := s.get(p.r, "/v1/accounts/"+url.PathEscape(p.r.PathValue("account")), &p.Account); err != nil {
			return err
		}
		p.Accounts = []account{p.Account}
		if err := p.adopted(); err != nil {
			return err
		}
		return show(p)
	})
}

// OfAccount is the address of one of the operator's pages of the account.
func (p *page) OfAccount(part string) string {
	at := "/operator/accounts/" + p.Account.ID
	if part != "" {
		at += "/" + part
	}
	return at
}

// operatorAccountPage is an account as the operator sees it.
type operatorAccountPage struct {
	OpenedAt time.Time `json:"opened_at"`
	Above    []account
	Below    []branch
	More     int
	Owners   userList
	Portal   portalProfile
	Away     *problem // what answers from the database
}

func (s *site) operatorAccount(p *page) error {
	p.Title = text(p.Account.Name)
	var v operatorAccountPage
	if err := s.get(p.r, p.api(""), &v); err != nil {
		return err
	}
	var err error
	if v.Above, err = p.above(p.Account.Parent, map[string]account{}); err != nil {
		return err
	}
	var portal struct{ Portal portalProfile }
	if err := s.get(p.r, "/v1/operator/portal", &portal); err != nil {
		return err
	}
	v.Portal = portal.Portal
	ask := url.Values{"account": {p.Account.ID}, "limit": {"100"}, "status": {"active,pending,expired"}, "role": {p.Profile.Protected}}
	if v.Away, err = p.away("/v1/users?"+ask.Encode(), &v.Owners); err != nil {
		return err
	}
	var tree treePage
	if v.Away == nil {
		if v.Away, err = p.away(p.api("/tree"), &tree); err != nil {
			return err
		}
	}
	v.Below, v.More = shown(tree.Items)
	return p.show(http.StatusOK, operatorAccountView(p, v))
}

// operatorAccountUsers are the members of an account and its open invitations.
func (s *site) operatorAccountUsers(p *page) error {
	p.Title = p.T("operator.users_in", text(p.Account.Name))
	v, err := search[listed](p, p.api("/users"), "q")
	if err != nil {
		return err
	}
	if p.r.Header.Get("HX-Target") == "list" {
		return p.partial(p.r.Context(), operatorMemberTable(p, v))
	}
	return p.show(http.StatusOK, operatorMembersView(p, v))
}

// asked is the page that says what something would come to, carriedOut the one that does it.
func asked(deed func(p *page) (operatorDeed, error)) func(p *page) error {
	return onDeed(deed, (*page).askDeed)
}

func carriedOut(deed func(p *page) (operatorDeed, error)) func(p *page) error {
	return onDeed(deed, (*page).doDeed)
}

func onDeed(deed func(p *page) (operatorDeed, error), then func(*page, operatorDeed) error) func(p *page) error {
	return func(p *page) error {
		d, err := deed(p)
		if err != nil {
			return err
		}
		return then(p, d)
	}
}

// closing is for good: nothing opens an account again.
func closing(p *page) (operatorDeed, error) {
	return operatorDeed{Label: p.T("tree.close"), Whom: text(p.Account.Name), Means: p.T("tree.close_means"), Danger: true, Back: p.OfAccount(""),
		At: p.OfAccount("close"), API: p.api("/close"), Body: map[string]any{}, Confirms: true, Type: text(p.Account.Name),
		Done: "operator.closed", To: p.OfAccount("")}, nil
}

func adopting(p *page) (operatorDeed, error) {
	return operatorDeed{Label: p.T("operator.adopt"), Whom: text(p.Account.Name), Means: p.T("operator.adopt_means"), Back: p.OfAccount(""),
		At: p.OfAccount("adopt"), API: "/v1/operator/accounts/" + p.Account.ID + "/adopt", Done: "operator.adopted", To: p.OfAccount("")}, nil
}

// appointing makes a user an owner where an account has lost all of its own.
func appointing(p *page) (operatorDeed, error) {
	user := p.r.URL.Query().Get("user")
	if p.r.Method == http.MethodPost {
		user = p.r.PostForm.Get("user")
	}
	return operatorDeed{Label: p.T("operator.appoint"), Whom: text(p.Account.Name), Means: p.T("operator.appoint_means", user), Back: p.OfAccount(""),
		At: p.OfAccount("owner"), Hidden: map[string]string{"user": user}, API: "/v1/operator/accounts/" + p.Account.ID + "/owner",
		Body: map[string]any{"user": user}, Done: "operator.appointed", To: p.OfAccount("")}, nil
}

// ownerPage lets a user be found first.
func (s *site) ownerPage(p *page) error {
	if p.r.URL.Query().Get("user") != "" {
		return asked(appointing)(p)
	}
	p.Title = p.T("deed.title", p.T("operator.appoint"), text(p.Account.Name))
	v := found[anyUser]{Query: url.Values{}}
	if p.r.URL.Query().Get("q") != "" {
		var err error
		if v, err = search[anyUser](p, "/v1/operator/users", "q"); err != nil {
			return err
		}
	}
	return p.show(http.StatusOK, ownerView(p, v))
}

// anyUser is a user in the list of all of them.
type anyUser struct {
	ID         string     `json:"id"`
	Name       string     `json:"name"`
	Email      *string    `json:"email"`
	Status     string     `json:"status"`
	LastSignIn *time.Time `json:"last_sign_in"`
}

// Address is the user's e-mail address, "" of one who is erased.
func (u anyUser) Address() string {
	if u.Email == nil {
		return ""
	}
	return *u.Email
}

// Shown is the name that the user is listed by.
func (u anyUser) Shown(p *page) string { return shownName(p, listed{Name: u.Name, Email: u.Address()}) }

// pathText names accounts from the root down.
func pathText(list []account) string {
	names := make([]string, 0, len(list))
	for _, a := range list {
		names = append(names, text(a.Name))
	}
	return strings.Join(names, " › ")
}
