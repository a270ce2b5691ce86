package bench

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"
)

// Options say what to measure, and how long.
type Options struct {
	Only    string        // rows whose name begins so; "" is all
	Seconds float64       // how long each of the contestants of a row is measured
	Scale   int           // facts and people in the large portals
	Dir     string        // where temporary data goes; "" is DefaultDir
	Log     io.Writer     // told what is being done; nil: nobody is
	Alone   bool          // contestants whose names do not begin with Only stand aside: for profiles
	Notice  func(row Row) // told of each row once it is measured; nil: nobody is

	small bool // tests: as few accounts as will do, and one round where time is measured by the piece
}

// ParseScale reads 10k, 100k, 1m or a plain number.
func ParseScale(s string) (int, error) {
	unit, digits := 1, strings.ToLower(s)
	if d, ok := strings.CutSuffix(digits, "k"); ok {
		unit, digits = 1000, d
	} else if d, ok := strings.CutSuffix(digits, "m"); ok {
		unit, digits = 1_000_000, d
	}
	n, err := strconv.Atoi(digits)
	if err != nil || n < 1 || n > 10_000_000/unit || n*unit < 100 {
		return 0, fmt.Errorf("%q is not a scale: want a number from 100 to 10m, such as 10k, 100k or 1m", s)
	}
	return n * unit, nil
}

// named writes a number as rows are named by it: 10k, 100k, 1m.
func named(n int) string {
	switch {
	case n >= 1_000_000 && n%1_000_000 == 0:
		return strconv.Itoa(n/1_000_000) + "m"
	case n >= 1000 && n%1000 == 0:
		return strconv.Itoa(n/1000) + "k"
	}
	return strconv.Itoa(n)
}

// group is rows that are measured together, because they share what has to be built first.
type group struct {
	name string // what the names of its rows begin with
	does string
	run  func(ctx context.Context, l *lab) error
}

func groups() []group {
	return []group{
		{"commands/in-process", "durable ChangeRole commands over many accounts, beside one INSERT each into a plain PostgreSQL event store, without and with a total order", inProcess},
		{"commands/http", "the same over HTTP, beside the same server with an empty handler", overHTTP},
		{"commands/one-account", "64 callers on one account, beside one stream of the PostgreSQL event store", oneAccount},
		{"commands/members", "a command on an account with many members, beside one on an account with 10", members},
		{"invite", "5,000 addresses in one request, beside a transaction with one INSERT each", invite},
		{"check/warm", "who holds this token, and may they: beside an indexed SELECT and a bare map", checks},
		{"tree", "a check far below the membership that allows it, and all of 10,000 sub-accounts in one request, beside an empty answer over HTTP", trees},
		{"sign-in", "sign-ins beside the bare verifying of a password, a session's token, and how well the times of refusals tell who has a user", signIns},
		{"projections/catch-up", "all four read models from position 0, beside COPY of as many rows", catchUp},
		{"user-list", "pages of the user list over HTTP, beside the bare SQL for the same rows", userList},
		{"pages", "the pages of an account of many, as a browser asks for them, beside an empty answer over HTTP; how large they are", pagesShown},
		{"visible", "from a command's acknowledgement until the read models answer with it", visible},
		{"history", "command, check and projection with a short history and longer ones, in turns", history},
		{"program", "the real binary with a long history: its memory under load, its starts until it says that it is ready", program},
		{"cold", "an account that is not in memory, loaded from the log and from its snapshot: a log ten times as long, many members", cold},
		{"start", "until log, vault and App are ready, after a clean stop and after kill -9", starts},
	}
}

// Groups lists what rows there are, by the beginnings of their names, and what each is.
func Groups() [][2]string {
	var list [][2]string
	for _, g := range groups() {
		list = append(list, [2]string{g.name, g.does})
	}
	return list
}

// Run measures. What it has measured before it fails is in the report; a part that is missing (such as PostgreSQL's
// programs) fails its rows alone, and Run goes on with the others and answers all the errors at the end.
func Run(ctx context.Context, o Options) (Report, error) {
	if !(o.Seconds > 0 && o.Seconds <= 3600) {
		return Report{}, errors.New("the seconds to measure for have to be more than 0 and at most 3600")
	}
	if o.Scale < 100 {
		return Report{}, errors.New("the scale has to be at least 100")
	}
	l := &lab{o: o, report: newReport(o)}
	var chosen []group
	for _, g := range groups() {
		if strings.HasPrefix(g.name, o.Only) || strings.HasPrefix(o.Only, g.name) {
			chosen = append(chosen, g)
		}
	}
	if len(chosen) == 0 {
		return l.report, fmt.Errorf("no row's name begins with %q", o.Only)
	}
	if err := l.open(); err != nil {
		return l.report, err
	}
	var trouble error
	for _, g := range chosen {
		l.say("%s: %s", g.name, g.does)
		before, since := len(l.report.Rows), time.Now()
		err := errors.Join(g.run(ctx, l), l.release())
		switch {
		case ctx.Err() != nil:
			return l.report, errors.Join(ctx.Err(), trouble, l.close())
		case err != nil:
			trouble = errors.Join(trouble, fmt.Errorf("%s: %w", g.name, err))
			l.say("%s failed: %v", g.name, err)
		case len(l.report.Rows) == before:
			trouble = errors.Join(trouble, fmt.Errorf("no row's name begins with %q", o.Only))
		}
		l.say("  %.1f s", time.Since(since).Seconds())
	}
	return l.report, errors.Join(trouble, l.close())
}
