package main_test

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// soon is how long an answer may take while the database hangs.
const soon = 10 * time.Second

// postmaster is the process of the private PostgreSQL, or 0.
func postmaster(data string) int {
	text, err := os.ReadFile(filepath.Join(data, "postgres", "postmaster.pid"))
	if err != nil {
		return 0
	}
	pid, err := strconv.Atoi(strings.TrimSpace(strings.SplitN(string(text), "\n", 2)[0]))
	if err != nil {
		return 0
	}
	return pid
}

// childrenOf are the processes that a process has made.
func childrenOf(t testing.TB, pid int) []int {
	t.Helper()
	var all []int
	stats, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range stats {
		text, err := os.ReadFile(path)
		if err != nil {
			continue // it has ended
		}
		_, rest, _ := strings.Cut(string(text), ") ")
		if fields := strings.Fields(rest); len(fields) > 1 && fields[1] == strconv.Itoa(pid) {
			child, err := strconv.Atoi(strings.TrimPrefix(filepath.Dir(path), "/proc/"))
			if err != nil {
				t.Fatal(err)
			}
			all = append(all, child)
		}
	}
	return all
}

func signal(t testing.TB, sig syscall.Signal, pids ...int) {
	t.Helper()
	for _, pid := range pids {
		if err := syscall.Kill(pid, sig); err != nil && !errors.Is(err, syscall.ESRCH) {
			t.Fatal(err)
		}
	}
}

// timed fails when an answer takes too long.
func timed(t testing.TB, what string, ask func() answer) answer {
	t.Helper()
	began := time.Now()
	a := ask()
	took := time.Since(began)
	if took > soon {
		t.Errorf("%s took %s", what, took)
	}
	return a
}

// TestDatabaseAway: while the database is away commands work, questions are answered unavailable, and when it is back
// so is everything, by itself (RELIABILITY F08).
func TestDatabaseAway(t *testing.T) {
	t.Parallel()
	ops := freePort(t)
	r := serve(t, dataDir(t), "--ops-listen", ops)
	account, ann := r.setUp()
	at := "/v1/accounts/" + account
	bob, bobby := r.join(ann, account, "bob@northwind.example", "viewer")
	invited := 0
	// commands does one of each kind, as many times as it takes.
	commands := func(why string) {
		t.Helper()
		for _, c := range []func() answer{
			func() answer {
				invited++
				return ann.post(at+"/invitations", m{"emails": []string{fmt.Sprintf("guest%d@northwind.example", invited)}, "roles": []string{"viewer"}})
			},
			func() answer { return ann.post(at+"/users/"+bob+"/suspend", m{}) },
			func() answer { return ann.post(at+"/users/"+bob+"/reactivate", m{}) },
			func() answer {
				return r.as("").post("/v1/sessions", m{"email": "bob@northwind.example", "password": password})
			},
			func() answer { return bobby.get("/v1/me") },
			func() answer {
				return ann.post("/v1/check", m{"user": bob, "permission": "users:read", "account": account})
			},
		} {
			if a := timed(t, why, c); a.Status >= 300 {
				t.Errorf("%s: status %d: %s", why, a.Status, a.Body)
			}
		}
	}
	// whole waits until the list shows everything done meanwhile.
	whole := func(why string) {
		t.Helper()
		r.until(why, func() bool {
			a := ann.get(at + "/users")
			if a.Status != http.StatusOK {
				return false
			}
			counts := a.JSON()["counts"].(map[string]any)
			return counts["pending"] == float64(invited) && counts["active"] == float64(2)
		})
		r.until(why+": ready", func() bool { return r.as("").get("http://"+ops+"/readyz").Status == http.StatusOK })
	}
	// unavailable asks every kind of question, all at once.
	unavailable := func(why string) {
		t.Helper()
		operator, csv, lines := r.as(r.operatorKey()), ann.with("Accept", "text/csv"), ann.with("Accept", "application/x-ndjson")
		asks := []func() (answer, error){
			func() (answer, error) { return ann.try("GET", at+"/users", nil) },
			func() (answer, error) { return ann.try("GET", at+"/users/"+bob, nil) },
			func() (answer, error) { return ann.try("GET", at+"/invitations", nil) },
			func() (answer, error) { return ann.try("GET", at+"/audit", nil) },
			func() (answer, error) { return csv.try("GET", at+"/audit", nil) },
			func() (answer, error) { return lines.try("GET", at+"/audit", nil) },
			func() (answer, error) { return operator.try("GET", "/v1/operator/projections", nil) },
			func() (answer, error) { return operator.try("GET", "http://"+ops+"/readyz", nil) },
		}
		answers, failures, took := make([]answer, len(asks)), make([]error, len(asks)), make([]time.Duration, len(asks))
		var asking sync.WaitGroup
		for i, ask := range asks {
			asking.Go(func() {
				began := time.Now()
				answers[i], failures[i] = ask()
				took[i] = time.Since(began)
			})
		}
		asking.Wait()
		for i, a := range answers {
			if failures[i] != nil {
				t.Fatalf("%s: question %d: %v", why, i, failures[i])
			}
			a.Want(503, "unavailable")
			if a.Header.Get("Retry-After") == "" || !strings.HasPrefix(a.Header.Get("Content-Type"), "application/problem+json") || took[i] > soon {
				t.Errorf("%s: question %d: after %s: %v", why, i, took[i], a.Header)
			}
		}
		t.Logf("%s: unavailable after %s", why, took)
		r.as("").get("http://" + ops + "/healthz").Want(200)
	}
	commands("before")
	whole("before")

	// Killed: the supervisor starts it again within a moment, so that questions may or may not notice.
	for range 3 {
		pid := postmaster(r.Data)
		signal(t, syscall.SIGKILL, pid)
		commands("killed")
		if a := timed(t, "killed", func() answer { return ann.get(at + "/users") }); a.Status != http.StatusOK {
			a.Want(503, "unavailable")
		}
		r.until("another server", func() bool { p := postmaster(r.Data); return p != 0 && p != pid })
		whole("killed and back")
	}

	// Hanging: connections stay open and nothing is answered. The postmaster first, so that it makes no session that
	// the list of its children does not have.
	pids := []int{postmaster(r.Data)}
	defer func() { signal(t, syscall.SIGCONT, pids...) }() // else they could not be ended
	signal(t, syscall.SIGSTOP, pids...)
	pids = append(pids, childrenOf(t, pids[0])...)
	signal(t, syscall.SIGSTOP, pids...)
	commands("hanging")
	unavailable("hanging")
	commands("still hanging")
	signal(t, syscall.SIGCONT, pids...)
	whole("hanging and back")
	r.stop()
}

// TestDatabaseElsewhere: a database that cannot be reached, or that never answers, keeps nobody from starting, from
// commands, nor from an answer.
func TestDatabaseElsewhere(t *testing.T) {
	t.Parallel()
	silent, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = silent.Close() }()
	for name, address := range map[string]string{"nobody there": freePort(t), "silent": silent.Addr().String()} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := serve(t, dataDir(t), "--database", "postgres://roster:canary-secret@"+address+"/roster?sslmode=disable")
			account, ann := r.setUp()
			at := "/v1/accounts/" + account
			ann.post(at+"/invitations", m{"emails": []string{"bob@northwind.example"}, "roles": []string{"viewer"}}).Want(200)
			ann.get(at).Want(200)
			a := timed(t, "users", func() answer { return ann.get(at + "/users") }).Want(503, "unavailable")
			if a.Header.Get("Retry-After") == "" {
				t.Errorf("503 without Retry-After: %v", a.Header)
			}
			timed(t, "audit", func() answer { return ann.with("Accept", "text/csv").get(at + "/audit") }).Want(503, "unavailable")
			if strings.Contains(r.stderr.String(), "canary-secret") {
				t.Errorf("the database's password is told: %s", r.stderr)
			}
			began := time.Now()
			r.stop()
			if took := time.Since(began); took > soon {
				t.Errorf("it took %s to stop", took)
			}
		})
	}
}
