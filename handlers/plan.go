package handlers

import (
	"context"

	"roster/domain"
	"roster/events"
)

// Plan is what a command would do: a dry run (SPEC 3.11). Ids that the command would make are placeholders.
type Plan struct {
	Facts    []Planned
	Mails    []PlannedMail
	Outcomes []string
	Owners   map[events.AccountID]int // active owners left, of the accounts that would change
}

// Planned is a fact that would be written.
type Planned struct {
	Boundary events.Boundary
	Event    events.Event
}

// Plan decides a command, or its parts one after another, and writes nothing. It answers a refusal as Do would. A part
// sees what those before it would have done.
func (a *App) Plan(ctx context.Context, call Call, parts ...domain.Command) (Plan, error) {
	p := Plan{Owners: map[events.AccountID]int{}}
	call.Key = ""
	done := map[events.Boundary]domain.State{}
	for i, cmd := range parts {
		t := &try{App: a, call: call, cmd: cmd, part: i + 1, parts: len(parts), since: a.clock(), planned: done}
		t.home = cmd.Home(domain.Issued{ID: t.id})
		world, _, err := t.decide(ctx)
		if err != nil {
			return Plan{}, err
		}
		p.Outcomes = append(p.Outcomes, world.Outcomes()...)
		for _, b := range world.Written() {
			var account domain.Account
			if id := events.AccountID(b.ID); b.Kind == events.AccountBoundary {
				account = world.Account(id)
				p.Owners[id] = account.Owners(world.At())
			}
			for _, f := range world.Facts(b) {
				p.Facts = append(p.Facts, Planned{b, f})
				p.Mails = append(p.Mails, mailsOf(b, f, account)...)
			}
			done[b] = world.State(b)
		}
	}
	return p, nil
}

// Token authenticates a text, such as what a dry run has shown; Verifies says whether a token is of it.
func (a *App) Token(text []byte) string { return a.macs.MAC(text) }

// Verifies says whether Token gave the token for this very text.
func (a *App) Verifies(text []byte, token string) bool {
	return len(text) > 0 && a.macs.VerifyMAC(text, token)
}

// Opened is a commit with its sealed parts opened, as far as nobody has been erased.
func (a *App) Opened(ctx context.Context, c events.Commit) (events.Commit, error) {
	for i, f := range c.Facts {
		place := events.Place{Log: c.Log, Boundary: c.Boundary, Commit: c.ID, Index: i, Kind: events.KindOf(f)}
		opened, err := events.Open(f, func(part string, b events.Box) ([]byte, bool, error) {
			place.Part = part
			return a.sealer.Open(ctx, place, b)
		})
		if err != nil {
			return c, err
		}
		c.Facts[i] = opened
	}
	return c, nil
}
