package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime/pprof"
	"strings"
	"text/tabwriter"
	"time"

	measuring "roster/infra/bench"
)

// bench measures the promises of the design (package infra/bench), or with "packages" the benchmarks of all packages.
func bench(ctx context.Context, d *dev, args []string) error {
	if len(args) > 0 && args[0] == "packages" {
		return packageBenchmarks(ctx, d, args[1:])
	}
	asJSON, record := false, false
	scale, profile := "100k", ""
	o := measuring.Options{Log: d.err}
	flags := flag.NewFlagSet("bench", flag.ContinueOnError)
	flags.SetOutput(d.err)
	flags.StringVar(&o.Only, "only", "", "only rows whose name begins so, such as commands/in-process")
	flags.Float64Var(&o.Seconds, "seconds", 4, "how long each contestant of a row is measured")
	flags.BoolVar(&asJSON, "json", false, "print one JSON document instead of a table")
	flags.StringVar(&scale, "scale", scale, "facts and people in the large portals: 10k, 100k, 1m")
	flags.StringVar(&o.Dir, "dir", "", "where temporary data goes: the disk that is measured")
	flags.BoolVar(&o.Alone, "alone", false, "leave out the baselines, and whatever else does not begin with --only: for a profile")
	flags.BoolVar(&record, "record", false, "write infra/bench/RESULTS.md, its plots and rows.json, and a profile of each row that misses its goal")
	flags.StringVar(&profile, "cpuprofile", "", "write a CPU profile of the whole run to this file")
	flags.Usage = func() {
		_, _ = fmt.Fprintln(d.err, "go run ./cmd/dev bench [flags]\ngo run ./cmd/dev bench packages [--time 1s]\n\nflags:")
		flags.PrintDefaults()
		_, _ = fmt.Fprintln(d.err, "\nrows, by the beginnings of their names:")
		for _, g := range measuring.Groups() {
			_, _ = fmt.Fprintf(d.err, "  %-22s %s\n", g[0], g[1])
		}
	}
	if err := flags.Parse(args); errors.Is(err, flag.ErrHelp) {
		return nil
	} else if err != nil {
		return errFailed // it has said why
	}
	if flags.NArg() > 0 {
		return fmt.Errorf("there is no benchmark %q: rows are chosen by --only", flags.Arg(0))
	}
	var err error
	if o.Scale, err = measuring.ParseScale(scale); err != nil {
		return err
	}
	commit, err := d.output(ctx, "git", "rev-parse", "--short", "HEAD") // go run does not note it; while it runs another may come
	if err != nil && record {
		return fmt.Errorf("the commit to record: %w", err)
	}
	stop, err := profileCPU(profile)
	if err != nil {
		return err
	}
	report, err := measuring.Run(ctx, o)
	err = errors.Join(err, stop())
	if report.Machine.Commit == "" {
		report.Machine.Commit = commit
	}
	if record && len(report.Rows) > 0 && ctx.Err() == nil { // what was broken off does not take a whole record's place
		err = errors.Join(err, recordBench(ctx, d, o, report))
	}
	switch {
	case len(report.Rows) == 0:
		return err
	case asJSON:
		return errors.Join(report.WriteJSON(d.out), err)
	}
	return errors.Join(report.WriteTable(d.out), err)
}

// recordBench writes what was measured into the repository. What misses its goal is run once more, alone, under the
// profiler: where the time goes is its reason.
func recordBench(ctx context.Context, d *dev, o measuring.Options, report measuring.Report) error {
	dir := filepath.Join(d.root, "infra", "bench")
	if err := report.Record(dir); err != nil {
		return err
	}
	for _, row := range report.Missed() {
		if strings.HasPrefix(row, "program/") { // the program is a process of its own, of which a profile here says nothing
			continue
		}
		if err := profileRow(ctx, d, o, row, filepath.Join(dir, "profiles", strings.ReplaceAll(row, "/", "_")+".txt")); err != nil {
			return fmt.Errorf("profile of %s: %w", row, err)
		}
	}
	return nil
}

func profileRow(ctx context.Context, d *dev, o measuring.Options, row, into string) (err error) {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "profile-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	file := filepath.Join(dir, "cpu")
	stop, err := profileCPU(file)
	if err != nil {
		return err
	}
	o.Only, o.Alone = row, true
	_, err = measuring.Run(ctx, o)
	if err := errors.Join(err, stop()); err != nil {
		return err
	}
	text := "CPU of the bench's process while " + row + " is measured alone, its preparations included; PostgreSQL is another process.\n\n"
	for _, sort := range []string{"-flat", "-cum"} {
		top, err := d.output(ctx, "go", "tool", "pprof", "-top", "-nodecount=40", sort, self, file)
		if err != nil {
			return err
		}
		text += top + "\n\n"
	}
	if err := os.MkdirAll(filepath.Dir(into), 0o755); err != nil {
		return err
	}
	return os.WriteFile(into, []byte(strings.TrimSpace(text)+"\n"), 0o644)
}

// profileCPU profiles until stop; without a file's name it does nothing.
func profileCPU(name string) (stop func() error, err error) {
	if name == "" {
		return func() error { return nil }, nil
	}
	f, err := os.Create(name)
	if err != nil {
		return nil, err
	}
	if err := pprof.StartCPUProfile(f); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return func() error { pprof.StopCPUProfile(); return f.Close() }, nil
}

// packageBenchmarks runs what go test calls benchmarks.
func packageBenchmarks(ctx context.Context, d *dev, args []string) error {
	lasts := time.Second
	flags := flag.NewFlagSet("bench packages", flag.ContinueOnError)
	flags.SetOutput(d.err)
	flags.DurationVar(&lasts, "time", lasts, "how long each measurement lasts")
	if flags.Parse(args) != nil {
		return errFailed // it has said why
	}
	found, err := testFunctions(d.root, "Benchmark", "B")
	if err != nil {
		return err
	}
	if len(found) == 0 {
		d.say("no package has benchmarks yet")
		return nil
	}
	packages := sortedNames(found)
	// One package after the other: two at once would measure each other.
	c := d.command(ctx, "go", append([]string{"test", "-run=^$", "-bench=.", "-benchmem", "-benchtime=" + lasts.String(), "-p", "1"}, packages...)...)
	var out bytes.Buffer
	c.Stdout = &out
	err = c.Run()
	rows := parseBenchmarks(&out, func(line string) {
		if err != nil {
			d.say("%s", line)
		}
	})
	if tableErr := printTable(d.out, rows); tableErr != nil {
		return tableErr
	}
	return err
}

// measured is a line of go test -bench.
type measured struct {
	pkg, name, runs string
	values          []string // "123 ns/op"
}

// parseBenchmarks reads what go test -bench prints; lines that are not results go to other.
func parseBenchmarks(r io.Reader, other func(line string)) []measured {
	var all []measured
	pkg := ""
	lines := bufio.NewScanner(r)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		f := strings.Fields(lines.Text())
		switch {
		case len(f) == 2 && f[0] == "pkg:":
			pkg = strings.TrimPrefix(f[1], "roster/")
		case len(f) >= 4 && len(f)%2 == 0 && strings.HasPrefix(f[0], "Benchmark"):
			m := measured{pkg: pkg, name: strings.TrimPrefix(f[0], "Benchmark"), runs: f[1]}
			for i := 2; i < len(f); i += 2 {
				m.values = append(m.values, f[i]+" "+f[i+1])
			}
			all = append(all, m)
		default:
			other(lines.Text())
		}
	}
	return all
}

func printTable(w io.Writer, rows []measured) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	_, _ = fmt.Fprintln(t, "package\tbenchmark\truns\tmeasured")
	for _, r := range rows {
		_, _ = fmt.Fprintf(t, "%s\t%s\t%s\t%s\n", r.pkg, r.name, r.runs, strings.Join(r.values, "\t"))
	}
	return t.Flush()
}
