// Command example-portal is the whole back end of a portal that leaves its users to Roster (SPEC 7.6). It wants
// ROSTER_ENDPOINT and ROSTER_KEY, and in PORTAL_ORIGIN its own origin, which Roster has been given as --portal-origin.
package main

import (
	"bytes"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"html"
	"log"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"
)

type portal struct{ roster, key, self string }

func main() {
	p := portal{os.Getenv("ROSTER_ENDPOINT"), os.Getenv("ROSTER_KEY"), os.Getenv("PORTAL_ORIGIN")}
	http.HandleFunc("GET /{$}", p.home)
	http.HandleFunc("GET /callback", p.callback)
	http.HandleFunc("POST /sign-out", p.signOut)
	_, host, _ := strings.Cut(p.self, "://")
	log.Fatal((&http.Server{Addr: host, ReadHeaderTimeout: 10 * time.Second}).ListenAndServe())
}

// home greets whoever is signed in, and sends everybody else to Roster.
func (p portal) home(w http.ResponseWriter, r *http.Request) {
	var who struct {
		Active    bool
		FirstName string `json:"first_name"`
	}
	token := cookie(r, "portal_session")
	if p.ask(r, p.key, "POST", "/v1/sessions/introspect", map[string]string{"token": token}, &who) != nil || !who.Active {
		verifier := rand.Text() + rand.Text()
		challenge := sha256.Sum256([]byte(verifier))
		p.setCookie(w, "portal_verifier", verifier) // a code that was made for another browser is none in this one
		http.Redirect(w, r, p.roster+"/sign-in?"+url.Values{"return_to": {p.self + "/callback"}, "code_challenge_method": {"S256"},
			"code_challenge": {base64.RawURLEncoding.EncodeToString(challenge[:])}}.Encode(), http.StatusSeeOther)
		return
	}
	var mine struct {
		Items []struct {
			ID, Name string
			Roles    []string
		}
	}
	err := p.ask(r, token, "GET", "/v1/me/accounts", struct{}{}, &mine)
	var page strings.Builder
	for _, account := range mine.Items {
		var may struct{ Allowed bool }
		check := map[string]string{"token": token, "permission": "users:invite", "account": account.ID}
		err = errors.Join(err, p.ask(r, p.key, "POST", "/v1/check", check, &may))
		_, _ = fmt.Fprintf(&page, "<p>Hello %s, your roles in %s: %s. May invite: %t</p>\n", html.EscapeString(who.FirstName),
			html.EscapeString(account.Name), html.EscapeString(strings.Join(account.Roles, ", ")), may.Allowed)
	}
	if err != nil {
		http.Error(w, "Roster cannot be asked right now", http.StatusBadGateway)
		return
	}
	_, _ = fmt.Fprintln(w, page.String()+`<form method="post" action="/sign-out"><button>Sign out</button></form>`)
}

// callback exchanges the code that the person came back with for a session, and leaves the address that it stood in.
func (p portal) callback(w http.ResponseWriter, r *http.Request) {
	var session struct{ Token string }
	err := p.ask(r, p.key, "POST", "/v1/sessions/exchange", map[string]string{"code": r.URL.Query().Get("code"),
		"return_to": p.self + "/callback", "code_verifier": cookie(r, "portal_verifier")}, &session)
	if err != nil {
		http.Error(w, "You are not signed in: begin anew.", http.StatusForbidden)
		return
	}
	p.setCookie(w, "portal_verifier", "")
	p.setCookie(w, "portal_session", session.Token)
	http.Redirect(w, r, "/", http.StatusSeeOther)
}

// signOut ends the session, and with it the one in which the person signed in on Roster's page.
func (p portal) signOut(w http.ResponseWriter, r *http.Request) {
	var nothing struct{}
	if err := p.ask(r, cookie(r, "portal_session"), "DELETE", "/v1/sessions/current", nothing, &nothing); err != nil {
		log.Print(err) // it had ended already, or ends by itself
	}
	p.setCookie(w, "portal_session", "")
	_, _ = fmt.Fprintln(w, `<p>Signed out. <a href="/">Sign in</a></p>`)
}

// ask sends a request to Roster's API, as the portal or as a person.
func (p portal) ask(r *http.Request, token, method, path string, body, answer any) error {
	text, err := json.Marshal(body)
	if err != nil || token == "" {
		return fmt.Errorf("%s %s: nobody asks: %w", method, path, err)
	}
	req, err := http.NewRequestWithContext(r.Context(), method, p.roster+path, bytes.NewReader(text))
	if err != nil {
		return err
	}
	req.Header.Set("Authorization", "Bearer "+token)
	req.Header.Set("Content-Type", "application/json")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer func() { _ = resp.Body.Close() }()
	if resp.StatusCode >= 300 {
		return fmt.Errorf("%s %s: %s", method, path, resp.Status)
	}
	return json.NewDecoder(resp.Body).Decode(answer)
}

func cookie(r *http.Request, name string) string {
	c, err := r.Cookie(name)
	if err != nil {
		return ""
	}
	return c.Value
}

// setCookie keeps a value in the browser, out of reach of scripts and of other sites' forms.
func (p portal) setCookie(w http.ResponseWriter, name, value string) {
	w.Header().Set("Referrer-Policy", "no-referrer")
	http.SetCookie(w, &http.Cookie{Name: name, Value: value, Path: "/", HttpOnly: true, Secure: strings.HasPrefix(p.self, "https:"), SameSite: http.SameSiteLaxMode})
}
