package web

import (
	"cmp"
	"net/http"
	"net/url"
	"slices"
	"time"

	"roster/domain"
)

// userPage is a user's entry in an account's list, what the viewer may do with it, and where the user has access.
type userPage struct {
	listed
	Access   []membershipIn
	Timeline []entry
	Deeds    []offered
}

// membershipIn is a user's access to one account, as the API answers it.
type membershipIn struct {
	ID     string    `json:"id"`
	Name   string    `json:"name"`
	Status string    `json:"status"`
	Roles  []string  `json:"roles"`
	Grants []grant   `json:"grants"`
	Since  time.Time `json:"since"`
}

// grant is a part of a membership.
type grant struct {
	Account     string     `json:"account,omitempty"`
	Roles       []string   `json:"roles"`
	Permissions []string   `json:"permissions,omitempty"`
	Inherit     bool       `json:"inherit,omitempty"`
	ValidFrom   *time.Time `json:"valid_from,omitempty"`
	ValidUntil  *time.Time `json:"valid_until,omitempty"`
}

// entry is an entry of a trail or a timeline.
type entry struct {
	ID      string    `json:"id"`
	Time    time.Time `json:"time"`
	Account string    `json:"account"`
	Action  string    `json:"action"`
	Outcome string    `json:"outcome"`
	Code    string    `json:"code"`
	Actor   actor     `json:"actor"`
	Behalf  *actor    `json:"on_behalf_of"`
	Target  *actor    `json:"target"`
	IP      string    `json:"ip"`
	Device  string    `json:"device"`
	Before  map[string]any
	After   map[string]any
	Reason  string `json:"reason"`
	Command string `json:"command_id"`
}

// actor is somebody or something that acted, or on whom.
type actor struct {
	Type string `json:"type"`
	ID   string `json:"id"`
	Name string `json:"name"`
}

// offered is something that can be done, or why the viewer cannot. It may have bounds that are said beside it.
type offered struct {
	action
	Why  string
	Note string
}

func (p *page) userAPI(rest string) string {
	return p.api("/users/" + url.PathEscape(p.r.PathValue("user")) + rest)
}

func (p *page) listed() (listed, error) {
	var u listed
	err := p.site.get(p.r, p.userAPI(""), &u)
	return u, err
}

// user is a user's page: access, devices are their own; what can be done, and what has happened.
func (s *site) user(p *page) error {
	u, err := p.listed()
	if err != nil {
		return err
	}
	v := userPage{listed: u}
	p.Title, p.Section = shownName(p, u), "users"
	var access struct{ Items []membershipIn }
	if err := s.get(p.r, p.userAPI("/access"), &access); err != nil && asProblem(err) == nil {
		return err
	}
	v.Access = access.Items
	var timeline struct{ Items []entry }
	if err := s.get(p.r, p.userAPI("/timeline?limit=20"), &timeline); err != nil && asProblem(err) == nil {
		return err
	}
	v.Timeline = timeline.Items
	if v.Deeds, err = p.deeds(u); err != nil {
		return err
	}
	return p.show(http.StatusOK, userView(p, v))
}

// deedPage says what would happen before it does.
type deedPage struct {
	listed
	Name   string
	Plan   plan
	Wrong  *problem
	Reason string
	Danger bool
	Typing confirmation
}

// Word is what has to be typed where a deed on the user has to be confirmed.
func (l listed) Word() string { return cmp.Or(text(l.Email), text(l.Name), l.ID()) }

// deedNames are what is done with a user by one button.
func deedNames() []string {
	return []string{"suspend", "reactivate", "revoke", "reset-factors", "unlink"}
}

// deedAPI is how the API is asked for a deed on a user.
func deedAPI(name string) (method, rest string) {
	if name == "unlink" {
		return http.MethodDelete, "/identity"
	}
	return http.MethodPost, "/" + name
}

func (s *site) deedPage(p *page) error {
	v, err := p.deedOf()
	if err != nil {
		return err
	}
	return p.showDeed(v)
}

func (p *page) deedOf() (deedPage, error) {
	v := deedPage{Name: p.r.PathValue("action")}
	if !slices.Contains(deedNames(), v.Name) {
		return v, errNoPage
	}
	v.Danger = v.Name == "revoke" || v.Name == "unlink"
	var err error
	if v.listed, err = p.listed(); err != nil {
		return v, err
	}
	if v.Name == "revoke" && p.Profile.ConfirmRemoval {
		v.Typing.Word = v.Word()
	}
	p.Title, p.Section = p.Action(v.Name), "users"
	return v, nil
}

// showDeed shows what would happen, or why it cannot.
func (p *page) showDeed(v deedPage) error {
	var err error
	status := http.StatusOK
	if v.Wrong == nil {
		method, rest := deedAPI(v.Name)
		v.Plan, err = p.plan(method, p.userAPI(rest), nil)
		if v.Wrong = asProblem(err); err != nil && v.Wrong == nil {
			return err
		}
	} else {
		status = v.Wrong.Status
	}
	if v.Typing.Mistyped {
		status = http.StatusUnprocessableEntity
	}
	return p.show(status, deedView(p, v))
}

func (s *site) deed(p *page) error {
	v, err := p.deedOf()
	if err != nil {
		return err
	}
	v.Reason = p.r.PostForm.Get("reason")
	var command string
	method, rest := deedAPI(v.Name)
	if v.Name == "reset-factors" || v.Name == "unlink" {
		_, err = s.send(p.r, method, p.userAPI(rest), nil, nil)
	} else {
		body := map[string]any{}
		if v.Reason != "" {
			body["reason"] = v.Reason
		}
		var ask confirmation
		if command, ask, err = p.doTyped(v.Word(), method, p.userAPI(rest), body, nil); ask.Word != "" {
			v.Typing = ask
			return p.showDeed(v)
		}
	}
	if v.Wrong = asProblem(err); v.Wrong != nil {
		return p.showDeed(v)
	}
	if err != nil {
		return err
	}
	back := p.At("users", p.r.PathValue("user"))
	if v.Name == "revoke" {
		back = p.At("users")
	}
	return p.done(back, "done."+v.Name, shownName(p, v.listed), command)
}

// bulkPage says what would happen to those who were chosen.
type bulkPage struct {
	Name    string
	Users   []string
	People  []listed
	Roles   []role
	Chosen  []string
	Plan    plan
	Wrong   *problem
	Refused []refusedUser
	Danger  bool
	Typing  confirmation
}

// refusedUser is one of many whom something was not done to, and why.
type refusedUser struct{ Name, Why string }

func (p *page) bulkOf(form url.Values) (bulkPage, map[string]any, error) {
	v := bulkPage{Name: form.Get("action"), Users: form["user"], Chosen: form["role"]}
	if v.Name != "change_role" && !slices.Contains([]string{"suspend", "reactivate", "revoke"}, v.Name) {
		return v, nil, errNoPage
	}
	v.Danger = v.Name == "revoke"
	p.Title, p.Section = cmp.Or(p.Action(v.Name), v.Name), "users"
	for _, id := range v.Users {
		var u listed
		if err := p.site.get(p.r, p.api("/users/"+url.PathEscape(id)), &u); err != nil {
			if asProblem(err) == nil {
				return v, nil, err
			}
			continue
		}
		v.People = append(v.People, u)
	}
	if v.Name == "revoke" && p.Profile.ConfirmRemoval {
		v.Typing.Word = count(len(v.Users))
	}
	body := map[string]any{"action": v.Name, "users": v.Users}
	if v.Name == "change_role" {
		var err error
		if v.Roles, err = p.roles(); err != nil {
			return v, nil, err
		}
		body["roles"] = v.Chosen
	}
	return v, body, nil
}

func (s *site) bulkPage(p *page) error {
	v, body, err := p.bulkOf(p.r.URL.Query())
	if err != nil {
		return err
	}
	if len(v.Users) == 0 {
		http.Redirect(p.w, p.r, p.At("users"), http.StatusSeeOther)
		return nil
	}
	return p.showBulk(v, body)
}

// showBulk shows what a bulk would do; a change of roles once they have been chosen.
func (p *page) showBulk(v bulkPage, body map[string]any) error {
	if v.Wrong == nil && (v.Name != "change_role" || len(v.Chosen) > 0) {
		var err error
		v.Plan, err = p.plan(http.MethodPost, p.api("/users/bulk"), body)
		if v.Wrong = asProblem(err); err != nil && v.Wrong == nil {
			return err
		}
		for i, outcome := range v.Plan.Outcomes { // of each user, in order: done, already, or the code of a refusal
			if outcome == domain.OutcomeDone || outcome == domain.OutcomeAlready || i >= len(v.Users) {
				continue
			}
			who := v.Users[i]
			if at := slices.IndexFunc(v.People, func(u listed) bool { return u.ID() == who }); at >= 0 {
				who = shownName(p, v.People[at])
			}
			v.Refused = append(v.Refused, refusedUser{who, p.Why(&problem{Code: outcome})})
		}
	}
	status := http.StatusOK
	if v.Typing.Mistyped {
		status = http.StatusUnprocessableEntity
	}
	return p.show(status, bulkView(p, v))
}

func (s *site) bulk(p *page) error {
	v, body, err := p.bulkOf(p.r.PostForm)
	if err != nil {
		return err
	}
	var out struct {
		Results []struct{ User, Outcome, Code string }
	}
	command, ask, err := p.doTyped(count(len(v.Users)), http.MethodPost, p.api("/users/bulk"), body, &out)
	if ask.Word != "" {
		v.Typing = ask
		return p.showBulk(v, body)
	}
	if v.Wrong = asProblem(err); v.Wrong != nil {
		return p.showBulk(v, body)
	}
	if err != nil {
		return err
	}
	done := 0
	for _, r := range out.Results {
		if r.Outcome == "done" {
			done++
		}
	}
	return p.done(p.At("users"), "done.bulk", p.N("users.people", done), command)
}
