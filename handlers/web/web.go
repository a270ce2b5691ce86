// Package web serves the pages: start, sign-in, what a link in a mail opens, the first account, and the portal's user
// section for whoever is signed in. They are made on the server, work by links and plain forms, and load nothing from
// elsewhere; the scripts there are make them quicker, not possible. Looking at a page changes nothing; only a POST with
// the page's own token does.
//
// A signed-in page is one Go file (its routes and what it asks of the API), one templ file (what it looks like) and one
// group of messages, all of one name: users.go, users.templ, messages/users.en.json and users.de.json. Its routes stand
// in groups. It asks the API by send and get, so that it shows and does nothing that a program with the same session could
// not, and shows what the API refuses where it was asked for. After templ files have changed: go generate ./handlers/web.
//
//go:generate go tool templ generate
package web

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"roster/domain"
	"roster/events"
	"roster/handlers"
	"roster/handlers/access"
	"roster/handlers/enroll"
	"roster/handlers/origin"
)

// What a link's token is for, as Links answers it.
const (
	purposeInvitation byte = 1
	purposeSetup      byte = 2
	purposeConfirm    byte = 3
	purposeReset      byte = 4
	purposeSignup     byte = 5
)

// maxBody bounds what a form may send.
const maxBody = 64 << 10

// maxInvitees bounds what a form may send that invites people.
const maxInvitees = 2 << 20

// Links reads the tokens of links. A token that is none, whatever the reason, is an error.
type Links interface {
	Read(token string) (purpose byte, scope, subject [16]byte, generation uint32, err error)
}

// Config is what the pages are made of.
type Config struct {
	App        *handlers.App
	Access     *access.Access
	Links      Links
	PublicURL  string   // https makes the cookies Secure; no page takes its address from the request
	PortalName string   // "Roster" where it is empty
	Logo       []byte   // a picture of the portal's; nil: none
	Accent     string   // the portal's colour as #rrggbb; "": ours
	HasInbox   bool     // there is a /dev/inbox
	Portals    []string // the origins that sign-ins are handed over to
	Frames     []string // the origins of portals that show the pages in a frame
	// API answers /v1 in the process: what a signed-in page shows and does, it asks there. nil: there are no such pages.
	API    http.Handler
	Health http.Handler // answers /readyz in the process, for the operator's pages; nil: they say nothing of it
	Logger *slog.Logger
	// Origin says from where a request comes. nil: the connection's address and the User-Agent, right where there
	// is no proxy in front.
	Origin func(*http.Request) events.OriginInfo
}

// site is the pages with all that they need.
type site struct {
	Config
	enroll    *enroll.Enroll
	assets    assets
	catalogue catalogue
	shipped   map[string]domain.Definition // the portal profiles that come with the program, by name
	origin    *http.CrossOriginProtection
	headers   http.Header // of a page that stands alone
	inFrame   http.Header // of one that a portal may show in a frame
	secure    bool
}

// Mount registers the pages: "/", /sign-in, /sign-out, /forgotten, /reset/…, /confirm/…, /sign-up/…, /invitations/…, /setup/… and /assets/…, each for all
// verbs, so that what is not allowed is refused by a page as well.
func Mount(mux *http.ServeMux, c Config) error {
	public, err := url.Parse(c.PublicURL)
	if err != nil || public.Host == "" || public.Scheme != "http" && public.Scheme != "https" {
		return errors.New("web: the public URL has to be http://… or https://…")
	}
	if c.PortalName == "" {
		c.PortalName = "Roster"
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	if c.Origin == nil {
		c.Origin = origin.Behind()
	}
	s := &site{Config: c, enroll: &enroll.Enroll{App: c.App, Access: c.Access}, origin: http.NewCrossOriginProtection(),
		secure: public.Scheme == "https", headers: headers(public.Scheme == "https", c.Portals, nil), inFrame: headers(public.Scheme == "https", c.Portals, c.Frames)}
	if err := s.origin.AddTrustedOrigin(public.Scheme + "://" + public.Host); err != nil {
		return fmt.Errorf("web: %w", err)
	}
	if err := checkColour(c.Accent); err != nil {
		return fmt.Errorf("web: the accent: %w", err)
	}
	if s.assets, err = readAssets(c); err != nil {
		return fmt.Errorf("web: %w", err)
	}
	if s.catalogue, err = readCatalogue(); err != nil {
		return fmt.Errorf("web: %w", err)
	}
	s.shipped = map[string]domain.Definition{}
	for _, d := range domain.Profiles() {
		s.shipped[d.Name] = d
	}
	for _, group := range s.groups() {
		for pattern, verbs := range group {
			mux.Handle(pattern, s.route(verbs))
		}
	}
	if s.API != nil {
		mux.Handle("/", s.elsewhere())
	}
	return nil
}

// elsewhere hands what is no page's path to the API. A browser that asks for one which the API has not either is shown a
// page that says so.
func (s *site) elsewhere() http.Handler {
	noPage := s.route(nil)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		first, _, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/"), "/")
		read := r.Method == http.MethodGet || r.Method == http.MethodHead
		if read && strings.Contains(r.Header.Get("Accept"), "text/html") && !slices.Contains([]string{"v1", "openapi.json", "docs", "problems"}, first) {
			noPage.ServeHTTP(w, r)
			return
		}
		s.API.ServeHTTP(w, r)
	})
}

// groups are the paths of all pages; those of a group stand beside what shows them.
func (s *site) groups() []map[string]verbs {
	open := s.openRoutes()
	if s.API == nil {
		return []map[string]verbs{open, s.linkRoutes(), s.ssoRoutes(), s.themeRoutes(), s.passkeyRoutes(), s.frameRoutes()}
	}
	return []map[string]verbs{
		open,
		s.linkRoutes(),
		s.ssoRoutes(),
		s.themeRoutes(),
		s.passkeyRoutes(),
		s.frameRoutes(),
		s.accountRoutes(),
		s.acrossRoutes(),
		s.userRoutes(),
		s.inviteRoutes(),
		s.roleRoutes(),
		s.contactRoutes(),
		s.policyRoutes(),
		s.treeRoutes(),
		s.keyRoutes(),
		s.ssoSettingRoutes(),
		s.auditRoutes(),
		s.meRoutes(),
		s.operatorRoutes(),
		s.operatorAccountRoutes(),
		s.operatorUserRoutes(),
		s.operatorProjectionRoutes(),
		s.operatorMailRoutes(),
	}
}

// openRoutes are the pages for which nobody needs to be signed in.
func (s *site) openRoutes() map[string]verbs {
	return map[string]verbs{
		"/{$}":                         {http.MethodGet: s.start},
		"/sign-in":                     {http.MethodGet: s.signInPage, http.MethodPost: s.signIn},
		"/sign-in/factor":              {http.MethodGet: s.backToSignIn, http.MethodPost: s.factor},
		"/sign-out":                    {http.MethodPost: s.signOut},
		"/invitations/{token}":         {http.MethodGet: s.invitation},
		"/invitations/{token}/accept":  {http.MethodGet: s.backToInvitation, http.MethodPost: s.accept},
		"/invitations/{token}/decline": {http.MethodGet: s.backToInvitation, http.MethodPost: s.decline},
		"/invitations/{token}/ask":     {http.MethodGet: s.backToInvitation, http.MethodPost: s.ask},
		"/forgotten":                   {http.MethodGet: s.forgottenPage, http.MethodPost: s.forgotten},
		"/reset/{token}":               {http.MethodGet: s.resetPage, http.MethodPost: s.reset},
		"/reset/":                      nil,
		"/confirm/{token}":             {http.MethodGet: s.confirmPage, http.MethodPost: s.confirm},
		"/confirm/":                    nil,
		"/sign-up":                     {http.MethodGet: s.signUpPage, http.MethodPost: s.askToSignUp},
		"/sign-up/{token}":             {http.MethodGet: s.signUpLinkPage, http.MethodPost: s.signUp},
		"/sign-up/":                    nil,
		"/setup/{token}":               {http.MethodGet: s.setupPage, http.MethodPost: s.setup},
		"/assets/{name}":               {http.MethodGet: s.asset},
		"/invitations/":                nil,
		"/setup/":                      nil,
		"/assets/":                     nil,
	}
}

// verbs are the handlers of one path; nil is a path that does not exist.
type verbs map[string]func(w http.ResponseWriter, r *http.Request) error

// route answers a path: headers first, so that no answer is without them, then who may send what, then the handler.
func (s *site) route(v verbs) http.Handler {
	allow := []string{http.MethodOptions}
	for verb := range v {
		allow = append(allow, verb)
		if verb == http.MethodGet {
			allow = append(allow, http.MethodHead)
		}
	}
	slices.Sort(allow)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		set := s.headers
		if s.mayBeFramed(r.URL.Path) {
			set = s.inFrame
		}
		for name, values := range set {
			w.Header()[name] = values
		}
		verb := r.Method
		if verb == http.MethodHead {
			verb = http.MethodGet
		}
		handle, ok := v[verb]
		var err error
		switch {
		case v == nil:
			err = errNoPage
		case verb == http.MethodOptions:
			w.Header().Set("Allow", strings.Join(allow, ", "))
			w.WriteHeader(http.StatusNoContent)
		case !ok:
			w.Header().Set("Allow", strings.Join(allow, ", "))
			err = errMethod
		case verb == http.MethodPost:
			if err = s.readForm(w, r); err == nil {
				err = handle(w, r)
			}
		default:
			err = handle(w, r)
		}
		if err != nil {
			s.fail(w, r, err)
		}
	})
}

// headers are those of every answer. Nothing may run or be loaded but our own files, nobody but the portals named
// may frame the page, and none learns its address. A form of ours may lead on to a portal, once it has signed somebody in.
func headers(secure bool, portals, frames []string) http.Header {
	h := http.Header{}
	ancestors := "'none'"
	if len(frames) > 0 {
		ancestors = strings.Join(frames, " ")
	}
	form := strings.Join(append([]string{"'self'"}, portals...), " ")
	h.Set("Content-Security-Policy", "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; form-action "+form+"; frame-ancestors "+ancestors+"; base-uri 'none'")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("X-Content-Type-Options", "nosniff")
	if len(frames) == 0 {
		h.Set("X-Frame-Options", "DENY")
	}
	h.Set("Cross-Origin-Opener-Policy", "same-origin")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
	h.Set("Cache-Control", "no-store")
	if secure {
		h.Set("Strict-Transport-Security", "max-age=31536000")
	}
	return h
}

// call is a call by somebody.
func (s *site) call(r *http.Request, actor events.Actor) handlers.Call {
	return handlers.Call{Actor: actor, Origin: s.Config.Origin(r)}
}

// by is a call by whoever is signed in: in a session that the operator has opened it is the operator's, on their behalf.
func (s *site) by(r *http.Request, who person) handlers.Call { return who.In(s.call(r, who.Actor)) }

// link reads the token of the path. What is no link to an invitation reads as a page that does not exist.
func (s *site) link(r *http.Request) (enroll.Link, error) {
	purpose, scope, subject, generation, err := s.Links.Read(r.PathValue("token"))
	if err != nil || purpose != purposeInvitation {
		return enroll.Link{}, errNoLink
	}
	return enroll.Link{Account: events.AccountID(scope), Invitation: events.InvitationID(subject), Generation: generation}, nil
}

// isSetup checks that the token of the path is the setup link's.
func (s *site) isSetup(r *http.Request) error {
	if purpose, _, _, _, err := s.Links.Read(r.PathValue("token")); err != nil || purpose != purposeSetup {
		return errNoLink
	}
	return nil
}

// person is who is signed in, as the pages show it.
type person struct {
	access.Principal
	Name, Email      string
	TimeZone, Locale string
}

// Lent says that the session is one that the operator has opened for the person: what is the person's alone is not done
// in it.
func (p person) Lent() bool { return p.Opener != nil }

// SignedIn says that somebody is.
func (p person) SignedIn() bool { return !p.Actor.User().IsZero() }

// who answers who is signed in, or nobody.
func (s *site) who(ctx context.Context, r *http.Request) (person, error) {
	token := s.sessionToken(r)
	if token == "" {
		return person{}, nil
	}
	p, err := s.Access.Authenticate(ctx, token)
	switch {
	case codeOf(err) != "":
		return person{}, nil // a session that has ended is nobody's
	case err != nil:
		return person{}, err
	case p.Actor.User().IsZero(), p.Opener != nil && !s.framed(r):
		return person{}, nil // pages are for people themselves, and for whom a portal has opened its frame
	}
	profile, email, err := s.App.Person(ctx, p.User)
	if err != nil {
		return person{}, err
	}
	return person{Principal: p, Name: profile.Full(), Email: email, TimeZone: profile.TimeZone, Locale: profile.Locale}, nil
}
