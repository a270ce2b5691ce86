package api

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/danielgtaylor/huma/v2"

	"roster/domain"
)

// auth is who may ask.
type auth int

const (
	somebody auth = iota // a user who is signed in, or the operator
	anybody              // whoever holds the link; who is signed in counts as that user
	nobody               // a token plays no part
)

// operation is a verb of a path: what it is called, who may ask, and how it can be refused.
type operation struct {
	id          string // a command's or question's name; under it a command's idempotency key is remembered
	method      string
	path        string
	tag         string
	summary     string
	description string
	auth        auth
	status      int // of success; 200 if it is 0
	command     bool
	ifMatch     bool
	etag        bool
	whole       bool   // never 304: more than the version tells may have changed, such as a sign-in or the caller's access
	reads       string // the read model that it is answered from, if any
	hasBody     bool   // found out by add
	types       []string
	csv         bool          // a body may be text/csv as well
	codes       []domain.Code // refusals beside those that follow from the rest
	senior      func(*request) error
}

func (o *operation) produces() []string {
	if o.types == nil {
		return []string{typeJSON}
	}
	return o.types
}

func (o *operation) pathNames() []string {
	var names []string
	for part := range strings.SplitSeq(o.path, "/") {
		if name, ok := strings.CutPrefix(part, "{"); ok {
			names = append(names, strings.TrimSuffix(name, "}"))
		}
	}
	return names
}

// refusals lists every code that the operation can answer, in the order of SPEC 10.
func (o *operation) refusals() []problemKind {
	has := map[domain.Code]bool{codeMalformed: true, codeInternal: true, codeUnavailable: true, codeNotAcceptable: true,
		domain.Invalid: true, codeNotAvailable: true} // an unknown parameter; a header for what is not there yet
	add := func(when bool, codes ...domain.Code) {
		for _, c := range codes {
			has[c] = has[c] || when
		}
	}
	add(true, o.codes...)
	add(o.auth != nobody, domain.SignInRequired)                       // a token that is sent has to be a good one
	add(o.method != http.MethodGet, codeTooLarge, domain.NotPermitted) // from another site's page
	add(o.hasBody, codeUnsupported)
	add(o.command, codeIdempotency)
	add(o.auth == somebody, domain.NotPermitted, domain.NotFound) // on behalf of somebody
	add(o.auth == somebody, domain.SecondFactorRequired)          // where an account wants one
	add(o.ifMatch, domain.StaleVersion)
	add(o.reads != "", codePosition)
	add(len(o.pathNames()) > 0, domain.NotFound)
	return slices.DeleteFunc(problemKinds(), func(k problemKind) bool { return !has[k.code] })
}

// Reply is an answer's body. Headers are set on the way.
type Reply[T any] struct{ Body T }

func reply[T any](body T) (*Reply[T], error) { return &Reply[T]{Body: body}, nil }

// add registers an operation. What the handler answers as an error becomes a problem document.
func add[I, O any](s *server, op operation, handle func(context.Context, *request, *I) (*O, error)) {
	body, ok := reflect.TypeFor[I]().FieldByName("Body")
	op.hasBody = ok && body.Type != nil
	h := huma.Operation{
		OperationID: op.id, Method: op.method, Path: op.path, Tags: []string{op.tag}, Summary: op.summary, Description: op.description,
		DefaultStatus: op.status, MaxBodyBytes: -1, BodyReadTimeout: -1, RejectUnknownQueryParameters: true,
		Metadata: map[string]any{"roster": &op}, Responses: map[string]*huma.Response{}, Security: security(op.auth),
	}
	s.describe(&op, &h)
	huma.Register(s.huma, h, func(ctx context.Context, in *I) (*O, error) {
		r := requestOf(ctx)
		r.ctx = ctx
		out, err := handle(ctx, r, in)
		if err == nil {
			return out, nil
		}
		if same := new(notModified); errors.As(err, &same) {
			return nil, same
		}
		if plan := new(planned); errors.As(err, &plan) {
			return nil, plan
		}
		problem := s.problems.of(err)
		if problem.Code == string(domain.ConfirmationRequired) {
			problem.Confirm = r.confirmation(r.App.Now().Std())
		}
		problem.headers(r.w.Header())
		return nil, problem
	})
	if op.command {
		s.describeDryRun(&op)
	}
}

// describeDryRun documents what a dry run answers: 200, whatever the command itself would.
func (s *server) describeDryRun(op *operation) {
	item := s.huma.OpenAPI().Paths[op.path]
	made := map[string]*huma.Operation{http.MethodPost: item.Post, http.MethodPut: item.Put, http.MethodPatch: item.Patch, http.MethodDelete: item.Delete}[op.method]
	plan := s.huma.OpenAPI().Components.Schemas.Schema(reflect.TypeFor[planned](), true, "Planned")
	if made.Responses["200"] == nil {
		made.Responses["200"] = &huma.Response{Description: "A dry run", Content: map[string]*huma.MediaType{typeJSON: {Schema: plan}}}
		return
	}
	for _, content := range made.Responses["200"].Content {
		content.Schema = &huma.Schema{OneOf: []*huma.Schema{content.Schema, plan}}
	}
}

func security(a auth) []map[string][]string {
	bearer, cookie := map[string][]string{"bearer": {}}, map[string][]string{"cookie": {}}
	switch a {
	case somebody:
		return []map[string][]string{bearer, cookie}
	case anybody:
		return []map[string][]string{{}, bearer, cookie}
	case nobody:
	}
	return []map[string][]string{{}}
}

// describe writes down headers and refusals for the OpenAPI document.
func (s *server) describe(op *operation, h *huma.Operation) {
	text, number := &huma.Schema{Type: "string"}, &huma.Schema{Type: "integer", Format: "int64"}
	header := func(name, doc string, schema *huma.Schema) {
		h.Parameters = append(h.Parameters, &huma.Param{Name: name, In: "header", Description: doc, Schema: schema})
	}
	answers := map[string]*huma.Param{}
	if op.command {
		header("Idempotency-Key", "1 to 255 visible ASCII characters. Sent again with the same key, the command is done once; members and invitations are then answered as they are now.", text)
		header("Roster-Dry-Run", "true: say what this would do, and do nothing. Answers 200 with dry_run, facts, outcomes, mails, owners_left, and the token to confirm it with.", &huma.Schema{Type: "string", Enum: []any{"true", "false"}})
		answers["Roster-Position"] = &huma.Param{Description: "The position up to which the log holds what this did", Schema: number}
	}
	if op.ifMatch {
		header("If-Match", `The ETag that was read, such as "123"; stale_version when it has changed since.`, text)
	}
	if op.etag {
		answers["ETag"] = &huma.Param{Description: "The version: the position of the last commit that changed it", Schema: text}
	}
	if op.auth == somebody {
		header("Roster-On-Behalf-Of", "A user's id: decided with that person's rights, and noted so. For the operator, and for API keys that it has made for that, in their account.", text)
	}
	if op.etag && !op.whole {
		header("If-None-Match", "Answers 304 when the ETag still is this.", text)
		h.Responses["304"] = &huma.Response{Description: "Not modified"}
	}
	if op.reads != "" || slices.Contains(op.codes, codePosition) {
		header("Roster-Min-Position", "Wait, up to two seconds, until the answer includes this position.", number)
		answers["Roster-Position"] = &huma.Param{Description: "The position as of which this is answered", Schema: number}
	}
	if op.reads != "" {
		answers["Roster-Lag"] = &huma.Param{Description: "How many positions the answer is behind", Schema: number}
	}
	status := op.status
	if status == 0 {
		status = http.StatusOK
	}
	h.Responses[strconv.Itoa(status)] = &huma.Response{Description: http.StatusText(status), Headers: answers}
	for _, k := range op.refusals() {
		key := strconv.Itoa(k.status)
		response := h.Responses[key]
		if response == nil {
			response = &huma.Response{Content: map[string]*huma.MediaType{problemContentType: {Schema: s.errors}}}
			h.Responses[key] = response
		} else {
			response.Description += " · "
		}
		response.Description += fmt.Sprintf("`%s` %s", k.code, k.title)
		if k.status == http.StatusTooManyRequests || k.status == http.StatusServiceUnavailable {
			response.Headers = map[string]*huma.Param{"Retry-After": {Description: "Seconds", Schema: number}}
		}
	}
}

// notModified is the answer to If-None-Match.
type notModified struct{}

func (*notModified) Error() string  { return "not modified" }
func (*notModified) GetStatus() int { return http.StatusNotModified }

func problemType() reflect.Type { return reflect.TypeFor[Problem]() }

// overrideHuma makes huma answer problem documents of ours and tell keys that differ in case apart. Both are package
// variables of huma's, with no other way to set them; they are set once, before the first request, to functions that
// know nothing of any one server: that comes with the request.
var overrideHuma = sync.OnceFunc(func() {
	huma.ValidateStrictCasing = true
	huma.NewError = func(int, string, ...error) huma.StatusError { return &Problem{} }
	huma.NewErrorWithContext = func(ctx huma.Context, status int, message string, errs ...error) huma.StatusError {
		return requestOf(ctx.Context()).refused(status, message, errs)
	}
})

// refused is the problem for what huma found wrong. Values are left out: they may be passwords.
func (r *request) refused(status int, message string, errs []error) *Problem {
	var fields []domain.Field
	for _, err := range errs {
		var detailer huma.ErrorDetailer
		if errors.As(err, &detailer) {
			d := detailer.ErrorDetail()
			if strings.HasPrefix(d.Message, "invalid date/time") { // huma says which layout of Go's it tried
				d.Message = "want a time of RFC 3339, such as 2026-01-02T15:04:05Z"
			} else if strings.Contains(d.Message, "exactly one schema") {
				d.Message = "has none of the forms that it may have: /docs shows them"
			}
			fields = append(fields, domain.Field{Location: cut(d.Location, 200), Message: d.Message})
		}
	}
	var problem *Problem
	switch status {
	case http.StatusUnprocessableEntity:
		detail := "something in the request is not allowed"
		if len(fields) == 1 {
			detail = fields[0].Message
		}
		problem = r.problems.of(r.unless(&domain.Error{Code: domain.Invalid, Detail: detail, Fields: fields}))
	case http.StatusBadRequest:
		problem = r.problems.of(malformed("body", "a JSON body is required"))
	case http.StatusRequestEntityTooLarge:
		problem = r.problems.of(&domain.Error{Code: codeTooLarge, Detail: "a body has at most 1 MiB"})
	default:
		problem = r.problems.of(fmt.Errorf("huma: %d %s", status, message))
	}
	problem.headers(r.w.Header())
	return problem
}
