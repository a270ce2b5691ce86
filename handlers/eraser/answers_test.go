package eraser_test

import (
	"crypto/rand"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"roster/domain"
	"roster/events"
	"roster/handlers"
	"roster/handlers/api"
	"roster/handlers/enroll"
	"roster/infra/feedlog/feedtest"
	"roster/infra/keyring"
	"roster/infra/token"
)

// links mints and reads links as the program does.
type links struct{ keys *keyring.Keyring }

func (l links) Mint(purpose byte, scope, subject [16]byte, generation uint32) string {
	return l.keys.MintLink(keyring.Link{Purpose: purpose, Scope: scope, Subject: subject, Generation: generation})
}

func (l links) Read(text string) (byte, [16]byte, [16]byte, uint32, error) {
	k, err := l.keys.ReadLink(text, time.Now())
	return k.Purpose, k.Scope, k.Subject, k.Generation, err
}

func (l links) of(i enroll.Link) string {
	return l.Mint(keyring.Invitation, i.Account, i.Invitation, i.Generation)
}

// site is the API over a rig.
type site struct {
	*rig
	server *httptest.Server
}

func (r *rig) site() site {
	r.t.Helper()
	handler, err := api.New(api.Config{App: r.App, Access: r.access, Enroll: r.enroll, Links: links{r.keys}, Eraser: r.eraser(),
		Models: r.models, PublicURL: "http://portal.example", Version: "test", Logger: feedtest.Quiet(), Metrics: api.NewMetrics()})
	if err != nil {
		r.t.Fatal(err)
	}
	s := site{r, httptest.NewServer(handler)}
	r.t.Cleanup(s.server.Close)
	return s
}

// ask answers status and body of a request.
func (s site) ask(bearer, method, path string, body any) (int, string) {
	s.t.Helper()
	var text []byte
	if body != nil {
		var err error
		if text, err = json.Marshal(body); err != nil {
			s.t.Fatal(err)
		}
	}
	q, err := http.NewRequestWithContext(s.t.Context(), method, s.server.URL+path, strings.NewReader(string(text)))
	if err != nil {
		s.t.Fatal(err)
	}
	if bearer != "" {
		q.Header.Set("Authorization", "Bearer "+bearer)
	}
	if body != nil {
		q.Header.Set("Content-Type", "application/json")
	}
	a, err := s.server.Client().Do(q)
	if err != nil {
		s.t.Fatal(err)
	}
	got, err := io.ReadAll(a.Body)
	if err != nil {
		s.t.Fatal(err)
	}
	if err := a.Body.Close(); err != nil {
		s.t.Fatal(err)
	}
	return a.StatusCode, string(got)
}

func (s site) operator() string {
	s.t.Helper()
	key := newID[events.AnyID]()
	text, hash, err := token.MintOperator(rand.Reader, key)
	if err != nil {
		s.t.Fatal(err)
	}
	s.Do(handlers.System("test"), domain.AddOperatorKey{Key: key, KeyName: "test", Hash: hash})
	return text
}

// Whatever is asked of an erased person has an answer, and none that names them.
func TestAnswersAboutTheErased(t *testing.T) {
	r := open(t)
	g := r.withGrace()
	owner := r.invite(r.Owner, r.Account, "olga@harbour.example", domain.Owner, 0)
	r.accept(handlers.Call{}, owner, "Olga", "Berg")
	olga := r.signIn("olga@harbour.example")
	s := r.site()
	operator := s.operator()
	r.follow()

	if code, body := s.ask(g.token, http.MethodGet, "/v1/me", nil); code != 200 || !strings.Contains(body, graceEmail) {
		t.Fatalf("before: %d %s", code, body)
	}
	if code, body := s.ask(operator, http.MethodPost, "/v1/operator/erase", map[string]string{"user": g.user.String()}); code != 200 {
		t.Fatalf("erase: %d %s", code, body)
	}
	for _, path := range []string{"/v1/me", "/v1/accounts", "/v1/accounts/" + r.Account.String()} {
		if code, body := s.ask(g.token, http.MethodGet, path, nil); code != 401 || !strings.Contains(body, "sign_in_required") {
			t.Errorf("%s: %d %s", path, code, body)
		}
	}
	if code, body := s.ask("", http.MethodPost, "/v1/sessions", map[string]string{"email": graceEmail, "password": goodPassword}); code != 401 || !strings.Contains(body, "bad_credentials") {
		t.Errorf("sign in: %d %s", code, body)
	}

	at := "/v1/accounts/" + r.Account.String()
	user, joined := g.user.String(), g.invitations[0].Invitation.String()
	all := g.user.String() + " is erased"
	for _, path := range []string{
		at + "/users", at + "/users?status=revoked", at + "/users?q=canary&status=revoked", at + "/users?sort=name&status=revoked", at + "/users/" + user,
		at + "/invitations", at + "/invitations/" + joined, at + "/invitations/" + g.henry.Invitation.String(),
		at + "/audit?limit=200", at + "/audit?q=canary", at + "/audit?actor=" + user, at + "/audit?target=" + user,
		"/v1/invitations/" + links{r.keys}.of(g.invitations[0]), "/v1/invitations/" + links{r.keys}.of(g.open[0]), "/v1/invitations/" + links{r.keys}.of(g.henry),
	} {
		code, body := s.ask(olga, http.MethodGet, path, nil)
		if low := strings.ToLower(body); code >= 500 || code == 401 || strings.Contains(low, canary) || strings.Contains(low, canaryIP) {
			t.Errorf("%s: %d %s", path, code, body)
		}
		all += fmt.Sprintf("\n%s %d %s", path, code, body)
	}
	if !strings.Contains(all, `"name":"erased"`) {
		t.Errorf("nothing reads erased:\n%s", all)
	}
	for _, c := range []struct {
		method, path string
		body         any
	}{
		{http.MethodPost, at + "/users/" + user + "/suspend", map[string]string{"reason": "gone"}},
		{http.MethodPost, at + "/users/" + user + "/reactivate", map[string]string{}},
		{http.MethodPost, at + "/users/" + user + "/revoke", map[string]string{"reason": "gone"}},
		{http.MethodPut, at + "/users/" + user + "/role", map[string]any{"roles": []string{"viewer"}}},
		{http.MethodPost, at + "/invitations/" + joined + "/resend", nil},
		{http.MethodPost, at + "/invitations/" + joined + "/revoke", nil},
		{http.MethodPost, at + "/invitations/" + g.henry.Invitation.String() + "/resend", nil},
		{http.MethodPost, "/v1/invitations/" + links{r.keys}.of(g.open[0]) + "/accept", map[string]string{"first_name": "A", "last_name": "B", "password": goodPassword}},
		{http.MethodPost, "/v1/invitations/" + links{r.keys}.of(g.open[0]) + "/decline", nil},
		{http.MethodPost, "/v1/invitations/" + links{r.keys}.of(g.henry) + "/accept", map[string]string{"first_name": "A", "last_name": "B", "password": goodPassword}},
	} {
		if code, body := s.ask(olga, c.method, c.path, c.body); code < 400 || code >= 500 || strings.Contains(strings.ToLower(body), canary) {
			t.Errorf("%s %s: %d %s", c.method, c.path, code, body)
		}
	}
	for pair, want := range map[[2]string]int{
		{"user", user}: 200, {"email", graceEmail}: 404, {"email", "nobody@guests.example"}: 404, {"user", newID[events.UserID]().String()}: 404,
	} {
		if code, body := s.ask(operator, http.MethodPost, "/v1/operator/erase", map[string]string{pair[0]: pair[1]}); code != want {
			t.Errorf("erase %s again: %d %s", pair, code, body)
		}
	}
	_, body := s.ask(olga, http.MethodPost, at+"/invitations", map[string]any{"emails": graceEmail, "roles": []string{"viewer"}})
	if !strings.Contains(body, `"invited"`) {
		t.Errorf("invited again: %s", body)
	}
}
