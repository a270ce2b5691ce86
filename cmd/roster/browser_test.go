package main_test

import (
	"context"
	_ "embed"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	cdplog "github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	cdpruntime "github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
)

// Where screenshots go; they are made anew by hand: go test ./cmd/roster -run TestPages -screenshots ../../.readme
var screenshots = flag.String("screenshots", "", "a folder for screenshots of the pages") //nolint:gochecknoglobals // a flag of the test

// axeScript finds what keeps people from using a page (axe-core 4.14.1, MPL-2.0).
//
//go:embed testdata/axe.min.js
var axeScript string

// tab is a page of a real browser.
type tab struct {
	t   testing.TB
	r   *running
	ctx context.Context

	mu   sync.Mutex
	said []string // what the browser complained of
}

// chromium is the browser of this machine; the test command fetches it. The one without windows draws the same pages with
// half the work; Debian puts a script before it that would be ended in its place.
func chromium(t testing.TB) string {
	t.Helper()
	for _, name := range []string{"/usr/lib/chromium/chromium-headless-shell", "chromium-headless-shell", "chromium", "chromium-browser", "google-chrome", "chrome"} {
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
	}
	t.Fatal("there is no Chromium: go run ./cmd/dev test fetches it")
	return ""
}

// browse opens a tab in a browser of its own; flags are further ones of the browser's.
func (r *running) browse(language string, flags ...chromedp.ExecAllocatorOption) *tab {
	r.t.Helper()
	return r.browseFor(language, 4*time.Minute, flags...)
}

// browseFor is browse for what takes longer.
func (r *running) browseFor(language string, limit time.Duration, flags ...chromedp.ExecAllocatorOption) *tab {
	r.t.Helper()
	options := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.ExecPath(chromium(r.t)), chromedp.NoSandbox, chromedp.DisableGPU,
		chromedp.Flag("lang", language), chromedp.Flag("accept-lang", language))
	options = append(options, flags...)
	ctx, stop := chromedp.NewExecAllocator(context.WithoutCancel(r.t.Context()), options...)
	r.t.Cleanup(stop)
	ctx, end := chromedp.NewContext(ctx)
	r.t.Cleanup(end)
	ctx, late := context.WithTimeout(ctx, limit)
	r.t.Cleanup(late)
	return r.attach(ctx)
}

// attach is a tab, or a frame in one, as a test sees it.
func (r *running) attach(ctx context.Context) *tab {
	r.t.Helper()
	b := &tab{t: r.t, r: r, ctx: ctx}
	chromedp.ListenTarget(ctx, b.hear)
	if err := chromedp.Run(ctx, cdplog.Enable(), cdpruntime.Enable(), network.Enable()); err != nil { // the browser lives as long as this context
		r.t.Fatal(err)
	}
	return b
}

// hear keeps what the browser complains of.
func (b *tab) hear(event any) {
	switch e := event.(type) {
	case *cdplog.EventEntryAdded: // among them what the Content-Security-Policy has kept from running
		if e.Entry.Level == cdplog.LevelError && !strings.Contains(e.Entry.Text, "the server responded with a status of 4") {
			b.complain(e.Entry.Text)
		}
	case *cdpruntime.EventExceptionThrown:
		b.complain(e.ExceptionDetails.Error())
	}
}

func (b *tab) complain(text string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.said = append(b.said, text)
}

func (b *tab) do(actions ...chromedp.Action) {
	b.t.Helper()
	ctx, stop := context.WithTimeout(b.ctx, 20*time.Second)
	defer stop()
	if err := chromedp.Run(ctx, actions...); err != nil {
		var where, text string
		_ = chromedp.Run(b.ctx, chromedp.Location(&where), chromedp.Text("body", &text, chromedp.ByQuery))
		b.t.Fatalf("%v at %s: %.1500s", err, where, text)
	}
}

// open goes to a page.
func (b *tab) open(path string) {
	b.t.Helper()
	b.do(chromedp.Navigate(b.r.URL+path), chromedp.WaitReady("body"))
}

// until waits until something is true of the page, whichever page that is by then.
func (b *tab) until(script string) {
	b.t.Helper()
	tick := time.NewTicker(30 * time.Millisecond)
	defer tick.Stop()
	for range 600 {
		var is bool
		if err := chromedp.Run(b.ctx, chromedp.Evaluate(script, &is)); err == nil && is { // an error: between two pages
			return
		}
		<-tick.C
	}
	var where, text string
	_ = chromedp.Run(b.ctx, chromedp.Location(&where), chromedp.Text("body", &text, chromedp.ByQuery))
	b.t.Fatalf("never true: %s at %s: %.1500s", script, where, text)
}

// sees waits until the page says something.
func (b *tab) sees(text string) {
	b.t.Helper()
	b.until(`document.body.innerText.includes(` + quoted(text) + `)`)
}

func (b *tab) seesNot(text string) {
	b.t.Helper()
	b.until(`!document.body.innerText.includes(` + quoted(text) + `)`)
}

// click clicks the button or link of that name; the page that follows is there when it returns.
func (b *tab) click(name string) {
	b.t.Helper()
	b.do(chromedp.Click(`//*[(self::a or self::button or self::summary) and (normalize-space(.)=`+quoted(name)+` or @aria-label=`+quoted(name)+`)]`, chromedp.BySearch, chromedp.NodeVisible))
}

func (b *tab) fill(id, text string) {
	b.t.Helper()
	b.do(chromedp.WaitVisible("#"+id, chromedp.ByQuery), chromedp.Evaluate(`document.getElementById(`+quoted(id)+`).value = ""`, nil), chromedp.SendKeys("#"+id, text, chromedp.ByQuery))
}

func quoted(text string) string {
	raw, _ := json.Marshal(text)
	return string(raw)
}

// signsIn signs somebody in by the page.
func (b *tab) signsIn(email string) {
	b.t.Helper()
	b.open("/sign-in")
	b.fill("email", email)
	b.fill("password", password)
	b.do(chromedp.Submit("#password", chromedp.ByQuery)) // whatever the button is called in the browser's language
}

// looks looks at a page as people with a narrow screen or a dark theme do, and as those who cannot see it.
func (b *tab) looks(path string, width int64, theme string) {
	b.t.Helper()
	b.do(chromedp.EmulateViewport(width, 900), emulation.SetEmulatedMedia().WithFeatures([]*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: theme}}))
	b.open(path)
	rules := ""
	if theme == "dark" { // what is wrong in any theme and at any width has been found in the light
		rules = `runOnly:["color-contrast","scrollable-region-focusable"],`
	}
	b.axeOf(fmt.Sprintf("%s at %d, %s", path, width, theme), rules)
	b.fits(path, width)
	if width > 1280 {
		b.fits(path, 1280)
	}
	var bytes float64
	b.do(chromedp.Evaluate(`performance.getEntriesByType("resource").concat(performance.getEntriesByType("navigation")).reduce((n,e)=>n+e.encodedBodySize,0)`, &bytes))
	if bytes > 150<<10 {
		b.t.Errorf("%s is %.0f bytes", path, bytes)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, text := range b.said {
		b.t.Errorf("%s at %d, %s: the browser says: %s", path, width, theme, text)
	}
	b.said = nil
}

// fits wants nothing to be wider than the screen, nor than the card or list it stands in, with all unfolded that can be.
func (b *tab) fits(path string, width int64) {
	b.t.Helper()
	var wide []string
	b.do(chromedp.EmulateViewport(width, 900), chromedp.Evaluate(`(() => { document.querySelectorAll("main details:not([data-menu])").forEach((d) => { d.open = true; });
		return [document.documentElement, ...document.querySelectorAll("main, .table, .card:not(.matrix)")].filter((e) => e.scrollWidth > e.clientWidth + 1)
			.map((e) => e.tagName + "." + e.className + " " + e.scrollWidth + " in " + e.clientWidth); })()`, &wide))
	if len(wide) > 0 {
		b.t.Errorf("%s does not fit a screen of %d: %q", path, width, wide)
	}
}

// axe looks for what keeps people from using what is shown.
func (b *tab) axe(what string) {
	b.t.Helper()
	b.axeOf(what, "")
}

// axeOf is axe by some rules alone.
func (b *tab) axeOf(what, rules string) {
	b.t.Helper()
	var found []struct {
		ID, Help string
		Nodes    []struct{ HTML, FailureSummary string }
	}
	b.do(chromedp.Evaluate(axeScript, nil), chromedp.Evaluate(`axe.run(document,{`+rules+`resultTypes:["violations"]}).then(r=>r.violations)`, &found,
		func(p *cdpruntime.EvaluateParams) *cdpruntime.EvaluateParams { return p.WithAwaitPromise(true) }))
	for _, v := range found {
		b.t.Errorf("%s: %s (%s): %.600v", what, v.Help, v.ID, v.Nodes)
	}
}

// shoot keeps a picture of the page for the README.
func (b *tab) shoot(path, name string, width, height int64, theme string) {
	b.t.Helper()
	if *screenshots == "" {
		return
	}
	var png []byte
	b.do(chromedp.EmulateViewport(width, height), emulation.SetEmulatedMedia().WithFeatures([]*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: theme}}))
	b.open(path)
	b.do(chromedp.CaptureScreenshot(&png))
	if err := os.WriteFile(filepath.Join(*screenshots, name), png, 0o600); err != nil {
		b.t.Fatal(err)
	}
}

// TestPages walks through the pages in a real browser, from the sign-in to the audit entry (SPEC 7.2), and then looks at
// each of them in both themes, wide and narrow.
func TestPages(t *testing.T) {
	t.Parallel()
	r := serve(t, dataDir(t), "--portal-name", "Northwind portal", "--accent", "#0b6e4f")
	account, ann := r.setUp()
	bob, bobby := r.join(ann, account, "bob.stone@northwind.example", "admin")
	bobby.do("PATCH", "/v1/me", m{"first_name": "Bob", "last_name": "Stone"}).Want(200)
	diaz, cara := r.join(ann, account, "cara.diaz@northwind.example", "viewer")
	cara.do("PATCH", "/v1/me", m{"first_name": "Cara", "last_name": "Diaz"}).Want(200)
	at := "/accounts/" + account
	ann.do("PATCH", "/v1/accounts/"+account, m{"name": "Northwind"}).Want(200)

	b := r.browse("en")
	b.signsIn("ann@northwind.example")
	b.sees("Everybody who can act in Northwind") // the one account, at once
	b.do(chromedp.SendKeys("#q", "cara", chromedp.ByQuery))
	b.seesNot("bob.stone@northwind.example") // as one types
	b.sees("cara.diaz@northwind.example")

	b.open(at + "/users?role=viewer&role=owner&status=active&status=pending") // several at once (SPEC 3.1)
	b.sees("cara.diaz@northwind.example")
	b.sees("ann@northwind.example")
	b.seesNot("bob.stone@northwind.example")
	b.click("Role")
	b.do(chromedp.Click(`input[name="role"][value="viewer"]`, chromedp.ByQuery))
	b.until(`!document.getElementById("list").innerText.includes("cara.diaz")`)
	b.do(chromedp.EmulateViewport(1280, 900)) // on a narrow screen it is folded away
	b.click("Dark")                           // kept in this browser, whatever the system has
	b.until(`document.documentElement.dataset.theme === "dark" && location.search.includes("status=")`)
	b.looks(at+"/users?role=viewer%2Cowner", 1600, "light")
	b.open(at + "/users")
	b.click("System")
	b.until(`!document.documentElement.dataset.theme`)

	// Suspending shows what would happen first, bites, and can be taken back.
	b.open(at + "/users/" + bob)
	b.click("Suspend")
	b.sees("1 person loses access until reactivated")
	b.sees("1 active owner remains in Northwind")
	b.fill("reason", "On leave")
	b.do(chromedp.Submit("#reason", chromedp.ByQuery))
	b.sees("has no access any more until reactivated")
	if status := ann.get("/v1/accounts/" + account + "/users/" + bob).Want(200).JSON()["status"]; status != "suspended" {
		t.Errorf("SPEC 3.5: %v", status)
	}
	b.click("Undo")
	b.sees("It has been taken back.")
	if status := ann.get("/v1/accounts/" + account + "/users/" + bob).Want(200).JSON()["status"]; status != "active" {
		t.Errorf("SPEC 3.11: %v", status)
	}

	// What the last owner may not do is said where the button is.
	me := ann.get("/v1/me").Want(200).JSON()["id"].(string)
	b.open(at + "/users/" + me)
	b.sees("The account needs an active holder of Owner: this is the last one, who keeps it.")
	b.sees("Nobody does this to themselves.")
	b.until(`!document.querySelector('main a[href$="/revoke"], main a[href$="/suspend"]') && [...document.querySelectorAll("main button[disabled]")].length === 2`)
	b.open(at + "/users") // and in the menu of the row in the list, where the others' have links
	b.until(`(() => { const row = (who) => [...document.querySelectorAll("#list tbody tr")].find((tr) => tr.innerText.includes(who)),
		links = 'a[href$="/revoke"], a[href$="/suspend"]', mine = row("ann@northwind.example"), others = row("bob.stone@northwind.example");
		return mine.querySelectorAll(".row-menu .refused").length === 2 && !mine.querySelector(links) && others.querySelectorAll(links).length === 2; })()`)

	// A name that looks like a piece of a page is text on all of them (RELIABILITY S55).
	const naughty = `<img src=x onerror="document.title=1">`
	cara.do("PATCH", "/v1/me", m{"first_name": naughty}).Want(200)
	for _, path := range []string{at + "/users", at + "/users/" + diaz, at + "/users/" + diaz + "/role", at + "/users/" + diaz + "/revoke", "/users", at + "/audit"} {
		b.open(path)
		b.sees(naughty)
	}
	cara.do("PATCH", "/v1/me", m{"first_name": "Cara"}).Want(200)

	// Inviting: each address is understood while it is typed, before any role is chosen, then has a result of its own.
	b.open(at + "/invite")
	b.fill("emails", "Dora Lind <dora@northwind.example>; nonsense, bob.stone@northwind.example")
	b.sees("Is a member already")
	b.sees("Not an e-mail address")
	b.do(chromedp.Click("#role-viewer", chromedp.ByQuery))
	b.click("Send invitations")
	b.sees("What became of each address")
	b.open(at + "/audit?action=invitation.created")
	b.sees("Dora Lind")

	// By the keyboard alone: to the list, to a menu, and closed again.
	b.open(at + "/users")
	b.do(chromedp.KeyEvent("\t"), chromedp.KeyEvent("\r"))
	b.until(`document.activeElement.id === "main"`)

	// The link in the mail, in a browser of somebody else's, who reads German.
	d := r.browse("de")
	d.open("/invitations/" + r.link("dora@northwind.example", 1))
	d.fill("first_name", "Dora")
	d.fill("last_name", "Lind")
	d.fill("password", password)
	d.fill("confirm", password)
	d.do(chromedp.Submit("#password", chromedp.ByQuery))
	d.sees("Sie sind jetzt Mitglied")
	d.signsIn("dora@northwind.example")
	d.sees("Alle, die in Northwind handeln können")

	role := m{"label": "Desk", "permissions": []string{"users:read", "account:read"}}
	ann.put("/v1/accounts/"+account+"/roles/desk", role).Want(200)
	contact := ann.post("/v1/accounts/"+account+"/contacts", m{"name": "Ruth", "email": "ruth@northwind.example", "roles": []string{"security"}}).Want(201).JSON()["id"].(string)
	invitation := ann.post("/v1/accounts/"+account+"/invitations", m{"emails": "emil@northwind.example", "roles": []string{"viewer"}}).Want(200).JSON()["results"].([]any)[0].(m)["invitation"].(string)
	ann.post("/v1/accounts/"+account+"/keys", m{"name": "CI", "roles": []string{"viewer"}}).Want(201)
	paths := []string{"/accounts", at + "/users", at + "/users?q=nobody-there", at + "/users/" + bob, at + "/users/" + bob + "/role", at + "/users/" + bob + "/access",
		at + "/users/" + bob + "/revoke", at + "/users/bulk?action=suspend&user=" + bob, at + "/invite", at + "/invite/csv", "/users", "/me/accounts/" + account + "/leave", at + "/close", at + "/invitations/" + invitation, at + "/invitations/" + invitation + "/resend",
		at + "/roles", at + "/roles/new", at + "/roles/desk", at + "/policy", at + "/contacts", at + "/contacts/" + contact, at + "/keys", at + "/sso", at + "/tree", at + "/audit",
		"/me", "/me/security", "/me/preferences", at + "/nowhere"}
	b.speaksGerman(paths...)
	for _, path := range paths {
		b.looks(path, 1600, "light")
		b.looks(path, 360, "dark")
	}
	b.shoot(at+"/users", "users.png", 1280, 900, "light")
	b.shoot(at+"/users/"+bob+"/revoke", "revoke.png", 1280, 900, "dark")
	for _, path := range []string{"/sign-in", "/forgotten", "/invitations/nothing", "/link"} {
		d.looks(path, 1600, "dark")
	}
	d.do(network.ClearBrowserCookies())
	d.looks("/sign-in", 360, "light")
	d.looks("/", 360, "dark")
	d.speaksGerman("/", "/sign-in", "/forgotten", "/link", "/sign-in/sso", "/invitations/nothing", "/invitations/"+r.link("emil@northwind.example", 1), "/operator/sign-in")
}
