package web_test

import (
	"errors"
	"net/http"
	"net/url"
	"testing"

	virtual "github.com/descope/virtualwebauthn"

	"roster/domain"
	"roster/events"
	"roster/handlers"
	"roster/handlers/enroll"
	"roster/infra/oidc/oidctest"
	"roster/infra/passkey"
	"roster/infra/passkey/passkeytest"
)

// openAnother makes a second root account with an owner, who has a provider of their own at which anybody is whoever they
// say.
func (w *ssoWorld) openAnother(name, email, domainOf string) (events.AccountID, handlers.Call) {
	w.t.Helper()
	made := w.do(operator(), domain.OpenAccount{AccountName: name, Owner: w.addressee(email)})
	var invitation events.InvitationCreated
	var account events.AccountID
	for _, c := range made.Commits {
		for _, f := range c.Facts {
			if i, ok := f.(events.InvitationCreated); ok {
				invitation, account = i, events.AccountID(c.Boundary.ID)
			}
		}
	}
	r, err := w.enroll.Accept(w.t.Context(), handlers.Call{}, enroll.Link{Account: account, Invitation: invitation.Invitation, Generation: invitation.Generation},
		enroll.Newcomer{First: "Eve", Last: "Elsewhere", Password: goodPassword})
	if err != nil {
		w.t.Fatal(err)
	}
	owner := handlers.Call{Actor: events.Actor{Type: events.ByUser, ID: r.User.String()}}
	secret, err := w.access.KeepClientSecret(w.t.Context(), account, nil, oidctest.ClientSecret)
	if err != nil {
		w.t.Fatal(err)
	}
	w.do(owner, domain.ConnectSSO{Account: account, Issuer: w.idp.URL(), ClientID: "roster", Secret: secret, JoinRoles: []string{"viewer"}})
	w.do(operator(), domain.VerifyDomain{Account: account, Domain: domainOf})
	return account, owner
}

// in says who is signed in, in a browser: whose name the page shows.
func (w *ssoWorld) in(b *browser, a answer, name string) {
	w.t.Helper()
	if a.status != http.StatusSeeOther {
		w.t.Errorf("%d\n%s", a.status, a.body)
	}
	b.get("/").want(http.StatusOK, name)
}

// TestSSOTakeover: whoever rules a provider signs in as nobody who is not theirs (SPEC 7.4).
func TestSSOTakeover(t *testing.T) {
	w := newSSO(t)
	w.person("s-olga", "olga@acme.example")
	a, b := w.comes()
	w.in(b, a, "Olga Owner")

	// Another account's provider says that it is she: by her address, her subject, or both.
	evil, _ := w.openAnother("Evil", "eve@evil.example", "evil.example")
	for _, p := range [][2]string{{"s-olga", "olga@acme.example"}, {"s-eve", "olga@acme.example"}, {"s-olga", "olga@ACME.example."}, {"s-olga", "olga@evil.example@acme.example"}} {
		w.person(p[0], p[1])
		b := w.browser()
		before := w.last()
		if a := b.get(b.atProvider(evil)); a.status < 400 || w.signedIn(b) || w.last() != before {
			t.Errorf("SPEC 7.4: as %v: %d\n%s", p, a.status, a.body)
		}
	}
	// Her subject there is somebody of theirs.
	w.person("s-olga", "new@evil.example")
	b = w.browser()
	w.in(b, b.get(b.atProvider(evil)), "Pat Provided")
	// What was begun with theirs does not end with hers, whose provider this one pretends to be.
	b = w.browser()
	w.person("s-olga", "olga@acme.example")
	back := b.atProvider(evil)
	hers := w.browser()
	hers.atProvider(w.account)
	hers.get(back).want(http.StatusUnauthorized, "Code: sign_in_required")

	// Somebody who is linked and now has another's address there is still themselves, and the other is too.
	w.invite(w.owner, w.account, "ida@acme.example", "viewer")
	w.person("s-ida", "ida@acme.example")
	a, b = w.comes()
	w.in(b, a, "Pat Provided")
	w.person("s-ida", "olga@acme.example")
	a, b = w.comes()
	w.in(b, a, "Pat Provided")
	b.get("/").lacks("Olga Owner")
	w.person("s-olga", "ida@acme.example")
	a, b = w.comes()
	w.in(b, a, "Olga Owner")
}

// TestSSOCode: a code of another sign-in is worth nothing, whichever of the two checks the provider leaves out (RFC 7636,
// RFC 9700 4.5).
func TestSSOCode(t *testing.T) {
	for name, loose := range map[string]bool{"by the verifier": false, "by the nonce, at a provider that checks no verifier": true} {
		t.Run(name, func(t *testing.T) {
			w := newSSO(t)
			w.idp.Set(func() { w.idp.Loose = loose })
			w.person("s-olga", "olga@acme.example")
			stolen, err := url.Parse(w.browser().atProvider(w.account))
			if err != nil {
				t.Fatal(err)
			}
			b := w.browser()
			own, err := url.Parse(b.atProvider(w.account))
			if err != nil {
				t.Fatal(err)
			}
			q := own.Query()
			q.Set("code", stolen.Query().Get("code"))
			before := w.last()
			b.get(own.Path+"?"+q.Encode()).want(http.StatusUnauthorized, "prove who you are")
			if w.signedIn(b) || w.last() != before {
				t.Error("SPEC 7.4: signed in by a code of another sign-in")
			}
		})
	}
}

// TestSSOLocked: a locked user's address does not open a way around the lock (SPEC 4.10, 7.4).
func TestSSOLocked(t *testing.T) {
	w := newSSO(t)
	evil, eve := w.openAnother("Elsewhere", "eve@other.example", "other.example")
	u, _ := w.holder("eve@other.example")
	w.do(operator(), domain.LockUser{User: u.ID, Force: true})
	w.person("s-eve", "eve@other.example")
	b := w.browser()
	b.get(b.atProvider(evil)).want(http.StatusForbidden, "has been locked", "Code: not_permitted")
	if w.signedIn(b) {
		t.Error("SPEC 4.10: signed in")
	}
	w.do(operator(), domain.UnlockUser{User: u.ID})
	b = w.browser()
	w.in(b, b.get(b.atProvider(evil)), "Eve Elsewhere")

	// A closed account's provider, and that of one moved below another, speak for nobody: neither anew nor where it was
	// begun before.
	b = w.browser()
	back := b.atProvider(evil)
	w.do(operator(), domain.ChangeAccount{Account: evil, Parent: &w.account})
	b.get(back).want(http.StatusNotFound, "Code: not_available")
	w.browser().get("/sign-in/sso/"+evil.String()).want(http.StatusNotFound, "Code: not_available")
	w.browser().get("/sign-in/sso?email=eve@other.example").want(http.StatusNotFound, "no single sign-on")
	w.do(operator(), domain.ChangeAccount{Account: evil, Parent: new(events.AccountID)})
	b = w.browser()
	back = b.atProvider(evil)
	w.do(eve, domain.CloseAccount{Account: evil, Confirmed: true})
	b.get(back).want(http.StatusNotFound, "Code: not_available")
	w.browser().get("/sign-in/sso/"+evil.String()).want(http.StatusNotFound, "Code: not_available")
	if w.signedIn(b) {
		t.Error("SPEC 1.1: signed in")
	}
}

// TestSSOUnlinked: after a link has ended the provider's word is worth what it is worth the first time: it leads to
// whoever holds the address now, and to nobody else (SPEC 7.4).
func TestSSOUnlinked(t *testing.T) {
	w := newSSO(t)
	w.person("s-olga", "olga@acme.example")
	a, b := w.comes()
	w.in(b, a, "Olga Owner")
	olga, _ := w.holder("olga@acme.example")
	in, err := w.access.SignIn(t.Context(), handlers.Call{}, "olga@acme.example", goodPassword)
	if err != nil {
		t.Fatal(err)
	}
	call := handlers.Call{Actor: events.Actor{Type: events.ByUser, ID: olga.ID.String(), Session: in.Session}}
	mine := domain.UnlinkMyIdentity{User: olga.ID, Identity: olga.Identities()[0].ID}
	if _, err := w.access.UnlinkMyIdentity(t.Context(), call, mine, goodPassword); err != nil {
		t.Fatal(err)
	}
	b.get("/").lacks("Olga Owner") // the session that had begun by it is over
	w.person("s-olga", "olga.new@acme.example")
	a, b = w.comes()
	a.want(http.StatusForbidden, "Code: not_permitted")
	if w.signedIn(b) {
		t.Error("SPEC 7.4: signed in by a link that has ended")
	}
	w.person("s-olga", "olga@acme.example")
	a, b = w.comes()
	w.in(b, a, "Olga Owner")

	// Who came by the provider knows no password: that would be the end of all their sign-ins. An owner may.
	w.invite(w.owner, w.account, "ida@acme.example", "viewer")
	w.person("s-ida", "ida@acme.example")
	a, b = w.comes()
	w.in(b, a, "Pat Provided")
	ida, _ := w.holder("ida@acme.example")
	other := w.browser()
	w.person("s-recycled", "ida@acme.example")
	other.get(other.atProvider(w.account)).want(http.StatusForbidden, "Code: wrong_recipient", "ask an owner")
	w.do(w.owner, domain.UnlinkIdentity{Account: w.account, User: ida.ID})
	b.get("/").lacks("Pat Provided")
	a, b = w.comes()
	w.in(b, a, "Pat Provided")
	w.person("s-ida", "ida@acme.example")
	a, _ = w.comes()
	a.want(http.StatusForbidden, "Code: wrong_recipient")
}

// TestSSORequiredOfAPasskey: where an account has its people sign in at its provider, a passkey alone is no way round,
// also for somebody who has never come by the provider (SPEC 7.4).
func TestSSORequiredOfAPasskey(t *testing.T) {
	w := newSSO(t)
	verifier, err := passkey.New(publicURL, "Acme")
	if err != nil {
		t.Fatal(err)
	}
	w.access.UsePasskeys(verifier)
	ctx, rp := t.Context(), virtual.RelyingParty{ID: "localhost", Name: "Acme", Origin: publicURL}
	device, credential := virtual.NewAuthenticator(), passkeytest.NewCredential()

	in, err := w.access.SignIn(ctx, handlers.Call{}, "olga@acme.example", goodPassword)
	if err != nil {
		t.Fatal(err)
	}
	olga, _ := w.holder("olga@acme.example")
	call := handlers.Call{Actor: events.Actor{Type: events.ByUser, ID: olga.ID.String(), Session: in.Session}}
	begun, err := w.access.BeginPasskey(ctx, call, goodPassword, "key", "Olga", "Olga")
	if err != nil {
		t.Fatal(err)
	}
	asked, err := virtual.ParseAttestationOptions(string(begun.Options))
	if err != nil {
		t.Fatal(err)
	}
	device.Options.UserHandle = []byte(asked.UserID)
	device.AddCredential(credential)
	if _, _, err := w.access.AddPasskey(ctx, call, begun.State, []byte(virtual.CreateAttestationResponse(rp, device, credential, *asked))); err != nil {
		t.Fatal(err)
	}
	alone := func() error {
		asked, err := w.access.AskPasskey(ctx, "")
		if err != nil {
			t.Fatal(err)
		}
		options, err := virtual.ParseAssertionOptions(string(asked.Options))
		if err != nil {
			t.Fatal(err)
		}
		_, err = w.access.ShowPasskey(ctx, handlers.Call{}, asked.State, []byte(virtual.CreateAssertionResponse(rp, device, credential, *options)))
		return err
	}
	if err := alone(); err != nil {
		t.Fatal(err)
	}
	w.connect(domain.ConnectSSO{Required: true})
	var refused *domain.Error
	if err := alone(); !errors.As(err, &refused) || refused.Code != domain.NotAvailable {
		t.Errorf("SPEC 7.4: %v", err)
	}
}
