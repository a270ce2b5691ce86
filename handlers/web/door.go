package web

import (
	"cmp"
	"context"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/a-h/templ"

	"roster/events"
	"roster/handlers/locale"
)

// message is a page that only says something.
type message struct {
	Lead   string
	Follow string
	Back   string // a page of ours to go on from
	Label  string // what the way back is called
}

// open is the beginning of every page. It speaks the language of whoever is, else
// the one that is known of whom it is about, else the browser's.
func (s *site) open(w http.ResponseWriter, r *http.Request, who person, locales ...string) *page {
	p := &page{site: s, w: w, r: r, Who: who, Zone: time.UTC, Now: s.App.Now().Std(), token: s.tokens(w, r),
		Theme: s.theme(r), Framed: s.framed(r)}
	if zone := locale.Location(who.TimeZone); zone != nil {
		p.Zone = zone
	}
	p.words = s.catalogue.of(r, cmp.Or(append([]string{who.Locale}, locales...)...))
	return p
}

// door writes a page that stands by itself, without the navigation of those who are signed in.
func (p *page) door(status int, title string, body templ.Component) error {
	p.Title = title
	return p.write(status, doorView(p, body))
}

// say writes a page that only says something.
func (p *page) say(status int, title string, m message) error {
	return p.door(status, title, messageView(p, title, m))
}

// localeOf is the language that a user has chosen, or "". That nothing can be learnt of them now is no reason to show
// nothing.
func (s *site) localeOf(ctx context.Context, id events.UserID) string {
	u, _, err := s.App.User(ctx, id)
	if err != nil {
		return ""
	}
	profile, _, err := s.App.Person(ctx, u)
	if err != nil {
		return ""
	}
	return profile.Locale
}

// Until is a moment with the zone that it is said in, for those who have not chosen any.
func (p *page) Until(t events.Time) string {
	return p.Time(t.Std()) + " " + t.Std().In(p.Zone).Format("MST")
}

// Minutes says in how long, rounded up.
func (p *page) Minutes(seconds int) string {
	return p.N("time.in_minutes", max(1, (seconds+59)/60))
}

// Hint says what a password has to be like.
func (p *page) Hint(rule events.PasswordRule) string {
	var parts []string
	for _, one := range []struct {
		is  bool
		key string
	}{{rule.Lower, "hint.lower"}, {rule.Upper, "hint.upper"}, {rule.Digit, "hint.digit"}, {rule.Special, "hint.special"}} {
		if one.is {
			parts = append(parts, p.T(one.key))
		}
	}
	text := p.T("hint.length", rule.Length)
	switch n := len(parts); {
	case n == 1:
		text = p.T("hint.with", text, parts[0])
	case n > 1:
		text = p.T("hint.with", text, p.T("hint.and", strings.Join(parts[:n-1], ", "), parts[n-1]))
	}
	return text + "."
}

// rich writes a sentence of the catalogue whose arguments, each %s, are pieces of a page.
func rich(sentence string, parts ...templ.Component) templ.Component {
	return templ.ComponentFunc(func(ctx context.Context, w io.Writer) error {
		for i, piece := range strings.Split(sentence, "%s") {
			if i > 0 && i <= len(parts) {
				if err := parts[i-1].Render(ctx, w); err != nil {
					return err
				}
			}
			if _, err := io.WriteString(w, templ.EscapeString(piece)); err != nil {
				return err
			}
		}
		return nil
	})
}

// strong is a name that the sentence is about, bdi one that only stands in it. Neither turns the line around it.
func strong(name string) templ.Component { return marked("<strong><bdi>", name, "</bdi></strong>") }
func bdi(name string) templ.Component    { return marked("<bdi>", name, "</bdi>") }

func marked(before, name, after string) templ.Component {
	return templ.ComponentFunc(func(_ context.Context, w io.Writer) error {
		_, err := io.WriteString(w, before+templ.EscapeString(text(name))+after)
		return err
	})
}

// strongs are several names in a row.
func strongs(names []string) templ.Component {
	var list []templ.Component
	for _, name := range names {
		list = append(list, strong(name))
	}
	return rich(strings.TrimSuffix(strings.Repeat("%s, ", len(list)), ", "), list...)
}
