package api

import (
	"context"
	"net/http"
	"strconv"
	"strings"
	"time"

	"roster/domain"
	"roster/events"
)

func (s *server) policyRoutes() {
	const at = "/v1/accounts/{account}/policy"
	add(s, operation{id: "GetPolicy", method: http.MethodGet, path: at, tag: "policy", summary: "The policy of an account",
		description: "What the account has set itself, and what applies in it with all that it inherits.",
		etag:        true, whole: true, senior: within(domain.PolicyRead), codes: []domain.Code{domain.NotPermitted, codePosition}}, getPolicy)
	add(s, operation{id: "ChangePolicy", method: http.MethodPut, path: at, tag: "policy", summary: "Replace the account's own policy",
		description: "What is left out is inherited. A sub-account may only tighten domains, two-factor, passwords and sessions.",
		command:     true, ifMatch: true, senior: within(domain.PolicyChange), codes: []domain.Code{domain.NotPermitted, domain.AccountClosed}}, changePolicy)
}

// policyBody is a policy as the API has it: durations in ISO 8601.
type policyBody struct {
	InvitationValidFor string         `json:"invitation_valid_for,omitempty" doc:"An ISO 8601 duration of 1 hour to 90 days" example:"P7D"`
	DefaultRoles       []string       `json:"default_roles,omitempty" doc:"Of an invitation that names none"`
	Domains            []string       `json:"domains,omitempty" doc:"Of e-mail addresses that may be invited: example.com, or *.example.com for what is below it"`
	TwoFactor          *twoFactorBody `json:"two_factor,omitempty"`
	Password           *passwordBody  `json:"password,omitempty"`
	Session            *sessionRule   `json:"session,omitempty"`
	ChangeEmail        *bool          `json:"change_email,omitempty" doc:"Whether users may change their own e-mail address"`
	Threshold          *thresholdBody `json:"threshold,omitempty"`
	Reminders          *bool          `json:"reminders,omitempty" doc:"To the invitee before an invitation expires"`
	Digests            *bool          `json:"digests,omitempty" doc:"To the inviter, of invitations that expired or bounced"`
}

type twoFactorBody struct {
	Required bool   `json:"required"`
	Grace    string `json:"grace,omitempty" doc:"How long after joining it is not asked for yet" example:"P14D"`
}

type passwordBody struct {
	Length  int  `json:"length"`
	Lower   bool `json:"lower_case"`
	Upper   bool `json:"upper_case"`
	Digit   bool `json:"digit"`
	Special bool `json:"special"`
}

type sessionRule struct {
	Idle     string `json:"idle,omitempty" doc:"Ends without a request for so long; none: never" example:"PT8H"`
	Absolute string `json:"absolute,omitempty" doc:"Ends so long after signing in" example:"P30D"`
}

type thresholdBody struct {
	Percent int `json:"percent" doc:"More than so much of the account"`
	People  int `json:"people" doc:"And at least so many"`
}

type policiesBody struct {
	Own       policyBody `json:"own" doc:"What the account has set itself"`
	Effective policyBody `json:"effective" doc:"What applies in it"`
}

func getPolicy(_ context.Context, r *request, in *AccountParam) (*Reply[policiesBody], error) {
	account, err := accountID(in.Account)
	if err != nil {
		return nil, err
	}
	return r.policies(account)
}

func (r *request) policies(account events.AccountID) (*Reply[policiesBody], error) {
	var own events.Policy
	var rules domain.Rules
	var version uint64
	if err := r.App.Ask(r.ctx, r.call, domain.AskPolicy(account, &own, &rules, &version)); err != nil {
		return nil, err
	}
	_, position, err := r.App.Account(r.ctx, account)
	if err != nil {
		return nil, err
	}
	if r.op.method == http.MethodGet {
		if err := r.atLeast(position); err != nil {
			return nil, err
		}
	}
	r.tag(version)
	return reply(policiesBody{policyOf(own), policyOf(rules.Policy())})
}

type changePolicyInput struct {
	AccountParam
	Body policyBody
}

func changePolicy(_ context.Context, r *request, in *changePolicyInput) (*Reply[policiesBody], error) {
	account, err := accountID(in.Account)
	if err != nil {
		return nil, err
	}
	policy, err := in.Body.policy()
	if err != nil {
		return nil, r.unless(err)
	}
	if _, err := r.do(domain.ChangePolicy{Account: account, Policy: policy}); err != nil {
		return nil, err
	}
	return r.policies(account)
}

func policyOf(p events.Policy) policyBody {
	out := policyBody{DefaultRoles: p.DefaultRoles, Domains: p.Domains, ChangeEmail: p.ChangeEmail, Reminders: p.Reminders, Digests: p.Digests}
	if p.InvitationValidFor != nil {
		out.InvitationValidFor = isoDuration(*p.InvitationValidFor)
	}
	if t := p.TwoFactor; t != nil {
		out.TwoFactor = &twoFactorBody{t.Required, isoDuration(t.Grace)}
	}
	if w := p.Password; w != nil {
		out.Password = &passwordBody{w.Length, w.Lower, w.Upper, w.Digit, w.Special}
	}
	if s := p.Session; s != nil {
		out.Session = &sessionRule{isoDuration(s.Idle), isoDuration(s.Absolute)}
	}
	if t := p.Threshold; t != nil {
		out.Threshold = &thresholdBody{t.Percent, t.People}
	}
	return out
}

func (b policyBody) policy() (events.Policy, error) {
	p := events.Policy{DefaultRoles: b.DefaultRoles, Domains: b.Domains, ChangeEmail: b.ChangeEmail, Reminders: b.Reminders, Digests: b.Digests}
	var wrong *domain.Error
	seconds := func(location, text string) int64 {
		if text == "" {
			return 0
		}
		d, err := durationOf(text)
		if err != nil && wrong == nil {
			wrong = invalid("body."+location, "want an ISO 8601 duration of weeks, days, hours, minutes and seconds, such as P7D or PT12H")
		}
		return int64(d / time.Second)
	}
	if b.InvitationValidFor != "" {
		n := seconds("invitation_valid_for", b.InvitationValidFor)
		p.InvitationValidFor = &n
	}
	if t := b.TwoFactor; t != nil {
		p.TwoFactor = &events.TwoFactorRule{Required: t.Required, Grace: seconds("two_factor.grace", t.Grace)}
	}
	if w := b.Password; w != nil {
		p.Password = &events.PasswordRule{Length: w.Length, Lower: w.Lower, Upper: w.Upper, Digit: w.Digit, Special: w.Special}
	}
	if s := b.Session; s != nil {
		p.Session = &events.SessionRule{Idle: seconds("session.idle", s.Idle), Absolute: seconds("session.absolute", s.Absolute)}
	}
	if t := b.Threshold; t != nil {
		p.Threshold = &events.ThresholdRule{Percent: t.Percent, People: t.People}
	}
	if wrong != nil {
		return p, wrong
	}
	return p, nil
}

// isoDuration writes seconds as ISO 8601 has them, with days of 24 hours; none at all is "".
func isoDuration(n int64) string {
	if n <= 0 {
		return ""
	}
	var b strings.Builder
	b.WriteByte('P')
	part := func(size int64, unit byte) {
		if n >= size {
			b.WriteString(strconv.FormatInt(n/size, 10))
			b.WriteByte(unit)
			n %= size
		}
	}
	part(24*60*60, 'D')
	if n > 0 {
		b.WriteByte('T')
	}
	part(60*60, 'H')
	part(60, 'M')
	part(1, 'S')
	return b.String()
}
