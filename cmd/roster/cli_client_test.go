package main_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
)

// answering is a server that says what a test wants, and keeps what it was asked.
type answering struct {
	*httptest.Server
	mu   sync.Mutex
	keys []string
	asks []string
}

func answers(t *testing.T, how func(n int, w http.ResponseWriter, r *http.Request)) *answering {
	a := new(answering)
	a.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		a.mu.Lock()
		a.keys = append(a.keys, r.Header.Get("Idempotency-Key"))
		a.asks = append(a.asks, r.Method+" "+r.URL.RequestURI())
		n := len(a.asks)
		a.mu.Unlock()
		how(n, w, r)
	}))
	t.Cleanup(a.Close)
	return a
}

// asked is what it was asked so far, and under which keys.
func (a *answering) asked() (asks, keys []string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	return slices.Clone(a.asks), slices.Clone(a.keys)
}

func (a *answering) shell(t *testing.T) shell {
	return newShell(t, "ROSTER_ENDPOINT="+a.URL, "ROSTER_KEY=ro_test")
}

func refuse(w http.ResponseWriter, status int, code string) {
	w.Header().Set("Content-Type", "application/problem+json")
	w.Header().Set("Retry-After", "0")
	w.WriteHeader(status)
	_, _ = fmt.Fprintf(w, `{"code":%q,"status":%d,"title":"T","detail":"in words","errors":[{"location":"body.roles[0]","message":"one"},{"location":"body.name","message":"two"}],"accounts":["acc-1"]}`, code, status)
}

// SPEC 7.3, 7.1: a command is sent again, under the same key, where the server is away or the answer was lost.
func TestCommandsAreSentAgain(t *testing.T) {
	cut := func(w http.ResponseWriter) {
		w.Header().Set("Content-Length", "100")
		_, _ = w.Write([]byte(`{"id":`))
	}
	for name, trouble := range map[string]func(w http.ResponseWriter){
		"503": func(w http.ResponseWriter) { refuse(w, 503, "unavailable") }, "cut": cut,
		"lost": func(http.ResponseWriter) { panic(http.ErrAbortHandler) },
	} {
		t.Run(name, func(t *testing.T) {
			a := answers(t, func(n int, w http.ResponseWriter, _ *http.Request) {
				if n < 3 {
					trouble(w)
					return
				}
				w.Header().Set("Roster-Command", "rHQvEjYCbxnbG5rYmhn10A")
				_, _ = w.Write([]byte(`{"id":"u-1","status":"suspended"}`))
			})
			got := a.shell(t).run("user", "suspend", "acc", "u-1", "--json").ends(0).json()
			if got["status"] != "suspended" || got["command"] != "rHQvEjYCbxnbG5rYmhn10A" {
				t.Errorf("answered %v", got)
			}
			_, keys := a.asked()
			if len(keys) != 3 || keys[0] == "" || keys[0] != keys[1] || keys[1] != keys[2] {
				t.Errorf("idempotency keys %q", keys)
			}
			a.shell(t).run("user", "suspend", "acc", "u-1").ends(0)
			if _, more := a.asked(); more[3] == keys[0] {
				t.Error("another command has the same key")
			}
		})
		t.Run(name+" for good", func(t *testing.T) {
			a := answers(t, func(_ int, w http.ResponseWriter, _ *http.Request) { trouble(w) })
			said := a.shell(t).run("user", "suspend", "acc", "u-1").ends(3, "--idempotency-key cli-")
			if _, keys := a.asked(); len(keys) != 3 || !strings.Contains(said.err, keys[0]) {
				t.Errorf("%q: %s", keys, said.err)
			}
		})
	}
}

// SPEC 7.1: a refusal is told with its code, each field and the accounts, and is not sent again.
func TestRefusalsAreTold(t *testing.T) {
	a := answers(t, func(_ int, w http.ResponseWriter, _ *http.Request) { refuse(w, 422, "invalid") })
	a.shell(t).run("account", "open", "Northwind").ends(1, "roster: invalid: in words", "body.roles[0]: one", "body.name: two", "account acc-1")
	if asks, _ := a.asked(); len(asks) != 1 {
		t.Errorf("asked %q", asks)
	}
	fault := answers(t, func(_ int, w http.ResponseWriter, _ *http.Request) { refuse(w, 500, "internal") })
	fault.shell(t).run("account", "show", "acc").ends(3, "internal")
	proxy := answers(t, func(_ int, w http.ResponseWriter, _ *http.Request) { w.WriteHeader(403) })
	proxy.shell(t).run("account", "show", "acc").ends(1, "forbidden", "no reason")
	moved := answers(t, func(_ int, w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, "https://elsewhere.example/", 301)
	})
	moved.shell(t).run("account", "open", "Northwind").ends(3, "https://elsewhere.example/", "--endpoint")
	strange := answers(t, func(_ int, w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("<html>")) })
	strange.shell(t).run("role", "list", "acc").ends(3, "is this Roster?")
	// Who did not understand that it was a dry run may have done it.
	deaf := answers(t, func(_ int, w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte(`{"id":"u-1"}`)) })
	deaf.shell(t).run("user", "revoke", "acc", "u-1", "--dry-run").ends(3, "may have been done")
}

// SPEC 7.3: lists are read to their end, and what others have written does not move the cursor.
func TestListsAreFollowed(t *testing.T) {
	a := answers(t, func(_ int, w http.ResponseWriter, r *http.Request) {
		switch r.URL.Query().Get("cursor") {
		case "":
			_, _ = w.Write([]byte(`{"items":[{"id":"a-1","name":"One\u001b[31m","parent":null,"closed":false,"opened_at":"2026-11-26T03:18:10.676+01:00"}],"next_cursor":"more"}`))
		case "more":
			_, _ = w.Write([]byte(`{"items":[{"id":"a-2","name":"Two","parent":"a-1","closed":true,"opened_at":"2026-11-26T02:18:10Z"}],"next_cursor":null}`))
		}
	})
	s := a.shell(t)
	table := s.run("account", "list", "--q", "o").ends(0, "a-1", "One[31m", "2026-11-26T02:18:10Z", "yes")
	if asks, _ := a.asked(); strings.Contains(table.out, "\x1b") || !slices.Equal(asks, []string{"GET /v1/operator/accounts?limit=500&q=o", "GET /v1/operator/accounts?cursor=more&limit=500&q=o"}) {
		t.Errorf("%q %q", table.out, asks)
	}
	if all := s.run("account", "list", "--json").ends(0).json(); len(all["items"].([]any)) != 2 || all["next_cursor"] != nil {
		t.Errorf("%v", all)
	}
	if one := s.run("account", "list", "--json", "--limit", "1").ends(0).json(); len(one["items"].([]any)) != 1 || one["next_cursor"] != "more" {
		t.Errorf("%v", one)
	}
}

// SPEC 1.1: a tree is shown as one.
func TestTreeIsShown(t *testing.T) {
	a := answers(t, func(_ int, w http.ResponseWriter, _ *http.Request) {
		_, _ = w.Write([]byte(`{"items":[{"id":"r","name":"Root","parent":"above","depth":0,"closed":false},{"id":"x","name":"X","parent":"r","depth":1,"closed":false},` +
			`{"id":"y","name":"Y","parent":"r","depth":1,"closed":true},{"id":"z","name":"Z","parent":"x","depth":2,"closed":false}]}`))
	})
	want := "NAME   ID  CLOSED\nRoot   r   no\n  X    x   no\n    Z  z   no\n  Y    y   yes\n"
	if said := a.shell(t).run("account", "tree", "r").ends(0); said.out != want {
		t.Errorf("%s", said.out)
	}
}

// SPEC 5.2: an export that breaks off is taken up behind the last whole entry, and says where it would go on.
func TestExportGoesOn(t *testing.T) {
	for format, rows := range map[string][]string{
		"csv":    {"position,index,time,action\r\n", "7,0,t,\"two\nlines\"\r\n", "8,0,t,\"a \"\"quote\"\"\"\r\n", "8,1,t,b\r\n"},
		"ndjson": {"", `{"position":7,"index":0}` + "\n", `{"position":8,"index":0}` + "\n", `{"position":8,"index":1}` + "\n"},
	} {
		t.Run(format, func(t *testing.T) {
			from := map[string]int{"": 1, "7.0": 2, "8.0": 3, "8.1": 4}
			breaks := func(still bool) *answering {
				return answers(t, func(n int, w http.ResponseWriter, r *http.Request) {
					if strings.Contains(r.Header.Get("Accept"), format) {
						_, _ = w.Write([]byte(rows[0]))
					}
					begin := from[r.URL.Query().Get("cursor")]
					if n == 1 || still {
						_, _ = w.Write([]byte(strings.Join(rows[begin:max(begin, 2)], "") + rows[min(max(begin, 2), 3)][:4]))
						w.(http.Flusher).Flush()
						panic(http.ErrAbortHandler)
					}
					_, _ = w.Write([]byte(strings.Join(rows[begin:], "")))
				})
			}
			a := breaks(false)
			if said := a.shell(t).run("audit", "--format", format).ends(0); said.out != strings.Join(rows, "") {
				t.Errorf("%q", said.out)
			}
			a.shell(t).run("audit", "acc", "--format", format, "--cursor", "8.0", "--from", "2026-11-01").ends(0)
			asks, _ := a.asked()
			if last := asks[len(asks)-1]; last != "GET /v1/accounts/acc/audit?cursor=8.0&from=2026-11-01T00%3A00%3A00Z" {
				t.Error(last)
			}
			said := breaks(true).shell(t).run("audit", "--format", format).ends(3, "--cursor=7.0")
			if said.out != strings.Join(rows[:2], "") {
				t.Errorf("half an entry: %q", said.out)
			}
		})
	}
}
