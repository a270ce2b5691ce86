package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"slices"
)

// fuzz runs every fuzz test, or those named, one after the other.
func fuzz(ctx context.Context, d *dev, args []string) error {
	flags := flag.NewFlagSet("fuzz", flag.ContinueOnError)
	flags.SetOutput(d.err)
	seconds := flags.Int("seconds", 10, "how long each runs")
	if flags.Parse(args) != nil {
		return errFailed // it has said why
	}
	if *seconds < 1 {
		return errors.New("--seconds has to be 1 or more")
	}
	found, err := testFunctions(d.root, "Fuzz", "F")
	if err != nil {
		return err
	}
	ran, failed := 0, 0
	for _, pkg := range sortedNames(found) {
		for _, name := range found[pkg] {
			if flags.NArg() > 0 && !slices.Contains(flags.Args(), name) {
				continue
			}
			ran++
			d.say("%s %s", pkg, name)
			if err := d.command(ctx, "go", "test", "-run=^$", "-fuzz=^"+name+"$", fmt.Sprintf("-fuzztime=%ds", *seconds), pkg).Run(); err != nil {
				failed++
			}
			if ctx.Err() != nil {
				return ctx.Err()
			}
		}
	}
	d.say("%d fuzz tests ran, %d failed", ran, failed)
	switch {
	case failed > 0:
		return errFailed
	case ran == 0 && flags.NArg() > 0:
		return errors.New("no fuzz test has that name")
	}
	return nil
}
