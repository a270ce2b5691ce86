package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"roster/infra/faults"
)

// tryFaults runs faults in their long form, or lists them.
func tryFaults(ctx context.Context, d *dev, args []string) (err error) {
	var o faults.Options
	rounds, list, record, seeded := 0, false, false, false
	flags := flag.NewFlagSet("faults", flag.ContinueOnError)
	flags.SetOutput(d.err)
	flags.IntVar(&rounds, "rounds", 0, "how many times; the long form of each fault unless given")
	flags.StringVar(&o.Program, "program", "", "the binary to try, instead of one built from here")
	flags.Uint64Var(&o.Seed, "seed", uint64(time.Now().UnixNano()), "makes the same choices again")
	flags.BoolVar(&record, "record", false, "append a line for each fault to infra/faults/RESULTS.md")
	flags.BoolVar(&list, "list", false, "list the faults")
	flags.BoolVar(&seeded, "seeded", false, "plant bugs, those named or all, and demand that the faults catch them")
	names, err := parseMixed(flags, args)
	if errors.Is(err, flag.ErrHelp) {
		return nil
	} else if err != nil {
		return errFailed // it has said why
	}
	if o.Root, o.Log = d.root, d.err; seeded {
		return trySeeds(ctx, d, o, names)
	}
	chosen, err := faults.Find(names...)
	if err != nil {
		return err
	}
	if list {
		for _, f := range chosen {
			d.say("%-12s %5d rounds, %4d in the tests  %s", f.Name, f.Long, f.Short, f.About)
		}
		return nil
	}
	lab, err := faults.NewLab(ctx, o)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, lab.Close()) }()
	d.say("seed %d", o.Seed)
	failed := false
	for _, f := range chosen {
		n := rounds
		if n == 0 {
			n = f.Long
		}
		began := time.Now()
		outcome, wrong := f.Run(ctx, lab, n)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		verdict := "held"
		if wrong != nil {
			failed, verdict = true, "BROKEN"
			d.say("%s: %v", f.Name, wrong)
		}
		d.say("%s: %s in %s: %s", f.Name, verdict, time.Since(began).Round(time.Second), outcome)
		if record {
			if err := recordFault(ctx, d, f.Name, time.Since(began), outcome); err != nil {
				return err
			}
		}
	}
	if failed {
		return errFailed
	}
	return nil
}

// trySeeds plants bugs, one after the other. Each that is not caught, or cannot be planted any more, is a failure.
func trySeeds(ctx context.Context, d *dev, o faults.Options, names []string) error {
	seeds, err := faults.Seeds(d.root, names...)
	if err != nil {
		return err
	}
	o.Short = true
	failed := false
	for _, s := range seeds {
		began := time.Now()
		how, err := s.Try(ctx, o)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		verdict := "caught"
		switch {
		case err != nil:
			failed, verdict, how = true, "FAILED", err.Error()
		case how == "":
			failed, verdict, how = true, "NOT caught", s.About
		}
		how, _, _ = strings.Cut(how, "\n")
		d.say("%-22s %-10s %4.0fs  %.160s", s.Name, verdict, time.Since(began).Seconds(), how)
	}
	if failed {
		return errFailed
	}
	return nil
}

// parseMixed parses flags that stand before, between and behind names.
func parseMixed(flags *flag.FlagSet, args []string) (names []string, err error) {
	for {
		if err := flags.Parse(args); err != nil {
			return nil, err
		}
		if flags.NArg() == 0 {
			return names, nil
		}
		names, args = append(names, flags.Arg(0)), flags.Args()[1:]
	}
}

// recordFault appends a line to the results.
func recordFault(ctx context.Context, d *dev, name string, took time.Duration, o faults.Outcome) error {
	commit, err := d.output(ctx, "git", "rev-parse", "--short", "HEAD")
	if err != nil {
		return fmt.Errorf("the commit to record: %w", err)
	}
	changed, err := d.output(ctx, "git", "status", "--porcelain", "--untracked-files=no", "--", ":!infra/faults/RESULTS.md")
	if err != nil {
		return fmt.Errorf("the commit to record: %w", err)
	}
	if changed != "" {
		commit += "+"
	}
	f, err := os.OpenFile(filepath.Join(d.root, "infra", "faults", "RESULTS.md"), os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(f, "| %s | %s | %s | %d | %.0f | %d | %d | %d | %d | %d | %d | %d | %s |\n", time.Now().UTC().Format(time.DateOnly), commit, name,
		o.Rounds, took.Seconds(), o.Acknowledged, o.Refused, o.Unknown, o.Lost, o.Doubled, o.Phantom, o.Differs, strings.ReplaceAll(o.Remarks(), "|", "/"))
	return errors.Join(err, f.Close())
}
