package web

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"mime"
	"net/http"
	"net/url"
	"strings"

	"roster/domain"
	"roster/events"
)

// SessionCookie is the name of the cookie that holds a session's token. Over https its prefix makes browsers refuse
// one that another host, or an unencrypted page, tries to set.
func SessionCookie(secure bool) string { return cookieName("roster_session", secure) }

func cookieName(name string, secure bool) string {
	if secure {
		return "__Host-" + name
	}
	return name
}

func (s *site) sessionToken(r *http.Request) string { return s.cookie(r, "roster_session") }

// signedInBy is what says who is signed in at a path: the session, or the operator's key as the browser keeps it.
func (s *site) signedInBy(r *http.Request, path string) string {
	if ofOperator(path) {
		return cookieValue(r, cookieName(operatorCookie, s.secure))
	}
	return s.sessionToken(r)
}

func cookieValue(r *http.Request, name string) string {
	c, err := r.Cookie(name)
	if err != nil {
		return ""
	}
	return c.Value
}

func (s *site) setSession(w http.ResponseWriter, r *http.Request, token string) {
	s.setCookie(w, r, "roster_session", token, int(domain.SessionLifetime.Seconds()))
}

// What stands in the way before a form is read.
var (
	errForeign  = errors.New("the form was not sent from a page of this site")
	errFormType = errors.New("not a form")
	errTooLarge = errors.New("the form is too large")
	errBadForm  = errors.New("the form cannot be read")
	errStale    = errors.New("the form is out of date")
	errNoPage   = errors.New("no such page")
	errNoLink   = errors.New("no such link")
	errMethod   = errors.New("method not allowed")
)

// readForm lets a form through that one of our own pages has sent, and reads it.
//
// The pages' Referrer-Policy makes browsers send "Origin: null" with their forms. Those that send Sec-Fetch-Site are
// judged by it; for the others, on plain HTTP, the form's token alone decides.
func (s *site) readForm(w http.ResponseWriter, r *http.Request) error {
	opaque := r.Header.Get("Sec-Fetch-Site") == "" && r.Header.Get("Origin") == "null"
	if !opaque && s.origin.Check(r) != nil {
		return errForeign
	}
	kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	files, limit, parse := false, int64(maxBody), r.ParseForm
	if r.PathValue("account") != "" && strings.Contains(r.URL.Path, "/invite") { // 5,000 addresses, or a file of them
		files, limit = strings.HasSuffix(r.URL.Path, "/invite/csv"), maxInvitees
	}
	if files && kind == "multipart/form-data" {
		parse = func() error { return r.ParseMultipartForm(limit) }
	} else if kind != "application/x-www-form-urlencoded" {
		return errFormType
	}
	if err != nil {
		return errFormType
	}
	if r.ContentLength > limit {
		return errTooLarge
	}
	r.Body = http.MaxBytesReader(w, r.Body, limit)
	if err := parse(); err != nil {
		var large *http.MaxBytesError
		if errors.As(err, &large) {
			return errTooLarge
		}
		return errBadForm
	}
	key := s.csrfKey(r)
	if key == "" || !hmac.Equal([]byte(formToken(key, r.URL.Path, s.signedInBy(r, r.URL.Path))), []byte(r.PostForm.Get(tokenField))) {
		return errStale
	}
	return nil
}

const (
	csrfCookie = "roster_csrf"
	tokenField = "csrf"
)

// csrfKey is the browser's own random key, or "" where it has none yet.
func (s *site) csrfKey(r *http.Request) string {
	key := s.cookie(r, csrfCookie)
	if raw, err := base64.RawURLEncoding.DecodeString(key); err != nil || len(raw) != sha256.Size {
		return ""
	}
	return key
}

// formToken is the token of one form: an HMAC, by the browser's key, of where the form goes and of who is signed in.
// So a token serves for one link or page and one session only, and nothing has to be kept.
func formToken(key, action, session string) string {
	mac := hmac.New(sha256.New, []byte(key))
	mac.Write(events.LengthPrefixed("roster.csrf.v1", action, session))
	return base64.RawURLEncoding.EncodeToString(mac.Sum(nil))
}

// tokens answers the function that makes the tokens of a page's forms, and gives the browser a key where it has none.
func (s *site) tokens(w http.ResponseWriter, r *http.Request) func(action string) string {
	key := s.csrfKey(r)
	if key == "" {
		var raw [sha256.Size]byte
		_, _ = rand.Read(raw[:]) // never fails, says its documentation
		key = base64.RawURLEncoding.EncodeToString(raw[:])
		s.setCookie(w, r, csrfCookie, key, 0)
	}
	return func(action string) string { return formToken(key, action, s.signedInBy(r, action)) }
}

// localPath answers where to go after signing in or out: a page of ours that takes no harm from being opened, else
// the start page. Anything that a browser could read as another host is none.
func (s *site) localPath(next string) string {
	if text, ok := strings.CutPrefix(next, "/sign-in?"); ok { // on to the portal, as it stood in the page before
		query, err := url.ParseQuery(text)
		if err != nil {
			return "/"
		}
		if r, ok := s.Access.ReturnOf(query); ok {
			return "/sign-in?" + r.Query()
		}
		return "/"
	}
	path, query, asked := strings.Cut(next, "?")
	if !isOurs(path) {
		return "/"
	}
	if q, err := url.ParseQuery(query); asked && err == nil && len(query) <= maxQuery {
		return path + "?" + q.Encode()
	}
	return path
}

// maxQuery bounds what a list was asked, where it is kept over a sign-in.
const maxQuery = 2048

// isOurs says that a path is of a page of ours that takes no harm from being opened.
func isOurs(path string) bool {
	for _, begin := range []string{"/invitations/", "/accounts/", "/me", "/operator"} {
		rest, ok := strings.CutPrefix(path, begin)
		if ok && (rest != "" || begin == "/me" || begin == "/operator") && strings.Trim(rest, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_/") == "" && !strings.Contains(path, "//") {
			return true
		}
	}
	return path == "/accounts" || path == "/users" || path == "/link"
}
