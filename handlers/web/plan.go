package web

import (
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"roster/domain"
	"roster/events"
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
		if f.Type == "identity.unlinked" && strings.HasPrefix(f.Boundary, string(events.AddressBoundary)) {
			continue // one link: the user's boundary says it too
		}
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

// confirmation is what has to be typed before something is done that is hard to take back.
type confirmation struct {
	Word     string // "": nothing has to be
	Mistyped bool
}

// more names what else describes the field.
func (c confirmation) more() string {
	if c.Mistyped {
		return " typed-errors"
	}
	return ""
}

// toConfirm says that what was refused is done once it has been confirmed.
func toConfirm(refused *problem) bool {
	return refused != nil && (refused.Code == string(domain.ConfirmationRequired) || refused.Code == string(domain.ThresholdExceeded))
}

// doTyped carries out a command whose plan the page has just shown. Where the API wants it to be confirmed (SPEC 3.11, 9),
// that is done only with the word typed; before, it answers what has to be typed, and nothing has happened.
func (p *page) doTyped(word, method, path string, body map[string]any, out any) (command string, ask confirmation, err error) {
	typed := p.r.PostForm.Get("typed")
	if typed == word {
		command, err = p.do(method, path, body, out)
		return command, ask, err
	}
	header, err := p.site.send(p.r, method, path, body, out)
	if toConfirm(asProblem(err)) {
		return "", confirmation{word, typed != ""}, nil
	}
	return header.Get("Roster-Command"), ask, err
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

// undo takes a command back (SPEC 3.11). Where something has changed since, it names what.
func (s *site) undo(p *page) error {
	back := s.localPath(p.r.PostForm.Get("back"))
	if back == "/" {
		back = p.At("users")
	}
	_, err := s.send(p.r, http.MethodPost, p.api("/undo"), map[string]any{"command": p.r.PostForm.Get("command")}, nil)
	if refused := asProblem(err); refused != nil && refused.Code == string(domain.ChangedSince) {
		for i := range refused.Errors {
			refused.Errors[i].Message = p.named(refused.Errors[i].Message)
		}
		return refused
	}
	if err != nil {
		return err
	}
	return p.done(back, "users.undone", "", "")
}

// named says by name what the API names by kind and id. What has a name that cannot be read now is said to be so.
func (p *page) named(what string) string {
	kind, id, _ := strings.Cut(what, " ")
	switch kind {
	case "user":
		var u listed
		err := p.site.get(p.r, p.api("/users/"+url.PathEscape(id)), &u)
		if err == nil {
			return shownName(p, u)
		}
		return p.unnamed("why.unnamed_user", id, err)
	case "invitation":
		var i invitation
		err := p.site.get(p.r, p.api("/invitations/"+url.PathEscape(id)), &i)
		if err == nil {
			return p.T("invitation.title", text(i.Email))
		}
		return p.unnamed("why.unnamed_invitation", id, err)
	case "role":
		return p.T("why.role", p.RoleLabel(id))
	case "policy":
		return p.T("nav.policy")
	case "name", "parent":
		return text(p.Account.Name)
	}
	return what
}

func (p *page) unnamed(key, id string, err error) string {
	p.site.Logger.WarnContext(p.r.Context(), "what has changed since cannot be named", "id", id, "err", err)
	return p.T(key, id)
}
