package web

import (
	"encoding/json"
	"errors"
	"net/http"

	"roster/domain"
	"roster/events"
	"roster/handlers/access"
)

// passkeyRoutes are where passkeys are made and shown (SPEC 4.5). The browser's own prompt needs a script, which sends on
// by a form of the page what the authenticator has answered.
func (s *site) passkeyRoutes() map[string]verbs {
	routes := map[string]verbs{
		"/sign-in/passkey":      {http.MethodGet: s.backToSignIn, http.MethodPost: s.askPasskey},
		"/sign-in/passkey/show": {http.MethodGet: s.backToSignIn, http.MethodPost: s.showPasskey},
	}
	if s.API != nil {
		routes["/me/passkeys"] = verbs{http.MethodGet: s.backToSecurity, http.MethodPost: s.signedIn(s.beginPasskey)}
		routes["/me/passkeys/add"] = verbs{http.MethodGet: s.backToSecurity, http.MethodPost: s.signedIn(s.addPasskey)}
	}
	return routes
}

// ceremony is what a browser's prompt is opened with, and where its answer goes.
type ceremony struct {
	Make    bool // a new one; else one is shown
	Options string
	State   string
	Action  string
	Next    string
}

func (s *site) backToSecurity(w http.ResponseWriter, r *http.Request) error {
	http.Redirect(w, r, "/me/security", http.StatusSeeOther)
	return nil
}

// askPasskey opens the prompt: for a sign-in by a passkey alone, or as the second step.
func (s *site) askPasskey(w http.ResponseWriter, r *http.Request) error {
	if !s.Access.CanPasskeys() {
		return errNoPage
	}
	c, err := s.Access.AskPasskey(r.Context(), r.PostForm.Get("challenge"))
	if err != nil {
		return s.notByPasskey(w, r, err)
	}
	p := s.open(w, r, person{})
	p.Passkey = true
	return p.door(http.StatusOK, p.T("passkey.sign_in"), passkeyDoor(p, ceremony{Options: string(c.Options), State: c.State, Action: "/sign-in/passkey/show",
		Next: s.localPath(r.PostForm.Get("next"))}))
}

func (s *site) showPasskey(w http.ResponseWriter, r *http.Request) error {
	if !s.Access.CanPasskeys() {
		return errNoPage
	}
	before, err := s.who(r.Context(), r)
	if err != nil {
		return err
	}
	in, err := s.Access.ShowPasskey(r.Context(), s.signingIn(r), r.PostForm.Get("state"), []byte(r.PostForm.Get("credential")))
	if err != nil {
		return s.notByPasskey(w, r, err)
	}
	return s.startSession(w, r, before, in, s.localPath(r.PostForm.Get("next")))
}

// notByPasskey leads back to the sign-in, which says that it did not work.
func (s *site) notByPasskey(w http.ResponseWriter, r *http.Request, err error) error {
	var refusal *domain.Error
	if !errors.As(err, &refusal) {
		return err
	}
	p := s.open(w, r, person{})
	body := signInBody{Next: s.localPath(r.PostForm.Get("next")), SSO: s.Access.CanSSO() && !p.Framed}
	return p.signInDoor(p.refusedSignIn(refusal, &body.Error, &body.Retry, p.T("passkey.wrong")), body)
}

func (s *site) beginPasskey(p *page) error {
	var c struct {
		Options json.RawMessage `json:"options"`
		State   string          `json:"state"`
	}
	_, err := s.send(p.r, http.MethodPost, "/v1/me/factors/passkey", map[string]any{"label": p.r.PostForm.Get("label"), "password": p.r.PostForm.Get("password")}, &c)
	p.Passkey = err == nil
	return p.secured(err, func(v *securityPage) {
		if err == nil {
			v.Ceremony = &ceremony{Make: true, Options: string(c.Options), State: c.State, Action: "/me/passkeys/add"}
		}
	})
}

func (s *site) addPasskey(p *page) error {
	var credential map[string]any
	if err := json.Unmarshal([]byte(p.r.PostForm.Get("credential")), &credential); err != nil {
		return p.secured(&problem{Code: string(domain.Invalid), Status: http.StatusUnprocessableEntity, Detail: p.T("passkey.wrong")}, keep)
	}
	_, err := s.send(p.r, http.MethodPost, "/v1/me/factors/passkey/verify", map[string]any{"state": p.r.PostForm.Get("state"), "credential": credential}, nil)
	if err != nil {
		return p.secured(err, keep)
	}
	return p.done("/me/security", "done.passkey", "", "")
}

// byPasskey says that a second step can be done with a passkey.
func byPasskey(factors []access.Shown) bool {
	for _, f := range factors {
		if f.Method == events.FactorPasskey {
			return true
		}
	}
	return false
}
