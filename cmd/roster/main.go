// Roster is user management for multi-tenant customer portals, as one program.
package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/alecthomas/kong"
	"golang.org/x/term"
)

// version is noted in every commit that this program writes.
const version = "0.1.0"

type cli struct {
	Serve       serveCmd       `cmd:"" help:"Run Roster: with an embedded log and a private PostgreSQL unless told otherwise."`
	Doctor      doctorCmd      `cmd:"" help:"Check what Roster needs and how a running one is, and say what to do."`
	Projections projectionsCmd `cmd:"" help:"Show or rebuild the read models of a running Roster."`
	Version     versionCmd     `cmd:"" help:"Print the version."`
}

// stdio is what a command talks to, other than the network.
type stdio struct {
	out, err io.Writer
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	os.Exit(run(ctx, os.Args[1:], stdio{os.Stdout, os.Stderr}))
}

// run is main without the process. It answers the exit code: 0, 1 when the command failed, 2 when it was not
// understood.
func run(ctx context.Context, args []string, io stdio) int {
	var c cli
	exit := -1
	parser, err := kong.New(&c,
		kong.Name("roster"),
		kong.Description("User management for multi-tenant customer portals, as one program. Every flag can also be given as ROSTER_… in the environment or in a JSON file (--config)."),
		kong.Configuration(kong.JSON),
		kong.UsageOnError(),
		kong.Writers(io.out, io.err),
		kong.Exit(func(code int) { exit = code }),
		kong.Vars{"data": defaultData()},
		kong.BindTo(ctx, (*context.Context)(nil)),
		kong.Bind(io),
	)
	if err != nil {
		_, _ = fmt.Fprintln(io.err, "roster:", err)
		return 1
	}
	parsed, err := parser.Parse(args)
	if exit >= 0 {
		return exit // --help has been answered
	}
	if err != nil {
		_, _ = fmt.Fprintln(io.err, "roster:", oneLine(err))
		return 2
	}
	if err := parsed.Run(); err != nil {
		_, _ = fmt.Fprintln(io.err, "roster:", oneLine(err))
		return 1
	}
	return 0
}

// oneLine is an error as it is told: joined ones stand on a line each.
func oneLine(err error) string {
	return strings.Join(strings.FieldsFunc(err.Error(), func(r rune) bool { return r == '\n' || r == '\r' }), "; ")
}

// defaultData is where data goes unless told: for root a place that PostgreSQL's own user can search.
func defaultData() string {
	if os.Geteuid() == 0 {
		return "/var/lib/roster"
	}
	if dir := os.Getenv("XDG_DATA_HOME"); dir != "" {
		return filepath.Join(dir, "roster")
	}
	home, err := os.UserHomeDir()
	if err != nil {
		return "roster-data"
	}
	return filepath.Join(home, ".local", "share", "roster")
}

type versionCmd struct{}

// Run prints the version.
func (versionCmd) Run(io stdio) error {
	_, err := fmt.Fprintln(io.out, "roster", version)
	return err
}

func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}
