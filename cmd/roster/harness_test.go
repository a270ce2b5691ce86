package main_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"roster/infra/postgres/launch/pgtest"
)

// built is the real binary, made once for all tests of this package.
type built struct {
	once sync.Once
	path string
	err  error
}

var binary built //nolint:gochecknoglobals // the compiled program, the same for every test

func program(t testing.TB) string {
	t.Helper()
	binary.once.Do(func() {
		dir, err := os.MkdirTemp("", "roster-bin-")
		if err != nil {
			binary.err = err
			return
		}
		binary.path = filepath.Join(dir, "roster")
		out, err := exec.Command("go", "build", "-o", binary.path, ".").CombinedOutput()
		if err != nil {
			binary.err = fmt.Errorf("%w: %s", err, out)
		}
	})
	if binary.err != nil {
		t.Fatal(binary.err)
	}
	return binary.path
}

// running is a Roster that serves.
type running struct {
	t      testing.TB
	cmd    *exec.Cmd
	URL    string
	Ops    string
	Setup  string // the setup link, after a first start
	Data   string
	stderr *lines
	exited chan struct{}
}

// lines keeps what a program says, for whoever waits for a line.
type lines struct {
	mu   sync.Mutex
	text bytes.Buffer
	more chan struct{}
}

func newLines() *lines { return &lines{more: make(chan struct{})} }

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.text.Write(p)
	close(l.more)
	l.more = make(chan struct{})
	return len(p), nil
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// serve starts Roster on data, on free ports, and waits until it is ready.
func serve(t testing.TB, data string, flags ...string) *running {
	t.Helper()
	r := &running{t: t, Data: data, stderr: newLines(), exited: make(chan struct{})}
	_, err := os.Stat(filepath.Join(data, "log"))
	first := err != nil && !slices.Contains(flags, "--demo")
	args := append([]string{"serve", "--data", data, "--listen", "127.0.0.1:0", "--ops-listen", "127.0.0.1:0"}, flags...)
	r.cmd = exec.Command(program(t), args...)
	r.cmd.Stderr = r.stderr
	r.cmd.Env = append(os.Environ(), "ROSTER_OPERATOR_KEY=", "ROSTER_KEYRING=")
	out, err := r.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := r.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ready := make(chan string, 1)
	go func() {
		scan := bufio.NewScanner(out)
		for scan.Scan() {
			if m := regexp.MustCompile(`roster is ready at (\S+)`).FindStringSubmatch(scan.Text()); m != nil {
				ready <- m[1]
			}
		}
		_ = r.cmd.Wait()
		close(r.exited)
	}()
	t.Cleanup(func() { r.kill() })
	select {
	case r.URL = <-ready:
	case <-r.exited:
		t.Fatalf("roster ended: %s", r.stderr)
	case <-time.After(90 * time.Second):
		t.Fatalf("roster is not ready: %s", r.stderr)
	}
	if first { // it is said before the program is ready, and read here on another pipe
		r.until("the setup link", func() bool { return strings.Contains(r.stderr.String(), "/setup/") })
	}
	if m := regexp.MustCompile(`(http://\S+/setup/\S+)`).FindStringSubmatch(r.stderr.String()); m != nil {
		r.Setup = m[1]
	}
	if m := regexp.MustCompile(`health\s+(http://\S+)/readyz`).FindStringSubmatch(r.stderr.String()); m != nil {
		r.Ops = m[1]
	}
	return r
}

// kill ends the program as a power switch would, as far as it can.
func (r *running) kill() {
	_ = r.cmd.Process.Kill()
	<-r.exited
}

// stop ends it as Ctrl-C does.
func (r *running) stop() {
	r.t.Helper()
	if err := r.cmd.Process.Signal(syscall.SIGINT); err != nil {
		r.t.Fatal(err)
	}
	select {
	case <-r.exited:
	case <-time.After(30 * time.Second):
		r.t.Fatalf("roster does not stop: %s", r.stderr)
	}
	if code := r.cmd.ProcessState.ExitCode(); code != 0 {
		r.t.Errorf("roster ended with %d: %s", code, r.stderr)
	}
}

func (r *running) operatorKey() string {
	r.t.Helper()
	text, err := os.ReadFile(filepath.Join(r.Data, "operator.key"))
	if err != nil {
		r.t.Fatal(err)
	}
	return strings.TrimSpace(string(text))
}

// answer is what came back.
type answer struct {
	t      testing.TB
	Status int
	Header http.Header
	Body   []byte
}

// JSON reads the answer's body.
func (a answer) JSON() map[string]any {
	a.t.Helper()
	var m map[string]any
	if err := json.Unmarshal(a.Body, &m); err != nil {
		a.t.Fatalf("status %d: not JSON: %v: %.300s", a.Status, err, a.Body)
	}
	return m
}

// Want fails unless the status, and for a refusal the code, are these.
func (a answer) Want(status int, code ...string) answer {
	a.t.Helper()
	if a.Status != status {
		a.t.Fatalf("status %d, want %d: %.500s", a.Status, status, a.Body)
	}
	if len(code) > 0 && a.JSON()["code"] != code[0] {
		a.t.Fatalf("code %v, want %s: %.500s", a.JSON()["code"], code[0], a.Body)
	}
	return a
}

// caller asks with a token and headers.
type caller struct {
	*running
	token  string
	header map[string]string
}

func (r *running) as(token string) caller { return caller{running: r, token: token} }

// with is the caller with one more header.
func (c caller) with(name, value string) caller {
	header := map[string]string{name: value}
	for k, v := range c.header {
		if k != name {
			header[k] = v
		}
	}
	c.header = header
	return c
}

func (c caller) try(method, path string, body any) (answer, error) {
	var reader io.Reader
	if body != nil {
		text, ok := body.(string)
		if !ok {
			raw, err := json.Marshal(body)
			if err != nil {
				return answer{}, err
			}
			text = string(raw)
		}
		reader = strings.NewReader(text)
	}
	url := path
	if !strings.HasPrefix(path, "http") {
		url = c.URL + path
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, method, url, reader)
	if err != nil {
		return answer{}, err
	}
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	if c.token != "" {
		req.Header.Set("Authorization", "Bearer "+c.token)
	}
	for k, v := range c.header {
		req.Header.Set(k, v)
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return answer{}, err
	}
	defer func() { _ = res.Body.Close() }()
	raw, err := io.ReadAll(res.Body)
	if err != nil {
		return answer{}, err
	}
	return answer{c.t, res.StatusCode, res.Header, raw}, nil
}

func (c caller) do(method, path string, body any) answer {
	c.t.Helper()
	a, err := c.try(method, path, body)
	if err != nil {
		c.t.Fatalf("%s %s: %v: %s", method, path, err, c.stderr)
	}
	return a
}

func (c caller) get(path string) answer { c.t.Helper(); return c.do(http.MethodGet, path, nil) }
func (c caller) post(path string, body any) answer {
	c.t.Helper()
	return c.do(http.MethodPost, path, body)
}
func (c caller) put(path string, body any) answer {
	c.t.Helper()
	return c.do(http.MethodPut, path, body)
}

// m is a JSON object.
type m = map[string]any

// mail is one message of the inbox.
type mail struct {
	ID, To, Subject, Text, HTML string
}

// mails answers what the inbox has for an address, newest first.
func (r *running) mails(to string) []mail {
	r.t.Helper()
	var all, his []mail
	if err := json.Unmarshal(r.as("").get("/dev/inbox.json").Want(200).Body, &all); err != nil {
		r.t.Fatal(err)
	}
	for _, one := range all {
		if one.To == to {
			his = append(his, one)
		}
	}
	return his
}

// link waits for the n-th mail to an address and answers the token of its link.
func (r *running) link(to string, n int) string {
	r.t.Helper()
	var found []mail
	r.until("mail to "+to, func() bool {
		found = r.mails(to)
		return len(found) >= n
	})
	m := regexp.MustCompile(regexp.QuoteMeta(r.URL) + `/invitations/([A-Za-z0-9_-]+)`).FindStringSubmatch(found[len(found)-n].Text)
	if m == nil {
		r.t.Fatalf("no link in %q", found[0].Text)
	}
	return m[1]
}

// until polls until ok, for at most 20 seconds.
func (r *running) until(what string, ok func() bool) {
	r.t.Helper()
	deadline := time.After(20 * time.Second)
	tick := time.NewTicker(25 * time.Millisecond)
	defer tick.Stop()
	for !ok() {
		select {
		case <-tick.C:
		case <-deadline:
			r.t.Fatalf("waited too long for: %s: %s", what, r.stderr)
		}
	}
}

const password = "Correct-horse-7"

// signIn answers a session of somebody.
func (r *running) signIn(email string) caller {
	r.t.Helper()
	return r.as(r.as("").post("/v1/sessions", m{"email": email, "password": password}).Want(201).JSON()["token"].(string))
}

// setUp makes the first account and answers its id and its owner's session.
func (r *running) setUp() (account string, owner caller) {
	r.t.Helper()
	token := r.Setup[strings.LastIndex(r.Setup, "/")+1:]
	done := r.as("").post("/v1/setup/"+token, m{"account": m{"name": "Northwind"},
		"owner": m{"email": "ann@northwind.example", "first_name": "Ann", "last_name": "Lee", "password": password}}).Want(201).JSON()
	return id(r.t, done), r.signIn("ann@northwind.example")
}

func id(t testing.TB, object map[string]any) string {
	t.Helper()
	for _, key := range []string{"account", "id"} {
		switch v := object[key].(type) {
		case string:
			return v
		case map[string]any:
			return v["id"].(string)
		}
	}
	t.Fatalf("no id in %v", object)
	return ""
}

// join invites an address and has it accept; it answers the user's id and session.
func (r *running) join(by caller, account, email, role string) (user string, session caller) {
	r.t.Helper()
	by.post("/v1/accounts/"+account+"/invitations", m{"emails": []string{email}, "roles": []string{role}}).Want(200)
	done := r.as("").post("/v1/invitations/"+r.link(email, 1)+"/accept", m{"first_name": "First", "last_name": "Last", "password": password}).Want(200).JSON()
	return done["user"].(string), r.signIn(email)
}

func dataDir(t testing.TB) string { return pgtest.Dir(t) }

func joined(list any) string {
	var texts []string
	for _, one := range list.([]any) {
		texts = append(texts, one.(string))
	}
	return strings.Join(texts, ",")
}
