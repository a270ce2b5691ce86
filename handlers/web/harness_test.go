package web_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"html"
	"io"
	"log/slog"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"roster/domain"
	"roster/events"
	"roster/handlers"
	"roster/handlers/access"
	"roster/handlers/address"
	"roster/handlers/enroll"
	"roster/handlers/web"
	"roster/infra/eventlog/memlog"
	"roster/infra/keyring"
	"roster/infra/nats"
	"roster/infra/password"
	"roster/infra/sealer"
	"roster/infra/token"
	"roster/infra/vault"
)

const goodPassword = "Tr0ub4dor & three"

// world is a portal made of the real parts, on a log in memory.
type world struct {
	t       *testing.T
	log     *memlog.Log
	app     *handlers.App
	access  *access.Access
	enroll  *enroll.Enroll
	keys    *keyring.Keyring
	clock   *clock
	printed *safeBuffer // what was logged
	server  *httptest.Server
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

// links reads tokens with the keyring.
type links struct{ w *world }

func (l links) Read(token string) (byte, [16]byte, [16]byte, uint32, error) {
	k, err := l.w.keys.ReadLink(token, time.Now())
	return k.Purpose, k.Scope, k.Subject, k.Generation, err
}

func newWorld(t *testing.T, options ...func(*web.Config)) *world {
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

	w := &world{t: t, log: memlog.New(), keys: keys, clock: &clock{at: time.Now()}, printed: &safeBuffer{}}
	logger := slog.New(slog.NewTextHandler(w.printed, nil))
	w.app = handlers.NewApp(handlers.Config{Log: w.log, Sealer: seal, MACs: keys, Clock: w.clock.now, Build: "test", Logger: logger})
	_, err = w.app.Start(t.Context(), keys.Fingerprint())
	must(err)
	w.access = access.New(w.app, seal, hasher, token.Tokens{AddressHMAC: keys.AddressHMAC})
	w.enroll = &enroll.Enroll{App: w.app, Access: w.access}
	c := web.Config{App: w.app, Access: w.access, Links: links{w}, PublicURL: "http://localhost:8080", HasInbox: true, Logger: logger}
	for _, o := range options {
		o(&c)
	}
	mux := http.NewServeMux()
	must(web.Mount(mux, c))
	w.server = httptest.NewServer(mux)
	t.Cleanup(w.server.Close)
	return w
}

func operator() handlers.Call {
	return handlers.Call{Actor: events.Actor{Type: events.ByOperator, ID: "0198c5d4-7e1a-7c3f-9b1d-2f6a8e4c0b57"}}
}

func (w *world) do(call handlers.Call, cmd domain.Command) handlers.Result {
	w.t.Helper()
	r, err := w.app.Do(w.t.Context(), call, cmd)
	if err != nil {
		w.t.Fatal(err)
	}
	return r
}

func (w *world) addressee(email string) *domain.Addressee {
	w.t.Helper()
	normal, err := address.Normalize(email)
	if err != nil {
		w.t.Fatal(err)
	}
	a, err := w.access.Addressee(w.t.Context(), address.Entry{Email: normal})
	if err != nil {
		w.t.Fatal(err)
	}
	return a
}

// open sets the portal up: an account whose owner is Olga.
func (w *world) open() (account events.AccountID, owner handlers.Call) {
	w.t.Helper()
	r, err := w.enroll.SetUp(w.t.Context(), handlers.Call{}, enroll.First{AccountName: "Acme GmbH", Email: "olga@acme.example",
		Owner: enroll.Newcomer{First: "Olga", Last: "Owner", Password: goodPassword}})
	if err != nil {
		w.t.Fatal(err)
	}
	return r.Account, handlers.Call{Actor: events.Actor{Type: events.ByUser, ID: r.User.String()}}
}

// invite invites somebody and answers the invitation's id and the path of its link.
func (w *world) invite(by handlers.Call, account events.AccountID, email string, roles ...string) (events.InvitationID, string) {
	w.t.Helper()
	r := w.do(by, domain.InviteUsers{Account: account, Invitees: []*domain.Addressee{w.addressee(email)}, Grants: []events.Grant{{Roles: roles}}})
	for _, c := range r.Commits {
		for _, f := range c.Facts {
			if i, ok := f.(events.InvitationCreated); ok {
				return i.Invitation, w.path(account, i.Invitation, i.Generation)
			}
		}
	}
	w.t.Fatal("nobody was invited")
	return events.InvitationID{}, ""
}

func (w *world) path(account events.AccountID, i events.InvitationID, generation uint32) string {
	return "/invitations/" + w.keys.MintLink(keyring.Link{Purpose: keyring.Invitation, Scope: account, Subject: i, Generation: generation})
}

func (w *world) setupPath() string {
	return "/setup/" + w.keys.MintLink(keyring.Link{Purpose: keyring.Setup})
}

// last is how far the log has come.
func (w *world) last() uint64 {
	w.t.Helper()
	n, err := w.app.Last(w.t.Context())
	if err != nil {
		w.t.Fatal(err)
	}
	return n
}

// browser is somebody's browser: it keeps cookies, and does not follow redirects by itself.
type browser struct {
	w        *world
	client   *http.Client
	language string // what it asks for
}

func (w *world) browser() *browser {
	w.t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		w.t.Fatal(err)
	}
	transport := &http.Transport{}
	w.t.Cleanup(transport.CloseIdleConnections)
	return &browser{w: w, client: &http.Client{Jar: jar, Transport: transport, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}}
}

// answer is a page as it came.
type answer struct {
	t      *testing.T
	status int
	header http.Header
	body   string
}

func (b *browser) send(r *http.Request) answer {
	b.w.t.Helper()
	resp, err := b.client.Do(r)
	if err != nil {
		b.w.t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		b.w.t.Fatal(err)
	}
	if csp := resp.Header.Get("Content-Security-Policy"); !strings.Contains(csp, "default-src 'none'") || strings.Contains(csp, "unsafe") {
		b.w.t.Errorf("%s %s: policy %q", r.Method, r.URL.Path, csp)
	}
	if resp.Header.Get("Referrer-Policy") != "no-referrer" || resp.Header.Get("X-Content-Type-Options") != "nosniff" ||
		resp.Header.Get("Cross-Origin-Opener-Policy") != "same-origin" || resp.Header.Get("Cache-Control") == "" {
		b.w.t.Errorf("%s %s: headers are missing: %v", r.Method, r.URL.Path, resp.Header)
	}
	if strings.Contains(strings.ReplaceAll(string(body), `<script src="/assets/`, ""), "<script") {
		b.w.t.Errorf("%s %s: a script", r.Method, r.URL.Path)
	}
	return answer{b.w.t, resp.StatusCode, resp.Header, string(body)}
}

func (b *browser) request(ctx context.Context, method, path string, body io.Reader) *http.Request {
	b.w.t.Helper()
	r, err := http.NewRequestWithContext(ctx, method, b.w.server.URL+path, body)
	if err != nil {
		b.w.t.Fatal(err)
	}
	if b.language != "" {
		r.Header.Set("Accept-Language", b.language)
	}
	return r
}

func (b *browser) get(path string) answer {
	b.w.t.Helper()
	return b.send(b.request(b.w.t.Context(), http.MethodGet, path, nil))
}

// form makes the request that a browser sends for a form.
func (b *browser) form(path string, values url.Values) *http.Request {
	b.w.t.Helper()
	r := b.request(b.w.t.Context(), http.MethodPost, path, strings.NewReader(values.Encode()))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set("Origin", "null") // as Referrer-Policy: no-referrer has it
	r.Header.Set("Sec-Fetch-Site", "same-origin")
	return r
}

// submit opens a page, fills in the form that goes to action, and sends it.
func (b *browser) submit(page, action string, typed ...string) answer {
	b.w.t.Helper()
	return b.send(b.form(action, b.filled(page, action, typed...)))
}

// filled are the values of the form on a page that goes to action, its hidden fields included.
func (b *browser) filled(page, action string, typed ...string) url.Values {
	b.w.t.Helper()
	shown := b.get(page)
	_, form, ok := strings.Cut(shown.body, `action="`+action+`"`)
	if !ok {
		b.w.t.Fatalf("no form for %s on %s (%d):\n%s", strings.SplitN(action, "?", 2)[0], page, shown.status, shown.body)
	}
	form, _, _ = strings.Cut(form, "</form>")
	values := b.hidden(form)
	for i := 0; i+1 < len(typed); i += 2 {
		values.Set(typed[i], typed[i+1])
	}
	return values
}

// hidden are the values of the hidden fields in a piece of a page.
func (b *browser) hidden(form string) url.Values {
	values := url.Values{}
	for _, m := range regexp.MustCompile(`<input type="hidden" name="([^"]+)" value="([^"]*)"`).FindAllStringSubmatch(form, -1) {
		values.Set(m[1], html.UnescapeString(m[2]))
	}
	return values
}

func (b *browser) signIn(email string) {
	b.w.t.Helper()
	if a := b.submit("/sign-in", "/sign-in", "email", email, "password", goodPassword); a.status != http.StatusSeeOther {
		b.w.t.Fatalf("sign-in as %s: %d\n%s", email, a.status, a.body)
	}
}

func (a answer) want(status int, shown ...string) answer {
	a.t.Helper()
	if a.status != status {
		a.t.Errorf("status %d, want %d\n%s", a.status, status, a.body)
	}
	for _, s := range shown {
		if !strings.Contains(a.body, s) {
			a.t.Errorf("the page lacks %q\n%s", s, a.body)
		}
	}
	return a
}

func (a answer) lacks(hidden ...string) answer {
	a.t.Helper()
	for _, s := range hidden {
		if strings.Contains(a.body, s) {
			a.t.Errorf("the page shows %q\n%s", s, a.body)
		}
	}
	return a
}
