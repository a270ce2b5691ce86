package web

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/a-h/templ"

	"roster/domain"
	"roster/events"
	"roster/handlers/origin"
)

// account is an account as the API shows it to whoever is signed in, with what they may do there.
type account struct {
	ID            string   `json:"id"`
	Name          string   `json:"name"`
	Parent        *string  `json:"parent"`
	Closed        bool     `json:"closed"`
	Profile       string   `json:"profile"`
	Roles         []string `json:"roles"`
	Permissions   []string `json:"permissions"`
	InheritedFrom *string  `json:"inherited_from"`
}

// page is what a signed-in page is made of: who looks at it, where, in which words, and what just happened.
type page struct {
	words
	site *site
	w    http.ResponseWriter
	r    *http.Request

	Title    string
	Section  string // of the navigation
	Operator bool   // one of the operator's pages: there is nobody then
	Who      person
	Zone     *time.Location
	Account  account // zero outside an account
	Accounts []account
	Profile  *domain.Profile // of the account
	Defined  []*domain.Role  // roles that the account has of its own or from above
	Flash    flash
	Now      time.Time
	Theme    string // "light", "dark", or "" for as the system has it
	Framed   bool   // it is shown in a portal's frame
	Passkey  bool   // it asks for a passkey
	token    func(action string) string
}

// May says whether who looks may do something in the account; the API decides it anew when it is done.
func (p *page) May(permission string) bool { return slices.Contains(p.Account.Permissions, permission) }

// Token is the token of a form that goes to action; a query is no part of it.
func (p *page) Token(action string) string {
	path, _, _ := strings.Cut(action, "?")
	return p.token(path)
}

// At is the address of a page of the account.
func (p *page) At(parts ...string) string {
	at := "/accounts/" + p.Account.ID
	for _, part := range parts {
		at += "/" + url.PathEscape(part)
	}
	return at
}

// Action is the profile's word for a button, else the catalogue's.
func (p *page) Action(name string) string {
	if p.Profile != nil && p.Profile.Actions[name] != "" {
		return p.ours(p.Profile.Actions[name], func(d domain.Definition) string { return d.Actions[name] })
	}
	return p.T("action." + name)
}

// SectionName is what the portal calls the user section.
func (p *page) SectionName() string {
	if p.Profile != nil && p.Profile.Section != "" {
		return text(p.Profile.Section)
	}
	return p.T("nav.users")
}

// Day is the day of a moment in the viewer's zone.
func (p *page) Day(t time.Time) string {
	t = t.In(p.Zone)
	return p.T("time.day", t.Day(), p.T("month."+strconv.Itoa(int(t.Month()))), t.Year())
}

// Time is a moment in the viewer's zone, to the minute.
func (p *page) Time(t time.Time) string { return p.Day(t) + ", " + t.In(p.Zone).Format("15:04") }

// Device is what a person calls a device, such as Firefox on Linux.
func (p *page) Device(agent string) string {
	name, system := origin.Browser(agent)
	if system == "" {
		return text(name)
	}
	return p.T("security.device", name, system)
}

// Ago is a moment as people say it, for what is recent.
func (p *page) Ago(t time.Time) string {
	switch past := p.Now.Sub(t); {
	case past < time.Minute:
		return p.T("time.now")
	case past < time.Hour:
		return p.N("time.minutes", int(past/time.Minute))
	case past < 24*time.Hour:
		return p.N("time.hours", int(past/time.Hour))
	case past < 14*24*time.Hour:
		return p.N("time.days", int(past/(24*time.Hour)))
	}
	return p.Day(t)
}

// In is how long until a moment.
func (p *page) In(t time.Time) string {
	switch left := t.Sub(p.Now); {
	case left <= 0:
		return p.Time(t)
	case left < time.Hour:
		return p.N("time.in_minutes", int(left/time.Minute)+1)
	case left < 48*time.Hour:
		return p.N("time.in_hours", int(left/time.Hour))
	default:
		return p.N("time.in_days", int(left/(24*time.Hour)))
	}
}

// Initials are for the round picture of somebody who has none.
func (p *page) Initials(name, email string) string {
	var letters []rune
	for word := range strings.FieldsSeq(text(cmp.Or(name, email))) {
		letters = append(letters, []rune(strings.ToUpper(word))[0])
	}
	switch {
	case len(letters) == 0:
		return "?"
	case len(letters) > 1:
		return string([]rune{letters[0], letters[len(letters)-1]})
	}
	return string(letters)
}

// flash is what the page before has done, shown once on the next one.
type flash struct {
	Key     string // of the catalogue
	Arg     string
	Command string // that can be undone
}

const flashCookie = "roster_flash"

// done leads to another page, which says what has been done. command can be undone there.
func (p *page) done(to, key, arg, command string) error {
	p.site.setCookie(p.w, p.r, flashCookie, url.QueryEscape(key)+"|"+url.QueryEscape(arg)+"|"+url.QueryEscape(command), 30)
	http.Redirect(p.w, p.r, to, http.StatusSeeOther)
	return nil
}

func (s *site) flash(w http.ResponseWriter, r *http.Request, in words) flash {
	parts := strings.Split(s.cookie(r, flashCookie), "|")
	if len(parts) != 3 {
		return flash{}
	}
	s.setCookie(w, r, flashCookie, "", -1)
	for i := range parts {
		parts[i], _ = url.QueryUnescape(parts[i])
	}
	if !in.has(parts[0]) {
		return flash{}
	}
	return flash{Key: parts[0], Arg: text(parts[1]), Command: parts[2]}
}

// signedIn is a page for somebody who is signed in; others sign in first and come back.
func (s *site) signedIn(show func(p *page) error) func(http.ResponseWriter, *http.Request) error {
	return func(w http.ResponseWriter, r *http.Request) error {
		who, err := s.who(r.Context(), r)
		if err != nil {
			return err
		}
		if !who.SignedIn() {
			to := "/sign-in"
			if next := s.localPath(r.URL.RequestURI()); next != "/" && r.Method == http.MethodGet { // with what a list is asked
				to += "?next=" + url.QueryEscape(next)
			}
			http.Redirect(w, r, to, http.StatusSeeOther)
			return nil
		}
		p, err := s.page(w, r, who)
		if err != nil {
			return err
		}
		return p.guarded(show)
	}
}

// page is the beginning of every signed-in page.
func (s *site) page(w http.ResponseWriter, r *http.Request, who person) (*page, error) {
	p := s.open(w, r, who)
	p.Flash = s.flash(w, r, p.words)
	var mine struct{ Items []account }
	if err := s.get(r, "/v1/me/accounts", &mine); err != nil {
		return nil, err
	}
	p.Accounts = slices.DeleteFunc(mine.Items, func(a account) bool { return a.Closed })
	return p, nil
}

// inAccount is a page of the account in the path. One that somebody may not see does not exist.
func (s *site) inAccount(show func(p *page) error) func(http.ResponseWriter, *http.Request) error {
	return s.signedIn(func(p *page) error {
		id := p.r.PathValue("account")
		i := slices.IndexFunc(p.Accounts, func(a account) bool { return a.ID == id })
		if i >= 0 {
			p.Account = p.Accounts[i]
		} else if err := s.get(p.r, "/v1/accounts/"+url.PathEscape(id), &p.Account); err != nil { // which says why
			return err
		}
		if err := p.adopted(); err != nil {
			return err
		}
		return show(p)
	})
}

// adopted asks for the portal profile of the page's account, and for the roles that it knows beside the profile's.
func (p *page) adopted() error {
	id, err := events.ParseID[struct{ account byte }](p.Account.ID)
	if err != nil {
		return errNoPage
	}
	if err := p.site.App.Ask(p.r.Context(), p.site.by(p.r, p.Who), domain.AskProfile(events.AccountID(id), &p.Profile)); err != nil {
		return err
	}
	roles, _, _, err := p.site.App.Roles(p.r.Context(), events.AccountID(id))
	for _, r := range roles {
		if !r.Account.IsZero() {
			p.Defined = append(p.Defined, r)
		}
	}
	return err
}

// guarded shows a page, and where that is refused a page that says why, with the navigation around it.
func (p *page) guarded(show func(p *page) error) error {
	err := show(p)
	var refused *problem
	var refusal *domain.Error
	switch {
	case errors.As(err, &refused):
	case errors.As(err, &refusal):
		refused = &problem{Code: string(refusal.Code), Status: statusOf(refusal.Code), Detail: refusal.Detail}
	default:
		return err
	}
	if refused.Code == string(domain.SignInRequired) {
		http.Redirect(p.w, p.r, p.signIn(), http.StatusSeeOther)
		return nil
	}
	if refused.retry != "" {
		p.w.Header().Set("Retry-After", refused.retry)
	}
	p.Title = p.T("refused.title")
	return p.show(refused.Status, refusedPage(p, refused))
}

// signIn is where whoever looks signs in.
func (p *page) signIn() string {
	if p.Operator {
		return operatorSignIn
	}
	return "/sign-in"
}

// Home is where whoever looks begins.
func (p *page) Home() string {
	if p.Operator {
		return "/operator"
	}
	return "/"
}

// Why says in the viewer's words why something was refused, and for codes that have no words of their own as the API
// says it.
func (p *page) Why(refused *problem) string {
	if key := "code." + refused.Code; p.has(key) {
		return p.T(key)
	}
	return p.Said(refused.Detail)
}

// show writes the page. It is made whole before the first byte is sent, so that a failure still is an error page.
func (p *page) show(status int, body templ.Component) error { return p.write(status, shell(p, body)) }

// write is show for a page that has a frame of its own.
func (p *page) write(status int, whole templ.Component) error {
	var out bytes.Buffer
	if err := whole.Render(p.r.Context(), &out); err != nil {
		return err
	}
	p.w.Header().Set("Content-Type", "text/html; charset=utf-8")
	p.w.WriteHeader(status)
	_, _ = p.w.Write(out.Bytes()) // whoever asked may have gone
	return nil
}

// partial writes a part of a page, for a script that puts it in place.
func (p *page) partial(ctx context.Context, body templ.Component) error {
	var out bytes.Buffer
	if err := body.Render(ctx, &out); err != nil {
		return err
	}
	p.w.Header().Set("Content-Type", "text/html; charset=utf-8")
	_, _ = p.w.Write(out.Bytes())
	return nil
}
