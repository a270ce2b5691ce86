package web

import (
	"net/http"
	"net/url"

	"github.com/a-h/templ"
)

const (
	themeCookie = "roster_theme"
	themeWithin = 400 * 24 * 60 * 60 // seconds
)

// isTheme says that a theme is one that pages have; "system" is as the system has it.
func isTheme(name string) bool { return name == "light" || name == "dark" || name == "system" }

// theme is what has been chosen in this browser: "light", "dark", or "" for as the system has it.
func (s *site) theme(r *http.Request) string {
	if name := s.cookie(r, themeCookie); isTheme(name) && name != "system" {
		return name
	}
	return ""
}

// themeRoutes are where a theme is chosen.
func (s *site) themeRoutes() map[string]verbs {
	return map[string]verbs{"/theme": {http.MethodPost: s.chooseTheme}}
}

// chooseTheme keeps the choice in the browser, and goes back to where it was made.
func (s *site) chooseTheme(w http.ResponseWriter, r *http.Request) error {
	if name := r.PostForm.Get("theme"); isTheme(name) {
		s.setCookie(w, r, themeCookie, name, themeWithin)
	}
	http.Redirect(w, r, s.localPath(r.PostForm.Get("next")), http.StatusSeeOther)
	return nil
}

// Here is the address of the page that is looked at, to come back to.
func (p *page) Here() string {
	if p.r.Method != http.MethodGet {
		return p.Home()
	}
	return (&url.URL{Path: p.r.URL.Path, RawQuery: p.r.URL.RawQuery}).String()
}

// Themes are those that can be chosen, in the order in which they stand.
func (p *page) Themes() []string { return []string{"light", "dark", "system"} }

// Chose says that a theme is the one that is shown.
func (p *page) Chose(name string) bool { return name == p.Theme || name == "system" && p.Theme == "" }

// themed says on the page itself which theme has been chosen.
func (p *page) themed() templ.Attributes {
	if p.Theme == "" {
		return nil
	}
	return templ.Attributes{"data-theme": p.Theme}
}
