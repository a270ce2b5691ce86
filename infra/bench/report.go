package bench

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"runtime"
	"runtime/debug"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"
)

// Report is what a run has measured.
type Report struct {
	Machine Machine `json:"machine"`
	Rows    []Row   `json:"rows"`
}

// Machine is what figures depend on beside the program.
type Machine struct {
	Go      string    `json:"go"`
	OS      string    `json:"os"`
	CPUs    int       `json:"cpus"`
	Load    string    `json:"load,omitempty"` // load averages at the start: whether others were at work
	Started time.Time `json:"started"`
	Commit  string    `json:"commit,omitempty"`
	Seconds float64   `json:"seconds"`
	Scale   int       `json:"scale"`
}

// Row is one figure. P50 and P99 are of single operations, in milliseconds whatever the unit of the value; they are
// left out where there are no single operations. Low and High are the lowest and highest of the turns that the value
// sums up: how much the machine, not the program, makes of it.
type Row struct {
	Name     string    `json:"name"`
	Value    float64   `json:"value"`
	Unit     string    `json:"unit"`
	P50      float64   `json:"p50,omitempty"`
	P99      float64   `json:"p99,omitempty"`
	Low      float64   `json:"low"`
	High     float64   `json:"high"`
	Count    int64     `json:"count"`          // operations behind it
	Rate     float64   `json:"rate,omitempty"` // operations a second, whatever the value is
	Baseline *Baseline `json:"baseline,omitempty"`
	Ratio    float64   `json:"ratio,omitempty"` // value / baseline's value
	Goal     string    `json:"goal,omitempty"`
	Met      *bool     `json:"met,omitempty"`

	attained float64 // 1 is exactly the goal, 0.5 is half way
}

// Baseline is what a row is measured beside.
type Baseline struct {
	Name  string  `json:"name"`
	Value float64 `json:"value"`
	P50   float64 `json:"p50,omitempty"`
	P99   float64 `json:"p99,omitempty"`
	Low   float64 `json:"low"`
	High  float64 `json:"high"`
	Rate  float64 `json:"rate,omitempty"`
}

func newReport(o Options) Report {
	m := Machine{Go: runtime.Version(), OS: runtime.GOOS + "/" + runtime.GOARCH, CPUs: runtime.NumCPU(), Started: time.Now().UTC().Truncate(time.Second),
		Seconds: o.Seconds, Scale: o.Scale}
	if text, err := os.ReadFile("/proc/loadavg"); err == nil {
		if f := strings.Fields(string(text)); len(f) >= 3 {
			m.Load = strings.Join(f[:3], " ")
		}
	}
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, s := range info.Settings {
			if s.Key == "vcs.revision" {
				m.Commit = s.Value
			}
		}
	}
	return Report{Machine: m, Rows: []Row{}}
}

// goal is what a row is to reach.
type goal struct {
	text  string
	most  bool // at most that much; else at least
	ratio bool // of the ratio; else of the value
	much  float64
}

func atLeastTimes(much float64) goal {
	return goal{fmt.Sprintf("≥ %.3g × baseline", much), false, true, much}
}

func atMostTimes(much float64) goal {
	return goal{fmt.Sprintf("≤ %.3g × baseline", much), true, true, much}
}

func atLeast(much float64, unit string) goal {
	return goal{fmt.Sprintf("≥ %g %s", much, unit), false, false, much}
}

func atMost(much float64, unit string) goal {
	return goal{fmt.Sprintf("≤ %g %s", much, unit), true, false, much}
}

func (g goal) judge(r *Row) {
	if g.text == "" {
		return
	}
	r.Goal = g.text
	is := r.Value
	if g.ratio {
		is = r.Ratio
	}
	if is <= 0 || g.much <= 0 {
		return
	}
	r.attained = is / g.much
	if g.most {
		r.attained = g.much / is
	}
	met := r.attained >= 1
	r.Met = &met
}

// WriteJSON writes the report as one JSON document.
func (r Report) WriteJSON(w io.Writer) error {
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	e.SetIndent("", " ")
	return e.Encode(r)
}

// WriteTable writes the report for people, and which row is furthest from its goal.
func (r Report) WriteTable(w io.Writer) error {
	m := r.Machine
	if _, err := fmt.Fprintf(w, "commit %s, %s, %s, %d CPUs, load %s, %g s a contestant, scale %s\n", m.Commit, m.Go, m.OS, m.CPUs, m.Load, m.Seconds, named(m.Scale)); err != nil {
		return err
	}
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	_, _ = fmt.Fprintln(t, "row\tvalue\tp50\tp99\tturns\tbaseline\tits value\tits p50\tits p99\tratio\tgoal\t")
	for _, row := range r.Rows {
		base := "\t\t\t\t"
		if b := row.Baseline; b != nil {
			base = fmt.Sprintf("%s\t%s\t%s\t%s\t%s", b.Name, figure(b.Value), duration(b.P50), duration(b.P99), figure(row.Ratio))
		}
		_, _ = fmt.Fprintf(t, "%s\t%s %s\t%s\t%s\t%s–%s\t%s\t%s\t%s\n", row.Name, figure(row.Value), row.Unit, duration(row.P50), duration(row.P99),
			figure(row.Low), figure(row.High), base, row.Goal, row.verdict())
	}
	if err := t.Flush(); err != nil {
		return err
	}
	var worst *Row
	for i := range r.Rows {
		if row := &r.Rows[i]; row.Met != nil && (worst == nil || row.attained < worst.attained) {
			worst = row
		}
	}
	if worst == nil {
		return nil
	}
	_, err := fmt.Fprintf(w, "furthest from its goal: %s, at %.0f %% of it\n", worst.Name, 100*worst.attained)
	return err
}

// figure writes a number with three digits that count.
func figure(v float64) string {
	switch {
	case v == 0:
		return "0"
	case v >= 100 || v <= -100:
		return strconv.FormatFloat(v, 'f', 0, 64)
	}
	return strconv.FormatFloat(v, 'g', 3, 64)
}

func duration(ms float64) string {
	switch {
	case ms == 0:
		return ""
	case ms < 0.001:
		return figure(ms*1e6) + " ns"
	case ms < 1:
		return figure(ms*1e3) + " µs"
	case ms < 10_000:
		return figure(ms) + " ms"
	}
	return figure(ms/1e3) + " s"
}
