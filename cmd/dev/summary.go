package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
)

// summary turns the stream of go test -json back into what go test prints for people (a line for each package, the
// output of what failed) and counts.
type summary struct {
	out                     io.Writer
	passed, failed, skipped int
	skips                   []string                       // names
	running                 map[string]map[string][]string // package → test → its output so far
	accounted               map[string]bool                // packages with a failure that has been counted
}

func newSummary(out io.Writer) *summary {
	return &summary{out: out, running: map[string]map[string][]string{}, accounted: map[string]bool{}}
}

type testEvent struct {
	Action, Package, ImportPath, Test, Output string
}

func (s *summary) read(stream io.Reader) error {
	lines := bufio.NewReader(stream)
	for {
		line, err := lines.ReadString('\n')
		if line != "" {
			var e testEvent
			if json.Unmarshal([]byte(line), &e) != nil || e.Action == "" {
				s.print(line) // not from go test itself
			} else {
				s.take(e)
			}
		}
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

func (s *summary) take(e testEvent) {
	tests := s.running[e.Package]
	if tests == nil {
		tests = map[string][]string{}
		s.running[e.Package] = tests
	}
	switch {
	case e.Action == "build-output":
		s.print(e.Output)
	case e.Test == "":
		s.takePackage(e, tests)
	case e.Action == "run":
		tests[e.Test] = []string{}
	case e.Action == "output":
		tests[e.Test] = append(tests[e.Test], e.Output)
	case e.Action == "pass":
		s.passed++
		delete(tests, e.Test)
	case e.Action == "skip":
		s.skipped++
		s.skips = append(s.skips, e.Package+" "+e.Test+strings.TrimRight(reasonOf(tests[e.Test]), "\n"))
		delete(tests, e.Test)
	case e.Action == "fail":
		s.failed++
		s.accounted[e.Package] = true
		s.print(tests[e.Test]...)
		delete(tests, e.Test)
	}
}

func (s *summary) takePackage(e testEvent, tests map[string][]string) {
	switch e.Action {
	case "output":
		if line := strings.TrimSpace(e.Output); line != "PASS" && line != "FAIL" {
			s.print(e.Output)
		}
	case "fail":
		// Tests that had begun and did not end: the program died. None begun: it was not built, or did not start.
		for _, name := range sortedNames(tests) {
			s.print(tests[name]...)
			s.failed++
			s.accounted[e.Package] = true
		}
		if !s.accounted[e.Package] {
			s.failed++
		}
		delete(s.running, e.Package)
	case "pass", "skip":
		delete(s.running, e.Package)
	}
}

func sortedNames(tests map[string][]string) []string {
	var names []string
	for n := range tests {
		names = append(names, n)
	}
	slices.Sort(names)
	return names
}

// reasonOf is what a test said before it was skipped.
func reasonOf(output []string) string {
	for _, line := range output {
		if l := strings.TrimSpace(line); l != "" && !strings.HasPrefix(l, "===") && !strings.HasPrefix(l, "---") {
			return ": " + l
		}
	}
	return ""
}

func (s *summary) print(lines ...string) {
	for _, l := range lines {
		if !strings.HasPrefix(l, "=== ") {
			_, _ = io.WriteString(s.out, l)
		}
	}
}

// close prints the closing line and says whether all is well. In CI a skipped test is a failure, and nowhere is it
// well that nothing ran.
func (s *summary) close(ci bool) bool {
	for _, name := range s.skips {
		_, _ = fmt.Fprintf(s.out, "skipped: %s\n", name)
	}
	ok := s.failed == 0
	if ci && s.skipped > 0 {
		_, _ = fmt.Fprintln(s.out, "in CI a skipped test is a failure")
		ok = false
	}
	if s.passed+s.failed+s.skipped == 0 {
		_, _ = fmt.Fprintln(s.out, "no test ran")
		ok = false
	}
	_, _ = fmt.Fprintf(s.out, "%d passed, %d failed, %d skipped\n", s.passed, s.failed, s.skipped)
	return ok
}
