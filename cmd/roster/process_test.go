package main_test

import (
	"bytes"
	"errors"
	"net"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"
)

// ended is a program that has come to its end.
type ended struct {
	code           int
	stdout, stderr string
	took           time.Duration
}

// runs runs the program to its end, which has to come within 20 seconds. Variables are added to the environment.
func runs(t testing.TB, variables []string, args ...string) ended {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), program(t), args...)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	cmd.Env = append(append(os.Environ(), "ROSTER_OPERATOR_KEY=", "ROSTER_KEYRING="), variables...)
	began := time.Now()
	late := time.AfterFunc(20*time.Second, func() { _ = cmd.Process.Kill() })
	err := cmd.Run()
	if !late.Stop() {
		t.Errorf("roster %s: still running after 20 s", strings.Join(args, " "))
	}
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	return ended{cmd.ProcessState.ExitCode(), stdout.String(), stderr.String(), time.Since(began)}
}

// serving are the arguments that serve data on free ports.
func serving(data string, flags ...string) []string {
	return append([]string{"serve", "--data", data, "--listen", "127.0.0.1:0", "--ops-listen", "127.0.0.1:0"}, flags...)
}

// wantLine fails unless the program has said one line that begins with "roster: " and holds all of the words, nothing
// on standard output, and has ended with the code, quickly.
func (e ended) wantLine(t testing.TB, code int, words ...string) {
	t.Helper()
	line, more := strings.CutSuffix(e.stderr, "\n")
	if e.code != code || !more || strings.Contains(line, "\n") || !strings.HasPrefix(line, "roster: ") || e.stdout != "" {
		t.Errorf("ended with %d, want %d and one line: %q, standard output %q", e.code, code, e.stderr, e.stdout)
	}
	for _, word := range append(words, "") {
		if !strings.Contains(line, word) {
			t.Errorf("%q does not say %q", line, word)
		}
	}
	if strings.Contains(line, "goroutine") {
		t.Errorf("a stack trace: %q", line)
	}
	if e.took > 10*time.Second {
		t.Errorf("it took %s to say %q", e.took, line)
	}
}

// freePort is an address on which nobody listens.
func freePort(t testing.TB) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	return l.Addr().String()
}
