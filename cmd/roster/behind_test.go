package main_test

import (
	"context"
	"html"
	"io"
	"net"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// visitor is somebody's browser: it keeps cookies and follows where it is sent.
type visitor struct {
	t      *testing.T
	client *http.Client
}

func newVisitor(t *testing.T) *visitor {
	t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	v := &visitor{t: t}
	v.client = &http.Client{Jar: jar, CheckRedirect: func(r *http.Request, via []*http.Request) error {
		if strings.Contains(r.URL.RawQuery, "code=") && r.Response.Header.Get("Referrer-Policy") != "no-referrer" {
			t.Errorf("SPEC 7.6: %s would tell where it was asked from", via[len(via)-1].URL.Path)
		}
		return nil
	}}
	return v
}

func (v *visitor) send(r *http.Request) (at *url.URL, page string) {
	v.t.Helper()
	resp, err := v.client.Do(r)
	if err != nil {
		v.t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		v.t.Fatal(err)
	}
	return resp.Request.URL, string(text)
}

func (v *visitor) open(address string) (at *url.URL, page string) {
	v.t.Helper()
	r, err := http.NewRequestWithContext(v.t.Context(), http.MethodGet, address, nil)
	if err != nil {
		v.t.Fatal(err)
	}
	return v.send(r)
}

// submit sends the form of a page that goes to action.
func (v *visitor) submit(at *url.URL, page, action string, typed url.Values) (*url.URL, string) {
	v.t.Helper()
	_, form, found := strings.Cut(page, `action="`+action+`"`)
	if !found {
		v.t.Fatalf("no form for %s on %s: %s", action, at, page)
	}
	form, _, _ = strings.Cut(form, "</form>")
	for _, m := range regexp.MustCompile(`<input type="hidden" name="([^"]+)" value="([^"]*)"`).FindAllStringSubmatch(form, -1) {
		typed.Set(m[1], html.UnescapeString(m[2]))
	}
	r, err := http.NewRequestWithContext(v.t.Context(), http.MethodPost, at.Scheme+"://"+at.Host+action, strings.NewReader(typed.Encode()))
	if err != nil {
		v.t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set("Sec-Fetch-Site", "same-origin")
	return v.send(r)
}

// examplePortal starts the example beside a Roster, once that is there.
func examplePortal(t *testing.T, origin, endpoint, key string) *lines {
	t.Helper()
	path := filepath.Join(t.TempDir(), "portal")
	if out, err := exec.Command("go", "build", "-o", path, "../dev/example-portal").CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	ctx, stop := context.WithCancel(context.Background())
	said := newLines()
	cmd := exec.CommandContext(ctx, path)
	cmd.Stderr = said
	cmd.Env = append(os.Environ(), "ROSTER_ENDPOINT="+endpoint, "ROSTER_KEY="+key, "PORTAL_ORIGIN="+origin)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { stop(); _ = cmd.Wait() })
	return said
}

// TestPortalBehind walks through the example portal as a browser does: signed in on Roster's page, greeted by the portal,
// signed out by it, and shut out the moment the operator says so (SPEC 7.6).
func TestPortalBehind(t *testing.T) {
	t.Parallel()
	free, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	origin := "http://" + free.Addr().String()
	if err := free.Close(); err != nil {
		t.Fatal(err)
	}
	r := serve(t, dataDir(t), "--portal-origin", origin)
	_, owner := r.setUp()
	ann := owner.get("/v1/me").Want(200).JSON()["id"].(string)
	key := r.operatorKey()
	said := examplePortal(t, origin, r.URL, key)
	r.until("the portal answers", func() bool {
		conn, err := net.Dial("tcp", strings.TrimPrefix(origin, "http://"))
		return err == nil && conn.Close() == nil
	})

	signIn := func(v *visitor) string {
		at, page := v.open(origin + "/")
		if !strings.HasPrefix(at.String(), r.URL+"/sign-in?") {
			t.Fatalf("SPEC 7.6: whoever is not signed in comes to %s", at)
		}
		at, page = v.submit(at, page, "/sign-in", url.Values{"email": {"ann@northwind.example"}, "password": {password}})
		if at.String() != origin+"/" {
			t.Fatalf("SPEC 7.6: after signing in one stands at %s: %s", at, page)
		}
		return page
	}
	v := newVisitor(t)
	if page := signIn(v); !strings.Contains(page, "Hello Ann, your roles in Northwind: owner. May invite: true") {
		t.Errorf("SPEC 7.6: %s", page)
	}
	var portals int
	for _, one := range owner.get("/v1/me/sessions").Want(200).JSON()["items"].([]any) {
		if one.(m)["portal"] == origin {
			portals++
		}
	}
	if portals != 1 {
		t.Errorf("SPEC 4.6: %d sessions are the portal's", portals)
	}

	at, page := v.open(origin + "/")
	if at, page = v.submit(at, page, "/sign-out", url.Values{}); at.Path != "/sign-in" {
		t.Errorf("SPEC 4.6: %s: %s", at, page)
	}
	if at, _ := v.open(origin + "/"); at.Path != "/sign-in" {
		t.Errorf("SPEC 4.6: signed out of the portal, and in again at once: %s", at)
	}

	signIn(v)
	r.as(key).post("/v1/operator/users/"+ann+"/end-sessions", m{}).Want(200)
	if at, _ := v.open(origin + "/"); at.Path != "/sign-in" {
		t.Errorf("SPEC 3.9: still at %s", at)
	}

	// A code of somebody else's sign-in, given to another browser, signs nobody in (login CSRF), nor does one made up.
	signIn(v)
	theirs, err := http.NewRequestWithContext(t.Context(), http.MethodGet, r.URL+"/sign-in?return_to="+url.QueryEscape(origin+"/callback"), nil)
	if err != nil {
		t.Fatal(err)
	}
	direct := *v.client
	direct.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	resp, err := direct.Do(theirs)
	if err != nil {
		t.Fatal(err)
	}
	_ = resp.Body.Close()
	code := resp.Header.Get("Location")
	if !strings.HasPrefix(code, origin+"/callback?code=rh_") {
		t.Fatalf("SPEC 7.6: sent to %q", code)
	}
	for _, address := range []string{code, origin + "/callback?code=x", origin + "/callback"} {
		fresh := newVisitor(t)
		fresh.open(origin + "/") // it has a verifier of its own
		if _, page := fresh.open(address); !strings.Contains(page, "You are not signed in") {
			t.Errorf("SPEC 7.6: %s", page)
		}
	}
	for _, log := range []*lines{r.stderr, said} {
		if strings.Contains(log.String(), "rh_") || strings.Contains(log.String(), "rs_") {
			t.Errorf("SPEC 6.4: a code or a token was logged: %s", log)
		}
	}
	r.as(key).post("/v1/operator/users/"+ann+"/lock", m{"force": true}).Want(200)
	if at, _ := v.open(origin + "/"); at.Path != "/sign-in" {
		t.Errorf("SPEC 4.10: still at %s", at)
	}
}
