package main_test

import (
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// without runs something while a file or folder is away, and then puts it back in the place of what was made there.
func without(t testing.TB, path string, do func()) {
	t.Helper()
	away := filepath.Join(dataDir(t), "away")
	if err := os.Rename(path, away); err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := os.RemoveAll(path); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(away, path); err != nil {
			t.Fatal(err)
		}
	}()
	do()
}

func writeFile(t testing.TB, path, text string, mode os.FileMode) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(path, mode); err != nil {
		t.Fatal(err)
	}
}

func readFile(t testing.TB, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// TestRefusesToStart: whatever keeps the program from serving is said in one line, and a right start works afterwards.
func TestRefusesToStart(t *testing.T) {
	t.Parallel()
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = taken.Close() }()
	other := serve(t, dataDir(t))
	otherKeys := readFile(t, filepath.Join(other.Data, "keyring.json"))
	other.stop()

	data := dataDir(t)
	r := serve(t, data)
	account, ann := r.setUp()
	runs(t, nil, serving(data)...).wantLine(t, 1, "in use by another process")
	r.stop()

	port := taken.Addr().String()
	runs(t, nil, serving(data, "--listen", port)...).wantLine(t, 1, port, "another program")
	runs(t, nil, serving(data, "--ops-listen", port)...).wantLine(t, 1, port, "another program")
	runs(t, nil, serving(data, "--demo")...).wantLine(t, 1, "--demo", "empty data only")
	runs(t, []string{"ROSTER_OPERATOR_KEY=canary-garbage"}, serving(data)...).wantLine(t, 1, "operator's key")

	keyring := filepath.Join(data, "keyring.json")
	mine := readFile(t, keyring)
	without(t, keyring, func() {
		for range 2 { // nothing is made in its place
			runs(t, nil, serving(data)...).wantLine(t, 1, keyring+" is gone")
		}
		writeFile(t, keyring, otherKeys, 0o600)
		runs(t, nil, serving(data)...).wantLine(t, 1, "another keyring")
		writeFile(t, keyring, "garbage", 0o600)
		runs(t, nil, serving(data)...).wantLine(t, 1, keyring)
		writeFile(t, keyring, mine, 0o644)
		runs(t, nil, serving(data)...).wantLine(t, 1, keyring, "0600")
	})
	runs(t, []string{"ROSTER_KEYRING=" + otherKeys}, serving(data)...).wantLine(t, 1, "another keyring")
	runs(t, []string{"ROSTER_KEYRING=garbage"}, serving(data)...).wantLine(t, 1, "ROSTER_KEYRING")

	streams := filepath.Join(data, "log", "jetstream", "$G", "streams")
	for range 2 { // what a refused start has made does not let the next one pass
		without(t, filepath.Join(streams, "ROSTER_VAULT"), func() {
			runs(t, nil, serving(data)...).wantLine(t, 1, "the vault is gone")
			runs(t, nil, serving(data)...).wantLine(t, 1, "the vault is gone")
		})
		without(t, filepath.Join(streams, "ROSTER_LOG"), func() {
			runs(t, nil, serving(data)...).wantLine(t, 1, "the log is empty")
			runs(t, nil, serving(data)...).wantLine(t, 1, "the log is empty")
		})
		without(t, filepath.Join(data, "log"), func() {
			runs(t, nil, serving(data)...).wantLine(t, 1, "does not belong to this log")
			runs(t, nil, serving(data)...).wantLine(t, 1, "does not belong to this log")
		})
	}

	r = serve(t, data)
	if r.Setup != "" {
		t.Errorf("the setup link is printed again: %s", r.stderr)
	}
	r.as(ann.token).get("/v1/accounts/" + account + "/users").Want(200)
	r.stop()
}

// TestRefusesData: data that cannot be written, and flags that cannot be right, leave nothing behind.
func TestRefusesData(t *testing.T) {
	t.Parallel()
	parent := dataDir(t)
	file := filepath.Join(parent, "file")
	writeFile(t, file, "", 0o600)
	for _, data := range []string{file, filepath.Join(file, "below"), "/proc/roster-data"} {
		runs(t, nil, serving(data)...).wantLine(t, 1, "--data "+data)
	}
	if os.Geteuid() != 0 { // root may write everywhere
		closed := filepath.Join(parent, "closed")
		if err := os.Mkdir(closed, 0o500); err != nil {
			t.Fatal(err)
		}
		runs(t, nil, serving(closed)...).wantLine(t, 1, closed)
	}
	data := filepath.Join(parent, "data")
	for name, flags := range map[string][]string{
		"--public-url":            {"--public-url", "roster.example"},
		"https://HOST":            {"--public-url", "https://roster.example/portal"},
		"give --smtp":             {"--listen", "0.0.0.0:0"},
		"HOST:PORT":               {"--listen", "nonsense"},
		"--smtp":                  {"--smtp", "imap://user:canary-secret@mail.example"},
		"--database is no":        {"--database", "postgres://user:canary-secret@host:99999999/x"},
		"":                        {"--log-name", "No Name"},
		"cannot listen on [::1]:": {"--listen", "[::1]:99999"},
	} {
		e := runs(t, nil, serving(data, flags...)...)
		e.wantLine(t, 1, name)
		if strings.Contains(e.stderr, "canary") {
			t.Errorf("a password is told: %s", e.stderr)
		}
	}
	// A first start that came to nothing is none: the next one says where everything is.
	runs(t, []string{"ROSTER_OPERATOR_KEY=garbage"}, serving(data)...).wantLine(t, 1, "operator's key")
	r := serve(t, data)
	r.until("the setup link", func() bool { return strings.Contains(r.stderr.String(), "/setup/") })
	r.kill()
	r = serve(t, data)
	r.until("the setup link", func() bool { return strings.Contains(r.stderr.String(), "/setup/") })
	r.stop()
}

// TestUsage: what is asked for is answered on standard output, what is not understood is one line and code 2.
func TestUsage(t *testing.T) {
	t.Parallel()
	for words, args := range map[string][]string{
		"serve [flags]|doctor|projections status|version": {"--help"},
		"--data=DIR|--listen|--smtp|$ROSTER_PUBLIC_URL":   {"serve", "--help"},
		"roster 0.":    {"version"},
		"--ops-url":    {"doctor", "--help"},
		"Show|Usage: ": {"projections", "status", "--help"},
	} {
		e := runs(t, nil, args...)
		if e.code != 0 || e.stderr != "" {
			t.Errorf("%q ended with %d: %s", args, e.code, e.stderr)
		}
		for word := range strings.SplitSeq(words, "|") {
			if !strings.Contains(e.stdout, word) {
				t.Errorf("%q does not say %q: %s", args, word, e.stdout)
			}
		}
	}
	config := filepath.Join(t.TempDir(), "roster.json")
	writeFile(t, config, "{", 0o600)
	for _, args := range [][]string{
		{}, {"--nope"}, {"nope"}, {"serve", "--nope"}, {"serve", "extra"}, {"serve", "--log-level", "loud"}, {"serve", "--data"},
		{"serve", "--config", config}, {"serve", "--config", config + ".none"}, {"projections", "rebuild"},
	} {
		runs(t, nil, args...).wantLine(t, 2)
	}
}
