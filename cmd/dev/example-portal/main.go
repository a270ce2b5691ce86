// Command example-portal is the whole back end of a portal that leaves its users to Roster (SPEC 7.6). It wants
// ROSTER_ENDPOINT and ROSTER_KEY, and in PORTAL_ORIGIN its own origin, which Roster has been given as --portal-origin.
package main

import (
	"encoding/json"
	"errors"
	"html/template"
	"log"
	"net/http"
	"os"
	"strings"

	"golang.org/x/oauth2"
)

type m = map[string]any

type portal struct{ roster, key, self string }

const page = `{{range .}}<p>Hello {{.who.first_name}}, your roles in {{.in.name}}:{{range .in.roles}} {{.}}{{end}}. May invite: {{.may.allowed}}</p>
{{end}}<form method="post" action="/sign-out"><button>Sign out</button></form>`

func main() {
	p := portal{os.Getenv("ROSTER_ENDPOINT"), os.Getenv("ROSTER_KEY"), os.Getenv("PORTAL_ORIGIN")}
	http.HandleFunc("GET /{$}", p.home)
	http.HandleFunc("GET /callback", p.callback)
	http.HandleFunc("POST /sign-out", p.signOut)
	log.Fatal(http.ListenAndServe(strings.TrimPrefix(p.self, "http://"), nil)) // behind whatever speaks TLS for it
}

// home greets whoever is signed in, in each of their accounts, and sends everybody else to Roster.
func (p portal) home(w http.ResponseWriter, r *http.Request) {
	who, err := p.ask(r, p.key, "POST /v1/sessions/introspect", m{"token": kept(r)})
	if err != nil || who["active"] != true {
		verifier := oauth2.GenerateVerifier()
		p.keep(w, verifier) // a code that was made for another browser is none in this one
		http.Redirect(w, r, p.roster+"/sign-in?return_to="+p.self+"/callback&code_challenge_method=S256&code_challenge="+
			oauth2.S256ChallengeFromVerifier(verifier), http.StatusSeeOther)
		return
	}
	mine, err := p.ask(r, kept(r), "GET /v1/me/accounts", m{})
	accounts, _ := mine["items"].([]any)
	for i, in := range accounts {
		may, refused := p.ask(r, p.key, "POST /v1/check", m{"token": kept(r), "permission": "users:invite", "account": in.(m)["id"]})
		accounts[i], err = m{"who": who, "in": in, "may": may}, errors.Join(err, refused)
	}
	if err != nil {
		http.Error(w, "Roster cannot be asked right now", http.StatusBadGateway)
	} else if err := template.Must(template.New("").Parse(page)).Execute(w, accounts); err != nil {
		log.Print(err)
	}
}

// callback exchanges the code that the person came back with for a session, and leaves the address that it stood in.
func (p portal) callback(w http.ResponseWriter, r *http.Request) {
	session, err := p.ask(r, p.key, "POST /v1/sessions/exchange",
		m{"code": r.FormValue("code"), "return_to": p.self + "/callback", "code_verifier": kept(r)})
	if err != nil {
		http.Error(w, "You are not signed in: begin anew.", http.StatusForbidden)
		return
	}
	p.keep(w, session["token"].(string))
	http.Redirect(w, r, "/", http.StatusSeeOther)
}

// signOut ends the session, and with it the one in which the person signed in on Roster's page.
func (p portal) signOut(w http.ResponseWriter, r *http.Request) {
	if _, err := p.ask(r, kept(r), "DELETE /v1/sessions/current", m{}); err != nil {
		log.Print(err) // it had ended already, or ends by itself
	}
	p.keep(w, "")
	_, _ = w.Write([]byte(`<p>Signed out. <a href="/">Sign in</a></p>`))
}

// ask sends a request to Roster's API, as the portal or as a person.
func (p portal) ask(r *http.Request, token, what string, body m) (answer m, err error) {
	text, err := json.Marshal(body)
	method, path, _ := strings.Cut(what, " ")
	req, bad := http.NewRequestWithContext(r.Context(), method, p.roster+path, strings.NewReader(string(text)))
	if err = errors.Join(err, bad); err != nil {
		return nil, err
	}
	req.Header = http.Header{"Authorization": {"Bearer " + token}, "Content-Type": {"application/json"}}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, err
	}
	defer func() { _ = resp.Body.Close() }()
	if resp.StatusCode >= 300 {
		return nil, errors.New(what + ": " + resp.Status)
	}
	return answer, json.NewDecoder(resp.Body).Decode(&answer)
}

// kept is what the browser keeps for the portal: who signs in, and then the session.
func kept(r *http.Request) string {
	c, err := r.Cookie("portal")
	if err != nil {
		return ""
	}
	return c.Value
}

// keep keeps it out of reach of scripts and of other sites' forms.
func (p portal) keep(w http.ResponseWriter, value string) {
	w.Header().Set("Referrer-Policy", "no-referrer")
	http.SetCookie(w, &http.Cookie{Name: "portal", Value: value, Path: "/", HttpOnly: true, Secure: strings.HasPrefix(p.self, "https:"), SameSite: http.SameSiteLaxMode})
}
