package web

import (
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
)

// auditRoutes are the pages of an account's audit trail, and of the operator's, which is that of everything.
func (s *site) auditRoutes() map[string]verbs {
	return map[string]verbs{
		"/accounts/{account}/audit":        {http.MethodGet: s.inAccount(s.audit)},
		"/accounts/{account}/audit.csv":    {http.MethodGet: s.inAccount(s.auditExport("text/csv", "csv"))},
		"/accounts/{account}/audit.ndjson": {http.MethodGet: s.inAccount(s.auditExport("application/x-ndjson", "ndjson"))},
		"/operator/audit":                  {http.MethodGet: s.asOperator(s.audit)},
		"/operator/audit.csv":              {http.MethodGet: s.asOperator(s.auditExport("text/csv", "csv"))},
		"/operator/audit.ndjson":           {http.MethodGet: s.asOperator(s.auditExport("application/x-ndjson", "ndjson"))},
	}
}

// auditPage is a page of the audit trail (SPEC 5.2).
type auditPage struct {
	Items      []entry `json:"items"`
	NextCursor *string `json:"next_cursor"`
	Query      url.Values
	Wrong      *problem
	At         string // of the page
}

// trailAt is where the trail that is looked at has its page, and trailAPI where the API has it.
func (p *page) trailAt() string {
	if p.Operator {
		return "/operator/audit"
	}
	return p.At("audit")
}

func (p *page) trailAPI(query string) string {
	if p.Operator {
		return "/v1/operator/audit?" + query
	}
	return p.api("/audit?" + query)
}

// auditFilters are what the trail can be filtered by.
func auditFilters() []string {
	return []string{"q", "actor", "target", "action", "outcome", "tree", "cursor"}
}

// auditQuery is what is asked of the API: days are those of the viewer's zone.
func (p *page) auditQuery() (shown, asked url.Values) {
	shown, asked = url.Values{}, url.Values{}
	for _, name := range auditFilters() {
		if value := p.r.URL.Query().Get(name); value != "" {
			shown.Set(name, value)
			asked.Set(name, value)
		}
	}
	if back := p.r.URL.Query().Get("back"); back != "" {
		shown.Set("back", back)
	}
	for name, days := range map[string]int{"from": 0, "to": 1} { // the last day is part of it
		value := p.r.URL.Query().Get(name)
		day, err := time.ParseInLocation(time.DateOnly, value, p.Zone)
		if err != nil {
			continue
		}
		shown.Set(name, value)
		asked.Set(name, day.AddDate(0, 0, days).UTC().Format(time.RFC3339))
	}
	return shown, asked
}

// trailAbout says what the trail is of.
func (p *page) trailAbout() string {
	if p.Operator {
		return p.T("operator.audit_about")
	}
	return p.T("audit.about", text(p.Account.Name))
}

func (s *site) audit(p *page) error {
	p.Title, p.Section = p.T("nav.audit"), "audit"
	v := auditPage{At: p.trailAt()}
	var asked url.Values
	v.Query, asked = p.auditQuery()
	asked.Set("limit", "50")
	err := s.get(p.r, p.trailAPI(asked.Encode()), &v)
	if v.Wrong = asProblem(err); err != nil && (v.Wrong == nil || v.Wrong.Status != http.StatusUnprocessableEntity) {
		return err
	}
	return p.show(http.StatusOK, auditView(p, v))
}

// auditExport streams the trail as it is filtered, in constant memory.
func (s *site) auditExport(kind, ending string) func(p *page) error {
	return func(p *page) error {
		_, asked := p.auditQuery()
		asked.Del("cursor")
		ask, err := s.question(p.r, http.MethodGet, p.trailAPI(asked.Encode()), nil, "Accept", kind)
		if err != nil {
			return err
		}
		p.w.Header().Set("Content-Disposition", fmt.Sprintf(`attachment; filename="audit-%s.%s"`, p.Now.In(p.Zone).Format(time.DateOnly), ending))
		s.API.ServeHTTP(p.w, ask)
		return nil
	}
}

// With is the address of the trail with one part of what is asked changed.
func (v auditPage) With(ending, name, value string) string {
	return withQuery(v.At+ending, v.Query, name, value)
}

// change is one thing that an entry changed.
type change struct{ Name, Before, After string }

// Changes are before and after side by side, by name.
func (e entry) Changes() []change {
	names := slices.Sorted(maps.Keys(e.Before))
	for name := range e.After {
		if _, ok := e.Before[name]; !ok {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	var list []change
	for _, name := range names {
		list = append(list, change{name, shownValue(e.Before[name]), shownValue(e.After[name])})
	}
	return list
}

// shownValue is a value of a fact in one line.
func shownValue(v any) string {
	switch v := v.(type) {
	case nil:
		return "–"
	case string:
		return text(v)
	case []any:
		var parts []string
		for _, one := range v {
			parts = append(parts, shownValue(one))
		}
		return strings.Join(parts, ", ")
	case map[string]any:
		var parts []string
		for _, name := range slices.Sorted(maps.Keys(v)) {
			parts = append(parts, name+" "+shownValue(v[name]))
		}
		return strings.Join(parts, "; ")
	}
	return text(fmt.Sprint(v))
}
