package api

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"net/http"
	"time"

	"roster/domain"
	"roster/events"
	"roster/handlers"
	"roster/handlers/address"
)

// planned is the answer to a dry run (SPEC 3.11).
type planned struct {
	DryRun     bool           `json:"dry_run"`
	Facts      []plannedFact  `json:"facts" nullable:"false" doc:"What would be written; ids that would be made are placeholders"`
	Outcomes   []string       `json:"outcomes" nullable:"false" doc:"Of a bulk's items, in order"`
	Mails      []plannedMail  `json:"mails" nullable:"false"`
	OwnersLeft map[string]int `json:"owners_left" doc:"Active owners, of each account that would change"`
	Confirm    string         `json:"confirm" doc:"Confirms the same request within an hour"`
}

type plannedFact struct {
	Boundary string         `json:"boundary"`
	Type     string         `json:"type"`
	Data     map[string]any `json:"data"`
}

type plannedMail struct {
	Kind       string              `json:"kind"`
	Invitation events.InvitationID `json:"invitation,omitzero" doc:"That it is about"`
	User       events.UserID       `json:"user,omitzero" doc:"Who gets it"`
	Contact    events.ContactID    `json:"contact,omitzero" doc:"Who gets it"`
}

func (*planned) Error() string  { return "a dry run" }
func (*planned) GetStatus() int { return http.StatusOK }

// do carries out a command and answers its position; of a dry run, what it would do is the error.
func (r *request) do(cmd domain.Command) (handlers.Result, error) {
	results, err := r.doParts(cmd)
	if err != nil {
		return handlers.Result{}, err
	}
	return results[0], nil
}

func (r *request) doParts(parts ...domain.Command) ([]handlers.Result, error) {
	if r.dryRun {
		return nil, r.plan(parts)
	}
	results, err := r.App.DoParts(r.ctx, r.call, parts...)
	for _, result := range results {
		r.position(result.Position)
		r.w.Header().Set("Roster-Command", result.Command.String())
	}
	return results, err
}

// planBy says what a command would do that somebody else decides on than who is signed in, such as who holds a link.
func (r *request) planBy(call handlers.Call, cmd domain.Command) error {
	r.call = call
	return r.plan([]domain.Command{cmd})
}

func (r *request) plan(parts []domain.Command) error {
	plan, err := r.App.Plan(r.ctx, r.call, parts...)
	if err != nil {
		return err
	}
	out := &planned{DryRun: true, Facts: []plannedFact{}, Outcomes: orEmpty(plan.Outcomes), Mails: []plannedMail{}, OwnersLeft: map[string]int{},
		Confirm: r.confirmation(r.App.Now().Std())}
	for _, f := range plan.Facts {
		text, err := json.Marshal(events.WithoutSecrets(f.Event))
		if err != nil {
			return err
		}
		data := map[string]any{}
		if err := json.Unmarshal(text, &data); err != nil {
			return err
		}
		out.Facts = append(out.Facts, plannedFact{f.Boundary.String(), events.KindOf(f.Event).Name, data})
	}
	for _, m := range plan.Mails {
		out.Mails = append(out.Mails, plannedMail{m.Kind, m.Invitation, m.User, m.Contact})
	}
	for id, n := range plan.Owners {
		out.OwnersLeft[id.String()] = n
	}
	return out
}

// confirmFor is how long what a dry run gave can be used.
const confirmFor = time.Hour

// confirmed says that the caller has seen what the command would do: the token is of the same command, of the same
// caller, and not older than an hour or two. A dry run shows all that would happen.
func (r *request) confirmed(token string) bool {
	if r.dryRun {
		return true
	}
	now := r.App.Now().Std()
	return token != "" && (r.App.Verifies(r.confirming(now), token) || r.App.Verifies(r.confirming(now.Add(-confirmFor)), token))
}

// confirmation is the token for the request as it stands.
func (r *request) confirmation(at time.Time) string { return r.App.Token(r.confirming(at)) }

// confirming is what a confirmation is for: the request without the confirmation itself.
func (r *request) confirming(at time.Time) []byte {
	var content map[string]json.RawMessage
	body := r.body
	if json.Unmarshal(r.body, &content) == nil {
		delete(content, "confirm")
		if again, err := json.Marshal(content); err == nil {
			body = again
		}
	}
	if string(bytes.TrimSpace(body)) == "{}" {
		body = nil
	}
	target := map[string]string{"": at.UTC().Truncate(confirmFor).Format(time.RFC3339), "caller": r.call.For().Caller()}
	for _, name := range r.op.pathNames() {
		target[name] = r.r.PathValue(name)
	}
	text, err := canonical("confirm "+r.op.id, target, body)
	if err != nil {
		return nil // no token is of nothing
	}
	return text
}

// addressee is a person to be invited: claimed in the vault, or, in a dry run, only looked for.
func (r *request) addressee(e address.Entry) (*domain.Addressee, error) {
	if !r.dryRun {
		return r.Access.Addressee(r.ctx, e)
	}
	found, err := r.Access.FindAddressee(r.ctx, e)
	if found == nil && err == nil && e.Email != "" {
		sum := sha256.Sum256([]byte(e.Email)) // a placeholder that is the same for the same address
		found = &domain.Addressee{ID: events.AddressID(sum[:16]), Email: e.Email, Name: events.PersonName{First: e.First, Last: e.Last}}
	}
	return found, err
}

// onBehalf has the request of the operator, or of a key that may, decided with the rights of a person (SPEC 7.1).
func (r *request) onBehalf() error {
	values := r.r.Header.Values("Roster-On-Behalf-Of")
	if len(values) == 0 {
		return nil
	}
	switch {
	case len(values) > 1:
		return malformed("header.Roster-On-Behalf-Of", "has to be a user's id")
	case r.op.auth != somebody:
		return &domain.Error{Code: codeNotAvailable, Detail: "this is not done on anybody's behalf"}
	case !r.principal.Operator() && (r.principal.Key == nil || !r.principal.Key.OnBehalf):
		return &domain.Error{Code: domain.NotPermitted, Detail: "only the operator, and keys that it has made for that, act on behalf of others"}
	}
	id, err := events.ParseID[struct{ user byte }](values[0])
	if err != nil {
		return malformed("header.Roster-On-Behalf-Of", "has to be a user's id")
	}
	u, _, err := r.App.User(r.ctx, events.UserID(id))
	switch {
	case err != nil:
		return err
	case !u.Registered || u.Erased || u.Locked:
		return &domain.Error{Code: domain.NotFound}
	}
	person := events.Actor{Type: events.ByUser, ID: u.ID.String()}
	r.call.Behalf = &person
	r.principal.Actor, r.principal.User = person, u
	return nil
}

func isPlan(err error) bool { plan := new(planned); return errors.As(err, &plan) }
