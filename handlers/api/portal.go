package api

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"roster/domain"
	"roster/events"
	"roster/projections"
)

func (s *server) portalRoutes() {
	add(s, operation{id: "GetPortal", method: http.MethodGet, path: "/v1/portal", tag: "me", summary: "The portal's words and rules",
		description: "The portal profile: roles, labels of statuses and buttons, and what is asked for.", codes: []domain.Code{codePosition}}, getPortal)
	add(s, operation{id: "GetPortalProfile", method: http.MethodGet, path: "/v1/operator/portal", tag: "operator", summary: "The portal profile, and those that come with the program",
		codes: []domain.Code{domain.NotPermitted}}, getPortalProfile)
	add(s, operation{id: "DefineProfile", method: http.MethodPut, path: "/v1/operator/portal", tag: "operator", summary: "Choose or define the portal profile",
		description: "Accounts opened from now on have it; others adopt it one by one.", command: true, senior: operatorOnly}, defineProfile)
	add(s, operation{id: "AdoptProfile", method: http.MethodPost, path: "/v1/operator/accounts/{account}/adopt", tag: "operator", summary: "Have the portal's profile apply to an account",
		description: "Refused where nobody in the account would have the role that the profile protects.",
		command:     true, senior: operatorOnly, codes: []domain.Code{domain.LastActiveOwner}}, adoptProfile)
}

type profileBody struct {
	ID      string `json:"id"`
	Version int    `json:"version"`
	domain.Definition
}

type profilesBody struct {
	Portal  profileBody         `json:"portal" doc:"What applies to accounts opened from now on"`
	Shipped []domain.Definition `json:"shipped" nullable:"false"`
}

func profileOf(p *domain.Profile) profileBody {
	return profileBody{ID: p.Ref.Name, Version: p.Ref.Version, Definition: p.Definition}
}

func (r *request) portal() (*domain.Profile, uint64, error) {
	p, position, err := r.App.Portal(r.ctx)
	return p.Profile(), position, err
}

func getPortal(_ context.Context, r *request, _ *struct{}) (*Reply[profileBody], error) {
	p, position, err := r.portal()
	if err != nil {
		return nil, err
	}
	return &Reply[profileBody]{profileOf(p)}, r.atLeast(position)
}

func getPortalProfile(_ context.Context, r *request, _ *struct{}) (*Reply[profilesBody], error) {
	if err := operatorOnly(r); err != nil {
		return nil, err
	}
	p, _, err := r.portal()
	return &Reply[profilesBody]{profilesBody{profileOf(p), domain.Profiles()}}, err
}

func defineProfile(_ context.Context, r *request, in *struct{ Body domain.Definition }) (*Reply[profileBody], error) {
	if _, err := r.do(domain.DefineProfile{Definition: in.Body}); err != nil {
		return nil, err
	}
	p, _, err := r.portal()
	return &Reply[profileBody]{profileOf(p)}, err
}

func adoptProfile(_ context.Context, r *request, in *AccountParam) (*Reply[accountBody], error) {
	id, err := accountID(in.Account)
	if err != nil {
		return nil, r.unless(err)
	}
	return r.changedAccount(id, domain.AdoptProfile{Account: id})
}

// ReadProfile reads a portal profile: the name of one that comes with the program, or the text of a file, held against
// the schema that the operator's API has. What is wrong is said with the line where it stands.
func ReadProfile(name string, text []byte) (domain.Definition, error) {
	if text == nil {
		var names []string
		for _, d := range domain.Profiles() {
			if d.Name == name {
				return d, nil
			}
			names = append(names, d.Name)
		}
		return domain.Definition{}, fmt.Errorf("there is no portal profile %q: those that come with the program are %s", name, strings.Join(names, ", "))
	}
	var d domain.Definition
	var content any
	var syntax *json.SyntaxError
	if err := json.Unmarshal(text, &content); errors.As(err, &syntax) {
		return d, fmt.Errorf("%s:%d: %w", name, 1+bytes.Count(text[:min(int(syntax.Offset), len(text))], []byte("\n")), err)
	} else if err != nil {
		return d, fmt.Errorf("%s: %w", name, err)
	}
	if err := checkJSON(text); err != nil { // a key said twice, say
		return d, linesOf(name, text, fieldsOf(err))
	}
	registry := huma.NewMapRegistry("#/components/schemas/", huma.DefaultSchemaNamer)
	schema := registry.Schema(reflectType[domain.Definition](), false, "Definition")
	path, result := huma.NewPathBuffer(nil, 0), &huma.ValidateResult{}
	path.Push("body")
	huma.Validate(registry, schema, path, huma.ModeWriteToServer, content, result)
	var fields []domain.Field
	for _, err := range result.Errors {
		var detailer huma.ErrorDetailer
		if errors.As(err, &detailer) {
			detail := detailer.ErrorDetail()
			fields = append(fields, domain.Field{Location: detail.Location, Message: detail.Message})
		}
	}
	if fields != nil {
		return d, linesOf(name, text, fields)
	}
	if err := json.Unmarshal(text, &d); err != nil {
		return d, fmt.Errorf("%s: %w", name, err)
	}
	if fields = d.Wrong(); fields != nil {
		return d, linesOf(name, text, fields)
	}
	return d, nil
}

func fieldsOf(err error) []domain.Field {
	var refusal *domain.Error
	if errors.As(err, &refusal) && refusal.Fields != nil {
		return refusal.Fields
	}
	return []domain.Field{{Location: "body", Message: err.Error()}}
}

// linesOf says of each complaint on which line of the file it is.
func linesOf(name string, text []byte, fields []domain.Field) error {
	lines := linesIn(text)
	var wrong []error
	for _, f := range fields {
		line, at := 1, f.Location
		for ; at != ""; at = at[:max(strings.LastIndexAny(at, ".["), 0)] { // of what is missing: where it would stand
			if n, ok := lines[at]; ok {
				line = n
				break
			}
		}
		wrong = append(wrong, fmt.Errorf("%s:%d: %s: %s", name, line, strings.TrimPrefix(f.Location, "body."), f.Message))
	}
	return errors.Join(wrong...)
}

// linesIn finds the line on which each value of a JSON text begins, by its path.
func linesIn(text []byte) map[string]int {
	lines := map[string]int{}
	dec := json.NewDecoder(bytes.NewReader(text))
	var levels []level
	for {
		before := dec.InputOffset()
		token, err := dec.Token()
		if err != nil {
			return lines
		}
		begin := int(before) + len(text[before:]) - len(bytes.TrimLeft(text[before:], " \t\r\n,:"))
		at := where(levels)
		if levels, err = step(levels, token); err != nil {
			return lines
		}
		if inside := where(levels); len(levels) > 0 {
			at = inside
		}
		if _, ok := lines[at]; !ok {
			lines[at] = 1 + bytes.Count(text[:min(begin, len(text))], []byte("\n"))
		}
	}
}

// profile is the portal profile that applies to an account.
func (r *request) profile(account events.AccountID) (p *domain.Profile, err error) {
	err = r.App.Ask(r.ctx, r.call, domain.AskProfile(account, &p))
	return p, err
}

// visible leaves out of a query the statuses that the profile shows in no list. ok is false when nothing is left.
func visible(p *domain.Profile, query *projections.UserListQuery) (ok bool) {
	hidden := p.Hidden()
	if hidden == nil {
		return true
	}
	asked := query.Status
	if asked == nil {
		asked = []string{projections.StatusPending, projections.StatusExpired, projections.StatusActive, projections.StatusSuspended, projections.StatusRevoked}
	}
	query.Status = slices.DeleteFunc(slices.Clone(asked), func(s string) bool { return slices.Contains(hidden, s) })
	return len(query.Status) > 0
}
