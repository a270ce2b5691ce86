package api_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/nats-io/nats.go/jetstream"

	"roster/domain"
	"roster/events"
	"roster/handlers"
	"roster/handlers/access"
	"roster/handlers/api"
	"roster/handlers/eraser"
	"roster/infra/eventlog/memlog"
	"roster/infra/keyring"
	"roster/infra/nats"
	"roster/infra/password"
	"roster/infra/postgres/launch/pgtest"
	"roster/infra/sealer"
	"roster/infra/token"
	"roster/infra/vault"
	"roster/projections"
)

const goodPassword = "Tr0ub4dor & three"

// world is a portal made of the real parts, on a log in memory.
type world struct {
	t        *testing.T
	log      *memlog.Log
	app      *handlers.App
	keys     *keyring.Keyring
	clock    *clock
	printed  *safeBuffer // what was logged
	server   *httptest.Server
	config   api.Config
	operator string
	people   int
	pool     *pgxpool.Pool
	vault    handlers.Vault
	sealer   handlers.Sealer
	hasher   *password.Hasher
	tokens   token.Tokens
	contract sync.Once
	document object // /openapi.json
}

type clock struct {
	mu sync.Mutex
	at time.Time
}

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.at = c.at.Add(time.Millisecond)
	return c.at
}

func (c *clock) pass(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.at = c.at.Add(d)
}

type safeBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (s *safeBuffer) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(p)
}

func (s *safeBuffer) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}

type links struct{ keys *keyring.Keyring }

func (l links) Mint(purpose byte, scope, subject [16]byte, generation uint32) string {
	return l.keys.MintLink(keyring.Link{Purpose: purpose, Scope: scope, Subject: subject, Generation: generation})
}

func (l links) Read(token string) (byte, [16]byte, [16]byte, uint32, error) {
	k, err := l.keys.ReadLink(token, time.Now())
	return k.Purpose, k.Scope, k.Subject, k.Generation, err
}

// nothing is a list of invitations in which nothing stands.
type nothing struct{}

func (nothing) OfAddress(context.Context, events.AddressID) ([]eraser.Invited, error) {
	return nil, nil
}

// newWorld makes a portal with read models; newBareWorld one that runs without projections.
func newWorld(t *testing.T, options ...func(*api.Config)) *world { return makeWorld(t, true, options) }

func newBareWorld(t *testing.T, options ...func(*api.Config)) *world {
	return makeWorld(t, false, options)
}

func makeWorld(t *testing.T, projected bool, options []func(*api.Config)) *world {
	t.Helper()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	server, err := nats.Embedded(t.Context(), nats.Config{Dir: t.TempDir()})
	must(err)
	t.Cleanup(func() { must(server.Close()) })
	conn, err := server.Connect()
	must(err)
	js, err := jetstream.New(conn)
	must(err)
	keys, err := keyring.New(rand.Reader, time.Now())
	must(err)
	v, err := vault.Open(t.Context(), js, keys, vault.Options{Rand: rand.Reader})
	must(err)
	seal := sealer.New(v, rand.Reader)
	hasher, err := password.New(password.Params{MemoryKiB: 64, Time: 1, Threads: 1}, 4, rand.Reader)
	must(err)

	w := &world{t: t, log: memlog.New(), keys: keys, vault: seal, sealer: seal, hasher: hasher, tokens: token.Tokens{AddressHMAC: keys.AddressHMAC}, clock: &clock{at: time.Now()}, printed: &safeBuffer{}}
	logger := slog.New(slog.NewTextHandler(w.printed, nil))
	w.app = handlers.NewApp(handlers.Config{Log: w.log, Sealer: seal, MACs: keys, Clock: w.clock.now, Build: "test", Logger: logger})
	_, err = w.app.Start(t.Context(), keys.Fingerprint())
	must(err)
	key := events.AnyID(uuid.Must(uuid.NewV7()))
	var hash events.Hash
	w.operator, hash, err = token.MintOperator(rand.Reader, key)
	must(err)
	_, err = w.app.Do(t.Context(), handlers.Call{Actor: handlers.System("test")}, domain.AddOperatorKey{Key: key, KeyName: "test", Hash: hash})
	must(err)

	w.config = api.Config{App: w.app, Access: access.New(w.app, seal, hasher, w.tokens),
		Links: links{keys}, Eraser: eraser.New(w.app, seal, nothing{}), PublicURL: "http://portal.example", Version: "1.2.3",
		Logger: logger, Metrics: api.NewMetrics()}
	_, err = rand.Read(w.config.Cursor[:])
	must(err)
	if projected {
		w.config.Models = w.models(seal, logger)
	}
	for _, o := range options {
		o(&w.config)
	}
	handler, err := api.New(w.config)
	must(err)
	w.server = httptest.NewServer(handler)
	t.Cleanup(w.server.Close)
	return w
}

// models runs the read models on a database of their own.
func (w *world) models(seal *sealer.Sealer, logger *slog.Logger) *projections.Runner {
	w.t.Helper()
	pool, err := pgxpool.New(w.t.Context(), pgtest.Database(w.t))
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(pool.Close)
	w.pool = pool
	runner := projections.New(pool, w.log, sealer.Opener{Sealer: seal}, logger, projections.Archive(), projections.UserList(), projections.Invitations(), projections.Audit(), projections.Accounts())
	if err := runner.Prepare(w.t.Context()); err != nil {
		w.t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.WithoutCancel(w.t.Context()))
	ended := make(chan error, 1)
	go func() { ended <- runner.Run(ctx) }()
	w.t.Cleanup(func() {
		stop()
		if err := <-ended; err != nil {
			w.t.Error(err)
		}
	})
	return runner
}

// response is an answer, read to its end.
type response struct {
	t      *testing.T
	asked  string
	status int
	header http.Header
	body   []byte
}

// do sends a request. The body is sent as it is when it is a string, else as JSON; headers come in pairs.
func (w *world) do(method, path, token string, body any, headers ...string) *response {
	w.t.Helper()
	r, err := w.try(method, path, token, body, headers...)
	if err != nil {
		w.t.Fatalf("%s %s: %v", method, path, err)
	}
	return r
}

func (w *world) try(method, path, token string, body any, headers ...string) (*response, error) {
	var content io.Reader
	switch b := body.(type) {
	case nil:
	case string:
		content = strings.NewReader(b)
	default:
		text, err := json.Marshal(b)
		if err != nil {
			return nil, err
		}
		content = bytes.NewReader(text)
	}
	req, err := http.NewRequestWithContext(w.t.Context(), method, w.server.URL+path, content)
	if err != nil {
		return nil, err
	}
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	for i := 0; i+1 < len(headers); i += 2 {
		req.Header.Del(headers[i])
		if headers[i+1] != "" {
			req.Header.Set(headers[i], headers[i+1])
		}
	}
	answer, err := http.DefaultTransport.RoundTrip(req)
	if err != nil {
		return nil, err
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	r := &response{w.t, method + " " + path, answer.StatusCode, answer.Header, text}
	if err == nil {
		w.keepsContract(method, path, r)
	}
	return r, err
}

// keepsContract holds an answer against /openapi.json, whatever the test is about: its status, its type and its body.
func (w *world) keepsContract(method, path string, r *response) {
	w.t.Helper()
	w.contract.Do(func() {
		answer, err := http.Get(w.server.URL + "/openapi.json")
		if err != nil {
			w.t.Fatal(err)
		}
		defer answer.Body.Close()
		if err := json.NewDecoder(answer.Body).Decode(&w.document); err != nil {
			w.t.Fatal(err)
		}
	})
	path, _, _ = strings.Cut(path, "?")
	o := operationAt(w.document, method, path)
	if o == nil || len(r.body) == 0 {
		return
	}
	said, ok := o["responses"].(object)[fmt.Sprint(r.status)].(object)
	if !ok {
		w.t.Errorf("%s: %d is not documented: %s", r.asked, r.status, r.body)
		return
	}
	kind, _, _ := strings.Cut(r.header.Get("Content-Type"), ";")
	content, ok := said["content"].(object)[kind].(object)
	if !ok {
		w.t.Errorf("%s: %d as %s is not documented", r.asked, r.status, kind)
		return
	}
	var v any
	if !strings.HasSuffix(kind, "json") || json.Unmarshal(r.body, &v) != nil {
		return
	}
	for _, wrong := range matches(w.document, content["schema"].(object), v, "body") {
		w.t.Errorf("%s: not as documented: %s: %.500s", r.asked, wrong, r.body)
	}
}

// operationAt is the operation that a request is for, nil where there is none.
func operationAt(doc object, method, path string) object {
	parts := strings.Split(path, "/")
	var found object
	fixed := -1
	for route, item := range doc["paths"].(object) {
		steps := strings.Split(route, "/")
		o, _ := item.(object)[strings.ToLower(method)].(object)
		if o == nil || len(steps) != len(parts) {
			continue
		}
		same, n := true, 0
		for i, step := range steps {
			if !strings.HasPrefix(step, "{") {
				same, n = same && step == parts[i], n+1
			}
		}
		if same && n > fixed { // of …/users/bulk and …/users/{user} the first
			found, fixed = o, n
		}
	}
	return found
}

// is wants a status.
func (r *response) is(status int) *response {
	r.t.Helper()
	if r.status != status {
		r.t.Fatalf("%s: %d, want %d\n%s", r.asked, r.status, status, r.body)
	}
	return r
}

// refused wants a problem document with a code.
func (r *response) refused(status int, code string) *response {
	r.t.Helper()
	r.is(status)
	if got := r.header.Get("Content-Type"); got != "application/problem+json" {
		r.t.Fatalf("%s: Content-Type %q", r.asked, got)
	}
	if r.text("code") != code || r.text("type") != "http://portal.example/problems/"+code || r.text("title") == "" || r.number("status") != float64(status) {
		r.t.Fatalf("%s: want %s\n%s", r.asked, code, r.body)
	}
	return r
}

// at is a member of the body: "items.0.id".
func (r *response) at(path string) any {
	r.t.Helper()
	var v any
	if err := json.Unmarshal(r.body, &v); err != nil {
		r.t.Fatalf("%s: %v\n%s", r.asked, err, r.body)
	}
	for part := range strings.SplitSeq(path, ".") {
		switch in := v.(type) {
		case map[string]any:
			v = in[part]
		case []any:
			var i int
			if _, err := fmt.Sscan(part, &i); err != nil || i >= len(in) {
				return nil
			}
			v = in[i]
		default:
			return nil
		}
	}
	return v
}

func (r *response) text(path string) string { r.t.Helper(); s, _ := r.at(path).(string); return s }
func (r *response) number(path string) float64 {
	r.t.Helper()
	n, _ := r.at(path).(float64)
	return n
}
func (r *response) count(path string) int { r.t.Helper(); l, _ := r.at(path).([]any); return len(l) }

// locations are where errors are said to be.
func (r *response) locations() string {
	r.t.Helper()
	var at []string
	for i := range r.count("errors") {
		at = append(at, r.text(fmt.Sprintf("errors.%d.location", i)))
	}
	return strings.Join(at, " ")
}

// link is the token of an invitation's link.
func (w *world) link(account, invitation string, generation uint32) string {
	w.t.Helper()
	a, err1 := events.ParseID[struct{ any byte }](account)
	i, err2 := events.ParseID[struct{ any byte }](invitation)
	if err1 != nil || err2 != nil {
		w.t.Fatal(err1, err2)
	}
	return links{w.keys}.Mint(1, a, i, generation)
}

// person is somebody who is signed in.
type person struct{ id, email, token string }

// open opens an account and takes its owner in.
func (w *world) open(name string) (account string, owner person) {
	w.t.Helper()
	w.people++
	email := fmt.Sprintf("owner%d@example.com", w.people)
	r := w.do("POST", "/v1/accounts", w.operator, map[string]any{"name": name, "owner": map[string]any{"email": email, "first_name": "Olga", "last_name": "Owner"}}).is(201)
	account = r.text("id")
	return account, w.accept(account, r.text("invitation"), email, "Olga", "Owner")
}

// accept takes an invitee in as a new user and signs them in.
func (w *world) accept(account, invitation, email, first, last string) person {
	w.t.Helper()
	r := w.do("POST", "/v1/invitations/"+w.link(account, invitation, 1)+"/accept", "",
		map[string]any{"first_name": first, "last_name": last, "password": goodPassword}).is(200)
	return person{r.text("user"), email, w.signIn(email)}
}

func (w *world) signIn(email string) string {
	w.t.Helper()
	return w.do("POST", "/v1/sessions", "", map[string]any{"email": email, "password": goodPassword}).is(201).text("token")
}

// member invites somebody new and takes them in.
func (w *world) member(account string, by person, role string) person {
	w.t.Helper()
	w.people++
	email := fmt.Sprintf("person%d@example.com", w.people)
	r := w.do("POST", "/v1/accounts/"+account+"/invitations", by.token, map[string]any{"emails": email, "roles": []string{role}}).is(200)
	return w.accept(account, r.text("results.0.invitation"), email, "Pia", "Person")
}
