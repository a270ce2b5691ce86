package main_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"roster/events"
	"roster/infra/keyring"
	"roster/infra/token"
)

const (
	killCallers = 16
	kills       = 30
)

// TestKills kills the program 30 times while 16 callers work, most times under load and some while it starts. What
// was acknowledged is in the log once, what was refused is not, what is unknown is there at most once, and read models
// and archive are what the log says (RELIABILITY F01, F03, F04).
func TestKills(t *testing.T) {
	t.Parallel()
	data := dataDir(t)
	r := serve(t, data)
	account, ann := r.setUp()
	me := ann.get("/v1/me").Want(200).JSON()["id"].(string)
	k := &killing{t: t, account: account, ann: ann.token, annID: me, operator: r.operatorKey(), changed: make(chan struct{}),
		client: &http.Client{Timeout: 20 * time.Second, Transport: &http.Transport{MaxIdleConnsPerHost: 2 * killCallers}}}
	k.keys, k.operatorID = k.secrets(data)
	workers := make([]*worker, killCallers)
	for i := range workers {
		email := fmt.Sprintf("member%d@northwind.example", i)
		user, session := r.join(ann, account, email, "viewer")
		workers[i] = &worker{killing: k, n: i, email: email, session: session.token, rand: rand.New(rand.NewPCG(uint64(i), 1))}
		k.members = append(k.members, user)
	}
	r.stop()
	k.logFrom = k.readLog(data)

	var working sync.WaitGroup
	for _, w := range workers {
		working.Go(w.work)
	}
	chance := rand.New(rand.NewPCG(2, 3))
	began := time.Now()
	for n := range kills {
		if n%6 == 5 { // while it starts
			cmd := exec.Command(program(t), serving(data)...)
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			<-time.After(time.Duration(chance.IntN(400)) * time.Millisecond)
			_ = cmd.Process.Kill()
			_ = cmd.Wait()
			continue
		}
		r = serve(t, data)
		k.open(r, false)
		<-time.After(time.Duration(20+chance.IntN(400)) * time.Millisecond)
		r.kill()
	}
	lasted := time.Since(began)
	r = serve(t, data)
	k.open(r, true)
	working.Wait()
	k.judge(r, workers)
	t.Logf("%d kills in %s", kills, lasted.Round(time.Millisecond))
}

// killing is what all callers share: where the program is now, and whom they act as.
type killing struct {
	t          testing.TB
	account    string
	ann, annID string
	operator   string
	operatorID string
	members    []string
	keys       *keyring.Keyring
	client     *http.Client
	logFrom    []events.Record // before the first command of the callers

	mu      sync.Mutex
	now     *running
	last    bool
	changed chan struct{}
}

// secrets reads the keyring, with which the callers make links as the mails have them, and the operator key's id.
func (k *killing) secrets(data string) (*keyring.Keyring, string) {
	keys, _, err := keyring.Load(filepath.Join(data, "keyring.json"), "", time.Now())
	if err != nil {
		k.t.Fatal(err)
	}
	text, err := os.ReadFile(filepath.Join(data, "operator.key"))
	if err != nil {
		k.t.Fatal(err)
	}
	key, err := token.Parse(strings.TrimSpace(string(text)))
	if err != nil {
		k.t.Fatal(err)
	}
	return keys, key.B.String()
}

// open lets the callers go on with a program that serves.
func (k *killing) open(r *running, last bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.now, k.last = r, last
	close(k.changed)
	k.changed = make(chan struct{})
}

// after waits for a program that serves and is another than the one given.
func (k *killing) after(gone *running) (r *running, last bool) {
	for {
		k.mu.Lock()
		r, last, changed := k.now, k.last, k.changed
		k.mu.Unlock()
		if r != nil && r != gone {
			return r, last
		}
		<-changed
	}
}

// The outcomes of a try.
const (
	unknown = "unknown"
	okay    = "ok"
	refused = "refused"
)

// try is one answer to a command.
type try struct {
	outcome  string
	position uint64
	code     string
	body     map[string]any
}

// step is a command with all that was answered to it.
type step struct {
	name         string // of the command in the log
	caller       string
	home         events.Boundary // zero for the account that the command opens
	key          string          // "" for none
	method, path string
	token        string
	body         m
	tries        []try
	invited      []string // invitations that it made
	isSo         func(*fold) bool
}

func (s *step) final() try { return s.tries[len(s.tries)-1] }

// worker is one caller. It does one thing at a time.
type worker struct {
	*killing
	n       int
	email   string
	session string
	rand    *rand.Rand
	count   int
	steps   []*step
	open    []invitation // that it has made, as far as it knows
}

type invitation struct {
	id         string
	generation uint32
}

func (w *worker) work() {
	var r *running
	var unresolved *step
	for {
		next, last := w.after(r)
		r = next
		if s := unresolved; s != nil && (last || w.rand.IntN(4) > 0) {
			w.send(r, s)
			w.learn(s)
			unresolved = nil
			if s.final().outcome == unknown {
				unresolved = s
				continue
			}
		}
		unresolved = nil
		if done := w.repeatable(); done != nil && w.send(r, done) == unknown {
			continue
		}
		for !last {
			s := w.choose()
			w.steps = append(w.steps, s)
			if w.send(r, s); s.final().outcome == unknown {
				if s.key != "" {
					unresolved = s
				}
				break
			}
			w.learn(s)
		}
		if last {
			return
		}
	}
}

// repeatable is, one time in three, something done that always writes: sent again under its key it answers the same.
func (w *worker) repeatable() *step {
	if len(w.steps) == 0 || w.rand.IntN(3) > 0 {
		return nil
	}
	s := w.steps[w.rand.IntN(len(w.steps))]
	if s.key == "" || s.isSo != nil || s.final().outcome != okay {
		return nil
	}
	return s
}

// send makes one try and keeps what came of it.
func (w *worker) send(r *running, s *step) string {
	a, err := w.request(r, s)
	one := try{outcome: unknown}
	switch {
	case err != nil:
	case a.Status < 300:
		one = try{outcome: okay, body: a.JSON()}
		one.position, err = strconv.ParseUint(a.Header.Get("Roster-Position"), 10, 64)
		if err != nil {
			w.t.Errorf("%s %s: no position: %v", s.method, s.path, a.Header)
		}
	case a.Status < 500:
		one = try{outcome: refused, code: a.JSON()["code"].(string)}
	case a.Status != http.StatusServiceUnavailable:
		w.t.Errorf("%s %s: status %d: %s", s.method, s.path, a.Status, a.Body)
	}
	s.tries = append(s.tries, one)
	return one.outcome
}

func (w *worker) request(r *running, s *step) (answer, error) {
	raw, err := json.Marshal(s.body)
	if err != nil {
		return answer{}, err
	}
	req, err := http.NewRequest(s.method, r.URL+s.path, bytes.NewReader(raw))
	if err != nil {
		return answer{}, err
	}
	req.Header.Set("Content-Type", "application/json")
	if s.token != "" {
		req.Header.Set("Authorization", "Bearer "+s.token)
	}
	if s.key != "" {
		req.Header.Set("Idempotency-Key", s.key)
	}
	res, err := w.client.Do(req)
	if err != nil {
		return answer{}, err
	}
	defer func() { _ = res.Body.Close() }()
	body, err := io.ReadAll(res.Body)
	return answer{w.t, res.StatusCode, res.Header, body}, err
}

// learn keeps what later commands are about.
func (w *worker) learn(s *step) {
	last := s.final()
	if last.outcome != okay || s.name != "InviteUsers" || s.invited != nil {
		return
	}
	for _, one := range last.body["results"].([]any) {
		if id, ok := one.(map[string]any)["invitation"].(string); ok {
			s.invited = append(s.invited, id)
			w.open = append(w.open, invitation{id, 1})
		}
	}
}

// choose is what the caller does next.
func (w *worker) choose() *step {
	w.count++
	account, err := events.ParseAccountID(w.account)
	if err != nil {
		w.t.Error(err)
	}
	at := "/v1/accounts/" + w.account
	s := &step{key: fmt.Sprintf("caller-%d-%d", w.n, w.count), caller: "user:" + w.annID, token: w.ann, home: events.OfAccount(account), method: http.MethodPost, body: m{}}
	member := w.members[w.rand.IntN(len(w.members))]
	kind := w.rand.IntN(20)
	if len(w.open) == 0 && kind >= 3 && kind < 9 {
		kind = 0
	}
	switch kind {
	case 0, 1:
		s.name, s.path = "InviteUsers", at+"/invitations"
		s.body = m{"emails": []string{w.fresh(0)}, "roles": []string{"viewer"}}
	case 2:
		s.name, s.path = "InviteUsers", at+"/invitations"
		s.body = m{"emails": []string{w.fresh(0), "not-an-address", w.fresh(1), w.fresh(2)}, "roles": []string{"manager"}}
	case 3, 4, 5:
		i := w.rand.IntN(len(w.open))
		s.name, s.path = "ResendInvitation", at+"/invitations/"+w.open[i].id+"/resend"
		w.open[i].generation++
	case 6, 7:
		one := w.open[0]
		w.open = w.open[1:]
		s.name, s.path = "RevokeInvitation", at+"/invitations/"+one.id+"/revoke"
		s.isSo = func(f *fold) bool { return f.pending[one.id] == nil }
	case 8:
		one := w.open[len(w.open)-1]
		w.open = w.open[:len(w.open)-1]
		id, err := events.ParseInvitationID(one.id)
		if err != nil {
			w.t.Error(err)
		}
		link := w.keys.MintLink(keyring.Link{Purpose: keyring.Invitation, Scope: account, Subject: id, Generation: one.generation})
		s.name, s.path, s.token = "AcceptInvitation", "/v1/invitations/"+link+"/accept", ""
		s.caller = fmt.Sprintf("link:%s.%d", one.id, one.generation)
		s.body = m{"first_name": "New", "last_name": "Comer", "password": password}
	case 9, 10, 11:
		s.name, s.path = "Suspend", at+"/users/"+member+"/suspend"
		s.isSo = func(f *fold) bool { return f.members[member].status == "suspended" }
	case 12, 13, 14:
		s.name, s.path = "Reactivate", at+"/users/"+member+"/reactivate"
		s.isSo = func(f *fold) bool { return f.members[member].status == "active" }
	case 15, 16:
		role := []string{"viewer", "manager", "admin"}[w.rand.IntN(3)]
		s.name, s.method, s.path = "ChangeRole", http.MethodPut, at+"/users/"+member+"/role"
		s.body = m{"roles": []string{role}}
		s.isSo = func(f *fold) bool { return f.members[member].roles == role }
	case 17:
		s.name, s.path, s.token, s.key = "SignIn", "/v1/sessions", "", ""
		s.body = m{"email": w.email, "password": password}
	case 18:
		s.name, s.path, s.token, s.home = "OpenAccount", "/v1/accounts", w.operator, events.Boundary{}
		s.caller = "operator:" + w.operatorID
		s.body = m{"name": "Account " + s.key}
	case 19:
		s.name, s.path = "Suspend", at+"/users/"+w.annID+"/suspend"
		s.token, s.caller = w.session, "user:"+w.members[w.n]
		if w.rand.IntN(2) == 0 { // the last owner stays
			s.name, s.method, s.path = "ChangeRole", http.MethodPut, at+"/users/"+w.annID+"/role"
			s.token, s.caller, s.body = w.ann, "user:"+w.annID, m{"roles": []string{"viewer"}}
		}
	}
	return s
}

func (w *worker) fresh(n int) string {
	return fmt.Sprintf("guest-%d-%d-%d@northwind.example", w.n, w.count, n)
}
