package web

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"roster/domain"
	"roster/handlers/address"
)

// inviteRoutes are the pages of invitations.
func (s *site) inviteRoutes() map[string]verbs {
	return map[string]verbs{
		"/accounts/{account}/invite":                            {http.MethodGet: s.inAccount(s.invitePage), http.MethodPost: s.inAccount(s.invite)},
		"/accounts/{account}/invite/csv":                        {http.MethodGet: s.inAccount(s.csvPage), http.MethodPost: s.inAccount(s.inviteByCSV)},
		"/accounts/{account}/invite/check":                      {http.MethodPost: s.inAccount(s.checkAddresses)},
		"/accounts/{account}/invitations/{invitation}":          {http.MethodGet: s.inAccount(s.openInvitation)},
		"/accounts/{account}/invitations/{invitation}/{action}": {http.MethodGet: s.inAccount(s.invitationDeedPage), http.MethodPost: s.inAccount(s.invitationDeed)},
	}
}

// invitePage is the form by which people are invited.
type invitePage struct {
	Emails   string
	Roles    []role
	Chosen   []string
	Inherit  bool
	ValidFor string
	Until    string
	Modules  []module  // of the portal, with what can be granted beside roles
	Granted  []string  // permissions
	Subs     []account // accounts below in which the viewer may invite too
	More     int       // of them, beyond those shown
	In       []string
	Checked  []outcome
	Wrong    *problem
	Results  []outcome
}

// outcome is what became, or would become, of one address.
type outcome struct {
	Email      string   `json:"email"`
	Outcome    string   `json:"outcome"`
	Invitation string   `json:"invitation"`
	Code       string   `json:"code"`
	Accounts   []string `json:"accounts"`
}

// Good says that the address is, or would be, invited.
func (o outcome) Good() bool { return o.Outcome == "invited" }

// maxChips is how many addresses are shown while they are typed.
const maxChips = 1000

// BadFirst are the addresses, those that would not be invited first.
func (v invitePage) BadFirst() []outcome {
	list := slices.Clone(v.Checked)
	slices.SortStableFunc(list, func(a, b outcome) int {
		switch {
		case a.Good() == b.Good():
			return 0
		case a.Good():
			return 1
		}
		return -1
	})
	return list
}

// Tally is how many addresses have each outcome.
func (v invitePage) Tally() []deedCount {
	var list []deedCount
	for _, o := range v.Checked {
		if i := slices.IndexFunc(list, func(d deedCount) bool { return d.Type == o.Outcome }); i >= 0 {
			list[i].N++
		} else {
			list = append(list, deedCount{o.Outcome, 1})
		}
	}
	return list
}

// OutcomeText says what became of an address; of one that was refused, why.
func (p *page) OutcomeText(o outcome) string {
	if key := "outcome." + o.Outcome; p.has(key) {
		return p.T(key)
	}
	code := o.Outcome
	if code == "refused" {
		code = o.Code
	}
	return p.Why(&problem{Code: code, Detail: code})
}

// validities are for how long an invitation can be chosen to be valid, as ISO 8601; "" is as the policy says.
func validities() []string { return []string{"", "P1D", "P3D", "P7D", "P14D", "P30D"} }

func (p *page) inviteForm(form url.Values) (invitePage, error) {
	v := invitePage{Emails: form.Get("emails"), Chosen: form["role"], Inherit: form.Get("inherit") != "", ValidFor: form.Get("valid_for"),
		Until: form.Get("until"), In: form["account"], Granted: form["permission"]}
	all, err := p.allRoles()
	if err != nil {
		return v, err
	}
	p.Title, p.Section = p.Action("invite"), "users"
	v.Roles, v.Modules = all.Items, all.portalModules()
	for _, a := range p.Accounts {
		if a.Parent != nil && p.below(a) {
			v.Subs = append(v.Subs, a)
		}
	}
	v.Subs, v.More = shown(v.Subs)
	if len(v.Chosen) == 0 && p.Profile.DefaultRole != "" {
		v.Chosen = []string{p.Profile.DefaultRole}
	}
	return v, nil
}

// below says that an account of the viewer's is below the one that is shown.
func (p *page) below(a account) bool {
	for range 16 { // deeper than any tree
		if a.Parent == nil {
			return false
		}
		if *a.Parent == p.Account.ID {
			return true
		}
		parent := *a.Parent
		a = account{}
		for _, known := range p.Accounts {
			if known.ID == parent {
				a = known
			}
		}
	}
	return false
}

// request is the form as the API takes it.
func (v invitePage) request(p *page) (map[string]any, *problem) {
	g := grant{Roles: v.Chosen, Permissions: v.Granted, Inherit: v.Inherit}
	if v.Until != "" {
		t, err := time.ParseInLocation("2006-01-02T15:04", v.Until, p.Zone)
		if err != nil {
			return nil, &problem{Code: string(domain.Invalid), Status: http.StatusUnprocessableEntity, Detail: p.T("grants.no_time")}
		}
		t = t.UTC()
		g.ValidUntil = &t
	}
	grants := []grant{g}
	if len(v.In) > 0 {
		grants = nil
		for _, id := range v.In {
			one := g
			one.Account = id
			grants = append(grants, one)
		}
	}
	body := map[string]any{"emails": v.Emails, "grants": grants}
	if v.ValidFor != "" {
		body["valid_for"] = v.ValidFor
	}
	return body, nil
}

func (s *site) invitePage(p *page) error {
	v, err := p.inviteForm(p.r.URL.Query())
	if err != nil {
		return err
	}
	return p.show(http.StatusOK, inviteView(p, v))
}

// checkAddresses says of each address what would become of it, before anything is sent.
func (s *site) checkAddresses(p *page) error {
	v, err := p.inviteForm(p.r.PostForm)
	if err != nil {
		return err
	}
	if err := p.check(&v); err != nil {
		return err
	}
	if p.r.Header.Get("HX-Request") != "" {
		return p.partial(p.r.Context(), chips(p, v))
	}
	return p.show(http.StatusOK, inviteView(p, v))
}

// check asks for the outcomes without inviting anybody. Addresses come before roles: where none is chosen yet, they are
// looked at as for the least.
func (p *page) check(v *invitePage) error {
	asked := *v
	if len(v.Chosen) == 0 && len(v.Granted) == 0 {
		for _, r := range v.Roles {
			if r.BuiltIn {
				asked.Chosen = []string{r.ID}
			}
		}
	}
	body, refused := asked.request(p)
	if v.Wrong = refused; refused != nil || strings.TrimSpace(v.Emails) == "" {
		return nil
	}
	shown, err := p.plan(http.MethodPost, p.api("/invitations"), body)
	if v.Wrong = asProblem(err); err != nil {
		if v.Wrong != nil {
			return nil
		}
		return err
	}
	list := address.ParseList(v.Emails) // as the API reads them: an outcome for each, in order
	for i, o := range shown.Outcomes {
		if i < len(list) {
			v.Checked = append(v.Checked, outcome{Email: list[i].Typed, Outcome: o})
		}
	}
	return nil
}

func (s *site) invite(p *page) error {
	v, err := p.inviteForm(p.r.PostForm)
	if err != nil {
		return err
	}
	body, refused := v.request(p)
	var out struct{ Results []outcome }
	var header http.Header
	if refused == nil {
		header, err = s.send(p.r, http.MethodPost, p.api("/invitations"), body, &out)
		refused = asProblem(err)
	}
	if refused != nil {
		v.Wrong = refused
		return p.show(refused.Status, inviteView(p, v))
	}
	if err != nil {
		return err
	}
	v.Results = out.Results
	invited := 0
	for _, o := range out.Results {
		if o.Good() {
			invited++
		}
	}
	if invited == len(out.Results) && invited > 0 {
		return p.done(p.At("users"), "done.invited", p.N("users.people", invited), header.Get("Roster-Command"))
	}
	return p.show(http.StatusOK, invitedView(p, v))
}

// invitation is an open invitation, as the API answers it.
type invitation struct {
	ID             string     `json:"id"`
	Email          string     `json:"email"`
	Name           string     `json:"name"`
	Status         string     `json:"status"`
	Delivery       string     `json:"delivery"`
	DeliveryReason *string    `json:"delivery_reason"`
	Grants         []grant    `json:"grants"`
	InvitedBy      *actor     `json:"invited_by"`
	CreatedAt      time.Time  `json:"created_at"`
	SentAt         *time.Time `json:"sent_at"`
	ExpiresAt      time.Time  `json:"expires_at"`
}

// invitationPage is an invitation with what has happened to it, and what can be done.
type invitationPage struct {
	invitation
	Timeline []entry
	Name     string // of what is about to be done
	Plan     plan
	Wrong    *problem
}

func (p *page) invitationAPI(rest string) string {
	return p.api("/invitations/" + url.PathEscape(p.r.PathValue("invitation")) + rest)
}

func (p *page) invitation() (invitationPage, error) {
	var v invitationPage
	p.Section = "users"
	if err := p.site.get(p.r, p.invitationAPI(""), &v.invitation); err != nil {
		return v, err
	}
	p.Title = p.T("invitation.title", text(v.Email))
	return v, nil
}

func (s *site) openInvitation(p *page) error {
	v, err := p.invitation()
	if err != nil {
		return err
	}
	var timeline struct{ Items []entry }
	if err := s.get(p.r, p.invitationAPI("/timeline?limit=50"), &timeline); err != nil && asProblem(err) == nil {
		return err
	}
	v.Timeline = timeline.Items
	return p.show(http.StatusOK, invitationView(p, v))
}

func (p *page) invitationDeedOf() (invitationPage, error) {
	v, err := p.invitation()
	if err != nil {
		return v, err
	}
	if v.Name = p.r.PathValue("action"); v.Name != "resend" && v.Name != "revoke" {
		return v, errNoPage
	}
	return v, nil
}

func (s *site) invitationDeedPage(p *page) error {
	v, err := p.invitationDeedOf()
	if err != nil {
		return err
	}
	v.Plan, err = p.plan(http.MethodPost, p.invitationAPI("/"+v.Name), nil)
	if v.Wrong = asProblem(err); err != nil && v.Wrong == nil {
		return err
	}
	return p.show(http.StatusOK, invitationDeedView(p, v))
}

func (s *site) invitationDeed(p *page) error {
	v, err := p.invitationDeedOf()
	if err != nil {
		return err
	}
	_, err = s.send(p.r, http.MethodPost, p.invitationAPI("/"+v.Name), nil, nil)
	if v.Wrong = asProblem(err); v.Wrong != nil {
		return p.show(v.Wrong.Status, invitationDeedView(p, v))
	}
	if err != nil {
		return err
	}
	back, key := p.At("users"), "done.invitation_revoked"
	if v.Name == "resend" {
		back, key = p.At("invitations", v.ID), "done.invitation_resent"
	}
	return p.done(back, key, text(v.Email), "")
}

// InvitationAction is what a deed on an invitation is called.
func (p *page) InvitationAction(name string) string {
	if name == "revoke" {
		return p.T("action.revoke_invitation")
	}
	return p.Action(name)
}

func validityKey(v string) string { return "invite.valid_" + strings.ToLower(v) }

// InvitationStatus is a status of an invitation: as the portal calls it where it is one of the user list, too.
func (p *page) InvitationStatus(status string) string {
	if label := p.Profile.Label(status); (status == string(domain.Pending) || status == string(domain.Expired)) && label != "" {
		return p.StatusText(status, label)
	}
	return p.T("status." + status)
}
