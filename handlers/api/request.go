package api

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"roster/domain"
	"roster/events"
	"roster/handlers"
	"roster/handlers/access"
)

const (
	maxBody     = 1 << 20
	bodyTimeout = 10 * time.Second
)

// request is a request on its way through an operation.
type request struct {
	*server
	op  *operation
	w   http.ResponseWriter
	r   *http.Request
	ctx context.Context

	principal   access.Principal // zero for callers who are not signed in
	body        []byte
	query       url.Values
	produces    string  // media type of the answer
	minPosition *uint64 // what the caller has seen
	call        handlers.Call
	dryRun      bool  // say what would be done
	unread      error // why a body of another form than JSON could not be read
}

type requestKey struct{}

// enter prepares a request before huma reads it, in the order of SPEC 10: what the transport refuses comes first.
func (s *server) enter(ctx huma.Context, next func(huma.Context)) {
	r, w := humago.Unwrap(ctx)
	op, _ := ctx.Operation().Metadata["roster"].(*operation)
	req := &request{server: s, op: op, w: w, r: r, ctx: ctx.Context()}
	if err := req.prepare(); err != nil {
		s.problems.write(w, s.problems.of(err))
		return
	}
	next(huma.WithValue(ctx, requestKey{}, req))
}

func requestOf(ctx context.Context) *request {
	r, _ := ctx.Value(requestKey{}).(*request)
	return r
}

func (r *request) prepare() error {
	var err error
	if r.query, err = url.ParseQuery(r.r.URL.RawQuery); err != nil {
		return malformed("query", "cannot be read")
	}
	if err := r.readHeaders(); err != nil {
		return err
	}
	if err := r.readBody(); err != nil {
		return err
	}
	if err := r.authenticate(); err != nil {
		return err
	}
	if r.produces = acceptable(r.r.Header.Values("Accept"), r.op.produces()); r.produces == "" {
		return &domain.Error{Code: codeNotAcceptable, Detail: "this is answered as " + strings.Join(r.op.produces(), ", ")}
	}
	if len(r.body) > 0 && r.op.hasBody && !isJSON(r.r) {
		return &domain.Error{Code: codeUnsupported, Detail: "a body has to be " + typeJSON}
	}
	if err := r.onBehalf(); err != nil {
		return err
	}
	if err := r.checkQuery(); err != nil {
		return err
	}
	if r.unread != nil {
		return r.unless(r.unread)
	}
	if len(r.body) > 0 && !r.op.hasBody && string(bytes.TrimSpace(r.body)) != "{}" { // many clients always send an object
		return r.unless(invalid("body", "no body is expected here"))
	}
	return r.makeCall()
}

// readHeaders reads the headers that every operation understands.
func (r *request) readHeaders() error {
	if keys := r.r.Header.Values("Idempotency-Key"); len(keys) > 0 {
		key := keys[0]
		visible := strings.IndexFunc(key, func(c rune) bool { return c < 0x21 || c > 0x7e }) < 0
		if len(keys) > 1 || key == "" || len(key) > 255 || !visible {
			return malformed("header.Idempotency-Key", "has to be one value of 1 to 255 visible ASCII characters")
		}
		r.call.Key = key
	}
	switch dry := r.r.Header.Values("Roster-Dry-Run"); {
	case len(dry) == 0 || len(dry) == 1 && dry[0] == "false":
	case len(dry) == 1 && dry[0] == "true" && r.op.command:
		r.dryRun = true
	case len(dry) == 1 && dry[0] == "true":
		return &domain.Error{Code: codeNotAvailable, Detail: "there is no dry run of what changes nothing"}
	default:
		return malformed("header.Roster-Dry-Run", "has to be true or false")
	}
	if r.op.ifMatch {
		version, err := versionOf(r.r.Header.Values("If-Match"))
		if err != nil {
			return malformed("header.If-Match", `has to be one ETag as it was given, such as "123"`)
		}
		r.call.IfMatch = version
	}
	if seen := r.r.Header.Values("Roster-Min-Position"); len(seen) > 0 {
		n, err := strconv.ParseUint(seen[0], 10, 63)
		if err != nil || len(seen) > 1 {
			return malformed("header.Roster-Min-Position", "has to be a position")
		}
		r.minPosition = &n
	}
	return nil
}

// versionOf reads If-Match; nil when there is none, or when any version will do.
func versionOf(values []string) (*uint64, error) {
	if len(values) == 0 || len(values) == 1 && values[0] == "*" {
		return nil, nil
	}
	text, opened := strings.CutPrefix(values[0], `"`)
	text, closed := strings.CutSuffix(text, `"`)
	n, err := strconv.ParseUint(text, 10, 64)
	if err != nil || !opened || !closed || len(values) > 1 {
		return nil, errors.New("not an ETag")
	}
	return &n, nil
}

func (r *request) readBody() error {
	if r.r.Method == http.MethodGet || r.r.Method == http.MethodHead || r.r.Body == nil {
		return nil
	}
	tooLarge := &domain.Error{Code: codeTooLarge, Detail: "a body has at most 1 MiB"}
	if r.r.ContentLength > maxBody {
		return tooLarge // before a client that asks (Expect: 100-continue) is told to send it
	}
	// Whoever sends slowly does not hold a connection for ever.
	conn := connection(r.w)
	if conn.SetReadDeadline(time.Now().Add(bodyTimeout)) == nil {
		defer func() { _ = conn.SetReadDeadline(time.Time{}) }()
	}
	body, err := io.ReadAll(http.MaxBytesReader(nil, r.r.Body, maxBody))
	var large *http.MaxBytesError
	switch {
	case errors.As(err, &large):
		return tooLarge
	case err != nil:
		return malformed("body", "could not be read")
	}
	r.body = body
	r.r.Body = io.NopCloser(bytes.NewReader(body))
	if r.op.csv && isCSV(r.r) { // read as the JSON that says the same
		if r.body, err = fromCSV(body); err != nil {
			r.unread, r.body = err, []byte("{}")
		}
		r.r.Header.Set("Content-Type", typeJSON)
		r.r.Body = io.NopCloser(bytes.NewReader(r.body))
		return nil
	}
	if len(body) > 0 && isJSON(r.r) {
		return checkJSON(body)
	}
	return nil
}

// cookieName is the name of the session's cookie; over https its prefix makes browsers refuse one that another host
// or an unencrypted page sets.
func (s *server) cookieName() string {
	if s.secure {
		return "__Host-roster_session"
	}
	return "roster_session"
}

// deviceName is the name of the cookie by which a device is known.
func (s *server) deviceName() string {
	if s.secure {
		return "__Host-roster_device"
	}
	return "roster_device"
}

// authenticate finds out who asks. A cookie counts only in requests that come from our own pages, or from no browser.
func (r *request) authenticate() error {
	headers := r.r.Header.Values("Authorization")
	if len(headers) == 0 && r.r.Method != http.MethodGet && r.r.Method != http.MethodHead {
		if r.origin.Check(r.r) != nil {
			return &domain.Error{Code: domain.NotPermitted, Detail: "sent from a page of another site"}
		}
	}
	if r.op.auth == nobody {
		return nil
	}
	var token string
	if len(headers) > 0 {
		scheme, rest, _ := strings.Cut(headers[0], " ")
		if len(headers) > 1 || !strings.EqualFold(scheme, "Bearer") {
			return signInRequired()
		}
		token = strings.TrimSpace(rest)
	} else if cookie, err := r.r.Cookie(r.cookieName()); err == nil {
		token = cookie.Value
	}
	if token == "" {
		if r.op.auth == anybody && len(headers) == 0 {
			r.call.Actor = events.Actor{Type: events.ByAnonymous}
			return nil
		}
		return signInRequired()
	}
	principal, err := r.Access.Authenticate(r.ctx, token)
	var refusal *domain.Error
	if errors.As(err, &refusal) && r.op.auth == anybody && len(headers) == 0 { // a cookie that has ended is none
		r.call.Actor = events.Actor{Type: events.ByAnonymous}
		return nil
	}
	if err != nil {
		return err
	}
	if principal.Key != nil && r.op.auth == anybody {
		return &domain.Error{Code: domain.NotPermitted, Detail: "not by an API key: only a person who is signed in"}
	}
	r.principal, r.call = principal, principal.In(r.call)
	r.principal.Actor = r.call.For()
	return nil
}

func signInRequired() error {
	return &domain.Error{Code: domain.SignInRequired, Detail: "sign in, or send a valid token"}
}

// checkQuery refuses parameters that are said twice or that hold what no text has. Unknown ones huma refuses.
func (r *request) checkQuery() error {
	for name, values := range r.query {
		switch {
		case len(values) > 1:
			return r.unless(invalid("query."+cut(name, 40), "said more than once"))
		case !utf8.ValidString(values[0]), strings.ContainsFunc(values[0], unicode.IsControl):
			return r.unless(invalid("query."+cut(name, 40), "holds control characters or is not UTF-8"))
		}
	}
	return nil
}

// unless answers a refusal that comes before "invalid" in the order of SPEC 10, or else the one given: nobody learns
// more of what is not theirs by sending something wrong.
func (r *request) unless(wrong error) error {
	if r.op.senior != nil {
		if err := r.op.senior(r); err != nil {
			return err
		}
	}
	return wrong
}

// traceOf is the header traceparent (W3C Trace Context, version 00), or "" when it is none.
func traceOf(header string) string {
	parts := strings.Split(header, "-")
	if len(parts) != 4 || parts[0] != "00" {
		return ""
	}
	for i, length := range []int{2, 32, 16, 2} {
		if len(parts[i]) != length || strings.Trim(parts[i], "0123456789abcdef") != "" {
			return ""
		}
	}
	if strings.Trim(parts[1], "0") == "" || strings.Trim(parts[2], "0") == "" {
		return ""
	}
	return header
}

// makeCall notes from where the caller asks, and what an idempotency key stands for.
func (r *request) makeCall() error {
	r.call.Origin = r.Origin(r.r)
	if header := r.r.Header.Get("Traceparent"); header != "" {
		r.call.Trace = traceOf(header)
	}
	if !r.op.command {
		r.call.Key = ""
	}
	if r.call.Key == "" {
		return nil
	}
	target := map[string]string{}
	for _, name := range r.op.pathNames() {
		target[name] = r.r.PathValue(name)
	}
	var err error
	r.call.Request, err = canonical(r.op.id, target, r.body)
	return err
}
