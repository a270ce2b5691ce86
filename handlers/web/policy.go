package web

import (
	"net/http"
	"strconv"
	"strings"
)

// policyRoutes are the pages of an account's policy.
func (s *site) policyRoutes() map[string]verbs {
	return map[string]verbs{"/accounts/{account}/policy": {http.MethodGet: s.inAccount(s.policy), http.MethodPost: s.inAccount(s.changePolicy)}}
}

// policy is a policy as the API has it (SPEC 1.4): what is nil is inherited.
type policy struct {
	ValidFor     string        `json:"invitation_valid_for,omitempty"`
	DefaultRoles []string      `json:"default_roles,omitempty"`
	Domains      []string      `json:"domains,omitempty"`
	TwoFactor    *twoFactor    `json:"two_factor,omitempty"`
	Password     *passwordRule `json:"password,omitempty"`
	Session      *sessionRule  `json:"session,omitempty"`
	ChangeEmail  *bool         `json:"change_email,omitempty"`
	Threshold    *threshold    `json:"threshold,omitempty"`
	Reminders    *bool         `json:"reminders,omitempty"`
	Digests      *bool         `json:"digests,omitempty"`
}

type twoFactor struct {
	Required bool   `json:"required"`
	Grace    string `json:"grace,omitempty"`
}

type passwordRule struct {
	Length  int  `json:"length"`
	Lower   bool `json:"lower_case"`
	Upper   bool `json:"upper_case"`
	Digit   bool `json:"digit"`
	Special bool `json:"special"`
}

type sessionRule struct {
	Idle     string `json:"idle,omitempty"`
	Absolute string `json:"absolute,omitempty"`
}

type threshold struct {
	Percent int `json:"percent"`
	People  int `json:"people"`
}

// policyPage is what the account has set itself beside what applies.
type policyPage struct {
	Own       policy `json:"own"`
	Effective policy `json:"effective"`
	Roles     []role
	Wrong     *problem
}

func (p *page) policy() (policyPage, error) {
	p.Title, p.Section = p.T("nav.policy"), "policy"
	var v policyPage
	if err := p.site.get(p.r, p.api("/policy"), &v); err != nil {
		return v, err
	}
	var err error
	if v.Roles, err = p.roles(); err != nil && asProblem(err) == nil {
		return v, err
	}
	return v, nil
}

func (s *site) policy(p *page) error {
	v, err := p.policy()
	if err != nil {
		return err
	}
	return p.show(http.StatusOK, policyView(p, v))
}

// policyFrom reads the form: what is left as it is inherited is left out.
func policyFrom(form func(string) string, all map[string][]string) policy {
	var own policy
	number := func(name string) int { n, _ := strconv.Atoi(form(name)); return n } // what is none, the API refuses as 0
	choice := func(name string) *bool {
		if form(name) == "" {
			return nil
		}
		yes := form(name) == "yes"
		return &yes
	}
	own.ValidFor, own.DefaultRoles = form("valid_for"), all["default_role"]
	own.Domains = strings.FieldsFunc(form("domains"), func(r rune) bool { return strings.ContainsRune(", ;\r\n\t", r) })
	if required := choice("two_factor"); required != nil {
		own.TwoFactor = &twoFactor{*required, form("grace")}
	}
	if form("length") != "" {
		own.Password = &passwordRule{number("length"), form("lower") != "", form("upper") != "", form("digit") != "", form("special") != ""}
	}
	if form("idle")+form("absolute") != "" {
		own.Session = &sessionRule{form("idle"), form("absolute")}
	}
	own.ChangeEmail, own.Reminders, own.Digests = choice("change_email"), choice("reminders"), choice("digests")
	if form("percent")+form("people") != "" {
		own.Threshold = &threshold{number("percent"), number("people")}
	}
	return own
}

func (s *site) changePolicy(p *page) error {
	v, err := p.policy()
	if err != nil {
		return err
	}
	v.Own = policyFrom(p.r.PostForm.Get, p.r.PostForm)
	header, err := s.send(p.r, http.MethodPut, p.api("/policy"), v.Own, nil)
	if v.Wrong = asProblem(err); v.Wrong != nil {
		return p.show(v.Wrong.Status, policyView(p, v))
	}
	if err != nil {
		return err
	}
	return p.done(p.At("policy"), "done.policy", "", header.Get("Roster-Command"))
}

// Duration is an ISO 8601 duration as people say it, for the ones that the form offers; others as they are.
func (p *page) Duration(iso string) string {
	if iso == "" {
		return p.T("policy.none")
	}
	if key := "duration." + strings.ToLower(iso); p.has(key) {
		return p.T(key)
	}
	return iso
}

// YesNo is a choice that applies.
func (p *page) YesNo(b *bool) string {
	if b != nil && *b {
		return p.T("policy.yes")
	}
	return p.T("policy.no")
}

func chosen(b *bool) string {
	switch {
	case b == nil:
		return ""
	case *b:
		return "yes"
	}
	return "no"
}

func positive(n int) string {
	if n == 0 {
		return ""
	}
	return strconv.Itoa(n)
}

// orZero lets a form read a part that is not there.
func orZero[T any](v *T) T {
	if v == nil {
		return *new(T)
	}
	return *v
}

func listOr(list []string, none string) string {
	if len(list) == 0 {
		return none
	}
	return strings.Join(list, ", ")
}

// passwordText says which password rules apply.
func (p *page) passwordText(r *passwordRule) string {
	rule := orZero(r)
	parts := []string{p.T("policy.at_least", rule.Length)}
	for _, one := range []struct {
		wanted bool
		label  string
	}{{rule.Lower, p.T("policy.lower")}, {rule.Upper, p.T("policy.upper")}, {rule.Digit, p.T("policy.digit")}, {rule.Special, p.T("policy.special")}} {
		if one.wanted {
			parts = append(parts, one.label)
		}
	}
	return strings.Join(parts, ", ")
}
