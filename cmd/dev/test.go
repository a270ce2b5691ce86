package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
)

// test is what CI runs.
func test(ctx context.Context, d *dev, args []string) error {
	fetch(ctx, d, needs(d))
	race, err := raceDetector(ctx, d)
	if err != nil {
		return err
	}
	linted := lint(ctx, d, nil)
	if ctx.Err() != nil {
		return ctx.Err()
	}
	s := newSummary(d.out)
	var wrong error
	if len(args) > 0 {
		wrong = goTest(ctx, d, s, race, args)
	} else {
		packages, err := d.output(ctx, "go", "list", "./...")
		if err != nil {
			return fmt.Errorf("go list: %w", err)
		}
		plain, raced := unraced(strings.Fields(packages))
		wrong = errors.Join(goTest(ctx, d, s, false, plain), goTest(ctx, d, s, race, raced))
	}
	ok := s.close(d.ci())
	switch {
	case !ok:
		return errFailed
	case wrong != nil:
		return wrong // it failed without saying where
	}
	return linted
}

// unraced tells the packages from which the race detector is kept: it would see no more than the driver of those whose
// tests drive programs of their own, or measure, and nothing in those that do one thing after the other, and slow all of
// them down.
func unraced(packages []string) (plain, raced []string) {
	for _, p := range packages {
		of := strings.TrimPrefix(p, "roster/")
		if strings.HasPrefix(of, "cmd/") || slices.Contains([]string{"infra/faults", "infra/bench", "infra/archtest", "domain", "events", "handlers/address"}, of) {
			plain = append(plain, p)
		} else {
			raced = append(raced, p)
		}
	}
	return plain, raced
}

// goTest tests packages, two at a time.
func goTest(ctx context.Context, d *dev, s *summary, race bool, packages []string) error {
	flags := []string{"test", "-json", "-p", "2", "-timeout", "15m"}
	what := "go test"
	if race {
		flags, what = append(flags, "-race"), "go test -race"
	}
	d.say("%s", what)
	c := d.command(ctx, "go", append(flags, packages...)...)
	c.Stdout = nil
	stream, err := c.StdoutPipe()
	if err != nil {
		return err
	}
	if err := c.Start(); err != nil {
		return err
	}
	readErr := s.read(stream)
	if err := c.Wait(); err != nil {
		return errors.Join(readErr, fmt.Errorf("go test: %w", err))
	}
	return readErr
}

// need is something that the tests cannot do without and that is not a Go module.
type need struct {
	what  string
	there func() bool
	apt   []string // Debian's packages, and what else will do where a release does not have those
}

func needs(d *dev) []need {
	return []need{
		{"PostgreSQL (initdb, postgres)", func() bool { return havePostgres(d.getenv) }, []string{"postgresql"}},
		{"a C compiler, for the race detector", haveCompiler, []string{"gcc libc6-dev"}},
		{"Chromium, for the tests of the pages", haveChromium, []string{"chromium-headless-shell", "chromium"}},
	}
}

// havePostgres looks in $PG_BIN, on the path, and where Debian and others put the binaries.
func havePostgres(getenv func(string) string) bool {
	dirs := append(filepath.SplitList(getenv("PATH")), getenv("PG_BIN"))
	for _, pattern := range []string{
		"/usr/lib/postgresql/*/bin", "/usr/pgsql-*/bin", "/usr/local/pgsql/bin",
		"/opt/homebrew/opt/postgresql@*/bin", "/usr/local/opt/postgresql@*/bin",
	} {
		if found, err := filepath.Glob(pattern); err == nil {
			dirs = append(dirs, found...)
		}
	}
	for _, dir := range dirs {
		if executable(filepath.Join(dir, "initdb")) && executable(filepath.Join(dir, "postgres")) {
			return true
		}
	}
	return false
}

func executable(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.Mode().IsRegular() && info.Mode()&0o111 != 0
}

func haveCompiler() bool {
	for _, name := range []string{"gcc", "clang", "cc"} {
		if _, err := exec.LookPath(name); err == nil {
			return true
		}
	}
	return false
}

// haveChromium wants the one without windows where it can be installed: the tests take half the work with it.
func haveChromium() bool {
	names := []string{"chromium-headless-shell"}
	if _, err := exec.LookPath("apt-get"); err != nil || os.Getuid() != 0 {
		names = append(names, "chromium", "chromium-browser", "google-chrome", "chrome")
	}
	for _, name := range names {
		if _, err := exec.LookPath(name); err == nil {
			return true
		}
	}
	return false
}

// fetch installs what is missing where it may, and otherwise says in a line what to install. The tests that need it
// will say the rest: it is no reason not to run the others.
func fetch(ctx context.Context, d *dev, all []need) {
	apt := func(args ...string) error {
		c := d.command(ctx, "apt-get", args...)
		c.Env = append(os.Environ(), "DEBIAN_FRONTEND=noninteractive")
		return c.Run()
	}
	_, absent := exec.LookPath("apt-get")
	current := false
	for _, n := range all {
		if n.there() {
			continue
		}
		if absent != nil || os.Getuid() != 0 {
			d.say("the tests need %s: install it (on Debian, as root: apt-get install -y %s)", n.what, n.apt[0])
			continue
		}
		d.say("the tests need %s: apt-get install -y %s", n.what, n.apt[0])
		err := n.install(apt)
		if err != nil && !current { // the list of packages may be old, or not there yet
			current = true
			err = cmp.Or(apt("update", "-q"), n.install(apt))
		}
		if err != nil {
			d.say("%s is not there: %v", n.what, err)
		}
	}
}

// install takes the first of the packages that there is.
func (n need) install(apt func(args ...string) error) (err error) {
	for _, packages := range n.apt {
		if err = apt(append([]string{"install", "-y", "-q", "--no-install-recommends"}, strings.Fields(packages)...)...); err == nil {
			return nil
		}
	}
	return err
}

// raceDetector says whether it can be used. In CI it has to be.
func raceDetector(ctx context.Context, d *dev) (bool, error) {
	enabled, err := d.output(ctx, "go", "env", "CGO_ENABLED")
	if err != nil {
		return false, fmt.Errorf("go env: %w", err)
	}
	if enabled == "1" && haveCompiler() {
		return true, nil
	}
	const why = "the race detector needs cgo: install gcc and leave CGO_ENABLED alone"
	if d.ci() {
		return false, errors.New(why)
	}
	d.say("%s; testing without it", why)
	return false, nil
}
