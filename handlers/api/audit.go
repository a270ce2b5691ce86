package api

import (
	"context"
	"encoding/json"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"roster/domain"
	"roster/events"
	"roster/handlers/locale"
	"roster/projections"
)

func (s *server) auditRoutes() {
	types := []string{typeJSON, typeCSV, typeNDJSON}
	const text = "Newest first. With Accept: text/csv or application/x-ndjson everything asked for is streamed, oldest first; after an interruption it goes on with cursor=POSITION.INDEX of the last entry that arrived."
	add(s, operation{id: "ListAudit", method: http.MethodGet, path: "/v1/accounts/{account}/audit", tag: "audit", summary: "The audit trail of an account",
		description: text + " Pages need audit:read, exports audit:export.", reads: modelAudit, types: types,
		senior: withinAudit, codes: []domain.Code{domain.NotPermitted}}, listAudit)
	add(s, operation{id: "ListOperatorAudit", method: http.MethodGet, path: "/v1/operator/audit", tag: "operator", summary: "The audit trail of everything",
		description: text, reads: modelAudit, types: types, senior: operatorOnly, codes: []domain.Code{domain.NotPermitted}}, listOperatorAudit)
	s.describeAudit("/v1/accounts/{account}/audit")
	s.describeAudit("/v1/operator/audit")
}

// describeAudit documents what huma cannot see, since the answer is streamed.
func (s *server) describeAudit(path string) {
	openapi := s.huma.OpenAPI()
	page := openapi.Components.Schemas.Schema(reflectType[ListBody[auditBody]](), true, "AuditPage")
	openapi.Paths[path].Get.Responses["200"].Content = map[string]*huma.MediaType{
		typeJSON: {Schema: page}, typeCSV: {Schema: &huma.Schema{Type: "string"}}, typeNDJSON: {Schema: &huma.Schema{Type: "string"}}}
}

// AuditParams are the filters of an audit trail.
type AuditParams struct {
	PageParams
	Actor   string    `query:"actor" maxLength:"100" doc:"An id, or a kind of actor such as user, operator or system"`
	Target  string    `query:"target" maxLength:"100" doc:"An id, or a kind of target such as user or invitation"`
	Action  string    `query:"action" maxLength:"100" doc:"The name of a fact, such as membership.role_changed"`
	Outcome string    `query:"outcome" enum:"done,refused"`
	From    time.Time `query:"from" doc:"At or after"`
	To      time.Time `query:"to" doc:"Before"`
	Q       string    `query:"q" maxLength:"200" doc:"In names, addresses, actions and codes"`
	Tree    string    `query:"tree" enum:"true,false" doc:"With the sub-accounts, as far as one may read their trail; the operator's has them all"`
}

type listAuditInput struct {
	AccountParam
	AuditParams
}

type listOperatorAuditInput struct{ AuditParams }

type auditBody struct {
	ID string `json:"id" doc:"position.index"`
	projections.AuditEntry
}

func auditOf(e projections.AuditEntry) auditBody {
	return auditBody{strconv.FormatUint(e.Position, 10) + "." + strconv.Itoa(e.Index), e}
}

// Stream is an answer that is written as it is made.
type Stream struct{ Body func(huma.Context) }

func withinAudit(r *request) error { return within(r.auditing())(r) }

// auditing is the permission that the answer asked for needs.
func (r *request) auditing() domain.Permission {
	if r.produces != typeJSON && r.produces != "" {
		return domain.AuditExport
	}
	return domain.AuditRead
}

func listAudit(_ context.Context, r *request, in *listAuditInput) (*Stream, error) {
	if err := withinAudit(r); err != nil {
		return nil, err
	}
	account, err := accountID(in.Account)
	if err != nil {
		return nil, err
	}
	accounts := []events.AccountID{account}
	if in.Tree == "true" {
		if accounts, err = r.withBelow(account, r.auditing()); err != nil {
			return nil, err
		}
	}
	return r.audit(in.Account, in.AuditParams, projections.AuditQuery{Accounts: accounts})
}

func listOperatorAudit(_ context.Context, r *request, in *listOperatorAuditInput) (*Stream, error) {
	if err := operatorOnly(r); err != nil {
		return nil, err
	}
	return r.audit("", in.AuditParams, projections.AuditQuery{Operator: true})
}

// audit answers a page or an export. Refusals and sign-ins stand in other boundaries than the account's, so it waits
// for all that the log had on arrival.
func (r *request) audit(account string, in AuditParams, query projections.AuditQuery) (*Stream, error) {
	query.Actor, query.Target, query.Action, query.Outcome, query.Q = in.Actor, in.Target, in.Action, in.Outcome, in.Q
	query.From, query.To, query.Limit = in.From, in.To, in.Limit
	export := r.produces != typeJSON
	var err error
	if export {
		query.Cursor, err = resumed(in.Cursor)
	} else {
		query.Cursor, err = place[projections.AuditCursor](r, account, in.Cursor)
	}
	if err != nil {
		return nil, err
	}
	target, err := r.App.Last(r.ctx)
	if err != nil {
		return nil, err
	}
	if err := r.caughtUp(modelAudit, target); err != nil {
		return nil, err
	}
	at := r.Models.Position(modelAudit)
	if export {
		return r.export(query, at, target)
	}
	page, err := projections.ReadAudit(r.ctx, asker{r.Models}, query)
	if err != nil {
		return nil, away(err)
	}
	out := ListBody[auditBody]{Items: make([]auditBody, 0, len(page.Entries)), Position: at}
	for _, e := range page.Entries {
		out.Items = append(out.Items, auditOf(e))
	}
	if out.NextCursor, err = next(r, account, page.Next); err != nil {
		return nil, err
	}
	r.answered(at, target)
	return &Stream{func(huma.Context) {
		r.w.Header().Set("Content-Type", typeJSON)
		enc := json.NewEncoder(r.w)
		enc.SetEscapeHTML(false)
		_ = enc.Encode(out) // whoever asked has gone away
	}}, nil
}

// resumed is where an export goes on: behind the entry that arrived last. Every row shows its place, so it is no
// secret; what may be read is decided anew.
func resumed(cursor string) (*projections.AuditCursor, error) {
	if cursor == "" {
		return nil, nil
	}
	position, index, _ := strings.Cut(cursor, ".")
	p, err1 := strconv.ParseUint(position, 10, 63)
	i, err2 := strconv.ParseUint(index, 10, 31)
	if err1 != nil || err2 != nil {
		return nil, invalid("query.cursor", "an export goes on with POSITION.INDEX of the last entry that arrived, such as 4711.0")
	}
	return &projections.AuditCursor{Position: p, Index: int(i)}, nil
}

// export streams entries in constant memory. When the database goes away in between, the answer is broken off, so
// that nobody takes it for whole.
func (r *request) export(query projections.AuditQuery, at, target uint64) (*Stream, error) {
	return &Stream{func(huma.Context) {
		out := &lazy{r: r, at: at, target: target}
		if err := r.rows(out, query); err == nil || !out.begun {
			if err != nil {
				problem := r.problems.of(away(err))
				r.problems.write(r.w, problem)
			}
			return
		} else if r.ctx.Err() == nil {
			r.Logger.Error("an export was broken off", "err", err)
		}
		if a, ok := r.w.(*answer); ok {
			a.abort()
		}
	}}, nil
}

func (r *request) rows(out *lazy, query projections.AuditQuery) error {
	if r.r.Method == http.MethodHead {
		return out.begin()
	}
	write := projections.AuditNDJSON(out)
	if r.produces == typeCSV {
		zone, err := r.zone()
		if err != nil {
			return err
		}
		if write, err = projections.AuditCSV(out, zone); err != nil {
			return err
		}
	}
	if err := projections.ExportAudit(r.ctx, asker{r.Models}, query, write); err != nil {
		return err
	}
	return out.begin()
}

// zone is the time zone of whoever asks, nil where they have none.
func (r *request) zone() (*time.Location, error) {
	profile, _, err := r.App.Person(r.ctx, r.principal.User)
	return locale.Location(profile.TimeZone), err
}

// lazy begins an answer when the first entry is there: what fails before that can still be a problem document. The
// header row of a table is held back until then.
type lazy struct {
	r          *request
	at, target uint64
	held       []byte
	begun      bool
	header     bool
}

func (l *lazy) begin() error {
	if l.begun {
		return nil
	}
	l.begun = true
	kind, name := typeNDJSON, "audit.ndjson"
	if l.r.produces == typeCSV {
		kind, name = typeCSV+"; charset=utf-8; header=present", "audit.csv"
	}
	l.r.answered(l.at, l.target)
	l.r.w.Header().Set("Content-Type", kind)
	l.r.w.Header().Set("Content-Disposition", `attachment; filename="`+name+`"`)
	l.r.w.WriteHeader(http.StatusOK)
	_, err := l.r.w.Write(l.held)
	return err
}

func (l *lazy) Write(b []byte) (int, error) {
	if !l.header && l.r.produces == typeCSV {
		l.header, l.held = true, append(l.held, b...)
		return len(b), nil
	}
	if err := l.begin(); err != nil {
		return 0, err
	}
	return l.r.w.Write(b)
}
