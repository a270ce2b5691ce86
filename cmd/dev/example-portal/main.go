// Command example-portal is the whole back end of a portal that leaves its users to Roster (SPEC 7.6). It wants
// ROSTER_ENDPOINT and ROSTER_KEY, and in PORTAL_ORIGIN its own origin, which Roster has been given as --portal-origin.
package main

import (
	"bytes"
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

const page = `{{range .}}<p>Hello {{.who.first_name}}, your roles in {{.in.name}}:{{range .in.roles}} {{.}}{{end}}. May invite: {{.may}}</p>
{{end}}<form method="post" action="/sign-out"><button>Sign out</button></form>`

func main() {
	p := portal{os.Getenv("ROSTER_ENDPOINT"), os.Getenv("ROSTER_KEY"), os.Getenv("PORTAL_ORIGIN")}
	log.Fatal(http.ListenAndServe(strings.TrimPrefix(p.self, "http://"), p)) // behind whatever speaks TLS for it
}

// ServeHTTP greets whoever is signed in, in each of their accounts, and sends everybody else to Roster. What the browser
// keeps for it is who signs in, and then the session: out of reach of scripts and of other sites' forms.
func (p portal) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	kept := append(r.CookiesNamed("portal"), new(http.Cookie))[0].Value // "" where there is none
	keep := func(value, next string) {
		http.SetCookie(w, &http.Cookie{Name: "portal", Value: value, Path: "/", HttpOnly: true, Secure: strings.HasPrefix(p.self, "https:"), SameSite: http.SameSiteLaxMode})
		w.Header().Set("Referrer-Policy", "no-referrer")
		http.Redirect(w, r, next, http.StatusSeeOther)
	}
	switch r.Method + " " + r.URL.Path {
	case "POST /sign-out": // of Roster's page as well; where that is refused it had ended already
		p.ask(r, kept, "DELETE", "/v1/sessions/current", m{})
		keep("", "/")
	case "GET /callback": // with a code that is good for a session once, in the browser that has asked for it
		if session, ok := p.ask(r, p.key, "POST", "/v1/sessions/exchange", m{"code": r.FormValue("code"), "return_to": p.self + "/callback", "code_verifier": kept})["token"].(string); ok {
			keep(session, "/")
		} else {
			http.Error(w, "You are not signed in: begin anew.", http.StatusForbidden)
		}
	default:
		who := p.ask(r, p.key, "POST", "/v1/sessions/introspect", m{"token": kept})
		if who["active"] != true {
			verifier := oauth2.GenerateVerifier()
			keep(verifier, p.roster+"/sign-in?return_to="+p.self+"/callback&code_challenge_method=S256&code_challenge="+oauth2.S256ChallengeFromVerifier(verifier))
			return
		}
		accounts, ok := p.ask(r, kept, "GET", "/v1/me/accounts", m{})["items"].([]any)
		for i, in := range accounts {
			may, told := p.ask(r, p.key, "POST", "/v1/check", m{"token": kept, "permission": "users:invite", "account": in.(m)["id"]})["allowed"].(bool)
			accounts[i], ok = m{"who": who, "in": in, "may": may}, ok && told
		}
		if !ok || template.Must(template.New("").Parse(page)).Execute(w, accounts) != nil {
			http.Error(w, "This cannot be shown right now.", http.StatusBadGateway)
		}
	}
}

// ask sends a request to Roster's API, as the portal or as a person. What is refused answers nothing of what was asked for.
func (p portal) ask(r *http.Request, token, method, path string, body m) (answer m) {
	text, err := json.Marshal(body)
	req, bad := http.NewRequestWithContext(r.Context(), method, p.roster+path, bytes.NewReader(text))
	if err = errors.Join(err, bad); err == nil {
		req.Header = http.Header{"Authorization": {"Bearer " + token}, "Content-Type": {"application/json"}}
		var resp *http.Response
		if resp, err = http.DefaultClient.Do(req); err == nil {
			defer func() { _ = resp.Body.Close() }()
			err = json.NewDecoder(resp.Body).Decode(&answer)
		}
	}
	if err != nil {
		log.Printf("%s: %v", path, err)
	}
	return answer
}
