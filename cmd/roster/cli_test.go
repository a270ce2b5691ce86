package main_test

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// shell is somebody at a command line, with a home of their own.
type shell struct {
	t     testing.TB
	home  string
	env   []string
	input string
}

func newShell(t testing.TB, env ...string) shell {
	return shell{t: t, home: t.TempDir(), env: env}
}

// at is somebody on the machine where Roster runs.
func (r *running) shell() shell {
	return newShell(r.t, "ROSTER_ENDPOINT="+r.URL, "ROSTER_DATA="+r.Data)
}

// typing is the shell with something on standard input.
func (s shell) typing(input string) shell { s.input = input; return s }

// spoken is what a command said and how it ended.
type spoken struct {
	t        testing.TB
	args     []string
	code     int
	out, err string
}

func (s shell) run(args ...string) spoken {
	s.t.Helper()
	cmd := exec.CommandContext(s.t.Context(), program(s.t), args...)
	var out, err bytes.Buffer
	cmd.Stdin, cmd.Stdout, cmd.Stderr = strings.NewReader(s.input), &out, &err
	cmd.Env = append(slices.DeleteFunc(os.Environ(), func(v string) bool { return strings.HasPrefix(v, "ROSTER_") }), "XDG_CONFIG_HOME="+s.home)
	cmd.Env = append(cmd.Env, s.env...)
	if cmd.Run() != nil && cmd.ProcessState == nil {
		s.t.Fatalf("roster %v did not run", args)
	}
	return spoken{s.t, args, cmd.ProcessState.ExitCode(), out.String(), err.String()}
}

// ends fails unless the command ended with the code and said all of the words, on either stream.
func (s spoken) ends(code int, words ...string) spoken {
	s.t.Helper()
	if s.code != code {
		s.t.Fatalf("roster %s: ended with %d, want %d: %s%s", strings.Join(s.args, " "), s.code, code, s.out, s.err)
	}
	for _, word := range words {
		if !strings.Contains(s.out+s.err, word) {
			s.t.Errorf("roster %s: does not say %q: %s%s", strings.Join(s.args, " "), word, s.out, s.err)
		}
	}
	return s
}

// json reads standard output, which has to be one document.
func (s spoken) json() map[string]any {
	s.t.Helper()
	var document map[string]any
	if err := json.Unmarshal([]byte(s.out), &document); err != nil {
		s.t.Fatalf("roster %s: not one JSON document: %v: %s", strings.Join(s.args, " "), err, s.out)
	}
	return document
}

// SPEC 7.3: an endpoint and its key are kept, for nobody else to read, and a key goes nowhere but to its endpoint.
func TestLogin(t *testing.T) {
	r := serve(t, dataDir(t))
	key := r.operatorKey()
	s := newShell(t, "ROSTER_DATA="+t.TempDir())
	list := []string{"module", "list", "--json"}

	s.run(append(list, "--endpoint", r.URL)...).ends(2, "no key to "+r.URL, "roster login", "ROSTER_KEY")
	s.run(append(list, "--key", key, "--endpoint", "http://127.0.0.1:1")...).ends(3, "does not answer at http://127.0.0.1:1", "roster serve")
	s.run(append(list, "--key", key, "--endpoint", "localhost:8080")...).ends(2, "--endpoint")
	s.run("login", "--endpoint", r.URL, "--key", "ro_nonsense").ends(1, "sign_in_required")
	s.typing(key+"\n").run("login", "--endpoint", r.URL+"/", "--key", "-").ends(0, r.URL)

	file := filepath.Join(s.home, "roster", "credentials.json")
	info, err := os.Stat(file)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Fatalf("the credentials: %v %v", info, err)
	}
	if modules := s.run(list...).ends(0).json()["modules"]; len(modules.([]any)) != 0 {
		t.Errorf("modules: %v", modules)
	}
	s.run("projections", "status").ends(0, "user_list")
	s.run(append(list, "--key", "ro_nonsense")...).ends(1, "sign_in_required", "roster login")
	s.run(append(list, "--endpoint", "http://127.0.0.1:1")...).ends(2, "no key to http://127.0.0.1:1")
	s.run(append(list, "--profile", "default", "--endpoint", "http://127.0.0.1:1")...).ends(2, "the key of profile default is for "+r.URL)
	s.run(append(list, "--profile", "staging")...).ends(2, "there is no profile \"staging\"")
	s.typing(key).run("login", "--profile", "staging", "--endpoint", r.URL, "--key", "-").ends(0, "staging")
	s.run(append(list, "--profile", "staging")...).ends(0)

	if err := os.Chmod(file, 0o644); err != nil {
		t.Fatal(err)
	}
	s.run(list...).ends(1, "chmod 600")
	if err := os.Chmod(file, 0o600); err != nil {
		t.Fatal(err)
	}
	s.run("logout").ends(0, "forgotten")
	s.run(append(list, "--profile", "staging")...).ends(0)
	s.run("logout", "--profile", "staging").ends(0)
	if _, err := os.Stat(file); !os.IsNotExist(err) {
		t.Errorf("the last logout leaves %s: %v", file, err)
	}
	// On the machine where it runs, the operator's key is found by itself.
	s.run(append(list, "--endpoint", r.URL, "--data", r.Data)...).ends(0)
	r.shell().run("login").ends(0, "profile default")
}
