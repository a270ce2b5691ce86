package api

import (
	"context"
	"net/http"
	"slices"
	"strings"

	"roster/domain"
	"roster/events"
)

func (s *server) ssoRoutes() {
	const at = "/v1/accounts/{account}/sso"
	codes := []domain.Code{domain.NotPermitted, domain.ExceedsOwnAccess, domain.AccountClosed, domain.Inherited}
	add(s, operation{id: "GetSSO", method: http.MethodGet, path: at, tag: "sso", summary: "The account's OpenID provider and domains",
		etag: true, whole: true, senior: within(domain.PolicyRead), codes: []domain.Code{domain.NotPermitted, codePosition}}, getSSO)
	add(s, operation{id: "ConnectSSO", method: http.MethodPut, path: at, tag: "sso", summary: "Connect the account's OpenID provider, or change the connection",
		description: "On a root account, by its owners: whoever rules the provider can sign in as anybody whose address is in a verified domain. Another issuer is another connection: who is who there is found out anew, by verified e-mail addresses.",
		command:     true, ifMatch: true, senior: within(domain.PolicyChange), codes: codes}, connectSSO)
	add(s, operation{id: "DisconnectSSO", method: http.MethodDelete, path: at, tag: "sso", summary: "End single sign-on",
		description: "Sessions go on; people sign in by password, who can choose one by mail.",
		command:     true, ifMatch: true, senior: within(domain.PolicyChange), codes: codes}, disconnectSSO)
	add(s, operation{id: "GetDomain", method: http.MethodGet, path: at + "/domains/{domain}", tag: "sso", summary: "An e-mail domain, and how to verify that it is the account's",
		senior: within(domain.PolicyRead), codes: []domain.Code{domain.NotPermitted, codePosition}}, getDomain)
	add(s, operation{id: "VerifyDomain", method: http.MethodPost, path: at + "/domains/{domain}/verify", tag: "sso", summary: "Verify that an e-mail domain is the account's",
		description: "By the TXT record in its DNS; the operator's word needs none. A domain is one account's only.",
		command:     true, senior: within(domain.PolicyChange), codes: append(codes, domain.DomainNotAllowed)}, verifyDomain)
	add(s, operation{id: "ReleaseDomain", method: http.MethodDelete, path: at + "/domains/{domain}", tag: "sso", summary: "Take a domain from the account",
		command: true, senior: within(domain.PolicyChange), codes: codes}, releaseDomain)
}

type ssoBody struct {
	Connection *connectionBody `json:"connection"`
	Domains    []string        `json:"domains" nullable:"false" doc:"Verified: the provider speaks for the addresses in them"`
	Redirect   string          `json:"redirect_uri" doc:"To be registered at the provider"`
	SignIn     string          `json:"sign_in" doc:"Where people of the account begin"`
}

type connectionBody struct {
	Issuer    string   `json:"issuer"`
	ClientID  string   `json:"client_id"`
	Required  bool     `json:"required" doc:"People of the domains sign in no other way"`
	JoinRoles []string `json:"join_roles" nullable:"false" doc:"Of people who come uninvited; none: nobody does"`
}

func (r *request) sso(account events.AccountID) (*Reply[ssoBody], error) {
	if _, err := r.mayIn(account, domain.PolicyRead); err != nil {
		return nil, err
	}
	a, position, err := r.App.Account(r.ctx, account)
	if err != nil {
		return nil, err
	}
	if r.op.method == http.MethodGet {
		if err := r.atLeast(position); err != nil {
			return nil, err
		}
	}
	r.tag(a.SSOVersion)
	out := ssoBody{Domains: orEmpty(a.Domains), Redirect: r.PublicURL + "/sign-in/sso/callback", SignIn: r.PublicURL + "/sign-in/sso/" + account.String()}
	if c := a.SSO; c != nil {
		out.Connection = &connectionBody{c.Issuer, c.ClientID, c.Required, orEmpty(c.JoinRoles)}
	}
	return reply(out)
}

func getSSO(_ context.Context, r *request, in *AccountParam) (*Reply[ssoBody], error) {
	account, err := accountID(in.Account)
	if err != nil {
		return nil, err
	}
	return r.sso(account)
}

type connectSSOInput struct {
	AccountParam
	Body connectBody
}

type connectBody struct {
	Issuer    string   `json:"issuer" example:"https://login.example.com"`
	ClientID  string   `json:"client_id"`
	Secret    string   `json:"client_secret,omitempty" maxLength:"4096" doc:"Never shown. Left out: the one there is"`
	Required  bool     `json:"required,omitempty"`
	JoinRoles []string `json:"join_roles,omitempty"`
}

func connectSSO(ctx context.Context, r *request, in *connectSSOInput) (*Reply[ssoBody], error) {
	account, err := accountID(in.Account)
	if err != nil {
		return nil, err
	}
	b := in.Body
	cmd := domain.ConnectSSO{Account: account, Issuer: b.Issuer, ClientID: b.ClientID, Required: b.Required, JoinRoles: b.JoinRoles}
	if b.Secret != "" {
		cmd.Secret = events.SecretID{15: 1}
	}
	if r.dryRun {
		return nil, r.plan([]domain.Command{cmd})
	}
	before, _, err := r.App.Account(ctx, account)
	if err != nil {
		return nil, err
	}
	_, done, err := r.App.Done(ctx, r.call, cmd)
	if err != nil {
		return nil, err
	}
	if b.Secret != "" && !done && r.App.Ask(ctx, r.call, cmd) == nil { // what is refused, or was done, leaves nothing in the vault
		if cmd.Secret, err = r.Access.KeepClientSecret(ctx, account, before.SSO, b.Secret); err != nil {
			return nil, err
		}
	}
	if _, err := r.do(cmd); err != nil {
		return nil, err
	}
	if err := r.forgetSecret(before, account); err != nil {
		return nil, err
	}
	return r.sso(account)
}

// forgetSecret destroys the client's secret that was in use before, where it no longer is.
func (r *request) forgetSecret(before domain.Account, account events.AccountID) error {
	now, _, err := r.App.Account(r.ctx, account)
	if err != nil || before.SSO == nil || now.SSO != nil && now.SSO.Secret == before.SSO.Secret {
		return err
	}
	return r.Access.ForgetClientSecret(r.ctx, before.SSO.Secret)
}

func disconnectSSO(ctx context.Context, r *request, in *AccountParam) (*Reply[ssoBody], error) {
	account, err := accountID(in.Account)
	if err != nil {
		return nil, err
	}
	before, _, err := r.App.Account(ctx, account)
	if err != nil {
		return nil, err
	}
	if _, err := r.do(domain.DisconnectSSO{Account: account}); err != nil {
		return nil, err
	}
	if err := r.forgetSecret(before, account); err != nil {
		return nil, err
	}
	return r.sso(account)
}

// DomainParam names an e-mail domain of an account.
type DomainParam struct {
	AccountParam
	Domain string `path:"domain" maxLength:"253"`
}

type domainBody struct {
	Domain   string     `json:"domain"`
	Verified bool       `json:"verified"`
	Record   recordBody `json:"record" doc:"What its DNS has to hold"`
}

type recordBody struct {
	Type  string `json:"type"`
	Name  string `json:"name"`
	Value string `json:"value"`
}

func (r *request) domain(account events.AccountID, name string) (*Reply[domainBody], error) {
	a, position, err := r.App.Account(r.ctx, account)
	if err != nil {
		return nil, err
	}
	if r.op.method == http.MethodGet {
		if err := r.atLeast(position); err != nil {
			return nil, err
		}
	}
	return reply(domainBody{name, slices.Contains(a.Domains, name), r.record(account, name)})
}

func (r *request) record(account events.AccountID, name string) recordBody {
	return recordBody{"TXT", "_roster-challenge." + name, r.Access.DomainChallenge(account, name)}
}

func getDomain(_ context.Context, r *request, in *DomainParam) (*Reply[domainBody], error) {
	account, err := accountID(in.Account)
	if err != nil {
		return nil, err
	}
	if _, err := r.mayIn(account, domain.PolicyRead); err != nil {
		return nil, err
	}
	if wrong := domain.CheckDomain(in.Domain); wrong != "" {
		return nil, invalid("path.domain", wrong)
	}
	return r.domain(account, in.Domain)
}

func verifyDomain(ctx context.Context, r *request, in *DomainParam) (*Reply[domainBody], error) {
	account, err := accountID(in.Account)
	if err != nil {
		return nil, err
	}
	cmd := domain.VerifyDomain{Account: account, Domain: in.Domain, Proven: true}
	if !r.principal.Operator() && r.App.Ask(ctx, r.call, cmd) == nil { // nobody else has us ask the DNS
		record := r.record(account, in.Domain)
		cmd.Proven = false
		if r.TXT != nil {
			found, err := r.TXT(ctx, record.Name) // an error is no proof, whatever it is
			cmd.Proven = err == nil && slices.ContainsFunc(found, func(t string) bool { return strings.TrimSpace(t) == record.Value })
		}
	}
	if _, err := r.do(cmd); err != nil {
		return nil, err
	}
	return r.domain(account, in.Domain)
}

func releaseDomain(_ context.Context, r *request, in *DomainParam) (*Reply[domainBody], error) {
	account, err := accountID(in.Account)
	if err != nil {
		return nil, err
	}
	if _, err := r.do(domain.ReleaseDomain{Account: account, Domain: in.Domain}); err != nil {
		return nil, err
	}
	return r.domain(account, in.Domain)
}
