package web

import (
	"maps"
	"net/http"
	"slices"
)

// plan is what a command would do, as the API's dry run answers it (SPEC 3.11).
type plan struct {
	Facts []struct {
		Boundary string         `json:"boundary"`
		Type     string         `json:"type"`
		Data     map[string]any `json:"data"`
	} `json:"facts"`
	Outcomes   []string       `json:"outcomes"`
	Mails      []any          `json:"mails"`
	OwnersLeft map[string]int `json:"owners_left"`
	Confirm    string         `json:"confirm"`
}

// deedCount is how often a plan does one thing.
type deedCount struct {
	Type string
	N    int
}

// Deeds are what the plan does, in the order in which it does it.
func (pl plan) Deeds() []deedCount {
	var list []deedCount
	for _, f := range pl.Facts {
		if i := slices.IndexFunc(list, func(d deedCount) bool { return d.Type == f.Type }); i >= 0 {
			list[i].N++
		} else {
			list = append(list, deedCount{f.Type, 1})
		}
	}
	return list
}

// Deed is what a fact does, in words.
func (p *page) Deed(d deedCount) string {
	if key := "fact." + d.Type; p.has(key + ".one") {
		return p.N(key, d.N)
	}
	return d.Type
}

// plan asks what a command would do.
func (p *page) plan(method, path string, body any) (plan, error) {
	var out plan
	_, err := p.site.send(p.r, method, path, body, &out, "Roster-Dry-Run", "true")
	return out, err
}

// do carries out a command whose plan the page has just shown, with the confirmation that belongs to it. It answers the
// command, by which it can be undone.
func (p *page) do(method, path string, body map[string]any, out any) (command string, err error) {
	shown, err := p.plan(method, path, body)
	if err != nil {
		return "", err
	}
	confirmed := maps.Clone(body)
	confirmed["confirm"] = shown.Confirm
	header, err := p.site.send(p.r, method, path, confirmed, out)
	if err != nil {
		return "", err
	}
	return header.Get("Roster-Command"), nil
}

// api is the address of something of the account in the API.
func (p *page) api(rest string) string { return "/v1/accounts/" + p.Account.ID + rest }

// undo takes a command back (SPEC 3.11).
func (s *site) undo(p *page) error {
	back := p.At("users")
	_, err := s.send(p.r, http.MethodPost, p.api("/undo"), map[string]any{"command": p.r.PostForm.Get("command")}, nil)
	if err != nil {
		return err
	}
	return p.done(back, "users.undone", "", "")
}
