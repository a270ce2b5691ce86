package web

import (
	"net/http"
	"net/url"
	"time"
)

// operatorProjectionRoutes are the pages of the read models.
func (s *site) operatorProjectionRoutes() map[string]verbs {
	return map[string]verbs{
		"/operator/projections":                {http.MethodGet: s.asOperator(s.projections)},
		"/operator/projections/{name}/rebuild": {http.MethodGet: s.asOperator(s.backToProjections), http.MethodPost: s.asOperator(s.rebuild)},
	}
}

// projectionsPage is how far every read model is (SPEC 8.2).
type projectionsPage struct {
	models
	Away  *problem
	Wrong *problem
}

// Moving says that it will look different soon: something is being built, or is behind.
func (v projectionsPage) Moving() bool {
	for _, m := range v.models {
		if m.Building != nil && m.Building.Problem == "" {
			return true
		}
	}
	return v.Lag() > 0 && v.Troubled() == 0
}

func (s *site) projections(p *page) error { return p.projections(http.StatusOK, nil) }

func (p *page) projections(status int, wrong *problem) error {
	p.Title, p.Section = p.T("operator.models"), "projections"
	v := projectionsPage{Wrong: wrong}
	var err error
	if v.models, v.Away, err = p.models(); err != nil {
		return err
	}
	if p.r.Header.Get("HX-Target") == "models" {
		return p.partial(p.r.Context(), modelsTable(p, v))
	}
	return p.show(status, projectionsView(p, v))
}

// rebuildWait is for how many seconds a page waits for what may be built by then. What takes longer is watched.
const rebuildWait = "1"

func (s *site) rebuild(p *page) error {
	name := p.r.PathValue("name")
	var out struct{ State string }
	_, err := s.send(p.r, http.MethodPost, "/v1/operator/projections/"+url.PathEscape(name)+"/rebuild?wait="+rebuildWait, nil, &out)
	refused := asProblem(err)
	switch {
	case refused != nil:
		return p.projections(refused.Status, refused)
	case err != nil:
		return err
	case out.State == "building":
		return p.done("/operator/projections", "operator.building", text(name), "")
	}
	return p.done("/operator/projections", "operator.rebuilt", text(name), "")
}

func (s *site) backToProjections(p *page) error {
	http.Redirect(p.w, p.r, "/operator/projections", http.StatusSeeOther)
	return nil
}

// generation is one making of a read model, as the API answers it.
type generation struct {
	Name       string    `json:"name"`
	Version    int       `json:"version"`
	Generation int       `json:"generation"`
	State      string    `json:"state"`
	Position   uint64    `json:"position"`
	Lag        uint64    `json:"lag"`
	Problem    string    `json:"problem"`
	Parked     []parked  `json:"parked"`
	UpdatedAt  time.Time `json:"updated_at"`
}

// parked is a boundary whose commits are held back.
type parked struct {
	Boundary string    `json:"boundary"`
	Position uint64    `json:"position"`
	Commits  int       `json:"commits"`
	Error    string    `json:"error"`
	At       time.Time `json:"at"`
}

// model is a read model: what serves, and what is being built to take its place.
type model struct {
	Name     string
	Serving  *generation
	Building *generation
}

// models are all of them, by name.
type models []model

// models asks how far every read model is.
func (p *page) models() (models, *problem, error) {
	var list struct{ Items []generation }
	away, err := p.away("/v1/operator/projections", &list)
	if away != nil || err != nil {
		return nil, away, err
	}
	return modelsOf(list.Items), nil, nil
}

func modelsOf(list []generation) models {
	var all models
	places := map[string]int{}
	for i := range list {
		g := &list[i]
		if g.State != "serving" && g.State != "building" { // what has been replaced is of no interest
			continue
		}
		at, ok := places[g.Name]
		if !ok {
			at = len(all)
			places[g.Name], all = at, append(all, model{Name: g.Name})
		}
		if g.State == "serving" {
			all[at].Serving = g
		} else {
			all[at].Building = g
		}
	}
	return all
}

// Percent is how much of the log has been applied.
func (g generation) Percent() int {
	if g.Position+g.Lag == 0 {
		return 100
	}
	return int(g.Position * 100 / (g.Position + g.Lag))
}

// Means says what the model is for, where that is known.
func (m model) Means(p *page) string {
	if key := "operator.model." + m.Name; p.has(key) {
		return p.T(key)
	}
	return ""
}

// Generations are what there is of the model, that which serves first.
func (m model) Generations() []*generation {
	var list []*generation
	for _, g := range []*generation{m.Serving, m.Building} {
		if g != nil {
			list = append(list, g)
		}
	}
	return list
}

// Last is the last position of the log.
func (all models) Last() uint64 {
	var last uint64
	for _, m := range all {
		for _, g := range m.Generations() {
			last = max(last, g.Position+g.Lag)
		}
	}
	return last
}

// Lag is how many commits the one that is furthest behind has not applied yet.
func (all models) Lag() uint64 {
	var most uint64
	for _, m := range all {
		if m.Serving != nil {
			most = max(most, m.Serving.Lag)
		}
	}
	return most
}

// Parked is how many boundaries are held back in what serves.
func (all models) Parked() int {
	n := 0
	for _, m := range all {
		if m.Serving != nil {
			n += len(m.Serving.Parked)
		}
	}
	return n
}

// Troubled is how many models stand still, do not serve or hold something back.
func (all models) Troubled() int {
	n := 0
	for _, m := range all {
		if m.Serving == nil || m.Serving.Problem != "" || len(m.Serving.Parked) > 0 || m.Building != nil && m.Building.Problem != "" {
			n++
		}
	}
	return n
}
