package main_test

import (
	"context"
	"testing"

	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/webauthn"
	"github.com/chromedp/chromedp"
)

// TestPasskeyPages makes a passkey on the page and signs in with it, by a real browser with an authenticator of its own
// (SPEC 4.5, 7.2); and chooses how pages look, which is kept over a sign-in.
func TestPasskeyPages(t *testing.T) {
	t.Parallel()
	r := serve(t, dataDir(t))
	account, _ := r.setUp()
	b := r.browse("en")
	b.do(webauthn.Enable(), chromedp.ActionFunc(func(ctx context.Context) error {
		_, err := webauthn.AddVirtualAuthenticator(&webauthn.VirtualAuthenticatorOptions{Protocol: webauthn.AuthenticatorProtocolCtap2, Transport: webauthn.AuthenticatorTransportInternal,
			HasResidentKey: true, HasUserVerification: true, IsUserVerified: true, AutomaticPresenceSimulation: true}).Do(ctx)
		return err
	}))
	b.signsIn("ann@northwind.example")
	b.sees("Everybody who can act in Northwind")
	b.open("/me/security")
	b.click("Add a passkey")
	b.fill("passkey-label", "Laptop <b>")
	b.fill("passkey-password", "wrong")
	b.do(chromedp.Submit("#passkey-password", chromedp.ByQuery))
	b.sees("The password is wrong.")
	b.click("Add a passkey")
	b.fill("passkey-label", "Laptop <b>")
	b.fill("passkey-password", password)
	b.do(chromedp.Submit("#passkey-password", chromedp.ByQuery))
	b.sees("The passkey is set up")
	b.sees("Laptop <b>")

	// By the passkey alone, to where one was headed for: a list with what it was asked.
	list := "/accounts/" + account + "/users?q=ann&status=active"
	b.do(network.ClearBrowserCookies())
	b.open(list)
	b.click("Sign in with a passkey")
	b.until(`location.pathname + location.search === ` + quoted("/accounts/"+account+"/users?q=ann&status=active"))
	b.sees("Ann Lee")

	// After the password, as the second step.
	b.do(network.ClearBrowserCookies())
	b.signsIn("ann@northwind.example")
	b.sees("Second step")
	b.click("Sign in with a passkey")
	b.sees("Everybody who can act in Northwind")

	// Another authenticator knows nothing of it: the page says so, and the password still is there.
	b.do(webauthn.Disable(), webauthn.Enable(), network.ClearBrowserCookies(), chromedp.ActionFunc(func(ctx context.Context) error {
		_, err := webauthn.AddVirtualAuthenticator(&webauthn.VirtualAuthenticatorOptions{Protocol: webauthn.AuthenticatorProtocolCtap2, Transport: webauthn.AuthenticatorTransportInternal,
			HasResidentKey: true, HasUserVerification: true, IsUserVerified: true, AutomaticPresenceSimulation: true}).Do(ctx)
		return err
	}))
	b.open("/sign-in")
	b.click("Sign in with a passkey")
	b.sees("Nothing was done")
	b.axe("a passkey that there is not")
	for _, width := range []int64{1600, 360} {
		for _, theme := range []string{"light", "dark"} {
			b.looks("/sign-in", width, theme)
		}
	}
}
