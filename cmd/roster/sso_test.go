package main_test

import (
	"net/http"
	"net/http/cookiejar"
	"strings"
	"testing"
	"time"

	"roster/infra/oidc/oidctest"
)

// SPEC 7.4: somebody signs in by their account's provider, the whole way; the operator ends that from the command line,
// which signs them out and tells them, and leaves their password.
func TestUnlinkedFromTheCommandLine(t *testing.T) {
	r := serve(t, dataDir(t), "--sso-allow-private")
	account, owner := r.setUp()
	const email = "bob@northwind.example"
	bob, _ := r.join(owner, account, email, "viewer")
	idp := oidctest.New(t, time.Now)
	idp.Set(func() { idp.Claims = m{"sub": "b-1", "email": email, "email_verified": true} })
	at := "/v1/accounts/" + account + "/sso"
	owner.put(at, m{"issuer": idp.URL(), "client_id": "roster", "client_secret": oidctest.ClientSecret}).Want(200)
	r.as(r.operatorKey()).post(at+"/domains/northwind.example/verify", nil).Want(200)

	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	browser := &http.Client{Jar: jar}
	visit := func(path string) (at string) {
		t.Helper()
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, r.URL+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		res, err := browser.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		if err := res.Body.Close(); err != nil || res.StatusCode != http.StatusOK {
			t.Fatal(res.StatusCode, res.Request.URL, err)
		}
		return res.Request.URL.Path
	}
	if at := visit("/sign-in/sso/" + account + "?next=/me"); at != "/me" {
		t.Fatalf("SPEC 7.4: the provider leads to %s", at)
	}

	s := r.shell()
	s.run("user", "unlink", account, email, "--dry-run").ends(0, "identity.unlinked", "session.ended", "mail: identity_unlinked", "nothing has been done")
	if at := visit("/me"); at != "/me" {
		t.Fatalf("SPEC 3.11: a dry run leads from /me to %s", at)
	}
	s.run("user", "unlink", account, email).ends(0, "unlinked  "+bob, "command ")
	s.run("user", "unlink", account, email).ends(1, "not_found")
	if at := visit("/me"); !strings.HasPrefix(at, "/sign-in") {
		t.Errorf("SPEC 7.4: who is unlinked comes to %s", at)
	}
	r.until("the mail about it", func() bool {
		for _, one := range r.mails(email) {
			if strings.HasPrefix(one.Subject, "You no longer sign in by the provider") {
				return true
			}
		}
		return false
	})
	r.signIn(email)
	if at := visit("/sign-in/sso/" + account + "?next=/me"); at != "/me" { // the verified address leads there again
		t.Errorf("SPEC 7.4: linked again, the provider leads to %s", at)
	}
}
