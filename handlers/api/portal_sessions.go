package api

import (
	"context"
	"net/http"
	"net/url"
	"strings"

	"roster/domain"
	"roster/events"
	"roster/handlers/access"
)

// portalSessionRoutes are what the portal behind asks with the operator's key (SPEC 7.6).
func (s *server) portalSessionRoutes() {
	add(s, operation{id: "IntrospectSession", method: http.MethodPost, path: "/v1/sessions/introspect", tag: "sessions", summary: "Whose session is this, and is it alive?",
		description: "In the spirit of RFC 7662. Answered from the log itself: a session that has been ended is inactive on the next call. Whatever is not alive is {\"active\":false}, and nothing else. Counts as use of the session.",
		senior:      operatorOnly, codes: []domain.Code{codePosition}}, introspect)
	add(s, operation{id: "ExchangeCode", method: http.MethodPost, path: "/v1/sessions/exchange", tag: "sessions", summary: "Take over a sign-in",
		description: "For the code with which a person was sent back from /sign-in?return_to=…&state=…&code_challenge=…, within a minute and once, a session of the portal's own. It ends with the one that the person signed in with, and ending it (DELETE /v1/sessions/current) ends that one. An Idempotency-Key has no effect.",
		status:      http.StatusCreated, senior: operatorOnly, codes: []domain.Code{domain.BadCredentials}}, exchange)
	add(s, operation{id: "OpenFrame", method: http.MethodPost, path: "/v1/sessions/frame", tag: "sessions", summary: "Show the page in the portal's frame",
		description: "For the portal's back end, with the session that it holds: an address for the src of a frame, which opens the page signed in as that person, once and within a minute. The frame's session ends with the one that asks, and has its limits. An Idempotency-Key has no effect.",
		status:      http.StatusCreated, codes: []domain.Code{domain.NotAvailable, domain.NotPermitted}}, openFrame)
	add(s, operation{id: "OpenSession", method: http.MethodPost, path: "/v1/operator/sessions", tag: "operator", summary: "Open a session for a user",
		description: "For support. What is done in it is noted as the operator's on the user's behalf; the user sees it among their devices and can end it. It changes no password, factor, address or key of theirs. The token is shown this once.",
		status:      http.StatusCreated, command: true, senior: operatorOnly, codes: []domain.Code{domain.NotFound, domain.SecretAlreadyShown}}, openSession)
}

type introspectInput struct {
	Body struct {
		Token   string `json:"token" doc:"A session's"`
		Account string `json:"account,omitempty" doc:"Also say whether the person may enter this account now, and with which roles"`
	}
}

// introspectedBody is a session that is alive, or {"active":false}.
type introspectedBody struct {
	Active    bool          `json:"active"`
	User      string        `json:"user,omitempty"`
	Email     string        `json:"email,omitempty"`
	FirstName string        `json:"first_name,omitempty"`
	LastName  string        `json:"last_name,omitempty"`
	Session   string        `json:"session,omitempty"`
	StartedAt events.Time   `json:"started_at,omitzero" format:"date-time"`
	ExpiresAt events.Time   `json:"expires_at,omitzero" format:"date-time"`
	Method    string        `json:"method,omitempty" doc:"How the person signed in: password, totp, sms, passkey, recovery_code; operator where the operator has opened it"`
	TwoFactor bool          `json:"two_factor,omitempty" doc:"Whether a second factor was shown"`
	Portal    string        `json:"portal,omitempty" doc:"The portal that it was handed over to"`
	OpenedBy  string        `json:"opened_by,omitempty" doc:"The operator's key that opened it for the person"`
	Only      string        `json:"only,omitempty" doc:"The one account, with what is below it, that it is good for"`
	Access    *enteringBody `json:"access,omitempty" doc:"In the account asked about"`
}

type enteringBody struct {
	Account     string   `json:"account"`
	MayEnter    bool     `json:"may_enter" doc:"Now, in this session"`
	Missing     *string  `json:"missing" enum:"membership,suspended,pending,locked,not_now,account_closed,session,second_factor" doc:"Why not"`
	Roles       []string `json:"roles" nullable:"false"`
	Permissions []string `json:"permissions" nullable:"false" doc:"Roster's own permissions, and those granted directly"`
}

func introspect(ctx context.Context, r *request, in *introspectInput) (*Reply[introspectedBody], error) {
	if err := operatorOnly(r); err != nil {
		return nil, err
	}
	var account events.AccountID
	if in.Body.Account != "" {
		id, err := events.ParseID[struct{ any byte }](in.Body.Account)
		if err != nil {
			return nil, invalid("body.account", "want the id of an account")
		}
		account = events.AccountID(id)
	}
	position, err := r.App.Last(ctx)
	if err != nil {
		return nil, err
	}
	found, alive, err := r.Access.Introspect(ctx, in.Body.Token)
	if err != nil {
		return nil, err
	}
	if !alive {
		return &Reply[introspectedBody]{introspectedBody{}}, r.atLeast(position)
	}
	u, s := found.User, found.Session
	profile, email, err := r.App.Person(ctx, u)
	if err != nil {
		return nil, err
	}
	out := introspectedBody{Active: true, User: u.ID.String(), Email: email, FirstName: profile.First, LastName: profile.Last, Session: s.ID.String(),
		StartedAt: s.StartedAt, ExpiresAt: s.ExpiresAt, Method: s.Method, TwoFactor: s.Strong, Portal: s.Portal, OpenedBy: s.OpenedBy}
	if !s.Account.IsZero() {
		out.Only = s.Account.String()
	}
	if account.IsZero() {
		return &Reply[introspectedBody]{out}, r.atLeast(position)
	}
	var why domain.Why
	if err := r.App.Ask(ctx, r.call, domain.AskEntry(account, u.ID, s.ID, &why)); err != nil {
		return nil, err
	}
	out.Access = &enteringBody{Account: account.String(), MayEnter: why.Allowed, Roles: orEmpty(why.Access.Roles()), Permissions: orEmpty(why.Access.Permissions())}
	if why.Missing != "" {
		out.Access.Missing = &why.Missing
	}
	return &Reply[introspectedBody]{out}, r.atLeast(position)
}

type exchangeInput struct {
	Body struct {
		Code     string `json:"code"`
		ReturnTo string `json:"return_to,omitempty" doc:"The address that the person was to be sent back to, as it stood in the request to sign in. Needed where there are several portals"`
		Verifier string `json:"code_verifier,omitempty" doc:"Where a code_challenge was sent: what that is the SHA-256 of (RFC 7636)"`
	}
}

// startedBody is a session with its token.
type startedBody struct {
	ID        string      `json:"id" doc:"The session's"`
	Token     string      `json:"token" doc:"Sent as Authorization: Bearer; shown this once"`
	User      string      `json:"user"`
	ExpiresAt events.Time `json:"expires_at" format:"date-time"`
}

func exchange(ctx context.Context, r *request, in *exchangeInput) (*Reply[startedBody], error) {
	if err := operatorOnly(r); err != nil {
		return nil, err
	}
	signed, err := r.Access.Exchange(ctx, r.call, in.Body.Code, in.Body.ReturnTo, in.Body.Verifier)
	if err != nil {
		return nil, err
	}
	return r.started(signed)
}

func (r *request) started(in access.SignedIn) (*Reply[startedBody], error) {
	out := startedBody{ID: in.Session.String(), Token: in.Token, User: in.User.String(), ExpiresAt: startedUntil(in)}
	r.position(in.Result.Position)
	return reply(out)
}

// startedUntil is when a session expires that has just been started.
func startedUntil(in access.SignedIn) (at events.Time) {
	for _, c := range in.Result.Commits {
		for _, f := range c.Facts {
			if started, ok := f.(events.SessionStarted); ok && started.Session == in.Session {
				at = started.ExpiresAt
			}
		}
	}
	return at
}

type openSessionInput struct {
	Body struct {
		User    string `json:"user"`
		Account string `json:"account,omitempty" doc:"The one account, with what is below it, that it is to be good for"`
		TTL     string `json:"ttl,omitempty" doc:"An ISO 8601 duration from PT1M to PT12H; PT1H where it is left out" example:"PT1H"`
	}
}

func openSession(ctx context.Context, r *request, in *openSessionInput) (*Reply[startedBody], error) {
	if err := operatorOnly(r); err != nil {
		return nil, err
	}
	user, err := userID(in.Body.User)
	if err != nil {
		return nil, err
	}
	cmd := domain.OpenSession{User: user}
	if in.Body.Account != "" {
		id, err := events.ParseID[struct{ any byte }](in.Body.Account)
		if err != nil {
			return nil, invalid("body.account", "want the id of an account")
		}
		cmd.Account = events.AccountID(id)
	}
	if in.Body.TTL != "" {
		if cmd.Valid, err = durationOf(in.Body.TTL); err != nil {
			return nil, invalid("body.ttl", "want an ISO 8601 duration of hours, minutes and seconds, such as PT1H")
		}
	}
	if r.dryRun {
		return nil, r.plan([]domain.Command{cmd})
	}
	opened, err := r.Access.OpenSession(ctx, r.call, cmd)
	if err != nil {
		return nil, err
	}
	r.w.Header().Set("Roster-Command", opened.Result.Command.String())
	return r.started(opened)
}

type openFrameInput struct {
	Body struct {
		Path string `json:"path,omitempty" doc:"The page to open, such as /accounts/{account}/users; the start page where it is left out" example:"/me"`
	}
}

type frameBody struct {
	URL       string      `json:"url" format:"uri" doc:"The frame's src"`
	ExpiresAt events.Time `json:"expires_at" format:"date-time" doc:"Until when it opens"`
}

// maxFramePath bounds the path of the page that a frame opens.
const maxFramePath = 1024

func openFrame(_ context.Context, r *request, in *openFrameInput) (*Reply[frameBody], error) {
	if _, err := r.self(); err != nil {
		return nil, err
	}
	to := in.Body.Path
	if to != "" && (to[0] != '/' || strings.HasPrefix(to, "//") || len(to) > maxFramePath) {
		return nil, invalid("body.path", "want the path of a page, such as /accounts/{account}/users")
	}
	code, until, err := r.Access.FrameCode(r.principal)
	if err != nil {
		return nil, err
	}
	q := url.Values{"code": {code}}
	if to != "" {
		q.Set("to", to)
	}
	return reply(frameBody{URL: r.PublicURL + "/embed?" + q.Encode(), ExpiresAt: until})
}
