package web

import (
	"cmp"
	"net/http"
	"net/url"
	"time"
)

// operatorUserRoutes are the operator's pages of users, each once, in however many accounts.
func (s *site) operatorUserRoutes() map[string]verbs {
	const at = "/operator/users/{user}"
	routes := map[string]verbs{
		"/operator/users": {http.MethodGet: s.asOperator(s.operatorUsers)},
		at:                {http.MethodGet: s.asOperator(s.operatorUser)},
	}
	for name, deed := range map[string]func(p *page) (operatorDeed, error){
		"lock": locking, "unlock": simple("unlock"), "end-sessions": simple("end-sessions"), "reset-factors": simple("reset-factors"), "erase": erasing} {
		routes[at+"/"+name] = verbs{http.MethodGet: s.asOperator(asked(deed)), http.MethodPost: s.asOperator(carriedOut(deed))}
	}
	return routes
}

func (s *site) operatorUsers(p *page) error {
	p.Title, p.Section = p.T("operator.users"), "users"
	v, err := search[anyUser](p, "/v1/operator/users", "q")
	if err != nil {
		return err
	}
	if p.r.Header.Get("HX-Target") == "list" {
		return p.partial(p.r.Context(), operatorUserTable(p, v))
	}
	return p.show(http.StatusOK, operatorUsersView(p, v))
}

// operatedUser is a user as the operator sees them.
type operatedUser struct {
	ID        string         `json:"id"`
	Name      string         `json:"name"`
	Email     string         `json:"email"`
	Status    string         `json:"status"`
	TwoFactor bool           `json:"two_factor"`
	Accounts  []membershipIn `json:"accounts"`
	Sessions  []operatedSession
}

// operatedSession is where a user is signed in.
type operatedSession struct {
	ID        string    `json:"id"`
	IP        string    `json:"ip"`
	Device    string    `json:"device"`
	Place     *string   `json:"place"`
	StartedAt time.Time `json:"started_at"`
	LastSeen  time.Time `json:"last_seen"`
}

// operated asks for the user in the path.
func (p *page) operated() (u operatedUser, err error) {
	p.Section = "users"
	if err = p.site.get(p.r, p.ofUserAPI(""), &u); err != nil {
		return u, err
	}
	for _, a := range u.Accounts { // whose names a plan may need
		p.Accounts = append(p.Accounts, account{ID: a.ID, Name: a.Name})
	}
	return u, nil
}

func (p *page) ofUserAPI(rest string) string {
	return "/v1/operator/users/" + url.PathEscape(p.r.PathValue("user")) + rest
}

// Shown is the name that the user is listed by.
func (u operatedUser) Shown(p *page) string {
	return shownName(p, listed{Name: u.Name, Email: u.Email})
}

// At is the address of one of the pages of the user.
func (u operatedUser) At(part string) string {
	at := "/operator/users/" + u.ID
	if part != "" {
		at += "/" + part
	}
	return at
}

// Deeds are what can be done with the user as they are.
func (u operatedUser) Deeds(p *page) []action {
	if u.Status == "erased" {
		return nil
	}
	list := []action{{p.T("operator.deed.lock"), u.At("lock"), true}}
	if u.Status == "locked" {
		list = []action{{p.T("operator.deed.unlock"), u.At("unlock"), false}}
	}
	if len(u.Sessions) > 0 {
		list = append(list, action{p.T("operator.deed.end-sessions"), u.At("end-sessions"), false})
	}
	if u.TwoFactor {
		list = append(list, action{p.T("operator.deed.reset-factors"), u.At("reset-factors"), false})
	}
	return append(list, action{p.T("operator.deed.erase"), u.At("erase"), true})
}

func (s *site) operatorUser(p *page) error {
	u, err := p.operated()
	if err != nil {
		return err
	}
	p.Title = u.Shown(p)
	var sessions struct{ Items []operatedSession }
	if err := s.get(p.r, p.ofUserAPI("/sessions"), &sessions); err != nil {
		return err
	}
	u.Sessions = sessions.Items
	return p.show(http.StatusOK, operatorUserView(p, u))
}

// simple is what takes no more than the user.
func simple(name string) func(p *page) (operatorDeed, error) {
	return func(p *page) (operatorDeed, error) {
		u, err := p.operated()
		return operatorDeed{Label: p.T("operator.deed." + name), Whom: u.Shown(p), Back: u.At(""), At: u.At(name), API: p.ofUserAPI("/" + name),
			Done: "operator.did." + name, To: u.At("")}, err
	}
}

// locking leaves an account without an owner only where that is asked for.
func locking(p *page) (operatorDeed, error) {
	d, err := simple("lock")(p)
	d.Danger, d.Reason, d.Body, d.Means = true, true, map[string]any{}, p.T("operator.lock_means")
	d.Even = d.At + "?force=true"
	if p.r.URL.Query().Get("force") == "true" || p.r.PostForm.Get("force") == "true" {
		d.Body["force"], d.Hidden, d.Even = true, map[string]string{"force": "true"}, ""
	}
	return d, err
}

// erasing cannot be taken back, so that the person has to be named.
func erasing(p *page) (operatorDeed, error) {
	u, err := p.operated()
	return operatorDeed{Label: p.T("operator.deed.erase"), Whom: u.Shown(p), Means: p.T("operator.erase_means"), Danger: true, Back: u.At(""), At: u.At("erase"),
		API: "/v1/operator/erase", Body: map[string]any{"user": u.ID}, Type: cmp.Or(text(u.Email), u.ID), Done: "operator.did.erase", To: "/operator/users"}, err
}
