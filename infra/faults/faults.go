// Package faults tries to make Roster lose, double or invent something: it runs the real program, does to it what
// happens to programs, and judges by the log what came of every command that was sent meanwhile.
//
// A fault is run by `go run ./cmd/dev faults NAME`; its short form is a test of this package. What its recorder and its
// oracle hold is in Load and History.
package faults

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// Fault is one way to try it.
type Fault struct {
	Name, About string
	Short, Long int // rounds in cmd/dev test, and in a run by hand
	// Run does the fault so many times. A promise that was broken is an error that says which, and the outcome counts
	// it; so is a round that could not be done.
	Run func(ctx context.Context, l *Lab, rounds int) (Outcome, error)
}

// All lists the faults, the one whose short form takes longest first: begun last it would be left to run alone.
func All() []Fault {
	return []Fault{copies(), rebuilds(), powerCut(), kill(), projectors(), nodes(), cutAcks(), histories(), paused()}
}

// Find answers the faults of these names in the order of All; all of them for none.
func Find(names ...string) ([]Fault, error) {
	var found []Fault
	known := map[string]bool{}
	for _, f := range All() {
		known[f.Name] = true
		wanted := len(names) == 0
		for _, name := range names {
			wanted = wanted || name == f.Name
		}
		if wanted {
			found = append(found, f)
		}
	}
	for _, name := range names {
		if !known[name] {
			return nil, fmt.Errorf("there is no fault %q: --list names them", name)
		}
	}
	return found, nil
}

// ErrBroken says that a promise was broken, as opposed to a round that could not be done.
var ErrBroken = errors.New("a promise is broken")

// broken is such an error.
func broken(format string, args ...any) error {
	return fmt.Errorf("%w: %w", ErrBroken, fmt.Errorf(format, args...))
}

// Outcome is what came of the rounds. Commands are counted by the last answer to them.
type Outcome struct {
	Rounds                          int
	Acknowledged, Refused, Unknown  int
	Lost, Doubled, Phantom, Differs int            // acknowledged and not there; there twice; there and refused or never asked for; a read model, mail or answer that is not what the log says
	Counts                          map[string]int // figures of this fault alone
	Notes                           []string
}

// Add counts another outcome in.
func (o *Outcome) Add(other Outcome) {
	o.Rounds += other.Rounds
	o.Acknowledged += other.Acknowledged
	o.Refused += other.Refused
	o.Unknown += other.Unknown
	o.Lost += other.Lost
	o.Doubled += other.Doubled
	o.Phantom += other.Phantom
	o.Differs += other.Differs
	o.Notes = append(o.Notes, other.Notes...)
	for what, n := range other.Counts {
		o.Count(what, n)
	}
}

// Count adds to a figure.
func (o *Outcome) Count(what string, n int) {
	if o.Counts == nil {
		o.Counts = map[string]int{}
	}
	o.Counts[what] += n
}

// Remarks are the figures of the fault alone, and the notes.
func (o Outcome) Remarks() string {
	var all []string
	for _, what := range slices.Sorted(maps.Keys(o.Counts)) {
		all = append(all, fmt.Sprintf("%s: %d", what, o.Counts[what]))
	}
	return strings.Join(append(all, o.Notes...), "; ")
}

// Note adds a note.
func (o *Outcome) Note(format string, args ...any) {
	o.Notes = append(o.Notes, fmt.Sprintf(format, args...))
}

// String is the outcome in a line.
func (o Outcome) String() string {
	line := fmt.Sprintf("%d rounds; %d acknowledged, %d refused, %d unknown; %d lost, %d doubled, %d phantom, %d different",
		o.Rounds, o.Acknowledged, o.Refused, o.Unknown, o.Lost, o.Doubled, o.Phantom, o.Differs)
	if remarks := o.Remarks(); remarks != "" {
		line += "; " + remarks
	}
	return line
}

// Verdict collects what a judge finds wrong.
type Verdict struct {
	Outcome
	wrong []string
}

// Lost says that something acknowledged is gone.
func (v *Verdict) Lost(format string, args ...any) { v.Outcome.Lost++; v.say("lost: "+format, args...) }

// Doubled says that something is there twice.
func (v *Verdict) Doubled(format string, args ...any) {
	v.Outcome.Doubled++
	v.say("doubled: "+format, args...)
}

// Phantom says that something is there that was refused, or that nobody asked for.
func (v *Verdict) Phantom(format string, args ...any) {
	v.Outcome.Phantom++
	v.say("phantom: "+format, args...)
}

// Differs says that something is not as the log says.
func (v *Verdict) Differs(format string, args ...any) {
	v.Outcome.Differs++
	v.say("different: "+format, args...)
}

func (v *Verdict) say(format string, args ...any) {
	v.wrong = append(v.wrong, fmt.Sprintf(format, args...))
}

// Err is what was found, an ErrBroken, or nil for nothing.
func (v *Verdict) Err() error {
	const most = 20
	if len(v.wrong) == 0 {
		return nil
	}
	text := strings.Join(v.wrong[:min(most, len(v.wrong))], "\n")
	if more := len(v.wrong) - most; more > 0 {
		text += fmt.Sprintf("\nand %d more", more)
	}
	return fmt.Errorf("%w:\n%s", ErrBroken, text)
}
