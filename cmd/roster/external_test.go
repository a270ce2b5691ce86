package main_test

import (
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"

	natsgo "github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"roster/infra/nats/natstest"
	"roster/infra/postgres/launch/pgtest"
)

// natsServer starts a nats-server of its own for a test.
func natsServer(t testing.TB, c natstest.Config) *natstest.Server {
	t.Helper()
	c.Dir = t.TempDir()
	s, err := natstest.Start(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := natstest.Stop(s); err != nil {
			t.Error(err)
		}
	})
	return s
}

// elsewhere are the flags for a log on a server and a database of a test.
func elsewhere(s *natstest.Server, database string) []string {
	return []string{"--nats", s.URL, "--nats-monitor", s.Monitor, "--database", database}
}

// TestLogAway: while the nats-server is dead, hangs, or has just come back, every answer is honest and soon, and when
// it is there again all goes on, by itself.
func TestLogAway(t *testing.T) {
	t.Parallel()
	s := natsServer(t, natstest.Config{SyncAlways: true, Extra: "authorization { user: roster, password: open-sesame }",
		URL: func(hostPort string) string { return "nats://roster:open-sesame@" + hostPort }})
	ops := freePort(t)
	r := serve(t, dataDir(t), append(elsewhere(s, pgtest.Database(t)), "--ops-listen", ops)...)
	account, ann := r.setUp()
	at := "/v1/accounts/" + account
	bob, bobby := r.join(ann, account, "bob@northwind.example", "viewer")
	done := 0 // suspensions and reactivations that were acknowledged
	command := func() answer {
		path := at + "/users/" + bob + []string{"/suspend", "/reactivate"}[done%2]
		return timed(t, path, func() answer { return ann.with("Idempotency-Key", "command-"+string(rune('a'+done))).post(path, m{}) })
	}
	unavailable := func(why string) {
		t.Helper()
		for _, ask := range []func() answer{
			command,
			func() answer { return bobby.get("/v1/me") }, // who may is decided by the log
			func() answer { return ann.get(at + "/users") },
			func() answer { return r.as("").get("http://" + ops + "/readyz") },
		} {
			a := timed(t, why, ask).Want(503)
			if a.Header.Get("Retry-After") == "" || !strings.HasPrefix(a.Header.Get("Content-Type"), "application/problem+json") {
				t.Errorf("%s: %v", why, a.Header)
			}
		}
		for _, path := range []string{"/openapi.json", "http://" + ops + "/healthz"} { // what needs no log
			timed(t, why, func() answer { return r.as("").get(path) }).Want(200)
		}
	}
	// back repeats the command that got no answer under its key, and looks for what it did.
	back := func(why string) {
		t.Helper()
		began := time.Now()
		r.until(why, func() bool { return command().Status == http.StatusOK })
		done++
		t.Logf("%s: commands again after %s", why, time.Since(began).Round(time.Millisecond))
		status := []string{"active", "suspended"}[done%2]
		r.until(why+": the list says "+status, func() bool {
			a := ann.get(at + "/users/" + bob)
			return a.Status == http.StatusOK && a.JSON()["status"] == status
		})
		r.until(why+": ready", func() bool { return r.as("").get("http://"+ops+"/readyz").Status == http.StatusOK })
	}
	back("before")
	for range 2 {
		if err := s.Kill(); err != nil {
			t.Fatal(err)
		}
		unavailable("killed")
		if err := s.Restart(t.Context()); err != nil {
			t.Fatal(err)
		}
		back("killed and back")
	}
	if err := s.Suspend(); err != nil {
		t.Fatal(err)
	}
	unavailable("hanging")
	if err := s.Resume(); err != nil {
		t.Fatal(err)
	}
	back("hanging and back")
	if strings.Contains(r.stderr.String(), "open-sesame") {
		t.Errorf("a password is told: %s", r.stderr)
	}
	if got := len(r.mails("bob@northwind.example")); got != 1 {
		t.Errorf("%d mails", got)
	}
	r.stop()
}

// TestRefusesLog: a log that would lose what it has acknowledged is refused before anything is written, and so is one
// of which that is not known; what helps is said.
func TestRefusesLog(t *testing.T) {
	t.Parallel()
	lazy, good := natsServer(t, natstest.Config{}), natsServer(t, natstest.Config{SyncAlways: true})
	data, database := dataDir(t), pgtest.Database(t)
	with := func(flags ...string) ended { return runs(t, nil, serving(data, flags...)...) }
	for words, flags := range map[string][]string{
		"would lose|sync_interval: always|--nats-replicas 3": elsewhere(lazy, database),
		"would lose|for all that is known|--nats-monitor":    {"--nats", good.URL, "--nats-monitor", "http://" + freePort(t), "--database", database},
		"for all that is known|this is no NATS server":       {"--nats", good.URL, "--nats-monitor", good.Monitor + "/jsz?", "--database", database},
		"--database":                             {"--nats", good.URL},
		"names none":                             {"--nats-monitor", good.Monitor},
		"--nats-key go together":                 {"--nats", good.URL, "--database", database, "--nats-cert", "x"},
		"--nats-replicas":                        {"--nats", good.URL, "--database", database, "--nats-replicas", "7"},
		"--nats: connect to NATS at nats://…@":   {"--nats", "nats://user:canary@" + freePort(t), "--database", database},
		"want nats://HOST:PORT":                  {"--nats", "http://user:canary@127.0.0.1", "--database", database},
		"tls://…@":                               {"--nats", strings.Replace(good.URL, "nats://", "tls://canary@", 1), "--database", database},
		"no-such.creds":                          {"--nats", good.URL, "--database", database, "--nats-creds", filepath.Join(data, "no-such.creds")},
		"--nats-monitor|want http://HOST:PORT":   {"--nats", good.URL, "--database", database, "--nats-monitor", "127.0.0.1:8222"},
		"--nats: |10005|peer|cluster|replicas >": {"--nats", good.URL, "--nats-monitor", good.Monitor, "--database", database, "--nats-replicas", "3", "--log-name", "three"},
	} {
		e := with(flags...)
		first, rest, _ := strings.Cut(words, "|")
		e.wantLine(t, 1, first)
		found := rest == ""
		for word := range strings.SplitSeq(rest, "|") {
			found = found || strings.Contains(e.stderr, word)
		}
		if !found || strings.Contains(e.stderr, "canary") {
			t.Errorf("%v: %q does not say %q, or tells a password", flags, e.stderr, rest)
		}
	}

	r := serve(t, data, elsewhere(good, database)...)
	r.setUp()
	// Another copy needs the same keyring, and is told so before it makes one.
	second := dataDir(t)
	runs(t, nil, serving(second, elsewhere(good, database)...)...).wantLine(t, 1, "keyring.json is gone", "ROSTER_KEYRING")
	runs(t, nil, serving(second, elsewhere(good, database)...)...).wantLine(t, 1, "keyring.json is gone", "ROSTER_KEYRING")
	other := serve(t, dataDir(t))
	keys := readFile(t, filepath.Join(other.Data, "keyring.json"))
	other.stop()
	runs(t, []string{"ROSTER_KEYRING=" + keys}, serving(second, elsewhere(good, database)...)...).wantLine(t, 1, "another keyring")
	doctor := runs(t, nil, append([]string{"doctor", "--data", data, "--ops-url", r.Ops, "--url", r.URL}, elsewhere(good, "")[:4]...)...)
	if doctor.code != 0 || !strings.Contains(doctor.stdout, "stream ROSTER_LOG, copies: 1, commits:") {
		t.Errorf("doctor: %s%s", doctor.stdout, doctor.stderr)
	}
	r.stop()

	nc, err := natsgo.Connect(good.URL)
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	js, err := jetstream.New(nc)
	if err != nil {
		t.Fatal(err)
	}
	_, err = js.CreateStream(t.Context(), jetstream.StreamConfig{Name: "ASYNC_LOG", Subjects: []string{"async.log.>"}, Discard: jetstream.DiscardNew,
		DenyDelete: true, DenyPurge: true, Duplicates: 20 * time.Second, AllowDirect: true, PersistMode: jetstream.AsyncPersistMode})
	if err != nil {
		t.Fatal(err)
	}
	with(append(elsewhere(good, database), "--log-name", "async")...).wantLine(t, 1, "persist_mode is Async")
}
