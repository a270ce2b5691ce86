package web_test

import (
	"errors"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"roster/domain"
	"roster/events"
	"roster/handlers"
	"roster/handlers/access"
	"roster/infra/oidc"
	"roster/infra/oidc/oidctest"
)

// ssoWorld is a portal whose first account has connected a provider that speaks for acme.example.
type ssoWorld struct {
	*world
	account events.AccountID
	owner   handlers.Call
	idp     *oidctest.Provider
}

const publicURL = "http://localhost:8080"

func newSSO(t *testing.T) *ssoWorld {
	t.Helper()
	w := &ssoWorld{world: newWorld(t)}
	w.idp = oidctest.New(t, w.clock.now)
	w.access.UseProviders(oidc.New(oidc.Options{AllowPrivate: true, Now: w.clock.now}), publicURL+"/sign-in/sso/callback")
	w.account, w.owner = w.open()
	w.connect(domain.ConnectSSO{})
	w.do(operator(), domain.VerifyDomain{Account: w.account, Domain: "acme.example"})
	return w
}

func (w *ssoWorld) connect(c domain.ConnectSSO) {
	w.t.Helper()
	secret, err := w.access.KeepClientSecret(w.t.Context(), w.account, nil, oidctest.ClientSecret)
	if err != nil {
		w.t.Fatal(err)
	}
	c.Account, c.Issuer, c.ClientID, c.Secret = w.account, w.idp.URL(), "roster", secret
	w.do(w.owner, c)
}

// person is who comes to the provider from now on.
func (w *ssoWorld) person(sub, email string) {
	w.idp.Set(func() {
		w.idp.Claims = map[string]any{"sub": sub, "email": email, "email_verified": true, "given_name": "Pat", "family_name": "Provided"}
	})
}

// atProvider goes to the provider, and answers the way back without going it.
func (b *browser) atProvider(account events.AccountID) string {
	b.w.t.Helper()
	a := b.get("/sign-in/sso/" + account.String() + "?next=/me").want(http.StatusSeeOther)
	return b.follow(a.header.Get("Location"))
}

func (b *browser) follow(to string) string {
	b.w.t.Helper()
	r, err := http.NewRequestWithContext(b.w.t.Context(), http.MethodGet, to, nil)
	if err != nil {
		b.w.t.Fatal(err)
	}
	resp, err := b.client.Do(r)
	if err != nil {
		b.w.t.Fatal(err)
	}
	_, err = io.Copy(io.Discard, resp.Body)
	if closed := resp.Body.Close(); err != nil || closed != nil {
		b.w.t.Fatal(err, closed)
	}
	back, ok := strings.CutPrefix(resp.Header.Get("Location"), publicURL)
	if !ok || resp.StatusCode != http.StatusFound {
		b.w.t.Fatalf("the provider: %d, to %q", resp.StatusCode, resp.Header.Get("Location"))
	}
	return back
}

// comes signs somebody in by the provider, in a browser of their own.
func (w *ssoWorld) comes() (answer, *browser) {
	w.t.Helper()
	b := w.browser()
	return b.get(b.atProvider(w.account)), b
}

func (w *ssoWorld) holder(email string) (domain.User, bool) {
	w.t.Helper()
	u, ok, err := w.access.Holder(w.t.Context(), email)
	if err != nil {
		w.t.Fatal(err)
	}
	return u, ok
}

func (w *ssoWorld) member(email string) domain.Member {
	w.t.Helper()
	a, _, err := w.app.Account(w.t.Context(), w.account)
	if err != nil {
		w.t.Fatal(err)
	}
	u, _ := w.holder(email)
	m, _ := a.Member(u.ID)
	return m
}

// TestSSO walks the way of somebody whose organisation has a provider (SPEC 7.4).
func TestSSO(t *testing.T) {
	w := newSSO(t)

	// The address's domain leads to the provider, whether or not anybody has the address.
	b := w.browser()
	for _, email := range []string{"olga@acme.example", "Nobody@ACME.example"} {
		a := b.get("/sign-in/sso?next=/me&email="+url.QueryEscape(email)).want(http.StatusOK, "/sign-in/sso/"+w.account.String())
		if !strings.HasPrefix(a.header.Get("Refresh"), "0; url=/sign-in/sso/"+w.account.String()) {
			t.Errorf("it leads nowhere: %v", a.header)
		}
	}
	b.get("/sign-in/sso?email=olga@other.example").want(http.StatusNotFound, "no single sign-on")

	// The owner has a user: linked by the verified address, once.
	w.person("s-olga", "Olga@Acme.example")
	back := b.atProvider(w.account)
	a := b.get(back).want(http.StatusSeeOther)
	if to := a.header.Get("Location"); to != "/me" {
		t.Errorf("then to %q", to)
	}
	b.get("/").want(http.StatusOK, "Olga Owner")
	u, _ := w.holder("olga@acme.example")

	// From then on the subject decides: another address at the provider moves nothing.
	w.person("s-olga", "olga.new@acme.example")
	if a, b := w.comes(); a.status != http.StatusSeeOther {
		t.Errorf("by the subject: %d\n%s", a.status, a.body)
	} else {
		b.get("/").want(http.StatusOK, "Olga Owner")
	}
	if _, ok := w.holder("olga.new@acme.example"); ok {
		t.Error("a changed address made a user")
	}
	if now, ok := w.holder("olga@acme.example"); !ok || now.ID != u.ID {
		t.Error("the address moved")
	}

	// Whoever is invited comes in as a new user, by the invitation.
	invitation, _ := w.invite(w.owner, w.account, "ida@acme.example", "viewer")
	w.person("s-ida", "ida@acme.example")
	if a, b := w.comes(); a.status != http.StatusSeeOther {
		t.Fatalf("invited: %d\n%s", a.status, a.body)
	} else {
		b.get("/").want(http.StatusOK, "Pat Provided", "Acme GmbH")
	}
	account, _, err := w.app.Account(t.Context(), w.account)
	if err != nil {
		t.Fatal(err)
	}
	if i, _ := account.Invitation(invitation); i.Status != domain.Accepted {
		t.Errorf("the invitation is %s", i.Status)
	}

	// Uninvited, once the account lets them: with the roles it gives.
	w.connect(domain.ConnectSSO{JoinRoles: []string{"manager"}})
	w.person("s-jim", "jim@acme.example")
	if a, _ := w.comes(); a.status != http.StatusSeeOther {
		t.Fatalf("uninvited: %d\n%s", a.status, a.body)
	}
	if m := w.member("jim@acme.example"); m.Status != domain.Active || m.Grants[0].Roles[0] != "manager" || m.By.Type != events.ByIDP {
		t.Errorf("uninvited: %+v", m)
	}
	// Whose membership has ended is not let in again by the provider.
	jim, _ := w.holder("jim@acme.example")
	w.do(w.owner, domain.Revoke{Account: w.account, User: jim.ID})
	a, _ = w.comes()
	a.want(http.StatusForbidden, "Code: not_permitted", "has invited this address")

	// The keys of a provider turn over.
	w.person("s-olga", "olga@acme.example")
	w.idp.Set(func() { w.idp.KeyID, w.idp.Alg = "two", "ES256" })
	if a, _ := w.comes(); a.status != http.StatusSeeOther {
		t.Errorf("with another key: %d\n%s", a.status, a.body)
	}
	if w.idp.KeysAsked != 2 {
		t.Errorf("the keys were asked for %d times", w.idp.KeysAsked)
	}
}

// TestSSOFlaws breaks one thing after another: nobody is signed in, and it is said why.
func TestSSOFlaws(t *testing.T) {
	w := newSSO(t)
	good := func() { w.person("s-olga", "olga@acme.example") }
	good()
	if a, _ := w.comes(); a.status != http.StatusSeeOther {
		t.Fatalf("the good way: %d\n%s", a.status, a.body)
	}
	claim := func(name string, value any) func() { return func() { w.idp.Claims[name] = value } }
	answer := func(name string, values ...string) func() {
		return func() { w.idp.Callback = url.Values{name: values} }
	}
	wrong := "prove who you are"
	for name, c := range map[string]struct {
		breaks func()
		status int
		shown  string
	}{
		"another issuer's token":           {claim("iss", "https://evil.example"), 401, wrong},
		"made for another client":          {claim("aud", "other"), 401, wrong},
		"for several, none authorized":     {claim("aud", []string{"roster", "other"}), 401, wrong},
		"authorized for another party":     {claim("azp", "other"), 401, wrong},
		"no audience":                      {claim("aud", nil), 401, wrong},
		"another nonce":                    {claim("nonce", "x"), 401, wrong},
		"no nonce":                         {claim("nonce", nil), 401, wrong},
		"expired":                          {claim("exp", w.clock.now().Add(-time.Second).Unix()), 401, wrong},
		"no expiry":                        {claim("exp", nil), 401, wrong},
		"not yet":                          {claim("nbf", w.clock.now().Add(time.Hour).Unix()), 401, wrong},
		"no subject":                       {claim("sub", nil), 401, wrong},
		"an empty subject":                 {claim("sub", ""), 401, wrong},
		"alg none":                         {func() { w.idp.Alg = "none" }, 401, wrong},
		"alg HS256 by the client's secret": {func() { w.idp.Alg = "HS256" }, 401, wrong},
		"signed by another key":            {func() { w.idp.Alg = "forged" }, 401, wrong}, // as CVE-2026-1529: claims without a signature
		"an address that is not verified":  {claim("email_verified", false), 403, "has not verified"},
		"verified as text":                 {claim("email_verified", "true"), 403, "has not verified"},
		"verified left out":                {claim("email_verified", nil), 403, "has not verified"},
		"no address":                       {claim("email", nil), 401, wrong},
		"two addresses":                    {claim("email", "a@acme.example, olga@acme.example"), 401, wrong},
		"an address elsewhere":             {claim("email", "olga@other.example"), 422, "Code: domain_not_allowed"},
		"an address below the domain":      {claim("email", "olga@sub.acme.example"), 422, "Code: domain_not_allowed"},
		"nobody we know":                   {func() { w.idp.Claims["sub"], w.idp.Claims["email"] = "s-x", "x@acme.example" }, 403, "has invited this address"},
		"the address of another subject":   {claim("sub", "s-other"), 403, "Code: wrong_recipient"}, // CVE-2026-55670: recycled
		"the provider says no":             {answer("error", "access_denied"), 403, "has not signed you in"},
		"another provider answers":         {answer("iss", "https://evil.example"), 401, wrong}, // RFC 9207
		"another state":                    {answer("state", "x"), 401, "Code: sign_in_required"},
		"no state":                         {answer("state"), 401, "Code: sign_in_required"},
		"no code":                          {answer("code"), 401, wrong},
		"another code":                     {answer("code", "x"), 401, wrong},
		"a parameter twice":                {answer("code", "x", "y"), 401, wrong},
		"no token": {func() {
			w.idp.Token = func(hw http.ResponseWriter) bool { _, _ = io.WriteString(hw, "{}"); return true }
		}, 0, ""},
		"the token endpoint fails": {func() { w.idp.Token = func(hw http.ResponseWriter) bool { hw.WriteHeader(500); return true } }, 503, "Code: unavailable"},
		"the token endpoint leads away": {func() {
			w.idp.Token = func(hw http.ResponseWriter) bool {
				hw.Header().Set("Location", "http://127.0.0.1:1/")
				hw.WriteHeader(307)
				return true
			}
		}, 503, "Code: unavailable"},
		"an endless answer": {func() {
			w.idp.Token = func(hw http.ResponseWriter) bool {
				hw.Header().Set("Content-Type", "application/json")
				_, _ = io.WriteString(hw, `{"access_token":"`+strings.Repeat("x", 2<<20)+`","token_type":"Bearer"}`)
				return true
			}
		}, 503, "Code: unavailable"},
	} {
		t.Run(name, func(t *testing.T) {
			good()
			w.idp.Set(func() {
				w.idp.Alg, w.idp.Callback, w.idp.Token = "RS256", nil, nil
				c.breaks()
			})
			before := w.last()
			a, b := w.comes()
			if c.status != 0 && (a.status != c.status || !strings.Contains(a.body, c.shown)) || a.status < 400 {
				t.Errorf("%d, want %d %q\n%s", a.status, c.status, c.shown, a.body)
			}
			if b.get("/").want(http.StatusOK); w.signedIn(b) {
				t.Error("somebody is signed in")
			}
			// Nothing was written but, where it is known whose it is, the attempt.
			if most := before + 1; w.last() > most {
				t.Errorf("%d commits", w.last()-before)
			}
		})
	}
}

// signedIn says that a browser holds a session.
func (w *ssoWorld) signedIn(b *browser) bool {
	w.t.Helper()
	at, err := url.Parse(w.server.URL)
	if err != nil {
		w.t.Fatal(err)
	}
	for _, c := range b.client.Jar.Cookies(at) {
		if c.Name == "roster_session" {
			return true
		}
	}
	return false
}

// TestSSOOnce: what was begun with a provider leads to one session, in the browser that began it, within ten minutes,
// even where the provider lets its codes be used again (CVE-2025-46815).
func TestSSOOnce(t *testing.T) {
	w := newSSO(t)
	w.person("s-olga", "olga@acme.example")
	w.idp.Set(func() { w.idp.Reusable = true })
	at, err := url.Parse(w.server.URL)
	if err != nil {
		t.Fatal(err)
	}

	b := w.browser()
	back := b.atProvider(w.account)
	kept := b.client.Jar.Cookies(at)
	w.browser().get(back).want(http.StatusUnauthorized, "Code: sign_in_required") // another's browser: login CSRF
	other := w.browser()
	other.atProvider(w.account)
	other.get(back).want(http.StatusUnauthorized, "Code: sign_in_required") // one that has begun its own

	const tries = 8
	var wait sync.WaitGroup
	status := make([]int, tries)
	for i := range tries {
		one := w.browser()
		one.client.Jar.SetCookies(at, kept)
		wait.Go(func() { status[i] = one.get(back).status })
	}
	wait.Wait()
	good := 0
	for _, s := range status {
		if s == http.StatusSeeOther {
			good++
		}
	}
	if good != 1 {
		t.Errorf("%d sessions of one sign-in: %v", good, status)
	}
	b.get(back).want(http.StatusUnauthorized, "Code: bad_credentials")

	b = w.browser()
	back = b.atProvider(w.account)
	w.clock.pass(access.SSOWithin)
	b.get(back).want(http.StatusUnauthorized, "Code: sign_in_required")

	// The connection has been changed meanwhile: to another issuer.
	b = w.browser()
	back = b.atProvider(w.account)
	w.do(w.owner, domain.DisconnectSSO{Account: w.account})
	b.get(back).want(http.StatusNotFound, "Code: not_available")
	w.connect(domain.ConnectSSO{})
	b = w.browser()
	b.atProvider(w.account)
	b.get(back).want(http.StatusUnauthorized, "Code: sign_in_required")
}

// TestSSOFactor: the provider stands for the password only. Whoever has a second factor shows it after that, once, and what
// the provider says of factors is not believed (SPEC 4.5).
func TestSSOFactor(t *testing.T) {
	w := newSSO(t)
	w.person("s-olga", "olga@acme.example")
	a, _ := w.comes()
	a.want(http.StatusSeeOther)
	olga, _ := w.holder("olga@acme.example")
	codes := w.totp(olga)

	w.idp.Set(func() { w.idp.Claims["amr"], w.idp.Claims["acr"] = []string{"mfa", "otp"}, "aal3" })
	b := w.browser()
	back := b.atProvider(w.account)
	at, err := url.Parse(w.server.URL)
	if err != nil {
		t.Fatal(err)
	}
	kept := b.client.Jar.Cookies(at)
	a = b.get(back).want(http.StatusOK, "Second step")
	if w.signedIn(b) {
		t.Fatal("signed in without the second factor")
	}
	_, challenge, _ := strings.Cut(a.body, `name="challenge" value="`)
	challenge, _, _ = strings.Cut(challenge, `"`)
	_, token, _ := strings.Cut(a.body, `name="csrf" value="`)
	token, _, _ = strings.Cut(token, `"`)
	values := url.Values{"challenge": {challenge}, "csrf": {token}, "next": {"/me"}, "code": {"000000"}}
	b.send(b.form("/sign-in/factor", values)).want(http.StatusUnauthorized)
	values.Set("code", codes())
	b.send(b.form("/sign-in/factor", values)).want(http.StatusSeeOther)
	if !w.signedIn(b) {
		t.Error("not signed in with the second factor")
	}
	// Neither the challenge nor what was begun serves again.
	var refusal *domain.Error
	if _, err := w.access.SecondFactor(t.Context(), handlers.Call{}, challenge, events.FactorID{}, codes()); !errors.As(err, &refusal) || refusal.Code != domain.BadCredentials {
		t.Errorf("the challenge once more: %v", err)
	}
	again := w.browser()
	again.client.Jar.SetCookies(at, kept)
	w.idp.Set(func() { w.idp.Reusable = true })
	if a := again.get(back); a.status < 400 || w.signedIn(again) {
		t.Errorf("used again: %d", a.status)
	}
}

// TestSSOLost: who has no access has none by the provider either, and it is in the trail of attempts.
func TestSSOLost(t *testing.T) {
	w := newSSO(t)
	w.invite(w.owner, w.account, "ida@acme.example", "viewer")
	w.person("s-ida", "ida@acme.example")
	if a, _ := w.comes(); a.status != http.StatusSeeOther {
		t.Fatalf("%d\n%s", a.status, a.body)
	}
	ida, _ := w.holder("ida@acme.example")
	w.do(w.owner, domain.Suspend{Account: w.account, User: ida.ID})
	before := w.last()
	a, _ := w.comes()
	a.want(http.StatusForbidden, "is suspended", "Code: not_permitted")
	if w.last() != before+1 {
		t.Errorf("%d commits of a failed sign-in", w.last()-before)
	}
	w.do(w.owner, domain.Reactivate{Account: w.account, User: ida.ID})
	w.do(operator(), domain.LockUser{User: ida.ID})
	a, _ = w.comes()
	a.want(http.StatusForbidden, "has been locked", "Code: not_permitted")
	w.do(operator(), domain.UnlockUser{User: ida.ID})
	if a, _ := w.comes(); a.status != http.StatusSeeOther {
		t.Errorf("%d\n%s", a.status, a.body)
	}
	// A domain that is the account's no longer.
	w.do(w.owner, domain.ReleaseDomain{Account: w.account, Domain: "acme.example"})
	a, _ = w.comes()
	a.want(http.StatusUnprocessableEntity, "Code: domain_not_allowed")
}

// TestSSORequired: a password is refused by the domain alone, before anything is looked at.
func TestSSORequired(t *testing.T) {
	w := newSSO(t)
	w.connect(domain.ConnectSSO{Required: true})
	before := w.last()
	for _, email := range []string{"olga@acme.example", "nobody@acme.example", " Olga@ACME.example "} {
		a := w.browser().submit("/sign-in", "/sign-in", "email", email, "password", goodPassword)
		if a.want(http.StatusSeeOther); !strings.HasPrefix(a.header.Get("Location"), "/sign-in/sso?email=") {
			t.Errorf("%q: to %q", email, a.header.Get("Location"))
		}
	}
	if w.last() != before {
		t.Error("something was written")
	}
	w.person("s-olga", "olga@acme.example")
	if a, _ := w.comes(); a.status != http.StatusSeeOther {
		t.Errorf("%d\n%s", a.status, a.body)
	}
	// Elsewhere a password does.
	w.invite(w.owner, w.account, "eve@other.example", "viewer")
	w.browser().submit("/sign-in", "/sign-in", "email", "eve@other.example", "password", goodPassword).want(http.StatusUnauthorized)
	// Where the provider fails, the operator ends it (SPEC 4.10 of a user, here of a connection).
	w.do(operator(), domain.DisconnectSSO{Account: w.account})
	w.browser().signIn("olga@acme.example")
}

// totp gives somebody an authenticator app, and answers its codes, each from the next half minute.
func (w *ssoWorld) totp(u domain.User) func() string {
	w.t.Helper()
	in, err := w.access.SignIn(w.t.Context(), handlers.Call{}, "olga@acme.example", goodPassword)
	if err != nil {
		w.t.Fatal(err)
	}
	call := handlers.Call{Actor: events.Actor{Type: events.ByUser, ID: u.ID.String(), Session: in.Session}}
	made, err := w.access.EnrollTOTP(w.t.Context(), call, goodPassword, "phone", "Acme", "olga")
	if err != nil {
		w.t.Fatal(err)
	}
	codes := func() string {
		w.clock.pass(30 * time.Second)
		return code(w.t, made.Secret, w.clock.now())
	}
	if _, err := w.access.VerifyFactor(w.t.Context(), call, made.Factor.ID, codes()); err != nil {
		w.t.Fatal(err)
	}
	return codes
}
