package api

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"strconv"
	"strings"

	"roster/domain"
	"roster/handlers"
)

// The refusals of the transport (SPEC 10). Those of rules are named in domain.
const (
	codeMalformed      domain.Code = "malformed"
	codeTooLarge       domain.Code = "too_large"
	codeUnavailable    domain.Code = "unavailable"
	codeNotAllowed     domain.Code = "method_not_allowed"
	codeNotAcceptable  domain.Code = "not_acceptable"
	codeUnsupported    domain.Code = "unsupported_media_type"
	codeInternal       domain.Code = "internal"
	codePosition       domain.Code = "position_timeout"
	codeNotAvailable   domain.Code = "not_available"
	codeIdempotency    domain.Code = "idempotency_conflict"
	problemContentType             = "application/problem+json"
)

// problemKind is what is fixed about a code: its status and title, and what its page says.
type problemKind struct {
	code    domain.Code
	status  int
	title   string
	meaning string
}

// problemKinds is the one list of codes, in the order of SPEC 10. Codes are only ever added.
func problemKinds() []problemKind {
	return []problemKind{
		{codeMalformed, 400, "Malformed request", "The request cannot be read: a body that is no JSON, says a key twice or is nested too deep, or a header that is not what it should be. Nothing was done. Correct it before sending it again."},
		{codeTooLarge, 413, "Too large", "The body is larger than 1 MiB. Nothing was done. Cut the request into several."},
		{domain.RateLimited, 429, "Too many requests", "Too much was tried in a short time. Try again after the seconds in Retry-After."},
		{codeUnavailable, 503, "Unavailable", "A part that is needed is away for now. Try again after the seconds in Retry-After; send a command with the Idempotency-Key it had, so that it is done once."},
		{domain.SignInRequired, 401, "Sign in", "Nobody is signed in, or the token has ended. Sign in (POST /v1/sessions), then send the token as Authorization: Bearer."},
		{domain.BadCredentials, 401, "Wrong address or password", "The address or the password is wrong. Which of them is not said."},
		{codeNotAllowed, 405, "Verb not allowed", "The path exists, the verb does not apply to it. Allow names those that do."},
		{codeNotAcceptable, 406, "No such representation", "The answer does not exist in a media type that Accept names."},
		{codeUnsupported, 415, "Unsupported media type", "A body has to be application/json."},
		{codeInternal, 500, "Internal error", "Something is wrong inside. It has been written to the log of the service."},
		{codePosition, 504, "Position not reached", "What Roster-Min-Position asks for has not been reached within two seconds. Ask again."},
		{domain.NotFound, 404, "Not found", "There is no such thing, or it is not for you to see: the two are not told apart."},
		{codeNotAvailable, 404, "Not available", "This installation does not do that."},
		{domain.NotPermitted, 403, "Not permitted", "You may not do this. The detail names the permission that is missing."},
		{domain.ExceedsOwnAccess, 403, "Exceeds your own access", "Nobody may grant what they do not hold, nor change somebody who may do more than they."},
		{domain.ModuleNotAllowed, 403, "Module not allowed", "The portal keeps this permission to certain roles: neither another role nor a single membership can have it."},
		{domain.SecondFactorRequired, 403, "Second factor required", "The account wants a session that has shown a second factor. Add one under /v1/me/factors, sign out, and sign in with it."},
		{domain.ReauthenticationRequired, 403, "Sign in once more", "This asks for a fresh sign-in: send the password along, or sign in anew with a second factor."},
		{domain.WrongRecipient, 403, "Wrong recipient", "The invitation is for somebody else than the person who is signed in."},
		{domain.InvitationExpired, 410, "Invitation expired", "The link has expired. Whoever invited can send a new one."},
		{domain.InvitationRevoked, 410, "Invitation revoked", "The invitation has been taken back or declined."},
		{domain.InvitationReplaced, 410, "Invitation replaced", "A newer link has been sent. Use that one."},
		{domain.InvitationUsed, 410, "Invitation used", "The link has been used already."},
		{domain.Invalid, 422, "Invalid", "The request can be read, but something in it is not allowed. errors says where and why."},
		{domain.DomainNotAllowed, 422, "Domain not allowed", "The account's policy does not let addresses of this domain in."},
		{domain.PasswordRules, 422, "Password rules", "The password fails rules; errors names each of them."},
		{codeIdempotency, 422, "Idempotency key used", "The Idempotency-Key has been used for a different request."},
		{domain.StaleVersion, 412, "Stale version", "It has changed since the version in If-Match. Read it again."},
		{domain.LastActiveOwner, 409, "Last active owner", "The account would have no active owner left. Make somebody else an owner first."},
		{domain.AlreadyMember, 409, "Already a member", "The person already is a member of the account."},
		{domain.AlreadyInvited, 409, "Already invited", "The address has a live invitation into the account."},
		{domain.Inherited, 409, "Inherited", "The membership comes from an account above and is changed there."},
		{domain.AccountClosed, 409, "Account closed", "The account, or one above it, has been closed."},
		{domain.ConfirmationRequired, 409, "Confirmation required", "This has to be confirmed: send it once more with the token that stands in confirm."},
		{domain.ThresholdExceeded, 409, "Threshold exceeded", "This ends the access of a large part of the account at once. Send it with Roster-Dry-Run: true to see what it would do, then with the token in confirm that the dry run gave."},
		{domain.ChangedSince, 409, "Changed since", "What the command did has been changed since, so that it cannot be undone; errors names what."},
		{domain.SecretAlreadyShown, 409, "Secret already shown", "This was done before, and the secret that it made was shown then: it is never shown again."},
	}
}

// FieldError says where in a request something is wrong. What was sent is not repeated.
type FieldError struct {
	Location string `json:"location" doc:"A path such as body.roles[0] or query.limit"`
	Message  string `json:"message"`
}

// Named is somebody or something with a name.
type Named struct {
	ID    string `json:"id,omitempty"`
	Name  string `json:"name"`
	Email string `json:"email,omitempty"`
}

// Problem is the answer to everything that did not work.
type Problem struct {
	Type   string       `json:"type" format:"uri" doc:"The page that explains the code"`
	Code   string       `json:"code" doc:"Stable; what programs decide by"`
	Title  string       `json:"title"`
	Status int          `json:"status"`
	Detail string       `json:"detail" doc:"A sentence for people"`
	Errors []FieldError `json:"errors" nullable:"false"`

	Accounts []string `json:"accounts,omitempty" nullable:"false" doc:"The accounts that it is about, where there are several"`
	Confirm  string   `json:"confirm,omitempty" doc:"Of confirmation_required: what to send along"`
	Account  *Named   `json:"account,omitempty" doc:"Of a dead link: the account"`
	Inviter  *Named   `json:"inviter,omitempty" doc:"Of a dead link: whom to ask"`

	retry int
}

func (p *Problem) Error() string { return p.Code + ": " + p.Detail }

// GetStatus is the HTTP status.
func (p *Problem) GetStatus() int { return p.Status }

// ContentType is that of problem documents, whatever was negotiated.
func (p *Problem) ContentType(string) string { return problemContentType }

// problems makes problem documents.
type problems struct {
	publicURL string
	kinds     map[domain.Code]problemKind
	logger    *slog.Logger
}

func newProblems(c Config) problems {
	p := problems{strings.TrimSuffix(c.PublicURL, "/"), map[domain.Code]problemKind{}, c.Logger}
	if p.logger == nil {
		p.logger = slog.New(slog.DiscardHandler)
	}
	for _, k := range problemKinds() {
		p.kinds[k.code] = k
	}
	return p
}

func (p problems) make(code domain.Code, detail string, fields ...FieldError) *Problem {
	k, ok := p.kinds[code]
	if !ok {
		p.logger.Error("a refusal has a code that is not listed", "code", string(code))
		k = p.kinds[codeInternal]
	}
	if fields == nil {
		fields = []FieldError{}
	}
	return &Problem{Type: p.publicURL + "/problems/" + string(k.code), Code: string(k.code), Title: k.title, Status: k.status,
		Detail: detail, Errors: fields}
}

// nowhere is the one answer to what does not exist and to what may not be seen.
func nowhere() error { return &domain.Error{Code: domain.NotFound} }

// of is the document for an error. What is no refusal is written to the log and says nothing outside.
func (p problems) of(err error) *Problem {
	var problem *Problem
	var refusal *domain.Error
	var state interface{ SQLState() string }
	switch {
	case errors.As(err, &problem):
		return problem
	case errors.As(err, &refusal):
		return p.ofRefusal(refusal)
	case errors.Is(err, handlers.ErrErased):
		return p.ofRefusal(&domain.Error{Code: domain.NotFound})
	case errors.Is(err, handlers.ErrIdempotency):
		return p.make(codeIdempotency, "this Idempotency-Key has been used for a different request", FieldError{"header.Idempotency-Key", "used for a different request"})
	case errors.Is(err, context.Canceled): // the caller has gone
		return p.retry("given up by the caller")
	case errors.Is(err, handlers.ErrUnknownOutcome):
		p.logger.Warn("it is unknown whether a command was done", "err", err)
		return p.retry("it is unknown whether this was done: send it again with the same Idempotency-Key to find out")
	case errors.Is(err, handlers.ErrUnavailable), errors.Is(err, context.DeadlineExceeded):
		p.logger.Warn("a part is away", "err", err)
		return p.retry("a part that this needs is away: try again")
	case errors.As(err, &state) && isAway(state.SQLState()):
		p.logger.Warn("the database could not answer", "err", err)
		return p.retry("the database is away: try again")
	}
	p.logger.Error("a request failed", "err", err)
	return p.make(codeInternal, "something went wrong inside; it has been logged")
}

func (p problems) ofRefusal(e *domain.Error) *Problem {
	var fields []FieldError
	for _, f := range e.Fields {
		fields = append(fields, FieldError(f))
	}
	if e.Code == domain.NotFound { // where in the request it stands is no news to whoever has sent it
		e = &domain.Error{Code: e.Code, Detail: "there is no such thing, or it is not for you to see", Accounts: e.Accounts}
		for i := range fields {
			fields[i].Message = e.Detail
		}
	}
	out := p.make(e.Code, e.Detail, fields...)
	for _, id := range e.Accounts {
		out.Accounts = append(out.Accounts, id.String())
	}
	if e.Code == domain.RateLimited {
		out.retry = max(e.Retry, 1)
	}
	return out
}

func (p problems) retry(detail string) *Problem {
	out := p.make(codeUnavailable, detail)
	out.retry = 1
	return out
}

// isAway says of a state of PostgreSQL that trying again later may help: connection, resources, shutdown.
func isAway(state string) bool {
	for _, class := range []string{"08", "53", "57", "58", "25"} {
		if strings.HasPrefix(state, class) {
			return true
		}
	}
	return false
}

// headers sets what belongs to a problem beside its body.
func (p *Problem) headers(h http.Header) {
	if p.retry > 0 {
		h.Set("Retry-After", strconv.Itoa(p.retry))
	}
	if p.Status == http.StatusUnauthorized {
		h.Set("WWW-Authenticate", `Bearer realm="roster"`)
	}
}

// write answers with a problem.
func (p problems) write(w http.ResponseWriter, problem *Problem) {
	problem.headers(w.Header())
	w.Header().Set("Content-Type", problemContentType)
	w.WriteHeader(problem.Status)
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	_ = enc.Encode(problem) // whoever asked has gone away
}

func invalid(location, message string) *domain.Error {
	return &domain.Error{Code: domain.Invalid, Detail: message, Fields: []domain.Field{{Location: location, Message: message}}}
}
