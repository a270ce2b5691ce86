package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"roster/domain"
)

// changes are the flags of every command that changes something.
type changes struct {
	remote
	DryRun         bool   `help:"Say what would be done, and do nothing." xor:"confirmed" group:"How it is done"`
	Confirm        bool   `help:"Where the server wants it confirmed, do it all the same." xor:"confirmed" group:"How it is done"`
	IdempotencyKey string `help:"The key of a command of which nobody knows whether it was done: it is not done twice." placeholder:"KEY" group:"How it is done"`
}

// changer sends commands.
type changer struct {
	*client
	changes
	sent int
}

func (c changes) changer(io stdio) (*changer, error) {
	to, err := c.client(io)
	if err != nil {
		return nil, err
	}
	return &changer{client: to, changes: c}, nil
}

// changed is what a command answered.
type changed struct {
	answer  json.RawMessage
	command string // its id, by which it can be undone
	plan    *plan  // of a dry run
}

// plan is what a dry run says.
type plan struct {
	Facts []struct {
		Boundary string          `json:"boundary"`
		Type     string          `json:"type"`
		Data     json.RawMessage `json:"data"`
	} `json:"facts"`
	Outcomes []string `json:"outcomes"`
	Mails    []struct {
		Kind       string `json:"kind"`
		Invitation string `json:"invitation"`
		User       string `json:"user"`
		Contact    string `json:"contact"`
	} `json:"mails"`
	OwnersLeft map[string]int `json:"owners_left"`
	Confirm    string         `json:"confirm"`
}

// body is what a command is sent with.
type body map[string]any

// set adds what has been given.
func (b body) set(name string, value any) body {
	switch v := value.(type) {
	case string:
		if v == "" {
			return b
		}
	case bool:
		if !v {
			return b
		}
	case []string:
		if len(v) == 0 {
			return b
		}
	}
	b[name] = value
	return b
}

// send sends a command, or asks what it would do. Where the server wants it confirmed, and the caller has done so, it
// is sent once more with the token.
func (c *changer) send(ctx context.Context, method, path string, with body) (changed, error) {
	q := question{method: method, path: path, dryRun: c.DryRun, key: c.key()}
	if with != nil {
		q.body = with
	}
	a, err := c.ask(ctx, q)
	var refused *problem
	if errors.As(err, &refused) && (refused.Code == codeConfirmation || refused.Code == codeThreshold) {
		if !c.Confirm {
			refused.hint = "--dry-run shows what it would do; --confirm does it"
			return changed{}, err
		}
		token, err := c.token(ctx, q, refused)
		if err != nil {
			return changed{}, err
		}
		confirmed := maps.Clone(with)
		if confirmed == nil {
			confirmed = body{}
		}
		confirmed["confirm"] = token
		q.body = confirmed
		if a, err = c.ask(ctx, q); err != nil {
			return changed{}, err
		}
	} else if err != nil {
		return changed{}, err
	}
	out := changed{answer: a.body, command: a.header.Get("Roster-Command")}
	if !c.DryRun {
		return out, nil
	}
	var said struct {
		DryRun bool `json:"dry_run"`
		plan
	}
	if err := json.Unmarshal(a.body, &said); err != nil || !said.DryRun {
		return changed{}, &awayError{"the server did not answer the dry run as one: it may have been done"}
	}
	out.plan = &said.plan
	return out, nil
}

// key is the idempotency key of the next request of this command.
func (c *changer) key() string {
	if c.IdempotencyKey == "" {
		c.IdempotencyKey = newKey()
	}
	c.sent++
	if c.sent == 1 {
		return c.IdempotencyKey
	}
	return c.IdempotencyKey + "." + strconv.Itoa(c.sent)
}

// token is what confirms a command: a refusal gives it, or the dry run.
func (c *changer) token(ctx context.Context, q question, refused *problem) (string, error) {
	if refused.Confirm != "" {
		return refused.Confirm, nil
	}
	q.dryRun, q.key = true, ""
	a, err := c.ask(ctx, q)
	if err != nil {
		return "", err
	}
	var said plan
	if err := json.Unmarshal(a.body, &said); err != nil || said.Confirm == "" {
		return "", refused
	}
	return said.Confirm, nil
}

// do sends a command and prints what it answered, as show does, or what it would do.
func (c *changer) do(ctx context.Context, method, path string, with body, show func(json.RawMessage) error) error {
	done, err := c.send(ctx, method, path, with)
	if err != nil {
		return err
	}
	switch {
	case c.asJSON:
		return c.io.json(done.document())
	case done.plan != nil:
		return done.plan.print(c.io)
	}
	if err := show(done.answer); err != nil {
		return err
	}
	c.tell(done)
	return nil
}

// tell says under which id a command can be undone.
func (c *changer) tell(done changed) {
	if done.command != "" {
		c.io.note("command %s", done.command)
	}
}

// document is the answer as it is printed as JSON: with the command's id.
func (d changed) document() any {
	var fields map[string]json.RawMessage
	if d.command == "" || json.Unmarshal(d.answer, &fields) != nil {
		return d.answer
	}
	id, err := json.Marshal(d.command)
	if err != nil {
		return d.answer
	}
	fields["command"] = id
	return fields
}

// print shows what a command would do.
func (p *plan) print(io stdio) error {
	facts := newTable("FACT", "WHERE", "WHAT")
	for _, f := range p.Facts {
		facts.row(f.Type, f.Boundary, string(f.Data))
	}
	if err := facts.print(io); err != nil {
		return err
	}
	if len(p.Outcomes) > 0 {
		if err := io.say("outcomes: %s", counted(p.Outcomes)); err != nil {
			return err
		}
	}
	for _, m := range p.Mails {
		if err := io.say("mail: %s %s", printable(m.Kind), printable(cmp.Or(m.Invitation, m.User, m.Contact))); err != nil {
			return err
		}
	}
	for _, account := range slices.Sorted(maps.Keys(p.OwnersLeft)) {
		if err := io.say("owners left in %s: %d", printable(account), p.OwnersLeft[account]); err != nil {
			return err
		}
	}
	return io.say("This was a dry run: nothing has been done.")
}

// counted says how many there are of each outcome, in the order in which they first appear.
func counted(outcomes []string) string {
	var order []string
	count := map[string]int{}
	for _, text := range outcomes {
		outcome, _ := domain.ParseOutcome(text)
		if count[outcome] == 0 {
			order = append(order, outcome)
		}
		count[outcome]++
	}
	for i, outcome := range order {
		order[i] = strconv.Itoa(count[outcome]) + " " + printable(outcome)
	}
	return strings.Join(order, ", ")
}

// harmless says of an outcome that nothing was refused: it was done, or is so already.
func harmless(outcome string) bool {
	switch outcome {
	case domain.OutcomeInvited, domain.OutcomeAlreadyMember, domain.OutcomeAlreadyInvited, domain.OutcomeDone, domain.OutcomeAlready:
		return true
	}
	return false
}

// some is the error of a bulk of which not everything was done, nil where everything was.
func some(outcomes []string) error {
	refused := 0
	for _, text := range outcomes {
		if outcome, _ := domain.ParseOutcome(text); !harmless(outcome) {
			refused++
		}
	}
	if refused == 0 {
		return nil
	}
	return &someRefused{refused, len(outcomes)}
}

// The verbs, as commands name them.
const (
	post   = http.MethodPost
	put    = http.MethodPut
	patch  = http.MethodPatch
	remove = http.MethodDelete
)
