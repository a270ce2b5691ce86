// Roster is user management for multi-tenant customer portals, as one program.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"

	"github.com/alecthomas/kong"
)

// version is noted in every commit that this program writes.
const version = "0.1.0"

type cli struct {
	Serve       serveCmd       `cmd:"" help:"Run Roster: with an embedded log and a private PostgreSQL unless told otherwise." example:"roster serve --demo"`
	Doctor      doctorCmd      `cmd:"" help:"Check what Roster needs and how a running one is, and say what to do." example:"roster doctor"`
	Login       loginCmd       `cmd:"" help:"Keep an endpoint and the key to it for the commands that follow." example:"roster login --endpoint https://portal.example --key -"`
	Logout      logoutCmd      `cmd:"" help:"Forget a key on this machine." example:"roster logout --profile staging"`
	Account     accountCmd     `cmd:"" help:"Accounts, sub-accounts and their policies."`
	User        userCmd        `cmd:"" help:"The users of an account, and what the operator does with users."`
	Invite      inviteCmd      `cmd:"" help:"Invite people, with an outcome for each." example:"roster invite 0198c5d4-7e1a-7c3f-9b1d-2f6a8e4c0b57 'Bob Stone <bob@northwind.example>' carol@northwind.example --role viewer"`
	Invitation  invitationCmd  `cmd:"" help:"Invitations that have been sent."`
	Role        roleCmd        `cmd:"" help:"The roles of an account."`
	Module      moduleCmd      `cmd:"" help:"The portal's modules."`
	Portal      portalCmd      `cmd:"" help:"The portal profile: the words and rules of the portal."`
	Contact     contactCmd     `cmd:"" help:"Who is told, without being a user."`
	Key         keyCmd         `cmd:"" help:"API keys: service users of an account."`
	Audit       auditCmd       `cmd:"" help:"Show or export the audit trail of an account, or of everything." example:"roster audit 0198c5d4-7e1a-7c3f-9b1d-2f6a8e4c0b57 --from 2026-11-01 --format csv"`
	Check       checkCmd       `cmd:"" help:"May this user do this there, now, and why? Ends with 0 if so, with 1 if not." example:"roster check ann@northwind.example users:invite 0198c5d4-7e1a-7c3f-9b1d-2f6a8e4c0b57"`
	Undo        undoCmd        `cmd:"" help:"Take a command back by facts that revert what it did." example:"roster undo 0198c5d4-7e1a-7c3f-9b1d-2f6a8e4c0b57 rHQvEjYCbxnbG5rYmhn10A"`
	Projections projectionsCmd `cmd:"" help:"Show or rebuild the read models of a running Roster."`
	Completion  completionCmd  `cmd:"" help:"Print a script that has a shell complete commands and flags." example:"roster completion bash"`
	Version     versionCmd     `cmd:"" help:"Print the version." example:"roster version"`
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	os.Exit(run(ctx, os.Args[1:], stdio{os.Stdin, os.Stdout, os.Stderr}))
}

// description is what roster --help says of the whole.
const description = "User management for multi-tenant customer portals, as one program. Every flag of serve can also be given as ROSTER_… in the environment or in a JSON file (--config). " +
	"Commands that ask a running Roster find it by --endpoint, ROSTER_ENDPOINT or what roster login has kept, else at http://localhost:8080; and the key to it by --key, ROSTER_KEY, the same login, or, on the machine where it runs, in its data directory." + exitCodes

// run is main without the process. It answers the exit code.
func run(ctx context.Context, args []string, io stdio) int {
	exit := -1
	parser, err := newParser(new(cli), io, func(code int) { exit = code })
	if err != nil {
		_, _ = fmt.Fprintln(io.err, "roster:", err)
		return exitRefused
	}
	parsed, err := parser.Parse(withDash(args))
	if exit >= 0 {
		return exit // --help has been answered
	}
	if err != nil {
		_, _ = fmt.Fprintln(io.err, "roster:", oneLine(err))
		return exitUsage
	}
	parsed.BindTo(ctx, (*context.Context)(nil))
	err = parsed.Run()
	if err != nil && err.Error() != "" {
		_, _ = fmt.Fprintln(io.err, told(err))
	}
	return exitOf(err)
}

// withDash has undo take a command's id that begins as flags do: no flag of it is as long.
func withDash(args []string) []string {
	form := regexp.MustCompile(`^-[A-Za-z0-9_-]{21}$`)
	if len(args) == 0 || args[0] != "undo" || slices.Contains(args, "--") {
		return args
	}
	i := slices.IndexFunc(args, form.MatchString)
	if i < 0 {
		return args
	}
	return append(slices.Delete(slices.Clone(args), i, i+1), "--", args[i])
}

// newParser reads the command line into a grammar.
func newParser(grammar *cli, io stdio, exit func(int)) (*kong.Kong, error) {
	return kong.New(grammar,
		kong.Name("roster"),
		kong.Description(description),
		kong.Configuration(kong.JSON),
		kong.Writers(io.out, io.err),
		kong.Exit(exit),
		kong.Vars{"data": defaultData()},
		kong.Bind(io),
		kong.PostBuild(withExamples),
	)
}

// withExamples has --help of every command end in its example.
func withExamples(k *kong.Kong) error {
	for _, command := range k.Model.Leaves(false) {
		if example := command.Tag.Get("example"); example != "" {
			command.Detail = strings.TrimSpace(command.Detail + "\n\nExample:\n\n    " + example)
		}
	}
	return nil
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
