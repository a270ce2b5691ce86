package mail

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"html/template"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"regexp"
	"slices"
	"strings"
)

// pagePath is where Page lives: the links on it begin with this.
const pagePath = "/dev/inbox"

// Page shows the inbox: the list at /dev/inbox, one mail at /dev/inbox/{id}. It runs no script and loads nothing;
// what a mail's HTML holds is shown in a frame that may do nothing either, so the links of its text are repeated
// above it. It asks nobody who they are: serve it on this machine only.
func (in *Inbox) Page() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !reading(w, r) {
			return
		}
		path := strings.TrimPrefix(strings.TrimPrefix(r.URL.Path, pagePath), "/")
		if path == "" {
			show(w, http.StatusOK, page{Title: "Inbox", List: in.List()})
			return
		}
		list := in.List()
		at := slices.IndexFunc(list, func(s Stored) bool { return s.ID == path })
		if at < 0 {
			show(w, http.StatusNotFound, page{Title: "No such mail"})
			return
		}
		show(w, http.StatusOK, page{Title: list[at].Subject, Mail: &list[at], Links: links(list[at].Text)})
	})
}

// JSON answers what List does.
func (in *Inbox) JSON() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !reading(w, r) {
			return
		}
		body, err := json.Marshal(in.List())
		if err != nil {
			http.Error(w, "internal error", http.StatusInternalServerError)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("Content-Security-Policy", "default-src 'none'")
		_, _ = w.Write(body)
	})
}

// reading refuses everything but reading, and sets the headers that every answer has. The address asked for has to
// name this machine: neither a proxy in front nor a site whose name suddenly points here gets to see links.
func reading(w http.ResponseWriter, r *http.Request) bool {
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.Header().Set("Referrer-Policy", "no-referrer")
	if !isLocal(r.Host) {
		http.Error(w, "the inbox is shown on this machine only, at http://localhost:PORT"+pagePath, http.StatusMisdirectedRequest)
		return false
	}
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		w.Header().Set("Allow", "GET, HEAD")
		http.Error(w, "the inbox can only be read", http.StatusMethodNotAllowed)
		return false
	}
	return true
}

// isLocal says that a Host header names the machine itself.
func isLocal(host string) bool {
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	ip, err := netip.ParseAddr(strings.Trim(host, "[]"))
	return err == nil && ip.IsLoopback() || strings.EqualFold(host, "localhost")
}

type page struct {
	Title string
	List  []Stored
	Mail  *Stored
	Links []string
}

func show(w http.ResponseWriter, status int, p page) {
	var body bytes.Buffer
	if err := pageTemplate.Execute(&body, p); err != nil {
		http.Error(w, "internal error", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("Content-Security-Policy", contentPolicy())
	w.WriteHeader(status)
	_, _ = w.Write(body.Bytes())
}

// contentPolicy allows this page's own style sheet and, because mails are laid out so and their frame inherits the
// policy, style attributes; these can load nothing.
func contentPolicy() string {
	sum := sha256.Sum256([]byte(pageStyle))
	return "default-src 'none'; style-src 'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) +
		"'; style-src-attr 'unsafe-inline'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
}

var httpLink = regexp.MustCompile(`https?://[^\s<>"]+`)

// links are the web addresses in a text, each once. Punctuation at the end belongs to the sentence.
func links(text string) []string {
	var found []string
	for _, l := range httpLink.FindAllString(text, -1) {
		l = strings.TrimRight(l, ".,;:!?)")
		if !slices.Contains(found, l) {
			found = append(found, l)
		}
	}
	return found
}

var pageTemplate = template.Must(template.New("inbox").Funcs(template.FuncMap{
	"mailPath": func(id string) string { return pagePath + "/" + url.PathEscape(id) },
	"style":    func() template.CSS { return pageStyle },
}).Parse(`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{{.Title}}</title>
<style>{{style}}</style>
</head>
<body>
{{- if .Mail}}
<p><a href="` + pagePath + `">Inbox</a></p>
<h1>{{.Mail.Subject}}</h1>
<dl>
<dt>To</dt><dd>{{.Mail.To}}</dd>
<dt>Sent</dt><dd>{{.Mail.SentAt.Format "2 January 2006, 15:04:05 MST"}}</dd>
<dt>Id</dt><dd>{{.Mail.ID}}</dd>
</dl>
{{- if .Links}}
<h2>Links</h2>
<ul>
{{- range .Links}}
<li><a href="{{.}}" rel="noopener noreferrer">{{.}}</a></li>
{{- end}}
</ul>
{{- end}}
<h2>Text</h2>
<pre>{{.Mail.Text}}</pre>
{{- if .Mail.HTML}}
<h2>HTML</h2>
<iframe title="The mail as HTML" sandbox="" referrerpolicy="no-referrer" srcdoc="{{.Mail.HTML}}"></iframe>
{{- end}}
{{- else}}
<h1>{{.Title}}</h1>
{{- if .List}}
<table>
<thead><tr><th scope="col">Sent</th><th scope="col">To</th><th scope="col">Subject</th></tr></thead>
<tbody>
{{- range .List}}
<tr><td>{{.SentAt.Format "2006-01-02 15:04:05 MST"}}</td><td>{{.To}}</td><td><a href="{{mailPath .ID}}">{{or .Subject "(no subject)"}}</a></td></tr>
{{- end}}
</tbody>
</table>
{{- else if eq .Title "Inbox"}}
<p>Nothing has been sent yet.</p>
{{- else}}
<p><a href="` + pagePath + `">Inbox</a></p>
{{- end}}
{{- end}}
</body>
</html>
`))

const pageStyle = `
body { font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; color: #1c2430; background: #fff; overflow-wrap: anywhere; }
h1 { font-size: 1.5rem; }
h2 { font-size: 1.1rem; }
table { width: 100%; border-collapse: collapse; }
th, td { text-align: left; padding: .4rem .6rem .4rem 0; border-bottom: 1px solid #d5dae1; vertical-align: top; }
dt { float: left; clear: left; width: 4rem; color: #56606e; }
dd { margin: 0 0 0 4rem; }
pre { white-space: pre-wrap; padding: 1rem; background: #f4f6f8; }
iframe { width: 100%; height: 40rem; border: 1px solid #d5dae1; }
`
