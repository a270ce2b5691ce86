package main_test

import (
	"context"
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	cdplog "github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	cdpruntime "github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/cdproto/target"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"roster/domain"
)

// story is a portal's manual, played in a browser: every sentence says what the manual promises and cites its statement,
// and what follows it does that on the page as a person does.
type story struct {
	testing.TB
	r        *running
	browser  context.Context
	seen     map[string]bool // of the library
	operator caller
	keyboard bool   // nobody in it has anything else
	company  string // the name of its account
	account  string // its id
	at       string // where its pages begin
	said     string // the sentence that is being played
}

func (s *story) given(sentence string) { s.said = "given " + sentence }
func (s *story) when(sentence string)  { s.said = "when " + sentence }
func (s *story) then(sentence string)  { s.said = "then " + sentence }

// Errorf and Fatalf say in which sentence it was.
func (s *story) Errorf(format string, args ...any) {
	s.Helper()
	s.TB.Errorf("%s: "+format, append([]any{s.said}, args...)...)
}

func (s *story) Fatalf(format string, args ...any) {
	s.Helper()
	s.TB.Fatalf("%s: "+format, append([]any{s.said}, args...)...)
}

// library is a program and a browser in which several stories are played.
type library struct {
	r       *running
	browser context.Context
	seen    map[string]bool // how the pages are built that have been looked at
}

func openLibrary(t *testing.T) *library {
	r := serve(t, dataDir(t), "--portal-name", "Northwind portal", "--accent", "#0b6e4f")
	r.setUp()
	return &library{r, r.browseFor("en", 8*time.Minute).ctx, map[string]bool{}}
}

// story is one of a portal's profile.
func (l *library) story(t *testing.T, profile string) *story {
	t.Helper()
	r := *l.r
	s := &story{TB: t, r: &r, browser: l.browser, seen: l.seen}
	r.t = s                      // what it waits for in vain is an error of the story's
	open := domain.Profiles()[0] // to whoever confirms an address
	open.Name, open.SignUp = "open", true
	for _, d := range append(domain.Profiles(), open) {
		if d.Name == profile {
			text, err := json.Marshal(d)
			if err != nil {
				t.Fatal(err)
			}
			s.company, s.operator = "The "+profile+" company", r.as(r.operatorKey())
			s.operator.put("/v1/operator/portal", string(text)).Want(200)
			return s
		}
	}
	t.Fatalf("no profile %s", profile)
	return nil
}

// later starts the program anew, as it would be after some time.
func (l *library) later(t *testing.T, after time.Duration) {
	t.Helper()
	l.r.stop()
	l.r = serve(t, l.r.Data, "--portal-name", "Northwind portal", "--accent", "#0b6e4f", "--clock-ahead", after.String())
}

// again goes on with a story.
func (l *library) again(t *testing.T, played *story) *story {
	t.Helper()
	s, r := *played, *l.r
	s.TB, s.r, r.t = t, &r, &s
	return &s
}

// first has the operator open the account for somebody, who follows the link in the mail and signs in.
func (s *story) first(name, role string) *person {
	s.Helper()
	s.account = id(s, s.operator.post("/v1/accounts", m{"name": s.company, "owner": m{"email": address(name)}}).Want(201).JSON())
	s.at = "/accounts/" + s.account
	p := s.person(name)
	p.follows(s.company, role)
	p.enters()
	p.reads("Everybody who can act in " + s.company)
	return p
}

// api is somebody as a program that has their session.
func (p *person) api() caller {
	p.t.Helper()
	var token string
	p.do(chromedp.ActionFunc(func(ctx context.Context) error {
		cookies, err := network.GetCookies().Do(ctx)
		for _, c := range cookies {
			if c.Name == "roster_session" {
				token = c.Value
			}
		}
		return err
	}))
	return p.r.as(token)
}

// person is somebody at a browser of their own: nothing of anybody else's session is in it.
type person struct {
	*tab
	s           *story
	name, email string
	keyboard    bool     // they have nothing else
	followed    []string // links
}

// person opens a browser for somebody. Whatever it complains of, such as what the Content-Security-Policy has stopped, is
// an error of the page that is looked at next.
func (s *story) person(name string) *person {
	s.Helper()
	of := cdp.WithExecutor(s.browser, chromedp.FromContext(s.browser).Browser)
	alone, err := target.CreateBrowserContext().Do(of)
	if err != nil {
		s.Fatalf("%v", err)
	}
	window, err := target.CreateTarget("about:blank").WithBrowserContextID(alone).WithNewWindow(true).Do(of)
	if err != nil {
		s.Fatalf("%v", err)
	}
	ctx, end := chromedp.NewContext(s.browser, chromedp.WithTargetID(window))
	s.Cleanup(end)
	p := &person{tab: &tab{t: s, r: s.r, ctx: ctx}, s: s, name: name, email: address(name), keyboard: s.keyboard}
	chromedp.ListenTarget(ctx, p.hear)
	p.begin(cdplog.Enable(), cdpruntime.Enable(), network.Enable(), chromedp.EmulateViewport(1280, 900))
	return p
}

// begin is do for what makes the tab, which lives as long as the context of that.
func (p *person) begin(actions ...chromedp.Action) {
	p.t.Helper()
	if err := chromedp.Run(p.ctx, actions...); err != nil {
		p.t.Fatalf("%v", err)
	}
}

// shapeScript is of what a page is built, without what is said on it: each piece in those around it, and whether it is there
// once or several times. So a list of ten is built as one of two.
const shapeScript = `(() => { const kinds = new Map(), times = {};
	const kind = (e) => e.tagName + e.className + (e.type ?? "") + (e.id.length < 20 ? e.id.replace(/\d+/g, "0") : "") + [...e.attributes].map((a) => a.name);
	for (const e of document.querySelectorAll("*")) { const one = (kinds.get(e.parentElement) ?? "") + ">" + kind(e); kinds.set(e, one); times[one] = Math.min(2, (times[one] ?? 0) + 1); }
	return Object.entries(times).map(([what, n]) => n + what).sort(); })()`

// fine looks at the page as it stands, in both themes, as those do who cannot see it. One that is built as another that
// has been looked at is as fine as that; of one that is built of pieces of others the colours have been looked at there.
func (p *person) fine() {
	p.t.Helper()
	var pieces []string
	p.do(chromedp.Evaluate(shapeScript, &pieces))
	defer p.quiet()
	shape := strings.Join(pieces, " ")
	if p.s.seen[shape] {
		return
	}
	looks := []struct{ theme, rules string }{{"light", `{rules:{"color-contrast":{enabled:false}},resultTypes:["violations"]}`}}
	if slices.ContainsFunc(pieces, func(one string) bool { return !p.s.seen[one[1:]] }) {
		looks = []struct{ theme, rules string }{{"light", `{resultTypes:["violations"]}`}, {"dark", `{runOnly:["color-contrast"],resultTypes:["violations"]}`}}
	}
	p.s.seen[shape] = true
	for _, one := range pieces {
		p.s.seen[one[1:]] = true
	}
	p.narrow()
	p.do(chromedp.Evaluate(axeScript, nil))
	for _, look := range looks {
		var found []struct {
			ID, Help string
			Nodes    []struct{ HTML, FailureSummary string }
		}
		p.do(emulation.SetEmulatedMedia().WithFeatures([]*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: look.theme}, {Name: "prefers-reduced-motion", Value: "reduce"}}),
			chromedp.Evaluate(`axe.run(document,`+look.rules+`).then(r=>r.violations)`, &found,
				func(e *cdpruntime.EvaluateParams) *cdpruntime.EvaluateParams { return e.WithAwaitPromise(true) }))
		for _, v := range found {
			p.t.Errorf("%s, %s: %s (%s): %.600v", p.where(), look.theme, v.Help, v.ID, v.Nodes)
		}
	}
}

// narrow wants the page to fit the screen of a phone.
func (p *person) narrow() {
	p.t.Helper()
	var wide int
	p.do(chromedp.EmulateViewport(360, 900), chromedp.Evaluate(`document.documentElement.scrollWidth`, &wide), chromedp.EmulateViewport(1280, 900))
	if wide > 360 {
		p.t.Errorf("%s is %d wide on a screen of 360", p.where(), wide)
	}
}

// quiet wants the browser not to have complained.
func (p *person) quiet() {
	p.t.Helper()
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, text := range p.said {
		p.t.Errorf("the browser says: %s", text)
	}
	p.said = nil
}

func (p *person) where() string {
	var where string
	p.do(chromedp.Location(&where))
	return strings.TrimPrefix(where, p.r.URL)
}

// goes opens a page.
func (p *person) goes(path string) {
	p.t.Helper()
	p.open(path)
	p.fine()
}

// leads does something that leads to another page, and looks at that.
func (p *person) leads(by func()) {
	p.t.Helper()
	p.do(chromedp.Evaluate(`window.before = true`, nil))
	by()
	p.until(`!window.before && document.readyState === "complete" && document.body != null`)
	p.fine()
}

// namedScript finds what is shown and has a name that can be pressed: its label for those who cannot see it, else what
// stands on it.
const namedScript = `const named = (name) => [...document.querySelectorAll("a, button, summary, label, [role=tab]")].find((e) =>
	(e.getAttribute("aria-label") ?? e.innerText).trim().replace(/\s+/g, " ") === name && e.checkVisibility({visibilityProperty: true}));`

// clicks clicks what is called name, as a hand does: what lies over it is hit in its place.
func (p *person) clicks(name string) {
	p.t.Helper()
	p.until(`(() => { ` + namedScript + ` return !!named(` + quoted(name) + `); })()`)
	var at []float64
	p.do(chromedp.Evaluate(`(() => { `+namedScript+` const e = named(`+quoted(name)+`); e.scrollIntoView({block: "center", behavior: "instant"});
		const r = e.getBoundingClientRect(); return [r.x + r.width / 2, r.y + r.height / 2]; })()`, &at))
	p.do(chromedp.MouseClickXY(at[0], at[1]))
}

// presses clicks a button or a link and comes to the page that follows.
func (p *person) presses(name string) {
	p.t.Helper()
	p.leads(func() { p.clicks(name) })
}

// offers wants buttons and links of these names on the page, and lacks wants none.
func (p *person) offers(names ...string) {
	p.t.Helper()
	for _, name := range names {
		p.until(`(() => { ` + namedScript + ` return !!named(` + quoted(name) + `); })()`)
	}
}

func (p *person) lacks(names ...string) {
	p.t.Helper()
	for _, name := range names {
		var there bool
		p.do(chromedp.Evaluate(`(() => { `+namedScript+` return !!named(`+quoted(name)+`); })()`, &there))
		if there {
			p.t.Errorf("%s offers %s", p.where(), name)
		}
	}
}

// reads wants the page to say something, with the spaces between words as people see them.
func (p *person) reads(texts ...string) {
	p.t.Helper()
	for _, text := range texts {
		p.until(`document.body.innerText.replace(/\s+/g, " ").includes(` + quoted(text) + `)`)
	}
}

// row wants somebody's entry of a list to say something.
func (p *person) row(whose string, texts ...string) {
	p.t.Helper()
	for _, text := range texts {
		p.until(`[...document.querySelectorAll("tbody tr")].some(tr => tr.innerText.includes(` + quoted(whose) + `) && tr.innerText.replace(/\s+/g, " ").includes(` + quoted(text) + `))`)
	}
}

// unlisted wants no entry of somebody in a list that is there.
func (p *person) unlisted(whose string) {
	p.t.Helper()
	var there bool
	p.do(chromedp.Evaluate(`[...document.querySelectorAll("tbody tr")].some(tr => tr.innerText.includes(`+quoted(whose)+`))`, &there))
	if there {
		p.t.Errorf("%s lists %s", p.where(), whose)
	}
}

// ticks changes a box with a name.
func (p *person) ticks(selector string) {
	p.t.Helper()
	p.do(chromedp.WaitReady(selector, chromedp.ByQuery), chromedp.Evaluate(`document.querySelector(`+quoted(selector)+`).click()`, nil))
}

// sends sends the form that a field stands in.
func (p *person) sends(field string) {
	p.t.Helper()
	p.leads(func() { p.do(chromedp.Evaluate(`document.querySelector(`+quoted(field)+`).form.requestSubmit()`, nil)) })
}

// link waits for a mail with an invitation that they have not followed yet, and answers its token.
func (p *person) link() string {
	p.t.Helper()
	p.r.until("an invitation of "+p.email, func() bool {
		for _, one := range p.r.mails(p.email) {
			found := regexp.MustCompile(`/invitations/([A-Za-z0-9_-]+)`).FindStringSubmatch(one.Text)
			if found != nil && !slices.Contains(p.followed, found[1]) {
				p.followed = append(p.followed, found[1])
				return true
			}
		}
		return false
	})
	return p.followed[len(p.followed)-1]
}

// follows opens the link in the mail and accepts what it offers, as somebody new. It answers whether names were asked for.
func (p *person) follows(wants ...string) (named bool) {
	p.t.Helper()
	token := p.link()
	p.goes("/invitations/" + token)
	p.until(`location.pathname === "/link"`) // what is a key does not stay where it is seen (S32)
	p.do(chromedp.Evaluate(`window.before = true`, nil), chromedp.Reload())
	p.until(`!window.before && document.readyState === "complete" && !document.body.innerText.includes("Open the link again")`)
	p.fine() // looking takes nothing away (SPEC 2.4)
	p.reads(wants...)
	for _, field := range [][2]string{{"first_name", strings.ToUpper(p.name[:1]) + p.name[1:]}, {"last_name", "Lee"}, {"password", password}, {"confirm", password}} {
		named = p.types(field[0], field[1]) && field[0] == "first_name" || named
	}
	p.leads(func() { p.keys(kb.Enter) })
	return named
}

// types fills a field where there is one.
func (p *person) types(field, text string) (there bool) {
	p.t.Helper()
	p.do(chromedp.Evaluate(`!!document.getElementById(`+quoted(field)+`)`, &there))
	switch {
	case there && p.keyboard:
		p.tabToField(field)
		p.keys(text)
	case there:
		p.fill(field, text)
	}
	return there
}

// enters signs in by the page; what is asked for besides a password is not answered yet.
func (p *person) enters() {
	p.t.Helper()
	p.goes("/sign-in")
	p.types("email", p.email)
	p.types("password", password)
	p.leads(func() { p.keys(kb.Enter) })
}

// leaves signs out.
func (p *person) leaves() {
	p.t.Helper()
	p.presses("Sign out")
}

// code waits for the n-th SMS to a number and answers its code.
func (s *story) code(number string, n int) string {
	s.Helper()
	var code string
	s.r.until("a code by SMS", func() bool {
		if list := s.r.mails(number); len(list) >= n {
			code = regexp.MustCompile(`\b\d{6}\b`).FindString(list[0].Text)
		}
		return code != ""
	})
	return code
}

// confirmation waits for the mail to a new address and answers the token of its link.
func (s *story) confirmation(email string) string {
	s.Helper()
	var token string
	s.r.until("a link to confirm "+email, func() bool {
		for _, one := range s.r.mails(email) {
			if found := regexp.MustCompile(`/confirm/([A-Za-z0-9_-]+)`).FindStringSubmatch(one.Text); found != nil {
				token = found[1]
			}
		}
		return token != ""
	})
	return token
}

// id is somebody's, as the API tells it.
func (p *person) id(email string) string {
	s := p.s
	s.Helper()
	for _, one := range p.api().get("/v1/accounts/" + s.account + "/users?limit=500").Want(200).JSON()["items"].([]any) {
		if item := one.(m); item["email"] == email && item["user"] != nil {
			return item["user"].(string)
		}
	}
	s.Fatalf("nobody is called %s", email)
	return ""
}

// trail wants entries of the audit trail (SPEC 5.1): by whom, what, and on whom.
func (p *person) trail(entries ...[3]string) {
	p.t.Helper()
	p.goes(p.s.at + "/audit")
	for _, e := range entries {
		script := fmt.Sprintf(`[...document.querySelectorAll("tbody tr")].some(tr => { const c = [...tr.querySelectorAll(":scope > td")].map(td => td.innerText); return c.length > 3 && c[1].includes(%s) && c[2].includes(%s) && c[3].includes(%s); })`,
			quoted(e[0]), quoted(e[1]), quoted(e[2]))
		p.until(script)
	}
}

// formTime is a moment as a form takes it.
func formTime(t time.Time) string { return t.UTC().Format("2006-01-02T15:04") }
