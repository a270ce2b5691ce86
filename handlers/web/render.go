package web

import (
	"bytes"
	"embed"
	"fmt"
	"html/template"
	"net/http"
	"path"
	"strings"
	"unicode"
	"unicode/utf8"

	"roster/domain"
	"roster/events"
)

//go:embed pages/*.html
var pageFiles embed.FS

// pages are the parsed templates by name.
type pages map[string]*template.Template

// parsePages parses each page with the layout.
func parsePages() (pages, error) {
	layout, err := template.New("layout.html").Funcs(template.FuncMap{
		"text": text, "role": roleLabel, "means": roleMeaning, "when": when, "sentence": sentence,
	}).ParseFS(pageFiles, "pages/layout.html")
	if err != nil {
		return nil, err
	}
	files, err := pageFiles.ReadDir("pages")
	if err != nil {
		return nil, err
	}
	all := pages{}
	for _, f := range files {
		if f.Name() == "layout.html" {
			continue
		}
		page, err := template.Must(layout.Clone()).ParseFS(pageFiles, path.Join("pages", f.Name()))
		if err != nil {
			return nil, err
		}
		all[strings.TrimSuffix(f.Name(), ".html")] = page
	}
	return all, nil
}

// view is what a page is made of.
type view struct {
	Portal string
	Title  string
	CSS    string
	Who    person
	Body   any
	token  func(action string) string
}

// Token is the token of a form that goes to action.
func (v view) Token(action string) string { return v.token(action) }

// SignIn is the sign-in form of a page.
func (v view) SignIn(email, next string, fixed bool) signInForm {
	return signInForm{Email: email, Next: next, Fixed: fixed, Token: v.token("/sign-in")}
}

// SignOut is the sign-out form of a page; main says that it is what the page is about.
func (v view) SignOut(next string, main bool) signInForm {
	return signInForm{Next: next, Fixed: main, Token: v.token("/sign-out")}
}

// show writes a page. It is made whole before the first byte is sent, so that a failure still is an error page.
func (s *site) show(w http.ResponseWriter, r *http.Request, status int, name, title string, who person, body any) error {
	page, ok := s.pages[name]
	if !ok {
		return fmt.Errorf("no page %q", name)
	}
	v := view{Portal: s.PortalName, Title: title, CSS: s.assets.href("roster.css"), Who: who, Body: body, token: s.tokens(w, r)}
	var out bytes.Buffer
	if err := page.ExecuteTemplate(&out, "layout.html", v); err != nil {
		return fmt.Errorf("page %s: %w", name, err)
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(status)
	_, _ = w.Write(out.Bytes()) // whoever asked may have gone
	return nil
}

// maxShown is how much of a name or an address is shown.
const maxShown = 254

// text makes one harmless line of what somebody typed: no control characters, no direction marks and nothing
// invisible but the joiners that scripts need between letters. The templates escape it and isolate its direction.
func text(s string) string {
	s = strings.Map(func(r rune) rune {
		switch {
		case unicode.IsSpace(r):
			return ' '
		case r == '\u200c', r == '\u200d':
			return r
		case unicode.IsControl(r), unicode.In(r, unicode.Cf, unicode.Co, unicode.Cs), invisible(r):
			return -1
		}
		return r
	}, strings.ToValidUTF8(s, "\uFFFD"))
	s = strings.Join(strings.Fields(strings.Trim(s, "\u200c\u200d ")), " ")
	if utf8.RuneCountInString(s) > maxShown {
		s = strings.TrimSpace(string([]rune(s)[:maxShown-1])) + "…"
	}
	return s
}

// invisible are letters and marks that are shown as nothing: Hangul fillers, the Braille blank, the combining
// grapheme joiner.
func invisible(r rune) bool {
	switch r {
	case '\u115f', '\u1160', '\u3164', '\uffa0', '\u2800', '\u034f':
		return true
	}
	return false
}

func roleLabel(role string) string { return sentence(text(role)) }

// roleMeaning says what a built-in role may do (SPEC 3.3).
func roleMeaning(role string) string {
	switch role {
	case domain.Owner:
		return "may do everything, and make other owners"
	case domain.Admin:
		return "may do everything but change owners"
	case domain.Manager:
		return "works in all modules and with contacts, and sees everything"
	case domain.Viewer:
		return "sees everything but the audit trail"
	}
	return ""
}

func when(t events.Time) string { return t.Std().Format("Monday, 2 January 2006, 15:04 UTC") }

// sentence begins with a capital letter.
func sentence(s string) string {
	r, size := utf8.DecodeRuneInString(s)
	if size == 0 {
		return s
	}
	return string(unicode.ToUpper(r)) + s[size:]
}
