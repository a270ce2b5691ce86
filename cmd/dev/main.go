// Command dev runs the chores of this repository: one verb for each, listed by
//
//	go run ./cmd/dev
//
// CI calls `go run ./cmd/dev test` and nothing else.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	os.Exit(run(ctx, os.Args[1:], os.Stdout, os.Stderr))
}

// verb is one chore.
type verb struct {
	name, does string
	run        func(ctx context.Context, d *dev, args []string) error
}

func verbs() []verb {
	return []verb{
		{"test", "fetch what the tests need, then lint, then every test under the race detector", test},
		{"lint", "gofmt, go vet and our own checks; golangci-lint's advice where it is installed", lint},
		{"bench", "measure the design's numbers beside their baselines: bench [--only PREFIX] [--seconds 4] [--scale 100k] [--json]; bench --help lists them", bench},
		{"faults", "do to the real program what happens to programs, and judge what it lost: faults [NAME…] [--rounds N] [--record]; faults --list", tryFaults},
		{"fuzz", "run every fuzz test for a while: fuzz [--seconds 10] [name…]", fuzz},
	}
}

// dev is where a chore runs and what it talks to.
type dev struct {
	root     string // the repository
	out, err io.Writer
	getenv   func(string) string
}

// ci says that nobody is watching: then a skipped test is a failure.
func (d *dev) ci() bool {
	v := d.getenv("CI")
	return v == "true" || v == "1"
}

func (d *dev) say(format string, args ...any) { _, _ = fmt.Fprintf(d.out, format+"\n", args...) }

// errFailed ends a chore that has said already what is wrong.
var errFailed = errors.New("failed")

func run(ctx context.Context, args []string, out, errOut io.Writer) int {
	d := &dev{out: out, err: errOut, getenv: os.Getenv}
	if len(args) == 0 || args[0] == "help" || args[0] == "-h" || args[0] == "--help" {
		usage(out)
		return 0
	}
	for _, v := range verbs() {
		if v.name != args[0] {
			continue
		}
		var err error
		if d.root, err = findRoot(); err == nil {
			err = v.run(ctx, d, args[1:])
		}
		switch {
		case err == nil:
			return 0
		case ctx.Err() != nil:
			_, _ = fmt.Fprintln(errOut, "interrupted")
		case !errors.Is(err, errFailed):
			_, _ = fmt.Fprintf(errOut, "dev %s: %v\n", v.name, err)
		}
		return 1
	}
	_, _ = fmt.Fprintf(errOut, "dev: there is no %q\n\n", args[0])
	usage(errOut)
	return 2
}

func usage(w io.Writer) {
	_, _ = fmt.Fprintln(w, "go run ./cmd/dev VERB")
	for _, v := range verbs() {
		_, _ = fmt.Fprintf(w, "  %-6s %s\n", v.name, v.does)
	}
}

// findRoot is the folder with go.mod, here or above.
func findRoot() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return dir, nil
		}
		parent := filepath.Dir(dir)
		if parent == dir {
			return "", errors.New("no go.mod here or above: run it in the repository")
		}
		dir = parent
	}
}

// command is a program that is asked to stop, and given ten seconds for it, when ctx ends.
func (d *dev) command(ctx context.Context, name string, args ...string) *exec.Cmd {
	c := exec.CommandContext(ctx, name, args...)
	c.Dir, c.Stdout, c.Stderr = d.root, d.out, d.err
	c.Cancel = func() error { return c.Process.Signal(os.Interrupt) }
	c.WaitDelay = 10 * time.Second
	return c
}

// output is what a program prints, without the blanks around it.
func (d *dev) output(ctx context.Context, name string, args ...string) (string, error) {
	c := d.command(ctx, name, args...)
	c.Stdout = nil
	out, err := c.Output()
	return strings.TrimSpace(string(out)), err
}
