package bench

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// The part of RESULTS.md that Record writes; what stands around it is written by hand and stays.
const (
	figuresBegin = "<!-- figures: written by go run ./cmd/dev bench --record -->\n"
	figuresEnd   = "<!-- end of figures -->\n"
)

// Record writes the report into a folder: rows.json, the figures of RESULTS.md, and the plots callers.svg and
// history.svg. Rows that another run has recorded for the same commit, scale and seconds and that this one has not
// measured are kept: a part that failed can be measured alone.
func (r Report) Record(dir string) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	r, err := r.joined(filepath.Join(dir, "rows.json"))
	if err != nil {
		return err
	}
	var rows, table bytes.Buffer
	if err := r.WriteJSON(&rows); err != nil {
		return err
	}
	r.writeMarkdown(&table)
	results := filepath.Join(dir, "RESULTS.md")
	text, err := os.ReadFile(results)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	before, rest, found := strings.Cut(string(text), figuresBegin)
	_, after, ended := strings.Cut(rest, figuresEnd)
	switch {
	case !found && len(text) == 0:
		before = "# What the bench measured\n\n"
	case !found || !ended:
		return fmt.Errorf("%s has lost the marks around its figures", results)
	}
	files := map[string][]byte{"rows.json": rows.Bytes(), "RESULTS.md": []byte(before + figuresBegin + table.String() + figuresEnd + after)}
	for _, over := range []string{"callers", "history"} {
		var plot bytes.Buffer
		if r.WritePlot(&plot, over) == nil { // there may be none of its rows yet
			files[over+".svg"] = plot.Bytes()
		}
	}
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(dir, name), text, 0o644); err != nil {
			return err
		}
	}
	return nil
}

// joined adds the rows of a recorded report that belong to the same run.
func (r Report) joined(file string) (Report, error) {
	text, err := os.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) {
		return r, nil
	}
	var old Report
	if err == nil {
		err = json.Unmarshal(text, &old)
	}
	if err != nil {
		return r, err
	}
	a, b := old.Machine, r.Machine
	if a.Commit != b.Commit || a.Scale != b.Scale || a.Seconds != b.Seconds || a.CPUs != b.CPUs {
		return r, nil
	}
	for _, row := range old.Rows {
		if !slices.ContainsFunc(r.Rows, func(is Row) bool { return is.Name == row.Name }) {
			r.Rows = append(r.Rows, row)
		}
	}
	place := func(row Row) int {
		return slices.IndexFunc(groups(), func(g group) bool { return strings.HasPrefix(row.Name, g.name) })
	}
	slices.SortStableFunc(r.Rows, func(a, b Row) int { return place(a) - place(b) })
	return r, nil
}

// writeMarkdown writes the report as a table for people.
func (r Report) writeMarkdown(out *bytes.Buffer) {
	m := r.Machine
	fmt.Fprintf(out, "\n%s, commit %s, %s, %s, %d CPUs, load %s at the start; scale %s, %g s a contestant.\n\n",
		m.Started.Format("2006-01-02 15:04"), m.Commit, m.Go, m.OS, m.CPUs, m.Load, named(m.Scale), m.Seconds)
	out.WriteString("![Throughput and p99 over the number of callers](callers.svg)\n\n![Throughput and p99 over the length of history](history.svg)\n\n")
	out.WriteString("| row | value | p50 | p99 | turns | baseline | its value | ratio | goal | |\n| --- | ---: | ---: | ---: | --- | --- | ---: | ---: | --- | --- |\n")
	for _, row := range r.Rows {
		base, is, ratio := "", "", ""
		if b := row.Baseline; b != nil {
			base, is, ratio = b.Name, figure(b.Value), figure(row.Ratio)
		}
		fmt.Fprintf(out, "| %s | %s %s | %s | %s | %s–%s | %s | %s | %s | %s | %s |\n", row.Name, figure(row.Value), row.Unit, duration(row.P50), duration(row.P99),
			figure(row.Low), figure(row.High), base, is, ratio, row.Goal, row.verdict())
	}
	out.WriteString("\n")
}

// verdict says whether a row has reached its goal; "" where it has none.
func (row Row) verdict() string {
	switch {
	case row.Met == nil:
		return ""
	case *row.Met:
		return "reached"
	}
	return "missed"
}

// Missed lists the names of the rows that have not reached their goals; of rows of one contestant the shortest.
func (r Report) Missed() []string {
	var names []string
	for _, row := range r.Rows {
		if row.verdict() == "missed" {
			names = append(names, row.Name)
		}
	}
	slices.Sort(names)
	return slices.CompactFunc(names, func(name, before string) bool { return strings.HasPrefix(name, before+"/") })
}
