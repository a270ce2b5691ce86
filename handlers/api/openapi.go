package api

import (
	"bytes"
	"crypto/sha256"
	_ "embed"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"html/template"
	"maps"
	"net/http"
	"slices"
	"strings"

	"github.com/danielgtaylor/huma/v2"
)

// openAPI is what the OpenAPI document says beside the operations.
func (s *server) openAPI() huma.Config {
	config := huma.Config{
		OpenAPI: &huma.OpenAPI{
			OpenAPI: "3.1.0",
			Info: &huma.Info{
				Title: "Roster", Version: s.versionText(),
				Description: "User management for multi-tenant portals. Every error is a problem document (RFC 9457) whose code is stable. Unknown fields, keys said twice and unknown query parameters are refused. Times are RFC 3339 in UTC, durations ISO 8601.",
				License:     &huma.License{Name: "Apache 2.0", Identifier: "Apache-2.0"},
			},
			Servers: []*huma.Server{{URL: strings.TrimSuffix(s.PublicURL, "/")}},
			Tags: []*huma.Tag{
				{Name: "setup", Description: "The first account"}, {Name: "accounts", Description: "Customers of the portal"},
				{Name: "invitations", Description: "Inviting people"}, {Name: "invitation links", Description: "What the link in a mail does"},
				{Name: "password resets", Description: "Choosing a new password when the old one is forgotten"}, {Name: "confirmations", Description: "Confirming a new address"}, {Name: "sign-up", Description: "Opening an account of one's own"},
				{Name: "users", Description: "Members of an account"}, {Name: "roles", Description: "What members may do"},
				{Name: "policy", Description: "What applies to everybody in an account"}, {Name: "sso", Description: "The account's own OpenID provider"}, {Name: "contacts", Description: "Who is told, without being a user"}, {Name: "keys", Description: "API keys: service users of an account, and keys by which people act"}, {Name: "audit", Description: "Who did what to whom"},
				{Name: "checks", Description: "May they?"}, {Name: "sessions", Description: "Signing in and out"}, {Name: "me", Description: "One's own user"},
				{Name: "operator", Description: "Running the installation"},
			},
			Components: &huma.Components{
				Schemas: huma.NewMapRegistry("#/components/schemas/", huma.DefaultSchemaNamer),
				SecuritySchemes: map[string]*huma.SecurityScheme{
					"bearer": {Type: "http", Scheme: "bearer", Description: "A session's token, an API key or an operator's key"},
					"cookie": {Type: "apiKey", In: "cookie", Name: s.cookieName(), Description: "Set by signing in; for requests from the portal's own pages"},
				},
			},
		},
		Formats:       map[string]huma.Format{typeJSON: huma.DefaultJSONFormat, "json": huma.DefaultJSONFormat},
		DefaultFormat: typeJSON,
	}
	return config
}

func (s *server) versionText() string {
	if s.Version == "" {
		return "0.0.0"
	}
	return s.Version
}

// nullables says of what may be null that it may be: huma does not see it in pointers to structs and ids.
func (s *server) nullables() {
	all := s.huma.OpenAPI().Components.Schemas.Map()
	for schema, fields := range map[string][]string{
		"UserBody":         {"user", "invitation", "inherited_from", "inviter"},
		"UserAcrossBody":   {"user", "invitation", "inherited_from", "inviter"},
		"MemberDetailBody": {"user", "invitation", "inherited_from", "inviter"},
		"AccountItem":      {"parent"},
		"Invitation":       {"invited_by"},
		"AuditBody":        {"account", "on_behalf_of", "target"},
		"LookBody":         {"inviter"},
		"KeyBody":          {"owner"},
		"SsoBody":          {"connection"},
	} {
		for _, field := range fields {
			p := all[schema].Properties[field]
			if p.Ref == "" {
				p.Nullable = true
				continue
			}
			all[schema].Properties[field] = &huma.Schema{OneOf: []*huma.Schema{{Ref: p.Ref}, {Type: "null"}}, Description: p.Description}
		}
	}
}

// documents serves what describes the API: the OpenAPI document, readable pages made of it, and a page for each code.
func (s *server) documents() error {
	s.nullables()
	document, err := json.Marshal(s.huma.OpenAPI())
	if err != nil {
		return fmt.Errorf("api: the OpenAPI document: %w", err)
	}
	s.mux.HandleFunc("GET /openapi.json", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", typeJSON)
		_, _ = w.Write(document)
	})
	pages, err := template.New("").Funcs(template.FuncMap{"anchor": anchor}).Parse(pagesText)
	if err != nil {
		return fmt.Errorf("api: the pages: %w", err)
	}
	var docs bytes.Buffer
	if err := pages.ExecuteTemplate(&docs, "docs", s.documented()); err != nil {
		return fmt.Errorf("api: the docs: %w", err)
	}
	s.mux.HandleFunc("GET /docs", func(w http.ResponseWriter, _ *http.Request) { page(w, docs.Bytes()) })
	for _, k := range problemKinds() {
		var about bytes.Buffer
		shown := struct {
			Code, Title, Meaning string
			Status               int
			CSS                  template.CSS
		}{string(k.code), k.title, k.meaning, k.status, template.CSS(style)}
		if err := pages.ExecuteTemplate(&about, "problem", shown); err != nil {
			return fmt.Errorf("api: the page of %s: %w", k.code, err)
		}
		s.mux.HandleFunc("GET /problems/"+string(k.code), func(w http.ResponseWriter, _ *http.Request) { page(w, about.Bytes()) })
	}
	return nil
}

//go:embed pages.html
var pagesText string

//go:embed pages.css
var style string

// page sends a page that may load nothing but the style that is written into it.
func page(w http.ResponseWriter, html []byte) {
	sum := sha256.Sum256([]byte(style))
	w.Header().Set("Content-Security-Policy", "default-src 'none'; style-src 'sha256-"+base64.StdEncoding.EncodeToString(sum[:])+"'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'")
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	_, _ = w.Write(html)
}

func anchor(s string) string { return strings.ReplaceAll(strings.ToLower(s), " ", "-") }

// What the docs page shows.
type (
	docsPage struct {
		Version, Description string
		CSS                  template.CSS
		Tags                 []docsTag
		Schemas              []docsSchema
	}
	docsTag struct {
		Name, Description string
		Operations        []docsOperation
	}
	docsOperation struct {
		ID, Method, Path, Summary, Description, Body string
		Open                                         bool
		Parameters                                   []docsField
		Responses                                    []docsResponse
	}
	docsField struct {
		Name, In, Type, Description string
		Required                    bool
	}
	docsResponse struct{ Status, Description, Body string }
	docsSchema   struct {
		Name   string
		Fields []docsField
	}
)

// documented reads the OpenAPI document as the docs page shows it.
func (s *server) documented() docsPage {
	openapi := s.huma.OpenAPI()
	out := docsPage{Version: openapi.Info.Version, Description: openapi.Info.Description, CSS: template.CSS(style)}
	for _, tag := range openapi.Tags {
		t := docsTag{Name: tag.Name, Description: tag.Description}
		for _, path := range slices.Sorted(maps.Keys(openapi.Paths)) {
			item := openapi.Paths[path]
			for _, o := range []*huma.Operation{item.Get, item.Post, item.Put, item.Patch, item.Delete} {
				if o != nil && o.Tags[0] == tag.Name {
					t.Operations = append(t.Operations, documentedOperation(o))
				}
			}
		}
		out.Tags = append(out.Tags, t)
	}
	all := openapi.Components.Schemas.Map()
	for _, name := range slices.Sorted(maps.Keys(all)) {
		schema := docsSchema{Name: name}
		for _, field := range slices.Sorted(maps.Keys(all[name].Properties)) {
			p := all[name].Properties[field]
			schema.Fields = append(schema.Fields, docsField{Name: field, Type: typeOf(p), Description: p.Description,
				Required: slices.Contains(all[name].Required, field)})
		}
		out.Schemas = append(out.Schemas, schema)
	}
	return out
}

func documentedOperation(o *huma.Operation) docsOperation {
	out := docsOperation{ID: o.OperationID, Method: o.Method, Path: o.Path, Summary: o.Summary, Description: o.Description,
		Open: len(o.Security) > 0 && len(o.Security[0]) == 0}
	for _, p := range o.Parameters {
		out.Parameters = append(out.Parameters, docsField{Name: p.Name, In: p.In, Type: typeOf(p.Schema), Description: p.Description, Required: p.Required})
	}
	if o.RequestBody != nil && o.RequestBody.Content[typeJSON] != nil {
		out.Body = typeOf(o.RequestBody.Content[typeJSON].Schema)
	}
	for _, status := range slices.Sorted(maps.Keys(o.Responses)) {
		r := docsResponse{Status: status, Description: strings.ReplaceAll(o.Responses[status].Description, "`", "")}
		if c := o.Responses[status].Content[typeJSON]; c != nil {
			r.Body = typeOf(c.Schema)
		}
		out.Responses = append(out.Responses, r)
	}
	return out
}

// typeOf names a schema in a few words.
func typeOf(s *huma.Schema) string {
	switch {
	case s == nil:
		return ""
	case s.Ref != "":
		return strings.TrimPrefix(s.Ref, "#/components/schemas/")
	case len(s.OneOf) > 0:
		var names []string
		for _, one := range s.OneOf {
			names = append(names, typeOf(one))
		}
		return strings.Join(names, " or ")
	case s.Type == "array":
		return "list of " + typeOf(s.Items)
	case s.Format != "":
		return s.Type + " (" + s.Format + ")"
	}
	return s.Type
}
