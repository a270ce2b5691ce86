package api

import (
	"context"

	"roster/domain"
	"roster/events"
	"roster/projections"
)

type undoInput struct {
	AccountParam
	Body struct {
		Command string `json:"command" doc:"Roster-Command of the answer to the command, or command_id of an audit entry"`
	}
}

type undoneBody struct {
	ID     string `json:"id" doc:"The command that took it back"`
	Undoes string `json:"undoes"`
}

// undo takes back what a command did in the account, and in the others that it reached.
func undo(_ context.Context, r *request, in *undoInput) (*Reply[undoneBody], error) {
	account, err := accountID(in.Account)
	if err != nil {
		return nil, err
	}
	if _, err := r.mayIn(account, domain.UsersRead); err != nil {
		return nil, err
	}
	var id events.CommitID
	if err := id.UnmarshalText([]byte(in.Body.Command)); err != nil {
		return nil, invalid("body.command", "not a command's id")
	}
	cmd := domain.Undo{Account: account, Command: id}
	if cmd.Deeds, err = r.deeds(account, id); err != nil {
		return nil, err
	}
	done, err := r.do(cmd)
	if err != nil {
		return nil, err
	}
	return reply(undoneBody{done.Command.String(), in.Body.Command})
}

// deeds are the facts of a command, where it did something in the account. The archive knows where they stand; they are
// read as the log has them.
func (r *request) deeds(account events.AccountID, command events.CommitID) ([]domain.Deed, error) {
	target, err := r.App.Last(r.ctx)
	if err != nil {
		return nil, err
	}
	if err := r.caughtUp("archive", target); err != nil {
		return nil, err
	}
	list, err := projections.ArchivedCommand(r.ctx, asker{r.Models}, command)
	if err != nil {
		return nil, away(err)
	}
	var deeds []domain.Deed
	here := false
	for _, a := range list {
		if a.Boundary.Kind != events.AccountBoundary {
			continue
		}
		c, err := events.Decode(a.Record)
		if err != nil {
			return nil, err
		}
		if c, err = r.App.Opened(r.ctx, c); err != nil {
			return nil, err
		}
		here = here || a.Boundary == events.OfAccount(account)
		for _, f := range c.Facts {
			deeds = append(deeds, domain.Deed{Account: events.AccountID(a.Boundary.ID), Pos: c.Pos, Event: f})
		}
	}
	if !here {
		return nil, nil // of another account, or of nobody: the command says that there is none
	}
	return deeds, nil
}
