package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"text/tabwriter"
)

// call asks a running Roster and reads its JSON answer.
func (r place) call(ctx context.Context, io stdio, method, path string, into any) error {
	to, err := r.resolve(io)
	if err != nil {
		return err
	}
	a, err := newClient(to, "", false, io).ask(ctx, question{method: method, path: path})
	if err != nil || into == nil {
		return err
	}
	return decode(a.body, into)
}

type projectionsCmd struct {
	Status  projectionsStatusCmd  `cmd:"" help:"Show each read model: version, position, lag, what is parked." example:"roster projections status"`
	Rebuild projectionsRebuildCmd `cmd:"" help:"Make a read model anew from the log, beside the one that serves." example:"roster projections rebuild user_list"`
}

type projectionsStatusCmd struct {
	place
	JSON bool `name:"json" help:"Print one JSON document."`
}

// projectionStatus is what the operator's API says of one generation of a read model.
type projectionStatus struct {
	Name       string `json:"name"`
	Version    int    `json:"version"`
	Generation int    `json:"generation"`
	State      string `json:"state"`
	Position   uint64 `json:"position"`
	Lag        uint64 `json:"lag"`
	Problem    string `json:"problem"`
	Parked     []struct {
		Boundary string `json:"boundary"`
		Position uint64 `json:"position"`
		Error    string `json:"error"`
	} `json:"parked"`
}

// Run prints a table.
func (c projectionsStatusCmd) Run(ctx context.Context, io stdio) error {
	var raw json.RawMessage
	if err := c.call(ctx, io, http.MethodGet, "/v1/operator/projections", &raw); err != nil {
		return err
	}
	if c.JSON {
		_, err := fmt.Fprintln(io.out, string(raw))
		return err
	}
	var list struct {
		Items []projectionStatus `json:"items"`
	}
	if err := json.Unmarshal(raw, &list); err != nil {
		return err
	}
	w := tabwriter.NewWriter(io.out, 0, 0, 2, ' ', 0)
	_, _ = fmt.Fprintln(w, "NAME\tVERSION\tGENERATION\tSTATE\tPOSITION\tLAG\tPARKED")
	for _, s := range list.Items {
		_, _ = fmt.Fprintf(w, "%s\t%d\t%d\t%s\t%d\t%d\t%d\n", s.Name, s.Version, s.Generation, s.State, s.Position, s.Lag, len(s.Parked))
	}
	if err := w.Flush(); err != nil {
		return err
	}
	for _, s := range list.Items {
		if s.Problem != "" {
			_, _ = fmt.Fprintf(io.out, "%s: %s\n", s.Name, s.Problem)
		}
		for _, p := range s.Parked {
			_, _ = fmt.Fprintf(io.out, "%s: %s is parked at position %d: %s\n", s.Name, p.Boundary, p.Position, p.Error)
		}
	}
	return nil
}

type projectionsRebuildCmd struct {
	place
	Name string `arg:"" help:"Which read model."`
}

// Run asks for the rebuild; it goes on in the running Roster.
func (c projectionsRebuildCmd) Run(ctx context.Context, io stdio) error {
	if err := c.call(ctx, io, http.MethodPost, "/v1/operator/projections/"+url.PathEscape(c.Name)+"/rebuild", nil); err != nil {
		return err
	}
	_, err := fmt.Fprintf(io.out, "%s is being rebuilt; it serves on meanwhile: roster projections status\n", c.Name)
	return err
}
