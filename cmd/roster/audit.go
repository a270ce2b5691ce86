package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	stdlib "io"
	"net/http"
	"net/url"
	"strings"
	"time"
)

type auditCmd struct {
	remote
	Account string `arg:"" optional:"" help:"The account's id; without one the operator's trail of everything."`
	Actor   string `help:"Who did it: an id, or a kind of actor such as user, operator or system." placeholder:"ID"`
	Target  string `help:"To whom or what: an id, or a kind of target such as user or invitation." placeholder:"ID"`
	Action  string `help:"The name of a fact, such as membership.role_changed." placeholder:"FACT"`
	Outcome string `help:"done or refused." enum:"done,refused," default:"" placeholder:"done|refused"`
	From    string `help:"At or after this time, or this day." placeholder:"TIME"`
	To      string `help:"Before this time, or this day." placeholder:"TIME"`
	Q       string `help:"In names, addresses, actions and codes." placeholder:"TEXT"`
	Tree    bool   `help:"With the sub-accounts."`
	Format  string `help:"table: the newest entries first; csv or ndjson: everything, oldest first, as it comes." enum:"table,csv,ndjson" default:"table" placeholder:"table|csv|ndjson"`
	Limit   int    `help:"How many entries of a table; 0 for all." default:"50" placeholder:"N"`
	Cursor  string `help:"Go on where a page or an export ended, as it was told. A CSV that goes on has no header." placeholder:"CURSOR"`
}

func (c auditCmd) Run(ctx context.Context, io stdio) error {
	if c.JSON && c.Format != "table" {
		return usage("--json is a document; %s is another form", c.Format)
	}
	api, err := c.client(io)
	if err != nil {
		return err
	}
	query, err := c.query()
	if err != nil {
		return err
	}
	path := at("operator", "audit")
	if c.Account != "" {
		path = at("accounts", c.Account, "audit")
	}
	if c.Format != "table" {
		return c.export(ctx, api, path, query)
	}
	list, err := api.pages(ctx, path, query, c.Limit)
	if err != nil {
		return err
	}
	if err := api.list(list, columns("TIME", "time", "ACTION", "action", "OUTCOME", "outcome", "CODE", "code", "ACTOR", "actor", "TARGET", "target", "COMMAND", "command_id")); err != nil {
		return err
	}
	if list.next != "" && !c.JSON {
		io.note("there are older ones: --limit 0 for all, or --cursor=%s", list.next)
	}
	return nil
}

func (c auditCmd) query() (url.Values, error) {
	from, err := timeOf(c.From)
	if err != nil {
		return nil, err
	}
	to, err := timeOf(c.To)
	if err != nil {
		return nil, err
	}
	query := url.Values{}
	for name, value := range map[string]string{"actor": c.Actor, "target": c.Target, "action": c.Action, "outcome": c.Outcome, "from": from, "to": to, "q": c.Q, "cursor": c.Cursor} {
		if value != "" {
			query.Set(name, value)
		}
	}
	if c.Tree {
		query.Set("tree", "true")
	}
	return query, nil
}

// export streams entries to standard output, whole ones only. A stream that breaks off is taken up behind the last
// entry that arrived; where that does not help, it is said where to go on.
func (c auditCmd) export(ctx context.Context, api *client, path string, query url.Values) error {
	out := &exporting{csv: c.Format == "csv", out: bufio.NewWriterSize(api.io.out, 64<<10), last: c.Cursor, progress: api.io.progress()}
	defer out.progress.end()
	accept := "application/x-ndjson"
	if out.csv {
		accept = "text/csv"
	}
	for pause, failed := firstPause, 0; ; pause *= 2 {
		if out.last != "" {
			query.Set("cursor", out.last)
		}
		before := out.entries
		res, err := api.open(ctx, question{method: http.MethodGet, path: path, query: query, accept: accept, stream: true})
		if err != nil {
			return errors.Join(out.end(), out.broken(err))
		}
		err = errors.Join(out.copy(res.Body), res.Body.Close())
		var full *outputError
		switch {
		case err == nil || errors.As(err, &full):
			return errors.Join(err, out.end())
		case ctx.Err() != nil:
			return errors.Join(out.end(), out.broken(ctx.Err()))
		}
		if failed++; out.entries > before {
			pause, failed = firstPause, 1
		}
		if failed == tries {
			return errors.Join(out.end(), out.broken(err))
		}
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			return errors.Join(out.end(), out.broken(ctx.Err()))
		}
	}
}

// outputError is that standard output takes no more.
type outputError struct{ error }

func (e *outputError) Unwrap() error { return e.error }

// exporting is an export on its way to standard output.
type exporting struct {
	csv      bool
	out      *bufio.Writer
	last     string // POSITION.INDEX of the last entry
	entries  int
	progress *progress
}

// copy writes the entries of a stream. The header of a CSV is written once, and not by an export that goes on.
func (e *exporting) copy(from stdlib.Reader) error {
	in := bufio.NewReaderSize(from, 64<<10)
	for first := true; ; first = false {
		entry, err := e.next(in)
		switch {
		case errors.Is(err, stdlib.EOF) && len(entry) == 0:
			return nil
		case errors.Is(err, stdlib.EOF):
			return stdlib.ErrUnexpectedEOF
		case err != nil:
			return err
		}
		header := e.csv && first
		if !header || e.last == "" {
			if _, err := e.out.Write(entry); err != nil {
				return &outputError{err}
			}
		}
		if header {
			continue
		}
		if e.last = e.place(entry); e.last == "" {
			return &awayError{"the server streams something else than an audit trail: is this Roster?"}
		}
		e.entries++
		e.progress.say("%d entries", e.entries)
	}
}

// next reads a line, or a row of a CSV: in quotes a line break ends nothing.
func (e *exporting) next(in *bufio.Reader) ([]byte, error) {
	var entry []byte
	for {
		line, err := in.ReadBytes('\n')
		entry = append(entry, line...)
		if err != nil || !e.csv || bytes.Count(entry, []byte{'"'})%2 == 0 {
			return entry, err
		}
	}
}

// place is where an entry stands, as the server goes on from it.
func (e *exporting) place(entry []byte) string {
	if e.csv {
		cells := strings.SplitN(string(entry), ",", 3)
		if len(cells) < 3 {
			return ""
		}
		return cells[0] + "." + cells[1]
	}
	var at struct {
		Position uint64 `json:"position"`
		Index    int    `json:"index"`
	}
	if json.Unmarshal(entry, &at) != nil {
		return ""
	}
	return fmt.Sprintf("%d.%d", at.Position, at.Index)
}

func (e *exporting) end() error {
	if err := e.out.Flush(); err != nil {
		return &outputError{err}
	}
	return nil
}

// broken says how an export that broke off goes on.
func (e *exporting) broken(err error) error {
	var refused *problem
	if e.entries == 0 || errors.As(err, &refused) && refused.ExitCode() == exitRefused {
		return err
	}
	return &awayError{fmt.Sprintf("the export broke off after %d entries (%v): --cursor=%s goes on behind them", e.entries, oneLine(err), e.last)}
}
