package web

import (
	"net/http"
	"slices"
	"strings"

	"roster/events"
)

// frameHeader is what our scripts send along from a page in a frame; a browser says so itself only where it opens a page.
const frameHeader = "Roster-Frame"

// mayBeFramed says that a portal may show the page of a path in a frame: not what a mail leads to, which stands alone,
// nor what is the operator's.
func (s *site) mayBeFramed(path string) bool {
	alone := []string{"/operator", "/invitations", "/setup", "/reset", "/confirm", "/sign-up"}
	return len(s.Frames) > 0 && !slices.ContainsFunc(alone, func(begin string) bool { return path == begin || strings.HasPrefix(path, begin+"/") })
}

// framed says that a page is asked for to be shown in a frame. What browsers keep for it is apart from what they keep for
// the page alone: who is signed in there says nothing of who is here, nor the other way.
func (s *site) framed(r *http.Request) bool {
	dest := r.Header.Get("Sec-Fetch-Dest")
	return s.mayBeFramed(r.URL.Path) && (dest == "iframe" || dest == "frame" || r.Header.Get(frameHeader) == "1")
}

// cookieIn is the whole name of a cookie, where a request comes from.
func (s *site) cookieIn(r *http.Request, name string) string {
	if s.framed(r) {
		name = strings.Replace(name, "roster_", "roster_frame_", 1)
	}
	return cookieName(name, s.secure)
}

// cookie is the value of a cookie, or "".
func (s *site) cookie(r *http.Request, name string) string {
	return cookieValue(r, s.cookieIn(r, name))
}

// setCookie sets a cookie that no script can read and that other sites' forms do not send; maxAge in seconds, -1
// removes it, 0 keeps it until the browser is closed. That of a frame is sent in frames of the same portal alone
// (Partitioned): over http, where browsers have no such thing, a portal has to be of the same site.
func (s *site) setCookie(w http.ResponseWriter, r *http.Request, name, value string, maxAge int) {
	c := &http.Cookie{Name: s.cookieIn(r, name), Value: value, Path: "/", MaxAge: maxAge, HttpOnly: true, Secure: s.secure, SameSite: http.SameSiteLaxMode}
	if s.framed(r) && s.secure {
		c.SameSite, c.Partitioned = http.SameSiteNoneMode, true
	}
	http.SetCookie(w, c)
}

// frameRoutes are what a portal that shows the page in a frame asks for.
func (s *site) frameRoutes() map[string]verbs {
	if len(s.Frames) == 0 {
		return nil
	}
	return map[string]verbs{"/embed": {http.MethodGet: s.openFrame}, "/embed.js": {http.MethodGet: s.embedScript}}
}

// openFrame opens the page in a frame: signed in by the portal's code, else as whoever is signed in there. A code counts
// in a frame only, where what it sets is of no use elsewhere: a link with one signs nobody in.
func (s *site) openFrame(w http.ResponseWriter, r *http.Request) error {
	q := r.URL.Query()
	to, code := s.localPath(q.Get("to")), q.Get("code")
	if !s.framed(r) {
		http.Redirect(w, r, to, http.StatusSeeOther)
		return nil
	}
	if theme := q.Get("theme"); isTheme(theme) {
		s.setCookie(w, r, themeCookie, theme, themeWithin)
	}
	if code == "" {
		http.Redirect(w, r, to, http.StatusSeeOther)
		return nil
	}
	has, err := s.who(r.Context(), r)
	if err != nil {
		return err
	}
	in, err := s.Access.OpenFrame(r.Context(), s.call(r, events.Actor{}), code, has.Principal)
	switch {
	case codeOf(err) != "": // whoever was signed in here before need not be whom the portal means
		s.setCookie(w, r, "roster_session", "", -1)
		p := s.open(w, r, person{})
		return p.say(http.StatusUnauthorized, p.T("signin.not_signed_in"), message{Lead: p.T("frame.anew")})
	case err != nil:
		return err
	case in.Token != "":
		s.setSession(w, r, in.Token)
	}
	http.Redirect(w, r, to, http.StatusSeeOther)
	return nil
}

// embedScript is what portals load, so that the frame fits its content. Unlike all else of ours others may load it.
func (s *site) embedScript(w http.ResponseWriter, _ *http.Request) error {
	w.Header().Set("Content-Type", "text/javascript; charset=utf-8")
	w.Header().Set("Cross-Origin-Resource-Policy", "cross-origin")
	w.Header().Set("Cache-Control", "public, max-age=3600")
	_, _ = w.Write(s.assets["embed.js"].content) // whoever asked may have gone
	return nil
}
