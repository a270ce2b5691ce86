package main

import (
	"bufio"
	"bytes"
	"context"
	"flag"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"
)

// benchmark is one thing to measure, by a name that can be given on the command line.
type benchmark struct {
	name, measures string
	run            func(ctx context.Context, d *dev, o benchOptions) error
}

type benchOptions struct {
	time time.Duration // how long each measurement lasts
}

func benchmarks() []benchmark {
	return []benchmark{
		{"packages", "the benchmarks of all packages", packageBenchmarks},
	}
}

// bench runs all of the table, or what is named.
func bench(ctx context.Context, d *dev, args []string) error {
	var o benchOptions
	flags := flag.NewFlagSet("bench", flag.ContinueOnError)
	flags.SetOutput(d.err)
	flags.DurationVar(&o.time, "time", time.Second, "how long each measurement lasts")
	if flags.Parse(args) != nil {
		return errFailed // it has said why
	}
	known := map[string]bool{}
	for _, b := range benchmarks() {
		known[b.name] = true
	}
	wanted := map[string]bool{}
	for _, name := range flags.Args() {
		if !known[name] {
			return fmt.Errorf("there is no benchmark %q", name)
		}
		wanted[name] = true
	}
	for _, b := range benchmarks() {
		if len(wanted) > 0 && !wanted[b.name] {
			continue
		}
		d.say("%s: %s", b.name, b.measures)
		if err := b.run(ctx, d, o); err != nil {
			return fmt.Errorf("%s: %w", b.name, err)
		}
	}
	return nil
}

func packageBenchmarks(ctx context.Context, d *dev, o benchOptions) error {
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
	c := d.command(ctx, "go", append([]string{"test", "-run=^$", "-bench=.", "-benchmem", "-benchtime=" + o.time.String(), "-p", "1"}, packages...)...)
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
