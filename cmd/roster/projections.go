package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strings"
	"text/tabwriter"
	"time"
)

// remote is a running Roster and the operator's key to it.
type remote struct {
	URL  string `help:"Where Roster runs." env:"ROSTER_URL" default:"http://localhost:8080"`
	Data string `help:"Its data, for the operator's key; ROSTER_OPERATOR_KEY wins." env:"ROSTER_DATA" default:"${data}" placeholder:"DIR"`
}

// call asks a running Roster and reads its JSON answer.
func (r remote) call(ctx context.Context, method, path string, into any) error {
	key := strings.TrimSpace(os.Getenv("ROSTER_OPERATOR_KEY"))
	if key == "" {
		text, err := os.ReadFile(r.Data + "/operator.key")
		if err != nil {
			return errors.New("no operator's key: set ROSTER_OPERATOR_KEY, or --data to where Roster keeps its data")
		}
		key = strings.TrimSpace(string(text))
	}
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	at, err := url.JoinPath(r.URL, path)
	if err != nil {
		return fmt.Errorf("--url %q: %w", r.URL, err)
	}
	req, err := http.NewRequestWithContext(ctx, method, at, nil)
	if err != nil {
		return err
	}
	req.Header.Set("Authorization", "Bearer "+key)
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return fmt.Errorf("Roster does not answer at %s: %w", r.URL, errors.Unwrap(err))
	}
	defer func() { _ = res.Body.Close() }()
	body, err := io.ReadAll(io.LimitReader(res.Body, 8<<20))
	if err != nil {
		return err
	}
	if res.StatusCode >= 300 {
		var problem struct{ Title, Detail string }
		if json.Unmarshal(body, &problem) != nil || problem.Detail == "" {
			return fmt.Errorf("%s answered %s", at, res.Status)
		}
		return errors.New(problem.Detail)
	}
	if into == nil {
		return nil
	}
	return json.Unmarshal(body, into)
}

type projectionsCmd struct {
	Status  projectionsStatusCmd  `cmd:"" help:"Show each read model: version, position, lag, what is parked."`
	Rebuild projectionsRebuildCmd `cmd:"" help:"Make a read model anew from the log, beside the one that serves."`
}

type projectionsStatusCmd struct {
	remote
	JSON bool `help:"Print JSON."`
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
	if err := c.call(ctx, http.MethodGet, "/v1/operator/projections", &raw); err != nil {
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
	remote
	Name string `arg:"" help:"Which read model."`
}

// Run asks for the rebuild; it goes on in the running Roster.
func (c projectionsRebuildCmd) Run(ctx context.Context, io stdio) error {
	if err := c.call(ctx, http.MethodPost, "/v1/operator/projections/"+url.PathEscape(c.Name)+"/rebuild", nil); err != nil {
		return err
	}
	_, err := fmt.Fprintf(io.out, "%s is being rebuilt; it serves on meanwhile: roster projections status\n", c.Name)
	return err
}
